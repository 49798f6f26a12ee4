package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/maphash"

	"go.etcd.io/bbolt"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// tenantCheck is the check of one tenant.
type tenantCheck struct {
	*verifier
	place string
	row
	data     *bbolt.Bucket
	seed     maphash.Seed
	replayed map[string]outcome // what the log above the floor does to each key
	cut      int                // chunks that the log's entries have
}

// outcome is what the last change of a key left there: nothing, or a record, by the hash of its bytes.
type outcome struct {
	there bool
	hash  uint64
}

func (v *verifier) tenant(place string, id, value []byte) {
	r, err := decodeRow(id, value)
	if err != nil {
		v.problemf(place, "%v", err)
		return
	}
	if v.lineages[r.Lineage] {
		v.problemf(place, "lineage %s is another tenant's, too", r.Lineage)
	}
	v.lineages[r.Lineage] = true
	c := tenantCheck{verifier: v, place: place, row: r, seed: maphash.MakeSeed(), replayed: make(map[string]outcome)}
	if c.data = v.tx.Bucket(dataBucket).Bucket([]byte(r.Lineage)); c.data == nil {
		c.problemf("there is no bucket %s of it", r.Lineage)
		return
	}
	if c.Head > v.report.Position || c.Floor > c.Head || c.at > c.Head || c.Floor > c.at {
		c.problemf("floor %d, checkpoint %d, head %d and the store's position %d do not rise", c.Floor, c.at, c.Head, v.report.Position)
	}
	if !c.Due.IsZero() {
		v.due++
	}
	entries, records := v.report.Entries, v.report.Records
	for _, name := range [][]byte{logBucket, recordsBucket} {
		if c.data.Bucket(name) == nil {
			c.problemf("there is no bucket %q of it", name)
			return
		}
	}
	c.log()
	c.requests()
	c.records()
	c.checkpoint()
	v.progress(fmt.Sprintf("%s: %d entries, %d records", place, v.report.Entries-entries, v.report.Records-records))
}

func (c *tenantCheck) problemf(format string, args ...any) {
	c.verifier.problemf(c.place, format, args...)
}

// log reads every entry, and replays those above the floor. Below it, only remembered ones are left.
func (c *tenantCheck) log() {
	log := c.data.Bucket(logBucket)
	cursor := log.Cursor()
	var last store.Position
	for k, value := cursor.First(); k != nil; k, value = cursor.Next() {
		c.report.Entries++
		e, _, err := decodeEntry(c.data, k, value)
		if err != nil {
			c.problemf("%v", err)
			continue
		}
		last = store.Position(e.GetPosition())
		c.positions = append(c.positions, placed{last, c.Lineage})
		if last == c.Head && !store.DueOf(e).Equal(c.Due) {
			c.problemf("its newest entry names the next boundary %v, and its row %v", store.DueOf(e), c.Due)
		}
		h, _ := decodeHeader(k, value)
		c.cut += chunkCount(h.length)
		if id := e.GetRequestId(); id != "" {
			c.remembered(last, id)
		}
		if last > c.Floor {
			c.replay(last, e)
		}
	}
	if last != c.Head {
		c.problemf("the log ends at %d, and the head is %d", last, c.Head)
	}
	if n := countKeys(c.data.Bucket(chunksBucket)); n != c.cut {
		c.problemf("there are %d chunks, and %d belong to an entry", n, c.cut)
	}
}

// remembered checks that a request id names its entry, or a newer one.
func (c *tenantCheck) remembered(p store.Position, id string) {
	named := store.Position(0)
	if requests := c.data.Bucket(requestsBucket); requests != nil {
		if v := requests.Get([]byte(id)); v != nil {
			named, _ = decodePosition([]byte(id), v)
		}
	}
	if named < p {
		c.problemf("request id %q made entry %d, and the index names %d", id, p, named)
	}
}

func (c *tenantCheck) replay(p store.Position, e *klinkev1.Entry) {
	for i, change := range e.GetChanges() {
		key, put, err := store.EditOf(change)
		if err != nil {
			c.problemf("entry %d, change %d: %v", p, i, err)
			continue
		}
		o := outcome{there: put != nil}
		if put != nil {
			o.hash = c.hash(put)
		}
		c.replayed[string(key)] = o
	}
}

// hash hashes a record as it is marshalled now, so that a newer library's order of bytes does not matter.
func (c *tenantCheck) hash(r *klinkev1.Record) uint64 {
	b, err := deterministic.Marshal(r)
	if err != nil {
		c.problemf("a record cannot be marshalled: %v", err)
	}
	return maphash.Bytes(c.seed, b)
}

func (c *tenantCheck) requests() {
	b := c.data.Bucket(requestsBucket)
	if b == nil {
		return
	}
	log := c.data.Bucket(logBucket)
	cursor := b.Cursor()
	for k, value := cursor.First(); k != nil; k, value = cursor.Next() {
		p, err := decodePosition(k, value)
		if err != nil {
			c.problemf("%v", err)
			continue
		}
		key := positionBytes(p)
		entry := log.Get(key)
		if entry == nil {
			c.problemf("request id %q names %d, which is not in the log", k, p)
		} else if h, err := decodeHeader(key, entry); err == nil && h.requestID != string(k) {
			c.problemf("request id %q names %d, which was made by %q", k, p, h.requestID)
		}
	}
}

// records compares the table with what the log left behind.
func (c *tenantCheck) records() {
	cursor := c.data.Bucket(recordsBucket).Cursor()
	for k, value := cursor.First(); k != nil; k, value = cursor.Next() {
		c.report.Records++
		r, _, err := decodeRecord(k, value)
		if err != nil {
			c.problemf("%v", err)
			delete(c.replayed, string(k))
			continue
		}
		kind, parts := policy.RecordKey(r)
		if !bytes.Equal(policy.AppendKey(nil, kind, parts), k) {
			c.problemf("the record of key %x has another key", k)
		}
		o, touched := c.replayed[string(k)]
		switch {
		case !touched && c.Floor == 0:
			c.problemf("the record of key %x is not of the log", k)
		case touched && !o.there:
			c.problemf("the record of key %x was deleted by the log", k)
		case touched && o.hash != c.hash(r):
			c.problemf("the record of key %x is not what the log put there", k)
		}
		delete(c.replayed, string(k))
	}
	for k, o := range c.replayed {
		if o.there {
			c.problemf("the record of key %x is missing", k)
		}
	}
}

// checkpoint checks that the current checkpoint is whole, and that all others are to be swept.
func (c *tenantCheck) checkpoint() {
	if (c.serial == 0) != (c.at == 0) || c.serial == 0 && c.chunks > 0 {
		c.problemf("checkpoint %d stands for position %d and has %d chunks", c.serial, c.at, c.chunks)
	}
	b := c.data.Bucket(checkpointsBucket)
	if b == nil {
		if c.chunks > 0 {
			c.problemf("the checkpoint at %d is missing", c.at)
		}
		return
	}
	trash := c.tx.Bucket(trashBucket)
	found := 0
	cursor := b.Cursor()
	for k, value := cursor.First(); k != nil; k, value = cursor.Next() {
		if len(k) != 12 {
			c.problemf("%x is not the key of a checkpoint's chunk", k)
			continue
		}
		if binary.BigEndian.Uint64(k) != c.serial {
			if trash.Get(checkpointTrash(c.Lineage, k[:8])) == nil {
				c.problemf("chunk %x belongs to no checkpoint and is not to be swept", k)
			}
			continue
		}
		if _, err := unseal(k, value); err != nil {
			c.problemf("%v", err)
		}
		if index := int(binary.BigEndian.Uint32(k[8:])); index != found {
			c.problemf("chunk %d of the checkpoint at %d is missing", found, c.at)
		}
		found++
	}
	if found != c.chunks {
		c.problemf("the checkpoint at %d has %d of %d chunks", c.at, found, c.chunks)
	}
}
