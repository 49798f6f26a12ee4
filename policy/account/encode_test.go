// These tests prove that what Encoder writes Decoder reads as the same records, that a small account reads as a person
// would write it, and that a large one is cut into documents in an order that can be applied.
package account

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/preset"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// encode writes records, put in the order of Kinds.
func encode(rs []*klinkev1.Record) (string, error) {
	var b bytes.Buffer
	e := NewEncoder(&b, "t", "m@1")
	for _, k := range Kinds() {
		for _, r := range rs {
			if kind, _ := policy.RecordKey(r); kind == k {
				if err := e.Put(r); err != nil {
					return "", err
				}
			}
		}
	}
	err := e.Close()
	return b.String(), err
}

func encoded(t *testing.T, rs []*klinkev1.Record) string {
	t.Helper()
	text, err := encode(rs)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// difference compares two sets of records.
func difference(a, b []*klinkev1.Record) string {
	a, b = slices.Clone(a), slices.Clone(b)
	sortByKey(a)
	sortByKey(b)
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return fmt.Sprintf("too much: %v", b[i])
		case i >= len(b):
			return fmt.Sprintf("missing: %v", a[i])
		case !proto.Equal(a[i], b[i]):
			return fmt.Sprintf("%v became %v", a[i], b[i])
		}
	}
	return ""
}

func TestPresetAccountsRoundTrip(t *testing.T) {
	files := [][]byte{}
	for _, name := range preset.Names() {
		world, _ := preset.World(name)
		files = append(files, world)
	}
	demo, _ := preset.Demo("demo")
	for _, file := range append(files, demo) {
		before := records(mustDecode(t, string(file)))
		text := encoded(t, before)
		if d := difference(before, records(mustDecode(t, text))); d != "" {
			t.Errorf("%s\n%s", d, text)
		}
	}
}

func TestReadsAsWrittenByAPerson(t *testing.T) {
	const want = `tenant: t
model: m@1
settings:
  active: {"": true, account: false}
  rights: lowest
classes:
  closed: {}
  night shift: {types: [internal, premium], prefixes: {"+49": deny, "+4930": allow, "20": deny}, hours: {internal: [["00:00", "06:00"],
      ["22:00", "24:00"]], premium: ["22:00", "06:00"]}, zone: Europe/Berlin}
sites:
  berlin: {region: DE, access: "0", default: true, emergency: ["1234"]}
departments:
  firma: {}
  vertrieb: {under: firma, label: {de: Vertrieb, en: "Sales & more"}, members: [app:x]}
groups:
  admins: {members: [everybody, group:helpers]}
  helpers: {known: true, members: [user:a:b, zoe]}
roles:
  manager: {label: {de: Leiter}, under: boss, assignable: false, origin: m@1/manager, includes: [listener], grants: ["*.*@none",
      account.*@any, contact.phone:read@any, {grant: recording.listen@any, when: "context.mfa == true", schedule: office}]}
users:
  anna: {label: Anna Beispiel, flags: [portal_admin], attributes: {email: anna@example.org}, roles: [manager], groups: [admins],
      departments: [vertrieb], leads: [vertrieb]}
  bert: {active: false}
apps:
  dialer: {}
assignments:
  - {role: manager, to: department+:firma}
  - {role: manager, to: anna2, from: 2026-01-01T00:00:00Z, until: 2026-01-02T00:00:00.5Z, when: x, schedule: s}
object_grants:
  - {to: anna, grant: line.use@any, on: line:+4930123456}
ceilings:
  - {to: group:trainees, at_most: recording.listen@own}
limits:
  - {limit: numbers, to: everybody, values: []}
  - {limit: teams, to: everybody, values: ["", a, "true"]}
lists:
  crm: ["+49*", "+4930"]
`
	if got := encoded(t, records(mustDecode(t, want))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestOrderOfPutDoesNotMatter(t *testing.T) {
	world, _ := preset.World("bitrix24")
	rs := records(mustDecode(t, string(world)))
	want := encoded(t, rs)
	r := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		r.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
		if got := encoded(t, rs); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func user(id string) *klinkev1.Record {
	return &klinkev1.Record{Record: &klinkev1.Record_Subject{Subject: &klinkev1.Subject{Type: klinkev1.SubjectType_SUBJECT_TYPE_USER, Id: id}}}
}

func department(id, parent string) *klinkev1.Record {
	return &klinkev1.Record{Record: &klinkev1.Record_Department{Department: &klinkev1.Department{Id: id, Parent: parent}}}
}

func member(group, holder string) *klinkev1.Record {
	return &klinkev1.Record{Record: &klinkev1.Record_GroupMember{GroupMember: &klinkev1.GroupMember{Group: group, Member: holder}}}
}

func TestUnsayableRecords(t *testing.T) {
	class := func(text string) *klinkev1.Record {
		k := &klinkev1.ServiceClass{}
		if err := prototext.Unmarshal([]byte(`name: "k" `+text), k); err != nil {
			t.Fatal(err)
		}
		return &klinkev1.Record{Record: &klinkev1.Record_ServiceClass{ServiceClass: k}}
	}
	cell := func(c *klinkev1.Cell) *klinkev1.Record {
		return &klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: c}}
	}
	for _, c := range []struct {
		put  []*klinkev1.Record
		want string
	}{
		{[]*klinkev1.Record{{}}, "record: an account file holds no record of kind RECORD_KIND_UNSPECIFIED"},
		{[]*klinkev1.Record{{Record: &klinkev1.Record_UseModel{UseModel: &klinkev1.UseModel{Model: "m", Version: 1}}}}, "record: an account file holds no record of kind RECORD_KIND_USE_MODEL"},
		{[]*klinkev1.Record{user("a"), department("d", "")}, "record: RECORD_KIND_DEPARTMENT after RECORD_KIND_SUBJECT: put kinds in the order of account.Kinds"},
		{[]*klinkev1.Record{user("a"), user("a")}, "record: RECORD_KIND_SUBJECT [\"user\" \"a\"] is put twice"},
		{[]*klinkev1.Record{user("")}, "record: \"\": a name cannot be empty"},
		{[]*klinkev1.Record{user("a\xff")}, "record: a text is no UTF-8: \"a\\xff\""},
		{[]*klinkev1.Record{department("a", ""), department("a", "b")}, "record: \"a\" is put twice"},
		{[]*klinkev1.Record{department("a", "b"), department("b", "a")}, "record: `a` is above itself"},
		{[]*klinkev1.Record{member("g", "anna")}, "record: \"anna\" is no holder"},
		{[]*klinkev1.Record{class(`types: 99`)}, "record: 99 is no type of number"},
		{[]*klinkev1.Record{class(`types: [3, 3]`)}, "record: the type mobile twice"},
		{[]*klinkev1.Record{class(`prefixes{prefix: "+49x"}`)}, "record: `+49x` is no prefix: write + and the first digits of numbers (\"+4930\"), or the first digits of extensions alone (\"20\")"},
		{[]*klinkev1.Record{class(`prefixes{prefix: "20"} prefixes{prefix: "20" deny: true}`)}, "record: the prefix 20 twice"},
		{[]*klinkev1.Record{class(`hours{type: 3 from{} until{seconds: 60}}`)}, "record: hours without a time zone"},
		{[]*klinkev1.Record{class(`zone: "UTC" hours{type: 3 from{} until{seconds: 61}}`)}, "record: hours from 0s until 1m1s are no two times of day, whole minutes"},
		{[]*klinkev1.Record{class(`zone: "UTC" hours{type: 3 from{} until{}}`)}, "record: hours from 0s until 0s are no two times of day, whole minutes"},
		{[]*klinkev1.Record{class(`zone: "UTC" hours{type: 3 until{seconds: 60}}`)}, "record: hours from 0s until 1m0s are no two times of day, whole minutes"},
		{[]*klinkev1.Record{class(`zone: "UTC" hours{type: 3 from{} until{seconds: 60}} hours{type: 2 from{} until{seconds: 60}} hours{type: 3 from{} until{seconds: 60}}`)},
			"record: the hours of mobile stand apart"},
		{[]*klinkev1.Record{cell(&klinkev1.Cell{Role: "r", Permission: "t.x", Level: "a@b"})}, "record: the level \"a@b\" cannot be written behind an @"},
		{[]*klinkev1.Record{cell(&klinkev1.Cell{Role: "r", Permission: "x", Level: "a"})}, "record: \"x\" is no permission"},
		{[]*klinkev1.Record{{Record: &klinkev1.Record_Subject{Subject: &klinkev1.Subject{Id: "a"}}}}, "record: a subject that is neither a user nor an app"},
		{[]*klinkev1.Record{{Record: &klinkev1.Record_ObjectGrant{ObjectGrant: &klinkev1.ObjectGrant{Type: "t", Id: "1", Action: "x", Level: "l", Holder: "everybody",
			Until: &timestamppb.Timestamp{Seconds: 1 << 40}}}}}, "record: a moment outside the years 1 to 9999"},
	} {
		e := NewEncoder(&bytes.Buffer{}, "t", "")
		var err error
		for _, r := range c.put {
			if err == nil {
				err = e.Put(r)
			}
		}
		if err == nil {
			err = e.Close()
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%v: got %v, want %s", c.put, err, c.want)
		}
		if again := e.Close(); again == nil {
			t.Errorf("%v: the error is not final", c.put)
		}
	}
	if err := NewEncoder(&bytes.Buffer{}, "", "").Close(); err == nil {
		t.Error("a file without a tenant")
	}
	if err := NewEncoder(&bytes.Buffer{}, "t", "m@x").Close(); err == nil {
		t.Error("a model of version x")
	}
}

type fullDisk struct{ err error }

func (f fullDisk) Write([]byte) (int, error) { return 0, f.err }

func TestWriteFailure(t *testing.T) {
	full := errors.New("disk full")
	if err := NewEncoder(fullDisk{full}, "t", "").Close(); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

func TestEmptyAccount(t *testing.T) {
	if got, want := encoded(t, nil), "tenant: t\nmodel: m@1\n"; got != want {
		t.Errorf("got %q", got)
	}
}

// A chain of 15,000 departments, put from the deepest, and members of one group need several documents. No document may
// name a department above that comes later, and entries that go on elsewhere must not replace what was said.
func TestSeveralDocuments(t *testing.T) {
	var before []*klinkev1.Record
	for i := 15_000; i > 0; i-- {
		before = append(before, department(fmt.Sprintf("d%d", i), fmt.Sprintf("d%d", i-1)))
	}
	before = append(before, department("d0", ""))
	before = append(before, &klinkev1.Record{Record: &klinkev1.Record_Group{Group: &klinkev1.Group{Id: "g", Labels: map[string]string{"de": "G"}}}})
	for i := range 8_000 {
		before = append(before, user(fmt.Sprintf("u%d", i)), member("g", fmt.Sprintf("user:u%d", i)))
	}
	as := mustDecode(t, encoded(t, before))
	if len(as) < 4 {
		t.Errorf("%d documents", len(as))
	}
	after := records(as)
	if d := difference(before, after); d != "" {
		t.Error(d)
	}
	seen := map[string]bool{"": true}
	for _, r := range after {
		if d := r.GetDepartment(); d != nil {
			if !seen[d.GetParent()] {
				t.Fatalf("%s comes before %s", d.GetId(), d.GetParent())
			}
			seen[d.GetId()] = true
		}
	}
	for _, a := range as {
		if len(a.Changes) > policy.MaxWriteChanges {
			t.Errorf("a document of %d changes", len(a.Changes))
		}
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := genRecords(t)
		text, err := encode(before)
		if err != nil {
			t.Fatal(err)
		}
		as, err := decode(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if d := difference(before, records(as)); d != "" {
			t.Fatalf("%s\n%s", d, text)
		}
	})
}
