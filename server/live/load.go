package live

import (
	"fmt"
	"runtime/debug"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/store"
)

// loadPage is how many entries are read from the store at a time; each may be as large as a write.
const loadPage = 32

// load fills a slot, or gives it up.
func (ts *Tenants) load(t *tenant) {
	state, err := ts.restore(t.id)
	ts.mu.Lock()
	switch {
	case ts.slots[t.id] != t:
		err = errRetry // the tenant was made while we looked
	case err != nil:
		delete(ts.slots, t.id)
	default:
		t.state.Store(state)
	}
	if err == nil || kindOf(err) == policy.NotFound {
		delete(ts.last, t.id)
	}
	ts.mu.Unlock()
	t.err = err
	close(t.ready)
}

// restore builds a tenant's state from its newest checkpoint and the entries behind it.
func (ts *Tenants) restore(id string) (state *State, err error) {
	// Stored bytes may be damaged in ways that nobody foresaw; one tenant's must not end the others.
	defer func() {
		if p := recover(); p != nil {
			state, err = nil, damaged("loading it panicked", fmt.Errorf("%v\n%s", p, debug.Stack()))
		}
		if err != nil && kindOf(err) != policy.NotFound {
			ts.log.Error("a tenant cannot be loaded", "tenant", id, "error", err)
		}
	}()
	restorer := policy.NewRestorer(ts.models.get)
	var unread error
	row, at, err := ts.store.Load(id, func(chunk []byte) error {
		unread = restorer.Add(chunk)
		return unread
	})
	switch {
	case unread != nil:
		return nil, damaged("its checkpoint cannot be read", unread)
	case err != nil && kindOf(err) == policy.NotFound:
		return nil, errNoTenant()
	case err != nil:
		return nil, err
	}
	state = &State{Snapshot: policy.Empty(), Lineage: row.Lineage, Position: at, Created: row.Created}
	after := at
	if at > 0 {
		if state.Snapshot, err = restorer.Snapshot(); err != nil {
			return nil, damaged("its checkpoint cannot be restored", err)
		}
		after = at - 1 // the checkpoint's own entry is read for its time
	}
	for {
		entries, err := ts.store.Entries(id, after, loadPage)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			after = store.Position(e.GetPosition())
			if after == at {
				state.Time = e.GetTime().AsTime()
				continue
			}
			out, err := policy.Apply(state.Snapshot, e.GetChanges(), ts.stamp(e.GetTime().AsTime()))
			if err != nil {
				return nil, damaged(fmt.Sprintf("the entry at position %d cannot be applied", after), err)
			}
			state = state.next(out.Next, after, e.GetTime().AsTime(), tally{1, len(e.GetChanges())})
		}
		if len(entries) < loadPage {
			break
		}
	}
	if state.Position != row.Head {
		return nil, damaged(fmt.Sprintf("its log ends at position %d, its row says %d", state.Position, row.Head), nil)
	}
	state.Revision = FormatRevision(state.Lineage, state.Position)
	return state.until(row.Due), nil
}

func damaged(what string, cause error) error {
	return &policy.Error{
		Kind:    policy.Damaged,
		Message: "the tenant's stored state is damaged: " + what + "; run klinke verify, restore a backup",
		Cause:   cause,
	}
}
