package policy

import (
	"time"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Passage is what time alone made of a tenant.
type Passage struct {
	// Last is the last boundary that passed.
	Last time.Time
	// Footprint and Effects are as entries keep them. A right that begins or ends by its time has the footprint of one that is
	// given or taken away by hand. Effects leave hours out, as those of writes do.
	Footprint *klinkev1.Footprint
	Effects   []*klinkev1.Effect
	// NextBoundary is the next one after the passage; zero when there is none.
	NextBoundary time.Time
}

// Pass says what changed in a tenant by itself after one moment and until another, itself included; nil when no boundary passed.
// The footprint is met by every answer that may be another one at the end than at the beginning, or at any moment between, except
// by a condition that reads the clock. It costs by the classes of the tenant, and by its subjects when few enough are concerned.
func Pass(s *Snapshot, after, until time.Time) *Passage {
	next := s.NextBoundary(after)
	if next.IsZero() || next.After(until) {
		return nil
	}
	p := &passage{draft: newDraft(s, Stamp{Now: until}), from: after, to: until}
	p.times()
	p.hours()
	changed := p.speaking()
	p.meet(changed)
	return &Passage{Last: p.last.UTC(), Footprint: p.footprint(), Effects: p.passing(), NextBoundary: s.NextBoundary(until)}
}

// passage is a draft in which nothing is edited: it borrows what a write derives its footprint and effects from.
type passage struct {
	*draft
	from, to time.Time
	last     time.Time
	turned   []bool // by number of Snapshot.timed: it began or ended, or its hours did; nil for none
	ended    map[uint32]bool
}

func (p *passage) passed(at time.Time) {
	if at.After(p.last) {
		p.last = at
	}
}

func (p *passage) turn(no uint32) {
	if p.turned == nil {
		p.turned = make([]bool, p.s.timed.len())
		p.touched[klinkev1.ReadKind_READ_KIND_PEOPLE] = true
	}
	p.turned[no] = true
}

// times notes what began and ended by its own time.
func (p *passage) times() {
	p.ended = map[uint32]bool{}
	for m := range p.s.moments.after(p.from.UnixNano()) {
		if m.at > p.to.UnixNano() {
			break
		}
		p.passed(time.Unix(0, m.at))
		no := m.what & momentNumber
		if m.what&momentKind != momentGrantEnds {
			p.turn(no)
			continue
		}
		p.ended[no] = true
		p.touched[klinkev1.ReadKind_READ_KIND_OBJECTS] = true
		if g := p.s.grants.get(no); g.space == 0 {
			p.concerns(g.holder, map[holder]bool{})
		}
	}
}

// hours notes whose hours began or ended.
func (p *passage) hours() {
	cells := map[*schedule]bool{}
	p.s.inUse(p.from.UnixNano(), func(h *schedule, no int) {
		last := h.lastEdge(p.from, p.to)
		if last.IsZero() {
			return
		}
		p.passed(last)
		if no < 0 {
			p.touched[klinkev1.ReadKind_READ_KIND_SETTINGS] = true // where classes of service are
			return
		}
		p.all = p.all || h.tested // by anybody's answer
		use := &p.s.hours[no]
		for m := range use.ends.after(p.from.UnixNano()) {
			if p.s.timed.get(m.what).from < p.to.UnixNano() {
				p.turn(m.what)
			}
		}
		if use.cells > 0 {
			cells[h] = true
		}
	})
	if len(cells) == 0 {
		return
	}
	for n := range p.s.roles.len() {
		for _, c := range (*p.s.roles.get(n)).cells {
			if cells[c.sched] {
				p.says[n] = struct{}{}
			}
		}
	}
}

// meet finds the classes whose rights may be others now.
func (p *passage) meet(changed map[uint32]bool) {
	if p.turned != nil {
		p.s.bags(func(h holder, b *bag) {
			for _, r := range b.roles {
				if r.timed != 0 && p.turned[r.timed-1] {
					p.concerns(h, map[holder]bool{})
				}
			}
		})
	}
	if p.turned == nil && len(p.ended)+len(p.stands)+len(changed) == 0 {
		return
	}
	for n := range p.s.classes.n {
		if p.s.classes.refs(n) > 0 && (p.own(n) || p.hit(n, changed)) {
			p.hits = append(p.hits, n)
		}
	}
}

// own says whether something turned that subjects of a class have of their own.
func (p *passage) own(class uint32) bool {
	edges := p.s.classes.edges(class)
	for _, e := range edges[countBefore(edges, edgeTimed):] {
		switch e.kind() {
		case edgeTimed:
			if p.turned != nil && p.turned[e.number()] {
				return true
			}
		case edgeObject:
			if p.ended[e.number()] {
				return true
			}
		}
	}
	return false
}

// passing are the effects: what the classes that were met have at the end and had at the beginning.
func (p *passage) passing() []*klinkev1.Effect {
	g := &gains{d: p.draft, found: map[effectKey]*gain{}}
	for _, n := range p.hits {
		if p.s.classes.fold(n)&foldDynamic == 0 {
			continue // all that it has, it has for good
		}
		g.compare(p.s.standing(n, p.from.UnixNano()), p.s.standing(n, p.to.UnixNano()), func(x *gain) {
			x.count += uint64(p.s.classes.refs(n))
			x.classes = append(x.classes, n)
		})
	}
	return g.list()
}
