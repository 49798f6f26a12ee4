package policy

import (
	"slices"
)

// test asks one test of section 4.2, in the words of its table.
func (e *explainer) test(t *test, q frameOf) bool {
	if q.about && t.factual() {
		return true
	}
	switch t.kind {
	case testAny:
		return slices.ContainsFunc(t.sub, func(x *test) bool { return e.ask(x.text, func() bool { return e.test(x, q) }) })
	case testAll:
		return !slices.ContainsFunc(t.sub, func(x *test) bool { return !e.ask(x.text, func() bool { return e.test(x, q) }) })
	case testSetting:
		v := e.s.setting(t.no, q.typ.no, q.field)
		e.sayf("setting %s is %q", e.s.model.settings[t.no].name, v)
		if !t.least {
			return slices.Contains(t.names, v)
		}
		values := e.s.model.settings[t.no].values
		return slices.Contains(values[t.rank:], v)
	case testSchedule:
		return e.during(t.sched)
	case testWhen:
		holds, err := e.condition(t.cond, q)
		return holds && err == nil
	case testPermission, testAllowed:
		return e.another(t, q)
	case testValue:
		if t.attr.no == attrContext {
			v, ok := e.r.context[t.attr.name]
			return ok && slices.ContainsFunc(t.values, func(s scalar) bool { return s.equals(v) })
		}
	}
	if t.kind == testSameGroup && t.limit && e.limit(q.p, t.no) == nil {
		e.sayf("there is no limit %s", e.s.model.limits[t.no])
		return true
	}
	f := e.fact(q, t.attr)
	if t.attr.no == attrID && (t.kind == testValue || t.by >= 0) {
		f.text = q.id // as it was sent: only where it names a subject may its kind stand in front
	}
	switch t.kind {
	case testAbsent:
		return f.state == factAbsent
	case testWithin:
		values := e.limit(q.p, t.no)
		switch {
		case f.state == factUnknown:
			return false
		case values == nil:
			e.sayf("there is no limit %s", e.s.model.limits[t.no])
			return !t.strict
		}
		return f.text != "" && slices.Contains(values, f.text)
	case testValue:
		return f.state == factAbsent && slices.ContainsFunc(t.values, func(s scalar) bool { return s.null }) ||
			f.state == factPresent && slices.ContainsFunc(t.values, func(s scalar) bool {
				return !s.null && (s.isBit && f.bit == s.bit || !s.isBit && s.text == f.text)
			})
	}
	if f.state != factPresent {
		return false
	}
	switch t.kind {
	case testIs:
		switch {
		case t.by >= 0:
			values := e.s.attributes.get(q.p.who.space, q.p.who.id)
			return values != nil && (*values)[t.by] == f.text && f.text != ""
		case f.space == spaceGroup:
			return e.inGroup(q.p, f.text)
		}
		return q.p.who == who{f.space, f.text}
	case testMemberOf:
		return slices.ContainsFunc(f.list, func(g string) bool { return e.inGroup(q.p, g) })
	case testListed:
		return e.listed(t.no, f.text)
	case testNumberClass:
		return !f.special && f.number != 0 && t.mask&(1<<f.number) != 0
	}
	return e.about(t, q, f)
}

// about asks the tests about another person.
func (e *explainer) about(t *test, q frameOf, f fact) bool {
	if f.space == spaceGroup {
		return false
	}
	other, ok := e.find(who{f.space, f.text}, true)
	if !ok {
		e.sayf("%s is unknown", who{f.space, f.text})
		return false
	}
	switch t.kind {
	case testSameGroup:
		var limit []string
		if t.limit {
			limit = e.limit(q.p, t.no)
		}
		for n := range e.s.groups.len() {
			g := *e.s.groups.get(n)
			h := holderGroup | holder(n)
			if g.id != "" && e.reaches(q.p, h) && e.reaches(other, h) && (!t.limit || slices.Contains(limit, g.id)) {
				return true
			}
		}
	case testDepartmentOf:
		mine := e.departments(q.p, true)
		for _, d := range e.departments(other, false) {
			if slices.ContainsFunc(e.upwards(d), func(up uint32) bool { return slices.Contains(mine, up) }) {
				return true
			}
		}
	case testAbove, testBelow:
		low, high := other, q.p
		if t.kind == testBelow {
			low, high = q.p, other
		}
		above, _ := e.held(high)
		below, _ := e.held(low)
		for _, r := range below {
			if slices.ContainsFunc(e.parents(r), func(up uint32) bool { return slices.Contains(above, up) }) {
				return true
			}
		}
	case testSameRole:
		mine, _ := e.direct(q.p)
		his, _ := e.direct(other)
		return slices.ContainsFunc(mine, func(r uint32) bool { return slices.Contains(his, r) })
	case testHolds:
		his, _ := e.held(other)
		return slices.ContainsFunc(his, func(r uint32) bool { return slices.Contains(t.names, (*e.s.roles.get(r)).id) })
	}
	return false
}

// fact returns a fact, noting one that was not sent.
func (e *explainer) fact(q frameOf, at attr) fact {
	switch {
	case at.no == attrID && q.id == "":
		return fact{}
	case at.no == attrID:
		f := fact{state: factPresent, text: q.id}
		f.space, f.text = idSubject(q.id)
		return f
	case at.no < len(q.facts):
		if q.facts[at.no].state == factUnknown && q.typ == e.r.typ {
			e.unknown |= 1 << at.no
			e.sayf("the fact %s was not sent", q.typ.attrs[at.no].name)
		}
		return q.facts[at.no]
	case q.typ.attrs[at.no].optional:
		return fact{state: factAbsent}
	}
	return fact{}
}

func (e *explainer) inGroup(p *actorOf, id string) bool {
	n := e.s.groupNo.get(0, id)
	return n != nil && e.reaches(p, holderGroup|holder(*n))
}

// listed walks a number list from end to end.
func (e *explainer) listed(no uint16, number string) (found bool) {
	e.s.lists[no].all(func(code uint64) bool {
		entry, prefix := numberText(code)
		found = entry == number || prefix && len(number) >= len(entry) && number[:len(entry)] == entry
		return !found
	})
	return found
}

// another asks about another permission, or another resource.
func (e *explainer) another(t *test, q frameOf) bool {
	p := t.perm
	if t.self {
		p = q.perm
	}
	next := frameOf{p: q.p, perm: p, typ: e.typeOf(p)}
	one := func(x frameOf) bool {
		switch {
		case t.kind == testAllowed:
			return e.rule(x).Allow
		case t.least:
			rank, ok := e.level(x.p, x.perm, nil)
			return ok && rank >= int(t.rank)
		}
		return e.passes(x)
	}
	if t.on.kind == onID {
		next.id = t.on.id
		return one(next)
	}
	if t.on.kind == onOwn && next.typ == q.typ {
		next.id, next.facts, next.about, next.field = q.id, q.facts, q.about, q.field
		return one(next)
	}
	if t.on.kind == onOwn || q.about {
		next.id, next.about = "*", true
		return one(next)
	}
	f := e.fact(q, attr{no: t.on.attr})
	if f.state != factPresent {
		return false
	}
	if t.on.kind == onAttr {
		if next.id = f.text; t.on.attr == attrID {
			next.id = q.id
		}
		return one(next)
	}
	for _, r := range f.records {
		next.id, next.facts = r.id, r.facts
		if r.typ != next.typ || !one(next) {
			return false
		}
	}
	return len(f.records) > 0
}
