package policy

import (
	"hash/maphash"
	"math"
	"slices"
)

// edge is one line from a subject into the directory: what kind of thing, and its dense number. A class is a sorted list
// of edges. Dense numbers never leave the snapshot.
type edge uint32

const (
	edgeApp        = edge(iota+1) << 28 // the subject is an app, so `everybody` does not reach it
	edgeFlag                            // carries a superuser flag
	edgeGroup                           // direct member of a group
	edgeDepartment                      // member of a department
	edgeHead                            // head of a department
	edgeRole                            // directly assigned a role, always
	edgeTimed                           // directly assigned a role, sometimes: a number of Snapshot.timed
	edgeCeiling                         // has a ceiling of its own: a number of Snapshot.ceilings
	edgeLimit                           // has a limit value of its own: a number of Snapshot.limits
	edgeObject                          // has an object grant of its own: a number of Snapshot.grants
	edgeSharing                         // stands on one side of a sharing rule: a number of Snapshot.sharing

	edgeKind   = edge(0xf) << 28
	edgeNumber = ^edgeKind
)

func (e edge) kind() edge     { return e & edgeKind }
func (e edge) number() uint32 { return uint32(e & edgeNumber) }

// foldDynamic marks a class whose roles also come from timed or conditional assignments.
const (
	foldDynamic = uint16(1) << 15
	foldNumber  = foldDynamic - 1
)

// classes interns the combinations of edges that subjects share, with the number of subjects of each. It is persistent as
// vec is. The index is a linear hash: it grows by one bucket at a time, so that no edit is slow.
type classes struct {
	seed    uint64
	pages   vec[*classPage]
	buckets vec[uint32] // number+1 of the first class of a chain
	level   uint8       // buckets number between 1<<level and 2<<level
	n       uint32      // numbers given out
	live    uint32
	free    uint32 // number+1 of the first free one
	// marks are bits of the classes' hashes by number, while a tenant is restored: most of a chain is told apart without
	// reading its edges. Nil otherwise.
	marks []uint8
}

// classPage holds pageSize classes. What decisions read stands in the page, the rest beside it; so nothing is wasted either.
type classPage struct {
	owner *batch
	edges []edge
	wide  *[pageSize]uint32 // where the classes' edges end, when 16 bits do not hold it; else nil
	next  *[pageSize]uint32 // number+1 of the chain's, or the free list's, next
	refs  *[pageSize]uint32 // how many subjects
	at    [pageSize]classAt
}

type classAt struct {
	end  uint16 // where the class's edges end
	fold uint16 // the role set merged ahead, 0 for none, and foldDynamic
}

func (p *classPage) end(i uint32) uint32 {
	if p.wide != nil {
		return p.wide[i]
	}
	return uint32(p.at[i].end)
}

func newClasses(b *batch) classes {
	c := classes{seed: maphash.Bytes(maphash.MakeSeed(), nil)}
	c.buckets.push(b, 0)
	return c
}

func (c *classes) page(n uint32) *classPage { return *c.pages.get(n / pageSize) }

func (c *classes) edges(n uint32) []edge {
	p, i := c.page(n), n%pageSize
	from := uint32(0)
	if i > 0 {
		from = p.end(i - 1)
	}
	return p.edges[from:p.end(i)]
}

func (c *classes) fold(n uint32) uint16 { return c.page(n).at[n%pageSize].fold }
func (c *classes) refs(n uint32) uint32 { return c.page(n).refs[n%pageSize] }

func (c *classes) own(b *batch, n uint32) *classPage {
	p := c.page(n)
	if p.owner != b {
		q, next, refs := *p, *p.next, *p.refs
		q.owner, q.edges, q.next, q.refs = b, slices.Clone(p.edges), &next, &refs
		if p.wide != nil {
			wide := *p.wide
			q.wide = &wide
		}
		p = &q
		*c.pages.edit(b, n/pageSize) = p
	}
	return p
}

func (c *classes) hash(edges []edge) uint64 {
	h := c.seed
	for _, e := range edges {
		h = (h ^ uint64(e)) * 0x9fb21c651e98df25
		h ^= h >> 32
	}
	return h
}

func (c *classes) bucket(h uint64) uint32 {
	if i := uint32(h & (2<<c.level - 1)); i < c.buckets.len() {
		return i
	}
	return uint32(h & (1<<c.level - 1))
}

// intern counts one more subject in the class of these sorted edges and returns its number; fresh when it is new, and
// then not folded yet.
func (c *classes) intern(b *batch, edges []edge) (n uint32, fresh bool) {
	h := c.hash(edges)
	at, mark := c.bucket(h), uint8(h>>56)
	for i := *c.buckets.get(at); i != 0; i = c.page(i - 1).next[(i-1)%pageSize] {
		if (c.marks == nil || c.marks[i-1] == mark) && slices.Equal(c.edges(i-1), edges) {
			c.own(b, i-1).refs[(i-1)%pageSize]++
			return i - 1, false
		}
	}
	if c.free != 0 {
		n = c.free - 1
		c.free = c.page(n).next[n%pageSize]
	} else {
		n = c.n
		c.n++
		if c.marks != nil {
			c.marks = append(c.marks, 0)
		}
		if n%pageSize == 0 {
			c.pages.push(b, &classPage{owner: b, next: new([pageSize]uint32), refs: new([pageSize]uint32)})
		}
		if p, i := c.own(b, n), n%pageSize; i > 0 {
			p.setEnd(i, p.end(i-1))
		}
	}
	p, i := c.own(b, n), n%pageSize
	c.setEdges(p, n, edges)
	p.refs[i], p.at[i].fold = 1, 0
	p.next[i] = *c.buckets.get(at)
	*c.buckets.edit(b, at) = n + 1
	c.live++
	if c.marks != nil {
		c.marks[n] = mark
	}
	if c.live > 2*c.buckets.len() {
		c.grow(b)
	}
	return n, true
}

// setEdges replaces a class's edges, and moves those of the numbers behind it in its page.
func (c *classes) setEdges(p *classPage, n uint32, edges []edge) {
	i := n % pageSize
	from := uint32(0)
	if i > 0 {
		from = p.end(i - 1)
	}
	to := p.end(i)
	p.edges = slices.Replace(p.edges, int(from), int(to), edges...)
	if p.wide == nil && len(p.edges) > math.MaxUint16 {
		p.wide = new([pageSize]uint32)
		for j := range p.at {
			p.wide[j] = uint32(p.at[j].end)
		}
	}
	for j := i; j < min(pageSize, c.n-n+i); j++ {
		p.setEnd(j, p.end(j)+uint32(len(edges))-(to-from))
	}
}

func (p *classPage) setEnd(i, end uint32) {
	if p.wide != nil {
		p.wide[i] = end
	} else {
		p.at[i].end = uint16(end)
	}
}

// reserve makes an empty index ready for a number of classes, and for interning them at once.
func (c *classes) reserve(b *batch, classes int) {
	if c.n == 0 {
		c.marks = make([]uint8, 0, classes)
	}
	for c.n == 0 && int(c.buckets.len())*2 < classes {
		if c.buckets.push(b, 0); c.buckets.len() == 2<<c.level {
			c.level++
		}
	}
}

// compact gives back the spare room that a bulk of edits left.
func (c *classes) compact() {
	for i := range c.pages.len() {
		p := *c.pages.get(i)
		p.edges = exact(p.edges)
	}
}

// add counts more subjects in a class that has some.
func (c *classes) add(b *batch, n, more uint32) { c.own(b, n).refs[n%pageSize] += more }

// release counts one subject less; the last one frees the number.
func (c *classes) release(b *batch, n uint32) {
	p, i := c.own(b, n), n%pageSize
	if p.refs[i]--; p.refs[i] > 0 {
		return
	}
	link := c.buckets.edit(b, c.bucket(c.hash(c.edges(n))))
	for *link != n+1 {
		link = &c.own(b, *link-1).next[(*link-1)%pageSize]
	}
	*link = p.next[i]
	c.setEdges(p, n, nil)
	p.at[i].fold = 0
	p.next[i], c.free = c.free, n+1
	c.live--
}

// grow adds one bucket and moves to it what now belongs there.
func (c *classes) grow(b *batch) {
	added := c.buckets.push(b, 0)
	if added == 2<<c.level-1 {
		defer func() { c.level++ }()
	}
	split := added - 1<<c.level
	i := *c.buckets.get(split)
	var keep, move uint32
	for i != 0 {
		n := i - 1
		p := c.own(b, n)
		next := &p.next[n%pageSize]
		i = *next
		if uint32(c.hash(c.edges(n))&(2<<c.level-1)) == added {
			*next, move = move, n+1
		} else {
			*next, keep = keep, n+1
		}
	}
	*c.buckets.edit(b, split), *c.buckets.edit(b, added) = keep, move
}
