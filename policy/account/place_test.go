// These tests prove that every piece of a model and every change of an account says where the file says it, and that a
// mistake which only compiling finds is named with its place.
package account

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
)

const placedModel = `model: m
uses: [mix]
settings: {on: {default: true}}
schedules: {day: {zone: UTC, hours: {mon: ["08:00", "18:00"]}}}
levels:
  reach: {none: [], own: [own], any: any}
  idle: {none: []}
types:
  note:
    attributes: {author: user}
    relations: {own: {is: author}}
    every: {gate: [{setting: on}]}
    levels: {rare: {none: []}}
    actions:
      read: {level: reach, obligations: [{id: log, kind: advice}]}
      edit: {require: [{all: [own, {schedule: day}]}]}
    fields: {read: {level: reach}, write: {level: reach}}
roles:
  writer: {grants: [note.edit, {grant: note.read@own}]}
assignments:
  - {role: writer, to: everybody}
`

const placedMixin = `types:
  note:
    attributes: {title: text}
classes:
  open: {types: [mobile]}
`

func TestPiecesOfAModelHavePlaces(t *testing.T) {
	s, err := ReadModel("m.yaml", []byte(placedModel), mixins(map[string]string{"mix": placedMixin}))
	if err != nil {
		t.Fatal(err)
	}
	m := s.Model
	note := m.GetTypes()[0]
	read, edit := note.GetActions()[0], note.GetActions()[1]
	all := edit.GetRule().GetRequire()[0]
	for _, c := range []struct {
		piece proto.Message
		want  string
	}{
		{m.GetSettings()[0], "m.yaml:3:12"},
		{m.GetSchedules()[0], "m.yaml:4:13"},
		{note, "m.yaml:9:3"},
		{note.GetAttributes()[0], "mix:3:18"},
		{note.GetAttributes()[1], "m.yaml:10:18"},
		{note.GetRelations()[0], "m.yaml:11:17"},
		{note.GetRelations()[0].GetTest(), "m.yaml:11:22"},
		{read, "m.yaml:15:7"},
		{read.GetRule().GetGate()[0], "m.yaml:12:20"}, // one that `every` joins
		{edit.GetRule().GetGate()[0], "m.yaml:12:20"},
		{read.GetRule().GetScale(), "m.yaml:15:21"},
		{read.GetRule().GetScale().GetLevels()[1], "m.yaml:6:21"},
		{read.GetRule().GetScale().GetLevels()[1].GetRelations()[0], "m.yaml:6:27"},
		{read.GetRule().GetObligations()[0], "m.yaml:15:42"},
		{all, "m.yaml:16:24"},
		{all.GetAll().GetTests()[1], "m.yaml:16:36"},
		{note.GetFields(), "m.yaml:17:13"},
		{m.GetRoles()[0], "m.yaml:19:3"},
		{m.GetRoles()[0].GetCells()[0], "m.yaml:19:21"},
		{m.GetRoles()[0].GetCells()[1], "m.yaml:19:32"},
		{m.GetAssignments()[0], "m.yaml:21:5"},
		{m.GetClasses()[0], "mix:5:3"},
		{proto.CloneOf(note), ""},
	} {
		if got := s.Place(c.piece).String(); got != c.want {
			t.Errorf("%T %v stands at %q, want %q", c.piece, c.piece, got, c.want)
		}
	}
	if len(s.Files) != 2 || s.Files[0].Name != "m.yaml" || s.Files[1].Name != "mix" || string(s.Files[1].Data) != placedMixin {
		t.Errorf("read from %v", s.Files)
	}
	if len(s.Idle) != 2 || s.Idle[0].Place.String() != "m.yaml:7:3" || s.Idle[0].Type != "" ||
		s.Idle[1].Place.String() != "m.yaml:13:14" || s.Idle[1].Type != "note" || s.Idle[1].Name != "rare" {
		t.Errorf("idle scales %v, want idle and rare", s.Idle)
	}
}

func TestMistakesThatCompilingFindsHavePlaces(t *testing.T) {
	const types = "levels: {reach: {none: [], own: [{is: id}], any: any}}\ntypes:\n  t:\n    attributes: {a: text}\n"
	for _, c := range []struct{ file, want string }{
		{types + "    actions:\n      x:\n        gate:\n          - {absent: a}\n          - {is: a}", "line 9, column 13: model.types[t].actions[x].gate[1]: attribute"},
		{types + "    actions: {x: {require: [{any: [{is: a}]}]}}", "line 5, column 29: model.types[t].actions[x].require[0]: attribute"},
		{types + "    relations: {r: {is: a}}", "line 5, column 17: model.types[t].relations[r]: attribute"},
		{types + "    fields: {read: {level: reach, gate: [{is: a}]}, write: {level: reach}}", "line 5, column 13: model.types[t].fields.gate[0]: attribute"},
		{types + "    levels: {s: {no: [], yes: [{is: a}]}}\n    actions: {x: {level: s}}", "line 5, column 32: model.types[t].actions[x].level yes[0]: attribute"},
		{types + "    actions: {x: {level: reach}}\nroles:\n  r:\n    grants: [t.*@own, t.x@onw]", "line 8, column 23: model.roles: the factory roles do not fit the model: cell.level"},
		{types + "    actions: {x: {level: reach}}\nroles:\n  r: {includes: [s]}\n  s: {includes: [r]}", "line 8, column 3: model.roles: the factory roles do not fit"},
		{types + "    actions: {x: {level: reach}}\nroles: {r: {grants: [t.x]}}\nassignments:\n  - {role: r, to: everybody}\n  - {role: r, to: 'group:g'}", "line 9, column 5: model.roles: the factory roles do not fit"},
		{"settings: {how: {default: x}}\ncombine: how", "line 1, column 1: model.combine_setting: "},
		{"schedules: {s: {zone: Nowhere/Else, hours: {mon: ['08:00', '09:00']}}}", "line 1, column 13: model.schedules[s]: "},
	} {
		s, err := ReadModel("m.yaml", []byte(c.file), nil)
		if err != nil {
			t.Errorf("%s\nis refused before it is compiled: %v", c.file, err)
			continue
		}
		_, err = s.Compile(1)
		var e *policy.Error
		if !errors.As(err, &e) || e.Field != "m.yaml" || !strings.HasPrefix(e.Message, c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.file, err, c.want)
		}
	}
}

func TestChangesHavePlaces(t *testing.T) {
	as := mustDecode(t, "tenant: t\nusers:\n  anna: {roles: [r]}\nroles:\n  r: {grants: [t.x@any]}\n---\n# more\ngroups:\n  g: {members: [anna]}\n")
	var got []string
	for _, a := range as {
		got = append(got, a.Place.String())
		for i, c := range a.Changes {
			kind, _ := policy.RecordKey(c.GetPut())
			got = append(got, strings.TrimPrefix(kind.String(), "RECORD_KIND_")+" "+a.Places[i].String())
		}
	}
	const want = "m.yaml:1:1; ROLE m.yaml:5:3; CELL m.yaml:5:16; SUBJECT m.yaml:3:3; ASSIGNMENT m.yaml:3:18; m.yaml:8:1; GROUP m.yaml:9:3; GROUP_MEMBER m.yaml:9:17"
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}
