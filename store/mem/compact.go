package mem

import (
	"bytes"
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// Load implements store.Log. It hands the checkpoint that it found first, so a newer one does not disturb it.
func (s *Store) Load(id string, each func(chunk []byte) error) (store.Tenant, store.Position, error) {
	d, err := s.lock()
	if err != nil {
		return store.Tenant{}, 0, err
	}
	t, err := d.find(id)
	if err != nil {
		d.mu.Unlock()
		return store.Tenant{}, 0, err
	}
	row, at, chunks := t.Tenant, t.checkpoint, t.chunks
	d.mu.Unlock()
	for _, c := range chunks {
		if err := each(bytes.Clone(c)); err != nil {
			return store.Tenant{}, 0, err
		}
	}
	return row, at, nil
}

// Compact implements store.Log.
func (s *Store) Compact(id string, c store.Compaction) error {
	if err := store.CheckCompaction(c); err != nil {
		return err
	}
	lineage, err := s.compactable(id, c)
	if err != nil {
		return err
	}
	var chunks [][]byte
	for chunk, err := range c.Chunks {
		if err == nil {
			err = store.CheckChunk(chunk)
		}
		if err != nil {
			return err
		}
		chunks = append(chunks, bytes.Clone(chunk))
	}
	d, err := s.lock()
	if err != nil {
		return err
	}
	defer d.mu.Unlock()
	t, err := d.find(id)
	if err != nil {
		return err
	}
	if t.Lineage != lineage {
		return store.NoTenant(id)
	}
	if c.At < t.checkpoint {
		return store.Overtaken(t.checkpoint, c.At)
	}
	t.checkpoint, t.chunks = c.At, chunks
	t.Floor = max(t.Floor, c.Floor)
	t.forget()
	d.floor = max(d.floor, t.Floor)
	d.commits = d.commits[d.behind(d.floor):]
	return nil
}

// compactable returns the tenant's lineage, or why a compaction of it cannot be.
func (s *Store) compactable(id string, c store.Compaction) (string, error) {
	d, err := s.lock()
	if err != nil {
		return "", err
	}
	defer d.mu.Unlock()
	t, err := d.find(id)
	if err != nil {
		return "", err
	}
	known := c.At == t.checkpoint || c.At > t.Floor && t.at(c.At) != nil
	if c.At < t.checkpoint || !known {
		return "", store.NoCheckpointAt(c.At)
	}
	return t.Lineage, nil
}

// forget drops the entries at or below the floor whose request ids need not be remembered any more.
func (t *tenant) forget() {
	newest := t.log[len(t.log)-1].GetTime().AsTime()
	t.log = slices.DeleteFunc(t.log, func(e *klinkev1.Entry) bool {
		p, id := store.Position(e.GetPosition()), e.GetRequestId()
		if p > t.Floor || p == t.Head || id != "" && store.Remembers(newest, e.GetTime().AsTime()) {
			return false
		}
		if t.requests[id] == p {
			delete(t.requests, id)
		}
		return true
	})
}
