package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// order returns all commits after a position, by pages of a size.
func (p *Place) order(after store.Position, size int) (all []store.Commit) {
	p.t.Helper()
	for {
		page, err := p.Commits(after, size)
		if err != nil {
			p.t.Fatalf("commits after %d: %v", after, err)
		}
		if len(page.List) > size {
			p.t.Fatalf("asked for %d commits, got %d", size, len(page.List))
		}
		for _, c := range page.List {
			if c.Position <= after || c.Position > page.Through || c.Entry != nil && c.Entry.GetPosition() != uint64(c.Position) {
				p.t.Fatalf("behind %d and through %d came %d, whose entry is %s", after, page.Through, c.Position, short(c.Entry))
			}
			after = c.Position
		}
		all = append(all, page.List...)
		if page.Through == after && len(page.List) == 0 {
			return all
		}
		after = page.Through
	}
}

// told writes commits down: a tenant and `*` for its first entry, `+` for another one, `-` for its deletion.
func told(commits []store.Commit) string {
	var words []string
	for _, c := range commits {
		sign := "-"
		switch {
		case c.Creation:
			sign = "*"
		case c.Entry != nil:
			sign = "+"
		}
		words = append(words, fmt.Sprintf("%s%s@%d", c.Tenant, sign, c.Position))
	}
	return strings.Join(words, " ")
}

func commits(t *testing.T, p *Place) {
	identity, last, err := p.Present()
	if !lineage.MatchString(identity) || last != 0 || err != nil {
		t.Errorf("at present: %q, %d, %v", identity, last, err)
	}
	if got := p.order(0, 1); len(got) != 0 {
		t.Errorf("a new place has commits %s", told(got))
	}
	a, b := p.create("a"), p.create("b")
	at, err := p.Append("a", a.Head, entry(put(user("x", ""))), entry(put(user("y", ""))))
	if err != nil {
		t.Fatal(err)
	}
	p.add("b", b.Head, request("r", 0, put(user("z", strings.Repeat("z", 10_000)))))
	if err := p.DeleteTenant("a", at); err != nil {
		t.Fatal(err)
	}
	again := p.create("a", put(user("again", "")))
	const want = "b*@2 b+@5 a-@6 a*@7"
	for range 2 {
		for size := 1; size < 9; size++ {
			all := p.order(0, size)
			if got := told(all); got != want {
				t.Fatalf("by pages of %d the order is %s, want %s", size, got, want)
			}
			if all[2].Lineage != a.Lineage || all[3].Lineage != again.Lineage || all[1].Lineage != b.Lineage {
				t.Errorf("the lineages are %+v", all)
			}
			sameMessages(t, "the entries of b", []*klinkev1.Entry{all[0].Entry, all[1].Entry}, p.history("b", 0, 9))
		}
		if got := told(p.order(5, 9)); got != "a-@6 a*@7" {
			t.Errorf("behind 5 came %s", got)
		}
		for _, after := range []store.Position{7, 8, 1 << 63} {
			if page, err := p.Commits(after, 1); err != nil || len(page.List) != 0 || page.Through != after {
				t.Errorf("behind %d came %+v, %v", after, page, err)
			}
		}
		p.reopen()
		if now, last, err := p.Present(); now != identity || last != 7 || err != nil {
			t.Errorf("reopened, at present: %q, %d, %v; want %q", now, last, err, identity)
		}
	}
	_, err = p.Commits(0, 0)
	wantKind(t, "a page without room", err, policy.Invalid)
}

func longCommits(t *testing.T, p *Place) {
	head := p.create("a").Head
	for i := range 5 {
		head = p.add("a", head, entry(put(user(name("u", i), strings.Repeat("x", store.PageBytes/2)))))
	}
	page, err := p.Commits(0, 100)
	if err != nil || len(page.List) > 3 || len(page.List) == 0 {
		t.Errorf("a page has %d long commits, %v", len(page.List), err)
	}
	if got := p.order(0, 100); len(got) != 6 {
		t.Errorf("%d commits, want 6", len(got))
	}
}

func orderFloor(t *testing.T, p *Place) {
	a, b := p.create("a"), p.create("b")
	head := p.add("b", b.Head, entry(put(user("x", ""))))
	last := p.add("a", a.Head, request("r", 0, put(user("y", ""))))
	floor := head - 1
	for range 2 {
		if err := p.Compact("b", store.Compaction{At: head, Chunks: chunksOf("b"), Floor: floor}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err := p.Commits(floor-1, 9)
			wantKind(t, "commits below a floor", err, policy.Gone)
			if got, want := told(p.order(floor, 9)), fmt.Sprintf("b+@%d a+@%d", head, last); got != want {
				t.Errorf("behind the floor came %s, want %s", got, want)
			}
			p.reopen()
		}
	}
	if err := p.DeleteTenant("b", 0); err != nil {
		t.Fatal(err)
	}
	_, err := p.Commits(floor-1, 9)
	wantKind(t, "commits below the floor of a tenant that was", err, policy.Gone)
	if got, want := told(p.order(floor, 9)), fmt.Sprintf("a+@%d b-@%d", last, last+1); got != want {
		t.Errorf("behind the floor came %s, want %s", got, want)
	}
}

func moments(t *testing.T, p *Place) {
	due := func(id string, head store.Position, hours int) store.Position {
		e := entry()
		if hours > 0 {
			e.NextBoundary = timestamppb.New(epoch.Add(time.Duration(hours) * time.Hour))
		}
		return p.add(id, head, e)
	}
	want := func(limit int, ids string) {
		t.Helper()
		rows, err := p.Due(limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range rows {
			got = append(got, r.ID)
			if kept, _ := p.row(r.ID); kept != r || r.Due.IsZero() {
				t.Errorf("the moments say %+v, and the catalogue %+v", r, kept)
			}
		}
		if strings.Join(got, " ") != ids {
			t.Errorf("the moments are those of %q, want %q", got, ids)
		}
	}
	want(9, "")
	heads := map[string]store.Position{}
	for _, id := range []string{"a", "b", "c", "d"} {
		heads[id] = p.create(id).Head
	}
	want(9, "")
	heads["b"] = due("b", heads["b"], 1)
	heads["a"] = due("a", heads["a"], 2)
	heads["c"] = due("c", heads["c"], 2)
	want(9, "b a c")
	want(1, "b")
	p.reopen()
	heads["b"] = due("b", heads["b"], 3)
	want(9, "a c b")
	heads["a"] = due("a", heads["a"], 0)
	want(9, "c b")
	if err := p.DeleteTenant("c", 0); err != nil {
		t.Fatal(err)
	}
	want(9, "b")
	p.reopen()
	want(9, "b")
	e := entry()
	e.NextBoundary = timestamppb.New(epoch.Add(5*time.Hour + 7*time.Nanosecond))
	if row, err := p.CreateTenant("c", e); err != nil || !row.Due.Equal(e.GetNextBoundary().AsTime()) {
		t.Errorf("made with a moment: %+v, %v", row, err)
	}
	want(9, "b c")
	if err := p.Compact("b", store.Compaction{At: heads["b"], Chunks: chunksOf("b"), Floor: heads["b"] - 1}); err != nil {
		t.Fatal(err)
	}
	want(9, "b c")
	if page, err := p.Entries("c", 0, 1); err != nil || !proto.Equal(page[0].GetNextBoundary(), e.GetNextBoundary()) {
		t.Errorf("the entry is %v, %v", page, err)
	}
	_, err := p.Due(0)
	wantKind(t, "a page without room", err, policy.Invalid)
}
