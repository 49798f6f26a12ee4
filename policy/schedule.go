package policy

import (
	"errors"
	"fmt"
	"math"
	"time"
	_ "time/tzdata" // zones must not depend on the machine

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// schedule is compiled hours. Hours are by the clock on the wall: where a zone's clock is put forward, hours that begin or end
// inside the lost hour do so when the clock jumps over it; where it is put back, what it shows twice holds twice.
type schedule struct {
	name  string
	zone  *time.Location
	hours []hours
	// tested says that a test of the model names it.
	tested bool
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

// lastEdge is the last edge, as at knows them, after one moment and until another, itself included; zero when there is none.
func (s *schedule) lastEdge(after, until time.Time) (last time.Time) {
	// Whoever has edges has one in each week; the days more are for clocks that are put forward or back.
	if week := until.Add(-9 * 24 * time.Hour); week.After(after) {
		after = week
	}
	for _, edge := s.at(after); !edge.IsZero() && !edge.After(until); _, edge = s.at(edge) {
		last = edge
	}
	return last
}

// at says whether a moment is inside the hours, and when that next changes or could change. It does not allocate.
func (s *schedule) at(now time.Time) (inside bool, next time.Time) {
	const never = time.Duration(math.MaxInt64)
	local := now.In(s.zone)
	shown := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute +
		time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
	first := never // from now until the first edge, while the clock on the wall runs as time does
	for day := 0; day < 8 && first == never; day++ {
		weekday := (int(local.Weekday()) + day) % 7
		midnight := time.Duration(day)*24*time.Hour - shown
		for i := range s.hours {
			h := &s.hours[i]
			if !h.days[weekday] {
				continue
			}
			from, until := midnight+time.Duration(h.from)*time.Minute, midnight+time.Duration(h.until)*time.Minute
			inside = inside || from <= 0 && until > 0
			for _, edge := range [2]time.Duration{from, until} {
				if edge > 0 {
					first = min(first, edge)
				}
			}
		}
	}
	if first == never {
		return inside, next
	}
	next = now.Add(first)
	if _, change := local.ZoneBounds(); !change.IsZero() && change.Before(next) {
		next = change // what the clock then shows is looked at anew
	}
	return inside, next
}
