package live

import (
	"context"
	"errors"
	"strings"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// Event is what a tail tells: an entry of a tenant, or the tenant's deletion.
type Event struct {
	Tenant   string
	Revision string
	Cursor   string          // where to go on behind it
	Entry    *klinkev1.Entry // to be read only; nil for the deletion
	Creation bool            // the entry is the tenant's first; only in a tail of all
}

// Tail follows what is published: each entry once, in the order of commits, never before it is published. It belongs to one
// goroutine. It holds nothing that writers wait for, and nothing of the log: who is slow reads more of it from the store later.
//
// Errors: NotFound when there is no such tenant; Gone when the log does not go on from the tail's place, so that who follows
// must begin anew.
type Tail interface {
	// Next returns up to limit events behind the tail's place, and moves it there; none at the present. A deletion is the
	// last event of a tail of one tenant: do not ask again.
	Next(ctx context.Context, limit int) ([]Event, error)
	// Wait returns when there may be more, or with the context's error.
	Wait(ctx context.Context) error
	// Place is where the tail stands.
	Place() Place
}

// Place is a place in the order of commits.
type Place struct {
	Position store.Position
	Cursor   string
	Revision string // of the tenant; empty in a tail of all
}

// errPutBack is why a place has not been reached.
var errPutBack = errors.New("live: the data were put back")

// PutBack says of a tail's error that the data have not reached the place that was asked for.
func PutBack(err error) bool { return errors.Is(err, errPutBack) }

// Tail follows a tenant behind a revision; from its present one when that is empty. Gone for another lineage, or a revision
// that the tenant has not reached: field names the revision there.
func (ts *Tenants) Tail(ctx context.Context, id, revision, field string) (Tail, error) {
	t, err := ts.get(ctx, id)
	if err != nil {
		return nil, err
	}
	s := t.state.Load()
	tail := &tenantTail{ts: ts, id: t.id, lineage: s.Lineage, at: s.Position}
	if revision != "" {
		if tail.at, err = s.position(revision, field); err != nil {
			return nil, err
		}
		if tail.at > s.Position {
			return nil, errAhead(field)
		}
	}
	return tail, nil
}

func errAhead(field string) error {
	return &policy.Error{
		Kind: policy.Gone, Field: field, Cause: errPutBack,
		Message: "the data have not reached this place: an older copy was put back; begin anew",
	}
}

// tenantTail follows one tenant.
type tenantTail struct {
	ts      *Tenants
	id      string
	lineage string
	at      store.Position
	seen    *State // the newest state that Next looked at
	living  *tenant
}

func (l *tenantTail) Place() Place {
	r := FormatRevision(l.lineage, l.at)
	return Place{l.at, r, r}
}

func (l *tenantTail) Next(ctx context.Context, limit int) ([]Event, error) {
	for {
		t, err := l.ts.get(ctx, l.id)
		if err == nil && t.state.Load().Lineage != l.lineage || err != nil && kindOf(err) == policy.NotFound {
			// Made anew since: the life that is followed here has ended.
			return []Event{{Tenant: l.id, Revision: l.Place().Revision}}, nil
		}
		if err != nil {
			return nil, err
		}
		l.living, l.seen = t, t.state.Load()
		if l.seen.Position <= l.at {
			return nil, nil
		}
		entries, err := l.read(limit)
		if err != nil && kindOf(err) == policy.NotFound {
			continue // deleted meanwhile
		}
		var events []Event
		for _, e := range entries {
			if position(e) > l.seen.Position {
				break // not published yet, or of the next life
			}
			l.at = position(e)
			r := FormatRevision(l.lineage, l.at)
			events = append(events, Event{Tenant: l.id, Revision: r, Cursor: r, Entry: e})
		}
		if err != nil || len(events) > 0 {
			return events, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// read takes entries from memory, or from the store when the tail is far behind.
func (l *tenantTail) read(limit int) ([]*klinkev1.Entry, error) {
	l.living.mu.Lock()
	entries, ok := l.living.recent.behind(l.at, limit)
	l.living.mu.Unlock()
	if ok {
		return entries, nil
	}
	return l.ts.store.Entries(l.id, l.at, limit)
}

func (l *tenantTail) Wait(ctx context.Context) error {
	if l.living == nil {
		return ctx.Err()
	}
	select {
	case <-l.living.beyond(l.seen):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// allPrefix begins the cursors of tails of all tenants; no lineage has it.
const allPrefix = "*"

// TailAll follows all tenants behind a cursor of such a tail; from the present when that is empty. Gone for a cursor of other
// data, or of a place that they have not reached; Invalid when it is none. field names the cursor there.
func (ts *Tenants) TailAll(cursor, field string) (Tail, error) {
	identity, last, err := ts.store.Present()
	if err != nil {
		return nil, err
	}
	tail := &storeTail{ts: ts, identity: identity, at: last, beat: ts.pulse.beyond()}
	if cursor == "" {
		return tail, nil
	}
	rest, of := strings.CutPrefix(cursor, allPrefix)
	if !of {
		return nil, policy.Errorf(policy.Invalid, field, "%q is not a cursor of all tenants; send one as the server gave it", clip(cursor))
	}
	if rest == FormatRevision(identity, 0) {
		tail.at = 0
		return tail, nil
	}
	other, at, err := ParseRevision(rest, field)
	switch {
	case err != nil:
		return nil, err
	case other != identity:
		return nil, policy.Errorf(policy.Gone, field, "the cursor is of other data, which were restored since; begin anew")
	case at > last:
		return nil, errAhead(field)
	}
	tail.at = at
	return tail, nil
}

// storeTail follows all tenants.
type storeTail struct {
	ts       *Tenants
	identity string
	at       store.Position
	beat     <-chan struct{} // closed when something was published since Next looked
}

func (l *storeTail) Place() Place {
	return Place{Position: l.at, Cursor: allPrefix + FormatRevision(l.identity, l.at)}
}

func (l *storeTail) Next(ctx context.Context, limit int) ([]Event, error) {
	for {
		l.beat = l.ts.pulse.beyond() // before looking, so that nothing is missed
		page, err := l.ts.store.Commits(l.at, limit)
		if err != nil {
			return nil, err
		}
		var events []Event
		for _, c := range page.List {
			if !l.ts.published(c) {
				return events, nil
			}
			l.at = c.Position
			events = append(events, Event{
				Tenant: c.Tenant, Revision: FormatRevision(c.Lineage, c.Position), Cursor: l.Place().Cursor,
				Entry: c.Entry, Creation: c.Creation,
			})
		}
		atEnd := page.Through <= l.at && len(page.List) == 0
		l.at = max(l.at, page.Through)
		if len(events) > 0 || atEnd {
			return events, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// published says whether who asks about a tenant from now on is answered at a commit, or later.
func (ts *Tenants) published(c store.Commit) bool {
	ts.mu.RLock()
	defer ts.mu.RUnlock()
	if c.Creation && ts.creating[c.Tenant] > 0 {
		return false
	}
	t := ts.slots[c.Tenant]
	if t == nil {
		return true
	}
	s := t.state.Load()
	return s == nil || s.Lineage != c.Lineage || s.Position >= c.Position
}

func (l *storeTail) Wait(ctx context.Context) error {
	select {
	case <-l.beat:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
