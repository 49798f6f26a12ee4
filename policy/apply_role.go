package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func (d *draft) putRole(x *klinkev1.Role) (bool, error) {
	if err := checkLabels(x.GetLabels()); err != nil {
		return false, err
	}
	if err := checkText(x.GetOrigin()); err != nil || len(x.GetOrigin()) > 600 {
		return false, Errorf(Invalid, "origin", "an origin is at most 600 bytes of UTF-8 without control characters")
	}
	parent := uint32(0)
	if x.GetUnder() != "" {
		at := d.s.roleNo.get(0, x.GetUnder())
		if at == nil {
			return false, Errorf(Invalid, "under", "there is no role %q", x.GetUnder())
		}
		parent = *at + 1
	}
	n, fresh, err := register(d, &d.s.roleNo, x.GetId(), "roles", &d.s.count.roles, MaxRoles, func() uint32 {
		return d.s.roles.push(d.b, &role{entity: entity{owner: d.b, id: x.GetId()}, table: &cells{}})
	})
	if err != nil {
		return false, err
	}
	r := d.ownRole(n)
	if fresh {
		r.closure = []uint32{n}
		d.says[n] = struct{}{}
		d.bear(edgeRole | edge(n))
	}
	if x.GetNotAssignable() && d.s.assigned(n) {
		return false, Errorf(Refused, "not_assignable", "role %q is assigned; delete its assignments first", r.id)
	}
	changed := d.setText(&r.entity, digestOf(append(labels(x.GetLabels()), x.GetOrigin())...), fresh)
	if r.notAssignable != x.GetNotAssignable() {
		r.notAssignable, changed = x.GetNotAssignable(), true
	}
	old := r.parent
	if old == parent {
		return changed, nil
	}
	up := func(n uint32) uint32 { return (*d.s.roles.get(n)).parent }
	down := func(n uint32) []uint32 { return (*d.s.roles.get(n)).children }
	if err := d.grows(n, parent, up, down, "under", "role"); err != nil {
		return false, err
	}
	d.concerns(holderRoleBelow|holder(n), map[holder]bool{})
	if old != 0 {
		p := d.ownRole(old - 1)
		p.children = without(p.children, n)
	}
	if parent != 0 {
		p := d.ownRole(parent - 1)
		p.children = append(slices.Clip(p.children), n)
	}
	d.ownRole(n).parent = parent
	if !fresh { // nobody has a new one
		d.touched[klinkev1.ReadKind_READ_KIND_PEOPLE] = true
	}
	return true, nil
}

// assigned says whether a role is given to anybody.
func (s *Snapshot) assigned(n uint32) bool {
	r := *s.roles.get(n)
	return r.subjects > 0 || r.given > 0
}

func (d *draft) deleteRole(x *klinkev1.Role) (bool, error) {
	at := d.s.roleNo.get(0, x.GetId())
	if at == nil {
		return false, nil
	}
	n := *at
	r := *d.s.roles.get(n)
	switch {
	case d.s.assigned(n):
		return false, Errorf(Refused, "id", "role %q is still assigned; delete its assignments first", r.id)
	case r.includedBy > 0:
		return false, Errorf(Refused, "id", "role %q is still included in another; delete that inclusion first", r.id)
	case len(r.children) > 0:
		return false, Errorf(Refused, "id", "roles still stand below %q; move or delete these first", r.id)
	case !r.own.empty():
		return false, Errorf(Refused, "id", "role %q is still named as a holder; delete %s first", r.id, d.s.useOf(r.own))
	case !r.below.empty():
		return false, Errorf(Refused, "id", "role %q is still named as a holder; delete %s first", r.id, d.s.useOf(r.below))
	}
	for _, i := range slices.Clone(r.includes) {
		if err := d.cascade(&klinkev1.Record{Record: &klinkev1.Record_RoleInclude{
			RoleInclude: &klinkev1.RoleInclude{Role: r.id, Included: (*d.s.roles.get(i)).id}}}); err != nil {
			return false, err
		}
	}
	for _, c := range slices.Clone(r.cells) {
		if err := d.cascade(&klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: &klinkev1.Cell{Role: r.id, Permission: c.pattern}}}); err != nil {
			return false, err
		}
	}
	if r.parent != 0 {
		up := d.ownRole(r.parent - 1)
		up.children = without(up.children, n)
		d.ownRole(n).parent = 0
	}
	d.forget(&d.s.roleNo, edgeRole|edge(n), r.id)
	delete(d.says, n)
	d.s.count.roles--
	return true, nil
}

func (d *draft) putRoleInclude(x *klinkev1.RoleInclude) (bool, error) {
	role, included := d.s.roleNo.get(0, x.GetRole()), d.s.roleNo.get(0, x.GetIncluded())
	if role == nil {
		return false, Errorf(Invalid, "role", "there is no role %q", x.GetRole())
	}
	if included == nil {
		return false, Errorf(Invalid, "included", "there is no role %q", x.GetIncluded())
	}
	n, i := *role, *included
	if slices.Contains((*d.s.roles.get(n)).includes, i) {
		return false, nil
	}
	if slices.Contains(d.closureOf(i), n) {
		return false, Errorf(Invalid, "included", "role %q would include itself", x.GetRole())
	}
	r := d.ownRole(n)
	r.includes = append(slices.Clone(r.includes), i)
	d.ownRole(i).includedBy++
	d.says[n] = struct{}{}
	return true, nil
}

func (d *draft) deleteRoleInclude(x *klinkev1.RoleInclude) (bool, error) {
	role, included := d.s.roleNo.get(0, x.GetRole()), d.s.roleNo.get(0, x.GetIncluded())
	if role == nil || included == nil || !slices.Contains((*d.s.roles.get(*role)).includes, *included) {
		return false, nil
	}
	n, i := *role, *included
	r := d.ownRole(n)
	r.includes = without(r.includes, i)
	d.ownRole(i).includedBy--
	d.says[n] = struct{}{}
	return true, nil
}

// closureOf is a role and all that it includes, by walking; the derived closure may be out of date during a write.
func (d *draft) closureOf(n uint32) []uint32 {
	out := []uint32{n}
	for i := 0; i < len(out); i++ {
		for _, x := range (*d.s.roles.get(out[i])).includes {
			if !slices.Contains(out, x) {
				out = append(out, x)
			}
		}
	}
	return out
}

// find returns what a role says about a pattern, or nil.
func (r *role) find(pattern string) *cell {
	i, ok := slices.BinarySearchFunc(r.cells, pattern, func(c cell, p string) int { return cmp.Compare(c.pattern, p) })
	if !ok {
		return nil
	}
	return &r.cells[i]
}

func (d *draft) putCell(x *klinkev1.Cell) (bool, error) {
	at := d.s.roleNo.get(0, x.GetRole())
	if at == nil {
		return false, Errorf(Invalid, "role", "there is no role %q", x.GetRole())
	}
	n := *at
	typ, err := d.checkCell(x)
	if err != nil {
		return false, err
	}
	next := cell{pattern: x.GetPermission(), level: x.GetLevel()}
	if next.cond, err = d.condition(typ, x.GetWhen()); err != nil {
		return false, err
	}
	if next.sched, err = d.schedule(x.GetSchedule()); err != nil {
		return false, err
	}
	if old := (*d.s.roles.get(n)).find(next.pattern); old != nil && *old == next {
		return false, nil
	}
	r := d.ownRole(n)
	i, ok := slices.BinarySearchFunc(r.cells, next.pattern, func(c cell, p string) int { return cmp.Compare(c.pattern, p) })
	r.cells = slices.Clone(r.cells)
	d.mindsCell(&next, 1)
	if ok {
		d.mindsCell(&r.cells[i], ^uint32(0))
		r.cells[i] = next
	} else {
		r.cells = slices.Insert(r.cells, i, next)
	}
	d.says[n] = struct{}{}
	return true, nil
}

func (d *draft) deleteCell(x *klinkev1.Cell) (bool, error) {
	at := d.s.roleNo.get(0, x.GetRole())
	if at == nil || (*d.s.roles.get(*at)).find(x.GetPermission()) == nil {
		return false, nil
	}
	r := d.ownRole(*at)
	d.mindsCell(r.find(x.GetPermission()), ^uint32(0))
	r.cells = slices.DeleteFunc(slices.Clone(r.cells), func(c cell) bool { return c.pattern == x.GetPermission() })
	d.says[*at] = struct{}{}
	return true, nil
}

// checkCell checks that a pattern means something and that its level stands on a scale of what it means. It returns the
// type, when there is one.
func (d *draft) checkCell(x *klinkev1.Cell) (*resourceType, error) {
	m := d.s.model
	typ, local, ok := strings.Cut(x.GetPermission(), ".")
	if !ok {
		return nil, Errorf(Invalid, "permission", "%q is neither type.action, type.field:read or :write, nor a pattern of these", x.GetPermission())
	}
	var t *resourceType
	if typ != "*" {
		no, ok := m.typeNo[typ]
		if !ok {
			return nil, Errorf(Invalid, "permission", "the model has no type %q", typ)
		}
		t = &m.types[no]
	}
	field, mode, isField := cutField(local)
	if isField && field != "*" {
		if t == nil {
			return nil, Errorf(Invalid, "permission", "a named field needs a type")
		}
		if _, err := d.named("permission", t, field, mode); err != nil {
			return nil, err
		}
	} else if !isField && local != "*" {
		if t == nil {
			return nil, Errorf(Invalid, "permission", "an action needs a type: the patterns are type.* and *.*")
		}
		if _, ok := t.actions[local]; !ok {
			return nil, Errorf(Invalid, "permission", "type %q has no action %q", typ, local)
		}
	}
	for i := range m.perms {
		p := &m.perms[i]
		if (t == nil || p.typ == t.no) && (p.mode != noField) == isField && (!isField || p.mode == mode) &&
			(isField || local == "*" || p.local == local) && has(p.rule.scale.rank, x.GetLevel()) {
			return t, nil
		}
	}
	return nil, Errorf(Invalid, "level", "nothing that %s means has a level %q", x.GetPermission(), x.GetLevel())
}

// cutField splits `phone:read`.
func cutField(local string) (name string, mode fieldMode, ok bool) {
	if name, ok = strings.CutSuffix(local, ":read"); ok {
		return name, fieldRead, true
	}
	if name, ok = strings.CutSuffix(local, ":write"); ok {
		return name, fieldWrite, true
	}
	return local, noField, false
}

// named numbers a named field's two permissions, if they have none, and returns the one of the mode.
func (d *draft) named(path string, t *resourceType, name string, mode fieldMode) (perm, error) {
	if !t.fields {
		return 0, Errorf(Invalid, path, "type %q has no fields", t.name)
	}
	if err := checkField(path, name); err != nil {
		return 0, err
	}
	if strings.ContainsAny(name, ":@") {
		return 0, Errorf(Invalid, path, "a field's name may not contain ':' or '@'")
	}
	generic := map[fieldMode]perm{fieldRead: t.read, fieldWrite: t.write}
	if d.s.fieldPerm(t.read, name) == t.read {
		if len(d.s.model.perms)+len(d.s.fields)+2 > MaxPermissions {
			return 0, Errorf(TooLarge, path, "actions and named fields are at most %d", MaxPermissions)
		}
		if !d.ownsFields {
			d.ownsFields, d.s.fields, d.s.fieldNo = true, slices.Clone(d.s.fields), maps.Clone(d.s.fieldNo)
		}
		for _, g := range []perm{t.read, t.write} {
			d.s.fieldNo[fieldKey{g, name}] = perm(len(d.s.model.perms) + len(d.s.fields))
			d.s.fields = append(d.s.fields, field{generic: g, name: name, full: t.name + "." + name + d.s.model.perms[g].local[1:]})
		}
		for i := range d.s.roles.len() { // patterns speak of the new permissions too
			if r := *d.s.roles.get(i); slices.ContainsFunc(r.cells, func(c cell) bool { return strings.Contains(c.pattern, "*:") }) {
				d.says[i] = struct{}{}
			}
		}
	}
	return d.s.fieldPerm(generic[mode], name), nil
}
