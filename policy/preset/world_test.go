// These tests hold every preset to its world: the answers that its product gives, decided fast and explained slowly, also
// after the tenant was written down and restored.
package preset_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/preset"
)

func mixin(name string) ([]byte, error) {
	data, _ := preset.File(name)
	return data, nil
}

func model(t *testing.T, name string) *policy.Model {
	t.Helper()
	data, ok := preset.File(name)
	if !ok {
		t.Fatalf("no preset %s", name)
	}
	src, err := account.Model(name+".yaml", data, mixin)
	if err != nil {
		t.Fatal(err)
	}
	m, err := policy.Compile(src, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// load applies an account file to a new tenant.
func load(t *testing.T, m *policy.Model, data []byte) (*policy.Snapshot, []account.Question) {
	t.Helper()
	at := policy.Stamp{Now: time.Unix(1_700_000_000, 0), Models: func(string, uint32) (*policy.Model, error) { return m, nil }}
	out, err := policy.Apply(policy.Empty(), m.Factory(), at)
	if err != nil {
		t.Fatal(err)
	}
	var questions []account.Question
	for d := account.NewDecoder("world", bytes.NewReader(data)); ; {
		doc, err := d.Next()
		if errors.Is(err, io.EOF) {
			return out.Next, questions
		}
		if err != nil {
			t.Fatal(err)
		}
		if out, err = policy.Apply(out.Next, doc.Changes, at); err != nil {
			t.Fatal(err)
		}
		questions = append(questions, doc.Questions...)
	}
}

func restored(t *testing.T, m *policy.Model, s *policy.Snapshot) *policy.Snapshot {
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
			m := model(t, name)
			data, ok := preset.World(name)
			if !ok {
				t.Fatal("a preset without a world")
			}
			s, questions := load(t, m, data)
			answer(t, s, questions)
			t.Run("restored", func(t *testing.T) { answer(t, restored(t, m, s), questions) })
		})
	}
}

func answer(t *testing.T, s *policy.Snapshot, questions []account.Question) {
	t.Helper()
	for _, q := range questions {
		x := q.Request("world")
		now := q.At
		if now.IsZero() {
			now = time.Unix(1_800_000_000, 0)
		}
		r := &policy.Request{}
		err := s.Prepare(r, &policy.Question{Subject: x.GetSubject(), Actor: x.GetActor(), Action: x.GetAction(), Resource: x.GetResource(),
			Context: x.GetContext(), ActiveRoles: x.GetActiveRoles()}, s.Plan().Normalise)
		if err != nil {
			if q.Expect != "error" {
				t.Errorf("%s: %s: got error %v, want %s: %s", q.Place, q.Text, err, q.Expect, q.Why)
			}
			continue
		}
		d, steps := policy.Explain(s, r, now)
		got := "deny"
		if d.Allow {
			got = "allow"
		}
		if got != q.Expect || q.Reason != 0 && d.Reason != q.Reason || q.Level != "" && d.Level != q.Level || q.Relation != "" && d.Relation != q.Relation {
			t.Errorf("%s: %s: got %s %s level %q relation %q missing %q, want %s %s %q %q: %s", q.Place, q.Text, got, d.Reason, d.Level, d.Relation,
				d.Missing, q.Expect, q.Reason, q.Level, q.Relation, q.Why)
		}
		if text := steps[len(steps)-1].GetText(); text[0:min(8, len(text))] == "the fast" {
			t.Errorf("%s: %s: %s", q.Place, q.Text, text)
		}
	}
}
