package policy

import (
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // zones must not depend on the machine

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// schedule is compiled hours. Hours are by the clock on the wall: on the day on which a zone's clock is put forward, an
// opening inside the lost hour begins when the clock has jumped over it.
type schedule struct {
	name  string
	zone  *time.Location
	hours []hours
}

type hours struct {
	days        [7]bool // by time.Weekday
	from, until int     // minutes from local midnight
}

func newSchedule(src *klinkev1.Schedule) (schedule, error) {
	zone, err := time.LoadLocation(src.GetZone())
	if err != nil || src.GetZone() == "" || src.GetZone() == "Local" {
		return schedule{}, fmt.Errorf("no time zone is named %q", src.GetZone())
	}
	s := schedule{name: src.GetName(), zone: zone}
	for _, h := range src.GetHours() {
		from, until := h.GetFrom().AsDuration(), h.GetUntil().AsDuration()
		if from%time.Minute != 0 || until%time.Minute != 0 || from < 0 || until > 24*time.Hour || from >= until {
			return schedule{}, fmt.Errorf("hours from %v until %v: whole minutes of one day, the end after the beginning", from, until)
		}
		c := hours{from: int(from / time.Minute), until: int(until / time.Minute)}
		for _, d := range h.GetDays() {
			if d < 1 || d > 7 {
				return schedule{}, fmt.Errorf("day %d of the week; Monday is 1 and Sunday 7", d)
			}
			c.days[d%7] = true
		}
		s.hours = append(s.hours, c)
	}
	if len(s.hours) == 0 {
		return schedule{}, errors.New("a schedule without hours")
	}
	return s, nil
}

// at says whether a moment is inside the hours, and when that next changes or could change. It does not allocate.
func (s *schedule) at(now time.Time) (inside bool, next time.Time) {
	local := now.In(s.zone)
	y, m, d := local.Date()
	for day := range 9 { // a week on, and a day on either side of it for zones that jump
		weekday := (int(local.Weekday()) + day) % 7
		for i := range s.hours {
			h := &s.hours[i]
			if !h.days[weekday] {
				continue
			}
			from := time.Date(y, m, d+day, 0, h.from, 0, 0, s.zone)
			until := time.Date(y, m, d+day, 0, h.until, 0, 0, s.zone)
			if !now.Before(from) && now.Before(until) {
				inside = true
			}
			for _, edge := range [2]time.Time{from, until} {
				if edge.After(now) && (next.IsZero() || edge.Before(next)) {
					next = edge
				}
			}
		}
		if !next.IsZero() {
			return inside, next
		}
	}
	return inside, next
}
