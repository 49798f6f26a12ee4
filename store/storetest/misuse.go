package storetest

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// aliasing spoils everything that was given and everything that came back, and asks again.
func aliasing(t *testing.T, p *Place) {
	e := request("r", 0, put(user("a", "first")))
	row, err := p.CreateTenant("t", e)
	if err != nil {
		t.Fatal(err)
	}
	want := proto.CloneOf(e)
	m := &klinkev1.Model{Name: "m", Flags: []string{"f"}}
	if _, _, err := p.PutModel(m); err != nil {
		t.Fatal(err)
	}
	spoil := func(e *klinkev1.Entry) {
		e.Changes[0].GetPut().GetSubject().Id = "spoilt"
		e.Changes[0].GetPut().GetSubject().Label = "spoilt"
		clear(e.RequestDigest)
		e.Changes = append(e.Changes[:0], put(user("x", "")))
		e.Position = 99
	}
	spoil(e)
	m.Flags[0] = "spoilt"
	compact(t, p, "t", row.Head, 0, "checkpoint") // chunksOf spoils what it gave, load what it got
	for range 2 {
		page, err := p.Entries("t", 0, 1)
		if err != nil || len(page) != 1 || !proto.Equal(page[0], want) {
			t.Fatalf("entries: %v, %v", page, err)
		}
		spoil(page[0])
		got, err := p.Request("t", "r")
		if err != nil || !proto.Equal(got, want) {
			t.Fatalf("request: %v, %v", got, err)
		}
		spoil(got)
		records, err := p.Records("t", store.Query{Kind: subjects, Limit: 5})
		if err != nil || len(records.Records) != 1 || !proto.Equal(records.Records[0], user("a", "first")) {
			t.Fatalf("records: %v, %v", records, err)
		}
		records.Records[0].GetSubject().Label = "spoilt"
		model, _, err := p.Model("m", 0)
		if err != nil || model.GetFlags()[0] != "f" {
			t.Fatalf("model: %v, %v", model, err)
		}
		model.Flags[0] = "spoilt"
		wantCheckpoint(t, p, "t", row.Head, "checkpoint")
		rows, err := p.Tenants("", 5)
		if err != nil || len(rows) != 1 || rows[0] != row {
			t.Fatalf("tenants: %v, %v", rows, err)
		}
		rows[0].ID = "spoilt"
	}
	// The key after which a page begins is the caller's, and Next is a copy.
	p.add("t", row.Head, entry(put(user("b", "")), put(user("c", ""))))
	page, err := p.Records("t", store.Query{Kind: subjects, Limit: 1})
	if err != nil || page.Next == nil {
		t.Fatalf("records: %v, %v", page, err)
	}
	clear(page.Next)
	if got := p.list("t", subjects, 1); len(got) != 3 {
		t.Errorf("%d records", len(got))
	}
}

// refusals asks about nobody, and asks badly.
func refusals(t *testing.T, p *Place) {
	head := p.create("t", put(user("a", ""))).Head
	for _, id := range []string{"nobody", "", "t\x00", name("long", 1) + string(make([]byte, 40000))} {
		_, err := p.Append(id, 0, entry())
		wantKind(t, "Append", err, policy.NotFound)
		_, err = p.Entries(id, 0, 1)
		wantKind(t, "Entries", err, policy.NotFound)
		_, err = p.Request(id, "r")
		wantKind(t, "Request", err, policy.NotFound)
		_, err = p.Records(id, store.Query{Kind: subjects, Limit: 1})
		wantKind(t, "Records", err, policy.NotFound)
		_, _, err = p.Load(id, func([]byte) error { return nil })
		wantKind(t, "Load", err, policy.NotFound)
		wantKind(t, "Compact", p.Compact(id, store.Compaction{At: 1, Chunks: chunksOf("c")}), policy.NotFound)
		wantKind(t, "DeleteTenant", p.DeleteTenant(id, 0), policy.NotFound)
	}
	for what, q := range map[string]store.Query{
		"no kind":               {Limit: 1},
		"no room":               {Kind: subjects},
		"a key of another kind": {Kind: subjects, Limit: 1, After: []byte(keyOf(member("g", "m")))},
	} {
		_, err := p.Records("t", q)
		wantKind(t, what, err, policy.Invalid)
	}
	_, err := p.Entries("t", 0, 0)
	wantKind(t, "a page of no entries", err, policy.Invalid)
	_, err = p.Tenants("", 0)
	wantKind(t, "a page of no tenants", err, policy.Invalid)
	_, err = p.Append("t", head, nil)
	wantKind(t, "a nil entry", err, policy.Invalid)
	_, err = p.CreateTenant("u", nil)
	wantKind(t, "a tenant without a first entry", err, policy.Invalid)
	if rows := p.all(); len(rows) != 1 || rows[0].Head != head {
		t.Errorf("refused edits left %v", rows)
	}
}

func closed(t *testing.T, p *Place) {
	head := p.create("t").Head
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	_, err := p.CreateTenant("u", entry())
	wantKind(t, "CreateTenant", err, policy.Unavailable)
	wantKind(t, "DeleteTenant", p.DeleteTenant("t", 0), policy.Unavailable)
	_, err = p.Tenants("", 1)
	wantKind(t, "Tenants", err, policy.Unavailable)
	_, _, err = p.PutModel(&klinkev1.Model{Name: "m"})
	wantKind(t, "PutModel", err, policy.Unavailable)
	_, _, err = p.Model("m", 0)
	wantKind(t, "Model", err, policy.Unavailable)
	_, err = p.Append("t", head, entry())
	wantKind(t, "Append", err, policy.Unavailable)
	_, err = p.Entries("t", 0, 1)
	wantKind(t, "Entries", err, policy.Unavailable)
	_, err = p.Request("t", "r")
	wantKind(t, "Request", err, policy.Unavailable)
	_, err = p.Records("t", store.Query{Kind: subjects, Limit: 1})
	wantKind(t, "Records", err, policy.Unavailable)
	_, _, err = p.Load("t", func([]byte) error { return nil })
	wantKind(t, "Load", err, policy.Unavailable)
	wantKind(t, "Compact", p.Compact("t", store.Compaction{At: head, Chunks: chunksOf("c")}), policy.Unavailable)
	p.reopen()
	if row, ok := p.row("t"); !ok || row.Head != head {
		t.Errorf("after reopening: %+v", row)
	}
}

func reopened(t *testing.T, p *Place) {
	var head store.Position
	var want []*klinkev1.Entry
	row := p.create("t", put(user("a", "")))
	head = row.Head
	for i := range 20 {
		e := request(name("r", i), 0, put(user(name("u", i), "")))
		head = p.add("t", head, e)
		want = append(want, e)
		if i%5 == 0 {
			p.reopen()
		}
	}
	compact(t, p, "t", head, 0, "checkpoint")
	p.reopen()
	row.Head = head
	if got, ok := p.row("t"); !ok || got != row {
		t.Errorf("the row was %+v and is %+v", row, got)
	}
	sameMessages(t, "the log", p.history("t", 1, 7), want)
	if got := p.list("t", subjects, 6); len(got) != 21 {
		t.Errorf("%d records", len(got))
	}
	wantCheckpoint(t, p, "t", head, "checkpoint")
}
