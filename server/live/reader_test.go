// These tests prove what readers are promised: never older than the revision that they hold, and no tenant that was deleted.
package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
	"github.com/klinke-authz/klinke/store/mem"
)

func TestRevisionIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &troubled{Store: mem.New()}
		ts := world(t, s)
		now := current(t, ts, "acme")
		next := FormatRevision(now.Lineage, now.Position+1)
		release := s.hold()
		var all sync.WaitGroup
		all.Go(func() { mustWrite(t, ts, "acme", puts("anna")) })
		for range 8 {
			all.Go(func() {
				got, err := ts.At(t.Context(), "acme", next, "min_revision")
				if err != nil {
					t.Error(err)
				} else if got.Revision != next {
					t.Errorf("answered at %s, want %s", got.Revision, next)
				}
			})
		}
		synctest.Wait() // the write is applied but not durable: all wait
		if got := current(t, ts, "acme"); got != now {
			t.Errorf("%s is published before it is durable", got.Revision)
		}
		release()
		all.Wait()
	})
}

func TestRevisionThatDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := world(t, mem.New())
		now := current(t, ts, "acme")
		future := FormatRevision(now.Lineage, now.Position+1)
		begun := time.Now()
		if _, err := ts.At(t.Context(), "acme", future, "min_revision"); kindOf(err) != policy.Unavailable {
			t.Errorf("error %v, want Unavailable", err)
		}
		if took := time.Since(begun); took != revisionWait {
			t.Errorf("waited %v, want %v", took, revisionWait)
		}
		ctx, cancel := context.WithTimeout(t.Context(), revisionWait/2)
		defer cancel()
		if _, err := ts.At(ctx, "acme", future, "min_revision"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the deadline's", err)
		}
		if _, err := ts.At(t.Context(), "acme", now.Revision, "min_revision"); err != nil {
			t.Errorf("the present revision: %v", err)
		}
		other := create(t, ts, "globex").Revision
		if _, err := ts.At(t.Context(), "acme", other, "min_revision"); kindOf(err) != policy.Gone {
			t.Errorf("another tenant's: error %v, want Gone", err)
		}
	})
}

func TestCreateAndDelete(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		ts := world(t, s)
		if _, err := ts.Create(t.Context(), Creation{ID: "acme", Model: "small"}); kindOf(err) != policy.Exists {
			t.Errorf("created twice: error %v, want Exists", err)
		}
		for _, c := range []Creation{{ID: "x", Model: "none"}, {ID: "x", Model: "small", Version: 2}} {
			_, err := ts.Create(t.Context(), c)
			var e *policy.Error
			if !errors.As(err, &e) || e.Kind != policy.NotFound || e.Field != "model" {
				t.Errorf("model %s version %d: error %v, want NotFound about model", c.Model, c.Version, err)
			}
		}
		old := current(t, ts, "acme")
		mustWrite(t, ts, "acme", puts("anna"))
		if err := ts.Delete(t.Context(), "acme", old.Revision); kindOf(err) != policy.Conflict {
			t.Errorf("deleted at a revision that has passed: error %v, want Conflict", err)
		}
		if err := ts.Delete(t.Context(), "acme", current(t, ts, "acme").Revision); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"current": func() error { _, err := ts.Current(t.Context(), "acme"); return err }(),
			"write":   func() error { _, err := ts.Write(t.Context(), "acme", puts("bert")); return err }(),
			"delete":  ts.Delete(t.Context(), "acme", ""),
			"read": func() error {
				_, err := ts.Read(t.Context(), "acme", Query{Kind: klinkev1.RecordKind_RECORD_KIND_ROLE, Limit: 1})
				return err
			}(),
		} {
			if kindOf(err) != policy.NotFound || err.Error() != errNoTenant().Error() {
				t.Errorf("%s after deletion: %v, want %v", what, err, errNoTenant())
			}
		}
		create(t, ts, "acme")
		fresh := current(t, ts, "acme")
		if fresh.Lineage == old.Lineage || fresh.Position <= old.Position {
			t.Errorf("made anew: %s, before %s", fresh.Revision, old.Revision)
		}
		if _, err := ts.At(t.Context(), "acme", old.Revision, "min_revision"); kindOf(err) != policy.Gone {
			t.Errorf("a revision of the life before: error %v, want Gone", err)
		}
	})
}

// Writes that wait behind a deletion get NotFound; those before it happen.
func TestDeletionTakesItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &troubled{Store: mem.New()}
		ts := world(t, s)
		current(t, ts, "acme")
		release := s.hold()
		var all sync.WaitGroup
		errs := make([]error, 5)
		for i := range errs {
			all.Go(func() {
				if i == 2 {
					errs[i] = ts.Delete(t.Context(), "acme", "")
				} else {
					_, errs[i] = ts.Write(t.Context(), "acme", puts("user%d", i))
				}
			})
			synctest.Wait()
		}
		release()
		all.Wait()
		for i, err := range errs {
			if want := i > 2; (err != nil) != want || (want && kindOf(err) != policy.NotFound) {
				t.Errorf("call %d: error %v", i, err)
			}
		}
	})
}

// Between the moment at which the store has deleted a tenant and the moment at which it says so, the tenant can be made
// anew. Who asks then gets the new life.
func TestCreatedWhileBeingDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &troubled{Store: mem.New()}
		ts := world(t, s)
		current(t, ts, "acme")
		release := s.hold()
		var all sync.WaitGroup
		all.Go(func() {
			if err := ts.Delete(t.Context(), "acme", ""); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		info := create(t, ts, "acme")
		all.Go(func() {
			if got := current(t, ts, "acme"); got.Revision != info.Revision {
				t.Errorf("asked after creation of %s: got %s", info.Revision, got.Revision)
			}
		})
		synctest.Wait()
		release()
		all.Wait()
	})
}

// A storm of lives and deaths: nobody sees a state of a life that had ended before he asked.
func TestLivesDoNotMix(t *testing.T) {
	ts := world(t, mem.New())
	stop := make(chan struct{})
	var storm sync.WaitGroup
	again := func(what func() error) {
		storm.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := what(); err != nil && kindOf(err) != policy.NotFound {
					t.Error(err)
				}
			}
		})
	}
	for w := range 3 {
		n := 0
		again(func() error {
			n++
			_, err := ts.Write(context.Background(), "acme", puts("user%d.%d", w, n))
			return err
		})
	}
	again(func() error { return ts.Delete(context.Background(), "acme", "") })
	for lives := 0; lives < 50; {
		info, err := ts.Create(t.Context(), Creation{ID: "acme", Model: "small"})
		if kindOf(err) == policy.Exists {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		lives++
		_, born, err := ParseRevision(info.Revision, "")
		if err != nil {
			t.Fatal(err)
		}
		got, err := ts.Current(t.Context(), "acme")
		if err == nil && got.Position < born {
			t.Fatalf("asked after creation at %d: got %s", born, got.Revision)
		}
		if err != nil && kindOf(err) != policy.NotFound {
			t.Fatal(err)
		}
	}
	close(stop)
	storm.Wait()
}

func TestList(t *testing.T) {
	ts := world(t, mem.New())
	want := []string{"acme"}
	for i := range 7 {
		id := fmt.Sprintf("tenant%d", i)
		create(t, ts, id)
		want = append(want, id)
	}
	var got []string
	for after, pages := "", 0; ; pages++ {
		infos, next, err := ts.List(t.Context(), after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range infos {
			got = append(got, i.ID)
			if i.Model != "small" || i.Version != 1 || i.Revision != current(t, ts, i.ID).Revision {
				t.Errorf("%+v", i)
			}
		}
		if next == "" {
			if pages != 2 {
				t.Errorf("%d pages of 3 for 8 tenants", pages+1)
			}
			break
		}
		after = next
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
}

// Pages end early when records are large, and go on where they ended.
func TestReadPagesByBytes(t *testing.T) {
	ts := world(t, mem.New())
	const groups = 80
	for i := range groups {
		w := puts("user%02d", i)
		labels := map[string]string{}
		for l := range 32 {
			labels[strconv.Itoa(l)] = fmt.Sprintf("%01000d", l)
		}
		w.Changes = append(w.Changes, &klinkev1.Change{Change: &klinkev1.Change_Put{Put: &klinkev1.Record{
			Record: &klinkev1.Record_Group{Group: &klinkev1.Group{Id: fmt.Sprintf("group%02d", i), Labels: labels}}}}})
		mustWrite(t, ts, "acme", w)
	}
	q := Query{Kind: klinkev1.RecordKind_RECORD_KIND_GROUP, Limit: 1000}
	seen, pages := 0, 0
	for {
		page, err := ts.Read(t.Context(), "acme", q)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, r := range page.Records {
			if got, want := r.GetGroup().GetId(), fmt.Sprintf("group%02d", seen); got != want {
				t.Errorf("record %d is %s, want %s", seen, got, want)
			}
			seen++
		}
		if page.Revision != current(t, ts, "acme").Revision {
			t.Errorf("page at %s", page.Revision)
		}
		if page.Next == nil {
			break
		}
		q.After = page.Next
	}
	if seen != groups || pages < 2 {
		t.Errorf("%d records in %d pages, want %d in several", seen, pages, groups)
	}
}
