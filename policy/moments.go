package policy

import (
	"cmp"
	"iter"
	"math"
	"slices"
)

// moment is when something begins or ends by its own time, and what: a kind, and its number in the snapshot.
type moment struct {
	at   int64 // Unix nanoseconds
	what uint32
}

const (
	momentBegins    = uint32(iota) << 30 // an assignment: a number of Snapshot.timed
	momentEnds                           // likewise
	momentGrantEnds                      // an object grant: a number of Snapshot.grants

	momentKind   = uint32(3) << 30
	momentNumber = ^momentKind

	momentNever = int64(math.MaxInt64)
)

func (m moment) compare(x moment) int {
	return cmp.Or(cmp.Compare(m.at, x.at), cmp.Compare(m.what, x.what))
}

// moments is a persistent sorted set of moments, as vec is a persistent vector: a tree of pages, of which edits through a batch
// copy those on their way. So an edit costs the logarithm of how many there are. The zero value is empty.
type moments struct{ root *momentPage }

type momentPage struct {
	owner *batch
	at    []moment      // of a leaf, its moments; else the first moment of each page below
	below []*momentPage // nil in a leaf
}

const momentRows = 128 // in a page, before it is split

func (m *moments) add(b *batch, x moment) {
	if m.root == nil {
		m.root = &momentPage{owner: b}
	}
	p, right := m.root.add(b, x)
	if right != nil {
		p = &momentPage{owner: b, at: []moment{p.at[0], right.at[0]}, below: []*momentPage{p, right}}
	}
	m.root = p
}

func (m *moments) remove(b *batch, x moment) {
	if m.root == nil {
		return
	}
	m.root = m.root.remove(b, x)
	for m.root != nil && len(m.root.below) == 1 {
		m.root = m.root.below[0]
	}
}

// last is the latest moment; 0 when there is none.
func (m *moments) last() int64 {
	p := m.root
	if p == nil {
		return 0
	}
	for p.below != nil {
		p = p.below[len(p.below)-1]
	}
	return p.at[len(p.at)-1].at
}

// after visits the moments strictly after one, in order.
func (m *moments) after(nanos int64) iter.Seq[moment] {
	return func(yield func(moment) bool) {
		if m.root != nil {
			m.root.after(moment{nanos, math.MaxUint32}, yield)
		}
	}
}

func (p *momentPage) own(b *batch) *momentPage {
	if p.owner == b {
		return p
	}
	return &momentPage{owner: b, at: slices.Clone(p.at), below: slices.Clone(p.below)}
}

// child is where a moment belongs in a page that is not a leaf.
func (p *momentPage) child(x moment) int {
	i, found := slices.BinarySearchFunc(p.at, x, moment.compare)
	if !found && i > 0 {
		i--
	}
	return i
}

// add returns the page with a moment in it, and its right half when it had to be split.
func (p *momentPage) add(b *batch, x moment) (_, right *momentPage) {
	p = p.own(b)
	if p.below == nil {
		if i, found := slices.BinarySearchFunc(p.at, x, moment.compare); !found {
			p.at = slices.Insert(p.at, i, x)
		}
	} else {
		i := p.child(x)
		child, more := p.below[i].add(b, x)
		p.below[i], p.at[i] = child, child.at[0]
		if more != nil {
			p.below, p.at = slices.Insert(p.below, i+1, more), slices.Insert(p.at, i+1, more.at[0])
		}
	}
	if len(p.at) <= momentRows {
		return p, nil
	}
	half := len(p.at) / 2
	right = &momentPage{owner: b, at: slices.Clone(p.at[half:])}
	p.at = p.at[:half:half]
	if p.below != nil {
		right.below = slices.Clone(p.below[half:])
		p.below = p.below[:half:half]
	}
	return p, right
}

// remove returns the page without a moment; nil when nothing is left. Pages are not joined: they go when they are empty.
func (p *momentPage) remove(b *batch, x moment) *momentPage {
	p = p.own(b)
	if p.below == nil {
		if i, found := slices.BinarySearchFunc(p.at, x, moment.compare); found {
			p.at = slices.Delete(p.at, i, i+1)
		}
	} else {
		i := p.child(x)
		if child := p.below[i].remove(b, x); child != nil {
			p.below[i], p.at[i] = child, child.at[0]
		} else {
			p.below, p.at = slices.Delete(p.below, i, i+1), slices.Delete(p.at, i, i+1)
		}
	}
	if len(p.at) == 0 {
		return nil
	}
	return p
}

// after visits what comes after a moment, until told to stop; then it returns false.
func (p *momentPage) after(x moment, yield func(moment) bool) bool {
	if p.below == nil {
		i, _ := slices.BinarySearchFunc(p.at, x, moment.compare)
		for _, y := range p.at[i:] {
			if !yield(y) {
				return false
			}
		}
		return true
	}
	for _, q := range p.below[p.child(x):] {
		if !q.after(x, yield) {
			return false
		}
	}
	return true
}
