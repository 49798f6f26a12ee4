// These tests prove that what the readers give is what the law takes: the reference's model compiles, and the accounts of
// the presets are applied in the order in which they are read.
package account

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/preset"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func compiled(t *testing.T, m *klinkev1.Model) *policy.Model {
	t.Helper()
	out, err := policy.Compile(m, 1)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func presetModel(t *testing.T, name string) *policy.Model {
	t.Helper()
	data, found := preset.File(name)
	if !found {
		t.Fatalf("no preset %s", name)
	}
	m, err := Model(name+".yaml", data, func(mixin string) ([]byte, error) {
		data, _ := preset.File(mixin)
		return data, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return compiled(t, m)
}

// presetAccounts are all worlds and demonstration accounts, by the names of their files.
func presetAccounts(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range preset.Names() {
		data, _ := preset.World(name)
		out[name+".world.yaml"] = string(data)
	}
	files, err := filepath.Glob("../preset/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if data, is := preset.Demo(strings.TrimSuffix(filepath.Base(file), ".yaml")); is {
			out[filepath.Base(file)] = string(data)
		}
	}
	return out
}

func TestAccountsApply(t *testing.T) {
	for file, data := range presetAccounts(t) {
		name, _, err := SplitModel(mustDecode(t, data)[0].Model)
		if err != nil {
			t.Fatal(err)
		}
		model := presetModel(t, name)
		for _, text := range []string{data, encoded(t, records(mustDecode(t, data)))} {
			as := mustDecode(t, text)
			at := policy.Stamp{Now: time.Unix(1_800_000_000, 0), Models: func(string, uint32) (*policy.Model, error) { return model, nil }}
			out, err := policy.Apply(policy.Empty(), model.Factory(), at)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range as {
				if out, err = policy.Apply(out.Next, a.Changes, at); err != nil {
					t.Fatalf("%s: %v", file, err)
				}
			}
		}
	}
}
