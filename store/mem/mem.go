// Package mem is the store's contract as readable code: maps under one mutex. It is what the store on disk is tested
// against, and serves tests that need no disk.
//
// Invariant. After every call, a tenant's records are what its entries, applied in order, leave behind; everything kept is
// a copy of what was given, and everything returned a copy of what is kept.
//
// Concurrency. A Disk's mutex is held during a call, except while a callback or an iterator of the caller runs.
//
// Failure. A refused edit changes nothing. There is no disk, so nothing else fails.
package mem

import (
	"slices"
	"sync"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// Disk is what a file is to the store on disk: it keeps its content while no store is open on it. The zero Disk is empty.
type Disk struct {
	mu      sync.Mutex
	user    *Store // the store that is open on it, nil for none
	last    store.Position
	id      string // of the commit order
	floor   store.Position
	commits []commit // those above the floor, by position
	tenants map[string]*tenant
	models  map[string][]*klinkev1.Model // version v at v-1
}

// Store is a store on a Disk.
type Store struct{ disk *Disk }

var _ store.Store = (*Store)(nil)

// New opens a store on a Disk of its own.
func New() *Store {
	s, _ := new(Disk).Open() // nobody else has it
	return s
}

// Open opens a store on the disk. Locked while another one is open.
func (d *Disk) Open() (*Store, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.user != nil {
		return nil, policy.Errorf(policy.Locked, "", "another store is open on this disk")
	}
	if d.id == "" {
		d.id = store.NewLineage()
	}
	d.user = &Store{disk: d}
	return d.user, nil
}

// Close closes the store. Its Disk keeps everything. Closing again does nothing.
func (s *Store) Close() error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.disk.user == s {
		s.disk.user = nil
	}
	return nil
}

// lock locks the disk and returns it. When the store is closed, it returns an error and has not locked.
func (s *Store) lock() (*Disk, error) {
	s.disk.mu.Lock()
	if s.disk.user != s {
		s.disk.mu.Unlock()
		return nil, store.Closed()
	}
	return s.disk, nil
}

// tenant is one tenant. Its entries, records and chunks never change once they are in it.
type tenant struct {
	store.Tenant
	log        []*klinkev1.Entry // by position; those at or below the floor are kept for Request alone
	requests   map[string]store.Position
	records    map[string]*klinkev1.Record
	keys       []string // of records, in order; nil when it must be made anew
	checkpoint store.Position
	chunks     [][]byte
}

// find returns a tenant. The disk is locked.
func (d *Disk) find(id string) (*tenant, error) {
	if t := d.tenants[id]; t != nil {
		return t, nil
	}
	return nil, store.NoTenant(id)
}

// entry returns the index of the first entry behind a position.
func (t *tenant) behind(after store.Position) int {
	i, _ := slices.BinarySearchFunc(t.log, after, func(e *klinkev1.Entry, p store.Position) int {
		if store.Position(e.GetPosition()) <= p {
			return -1
		}
		return 1
	})
	return i
}

// at returns the entry at a position, or nil.
func (t *tenant) at(p store.Position) *klinkev1.Entry {
	if p == 0 {
		return nil
	}
	if i := t.behind(p - 1); i < len(t.log) && store.Position(t.log[i].GetPosition()) == p {
		return t.log[i]
	}
	return nil
}
