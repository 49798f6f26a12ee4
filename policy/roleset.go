package policy

import (
	"encoding/binary"
	"slices"
)

// cells is a sparse table from permissions to what is said about them: 0 for silence, else the rank plus one, and
// cellConditional when a condition or an hour has a say, so that it must be asked role by role. Tables are not changed
// once they are shared.
type cells struct{ pages []*[cellPage]uint8 }

const (
	cellPage        = 64
	cellConditional = uint8(0x80)
	cellSaid        = ^cellConditional
)

func (c *cells) at(p perm) uint8 {
	if i := int(p / cellPage); i < len(c.pages) && c.pages[i] != nil {
		return c.pages[i][p%cellPage]
	}
	return 0
}

func (c *cells) set(p perm, v uint8) {
	i := int(p / cellPage)
	for len(c.pages) <= i {
		c.pages = append(c.pages, nil)
	}
	if c.pages[i] == nil {
		c.pages[i] = new([cellPage]uint8)
	}
	c.pages[i][p%cellPage] = v
}

// combine joins what two roles say: the higher or the lower rank; silence takes no part.
func combine(a, b uint8, lowest bool) uint8 {
	conditional := (a | b) & cellConditional
	a, b = a&cellSaid, b&cellSaid
	switch {
	case a == 0:
		a = b
	case b != 0 && lowest:
		a = min(a, b)
	case b != 0:
		a = max(a, b)
	}
	return a | conditional
}

// merge joins all tables. A single one is shared, not copied.
func merge(tables []*cells, lowest bool) *cells {
	if len(tables) == 1 {
		return tables[0]
	}
	out := &cells{}
	for _, t := range tables {
		for i, page := range t.pages {
			if page == nil {
				continue
			}
			for len(out.pages) <= i {
				out.pages = append(out.pages, nil)
			}
			if out.pages[i] == nil {
				p := *page
				out.pages[i] = &p
				continue
			}
			for j, v := range page {
				if v != 0 {
					out.pages[i][j] = combine(out.pages[i][j], v, lowest)
				}
			}
		}
	}
	return out
}

// roleSets interns combinations of roles with what they say together: what a class, or an entity, has for good. Number 0
// is the empty one. Persistent as vec is.
type roleSets struct {
	at   table[roleSet]
	byID dict[uint32]
}

type roleSet struct {
	roles []uint32 // sorted; before inclusion
	table *cells
	refs  uint32
}

func newRoleSets(b *batch) roleSets {
	r := roleSets{byID: newDict[uint32](b)}
	r.at.add(b, roleSet{table: &cells{}, refs: 1})
	return r
}

// setKey is a set of roles as an identifier; sets too long for one are not interned by it.
func setKey(buf []byte, roles []uint32) string {
	for _, r := range roles {
		buf = binary.BigEndian.AppendUint32(buf, r)
	}
	return string(buf)
}

// maxFolded is how many role sets a tenant merges ahead for its classes. Classes beyond it are merged when asked.
const maxFolded = int(foldNumber)

// find returns the number of an interned set.
func (r *roleSets) find(roles []uint32) (uint32, bool) {
	if len(roles) == 0 {
		return 0, true
	}
	if 4*len(roles) > MaxIDBytes {
		return 0, false
	}
	var buf [MaxIDBytes]byte
	if n := r.byID.get(0, setKey(buf[:0], roles)); n != nil {
		return *n, true
	}
	return 0, false
}

// intern adds a set that find did not find. Sets of more than 64 roles get a number of their own each time.
func (r *roleSets) intern(b *batch, roles []uint32, table *cells) uint32 {
	n := r.at.add(b, roleSet{roles: slices.Clone(roles), table: table})
	if 4*len(roles) <= MaxIDBytes {
		r.byID.put(b, 0, setKey(nil, roles), n)
	}
	return n
}

func (r *roleSets) retain(b *batch, n uint32) {
	if n != 0 {
		r.at.edit(b, n).refs++
	}
}

func (r *roleSets) release(b *batch, n uint32) {
	if n == 0 {
		return
	}
	x := r.at.edit(b, n)
	if x.refs--; x.refs > 0 {
		return
	}
	if 4*len(x.roles) <= MaxIDBytes {
		r.byID.delete(b, 0, setKey(nil, x.roles))
	}
	r.at.remove(b, n)
}
