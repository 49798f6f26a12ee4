// The world of these tests promises that each holds on every store there is: in memory and in bbolt.
package live

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
	"github.com/klinke-authz/klinke/store/bolt"
	"github.com/klinke-authz/klinke/store/mem"
)

// All tests of this package leave no goroutine behind: every one has an owner who waits for it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is a small vendor's: recordings can be listened to.
func model() *klinkev1.Model {
	is := &klinkev1.Test{Test: &klinkev1.Test_Is{Is: &klinkev1.Is{Attribute: "employee"}}}
	return &klinkev1.Model{
		Name:    "small",
		Combine: klinkev1.Combine_COMBINE_HIGHEST,
		Types: []*klinkev1.ResourceType{{
			Name:       "recording",
			Attributes: []*klinkev1.Attribute{{Name: "employee", Kind: klinkev1.AttributeKind_ATTRIBUTE_KIND_USER}},
			Actions: []*klinkev1.Action{{Name: "listen", Rule: &klinkev1.Rule{Scale: &klinkev1.Scale{
				Name: "reach",
				Levels: []*klinkev1.Level{
					{Name: "none"},
					{Name: "own", Relations: []*klinkev1.Test{is}},
					{Name: "any", Any: true},
				},
			}}}},
		}},
		Roles: []*klinkev1.RoleTemplate{{
			Role:  &klinkev1.Role{Id: "agent"},
			Cells: []*klinkev1.Cell{{Role: "agent", Permission: "recording.listen", Level: "own"}},
		}},
	}
}

func user(id string) *klinkev1.Change {
	return &klinkev1.Change{Change: &klinkev1.Change_Put{Put: &klinkev1.Record{Record: &klinkev1.Record_Subject{
		Subject: &klinkev1.Subject{Type: klinkev1.SubjectType_SUBJECT_TYPE_USER, Id: id},
	}}}}
}

func assign(role, holder string) *klinkev1.Change {
	return &klinkev1.Change{Change: &klinkev1.Change_Put{Put: &klinkev1.Record{Record: &klinkev1.Record_Assignment{
		Assignment: &klinkev1.Assignment{Role: role, Holder: holder},
	}}}}
}

// puts is a write of one new user.
func puts(format string, args ...any) Write {
	return Write{Changes: []*klinkev1.Change{user(fmt.Sprintf(format, args...))}}
}

// eachStore runs a test on every engine.
func eachStore(t *testing.T, run func(t *testing.T, s store.Store)) {
	t.Run("mem", func(t *testing.T) {
		s := mem.New()
		defer s.Close()
		run(t, s)
	})
	t.Run("bolt", func(t *testing.T) {
		s, err := bolt.Open(filepath.Join(t.TempDir(), "klinke.db"), bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		run(t, s)
	})
}

// over makes the tenants of a store that are closed with the test; call it again for a restart.
func over(t testing.TB, s store.Store) *Tenants {
	t.Helper()
	ts := New(s, slog.New(slog.DiscardHandler))
	t.Cleanup(ts.Close)
	return ts
}

// world is the tenants of a store, with the tenant acme.
func world(t testing.TB, s store.Store) *Tenants {
	t.Helper()
	ts := over(t, s)
	if _, _, err := ts.PutModel(context.Background(), model(), false); err != nil {
		t.Fatal(err)
	}
	create(t, ts, "acme")
	return ts
}

func create(t testing.TB, ts *Tenants, id string) Info {
	t.Helper()
	info, err := ts.Create(context.Background(), Creation{ID: id, Model: "small"})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func mustWrite(t testing.TB, ts *Tenants, id string, w Write) Written {
	t.Helper()
	out, err := ts.Write(context.Background(), id, w)
	if err != nil {
		t.Error(err) // not Fatal: writers have goroutines of their own
	}
	return out
}

func current(t testing.TB, ts *Tenants, id string) *State {
	t.Helper()
	s, err := ts.Current(context.Background(), id)
	if err != nil {
		t.Error(err)
		return &State{}
	}
	return s
}

// troubled is a store in front of another one, whose disk can be made slow or broken.
type troubled struct {
	store.Store

	mu      sync.Mutex
	appends [][]*klinkev1.Entry // what each call brought
	loads   int
	broken  error         // what calls fail with
	gate    chan struct{} // calls wait until it is closed; nil for none
}

func (s *troubled) breakWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// hold makes appends, loads and deletions wait until the returned function is called.
func (s *troubled) hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gate := make(chan struct{})
	s.gate = gate
	return func() {
		s.mu.Lock()
		s.gate = nil
		s.mu.Unlock()
		close(gate)
	}
}

func (s *troubled) enter(count func()) error {
	s.mu.Lock()
	count()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

func (s *troubled) Append(tenant string, head store.Position, entries ...*klinkev1.Entry) (store.Position, error) {
	if err := s.enter(func() { s.appends = append(s.appends, entries) }); err != nil {
		return 0, err
	}
	return s.Store.Append(tenant, head, entries...)
}

func (s *troubled) Load(tenant string, each func([]byte) error) (store.Tenant, store.Position, error) {
	row, at, err := s.Store.Load(tenant, each) // what it finds, it finds before it waits
	if err := s.enter(func() { s.loads++ }); err != nil {
		return store.Tenant{}, 0, err
	}
	return row, at, err
}

func (s *troubled) DeleteTenant(id string, head store.Position) error {
	err := s.Store.DeleteTenant(id, head) // done before it is answered
	if err := s.enter(func() {}); err != nil {
		return err
	}
	return err
}

func (s *troubled) groups() [][]*klinkev1.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.appends
}
