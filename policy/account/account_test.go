// These tests prove that an account file becomes the changes that it says, in an order that Apply accepts, and that the
// questions of a world file are asked as they are written.
package account

import (
	"errors"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// decode reads all documents of a file.
func decode(file string) ([]*Account, error) {
	var out []*Account
	d := NewDecoder("m.yaml", strings.NewReader(file))
	for {
		a, err := d.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
}

func mustDecode(t *testing.T, file string) []*Account {
	t.Helper()
	as, err := decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return as
}

// records is what a file leaves: a later document replaces what an earlier one put. What one document puts twice stays twice,
// which is a mistake.
func records(as []*Account) []*klinkev1.Record {
	var out []*klinkev1.Record
	before := map[string]int{}
	for _, a := range as {
		now := map[string]int{}
		for _, c := range a.Changes {
			kind, parts := policy.RecordKey(c.GetPut())
			key := string(policy.AppendKey(nil, kind, parts))
			if i, again := before[key]; again {
				out[i] = c.GetPut()
				continue
			}
			now[key] = len(out)
			out = append(out, c.GetPut())
		}
		maps.Copy(before, now)
	}
	return out
}

// The page's examples are the documents of one file.
func TestAccountReference(t *testing.T) {
	as := mustDecode(t, strings.Join(examples(t, "account.md"), "---\n"))
	all := &klinkev1.Entry{}
	var questions []Question
	for _, a := range as {
		if a.Tenant != "demo" || a.Model != "bitrix24@2" {
			t.Errorf("a document of %s, %s", a.Tenant, a.Model)
		}
		all.Changes = append(all.Changes, a.Changes...)
		questions = append(questions, a.Questions...)
	}
	golden(t, "testdata/account.json", all, &klinkev1.Entry{})
	kinds := map[klinkev1.RecordKind]bool{}
	for _, c := range all.GetChanges() {
		k, _ := policy.RecordKey(c.GetPut())
		kinds[k] = true
	}
	for _, k := range Kinds() {
		if !kinds[k] {
			t.Errorf("the reference has no example of %v", k)
		}
	}
	if len(questions) != 3 {
		t.Fatalf("%d questions", len(questions))
	}
	q := questions[0]
	want := &klinkev1.CheckRequest{}
	if err := protojson.Unmarshal([]byte(`{"tenant": "demo", "subject": {"type": "user", "id": "anna"}, "action": {"name": "listen"},
		"resource": {"type": "recording", "id": "r9", "properties": {"employee": "bert", "title": null}},
		"context": {"mfa": true, "tries": 2}, "actor": {"type": "app", "id": "dialer"}, "activeRoles": ["manager"]}`), want); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(q.Request("demo"), want) {
		t.Errorf("asked %v, want %v", q.Request("demo"), want)
	}
	if !q.At.Equal(time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)) || q.Expect != "allow" || q.Reason != klinkev1.Reason_REASON_RELATION ||
		q.Level != "department" || q.Relation != "department" || q.Why != "she leads his department" || q.Text != "user:anna listen recording:r9" {
		t.Errorf("expected %+v", q)
	}
	if q := questions[1].Check; q.GetAction().GetProperties().GetFields()["field"].GetStringValue() != "phone" {
		t.Errorf("field question %v", q)
	}
	if q := questions[2].Check; q.GetResource().GetId() != "to mum" || q.GetResource().GetProperties().GetFields()["destination"].GetStringValue() != "+4930123456" {
		t.Errorf("question of a list %v", q)
	}
}

func TestQuestionLine(t *testing.T) {
	as := mustDecode(t, "tenant: t\nquestions:\n  - {ask: a x t:1, expect: deny}\n  - {ask: a x t:2, expect: deny}")
	if q := as[0].Questions; q[0].Place.String() != "m.yaml:3:5" || q[1].Place.String() != "m.yaml:4:5" || !q[0].At.IsZero() {
		t.Errorf("%+v", q)
	}
}

// What is named comes before what names it, whatever the order in the file.
func TestOrder(t *testing.T) {
	as := mustDecode(t, `
assignments: [{role: low, to: group:g}]
users: {u: {departments: [leaf]}}
groups: {g: {members: [u]}}
roles: {low: {under: mid, includes: [high], grants: [t.x@any]}, mid: {under: high}, high: }
departments: {leaf: {under: twig}, twig: {under: root}, root: , lone: {under: elsewhere}}
settings: {s: 1}
tenant: t
`)
	var got []string
	for _, r := range records(as) {
		kind, parts := policy.RecordKey(r)
		got = append(got, strings.TrimPrefix(kind.String(), "RECORD_KIND_")+" "+strings.Join(parts, " "))
	}
	want := []string{"SETTING s ", "DEPARTMENT root", "DEPARTMENT twig", "DEPARTMENT leaf", "DEPARTMENT lone", "GROUP g", "ROLE high", "ROLE mid", "ROLE low",
		"ROLE_INCLUDE low high", "CELL low t.x", "SUBJECT user u", "DEPARTMENT_MEMBER leaf user:u 0", "GROUP_MEMBER g user:u", "ASSIGNMENT low group:g"}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

func TestSaidTwiceCountsOnce(t *testing.T) {
	as := mustDecode(t, "tenant: t\nusers: {u: {groups: [g], departments: [d], roles: [r]}}\ngroups: {g: {members: [u, user:u]}}\n"+
		"departments: {d: {members: [u]}}\nassignments: [{role: r, to: u}]")
	if got := len(as[0].Changes); got != 6 {
		t.Errorf("%d changes, want user, group, department and three edges", got)
	}
}

func TestEmptyDocumentsAreSkipped(t *testing.T) {
	as := mustDecode(t, "---\n# nothing\n---\ntenant: t\n---\n---\nusers: {u: }\n---\n")
	if len(as) != 2 || as[1].Tenant != "t" || len(as[1].Changes) != 1 {
		t.Errorf("%d documents", len(as))
	}
}

func TestSplitModel(t *testing.T) {
	for _, c := range []struct {
		s, name string
		version uint32
		fails   bool
	}{{"a", "a", 0, false}, {"a@3", "a", 3, false}, {"a@0", "", 0, true}, {"a@x", "", 0, true}, {"@1", "", 0, true}, {"a@4294967296", "", 0, true}} {
		name, version, err := SplitModel(c.s)
		if name != c.name || version != c.version || (err != nil) != c.fails {
			t.Errorf("SplitModel(%q) = %q, %d, %v", c.s, name, version, err)
		}
	}
}

func TestParseQuestion(t *testing.T) {
	for _, c := range []struct{ subject, action, resource, want string }{
		{"user:anna", "listen", "recording:r9", `{"subject": {"type": "user", "id": "anna"}, "action": {"name": "listen"}, "resource": {"type": "recording", "id": "r9"}}`},
		{"anna", "place", "call:sip:a#b@c.d", `{"subject": {"type": "user", "id": "anna"}, "action": {"name": "place"}, "resource": {"type": "call", "id": "sip:a#b@c.d"}}`},
		{"app:a:b", "read", "account.phone.home:a1", `{"subject": {"type": "app", "id": "a:b"}, "action": {"name": "read", "properties": {"field": "phone.home"}}, "resource": {"type": "account", "id": "a1"}}`},
		{"anna", "x", "t:*", `{"subject": {"type": "user", "id": "anna"}, "action": {"name": "x"}, "resource": {"type": "t", "id": "*"}}`},
		{"group:g", "x", "t:1", "subject: `group:g` is neither a user nor an app: write user:group:g"},
		{"", "x", "t:1", "subject: a name cannot be empty"},
		{"a", "", "t:1", "action: a name cannot be empty"},
		{"a", "x", "t", "resource: `t` is no resource: write type:id, or type:* to ask about the type"},
		{"a", "x", "t:", "resource: the id of `t:`: a name cannot be empty"},
		{"a", "x", ":i", "resource: the type of `:i`: a name cannot be empty"},
		{"a", "x", "t.f:i", "action: a field can be asked for `read` and `write`, not for `x`"},
		{"a", "read", "t.:i", "resource: the field: a name cannot be empty"},
	} {
		q, err := ParseQuestion(c.subject, c.action, c.resource)
		if err != nil {
			if err.Error() != c.want {
				t.Errorf("%s %s %s: %v, want %s", c.subject, c.action, c.resource, err, c.want)
			}
			continue
		}
		want := &klinkev1.CheckRequest{}
		if err := protojson.Unmarshal([]byte(c.want), want); err != nil || !proto.Equal(q, want) {
			t.Errorf("%s %s %s: %v, want %s (%v)", c.subject, c.action, c.resource, q, c.want, err)
		}
	}
}
