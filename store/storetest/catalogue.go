package storetest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

func tenants(t *testing.T, p *Place) {
	if rows := p.all(); len(rows) != 0 {
		t.Fatalf("a new place has %d tenants", len(rows))
	}
	want := map[string]store.Tenant{}
	for i, id := range []string{"b", "a", "c\x00d", "c", "zz"} {
		row := p.create(id)
		if row.ID != id || row.Head != store.Position(i+1) || row.Floor != 0 || !row.Created.Equal(epoch) {
			t.Errorf("made tenant %q as %+v", id, row)
		}
		want[id] = row
	}
	if _, err := p.CreateTenant("a", entry()); err == nil {
		t.Error("a tenant was made twice")
	} else {
		wantKind(t, "making a tenant twice", err, policy.Exists)
	}
	got := ""
	var gotSb34 strings.Builder
	for _, row := range p.all() {
		gotSb34.WriteString(row.ID + " ")
		if row != want[row.ID] {
			t.Errorf("listed %+v, made %+v", row, want[row.ID])
		}
	}
	got += gotSb34.String()
	if got != "a b c c\x00d zz " {
		t.Errorf("tenants are listed as %q", got)
	}
	wantKind(t, "deleting at another head", p.DeleteTenant("b", want["b"].Head+1), policy.Conflict)
	if err := p.DeleteTenant("b", want["b"].Head); err != nil {
		t.Errorf("deleting at its head: %v", err)
	}
	if err := p.DeleteTenant("zz", 0); err != nil {
		t.Errorf("deleting at any head: %v", err)
	}
	wantKind(t, "deleting what is gone", p.DeleteTenant("b", 0), policy.NotFound)
	if rows := p.all(); len(rows) != 3 {
		t.Errorf("three tenants are left, %d listed", len(rows))
	}
}

var lineage = regexp.MustCompile(`^[a-z0-9]{8,26}$`)

func lineages(t *testing.T, p *Place) {
	seen := map[string]bool{}
	last := store.Position(0)
	for i := range 10 {
		row := p.create("t")
		if !lineage.MatchString(row.Lineage) || seen[row.Lineage] {
			t.Errorf("lineage %q is malformed or was used before", row.Lineage)
		}
		seen[row.Lineage] = true
		if row.Head <= last {
			t.Errorf("position %d was used before: the last was %d", row.Head, last)
		}
		if last = row.Head; i%2 == 0 {
			last = p.add("t", last, entry())
		}
		if err := p.DeleteTenant("t", 0); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			p.reopen()
		}
	}
}

func ids(t *testing.T, p *Place) {
	long := strings.Repeat("x", policy.MaxIDBytes)
	for _, id := range []string{long, "\xff\xfe", "\x00", "ä", "a"} {
		p.create(id, put(user(long, "")), put(member(long, long)))
		if row, ok := p.row(id); !ok || row.ID != id {
			t.Errorf("tenant %q is not listed", id)
		}
		if got := p.list(id, members, 1); len(got) != 1 || got[0].GetGroupMember().GetGroup() != long {
			t.Errorf("tenant %q has records %v", id, got)
		}
	}
	head := p.create("r", put(user("u", ""))).Head
	p.add("r", head, request(long, 0))
	if e, err := p.Request("r", long); err != nil || e.GetRequestId() != long {
		t.Errorf("request id of 256 bytes: %v, %v", e, err)
	}
	for _, id := range []string{"", long + "x"} {
		_, err := p.CreateTenant(id, entry())
		wantKind(t, fmt.Sprintf("a tenant id of %d bytes", len(id)), err, policy.Invalid)
	}
	_, err := p.Append("r", head+1, request(long+"x", 0))
	wantKind(t, "a request id of 257 bytes", err, policy.Invalid)
}

func models(t *testing.T, p *Place) {
	model := func(name, flag string) *klinkev1.Model { return &klinkev1.Model{Name: name, Flags: []string{flag}} }
	long := strings.Repeat("f", 3*store.ChunkBytes+1)
	type step struct {
		m       *klinkev1.Model
		version uint32
		fresh   bool
	}
	steps := []step{
		{model("a", "1"), 1, true}, {model("a", "1"), 1, false}, {model("a", "2"), 2, true}, {model("ab", "1"), 1, true},
		{model("a", "1"), 3, true}, {model("a", long), 4, true}, {model("a", long), 4, false}, {model("b", "1"), 1, true},
	}
	for i, s := range steps {
		if v, fresh, err := p.PutModel(s.m); v != s.version || fresh != s.fresh || err != nil {
			t.Errorf("step %d: version %d, fresh %t, %v; want %d, %t", i, v, fresh, err, s.version, s.fresh)
		}
	}
	p.reopen()
	for i, s := range steps {
		m, v, err := p.Model(s.m.GetName(), s.version)
		if err != nil || v != s.version || !proto.Equal(m, s.m) {
			t.Errorf("step %d: read version %d, %v", i, v, err)
		}
	}
	if m, v, err := p.Model("a", 0); err != nil || v != 4 || m.GetFlags()[0] != long {
		t.Errorf("the newest version of a is %d, %v", v, err)
	}
	for _, miss := range []struct {
		name    string
		version uint32
	}{{"a", 5}, {"ab", 2}, {"c", 0}, {"", 0}, {"a\x00", 1}, {strings.Repeat("n", 400), 0}} {
		_, _, err := p.Model(miss.name, miss.version)
		wantKind(t, fmt.Sprintf("model %.10q version %d", miss.name, miss.version), err, policy.NotFound)
	}
	_, _, err := p.PutModel(&klinkev1.Model{})
	wantKind(t, "a model without a name", err, policy.Invalid)
}

func madeAgain(t *testing.T, p *Place) {
	row := p.create("t", put(user("anna", "")))
	head := p.add("t", row.Head, request("r", 0, put(member("g", "user:anna"))))
	compact(t, p, "t", head, 0, "checkpoint")
	if err := p.DeleteTenant("t", head); err != nil {
		t.Fatal(err)
	}
	_, err := p.Entries("t", 0, 1)
	wantKind(t, "entries of a deleted tenant", err, policy.NotFound)
	again := p.create("t", put(user("bert", "")))
	if again.Lineage == row.Lineage || again.Head <= head || again.Floor != 0 {
		t.Errorf("made again as %+v, before it was %+v", again, row)
	}
	check := func() {
		t.Helper()
		if e, err := p.Request("t", "r"); e != nil || err != nil {
			t.Errorf("the former request is found: %v, %v", e, err)
		}
		if got := p.history("t", 0, 10); len(got) != 1 || got[0].GetPosition() != uint64(again.Head) {
			t.Errorf("the log has %v", got)
		}
		if got := p.list("t", subjects, 10); len(got) != 1 || got[0].GetSubject().GetId() != "bert" {
			t.Errorf("the records are %v", got)
		}
		if got := p.list("t", members, 10); len(got) != 0 {
			t.Errorf("the former members are there: %v", got)
		}
		if at, chunks := load(t, p, "t"); at != 0 || len(chunks) != 0 {
			t.Errorf("the former checkpoint is there: %d, %q", at, chunks)
		}
	}
	check()
	p.reopen()
	check()
}
