package live

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// PageBytes is where a page of records ends early, so that it fits a message: a record is far smaller than the rest.
const PageBytes = 2 << 20

// Creation asks for a new tenant.
type Creation struct {
	ID             string
	Model          string
	Version        uint32 // 0 for the newest
	Reason, Author string // for the log, as is
	Caller         string // as the server knows him
}

// Info describes a tenant.
type Info struct {
	ID       string
	Revision string
	Model    string
	Version  uint32
	Created  time.Time
}

// Create makes a tenant on a version of a model, with the model's factory roles and assignments. Exists when there is one;
// NotFound, with the field "model", when there is no such model.
func (ts *Tenants) Create(ctx context.Context, c Creation) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	if err := checkTexts(map[string]string{"reason": c.Reason, "author": c.Author, "caller": c.Caller}); err != nil {
		return Info{}, err
	}
	m, err := ts.models.get(c.Model, c.Version)
	if err != nil {
		if kindOf(err) == policy.NotFound {
			err = policy.Errorf(policy.NotFound, "model", "no such model, or no such version of it")
		}
		return Info{}, err
	}
	now := time.Now()
	out, err := ts.apply(policy.Empty(), m.Factory(), now)
	if err != nil {
		return Info{}, under("model", err)
	}
	if err := ctx.Err(); err != nil { // compiling the model may have taken a while
		return Info{}, err
	}
	defer ts.announceCreation(c.ID)()
	row, err := ts.store.CreateTenant(c.ID, &klinkev1.Entry{
		Time:      timestamppb.New(now),
		Author:    c.Author,
		Caller:    c.Caller,
		Reason:    c.Reason,
		Changes:   out.Changes,
		Footprint: out.Footprint,
		Effects:   out.Effects,

		NextBoundary: timestamp(out.NextBoundary),
	})
	if err != nil {
		return Info{}, err
	}
	ts.forgetAbsence(c.ID)
	ts.reminder.remind(row.Due)
	return Info{
		ID: c.ID, Revision: FormatRevision(row.Lineage, row.Head), Model: m.Name(), Version: m.Version(), Created: row.Created,
	}, nil
}

// announceCreation begins a creation. What it returns ends it, and tells the tails: whoever hears of the tenant finds it.
func (ts *Tenants) announceCreation(id string) (end func()) {
	ts.mu.Lock()
	ts.creating[id]++
	ts.mu.Unlock()
	return func() {
		ts.mu.Lock()
		if ts.creating[id]--; ts.creating[id] == 0 {
			delete(ts.creating, id)
		}
		ts.mu.Unlock()
		ts.pulse.beat()
	}
}

// forgetAbsence gives up a load that began before the tenant was made, so that nobody who asks from now on is told that it
// does not exist.
func (ts *Tenants) forgetAbsence(id string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.slots[id]; t != nil && t.state.Load() == nil {
		delete(ts.slots, id)
	}
}

// erasure asks the writer to delete the tenant.
type erasure struct{ expected string }

// Delete deletes a tenant and everything in it, if it is still at the expected revision (empty for any; Conflict or Gone
// otherwise). Writes that wait behind the deletion get NotFound. A damaged tenant can be deleted when no revision is
// expected.
func (ts *Tenants) Delete(ctx context.Context, id, expected string) error {
	for {
		_, err := ts.get(ctx, id)
		switch kind := kindOf(err); {
		case err == nil:
			p := &pending{ctx: ctx, erase: &erasure{expected}, done: make(chan struct{})}
			if err := ts.queue(ctx, id, p); err != nil {
				return err
			}
			return p.err
		case expected != "" || (kind != policy.Damaged && kind != policy.Format):
			return err
		}
		if err := ts.erase(id, nil, 0); !errors.Is(err, errRetry) {
			return err
		}
	}
}

// eraseNow deletes the tenant, between two writes.
func (t *tenant) eraseNow(p *pending) {
	s := t.state.Load()
	if err := p.ctx.Err(); err != nil {
		p.fail(err)
		return
	}
	if p.erase.expected != "" {
		at, err := s.position(p.erase.expected, "expected_revision")
		if err == nil && at != s.Position {
			err = policy.Errorf(policy.Conflict, "expected_revision", "the tenant is no longer at this revision; read again, and decide again")
		}
		if err != nil {
			p.fail(err)
			return
		}
	}
	err := t.ts.erase(t.id, t, s.Position)
	if err == nil {
		t.retire(errNoTenant())
	} else {
		t.retire(policy.Errorf(policy.Unavailable, "", "the tenant could not be reached; ask again"))
	}
	p.fail(err)
}

// erase deletes a tenant from the store while its slot is held, so that nobody loads it meanwhile. old is who must be in
// the slot, nil for nobody: else errRetry.
func (ts *Tenants) erase(id string, old *tenant, head store.Position) error {
	hold := newTenant(ts, id)
	hold.err = errRetry
	ts.mu.Lock()
	if ts.slots[id] != old {
		ts.mu.Unlock()
		return errRetry
	}
	ts.slots[id] = hold
	ts.mu.Unlock()
	if old != nil {
		old.checkpoints.Wait()
	}
	err := ts.store.DeleteTenant(id, head)
	if err != nil && kindOf(err) == policy.NotFound {
		err = errNoTenant()
	}
	ts.mu.Lock()
	delete(ts.slots, id)
	switch {
	case err == nil || kindOf(err) == policy.NotFound:
		delete(ts.last, id)
	case old != nil:
		ts.last[id] = old.state.Load()
	}
	ts.mu.Unlock()
	close(hold.ready)
	ts.pulse.beat()
	return err
}

// List returns up to limit tenants whose ids come after the given one, in byte order, and the id after which the next page
// begins, empty at the end. It loads no tenant.
func (ts *Tenants) List(ctx context.Context, after string, limit int) (infos []Info, next string, err error) {
	rows, err := ts.store.Tenants(after, limit+1)
	if err != nil {
		return nil, "", err
	}
	return ts.describe(ctx, rows, limit)
}

// ListAmong is List of those whose ids are given, sorted. It looks at no others, so nothing about them can be told from it.
func (ts *Tenants) ListAmong(ctx context.Context, ids []string, after string, limit int) (infos []Info, next string, err error) {
	var rows []store.Tenant
	begin, found := slices.BinarySearch(ids, after)
	if found {
		begin++
	}
	for _, id := range ids[begin:] {
		if len(rows) > limit {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		row, err := ts.store.Tenants(before(id), 1)
		if err != nil {
			return nil, "", err
		}
		if len(row) == 1 && row[0].ID == id {
			rows = append(rows, row[0])
		}
	}
	return ts.describe(ctx, rows, limit)
}

// before is a text that comes before an id, with no id between the two: ids are UTF-8, so none holds the byte 255.
func before(id string) string {
	if id == "" {
		return ""
	}
	last := len(id) - 1
	return id[:last] + string([]byte{id[last] - 1, 255})
}

// describe makes a page of rows, of which there is one more than the limit when it is not the last.
func (ts *Tenants) describe(ctx context.Context, rows []store.Tenant, limit int) (infos []Info, next string, err error) {
	if len(rows) > limit {
		rows = rows[:limit]
		next = rows[limit-1].ID
	}
	for _, row := range rows {
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		page, err := ts.store.Records(row.ID, store.Query{Kind: klinkev1.RecordKind_RECORD_KIND_USE_MODEL, Limit: 1})
		if err != nil && kindOf(err) == policy.NotFound {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, "", err
		}
		// What was made anew since the row was read is told by its new name; it was made when the row says, or later.
		info := Info{ID: row.ID, Revision: FormatRevision(page.Lineage, page.Head), Created: row.Created}
		if len(page.Records) > 0 {
			use := page.Records[0].GetUseModel()
			info.Model, info.Version = use.GetModel(), use.GetVersion()
		}
		infos = append(infos, info)
	}
	return infos, next, nil
}

// Page is a page of a tenant's records at one revision.
type Page struct {
	Records  []*klinkev1.Record
	Next     []byte // the key after which the next page begins; nil at the end
	Lineage  string
	Revision string
}

// Query asks for a page of records.
type Query struct {
	Kind        klinkev1.RecordKind
	After       []byte // a page's Next; nil for the first page
	Limit       int    // at least 1
	MinRevision string // which the page must not be older than; empty for any
	Lineage     string // the life that After is of; empty with it
}

// Read returns a page of records, which ends early when it grows beyond PageBytes. Gone, about "page_token", when the page
// before it was of another life of the tenant.
func (ts *Tenants) Read(ctx context.Context, id string, q Query) (Page, error) {
	for {
		s, err := ts.At(ctx, id, q.MinRevision, "min_revision")
		if err != nil {
			return Page{}, err
		}
		if q.Lineage != "" && q.Lineage != s.Lineage {
			return Page{}, policy.Errorf(policy.Gone, "page_token",
				"the page belongs to another life of this tenant, which was made anew or restored; begin again")
		}
		page, err := ts.store.Records(id, store.Query{Kind: q.Kind, After: q.After, Limit: q.Limit})
		if err != nil {
			if kindOf(err) == policy.NotFound {
				err = errNoTenant()
			}
			return Page{}, err
		}
		if page.Lineage != s.Lineage {
			if err := ctx.Err(); err != nil {
				return Page{}, err
			}
			continue // a life that begins or ends; look again
		}
		out := Page{Records: page.Records, Next: page.Next, Lineage: s.Lineage, Revision: FormatRevision(s.Lineage, page.Head)}
		size := 0
		for i, r := range out.Records {
			if size += proto.Size(r); size > PageBytes && i > 0 {
				out.Records = out.Records[:i]
				kind, parts := policy.RecordKey(out.Records[i-1])
				out.Next = policy.AppendKey(nil, kind, parts)
				break
			}
		}
		if page.Head > s.Position { // durable, and about to be published: who has read it must not be answered by what was before
			if _, err := ts.At(ctx, id, out.Revision, "revision"); err != nil {
				return Page{}, err
			}
		}
		return out, nil
	}
}
