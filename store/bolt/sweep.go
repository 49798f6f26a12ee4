package bolt

import (
	"bytes"
	"errors"

	"go.etcd.io/bbolt"

	"github.com/klinke-authz/klinke/policy"
)

// sweepKeys is how many keys an edit of the sweeper, or of a compaction, deletes: what others wait for at most.
const sweepKeys = 1000

func tenantTrash(lineage string) []byte { return append([]byte("t"), lineage...) }

func checkpointTrash(lineage string, serial []byte) []byte {
	return append(append([]byte("c"), lineage...), serial...)
}

func putTrash(b *batch, key []byte) error {
	return b.bucket(trashBucket).Put(key, seal(key, make([]byte, sealBytes)))
}

// wakeSweeper tells the sweeper that there may be something to do.
func (s *Store) wakeSweeper() {
	select {
	case s.sweep <- struct{}{}:
	default:
	}
}

// sweepAll is the sweeper: whenever it is woken, it deletes what trash names, step by step, until the store closes.
func (s *Store) sweepAll() {
	for {
		select {
		case <-s.stop:
			return
		case <-s.sweep:
		}
		if err := s.sweepTrash(); err != nil && !isKind(err, policy.Unavailable) {
			s.log.Error("sweeping stopped until the next occasion", "error", err)
		}
	}
}

func (s *Store) sweepTrash() error {
	for {
		var key []byte
		err := s.view(func(tx *bbolt.Tx) error {
			key = s.nextTrash(tx.Bucket(trashBucket))
			return nil
		})
		if err == nil && key != nil {
			err = s.do(sweepKeys, func(b *batch) error { return sweepStep(b, key) })
		}
		if err != nil || key == nil {
			return err
		}
	}
}

// sweepStep deletes a bounded part of what a key of trash names, and the key when nothing is left.
func sweepStep(b *batch, key []byte) error {
	data := b.bucket(dataBucket)
	done := true
	var err error
	if key[0] == 't' {
		done, err = sweepTenant(data, key[1:])
	} else if serial := len(key) - 8; serial > 1 {
		if tenant := data.Bucket(key[1:serial]); tenant != nil {
			done, err = deletePrefix(tenant.Bucket(checkpointsBucket), key[serial:], sweepKeys)
		}
	}
	if err == nil && done {
		err = b.bucket(trashBucket).Delete(key)
	}
	return err
}

// nextTrash returns the first key of trash that is not a checkpoint in the making.
func (s *Store) nextTrash(trash *bbolt.Bucket) []byte {
	s.making.Lock()
	defer s.making.Unlock()
	c := trash.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if !s.made[string(k)] {
			return bytes.Clone(k)
		}
	}
	return nil
}

// sweepTenant deletes a part of a tenant's bucket, and returns whether it is gone.
func sweepTenant(data *bbolt.Bucket, lineage []byte) (bool, error) {
	tenant := data.Bucket(lineage)
	if tenant == nil {
		return true, nil
	}
	for _, name := range [][]byte{logBucket, chunksBucket, recordsBucket, requestsBucket, checkpointsBucket} {
		b := tenant.Bucket(name)
		if b == nil {
			continue
		}
		if done, err := deletePrefix(b, nil, sweepKeys); err != nil || !done {
			return false, err
		}
		// It is empty now. The next bucket's turn is the next edit, to keep this one small.
		return false, tenant.DeleteBucket(name)
	}
	return true, data.DeleteBucket(lineage)
}

// deletePrefix deletes up to so many keys that begin alike, and returns whether there are none left.
func deletePrefix(b *bbolt.Bucket, prefix []byte, limit int) (bool, error) {
	if b == nil {
		return true, nil
	}
	// Deleting under a cursor makes it skip, so collect first.
	var keys [][]byte
	c := b.Cursor()
	k, _ := c.Seek(prefix)
	for ; k != nil && bytes.HasPrefix(k, prefix) && len(keys) < limit; k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	var err error
	for _, k := range keys {
		err = errors.Join(err, b.Delete(k))
	}
	return len(keys) < limit, err
}
