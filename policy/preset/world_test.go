// These tests hold every preset to its world: the answers that its product gives, decided fast and explained slowly, also
// after the tenant was written down and restored.
package preset_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/preset"
	"github.com/klinke-authz/klinke/policy/world"
)

func mixin(name string) ([]byte, error) {
	data, _ := preset.File(name)
	return data, nil
}

func source(t testing.TB, name string) *account.Source {
	t.Helper()
	data, ok := preset.File(name)
	if !ok {
		t.Fatalf("no preset %s", name)
	}
	src, err := account.ReadModel(name+".yaml", data, mixin)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func compiled(t testing.TB, name string) *policy.Model {
	t.Helper()
	m, err := source(t, name).Compile(1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// load reads the world of a preset.
func load(t testing.TB, name string) *world.World {
	t.Helper()
	data, ok := preset.World(name)
	if !ok {
		t.Fatal("a preset without a world")
	}
	return built(t, name, data)
}

// built makes the tenant of an account file of a preset.
func built(t testing.TB, name string, data []byte) *world.World {
	t.Helper()
	w, err := world.Read(name+".world.yaml", bytes.NewReader(data), func(string, uint32) (*policy.Model, error) { return source(t, name).Compile(1) })
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// restored is the world with every tenant in it written down and read again.
func restored(t *testing.T, w *world.World) *world.World {
	t.Helper()
	out := *w
	out.Questions = slices.Clone(w.Questions)
	again := map[*policy.Snapshot]*policy.Snapshot{}
	for i := range out.Questions {
		s := out.Questions[i].Snapshot
		if again[s] == nil {
			again[s] = restore(t, s, w.Model)
		}
		out.Questions[i].Snapshot = again[s]
	}
	return &out
}

func restore(t *testing.T, s *policy.Snapshot, m *policy.Model) *policy.Snapshot {
	t.Helper()
	r := policy.NewRestorer(func(string, uint32) (*policy.Model, error) { return m, nil })
	for chunk, err := range s.Checkpoint() {
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Add(chunk); err != nil {
			t.Fatal(err)
		}
	}
	out, err := r.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnswers(t *testing.T) {
	for _, name := range preset.Names() {
		t.Run(name, func(t *testing.T) {
			w := load(t, name)
			answer(t, w)
			t.Run("restored", func(t *testing.T) { answer(t, restored(t, w)) })
		})
	}
}

func answer(t *testing.T, w *world.World) {
	t.Helper()
	for i := range w.Questions {
		if a := w.Questions[i].Ask(); !a.Passed() {
			t.Errorf("%s (%s)", a, a.Question.Why)
		}
	}
}
