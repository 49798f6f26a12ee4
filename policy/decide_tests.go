package policy

import (
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// test asks one test of section 4.2 about a frame. A fact that was not sent fails its test and is noted.
func (a *asker) test(t *test, q *frame) bool {
	if q.about && t.factual() {
		return true
	}
	switch t.kind {
	case testIs:
		return a.is(t, q)
	case testAbsent:
		return a.fact(q, t.attr).state == factAbsent
	case testValue:
		return a.value(t, q)
	case testWithin:
		f := a.fact(q, t.attr)
		if f.state != factPresent {
			return false
		}
		limited, within := a.limit(q.p, t.no, f.text)
		return within || !limited && !t.strict
	case testMemberOf:
		f := a.fact(q, t.attr)
		return slices.ContainsFunc(f.list, func(g string) bool { return a.inGroup(q.p, g) && (t.carrying == "" || a.carries(q, g, t.carrying)) })
	case testSameGroup:
		return a.sameGroup(t, q)
	case testDepartmentOf, testAbove, testBelow, testSameRole, testHolds:
		var other person
		if !a.named(&other, t, q) {
			return false
		}
		switch t.kind {
		case testDepartmentOf:
			return a.department(&other, q.p)
		case testAbove:
			return a.below(&other, q.p)
		case testBelow:
			return a.below(q.p, &other)
		case testSameRole:
			return a.sameRole(q.p, &other)
		}
		for _, name := range t.names {
			if no := a.s.roleNo.get(0, name); no != nil && a.holds(&other, *no) {
				return true
			}
		}
		return false
	case testShared:
		return a.shared(t, q)
	case testListed:
		f := a.fact(q, t.attr)
		return f.state == factPresent && a.s.lists[t.no].contains(f.text)
	case testNumberClass:
		return a.numberClass(t, q)
	case testSetting:
		v := a.s.setting(t.no, q.typ.no, q.field)
		if t.least {
			return slices.Index(a.s.model.settings[t.no].values, v) >= int(t.rank)
		}
		return slices.Contains(t.names, v)
	case testPermission, testAllowed:
		return a.ask(t, q)
	case testSchedule:
		return a.within(t.sched)
	case testWhen:
		return a.conditionOn(t.cond, q) == yes
	case testAny:
		for _, x := range t.sub {
			if a.test(x, q) {
				return true
			}
		}
		return false
	case testAll:
		for _, x := range t.sub {
			if !a.test(x, q) {
				return false
			}
		}
		return true
	}
	return false
}

// fact returns a fact of the frame, noting one that was not sent. It is valid until the next.
func (a *asker) fact(q *frame, at attr) *fact {
	if at.no >= 0 && at.no < len(q.facts) {
		f := &q.facts[at.no]
		if f.state == factUnknown && q.typ == a.r.typ {
			a.unknown |= 1 << at.no
		}
		return f
	}
	a.made = fact{}
	switch {
	case at.no == attrID:
		if q.id != "" {
			a.made.state = factPresent
			a.made.space, a.made.text = idSubject(q.id)
		}
	case q.typ.attrs[at.no].optional:
		a.made.state = factAbsent
	}
	return &a.made
}

// idSubject reads a resource's identifier that is a user's: bare, or written `user:ID` or `app:ID`.
func idSubject(id string) (byte, string) {
	const n = len("user:")
	switch {
	case len(id) > n && id[:n] == "user:":
		return spaceUser, id[n:]
	case len(id) > n-1 && id[:n-1] == "app:":
		return spaceApp, id[n-1:]
	}
	return spaceUser, id
}

func (a *asker) is(t *test, q *frame) bool {
	f := a.fact(q, t.attr)
	if f.state != factPresent {
		return false
	}
	if t.by >= 0 {
		values, text := a.s.attributes.get(q.p.space, q.p.id), f.text
		if t.attr.no == attrID {
			text = q.id
		}
		return values != nil && (*values)[t.by] != "" && (*values)[t.by] == text
	}
	if f.space == spaceGroup {
		return a.inGroup(q.p, f.text)
	}
	return f.space == q.p.space && f.text == q.p.id
}

// inGroup looks at the person's own groups first. Into one that has only subjects for members there is no other way.
func (a *asker) inGroup(p *person, id string) bool {
	no := a.s.groupNo.get(0, id)
	if no == nil {
		return false
	}
	if p.has(edgeGroup | edge(*no)) {
		return true
	}
	return *a.s.nested.get(*no) && a.reaches(p, holderGroup|holder(*no))
}

// carries says whether a role that is assigned to a group itself says exactly a level of the frame's permission.
func (a *asker) carries(q *frame, group, level string) bool {
	rank, ok := a.s.scale(q.perm).rank[level]
	b := a.s.bagOf(holderGroup | holder(*a.s.groupNo.get(0, group)))
	if !ok || b == nil {
		return false
	}
	for _, r := range b.roles {
		if r.timed != 0 && !a.active(q.p, r.timed-1) {
			continue
		}
		if a.says(r.role, q.perm, a.restricted && q.p == &a.subject)&cellSaid == rank+1 {
			return true
		}
	}
	return false
}

func (a *asker) value(t *test, q *frame) bool {
	if t.attr.no == attrContext {
		v, ok := a.r.context[t.attr.name]
		return ok && slices.ContainsFunc(t.values, func(x scalar) bool { return x.equals(v) })
	}
	f := a.fact(q, t.attr)
	if f.state == factUnknown {
		return false
	}
	text := f.text
	if t.attr.no == attrID {
		text = q.id
	}
	for i := range t.values {
		x := &t.values[i]
		switch {
		case x.null:
			if f.state == factAbsent {
				return true
			}
		case f.state == factAbsent:
		case x.isBit:
			if t.attr.kind == klinkev1.AttributeKind_ATTRIBUTE_KIND_BOOL && f.bit == x.bit {
				return true
			}
		case text == x.text:
			return true
		}
	}
	return false
}

// named finds the person whom a test's fact names. A group or an unknown person fails the test.
func (a *asker) named(p *person, t *test, q *frame) bool {
	f := a.fact(q, t.attr)
	if f.state != factPresent || f.space == spaceGroup {
		return false
	}
	p.other = true
	return a.find(p, who{f.space, f.text})
}

func (a *asker) sameGroup(t *test, q *frame) bool {
	if t.limit {
		if limited, _ := a.limit(q.p, t.no, ""); !limited {
			return true // who has no such limit is not limited, as with `within`
		}
	}
	var other person
	if !a.named(&other, t, q) {
		return false
	}
	for i := -1; i < len(q.p.edges); i++ {
		x := a.entity(q.p, i)
		if x == nil || a.resting(q.p, i) {
			continue
		}
		for _, h := range x.reach {
			if h.kind() != holderGroup || !a.reaches(&other, h) || !a.exists(q.p, i) {
				continue
			}
			if !t.limit {
				return true
			}
			if _, within := a.limit(q.p, t.no, (*a.s.groups.get(h.number())).id); within {
				return true
			}
		}
	}
	return false
}

// ask asks about another permission, of the resource that the test says.
func (a *asker) ask(t *test, q *frame) bool {
	p := t.perm
	if t.self {
		p = q.perm
	}
	typ := &a.s.model.types[a.s.model.perms[t.perm].typ]
	next := frame{p: q.p, perm: p, typ: typ}
	switch {
	case t.on.kind == onID:
		next.id = t.on.id
	case t.on.kind == onOwn && typ == q.typ:
		next.id, next.facts, next.about, next.field = q.id, q.facts, q.about, q.field
	case t.on.kind == onOwn || q.about:
		next.id, next.about = "*", true
	case t.on.kind == onAttr:
		f := a.fact(q, attr{no: t.on.attr})
		if f.state != factPresent {
			return false
		}
		if next.id = f.text; t.on.attr == attrID {
			next.id = q.id
		}
	case t.on.kind == onEach:
		f := a.fact(q, attr{no: t.on.attr})
		for i := range f.records {
			r := &f.records[i]
			if r.typ != typ {
				return false
			}
			next.id, next.facts = r.id, r.facts
			if !a.askOne(t, &next) {
				return false
			}
		}
		return len(f.records) > 0
	}
	return a.askOne(t, &next)
}

// askCapped asks about a permission that an action without a level requires, of somebody who overrides: he has its highest
// level, under his ceilings.
func (a *asker) askCapped(t *test, q *frame) bool {
	a.topped = true
	ok := a.ask(t, q)
	a.topped = false
	return ok
}

func (a *asker) askOne(t *test, q *frame) bool {
	if a.topped {
		a.topped = false
		sc := a.s.scale(q.perm)
		rank := a.cap(q.p, q.perm, sc.top())
		ok := rank == sc.top() || t.least && rank >= t.rank || !t.least && a.reach(&sc.levels[rank], q).Allow
		a.topped = true
		return ok
	}
	switch {
	case t.kind == testAllowed:
		return a.rule(q).Allow
	case t.least:
		rank, ok := a.level(q.p, q.perm, nil)
		return ok && rank >= t.rank
	}
	return a.passes(q)
}
