// These tests prove that a model file becomes the model that it says: mixins, `every` and scales are joined as the
// reference describes, every preset loads, and every key of the reference has an example that loads.
package account

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy/preset"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

var update = flag.Bool("update", false, "write the golden files again")

// mixins serves mixins from a map.
func mixins(files map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if s, ok := files[name]; ok {
			return []byte(s), nil
		}
		return nil, nil
	}
}

func mustModel(t *testing.T, file string, files map[string]string) *klinkev1.Model {
	t.Helper()
	m, err := Model("m.yaml", []byte(file), mixins(files))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// brief writes a message for comparison, without the randomness of protojson's blanks.
func brief(m proto.Message) string {
	return strings.ReplaceAll(protojson.Format(m), ":  ", ": ")
}

func action(t *testing.T, m *klinkev1.Model, typ, name string) *klinkev1.Rule {
	t.Helper()
	for _, rt := range m.GetTypes() {
		for _, a := range rt.GetActions() {
			if rt.GetName() == typ && a.GetName() == name {
				return a.GetRule()
			}
		}
	}
	t.Fatalf("no action %s.%s", typ, name)
	return nil
}

func TestPresetsLoad(t *testing.T) {
	for _, name := range append(preset.Names(), "telephony") {
		data, _ := preset.File(name)
		m, err := Model(name+".yaml", data, func(mixin string) ([]byte, error) {
			data, _ := preset.File(mixin)
			return data, nil
		})
		if err != nil {
			t.Error(err)
		} else if m.GetName() != name {
			t.Errorf("%s.yaml is named %q", name, m.GetName())
		}
	}
}

func TestNamedByItsFile(t *testing.T) {
	m, err := Model("dir/overlay.yaml", []byte("flags: [a]"), nil)
	if err != nil || m.GetName() != "overlay" || m.GetCombine() != klinkev1.Combine_COMBINE_HIGHEST {
		t.Errorf("got %v, %v", m, err)
	}
}

func TestMixins(t *testing.T) {
	m := mustModel(t, `
model: m
uses: [near, far]
flags: [own]
default_region: X
regions: {X: {country: "1", international: "0", emergency: ["112"]}}
types:
  call:
  line: {actions: {use: {gate: [{setting: own}]}}}
settings: {own: }
`, map[string]string{
		"near": "model: n\nflags: [near]\ntypes: {line: {actions: {use: {gate: [{setting: near}]}}}}\nsettings: {near: }\nuses: [below]",
		"far": "flags: [far, own]\ndefault_region: Y\nregions: {Y: {country: '1', international: '0', emergency: ['112']}}\n" +
			"types: {call: {actions: {place: {gate: [{setting: far}]}}}, line: {actions: {use: {gate: [{setting: far}]}}}}\nsettings: {far: }",
		"below": "flags: [below]",
	})
	if got, want := strings.Join(m.GetFlags(), " "), "far own below near"; got != want {
		t.Errorf("flags %q, want %q: lists join, the mixin first", got, want)
	}
	if m.GetName() != "m" || m.GetDefaultRegion() != "X" {
		t.Errorf("%s, %s: the model's scalars win", m.GetName(), m.GetDefaultRegion())
	}
	var gate []string
	for _, g := range action(t, m, "line", "use").GetGate() {
		gate = append(gate, g.GetSetting().GetName())
	}
	if got, want := strings.Join(gate, " "), "far near own"; got != want {
		t.Errorf("gate %q, want %q", got, want)
	}
	if len(action(t, m, "call", "place").GetGate()) != 1 {
		t.Error("an empty `call:` took away the mixin's gate")
	}
	if got := m.GetTypes()[0].GetName(); got != "call" {
		t.Errorf("the first type is %s, want the first of the furthest mixin", got)
	}
}

func TestEveryIsJoinedInFront(t *testing.T) {
	m := mustModel(t, `
flags: [root, boss, chief]
settings: {a: , b: , c: }
every: {gate: [{setting: a}], override: [root], require: [{setting: a}]}
levels: {s: {no: [], yes: any}}
types:
  t:
    every: {gate: [{setting: b}], override: [boss], require: [{setting: b}]}
    actions: {x: {gate: [{setting: c}], override: [chief, root], require: [{setting: c}]}, y: }
    fields: {every: {gate: [{setting: c}]}, read: {level: s}, write: {level: s, gate: [{setting: b}]}}
`, nil)
	names := func(tests []*klinkev1.Test) string {
		var out strings.Builder
		for _, x := range tests {
			out.WriteString(x.GetSetting().GetName())
		}
		return out.String()
	}
	x, y, f := action(t, m, "t", "x"), action(t, m, "t", "y"), m.GetTypes()[0].GetFields()
	for _, c := range []struct{ what, got, want string }{
		{"gate of x", names(x.GetGate()), "abc"},
		{"require of x", names(x.GetRequire()), "abc"},
		{"override of x", strings.Join(x.GetOverride(), " "), "root boss chief"},
		{"gate of an empty body", names(y.GetGate()), "ab"},
		{"gate of reading", names(f.GetRead().GetGate()), "c"},
		{"gate of writing", names(f.GetWrite().GetGate()), "cb"},
		{"override of reading", strings.Join(f.GetRead().GetOverride(), " "), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.what, c.got, c.want)
		}
	}
}

func TestATypesScaleReplacesTheModels(t *testing.T) {
	m := mustModel(t, `
levels: {s: {low: [], mid: [], high: any, default: mid}}
types:
  own: {levels: {s: {nobody: [], all: any}}, actions: {x: {level: s}}}
  none: {actions: {x: {level: s}}}
`, nil)
	if s := action(t, m, "own", "x").GetScale(); len(s.GetLevels()) != 2 || s.GetDefault() != "" || s.GetName() != "s" {
		t.Errorf("the type's own scale is %v", s)
	}
	if s := action(t, m, "none", "x").GetScale(); len(s.GetLevels()) != 3 || s.GetDefault() != "mid" || !s.GetLevels()[2].GetAny() {
		t.Errorf("the model's scale is %v", s)
	}
}

func TestWordsStayWords(t *testing.T) {
	m := mustModel(t, `
levels: {s: {off: [], no: [], on: any, yes: any}}
types: {t: {attributes: {y: text}, actions: {x: {level: s, gate: [{value: y, in: [on, "true", true, 0049, 1e3, null]}]}}}}
`, nil)
	var got []string
	for _, v := range action(t, m, "t", "x").GetGate()[0].GetValue().GetIn() {
		switch x := v.GetValue().(type) {
		case *klinkev1.Scalar_Text:
			got = append(got, fmt.Sprintf("%q", x.Text))
		case *klinkev1.Scalar_Truth:
			got = append(got, strconv.FormatBool(x.Truth))
		default:
			got = append(got, "null")
		}
	}
	if g, want := strings.Join(got, " "), `"on" "true" true "0049" "1e3" null`; g != want {
		t.Errorf("values %s, want %s", g, want)
	}
	if l := action(t, m, "t", "x").GetScale().GetLevels(); l[0].GetName() != "off" || l[1].GetName() != "no" || l[3].GetName() != "yes" {
		t.Errorf("levels %v", l)
	}
}

func TestAnchorsAndMergeKeys(t *testing.T) {
	m := mustModel(t, `
levels: {s: {no: [], yes: any}}
types:
  a: &a {attributes: {owner: user}, relations: &r {mine: {is: owner}}, actions: {x: {level: s}}}
  b:
    actions: {z: {}}
    <<: *a
  c: {<<: [{attributes: {boss: user}}, *a], relations: {<<: *r, mine: {is: boss}}, actions: {}}
`, nil)
	b, c := m.GetTypes()[1], m.GetTypes()[2]
	if len(b.GetActions()) != 1 || b.GetActions()[0].GetName() != "z" || len(b.GetRelations()) != 1 {
		t.Errorf("b is %v: its own actions win, the rest is merged in", b)
	}
	if c.GetAttributes()[0].GetName() != "boss" || c.GetRelations()[0].GetTest().GetIs().GetAttribute() != "boss" {
		t.Errorf("c is %v: the earlier of two maps wins", c)
	}
}

func TestSchedules(t *testing.T) {
	m := mustModel(t, `schedules: {s: {zone: UTC, hours: {sat-mon: ["00:00", "24:00"], wed: [["08:00", "12:30"], ["13:00", "13:01"]]}}}`, nil)
	var got []string
	for _, h := range m.GetSchedules()[0].GetHours() {
		got = append(got, fmt.Sprint(h.GetDays(), h.GetFrom().AsDuration(), h.GetUntil().AsDuration()))
	}
	if g, want := strings.Join(got, "; "), "[6 7 1] 0s 24h0m0s; [3] 8h0m0s 12h30m0s; [3] 13h0m0s 13h1m0s"; g != want {
		t.Errorf("hours %s, want %s", g, want)
	}
}

func TestMixinFailures(t *testing.T) {
	broken := errors.New("disk on fire")
	_, err := Model("m.yaml", []byte("uses: [x]"), func(string) ([]byte, error) { return nil, broken })
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "m.yaml: line 1, column 8: the mixin `x` cannot be read") {
		t.Errorf("got %v", err)
	}
	_, err = Model("m.yaml", []byte("uses: [a]"), mixins(map[string]string{"a": "uses: [b]", "b": "uses: [a]"}))
	if want := "b: line 1, column 8: the mixin `a` uses itself"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Model("m.yaml", []byte("uses: [a]"), mixins(map[string]string{"a": "types: {t: {actoins: {}}}"}))
	if want := "a: line 1, column 13: unknown key `actoins` (did you mean `actions`?)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// golden holds a message to the one that was read through when the file was written (-update writes it again).
func golden(t *testing.T, file string, got, want proto.Message) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(brief(got)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(data, want); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("got %s\nwant what %s says", brief(got), file)
	}
}

// examples returns the yaml blocks of a page.
func examples(t *testing.T, page string) []string {
	t.Helper()
	data, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i, block := range strings.Split(string(data), "```yaml\n") {
		if i > 0 {
			body, _, _ := strings.Cut(block, "```")
			out = append(out, body)
		}
	}
	return out
}

// The page's examples are one model: each is a mixin of the next.
func TestReference(t *testing.T) {
	files := map[string]string{}
	var uses []string
	for i, body := range examples(t, "model.md") {
		name := fmt.Sprintf("example %d", i+1)
		files[name] = body
		uses = append(uses, name)
	}
	m := mustModel(t, "uses: ["+strings.Join(uses, ", ")+"]", files)
	golden(t, "testdata/reference.json", m, &klinkev1.Model{})
	compiled(t, m)
}
