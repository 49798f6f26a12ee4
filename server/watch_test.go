// These tests prove what a watcher is promised, under writers, slow readers, cut connections, compaction and tenants that come
// and go; what a stranger's cursor gets; and that streams end when the server does.
package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
	"github.com/klinke-authz/klinke/store/mem"
)

func TestWatchTellsWhatHappened(t *testing.T) {
	for _, tenant := range []string{"acme", ""} {
		for _, fromNow := range []bool{false, true} {
			t.Run(fmt.Sprintf("tenant %q, from now %t", tenant, fromNow), func(t *testing.T) {
				h := world(t)
				m := newMirror(t, tenant)
				in := &klinkev1.WatchRequest{FromNow: fromNow}
				m.follow(t.Context(), h, in, m.until(func() bool { return m.caughtUp }))
				if !fromNow {
					m.converged(h)
				}
				first := h.write(t, "acme", assign("user:carl"))
				last := h.write(t, "acme", cell("agent", "recording.listen", "any"))
				m.follow(t.Context(), h, in, m.until(func() bool { return m.last == last.GetEntry().GetPosition() }))
				if len(m.seen) != 2 {
					t.Errorf("told %d entries, want 2", len(m.seen))
				}
				for _, want := range []*klinkev1.Entry{first.GetEntry(), last.GetEntry()} {
					if got := m.seen[want.GetPosition()]; !proto.Equal(got, want) {
						t.Errorf("told %v, want %v", got, want)
					}
				}
				if effects := m.seen[last.GetEntry().GetPosition()].GetEffects(); len(effects) == 0 || effects[0].GetTo() != "any" {
					t.Errorf("told effects %v", effects)
				}
				if !fromNow {
					m.converged(h)
				}
				if m.resyncs > 0 {
					t.Errorf("%d resyncs", m.resyncs)
				}
			})
		}
	}
}

// Any revision of a tenant is a cursor.
func TestWatchBehindARevision(t *testing.T) {
	h := world(t)
	before := h.check(t, listen(t, "anna", "anna")).GetContext().GetRevision()
	after := h.write(t, "acme", assign("user:carl"))
	m := newMirror(t, "acme")
	m.cursor = before
	m.follow(t.Context(), h, &klinkev1.WatchRequest{}, m.until(func() bool { return m.caughtUp }))
	if m.last != after.GetEntry().GetPosition() || len(m.seen) != 1 || m.resyncs != 0 {
		t.Errorf("told %v, %d resyncs", m.seen, m.resyncs)
	}
}

func TestWatchFiltersByKind(t *testing.T) {
	for _, bare := range []bool{false, true} {
		h := world(t)
		in := &klinkev1.WatchRequest{Kinds: []klinkev1.RecordKind{klinkev1.RecordKind_RECORD_KIND_ASSIGNMENT}, WithoutFootprints: bare}
		m := newMirror(t, "acme")
		m.follow(t.Context(), h, in, m.until(func() bool { return m.caughtUp }))
		if n := len(m.tables["acme"]); n != 2 {
			t.Errorf("%d records, want the 2 assignments", n)
		}
		h.write(t, "acme", user("dora"), assign("user:dora"))
		h.write(t, "acme", cell("agent", "recording.listen", "any"))
		last := h.write(t, "acme", assign("user:carl"))
		m.follow(t.Context(), h, in, m.until(func() bool { return m.last == last.GetEntry().GetPosition() }))
		want := 3
		if bare {
			want = 2
		}
		if len(m.seen) != want || len(m.tables["acme"]) != 4 {
			t.Errorf("bare %t: %d entries and %d records", bare, len(m.seen), len(m.tables["acme"]))
		}
		for _, e := range m.seen {
			for _, c := range e.GetChanges() {
				if c.GetPut().GetAssignment() == nil {
					t.Errorf("told %v", c)
				}
			}
			if e.GetFootprint() == nil {
				t.Errorf("the entry at %d has no footprint", e.GetPosition())
			}
		}
	}
}

// An entry that is longer than what clients take comes in parts, and is whole.
func TestWatchLongEntry(t *testing.T) {
	s := mem.New()
	t.Cleanup(func() { _ = s.Close() })
	h := over(t, s)
	h.found(t, "acme")
	m := newMirror(t, "acme")
	m.follow(t.Context(), h, &klinkev1.WatchRequest{}, m.until(func() bool { return m.caughtUp }))
	state, err := h.tenants.Current(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	// Longer than any write may be, as cascades can make it: put into the log beside the server, which loads it.
	e := &klinkev1.Entry{Reason: "long"}
	for i := range 9_000 {
		e.Changes = append(e.Changes, put(&klinkev1.Record{Record: &klinkev1.Record_Group{Group: &klinkev1.Group{
			Id: fmt.Sprintf("g%d", i), Labels: map[string]string{"de": strings.Repeat("x", 1000)}}}}))
	}
	e.Time = h.write(t, "acme", user("dora")).GetEntry().GetTime()
	if _, err := s.Append("acme", state.Position+1, e); err != nil {
		t.Fatal(err)
	}
	m2 := newMirror(t, "acme")
	h2 := over(t, s) // another server on the same store
	m2.cursor = m.cursor
	m2.tables = m.tables
	m2.follow(t.Context(), h2, &klinkev1.WatchRequest{}, m2.until(func() bool { return m2.caughtUp }))
	if got := m2.seen[e.GetPosition()]; !proto.Equal(got, e) {
		t.Errorf("the long entry came with %d of %d changes", len(got.GetChanges()), len(e.GetChanges()))
	}
	m2.converged(h2)
}

func TestWatchHeartbeats(t *testing.T) {
	h := world(t)
	for _, tenant := range []string{"acme", ""} {
		m := newMirror(t, tenant)
		in := &klinkev1.WatchRequest{FromNow: true, Heartbeat: durationpb.New(100 * time.Millisecond)}
		m.follow(t.Context(), h, in, m.until(func() bool { return m.beats == 2 }))
		if m.cursor == "" || len(m.seen) > 0 {
			t.Errorf("after heartbeats: cursor %q, entries %v", m.cursor, m.seen)
		}
	}
}

func TestWatchResyncs(t *testing.T) {
	s := mem.New()
	t.Cleanup(func() { _ = s.Close() })
	h := over(t, s)
	h.found(t, "acme")
	mirrors := map[string]*mirror{}
	for _, tenant := range []string{"acme", ""} {
		mirrors[tenant] = newMirror(t, tenant)
		mirrors[tenant].follow(t.Context(), h, &klinkev1.WatchRequest{}, mirrors[tenant].until(func() bool { return mirrors[tenant].caughtUp }))
	}
	again := func(what string, reason klinkev1.ResyncReason, tenants ...string) {
		t.Helper()
		for _, tenant := range tenants {
			m := mirrors[tenant]
			in := &klinkev1.WatchRequest{Tenant: tenant, Cursor: m.cursor}
			stream, err := klinkev1.NewWatchServiceClient(h.conn).Watch(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			e, err := stream.Recv()
			if err != nil || e.GetResync().GetReason() != reason {
				t.Errorf("%s: watching %q, got %v, %v; want %v", what, tenant, e, err, reason)
			}
			m.resyncs = 0
			m.follow(t.Context(), h, &klinkev1.WatchRequest{}, m.until(func() bool { return m.caughtUp && m.resyncs == 1 }))
			m.converged(h)
		}
	}
	// The log loses its beginning, and the server its memory of it.
	h.write(t, "acme", user("dora"))
	h.write(t, "acme", assign("user:dora"))
	state, err := h.tenants.Current(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	at := state.Position
	if err := s.Compact("acme", store.Compaction{At: at, Floor: at - 1, Chunks: state.Snapshot.Checkpoint()}); err != nil {
		t.Fatal(err)
	}
	h = over(t, s)
	again("below the floor", klinkev1.ResyncReason_RESYNC_REASON_BELOW_FLOOR, "acme", "")
	// Another life of the tenant.
	if _, err := h.directory.DeleteTenant(t.Context(), &klinkev1.DeleteTenantRequest{Tenant: "acme"}); err != nil {
		t.Fatal(err)
	}
	h.found(t, "acme")
	again("another life", klinkev1.ResyncReason_RESYNC_REASON_OTHER_LINEAGE, "acme")
	// A place that was not reached, and other data.
	mirrors["acme"].cursor = strings.TrimRight(mirrors["acme"].cursor, "0123456789") + "9999"
	all := mirrors[""].cursor
	mirrors[""].cursor = strings.TrimRight(all, "0123456789") + "9999"
	again("put back", klinkev1.ResyncReason_RESYNC_REASON_AHEAD, "acme", "")
	mirrors[""].cursor = "*otherotherothers-3"
	again("other data", klinkev1.ResyncReason_RESYNC_REASON_OTHER_LINEAGE, "")
}

func TestWatchOfDeletedTenantEnds(t *testing.T) {
	h := world(t)
	m := newMirror(t, "acme")
	var all sync.WaitGroup
	caught := make(chan struct{})
	all.Go(func() {
		told := sync.OnceFunc(func() { close(caught) })
		ended := m.follow(context.Background(), h, &klinkev1.WatchRequest{}, m.until(func() bool {
			if m.caughtUp {
				told()
			}
			return false
		}))
		if !ended || !m.deleted {
			t.Errorf("ended %t, told of the deletion %t", ended, m.deleted)
		}
	})
	<-caught
	if _, err := h.directory.DeleteTenant(t.Context(), &klinkev1.DeleteTenantRequest{Tenant: "acme"}); err != nil {
		t.Fatal(err)
	}
	all.Wait()
}

func TestWatchRefusals(t *testing.T) {
	h := world(t)
	unknown := &klinkev1.WatchRequest{Tenant: "acme"}
	unknown.ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 1})
	for name, c := range map[string]struct {
		in   *klinkev1.WatchRequest
		want fault
	}{
		"no tenant":                 {&klinkev1.WatchRequest{Tenant: "none"}, fault{codes.NotFound, "NOT_FOUND", "tenant"}},
		"no tenant, with a cursor":  {&klinkev1.WatchRequest{Tenant: "none", Cursor: "abc-1"}, fault{codes.NotFound, "NOT_FOUND", "tenant"}},
		"a cursor made up":          {&klinkev1.WatchRequest{Tenant: "acme", Cursor: "yesterday"}, fault{codes.InvalidArgument, "INVALID", "cursor"}},
		"a cursor of all":           {&klinkev1.WatchRequest{Tenant: "acme", Cursor: "*abc-1"}, fault{codes.OutOfRange, "GONE", "cursor"}},
		"a cursor of one, for all":  {&klinkev1.WatchRequest{Cursor: "abc-1"}, fault{codes.InvalidArgument, "INVALID", "cursor"}},
		"a cursor of all, made up":  {&klinkev1.WatchRequest{Cursor: "*abc"}, fault{codes.InvalidArgument, "INVALID", "cursor"}},
		"both beginnings":           {&klinkev1.WatchRequest{Tenant: "acme", Cursor: "abc-1", FromNow: true}, fault{codes.InvalidArgument, "INVALID", "from_now"}},
		"nothing to leave out":      {&klinkev1.WatchRequest{Tenant: "acme", WithoutFootprints: true}, fault{codes.InvalidArgument, "INVALID", "without_footprints"}},
		"a kind that is none":       {&klinkev1.WatchRequest{Tenant: "acme", Kinds: []klinkev1.RecordKind{0}}, fault{codes.InvalidArgument, "INVALID", "kinds[0]"}},
		"a kind nobody knows":       {&klinkev1.WatchRequest{Tenant: "acme", Kinds: []klinkev1.RecordKind{99}}, fault{codes.InvalidArgument, "INVALID", "kinds[0]"}},
		"a heartbeat of no length":  {&klinkev1.WatchRequest{Tenant: "acme", Heartbeat: durationpb.New(0)}, fault{codes.InvalidArgument, "INVALID", "heartbeat"}},
		"a heartbeat of an hour":    {&klinkev1.WatchRequest{Tenant: "acme", Heartbeat: durationpb.New(time.Hour)}, fault{codes.InvalidArgument, "INVALID", "heartbeat"}},
		"a field nobody knows":      {unknown, fault{codes.InvalidArgument, "INVALID", ""}},
		"a tenant's id too long":    {&klinkev1.WatchRequest{Tenant: strings.Repeat("x", 257)}, fault{codes.InvalidArgument, "INVALID", "tenant"}},
		"a tenant's id not allowed": {&klinkev1.WatchRequest{Tenant: "a\nb"}, fault{codes.InvalidArgument, "INVALID", "tenant"}},
	} {
		stream, err := klinkev1.NewWatchServiceClient(h.conn).Watch(t.Context(), c.in)
		if err != nil {
			t.Fatal(err)
		}
		e, err := stream.Recv()
		if err == nil && e.GetResync() != nil && c.want.code == codes.OutOfRange {
			continue
		}
		if err == nil {
			t.Errorf("%s: told %v", name, e)
			continue
		}
		if got := faultOf(t, err); got != c.want {
			t.Errorf("%s: %+v, want %+v: %v", name, got, c.want, err)
		}
	}
}

// The server ends its streams, and says that it is the server who does.
func TestWatchEndsWithTheServer(t *testing.T) {
	h := world(t)
	stream, err := klinkev1.NewWatchServiceClient(h.conn).Watch(t.Context(), &klinkev1.WatchRequest{Tenant: "acme", FromNow: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := h.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := stream.Recv(); faultOf(t, err).code != codes.Unavailable {
		t.Errorf("the stream ended with %v", err)
	}
}

// Nobody hears of a write before who asks is answered by it.
func TestPublishedBeforeTold(t *testing.T) {
	h := world(t)
	for _, tenant := range []string{"acme", ""} {
		stream, err := klinkev1.NewWatchServiceClient(h.conn).Watch(t.Context(), &klinkev1.WatchRequest{Tenant: tenant, FromNow: true})
		if err != nil {
			t.Fatal(err)
		}
		if e, err := stream.Recv(); err != nil || e.GetCaughtUp() == nil {
			t.Fatal(e, err)
		}
		var writer sync.WaitGroup
		const rounds = 60
		writer.Go(func() {
			for i := range rounds {
				h.write(t, "acme", cell("agent", "recording.listen", []string{"own", "any"}[i%2]), user(fmt.Sprintf("n%s%d", tenant, i)))
			}
		})
		for range rounds {
			e, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			out, err := h.decisions.Check(t.Context(), listen(t, "anna", "bert"))
			if err != nil {
				t.Fatal(err)
			}
			if at, of := place(t, out.GetContext().GetRevision()), place(t, e.GetRevision()); at < of {
				t.Errorf("heard of %d, and was answered at %d", of, at)
			}
		}
		writer.Wait()
	}
}

func place(t testing.TB, revision string) (at uint64) {
	t.Helper()
	if _, err := fmt.Sscanf(revision[strings.IndexByte(revision, '-')+1:], "%d", &at); err != nil {
		t.Fatal(err)
	}
	return at
}

// A storm: random writers, tenants that come and go, compaction, watchers that are slow or cut. Every watcher's mirror is the
// server in the end.
func TestWatchKeepsItsPromises(t *testing.T) {
	s := mem.New()
	t.Cleanup(func() { _ = s.Close() })
	h := over(t, s)
	h.found(t, "acme")
	h.found(t, "globex")
	storm, calm := context.WithTimeout(context.Background(), stormTime())
	defer calm()
	var writers, watchers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() { h.storm(storm, t, []string{"acme", "globex", "acme"}[w], uint64(w)) })
	}
	writers.Go(func() { h.comeAndGo(storm, t) })
	writers.Go(func() { compactAll(storm, t, s) })
	done := make(chan struct{})
	var mirrors []*mirror
	for i := range 8 {
		m := newMirror(t, []string{"acme", ""}[i%2])
		mirrors = append(mirrors, m)
		watchers.Go(func() { m.weather(h, done, i) })
	}
	writers.Wait()
	close(done)
	watchers.Wait()
	for _, m := range mirrors {
		m.follow(context.Background(), h, &klinkev1.WatchRequest{}, m.until(func() bool { return m.caughtUp }))
		m.converged(h)
	}
}

// stormTime is how long the storm lasts: a second, or as long as KLINKE_STORM says (see make nightly).
func stormTime() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("KLINKE_STORM")); err == nil {
		return d
	}
	return time.Second
}

// storm writes at random.
func (h *house) storm(ctx context.Context, t testing.TB, tenant string, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 7))
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("u%d", random.IntN(30))
		changes := []*klinkev1.Change{user(id)}
		switch random.IntN(4) {
		case 0:
			changes = append(changes, assign("user:"+id))
		case 1:
			changes = []*klinkev1.Change{{Change: &klinkev1.Change_Delete{Delete: user(id).GetPut()}}}
		case 2:
			changes = append(changes, cell("agent", "recording.listen", []string{"own", "any"}[random.IntN(2)]))
		}
		if _, err := h.directory.Write(context.Background(), &klinkev1.WriteRequest{Tenant: tenant, Changes: changes}); err != nil {
			t.Error(err)
			return
		}
	}
}

// comeAndGo makes and deletes a tenant again and again.
func (h *house) comeAndGo(ctx context.Context, t testing.TB) {
	for ctx.Err() == nil {
		if _, err := h.directory.CreateTenant(context.Background(), &klinkev1.CreateTenantRequest{Tenant: "guest", Model: "small"}); err != nil {
			t.Error(err)
			return
		}
		if _, err := h.directory.Write(context.Background(), &klinkev1.WriteRequest{Tenant: "guest", Changes: []*klinkev1.Change{user("g")}}); err != nil {
			t.Error(err)
		}
		if _, err := h.directory.DeleteTenant(context.Background(), &klinkev1.DeleteTenantRequest{Tenant: "guest"}); err != nil {
			t.Error(err)
		}
	}
}

// compactAll raises the floors of the log behind the watchers, now and then.
func compactAll(ctx context.Context, t testing.TB, s store.Store) {
	for ctx.Err() == nil {
		rows, err := s.Tenants("", 10)
		if err != nil {
			t.Error(err)
			return
		}
		for _, row := range rows {
			if row.ID == "guest" || row.Head < row.Floor+50 {
				continue
			}
			c := store.Compaction{At: row.Head, Floor: row.Head - 20, Chunks: func(func([]byte, error) bool) {}}
			if err := s.Compact(row.ID, c); err != nil {
				t.Error(err)
			}
		}
	}
}

// weather follows until the storm is over: cut again and again, and some slow.
func (m *mirror) weather(h *house, done chan struct{}, i int) {
	random := rand.New(rand.NewPCG(uint64(i), 11))
	for over := false; !over; {
		left := random.IntN(200)
		m.follow(context.Background(), h, &klinkev1.WatchRequest{Heartbeat: durationpb.New(100 * time.Millisecond)}, func() bool {
			select {
			case <-done:
				over = true
				return true
			default:
			}
			left--
			if i%4 >= 2 && left%10 == 0 {
				for range random.IntN(5) { // a slow reader, with other things to do; nothing waits for it
					h.check(m.t, listen(m.t, "anna", "anna"))
				}
			}
			return left < 0
		})
	}
}
