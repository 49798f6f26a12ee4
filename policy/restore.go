package policy

import (
	"errors"
	"fmt"
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// take applies a chunk. Records go through the door that writes go through; the columns are checked and placed directly.
func (r *Restorer) take(c *klinkev1.CheckpointChunk) error {
	if r.d.s.model == nil {
		return &Error{Kind: Damaged, Message: "the checkpoint does not begin with its header", Cause: errCheckpoint}
	}
	if h := c.GetHeader(); h != nil {
		r.flags = h.GetFlags()
		r.d.s.subjects.reserve(r.d.b, int(min(h.GetSubjects(), MaxUsers)))
		r.d.s.classes.reserve(r.d.b, int(min(h.GetCombinations(), MaxUsers)))
	}
	if len(c.GetRecords()) > 0 && len(r.placed) > 0 {
		r.settle()
	}
	for _, x := range c.GetRecords() {
		if err := r.record(x); err != nil {
			return err
		}
	}
	if x := c.GetCombinations(); x != nil {
		if err := r.combinations(x); err != nil {
			return err
		}
	}
	if x := c.GetSubjects(); x != nil {
		if err := r.subjects(x); err != nil {
			return err
		}
	}
	if x := c.GetNumbers(); x != nil {
		return r.numbers(x)
	}
	return nil
}

// naming adds to an error which record it is about, by its key: nobody numbered it.
func naming(r *klinkev1.Record, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	c := *e
	_, parts := RecordKey(r)
	c.Message += fmt.Sprintf(" (of the record with the key %q)", parts)
	return &c
}

func (r *Restorer) record(x *klinkev1.CheckpointRecord) error {
	d := r.d
	if s := x.GetRecord().GetSubject(); s != nil { // its attributes: the subject itself came in columns
		w, err := subjectKey(s.GetType(), s.GetId())
		if err != nil {
			return err
		}
		values, err := d.attributes(s)
		if err != nil {
			return naming(x.GetRecord(), within("subject", err))
		}
		d.s.attributes.put(d.b, w.space, w.id, values)
		return nil
	}
	if _, err := d.put(x.GetRecord()); err != nil {
		return naming(x.GetRecord(), err)
	}
	if len(x.GetText()) == 0 {
		return nil
	}
	text := digest(x.GetText())
	switch y := x.GetRecord().GetRecord().(type) {
	case *klinkev1.Record_Group:
		d.ownGroup(*d.s.groupNo.get(0, y.Group.GetId())).text = text
	case *klinkev1.Record_Department:
		d.ownDepartment(*d.s.departmentNo.get(0, y.Department.GetId())).text = text
	case *klinkev1.Record_Role:
		d.ownRole(*d.s.roleNo.get(0, y.Role.GetId())).text = text
	}
	return nil
}

// combinations numbers combinations of edges, which hold no subject yet.
func (r *Restorer) combinations(x *klinkev1.CheckpointCombinations) error {
	s := r.d.s
	all := x.GetEdges()
	for _, n := range x.GetLengths() {
		if int(n) > len(all) {
			return &Error{Kind: Damaged, Message: "a combination of the checkpoint is cut short", Cause: errCheckpoint}
		}
		r.edges = r.edges[:0]
		for _, e := range all[:n] {
			e := edge(e)
			bound := uint32(0)
			switch e.kind() {
			case edgeApp:
				bound = 1
			case edgeFlag:
				bound = uint32(len(r.flags))
			case edgeGroup:
				bound = s.groups.len()
			case edgeDepartment, edgeHead:
				bound = s.departments.len()
			case edgeRole:
				bound = s.roles.len()
			}
			if e.number() >= bound {
				return &Error{Kind: Damaged, Message: "an edge of the checkpoint leads nowhere", Cause: errCheckpoint}
			}
			if e.kind() == edgeFlag {
				f := r.flags[e.number()]
				no, ok := s.model.flagNo[f]
				if !ok {
					return Errorf(Invalid, "subject.flags", "the model declares no flag %q, which somebody carries", f)
				}
				e = edgeFlag | edge(no)
			}
			r.edges = append(r.edges, e)
		}
		all = all[n:]
		slices.Sort(r.edges)
		class := r.d.intern(r.edges) // counts the restorer itself in the class, until all subjects are placed
		r.classes = append(r.classes, class)
		r.placed = append(r.placed, 0)
	}
	return nil
}

func (r *Restorer) subjects(x *klinkev1.CheckpointSubjects) error {
	d, s := r.d, r.d.s
	ids, texts := x.GetIds(), x.GetTexts()
	if len(x.GetCombinations()) != len(x.GetLengths()) || texts != nil && len(texts) != 8*len(x.GetLengths()) {
		return &Error{Kind: Damaged, Message: "the subjects of the checkpoint are cut short", Cause: errCheckpoint}
	}
	for i, n := range x.GetLengths() {
		no := x.GetCombinations()[i]
		if n < 2 || int(n) > min(len(ids), MaxIDBytes+1) || int(no/2) >= len(r.classes) || ids[0] != spaceUser && ids[0] != spaceApp {
			return &Error{Kind: Damaged, Message: "a subject of the checkpoint is damaged", Cause: errCheckpoint}
		}
		class := r.classes[no/2]
		row := subject{bits: class | (no&1)<<31}
		if texts != nil {
			row.text = digest(texts[8*i:])
		}
		s.subjects.put(d.b, ids[0], string(ids[1:n]), row)
		r.placed[no/2]++
		ids = ids[n:]
	}
	s.count.subjects = s.subjects.n
	return nil
}

// settle counts the placed subjects in their classes and where these stand, once all have come.
func (r *Restorer) settle() {
	for i, n := range r.placed {
		if n > 0 {
			r.d.s.classes.add(r.d.b, r.classes[i], n)
			for _, e := range r.d.s.classes.edges(r.classes[i]) {
				if r.d.stand(e, n); e.kind() == edgeRole {
					r.d.s.count.assignments += int(n)
				}
			}
		}
	}
	for _, class := range r.classes {
		r.d.leave(class)
	}
	r.classes, r.placed = nil, nil
}

// numbers puts numbers into a list. Extensions go through the door that writes go through, as does the first of a list that
// the model lacks, to be named.
func (r *Restorer) numbers(x *klinkev1.CheckpointNumbers) error {
	d := r.d
	no, known := d.s.model.listNo[x.GetList()]
	for _, code := range x.GetCodes() {
		if !isNumberCode(code) {
			return &Error{Kind: Damaged, Message: "a number of the checkpoint is damaged", Cause: errCheckpoint}
		}
		if known && x.GetList() != ExtensionList && d.s.lists[no].n < MaxNumbersInList {
			d.s.lists[no].put(d.b, code)
			continue
		}
		listed := &klinkev1.ListedNumber{List: x.GetList()}
		listed.Number, listed.Prefix = numberText(code)
		record := &klinkev1.Record{Record: &klinkev1.Record_ListedNumber{ListedNumber: listed}}
		if err := r.record(&klinkev1.CheckpointRecord{Record: record}); err != nil {
			return err
		}
	}
	return nil
}
