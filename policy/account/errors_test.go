// These tests prove that a mistake in a file is named with its line, its column and the nearest right word, and that the
// bounds of what is read hold.
package account

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/klinke-authz/klinke/policy"
)

const head = "levels: {s: {no: [], yes: any}}\n" // line 1 of the small models below

func TestModelMistakes(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"roles:\n  agent:\n    grnats: [t.x@any]", "line 3, column 5: unknown key `grnats` (did you mean `grants`?)"},
		{"flgas: []", "line 1, column 1: unknown key `flgas` (did you mean `flags`?)"},
		{"model: a@b", "line 1, column 8: the name of a model cannot contain `@`"},
		{"model: [a]", "line 1, column 8: a text is expected, found a list"},
		{"model: true", "line 1, column 8: a text is expected, found the truth value true: quote it if it is meant"},
		{"model: ''", "line 1, column 8: a name cannot be empty"},
		{"flags: x", "line 1, column 8: a list is expected, found one word"},
		{"types: [a]", "line 1, column 8: a map is expected, found a list"},
		{"flags: [a]\nflags: [b]", "line 2, column 1: the key `flags` is said twice, first in line 1"},
		{"combine: hihgest", "line 1, column 10: unknown setting `hihgest` (did you mean `highest`?)"},
		{"users: {emial: text}", "line 1, column 9: unknown key `emial` (known: attributes)"},
		{"settings: {a: {defaul: x}}", "line 1, column 16: unknown key `defaul` (did you mean `default`?)"},
		{"settings: {a: {default: hi, values: [high, low]}}", "line 1, column 25: unknown value `hi` (known: high, low)"},
		{head + "types: {t: {attribtes: {}}}", "line 2, column 13: unknown key `attribtes` (did you mean `attributes`?)"},
		{head + "types: {t.u: {}}", "line 2, column 9: the name of a type cannot contain `.`"},
		{head + "types: {t: {actions: {'x@y': {}}}}", "line 2, column 23: the name of an action cannot contain `@`"},
		{head + "types: {t: {attributes: {a: usr}}}", "line 2, column 29: unknown kind `usr` (did you mean `user`?)"},
		{head + "types: {t: {actions: {x: {level: ss}}}}", "line 2, column 34: unknown scale `ss` (did you mean `s`?)"},
		{head + "types: {t: {actions: {x: {gates: []}}}}", "line 2, column 27: unknown key `gates` (did you mean `gate`?)"},
		{head + "types: {t: {every: {level: s}, actions: {x: }}}", "line 2, column 21: unknown key `level` (known: gate, override, require)"},
		{head + "types: {t: {relations: {own: {is: id}}, actions: {x: {gate: [onw]}}}}", "line 2, column 62: unknown relation of `t` `onw` (did you mean `own`?)"},
		{head + "types: {t: {attributes: {a: user}, actions: {x: {gate: [{is: b}]}}}}", "line 2, column 62: unknown attribute of `t` `b` (known: a, id)"},
		{head + "types: {t: {actions: {x: {gate: [{iz: id}]}}}}", "line 2, column 35: unknown test `iz` (did you mean `is`?)"},
		{head + "types: {t: {actions: {x: {gate: [{is: id, absent: id}]}}}}", "line 2, column 43: one test is `is` and `absent` at once: make them two"},
		{head + "types: {t: {actions: {x: {gate: [{is: id, in: [a]}]}}}}", "line 2, column 43: unknown option of `is` `in` (known: by)"},
		{head + "types: {t: {actions: {x: {gate: [[id]]}}}}", "line 2, column 34: a map is expected, found a list"},
		{head + "types: {t: {actions: {x: {gate: [{value: id}]}}}}", "line 2, column 34: `in` needs at least one value"},
		{head + "types: {t: {actions: {x: {gate: [{within: id}]}}}}", "line 2, column 34: `limit` is missing here"},
		{head + "types: {t: {actions: {x: {gate: [{is: id, by: emial}]}}}}\nusers: {attributes: {email: text}}", "line 2, column 47: unknown user attribute `emial` (did you mean `email`?)"},
		{head + "types: {t: {actions: {x: {gate: [{number_class: id}]}}}}", "line 2, column 34: `number_class` needs either `of` (a purpose) or `fixed` (a class)"},
		{head + "types: {t: {actions: {x: {gate: [{setting: b}]}}}}\nsettings: {a: }", "line 2, column 44: unknown setting `b` (known: a)"},
		{head + "types: {t: {actions: {x: {gate: [{permission: y}]}}}}", "line 2, column 47: unknown action of `t` `y` (known: x)"},
		{head + "types: {t: {actions: {x: {gate: [{permission: u.x}]}}}}", "line 2, column 47: unknown type `u` (known: t)"},
		{head + "types: {t: {actions: {x: {gate: [{permission: 't.f:read'}]}}, fields: {read: , write: }}}", "line 2, column 47: unknown action of `t` `f:read` (known: x)"},
		{"types: {t: {actions: {x: }}}\nroles: {r: {grants: ['t.f:read@any']}}", "line 2, column 22: `t.f:read` is no field permission of `t`: write type.field:read or type.field:write of a type with `fields`"},
		{head + "types: {t: {actions: {x: {gate: [{permission: x, on: {ID: a}}]}}}}", "line 2, column 55: unknown key `ID` (known: id, attribute, each)"},
		{head + "types: {t: {actions: {x: {gate: [{permission: x, on: {}}]}}}}", "line 2, column 54: `on` needs one of `id`, `attribute` and `each`"},
		{head + "types: {t: {actions: {x: {gate: [{schedule: o}]}}}}", "line 2, column 45: unknown schedule `o` (none is declared)"},
		{head + "types: {t: {actions: {x: {gate: [{any: []}]}}}}", "line 2, column 40: a list of tests is expected, found none"},
		{head + "types: {t: {actions: {x: {override: [rot]}}}}\nflags: [root]", "line 2, column 38: unknown flag `rot` (did you mean `root`?)"},
		{head + "types: {t: {actions: {x: {emergency: {id: alow}}}}}", "line 2, column 43: unknown outcome `alow` (did you mean `allow`?)"},
		{head + "types: {t: {actions: {x: {obligations: [{id: a}]}}}}", "line 2, column 41: `kind` is missing here"},
		{head + "types: {t: {fields: {read: {level: s}}}}", "line 2, column 21: `fields` needs both `read` and `write`"},
		{"types: {t: {levels: {s: {no: nobody}}}}", "line 1, column 30: a level is [] (nobody), a list of tests, or any (everybody)"},
		{"types: {t: {levels: {s: {}}}}", "line 1, column 25: the scale `s` has no levels"},
		{"types: {t: {levels: {s: {no: [], default: on}}}}", "line 1, column 43: unknown level `on` (did you mean `no`?)"},
		{"types: {t: {actions: {x: }}}\nroles: {r: {grants: [t.y@any]}}", "line 2, column 22: unknown action of `t` `y` (known: x)"},
		{"types: {t: {actions: {x: }}}\nroles: {r: {grants: [x@any]}}", "line 2, column 22: `x@any` is no permission: write type.action@level"},
		{"types: {t: {actions: {x: }}}\nroles: {r: {grants: [t.x@a, t.x@b]}}", "line 2, column 29: role `r` says twice what it grants of `t.x`, first in line 2"},
		{"types: {t: {actions: {x: }}}\nroles: {r: {grants: [{when: 'true'}]}}", "line 2, column 22: a grant without `grant`"},
		{"roles: {r: {under: s}}", "line 1, column 20: unknown role `s` (known: r)"},
		{"roles: {r: {assignable: no}}", "line 1, column 25: true or false is expected, found `no`"},
		{"assignments: [{role: r}]", "line 1, column 15: `to` is missing here"},
		{"assignments: [{role: r, to: 'grup:x'}]", "line 1, column 29: unknown kind of holder `grup` (did you mean `group`?)"},
		{"assignments: [{role: r, to: anna, from: 2026-01-01}]", "line 1, column 41: `2026-01-01` is no moment: write it as 2026-03-01T08:00:00Z or with an offset, 2026-03-01T09:00:00+01:00"},
		{"schedules: {s: {hours: {mon: ['08:00', '18:00']}}}", "line 1, column 16: `zone` is missing here"},
		{"schedules: {s: {zone: UTC, hours: {mo: ['08:00', '18:00']}}}", "line 1, column 36: `mo` is no day or range of days: write mon or mon-fri (mon, tue, wed, thu, fri, sat, sun)"},
		{"schedules: {s: {zone: UTC, hours: {mon: ['18:00', '08:00']}}}", "line 1, column 41: hours must end after they begin, on the same day"},
		{"schedules: {s: {zone: UTC, hours: {mon: ['08:00', '24:01']}}}", "line 1, column 51: `24:01` is no time of day: write it as \"08:00\", at most \"24:00\""},
		{"number_types: {'49': mobile}", "line 1, column 16: `49` is no prefix: write + and at most 15 digits"},
		{"number_types: {'+49': mobil}", "line 1, column 23: unknown type of number `mobil` (did you mean `mobile`?)"},
		{"regions: {DE: {country: DE, international: '00', emergency: ['112']}}", "line 1, column 25: a country code is 1 to 3 digits, found `DE`"},
		{"regions: {DE: {country: '49', international: '00'}}", "line 1, column 15: the region `DE` has no emergency numbers"},
		{"regions: {DE: {country: '49', international: '00', emergency: ['12']}}", "line 1, column 64: an emergency number is 3 to 6 digits, found `12`"},
		{"default_class: {dialling: opne}\nclasses: {open: {}}", "line 1, column 27: unknown class `opne` (did you mean `open`?)"},
		{"inheritance: {a: {on: [save], groups_of: x}}", "line 1, column 24: `save` is no occasion of saving: write create or update"},
		{"inheritance: {a: {on: [create], groups_of: x, copy: y}}", "line 1, column 47: the groups come from `groups_of` or from `copy`, not from both"},
		{"inheritance: {a: {on: [create]}}", "line 1, column 15: `groups_of` is missing here"},
		{"inheritance: {a: {copy: x}}", "line 1, column 15: `on` is missing here"},
		{"settings: {x: {default: [a, \"b,c\"]}}", "line 1, column 29: `b,c` is no member of a set: it is empty or contains a comma"},
		{"direct_first: x", "line 1, column 15: unknown setting `x` (none is declared)"},
		{"classes: {c: {type: []}}", "line 1, column 15: unknown key `type` (did you mean `types`?)"},
		{"classes: {c: {types: [mobil]}}", "line 1, column 23: unknown type of number `mobil` (did you mean `mobile`?)"},
		{"classes: {c: {prefixes: {\"+49x\": deny}}}", "line 1, column 26: `+49x` is no prefix: write + and the first digits of numbers (\"+4930\"), or the first digits of extensions alone (\"20\")"},
		{"classes: {c: {prefixes: {FLOWERS: deny}}}", "line 1, column 26: `FLOWERS` is no prefix: write + and the first digits of numbers (\"+4930\"), or the first digits of extensions alone (\"20\")"},
		{"classes: {c: {prefixes: {+: deny}}}", "line 1, column 26: `+` is no prefix: write + and the first digits of numbers (\"+4930\"), or the first digits of extensions alone (\"20\")"},
		{"classes: {c: {prefixes: {+1234567890123456: deny}}}", "line 1, column 26: `+1234567890123456` is no prefix: write + and the first digits of numbers (\"+4930\"), or the first digits of extensions alone (\"20\")"},
		{"classes: {c: {prefixes: {+49: deny, '+49': allow}}}", "line 1, column 37: the key `+49` is said twice, first in line 1"},
		{"classes: {c: {prefixes: {+49: alow}}}", "line 1, column 31: unknown outcome `alow` (did you mean `allow`?)"},
		{"classes: {c: {hours: {mobile: ['08:00', '18:00']}}}", "line 1, column 14: `zone` is missing here"},
		{"classes: {c: {zone: UTC, hours: {mobil: ['08:00', '18:00']}}}", "line 1, column 34: unknown type of number `mobil` (did you mean `mobile`?)"},
		{"classes: {c: {zone: UTC, hours: {mobile: []}}}", "line 1, column 42: no hours at all: leave the type out of `types` instead"},
		{"classes: {c: {zone: UTC, hours: {mobile: ['08:00']}}}", "line 1, column 42: a pair of times is expected, as [\"08:00\", \"18:00\"]"},
		{"classes: {c: {zone: UTC, hours: {mobile: ['08:00', '08:00']}}}", "line 1, column 42: hours that end when they begin: write [\"00:00\", \"24:00\"] for the whole day"},
		{"classes: {c: {zone: UTC, hours: {mobile: ['8:00', '18:00']}}}", "line 1, column 43: `8:00` is no time of day: write it as \"08:00\", at most \"24:00\""},
		{"types: {t: {attributes: {o: user}, relations: {r: {shared: all, of: o}}}}", "line 1, column 60: `all` is no level of sharing: write read or write"},
		{"types: {t: {attributes: {o: user}, relations: {r: {shared: read}}}}", "line 1, column 51: `of` is missing here"},
		{"types: {t: {attributes: {o: user}, relations: {r: {shared: read, of: o, as: x}}}}", "line 1, column 77: unknown type `x` (known: t)"},
		{"uses: [telefony]", "line 1, column 8: unknown mixin `telefony`"},
		{"a: &a [*a]", "line 1, column 8: *a stands inside what it names"},
		{"model: !!str a", "line 1, column 8: the tag !!str is not used in these files: leave it out"},
		{"~: a", "line 1, column 1: a key must be a word, found nothing: quote it if it is meant"},
		{"true: a", "line 1, column 1: a key must be a word, true is a truth value: quote it if it is meant"},
		{"[a]: a", "line 1, column 1: a key must be a word, found a list: quote it if it is meant"},
		{"<<: a", "line 1, column 5: `<<` takes a map or a list of maps, found one word"},
		{"model: a\n---\nmodel: b", "a model file is one document; a second one follows"},
		{"- a", "this is no model file: a map is expected"},
		{"", "this is no model file: a map is expected"},
		{"types:\n  t: {actions: {x: }", "near line 1: this is no YAML: did not find expected ',' or '}'"},
	} {
		_, err := Model("m.yaml", []byte(c.file), nil)
		checkError(t, c.file, err, c.want)
	}
}

func checkError(t *testing.T, file string, err error, want string) {
	t.Helper()
	if err == nil {
		t.Errorf("%q is accepted, want %s", file, want)
		return
	}
	var e *policy.Error
	if !errors.As(err, &e) || e.Kind != policy.Invalid || e.Field != "m.yaml" {
		t.Errorf("%q: not an invalid file: %#v", file, err)
	}
	if got := strings.TrimPrefix(err.Error(), "m.yaml: "); got != want {
		t.Errorf("%q:\n got %s\nwant %s", file, got, want)
	}
}

func TestAccountMistakes(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"", "the file is empty: an account begins with `tenant`"},
		{"model: m", "line 1, column 1: `tenant` is missing here"},
		{"tenant: t\nmodel: m@0", "line 2, column 8: model: `0` is no version: write name@1, or the name alone for the newest"},
		{"tenant: t\nuser: {}", "line 2, column 1: unknown key `user` (did you mean `users`?)"},
		{"tenant: t\n---\ntenant: t", "line 3, column 1: only the first document names the tenant"},
		{"tenant: t\nusers: {anna: {lable: x}}", "line 2, column 16: unknown key `lable` (did you mean `label`?)"},
		{"tenant: t\nusers: {anna: , anna: }", "line 2, column 17: the key `anna` is said twice, first in line 2"},
		{"tenant: t\nusers: {anna: {active: yes}}", "line 2, column 24: true or false is expected, found `yes`"},
		{"tenant: t\nusers: {anna: {flags: [a, a]}}", "line 2, column 27: the flag `a` is said twice"},
		{"tenant: t\nusers: {anna: }\n---\nusers: {anna: {roles: [r]}}", "line 4, column 9: `anna` stands in an earlier document, which this one would replace: write `known: true` to add to it"},
		{"tenant: t\nusers: {anna: {known: true, active: false}}", "line 2, column 29: `known: true` only adds: `active` would replace what is there"},
		{"tenant: t\ndepartments: {a: {under: b}, b: {under: a}}", "line 2, column 15: this is above itself"},
		{"tenant: t\nroles: {a: {under: a}}", "line 2, column 9: this is above itself"},
		{"tenant: t\ndepartments: {d: {heads: ['group:x']}}", "line 2, column 27: `group:x` is neither a user nor an app"},
		{"tenant: t\ngroups: {g: {members: ['grp:x']}}", "line 2, column 24: unknown kind of holder `grp` (did you mean `group`?)"},
		{"tenant: t\nsites: {b: {}}", "line 2, column 9: `region` is missing here"},
		{"tenant: t\nsites: {b: {region: DE, access: '0000'}}", "line 2, column 33: an access code is 0 to 3 digits, found `0000`"},
		{"tenant: t\nobject_grants: [{to: a, grant: t.x@y, on: 'u:1'}]", "line 2, column 43: `u:1` is not of the grant's type `t`"},
		{"tenant: t\nobject_grants: [{to: a, grant: t.*@y, on: 't:1'}]", "line 2, column 32: a grant on one resource names one permission, no pattern"},
		{"tenant: t\nobject_grants: [{to: a, grant: t.x@y, on: t}]", "line 2, column 43: `t` is no resource (a name cannot be empty): write type:id"},
		{"tenant: t\nceilings: [{to: a, at_most: t.x}]", "line 2, column 29: `t.x` names no level: write t.x@level"},
		{"tenant: t\nlimits: [{limit: l, to: a}]", "line 2, column 10: `values` is missing here"},
		{"tenant: t\nclasses: {c: {types: [mobile, national, mobile]}}", "line 2, column 41: the type `mobile` is said twice"},
		{"tenant: t\nclasses: {c: {known: true}}", "line 2, column 15: unknown key `known` (known: types, prefixes, hours, zone)"},
		{"tenant: t\nclasses: {c: {prefixes: {+49x: deny}}}", "line 2, column 26: `+49x` is no prefix: write + and the first digits of numbers (\"+4930\"), or the first digits of extensions alone (\"20\")"},
		{"tenant: t\nclasses: {c: }\n---\nclasses: {c: }", "line 4, column 11: `c` stands in an earlier document, which this one would replace: an entry is the whole class"},
		{"tenant: t\nlists: {l: [abc]}", "line 2, column 13: `abc` is no number: write +4930123456 or the digits of an extension, with a * behind it for all that begin so"},
		{"tenant: t\nusers: {a: {roles: [r]}}\nassignments: [{role: r, to: a, when: 'true'}]", "line 3, column 15: this is said differently in line 2"},
		{"tenant: t\nquestions: [{expect: allow}]", "line 2, column 13: `ask` is missing here"},
		{"tenant: t\nquestions: [{ask: 'a b', expect: allow}]", "line 2, column 19: a question is `user:anna listen recording:r9`, about a field `user:anna read account:a1 field phone`"},
		{"tenant: t\nquestions: [{ask: 'a x t:1', expect: alow}]", "line 2, column 38: unknown answer `alow` (did you mean `allow`?)"},
		{"tenant: t\nquestions: [{ask: 'a x t:1', expect: deny, reason: GATES}]", "line 2, column 52: unknown reason `GATES` (did you mean `GATE`?)"},
		{"tenant: t\nquestions: [{ask: 'a x t:1', expect: error, level: l}]", "line 2, column 13: an error has no reason, level or relation"},
		{"tenant: t\nquestions: [{ask: 'a x t:1'}]", "line 2, column 13: `expect` is missing here"},
		{"tenant: t\nquestions: [{ask: 'a x t:1', expect: deny, facts: {n: 110}}]", "line 2, column 55: 110 is a number and no attribute is one: quote it"},
		{"tenant: t\nquestions: [{ask: 'a x t:1 field f', expect: deny}]", "line 2, column 19: action: a field can be asked for `read` and `write`, not for `x`"},
	} {
		d := NewDecoder("m.yaml", strings.NewReader(c.file))
		var err error
		for err == nil {
			_, err = d.Next()
		}
		checkError(t, c.file, err, c.want)
		if _, again := d.Next(); !errors.Is(again, err) {
			t.Errorf("%q: the error is not final: then %v", c.file, again)
		}
	}
}

// bomb doubles a list with every line: 2^n values from n lines.
func bomb(n int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x]\n")
	for i := 1; i < n; i++ {
		b.WriteString("a" + string(rune('A'+i)) + ": &a" + string(rune('A'+i)) + " [*")
		prev := "a" + string(rune('A'+i-1))
		if i == 1 {
			prev = "a0"
		}
		b.WriteString(prev + ", *" + prev + "]\n")
	}
	return b.String()
}

func TestBounds(t *testing.T) {
	deep := strings.Repeat("[", maxHeight+1) + strings.Repeat("]", maxHeight+1)
	half := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	tests := "[" + strings.Repeat("{setting: a},", 2000) + "]"
	var actions strings.Builder
	for i := range 1000 {
		actions.WriteString("x" + strconv.Itoa(i) + ": ,")
	}
	for what, c := range map[string]struct {
		file string
		kind policy.Kind
		want string
	}{
		"alias bomb":    {bomb(24), policy.TooLarge, "values in one document"},
		"nesting":       {"a: " + deep, policy.Invalid, "nested more than 64 deep"},
		"alias nesting": {"a: &a " + half + "\nb: " + half[:40] + "*a" + half[40:], policy.Invalid, "nested more than 64 deep"},
		"every":         {"settings: {a: }\nevery: {gate: " + tests + "}\ntypes: {t: {actions: {" + actions.String() + "}}}", policy.TooLarge, "tests and levels in one model"},
		"bytes":         {"a: '" + strings.Repeat("x", maxDocumentBytes) + "'", policy.TooLarge, "exceeds 4194304 bytes"},
	} {
		_, err := Model("m.yaml", []byte(c.file), nil)
		var e *policy.Error
		if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s: got %v, want %s", what, err, c.want)
		}
	}
}

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

func TestReadFailure(t *testing.T) {
	broken := errors.New("disk on fire")
	_, err := NewDecoder("m.yaml", io.MultiReader(strings.NewReader("tenant: t\n"), brokenReader{broken})).Next()
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
