package policy

import (
	"hash/maphash"
	"slices"
)

// dict is a persistent map from identifiers to rows, built for a million of them: extendible hashing over leaves of up to
// leafRows rows, which are the unit of copying. An identifier costs its bytes, about five bytes of index and its row. A
// copy of the struct is a copy of the map; edits go through a batch. The hash is seeded, so that nobody can choose
// identifiers that collide.
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
	depth uint8
	head  [256]uint8 // by the hash's low byte: slot+1 of a chain's first row
	next  []uint8    // by slot: slot+1 of the chain's next row
	end   []uint16   // by slot: where its identifier ends in ids
	ids   []byte     // one byte of space, then the identifier, for each slot
	rows  []P
}

func newDict[P any](b *batch) dict[P] {
	d := dict[P]{seed: maphash.MakeSeed()}
	d.dir.push(b, &leaf[P]{owner: b})
	return d
}

// reserve makes an empty dict ready for a number of rows.
func (d *dict[P]) reserve(b *batch, rows int) {
	if d.n > 0 || rows <= leafRows {
		return
	}
	for d.depth = 0; leafRows*2/3<<d.depth < rows; d.depth++ {
	}
	d.dir = vec[*leaf[P]]{}
	for range 1 << d.depth {
		d.dir.push(b, &leaf[P]{owner: b, depth: d.depth})
	}
}

// hash mixes the name space (users and apps share a dict) into the identifier's hash.
func (d *dict[P]) hash(space byte, id string) uint64 {
	return maphash.String(d.seed, id) ^ uint64(space)*0x9e3779b97f4a7c15
}

func (l *leaf[P]) id(slot uint8) (space byte, id []byte) {
	from := uint16(0)
	if slot > 0 {
		from = l.end[slot-1]
	}
	return l.ids[from], l.ids[from+1 : l.end[slot]]
}

func (l *leaf[P]) find(h uint64, space byte, id string) (slot uint8, ok bool) {
	for s := l.head[byte(h)]; s != 0; s = l.next[s-1] {
		if sp, x := l.id(s - 1); sp == space && string(x) == id {
			return s - 1, true
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
		if len(l.rows) < leafRows && len(l.ids)+len(id)+1 <= leafIDBytes {
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
			sp, x := old.id(uint8(s))
			l.insert(d.hash(sp, string(x)), sp, string(x), old.rows[s])
		}
	}
	d.place(b, at, l)
	d.n--
	return true
}

// all visits every row for reading, in no order. The identifier is valid only during the visit.
func (d *dict[P]) all(visit func(space byte, id []byte, row *P) bool) {
	for i := range d.dir.len() {
		l := *d.dir.get(i)
		if i&(1<<(d.depth-l.depth)-1) != 0 {
			continue // seen at its first place
		}
		for s := range l.rows {
			if sp, x := l.id(uint8(s)); !visit(sp, x, &l.rows[s]) {
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
			l.next, l.end = exact(l.next), exact(l.end)
			l.ids, l.rows = exact(l.ids), exact(l.rows)
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
	l.ids = append(append(l.ids, space), id...)
	l.end = append(l.end, uint16(len(l.ids)))
	l.next = append(l.next, l.head[byte(h)])
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
	c.next, c.end = slices.Clone(l.next), slices.Clone(l.end)
	c.ids, c.rows = slices.Clone(l.ids), slices.Clone(l.rows)
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
		sp, x := old.id(uint8(s))
		h := d.hash(sp, string(x))
		two[h>>(63-old.depth)&1].insert(h, sp, string(x), old.rows[s])
	}
	first := at &^ (uint32(1)<<(d.depth-old.depth) - 1)
	d.place(b, first, two[0])
	d.place(b, first|uint32(1)<<(d.depth-old.depth-1), two[1])
}
