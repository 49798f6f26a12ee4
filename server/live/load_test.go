// These tests prove that a tenant is loaded once for all who ask together, that failures are not kept, and that what comes
// back from the store is what was published.
package live

import (
	"context"
	"errors"
	"fmt"
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

func TestLoadIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &troubled{Store: mem.New()}
		ts := world(t, s)
		release := s.hold()
		var users sync.WaitGroup
		states := make([]*State, 32)
		for i := range states {
			users.Go(func() { states[i] = current(t, ts, "acme") })
		}
		synctest.Wait() // all wait for the one load
		release()
		users.Wait()
		if s.loads != 1 {
			t.Errorf("%d loads for %d users who came together, want 1", s.loads, len(states))
		}
		for _, got := range states {
			if got != states[0] {
				t.Errorf("two states of one load: %v and %v", got, states[0])
			}
		}
	})
}

func TestLoadWaitsNoLongerThanItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &troubled{Store: mem.New()}
		ts := world(t, s)
		release := s.hold()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		if _, err := ts.Current(ctx, "acme"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the deadline's", err)
		}
		if took := time.Since(begun); took != time.Minute {
			t.Errorf("waited %v, want the caller's minute", took)
		}
		release()
		current(t, ts, "acme") // the load that nobody waited for is there for the next
		if s.loads != 1 {
			t.Errorf("%d loads, want 1", s.loads)
		}
	})
}

func TestFailedLoadIsTriedAgain(t *testing.T) {
	s := &troubled{Store: mem.New()}
	ts := world(t, s)
	s.breakWith(policy.Errorf(policy.Unavailable, "", "the disk is away"))
	if _, err := ts.Current(t.Context(), "acme"); kindOf(err) != policy.Unavailable {
		t.Errorf("error %v, want the store's", err)
	}
	s.breakWith(nil)
	current(t, ts, "acme")
}

func TestNoTenantIsAskedForAgain(t *testing.T) {
	ts := world(t, mem.New())
	if _, err := ts.Current(t.Context(), "globex"); kindOf(err) != policy.NotFound {
		t.Errorf("error %v, want NotFound", err)
	}
	create(t, ts, "globex")
	current(t, ts, "globex")
}

// Who asks after a tenant was made never joins a load that began before.
func TestLoadThatBeganBeforeCreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &troubled{Store: mem.New()}
		ts := world(t, s)
		release := s.hold()
		early := make(chan error, 1)
		go func() {
			_, err := ts.Current(t.Context(), "globex")
			early <- err
		}()
		synctest.Wait()
		create(t, ts, "globex")
		late := make(chan error, 1)
		go func() {
			_, err := ts.Current(t.Context(), "globex")
			late <- err
		}()
		synctest.Wait()
		release()
		if err := <-late; err != nil {
			t.Errorf("after its creation the tenant is not there: %v", err)
		}
		<-early // either answer is right
	})
}

func TestRestartKeepsEverything(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		ts := world(t, s)
		var many Write
		for i := range closeTailChanges {
			many.Changes = append(many.Changes, user(fmt.Sprintf("user%d", i)))
		}
		mustWrite(t, ts, "acme", many)
		mustWrite(t, ts, "acme", puts("the last"))
		before := current(t, ts, "acme")
		ts.Close() // leaves a checkpoint
		after := current(t, over(t, s), "acme")
		if after.Revision != before.Revision || !after.Time.Equal(before.Time) || after.Snapshot.Size() != before.Snapshot.Size() {
			t.Errorf("after a restart %s, %v, size %d; before %s, %v, size %d", after.Revision, after.Time, after.Snapshot.Size(),
				before.Revision, before.Time, before.Snapshot.Size())
		}
	})
}

func TestEntryThatApplyRefusesIsDamage(t *testing.T) {
	s := mem.New()
	ts := world(t, s)
	head := current(t, ts, "acme").Position
	ts.Close()
	bad := &klinkev1.Entry{Time: timestamppb.Now(), Changes: []*klinkev1.Change{assign("no such role", "everybody")}}
	if _, err := s.Append("acme", head, bad); err != nil {
		t.Fatal(err)
	}
	ts = over(t, s)
	if _, err := ts.Current(t.Context(), "acme"); kindOf(err) != policy.Damaged {
		t.Errorf("error %v, want Damaged", err)
	}
	if _, err := ts.Write(t.Context(), "acme", puts("anna")); kindOf(err) != policy.Damaged {
		t.Errorf("write: error %v, want Damaged", err)
	}
	// It can be deleted and made anew.
	if err := ts.Delete(t.Context(), "acme", ""); err != nil {
		t.Fatal(err)
	}
	create(t, ts, "acme")
	current(t, ts, "acme")
}

func TestCheckpointThatCannotBeReadIsDamage(t *testing.T) {
	for name, chunk := range map[string][]byte{"garbage": []byte("garbage"), "nothing": nil} {
		s := mem.New()
		ts := world(t, s)
		head := current(t, ts, "acme").Position
		ts.Close()
		chunks := func(yield func([]byte, error) bool) {
			if chunk != nil {
				yield(chunk, nil)
			}
		}
		if err := s.Compact("acme", store.Compaction{At: head, Chunks: chunks}); err != nil {
			t.Fatal(err)
		}
		if _, err := over(t, s).Current(t.Context(), "acme"); kindOf(err) != policy.Damaged {
			t.Errorf("%s: error %v, want Damaged", name, err)
		}
	}
}

// A store that panics on one tenant fails that tenant's users only.
func TestPanicWhileLoading(t *testing.T) {
	s := &panicking{Store: mem.New()}
	ts := world(t, s)
	if _, err := ts.Current(t.Context(), "acme"); kindOf(err) != policy.Damaged {
		t.Errorf("error %v, want Damaged", err)
	}
}

type panicking struct{ store.Store }

func (*panicking) Load(string, func([]byte) error) (store.Tenant, store.Position, error) {
	panic("bytes that nobody foresaw")
}

func TestCheckpointShortensTheTail(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		ts := world(t, s)
		var all sync.WaitGroup
		for w := range 32 {
			all.Go(func() {
				for i := range tailEntries/32 + 1 {
					mustWrite(t, ts, "acme", puts("user%d.%d", w, i))
				}
			})
		}
		all.Wait()
		slot, err := ts.get(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		slot.checkpoints.Wait()
		row, at, err := s.Load("acme", func([]byte) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if at == 0 || at > row.Head {
			t.Errorf("the checkpoint is at %d, the head at %d", at, row.Head)
		}
		before := current(t, ts, "acme")
		ts.Close()
		if after := current(t, over(t, s), "acme"); after.Revision != before.Revision || after.Snapshot.Size() != before.Snapshot.Size() {
			t.Errorf("loaded %s of size %d, want %s of size %d", after.Revision, after.Snapshot.Size(), before.Revision, before.Snapshot.Size())
		}
	})
}

func TestCloseLeavesACheckpoint(t *testing.T) {
	for _, writes := range []int{1, closeTailEntries + 1} {
		s := mem.New()
		ts := world(t, s)
		for i := range writes {
			mustWrite(t, ts, "acme", puts("user%d", i))
		}
		ts.Close()
		row, at, err := s.Load("acme", func([]byte) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if want := writes > closeTailEntries; (at == row.Head) != want {
			t.Errorf("%d writes: checkpoint at %d of %d", writes, at, row.Head)
		}
		if got := current(t, over(t, s), "acme").Position; got != row.Head {
			t.Errorf("%d writes: loaded at %d, want %d", writes, got, row.Head)
		}
	}
}

func TestClosedRefuses(t *testing.T) {
	ts := world(t, mem.New())
	ts.Close()
	if _, err := ts.Current(t.Context(), "acme"); kindOf(err) != policy.Unavailable {
		t.Errorf("error %v, want Unavailable", err)
	}
	if _, err := ts.Write(t.Context(), "acme", puts("anna")); kindOf(err) != policy.Unavailable {
		t.Errorf("write: error %v, want Unavailable", err)
	}
}
