package bolt

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// How full new pages are left. The log only grows at its end; records come in order when they are loaded and anywhere later.
const (
	fillGrowing = 0.95
	fillRecords = 0.75
)

// write is an entry made ready by its caller's goroutine, so that the committer only puts bytes.
type write struct {
	time      time.Time
	due       time.Time
	requestID string
	header    []byte   // but its seal, which needs the position
	chunks    [][]byte // likewise
	records   []recordEdit
	work      int
}

// recordEdit puts a sealed record, or deletes it when value is nil.
type recordEdit struct{ key, value []byte }

// prepare checks and marshals an entry.
func prepare(e *klinkev1.Entry) (*write, error) {
	if err := store.CheckEntry(e); err != nil {
		return nil, err
	}
	w := &write{time: e.GetTime().AsTime(), requestID: e.GetRequestId(), due: store.DueOf(e)}
	w.records = make([]recordEdit, len(e.GetChanges()))
	for i, c := range e.GetChanges() {
		key, put, err := store.EditOf(c)
		if err != nil {
			return nil, err
		}
		w.records[i].key = key
		if put == nil {
			continue
		}
		v, err := deterministic.MarshalAppend(make([]byte, sealBytes, 64), put)
		if err != nil {
			return nil, &policy.Error{Kind: policy.Invalid, Field: "entry", Message: "a record cannot be kept", Cause: err}
		}
		w.records[i].value = seal(key, v)
	}
	// In key order, neighbours share a page in the cache; the last edit of a key is the one that counts.
	slices.SortStableFunc(w.records, func(a, b recordEdit) int { return bytes.Compare(a.key, b.key) })
	last := w.records[:0]
	for i, r := range w.records {
		if i+1 == len(w.records) || !bytes.Equal(r.key, w.records[i+1].key) {
			last = append(last, r)
		}
	}
	w.records = last
	// The position is the key, and not known yet.
	position := e.GetPosition()
	e.Position = 0
	message, err := deterministic.Marshal(e)
	e.Position = position
	if err != nil {
		return nil, &policy.Error{Kind: policy.Invalid, Field: "entry", Message: "the entry cannot be kept", Cause: err}
	}
	h := header{length: len(message), changes: len(e.GetChanges()), time: w.time, requestID: w.requestID}
	if w.chunks = cut(message); w.chunks == nil {
		h.inline = message
	}
	w.header = h.encode()
	w.work = 5 + len(w.records) + len(message)>>10
	return w, nil
}

// append puts prepared entries behind a tenant's head and writes its row.
func (b *batch) append(r *row, entries ...*write) error {
	data := b.bucket(dataBucket).Bucket([]byte(r.Lineage))
	if data == nil {
		return damaged("tenant %q has no bucket %s", r.ID, r.Lineage)
	}
	log, err := within(data, logBucket, fillGrowing)
	if err != nil {
		return err
	}
	records, err := within(data, recordsBucket, fillRecords)
	if err != nil {
		return err
	}
	old := *r
	for i, w := range entries {
		b.last++
		r.Due = w.due
		kind := uint8(commitEntry)
		if r.Head = b.last; old.Head == 0 && i == 0 {
			kind = commitCreation
		}
		if err := b.order(r.Head, kind, r); err != nil {
			return err
		}
		key := positionBytes(r.Head)
		if err := log.Put(key, seal(key, w.header)); err != nil {
			return err
		}
		if len(w.chunks) > 0 {
			chunks, err := within(data, chunksBucket, fillGrowing)
			if err != nil {
				return err
			}
			if err := putChunks(chunks, key, w.chunks); err != nil {
				return err
			}
		}
		if w.requestID != "" {
			requests, err := within(data, requestsBucket, bbolt.DefaultFillPercent)
			if err != nil {
				return err
			}
			if err := requests.Put([]byte(w.requestID), encodePosition([]byte(w.requestID), r.Head)); err != nil {
				return err
			}
		}
		for _, e := range w.records {
			if e.value == nil {
				err = records.Delete(e.key)
			} else {
				err = records.Put(e.key, e.value)
			}
			if err != nil {
				return err
			}
		}
	}
	if err := b.remind(&old, r); err != nil {
		return err
	}
	return b.bucket(tenantsBucket).Put([]byte(r.ID), r.encode())
}

// Append implements store.Log.
func (s *Store) Append(id string, head store.Position, entries ...*klinkev1.Entry) (store.Position, error) {
	if err := store.CheckEntries(entries); err != nil {
		return 0, err
	}
	writes := make([]*write, len(entries))
	work := 0
	for i, e := range entries {
		w, err := prepare(e)
		if err != nil {
			return 0, err
		}
		writes[i] = w
		work += w.work
	}
	var last store.Position
	err := s.do(work, func(b *batch) error {
		r, _, err := findData(b.tx, id)
		if err != nil {
			return err
		}
		if r.Head != head {
			return store.Moved(r.Head, head)
		}
		err = b.append(&r, writes...)
		last = r.Head
		return err
	})
	if err != nil {
		return 0, err
	}
	// One edit's positions follow each other.
	for i, e := range entries {
		e.Position = uint64(last) - uint64(len(entries)-1-i)
	}
	return last, nil
}

// Entries implements store.Log.
func (s *Store) Entries(id string, after store.Position, limit int) ([]*klinkev1.Entry, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, err
	}
	var page []*klinkev1.Entry
	err := s.view(func(tx *bbolt.Tx) error {
		r, data, err := findData(tx, id)
		if err != nil {
			return err
		}
		if after < r.Floor {
			return store.BelowFloor(after, r.Floor)
		}
		if after >= r.Head {
			return nil
		}
		size := 0
		c := data.Bucket(logBucket).Cursor()
		for k, v := c.Seek(positionBytes(after + 1)); k != nil && len(page) < limit && size < store.PageBytes; k, v = c.Next() {
			e, n, err := decodeEntry(data, k, v)
			if err != nil {
				return err
			}
			page = append(page, e)
			size += n
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// decodeEntry decodes an entry of the log, and returns its size with its position.
func decodeEntry(data *bbolt.Bucket, key, value []byte) (*klinkev1.Entry, int, error) {
	if len(key) != 8 {
		return nil, 0, damaged("%x is not a position", key)
	}
	h, err := decodeHeader(key, value)
	if err != nil {
		return nil, 0, err
	}
	message, err := join(data.Bucket(chunksBucket), key, h.length, h.inline)
	if err != nil {
		return nil, 0, err
	}
	e := &klinkev1.Entry{}
	if err := proto.Unmarshal(message, e); err != nil {
		return nil, 0, damaged("the entry at %x: %v", key, err)
	}
	if len(e.GetChanges()) != h.changes || e.GetRequestId() != h.requestID {
		return nil, 0, damaged("the entry at %x is not what its header says", key)
	}
	e.Position = binary.BigEndian.Uint64(key)
	return e, proto.Size(e), nil
}

// Request implements store.Log.
func (s *Store) Request(id, requestID string) (*klinkev1.Entry, error) {
	var e *klinkev1.Entry
	err := s.view(func(tx *bbolt.Tx) error {
		_, data, err := findData(tx, id)
		if err != nil {
			return err
		}
		requests := data.Bucket(requestsBucket)
		if requests == nil || requestID == "" {
			return nil
		}
		v := requests.Get([]byte(requestID))
		if v == nil {
			return nil
		}
		p, err := decodePosition([]byte(requestID), v)
		if err != nil {
			return err
		}
		key := positionBytes(p)
		value := data.Bucket(logBucket).Get(key)
		if value == nil {
			return damaged("a request id names %d, which is not in the log", p)
		}
		e, _, err = decodeEntry(data, key, value)
		return err
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Records implements store.Log.
func (s *Store) Records(id string, q store.Query) (store.Page, error) {
	if err := store.CheckQuery(q); err != nil {
		return store.Page{}, err
	}
	var page store.Page
	err := s.view(func(tx *bbolt.Tx) error {
		r, data, err := findData(tx, id)
		if err != nil {
			return err
		}
		page.Head, page.Lineage = r.Head, r.Lineage
		from := q.After
		if len(from) == 0 {
			from = []byte{byte(q.Kind)}
		}
		var last []byte
		size := 0
		c := data.Bucket(recordsBucket).Cursor()
		for k, v := c.Seek(from); len(k) > 0 && k[0] == byte(q.Kind); k, v = c.Next() {
			if len(q.After) > 0 && bytes.Equal(k, q.After) {
				continue
			}
			if len(page.Records) == q.Limit || size >= store.PageBytes {
				page.Next = bytes.Clone(last)
				break
			}
			record, n, err := decodeRecord(k, v)
			if err != nil {
				return err
			}
			page.Records = append(page.Records, record)
			last, size = k, size+n
		}
		return nil
	})
	if err != nil {
		return store.Page{}, err
	}
	return page, nil
}

// decodeRecord decodes a record of the table and returns its size.
func decodeRecord(key, value []byte) (*klinkev1.Record, int, error) {
	b, err := unseal(key, value)
	if err != nil {
		return nil, 0, err
	}
	r := &klinkev1.Record{}
	if err := proto.Unmarshal(b, r); err != nil {
		return nil, 0, damaged("the record of key %x: %v", key, err)
	}
	return r, len(b), nil
}
