// These tests prove that the commonest questions of every preset are known, documented with what they cost, and decided without
// allocating. The benchmark gives the figures; docs/presets/speed.md says how to run it.
package preset_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/preset"
	"github.com/klinke-authz/klinke/policy/world"
)

const (
	commonestFiles = "testdata/commonest"
	commonestDocs  = "../../docs/presets/speed.md"
	commonestCount = 5
	// commonestNanos is the aim: no documented figure may be above it.
	commonestNanos = 500
)

// listed reads the commonest questions, by preset.
func listed(t testing.TB) map[string][]account.Question {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(commonestFiles, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]account.Question{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := account.NewDecoder(file, bytes.NewReader(data)).Next()
		if err != nil {
			t.Fatal(err)
		}
		if len(doc.Changes) > 0 {
			t.Fatalf("%s: only questions stand here", file)
		}
		out[strings.TrimSuffix(filepath.Base(file), ".yaml")] = doc.Questions
	}
	return out
}

// ready is a question prepared for the world in which it is asked.
type ready struct {
	name    string
	s       *policy.Snapshot
	request *policy.Request
	allow   bool
}

// commonest looks a preset's questions up in its world and prepares them. Preparing puts numbers into their canonical form,
// which deciding then finds.
func commonest(t testing.TB, name string, questions []account.Question) (out []ready) {
	t.Helper()
	all := load(t, name).Questions
	for _, q := range questions {
		i := slices.IndexFunc(all, func(w world.Question) bool {
			return w.Expect == q.Expect && w.At.Equal(q.At) && proto.Equal(w.Request(""), q.Request(""))
		})
		if i < 0 {
			t.Fatalf("%s: %s: the world does not ask this and expect %s", q.Place, q.Text, q.Expect)
		}
		if !q.At.IsZero() {
			t.Fatalf("%s: %s: a common question is asked at any time", q.Place, q.Text)
		}
		x := ready{name: q.Why, s: all[i].Snapshot, request: &policy.Request{}, allow: q.Expect == "allow"}
		asked := &policy.Question{Subject: q.Check.GetSubject(), Actor: q.Check.GetActor(), Action: q.Check.GetAction(),
			Resource: q.Check.GetResource(), Context: q.Check.GetContext(), ActiveRoles: q.Check.GetActiveRoles()}
		if err := x.s.Prepare(x.request, asked, x.s.Plan().Normalise); err != nil {
			t.Fatalf("%s: %s: %v", q.Place, q.Text, err)
		}
		out = append(out, x)
	}
	return out
}

func TestEveryPresetHasItsCommonestQuestions(t *testing.T) {
	all := listed(t)
	for _, name := range preset.Names() {
		names := map[string]bool{}
		for _, q := range all[name] {
			names[q.Why] = q.Why != ""
		}
		if len(all[name]) != commonestCount || len(names) != commonestCount || names[""] {
			t.Errorf("%s has %d questions of %s under %d names, want %d, each with its own in `why`", commonestFiles, len(all[name]), name, len(names), commonestCount)
		}
	}
	for name := range all {
		if !slices.Contains(preset.Names(), name) {
			t.Errorf("%s lists %q, which is no preset", commonestFiles, name)
		}
	}
}

func TestCommonestQuestionsAllocateNothing(t *testing.T) {
	now := world.Moment()
	for name, questions := range listed(t) {
		for _, x := range commonest(t, name, questions) {
			var d policy.Decision
			if n := testing.AllocsPerRun(100, func() { d = policy.Decide(x.s, x.request, now) }); n != 0 {
				t.Errorf("%s: %s: %v allocations", name, x.name, n)
			}
			if d.Allow != x.allow {
				t.Errorf("%s: %s: allowed %t", name, x.name, d.Allow)
			}
		}
	}
}

// A preset's figures are those of its questions, in their order, and none is above the aim.
func TestCommonestQuestionsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(commonestDocs)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 5 || !slices.Contains(preset.Names(), strings.TrimPrefix(cells[0], "| ")) {
			continue
		}
		name := strings.TrimPrefix(cells[0], "| ")
		rows[name] = append(rows[name], cells[1]+" | "+cells[2])
		for _, figure := range []string{cells[3], strings.TrimSuffix(cells[4], " |")} {
			if ns, err := strconv.Atoi(figure); err != nil || ns <= 0 || ns > commonestNanos {
				t.Errorf("%s: %s: %q is no figure from 1 to %d ns", commonestDocs, line, figure, commonestNanos)
			}
		}
	}
	all := listed(t)
	for _, name := range preset.Names() {
		var want []string
		for _, q := range all[name] {
			want = append(want, q.Why+" | "+q.Expect)
		}
		if !slices.Equal(rows[name], want) {
			t.Errorf("%s has of %s the questions %q, want %q", commonestDocs, name, rows[name], want)
		}
	}
}

// BenchmarkCommonest decides each question again and again, with its subject and facts read and its number normalised.
func BenchmarkCommonest(b *testing.B) {
	all, now := listed(b), world.Moment()
	for _, name := range preset.Names() {
		for _, x := range commonest(b, name, all[name]) {
			b.Run(name+"/"+x.name, func(b *testing.B) {
				b.ReportAllocs()
				var d policy.Decision
				for b.Loop() {
					d = policy.Decide(x.s, x.request, now)
				}
				if d.Allow != x.allow {
					b.Fatalf("allowed %t", d.Allow)
				}
			})
		}
	}
}
