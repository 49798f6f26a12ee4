package policy

import (
	"fmt"
	"strings"
	"time"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Disagreement begins the last step of an explanation that came to another answer than Decide.
const Disagreement = "the fast decision differs"

// Explain answers a prepared question slowly, by the text of section 4.1, from the directory as it was written: it uses none
// of what the snapshot merged ahead. It is the reference that Decide is tested against. The answer is Decide's; should the
// two ever differ, the last step says so.
func Explain(s *Snapshot, r *Request, now time.Time) (Decision, []*klinkev1.Step) {
	e := &explainer{s: s, r: r, now: now, root: &klinkev1.Step{}}
	e.at = e.root
	slow, fast := e.answer(), Decide(s, r, now)
	if !slow.same(&fast) {
		e.sayf(Disagreement+" (%s): this is an error of the program, please report it", fast.Reason)
	}
	return fast, e.root.GetSteps()
}

// same says whether two decisions agree in all that explains them.
func (d *Decision) same(o *Decision) bool {
	return d.Allow == o.Allow && d.Reason == o.Reason && d.Level == o.Level && d.Relation == o.Relation && d.Missing == o.Missing &&
		d.unknown == o.unknown && d.obligations == o.obligations
}

type explainer struct {
	s          *Snapshot
	r          *Request
	now        time.Time
	root, at   *klinkev1.Step
	unknown    uint64
	restricted bool
}

// sayf adds a step that only informs.
func (e *explainer) sayf(format string, args ...any) {
	e.at.Steps = append(e.at.Steps, &klinkev1.Step{Text: fmt.Sprintf(format, args...)})
}

// ask adds a step, asks it with its own steps below it, and notes how it came out.
func (e *explainer) ask(text string, question func() bool) bool {
	step, up := &klinkev1.Step{Text: text}, e.at
	up.Steps = append(up.Steps, step)
	e.at = step
	holds := question()
	e.at, step.Holds = up, &holds
	return holds
}

func (e *explainer) answer() Decision {
	r := e.r
	if r.emergency {
		e.sayf("the number is an emergency number: this settles it")
		return Decision{Allow: !r.emergencyDeny, Reason: klinkev1.Reason_REASON_EMERGENCY}
	}
	subject, ok := e.find(r.subject, false)
	if !e.ask(r.subject.String()+" is known", func() bool { return ok }) {
		return Decision{Reason: klinkev1.Reason_REASON_SUBJECT_UNKNOWN}
	}
	if !e.ask(r.subject.String()+" is active", func() bool { return !subject.inactive }) {
		return Decision{Reason: klinkev1.Reason_REASON_SUBJECT_INACTIVE}
	}
	var actor *actorOf
	if r.acts {
		app, ok := e.find(r.actor, false)
		if !e.ask(r.actor.String()+" is known", func() bool { return ok }) {
			return Decision{Reason: klinkev1.Reason_REASON_ACTOR_UNKNOWN}
		}
		if !e.ask(r.actor.String()+" is active", func() bool { return !app.inactive }) {
			return Decision{Reason: klinkev1.Reason_REASON_ACTOR_INACTIVE}
		}
		actor = app
	}
	q := frameOf{p: subject, perm: r.perm, typ: r.typ, field: r.field, id: r.id, facts: r.facts, about: r.aboutType}
	d := e.rule(q)
	if d.Allow && r.restricted {
		e.restricted = true
		if !e.ask("with the active roles alone", func() bool { return e.rule(q).Allow }) {
			d = Decision{Reason: klinkev1.Reason_REASON_ACTIVE_ROLES}
		}
		e.restricted = false
	}
	if d.Allow && r.acts {
		d = e.acting(q, actor, d)
	}
	if d.Allow {
		x, _ := e.s.permission(r.perm)
		for i, o := range x.rule.obligations {
			if o.cond == nil || e.ask("obligation "+o.id+" applies", func() bool { return e.test(o.cond, q) }) {
				d.obligations |= 1 << i
			}
		}
	}
	d.unknown = e.unknown
	return d
}

// frameOf is what is being asked about.
type frameOf struct {
	p     *actorOf
	perm  perm
	typ   *resourceType
	field string
	id    string
	facts []fact
	about bool
}

func (e *explainer) rule(q frameOf) Decision {
	x, _ := e.s.permission(q.perm)
	for _, t := range x.rule.gate {
		if !e.ask("gate: "+t.text, func() bool { return e.test(t, q) }) {
			return Decision{Reason: klinkev1.Reason_REASON_GATE, Missing: t.text}
		}
	}
	over := ""
	for _, o := range x.rule.override {
		if e.ask("override: "+o.name, func() bool { return e.overrides(o, q) }) {
			over = o.name
			break
		}
	}
	if over == "" {
		for _, t := range x.rule.require {
			if !e.ask("requirement: "+t.text, func() bool { return e.test(t, q) }) {
				return Decision{Reason: klinkev1.Reason_REASON_REQUIREMENT, Missing: t.text}
			}
		}
	}
	levels := x.rule.scale.levels
	switch {
	case x.rule.levelless && over != "":
		for _, t := range x.rule.require {
			if t.kind == testPermission && !e.ask("required, under ceilings: "+t.text, func() bool { return e.another(t, q, true) }) {
				return Decision{Reason: klinkev1.Reason_REASON_REQUIREMENT, Missing: t.text}
			}
		}
		return Decision{Allow: true, Reason: klinkev1.Reason_REASON_OVERRIDE, Relation: over}
	case x.rule.levelless:
		return Decision{Allow: true, Reason: klinkev1.Reason_REASON_NO_LEVEL}
	case over != "":
		top := len(levels) - 1
		rank := e.capped(q.p, q.perm, top)
		if rank == top {
			return Decision{Allow: true, Reason: klinkev1.Reason_REASON_OVERRIDE, Level: levels[top].name, Relation: over}
		}
		return e.reach(levels[rank], q)
	}
	rank, ok := e.level(q.p, q.perm, &q)
	if !ok {
		return Decision{Reason: klinkev1.Reason_REASON_CONDITION_FAILED}
	}
	return e.reach(levels[rank], q)
}

func (e *explainer) overrides(o override, q frameOf) bool {
	if o.flag {
		for _, f := range q.p.edges {
			if f.kind() == edgeFlag && e.s.model.source.GetFlags()[f.number()] == o.name {
				return true
			}
		}
		return false
	}
	return e.passes(frameOf{p: q.p, perm: o.perm, typ: e.typeOf(o.perm), id: "*", about: true})
}

func (e *explainer) typeOf(p perm) *resourceType {
	x, _ := e.s.permission(p)
	return &e.s.model.types[x.typ]
}

func (e *explainer) reach(l level, q frameOf) Decision {
	d := Decision{Level: l.name, Reason: klinkev1.Reason_REASON_OUT_OF_REACH}
	switch {
	case l.any:
		d.Allow, d.Reason = true, klinkev1.Reason_REASON_ANY
	case len(l.tests) == 0:
		d.Reason = klinkev1.Reason_REASON_LEVEL_EMPTY
	}
	for _, t := range l.tests {
		if e.ask("relation: "+t.text, func() bool { return e.test(t, q) }) {
			return Decision{Allow: true, Reason: klinkev1.Reason_REASON_RELATION, Level: l.name, Relation: t.text}
		}
	}
	return d
}

func (e *explainer) passes(q frameOf) bool {
	rank, ok := e.level(q.p, q.perm, &q)
	return ok && e.reach(e.s.scale(q.perm).levels[rank], q).Allow
}

func (e *explainer) acting(q frameOf, app *actorOf, allowed Decision) Decision {
	q.p = app
	d := Decision{}
	e.ask("the acting "+app.who.String()+" may itself", func() bool {
		rank, ok := e.level(app, q.perm, &q)
		if !ok {
			d = Decision{Reason: klinkev1.Reason_REASON_CONDITION_FAILED}
			return false
		}
		d = e.reach(e.s.scale(q.perm).levels[rank], q)
		return d.Allow
	})
	switch {
	case d.Allow:
		return allowed
	case d.Reason == klinkev1.Reason_REASON_LEVEL_EMPTY:
		d.Reason = klinkev1.Reason_REASON_ACTOR_LEVEL_EMPTY
	case d.Reason == klinkev1.Reason_REASON_OUT_OF_REACH:
		d.Reason = klinkev1.Reason_REASON_ACTOR_OUT_OF_REACH
	}
	return d
}

// level combines what the roles say, one by one, raises and caps.
func (e *explainer) level(p *actorOf, x perm, q *frameOf) (int, bool) {
	sc := e.s.scale(x)
	name := e.s.permName(x)
	held, certain := e.held(p)
	best, said := -1, false
	for _, id := range e.closure(p, held) {
		l, ok := e.says(id, x)
		certain = certain && ok
		if l == "" {
			continue
		}
		e.sayf("role %s says %s about %s", id, l, name)
		rank := int(sc.rank[l])
		if !said || e.s.lowest && rank < best || !e.s.lowest && rank > best {
			best, said = rank, true
		}
	}
	if e.s.lowest && !certain {
		e.sayf("a condition could not be evaluated")
		return 0, false
	}
	if !said {
		best = int(sc.fallback)
		e.sayf("no role says anything about %s: the default is %s", name, sc.levels[best].name)
	}
	if q != nil && !q.about {
		for i := range e.s.grants.len() {
			g := e.s.grants.get(i)
			if g.id == "" || g.perm != x || e.s.model.types[g.typ].name != q.typ.name || g.id != q.id || int(g.rank) <= best {
				continue
			}
			if g.until != 0 && !e.now.Before(time.Unix(0, g.until)) {
				continue
			}
			if g.space != 0 && (who{g.space, g.who}) == p.who || g.space == 0 && e.reaches(p, g.holder) {
				best = int(g.rank)
				e.sayf("an object grant on %s:%s gives %s", q.typ.name, g.id, sc.levels[best].name)
			}
		}
	}
	return e.capped(p, x, best), true
}

func (e *explainer) capped(p *actorOf, x perm, rank int) int {
	lower := func(c ceiling, of string) {
		if c.perm == x && int(c.rank) < rank {
			rank = int(c.rank)
			e.sayf("the ceiling of %s is %s", of, e.s.scale(x).levels[rank].name)
		}
	}
	for _, f := range p.edges {
		if f.kind() == edgeCeiling {
			lower(*e.s.ceilings.get(f.number()), p.who.String())
		}
	}
	visit := func(h holder, b *bag) {
		for _, c := range b.ceilings {
			if e.reaches(p, h) {
				lower(c, e.s.holderText(h))
			}
		}
	}
	e.whole(func() { e.holders(visit) })
	return rank
}

// says is what a role itself says: the exact cell beats the type's pattern, which beats the pattern of all; one whose level is
// not on the scale, or whose condition or hours do not hold, does not exist. It is not certain when a condition failed.
func (e *explainer) says(id string, x perm) (l string, certain bool) {
	perm, field := e.s.permission(x)
	typ := e.s.model.types[perm.typ].name
	names := []string{typ + "." + perm.local, typ + ".*", "*.*"}
	if perm.mode != noField {
		mode := perm.mode.String()
		names = []string{typ + "." + field + ":" + mode, typ + ".*:" + mode, "*.*:" + mode}
	}
	r := e.role(id)
	certain = true
	for _, name := range names {
		for _, c := range r.cells {
			if c.pattern != name || l != "" || !has(perm.rule.scale.rank, c.level) || c.sched != nil && !e.during(c.sched) {
				continue
			}
			if c.cond != nil {
				holds, err := e.condition(c.cond, e.asked())
				if certain = certain && err == nil; !holds {
					continue
				}
			}
			l = c.level
		}
	}
	if perm.mode == fieldWrite && l != "" {
		generic := e.s.model.types[perm.typ].read
		read, ok := e.says(id, e.s.fieldPerm(generic, field))
		if certain = certain && ok; read == "" || perm.rule.scale.rank[read] < perm.rule.scale.rank[l] {
			l = read
		}
	}
	return l, certain
}

// during says whether now is inside a schedule, by its hours as they are written.
func (e *explainer) during(s *schedule) bool {
	local := e.now.In(s.zone)
	minute := local.Hour()*60 + local.Minute()
	for _, h := range s.hours {
		if h.days[local.Weekday()] && h.from <= minute && minute < h.until {
			return true
		}
	}
	return false
}

// role finds a role by its id.
func (e *explainer) role(id string) *role { return *e.s.roles.get(*e.s.roleNo.get(0, id)) }

// asked is the question's own frame, which conditions of assignments and cells are about.
func (e *explainer) asked() frameOf {
	return frameOf{perm: e.r.perm, typ: e.r.typ, field: e.r.field, id: e.r.id, facts: e.r.facts, about: e.r.aboutType}
}

func (e *explainer) condition(c *condition, q frameOf) (bool, error) {
	holds, err := c.holds(&conditionScope{
		vars:   scopeVars(e.s, e.r, q.typ, q.perm, q.field, q.id, q.facts, e.now),
		groups: e.groupsOf, departments: e.departmentsOf,
	})
	switch {
	case err != nil:
		e.sayf("condition %s: %s", c.source, strings.ReplaceAll(err.Error(), "\n", " "))
	default:
		e.sayf("condition %s: %t", c.source, holds)
	}
	return holds && err == nil, err
}
