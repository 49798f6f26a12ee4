package policy

import "slices"

// level is stage 6: the rank of a person's cell for a permission, raised by the object grants on a frame's resource (none
// without a frame), capped by ceilings. It is not ok when, under `lowest`, a condition could not be evaluated.
func (a *asker) level(p *person, x perm, q *frame) (rank uint8, ok bool) {
	var v uint8
	restricted := a.restricted && p == &a.subject
	if p.fold != 0 && p.fold&foldDynamic == 0 && !restricted {
		v = a.s.sets.at.get(uint32(p.fold)).table.at(x)
	}
	if v&cellConditional != 0 || p.fold == 0 || p.fold&foldDynamic != 0 || restricted {
		a.failed = false
		v = a.merge(p, x, restricted)
		if a.failed {
			return 0, false
		}
	}
	rank = v - 1
	if v == 0 {
		rank = a.s.scale(x).fallback
	}
	if q != nil && !q.about && len(a.s.granted) > 0 && a.s.granted[x] > 0 {
		rank = a.raise(p, x, q, rank)
	}
	return a.cap(p, x, rank), true
}

// merge combines what a person's roles say at this moment, one by one where a condition has a say.
func (a *asker) merge(p *person, x perm, restricted bool) uint8 {
	var v uint8
	for i := -1; i < len(p.edges); i++ {
		e := a.entity(p, i)
		if e == nil || !a.exists(p, i) {
			continue
		}
		g := a.gives(e, p)
		set := a.s.sets.at.get(g.set)
		if said := set.table.at(x); said&cellConditional == 0 && !restricted {
			v = combine(v, said, a.s.lowest)
		} else {
			for _, r := range set.roles {
				v = combine(v, a.says(r, x, restricted), a.s.lowest)
			}
		}
		for _, no := range g.timed {
			if a.active(p, no) {
				v = combine(v, a.says(a.s.timed.get(no).role, x, restricted), a.s.lowest)
			}
		}
	}
	return v
}

// says is what one role, with all that it includes, says at this moment.
func (a *asker) says(role uint32, x perm, restricted bool) uint8 {
	if restricted && !slices.Contains(a.r.active, role) {
		return 0
	}
	r := *a.s.roles.get(role)
	v := r.table.at(x)
	if v&cellConditional == 0 {
		return v
	}
	v = 0
	for _, n := range r.closure {
		v = combine(v, a.say(*a.s.roles.get(n), x), a.s.lowest)
	}
	return v
}

// say is what one role alone says at this moment: the narrowest pattern that exists and knows the level.
func (a *asker) say(r *role, p perm) uint8 {
	x, _ := a.s.permission(p)
	var v uint8
	for i := range 3 {
		c := r.find(a.s.pattern(p, i))
		if c == nil {
			continue
		}
		rank, ok := x.rule.scale.rank[c.level]
		if !ok || !a.within(c.sched) || c.cond != nil && a.given(a.condition(c.cond)) != yes {
			continue
		}
		v = rank + 1
		break
	}
	if x.mode == fieldWrite && v != 0 {
		v = min(v, a.say(r, a.s.readOf(p)))
	}
	return v
}

// raise lifts a rank by the object grants on the frame's resource that reach a person.
func (a *asker) raise(p *person, x perm, q *frame, rank uint8) uint8 {
	list := a.s.objects[q.typ.no].get(0, q.id)
	if list == nil {
		return rank
	}
	for _, no := range *list {
		g := a.s.grants.get(no)
		if g.perm != x || g.rank <= rank {
			continue
		}
		if g.space != 0 && (g.space != p.space || g.who != p.id) || g.space == 0 && !a.reaches(p, g.holder) {
			continue
		}
		if g.until != 0 {
			if a.now >= g.until {
				continue
			}
			a.expires(g.until)
		}
		rank = g.rank
	}
	return rank
}

// cap lowers a rank by the ceilings that reach a person.
func (a *asker) cap(p *person, x perm, rank uint8) uint8 {
	if len(a.s.capped) == 0 || a.s.capped[x] == 0 {
		return rank
	}
	for i := -1; i < len(p.edges); i++ {
		if i >= 0 && p.edges[i].kind() == edgeCeiling {
			if c := a.s.ceilings.get(p.edges[i].number()); c.perm == x {
				rank = min(rank, c.rank)
			}
			continue
		}
		if e := a.entity(p, i); e != nil {
			for _, c := range e.ceilings {
				if c.perm == x && c.rank < rank && a.exists(p, i) {
					rank = c.rank
				}
			}
		}
	}
	return rank
}
