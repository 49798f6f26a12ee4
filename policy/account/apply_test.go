// These tests prove that what the readers give is what the law takes: the reference's model compiles, and the accounts of
// the presets are applied in the order in which they are read.
package account

import (
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

func TestAccountsApply(t *testing.T) {
	accounts := map[string][]byte{}
	for _, name := range preset.Names() {
		presetModel(t, name)
		accounts[name+".world.yaml"], _ = preset.World(name)
	}
	accounts["demo.yaml"], _ = preset.Demo("demo")
	for file, data := range accounts {
		for _, text := range []string{string(data), encoded(t, records(mustDecode(t, string(data))))} {
			as := mustDecode(t, text)
			name, _, err := SplitModel(as[0].Model)
			if err != nil {
				t.Fatal(err)
			}
			if name == "m" { // as encoded names it
				name = preset.Names()[0]
			}
			model := presetModel(t, name)
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
