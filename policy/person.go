package policy

import (
	"slices"
)

// person is a subject as a decision sees him: the asking one, the acting app, or one whom a fact names.
type person struct {
	who
	edges    []edge
	fold     uint16
	inactive bool
	other    bool  // named by a fact: his conditional assignments do not count, since the question's context is not his
	ownRole  truth // whether a role is given to himself at this moment; unasked where that does not matter
	// What conditions came to, so that each is asked once: the first `known` of both.
	known  uint8
	asked  [MaxConditional]uint32 // numbers of Snapshot.timed
	answer [MaxConditional]truth
}

// truth is what a condition came to.
type truth uint8

const (
	no truth = iota
	yes
	failed // it could not be evaluated
	unasked
)

// find looks a subject up.
func (a *asker) find(p *person, w who) bool {
	row := a.s.subjects.get(w.space, w.id)
	if row == nil {
		return false
	}
	n := row.bits & subjectClass
	p.who, p.inactive, p.known = w, row.bits&subjectInactive != 0, 0
	p.edges, p.fold = a.s.classes.edges(n), a.s.classes.fold(n)
	p.ownRole = unasked
	return true
}

// gives returns what an entity gives to a person.
func (a *asker) gives(x *entity, p *person) given {
	if !a.s.direct || !x.silent() {
		return x.given
	}
	if p.ownRole == unasked {
		p.ownRole = no
		for i, e := range p.edges {
			if e.kind() == edgeRole || e.kind() == edgeTimed && a.exists(p, i) {
				p.ownRole = yes
				break
			}
		}
	}
	return a.s.gives(x, p.ownRole == yes)
}

func (p *person) has(e edge) bool {
	if len(p.edges) > 16 {
		_, ok := slices.BinarySearch(p.edges, e)
		return ok
	}
	for _, x := range p.edges { // most have a handful, which is faster read than halved
		if x >= e {
			return x == e
		}
	}
	return false
}

// placed are the edges to the departments of which a person is a member or the head.
func (p *person) placed() []edge {
	from := 0
	for from < len(p.edges) && p.edges[from] < edgeDepartment {
		from++
	}
	to := from
	for to < len(p.edges) && p.edges[to] < edgeRole {
		to++
	}
	return p.edges[from:to]
}

// entity returns what a person's i-th edge leads to, or what everybody stands on when i is -1; nil for nothing. Whether the
// edge exists at this moment is another question.
func (a *asker) entity(p *person, i int) *entity {
	if i >= 0 {
		return a.s.entityOf(p.edges[i])
	}
	if p.space == spaceApp {
		return nil
	}
	return a.s.everybody
}

// exists says whether a person's i-th edge exists at this moment. It is asked last, and only of an edge that would matter:
// hours and conditions that do not matter would bound the answer's validity, and make it read what it does not depend on.
func (a *asker) exists(p *person, i int) bool {
	return i < 0 || p.edges[i].kind() != edgeTimed || a.active(p, p.edges[i].number())
}

// active says whether a timed assignment exists now.
func (a *asker) active(p *person, number uint32) bool {
	t := a.s.timed.get(number)
	if t.from > a.now {
		a.expires(t.from)
		return false
	}
	if t.until != 0 {
		if a.now >= t.until {
			return false
		}
		a.expires(t.until)
	}
	if !a.within(t.sched) {
		return false
	}
	if t.cond == nil {
		return true
	}
	if p.other {
		return false
	}
	return a.given(a.remember(p, number, t.cond)) == yes
}

// remember asks an assignment's condition once for each decision.
func (a *asker) remember(p *person, number uint32, c *condition) truth {
	for i, asked := range p.asked[:p.known] {
		if asked == number {
			return p.answer[i]
		}
	}
	answer := a.condition(c)
	if i := p.known; int(i) < len(p.asked) {
		p.asked[i], p.answer[i] = number, answer
		p.known++
	}
	return answer
}

// given notes that what a failed condition guards cannot be told, which matters under `lowest`.
func (a *asker) given(t truth) truth {
	if t == failed && a.s.lowest {
		a.failed = true
	}
	return t
}

// within says whether now is inside a schedule; nil is always.
func (a *asker) within(s *schedule) bool {
	if s == nil {
		return true
	}
	inside, next := s.at(a.at)
	if !next.IsZero() {
		a.expires(next.UnixNano())
	}
	return inside
}

// resting says whether a person's i-th edge leads to a role of his that is not active: then he is nobody by it. What binds him
// by it, ceilings and limits, binds him all the same.
func (a *asker) resting(p *person, i int) bool {
	if !a.restricted || p != &a.subject || i < 0 {
		return false
	}
	switch e := p.edges[i]; e.kind() {
	case edgeRole:
		return !slices.Contains(a.r.active, e.number())
	case edgeTimed:
		return !slices.Contains(a.r.active, a.s.timed.get(e.number()).role)
	}
	return false
}

// reaches says whether a holder means a person.
func (a *asker) reaches(p *person, h holder) bool {
	for i := -1; i < len(p.edges); i++ {
		if x := a.entity(p, i); x != nil && !a.resting(p, i) {
			if _, ok := slices.BinarySearch(x.reach, h); ok && a.exists(p, i) {
				return true
			}
		}
	}
	return false
}

// holds says whether a person has a role by any route, before inclusion.
func (a *asker) holds(p *person, role uint32) bool {
	for i := -1; i < len(p.edges); i++ {
		x := a.entity(p, i)
		if x == nil {
			continue
		}
		g := a.gives(x, p)
		if _, ok := slices.BinarySearch(a.s.sets.at.get(g.set).roles, role); ok && a.exists(p, i) {
			return true
		}
		for _, no := range g.timed {
			if a.s.timed.get(no).role == role && a.exists(p, i) && a.active(p, no) {
				return true
			}
		}
	}
	return false
}

// below says whether a person holds, by any route, a role strictly below one that another holds.
func (a *asker) below(p, above *person) bool {
	for i := -1; i < len(p.edges); i++ {
		x := a.entity(p, i)
		if x == nil {
			continue
		}
		g := a.gives(x, p)
		for _, r := range a.s.sets.at.get(g.set).roles {
			if a.under(r, above) && a.exists(p, i) {
				return true
			}
		}
		for _, no := range g.timed {
			if a.under(a.s.timed.get(no).role, above) && a.exists(p, i) && a.active(p, no) {
				return true
			}
		}
	}
	return false
}

// under says whether a role is strictly below one that a person holds.
func (a *asker) under(role uint32, above *person) bool {
	for up := (*a.s.roles.get(role)).parent; up != 0; up = (*a.s.roles.get(up - 1)).parent {
		if a.holds(above, up-1) {
			return true
		}
	}
	return false
}

// sameRole says whether two persons share a directly assigned role.
func (a *asker) sameRole(p, q *person) bool {
	for i, e := range p.edges {
		if e.kind() != edgeRole && e.kind() != edgeTimed {
			continue
		}
		for j, f := range q.edges {
			if (f.kind() == edgeRole || f.kind() == edgeTimed) && a.s.stand(e) == a.s.stand(f) && a.exists(p, i) && a.exists(q, j) {
				return true
			}
		}
	}
	return false
}

// department says whether one person is a member of a department that is another's, below it, or led by him.
func (a *asker) department(member, of *person) bool {
	mine := of.placed()
	if len(mine) == 0 {
		return false
	}
	for _, e := range member.placed() {
		if e.kind() != edgeDepartment {
			break // the heads come last
		}
		for n := e.number() + 1; n != 0; n = (*a.s.departments.get(n - 1)).parent {
			for _, d := range mine {
				if d.number() == n-1 {
					return true
				}
			}
		}
	}
	return false
}

// limit says whether a person has a limit of a name, and whether a value is in it.
func (a *asker) limit(p *person, name uint16, value string) (limited, within bool) {
	limited = a.limits(p, name, func(v string) bool {
		within = v == value && value != ""
		return !within
	})
	return limited, within
}

// limits visits the values of a person's limit, until told to stop: those of the most specific kind of holder that reaches him
// and has some, all of that kind together. It says whether he has any.
func (a *asker) limits(p *person, name uint16, visit func(value string) bool) (limited bool) {
	for _, e := range p.edges {
		if e.kind() == edgeLimit {
			if l := a.s.limits.get(e.number()); l.name == name {
				if limited = true; !visit(l.value) {
					return true
				}
			}
		}
	}
	for kind := 0; !limited && kind < 4; kind++ {
		for i := -1; i < len(p.edges); i++ {
			x := a.entity(p, i)
			if x == nil || !x.limited || !a.exists(p, i) {
				continue
			}
			for _, h := range x.reach {
				b := a.s.bagOf(h)
				if specific(h) != kind || b == nil {
					continue
				}
				for _, l := range b.limits {
					if l.name != name {
						continue
					}
					if limited = true; !visit(l.value) {
						return true
					}
				}
			}
		}
	}
	return limited
}

// specific ranks kinds of holders, the most specific first; subjects come before all of them.
func specific(h holder) int {
	switch h.kind() {
	case holderGroup:
		return 0
	case holderRole, holderRoleBelow:
		return 1
	case holderDepartment, holderDepartmentBelow:
		return 2
	}
	return 3
}
