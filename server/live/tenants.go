package live

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/store"
)

// revisionWait is how long a reader waits for a revision that has not arrived.
const revisionWait = time.Second

// Tenants is all tenants of a store, the living ones among them in memory.
type Tenants struct {
	store  store.Store
	models *models
	log    *slog.Logger
	owned  sync.WaitGroup // loads, writers, checkpoints, and the keeper of boundaries
	pulse  pulse          // beats when anything is published

	stop     context.CancelFunc // ends the keeper
	reminder reminder

	mu    sync.RWMutex
	slots map[string]*tenant
	// last is the last state of tenants that were dropped and not yet loaded again.
	last map[string]*State
	// creating are the tenants whose creation may be durable and is not announced yet.
	creating map[string]int
	closed   bool
}

// New makes the tenants of a store, which stays the caller's to close, after Close. From now on the boundaries of time are
// entered in their logs, those first that passed while nobody looked.
func New(s store.Store, log *slog.Logger) *Tenants {
	ctx, stop := context.WithCancel(context.Background())
	ts := &Tenants{
		store:  s,
		models: newModels(s),
		log:    log,
		slots:  make(map[string]*tenant),
		last:   make(map[string]*State),

		creating: make(map[string]int),

		stop:     stop,
		reminder: reminder{wake: make(chan struct{}, 1)},
	}
	ts.owned.Go(func() { ts.keepBoundaries(ctx) })
	return ts
}

// Close refuses further calls, ends the keeper of boundaries, waits for loads, writers and checkpoints to end, and leaves a checkpoint for tenants that
// would be slow to load without. It does not interrupt what is under way.
func (ts *Tenants) Close() {
	ts.mu.Lock()
	ts.closed = true
	ts.mu.Unlock()
	ts.stop()
	ts.owned.Wait()
	ts.mu.RLock()
	living := slices.Collect(maps.Values(ts.slots))
	ts.mu.RUnlock()
	for _, t := range living {
		t.checkpointAtClose()
	}
}

// errRetry says that a slot was given up: look the tenant up again. It never leaves the package.
var errRetry = errors.New("live: look again")

func errClosed() error {
	return policy.Errorf(policy.Unavailable, "", "the server is stopping; ask another one, or again later")
}

// NoTenant is the answer to everybody who asks about a tenant that is not there, or that he may not see: in field, when
// the request names it elsewhere than in `tenant`.
func NoTenant(field string) error { return policy.Errorf(policy.NotFound, field, "no such tenant") }

func errNoTenant() error { return NoTenant("tenant") }

// kindOf returns an error's kind; Internal for foreign errors.
func kindOf(err error) policy.Kind {
	if e, ok := errors.AsType[*policy.Error](err); ok {
		return e.Kind
	}
	return policy.Internal
}

// Current returns a tenant's newest published state, loading the tenant first if need be. NotFound when there is none.
// Callers that come while a load is under way share it; each waits no longer than its context.
func (ts *Tenants) Current(ctx context.Context, id string) (*State, error) {
	t, err := ts.get(ctx, id)
	if err != nil {
		return nil, err
	}
	return t.state.Load(), nil
}

// Living returns a tenant's newest published state when the tenant is in memory, else nil: see Current.
func (ts *Tenants) Living(id string) *State {
	ts.mu.RLock()
	t, closed := ts.slots[id], ts.closed
	ts.mu.RUnlock()
	if t == nil || closed {
		return nil
	}
	return t.state.Load()
}

// At is Current, but not older than a revision (empty for any), for which it waits up to a second: then Unavailable. Gone
// when the revision is of another lineage, Invalid when it is none; field names the revision in these errors.
func (ts *Tenants) At(ctx context.Context, id, revision, field string) (*State, error) {
	if revision == "" {
		return ts.Current(ctx, id)
	}
	timer := time.NewTimer(revisionWait)
	defer timer.Stop()
	for {
		t, err := ts.get(ctx, id)
		if err != nil {
			return nil, err
		}
		s := t.state.Load()
		if reached, err := s.Reached(revision, field); err != nil {
			return nil, err
		} else if reached {
			return s, nil
		}
		select {
		case <-t.beyond(s):
		case <-timer.C:
			return nil, NotReached(field)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// LastKnown returns the last state of a tenant that could not be kept alive, or nil. It may be older than what is durable:
// it serves for emergency numbers only.
func (ts *Tenants) LastKnown(id string) *State {
	ts.mu.RLock()
	defer ts.mu.RUnlock()
	return ts.last[id]
}

// get returns a living tenant.
func (ts *Tenants) get(ctx context.Context, id string) (*tenant, error) {
	for {
		t, err := ts.slot(id)
		if err != nil {
			return nil, err
		}
		if t.state.Load() != nil {
			return t, nil
		}
		select {
		case <-t.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		switch {
		case t.err == nil:
			return t, nil
		case !errors.Is(t.err, errRetry):
			return nil, t.err
		}
	}
}

// slot returns the tenant's slot, living or on the way, and begins its load when there is none.
func (ts *Tenants) slot(id string) (*tenant, error) {
	ts.mu.RLock()
	t, closed := ts.slots[id], ts.closed
	ts.mu.RUnlock()
	if closed {
		return nil, errClosed()
	}
	if t != nil {
		return t, nil
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.closed {
		return nil, errClosed()
	}
	if t = ts.slots[id]; t == nil {
		t = newTenant(ts, strings.Clone(id)) // the caller's may be a part of a long message
		ts.slots[t.id] = t
		ts.owned.Go(func() { ts.load(t) })
	}
	return t, nil
}

// start runs f in a goroutine that Close waits for; false when it is too late.
func (ts *Tenants) start(f func()) bool {
	ts.mu.RLock()
	defer ts.mu.RUnlock()
	if ts.closed {
		return false
	}
	ts.owned.Go(f)
	return true
}

// drop gives up a living tenant and remembers its last state. Its next user loads it.
func (ts *Tenants) drop(t *tenant) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.slots[t.id] == t {
		delete(ts.slots, t.id)
		ts.last[t.id] = t.state.Load()
	}
}
