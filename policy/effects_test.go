// This property proves that the effects of a write are who gained and lost what: they are held to a plain account that looks
// at every person and every permission before and after.
package policy

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// bookkeeper tells from the records alone what somebody has for good or for now, and what hours and conditions may change.
type bookkeeper struct {
	s   *Snapshot
	now int64
}

// way is how somebody has a role: now, by its time alone, or only sometimes; both for one that will end.
type way struct{ now, sometimes bool }

func (k bookkeeper) assignment(t *timed) (h way, there bool) {
	switch {
	case t.until != 0 && t.until <= k.now:
		return way{}, false
	case t.cond != nil || t.sched != nil || t.from > k.now:
		return way{sometimes: true}, true
	}
	return way{now: true, sometimes: true}, true
}

// roles are those that somebody has by any route, with what gives them: a chain of assignments is as certain as all of them.
func (k bookkeeper) roles(p *actorOf) map[uint32][]way {
	out := map[uint32][]way{}
	direct := map[uint32]way{}
	for _, f := range p.edges {
		switch f.kind() {
		case edgeRole:
			direct[f.number()] = way{now: true}
		case edgeTimed:
			t := k.s.timed.get(f.number())
			if h, ok := k.assignment(t); ok {
				direct[t.role] = h
			}
		}
	}
	// Whoever he is for good, and whoever each of his roles makes him.
	beings := []way{{now: true}}
	persons := []*actorOf{{who: p.who, edges: slices.DeleteFunc(slices.Clone(p.edges), func(f edge) bool { return f.kind() == edgeRole || f.kind() == edgeTimed })}}
	for r, h := range direct {
		out[r] = append(out[r], h)
		beings, persons = append(beings, h), append(persons, &actorOf{who: who{id: "nobody"}, edges: []edge{edgeRole | edge(r)}})
	}
	e := &explainer{s: k.s}
	var own way // whether he has a role of his own
	for _, h := range direct {
		own = way{now: own.now || h.now, sometimes: own.sometimes || h.sometimes}
		if !h.sometimes {
			own = way{now: true}
			break // for good
		}
	}
	e.holders(func(h holder, b *bag) {
		heard := way{now: true}
		if h.kind() == holderGroup && e.directFirst() {
			if own.now && !own.sometimes {
				return
			}
			heard = way{now: !own.now, sometimes: own.sometimes}
		}
		for i, person := range persons {
			if len(b.roles) == 0 || !e.reaches(person, h) {
				continue
			}
			for _, r := range b.roles {
				given, there := way{now: true}, true
				if r.timed != 0 {
					given, there = k.assignment(k.s.timed.get(r.timed - 1))
				}
				if there {
					out[r.role] = append(out[r.role], way{
						now: given.now && beings[i].now && heard.now, sometimes: given.sometimes || beings[i].sometimes || heard.sometimes})
				}
			}
		}
	})
	return out
}

// says is the rank that one role alone says for good, -1 for silence, and whether hours or conditions have a say.
func (k bookkeeper) says(r *role, x perm) (rank int, conditional bool) {
	p, field := k.s.permission(x)
	typ := k.s.model.types[p.typ].name
	names := []string{typ + "." + p.local, typ + ".*", "*.*"}
	if p.mode != noField {
		names = []string{typ + "." + field + ":" + p.mode.String(), typ + ".*:" + p.mode.String(), "*.*:" + p.mode.String()}
	}
	rank = -1
	for _, name := range names {
		for _, c := range r.cells {
			at, known := p.rule.scale.rank[c.level]
			switch {
			case c.pattern != name || !known || rank >= 0:
			case c.conditional():
				conditional = true
			default:
				rank = int(at)
			}
		}
	}
	if p.mode == fieldWrite && (rank >= 0 || conditional) {
		read, also := k.says(r, k.s.readOf(x))
		rank, conditional = min(rank, read), conditional || also
	}
	return rank, conditional
}

// level is the level that somebody has of a permission, whether nobody passes by it, and whether hours and conditions have a
// say. Who is not there has the empty one.
func (k bookkeeper) level(w who, name string) (level string, empty, conditional bool) {
	e := &explainer{s: k.s}
	p, there := e.find(w, false)
	if !there {
		return "", true, false
	}
	x, ok := k.s.exact(name)
	if !ok { // a field that nobody has named: what is said of all
		typ, local, _ := strings.Cut(name, ".")
		_, mode, _ := cutField(local)
		x = k.s.model.types[k.s.model.typeNo[typ]].read
		if mode == fieldWrite {
			x = k.s.model.types[k.s.model.typeNo[typ]].write
		}
	}
	sc := k.s.scale(x)
	best := -1
	for r, ways := range k.roles(p) {
		for _, w := range ways {
			for _, id := range e.closure(p, []uint32{r}) {
				rank, also := k.says(e.role(id), x)
				conditional = conditional || also || w.sometimes && rank >= 0
				if w.now && rank >= 0 && (best < 0 || k.s.lowest && rank < best || !k.s.lowest && rank > best) {
					best = rank
				}
			}
		}
	}
	if best < 0 {
		best = int(sc.fallback)
	}
	l := sc.levels[best]
	return l.name, !l.any && len(l.tests) == 0, conditional
}

// flags are those that somebody carries.
func (k bookkeeper) flags(w who) map[string]bool {
	out := map[string]bool{}
	if p, ok := (&explainer{s: k.s}).find(w, false); ok {
		for _, f := range p.edges {
			if f.kind() == edgeFlag {
				out[k.s.model.source.GetFlags()[f.number()]] = true
			}
		}
	}
	return out
}

// account lists who gained and lost what, as effects should.
func account(before, after bookkeeper) map[effectKey][]string {
	out := map[effectKey][]string{}
	people := map[who]bool{}
	next := after.s
	for _, s := range []*Snapshot{before.s, next} {
		s.subjects.all(func(space byte, id []byte, _ *subject) bool {
			people[who{space, string(id)}] = true
			return true
		})
	}
	add := func(w who, key effectKey) { out[key] = append(out[key], w.String()) }
	for w := range people {
		had, got := before.flags(w), after.flags(w)
		for f := range got {
			if !had[f] {
				add(w, effectKey{permission: "flag:" + f, to: "set"})
			}
		}
		for f := range had {
			if !got[f] {
				add(w, effectKey{permission: "flag:" + f, from: "set"})
			}
		}
		for x := range perm(len(next.model.perms) + len(next.fields)) {
			name := next.permName(x)
			from, nothingBefore, a := before.level(w, name)
			to, nothingAfter, b := after.level(w, name)
			if from != to && !(nothingBefore && nothingAfter && (from == "" || to == "")) {
				add(w, effectKey{permission: name, from: from, to: to, conditional: a || b})
			}
		}
	}
	return out
}

// same holds effects to an account of them; about says what they are the effects of.
func same(t *rapid.T, effects []*klinkev1.Effect, want map[effectKey][]string, about any) {
	got := map[effectKey][]string{}
	for _, e := range effects {
		key := effectKey{e.GetPermission(), e.GetFrom(), e.GetTo(), e.GetConditional()}
		if got[key] != nil || e.GetCount() != uint64(len(e.GetSubjects())) {
			t.Fatalf("said twice, or miscounted: %v", e)
		}
		got[key] = e.GetSubjects()
	}
	for _, names := range want {
		slices.Sort(names)
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Fatalf("effects of %v\n%v\nwant\n%v", about, got, want)
	}
}

func TestEffectsAreWhoGainedAndLostWhat(t *testing.T) {
	check(t, func(t *rapid.T) {
		l := begin(t)
		for range 6 {
			l.now = l.moment()
			out := l.write()
			if out == nil {
				continue
			}
			if out.Next.model == l.s.model {
				same(t, out.Effects, account(bookkeeper{l.s, l.now.UnixNano()}, bookkeeper{out.Next, l.now.UnixNano()}), out.Changes)
			} else if out.Effects != nil {
				t.Fatalf("effects of another vocabulary: %v", out.Effects)
			}
			l.s = out.Next
		}
	})
}
