package live

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// models keeps compiled models by name and version. Versions never change, so what was compiled once stays; only versions
// that tenants use or were moved to are compiled.
type models struct {
	store store.Catalogue

	mu       sync.Mutex
	compiled map[modelKey]*compiled
}

type modelKey struct {
	name    string
	version uint32
}

type compiled struct {
	once  sync.Once
	model *policy.Model
	err   error
}

func newModels(s store.Catalogue) *models {
	return &models{store: s, compiled: make(map[modelKey]*compiled)}
}

// get returns a compiled version, the newest for version 0. Callers that come together share the work; a failure is not
// kept.
func (ms *models) get(name string, version uint32) (*policy.Model, error) {
	if version == 0 {
		_, newest, err := ms.store.Model(name, 0)
		if err != nil {
			return nil, err
		}
		version = newest
	}
	key := modelKey{name, version}
	ms.mu.Lock()
	c := ms.compiled[key]
	if c == nil {
		c = new(compiled)
		ms.compiled[key] = c
	}
	ms.mu.Unlock()
	c.once.Do(func() {
		c.err = policy.Errorf(policy.Internal, "", "compiling the model did not end") // holds if it panics
		m, _, err := ms.store.Model(name, version)
		if err != nil {
			c.err = err
			return
		}
		c.model, c.err = policy.Compile(m, version)
	})
	if c.err != nil {
		ms.mu.Lock()
		if ms.compiled[key] == c {
			delete(ms.compiled, key)
		}
		ms.mu.Unlock()
	}
	return c.model, c.err
}

// stamp is what Apply is told beside the changes.
func (ts *Tenants) stamp(now time.Time) policy.Stamp {
	return policy.Stamp{Now: now, Models: ts.models.get}
}

// Model returns a version of a model, the newest for version 0, and which one it is. NotFound when there is none.
func (ts *Tenants) Model(name string, version uint32) (*klinkev1.Model, uint32, error) {
	m, v, err := ts.store.Model(name, version)
	if err != nil && kindOf(err) == policy.NotFound {
		return nil, 0, policy.Errorf(policy.NotFound, "model", "no such model, or no such version of it")
	}
	return m, v, err
}

// PutModel compiles a model and, unless it is only to be validated, stores it. It returns the version that the model has or
// would get, and whether that is a new one. A model that does not compile is Invalid, with a field below "model".
func (ts *Tenants) PutModel(ctx context.Context, m *klinkev1.Model, validateOnly bool) (version uint32, fresh bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	newest, version, err := ts.store.Model(m.GetName(), 0)
	switch {
	case err != nil && kindOf(err) != policy.NotFound:
		return 0, false, err
	case err != nil:
		version, fresh = 1, true
	case !proto.Equal(newest, m):
		version, fresh = version+1, true
	}
	if _, err := policy.Compile(m, version); err != nil {
		return 0, false, err
	}
	if validateOnly {
		return version, fresh, nil
	}
	if err := ctx.Err(); err != nil { // compiling may have taken a while
		return 0, false, err
	}
	return ts.store.PutModel(m)
}

// under puts an error's field below another one.
func under(field string, err error) error {
	e, ok := errors.AsType[*policy.Error](err)
	if !ok {
		return err
	}
	moved := *e
	if moved.Field != "" {
		field += "." + moved.Field
	}
	moved.Field = field
	return &moved
}
