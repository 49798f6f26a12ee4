// This benchmark says what a large tenant costs from its file: the seconds that opening the file and loading the tenant take,
// and the memory that it keeps.
package live

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store/bolt"
)

const loadRoles, loadDepartments, loadGroups = 50, 1_000, 5_000

// BenchmarkLoad opens a file and loads a tenant of users that have a department, a role and some groups each, drawn at
// random, so that nearly everybody has a combination of his own. Ids have 12 bytes. A user's weight is what the heap holds
// more than with a tenant that has all of it but the users; that of a further edge comes from four more groups each.
func BenchmarkLoad(b *testing.B) {
	weights := map[int]float64{}
	for _, c := range []struct{ users, groups int }{{100_000, 2}, {100_000, 6}, {1_000_000, 2}} {
		b.Run(fmt.Sprintf("users=%d/groups=%d", c.users, c.groups), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "klinke.db")
			fill(b, path, c.users, c.groups)
			weight := float64(weighFile(b, path, "big")-weighFile(b, path, "empty")) / float64(c.users)
			var opens, loads []float64
			b.ResetTimer()
			for b.Loop() {
				open, load := loaded(b, path, "big", func() {})
				opens, loads = append(opens, open.Seconds()), append(loads, load.Seconds())
			}
			slices.Sort(opens)
			slices.Sort(loads)
			b.ReportMetric(0, "ns/op") // of opening, loading and closing together
			b.ReportMetric(opens[len(opens)/2], "open-s")
			b.ReportMetric(loads[len(loads)/2], "load-s")
			b.ReportMetric(weight, "bytes/user")
			if c.users == 100_000 {
				weights[c.groups] = weight
			}
			if two, ok := weights[2]; ok && c.groups == 6 {
				b.ReportMetric((weight-two)/4, "bytes/further-edge")
			}
		})
	}
}

// fill makes a file with the two tenants, through the same door as everybody.
func fill(b *testing.B, path string, users, groups int) {
	b.Helper()
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ts := New(s, slog.New(slog.DiscardHandler))
	defer ts.Close() // which leaves checkpoints
	if _, _, err := ts.PutModel(context.Background(), model(), false); err != nil {
		b.Fatal(err)
	}
	for _, tenant := range []string{"empty", "big"} {
		create(b, ts, tenant)
		f := &filling{b: b, ts: ts, tenant: tenant}
		f.directory()
		if tenant == "big" {
			f.people(users, groups)
		}
		f.flush()
	}
}

// filling writes a tenant in writes as large as are allowed.
type filling struct {
	b       *testing.B
	ts      *Tenants
	tenant  string
	changes []*klinkev1.Change
}

func (f *filling) put(r *klinkev1.Record) {
	f.changes = append(f.changes, &klinkev1.Change{Change: &klinkev1.Change_Put{Put: r}})
	if len(f.changes) == policy.MaxWriteChanges {
		f.flush()
	}
}

func (f *filling) flush() {
	f.b.Helper()
	if _, err := f.ts.Write(context.Background(), f.tenant, Write{Changes: f.changes}); err != nil {
		f.b.Fatal(err)
	}
	f.changes = nil
}

func (f *filling) directory() {
	for i := range loadRoles {
		id := fmt.Sprintf("role%d", i)
		f.put(&klinkev1.Record{Record: &klinkev1.Record_Role{Role: &klinkev1.Role{Id: id}}})
		f.put(&klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: &klinkev1.Cell{Role: id, Permission: "recording.listen", Level: "own"}}})
	}
	for i := range loadDepartments {
		f.put(&klinkev1.Record{Record: &klinkev1.Record_Department{Department: &klinkev1.Department{Id: fmt.Sprintf("d%d", i)}}})
	}
	for i := range loadGroups {
		f.put(&klinkev1.Record{Record: &klinkev1.Record_Group{Group: &klinkev1.Group{Id: fmt.Sprintf("g%d", i)}}})
	}
}

func (f *filling) people(users, groups int) {
	draw := rand.New(rand.NewPCG(1, 2))
	for i := range users {
		id := fmt.Sprintf("user%08d", i)
		f.put(&klinkev1.Record{Record: &klinkev1.Record_Subject{
			Subject: &klinkev1.Subject{Type: klinkev1.SubjectType_SUBJECT_TYPE_USER, Id: id, Label: "Name of " + id}}})
		f.put(&klinkev1.Record{Record: &klinkev1.Record_DepartmentMember{
			DepartmentMember: &klinkev1.DepartmentMember{Department: fmt.Sprintf("d%d", draw.IntN(loadDepartments)), Subject: "user:" + id}}})
		f.put(&klinkev1.Record{Record: &klinkev1.Record_Assignment{
			Assignment: &klinkev1.Assignment{Role: fmt.Sprintf("role%d", draw.IntN(loadRoles)), Holder: "user:" + id}}})
		for n, first := 0, draw.IntN(loadGroups); n < groups; n++ { // different ones
			f.put(&klinkev1.Record{Record: &klinkev1.Record_GroupMember{
				GroupMember: &klinkev1.GroupMember{Group: fmt.Sprintf("g%d", (first+n*(1+i%97))%loadGroups), Member: "user:" + id}}})
		}
	}
}

// loaded opens the file, loads a tenant, and closes both after use.
func loaded(b *testing.B, path, tenant string, use func()) (open, load time.Duration) {
	b.Helper()
	begun := time.Now()
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ts := New(s, slog.New(slog.DiscardHandler))
	defer ts.Close()
	opened := time.Now()
	state, err := ts.Current(context.Background(), tenant)
	load = time.Since(opened)
	if err != nil {
		b.Fatal(err)
	}
	if state.Snapshot.Size() < loadGroups {
		b.Fatalf("the tenant has %d records", state.Snapshot.Size())
	}
	use()
	return opened.Sub(begun), load
}

// weighFile is what the heap holds more while a tenant of a file is alive.
func weighFile(b *testing.B, path, tenant string) (weight int64) {
	b.Helper()
	before := liveHeap()
	loaded(b, path, tenant, func() { weight = liveHeap() - before })
	return weight
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
