package main

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/world"
)

func (p *program) testCommand() *cobra.Command {
	return p.outputFlag(&cobra.Command{
		Use:   "test FILE…",
		Short: "Hold models to the answers that account files expect",
		Long: `Make the tenant of each account file in memory, ask the questions of the file, and compare the answers with those that it
expects. No server is needed. The account's model is looked for among the model files that are named as well, then beside
the account as MODEL.yaml, then among the presets; a version that the account names is not looked at.

What is not as expected is shown with its place, with expected and got side by side, and with every step to the answer.
A question without ` + "`at`" + ` is asked at one fixed moment, so that the outcome does not depend on the day.
Exit code 0 when all passed, 1 when one did not, 2 when a file cannot be used.`,
		Example: `  klinke test notes.yaml notes.test.yaml
  klinke test policy/preset/*.world.yaml -o json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, names []string) error { return p.test(names) },
	})
}

// outcome counts what passed.
type outcome struct {
	Passed int `json:"passed"`
	Failed int `json:"failed"`
}

func (p *program) test(names []string) error {
	l := &library{}
	if err := l.open(names); err != nil {
		return err
	}
	var total outcome
	accounts := 0
	for _, f := range l.files {
		if f.source != nil {
			if _, err := f.source.Compile(1); err != nil {
				return err
			}
			continue
		}
		accounts++
		o, err := p.testFile(l, f)
		if err != nil {
			return err
		}
		total.Passed, total.Failed = total.Passed+o.Passed, total.Failed+o.Failed
	}
	if accounts == 0 {
		return usagef("say which account to test: these files are models, which ask no questions")
	}
	if err := p.sayOutcome("", total); err != nil {
		return err
	}
	if total.Failed > 0 {
		return exit(exitDeny)
	}
	return nil
}

// testFile asks the questions of one account.
func (p *program) testFile(l *library, f *authored) (outcome, error) {
	var o outcome
	w, _, err := l.world(f)
	if err != nil {
		return o, err
	}
	if len(w.Questions) == 0 {
		return o, invalid(f.name, "it has no `questions`, so nothing of it can be tested")
	}
	report := testReport{File: f.name, Failures: []testFailure{}}
	for i := range w.Questions {
		a := w.Questions[i].Ask()
		if a.Passed() {
			o.Passed++
			continue
		}
		o.Failed++
		if p.output == "json" {
			err = report.add(a)
		} else {
			err = p.sayFailure(a)
		}
		if err != nil {
			return o, err
		}
	}
	if p.output == "json" {
		report.outcome = o
		return o, p.sayLine(report)
	}
	return o, p.sayOutcome(f.name+": ", o)
}

// sayOutcome says the counts of a file, or of all when no file is named.
func (p *program) sayOutcome(of string, o outcome) error {
	if p.output == "json" {
		return p.sayLine(o)
	}
	return p.sayf("%s%s passed, %s failed", of, thousands(o.Passed), thousands(o.Failed))
}

// sayLine writes a value as JSON in one line.
func (p *program) sayLine(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return p.sayf("%s", b)
}

// sayFailure shows an answer that is not as expected.
func (p *program) sayFailure(a *world.Answer) error {
	if err := p.sayf("%s: %s", a.Question.Place, a.Question.Text); err != nil {
		return err
	}
	if err := table(p.out, askedTable(a.Question)); err != nil {
		return err
	}
	if err := table(p.out, partsTable(a)); err != nil {
		return err
	}
	if a.Err != nil {
		return p.sayf("└─ ✗ %v", a.Err)
	}
	return p.sayTree("", a.Steps)
}

// askedTable is what goes with the words of a question, a row each, empty ones left out.
func askedTable(q *account.Question) [][]string {
	var rows [][]string
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{"  " + name, value})
		}
	}
	add("facts", object(q.Check.GetResource().GetProperties()))
	add("context", object(q.Check.GetContext()))
	if actor := q.Check.GetActor(); actor != nil {
		add("as", actor.GetType()+":"+actor.GetId())
	}
	add("roles", strings.Join(q.Check.GetActiveRoles(), ", "))
	if !q.At.IsZero() {
		add("at", q.At.Format("2006-01-02T15:04:05.999999999Z07:00"))
	}
	add("why", q.Why)
	return rows
}

// partsTable is what was expected beside what came, and behind it what came besides.
func partsTable(a *world.Answer) [][]string {
	rows := [][]string{{"", "expected", "got"}}
	compared := map[string]bool{}
	for _, x := range a.Parts {
		mark := "✗ "
		if x.Holds() {
			mark = "✓ "
		}
		compared[x.Name] = true
		rows = append(rows, []string{mark + x.Name, x.Expected, orDash(x.Came)})
	}
	if a.Err != nil {
		return rows
	}
	for _, besides := range [][2]string{{"reason", reasonWord(a.Decision.Reason)}, {"level", a.Decision.Level}, {"relation", a.Decision.Relation},
		{"missing", a.Decision.Missing}} {
		if name, came := besides[0], besides[1]; came != "" && !compared[name] {
			rows = append(rows, []string{"· " + name, "", came})
		}
	}
	return rows
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// object is facts or circumstances as JSON with sorted names; empty when there are none.
func object(s *structpb.Struct) string {
	if len(s.GetFields()) == 0 {
		return ""
	}
	b, err := stableJSON(s)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// testReport is one file's outcome for programs.
type testReport struct {
	File string `json:"file"`
	outcome

	Failures []testFailure `json:"failures"`
}

type testFailure struct {
	Line     int               `json:"line"`
	Column   int               `json:"column"`
	Ask      string            `json:"ask"`
	Why      string            `json:"why,omitempty"`
	Question json.RawMessage   `json:"question"`
	Parts    []testPart        `json:"parts"`
	Error    string            `json:"error,omitempty"`
	Missing  string            `json:"missing,omitempty"`
	Steps    []json.RawMessage `json:"steps,omitempty"`
}

type testPart struct {
	Name     string `json:"name"`
	Expected string `json:"expected"`
	Got      string `json:"got"`
	Holds    bool   `json:"holds"`
}

func (r *testReport) add(a *world.Answer) error {
	q := a.Question
	f := testFailure{Line: q.Place.Line, Column: q.Place.Column, Ask: q.Text, Why: q.Why, Missing: a.Decision.Missing}
	if a.Err != nil {
		f.Error = a.Err.Error()
	}
	for _, x := range a.Parts {
		f.Parts = append(f.Parts, testPart{x.Name, x.Expected, x.Came, x.Holds()})
	}
	var err error
	if f.Question, err = stableJSON(q.Request("")); err != nil {
		return err
	}
	for _, s := range a.Steps {
		b, err := stableJSON(s)
		if err != nil {
			return err
		}
		f.Steps = append(f.Steps, b)
	}
	r.Failures = append(r.Failures, f)
	return nil
}
