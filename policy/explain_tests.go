package policy

import (
	"slices"
	"strings"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
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
		return e.another(t, q, false)
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
	if t.kind == testShared {
		return e.shared(t, q, f)
	}
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
		return slices.ContainsFunc(f.list, func(g string) bool { return e.inGroup(q.p, g) && (t.carrying == "" || e.carries(q, g, t.carrying)) })
	case testListed:
		return e.listed(t.no, f.text)
	case testNumberClass:
		return e.numberClass(t, q, f)
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

// numberClass asks each class that the person has for the purpose, or the default or fixed one.
func (e *explainer) numberClass(t *test, q frameOf, f fact) bool {
	names := []string{t.class}
	if t.limit {
		if own := e.limit(q.p, t.no); own != nil {
			names = own
		}
	}
	if f.special || !f.dials {
		e.sayf("an emergency number and what is no number are in no class of service")
		return false
	}
	return slices.ContainsFunc(names, func(name string) bool {
		k := e.s.services[name]
		if k == nil {
			return false // the empty name: no class at all
		}
		best, allow := "", false
		for _, p := range k.source.GetPrefixes() {
			if strings.HasPrefix(f.text, p.GetPrefix()) && len(p.GetPrefix()) > len(best) {
				best, allow = p.GetPrefix(), !p.GetDeny()
			}
		}
		switch {
		case best != "":
			e.sayf("class %s decides by the prefix %s: %t", name, best, allow)
			return allow
		case f.number == 0 || !slices.Contains(k.source.GetTypes(), f.number):
			e.sayf("class %s does not admit this type", name)
			return false
		case k.hours[f.number] != nil && !e.during(k.hours[f.number]):
			e.sayf("class %s does not admit this type at this hour", name)
			return false
		}
		e.sayf("class %s admits this type", name)
		return true
	})
}

// carries combines what each role that is assigned to a group itself says, with all that it includes.
func (e *explainer) carries(q frameOf, group, level string) bool {
	sc, b := e.s.scale(q.perm), e.s.bagOf(holderGroup|holder(*e.s.groupNo.get(0, group)))
	if b == nil {
		return false
	}
	for _, r := range b.roles {
		if r.timed != 0 {
			if holds, _ := e.exists(q.p, r.timed-1); !holds {
				continue
			}
		}
		best := ""
		for _, id := range e.closure(q.p, []uint32{r.role}) {
			l, _ := e.says(id, q.perm)
			if best == "" || l != "" && (sc.rank[l] < sc.rank[best]) == e.s.lowest {
				best = l
			}
		}
		if best == level {
			e.sayf("role %s of group %s says %s", (*e.s.roles.get(r.role)).id, group, level)
			return true
		}
	}
	return false
}

// listed walks a number list from end to end. What is no number is in no list, whatever it begins with.
func (e *explainer) listed(no uint16, number string) (found bool) {
	digits := strings.TrimPrefix(number, "+")
	if len(digits) > MaxDigits || strings.Trim(digits, "0123456789") != "" {
		return false
	}
	e.s.lists[no].all(func(code uint64) bool {
		entry, prefix := numberText(code)
		found = entry == number || prefix && strings.HasPrefix(number, entry)
		return !found
	})
	return found
}

// another asks about another permission, or another resource.
func (e *explainer) another(t *test, q frameOf, overriding bool) bool {
	p := t.perm
	if t.self {
		p = q.perm
	}
	next := frameOf{p: q.p, perm: p, typ: e.typeOf(p)}
	one := func(x frameOf) bool {
		if overriding { // he has the highest level, under his ceilings
			levels := e.s.scale(x.perm).levels
			rank := e.capped(x.p, x.perm, len(levels)-1)
			return rank == len(levels)-1 || t.least && rank >= int(t.rank) || !t.least && e.reach(levels[rank], x).Allow
		}
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

// shared walks all sharing rules.
func (e *explainer) shared(t *test, q frameOf, owner fact) bool {
	mine := q.typ
	if t.as != noType {
		mine = &e.s.model.types[t.as]
	}
	var parent *record
	if t.through.kind != 0 {
		if f := e.fact(q, t.through); f.state == factPresent {
			parent = &f.records[0]
		}
	}
	for n := range e.s.sharing.len() {
		r := e.s.sharing.get(n)
		if r.level == klinkev1.SharingLevel_SHARING_LEVEL_UNSPECIFIED || !e.means(q.p, r.to) {
			continue // the first is a number that is not in use
		}
		if r.typ == mine.no && r.level >= t.sharing && e.covers(r.from, owner) {
			e.sayf("a sharing rule of %s gives %s from %s to %s", mine.name, levelText(r.level), e.s.toText(r.from), e.s.toText(r.to))
			return true
		}
		if parent == nil || r.typ != parent.typ.no || r.far(mine.no) < t.sharing {
			continue
		}
		if no, ok := parent.typ.attrNo[t.attr.name]; ok && e.covers(r.from, parent.facts[no]) {
			e.sayf("a sharing rule of the parent's %s gives %s from %s to %s", parent.typ.name, levelText(r.far(mine.no)), e.s.toText(r.from), e.s.toText(r.to))
			return true
		}
	}
	return false
}

// means says whether one side of a sharing rule means a person.
func (e *explainer) means(p *actorOf, x to) bool {
	if x.subject.space != 0 {
		return x.subject == p.who
	}
	return e.reaches(p, x.holder)
}

// covers says whether a sharing rule's source means an owner: a known subject, or a group that is the source or nested in it.
func (e *explainer) covers(from to, owner fact) bool {
	if owner.state != factPresent {
		return false
	}
	if owner.space == spaceGroup {
		n := e.s.groupNo.get(0, owner.text)
		return n != nil && from.holder.kind() == holderGroup && e.nestedIn(*n, from.holder.number())
	}
	p, ok := e.find(who{owner.space, owner.text}, true)
	return ok && e.means(p, from)
}

func (e *explainer) nestedIn(inner, outer uint32) bool {
	return inner == outer || slices.ContainsFunc((*e.s.groups.get(outer)).members, func(m holder) bool {
		return m.kind() == holderGroup && e.nestedIn(inner, m.number())
	})
}
