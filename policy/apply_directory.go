package policy

import (
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func checkLabels(m map[string]string) error {
	if len(m) > 32 {
		return Errorf(TooLarge, "labels", "at most 32 languages")
	}
	for k, v := range m {
		if CheckID(k) != nil || checkText(v) != nil || len(v) > 1024 {
			return Errorf(Invalid, "labels", "a label is at most 1,024 bytes of UTF-8 without control characters, under a language tag")
		}
	}
	return nil
}

// register finds an entity's number by its id, or gives it one; what names the kind and limit bounds it.
func register(d *draft, no *dict[uint32], id, what string, count *int, limit int, add func() uint32) (n uint32, fresh bool, err error) {
	if err := checkField("id", id); err != nil {
		return 0, false, err
	}
	if at := no.get(0, id); at != nil {
		return *at, false, nil
	}
	if *count >= limit {
		return 0, false, Errorf(TooLarge, "", "a tenant has at most %d %s", limit, what)
	}
	*count++
	n = add()
	no.put(d.b, 0, id, n)
	return n, true, nil
}

func (d *draft) putGroup(x *klinkev1.Group) (bool, error) {
	if err := checkLabels(x.GetLabels()); err != nil {
		return false, err
	}
	n, fresh, err := register(d, &d.s.groupNo, x.GetId(), "groups", &d.s.count.groups, MaxGroups, func() uint32 {
		d.s.nested.push(d.b, false)
		return d.s.groups.push(d.b, &group{entity: entity{owner: d.b, id: x.GetId()}})
	})
	if err != nil {
		return false, err
	}
	if fresh {
		d.bear(edgeGroup | edge(n))
	}
	return d.setText(&d.ownGroup(n).entity, digestOf(labels(x.GetLabels())...), fresh), nil
}

// bear marks a new entity.
func (d *draft) bear(e edge) {
	d.stands[e], d.born[e] = struct{}{}, struct{}{}
}

func (d *draft) setText(e *entity, text digest, fresh bool) bool {
	if e.text == text {
		return fresh
	}
	e.text = text
	return true
}

func (d *draft) deleteGroup(x *klinkev1.Group) (bool, error) {
	at := d.s.groupNo.get(0, x.GetId())
	if at == nil {
		return false, nil
	}
	g := *d.s.groups.get(*at)
	if g.subjects > 0 || len(g.members) > 0 {
		return false, Errorf(Refused, "id", "group %q still has members; delete these memberships first", g.id)
	}
	if !g.own.empty() {
		return false, Errorf(Refused, "id", "group %q is still named as a holder; delete %s first", g.id, d.s.useOf(g.own))
	}
	d.forget(&d.s.groupNo, edgeGroup|edge(*at), g.id)
	d.s.count.groups--
	return true, nil
}

// forget takes an entity's name away. Its number is never used again in this snapshot's line, so nothing can inherit.
func (d *draft) forget(no *dict[uint32], e edge, id string) {
	no.delete(d.b, 0, id)
	x := d.ownEntity(e)
	d.s.sets.release(d.b, x.set)
	d.s.sets.release(d.b, x.alone.set)
	x.id, x.given, x.alone = "", given{}, given{}
	delete(d.stands, e)
	delete(d.born, e)
}

// useOf says which record names a holder.
func (s *Snapshot) useOf(b *bag) string {
	switch {
	case len(b.roles) > 0:
		return "its assignment of role " + (*s.roles.get(b.roles[0].role)).id
	case len(b.groups) > 0:
		return "its membership in group " + (*s.groups.get(b.groups[0])).id
	case len(b.ceilings) > 0:
		return "its ceiling on " + s.permName(b.ceilings[0].perm)
	case len(b.limits) > 0:
		return "its limit " + s.model.limits[b.limits[0].name]
	case b.objects > 0:
		return "its object grants"
	}
	return "its sharing rules"
}

func (d *draft) putGroupMember(x *klinkev1.GroupMember) (bool, error) {
	at := d.s.groupNo.get(0, x.GetGroup())
	if at == nil {
		return false, Errorf(Invalid, "group", "there is no group %q", x.GetGroup())
	}
	n := *at
	member, err := d.s.parseHolder("member", x.GetMember())
	if err != nil {
		return false, err
	}
	if member.subject.space != 0 {
		return d.addEdge(member.subject, edgeGroup|edge(n)), nil
	}
	h := member.holder
	if slices.Contains((*d.s.groups.get(n)).members, h) {
		return false, nil
	}
	if h.kind() == holderGroup {
		if err := d.nests(n, h.number()); err != nil {
			return false, err
		}
	}
	g := d.ownGroup(n)
	g.members = append(slices.Clone(g.members), h)
	*d.s.nested.edit(d.b, n) = true
	d.editBag(h, func(b *bag) { b.groups = append(slices.Clone(b.groups), n) })
	d.touched[klinkev1.ReadKind_READ_KIND_PEOPLE] = true
	return true, nil
}

// nests checks that group inner may become a member of group outer.
func (d *draft) nests(outer, inner uint32) error {
	up, down := map[uint32]int{}, map[uint32]int{}
	var height, depth func(uint32) int
	height = func(g uint32) int { // of the groups above, in groups
		if h, ok := up[g]; ok {
			return h
		}
		up[g] = 1
		h := 1
		if b := (*d.s.groups.get(g)).own; b != nil {
			for _, o := range b.groups {
				h = max(h, 1+height(o))
			}
		}
		up[g] = h
		return h
	}
	depth = func(g uint32) int {
		if h, ok := down[g]; ok {
			return h
		}
		down[g] = 1
		h := 1
		for _, m := range (*d.s.groups.get(g)).members {
			if m.kind() == holderGroup {
				h = max(h, 1+depth(m.number()))
			}
		}
		down[g] = h
		return h
	}
	total := height(outer) + depth(inner)
	if _, above := up[inner]; above {
		return Errorf(Invalid, "member", "group %q would contain itself", (*d.s.groups.get(inner)).id)
	}
	if total > MaxDepth {
		return Errorf(TooLarge, "member", "groups would nest %d deep; at most %d are allowed", total, MaxDepth)
	}
	return nil
}

func (d *draft) deleteGroupMember(x *klinkev1.GroupMember) (bool, error) {
	at := d.s.groupNo.get(0, x.GetGroup())
	if at == nil {
		return false, nil
	}
	member, err := d.s.parseHolder("member", x.GetMember())
	if err != nil {
		return d.absent(err, x.GetMember())
	}
	if member.subject.space != 0 {
		return d.dropEdge(member.subject, edgeGroup|edge(*at)), nil
	}
	i := slices.Index((*d.s.groups.get(*at)).members, member.holder)
	if i < 0 {
		return false, nil
	}
	n := *at
	d.editBag(member.holder, func(b *bag) { b.groups = without(b.groups, n) })
	g := d.ownGroup(n)
	g.members = slices.Delete(slices.Clone(g.members), i, i+1)
	*d.s.nested.edit(d.b, n) = len(g.members) > 0
	d.touched[klinkev1.ReadKind_READ_KIND_PEOPLE] = true
	return true, nil
}

// absent turns the complaint that a holder does not exist into "nothing to delete", as long as it is well-formed.
func (d *draft) absent(err error, text string) (bool, error) {
	if text == "everybody" || wellFormedHolder(text) {
		return false, nil
	}
	return false, err
}

func without[T comparable](s []T, x T) []T {
	i := slices.Index(s, x)
	if i < 0 {
		return s
	}
	return slices.Delete(slices.Clone(s), i, i+1)
}

func (d *draft) putDepartment(x *klinkev1.Department) (bool, error) {
	if err := checkLabels(x.GetLabels()); err != nil {
		return false, err
	}
	parent := uint32(0)
	if x.GetParent() != "" {
		at := d.s.departmentNo.get(0, x.GetParent())
		if at == nil {
			return false, Errorf(Invalid, "parent", "there is no department %q", x.GetParent())
		}
		parent = *at + 1
	}
	n, fresh, err := register(d, &d.s.departmentNo, x.GetId(), "departments", &d.s.count.departments, MaxDepartments, func() uint32 {
		return d.s.departments.push(d.b, &department{entity: entity{owner: d.b, id: x.GetId()}})
	})
	if err != nil {
		return false, err
	}
	if fresh {
		d.bear(edgeDepartment | edge(n))
	}
	changed := d.setText(&d.ownDepartment(n).entity, digestOf(labels(x.GetLabels())...), fresh)
	old := (*d.s.departments.get(n)).parent
	if old == parent && !fresh {
		return changed, nil
	}
	up := func(n uint32) uint32 { return (*d.s.departments.get(n)).parent }
	down := func(n uint32) []uint32 { return (*d.s.departments.get(n)).children }
	if err := d.grows(n, parent, up, down, "parent", "department"); err != nil {
		return false, err
	}
	d.concerns(holderDepartmentBelow|holder(n), map[holder]bool{})
	if old != 0 {
		p := d.ownDepartment(old - 1)
		p.children = without(p.children, n)
	}
	if parent != 0 {
		p := d.ownDepartment(parent - 1)
		p.children = append(slices.Clip(p.children), n)
	}
	d.ownDepartment(n).parent = parent
	if !fresh { // nobody is in a new one
		d.touched[klinkev1.ReadKind_READ_KIND_PEOPLE] = true
	}
	return true, nil
}

// grows checks that a tree's node may stand under a parent (number+1, 0 for none).
func (d *draft) grows(n, parent uint32, up func(uint32) uint32, down func(uint32) []uint32, field, what string) error {
	above := 0
	for p := parent; p != 0; p = up(p - 1) {
		if p-1 == n {
			return Errorf(Invalid, field, "the %s would stand below itself", what)
		}
		above++
	}
	var height func(uint32) int
	height = func(n uint32) int {
		h := 0
		for _, c := range down(n) {
			h = max(h, height(c))
		}
		return h + 1
	}
	if total := above + height(n); total > MaxDepth {
		return Errorf(TooLarge, field, "the tree of %ss would be %d deep; at most %d are allowed", what, total, MaxDepth)
	}
	return nil
}

func (d *draft) deleteDepartment(x *klinkev1.Department) (bool, error) {
	at := d.s.departmentNo.get(0, x.GetId())
	if at == nil {
		return false, nil
	}
	n := *at
	p := *d.s.departments.get(n)
	switch {
	case p.subjects > 0:
		return false, Errorf(Refused, "id", "department %q still has members or heads; delete these first", p.id)
	case len(p.children) > 0:
		return false, Errorf(Refused, "id", "departments still stand below %q; move or delete these first", p.id)
	case !p.own.empty():
		return false, Errorf(Refused, "id", "department %q is still named as a holder; delete %s first", p.id, d.s.useOf(p.own))
	case !p.below.empty():
		return false, Errorf(Refused, "id", "department %q is still named as a holder; delete %s first", p.id, d.s.useOf(p.below))
	}
	if p.parent != 0 {
		up := d.ownDepartment(p.parent - 1)
		up.children = without(up.children, n)
		d.ownDepartment(n).parent = 0
	}
	d.forget(&d.s.departmentNo, edgeDepartment|edge(n), p.id)
	d.s.count.departments--
	return true, nil
}

func (d *draft) departmentEdge(x *klinkev1.DepartmentMember) (who, edge, error) {
	at := d.s.departmentNo.get(0, x.GetDepartment())
	if at == nil {
		return who{}, 0, Errorf(Invalid, "department", "there is no department %q", x.GetDepartment())
	}
	member, err := d.s.parseHolder("subject", x.GetSubject())
	if err != nil {
		return who{}, 0, err
	}
	if member.subject.space == 0 {
		return who{}, 0, Errorf(Invalid, "subject", "members and heads of a department are written user:ID or app:ID")
	}
	kind := edgeDepartment
	if x.GetHead() {
		kind = edgeHead
	}
	return member.subject, kind | edge(*at), nil
}

func (d *draft) putDepartmentMember(x *klinkev1.DepartmentMember) (bool, error) {
	w, e, err := d.departmentEdge(x)
	if err != nil {
		return false, err
	}
	return d.addEdge(w, e), nil
}

func (d *draft) deleteDepartmentMember(x *klinkev1.DepartmentMember) (bool, error) {
	w, e, err := d.departmentEdge(x)
	if err != nil {
		return d.absent(err, x.GetSubject())
	}
	return d.dropEdge(w, e), nil
}
