// These properties hold the boundaries of time to what they promise: the next one is found, nothing changes before it, and what
// its passing says is met by every answer that it changed.
package policy

import (
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// says visits every message inside another one, itself included.
func says(m protoreflect.Message, visit func(proto.Message)) {
	visit(m.Interface())
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				says(v.List().Get(i).Message(), visit)
			}
		default:
			says(v.Message(), visit)
		}
		return true
	})
}

// nextBoundary is NextBoundary by the text of its promise: it walks the model and all records.
func nextBoundary(s *Snapshot, after time.Time) (next time.Time) {
	found := func(at time.Time) {
		if at.After(after) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	hours := map[string]bool{}
	classes := false
	says(s.model.source.ProtoReflect(), func(m proto.Message) {
		switch x := m.(type) {
		case *klinkev1.InSchedule:
			hours[x.GetName()] = true
		case *klinkev1.NumberClass:
			classes = true
		}
	})
	w := &checkpointer{s: s, group: map[uint32]uint32{}, department: map[uint32]uint32{}, role: map[uint32]uint32{}}
	w.yield = func(c *klinkev1.CheckpointChunk) bool {
		for _, r := range c.GetRecords() {
			if a := r.GetRecord().GetAssignment(); a != nil {
				if a.GetFrom() != nil {
					found(a.GetFrom().AsTime())
				}
				if a.GetUntil() != nil {
					found(a.GetUntil().AsTime())
				}
				if a.GetUntil() == nil || a.GetUntil().AsTime().After(after) {
					hours[a.GetSchedule()] = true
				}
			}
			if g := r.GetRecord().GetObjectGrant(); g.GetUntil() != nil {
				found(g.GetUntil().AsTime())
			}
			hours[r.GetRecord().GetCell().GetSchedule()] = true
		}
		return true
	}
	for _, step := range []func(){w.roles, w.relations, w.ofSubjects, w.grants, w.flush} {
		step()
	}
	edge := func(h *schedule) {
		if _, at := h.at(after); !at.IsZero() {
			found(at)
		}
	}
	for i := range s.model.scheds {
		if hours[s.model.scheds[i].name] {
			edge(&s.model.scheds[i])
		}
	}
	for _, k := range s.services {
		for _, h := range k.hours {
			if classes && h != nil {
				edge(h)
			}
		}
	}
	return next
}

// timely is a tenant after a few writes. Half of them use a model that has no test of hours, some one that has calls.
func timely(t *rapid.T) *life {
	g := &chooser{t: t}
	g.hourless = g.chance(2)
	l := beginWith
	if g.chance(3) {
		l = func(g *chooser) *life {
			l := exchangeWith(g)
			l.configure()
			return l
		}
	}
	out := l(g)
	out.grow()
	return out
}

// grow makes a few writes.
func (l *life) grow() {
	for range 1 + l.below(6) {
		if l.chance(2) { // of what has times, more than there is otherwise
			for range 4 {
				r := pick(l.chooser, &klinkev1.Record{Record: &klinkev1.Record_Assignment{Assignment: l.assignment()}}, l.record())
				if out := l.apply([]*klinkev1.Change{put(r)}); out != nil {
					l.s = out.Next
				}
			}
		}
		if out := l.write(); out != nil {
			l.s = out.Next
		}
	}
}

// The fast way finds the boundary that the slow one finds.
func TestNextBoundaryIsTheNext(t *testing.T) {
	check(t, func(t *rapid.T) {
		l := begin(t)
		for range 3 {
			l.grow()
			for range 6 {
				now := l.hour()
				if got, want := l.s.NextBoundary(now), nextBoundary(l.s, now); !got.Equal(want) || !got.IsZero() && !got.After(now) {
					t.Fatalf("after %v comes %v, want %v", now, got, want)
				}
			}
		}
		audit(t, l.s)
	})
}

// readsClock says whether a condition read the clock for an answer.
func readsClock(d Decision, now time.Time) bool { return d.until == now.UnixNano() }

// Between now and the next boundary no answer changes, apart from those for which a condition read the clock; and no other
// answer says that it holds for less.
func TestNothingChangesBeforeTheNextBoundary(t *testing.T) {
	check(t, func(t *rapid.T) {
		l := timely(t)
		for range 4 {
			now := l.hour()
			next := l.s.NextBoundary(now)
			last := now.Add(1000 * time.Hour)
			if !next.IsZero() {
				last = next.Add(-1)
			}
			later := last
			if l.chance(2) && last.After(now) {
				later = now.Add(time.Duration(rapid.Int64Range(0, int64(last.Sub(now))).Draw(l.t, "later")))
			}
			var r Request
			for range 20 {
				q := l.question()
				if has(l.s.model.typeNo, "call") && l.chance(2) {
					q = l.call()
				}
				was, ok := l.decide(l.s, &r, q, now)
				if !ok || readsClock(was, now) {
					continue
				}
				if until := was.ValidUntil(); !until.IsZero() && (next.IsZero() || until.Before(next)) {
					t.Fatalf("valid until %v, before the next boundary after %v, %v\n%v", until, now, next, q)
				}
				if is := Decide(l.s, &r, later); was != is {
					t.Fatalf("at %v: %+v\nat %v: %+v\nthe next boundary is %v\n%v", now, was, later, is, next, q)
				}
			}
		}
	})
}

// An answer that survives what a passage says is the one that is given at its end, unless a condition read the clock for it.
// One passage over several boundaries says no less than one for each.
func TestPassagesCoverWhatChanges(t *testing.T) {
	changed := 0
	check(t, func(t *rapid.T) {
		l := timely(t)
		for range 3 {
			now := l.hour()
			steps := []time.Time{now}
			for range 1 + l.below(4) {
				if next := l.s.NextBoundary(steps[len(steps)-1]); !next.IsZero() {
					steps = append(steps, next.Add(time.Duration(l.below(2)*l.below(1000))))
				}
			}
			later := steps[len(steps)-1]
			if len(steps) == 1 {
				if p := Pass(l.s, now, now.Add(10_000*time.Hour)); p != nil {
					t.Fatalf("nothing is to come, and %v", p)
				}
				continue
			}
			whole := Pass(l.s, now, later)
			if whole == nil || whole.Last.After(later) || !whole.Last.After(now) || l.s.NextBoundary(whole.Last.Add(-1)) != whole.Last {
				t.Fatalf("between %v and %v passed %+v", now, later, whole)
			}
			if next := l.s.NextBoundary(whole.Last); !next.IsZero() && !next.After(later) {
				t.Fatalf("%v was called the last until %v, and after it came %v", whole.Last, later, next)
			}
			var parts []*Passage
			for i, from := range steps[:len(steps)-1] {
				p := Pass(l.s, from, steps[i+1])
				if p == nil {
					t.Fatalf("between %v and %v passed nothing", from, steps[i+1])
				}
				parts = append(parts, p)
			}
			questions := l.questions()
			for range 10 {
				if has(l.s.model.typeNo, "call") {
					questions = append(questions, l.call())
				}
			}
			var r Request
			for _, q := range questions {
				was, ok := l.decide(l.s, &r, q, now)
				if !ok || readsClock(was, now) {
					continue
				}
				told := &klinkev1.DecisionContext{}
				was.Describe(told, l.s, &r, true)
				is := Decide(l.s, &r, later)
				was.until, is.until = 0, 0
				if was == is {
					continue
				}
				changed++
				if !meets(whole.Footprint, q, told.GetReads()) {
					t.Fatalf("%v\nat %v: %+v\nat %v: %+v\nreads: %v\nfootprint: %v", q, now, was, later, is, told.GetReads(), whole.Footprint)
				}
				if !slices.ContainsFunc(parts, func(p *Passage) bool { return meets(p.Footprint, q, told.GetReads()) }) {
					t.Fatalf("%v\nat %v: %+v\nat %v: %+v\nreads: %v\nno part of it is met", q, now, was, later, is, told.GetReads())
				}
			}
		}
	})
	if changed < 100 {
		t.Errorf("only %d answers changed with time: that proves nothing", changed)
	}
}

// The effects of a passage are who gained and lost what by it.
func TestEffectsOfPassages(t *testing.T) {
	found := 0
	check(t, func(t *rapid.T) {
		l := timely(t)
		for range 4 {
			from, to := l.moment(), l.moment()
			if p := Pass(l.s, from, to); p != nil {
				found += len(p.Effects)
				same(t, p.Effects, account(bookkeeper{l.s, from.UnixNano()}, bookkeeper{l.s, to.UnixNano()}), []time.Time{from, to})
			} else if to.After(from) {
				same(t, nil, account(bookkeeper{l.s, from.UnixNano()}, bookkeeper{l.s, to.UnixNano()}), []time.Time{from, to})
			}
		}
	})
	if found == 0 {
		t.Error("nobody gained or lost anything: that proves nothing")
	}
}

// The tree of moments is a sorted set, and edits through a batch leave what others hold alone.
func TestMomentsAreASortedSet(t *testing.T) {
	check(t, func(t *rapid.T) {
		l := &chooser{t: t}
		var m moments
		held := map[moment]bool{}
		for range 1 + l.below(12) {
			before, had := m, maps.Clone(held)
			b := new(batch)
			shrinks, spread := l.chance(3), 1+l.below(5000)
			order := slices.SortedFunc(maps.Keys(held), moment.compare)
			for range rapid.IntRange(0, 600).Draw(t, "edits") {
				x := moment{int64(1 + l.below(spread)), uint32(l.below(3))<<30 | uint32(l.below(4))}
				if shrinks && len(order) > 0 {
					x = order[l.below(len(order))]
				}
				if shrinks || l.chance(4) {
					m.remove(b, x)
					delete(held, x)
				} else {
					m.add(b, x)
					held[x] = true
				}
			}
			for _, c := range []struct {
				m    moments
				want map[moment]bool
			}{{m, held}, {before, had}} {
				want := slices.SortedFunc(maps.Keys(c.want), moment.compare)
				if got := slices.Collect(c.m.after(0)); !slices.Equal(got, want) {
					t.Fatalf("%v, want %v", got, want)
				}
				after := int64(l.below(spread + 1))
				want = slices.DeleteFunc(want, func(x moment) bool { return x.at <= after })
				if got := slices.Collect(c.m.after(after)); !slices.Equal(got, want) {
					t.Fatalf("after %d: %v, want %v", after, got, want)
				}
			}
		}
	})
}
