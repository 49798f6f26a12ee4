package policy

import (
	"errors"
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// useModel moves the tenant to a version of a model. A tenant that has records is built anew from them, each checked against
// the new version, so it costs as much as loading the tenant.
func (d *draft) useModel(x *klinkev1.UseModel) (bool, error) {
	if err := checkField("model", x.GetModel()); err != nil {
		return false, err
	}
	if m := d.s.model; m != nil && m.Name() == x.GetModel() && m.Version() == x.GetVersion() {
		return false, nil
	}
	m, err := d.at.Models(x.GetModel(), x.GetVersion())
	if e, ok := errors.AsType[*Error](err); ok {
		c := *e
		c.Field = "" // whoever looks models up names his own fields
		return false, within("model", &c)
	}
	if err != nil {
		return false, within("model", err)
	}
	if d.s.model == nil {
		d.begin(m)
		d.all = true
		return true, nil
	}
	if len(d.changes) > 0 {
		return false, Errorf(Refused, "", "another model is used from the first change of a write on; put it first")
	}
	next := newDraft(Empty(), d.at)
	next.begin(m)
	r := restorer(next)
	for chunk := range d.s.chunks() {
		if err := r.take(chunk); err != nil {
			if e, ok := errors.AsType[*Error](err); ok {
				return false, Errorf(Refused, "model", "%s@%d does not fit what the tenant has: %s", m.Name(), m.Version(), e.Error())
			}
			return false, err
		}
	}
	if err := r.finish(); err != nil {
		return false, err
	}
	d.s, d.b = next.s, next.b
	d.was, d.fresh, d.stands, d.born, d.says = map[who]uint32{}, map[uint32]struct{}{}, map[edge]struct{}{}, map[edge]struct{}{}, map[uint32]struct{}{}
	d.ownsFields, d.ownsSites, d.ownsConds, d.ownsCounts, d.ownsHours = next.ownsFields, next.ownsSites, next.ownsConds, next.ownsCounts, next.ownsHours
	d.all = true
	d.touched[klinkev1.ReadKind_READ_KIND_MODEL] = true
	return true, nil
}

// begin makes room for what the model declares.
func (d *draft) begin(m *Model) {
	s := d.s
	s.model, s.plan, s.services = m, m.plan, m.services
	s.settings = make([]settingValues, len(m.settings))
	s.lists = make([]numberSet, len(m.lists))
	s.hours, d.ownsHours = make([]hoursUse, len(m.scheds)), true
	s.objects = slices.Collect(func(yield func(dict[[]uint32]) bool) {
		for range m.types {
			if !yield(newDict[[]uint32](d.b)) {
				return
			}
		}
	})
	d.combination()
	d.touched[klinkev1.ReadKind_READ_KIND_MODEL] = true
}
