package policy

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// condition compiles a condition once for the tenant; t is nil where any type may come.
func (d *draft) condition(t *resourceType, source string) (*condition, error) {
	if source == "" {
		return nil, nil
	}
	key := condKey{-1, source}
	if t != nil {
		key.typ = int(t.no)
	}
	if c := d.s.conds[key]; c != nil {
		return c, nil
	}
	c, err := d.s.model.cel.compile(t, source)
	if err != nil {
		return nil, Errorf(Invalid, "when", "%v", err)
	}
	if !d.ownsConds {
		d.ownsConds, d.s.conds = true, maps.Clone(d.s.conds)
	}
	d.s.conds[key] = c
	return c, nil
}

func (d *draft) schedule(name string) (*schedule, error) {
	if name == "" {
		return nil, nil
	}
	no, ok := d.s.model.schedNo[name]
	if !ok {
		return nil, Errorf(Invalid, "schedule", "the model has no schedule %q", name)
	}
	return &d.s.model.scheds[no], nil
}

func nanos(field string, t *timestamppb.Timestamp) (int64, error) {
	if t == nil {
		return 0, nil
	}
	if err := t.CheckValid(); err != nil || t.GetSeconds() <= 0 || t.GetSeconds() >= 1<<33 {
		return 0, Errorf(Invalid, field, "a moment between 1970 and 2242")
	}
	return t.AsTime().UnixNano(), nil
}

func wellFormedHolder(text string) bool {
	kind, id, ok := strings.Cut(text, ":")
	return ok && CheckID(id) == nil && slices.Contains([]string{"user", "app", "group", "role", "role+", "department", "department+"}, kind)
}

func (d *draft) putAssignment(x *klinkev1.Assignment) (bool, error) {
	at := d.s.roleNo.get(0, x.GetRole())
	if at == nil {
		return false, Errorf(Invalid, "role", "there is no role %q", x.GetRole())
	}
	n := *at
	if (*d.s.roles.get(n)).notAssignable {
		return false, Errorf(Refused, "role", "role %q can only be included, not assigned", x.GetRole())
	}
	to, err := d.s.parseHolder("holder", x.GetHolder())
	if err != nil {
		return false, err
	}
	next := timed{role: n}
	if next.from, err = nanos("from", x.GetFrom()); err != nil {
		return false, err
	}
	if next.until, err = nanos("until", x.GetUntil()); err != nil {
		return false, err
	}
	if next.until != 0 && next.from >= next.until {
		return false, Errorf(Invalid, "until", "it would end before it begins")
	}
	if next.cond, err = d.condition(nil, x.GetWhen()); err != nil {
		return false, err
	}
	if next.sched, err = d.schedule(x.GetSchedule()); err != nil {
		return false, err
	}
	always := next == timed{role: n}
	had, timedNo, found := d.assignment(n, to)
	if found {
		if had == always && (always || *d.s.timed.get(timedNo) == next) {
			return false, nil
		}
		d.unassign(n, to)
	} else if d.s.count.assignments >= MaxAssignments {
		return false, Errorf(TooLarge, "", "a tenant has at most %d assignments", MaxAssignments)
	}
	d.s.count.assignments++
	no := uint32(0)
	if !always {
		no = d.s.timed.add(d.b, next) + 1
		d.minds(no-1, true)
	}
	switch {
	case to.subject.space != 0 && always:
		d.addEdge(to.subject, edgeRole|edge(n))
	case to.subject.space != 0:
		d.addEdge(to.subject, edgeTimed|edge(no-1))
	default:
		d.ownRole(n).given++
		d.editBag(to.holder, func(b *bag) { b.roles = append(slices.Clone(b.roles), bagRole{n, no}) })
		d.touched[klinkev1.ReadKind_READ_KIND_PEOPLE] = true
	}
	return true, nil
}

// assignment finds a role's assignment to a holder: for always, or by its number.
func (d *draft) assignment(n uint32, x to) (always bool, no uint32, found bool) {
	if x.subject.space != 0 {
		for _, e := range d.edges(x.subject) {
			switch {
			case e == edgeRole|edge(n):
				return true, 0, true
			case e.kind() == edgeTimed && d.s.timed.get(e.number()).role == n:
				return false, e.number(), true
			}
		}
		return false, 0, false
	}
	if b := d.s.bagOf(x.holder); b != nil {
		for _, r := range b.roles {
			if r.role == n {
				return r.timed == 0, r.timed - 1, true
			}
		}
	}
	return false, 0, false
}

// unassign takes an assignment away that assignment found.
func (d *draft) unassign(n uint32, x to) {
	always, no, _ := d.assignment(n, x)
	d.s.count.assignments--
	switch {
	case x.subject.space != 0 && always:
		d.dropEdge(x.subject, edgeRole|edge(n))
	case x.subject.space != 0:
		d.dropEdge(x.subject, edgeTimed|edge(no))
	default:
		d.ownRole(n).given--
		d.editBag(x.holder, func(b *bag) {
			b.roles = slices.DeleteFunc(slices.Clone(b.roles), func(r bagRole) bool { return r.role == n })
		})
		d.touched[klinkev1.ReadKind_READ_KIND_PEOPLE] = true
	}
	if !always {
		d.minds(no, false)
		d.s.timed.remove(d.b, no)
	}
}

func (d *draft) deleteAssignment(x *klinkev1.Assignment) (bool, error) {
	at := d.s.roleNo.get(0, x.GetRole())
	if at == nil {
		return false, nil
	}
	to, err := d.s.parseHolder("holder", x.GetHolder())
	if err != nil {
		return d.absent(err, x.GetHolder())
	}
	if _, _, found := d.assignment(*at, to); !found {
		return false, nil
	}
	d.unassign(*at, to)
	return true, nil
}

// permission resolves an exact permission by type and the rest of its name; named fields get their numbers.
func (d *draft) permission(field, typ, local string) (perm, error) {
	no, ok := d.s.model.typeNo[typ]
	if !ok {
		return 0, Errorf(Invalid, field, "the model has no type %q", typ)
	}
	t := &d.s.model.types[no]
	if name, mode, ok := cutField(local); ok && name != "*" {
		return d.named(field, t, name, mode)
	}
	p, ok := t.actions[local]
	if !ok {
		return 0, Errorf(Invalid, field, "type %q has no action %q", typ, local)
	}
	if d.s.model.perms[p].rule.levelless {
		return 0, Errorf(Invalid, field, "%s.%s has no level", typ, local)
	}
	return p, nil
}

func (d *draft) rank(p perm, level string) (uint8, error) {
	rank, ok := d.s.scale(p).rank[level]
	if !ok {
		return 0, Errorf(Invalid, "level", "%s has no level %q", d.s.permName(p), level)
	}
	return rank, nil
}

func (d *draft) tally() {
	if !d.ownsCounts {
		d.ownsCounts, d.s.granted, d.s.capped = true, maps.Clone(d.s.granted), maps.Clone(d.s.capped)
	}
}

func (d *draft) putObjectGrant(x *klinkev1.ObjectGrant) (bool, error) {
	p, err := d.permission("action", x.GetType(), x.GetAction())
	if err != nil {
		return false, err
	}
	if err := checkField("id", x.GetId()); err != nil {
		return false, err
	}
	if x.GetId() == "*" {
		return false, Errorf(Invalid, "id", "an object grant is about one resource; to give a right to all, edit a role")
	}
	to, err := d.s.parseHolder("holder", x.GetHolder())
	if err != nil {
		return false, err
	}
	next := objectGrant{typ: d.s.model.typeNo[x.GetType()], perm: p, holder: to.holder, space: to.subject.space, who: to.subject.id, id: x.GetId()}
	if next.rank, err = d.rank(p, x.GetLevel()); err != nil {
		return false, err
	}
	if next.until, err = nanos("until", x.GetUntil()); err != nil {
		return false, err
	}
	if no, ok := d.objectGrant(next); ok {
		if *d.s.grants.get(no) == next {
			return false, nil
		}
		d.mindsGrant(no, false)
		*d.s.grants.edit(d.b, no) = next
		d.mindsGrant(no, true)
		d.touched[klinkev1.ReadKind_READ_KIND_OBJECTS] = true
		return true, nil
	}
	d.touched[klinkev1.ReadKind_READ_KIND_OBJECTS] = true
	if d.s.grants.live >= MaxObjectGrants {
		return false, Errorf(TooLarge, "", "a tenant has at most %d object grants", MaxObjectGrants)
	}
	no := d.s.grants.add(d.b, next)
	d.mindsGrant(no, true)
	objects := &d.s.objects[next.typ]
	var list []uint32
	if l := objects.get(0, next.id); l != nil {
		list = *l
	}
	objects.put(d.b, 0, next.id, append(slices.Clone(list), no))
	if next.space != 0 {
		d.addEdge(to.subject, edgeObject|edge(no))
	} else {
		d.editBag(to.holder, func(b *bag) { b.objects++ })
	}
	d.tally()
	d.s.granted[p]++
	return true, nil
}

// objectGrant finds the grant with the same key.
func (d *draft) objectGrant(x objectGrant) (uint32, bool) {
	l := d.s.objects[x.typ].get(0, x.id)
	if l == nil {
		return 0, false
	}
	for _, no := range *l {
		g := d.s.grants.get(no)
		if g.perm == x.perm && g.holder == x.holder && g.space == x.space && g.who == x.who {
			return no, true
		}
	}
	return 0, false
}

func (d *draft) deleteObjectGrant(x *klinkev1.ObjectGrant) (bool, error) {
	p, err := d.permission("action", x.GetType(), x.GetAction())
	if err != nil {
		return false, err
	}
	to, err := d.s.parseHolder("holder", x.GetHolder())
	if err != nil {
		return d.absent(err, x.GetHolder())
	}
	key := objectGrant{typ: d.s.model.typeNo[x.GetType()], perm: p, holder: to.holder, space: to.subject.space, who: to.subject.id, id: x.GetId()}
	no, ok := d.objectGrant(key)
	if !ok {
		return false, nil
	}
	objects := &d.s.objects[key.typ]
	if rest := without(*objects.get(0, key.id), no); len(rest) > 0 {
		objects.put(d.b, 0, key.id, rest)
	} else {
		objects.delete(d.b, 0, key.id)
	}
	if key.space != 0 {
		d.dropEdge(to.subject, edgeObject|edge(no))
	} else {
		d.editBag(to.holder, func(b *bag) { b.objects-- })
	}
	d.mindsGrant(no, false)
	d.s.grants.remove(d.b, no)
	d.tally()
	d.s.granted[p]--
	d.touched[klinkev1.ReadKind_READ_KIND_OBJECTS] = true
	return true, nil
}

func (d *draft) cappedPermission(name string) (perm, error) {
	typ, local, ok := strings.Cut(name, ".")
	if !ok {
		return 0, Errorf(Invalid, "permission", "%q is neither type.action nor type.field:read or :write", name)
	}
	return d.permission("permission", typ, local)
}

func (d *draft) putCeiling(x *klinkev1.Ceiling) (bool, error) {
	p, err := d.cappedPermission(x.GetPermission())
	if err != nil {
		return false, err
	}
	to, err := d.s.parseHolder("holder", x.GetHolder())
	if err != nil {
		return false, err
	}
	next := ceiling{perm: p}
	if next.rank, err = d.rank(p, x.GetLevel()); err != nil {
		return false, err
	}
	if to.subject.space != 0 {
		if no, ok := d.ceilingOf(to.subject, p); ok {
			if *d.s.ceilings.get(no) == next {
				return false, nil
			}
			d.dropEdge(to.subject, edgeCeiling|edge(no))
			d.s.ceilings.remove(d.b, no)
		} else if err := d.oneMoreCeiling(p); err != nil {
			return false, err
		}
		d.addEdge(to.subject, edgeCeiling|edge(d.s.ceilings.add(d.b, next)))
		return true, nil
	}
	same := func(c ceiling) bool { return c.perm == p }
	if b := d.s.bagOf(to.holder); b != nil && slices.Contains(b.ceilings, next) {
		return false, nil
	} else if b == nil || !slices.ContainsFunc(b.ceilings, same) {
		if err := d.oneMoreCeiling(p); err != nil {
			return false, err
		}
	}
	d.editBag(to.holder, func(b *bag) { b.ceilings = append(slices.DeleteFunc(slices.Clone(b.ceilings), same), next) })
	return true, nil
}

func (d *draft) oneMoreCeiling(p perm) error {
	if d.s.count.ceilings >= MaxCeilings {
		return Errorf(TooLarge, "", "a tenant has at most %d ceilings", MaxCeilings)
	}
	d.tally()
	d.s.capped[p]++
	d.s.count.ceilings++
	return nil
}

func (d *draft) ceilingOf(w who, p perm) (uint32, bool) {
	for _, e := range d.edges(w) {
		if e.kind() == edgeCeiling && d.s.ceilings.get(e.number()).perm == p {
			return e.number(), true
		}
	}
	return 0, false
}

func (d *draft) deleteCeiling(x *klinkev1.Ceiling) (bool, error) {
	p, err := d.cappedPermission(x.GetPermission())
	if err != nil {
		return false, err
	}
	to, err := d.s.parseHolder("holder", x.GetHolder())
	if err != nil {
		return d.absent(err, x.GetHolder())
	}
	if to.subject.space != 0 {
		no, ok := d.ceilingOf(to.subject, p)
		if !ok {
			return false, nil
		}
		d.dropEdge(to.subject, edgeCeiling|edge(no))
		d.s.ceilings.remove(d.b, no)
	} else {
		same := func(c ceiling) bool { return c.perm == p }
		if b := d.s.bagOf(to.holder); b == nil || !slices.ContainsFunc(b.ceilings, same) {
			return false, nil
		}
		d.editBag(to.holder, func(b *bag) { b.ceilings = slices.DeleteFunc(slices.Clone(b.ceilings), same) })
	}
	d.tally()
	d.s.capped[p]--
	d.s.count.ceilings--
	return true, nil
}

func (d *draft) limitOf(x *klinkev1.Limit) (limitValue, to, error) {
	no, ok := d.s.model.limitNo[x.GetName()]
	if !ok {
		return limitValue{}, to{}, Errorf(Invalid, "name", "no test of the model uses a limit %q", x.GetName())
	}
	if err := checkText(x.GetValue()); err != nil || len(x.GetValue()) > MaxFactBytes {
		return limitValue{}, to{}, Errorf(Invalid, "value", "at most %d bytes of UTF-8 without control characters", MaxFactBytes)
	}
	holder, err := d.s.parseHolder("holder", x.GetHolder())
	return limitValue{name: no, value: x.GetValue()}, holder, err
}

func (d *draft) putLimit(x *klinkev1.Limit) (bool, error) {
	l, to, err := d.limitOf(x)
	if err != nil {
		return false, err
	}
	if l.value != "" && d.s.model.purpose(l.name) && !has(d.s.services, l.value) {
		return false, Errorf(Invalid, "value", "no class of service is named %q", l.value)
	}
	if to.subject.space != 0 {
		if _, ok := d.ownLimit(to.subject, l); ok {
			return false, nil
		}
		if edges := d.edges(to.subject); countBefore(edges, edgeObject)-countBefore(edges, edgeLimit) >= MaxLimitValues {
			return false, Errorf(TooLarge, "", "a holder has at most %d limit values", MaxLimitValues)
		}
		d.addEdge(to.subject, edgeLimit|edge(d.s.limits.add(d.b, l)))
		return true, nil
	}
	b := d.s.bagOf(to.holder)
	if b != nil && slices.Contains(b.limits, l) {
		return false, nil
	}
	if b != nil && len(b.limits) >= MaxLimitValues {
		return false, Errorf(TooLarge, "", "a holder has at most %d limit values", MaxLimitValues)
	}
	d.editBag(to.holder, func(b *bag) { b.limits = append(slices.Clone(b.limits), l) })
	return true, nil
}

func (d *draft) ownLimit(w who, l limitValue) (uint32, bool) {
	for _, e := range d.edges(w) {
		if e.kind() == edgeLimit && *d.s.limits.get(e.number()) == l {
			return e.number(), true
		}
	}
	return 0, false
}

func (d *draft) deleteLimit(x *klinkev1.Limit) (bool, error) {
	l, to, err := d.limitOf(x)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Field == "holder" {
			return d.absent(err, x.GetHolder())
		}
		return false, err
	}
	if to.subject.space != 0 {
		no, ok := d.ownLimit(to.subject, l)
		if !ok {
			return false, nil
		}
		d.dropEdge(to.subject, edgeLimit|edge(no))
		d.s.limits.remove(d.b, no)
		return true, nil
	}
	if b := d.s.bagOf(to.holder); b == nil || !slices.Contains(b.limits, l) {
		return false, nil
	}
	d.editBag(to.holder, func(b *bag) { b.limits = without(b.limits, l) })
	return true, nil
}
