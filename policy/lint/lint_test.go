// These tests prove each finding by a file that has it, with its place and its sentence, and by one that just does not: no
// code is without both.
package lint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/lint"
	"github.com/klinke-authz/klinke/policy/world"
)

// one is a file and what is found in it; nothing makes it a near miss of its code.
type one struct{ code, model, account, want string }

// model is a model of which a test says the scale `reach`, the relations and the actions of the type t, and what follows.
// Line 4 are the levels, line 10 the relations; the actions begin in line 12.
func model(reach, relations, actions, rest string) string {
	return `flags: [root]
settings: {s: {default: low, values: [low, mid, high]}}
classes: {nothing: {}, inside: {types: [internal]}, mobiles: {types: [mobile, freephone]}, free: {types: [freephone]}}
levels: {reach: {` + reach + `}}
types:
  u: {attributes: {owner: user}, relations: {own: {is: owner}, near: {department_of: owner}}, actions: {z: {level: reach}}}
  line: {actions: {use: }}
  t:
    attributes: {owner: user, other: "user?", word: "text?", flag: bool, teams: groups, thing: "u?", number: number}
    relations: {` + relations + `}
    actions:
      ` + strings.ReplaceAll(actions, "\n", "\n      ") + "\n" + rest
}

const (
	owned    = "own: {is: owner}, near: {department_of: owner}"
	noneOwn  = "none: [], own: [own], any: any"
	oneLevel = "x: {level: reach}"
)

// rule is a model of one action.
func rule(text string) string { return model(noneOwn, owned, "x: "+text, "") }

// read reads a model, and its mixin where it uses one.
func read(t *testing.T, file, mixin string) *account.Source {
	t.Helper()
	src, err := account.ReadModel("m.yaml", []byte(file), func(string) ([]byte, error) { return []byte(mixin), nil })
	if err == nil {
		_, err = src.Compile(1)
	}
	if err != nil {
		t.Fatalf("%v in\n%s", err, file)
	}
	return src
}

// look looks at an account on a model, or at the model when the account is empty.
func look(t *testing.T, model, mixin, text string) *lint.Report {
	t.Helper()
	src := read(t, model, mixin)
	if text == "" {
		return lint.Model(src)
	}
	w, err := world.Read("a.yaml", strings.NewReader(text), func(string, uint32) (*policy.Model, error) { return src.Compile(1) })
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return lint.Account(w, src, []byte(text))
}

// said writes findings, a line each.
func said(fs []lint.Finding) string {
	out := make([]string, 0, len(fs))
	for _, f := range fs {
		out = append(out, fmt.Sprintf("%s: %s: %s", f.Place, f.Code, f.What))
	}
	return strings.Join(out, "\n")
}

func TestFindings(t *testing.T) {
	hit, missed := map[string]int{}, map[string]int{}
	for _, c := range slices.Concat(gateCases(), scaleCases(), deadCases(), roleCases(), accountCases()) {
		r := look(t, c.model, "", c.account)
		want := c.want
		if want != "" {
			file := "m.yaml:"
			if c.account != "" {
				file = "a.yaml:"
			}
			at, what, _ := strings.Cut(want, " ")
			want = file + at + ": " + c.code + ": " + what // and maybe whole lines behind it
			hit[c.code]++
		} else {
			missed[c.code]++
		}
		if got := said(r.Findings); got != want {
			t.Errorf("%s%s\n got %s\nwant %s", c.model, c.account, got, want)
		}
		for _, f := range r.Findings {
			if f.Do == "" || strings.HasSuffix(f.Do, ".") || strings.HasSuffix(f.What, ".") || strings.Contains(f.What+f.Do, "{of}") {
				t.Errorf("%s is no sentence, or does not say what to do: %q", said([]lint.Finding{f}), f.Do)
			}
		}
	}
	for _, code := range lint.Codes() {
		if code != lint.Marker && (hit[code] == 0 || missed[code] == 0) {
			t.Errorf("%s has %d hits and %d near misses", code, hit[code], missed[code])
		}
	}
}

func gateCases() []one {
	const code = lint.ForgottenFactOpens
	const floor = lint.UnreachableLevel
	return []one{
		{code: code, model: rule("{gate: [{any: [{absent: other}, {is: other}]}]}"),
			want: "12:25 who forgets to send `other` passes `absent other` in a gate of t.x"},
		{code: code, model: rule("{require: [{value: word, in: [null, a]}]}"),
			want: "12:21 who forgets to send `word` passes `value word in [null, a]` in a requirement of t.x"},
		{code: code, model: model(noneOwn, "own: {all: [{absent: other}, {is: owner}]}", "x: {level: reach}\ny: {level: reach}", ""),
			want: "10:29 who forgets to send `other` passes `absent other` in a level of t.x and t.y"},
		{code: code, model: rule("{gate: [{any: [{absent: owner}, {is: owner}]}]}")},                           // required: its absence must be said
		{code: code, model: rule("{gate: [{value: word, in: [a]}]}")},                                          // one that is forgotten fails
		{code: code, model: rule("{gate: [{value: context.mfa, in: [null, true]}]}")},                          // a circumstance that is not sent is not null
		{code: code, model: rule("{obligations: [{id: o, kind: advice, if: {absent: other}}]}")},               // opens nothing
		{code: code, model: rule("{gate: [{any: [{is: other}, {permission: u.z, on: {attribute: thing}}]}]}")}, // each asks for one that is there

		{code: code, model: rule("{gate: [{when: \"resource.flag || !has(resource.word)\"}]}"),
			want: "12:18 who forgets to send `word` passes `when resource.flag || !has(resource.word)` in a gate of t.x"},
		{code: code, model: rule("{gate: [{when: \"has(resource.word) && resource.word == 'a'\"}]}")}, // one that is forgotten fails

		{code: floor, model: rule("{level: reach, gate: [{permission: self, at_least: any}]}"),
			want: "12:32 `own` can never allow t.x: its gate asks for more, `permission self at least any`"},
		{code: floor, model: rule("{level: reach, override: [root], require: [{all: [{permission: x, at_least: any}]}]}"),
			want: "12:60 `own` can never allow t.x: its requirement asks for more, `permission x at least any`"},
		{code: floor, model: model("none: [], own: [own], near: [own, near], any: any", owned, "x: {level: reach, gate: [{permission: self, at_least: any}]}", ""),
			want: "12:32 `own` and `near` can never allow t.x: its gate asks for more, `permission self at least any`"},
		{code: floor, model: rule("{level: reach, gate: [{permission: self, at_least: own}]}")},                       // below is the empty level only
		{code: floor, model: rule("{level: reach, gate: [{any: [{is: owner}, {permission: self, at_least: any}]}]}")}, // there is another way
		{code: floor, model: rule("{level: reach, gate: [{permission: u.z, at_least: any}]}")},                        // about something else
	}
}

func scaleCases() []one {
	scales := func(reach string) string { return model(reach, owned, oneLevel, "") }
	const more = "none: [], own: [own], near: [own, near], any: any"
	return []one{
		{code: lint.UnusedScale, model: strings.Replace(scales(noneOwn), "levels: {", "levels: {rare: {no: [], yes: any}, ", 1),
			want: "4:10 no action uses the scale `rare` of the model"},
		{code: lint.UnusedScale, model: strings.Replace(scales(noneOwn), "  t:\n", "  t:\n    levels: {rare: {no: [], yes: any}}\n", 1),
			want: "9:14 no action uses the scale `rare` of the type `t`"},
		{code: lint.UnusedScale, model: scales(noneOwn)},
		{code: lint.UnusedScale, model: strings.Replace(scales(noneOwn), "  t:\n", "  t:\n    levels: {reach: {none: [], own: [own], any: any}}\n", 1)}, // u uses the model's

		{code: lint.LevelAddsNothing, model: scales("none: [], own: [own], mine: [own], any: any"),
			want: "4:40 the level `mine` of u.z and t.x passes for nobody for whom `own` below it does not, and no `at_least` tells them apart"},
		{code: lint.LevelAddsNothing, model: scales("none: [], off: [], any: any"),
			want: "4:28 the level `off` of u.z and t.x passes for nobody for whom `none` below it does not, and no `at_least` tells them apart"},
		{code: lint.LevelAddsNothing, model: scales("none: [], some: any, any: any"),
			want: "4:39 the level `any` of u.z and t.x passes for nobody for whom `some` below it does not, and no `at_least` tells them apart"},
		{code: lint.LevelAddsNothing, model: scales(more)},
		{code: lint.LevelAddsNothing, model: model("none: [], off: [], any: any", owned, "x: {gate: [{permission: u.z, at_least: off}]}", "")}, // a test tells them apart

		{code: lint.LevelShrinks, model: scales("none: [], own: [own], near: [near], any: any"),
			want: "4:40 the level `near` of u.z and t.x stands above `own` and passes less: `own` is lost by rising"},
		{code: lint.LevelShrinks, model: scales("none: [], any: any, admin: []"),
			want: "4:38 the level `admin` of u.z and t.x stands above `any` and passes less: `any` is lost by rising"},
		{code: lint.LevelShrinks, model: scales("none: [], any: any, near: [own, near], own: [own]"),
			want: "4:38 the level `near` of u.z and t.x stands above `any` and passes less: `any` is lost by rising\n" +
				"m.yaml:4:57: level-shrinks: the level `own` of u.z and t.x stands above `near` and passes less: `near` is lost by rising"},
		{code: lint.LevelShrinks, model: scales(more)},
		{code: lint.LevelShrinks, model: scales("none: [], near: [own, near], any: any")},
	}
}

func deadCases() []one {
	const code = lint.TestNeverPasses
	return []one{
		{code: code, model: rule("{gate: [{absent: owner}, {all: [{value: flag, in: [true]}, {member_of: teams}, {is: owner}]}]}"),
			want: "12:89 `is owner` in the gate of t.x can never pass: it contradicts `absent owner`"},
		{code: code, model: rule("{gate: [{is: owner}], require: [{absent: owner}]}"),
			want: "12:42 `absent owner` in the requirements of t.x can never pass: it contradicts `is owner`"},
		{code: code, model: rule("{gate: [{value: word, in: [a, b]}, {value: word, in: [c]}]}"),
			want: "12:45 `value word in [c]` in the gate of t.x can never pass: it contradicts `value word in [a, b]`"},
		{code: code, model: rule("{gate: [{value: word, in: [a, b]}, {value: word, in: [b, c]}, {value: word, in: [a, c]}]}"),
			want: "12:72 `value word in [a, c]` in the gate of t.x can never pass: it contradicts the tests before it"},
		{code: code, model: rule("{gate: [{value: context.mfa, in: [true]}, {any: [own, {value: context.mfa, in: [false]}]}]}"),
			want: "12:64 `value context.mfa in [false]` in the gate of t.x can never pass: it contradicts `value context.mfa in [true]`"},
		{code: code, model: rule("{gate: [{setting: s, in: [low]}, {setting: s, at_least: mid}]}"),
			want: "12:43 `setting s at least mid` in the gate of t.x can never pass: it contradicts `setting s in [low]`"},
		{code: code, model: rule("{gate: [{number_class: number, fixed: inside}, {any: [{number_class: number, fixed: mobiles}, own]}]}"),
			want: "12:64 `number_class number fixed mobiles` in the gate of t.x can never pass: it contradicts `number_class number fixed inside`"},
		{code: code, model: rule("{gate: [{any: [own, {number_class: number, fixed: nothing}]}]}"),
			want: "12:30 `number_class number fixed nothing` in the gate of t.x can never pass"},
		{code: code, model: rule(`{require: [{any: [own, {when: "false"}]}]}`), want: "12:33 `when false` in the requirements of t.x can never pass"},
		{code: code, model: model(noneOwn, owned+`, odd: {all: [{is: owner}, {absent: owner}]}`, "x: {gate: [{any: [own, odd]}]}", ""),
			want: "10:90 `absent owner` in the relation t.odd can never pass: it contradicts `is owner`"},
		{code: code, model: rule("{level: reach, gate: [{absent: owner}]}"),
			want: "4:34 `own` in the level `own` of t.x can never pass: it contradicts `absent owner`"},
		{code: code, model: model(noneOwn, owned, "x: {gate: [{value: flag, in: [true]}], require: [{allowed: y}]}\ny: {gate: [{value: flag, in: [true]}, {value: flag, in: [false]}]}", ""),
			want: "12:56 `allowed y` in the requirements of t.x can never pass\n" +
				"m.yaml:13:45: test-never-passes: `value flag in [false]` in the gate of t.y can never pass: it contradicts `value flag in [true]`"},
		{code: code, model: rule("{gate: [{value: flag, in: [false]}], obligations: [{id: o, kind: advice, if: {value: flag, in: [true]}}]}"),
			want: "12:87 `value flag in [true]` in the obligation `o` of t.x can never pass: it contradicts `value flag in [false]`"},

		{code: code, model: rule("{gate: [{value: word, in: [a, b]}, {value: word, in: [b, c]}]}")}, // b is left
		{code: code, model: rule("{gate: [{any: [{is: owner}, {absent: owner}]}]}")},                // one of the two
		{code: code, model: rule("{gate: [{absent: owner}, {same_group: owner, limit: groups}]}")},  // who has no limit passes
		{code: code, model: rule("{gate: [{setting: s, in: [low, mid]}, {setting: s, at_least: mid}]}")},
		{code: code, model: rule("{gate: [{number_class: number, fixed: free}, {number_class: number, fixed: mobiles}]}")},
		{code: code, model: strings.Replace(rule("{gate: [{number_class: number, fixed: nothing}]}"), "nothing: {}", "nothing: {prefixes: {'+4930': allow}}", 1)}, // not quite
		{code: code, model: rule("{gate: [{value: context.a, in: [x]}, {value: context.b, in: [y]}]}")},
		{code: code, model: rule("{override: [root], level: reach, require: [{absent: owner}]}")}, // superusers need not meet it

		{code: lint.UnknownRole, model: model(noneOwn, owned, "x: {gate: [{holds: owner, in: [chief, boss]}]}", "roles: {chief: {grants: [u.z@any]}}"),
			want: "12:18 `holds owner in [chief, boss]` names the role `boss`, which is no factory role"},
		{code: lint.UnknownRole, model: model(noneOwn, owned, "x: {gate: [{holds: owner, in: [chief]}]}", "roles: {chief: {grants: [u.z@any]}}")},
		{code: lint.UnknownRole, model: rule("{gate: [{holds: owner, in: [chief]}]}")}, // roles are left to the tenants
	}
}
