package store

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// maxKeyBytes is the longest record key that every implementation can keep.
const maxKeyBytes = 32 << 10

// CheckTenantID returns Invalid for an id that no tenant can have.
func CheckTenantID(id string) error {
	if len(id) == 0 || len(id) > policy.MaxIDBytes {
		return policy.Errorf(policy.Invalid, "tenant", "a tenant's id has 1 to %d bytes, not %d", policy.MaxIDBytes, len(id))
	}
	return nil
}

// CheckEntry returns Invalid for an entry that no implementation can keep: none, a request id of more than
// policy.MaxIDBytes, a change without a record or with a key that is too long.
func CheckEntry(e *klinkev1.Entry) error {
	if e == nil {
		return policy.Errorf(policy.Invalid, "entry", "there is no entry")
	}
	if n := len(e.GetRequestId()); n > policy.MaxIDBytes {
		return policy.Errorf(policy.Invalid, "request_id", "a request id has at most %d bytes, not %d", policy.MaxIDBytes, n)
	}
	for i, c := range e.GetChanges() {
		if _, _, err := EditOf(c); err != nil {
			return policy.Errorf(policy.Invalid, fmt.Sprintf("changes[%d]", i), "%v", err)
		}
	}
	return nil
}

// EditOf returns what a change does to the record table: the key that it edits, and the record that it puts there, which
// is nil for a delete. The record is the change's own, not a copy.
func EditOf(c *klinkev1.Change) (key []byte, put *klinkev1.Record, err error) {
	put = c.GetPut()
	named := put
	if named == nil {
		named = c.GetDelete()
	}
	kind, parts := policy.RecordKey(named)
	if kind == klinkev1.RecordKind_RECORD_KIND_UNSPECIFIED {
		return nil, nil, policy.Errorf(policy.Invalid, "", "a change puts or deletes a record of a known kind")
	}
	for _, p := range parts {
		// The key has two bytes for a part's length: longer ones would alias.
		if len(p) > math.MaxUint16 {
			return nil, nil, policy.Errorf(policy.Invalid, "", "a part of a record's key has %d bytes", len(p))
		}
	}
	if key = policy.AppendKey(nil, kind, parts); len(key) > maxKeyBytes {
		return nil, nil, policy.Errorf(policy.Invalid, "", "a record's key has %d bytes, more than %d", len(key), maxKeyBytes)
	}
	return key, put, nil
}

// DueOf returns the next boundary that an entry names, zero for none.
func DueOf(e *klinkev1.Entry) time.Time {
	if e.GetNextBoundary() == nil {
		return time.Time{}
	}
	return e.GetNextBoundary().AsTime()
}

// CheckQuery returns Invalid for a query without kind or limit, or whose key is of another kind.
func CheckQuery(q Query) error {
	if q.Kind == klinkev1.RecordKind_RECORD_KIND_UNSPECIFIED || q.Kind < 0 || q.Kind > math.MaxUint8 {
		return policy.Errorf(policy.Invalid, "kind", "records are listed by kind; %d is none", q.Kind)
	}
	if len(q.After) > 0 && q.After[0] != byte(q.Kind) {
		return policy.Errorf(policy.Invalid, "after", "the key is not one of a %v", q.Kind)
	}
	return CheckLimit(q.Limit)
}

// CheckLimit returns Invalid for a page without room.
func CheckLimit(limit int) error {
	if limit < 1 {
		return policy.Errorf(policy.Invalid, "limit", "a page has room for at least 1, not %d", limit)
	}
	return nil
}

// NoTenant is the NotFound of a tenant.
func NoTenant(id string) *policy.Error {
	return policy.Errorf(policy.NotFound, "tenant", "there is no tenant %q", id)
}

// Moved is the Conflict of a tenant whose head is not the expected one.
func Moved(head, expected Position) *policy.Error {
	return policy.Errorf(policy.Conflict, "", "the tenant is at %d, no longer at %d: read it again, then repeat the edit", head, expected)
}

// BelowFloor is the Gone of a position that the log no longer reaches.
func BelowFloor(after, floor Position) *policy.Error {
	return policy.Errorf(policy.Gone, "", "the log begins behind %d, so what followed %d is gone: load the tenant anew", floor, after)
}

// Closed is the Unavailable of a store that was closed.
func Closed() *policy.Error {
	return policy.Errorf(policy.Unavailable, "", "the store is closed")
}

// NewLineage returns 80 random bits as 16 characters of [a-z2-7].
func NewLineage() string {
	var b [10]byte
	rand.Read(b[:]) // never fails, by its contract
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// HasTenant is the Exists of a tenant.
func HasTenant(id string) *policy.Error {
	return policy.Errorf(policy.Exists, "tenant", "there is a tenant %q already", id)
}

// CheckEntries returns Invalid for no entry, or one that CheckEntry refuses.
func CheckEntries(entries []*klinkev1.Entry) error {
	if len(entries) == 0 {
		return policy.Errorf(policy.Invalid, "entries", "there is nothing to append")
	}
	for _, e := range entries {
		if err := CheckEntry(e); err != nil {
			return err
		}
	}
	return nil
}

// TooManyTenants is the TooLarge of a store that has all tenants that it may have.
func TooManyTenants() *policy.Error {
	return policy.Errorf(policy.TooLarge, "tenant", "there are %d tenants, and no more are allowed", policy.MaxTenants)
}

// CheckModel returns Invalid for a model without a name, or with one that is too long.
func CheckModel(m *klinkev1.Model) error {
	if n := len(m.GetName()); n == 0 || n > policy.MaxIDBytes {
		return policy.Errorf(policy.Invalid, "model.name", "a model's name has 1 to %d bytes, not %d", policy.MaxIDBytes, n)
	}
	return nil
}

// NoModel is the NotFound of a model, or of one of its versions (0 for any).
func NoModel(name string, version uint32) *policy.Error {
	if version == 0 {
		return policy.Errorf(policy.NotFound, "model", "there is no model %q", name)
	}
	return policy.Errorf(policy.NotFound, "model", "there is no version %d of a model %q", version, name)
}

// CheckCompaction returns Invalid for a compaction that no tenant can have.
func CheckCompaction(c Compaction) error {
	if c.At == 0 || c.Chunks == nil {
		return policy.Errorf(policy.Invalid, "at", "a checkpoint has a position and a content")
	}
	if c.Floor >= c.At {
		return policy.Errorf(policy.Invalid, "floor", "the floor %d is not below the checkpoint at %d", c.Floor, c.At)
	}
	return nil
}

// CheckChunk returns Invalid for a chunk that is too long.
func CheckChunk(chunk []byte) error {
	if len(chunk) > ChunkBytes {
		return policy.Errorf(policy.Invalid, "chunks", "a chunk has at most %d bytes, not %d", ChunkBytes, len(chunk))
	}
	return nil
}

// NoCheckpointAt is the Invalid of a checkpoint at a position that has no entry or is below the present checkpoint.
func NoCheckpointAt(at Position) *policy.Error {
	return policy.Errorf(policy.Invalid, "at", "%d is not an entry above the floor and the present checkpoint", at)
}

// Overtaken is the Conflict of a checkpoint when a newer one came while it was made.
func Overtaken(present, at Position) *policy.Error {
	return policy.Errorf(policy.Conflict, "at", "a checkpoint at %d came while the one at %d was made", present, at)
}

// Remembers says whether a request id of an entry of one time must be kept in a tenant whose newest entry has the other.
func Remembers(newest, entry time.Time) bool {
	return newest.Sub(entry) <= RequestWindow
}
