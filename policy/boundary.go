package policy

import (
	"slices"
	"time"
)

// hoursUse is who uses one of the model's schedules.
type hoursUse struct {
	cells uint32  // of the tenant's roles
	ends  moments // of assignments, each by its number in Snapshot.timed and its end, momentNever for none
}

// NextBoundary is the next moment strictly after one at which time alone may change an answer; zero when none will. What is
// meant are the times of assignments and object grants, and the edges of the hours that are in use: of schedules named by a test
// of the model, by a role's cell, or by an assignment that has not ended; and of classes of service, if the model has a test that
// asks for these. A condition that reads the clock may change an answer at any moment, and is not meant.
//
// It costs by the schedules of the model and the classes of service that have hours, never by subjects.
func (s *Snapshot) NextBoundary(after time.Time) time.Time {
	nanos := after.UnixNano()
	var next time.Time
	for m := range s.moments.after(nanos) {
		next = time.Unix(0, m.at).UTC()
		break
	}
	s.inUse(nanos, func(h *schedule, _ int) {
		if _, edge := h.at(after); !edge.IsZero() && (next.IsZero() || edge.Before(next)) {
			next = edge.UTC()
		}
	})
	return next
}

// inUse visits the hours that may matter from a moment on: the model's schedules with their numbers, and those of classes of
// service with -1.
func (s *Snapshot) inUse(nanos int64, visit func(h *schedule, no int)) {
	if s.model == nil {
		return
	}
	for i := range s.model.scheds {
		if u := &s.hours[i]; s.model.scheds[i].tested || u.cells > 0 || u.ends.last() > nanos {
			visit(&s.model.scheds[i], i)
		}
	}
	if !s.model.serving {
		return
	}
	for _, k := range s.services {
		for _, h := range k.hours {
			if h != nil {
				visit(h, -1)
			}
		}
	}
}

// minds keeps or forgets the moments of a timed assignment.
func (d *draft) minds(no uint32, keep bool) {
	t := d.s.timed.get(no)
	edit := (*moments).remove
	if keep {
		edit = (*moments).add
	}
	if t.from != 0 {
		edit(&d.s.moments, d.b, moment{t.from, momentBegins | no})
	}
	if t.until != 0 {
		edit(&d.s.moments, d.b, moment{t.until, momentEnds | no})
	}
	if t.sched != nil {
		end := t.until
		if end == 0 {
			end = momentNever
		}
		edit(&d.hoursUse(t.sched).ends, d.b, moment{end, no})
	}
}

// mindsGrant keeps or forgets the end of an object grant.
func (d *draft) mindsGrant(no uint32, keep bool) {
	until := d.s.grants.get(no).until
	switch at := (moment{until, momentGrantEnds | no}); {
	case until == 0:
	case keep:
		d.s.moments.add(d.b, at)
	default:
		d.s.moments.remove(d.b, at)
	}
}

// mindsCell counts a cell that has hours, or takes it off the count.
func (d *draft) mindsCell(c *cell, by uint32) {
	if c.sched != nil {
		d.hoursUse(c.sched).cells += by
	}
}

// hoursUse is the use of a schedule, to be changed.
func (d *draft) hoursUse(h *schedule) *hoursUse {
	if !d.ownsHours {
		d.ownsHours, d.s.hours = true, slices.Clone(d.s.hours)
	}
	return &d.s.hours[d.s.model.schedNo[h.name]]
}
