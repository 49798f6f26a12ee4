// These tests prove that the embedded presets are whole: every model has its mixins, its labels and its world, every
// question of a world is well formed and asked once of what it knows, and the demonstration accounts use no telephone
// number of a real person. Whether the models give the expected answers is proved where there is a decision.
package preset_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"go.yaml.in/yaml/v3"

	"github.com/klinke-authz/klinke/policy/preset"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// file is what these tests read of models, mixins and accounts.
type file struct {
	Tenant    string
	Model     string
	Uses      []string
	Roles     map[string]role
	Questions []map[string]any
}

type role struct {
	Label  any
	Grants []any
}

func read(t *testing.T, content []byte, found bool) file {
	t.Helper()
	if !found {
		t.Fatal("not found")
	}
	return documents(t, content)[0]
}

func documents(t *testing.T, content []byte) (out []file) {
	t.Helper()
	for d := yaml.NewDecoder(bytes.NewReader(content)); ; {
		var f file
		err := d.Decode(&f)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("not YAML: %v", err)
		}
		out = append(out, f)
	}
}

func open(t *testing.T, get func(string) ([]byte, bool), name string) file {
	t.Helper()
	content, found := get(name)
	return read(t, content, found)
}

func TestNames(t *testing.T) {
	names := preset.Names()
	if !slices.IsSorted(names) || !slices.Contains(names, "bitrix24") {
		t.Errorf("Names() = %q, want them sorted and bitrix24 among them", names)
	}
	for _, no := range []string{"telephony", "demo", "bitrix24.world"} {
		if slices.Contains(names, no) {
			t.Errorf("Names() holds %q, which is no model", no)
		}
	}
	for _, name := range names {
		if got := open(t, preset.File, name).Model; got != name {
			t.Errorf("the file of model %q names itself %q", name, got)
		}
	}
}

func TestKindsOfFiles(t *testing.T) {
	for _, tt := range []struct {
		name              string
		file, world, demo bool
	}{
		{"bitrix24", true, true, false},
		{"telephony", true, false, false},
		{"demo", false, false, true},
		{"bitrix24.world", false, false, false},
		{"nothing", false, false, false},
		{"", false, false, false},
		{"../preset/demo", false, false, false},
	} {
		_, file := preset.File(tt.name)
		_, world := preset.World(tt.name)
		_, demo := preset.Demo(tt.name)
		if file != tt.file || world != tt.world || demo != tt.demo {
			t.Errorf("%q: file %t, world %t, demo %t; want %t, %t, %t", tt.name, file, world, demo, tt.file, tt.world, tt.demo)
		}
	}
}

func TestBytesAreTheCallersOwn(t *testing.T) {
	first, _ := preset.File("bitrix24")
	clear(first)
	if second, _ := preset.File("bitrix24"); slices.Equal(first, second) {
		t.Error("a caller's change of the bytes is seen by the next caller")
	}
}

func TestModels(t *testing.T) {
	for _, name := range preset.Names() {
		t.Run(name, func(t *testing.T) {
			model := open(t, preset.File, name)
			parts := []file{model}
			for _, mixin := range model.Uses {
				m := open(t, preset.File, mixin)
				if m.Model != "" {
					t.Errorf("mixes in %q, which is a model", mixin)
				}
				parts = append(parts, m)
			}
			for _, part := range parts {
				for id, r := range part.Roles {
					labels, _ := r.Label.(map[string]any)
					if labels["de"] == nil || labels["en"] == nil {
						t.Errorf("role %s: label %v, want German and English", id, r.Label)
					}
				}
			}
		})
	}
}

func TestWorlds(t *testing.T) {
	for _, name := range preset.Names() {
		t.Run(name, func(t *testing.T) {
			content, found := preset.World(name)
			if !found {
				t.Fatal("not found")
			}
			world := documents(t, content)
			if world[0].Tenant != "world" || world[0].Model != name {
				t.Errorf("tenant %q of model %q, want world of %q", world[0].Tenant, world[0].Model, name)
			}
			count := 0
			expected := map[any]int{}
			for i, doc := range world {
				asked := map[string]int{}
				for j, q := range doc.Questions {
					if err := wellFormed(q); err != nil {
						t.Errorf("document %d, question %d (%v): %v", i+1, j+1, q["ask"], err)
					}
					count++
					expected[q["expect"]]++
					key := fmt.Sprint(q["ask"], q["facts"], q["context"], q["as"], q["roles"], q["at"])
					if before := asked[key]; before > 0 {
						t.Errorf("document %d, question %d (%v) was asked before, as number %d", i+1, j+1, q["ask"], before)
					}
					asked[key] = j + 1
				}
			}
			if count < 60 {
				t.Errorf("%d questions, want at least 60", count)
			}
			if expected["allow"] < 20 || expected["deny"] < 20 || expected["error"] == 0 {
				t.Errorf("answers %v: a world needs 20 allowed, 20 denied and some mistakes", expected)
			}
		})
	}
}

var askForm = regexp.MustCompile(`^(user|app):\S+ \S+ [a-z_]+:\S+$`)

func wellFormed(q map[string]any) error {
	known := []string{"ask", "facts", "context", "as", "roles", "at", "expect", "reason", "level", "relation", "why"}
	for key := range q {
		if !slices.Contains(known, key) {
			return fmt.Errorf("unknown key %q", key)
		}
	}
	if ask, _ := q["ask"].(string); !askForm.MatchString(ask) {
		return errors.New("want `subject action type:id`")
	}
	if !slices.Contains([]any{"allow", "deny", "error"}, q["expect"]) {
		return fmt.Errorf("expects %v", q["expect"])
	}
	if why, _ := q["why"].(string); strings.TrimSpace(why) == "" {
		return errors.New("does not say why")
	}
	if r, given := q["reason"]; given {
		if _, ok := klinkev1.Reason_value[fmt.Sprint("REASON_", r)]; !ok {
			return fmt.Errorf("unknown reason %v", r)
		}
	}
	return nil
}

// fiction are the ranges that the Bundesnetzagentur keeps free for films and documentation.
var fiction = regexp.MustCompile(`^\+49(3023125\d{3}|6990009\d{3}|4066969\d{3}|2214710\d{3}|8999998\d{3}|17139200\d{2}|176040690\d{2})$`)

// demos are the demonstration accounts, with the models that they use: demo, and for any model NAME demo-NAME.
func demos(t *testing.T) map[string]string {
	t.Helper()
	models := map[string]string{}
	names := []string{"demo"}
	for _, name := range preset.Names() {
		names = append(names, "demo-"+name)
	}
	for _, name := range names {
		if content, found := preset.Demo(name); found {
			models[name] = read(t, content, true).Model
		}
	}
	for _, name := range []string{"demo"} {
		if models[name] == "" {
			t.Errorf("there is no account %s", name)
		}
	}
	return models
}

func TestDemoNumbersAreFiction(t *testing.T) {
	for name := range demos(t) {
		content, found := preset.Demo(name)
		if demo := read(t, content, found); demo.Tenant != name {
			t.Errorf("tenant %q, want %s", demo.Tenant, name)
		}
		numbers := regexp.MustCompile(`\+\d+\*?`).FindAllString(string(content), -1)
		if name == "demo" && len(numbers) < 8 {
			t.Fatalf("only %d numbers found", len(numbers))
		}
		for _, n := range numbers {
			// A prefix stands for the numbers that begin so: the lowest and the highest of three more digits.
			samples := []string{n}
			if prefix, is := strings.CutSuffix(n, "*"); is {
				samples = []string{prefix + "000", prefix + "999"}
			}
			for _, s := range samples {
				if !fiction.MatchString(s) {
					t.Errorf("%s: %s may belong to somebody", name, s)
				}
				parsed, err := phonenumbers.Parse(s, "")
				if err != nil || !phonenumbers.IsValidNumber(parsed) {
					t.Errorf("%s: %s is no valid number to the phone library: %v", name, s, err)
				}
			}
		}
	}
}
