package storetest

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

func appends(t *testing.T, p *Place) {
	head := p.create("t").Head
	other := p.create("other").Head
	one, two := entry(put(user("a", "1"))), entry(put(user("a", "2")), put(user("b", "")))
	last, err := p.Append("t", head, one, two)
	if err != nil || store.Position(two.GetPosition()) != last || one.GetPosition() <= uint64(other) || one.GetPosition() >= two.GetPosition() {
		t.Fatalf("two entries behind %d: at %d and %d, returned %d, %v", head, one.GetPosition(), two.GetPosition(), last, err)
	}
	for _, wrong := range []store.Position{0, head, last - 1, last + 1, other} {
		if wrong == last {
			continue
		}
		_, err := p.Append("t", wrong, entry(put(user("c", ""))), entry(put(user("d", ""))))
		wantKind(t, "appending behind another head", err, policy.Conflict)
	}
	bad := &klinkev1.Change{}
	_, err = p.Append("t", last, entry(put(user("c", ""))), entry(bad))
	wantKind(t, "appending a change without a record", err, policy.Invalid)
	_, err = p.Append("t", last)
	wantKind(t, "appending nothing", err, policy.Invalid)
	if row, _ := p.row("t"); row.Head != last {
		t.Errorf("after refused appends the head is %d, not %d", row.Head, last)
	}
	sameMessages(t, "the log", p.history("t", head, 1), []*klinkev1.Entry{one, two})
	if got := p.list("t", subjects, 10); len(got) != 2 || got[0].GetSubject().GetLabel() != "2" {
		t.Errorf("the records are %v", got)
	}
	if got := p.history("other", other, 10); len(got) != 0 {
		t.Errorf("the other tenant has %v", got)
	}
}

func entries(t *testing.T, p *Place) {
	head := p.create("t").Head
	var want []*klinkev1.Entry
	for i := range 25 {
		e := entry(put(user(name("u", i), "")))
		e.Footprint = &klinkev1.Footprint{Subjects: []string{"user:" + name("u", i)}}
		head = p.add("t", head, e)
		want = append(want, e)
		if i%3 == 0 {
			p.create(name("between", i)) // positions leave gaps
		}
	}
	first := store.Position(want[0].GetPosition() - 1)
	for _, size := range []int{1, 7, 25, 26, 1000} {
		sameMessages(t, "the log", p.history("t", first, size), want)
	}
	// From a position in a gap, of another tenant's entry.
	gap := store.Position(want[0].GetPosition() + 1)
	sameMessages(t, "the log after a gap", p.history("t", gap, 3), want[1:])
	for _, after := range []store.Position{head, head + 1, 1 << 40, ^store.Position(0)} {
		if page, err := p.Entries("t", after, 5); err != nil || len(page) != 0 {
			t.Errorf("behind the head, at %d: %d entries, %v", after, len(page), err)
		}
	}
}

func longPages(t *testing.T, p *Place) {
	head := p.create("t").Head
	label := strings.Repeat("l", 1<<20)
	for i := range 6 {
		head = p.add("t", head, entry(put(user(name("u", i), label))))
	}
	page, err := p.Entries("t", 1, 1000)
	if err != nil || len(page) < 1 || len(page) > 4 {
		t.Errorf("a page of entries of 1 MiB has %d of them, %v", len(page), err)
	}
	if got := p.history("t", 1, 1000); len(got) != 6 {
		t.Errorf("the pages have %d entries together, not 6", len(got))
	}
	records, err := p.Records("t", store.Query{Kind: subjects, Limit: 1000})
	if err != nil || len(records.Records) < 1 || len(records.Records) > 4 || records.Next == nil {
		t.Errorf("a page of records of 1 MiB has %d of them, next %x, %v", len(records.Records), records.Next, err)
	}
	if got := p.list("t", subjects, 1000); len(got) != 6 {
		t.Errorf("the pages have %d records together, not 6", len(got))
	}
}

func longEntries(t *testing.T, p *Place) {
	head := p.create("t").Head
	var want []*klinkev1.Entry
	// Around every edge at which an implementation may cut.
	for i, n := range []int{0, 1, 2 << 10, store.ChunkBytes - 1, store.ChunkBytes, store.ChunkBytes + 1, 3 * store.ChunkBytes, 3<<20 + 1} {
		for less := range 60 {
			if n > 0 && less%20 != 0 && n > 2<<10 || n < less {
				continue
			}
			e := request(name("r", i*100+less), 0)
			e.Reason = strings.Repeat("x", n-less)
			head = p.add("t", head, e)
			want = append(want, e)
		}
	}
	check := func() {
		t.Helper()
		sameMessages(t, "the log", p.history("t", 1, 100), want)
		for _, e := range want {
			got, err := p.Request("t", e.GetRequestId())
			if err != nil || !proto.Equal(got, e) {
				t.Fatalf("request %q of %d bytes: %v", e.GetRequestId(), proto.Size(e), err)
			}
		}
	}
	check()
	p.reopen()
	check()
}

func manyChanges(t *testing.T, p *Place) {
	var changes []*klinkev1.Change
	for i := range policy.MaxWriteChanges {
		changes = append(changes, put(user(name("u", i*7919%policy.MaxWriteChanges), name("label", i))))
	}
	head := p.create("t", changes...).Head
	if got := p.list("t", subjects, 3000); len(got) != policy.MaxWriteChanges {
		t.Fatalf("%d records", len(got))
	}
	for i, c := range changes {
		changes[i] = del(c.GetPut())
	}
	e := request("r", 0, changes...)
	p.add("t", head, e)
	if got := p.list("t", subjects, 3000); len(got) != 0 {
		t.Fatalf("%d records are left", len(got))
	}
	sameMessages(t, "the log", p.history("t", head, 1), []*klinkev1.Entry{e})
}

func requests(t *testing.T, p *Place) {
	head := p.create("t").Head
	none := entry()
	head = p.add("t", head, none)
	first := request("r", 0, put(user("a", "")))
	head = p.add("t", head, first)
	other := request("r\x00", 0)
	head = p.add("t", head, other)
	want := func(id string, e *klinkev1.Entry) {
		t.Helper()
		if got, err := p.Request("t", id); err != nil || !proto.Equal(got, e) || (got == nil) != (e == nil) {
			t.Errorf("request %q: got %v, %v; want %v", id, got, err, e)
		}
	}
	want("", nil)
	want("R", nil)
	want("r", first)
	want("r\x00", other)
	want(strings.Repeat("r", 40000), nil)
	again := request("r", 0)
	p.add("t", head, again)
	want("r", again)
	p.reopen()
	want("r", again)
	want("r\x00", other)
}

func records(t *testing.T, p *Place) {
	head := p.create("t", put(user("a", "1")), put(user("b", "1"))).Head
	for _, changes := range [][]*klinkev1.Change{
		{put(user("a", "2")), del(user("b", "")), put(user("c", "1"))},
		{del(user("nobody", ""))},
		{put(user("d", "1")), del(user("d", "")), put(user("e", "1")), put(user("e", "2"))},
		{del(user("c", "")), put(user("c", "3"))},
		{put(member("a", "b")), put(member("ab", "")), put(member("", "ab"))},
	} {
		head = p.add("t", head, entry(changes...))
	}
	check := func() {
		t.Helper()
		sameMessages(t, "users", p.list("t", subjects, 2), []*klinkev1.Record{user("a", "2"), user("c", "3"), user("e", "2")})
		sameMessages(t, "members", p.list("t", members, 2), []*klinkev1.Record{member("", "ab"), member("a", "b"), member("ab", "")})
		if got := p.list("t", klinkev1.RecordKind_RECORD_KIND_EMERGENCY_NUMBER, 2); len(got) != 0 {
			t.Errorf("there are %v", got)
		}
	}
	check()
	p.reopen()
	check()
}

func recordPages(t *testing.T, p *Place) {
	var want []*klinkev1.Record
	var changes []*klinkev1.Change
	for i := range 100 {
		want = append(want, user(name("u", i), ""))
		changes = append(changes, put(want[i]), put(member(name("g", i), "user:u")))
	}
	slices.Reverse(changes)
	row := p.create("t", changes...)
	head := row.Head
	for _, size := range []int{1, 3, 99, 100, 101, 10000} {
		sameMessages(t, "users", p.list("t", subjects, size), want)
	}
	// A page begins behind a key, also one that is gone by now, and says at which head it was read.
	after := []byte(keyOf(want[49]))
	head = p.add("t", head, entry(del(want[49]), put(user("v00000", ""))))
	page, err := p.Records("t", store.Query{Kind: subjects, After: after, Limit: 1000})
	if err != nil || page.Head != head || page.Lineage != row.Lineage || page.Next != nil {
		t.Errorf("the page is at %s-%d with next %x, %v; the head is %s-%d", page.Lineage, page.Head, page.Next, err, row.Lineage, head)
	}
	sameMessages(t, "users behind a key", page.Records, append(want[50:], user("v00000", "")))
	page, err = p.Records("t", store.Query{Kind: subjects, After: []byte(keyOf(user("v00000", ""))), Limit: 1})
	if err != nil || len(page.Records) != 0 || page.Next != nil {
		t.Errorf("behind the last: %v, %v", page, err)
	}
}
