package account

import (
	"bufio"
	"io"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// What one written document holds at most: as many records as one write can carry, and well below what a document may
// measure when it is read.
const (
	maxDocumentRecords = policy.MaxWriteChanges
	maxDocumentWeight  = maxDocumentBytes / 8
)

// Encoder writes records as an account file. A small account becomes one document that reads as a person would write it;
// a large one becomes several. The same records give the same bytes in whatever order those of one kind are put, as long
// as they fit one document. Memory: one document, and all departments or roles while these are put.
type Encoder struct {
	w      *bufio.Writer
	head   []pair
	wrote  bool
	last   int                // place in Kinds of the last record put
	tree   []*klinkev1.Record // departments or roles that wait to be sorted
	doc    []*klinkev1.Record
	weight int
	err    error
}

// NewEncoder writes to w. The model (`name@2`) may be empty; then the file can only be applied to a tenant that exists.
func NewEncoder(w io.Writer, tenant, model string) *Encoder {
	e := &Encoder{w: bufio.NewWriterSize(w, 64<<10)}
	if fault := badName(tenant); fault != "" {
		e.err = policy.Errorf(policy.Invalid, "tenant", "%s", fault)
	}
	e.head = append(e.head, pair{"tenant", word(tenant)})
	if model != "" {
		if _, _, err := SplitModel(model); err != nil {
			e.err = err
		}
		e.head = append(e.head, pair{"model", word(model)})
	}
	return e
}

// Put adds a record. Kinds must come in the order of Kinds, records of one kind in any order; the record is not kept
// beyond Close and not changed. A record that a file cannot say is an error. The first error is final.
func (e *Encoder) Put(r *klinkev1.Record) error {
	if e.err == nil {
		e.err = e.put(r)
	}
	return e.err
}

func (e *Encoder) put(r *klinkev1.Record) error {
	kind, _ := policy.RecordKey(r)
	place := slices.Index(Kinds(), kind)
	if place < 0 {
		return policy.Errorf(policy.Invalid, "record", "an account file holds no record of kind %v", kind)
	}
	if place < e.last {
		return policy.Errorf(policy.Invalid, "record", "%v after %v: put kinds in the order of account.Kinds", kind, Kinds()[e.last])
	}
	if err := sayable(r); err != nil {
		return err
	}
	if place != e.last {
		if err := e.plant(); err != nil {
			return err
		}
		e.last = place
	}
	if kind == klinkev1.RecordKind_RECORD_KIND_DEPARTMENT || kind == klinkev1.RecordKind_RECORD_KIND_ROLE {
		e.tree = append(e.tree, r)
		return nil
	}
	return e.add(r)
}

// plant adds the departments or roles that waited, those above first: what is cut into documents must stay in that order.
func (e *Encoder) plant() error {
	if twice := sortByKey(e.tree); twice != nil {
		id, _ := above(twice)
		return policy.Errorf(policy.Invalid, "record", "%q is put twice", id)
	}
	sorted, circle := parentsFirst(e.tree, func(r *klinkev1.Record) *klinkev1.Record { return r })
	if circle != nil {
		id, _ := above(*circle)
		return policy.Errorf(policy.Invalid, "record", "`%s` is above itself", clip(id))
	}
	e.tree = nil
	for _, r := range sorted {
		if err := e.add(r); err != nil {
			return err
		}
	}
	return nil
}

func (e *Encoder) add(r *klinkev1.Record) error {
	weight := proto.Size(r) + 32
	if len(e.doc) == maxDocumentRecords || len(e.doc) > 0 && e.weight+weight > maxDocumentWeight {
		if err := e.flush(); err != nil {
			return err
		}
	}
	e.doc = append(e.doc, r)
	e.weight += weight
	return nil
}

// flush writes the document that was gathered.
func (e *Encoder) flush() error {
	o := &out{w: e.w}
	if e.wrote {
		o.raw("---\n")
	} else {
		for _, p := range e.head {
			o.line("", p)
		}
	}
	e.wrote = true
	if twice := sortByKey(e.doc); twice != nil {
		kind, parts := policy.RecordKey(twice)
		return policy.Errorf(policy.Invalid, "record", "%v %q is put twice", kind, parts)
	}
	g := gather(e.doc)
	g.write(o)
	e.doc, e.weight = e.doc[:0], 0
	if o.err != nil {
		return &policy.Error{Kind: policy.Unavailable, Message: "the account file cannot be written", Cause: o.err}
	}
	return nil
}

// Close writes what is left. It does not close the writer below.
func (e *Encoder) Close() error {
	if e.err == nil {
		e.err = e.plant()
	}
	if e.err == nil && (len(e.doc) > 0 || !e.wrote) {
		e.err = e.flush()
	}
	if e.err != nil {
		return e.err
	}
	if err := e.w.Flush(); err != nil {
		e.err = &policy.Error{Kind: policy.Unavailable, Message: "the account file cannot be written", Cause: err}
		return e.err
	}
	e.err = policy.Errorf(policy.Invalid, "", "the account file is closed")
	return nil
}

// sortByKey orders records by kind and then by the parts of their keys. It returns one whose key stands twice, if any.
func sortByKey(rs []*klinkev1.Record) (twice *klinkev1.Record) {
	type keyed struct {
		kind   klinkev1.RecordKind
		parts  []string
		record *klinkev1.Record
	}
	compare := func(a, b keyed) int {
		if a.kind != b.kind {
			return int(a.kind) - int(b.kind)
		}
		return slices.Compare(a.parts, b.parts)
	}
	ks := make([]keyed, len(rs))
	for i, r := range rs {
		kind, parts := policy.RecordKey(r)
		ks[i] = keyed{kind, parts, r}
	}
	slices.SortFunc(ks, compare)
	for i, k := range ks {
		if i > 0 && compare(ks[i-1], k) == 0 {
			twice = k.record
		}
		rs[i] = k.record
	}
	return twice
}
