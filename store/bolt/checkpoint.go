package bolt

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/store"
)

// groupBytes is about how much of a checkpoint one transaction reads or writes.
const groupBytes = 1 << 20

// Load implements store.Log.
func (s *Store) Load(id string, each func(chunk []byte) error) (store.Tenant, store.Position, error) {
	var first row
	var group [][]byte // its memory is used again for the next
	for next := 0; next == 0 || next < first.chunks; next += len(group) {
		err := s.view(func(tx *bbolt.Tx) error {
			r, data, err := findData(tx, id)
			if err != nil {
				return err
			}
			if next == 0 {
				first = r
			} else if r.Lineage != first.Lineage || r.serial != first.serial {
				return policy.Errorf(policy.Unavailable, "", "a newer checkpoint took the place of this one: load the tenant again")
			}
			group, err = readGroup(data, r, next, group)
			return err
		})
		if err != nil {
			return store.Tenant{}, 0, err
		}
		for _, chunk := range group {
			if err := each(chunk); err != nil {
				return store.Tenant{}, 0, err
			}
		}
		if len(group) == 0 {
			break
		}
	}
	return first.Tenant, first.at, nil
}

// readGroup copies the chunks of the current checkpoint from an index on, until they are enough. It uses a group's memory.
func readGroup(data *bbolt.Bucket, r row, from int, group [][]byte) ([][]byte, error) {
	used := group[:cap(group)]
	group = group[:0]
	checkpoints := data.Bucket(checkpointsBucket)
	for size := 0; from < r.chunks && size < groupBytes; from++ {
		key := chunkKey(serialBytes(r.serial), from)
		if checkpoints == nil || checkpoints.Get(key) == nil {
			return nil, damaged("chunk %d of the checkpoint at %d is missing", from, r.at)
		}
		chunk, err := unseal(key, checkpoints.Get(key))
		if err != nil {
			return nil, err
		}
		var room []byte
		if len(group) < len(used) {
			room = used[len(group)][:0]
		}
		group = append(group, append(room, chunk...))
		size += len(chunk)
	}
	return group, nil
}

func serialBytes(serial uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, 12), serial)
}

// Compact implements store.Log.
func (s *Store) Compact(id string, c store.Compaction) error {
	if err := store.CheckCompaction(c); err != nil {
		return err
	}
	m := making{s: s, id: id}
	err := s.view(func(tx *bbolt.Tx) error {
		r, data, err := findData(tx, id)
		if err != nil {
			return err
		}
		m.lineage = r.Lineage
		known := c.At == r.at || c.At > r.Floor && data.Bucket(logBucket).Get(positionBytes(c.At)) != nil
		if c.At < r.at || !known {
			return store.NoCheckpointAt(c.At)
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer m.leave()
	for chunk, err := range c.Chunks {
		if err == nil {
			err = store.CheckChunk(chunk)
		}
		if err == nil {
			err = m.add(chunk)
		}
		if err != nil {
			return err
		}
	}
	if err := m.finish(c); err != nil {
		return err
	}
	if err := s.drop(id, m.lineage); err != nil {
		return err
	}
	return s.dropCommits()
}

// making is a checkpoint in the making. Trash names it from its first transaction to its last, so that one that is
// abandoned is swept, also after a crash.
type making struct {
	s       *Store
	id      string
	lineage string
	serial  uint64
	trash   []byte   // its key there, once it has a serial
	written int      // chunks in the database
	waiting [][]byte // chunks to be written next, each behind room for its seal
	size    int      // bytes of them
}

// add takes a chunk, and writes those that wait when they are enough.
func (m *making) add(chunk []byte) error {
	m.waiting = append(m.waiting, append(make([]byte, sealBytes, sealBytes+len(chunk)), chunk...))
	if m.size += len(chunk); m.size < groupBytes {
		return nil
	}
	err := m.s.do(len(m.waiting)+m.size>>10, func(b *batch) error {
		_, checkpoints, err := m.begin(b)
		if err != nil {
			return err
		}
		if err := putTrash(b, m.trash); err != nil {
			return err
		}
		return m.write(checkpoints)
	})
	if err != nil {
		return err
	}
	m.written += len(m.waiting)
	m.waiting, m.size = nil, 0
	return nil
}

// begin finds the tenant, as it was, and gives the checkpoint a serial if it has none yet.
func (m *making) begin(b *batch) (row, *bbolt.Bucket, error) {
	r, data, err := findData(b.tx, m.id)
	if err == nil && r.Lineage != m.lineage {
		err = store.NoTenant(m.id)
	}
	if err != nil {
		return row{}, nil, err
	}
	checkpoints, err := within(data, checkpointsBucket, fillGrowing)
	if err != nil || m.written > 0 {
		return r, checkpoints, err
	}
	if m.serial, err = checkpoints.NextSequence(); err != nil {
		return row{}, nil, err
	}
	m.s.making.Lock()
	defer m.s.making.Unlock()
	delete(m.s.made, string(m.trash)) // of a transaction that was undone
	m.trash = checkpointTrash(m.lineage, serialBytes(m.serial))
	m.s.made[string(m.trash)] = true
	return r, checkpoints, nil
}

func (m *making) write(checkpoints *bbolt.Bucket) error {
	for i, chunk := range m.waiting {
		key := chunkKey(serialBytes(m.serial), m.written+i)
		if err := checkpoints.Put(key, seal(key, chunk)); err != nil {
			return err
		}
	}
	return nil
}

// finish writes what waits, makes the checkpoint the tenant's current one and raises the floor.
func (m *making) finish(c store.Compaction) error {
	return m.s.do(2+len(m.waiting)+m.size>>10, func(b *batch) error {
		present, err := findRow(b.tx, m.id)
		if err == nil && c.At < present.at {
			err = store.Overtaken(present.at, c.At)
		}
		if err != nil {
			return err
		}
		r, checkpoints, err := m.begin(b)
		if err != nil {
			return err
		}
		if err := m.write(checkpoints); err != nil {
			return err
		}
		if err := b.bucket(trashBucket).Delete(m.trash); err != nil {
			return err
		}
		if r.serial != 0 {
			if err := putTrash(b, checkpointTrash(r.Lineage, serialBytes(r.serial))); err != nil {
				return err
			}
		}
		r.serial, r.at, r.chunks = m.serial, c.At, m.written+len(m.waiting)
		r.Floor = max(r.Floor, c.Floor)
		if err := b.raise(r.Floor); err != nil {
			return err
		}
		return b.bucket(tenantsBucket).Put([]byte(r.ID), r.encode())
	})
}

// leave lets the sweeper have what was abandoned or replaced.
func (m *making) leave() {
	m.s.making.Lock()
	delete(m.s.made, string(m.trash))
	m.s.making.Unlock()
	m.s.wakeSweeper()
}

// drop drops the entries at or below the tenant's floor that need not be remembered, in steps. What may be dropped once
// may be dropped for ever, so it is looked for in a read transaction.
func (s *Store) drop(id, lineage string) error {
	for from := []byte{}; from != nil; {
		var found []dropping
		err := s.view(func(tx *bbolt.Tx) error {
			r, data, err := findData(tx, id)
			if err == nil {
				found, from, err = droppable(data, r, from)
			}
			return err
		})
		if err == nil && len(found) > 0 {
			err = s.do(sweepKeys, func(b *batch) error {
				r, data, err := findData(b.tx, id)
				if err == nil && r.Lineage != lineage {
					err = store.NoTenant(id)
				}
				if err != nil {
					return err
				}
				return dropAll(data, found)
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dropping is an entry to be dropped.
type dropping struct {
	key []byte
	header
}

// droppable returns entries to be dropped, from a key on, and the key from which to go on; nil when these were the last.
func droppable(data *bbolt.Bucket, r row, from []byte) (found []dropping, next []byte, err error) {
	log := data.Bucket(logBucket)
	head := positionBytes(r.Head)
	newest, err := decodeHeader(head, log.Get(head))
	if err != nil {
		return nil, nil, err
	}
	looked, keys := 0, 0
	c := log.Cursor()
	for k, v := c.Seek(from); k != nil; k, v = c.Next() {
		if store.Position(binary.BigEndian.Uint64(k)) > r.Floor {
			break
		}
		if looked == sweepKeys || keys >= sweepKeys {
			return found, bytes.Clone(k), nil
		}
		looked++
		h, err := decodeHeader(k, v)
		if err != nil {
			return nil, nil, err
		}
		if bytes.Equal(k, head) || h.requestID != "" && store.Remembers(newest.time, h.time) {
			continue
		}
		h.inline = nil
		found = append(found, dropping{bytes.Clone(k), h})
		keys += 1 + chunkCount(h.length)
	}
	return found, nil, nil
}

func dropAll(data *bbolt.Bucket, entries []dropping) error {
	log, chunks, requests := data.Bucket(logBucket), data.Bucket(chunksBucket), data.Bucket(requestsBucket)
	for _, e := range entries {
		if err := log.Delete(e.key); err != nil {
			return err
		}
		for i := range chunkCount(e.length) {
			if err := chunks.Delete(chunkKey(e.key, i)); err != nil {
				return err
			}
		}
		if e.requestID == "" || requests == nil {
			continue
		}
		// A newer entry may have the id; then it stays.
		id := []byte(e.requestID)
		if v := requests.Get(id); v != nil && bytes.Equal(v, encodePosition(id, store.Position(binary.BigEndian.Uint64(e.key)))) {
			if err := requests.Delete(id); err != nil {
				return err
			}
		}
	}
	return nil
}
