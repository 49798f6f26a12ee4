package policy

import (
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func subjectKey(t klinkev1.SubjectType, id string) (who, error) {
	if err := checkField("id", id); err != nil {
		return who{}, err
	}
	switch t {
	case klinkev1.SubjectType_SUBJECT_TYPE_USER:
		return who{spaceUser, id}, nil
	case klinkev1.SubjectType_SUBJECT_TYPE_APP:
		return who{spaceApp, id}, nil
	}
	return who{}, Errorf(Invalid, "type", "neither user nor app")
}

func (d *draft) putSubject(x *klinkev1.Subject) (bool, error) {
	w, err := subjectKey(x.GetType(), x.GetId())
	if err != nil {
		return false, err
	}
	if err := checkText(x.GetLabel()); err != nil || len(x.GetLabel()) > 1024 {
		return false, Errorf(Invalid, "label", "a label is at most 1,024 bytes of UTF-8 without control characters")
	}
	flags := make([]edge, 0, len(x.GetFlags())+1)
	if w.space == spaceApp {
		flags = append(flags, edgeApp)
	}
	for _, f := range x.GetFlags() {
		no, ok := d.s.model.flagNo[f]
		if !ok {
			return false, Errorf(Invalid, "flags", "the model declares no flag %q", f)
		}
		flags = append(flags, edgeFlag|edge(no))
	}
	slices.Sort(flags)
	if len(slices.Compact(slices.Clone(flags))) != len(flags) {
		return false, Errorf(Invalid, "flags", "a flag stands twice")
	}
	attributes, err := d.attributes(x)
	if err != nil {
		return false, err
	}
	text := digestOf(x.GetLabel())
	row := d.s.subjects.get(w.space, w.id)
	if row == nil {
		if d.s.count.subjects >= MaxUsers {
			return false, Errorf(TooLarge, "", "a tenant has at most %d subjects", MaxUsers)
		}
		class := d.intern(flags)
		d.s.subjects.put(d.b, w.space, w.id, subject{bits: class, text: text})
		d.s.count.subjects++
		d.note(w, noClass)
		d.touched[klinkev1.ReadKind_READ_KIND_PEOPLE] = true
	} else {
		old := d.s.classes.edges(row.bits & subjectClass)
		had := old[:countBefore(old, edgeGroup)]
		var before []string
		if a := d.s.attributes.get(w.space, w.id); a != nil {
			before = *a
		}
		if row.bits&subjectInactive != 0 == x.GetInactive() && row.text == text && slices.Equal(had, flags) && slices.Equal(before, attributes) {
			return false, nil
		}
		if !slices.Equal(had, flags) {
			d.editEdges(w, func(edges []edge) []edge { return append(flags, edges[len(had):]...) })
		}
		if !slices.Equal(before, attributes) {
			d.note(w, d.s.subjects.get(w.space, w.id).bits&subjectClass)
			d.states[w] = struct{}{}
		}
	}
	next := *d.s.subjects.get(w.space, w.id)
	if next.bits&subjectInactive != 0 != x.GetInactive() {
		next.bits ^= subjectInactive
		d.note(w, next.bits&subjectClass)
		d.states[w] = struct{}{}
	}
	next.text = text
	d.s.subjects.put(d.b, w.space, w.id, next)
	if attributes != nil {
		d.s.attributes.put(d.b, w.space, w.id, attributes)
	} else {
		d.s.attributes.delete(d.b, w.space, w.id)
	}
	return true, nil
}

// countBefore counts the edges of kinds before one.
func countBefore(edges []edge, kind edge) int {
	n, _ := slices.BinarySearch(edges, kind)
	return n
}

// attributes returns the values by their numbers, nil when there are none.
func (d *draft) attributes(x *klinkev1.Subject) ([]string, error) {
	var out []string
	for name, value := range x.GetAttributes() {
		no, ok := d.s.model.userAttr[name]
		if !ok {
			return nil, Errorf(Invalid, "attributes", "the model keeps no user attribute %q", name)
		}
		if err := checkText(value); err != nil || len(value) > MaxFactBytes || value == "" {
			return nil, Errorf(Invalid, "attributes["+name+"]", "1 to %d bytes of UTF-8 without control characters", MaxFactBytes)
		}
		if out == nil {
			out = make([]string, len(d.s.model.userAttr))
		}
		out[no] = value
	}
	return out, nil
}

// note remembers which class a subject had before the write, by its number in the old snapshot.
func (d *draft) note(w who, class uint32) {
	if _, ok := d.was[w]; !ok {
		d.was[w] = class
	}
}

// editEdges moves a subject to the class of its edited edges. The edit may not change the slice it is given.
func (d *draft) editEdges(w who, edit func([]edge) []edge) {
	row := *d.s.subjects.get(w.space, w.id)
	class := row.bits & subjectClass
	d.note(w, class)
	next := edit(slices.Clone(d.s.classes.edges(class)))
	to := d.intern(next)
	d.leave(class)
	row.bits = row.bits&subjectInactive | to
	d.s.subjects.put(d.b, w.space, w.id, row)
}

// intern counts a subject in the class of its edges and remembers when that is new.
func (d *draft) intern(edges []edge) uint32 {
	n, fresh := d.s.classes.intern(d.b, edges)
	if fresh && !d.whole {
		d.fresh[n] = struct{}{}
	}
	return n
}

// leave counts a subject less in a class; with the last one goes what was merged for it.
func (d *draft) leave(n uint32) {
	if d.s.classes.refs(n) == 1 {
		d.s.sets.release(d.b, uint32(d.s.classes.fold(n)&foldNumber))
		delete(d.fresh, n)
	}
	d.s.classes.release(d.b, n)
}

func (d *draft) edges(w who) []edge {
	return d.s.classes.edges(d.s.subjects.get(w.space, w.id).bits & subjectClass)
}

// addEdge adds an edge to a subject that exists and says whether it was new.
func (d *draft) addEdge(w who, e edge) bool {
	at, ok := slices.BinarySearch(d.edges(w), e)
	if !ok {
		d.editEdges(w, func(edges []edge) []edge { return slices.Insert(edges, at, e) })
		d.stand(e, 1)
		d.placed(e)
	}
	return !ok
}

func (d *draft) dropEdge(w who, e edge) bool {
	at, ok := slices.BinarySearch(d.edges(w), e)
	if ok {
		d.editEdges(w, func(edges []edge) []edge { return slices.Delete(edges, at, at+1) })
		d.stand(e, ^uint32(0))
		d.placed(e)
	}
	return ok
}

// placed notes that others may have read where a subject stands. His flags, ceilings, limits and grants concern him alone.
func (d *draft) placed(e edge) {
	switch e.kind() {
	case edgeGroup, edgeDepartment, edgeHead, edgeRole, edgeTimed:
		d.touched[klinkev1.ReadKind_READ_KIND_PEOPLE] = true
	}
}

// stand counts the subjects on an entity.
func (d *draft) stand(e edge, by uint32) {
	switch e.kind() {
	case edgeGroup, edgeDepartment, edgeHead, edgeRole:
		d.ownEntity(e).subjects += by
	case edgeTimed:
		d.ownRole(d.s.timed.get(e.number()).role).subjects += by
	}
}

func (d *draft) deleteSubject(x *klinkev1.Subject) (bool, error) {
	w, err := subjectKey(x.GetType(), x.GetId())
	if err != nil {
		return false, err
	}
	if d.s.subjects.get(w.space, w.id) == nil {
		return false, nil
	}
	d.note(w, d.s.subjects.get(w.space, w.id).bits&subjectClass)
	for _, e := range slices.Clone(d.edges(w)) {
		if r := d.s.recordOf(w, e); r != nil {
			if err := d.cascade(KeyOnly(r)); err != nil {
				return false, err
			}
		}
	}
	d.leave(d.s.subjects.get(w.space, w.id).bits & subjectClass)
	d.s.subjects.delete(d.b, w.space, w.id)
	d.s.attributes.delete(d.b, w.space, w.id)
	d.s.count.subjects--
	d.touched[klinkev1.ReadKind_READ_KIND_PEOPLE] = true
	return true, nil
}
