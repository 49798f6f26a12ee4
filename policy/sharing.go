package policy

import (
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// noType is no type's number: a model has fewer.
const noType = ^uint16(0)

// sharing is one `shared` test on its way: what it looks for, and whose the resource and its parent are.
type sharing struct {
	a      *asker
	test   *test
	typ    uint16
	owner  principal
	parent principal
	of     uint16 // the parent's type
}

// principal is a user or group whom a fact names. He is looked up once, and only when a rule asks.
type principal struct {
	named, known, sought bool
	group                string
	who                  who
	person               person
}

func (p *principal) name(f *fact) {
	p.named = f.state == factPresent
	if f.space == spaceGroup {
		p.group = f.text
	}
	p.who = who{f.space, f.text}
	p.person.other = true
}

// shared asks whether a sharing rule that reaches the person covers the owner, or the parent's owner.
func (a *asker) shared(t *test, q *frame) bool {
	x := sharing{a: a, test: t, typ: q.typ.no, of: noType}
	if t.as != noType {
		x.typ = t.as
	}
	x.owner.name(a.fact(q, t.attr))
	if t.through.kind != 0 {
		if f := a.fact(q, t.through); f.state == factPresent && len(f.records) == 1 {
			r := &f.records[0]
			if no, ok := r.typ.attrNo[t.attr.name]; ok {
				x.of = r.typ.no
				x.parent.name(&r.facts[no])
			}
		}
	}
	if a.s.sharing.live == 0 || !x.owner.named && !x.parent.named { // facts that were not sent are noted all the same
		return false
	}
	for i := -1; i < len(q.p.edges); i++ {
		if i >= 0 && q.p.edges[i].kind() == edgeSharing {
			if r := a.s.sharing.get(q.p.edges[i].number()); r.to.subject == q.p.who && x.gives(r) {
				return true
			}
			continue
		}
		e := a.entity(q.p, i)
		if e == nil || !e.shared {
			continue
		}
		for _, h := range e.reach {
			b := a.s.bagOf(h)
			if b == nil {
				continue
			}
			for _, no := range b.sharing {
				if x.gives(a.s.sharing.get(no)) && a.exists(q.p, i) {
					return true
				}
			}
		}
	}
	return false
}

func (x *sharing) gives(r *sharingRule) bool {
	return r.typ == x.typ && x.enough(r.level) && x.covers(r.from, &x.owner) ||
		r.typ == x.of && x.enough(r.far(x.typ)) && x.covers(r.from, &x.parent)
}

func (x *sharing) enough(l klinkev1.SharingLevel) bool { return l >= x.test.sharing }

// covers says whether a rule's source means an owner.
func (x *sharing) covers(from to, p *principal) bool {
	if !p.named {
		return false
	}
	if p.group != "" {
		if from.holder.kind() != holderGroup {
			return false
		}
		no := x.a.s.groupNo.get(0, p.group)
		if no == nil {
			return false
		}
		_, ok := slices.BinarySearch((*x.a.s.groups.get(*no)).reach, from.holder)
		return ok
	}
	if from.subject.space != 0 {
		return from.subject == p.who
	}
	if !p.sought {
		p.sought, p.known = true, x.a.find(&p.person, p.who)
	}
	return p.known && x.a.reaches(&p.person, from.holder)
}
