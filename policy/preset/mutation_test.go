// This test proves that the worlds would notice: whatever single place of a preset is changed, some answer of its world is no
// longer the expected one; of a mixin, some answer of some world. What goes unnoticed is named, with the reason, in
// docs/presets/mutation.md.
package preset_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/preset"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

const (
	page = "docs/presets/mutation.md"
	// enough is how many of a hundred changes a world must notice.
	enough = 95
)

// TestMutation tries all changes: the page must say what comes of it, no more and no less, and the score must suffice.
func TestMutation(t *testing.T) {
	names := preset.Names()
	tried := make([][]change, len(names))
	t.Run("presets", func(t *testing.T) {
		for i, name := range names {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				tried[i] = try(t, name)
			})
		}
	})
	if t.Failed() {
		return
	}
	var scores []score
	for _, name := range names {
		scores = append(scores, score{name: name})
	}
	for _, mixin := range mixins(t) {
		scores = append(scores, score{name: mixin})
		shared := &scores[len(scores)-1]
		for _, name := range ofMixin(t, mixin) {
			c := change{name: name, outcome: refused}
			for i := range tried {
				at := slices.IndexFunc(tried[i], func(o change) bool { return o.name == name })
				if at >= 0 {
					c.outcome = max(c.outcome, tried[i][at].outcome)
					tried[i] = slices.Delete(tried[i], at, at+1)
				}
			}
			shared.count(c)
		}
	}
	for i := range tried {
		for _, c := range tried[i] {
			scores[i].count(c)
		}
	}
	readPage(t).compare(t, scores)
}

// change is what came of one change of a preset.
type change struct {
	name    string
	outcome outcome
}

type outcome int

// The outcomes. Of a change that several presets share the highest holds.
const (
	refused   outcome = iota // it is no model
	unnoticed                // all answers are as expected
	noticed                  // some answer is not
)

// score is what came of the changes of one preset, or of one mixin: that is of a change in all presets that use it.
type score struct {
	name                    string
	tried, noticed, refused int
	survivors               []string
}

func (s *score) count(c change) {
	switch c.outcome {
	case refused:
		s.refused++
		return
	case unnoticed:
		s.survivors = append(s.survivors, c.name)
	case noticed:
		s.noticed++
	}
	s.tried++
}

// row is the line of the page's table.
func (s *score) row() string {
	percent := float64(100*s.noticed) / float64(max(s.tried, 1))
	return fmt.Sprintf("| `%s` | %d | %d | %.1f %% | %d |", s.name, s.tried, s.noticed, percent, s.refused)
}

func try(t *testing.T, name string) (out []change) {
	t.Helper()
	data, _ := preset.File(name)
	src := messages(t, name, data)
	world := expected(t, name)
	if red, _ := world.red(src); red != "" {
		t.Fatalf("before anything was changed: %s", red)
	}
	names := map[string]bool{}
	mutate(t, src, func(m *klinkev1.Model, name string) {
		if names[name] {
			t.Errorf("two changes are called %q", name)
		}
		names[name] = true
		red, ok := world.red(m)
		c := change{name: name, outcome: refused}
		switch {
		case ok && red == "":
			c.outcome = unnoticed
		case ok:
			c.outcome = noticed
		}
		out = append(out, c)
	})
	return out
}

func messages(t *testing.T, name string, data []byte) *klinkev1.Model {
	t.Helper()
	src, err := account.Model(name+".yaml", data, mixin)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// mixins are those that the presets use.
func mixins(t *testing.T) (out []string) {
	t.Helper()
	for _, name := range preset.Names() {
		out = append(out, open(t, preset.File, name).Uses...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ofMixin names the changes of what a mixin says. They have the same names in every preset that uses it.
func ofMixin(t *testing.T, mixin string) (out []string) {
	t.Helper()
	src := messages(t, mixin, []byte("model: "+mixin+"\nuses: ["+mixin+"]\n"))
	mutate(t, src, func(_ *klinkev1.Model, name string) { out = append(out, name) })
	return out
}

// mutationPage is what the documentation says: the lines of the scores, and the unnoticed changes by heading.
type mutationPage struct {
	rows    []string
	reasons map[string][]string
}

// survivorLine is a change and the reason why nobody notices it.
var survivorLine = regexp.MustCompile("^- `([^`]+)`: .")

func readPage(t *testing.T) *mutationPage {
	t.Helper()
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	p := &mutationPage{reasons: map[string][]string{}}
	heading := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if h, is := strings.CutPrefix(line, "## "); is {
			heading = h
		}
		if strings.HasPrefix(line, "| `") {
			p.rows = append(p.rows, line)
		}
		if m := survivorLine.FindStringSubmatch(line); m != nil {
			p.reasons[heading] = append(p.reasons[heading], m[1])
		}
	}
	return p
}

// compare reports where the page differs from what came of the changes, and scores that do not suffice.
func (p *mutationPage) compare(t *testing.T, scores []score) {
	t.Helper()
	var rows []string
	for _, s := range scores {
		rows = append(rows, s.row())
		if s.noticed*100 < enough*s.tried {
			t.Errorf("%s: that is less than %d %%", s.row(), enough)
		}
		for _, name := range s.survivors {
			if !slices.Contains(p.reasons[s.name], name) {
				t.Errorf("%s: under %s is not said why nobody notices\n- `%s`", page, s.name, name)
			}
		}
		for _, name := range p.reasons[s.name] {
			if !slices.Contains(s.survivors, name) {
				t.Errorf("%s: under %s is said of a change that is noticed, or cannot be made: %s", page, s.name, name)
			}
		}
		delete(p.reasons, s.name)
	}
	if !slices.Equal(p.rows, rows) {
		t.Errorf("%s must have the lines\n%s\nit has\n%s", page, strings.Join(rows, "\n"), strings.Join(p.rows, "\n"))
	}
	for heading := range p.reasons {
		t.Errorf("%s: %s is neither preset nor mixin", page, heading)
	}
}

// expectations are the documents of a world, read once and asked of many models.
type expectations []*account.Account

func expected(t *testing.T, name string) (out expectations) {
	t.Helper()
	data, _ := preset.World(name)
	for d := account.NewDecoder(name+".world.yaml", bytes.NewReader(data)); ; {
		doc, err := d.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, doc)
	}
}

// red says which answer of the world is not as expected with a model, empty when all are; false when it is no model. That a
// document of the world does not fit the model any more is red as well.
func (w expectations) red(src *klinkev1.Model) (why string, ok bool) {
	m, err := policy.Compile(src, 1)
	if err != nil {
		return "", false
	}
	at := policy.Stamp{Now: time.Unix(1_700_000_000, 0), Replay: true, Models: func(string, uint32) (*policy.Model, error) { return m, nil }}
	out, err := policy.Apply(policy.Empty(), m.Factory(), at)
	if err != nil {
		return "", false
	}
	for _, doc := range w {
		if out, err = policy.Apply(out.Next, doc.Changes, at); err != nil {
			return err.Error(), true
		}
		for i := range doc.Questions {
			if q := &doc.Questions[i]; !holds(out.Next, q) {
				return fmt.Sprintf("%s: %s", q.Place, q.Text), true
			}
		}
	}
	return "", true
}

// holds says whether a question is answered as expected.
func holds(s *policy.Snapshot, q *account.Question) bool {
	r, d := &policy.Request{}, policy.Decision{}
	got, now := "error", q.At
	if now.IsZero() {
		now = time.Unix(1_800_000_000, 0)
	}
	err := s.Prepare(r, &policy.Question{Subject: q.Check.GetSubject(), Actor: q.Check.GetActor(), Action: q.Check.GetAction(),
		Resource: q.Check.GetResource(), Context: q.Check.GetContext(), ActiveRoles: q.Check.GetActiveRoles()}, s.Plan().Normalise)
	if err == nil {
		if d, got = policy.Decide(s, r, now), "deny"; d.Allow {
			got = "allow"
		}
	}
	return got == q.Expect && (q.Reason == 0 || d.Reason == q.Reason) && (q.Level == "" || d.Level == q.Level) && (q.Relation == "" || d.Relation == q.Relation)
}
