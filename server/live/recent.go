package live

import (
	"sync"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// How much of a tenant's log is kept in memory, for those who follow it closely.
const (
	recentEntries = 256
	recentChanges = 2_000
)

// recent is the end of a tenant's log. Its entries never change.
type recent struct {
	after   store.Position // the place behind which it has everything
	entries []*klinkev1.Entry
	changes int
}

// add takes what was published behind a position, and forgets what is too much.
func (r *recent) add(behind store.Position, entries []*klinkev1.Entry) {
	if len(r.entries) == 0 {
		r.after = behind
	}
	r.entries = append(r.entries, entries...)
	for _, e := range entries {
		r.changes += len(e.GetChanges())
	}
	n := 0
	for n < len(r.entries) && (len(r.entries)-n > recentEntries || r.changes > recentChanges) {
		r.after = position(r.entries[n])
		r.changes -= len(r.entries[n].GetChanges())
		n++
	}
	clear(r.entries[:n]) // the array is used on
	r.entries = r.entries[n:]
}

// behind returns up to limit entries behind a position; false when it does not reach back so far.
func (r *recent) behind(after store.Position, limit int) ([]*klinkev1.Entry, bool) {
	if len(r.entries) == 0 || after < r.after {
		return nil, false
	}
	i := len(r.entries)
	for i > 0 && position(r.entries[i-1]) > after {
		i--
	}
	page := r.entries[i:]
	return append([]*klinkev1.Entry(nil), page[:min(limit, len(page))]...), true
}

// pulse wakes all who wait for its next beat.
type pulse struct {
	mu   sync.Mutex
	next chan struct{} // nil while nobody waits
}

// beyond returns a channel that is closed at the next beat.
func (p *pulse) beyond() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next = make(chan struct{})
	}
	return p.next
}

func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next != nil {
		close(p.next)
		p.next = nil
	}
}
