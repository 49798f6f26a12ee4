package policy

// batch is the identity of one run of edits. Pages that a batch made are its own to change in place; all others are shared
// with older snapshots and are copied first. It has a field because pointers to empty structs may be equal.
type batch struct{ _ byte }

const pageSize = 256

// vec is a persistent vector: a copy of the struct is a copy of the vector, and edits through a batch copy only the pages
// that they touch. The zero value is empty. A vec that is not being edited may be read from any goroutine.
type vec[T any] struct {
	owner *batch
	spine []*page[T]
	n     uint32
}

type page[T any] struct {
	owner *batch
	at    []T
}

func (v *vec[T]) len() uint32 { return v.n }

// get returns element i for reading.
func (v *vec[T]) get(i uint32) *T { return &v.spine[i/pageSize].at[i%pageSize] }

// edit returns element i for writing.
func (v *vec[T]) edit(b *batch, i uint32) *T { return &v.own(b, i/pageSize).at[i%pageSize] }

// push appends an element and returns its index.
func (v *vec[T]) push(b *batch, x T) uint32 {
	i := v.n
	v.ownSpine(b)
	if i%pageSize == 0 {
		v.spine = append(v.spine, &page[T]{owner: b})
	}
	p := v.own(b, i/pageSize)
	p.at = append(p.at, x)
	v.n++
	return i
}

func (v *vec[T]) ownSpine(b *batch) {
	if v.owner != b {
		v.spine = append(make([]*page[T], 0, len(v.spine)+1), v.spine...)
		v.owner = b
	}
}

func (v *vec[T]) own(b *batch, i uint32) *page[T] {
	p := v.spine[i]
	if p.owner == b {
		return p
	}
	v.ownSpine(b)
	p = &page[T]{owner: b, at: append(make([]T, 0, len(p.at)+1), p.at...)}
	v.spine[i] = p
	return p
}
