package live

import (
	"sync"
	"sync/atomic"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// The most that one append carries; a store's transaction should stay small enough to be quick.
const (
	groupWrites  = 1024
	groupChanges = policy.MaxWriteChanges
)

// tenant is a slot: a tenant on its way to life, living, or given up.
type tenant struct {
	ts *Tenants
	id string

	ready chan struct{} // closed when the load has ended
	err   error         // why there is no state; written before ready is closed
	state atomic.Pointer[State]

	checkpoints sync.WaitGroup

	mu            sync.Mutex
	queue         []*pending
	writing       bool // a writer is at work
	gone          bool // given up: nothing is queued any more
	changed       chan struct{}
	recent        recent
	checkpointing bool
	attempted     tally // the sum when a checkpoint was last begun
	kept          tally // the sum at the newest checkpoint
}

func newTenant(ts *Tenants, id string) *tenant {
	return &tenant{ts: ts, id: id, ready: make(chan struct{})}
}

// beyond returns a channel that is closed when the tenant has left a state, which it may have done already.
func (t *tenant) beyond(s *State) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone || t.state.Load() != s {
		return t.ready // closed: the tenant has lived
	}
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	return t.changed
}

// publish swaps the state, then wakes who waits for it. The entries are what led to it.
func (t *tenant) publish(s *State, entries []*klinkev1.Entry) {
	t.mu.Lock()
	before := t.state.Load()
	t.state.Store(s)
	t.recent.add(before.Position, entries)
	t.wake()
	t.mu.Unlock()
	t.ts.pulse.beat()
}

// wake needs the lock.
func (t *tenant) wake() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// enqueue hands a write to the writer, and starts it when it rests. False when the tenant was given up: look it up again.
func (t *tenant) enqueue(p *pending) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return false
	}
	if !t.writing {
		if !t.ts.start(t.write) {
			p.fail(errClosed())
			return true
		}
		t.writing = true
	}
	t.queue = append(t.queue, p)
	return true
}

// write is the writer: it takes what waits until nothing does.
func (t *tenant) write() {
	for {
		group := t.take()
		switch {
		case group == nil:
			return
		case group[0].erase != nil:
			t.eraseNow(group[0])
		default:
			t.commit(group)
		}
	}
}

// take returns the waiting writes, as many as fit one append; an erasure comes alone. Nil ends the writer.
func (t *tenant) take() []*pending {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, changes := 0, 0
	for n < len(t.queue) && n < groupWrites && changes < groupChanges {
		p := t.queue[n]
		if p.erase != nil && n > 0 {
			break
		}
		n++
		if p.erase != nil {
			break
		}
		changes += len(p.write.Changes)
	}
	if n == 0 {
		t.queue, t.writing = nil, false
		return nil
	}
	group := t.queue[:n:n]
	t.queue = t.queue[n:]
	return group
}

// retire gives the tenant up, with an answer for those who wait to write. It is no longer in its slot when this is called,
// so that who looks it up again does not find it.
func (t *tenant) retire(answer error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone = true
	for _, p := range t.queue {
		p.fail(answer)
	}
	t.queue = nil
	t.wake()
}
