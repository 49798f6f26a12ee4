package live

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

const (
	passAtOnce  = 64          // boundaries that are taken from the store at a time
	passWorkers = 8           // tenants whose boundaries are entered together; their appends share commits
	clockLook   = time.Minute // how long the timer runs at most, since the clock on the wall may be set
	retryFirst  = time.Second // until a boundary that could not be entered is tried again; twice as long each time
	retryLast   = 10 * time.Minute
)

// reminder tells the keeper of boundaries about moments that come earlier than the one that it waits for.
type reminder struct {
	wake chan struct{} // holds one

	mu      sync.Mutex
	looking bool      // the keeper reads what the store has: whatever comes meanwhile may be missing there
	until   time.Time // what it waits for; zero for nothing
}

// remind says that a moment has become a boundary; zero for none. It never waits.
func (r *reminder) remind(at time.Time) {
	r.mu.Lock()
	needed := !at.IsZero() && (r.looking || r.until.IsZero() || at.Before(r.until))
	r.mu.Unlock()
	if needed {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

func (r *reminder) set(looking bool, until time.Time) {
	r.mu.Lock()
	r.looking, r.until = looking, until
	r.mu.Unlock()
}

// trouble is a boundary that could not be entered.
type trouble struct {
	again time.Time
	wait  time.Duration
}

// keepBoundaries is the keeper: one goroutine with one timer for the boundaries of all tenants, loaded or not. It ends with the
// context.
func (ts *Tenants) keepBoundaries(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	troubles := map[string]trouble{}
	for {
		ts.reminder.set(true, time.Time{})
		next := ts.passAll(ctx, troubles)
		ts.reminder.set(false, next)
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(min(time.Until(next), clockLook))
		}
		select {
		case <-timer.C:
		case <-ts.reminder.wake:
		case <-ctx.Done():
			return
		}
	}
}

// passAll enters all boundaries that are due, and returns the moment at which the next will be; zero when none is known.
func (ts *Tenants) passAll(ctx context.Context, troubles map[string]trouble) time.Time {
	for {
		rows, err := ts.store.Due(passAtOnce + len(troubles)) // so that those in trouble do not hide the others
		if err != nil {
			ts.log.Warn("the next boundaries of time could not be read", "error", err)
			return time.Now().Add(clockLook)
		}
		maps.DeleteFunc(troubles, func(id string, _ trouble) bool {
			return !slices.ContainsFunc(rows, func(row store.Tenant) bool { return row.ID == id })
		})
		var due []store.Tenant
		next, now := time.Time{}, time.Now()
		for _, row := range rows {
			at := row.Due
			if again := troubles[row.ID].again; again.After(at) {
				at = again
			}
			switch {
			case !at.After(now):
				due = append(due, row)
			case next.IsZero() || at.Before(next):
				next = at
			}
		}
		if len(due) == 0 || ctx.Err() != nil {
			return next
		}
		for i, err := range ts.passEach(ctx, due) {
			id := due[i].ID
			if err == nil || ctx.Err() != nil {
				delete(troubles, id)
				continue
			}
			wait := min(max(2*troubles[id].wait, retryFirst), retryLast)
			troubles[id] = trouble{time.Now().Add(wait), wait}
			ts.log.Warn("a boundary of time could not be entered", "tenant", id, "boundary", due[i].Due, "again_in", wait, "error", err)
		}
	}
}

// passEach enters the boundaries of several tenants, a few at a time.
func (ts *Tenants) passEach(ctx context.Context, due []store.Tenant) []error {
	errs := make([]error, len(due))
	var all sync.WaitGroup
	for w := range min(passWorkers, len(due)) {
		all.Go(func() {
			for i := w; i < len(due); i += passWorkers {
				errs[i] = ts.passOne(ctx, due[i])
			}
		})
	}
	all.Wait()
	return errs
}

// passOne has a tenant's writer enter what is due, unless a write was faster.
func (ts *Tenants) passOne(ctx context.Context, row store.Tenant) error {
	p := &pending{ctx: ctx, boundary: true, done: make(chan struct{})}
	err := ts.queue(ctx, row.ID, p)
	if err == nil {
		err = p.err
	}
	if err != nil {
		if kindOf(err) == policy.NotFound {
			return nil // deleted meanwhile
		}
		return err
	}
	if s := ts.Living(row.ID); s != nil && s.Lineage == row.Lineage && s.due.Equal(row.Due) {
		return policy.Errorf(policy.Internal, "", "the boundary at %v did not pass", row.Due)
	}
	return nil
}

// pass enters the boundaries that passed until now, if any did: before a write, so that no entry hides one.
func (t *tenant) pass(g *group, now time.Time) {
	if g.due.IsZero() || g.due.After(now) {
		return
	}
	p := t.ts.passage(g.snapshot, g.time, now, g.due)
	g.add(&klinkev1.Entry{
		Time:         timestamppb.New(now),
		Footprint:    p.Footprint,
		Effects:      p.Effects,
		Passed:       timestamppb.New(p.Last),
		NextBoundary: timestamp(p.NextBoundary),
	})
}

// passage is policy.Pass. A boundary that it does not know any more was foreseen by other rules of time zones, and everybody is
// to ask again; likewise should it break its promise and panic, when time is looked at again in a while.
func (ts *Tenants) passage(s *policy.Snapshot, from, now, due time.Time) (p *policy.Passage) {
	all := &policy.Passage{Last: due, NextBoundary: now.Add(time.Hour), Footprint: &klinkev1.Footprint{AllSubjects: true}}
	defer func() {
		if r := recover(); r != nil {
			p = all
			ts.log.Error("a boundary of time failed unexpectedly", "error", fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	if p = policy.Pass(s, from, now); p == nil {
		all.NextBoundary = s.NextBoundary(now)
		p = all
	}
	return p
}

// until is the state with its next boundary, which is the newest entry's; only for one that is not published yet.
func (s *State) until(due time.Time) *State {
	s.due = due
	return s
}

// timestamp writes a moment as entries keep it; nil for none.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
