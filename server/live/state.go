package live

import (
	"time"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/store"
)

// State is a tenant at one revision, as it was published. It never changes.
type State struct {
	Snapshot *policy.Snapshot
	// Lineage is the tenant's present life.
	Lineage string
	// Position is the newest entry's.
	Position store.Position
	// Time is the newest entry's.
	Time time.Time
	// Created is when the tenant was made.
	Created time.Time
	// Revision is the token of Lineage and Position.
	Revision string

	sum tally
	due time.Time // the newest entry's next boundary; zero for none
}

// tally counts what a living tenant's log holds behind the checkpoint that it was loaded from.
type tally struct{ entries, changes int }

func (t tally) less(o tally) tally { return tally{t.entries - o.entries, t.changes - o.changes} }

// Now is the time by which questions about this state are decided: the clock's, but never before the newest entry's, so
// that a clock set back does not revive what has ended.
func (s *State) Now() time.Time { return notBefore(time.Now(), s.Time) }

func notBefore(t, floor time.Time) time.Time {
	if t.Before(floor) {
		return floor
	}
	return t
}

// next is the state after entries that are durable; last is the position of the last one.
func (s *State) next(snapshot *policy.Snapshot, last store.Position, at time.Time, more tally) *State {
	return &State{
		Snapshot: snapshot,
		Lineage:  s.Lineage,
		Position: last,
		Time:     at,
		Created:  s.Created,
		Revision: FormatRevision(s.Lineage, last),
		sum:      tally{s.sum.entries + more.entries, s.sum.changes + more.changes},
	}
}
