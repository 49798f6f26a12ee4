// These tests prove that edits share a commit without spoiling each other, that a failed commit ends all edits and no
// reading, and that what is deleted leaves the file in small steps.
package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// openNew opens a new store, which is closed and verified when the test ends.
func openNew(t *testing.T) (*Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "klinke.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		report, err := Verify(path, nil)
		if err != nil || !report.Clean() {
			t.Errorf("verify: %v, %q", err, report.Problems)
		}
	})
	return s, path
}

func userEntry(ids ...string) *klinkev1.Entry {
	e := &klinkev1.Entry{}
	for _, id := range ids {
		e.Changes = append(e.Changes, &klinkev1.Change{Change: &klinkev1.Change_Put{Put: &klinkev1.Record{
			Record: &klinkev1.Record_Group{Group: &klinkev1.Group{Id: id}}}}})
	}
	return e
}

// hold keeps the committer busy until it is released, and returns when it is.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- s.do(1, func(*batch) error {
			close(busy)
			<-free
			return policy.Errorf(policy.Refused, "", "only held")
		})
	}()
	<-busy
	return func() {
		close(free)
		if err := <-done; err == nil {
			t.Error("the refused edit was not refused")
		}
	}
}

// waiting returns when so many edits wait.
func waiting(s *Store, n int) {
	for {
		s.queue.mu.Lock()
		have := len(s.queue.edits)
		s.queue.mu.Unlock()
		if have >= n {
			return
		}
	}
}

func TestWhatWaitsSharesACommit(t *testing.T) {
	s, _ := openNew(t)
	release := hold(t, s)
	before := s.durable.Load()
	const tenants = 40
	results := make(chan error, tenants+4)
	for i := range tenants {
		go func() {
			_, err := s.CreateTenant(fmt.Sprint("t", i), userEntry("a"))
			results <- err
		}()
	}
	bad := errors.New("bbolt says no")
	go func() { results <- s.do(1, func(*batch) error { return bad }) }()
	go func() { results <- s.do(1, func(*batch) error { panic("a page is broken") }) }()
	go func() { results <- s.DeleteTenant("nobody", 0) }()
	go func() { _, err := s.Append("nobody", 1, userEntry("a")); results <- err }()
	waiting(s, tenants+4)
	release()
	kinds := map[policy.Kind]int{}
	done := 0
	for range tenants + 4 {
		var e *policy.Error
		switch err := <-results; {
		case err == nil:
			done++
		case errors.As(err, &e):
			kinds[e.Kind]++
		default:
			t.Errorf("not one of ours: %v", err)
		}
	}
	if done != tenants || kinds[policy.Internal] != 1 || kinds[policy.Damaged] != 1 || kinds[policy.NotFound] != 2 {
		t.Errorf("%d tenants were made; the others were refused by kind as %v", done, kinds)
	}
	if commits := s.durable.Load() - before; commits != 1 {
		t.Errorf("there were %d commits, not one", commits)
	}
	if rows, err := s.Tenants("", 100); len(rows) != tenants || err != nil {
		t.Errorf("%d tenants, %v", len(rows), err)
	}
}

// The last tenant there may be is made, also after others went; what is refused or undone does not count.
func TestTenantsAreLimited(t *testing.T) {
	s, path := openNew(t)
	for _, id := range []string{"a", "b"} {
		if _, err := s.CreateTenant(id, userEntry("g")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.tenants != 2 {
		t.Errorf("after opening %d tenants are counted, not 2", s.tenants)
	}
	release := hold(t, s)
	s.tenants = policy.MaxTenants - 1 // the committer is held
	results := make(chan error, 3)
	create := func(id string) {
		go func() { _, err := s.CreateTenant(id, userEntry("g")); results <- err }()
	}
	create("a") // is there
	waiting(s, 1)
	go func() { results <- s.do(1, func(*batch) error { return errors.New("bbolt says no") }) }()
	waiting(s, 2)
	create("c")
	waiting(s, 3)
	release()
	kinds := map[policy.Kind]int{}
	for range 3 {
		var e *policy.Error
		if err := <-results; errors.As(err, &e) {
			kinds[e.Kind]++
		} else if err != nil {
			t.Error(err)
		}
	}
	if kinds[policy.Exists] != 1 || kinds[policy.Internal] != 1 || len(kinds) != 2 {
		t.Errorf("the last tenant, beside edits that fail: refused by kind as %v", kinds)
	}
	var e *policy.Error
	if _, err := s.CreateTenant("d", userEntry("g")); !errors.As(err, &e) || e.Kind != policy.TooLarge || e.Field != "tenant" {
		t.Errorf("one tenant more: %v", err)
	}
	if err := s.DeleteTenant("a", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateTenant("d", userEntry("g")); err != nil {
		t.Errorf("after one went: %v", err)
	}
}

func TestWorkOfACommitIsBounded(t *testing.T) {
	q := queue{}
	q.change.L = &q.mu
	for _, work := range []int{maxWork * 2, maxWork / 2, maxWork / 2, 1} {
		if err := q.put(&edit{work: work}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{1, 2, 1} {
		if got := q.take(); len(got) != want {
			t.Errorf("%d edits were taken, want %d", len(got), want)
		}
	}
}

func TestFailedCommitEndsEdits(t *testing.T) {
	s, path := openNew(t)
	row, err := s.CreateTenant("t", userEntry("a"))
	if err != nil {
		t.Fatal(err)
	}
	// A full disk, as bbolt sees it.
	s.db.MaxSize = 1
	long := userEntry("b")
	long.Reason = string(make([]byte, 1<<20))
	wantKind := func(what string, err error, kind policy.Kind) {
		t.Helper()
		var e *policy.Error
		if !errors.As(err, &e) || e.Kind != kind {
			t.Errorf("%s: %v, want kind %d", what, err, kind)
		}
	}
	_, err = s.Append("t", row.Head, long)
	wantKind("the append that fills the disk", err, policy.Unavailable)
	s.db.MaxSize = 0
	_, err = s.Append("t", row.Head, userEntry("c"))
	wantKind("the next append", err, policy.Unavailable)
	wantKind("a delete", s.DeleteTenant("t", 0), policy.Unavailable)
	page, err := s.Records("t", store.Query{Kind: klinkev1.RecordKind_RECORD_KIND_GROUP, Limit: 10})
	if err != nil || len(page.Records) != 1 || page.Head != row.Head {
		t.Errorf("reading: %v, %v", page, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if at, err := again.Append("t", row.Head, userEntry("c")); err != nil || at != row.Head+1 {
		t.Errorf("after opening again: at %d, %v", at, err)
	}
}

func TestReadersSeeOnlyWhatTheDiskHas(t *testing.T) {
	s, _ := openNew(t)
	row, err := s.CreateTenant("t", userEntry("a"))
	if err != nil {
		t.Fatal(err)
	}
	// bbolt shows a commit between its write and its sync; here one stays there for ever.
	s.durable.Add(^uint64(0))
	_, err = s.Entries("t", 0, 1)
	var e *policy.Error
	if !errors.As(err, &e) || e.Kind != policy.Unavailable {
		t.Errorf("reading what is not synced: %v", err)
	}
	s.durable.Add(1)
	if page, err := s.Entries("t", 0, 1); err != nil || len(page) != 1 || page[0].GetPosition() != uint64(row.Head) {
		t.Errorf("reading what is: %v, %v", page, err)
	}
}

func TestDeletedTenantIsSwept(t *testing.T) {
	s, path := openNew(t)
	var ids []string
	for i := range 5 * sweepKeys {
		ids = append(ids, fmt.Sprintf("g%06d", i))
	}
	first := userEntry(ids...)
	first.RequestId = "r"
	row, err := s.CreateTenant("t", first)
	if err != nil {
		t.Fatal(err)
	}
	chunks := func(yield func([]byte, error) bool) {
		for range 8 {
			if !yield(make([]byte, store.ChunkBytes), nil) {
				return
			}
		}
	}
	for range 2 {
		if err := s.Compact("t", store.Compaction{At: row.Head, Chunks: chunks}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteTenant("t", 0); err != nil {
		t.Fatal(err)
	}
	// What is left of it when the process ends now is swept by the next one.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.sweepTrash(); err != nil { // beside the sweeper, who does the same
		t.Fatal(err)
	}
	err = s.view(func(tx *bbolt.Tx) error {
		if data, trash := countKeys(tx.Bucket(dataBucket)), countKeys(tx.Bucket(trashBucket)); data != 0 || trash != 0 {
			t.Errorf("there are %d buckets of tenants and %d keys of trash left", data, trash)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
