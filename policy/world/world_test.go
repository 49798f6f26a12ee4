// These tests prove that a world passes when its model gives the answers that it states and only then, part by part; that
// time stands still in it; and that what is wrong with a file is named by its place.
package world_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/world"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

const notes = `model: notes
levels: {reach: {none: [], own: [own], any: any}}
types:
  note:
    attributes: {author: user}
    relations: {own: {is: author}}
    actions:
      read:   {level: reach}
      delete: {level: reach, require: [{permission: read, at_least: any}]}
roles:
  writer: {grants: [note.read@own]}
  editor: {grants: [note.*@any]}
`

func models(t *testing.T) func(string, uint32) (*policy.Model, error) {
	t.Helper()
	return func(name string, version uint32) (*policy.Model, error) {
		if name != "notes" {
			return nil, policy.Errorf(policy.NotFound, "model", "only notes is known")
		}
		s, err := account.ReadModel("notes.yaml", []byte(notes), nil)
		if err != nil {
			t.Fatal(err)
		}
		return s.Compile(max(version, 1))
	}
}

func read(t *testing.T, file string) *world.World {
	t.Helper()
	w, err := world.Read("w.yaml", strings.NewReader(file), models(t))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

const head = "tenant: t\nmodel: notes\nusers: {mia: {roles: [editor]}, jan: {roles: [writer]}}\nquestions:\n"

func TestOnlyWhatIsExpectedPasses(t *testing.T) {
	for _, c := range []struct {
		question string
		fails    string // the parts that are not as expected
	}{
		{`{ask: jan read note:1, facts: {author: jan}, expect: allow, reason: RELATION, level: own, relation: own}`, ""},
		{`{ask: jan read note:1, facts: {author: jan}, expect: allow}`, ""},
		{`{ask: jan read note:1, facts: {author: jan}, expect: deny}`, "answer"},
		{`{ask: jan read note:1, facts: {author: jan}, expect: error}`, "answer"},
		{`{ask: jan read note:1, facts: {author: jan}, expect: allow, reason: ANY}`, "reason"},
		{`{ask: jan read note:1, facts: {author: jan}, expect: allow, level: any}`, "level"},
		{`{ask: jan read note:1, facts: {author: jan}, expect: allow, relation: any}`, "relation"},
		{`{ask: jan read note:1, facts: {author: mia}, expect: allow, reason: RELATION, level: own, relation: own}`, "answer reason relation"},
		{`{ask: jan read note:1, facts: {author: mia}, expect: deny, reason: OUT_OF_REACH, level: own}`, ""},
		{`{ask: jan erase note:1, expect: error}`, ""},
		{`{ask: jan erase note:1, expect: deny}`, "answer"},
		{`{ask: jan delete note:1, expect: deny, reason: REQUIREMENT}`, ""},
		{`{ask: mia delete note:1, expect: allow, reason: ANY, level: any}`, ""},
		{`{ask: mia delete note:1, roles: [writer], expect: error}`, "answer"},
		{`{ask: mia delete note:1, roles: [editor], expect: allow}`, ""},
		{`{ask: mia delete note:1, as: app:none, expect: deny, reason: ACTOR_UNKNOWN}`, ""},
	} {
		w := read(t, head+"  - "+c.question)
		a := w.Questions[0].Ask()
		var fails []string
		for _, p := range a.Parts {
			if !p.Holds() {
				fails = append(fails, p.Name)
			}
		}
		if got := strings.Join(fails, " "); got != c.fails || a.Passed() != (c.fails == "") {
			t.Errorf("%s: %q differs and Passed() is %t, want %q", a, got, a.Passed(), c.fails)
		}
		if a.Err == nil && len(a.Steps) == 0 {
			t.Errorf("%s is not explained", a)
		}
	}
}

func TestAnAnswerSaysWhatCame(t *testing.T) {
	w := read(t, head+"  - {ask: jan delete note:1, expect: allow, reason: ANY, relation: own}\n  - {ask: jan erase note:1, expect: deny}")
	for i, want := range []string{
		"w.yaml:5:5: jan delete note:1: expected allow ANY own, got deny REQUIREMENT nothing, missing permission read at least any",
		`w.yaml:6:5: jan erase note:1: expected deny, got error: action.name: type "note" has no action "erase"`,
	} {
		if got := w.Questions[i].Ask().String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestTimeStandsStill(t *testing.T) {
	w := read(t, `tenant: t
model: notes
users: {jan: }
assignments: [{role: writer, to: jan, from: 2027-01-15T08:00:00Z, until: 2027-01-16T00:00:00Z}]
questions:
  - {ask: jan read note:1, facts: {author: jan}, expect: allow}
  - {ask: jan read note:1, facts: {author: jan}, at: 2027-01-15T07:59:59Z, expect: deny}
  - {ask: jan read note:1, facts: {author: jan}, at: 2027-01-16T00:00:00Z, expect: deny}
`)
	for i := range w.Questions {
		if a := w.Questions[i].Ask(); !a.Passed() {
			t.Error(a)
		}
	}
}

func TestDocumentsMakeOneTenant(t *testing.T) {
	w := read(t, "tenant: t\nmodel: notes@7\nusers: {jan: }\n---\nusers: {jan: {known: true, roles: [writer]}}\nquestions: [{ask: jan read note:1, facts: {author: jan}, expect: allow}]\n"+
		"---\nquestions: [{ask: jan read note:2, expect: deny}]")
	if len(w.Questions) != 2 || len(w.Changes) != 2 || len(w.Places) != 2 || w.Places[1].Line != 5 || w.Model.Version() != 7 || w.Place.Line != 1 {
		t.Errorf("%d questions, changes %v at %v, version %d, begins at %s", len(w.Questions), w.Changes, w.Places, w.Model.Version(), w.Place)
	}
	if kind, _ := policy.RecordKey(w.Changes[1].GetPut()); kind != klinkev1.RecordKind_RECORD_KIND_ASSIGNMENT {
		t.Errorf("the second change is a %v", kind)
	}
	for i := range w.Questions {
		if a := w.Questions[i].Ask(); !a.Passed() {
			t.Error(a)
		}
	}
}

func TestADocumentsQuestionsKnowNothingOfTheNext(t *testing.T) {
	const ask = "questions: [{ask: jan read note:1, facts: {author: jan}, expect: %s}]\n"
	w := read(t, "tenant: t\nmodel: notes\nusers: {jan: }\n"+fmt.Sprintf(ask, "deny")+"---\nusers: {jan: {known: true, roles: [writer]}}\n"+fmt.Sprintf(ask, "allow")+
		"---\nceilings: [{to: 'user:jan', at_most: note.read@none}]\n"+fmt.Sprintf(ask, "deny"))
	for i := range w.Questions {
		if a := w.Questions[i].Ask(); !a.Passed() {
			t.Error(a)
		}
	}
	if len(w.Questions) != 3 || w.Questions[2].Snapshot != w.Snapshot {
		t.Errorf("%d questions, and the last is not about the tenant in the end", len(w.Questions))
	}
}

func TestMistakesHavePlaces(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"tenant: t\nmodel: notes\nusers: {jan: {roles: [writer, reader]}}", `w.yaml: line 3, column 31: assignment.role: there is no role "reader"`},
		{"tenant: t\nmodel: notes\nroles:\n  r: {grants: [note.read@own, note.delete@mine]}", `w.yaml: line 4, column 31: cell.level: `},
		{"tenant: t\nmodel: notes\n---\ngroups:\n  g: {members: [nobody]}", `w.yaml: line 5, column 17: group_member.member: `},
		{"tenant: t\nmodel: notes\nuser: {}", "w.yaml: line 3, column 1: unknown key `user`"},
		{"tenant: t\nusers: {jan: }", "w.yaml: line 1, column 1: the account does not say which `model` it uses"},
		{"tenant: t\nmodel: other", "model: only notes is known"},
		{"", "w.yaml: the file is empty"},
	} {
		w, err := world.Read("w.yaml", strings.NewReader(c.file), models(t))
		if err == nil || w != nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %s", c.file, err, c.want)
		}
	}
}
