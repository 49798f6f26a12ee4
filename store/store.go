// Package store is the contract between the living tenants and what keeps them: a log first, with record tables and
// checkpoints that are derived from it and can be rebuilt.
//
// Invariants. A tenant's log is a sequence of entries whose positions rise; positions count the commits of the whole
// store, from 1, and are never reused, not even by a tenant that was deleted and made again. A tenant has a lineage, new
// whenever it is made. The record table of a tenant is what its entries, applied in order, leave behind. An entry is
// there as a whole or not at all.
//
// Concurrency. All methods may be called at any time from any goroutine. A call holds no transaction when it returns, and
// none while it waits for its caller. Nothing returned is shared with the store: callers may keep and change it.
//
// Failure. Append and the catalogue's edits return only when the disk has what they acknowledge. After a failed commit the
// store refuses further edits until it is opened again: what is on disk is then unknown. Errors are *policy.Error.
package store

import (
	"io"
	"iter"
	"time"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Position is a place in the store's commit order. 0 is before everything.
type Position uint64

// ChunkBytes is the most that an implementation keeps under one key: longer entries are cut.
const ChunkBytes = 256 << 10

// PageBytes bounds a page of entries or records: the one that exceeds it is the page's last.
const PageBytes = 4 << 20

// RequestWindow is how long a request id is remembered at least, counted back from the time of the tenant's newest entry,
// which is never after now. So the store needs no clock, and an idle tenant remembers longer.
const RequestWindow = policy.MaxRepeatWindowDays * 24 * time.Hour

// Store keeps tenants and models.
type Store interface {
	Catalogue
	Log
	Order
	io.Closer
}

// Tenant is the catalogue's row of one tenant.
type Tenant struct {
	ID      string
	Lineage string // [a-z0-9]{8,26}, unguessable, never used before
	Head    Position
	Floor   Position  // entries at or below it may be gone
	Created time.Time // the time of its first entry
	Due     time.Time // the newest entry's next boundary; zero for none
}

// Catalogue is the store's list of tenants and models.
type Catalogue interface {
	// CreateTenant makes a tenant with a first entry, whose position it sets. Exists when there is one, Invalid for an id
	// that is empty or longer than policy.MaxIDBytes, TooLarge when there are policy.MaxTenants.
	CreateTenant(id string, first *klinkev1.Entry) (Tenant, error)
	// DeleteTenant deletes a tenant and all that belongs to it, when its head is still the given one (0 for any).
	// NotFound or Conflict otherwise. It is out of sight at once; its space may come back later. The deletion has a place
	// in the commit order.
	DeleteTenant(id string, head Position) error
	// Tenants lists up to limit tenants whose ids come after the given one, in byte order.
	Tenants(after string, limit int) ([]Tenant, error)
	// PutModel stores a version of a model and returns it, counted from 1; the content of the newest version again is that
	// version, and fresh is false.
	PutModel(m *klinkev1.Model) (version uint32, fresh bool, err error)
	// Model returns a version of a model, the newest for version 0. NotFound when there is none.
	Model(name string, version uint32) (*klinkev1.Model, uint32, error)
}

// Log is what the store keeps of each tenant.
type Log interface {
	// Append adds entries, at least one, in order behind the tenant's head, which must still be the given one (Conflict
	// otherwise), updates the record table, sets each entry's position and returns the last. All or none; durable when it
	// returns. Concurrent calls share a commit.
	Append(tenant string, head Position, entries ...*klinkev1.Entry) (Position, error)
	// Entries returns up to limit entries (at least 1) after a position, in order. Fewer do not mean that there are no
	// more, since a page is bounded in bytes, too: only an empty page is the end. Gone when the position is below the floor.
	Entries(tenant string, after Position, limit int) ([]*klinkev1.Entry, error)
	// Request returns the entry that a request id made (the newest, if several), or nil. It forgets with the floor, and
	// not within RequestWindow. Nothing has the empty id.
	Request(tenant, requestID string) (*klinkev1.Entry, error)
	// Records returns a page of the tenant's records of one kind, in key order, all as they stand at one head.
	Records(tenant string, q Query) (Page, error)
	// Load hands the newest checkpoint's chunks, if there is one, to each, and returns the tenant's row as it then was and
	// the checkpoint's position (0 for none). Chunks are valid only during the call of each, whose error ends the call and
	// is returned as it is. Unavailable when a newer checkpoint took its place meanwhile: forget the chunks and load again.
	Load(tenant string, each func(chunk []byte) error) (Tenant, Position, error)
	// Compact keeps a checkpoint, and drops what it makes superfluous. Invalid when At, Floor or a chunk is not as
	// Compaction says; Conflict when a newer checkpoint came meanwhile.
	Compact(tenant string, c Compaction) error
}

// Order is what all tenants share: the order of commits, and the moments that come.
type Order interface {
	// Present names the life of the store's commit order ([a-z0-9]{8,26}, unguessable, new when a store is made or restored),
	// and the last position given in it.
	Present() (identity string, last Position, err error)
	// Commits returns up to limit commits (at least 1) after a position, of all tenants, in order. Those of tenants that are
	// deleted by now are left out, but for the deletion. Gone when the position is below a floor that any tenant has or had.
	Commits(after Position, limit int) (Commits, error)
	// Due returns up to limit living tenants (at least 1) that have a next boundary, the earliest first.
	Due(limit int) ([]Tenant, error)
}

// Commits is a part of the commit order.
type Commits struct {
	List []Commit
	// Through is the position up to which the list is complete: where to go on. It is the one asked for at the end.
	Through Position
}

// Commit is one entry of one tenant, or the tenant's deletion.
type Commit struct {
	Position Position
	Tenant   string
	Lineage  string
	Entry    *klinkev1.Entry // nil for the deletion
	Creation bool            // the entry is the tenant's first
}

// Query asks for a page of records.
type Query struct {
	Kind  klinkev1.RecordKind
	After []byte // the key (policy.AppendKey, of this kind) after which the page begins; nil for the first
	Limit int    // at least 1
}

// Page is a page of records.
type Page struct {
	Records []*klinkev1.Record
	Next    []byte   // the key of the last record when there are more, else nil
	Head    Position // the tenant's head at which the page was read
	Lineage string   // whose head that is: a tenant made anew has another
}

// Compaction is a checkpoint to keep.
type Compaction struct {
	// At is the position that the checkpoint stands for: an entry's above the floor, or that of the tenant's present
	// checkpoint, and not below it.
	At Position
	// Chunks is its content, each at most ChunkBytes and valid until the next. An error in it abandons the compaction and
	// is returned as it is; the old checkpoint stays. The store waits for it without a lock.
	Chunks iter.Seq2[[]byte, error]
	// Floor drops entries at or below it, except those whose request ids must still be remembered: these only Request
	// finds. Below At, whose entry stays. The floor never sinks: a lower one, or 0, leaves it. The commit order begins no lower.
	Floor Position
}
