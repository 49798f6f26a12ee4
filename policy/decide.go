package policy

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Decision is an answer. Its texts are the model's.
type Decision struct {
	Allow    bool
	Reason   klinkev1.Reason
	Level    string // the level that decided
	Relation string // the relation, flag or permission that decided
	Missing  string // the test that failed

	until       int64  // Unix nanoseconds from which on time alone could change it; 0 for never
	unknown     uint64 // by the type's attributes: tests failed because these facts were not sent
	obligations uint64 // by the rule's obligations
	people      bool   // a condition was asked, which may look at anybody
	numbers     bool   // and one that may look at a number of the resource
}

// Decide answers a prepared question at a moment, by section 4.1 of the design. It is pure and total: it never fails, blocks
// or allocates, except that conditions allocate, within their cost limit. The snapshot must be the one that the request
// was prepared for.
func Decide(s *Snapshot, r *Request, now time.Time) Decision {
	if r.emergency {
		return Decision{Allow: !r.emergencyDeny, Reason: klinkev1.Reason_REASON_EMERGENCY}
	}
	a := &r.scratch
	// All but what find fills, which costs more to clear than the rest of a decision.
	a.s, a.r, a.at, a.now = s, r, now, now.UnixNano()
	a.until, a.unknown, a.people, a.numbers, a.failed, a.restricted, a.topped = 0, 0, false, false, false, false, false
	d := a.answer()
	d.until, d.unknown, d.people, d.numbers = a.until, a.unknown, a.people, a.numbers
	return d
}

// asker is one decision in progress. It lives in the request, since what conditions look at cannot live on the stack.
type asker struct {
	s          *Snapshot
	r          *Request
	at         time.Time
	now        int64
	until      int64
	unknown    uint64
	people     bool
	numbers    bool
	failed     bool // under `lowest`, a condition could not be evaluated
	restricted bool // only the active roles count
	topped     bool // he overrides: of the permissions that are required he has the highest level
	subject    person
	actor      person
	made       fact // that no question brought
}

// frame is what is being asked about: the question's own resource, or one that a test asks about.
type frame struct {
	p     *person
	perm  perm
	typ   *resourceType
	field string
	id    string
	facts []fact
	about bool // the type, not one resource
}

func (a *asker) answer() Decision {
	s, r := a.s, a.r
	if !a.find(&a.subject, r.subject) {
		return Decision{Reason: klinkev1.Reason_REASON_SUBJECT_UNKNOWN}
	}
	if a.subject.inactive {
		return Decision{Reason: klinkev1.Reason_REASON_SUBJECT_INACTIVE}
	}
	if r.acts {
		if !a.find(&a.actor, r.actor) {
			return Decision{Reason: klinkev1.Reason_REASON_ACTOR_UNKNOWN}
		}
		if a.actor.inactive {
			return Decision{Reason: klinkev1.Reason_REASON_ACTOR_INACTIVE}
		}
	}
	q := frame{p: &a.subject, perm: r.perm, typ: r.typ, field: r.field, id: r.id, facts: r.facts, about: r.aboutType}
	d := a.rule(&q)
	if d.Allow && r.restricted {
		a.restricted = true
		if !a.rule(&q).Allow {
			d = Decision{Reason: klinkev1.Reason_REASON_ACTIVE_ROLES}
		}
		a.restricted = false
	}
	if d.Allow && r.acts {
		d = a.acting(&q, d)
	}
	if d.Allow {
		x, _ := s.permission(r.perm)
		for i := range x.rule.obligations {
			if o := &x.rule.obligations[i]; o.cond == nil || a.test(o.cond, &q) {
				d.obligations |= 1 << i
			}
		}
	}
	return d
}

// rule asks stages 3 to 7.
func (a *asker) rule(q *frame) Decision {
	x, _ := a.s.permission(q.perm)
	rule := &x.rule
	for _, t := range rule.gate {
		if !a.test(t, q) {
			return Decision{Reason: klinkev1.Reason_REASON_GATE, Missing: t.text}
		}
	}
	over := a.overrides(rule, q)
	if over == "" {
		for _, t := range rule.require {
			if !a.test(t, q) {
				return Decision{Reason: klinkev1.Reason_REASON_REQUIREMENT, Missing: t.text}
			}
		}
	}
	switch {
	case rule.levelless && over != "":
		for _, t := range rule.require {
			if t.kind == testPermission && !a.askCapped(t, q) {
				return Decision{Reason: klinkev1.Reason_REASON_REQUIREMENT, Missing: t.text}
			}
		}
		return Decision{Allow: true, Reason: klinkev1.Reason_REASON_OVERRIDE, Relation: over}
	case rule.levelless:
		return Decision{Allow: true, Reason: klinkev1.Reason_REASON_NO_LEVEL}
	}
	var rank uint8
	if over != "" {
		top := rule.scale.top()
		if rank = a.cap(q.p, q.perm, top); rank == top {
			return Decision{Allow: true, Reason: klinkev1.Reason_REASON_OVERRIDE, Level: rule.scale.levels[top].name, Relation: over}
		}
	} else {
		var ok bool
		if rank, ok = a.level(q.p, q.perm, q); !ok {
			return Decision{Reason: klinkev1.Reason_REASON_CONDITION_FAILED}
		}
	}
	return a.reach(&rule.scale.levels[rank], q)
}

// reach asks stage 7: whether a level's relations hold.
func (a *asker) reach(l *level, q *frame) Decision {
	d := Decision{Level: l.name}
	switch {
	case l.any:
		d.Allow, d.Reason = true, klinkev1.Reason_REASON_ANY
	case len(l.tests) == 0:
		d.Reason = klinkev1.Reason_REASON_LEVEL_EMPTY
	default:
		d.Reason = klinkev1.Reason_REASON_OUT_OF_REACH
		for _, t := range l.tests {
			if a.test(t, q) {
				d.Allow, d.Reason, d.Relation = true, klinkev1.Reason_REASON_RELATION, t.text
				break
			}
		}
	}
	return d
}

// overrides names the first override that takes effect; empty for none.
func (a *asker) overrides(rule *rule, q *frame) string {
	for i := range rule.override {
		o := &rule.override[i]
		if o.flag {
			if q.p.has(edgeFlag | edge(o.flagNo)) {
				return o.name
			}
			continue
		}
		about := a.about(q, o.perm)
		if a.passes(&about) {
			return o.name
		}
	}
	return ""
}

// about is a question about the type of a permission.
func (a *asker) about(q *frame, p perm) frame {
	return frame{p: q.p, perm: p, typ: &a.s.model.types[a.s.model.perms[p].typ], id: "*", about: true}
}

// passes says whether a permission's cell is not empty and one of its relations holds.
func (a *asker) passes(q *frame) bool {
	rank, ok := a.level(q.p, q.perm, q)
	return ok && a.reach(&a.s.scale(q.perm).levels[rank], q).Allow
}

// acting asks stage 8: the app's own cell, and that level's relations asked of the app.
func (a *asker) acting(q *frame, allowed Decision) Decision {
	own := *q
	own.p = &a.actor
	rank, ok := a.level(own.p, own.perm, &own)
	if !ok {
		return Decision{Reason: klinkev1.Reason_REASON_CONDITION_FAILED}
	}
	d := a.reach(&a.s.scale(own.perm).levels[rank], &own)
	switch {
	case d.Allow:
		return allowed
	case d.Reason == klinkev1.Reason_REASON_LEVEL_EMPTY:
		d.Reason = klinkev1.Reason_REASON_ACTOR_LEVEL_EMPTY
	default:
		d.Reason = klinkev1.Reason_REASON_ACTOR_OUT_OF_REACH
	}
	return d
}

// expires notes a moment at which time alone could change the answer.
func (a *asker) expires(nanos int64) {
	if nanos > 0 && (a.until == 0 || nanos < a.until) {
		a.until = nanos
	}
}

// emergencyAdvice is what goes with an emergency call. It is advice: a client that does not know it lets the call pass.
var emergencyAdvice = [...]string{"notify_emergency", "do_not_withhold_number"}

// ValidUntil is the earliest moment at which time alone could change the answer; zero for never.
func (d *Decision) ValidUntil() time.Time {
	if d.until == 0 {
		return time.Time{}
	}
	return time.Unix(0, d.until).UTC()
}

// reads adds, to what tests read, what the conditions may have read that were asked, the model's and the tenant's.
func (d *Decision) reads(byModel []*klinkev1.Read) []*klinkev1.Read {
	out := slices.Clip(byModel)
	add := func(kind klinkev1.ReadKind, name string) {
		if !slices.ContainsFunc(byModel, func(r *klinkev1.Read) bool { return r.GetKind() == kind && r.GetName() == name }) {
			out = append(out, &klinkev1.Read{Kind: kind, Name: name})
		}
	}
	if d.people {
		add(klinkev1.ReadKind_READ_KIND_PEOPLE, "")
	}
	if d.numbers {
		add(klinkev1.ReadKind_READ_KIND_SETTINGS, "")
		add(klinkev1.ReadKind_READ_KIND_LIST, ExtensionList)
	}
	return out
}

// Describe fills the answer's context, which is empty yet, as it crosses the wire, without the revision.
func (d *Decision) Describe(c *klinkev1.DecisionContext, s *Snapshot, r *Request, withReads bool) {
	c.Reason, c.Level, c.Relation, c.Missing, c.AboutType = d.Reason, d.Level, d.Relation, d.Missing, r.aboutType
	if d.until != 0 {
		c.ValidUntil = timestamppb.New(d.ValidUntil())
	}
	if d.Reason == klinkev1.Reason_REASON_EMERGENCY {
		if d.Allow {
			for _, id := range emergencyAdvice {
				c.Obligations = append(c.Obligations, &klinkev1.ObligationDue{Id: id})
			}
		}
		if withReads {
			c.Reads = []*klinkev1.Read{{Kind: klinkev1.ReadKind_READ_KIND_SETTINGS}}
		}
		return
	}
	for i := 0; d.unknown>>i != 0; i++ {
		if d.unknown>>i&1 == 1 {
			c.UnknownFacts = append(c.UnknownFacts, r.typ.attrs[i].name)
		}
	}
	x, _ := s.permission(r.perm)
	for i := range x.rule.obligations {
		if o := &x.rule.obligations[i]; d.obligations>>i&1 == 1 {
			c.Obligations = append(c.Obligations, &klinkev1.ObligationDue{Id: o.id, Required: o.required})
		}
	}
	if withReads {
		c.Reads = d.reads(x.rule.reads)
	}
}
