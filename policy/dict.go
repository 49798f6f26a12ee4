package policy

import (
	"hash/maphash"
	"slices"
)

// dict is a persistent map from identifiers to rows, built for a million of them: extendible hashing over leaves of up to
// leafRows rows, which are the unit of copying. An identifier costs its bytes, about six bytes of index and its row. A
// copy of the struct is a copy of the map; edits go through a batch. The hash is seeded, so that nobody can choose
// identifiers that collide. A lookup in a large dict costs the memory that it has to fetch, so it looks at an identifier's
// bytes only when eight bits of its hash agree.
type dict[P any] struct {
	seed  maphash.Seed
	dir   vec[*leaf[P]] // 1<<depth leaves; one of smaller depth stands at several places
	depth uint8
	n     int
}

const (
	leafRows    = 255 // slots are bytes, 0 is none
	leafIDBytes = 65535
)

type leaf[P any] struct {
	owner *batch
	slots []slot
	ids   []byte     // the identifiers, one after the other
	rows  []P        // by slot
	head  [256]uint8 // by the hash's low byte: slot+1 of a chain's first row
	depth uint8
}

// slot is what a leaf knows of one identifier.
type slot struct {
	end  uint16 // where it ends in ids
	mark uint8  // its name space, and bits of its hash
	next uint8  // slot+1 of the chain's next row
}

// markApp is the bit of a mark that tells the name spaces apart.
const markApp = uint8(1) << 7

func markOf(h uint64, space byte) uint8 {
	m := uint8(h>>8) &^ markApp
	if space == spaceApp {
		m |= markApp
	}
	return m
}

func newDict[P any](b *batch) dict[P] {
	d := dict[P]{seed: maphash.MakeSeed()}
	d.dir.push(b, &leaf[P]{owner: b})
	return d
}

// reserve makes an empty dict ready for a number of rows, in leaves that are nearly full: those that overflow are split.
func (d *dict[P]) reserve(b *batch, rows int) {
	if d.n > 0 || rows <= leafRows {
		return
	}
	d.depth = 0
	for (leafRows-leafRows/32)<<d.depth < rows {
		d.depth++
	}
	d.dir = vec[*leaf[P]]{}
	for range 1 << d.depth {
		d.dir.push(b, &leaf[P]{owner: b, depth: d.depth})
	}
}

// hash mixes the name space into the identifier's hash: users and apps share a dict. Other things have none, and pass 0.
func (d *dict[P]) hash(space byte, id string) uint64 {
	h := maphash.String(d.seed, id)
	if space == spaceApp {
		h ^= 0x9e3779b97f4a7c15
	}
	return h
}

func (l *leaf[P]) id(at uint8) []byte {
	from := uint16(0)
	if at > 0 {
		from = l.slots[at-1].end
	}
	return l.ids[from:l.slots[at].end]
}

func (l *leaf[P]) space(at uint8) byte {
	if l.slots[at].mark&markApp != 0 {
		return spaceApp
	}
	return spaceUser
}

func (l *leaf[P]) find(h uint64, space byte, id string) (at uint8, ok bool) {
	mark := markOf(h, space)
	for i := l.head[byte(h)]; i != 0; i = l.slots[i-1].next {
		if l.slots[i-1].mark == mark && string(l.id(i-1)) == id {
			return i - 1, true
		}
	}
	return 0, false
}

// get returns the row for reading, or nil. It does not allocate.
func (d *dict[P]) get(space byte, id string) *P {
	h := d.hash(space, id)
	l := *d.dir.get(uint32(h >> (64 - d.depth)))
	if s, ok := l.find(h, space, id); ok {
		return &l.rows[s]
	}
	return nil
}

// put sets the row of an identifier of 1 to 256 bytes.
func (d *dict[P]) put(b *batch, space byte, id string, row P) {
	h := d.hash(space, id)
	for {
		at := uint32(h >> (64 - d.depth))
		l := *d.dir.get(at)
		if s, ok := l.find(h, space, id); ok {
			d.own(b, at).rows[s] = row
			return
		}
		if len(l.rows) < leafRows && len(l.ids)+len(id) <= leafIDBytes {
			d.own(b, at).insert(h, space, id, row)
			d.n++
			return
		}
		d.split(b, at)
	}
}

// delete removes an identifier and says whether it was there.
func (d *dict[P]) delete(b *batch, space byte, id string) bool {
	h := d.hash(space, id)
	at := uint32(h >> (64 - d.depth))
	old := *d.dir.get(at)
	gone, ok := old.find(h, space, id)
	if !ok {
		return false
	}
	l := &leaf[P]{owner: b, depth: old.depth}
	for s := range old.rows {
		if uint8(s) != gone {
			sp, x := old.space(uint8(s)), string(old.id(uint8(s)))
			l.insert(d.hash(sp, x), sp, x, old.rows[s])
		}
	}
	d.place(b, at, l)
	d.n--
	return true
}

// all visits every row for reading, in no order. The identifier is valid only during the visit; the space is that of a user
// where there is none.
func (d *dict[P]) all(visit func(space byte, id []byte, row *P) bool) {
	for i := range d.dir.len() {
		l := *d.dir.get(i)
		if i&(1<<(d.depth-l.depth)-1) != 0 {
			continue // seen at its first place
		}
		for s := range l.rows {
			if !visit(l.space(uint8(s)), l.id(uint8(s)), &l.rows[s]) {
				return
			}
		}
	}
}

// compact gives back the spare room that a bulk of puts left in the leaves of its batch.
func (d *dict[P]) compact() {
	for i := range d.dir.len() {
		l := *d.dir.get(i)
		if i&(1<<(d.depth-l.depth)-1) == 0 {
			l.slots, l.ids, l.rows = exact(l.slots), exact(l.ids), exact(l.rows)
		}
	}
}

func exact[T any](s []T) []T {
	if cap(s)-len(s) <= len(s)/16 {
		return s
	}
	return append(make([]T, 0, len(s)), s...)
}

func (l *leaf[P]) insert(h uint64, space byte, id string, row P) {
	l.ids = append(l.ids, id...)
	l.slots = append(l.slots, slot{end: uint16(len(l.ids)), mark: markOf(h, space), next: l.head[byte(h)]})
	l.rows = append(l.rows, row)
	l.head[byte(h)] = uint8(len(l.rows))
}

// own returns the leaf at a directory place for writing, replacing a shared one by a copy.
func (d *dict[P]) own(b *batch, at uint32) *leaf[P] {
	l := *d.dir.get(at)
	if l.owner == b {
		return l
	}
	c := &leaf[P]{owner: b, depth: l.depth, head: l.head}
	c.slots, c.ids, c.rows = slices.Clone(l.slots), slices.Clone(l.ids), slices.Clone(l.rows)
	d.place(b, at, c)
	return c
}

// place puts a leaf at all places of the directory that share its prefix with one of them.
func (d *dict[P]) place(b *batch, at uint32, l *leaf[P]) {
	span := uint32(1) << (d.depth - l.depth)
	for i, first := uint32(0), at&^(span-1); i < span; i++ {
		*d.dir.edit(b, first+i) = l
	}
}

func (d *dict[P]) split(b *batch, at uint32) {
	old := *d.dir.get(at)
	if old.depth == d.depth { // the directory doubles
		var dir vec[*leaf[P]]
		for i := range d.dir.len() {
			l := *d.dir.get(i)
			dir.push(b, l)
			dir.push(b, l)
		}
		d.dir, d.depth, at = dir, d.depth+1, at*2
	}
	two := [2]*leaf[P]{{owner: b, depth: old.depth + 1}, {owner: b, depth: old.depth + 1}}
	for s := range old.rows {
		sp, x := old.space(uint8(s)), string(old.id(uint8(s)))
		h := d.hash(sp, x)
		two[h>>(63-old.depth)&1].insert(h, sp, x, old.rows[s])
	}
	first := at &^ (uint32(1)<<(d.depth-old.depth) - 1)
	d.place(b, first, two[0])
	d.place(b, first|uint32(1)<<(d.depth-old.depth-1), two[1])
}
