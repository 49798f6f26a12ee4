package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// actorOf is a subject as the explanation sees him.
type actorOf struct {
	who      who
	edges    []edge
	inactive bool
	other    bool // named by a fact: his conditional assignments do not count
}

func (e *explainer) find(w who, other bool) (*actorOf, bool) {
	row := e.s.subjects.get(w.space, w.id)
	if row == nil {
		return nil, false
	}
	return &actorOf{who: w, edges: e.s.classes.edges(row.bits & subjectClass), inactive: row.bits&subjectInactive != 0, other: other}, true
}

// exists says whether an assignment exists now; it is not certain when its condition failed.
func (e *explainer) exists(p *actorOf, no uint32) (holds, certain bool) {
	t := e.s.timed.get(no)
	if t.from != 0 && e.now.Before(time.Unix(0, t.from)) || t.until != 0 && !e.now.Before(time.Unix(0, t.until)) {
		return false, true
	}
	if t.sched != nil && !e.during(t.sched) {
		return false, true
	}
	if t.cond == nil {
		return true, true
	}
	if p.other {
		return false, true
	}
	holds, err := e.condition(t.cond, e.asked())
	return holds, err == nil
}

// direct lists the roles given to a person himself; not certain when a condition failed.
func (e *explainer) direct(p *actorOf) (roles []uint32, certain bool) {
	certain = true
	for _, f := range p.edges {
		switch f.kind() {
		case edgeRole:
			roles = append(roles, f.number())
		case edgeTimed:
			holds, ok := e.exists(p, f.number())
			if certain = certain && ok; holds {
				roles = append(roles, e.s.timed.get(f.number()).role)
			}
		}
	}
	return roles, certain
}

func (e *explainer) parents(n uint32) (out []uint32) {
	for up := (*e.s.roles.get(n)).parent; up != 0; up = (*e.s.roles.get(up - 1)).parent {
		out = append(out, up-1)
	}
	return out
}

// upwards is a department and those above it.
func (e *explainer) upwards(n uint32) []uint32 {
	out := []uint32{n}
	for up := (*e.s.departments.get(n)).parent; up != 0; up = (*e.s.departments.get(up - 1)).parent {
		out = append(out, up-1)
	}
	return out
}

// departments lists those of which a person is a member, or also the head.
func (e *explainer) departments(p *actorOf, led bool) (out []uint32) {
	for _, f := range p.edges {
		if f.kind() == edgeDepartment || led && f.kind() == edgeHead {
			out = append(out, f.number())
		}
	}
	return out
}

// awake are the roles given to a person himself, under active roles only these: by another role of his he is nobody.
func (e *explainer) awake(p *actorOf) []uint32 {
	roles, _ := e.direct(p)
	if e.restricted && !p.other && p.who == e.r.subject {
		roles = slices.DeleteFunc(roles, func(r uint32) bool { return !slices.Contains(e.r.active, r) })
	}
	return roles
}

// whole asks with all roles of the subject: what binds him, and what he holds, does not depend on which are active.
func (e *explainer) whole(question func()) {
	restricted := e.restricted
	e.restricted = false
	question()
	e.restricted = restricted
}

// reaches says whether a holder means a person.
func (e *explainer) reaches(p *actorOf, h holder) bool {
	n := h.number()
	switch h.kind() {
	case holderEverybody:
		return p.who.space == spaceUser
	case holderGroup:
		return slices.Contains(p.edges, edgeGroup|edge(n)) ||
			slices.ContainsFunc((*e.s.groups.get(n)).members, func(m holder) bool { return e.reaches(p, m) })
	case holderRole:
		return slices.Contains(e.awake(p), n)
	case holderRoleBelow:
		return slices.ContainsFunc(e.awake(p), func(r uint32) bool { return r == n || slices.Contains(e.parents(r), n) })
	case holderDepartment:
		return slices.Contains(e.departments(p, true), n)
	case holderDepartmentBelow:
		return slices.ContainsFunc(e.departments(p, true), func(d uint32) bool { return slices.Contains(e.upwards(d), n) })
	}
	return false
}

// holders visits every holder to which something is given.
func (e *explainer) holders(visit func(h holder, b *bag)) { e.s.bags(visit) }

// held lists the roles given to a person by any route, before inclusion; not certain when a condition failed.
func (e *explainer) held(p *actorOf) (roles []uint32, certain bool) {
	roles, certain = e.direct(p)
	silenced := len(roles) > 0 && e.directFirst()
	visit := func(h holder, b *bag) {
		if len(b.roles) == 0 || silenced && h.kind() == holderGroup || !e.reaches(p, h) {
			return
		}
		for _, r := range b.roles {
			holds := true
			if r.timed != 0 {
				var ok bool
				holds, ok = e.exists(p, r.timed-1)
				certain = certain && ok
			}
			if holds {
				roles = append(roles, r.role)
			}
		}
	}
	e.whole(func() { e.holders(visit) })
	return roles, certain
}

// directFirst says whether roles given to somebody himself silence those that he is given through groups.
func (e *explainer) directFirst() bool {
	no, ok := e.s.model.setNo[e.s.model.source.GetDirectFirst()]
	return ok && e.s.setting(no, 0, "") == "true"
}

// closure lists the ids of roles and of all that they include. Under active roles only these are begun with.
func (e *explainer) closure(p *actorOf, roles []uint32) []string {
	var todo, out []uint32
	for _, r := range roles {
		if !e.restricted || p.who != e.r.subject || slices.Contains(e.r.active, r) {
			todo = append(todo, r)
		}
	}
	for len(todo) > 0 {
		r := todo[0]
		todo = todo[1:]
		if !slices.Contains(out, r) {
			out = append(out, r)
			todo = append(todo, (*e.s.roles.get(r)).includes...)
		}
	}
	ids := make([]string, len(out))
	for i, r := range out {
		ids[i] = (*e.s.roles.get(r)).id
	}
	slices.Sort(ids)
	return ids
}

// limit lists the values of a person's limit, of the most specific kind of holder that has one; nil when there is none.
func (e *explainer) limit(p *actorOf, name uint16) []string {
	var by [5][]string
	add := func(kind int, l limitValue) {
		if l.name == name {
			by[kind] = append(by[kind], l.value)
		}
	}
	for _, f := range p.edges {
		if f.kind() == edgeLimit {
			add(0, *e.s.limits.get(f.number()))
		}
	}
	visit := func(h holder, b *bag) {
		if len(b.limits) == 0 || !e.reaches(p, h) {
			return
		}
		kind := map[holder]int{holderGroup: 1, holderRole: 2, holderRoleBelow: 2, holderDepartment: 3, holderDepartmentBelow: 3, holderEverybody: 4}
		for _, l := range b.limits {
			add(kind[h.kind()], l)
		}
	}
	e.whole(func() { e.holders(visit) })
	for _, values := range by {
		if values != nil {
			return values
		}
	}
	return nil
}

// groupsOf and departmentsOf are the functions of conditions.
func (e *explainer) groupsOf(id string) ([]string, error) {
	p, err := e.person(id)
	if err != nil {
		return nil, err
	}
	var out []string
	for n := range e.s.groups.len() {
		if g := *e.s.groups.get(n); g.id != "" && e.reaches(p, holderGroup|holder(n)) {
			out = append(out, g.id)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (e *explainer) departmentsOf(id string) ([]string, error) {
	p, err := e.person(id)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range e.departments(p, true) {
		if name := (*e.s.departments.get(n)).id; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (e *explainer) person(id string) (*actorOf, error) {
	w := who{spaceUser, id}
	switch {
	case strings.HasPrefix(id, "user:"):
		w.id = id[len("user:"):]
	case strings.HasPrefix(id, "app:"):
		w = who{spaceApp, id[len("app:"):]}
	}
	p, ok := e.find(w, true)
	if !ok {
		return nil, fmt.Errorf("there is no %s", w)
	}
	return p, nil
}
