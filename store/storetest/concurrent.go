package storetest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// concurrent lets writers, readers, compactors and a maker of tenants loose on one store, keeps what each was told, and
// judges it afterwards. It proves that
//
//  1. positions are unique in the store, and each tenant's rise;
//  2. every acknowledged entry is in its tenant's log exactly once, and nothing else is;
//  3. what a reader sees was acknowledged or will be, in log order, without holes, and never changes;
//  4. a page of records is what the log up to the page's head leaves behind, also while edits go on;
//  5. a checkpoint that is loaded is one that was kept, for the position that it is said to stand for;
//  6. what the commit order, followed meanwhile, says of a position is true;
//  7. tenants that come and go disturb nobody, and their lineages are new;
//  8. all this still holds after reopening.
func concurrent(t *testing.T, p *Place) {
	const tenants, writers, appends = 4, 3, 25
	var histories []*history
	var edits, reads sync.WaitGroup
	done := make(chan struct{})
	for i := range tenants {
		h := &history{t: t, p: p, id: name("t", i), done: done, acked: map[store.Position]*klinkev1.Entry{}, seen: map[store.Position]*klinkev1.Entry{}}
		h.first = p.create(h.id, put(user("first", ""))).Head
		histories = append(histories, h)
		for w := range writers {
			edits.Go(func() { h.write(w, appends) })
		}
		reads.Go(h.follow)
		reads.Go(h.sample)
		reads.Go(func() { h.compact(i%2 == 0) })
	}
	lineages := map[string]bool{}
	edits.Go(func() { comeAndGo(t, p, 30, lineages) })
	ordered := map[store.Position]string{}
	reads.Go(func() { followAll(t, p, done, ordered) })
	edits.Wait()
	close(done)
	reads.Wait()
	for _, h := range histories {
		for at := range h.acked {
			if ordered[at] != h.id && ordered[at] != "" {
				t.Errorf("position %d is of %s, and the commit order says %s", at, h.id, ordered[at])
			}
		}
	}
	for range 2 {
		all := map[store.Position]bool{}
		for _, h := range histories {
			h.judge(all)
		}
		if len(lineages) != 30 {
			t.Errorf("30 tenants came, with %d lineages", len(lineages))
		}
		p.reopen()
	}
}

// followAll reads the commit order by a cursor until nobody edits any more.
func followAll(t testing.TB, p *Place, done chan struct{}, seen map[store.Position]string) {
	cursor := store.Position(0)
	for last := false; ; {
		select {
		case <-done:
			last = true
		default:
		}
		page, err := p.Commits(cursor, 5)
		if kindOf(err) == policy.Gone {
			cursor++
			continue
		}
		if err != nil {
			t.Errorf("following all: %v", err)
			return
		}
		for _, c := range page.List {
			if c.Position <= cursor || c.Position > page.Through {
				t.Errorf("behind %d and through %d came %d", cursor, page.Through, c.Position)
			}
			seen[c.Position], cursor = c.Tenant, c.Position
		}
		if last && page.Through == cursor && len(page.List) == 0 {
			return
		}
		cursor = page.Through
	}
}

// comeAndGo makes, fills and deletes a tenant again and again.
func comeAndGo(t testing.TB, p *Place, times int, lineages map[string]bool) {
	for i := range times {
		row, err := p.CreateTenant("guest", entry(put(user(name("u", i), ""))))
		if err != nil {
			t.Errorf("creating: %v", err)
			return
		}
		lineages[row.Lineage] = true
		if _, err := p.Append("guest", row.Head, entry(put(user("z00000", string(make([]byte, 300<<10)))))); err != nil {
			t.Errorf("appending to a guest: %v", err)
		}
		page, err := p.Records("guest", store.Query{Kind: subjects, Limit: 10})
		if err != nil || len(page.Records) != 2 || page.Records[0].GetSubject().GetId() != name("u", i) {
			t.Errorf("the guest's records are %s, %v", short(page.Records), err)
		}
		if err := p.DeleteTenant("guest", 0); err != nil {
			t.Errorf("deleting: %v", err)
		}
	}
}

// history is what was done to one tenant, and what was seen of it.
type history struct {
	t     testing.TB
	p     *Place
	id    string
	first store.Position
	done  chan struct{} // closed when nobody writes any more

	mu    sync.Mutex
	acked map[store.Position]*klinkev1.Entry // what the writers were told
	seen  map[store.Position]*klinkev1.Entry // what followers saw
	pages []store.Page
}

// write appends so many entries, finding the head anew whenever another writer was faster.
func (h *history) write(writer, appends int) {
	head := h.first
	for n := 0; n < appends; {
		key := fmt.Sprintf("w%d-%d", writer, n)
		es := []*klinkev1.Entry{request(key, 0, put(user(key, "")), put(user("last", key)), del(user(fmt.Sprintf("w%d-%d", writer, n-3), "")))}
		if n%7 == 0 {
			es = append(es, request(key+"+", 0, put(user("long", string(make([]byte, n*10<<10))))))
		}
		at, err := h.p.Append(h.id, head, es...)
		switch {
		case err == nil:
			h.mu.Lock()
			for _, e := range es {
				if h.acked[store.Position(e.GetPosition())] != nil {
					h.t.Errorf("position %d was given twice", e.GetPosition())
				}
				h.acked[store.Position(e.GetPosition())] = e
			}
			h.mu.Unlock()
			head = at
			n++
		case kindOf(err) == policy.Conflict:
			row, _, err := h.p.Load(h.id, func([]byte) error { return nil })
			if err != nil && kindOf(err) != policy.Unavailable {
				h.t.Errorf("loading: %v", err)
				return
			}
			head = max(head, row.Head)
		default:
			h.t.Errorf("appending: %v", err)
			return
		}
	}
}

// follow reads the log by a cursor, as a watcher does, until the writers are done and the log is at its end.
func (h *history) follow() {
	cursor := h.first
	for last := false; ; {
		select {
		case <-h.done:
			last = true
		default:
		}
		page, err := h.p.Entries(h.id, cursor, 7)
		if kindOf(err) == policy.Gone {
			row, _, _ := h.p.Load(h.id, func([]byte) error { return nil })
			cursor = max(cursor, row.Floor)
			continue
		}
		if err != nil {
			h.t.Errorf("following: %v", err)
			return
		}
		h.mu.Lock()
		for _, e := range page {
			if store.Position(e.GetPosition()) <= cursor {
				h.t.Errorf("behind %d came %d", cursor, e.GetPosition())
			}
			cursor = store.Position(e.GetPosition())
			h.seen[cursor] = e
		}
		h.mu.Unlock()
		if last && len(page) == 0 {
			return
		}
	}
}

// sample keeps pages of records, read while edits go on.
func (h *history) sample() {
	for {
		page, err := h.p.Records(h.id, store.Query{Kind: subjects, Limit: 1000})
		if err != nil {
			h.t.Errorf("records: %v", err)
			return
		}
		if n := len(h.pages); n == 0 || h.pages[n-1].Head != page.Head {
			h.pages = append(h.pages, page)
		}
		select {
		case <-h.done:
			return
		default:
		}
	}
}

// compact keeps checkpoints that hold their own position, with a floor or not, and loads them.
func (h *history) compact(floor bool) {
	for {
		row, at, err := h.load()
		if err != nil && kindOf(err) != policy.Unavailable {
			h.t.Errorf("loading: %v", err)
		}
		if err == nil && row.Head > at {
			c := store.Compaction{At: row.Head, Chunks: chunksOf(strconv.Itoa(int(row.Head)), "", strconv.Itoa(int(row.Head)))}
			if floor {
				c.Floor = (h.first + row.Head - 1) / 2
			}
			if err := h.p.Compact(h.id, c); err != nil {
				h.t.Errorf("compacting: %v", err)
			}
		}
		select {
		case <-h.done:
			return
		default:
		}
	}
}

// load loads the checkpoint and checks that it is one that was kept.
func (h *history) load() (store.Tenant, store.Position, error) {
	var chunks []string
	row, at, err := h.p.Load(h.id, func(c []byte) error { chunks = append(chunks, string(c)); return nil })
	want := []string{strconv.Itoa(int(at)), "", strconv.Itoa(int(at))}
	if err == nil && at != 0 && !slices.Equal(chunks, want) {
		h.t.Errorf("the checkpoint at %d has %q", at, chunks)
	}
	return row, at, err
}

// judge compares what was told, seen and kept.
func (h *history) judge(all map[store.Position]bool) {
	row, _, err := h.load()
	if err != nil {
		h.t.Fatalf("loading: %v", err)
	}
	positions := slices.Sorted(maps.Keys(h.acked))
	if positions[len(positions)-1] != row.Head {
		h.t.Errorf("%s: the head is %d, and the last acknowledged entry %d", h.id, row.Head, positions[len(positions)-1])
	}
	var above []*klinkev1.Entry
	for _, at := range positions {
		if all[at] {
			h.t.Errorf("position %d was given twice", at)
		}
		all[at] = true
		if at > row.Floor {
			above = append(above, h.acked[at])
		}
		e, err := h.p.Request(h.id, h.acked[at].GetRequestId())
		if err != nil || !proto.Equal(e, h.acked[at]) {
			h.t.Errorf("%s: the request of entry %d: %v", h.id, at, err)
		}
	}
	sameMessages(h.t, h.id+": the log", h.p.history(h.id, max(row.Floor, h.first), 11), above)
	for at, e := range h.seen {
		if !proto.Equal(e, h.acked[at]) {
			h.t.Errorf("%s: what was seen at %d was not acknowledged, or is another", h.id, at)
		}
	}
	last, err := h.p.Records(h.id, store.Query{Kind: subjects, Limit: 1000})
	if err != nil || last.Head != row.Head {
		h.t.Errorf("%s: records at %d, %v", h.id, last.Head, err)
	}
	for _, page := range append(h.pages, last) {
		sameMessages(h.t, fmt.Sprintf("%s: records at %d", h.id, page.Head), page.Records, h.replay(positions, page.Head))
	}
}

// replay returns the users that the acknowledged entries up to a head leave behind, in key order.
func (h *history) replay(positions []store.Position, head store.Position) (left []*klinkev1.Record) {
	table := map[string]*klinkev1.Record{keyOf(user("first", "")): user("first", "")}
	for _, at := range positions {
		if at > head {
			break
		}
		for _, c := range h.acked[at].GetChanges() {
			if r := c.GetPut(); r != nil {
				table[keyOf(r)] = r
			} else {
				delete(table, keyOf(c.GetDelete()))
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		left = append(left, table[key])
	}
	return left
}
