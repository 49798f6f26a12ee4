// These tests prove that what time changes is entered: once, of loaded and unloaded tenants, also when the server was off, in
// order with the writes, and that one tenant's trouble delays no other's.
package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
	"github.com/klinke-authz/klinke/store/bolt"
	"github.com/klinke-authz/klinke/store/mem"
)

// during is a role for a time; nothing means always.
func during(role, holder string, from, until time.Time) *klinkev1.Change {
	c := assign(role, holder)
	c.GetPut().GetAssignment().From, c.GetPut().GetAssignment().Until = timestamp(from), timestamp(until)
	return c
}

// inTime runs a test on every engine, in a bubble in which time passes only when all wait.
func inTime(t *testing.T, run func(t *testing.T, s store.Store)) {
	t.Run("mem", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := mem.New()
			t.Cleanup(func() { s.Close() })
			run(t, s)
		})
	})
	t.Run("bolt", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "klinke.db")
		synctest.Test(t, func(t *testing.T) {
			s, err := bolt.Open(path, bolt.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				s.Close()
				r, err := bolt.Verify(path, func(string) {})
				if err != nil || !r.Clean() {
					t.Errorf("afterwards the file is not clean: %v, %v", r.Problems, err)
				}
			})
			run(t, s)
		})
	})
}

// await lets time pass until a moment, and all that is due then happen.
func await(until time.Time) {
	<-time.After(time.Until(until))
	synctest.Wait()
}

func log(t *testing.T, s store.Store, id string) []*klinkev1.Entry {
	t.Helper()
	entries, err := s.Entries(id, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// wantPassage holds a tenant's newest entry to what the passing of a boundary makes.
func wantPassage(t *testing.T, s store.Store, id string, want *klinkev1.Entry) {
	t.Helper()
	entries := log(t, s, id)
	got := entries[len(entries)-1]
	want.Position = got.GetPosition()
	if !proto.Equal(got, want) {
		t.Errorf("the newest entry of %s is\n%v\nwant\n%v", id, got, want)
	}
}

func moved(from, to string) []*klinkev1.Effect {
	return []*klinkev1.Effect{{Permission: "recording.listen", From: from, To: to, Count: 1, Subjects: []string{"user:anna"}, Conditional: true}}
}

func annas() *klinkev1.Footprint {
	return &klinkev1.Footprint{Subjects: []string{"user:anna"}, Touched: []*klinkev1.Read{{Kind: klinkev1.ReadKind_READ_KIND_PEOPLE}}}
}

func TestBoundariesAreEntered(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		ts := world(t, s)
		begin := time.Now()
		from, until := begin.Add(time.Hour), begin.Add(3*time.Hour)
		w := mustWrite(t, ts, "acme", Write{Changes: []*klinkev1.Change{user("anna"), during("agent", "user:anna", from, until)}})
		if got := store.DueOf(w.Entry); !got.Equal(from) {
			t.Fatalf("the write's next boundary is %v, want %v", got, from)
		}
		before := current(t, ts, "acme")
		slot, err := ts.get(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		left := slot.beyond(before)
		await(from.Add(-1))
		if got := current(t, ts, "acme"); got != before {
			t.Fatalf("before the boundary the tenant went to %s", got.Revision)
		}
		await(from)
		select {
		case <-left:
		default:
			t.Error("who waits for a change was not woken")
		}
		wantPassage(t, s, "acme", &klinkev1.Entry{Time: timestamppb.New(from), Passed: timestamppb.New(from), Footprint: annas(),
			Effects: moved("none", "own"), NextBoundary: timestamppb.New(until)})
		after := current(t, ts, "acme")
		if !after.Time.Equal(from) || after.Position <= before.Position || after.Snapshot != before.Snapshot {
			t.Errorf("after the boundary the state is %+v, before %+v", after, before)
		}
		await(until.Add(time.Hour))
		wantPassage(t, s, "acme", &klinkev1.Entry{Time: timestamppb.New(until), Passed: timestamppb.New(until), Footprint: annas(), Effects: moved("own", "none")})
		if n := len(log(t, s, "acme")); n != 4 {
			t.Errorf("the log has %d entries, want the creation, the write and two boundaries", n)
		}
		if rows, err := s.Due(1); err != nil || len(rows) != 0 {
			t.Errorf("still to come: %v, %v", rows, err)
		}
		last := current(t, ts, "acme")
		ts.Close()
		if again := current(t, over(t, s), "acme"); again.Revision != last.Revision || !again.Time.Equal(last.Time) {
			t.Errorf("loaded at %s, %v; want %s, %v", again.Revision, again.Time, last.Revision, last.Time)
		}
	})
}

// A tenant that nobody asks for is loaded for its boundary.
func TestBoundariesOfUnloadedTenants(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		ts := world(t, s)
		until := time.Now().Add(time.Hour)
		mustWrite(t, ts, "acme", Write{Changes: []*klinkev1.Change{user("anna"), during("agent", "user:anna", time.Time{}, until)}})
		ts.Close()
		ts = over(t, s)
		synctest.Wait()
		if ts.Living("acme") != nil {
			t.Fatal("the tenant is loaded before anybody needs it")
		}
		await(until)
		wantPassage(t, s, "acme", &klinkev1.Entry{Time: timestamppb.New(until), Passed: timestamppb.New(until), Footprint: annas(), Effects: moved("own", "none")})
	})
}

// What passed while the server was off is one entry, made at its start.
func TestBoundariesThatPassedMeanwhile(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		ts := world(t, s)
		begin := time.Now()
		at := func(hours int) time.Time { return begin.Add(time.Duration(hours) * time.Hour) }
		mustWrite(t, ts, "acme", Write{Changes: []*klinkev1.Change{user("anna"), user("bert"),
			during("agent", "user:anna", at(1), at(4)), during("agent", "user:bert", at(2), at(3)), during("agent", "everybody", at(9), time.Time{})}})
		ts.Close()
		start := at(5)
		await(start)
		over(t, s)
		synctest.Wait()
		both := annas()
		both.Subjects = append(both.Subjects, "user:bert")
		wantPassage(t, s, "acme", &klinkev1.Entry{Time: timestamppb.New(start), Passed: timestamppb.New(at(4)), Footprint: both, NextBoundary: timestamppb.New(at(9))})
		if n := len(log(t, s, "acme")); n != 3 {
			t.Errorf("the log has %d entries, want 3", n)
		}
	})
}

// An append that names an earlier moment than the timer's is heard of at once, and a creation, too.
func TestEarlierBoundaries(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		ts := world(t, s)
		begin := time.Now()
		for i, id := range []string{"acme", "globex", "initech"} {
			if i > 0 {
				create(t, ts, id)
			}
			until := begin.Add(time.Duration(50-20*i) * time.Second)
			mustWrite(t, ts, id, Write{Changes: []*klinkev1.Change{user("anna"), during("agent", "user:anna", time.Time{}, until)}})
			synctest.Wait()
		}
		await(begin.Add(10 * time.Second))
		if got := log(t, s, "initech"); got[len(got)-1].GetPassed() == nil {
			t.Error("the earliest did not pass in time")
		}
		await(begin.Add(50 * time.Second))
		for i, id := range []string{"acme", "globex", "initech"} {
			want := begin.Add(time.Duration(50-20*i) * time.Second)
			if got := log(t, s, id); len(got) != 3 || !got[2].GetTime().AsTime().Equal(want) {
				t.Errorf("%s: %v, want a boundary at %v", id, got, want)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ts := world(t, mem.New())
		m := model()
		m.Name = "timely"
		until := time.Now().Add(time.Hour)
		m.Assignments = []*klinkev1.Assignment{{Role: "agent", Holder: "everybody", Until: timestamppb.New(until)}}
		if _, _, err := ts.PutModel(t.Context(), m, false); err != nil {
			t.Fatal(err)
		}
		if _, err := ts.Create(t.Context(), Creation{ID: "new", Model: "timely"}); err != nil {
			t.Fatal(err)
		}
		await(until)
		if got := log(t, ts.store, "new"); len(got) != 2 || !got[1].GetPassed().AsTime().Equal(until) {
			t.Errorf("a tenant that was made with a boundary has %v", got)
		}
	})
}

// blind is a store that names no boundary, so that writes come before the timer.
type blind struct{ store.Store }

func (blind) Due(int) ([]store.Tenant, error) { return nil, nil }

// A write that is faster than the timer enters what passed before it, and hides nothing.
func TestWritesEnterWhatPassedBefore(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		ts := world(t, blind{s})
		until := time.Now().Add(time.Hour)
		first := mustWrite(t, ts, "acme", Write{Changes: []*klinkev1.Change{user("anna"), during("agent", "user:anna", time.Time{}, until)}})
		now := until.Add(time.Minute)
		await(now)
		// A preview leaves nothing behind.
		w := puts("bert")
		w.ValidateOnly, w.Expected = true, first.Revision
		if out, err := ts.Write(t.Context(), "acme", w); err != nil || out.Revision != first.Revision || len(log(t, s, "acme")) != 2 {
			t.Errorf("a preview: %+v, %v; the log has %d entries", out, err, len(log(t, s, "acme")))
		}
		// Who expects the tenant as it was before is refused, since its rights are others now.
		w.ValidateOnly = false
		if _, err := ts.Write(t.Context(), "acme", w); kindOf(err) != policy.Conflict {
			t.Errorf("expecting the revision before the boundary: %v, want Conflict", err)
		}
		wantPassage(t, s, "acme", &klinkev1.Entry{Time: timestamppb.New(now), Passed: timestamppb.New(until), Footprint: annas(), Effects: moved("own", "none")})
		again := time.Now().Add(time.Hour)
		mustWrite(t, ts, "acme", Write{Changes: []*klinkev1.Change{during("agent", "user:anna", time.Time{}, again)}})
		await(again)
		out := mustWrite(t, ts, "acme", puts("bert"))
		entries := log(t, s, "acme")
		if n := len(entries); n != 6 || entries[n-2].GetPassed() == nil || entries[n-1].GetPassed() != nil || position(entries[n-1]) != position(out.Entry) {
			t.Errorf("the log is %v, and the write was answered %s", entries, out.Revision)
		}
		for i, e := range entries[1:] {
			if e.GetTime().AsTime().Before(entries[i].GetTime().AsTime()) || e.GetPosition() <= entries[i].GetPosition() {
				t.Errorf("%v comes after %v", e, entries[i])
			}
		}
		if got := current(t, ts, "acme"); got.Revision != out.Revision {
			t.Errorf("the tenant is at %s, the last write at %s", got.Revision, out.Revision)
		}
	})
}

// Many tenants at one moment are all served, those in trouble stay behind, are tried again ever more seldom, and are served once
// they are well.
func TestBoundariesOfManyTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sick{Store: mem.New(), loads: map[string]int{}}
		ts := world(t, s)
		until := time.Now().Add(time.Hour)
		id := func(i int) string { return fmt.Sprintf("tenant%03d", i) }
		const tenants, troubled = 3 * passAtOnce, passAtOnce + 1
		for i := range tenants {
			create(t, ts, id(i))
			mustWrite(t, ts, id(i), Write{Changes: []*klinkev1.Change{user("anna"), during("agent", "user:anna", time.Time{}, until)}})
		}
		ts.Close()
		s.set(true)
		over(t, s)
		await(until.Add(time.Hour))
		passages := func() (n int) {
			for i := range tenants {
				entries := log(t, s, id(i))
				if len(entries) > 3 {
					t.Errorf("%s: %d entries", id(i), len(entries))
				}
				n += len(entries) - 2
			}
			return n
		}
		if got, want := passages(), tenants-troubled; got != want {
			t.Errorf("%d boundaries are entered, want %d", got, want)
		}
		s.mu.Lock()
		for i := range troubled {
			if n := s.loads[id(i)]; n < 10 || n > 20 {
				t.Errorf("%s was tried %d times in an hour", id(i), n)
			}
		}
		s.mu.Unlock()
		s.set(false)
		await(time.Now().Add(retryLast))
		if got := passages(); got != tenants {
			t.Errorf("when all are well, %d boundaries are entered, want %d", got, tenants)
		}
	})
}

// sick is a store that cannot load some of its tenants.
type sick struct {
	store.Store

	mu    sync.Mutex
	ill   bool
	loads map[string]int
}

func (s *sick) set(ill bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ill = ill
}

func (s *sick) Load(id string, each func([]byte) error) (store.Tenant, store.Position, error) {
	s.mu.Lock()
	s.loads[id]++
	ill := s.ill && id <= fmt.Sprintf("tenant%03d", passAtOnce)
	s.mu.Unlock()
	if ill {
		return store.Tenant{}, 0, errors.New("the disk cannot be read here")
	}
	return s.Store.Load(id, each)
}

// A tenant that is deleted takes its boundaries along; one that is made anew has its own.
func TestBoundariesOfDeletedTenants(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		ts := world(t, s)
		until := time.Now().Add(time.Hour)
		mustWrite(t, ts, "acme", Write{Changes: []*klinkev1.Change{user("anna"), during("agent", "user:anna", time.Time{}, until)}})
		if err := ts.Delete(t.Context(), "acme", ""); err != nil {
			t.Fatal(err)
		}
		create(t, ts, "acme")
		await(until.Add(time.Hour))
		if n := len(log(t, s, "acme")); n != 1 {
			t.Errorf("the new tenant has %d entries", n)
		}
	})
}

// A boundary that was foreseen by other rules of time zones, and that nobody knows any more, has everybody ask again.
func TestBoundaryThatNobodyKnows(t *testing.T) {
	inTime(t, func(t *testing.T, s store.Store) {
		ts := world(t, s)
		head := current(t, ts, "acme").Position
		ts.Close()
		due := time.Now().Add(time.Hour)
		if _, err := s.Append("acme", head, &klinkev1.Entry{Time: timestamppb.Now(), Changes: []*klinkev1.Change{user("anna")}, NextBoundary: timestamppb.New(due)}); err != nil {
			t.Fatal(err)
		}
		over(t, s)
		await(due)
		wantPassage(t, s, "acme", &klinkev1.Entry{Time: timestamppb.New(due), Passed: timestamppb.New(due), Footprint: &klinkev1.Footprint{AllSubjects: true}})
	})
}

// Boundaries do not outlive the tenants' owner, whatever they wait for.
func TestCloseWhileBoundariesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &troubled{Store: mem.New()}
		ts := New(s, slog.New(slog.DiscardHandler))
		if _, _, err := ts.PutModel(context.Background(), model(), false); err != nil {
			t.Fatal(err)
		}
		create(t, ts, "acme")
		until := time.Now().Add(time.Hour)
		mustWrite(t, ts, "acme", Write{Changes: []*klinkev1.Change{user("anna"), during("agent", "user:anna", time.Time{}, until)}})
		release := s.hold()
		await(until)
		if got := len(s.groups()); got != 2 {
			t.Fatalf("%d appends, want the write's and the boundary's, which waits", got)
		}
		closed := make(chan struct{})
		go func() { ts.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("closed while an append was under way")
		default:
		}
		release()
		<-closed
		if n := len(log(t, s, "acme")); n != 3 {
			t.Errorf("the log has %d entries, want 3", n)
		}
	})
}
