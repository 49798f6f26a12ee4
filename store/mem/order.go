package mem

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/store"
)

// commit is what a position was given to: an entry of a tenant, which may be its first, or its deletion.
type commit struct {
	position store.Position
	tenant   string
	lineage  string
	creation bool
	deletion bool
}

// behind returns the index of the first commit behind a position.
func (d *Disk) behind(after store.Position) int {
	i, _ := slices.BinarySearchFunc(d.commits, after+1, func(c commit, p store.Position) int { return cmp.Compare(c.position, p) })
	return i
}

// Present implements store.Order.
func (s *Store) Present() (identity string, last store.Position, err error) {
	d, err := s.lock()
	if err != nil {
		return "", 0, err
	}
	defer d.mu.Unlock()
	return d.id, d.last, nil
}

// Commits implements store.Order.
func (s *Store) Commits(after store.Position, limit int) (store.Commits, error) {
	if err := store.CheckLimit(limit); err != nil {
		return store.Commits{}, err
	}
	d, err := s.lock()
	if err != nil {
		return store.Commits{}, err
	}
	defer d.mu.Unlock()
	if after < d.floor {
		return store.Commits{}, store.BelowFloor(after, d.floor)
	}
	page := store.Commits{Through: after}
	size := 0
	for _, c := range d.commits[d.behind(after):] {
		if len(page.List) == limit || size >= store.PageBytes {
			break
		}
		page.Through = c.position
		out := store.Commit{Position: c.position, Tenant: c.tenant, Lineage: c.lineage, Creation: c.creation}
		if !c.deletion {
			t := d.tenants[c.tenant]
			if t == nil || t.Lineage != c.lineage {
				continue
			}
			out.Entry = proto.CloneOf(t.at(c.position))
			size += proto.Size(out.Entry)
		}
		page.List = append(page.List, out)
	}
	return page, nil
}

// Due implements store.Order.
func (s *Store) Due(limit int) ([]store.Tenant, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, err
	}
	d, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	var rows []store.Tenant
	for _, t := range d.tenants {
		if !t.Due.IsZero() {
			rows = append(rows, t.Tenant)
		}
	}
	slices.SortFunc(rows, func(a, b store.Tenant) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
	return rows[:min(limit, len(rows))], nil
}
