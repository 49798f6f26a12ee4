package policy

import (
	"slices"
	"strings"
)

// finish brings up to date what is derived from the edited records, in the order in which it depends: what roles say, what
// entities give, what classes have.
func (d *draft) finish() error {
	if _, err := d.plan(); err != nil {
		return err
	}
	if d.regrouped {
		for i := range d.s.roles.len() {
			if (*d.s.roles.get(i)).id != "" {
				d.says[i] = struct{}{}
			}
		}
	}
	changed := d.roles()
	d.entities()
	d.remerge(changed)
	return d.foldClasses(changed)
}

// roles derives the closures and tables of the roles that changed and of those that include them, and returns them all.
func (d *draft) roles() map[uint32]bool {
	changed := d.speaking()
	if len(changed) == 0 {
		return nil
	}
	says := map[uint32]*cells{}
	for i := range changed {
		r := d.ownRole(i)
		r.closure = d.closureOf(i)
		slices.Sort(r.closure)
		tables := make([]*cells, len(r.closure))
		for j, x := range r.closure {
			if says[x] == nil {
				says[x] = d.s.fold(*d.s.roles.get(x))
			}
			tables[j] = says[x]
		}
		r.table = merge(tables, d.s.lowest)
	}
	return changed
}

// speaking are the roles that changed and all that include one of them; nil when none did.
func (d *draft) speaking() map[uint32]bool {
	if len(d.says) == 0 {
		return nil
	}
	changed := map[uint32]bool{}
	for i := range d.says {
		if (*d.s.roles.get(i)).includedBy > 0 {
			return d.includers()
		}
		changed[i] = true
	}
	return changed
}

// includers are the roles that changed and all that include one of them.
func (d *draft) includers() map[uint32]bool {
	out := map[uint32]bool{}
	for i := range d.s.roles.len() {
		if (*d.s.roles.get(i)).id == "" {
			continue
		}
		for _, x := range d.closureOf(i) {
			if _, ok := d.says[x]; ok {
				out[i] = true
				break
			}
		}
	}
	return out
}

// fold is what one role says about each permission, without what it includes: conditions only leave their mark.
func (s *Snapshot) fold(r *role) *cells {
	out := &cells{}
	set := func(p perm) {
		if v := s.say(r, p); v != 0 {
			out.set(p, v)
		}
	}
	for i := range r.cells {
		p, ok := s.exact(r.cells[i].pattern)
		if !ok { // a pattern: it may speak of anything
			for p := range len(s.model.perms) + len(s.fields) {
				set(perm(p))
			}
			return out
		}
		set(p)
		if x, field := s.permission(p); x.mode == fieldRead { // what bounds writing
			set(s.fieldPerm(s.model.types[x.typ].write, field))
		}
	}
	return out
}

// exact finds the permission of an exact name.
func (s *Snapshot) exact(name string) (perm, bool) {
	if p, ok := s.model.permNo[name]; ok {
		return p, s.model.perms[p].mode == noField
	}
	typ, local, _ := strings.Cut(name, ".")
	field, mode, ok := cutField(local)
	no, known := s.model.typeNo[typ]
	if !ok || !known {
		return 0, false
	}
	generic := s.model.types[no].read
	if mode == fieldWrite {
		generic = s.model.types[no].write
	}
	p, ok := s.fieldNo[fieldKey{generic, field}]
	return p, ok
}

// say is what one role says about one permission: the narrowest pattern that knows the level, and a mark where a condition
// has a say before it.
func (s *Snapshot) say(r *role, p perm) uint8 {
	x, _ := s.permission(p)
	var v uint8
	sc := x.rule.scale
	for i := range 3 {
		c := r.find(s.pattern(p, i))
		if c == nil {
			continue
		}
		rank, ok := sc.rank[c.level]
		if !ok {
			continue
		}
		if c.conditional() {
			v |= cellConditional
			continue
		}
		v |= rank + 1
		break
	}
	if x.mode == fieldWrite && v != 0 { // writing never exceeds reading
		read := s.say(r, s.readOf(p))
		v = min(v&cellSaid, read&cellSaid) | (v|read)&cellConditional
	}
	return v
}

// pattern is the i-th of the patterns that speak of a permission, the narrowest first; empty for none.
func (s *Snapshot) pattern(p perm, i int) string {
	x, field := s.permission(p)
	if i == 0 {
		return s.permName(p)
	}
	if x.mode == noField {
		if i == 1 {
			return s.model.types[x.typ].star
		}
		return "*.*"
	}
	if i == 1 && field != "" {
		return x.name
	}
	switch {
	case i == 2 && x.mode == fieldRead:
		return "*.*:read"
	case i == 2:
		return "*.*:write"
	}
	return ""
}

// remerge merges the role sets that contain changed roles. Classes and entities keep their sets' numbers.
func (d *draft) remerge(changed map[uint32]bool) {
	if len(changed) == 0 {
		return
	}
	for i := range d.s.sets.at.len() {
		set := d.s.sets.at.get(i)
		if set.refs > 0 && slices.ContainsFunc(set.roles, func(r uint32) bool { return changed[r] }) {
			d.s.sets.at.edit(d.b, i).table = d.s.mergeRoles(set.roles)
		}
	}
}

func (s *Snapshot) mergeRoles(roles []uint32) *cells {
	tables := make([]*cells, len(roles))
	for i, r := range roles {
		tables[i] = (*s.roles.get(r)).table
	}
	return merge(tables, s.lowest)
}

// roleSet returns the number of a set of roles, merging it when it is new, and counts one more reference.
func (d *draft) roleSet(roles []uint32) uint32 {
	n, ok := d.s.sets.find(roles)
	if !ok {
		n = d.s.sets.intern(d.b, roles, d.s.mergeRoles(roles))
	}
	d.s.sets.retain(d.b, n)
	return n
}

// entities derives what stands on the marked entities. Afterwards d.stands holds those on which classes of the old
// snapshot stand.
func (d *draft) entities() {
	for e := range d.stands {
		start := []holder{}
		switch e.kind() {
		case 0:
			start = append(start, holderEverybody)
		case edgeGroup:
			start = append(start, holderGroup|holder(e.number()))
		case edgeRole:
			start = append(start, holderRole|holder(e.number()))
			for n := e.number() + 1; n != 0; n = (*d.s.roles.get(n - 1)).parent {
				start = append(start, holderRoleBelow|holder(n-1))
			}
		case edgeDepartment:
			start = append(start, holderDepartment|holder(e.number()))
			for n := e.number() + 1; n != 0; n = (*d.s.departments.get(n - 1)).parent {
				start = append(start, holderDepartmentBelow|holder(n-1))
			}
		}
		if e == 0 {
			x := *d.s.everybody
			d.derive(&x, e, start)
			d.s.everybody = &x
			continue
		}
		d.derive(d.ownEntity(e), e, start)
		if _, ok := d.born[e]; ok {
			delete(d.stands, e)
		}
	}
}

// derive fills what is derived of an entity from the holders that it stands for.
func (d *draft) derive(x *entity, e edge, reach []holder) {
	var roles, timed []uint32      // through groups
	var alone, aloneTimed []uint32 // otherwise
	if e.kind() == edgeRole {
		alone = append(alone, e.number())
	}
	x.ceilings, x.limited, x.shared = nil, false, false
	for i := 0; i < len(reach); i++ {
		b := d.s.bagOf(reach[i])
		if b == nil {
			continue
		}
		for _, g := range b.groups {
			if h := holderGroup | holder(g); !slices.Contains(reach, h) {
				reach = append(reach, h)
			}
		}
		toRoles, toTimed := &alone, &aloneTimed
		if reach[i].kind() == holderGroup {
			toRoles, toTimed = &roles, &timed
		}
		for _, r := range b.roles {
			if r.timed != 0 {
				*toTimed = append(*toTimed, r.timed-1)
			} else {
				*toRoles = append(*toRoles, r.role)
			}
		}
		for _, c := range b.ceilings {
			if j := slices.IndexFunc(x.ceilings, func(y ceiling) bool { return y.perm == c.perm }); j >= 0 {
				x.ceilings[j].rank = min(x.ceilings[j].rank, c.rank)
			} else {
				x.ceilings = append(x.ceilings, c)
			}
		}
		x.limited = x.limited || len(b.limits) > 0
		x.shared = x.shared || len(b.sharing) > 0
	}
	slices.Sort(reach)
	x.reach = reach
	d.give(&x.given, append(roles, alone...), append(timed, aloneTimed...))
	if d.s.model.direct >= 0 {
		d.give(&x.alone, alone, aloneTimed)
	}
}

func (d *draft) give(g *given, roles, timed []uint32) {
	slices.Sort(roles)
	set := d.roleSet(slices.Compact(roles))
	d.s.sets.release(d.b, g.set)
	g.set, g.timed = set, timed
}
