package mem

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// Append implements store.Log.
func (s *Store) Append(id string, head store.Position, entries ...*klinkev1.Entry) (store.Position, error) {
	if err := store.CheckEntries(entries); err != nil {
		return 0, err
	}
	d, err := s.lock()
	if err != nil {
		return 0, err
	}
	defer d.mu.Unlock()
	t, err := d.find(id)
	if err != nil {
		return 0, err
	}
	if t.Head != head {
		return 0, store.Moved(t.Head, head)
	}
	for _, e := range entries {
		d.add(t, e)
	}
	return t.Head, nil
}

// add gives an entry the store's next position and keeps it. The disk is locked, the entry checked.
func (d *Disk) add(t *tenant, e *klinkev1.Entry) {
	d.last++
	e.Position = uint64(d.last)
	e = proto.CloneOf(e)
	d.commits = append(d.commits, commit{position: d.last, tenant: t.ID, lineage: t.Lineage, creation: t.Head == 0})
	t.Head, t.Due = d.last, store.DueOf(e)
	t.log = append(t.log, e)
	if e.GetRequestId() != "" {
		t.requests[e.GetRequestId()] = t.Head
	}
	for _, c := range e.GetChanges() {
		key, put, _ := store.EditOf(c)
		if put != nil {
			t.records[string(key)] = put
		} else {
			delete(t.records, string(key))
		}
	}
	t.keys = nil
}

// Entries implements store.Log.
func (s *Store) Entries(id string, after store.Position, limit int) ([]*klinkev1.Entry, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, err
	}
	d, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	t, err := d.find(id)
	if err != nil {
		return nil, err
	}
	if after < t.Floor {
		return nil, store.BelowFloor(after, t.Floor)
	}
	var page []*klinkev1.Entry
	for i, size := t.behind(after), 0; i < len(t.log) && len(page) < limit && size < store.PageBytes; i++ {
		page = append(page, proto.CloneOf(t.log[i]))
		size += proto.Size(t.log[i])
	}
	return page, nil
}

// Request implements store.Log.
func (s *Store) Request(id, requestID string) (*klinkev1.Entry, error) {
	d, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	t, err := d.find(id)
	if err != nil {
		return nil, err
	}
	return proto.CloneOf(t.at(t.requests[requestID])), nil
}

// Records implements store.Log.
func (s *Store) Records(id string, q store.Query) (store.Page, error) {
	if err := store.CheckQuery(q); err != nil {
		return store.Page{}, err
	}
	d, err := s.lock()
	if err != nil {
		return store.Page{}, err
	}
	defer d.mu.Unlock()
	t, err := d.find(id)
	if err != nil {
		return store.Page{}, err
	}
	if t.keys == nil {
		t.keys = slices.Sorted(maps.Keys(t.records))
	}
	p := store.Page{Head: t.Head, Lineage: t.Lineage}
	// Keys are compared as bytes, and all of one kind begin with the same one.
	from := max(string([]byte{byte(q.Kind)}), string(q.After))
	first, _ := slices.BinarySearch(t.keys, from)
	last, size := "", 0
	for _, k := range t.keys[first:] {
		if k[0] != byte(q.Kind) {
			break
		}
		if len(q.After) > 0 && k == string(q.After) {
			continue
		}
		if len(p.Records) == q.Limit || size >= store.PageBytes {
			p.Next = []byte(last)
			break
		}
		p.Records = append(p.Records, proto.CloneOf(t.records[k]))
		last, size = k, size+proto.Size(t.records[k])
	}
	return p, nil
}
