package storetest

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
	"github.com/klinke-authz/klinke/store/mem"
)

// sequential makes random edits in the store and in store/mem, and holds one to the other: the same answers, the same
// kinds of refusal, the same state after each step and after reopening.
func sequential(t *testing.T, place func(t testing.TB) Opener) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &twins{t: rt, got: newPlace(t, place(t)), want: mem.New(), now: epoch, lineages: map[string]bool{}}
		defer func() {
			if err := errors.Join(m.want.Close(), m.got.Close()); err != nil {
				rt.Error(err)
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"create":  m.create,
			"delete":  m.delete,
			"append":  m.append,
			"compact": m.compact,
			"model":   m.model,
			"reopen":  func(*rapid.T) { m.got.reopen() },
			"":        m.compare,
		})
	})
}

// twins is the store to be judged and the one that judges.
type twins struct {
	t        *rapid.T
	got      *Place
	want     *mem.Store
	now      time.Time
	lineages map[string]bool
}

var (
	someTenant  = rapid.SampledFrom([]string{"a", "b", "b\x00", "c"})
	someRequest = rapid.SampledFrom([]string{"", "", "r1", "r2", "r3", "r4"})
)

// same fails unless both refused alike or not at all, and returns whether they did not.
func (m *twins) same(what string, got, want error) bool {
	var g, w *policy.Error
	if (got == nil) != (want == nil) || errors.As(got, &g) != errors.As(want, &w) || g != nil && (g.Kind != w.Kind || g.Message != w.Message) {
		m.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
	return got == nil
}

func (m *twins) entry(t *rapid.T) *klinkev1.Entry {
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "hours")) * time.Hour)
	e := request(someRequest.Draw(t, "request"), m.now.Sub(epoch))
	if boundary := rapid.IntRange(0, 4).Draw(t, "boundary"); boundary > 0 {
		e.NextBoundary = timestamppb.New(epoch.Add(time.Duration(boundary) * time.Hour))
	}
	for range rapid.IntRange(0, 6).Draw(t, "changes") {
		id := rapid.StringMatching(`[ab]{0,2}`).Draw(t, "id")
		r := user(id, "")
		if rapid.Bool().Draw(t, "member") {
			r = member(id, rapid.StringMatching(`[ab]{0,2}`).Draw(t, "holder"))
		}
		if rapid.IntRange(0, 2).Draw(t, "delete") == 0 {
			e.Changes = append(e.Changes, del(r))
			continue
		}
		if s := r.GetSubject(); s != nil {
			s.Label = strconv.Itoa(rapid.IntRange(0, 9).Draw(t, "label"))
		}
		e.Changes = append(e.Changes, put(r))
	}
	// Some are around the edges at which an implementation may cut, and hardly one is long, for it slows the comparing.
	if size := rapid.IntRange(0, 99).Draw(t, "size"); size > 90 {
		e.Reason = string(make([]byte, 2000+10*(size-90)))
	} else if size == 90 {
		e.Reason = string(make([]byte, 300<<10))
	}
	return e
}

func (m *twins) create(t *rapid.T) {
	id, e := someTenant.Draw(t, "tenant"), m.entry(t)
	f := proto.CloneOf(e)
	got, gotErr := m.got.CreateTenant(id, e)
	want, wantErr := m.want.CreateTenant(id, f)
	if !m.same("CreateTenant", gotErr, wantErr) {
		return
	}
	if m.lineages[got.Lineage] {
		m.t.Fatalf("lineage %s was used before", got.Lineage)
	}
	m.lineages[got.Lineage] = true
	m.sameRow(got, want)
	m.sameEntries([]*klinkev1.Entry{e}, []*klinkev1.Entry{f})
}

func (m *twins) delete(t *rapid.T) {
	id := someTenant.Draw(t, "tenant")
	head := m.position(t, id)
	m.same("DeleteTenant", m.got.DeleteTenant(id, head), m.want.DeleteTenant(id, head))
}

// position draws a position that may mean something to a tenant, most often its head.
func (m *twins) position(t *rapid.T, id string) store.Position {
	row, _, _ := m.want.Load(id, func([]byte) error { return nil })
	if rapid.IntRange(0, 4).Draw(t, "other") > 0 {
		return row.Head
	}
	return store.Position(rapid.IntRange(0, int(row.Head)+2).Draw(t, "position"))
}

func (m *twins) append(t *rapid.T) {
	id := someTenant.Draw(t, "tenant")
	head := m.position(t, id)
	var es, fs []*klinkev1.Entry
	for range rapid.IntRange(1, 3).Draw(t, "entries") {
		es = append(es, m.entry(t))
		fs = append(fs, proto.CloneOf(es[len(es)-1]))
	}
	got, gotErr := m.got.Append(id, head, es...)
	want, wantErr := m.want.Append(id, head, fs...)
	m.same("Append", gotErr, wantErr)
	if got != want {
		m.t.Fatalf("appended at %d, want %d", got, want)
	}
	m.sameEntries(es, fs)
}

func (m *twins) compact(t *rapid.T) {
	id := someTenant.Draw(t, "tenant")
	at := m.position(t, id)
	c := store.Compaction{At: at, Floor: store.Position(rapid.IntRange(0, int(at)+1).Draw(t, "floor"))}
	c.Chunks = chunksOf(rapid.SliceOfN(rapid.StringN(0, 5, -1), 0, 3).Draw(t, "chunks")...)
	m.same("Compact", m.got.Compact(id, c), m.want.Compact(id, c))
}

func (m *twins) model(t *rapid.T) {
	model := &klinkev1.Model{Name: rapid.SampledFrom([]string{"m", "mm"}).Draw(t, "name")}
	model.Flags = []string{rapid.SampledFrom([]string{"f", "g"}).Draw(t, "flag")}
	v, fresh, gotErr := m.got.PutModel(model)
	w, wantFresh, wantErr := m.want.PutModel(model)
	if m.same("PutModel", gotErr, wantErr); v != w || fresh != wantFresh {
		m.t.Fatalf("the model has version %d (new: %t), want %d (%t)", v, fresh, w, wantFresh)
	}
}

// compare asks both everything.
func (m *twins) compare(t *rapid.T) {
	m.t = t
	got, gotErr := m.got.Tenants("", 100)
	want, wantErr := m.want.Tenants("", 100)
	m.same("Tenants", gotErr, wantErr)
	if len(got) != len(want) {
		t.Fatalf("%d tenants, want %d", len(got), len(want))
	}
	size := rapid.IntRange(1, 5).Draw(t, "page")
	for i := range got {
		m.sameRow(got[i], want[i])
		m.tenant(t, want[i], size)
	}
	m.order(size)
}

// order compares the commit order from where it begins on, and the moments that come.
func (m *twins) order(size int) {
	for after, more := store.Position(0), true; more; {
		got, gotErr := m.got.Commits(after, size)
		want, wantErr := m.want.Commits(after, size)
		if !m.same("Commits", gotErr, wantErr) {
			after++
			continue
		}
		if told(got.List) != told(want.List) {
			m.t.Fatalf("commits behind %d: got %s, want %s", after, told(got.List), told(want.List))
		}
		for i, c := range got.List {
			if !proto.Equal(c.Entry, want.List[i].Entry) {
				m.t.Fatalf("the commit at %d: got %s, want %s", c.Position, short(c.Entry), short(want.List[i].Entry))
			}
			after = c.Position
		}
		if more = len(want.List) > 0; !more && got.Through != after {
			m.t.Fatalf("at the end, behind %d, the order goes on behind %d", after, got.Through)
		}
	}
	got, gotErr := m.got.Due(size)
	want, wantErr := m.want.Due(size)
	m.same("Due", gotErr, wantErr)
	if len(got) != len(want) {
		m.t.Fatalf("%d moments, want %d", len(got), len(want))
	}
	for i := range got {
		m.sameRow(got[i], want[i])
	}
}

func (m *twins) tenant(t *rapid.T, row store.Tenant, size int) {
	id := row.ID
	// One page from below the floor, then all from the floor on.
	m.entries(id, row.Floor-min(row.Floor, 1), size)
	for after, more := row.Floor, true; more; {
		next := m.entries(id, after, size)
		after, more = next, next != after
	}
	for _, r := range []string{"", "r1", "r2", "r3", "r4", "r5"} {
		got, gotErr := m.got.Request(id, r)
		want, wantErr := m.want.Request(id, r)
		m.same("Request", gotErr, wantErr)
		if (got == nil) != (want == nil) || !proto.Equal(got, want) {
			t.Fatalf("request %q: got %s, want %s", r, short(got), short(want))
		}
	}
	for _, kind := range []klinkev1.RecordKind{subjects, members} {
		for q := (store.Query{Kind: kind, Limit: size}); ; {
			got, gotErr := m.got.Records(id, q)
			want, wantErr := m.want.Records(id, q)
			m.same("Records", gotErr, wantErr)
			equal := slices.EqualFunc(got.Records, want.Records, func(a, b *klinkev1.Record) bool { return proto.Equal(a, b) })
			if !equal || got.Head != want.Head || string(got.Next) != string(want.Next) {
				t.Fatalf("records behind %x:\n got %s\nwant %s", q.After, short(got), short(want))
			}
			if q.After = want.Next; q.After == nil {
				break
			}
		}
	}
	var gotChunks, wantChunks []string
	gotRow, got, gotErr := m.got.Load(id, func(c []byte) error { gotChunks = append(gotChunks, string(c)); return nil })
	wantRow, want, wantErr := m.want.Load(id, func(c []byte) error { wantChunks = append(wantChunks, string(c)); return nil })
	m.same("Load", gotErr, wantErr)
	m.sameRow(gotRow, wantRow)
	if got != want || !slices.Equal(gotChunks, wantChunks) {
		t.Fatalf("the checkpoint is %q at %d, want %q at %d", gotChunks, got, wantChunks, want)
	}
}

// entries compares a page, and returns the position of its last entry, or the one behind which it would begin.
func (m *twins) entries(id string, after store.Position, size int) store.Position {
	got, gotErr := m.got.Entries(id, after, size)
	want, wantErr := m.want.Entries(id, after, size)
	m.same("Entries", gotErr, wantErr)
	m.sameEntries(got, want)
	if len(want) > 0 {
		after = store.Position(want[len(want)-1].GetPosition())
	}
	return after
}

// sameRow compares rows but for their lineages, which nobody can foresee.
func (m *twins) sameRow(got, want store.Tenant) {
	got.Lineage = want.Lineage
	if got != want {
		m.t.Fatalf("the row is %+v, want %+v", got, want)
	}
}

func (m *twins) sameEntries(got, want []*klinkev1.Entry) {
	if !slices.EqualFunc(got, want, func(a, b *klinkev1.Entry) bool { return proto.Equal(a, b) }) {
		m.t.Fatalf("the entries are\n%s, want\n%s", short(got), short(want))
	}
}
