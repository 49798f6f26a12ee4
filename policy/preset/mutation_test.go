// This test proves that the worlds would notice: whatever single place of a preset is changed, some answer of its world is no
// longer the expected one. What goes unnoticed is named, with the reason, in docs/presets/mutation.md.
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

// TestMutation tries all changes: the page must say what comes of it, no more and no less, and the score must suffice.
func TestMutation(t *testing.T) {
	said := readPage(t)
	names := preset.Names()
	scores := make([]score, len(names))
	t.Run("presets", func(t *testing.T) {
		for i, name := range names {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				scores[i] = scored(t, name)
			})
		}
	})
	if t.Failed() {
		return
	}
	var rows, unnoticed []string
	for _, s := range scores {
		if s.noticed()*100 < enough*s.tried {
			t.Errorf("%s: that is less than %d %%", s, enough)
		}
		rows = append(rows, s.row())
		for _, name := range s.survivors {
			if !slices.Contains(said.reasons[s.preset], name) && !slices.Contains(said.reasons[every], name) {
				t.Errorf("%s: under %s, or under %s, is not said why nobody notices\n- `%s`", page, s.preset, every, name)
			}
		}
		for _, name := range said.reasons[s.preset] {
			if !slices.Contains(s.survivors, name) {
				t.Errorf("%s: under %s is said of a change that is noticed, or cannot be made: %s", page, s.preset, name)
			}
		}
		unnoticed = append(unnoticed, s.survivors...)
	}
	if !slices.Equal(said.rows, rows) {
		t.Errorf("%s must have the lines\n%s\nit has\n%s", page, strings.Join(rows, "\n"), strings.Join(said.rows, "\n"))
	}
	for heading, reasons := range said.reasons {
		if heading != every && !slices.Contains(names, heading) {
			t.Errorf("%s: %s is no preset", page, heading)
		}
		for _, name := range reasons {
			if heading == every && !slices.Contains(unnoticed, name) {
				t.Errorf("%s: under %s is said of a change that every preset notices, or cannot be made: %s", page, every, name)
			}
		}
	}
}

// score is what came of the changes of one preset.
type score struct {
	preset         string
	tried, refused int
	survivors      []string
}

func scored(t *testing.T, name string) score {
	t.Helper()
	data, _ := preset.File(name)
	src, err := account.Model(name+".yaml", data, mixin)
	if err != nil {
		t.Fatal(err)
	}
	world := expected(t, name)
	if red, _ := world.red(src); red != "" {
		t.Fatalf("before anything was changed: %s", red)
	}
	out := score{preset: name}
	mutate(t, src, func(m *klinkev1.Model, change string) {
		red, ok := world.red(m)
		switch {
		case !ok:
			out.refused++
			return
		case red == "":
			out.survivors = append(out.survivors, change)
		}
		out.tried++
	})
	t.Log(out)
	return out
}

func (s score) noticed() int { return s.tried - len(s.survivors) }

func (s score) percent() string {
	return fmt.Sprintf("%.1f %%", float64(100*s.noticed())/float64(max(s.tried, 1)))
}

// String says what came of it in a line; changes that are no model are not counted.
func (s score) String() string {
	return fmt.Sprintf("%s: %d of %d changes are noticed (%s), %d more are no model", s.preset, s.noticed(), s.tried, s.percent(), s.refused)
}

// row is the line of the page's table.
func (s score) row() string {
	return fmt.Sprintf("| `%s` | %d | %d | %s | %d |", s.preset, s.tried, s.noticed(), s.percent(), s.refused)
}

const (
	page  = "docs/presets/mutation.md"
	every = "Every preset"
	// enough is how many of a hundred changes a world must notice.
	enough = 95
)

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
				return fmt.Sprintf("line %d: %s", q.Line, q.Text), true
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
