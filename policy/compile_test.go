// These tests prove what Compile refuses: rules that depend on themselves, names that the model does not declare, tests of
// attributes of the wrong kind, values that can never be, and what goes beyond a limit; each with the path to it.
package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// soundModel compiles; rows add to it.
const soundModel = `
name: "m" combine: COMBINE_HIGHEST flags: "root" default_region: "DE"
user_attributes { name: "email" kind: ATTRIBUTE_KIND_TEXT }
settings { name: "mode" default: "a" values: ["a", "b"] } settings { name: "on" default: "true" } settings { name: "free" }
schedules { name: "office" zone: "UTC" hours { days: 1 from { seconds: 32400 } until { seconds: 36000 } } }
regions { name: "DE" country: "49" trunk: "0" international: "00" emergency: "112" }
classes { name: "open" types: NUMBER_TYPE_NATIONAL } default_classes { key: "dialling" value: "open" }
types {
  name: "doc"
  attributes { name: "owner" kind: ATTRIBUTE_KIND_USER } attributes { name: "app" kind: ATTRIBUTE_KIND_APP } attributes { name: "who" kind: ATTRIBUTE_KIND_PRINCIPAL }
  attributes { name: "nr" kind: ATTRIBUTE_KIND_NUMBER } attributes { name: "parent" kind: ATTRIBUTE_KIND_RECORD } attributes { name: "parts" kind: ATTRIBUTE_KIND_RECORDS }
  attributes { name: "teams" kind: ATTRIBUTE_KIND_GROUPS } attributes { name: "box" kind: ATTRIBUTE_KIND_ID of: "doc" } attributes { name: "mark" kind: ATTRIBUTE_KIND_TEXT }
  attributes { name: "ok" kind: ATTRIBUTE_KIND_BOOL }
  relations { name: "own" test { is { attribute: "owner" } } }
  actions { name: "see" rule { scale { name: "s" levels { name: "none" } levels { name: "own" relations { relation: "own" } } levels { name: "any" any: true } } } }
  actions { name: "go" rule {} }
  fields { read { scale { name: "f" levels { name: "none" } levels { name: "any" any: true } } } write { scale { name: "f" levels { name: "none" } levels { name: "any" any: true } } } }
}
`

// tested adds an action whose gate is one test, in a type like doc.
func tested(test string) string {
	_, doc, _ := strings.Cut(soundModel, "name: \"doc\"")
	doc, _, _ = strings.Cut(doc, "relations {")
	return `types { name: "more" ` + doc + `relations { name: "own" test { is { attribute: "owner" } } }
		actions { name: "try" rule { gate { ` + test + ` } } }
		actions { name: "levelled" rule { scale { name: "s" levels { name: "none" } levels { name: "any" any: true } } gate { relation: "own" } } } }`
}

func modelOf(t *testing.T, more string) *klinkev1.Model {
	t.Helper()
	m, add := &klinkev1.Model{}, &klinkev1.Model{}
	for text, into := range map[string]*klinkev1.Model{soundModel: m, more: add} {
		if err := prototext.Unmarshal([]byte(text), into); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	proto.Merge(m, add)
	return m
}

// Each sort of test is taken with the attributes that it is for.
func TestCompileTakesEachTest(t *testing.T) {
	for _, test := range []string{
		`is { attribute: "owner" }`, `is { attribute: "app" }`, `is { attribute: "who" }`, `is { attribute: "id" }`, `is { attribute: "mark" by: "email" }`, `is { attribute: "box" by: "email" }`,
		`absent { attribute: "parts" }`, `value { attribute: "mark" in { text: "x" } in {} }`, `value { attribute: "ok" in { truth: true } }`, `value { attribute: "nr" in { text: "12" } }`,
		`value { attribute: "context.mfa" in { truth: true } in { text: "x" } }`, `within { attribute: "nr" limit: "l" }`, `within { attribute: "id" limit: "l" strict: true }`,
		`member_of { attribute: "teams" }`, `same_group { attribute: "who" limit: "l" }`, `department_of { attribute: "owner" }`, `above { attribute: "id" }`, `below { attribute: "owner" }`,
		`same_role { attribute: "owner" }`, `holds { attribute: "owner" in: "r" }`, `listed { attribute: "nr" in: "list" }`, `number_class { attribute: "nr" of: "dialling" }`,
		`number_class { attribute: "nr" fixed: "open" }`, `setting { name: "mode" at_least: "b" }`, `setting { name: "mode" in: "a" }`, `setting { name: "on" }`, `setting { name: "on" at_least: "true" }`,
		`setting { name: "free" in: "whatever" }`, `permission { permission: "levelled" }`, `permission { permission: "doc.see" at_least: "own" }`, `permission { permission: "doc.*:read" on { id: "x" } }`,
		`permission { permission: "doc.see" on { attribute: "box" } }`, `allowed { action: "doc.go" on { each: "parts" } }`, `allowed { action: "doc.go" on { attribute: "id" } }`,
		`schedule { name: "office" }`, `when { cel: "resource.mark == 'x'" }`, `any { tests { relation: "own" } tests { all { tests { relation: "own" } } } }`,
	} {
		if _, err := Compile(modelOf(t, tested(test)), 1); err != nil {
			t.Errorf("%s: %v", test, err)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	const try = "types[more].actions[try].gate[0]: "
	action := func(rule string) string {
		return `types { name: "more" actions { name: "try" rule { ` + rule + ` } } }`
	}
	needs := func(name, on string) string {
		return `actions { name: "` + name + `" rule { require { allowed { action: "` + on + `" } } } }`
	}
	scaled := func(name, relation string) string {
		return `actions { name: "` + name + `" rule { scale { name: "s" levels { name: "none" } levels { name: "l" relations { ` + relation + ` } } } } }`
	}
	// More actions than may be, in types that are no longer than a message's.
	var many strings.Builder
	for i := range 5 {
		fmt.Fprintf(&many, `types { name: "t%d" %s }`, i, strings.Join(each(0, 4_000, `actions { name: "a%d" rule {} }`), " "))
	}
	for _, c := range []struct{ more, want string }{
		// Circles.
		{`types { name: "more" relations { name: "a" test { relation: "a" } } }`, "types[more].relations[a]: the relation depends on itself"},
		{`types { name: "more" relations { name: "a" test { any { tests { relation: "b" } } } } relations { name: "b" test { relation: "a" } } }`, "types[more].relations[a]: the relation depends on itself"},
		{`types { name: "more" ` + needs("a", "a") + ` }`, "types: the rule of more.a depends on itself"},
		{`types { name: "more" ` + needs("a", "b") + needs("b", "c") + needs("c", "a") + ` }`, "types: the rule of more.a depends on itself"},
		{`types { name: "more" ` + scaled("a", `permission { permission: "b" }`) + scaled("b", `permission { permission: "a" }`) + ` }`, "types: the rule of more.b depends on itself"},
		{`types { name: "more" ` + scaled("a", `permission { permission: "a" on { id: "x" } }`) + ` }`, "types: the rule of more.a depends on itself"},
		{`types { name: "more" actions { name: "a" rule { override: "more.b" } } ` + scaled("b", `allowed { action: "a" }`) + ` }`, "types: the rule of more.a depends on itself"},
		{`types { name: "more" actions { name: "a" rule { obligations { id: "o" if { allowed { action: "a" } } } } } }`, "types: the rule of more.a depends on itself"},
		{`types { name: "more" actions { name: "a" rule { gate { all { tests { any { tests { allowed { action: "a" } } } } } } } } }`, "types: the rule of more.a depends on itself"},
		// Names said twice, names that cannot be.
		{`flags: "root"`, `flags: "root" is declared twice`},
		{`flags: ""`, `flags: an identifier may not be empty`},
		{`user_attributes { name: "email" kind: ATTRIBUTE_KIND_ID }`, `user_attributes: "email" is declared twice`},
		{`user_attributes { name: "boss" kind: ATTRIBUTE_KIND_USER }`, `user_attributes: the directory keeps texts and ids of a subject; boss is neither`},
		{`settings { name: "mode" }`, `settings[mode]: "mode" is declared twice`},
		{`settings { name: "new" default: "c" values: ["a", "b"] }`, `settings[new]: default: "c" is none of a, b`},
		{`schedules { name: "office" zone: "UTC" hours { days: 1 until { seconds: 60 } } }`, `schedules[office]: "office" is declared twice`},
		{`schedules { name: "new" zone: "Nowhere" hours { days: 1 until { seconds: 60 } } }`, `schedules[new]: no time zone is named "Nowhere"`},
		{`schedules { name: "new" zone: "Local" hours { days: 1 until { seconds: 60 } } }`, `schedules[new]: no time zone is named "Local"`},
		{`schedules { name: "new" hours { days: 1 until { seconds: 60 } } }`, `schedules[new]: no time zone is named ""`},
		{`schedules { name: "new" zone: "UTC" }`, `schedules[new]: a schedule without hours`},
		{`schedules { name: "new" zone: "UTC" hours { days: 8 until { seconds: 60 } } }`, `schedules[new]: day 8 of the week; Monday is 1 and Sunday 7`},
		{`schedules { name: "new" zone: "UTC" hours { days: 1 until { seconds: 61 } } }`, `schedules[new]: hours from 0s until 1m1s: whole minutes of one day, the end after the beginning`},
		{`schedules { name: "new" zone: "UTC" hours { days: 1 from { seconds: 60 } until { seconds: 60 } } }`, `schedules[new]: hours from 1m0s until 1m0s: whole minutes of one day, the end after the beginning`},
		{`schedules { name: "new" zone: "UTC" hours { days: 1 until { seconds: 86460 } } }`, `schedules[new]: hours from 0s until 24h1m0s: whole minutes of one day, the end after the beginning`},
		{`combine: COMBINE_SETTING combine_setting: "none"`, `combine_setting: no setting is named "none"`},
		{`combine: COMBINE_SETTING combine_setting: "mode"`, `combine_setting: setting "mode" must have the default highest or lowest`},
		{`types { name: "doc" }`, `types: "doc" is declared twice`},
		{`types { name: "a.b" }`, `types: the name "a.b" may not contain '.', ':' or '@'`},
		{`types { name: "*" }`, `types: the name "*" may not contain '.', ':' or '@'`},
		{`types { name: "more" attributes { name: "a" kind: ATTRIBUTE_KIND_TEXT } attributes { name: "a" kind: ATTRIBUTE_KIND_TEXT } }`, `types[more].attributes[a]: "a" is declared twice`},
		{`types { name: "more" attributes { name: "id" kind: ATTRIBUTE_KIND_TEXT } }`, `types[more].attributes[id]: this name is taken: the resource's own type and id are never facts, and names have no dot`},
		{`types { name: "more" attributes { name: "a.b" kind: ATTRIBUTE_KIND_TEXT } }`, `types[more].attributes[a.b]: this name is taken: the resource's own type and id are never facts, and names have no dot`},
		{`types { name: "more" attributes { name: "a" } }`, `types[more].attributes[a]: unknown kind 0`},
		{`types { name: "more" attributes { name: "a" kind: ATTRIBUTE_KIND_ID of: "none" } }`, `types[more].attributes[a]: "none" is neither a kind nor a type of this model`},
		{`types { name: "more" relations { name: "a" test { is { attribute: "id" } } } relations { name: "a" test { is { attribute: "id" } } } }`, `types[more].relations: "a" is declared twice`},
		{`types { name: "more" actions { name: "a" rule {} } actions { name: "a" rule {} } }`, `types[more].actions[a]: "a" is declared twice`},
		{`types { name: "more" actions { name: "a:b" rule {} } }`, `types[more].actions[a:b]: an action's name may not contain '.', ':', '@' or '*'`},
		{`types { name: "more" fields { read { scale { name: "s" levels { name: "x" } } } write { scale { name: "s" levels { name: "y" } } } } }`,
			`types[more].fields: reading and writing must share one scale, since a role's write never exceeds its read`},
		{`types { name: "more" fields { read {} write {} } }`, `types[more].fields: fields need a level`},
		{action(`scale { name: "s" }`), `types[more].actions[try].scale[s]: 0 levels; a scale has 1 to 120`},
		{action(`scale { name: "s" levels { name: "a" } levels { name: "a" } }`), `types[more].actions[try].scale[s]: "a" is declared twice`},
		{action(`scale { name: "s" levels { name: "a" any: true relations { is { attribute: "id" } } } }`), `types[more].actions[try].scale[s]: level "a" is any, so it cannot list relations`},
		{action(`scale { name: "s" levels { name: "a" } default: "b" }`), `types[more].actions[try].scale[s]: the default "b" is none of its levels`},
		{`classes { name: "open" }`, `classes[open]: "open" is declared twice`},
		{`classes { name: "new" types: 77 }`, `classes[new].types[0]: unknown number type 77`},
		{`default_classes { key: "forwarding" value: "none" }`, `default_classes[forwarding]: no class of service is named "none"`},
		{`default_region: "XX"`, ` default region "XX" is not one of the model's regions`},
		// What a test names.
		{tested(`relation: "none"`), try + `type "more" has no relation "none"`},
		{tested(`is { attribute: "none" }`), try + `type "more" has no attribute "none"`},
		{tested(`is { attribute: "mark" }`), try + `attribute "mark" has the wrong kind for this test`},
		{tested(`is { attribute: "mark" by: "none" }`), try + `the model keeps no user attribute "none"`},
		{tested(`is { attribute: "nr" by: "email" }`), try + `attribute "nr" has the wrong kind for this test`},
		{tested(`absent { attribute: "id" }`), try + `the resource's id is never absent`},
		{tested(`value { attribute: "owner" in { text: "x" } }`), try + `attribute "owner" has the wrong kind for this test`},
		{tested(`value { attribute: "ok" in { text: "x" } }`), try + `x can never be the value of attribute "ok"`},
		{tested(`value { attribute: "mark" in { truth: true } }`), try + `true can never be the value of attribute "mark"`},
		{tested(`value { attribute: "context." in { text: "x" } }`), try + `type "more" has no attribute "context."`},
		{tested(`within { attribute: "ok" limit: "l" }`), try + `attribute "ok" has the wrong kind for this test`},
		{tested(`member_of { attribute: "owner" }`), try + `attribute "owner" has the wrong kind for this test`},
		{tested(`member_of { attribute: "id" }`), try + `the resource's id cannot be tested so`},
		{tested(`same_group { attribute: "app" }`), try + `attribute "app" has the wrong kind for this test`},
		{tested(`department_of { attribute: "teams" }`), try + `attribute "teams" has the wrong kind for this test`},
		{tested(`above { attribute: "mark" }`), try + `attribute "mark" has the wrong kind for this test`},
		{tested(`below { attribute: "mark" }`), try + `attribute "mark" has the wrong kind for this test`},
		{tested(`same_role { attribute: "mark" }`), try + `attribute "mark" has the wrong kind for this test`},
		{tested(`holds { attribute: "mark" in: "r" }`), try + `attribute "mark" has the wrong kind for this test`},
		{tested(`listed { attribute: "mark" in: "l" }`), try + `attribute "mark" has the wrong kind for this test`},
		{tested(`listed { attribute: "id" in: "l" }`), try + `the resource's id cannot be tested so`},
		{tested(`number_class { attribute: "mark" fixed: "open" }`), try + `attribute "mark" has the wrong kind for this test`},
		{tested(`number_class { attribute: "nr" fixed: "none" }`), try + `no class of service is named "none"`},
		{tested(`number_class { attribute: "nr" of: "forwarding" }`), try + `no default class for the purpose "forwarding"`},
		{tested(`setting { name: "none" }`), try + `no setting is named "none"`},
		{tested(`setting { name: "mode" }`), try + `"true" can never be the value of setting "mode"`},
		{tested(`setting { name: "mode" in: "c" }`), try + `"c" can never be the value of setting "mode"`},
		{tested(`setting { name: "mode" at_least: "c" }`), try + "at_least wants one of the setting's ranked values, and no `in`"},
		{tested(`setting { name: "mode" at_least: "a" in: "b" }`), try + "at_least wants one of the setting's ranked values, and no `in`"},
		{tested(`permission { permission: "none" }`), try + `type "more" has no action "none"`},
		{tested(`permission { permission: "none.see" }`), try + `no type is named "none"`},
		{tested(`permission { permission: "doc.go" }`), try + "\"doc.go\" has no level; ask `allowed` instead"},
		{tested(`permission { permission: "doc.see" at_least: "none such" }`), try + `"none such" is no level of doc.see`},
		{tested(`permission { permission: "self" at_least: "any" }`), try + `"more.try" has no level`},
		{tested(`permission { permission: "self" }`), try + "`self` needs at_least: a rule cannot ask its own relations"},
		{`types { name: "more" relations { name: "a" test { permission { permission: "self" at_least: "any" } } } }`, "types[more].relations[a]: `self` has a meaning only in the rule of an action"},
		{tested(`permission { permission: "doc.see" on { attribute: "mark" } }`), try + `attribute "mark" has the wrong kind for this test`},
		{tested(`permission { permission: "doc.see" on { each: "parent" } }`), try + `attribute "parent" has the wrong kind for this test`},
		{tested(`permission { permission: "doc.see" on { each: "id" } }`), try + `the resource's id cannot be tested so`},
		{tested(`permission { permission: "doc.see" on { id: "" } }`), try + `an identifier may not be empty`},
		{tested(`allowed { action: "doc.none" }`), try + `type "doc" has no action "none"`},
		{tested(`schedule { name: "none" }`), try + `no schedule is named "none"`},
		{tested(`when { cel: "1 + 1" }`), try + `the condition yields int, not a truth value`},
		{tested(`when { cel: "resource.none == 'x'" }`), try + `the condition does not compile: ERROR: <input>:1:9: undefined field 'none'`},
		{tested(`when { cel: "resource.ok == 'x'" }`), try + `the condition does not compile: ERROR: <input>:1:13: found no matching overload for '_==_'`},
		{tested(`any {}`), try + `an empty list of tests`},
		{tested(`all {}`), try + `an empty list of tests`},
		{tested(``), try + `a test that this version does not know`},
		// What a rule names.
		{action(`emergency { attribute: "none" }`), `types[more].actions[try].emergency: "none" is no attribute of kind number`},
		{action(`override: "none"`), `types[more].actions[try].override: "none" is no flag of this model`},
		{action(`override: "doc.none"`), `types[more].actions[try].override: type "doc" has no action "none"`},
		{action(`override: "doc.go"`), `types[more].actions[try].override: "doc.go" has no level, so nobody holds it`},
		{action(`obligations { id: "" }`), `types[more].actions[try].obligations[]: an identifier may not be empty`},
		{action(`require { schedule { name: "office" } } require { relation: "none" }`), `types[more].actions[try].require[1]: type "more" has no relation "none"`},
		{action(`scale { name: "s" levels { name: "a" relations { relation: "none" } } }`), `types[more].actions[try].level a[0]: type "more" has no relation "none"`},
		{action(`obligations { id: "o" if { relation: "none" } }`), `types[more].actions[try].obligations[o]: type "more" has no relation "none"`},
		// Factory roles and assignments.
		{`roles { role { id: "a" under: "none" } }`, `roles: the factory roles do not fit the model: role.under: there is no role "none" (of the record with the key ["a"])`},
		{`roles { role { id: "a" under: "b" } } roles { role { id: "b" under: "a" } }`, `roles: the factory roles do not fit the model: role.under: the role would stand below itself (of the record with the key ["b"])`},
		{`roles { role { id: "a" } includes: "b" } roles { role { id: "b" } includes: "a" }`, `roles: the factory roles do not fit the model: role_include.included: role "b" would include itself (of the record with the key ["b" "a"])`},
		{`roles { role { id: "a" } cells { permission: "doc.see" level: "none such" } }`,
			`roles: the factory roles do not fit the model: cell.level: nothing that doc.see means has a level "none such" (of the record with the key ["a" "doc.see"])`},
		{`roles { role { id: "a" } } assignments { role: "a" holder: "group:g" }`, `roles: the factory roles do not fit the model: assignment.holder: there is no group "g" (of the record with the key ["a" "group:g"])`},
		// Limits.
		{strings.Join(each(1, maxFlags+1, `flags: "f%d"`), " "), "flags: 33 flags; a model may have 32"},
		{`types { name: "more" ` + strings.Join(each(0, MaxFacts+1, `attributes { name: "a%d" kind: ATTRIBUTE_KIND_TEXT }`), " ") + ` }`, "types[more]: 65 attributes; a type may have 64"},
		{action(`scale { name: "s" ` + strings.Join(each(0, MaxLevels+1, `levels { name: "l%d" }`), " ") + ` }`), "types[more].actions[try].scale[s]: 121 levels; a scale has 1 to 120"},
		{action(strings.Join(each(0, 65, `obligations { id: "o%d" }`), " ")), "types[more].actions[try]: 65 obligations; at most 64"},
		{many.String(), "types: 20004 permissions; a model may have 16384"},
		{`types { name: "more" actions { name: "a0" rule { gate { schedule { name: "office" } } gate { schedule { name: "office" } } } } ` +
			strings.Join(chain(14, `actions { name: "b%d" rule { gate { allowed { action: "a0" } } gate { allowed { action: "a0" } } } }`,
				`actions { name: "b%d" rule { gate { allowed { action: "b%[2]d" } } gate { allowed { action: "b%[2]d" } } } }`), " ") + ` }`, "types: the rule of more.b10 expands to more than 10000 tests"},
		{tested(`when { cel: "` + strings.Repeat("x", MaxConditionBytes+1) + `" }`), try + "a condition of 4097 bytes; at most 4096 are allowed"},
		{tested(`when { cel: "groups('a').exists(x, groups('b').exists(y, x == y))" }`), try + "the condition may cost 1708417; at most 100000 are allowed"},
	} {
		m, err := Compile(modelOf(t, c.more), 1)
		kind := Invalid
		for _, large := range []string{"flags; a model", "permissions; a model", "expands to more than"} {
			if strings.Contains(c.want, large) {
				kind = TooLarge
			}
		}
		var e *Error
		want := "model." + c.want
		if c.want[0] == ' ' { // the model as a whole
			want = "model:" + c.want
		}
		if !errors.As(err, &e) || m != nil || e.Kind != kind || !strings.HasPrefix(e.Error(), want) {
			t.Errorf("%.200s\n%v\nwant %s", c.more, err, want)
		}
	}
}

// Whoever compiles may change his message afterwards.
func TestCompileCopiesItsSource(t *testing.T) {
	src := modelOf(t, "")
	m, err := Compile(src, 7)
	if err != nil {
		t.Fatal(err)
	}
	src.Name, src.Types[0].Name = "other", "other"
	if m.Name() != "m" || m.Version() != 7 || m.Source().GetTypes()[0].GetName() != "doc" {
		t.Errorf("%s@%d with %s", m.Name(), m.Version(), m.Source().GetTypes()[0].GetName())
	}
}
