package account

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// roles reads the factory roles.
func (m *modelReader) roles(n *node) {
	for _, x := range m.named(n) {
		role := &klinkev1.Role{Id: x.key.text}
		t := at(m, x.key, &klinkev1.RoleTemplate{Role: role})
		for _, e := range m.entries(x.value) {
			switch e.key.text {
			case "grants":
				cells, places := m.grants(role.Id, e.value)
				for i, c := range cells {
					t.Cells = append(t.Cells, at(m, places[i], c))
				}
			case "includes":
				for _, item := range m.items(e.value) {
					m.declared(item, "role", n)
					if r := m.name(item); !slices.Contains(t.Includes, r) { // a mixin may include it too
						t.Includes = append(t.Includes, r)
					}
				}
			case "under":
				m.declared(e.value, "role", n)
				role.Under = m.name(e.value)
			case "assignable":
				role.NotAssignable = !m.boolean(e.value)
			case "label":
				role.Labels = m.labels(e.value)
			default:
				m.unknown(e.key, "key", []string{"grants", "includes", "under", "assignable", "label"})
			}
		}
		m.granted(x.value.get("grants"))
		m.model.Roles = append(m.model.Roles, t)
	}
}

// granted refuses grants of permissions that no type has. Patterns may meet nothing.
func (m *modelReader) granted(n *node) {
	for _, item := range m.items(n) {
		if item.shape == mapping {
			if s := item.get("schedule"); s != nil {
				m.declared(s, "schedule", m.tree.get("schedules"))
			}
			item = item.get("grant")
		}
		if m.err != nil {
			return
		}
		p, _, _ := permissionLevel(item.text)
		t, action, _ := strings.Cut(p, ".")
		if t == "*" && (action == "*" || action == "*:read" || action == "*:write") {
			continue
		}
		if a, _, _ := strings.Cut(action, ":"); a == "*" && m.types[t] != nil {
			continue
		}
		m.permission(item, p, nil)
	}
}

// schedules reads named hours: days, or ranges of days, and pairs of times.
func (m *modelReader) schedules(n *node) {
	for _, x := range m.named(n) {
		s := at(m, x.key, &klinkev1.Schedule{Name: x.key.text})
		for _, e := range m.entries(x.value) {
			switch e.key.text {
			case "zone":
				s.Zone = m.name(e.value)
			case "hours":
				for _, h := range m.named(e.value) {
					s.Hours = append(s.Hours, m.hours(m.days(h.key), h.value)...)
				}
			default:
				m.unknown(e.key, "key", []string{"zone", "hours"})
			}
		}
		m.need(x.value, s.Zone, "zone")
		if len(s.Hours) == 0 {
			m.failf(x.value, "the schedule `%s` has no hours", clip(s.Name))
		}
		m.model.Schedules = append(m.model.Schedules, s)
	}
}

// days reads `mon`, `mon-fri` or `sat-mon`.
func (m *modelReader) days(n *node) []uint32 {
	week := []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	first, last, isRange := strings.Cut(n.text, "-")
	if !isRange {
		last = first
	}
	from, to := slices.Index(week, first), slices.Index(week, last)
	if from < 0 || to < 0 {
		m.failf(n, "`%s` is no day or range of days: write mon or mon-fri (%s)", clip(n.text), strings.Join(week, ", "))
		return nil
	}
	out := []uint32{uint32(from + 1)}
	for d := from; d != to; {
		d = (d + 1) % len(week)
		out = append(out, uint32(d+1))
	}
	return out
}

// hours reads one pair of times, or a list of pairs.
func (m *modelReader) hours(days []uint32, n *node) []*klinkev1.Hours {
	var out []*klinkev1.Hours
	for _, p := range m.spans(n) {
		if p.from >= p.until {
			m.failf(p.at, "hours must end after they begin, on the same day")
		}
		out = append(out, &klinkev1.Hours{Days: days, From: durationpb.New(p.from), Until: durationpb.New(p.until)})
	}
	return out
}

// span is from one time of day until another.
type span struct {
	from, until time.Duration
	at          *node
}

// spans reads one pair of times, or a list of pairs.
func (r *reader) spans(n *node) []span {
	pairs := r.items(n)
	if len(pairs) > 0 && pairs[0].shape == scalar {
		pairs = []*node{n}
	}
	var out []span
	for _, p := range pairs {
		times := r.items(p)
		if len(times) != 2 {
			r.failf(p, `a pair of times is expected, as ["08:00", "18:00"]`)
			return nil
		}
		out = append(out, span{r.clock(times[0]), r.clock(times[1]), p})
	}
	return out
}

// clock reads a time of day, 00:00 to 24:00.
func (r *reader) clock(n *node) time.Duration {
	s := r.text(n)
	if len(s) == 5 && s[2] == ':' {
		h, err1 := strconv.ParseUint(s[:2], 10, 8)
		minutes, err2 := strconv.ParseUint(s[3:], 10, 8)
		if d := time.Duration(h)*time.Hour + time.Duration(minutes)*time.Minute; err1 == nil && err2 == nil && minutes < 60 && d <= 24*time.Hour {
			return d
		}
	}
	r.failf(n, "`%s` is no time of day: write it as \"08:00\", at most \"24:00\"", clip(s))
	return 0
}
