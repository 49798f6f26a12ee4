// These tests prove the writer's promises: in order, all or none, durable before visible before acknowledged, repeatable by
// id, and that one write's failure is nobody else's.
package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
	"github.com/klinke-authz/klinke/store/mem"
)

// Acknowledged means: in the log, in order, and visible to whoever asks.
func TestConcurrentWrites(t *testing.T) {
	const tenants, writers, each = 3, 16, 20
	eachStore(t, func(t *testing.T, s store.Store) {
		ts := world(t, s)
		var all sync.WaitGroup
		var mu sync.Mutex
		acknowledged := map[string][]uint64{}
		for n := range tenants {
			id := fmt.Sprintf("tenant%d", n)
			create(t, ts, id)
			for w := range writers {
				all.Go(func() {
					last := uint64(0)
					for i := range each {
						out, err := ts.Write(context.Background(), id, puts("user%d.%d", w, i))
						if err != nil {
							t.Error(err)
							return
						}
						at := out.Entry.GetPosition()
						if at <= last {
							t.Errorf("position %d after %d", at, last)
						}
						last = at
						if out.Revision != FormatRevision(current(t, ts, id).Lineage, store.Position(at)) {
							t.Errorf("revision %s of the entry at %d", out.Revision, at)
						}
						if got := current(t, ts, id).Position; got < store.Position(at) {
							t.Errorf("acknowledged %d, but the newest published is %d", at, got)
						}
						mu.Lock()
						acknowledged[id] = append(acknowledged[id], at)
						mu.Unlock()
					}
				})
			}
		}
		all.Wait()
		for id, want := range acknowledged {
			slices.Sort(want)
			entries, err := s.Entries(id, 0, 10_000)
			if err != nil {
				t.Fatal(err)
			}
			var got []uint64
			var last time.Time
			for _, e := range entries[1:] {
				got = append(got, e.GetPosition())
				if at := e.GetTime().AsTime(); at.Before(last) {
					t.Errorf("%s: an entry of %v after one of %v", id, at, last)
				} else {
					last = at
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: the log has %v, acknowledged were %v", id, got, want)
			}
		}
	})
}

// queued runs n writes that all wait behind a first one whose append is held, and returns what became of them.
func queued(t *testing.T, s *troubled, ts *Tenants, n int, write func(i int) Write) (answers []Written, errs []error) {
	t.Helper()
	current(t, ts, "acme")
	release := s.hold()
	var all sync.WaitGroup
	all.Go(func() { _, _ = ts.Write(context.Background(), "acme", puts("the first")) })
	synctest.Wait()
	answers, errs = make([]Written, n), make([]error, n)
	for i := range n {
		all.Go(func() { answers[i], errs[i] = ts.Write(context.Background(), "acme", write(i)) })
		synctest.Wait() // so that they queue in order
	}
	release()
	all.Wait()
	return answers, errs
}

func TestWhatWaitsSharesAnAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &troubled{Store: mem.New()}
		ts := world(t, s)
		_, errs := queued(t, s, ts, 64, func(i int) Write { return puts("user%d", i) })
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		var sizes []int
		for _, g := range s.groups() {
			sizes = append(sizes, len(g))
		}
		if !slices.Equal(sizes, []int{1, 64}) {
			t.Errorf("appends of %v entries, want one for the first and one for all that waited", sizes)
		}
	})
}

func TestRefusedWriteSpoilsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &troubled{Store: mem.New()}
		ts := world(t, s)
		answers, errs := queued(t, s, ts, 9, func(i int) Write {
			if i%3 == 1 {
				return Write{Changes: []*klinkev1.Change{user("never"), assign("no such role", "everybody")}}
			}
			return puts("user%d", i)
		})
		for i, err := range errs {
			if want := i%3 == 1; (err != nil) != want {
				t.Errorf("write %d: error %v", i, err)
			}
			if err != nil && kindOf(err) != policy.Invalid {
				t.Errorf("write %d: error %v, want Invalid", i, err)
			}
		}
		entries, err := s.Entries("acme", 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := len(entries), 1+1+6; got != want {
			t.Errorf("%d entries, want %d", got, want)
		}
		if got := current(t, ts, "acme").Revision; got != answers[8].Revision {
			t.Errorf("the tenant is at %s, the last write at %s", got, answers[8].Revision)
		}
	})
}

// A write that rests on changes which did not become durable is not answered as if they had.
func TestFailedAppendFailsTheGroupAndDropsTheTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &troubled{Store: mem.New()}
		ts := world(t, s)
		before := current(t, ts, "acme")
		s.breakWith(errors.New("the disk is full"))
		_, errs := queued(t, s, ts, 4, func(i int) Write {
			if i == 2 { // refused, by what the group would have made true
				return Write{Expected: before.Revision, Changes: []*klinkev1.Change{user("x")}}
			}
			return puts("user%d", i)
		})
		for i, err := range errs {
			if kindOf(err) != policy.Unavailable {
				t.Errorf("write %d: error %v, want Unavailable", i, err)
			}
		}
		if got := ts.LastKnown("acme"); got != before {
			t.Errorf("last known is %v, want the state before", got)
		}
		if _, err := ts.Current(t.Context(), "acme"); err == nil {
			t.Error("the tenant lives, although the store is broken")
		}
		if got := ts.LastKnown("acme"); got != before {
			t.Errorf("after a failed load, last known is %v, want the state before", got)
		}
		s.breakWith(nil)
		if got := current(t, ts, "acme"); got.Revision != before.Revision || got == before {
			t.Errorf("loaded %s, want %s anew", got.Revision, before.Revision)
		}
		if got := ts.LastKnown("acme"); got != nil {
			t.Errorf("last known is %v, although the tenant lives", got)
		}
		mustWrite(t, ts, "acme", puts("anna"))
	})
}

// Texts that the log cannot hold are refused before they reach a group.
func TestTextsOfAWrite(t *testing.T) {
	ts := world(t, mem.New())
	for field, w := range map[string]Write{
		"request_id": {RequestID: strings.Repeat("x", policy.MaxIDBytes+1)},
		"author":     {Author: strings.Repeat("x", policy.MaxIDBytes+1)},
		"caller":     {Caller: "\xff"},
		"reason":     {Reason: strings.Repeat("x", maxReason+1)},
	} {
		w.Changes = []*klinkev1.Change{user("anna")}
		_, err := ts.Write(t.Context(), "acme", w)
		var e *policy.Error
		if !errors.As(err, &e) || e.Kind != policy.Invalid || e.Field != field {
			t.Errorf("%s: error %v, want Invalid", field, err)
		}
	}
	mustWrite(t, ts, "acme", Write{Changes: []*klinkev1.Change{user("anna")}, Reason: strings.Repeat("x", maxReason)})
}

func TestRequestID(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		ts := world(t, s)
		w := Write{Changes: []*klinkev1.Change{user("anna")}, RequestID: "r1", Reason: "hired", Author: "bert"}
		first := mustWrite(t, ts, "acme", w)
		if first.Repeated || first.Entry == nil {
			t.Fatalf("the first answer is %+v", first)
		}
		mustWrite(t, ts, "acme", puts("between"))
		same := func(when string) {
			t.Helper()
			got := mustWrite(t, ts, "acme", w)
			if !got.Repeated || got.Revision != first.Revision || got.Entry.GetPosition() != first.Entry.GetPosition() {
				t.Errorf("%s: %+v, want the first answer %+v, repeated", when, got, first)
			}
		}
		same("at once")
		for name, other := range map[string]Write{
			"changes": {Changes: []*klinkev1.Change{user("carl")}, RequestID: "r1", Reason: "hired", Author: "bert"},
			"reason":  {Changes: w.Changes, RequestID: "r1", Reason: "fired", Author: "bert"},
			"author":  {Changes: w.Changes, RequestID: "r1", Reason: "hired", Author: "carl"},
		} {
			if _, err := ts.Write(t.Context(), "acme", other); kindOf(err) != policy.Conflict {
				t.Errorf("other %s: error %v, want Conflict", name, err)
			}
		}
		ts.Close()
		ts = over(t, s)
		same("after a restart")
	})
}

func TestRequestIDTogether(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		ts := world(t, s)
		const callers = 32
		answers := make([]Written, callers)
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				answers[i] = mustWrite(t, ts, "acme", Write{Changes: []*klinkev1.Change{user("anna")}, RequestID: "r1"})
			})
		}
		all.Wait()
		fresh := 0
		for _, a := range answers {
			if !a.Repeated {
				fresh++
			}
			if a.Revision != answers[0].Revision {
				t.Errorf("answers at %s and %s", a.Revision, answers[0].Revision)
			}
		}
		if fresh != 1 {
			t.Errorf("%d of %d callers made the write, want 1", fresh, callers)
		}
		if entries, err := s.Entries("acme", 0, 10); err != nil || len(entries) != 2 {
			t.Errorf("%d entries, error %v; want the creation and one write", len(entries), err)
		}
	})
}

func TestExpectedRevision(t *testing.T) {
	ts := world(t, mem.New())
	at := current(t, ts, "acme").Revision
	write := func(expected string) error {
		w := puts("user after %q", expected)
		w.Expected = expected
		_, err := ts.Write(t.Context(), "acme", w)
		return err
	}
	if err := write(at); err != nil {
		t.Errorf("at the present revision: %v", err)
	}
	other := create(t, ts, "globex").Revision
	for name, c := range map[string]struct {
		revision string
		want     policy.Kind
	}{
		"passed":           {at, policy.Conflict},
		"of another life":  {other, policy.Gone},
		"no revision":      {"yesterday", policy.Invalid},
		"leading zero":     {current(t, ts, "acme").Lineage + "-01", policy.Invalid},
		"position nought":  {current(t, ts, "acme").Lineage + "-0", policy.Invalid},
		"without position": {current(t, ts, "acme").Lineage, policy.Invalid},
	} {
		err := write(c.revision)
		var e *policy.Error
		if !errors.As(err, &e) || e.Kind != c.want || e.Field != "expected_revision" {
			t.Errorf("%s: error %v, want kind %d about expected_revision", name, err, c.want)
		}
	}
}

func TestOfManyWhoExpectTheSameOneWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &troubled{Store: mem.New()}
		ts := world(t, s)
		now := current(t, ts, "acme")
		_, errs := queued(t, s, ts, 32, func(i int) Write {
			w := puts("user%d", i)
			w.Expected = FormatRevision(now.Lineage, now.Position+1) // what the first write makes
			return w
		})
		for i, err := range errs {
			if i == 0 && err != nil {
				t.Errorf("the first lost: %v", err)
			}
			if i > 0 && kindOf(err) != policy.Conflict {
				t.Errorf("write %d: error %v, want Conflict", i, err)
			}
		}
	})
}

func TestValidateOnlyDoesNothing(t *testing.T) {
	ts := world(t, mem.New())
	before := current(t, ts, "acme")
	w := puts("anna")
	w.ValidateOnly, w.RequestID = true, "r1"
	out := mustWrite(t, ts, "acme", w)
	if out.Revision != before.Revision || out.Entry.GetPosition() != 0 || len(out.Entry.GetChanges()) != 1 {
		t.Errorf("answer %+v, want what it would do at %s", out, before.Revision)
	}
	if got := current(t, ts, "acme"); got != before {
		t.Errorf("the tenant moved to %s", got.Revision)
	}
	w.ValidateOnly = false
	if out := mustWrite(t, ts, "acme", w); out.Repeated {
		t.Error("the id of a write that was only validated counts as used")
	}
}

func TestChangingNothingMakesNoEntry(t *testing.T) {
	ts := world(t, mem.New())
	first := mustWrite(t, ts, "acme", puts("anna"))
	again := mustWrite(t, ts, "acme", puts("anna"))
	if again.Entry != nil || again.Revision != first.Revision || again.Repeated {
		t.Errorf("answer %+v, want no entry at %s", again, first.Revision)
	}
}

func TestWriteThatNobodyWaitsForIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &troubled{Store: mem.New()}
		ts := world(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		current(t, ts, "acme")
		release := s.hold()
		var all sync.WaitGroup
		all.Go(func() { mustWrite(t, ts, "acme", puts("the first")) })
		synctest.Wait()
		all.Go(func() {
			if _, err := ts.Write(ctx, "acme", puts("given up")); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want Canceled", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		release()
		all.Wait()
		if entries, err := s.Entries("acme", 0, 10); err != nil || len(entries) != 2 {
			t.Errorf("%d entries, error %v; want the creation and the first", len(entries), err)
		}
	})
}

// A clock that was set back neither brings an entry before the last one nor revives what ended.
func TestTimeNeverRunsBack(t *testing.T) {
	s := mem.New()
	ts := world(t, s)
	head := current(t, ts, "acme").Position
	ts.Close()
	ahead := time.Now().Add(time.Hour).UTC()
	e := &klinkev1.Entry{Time: timestamppb.New(ahead), Changes: []*klinkev1.Change{user("tomorrow")}}
	if _, err := s.Append("acme", head, e); err != nil {
		t.Fatal(err)
	}
	ts = over(t, s)
	if got := current(t, ts, "acme").Now(); !got.Equal(ahead) {
		t.Errorf("now is %v, want the newest entry's %v", got, ahead)
	}
	if got := mustWrite(t, ts, "acme", puts("anna")).Entry.GetTime().AsTime(); got.Before(ahead) {
		t.Errorf("an entry of %v after one of %v", got, ahead)
	}
}
