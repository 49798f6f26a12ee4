package bolt

import (
	"encoding/binary"

	"go.etcd.io/bbolt"

	"github.com/klinke-authz/klinke/store"
)

// Kinds of commits.
const (
	commitEntry    = 1
	commitDeletion = 2
	commitCreation = 3
)

// commit is a row of the commit order: what the position was given to.
type commit struct {
	kind    uint8
	lineage string
	tenant  string
}

func (c *commit) encode(key []byte) []byte {
	b := make([]byte, sealBytes, sealBytes+2+len(c.lineage)+len(c.tenant))
	b = append(b, c.kind, byte(len(c.lineage)))
	b = append(b, c.lineage...)
	b = append(b, c.tenant...)
	return seal(key, b)
}

func decodeCommit(key, value []byte) (commit, error) {
	b, err := unseal(key, value)
	if err != nil {
		return commit{}, err
	}
	d := decoder{b: b}
	c := commit{kind: d.uint8()}
	c.lineage = string(d.bytes(int(d.uint8())))
	c.tenant = string(d.bytes(len(d.b)))
	if len(key) != 8 || c.kind < commitEntry || c.kind > commitCreation {
		d.short = true
	}
	return c, d.end("a commit")
}

// order writes what a position was given to.
func (b *batch) order(p store.Position, kind uint8, r *row) error {
	commits := b.bucket(commitsBucket)
	commits.FillPercent = fillGrowing
	key := positionBytes(p)
	c := commit{kind, r.Lineage, r.ID}
	return commits.Put(key, c.encode(key))
}

// Present implements store.Order.
func (s *Store) Present() (identity string, last store.Position, err error) {
	err = s.view(func(tx *bbolt.Tx) (err error) {
		last, err = decodePosition(positionKey, tx.Bucket(metaBucket).Get(positionKey))
		return err
	})
	return s.identity, last, err
}

// Commits implements store.Order.
func (s *Store) Commits(after store.Position, limit int) (store.Commits, error) {
	if err := store.CheckLimit(limit); err != nil {
		return store.Commits{}, err
	}
	page := store.Commits{Through: after}
	err := s.view(func(tx *bbolt.Tx) error {
		floor, err := decodePosition(floorKey, tx.Bucket(metaBucket).Get(floorKey))
		if err != nil {
			return err
		}
		if after < floor {
			return store.BelowFloor(after, floor)
		}
		looked, size := 0, 0
		more := func() bool { return len(page.List) < limit && looked < sweepKeys && size < store.PageBytes }
		cursor := tx.Bucket(commitsBucket).Cursor()
		for k, v := cursor.Seek(positionBytes(after + 1)); k != nil && more(); k, v = cursor.Next() {
			c, n, err := readCommit(tx, k, v)
			if err != nil {
				return err
			}
			looked, size = looked+1, size+n
			if page.Through = store.Position(binary.BigEndian.Uint64(k)); c != nil {
				page.List = append(page.List, *c)
			}
		}
		return nil
	})
	if err != nil {
		return store.Commits{}, err
	}
	return page, nil
}

// readCommit reads a commit and its entry, and says how long that is; nil when the tenant is deleted since.
func readCommit(tx *bbolt.Tx, key, value []byte) (*store.Commit, int, error) {
	c, err := decodeCommit(key, value)
	if err != nil {
		return nil, 0, err
	}
	out := &store.Commit{Position: store.Position(binary.BigEndian.Uint64(key)), Tenant: c.tenant, Lineage: c.lineage}
	if c.kind == commitDeletion {
		return out, len(value), nil
	}
	if v := tx.Bucket(tenantsBucket).Get([]byte(c.tenant)); v == nil {
		return nil, 0, nil
	} else if r, err := decodeRow([]byte(c.tenant), v); err != nil || r.Lineage != c.lineage {
		return nil, 0, err
	}
	data := tx.Bucket(dataBucket).Bucket([]byte(c.lineage))
	if data == nil {
		return nil, 0, damaged("tenant %q has no bucket %s", c.tenant, c.lineage)
	}
	v := data.Bucket(logBucket).Get(key)
	if v == nil {
		return nil, 0, damaged("the commit at %x names an entry that is not in the log", key)
	}
	e, n, err := decodeEntry(data, key, v)
	out.Entry, out.Creation = e, c.kind == commitCreation
	return out, n, err
}

// raise raises the floor of the commit order.
func (b *batch) raise(floor store.Position) error {
	meta := b.bucket(metaBucket)
	present, err := decodePosition(floorKey, meta.Get(floorKey))
	if err != nil || floor <= present {
		return err
	}
	return meta.Put(floorKey, encodePosition(floorKey, floor))
}

// dropCommits drops what is at or below the floor of the commit order, in steps.
func (s *Store) dropCommits() error {
	for done := false; !done; {
		err := s.do(sweepKeys, func(b *batch) error {
			floor, err := decodePosition(floorKey, b.bucket(metaBucket).Get(floorKey))
			if err != nil {
				return err
			}
			commits := b.bucket(commitsBucket)
			c := commits.Cursor()
			k, _ := c.First()
			n := 0
			for ; k != nil && n < sweepKeys && store.Position(binary.BigEndian.Uint64(k)) <= floor; k, _ = c.First() {
				if err := c.Delete(); err != nil {
					return err
				}
				n++
			}
			done = n < sweepKeys
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dueKey is the key of a tenant's next boundary.
func dueKey(r *row) []byte {
	return append(appendTime(make([]byte, 0, 12+len(r.ID)), r.Due), r.ID...)
}

// remind moves a tenant to another place among the moments that come.
func (b *batch) remind(old, r *row) error {
	if old.Due.Equal(r.Due) {
		return nil
	}
	due := b.bucket(dueBucket)
	if !old.Due.IsZero() {
		if err := due.Delete(dueKey(old)); err != nil {
			return err
		}
	}
	if r.Due.IsZero() {
		return nil
	}
	key := dueKey(r)
	return due.Put(key, seal(key, make([]byte, sealBytes)))
}

// Due implements store.Order.
func (s *Store) Due(limit int) ([]store.Tenant, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, err
	}
	var rows []store.Tenant
	err := s.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(dueBucket).Cursor()
		for k, v := c.First(); k != nil && len(rows) < limit; k, v = c.Next() {
			r, err := dueTenant(tx, k, v)
			if err != nil {
				return err
			}
			rows = append(rows, r.Tenant)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// dueTenant returns the row of the tenant that a key of the moments names.
func dueTenant(tx *bbolt.Tx, key, value []byte) (row, error) {
	if _, err := unseal(key, value); err != nil {
		return row{}, err
	}
	d := decoder{b: key}
	at := d.time()
	r, err := findRow(tx, string(d.b))
	if err != nil || d.short || !r.Due.Equal(at) {
		return row{}, damaged("the moment %x is not that of its tenant", key)
	}
	return r, nil
}
