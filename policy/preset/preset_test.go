// These tests prove that the embedded presets are whole: every model has its mixins, its labels and its world, every
// question of a world is well formed and asked once, and no demonstration account uses a telephone number of a real person.
// Whether the models give the expected answers is proved where there is a decision.
package preset_test

import (
	"errors"
	"fmt"
	"path/filepath"
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
	var f file
	if err := yaml.Unmarshal(content, &f); err != nil {
		t.Fatalf("not YAML: %v", err)
	}
	return f
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
		{"crmnow", true, true, false},
		{"demo", false, false, true},
		{"demo-crmnow", false, false, true},
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
			world := open(t, preset.World, name)
			if world.Tenant != "world" || world.Model != name {
				t.Errorf("tenant %q of model %q, want world of %q", world.Tenant, world.Model, name)
			}
			if len(world.Questions) < 60 {
				t.Errorf("%d questions, want at least 60", len(world.Questions))
			}
			asked := map[string]int{}
			expected := map[any]int{}
			for i, q := range world.Questions {
				if err := wellFormed(q); err != nil {
					t.Errorf("question %d (%v): %v", i+1, q["ask"], err)
				}
				expected[q["expect"]]++
				key := fmt.Sprint(q["ask"], q["facts"], q["context"], q["as"], q["roles"], q["at"])
				if before := asked[key]; before > 0 {
					t.Errorf("question %d (%v) was asked before, as number %d", i+1, q["ask"], before)
				}
				asked[key] = i + 1
			}
			if expected["allow"] < 20 || expected["deny"] < 20 || expected["error"] == 0 {
				t.Errorf("answers %v: a world needs 20 allowed, 20 denied and some mistakes", expected)
			}
		})
	}
}

var askForm = regexp.MustCompile(`^(user|app):\S+ \S+ [a-z_]+(\.[a-z_]+)?:\S+$`)

func wellFormed(q map[string]any) error {
	known := []string{"ask", "facts", "context", "as", "roles", "at", "expect", "reason", "level", "relation", "why"}
	for key := range q {
		if !slices.Contains(known, key) {
			return fmt.Errorf("unknown key %q", key)
		}
	}
	if ask, _ := q["ask"].(string); !askForm.MatchString(ask) {
		return errors.New("want `subject action type:id` or `… type.field:id`")
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

func TestDemos(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	demos := 0
	for _, name := range files {
		name = strings.TrimSuffix(name, ".yaml")
		content, is := preset.Demo(name)
		if !is {
			continue
		}
		demos++
		t.Run(name, func(t *testing.T) {
			demo := read(t, content, true)
			if demo.Tenant != name {
				t.Errorf("tenant %q, want %s", demo.Tenant, name)
			}
			if !slices.Contains(preset.Names(), demo.Model) {
				t.Errorf("of model %q, which is no preset", demo.Model)
			}
			if len(demo.Questions) > 0 {
				t.Error("a demonstration asks by its story, not in its file")
			}
			areFiction(t, content)
		})
	}
	if demos < 2 {
		t.Errorf("%d demonstration accounts found", demos)
	}
}

// areFiction proves that no number of an account is a real person's.
func areFiction(t *testing.T, content []byte) {
	t.Helper()
	numbers := regexp.MustCompile(`\+\d+\*?`).FindAllString(string(content), -1)
	if len(numbers) < 3 {
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
				t.Errorf("%s may belong to somebody", s)
			}
			parsed, err := phonenumbers.Parse(s, "")
			if err != nil || !phonenumbers.IsValidNumber(parsed) {
				t.Errorf("%s is no valid number to the phone library: %v", s, err)
			}
		}
	}
}
