package policy

import "strings"

// to is a parsed holder: a subject, or a kind of entity.
type to struct {
	subject who    // when space is not 0
	holder  holder // else
}

// parseHolder resolves a holder; field is to blame when there is no such thing.
func (s *Snapshot) parseHolder(field, text string) (to, error) {
	if text == "everybody" {
		return to{holder: holderEverybody}, nil
	}
	kind, id, ok := strings.Cut(text, ":")
	if !ok {
		return to{}, Errorf(Invalid, field,
			"%q is no holder: write user:ID, app:ID, group:ID, role:ID, role+:ID, department:ID, department+:ID or everybody", text)
	}
	if err := checkField(field, id); err != nil {
		return to{}, err
	}
	var no *uint32
	var h holder
	switch kind {
	case "user", "app":
		w := who{spaceUser, id}
		if kind == "app" {
			w.space = spaceApp
		}
		if s.subjects.get(w.space, id) == nil {
			return to{}, Errorf(Invalid, field, "there is no %s %q", kind, id)
		}
		return to{subject: w}, nil
	case "group":
		no, h = s.groupNo.get(0, id), holderGroup
	case "role":
		no, h = s.roleNo.get(0, id), holderRole
	case "role+":
		no, h = s.roleNo.get(0, id), holderRoleBelow
	case "department":
		no, h = s.departmentNo.get(0, id), holderDepartment
	case "department+":
		no, h = s.departmentNo.get(0, id), holderDepartmentBelow
	default:
		return to{}, Errorf(Invalid, field, "%q is no kind of holder", kind)
	}
	if no == nil {
		return to{}, Errorf(Invalid, field, "there is no %s %q", strings.TrimSuffix(kind, "+"), id)
	}
	return to{holder: h | holder(*no)}, nil
}

// holderText writes a holder as parseHolder reads it.
func (s *Snapshot) holderText(h holder) string {
	switch h.kind() {
	case holderGroup:
		return "group:" + (*s.groups.get(h.number())).id
	case holderRole:
		return "role:" + (*s.roles.get(h.number())).id
	case holderRoleBelow:
		return "role+:" + (*s.roles.get(h.number())).id
	case holderDepartment:
		return "department:" + (*s.departments.get(h.number())).id
	case holderDepartmentBelow:
		return "department+:" + (*s.departments.get(h.number())).id
	}
	return "everybody"
}

// editBag replaces what is given to a holder by an edited copy, and marks whom that concerns.
func (d *draft) editBag(h holder, edit func(*bag)) {
	d.setBag(h, edit)
	d.concerns(h, map[holder]bool{})
}

// setBag is editBag for what concerns nobody: counts of what else names the holder.
func (d *draft) setBag(h holder, edit func(*bag)) {
	next := &bag{}
	if old := d.s.bagOf(h); old != nil {
		*next = *old
	}
	edit(next)
	if next.empty() {
		next = nil
	}
	switch h.kind() {
	case holderEverybody:
		e := *d.s.everybody
		e.own = next
		d.s.everybody = &e
	case holderGroup:
		d.ownGroup(h.number()).own = next
	case holderRole:
		d.ownRole(h.number()).own = next
	case holderRoleBelow:
		d.ownRole(h.number()).below = next
	case holderDepartment:
		d.ownDepartment(h.number()).own = next
	case holderDepartmentBelow:
		d.ownDepartment(h.number()).below = next
	}
}

// concerns marks every entity on which somebody may stand who is reached by h.
func (d *draft) concerns(h holder, seen map[holder]bool) {
	if seen[h] {
		return
	}
	seen[h] = true
	n := h.number()
	switch h.kind() {
	case holderEverybody:
		d.stands[0] = struct{}{}
	case holderGroup:
		d.stands[edgeGroup|edge(n)] = struct{}{}
		for _, m := range (*d.s.groups.get(n)).members {
			d.concerns(m, seen)
		}
	case holderRole:
		d.stands[edgeRole|edge(n)] = struct{}{}
	case holderRoleBelow:
		d.stands[edgeRole|edge(n)] = struct{}{}
		for _, c := range (*d.s.roles.get(n)).children {
			d.concerns(holderRoleBelow|holder(c), seen)
		}
	case holderDepartment:
		d.stands[edgeDepartment|edge(n)] = struct{}{}
	case holderDepartmentBelow:
		d.stands[edgeDepartment|edge(n)] = struct{}{}
		for _, c := range (*d.s.departments.get(n)).children {
			d.concerns(holderDepartmentBelow|holder(c), seen)
		}
	}
}

func (d *draft) ownGroup(n uint32) *group {
	g := *d.s.groups.get(n)
	if g.owner != d.b {
		c := *g
		c.owner = d.b
		g = &c
		*d.s.groups.edit(d.b, n) = g
	}
	return g
}

func (d *draft) ownRole(n uint32) *role {
	r := *d.s.roles.get(n)
	if r.owner != d.b {
		c := *r
		c.owner = d.b
		r = &c
		*d.s.roles.edit(d.b, n) = r
	}
	return r
}

func (d *draft) ownDepartment(n uint32) *department {
	x := *d.s.departments.get(n)
	if x.owner != d.b {
		c := *x
		c.owner = d.b
		x = &c
		*d.s.departments.edit(d.b, n) = x
	}
	return x
}

// ownEntity returns the entity at an edge for writing.
func (d *draft) ownEntity(e edge) *entity {
	switch e.kind() {
	case edgeGroup:
		return &d.ownGroup(e.number()).entity
	case edgeDepartment, edgeHead:
		return &d.ownDepartment(e.number()).entity
	default:
		return &d.ownRole(e.number()).entity
	}
}
