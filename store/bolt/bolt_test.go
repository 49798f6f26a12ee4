// These tests prove that the store on disk keeps the contract, and that what it leaves behind is clean by Verify.
package bolt_test

import (
	"path/filepath"
	"testing"

	"github.com/klinke-authz/klinke/store"
	"github.com/klinke-authz/klinke/store/bolt"
	"github.com/klinke-authz/klinke/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.Opener {
		path := newPath(t)
		return func() (store.Store, error) { return bolt.Open(path, bolt.Options{}) }
	})
}

// newPath returns the path of a database to be made. At its test's end, when the store is closed, it is verified.
func newPath(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "klinke.db")
	t.Cleanup(func() { verify(t, path) })
	return path
}

// verify fails unless a database is clean.
func verify(t testing.TB, path string) bolt.Report {
	t.Helper()
	report, err := bolt.Verify(path, nil)
	if err != nil {
		t.Errorf("verify: %v", err)
	}
	for _, p := range report.Problems {
		t.Errorf("verify: %s", p)
	}
	return report
}

// open opens a database and closes it when the test ends.
func open(t testing.TB, path string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}
