package world

import (
	"fmt"
	"strings"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Answer is what a question of the world was answered.
type Answer struct {
	Question *account.Question
	// Err is set when the question was refused as no question; what follows is empty then.
	Err error
	// Decision and Steps are the answer and its explanation.
	Decision policy.Decision
	Steps    []*klinkev1.Step
	// Parts compares what the question states with what came, the answer's word first.
	Parts []Part
}

// Part is one thing that an answer says.
type Part struct {
	// Name is `answer`, `reason`, `level` or `relation`; or `explanation`, when the two ways to decide disagree.
	Name           string
	Expected, Came string
}

// Holds says whether it is as expected.
func (p Part) Holds() bool { return p.Expected == p.Came }

// Passed says whether the answer is as expected in all that the question states.
func (a *Answer) Passed() bool {
	for _, p := range a.Parts {
		if !p.Holds() {
			return false
		}
	}
	return true
}

// String says in a line what was expected and what came.
func (a *Answer) String() string {
	var expected, came []string
	for _, p := range a.Parts {
		expected, came = append(expected, p.Expected), append(came, orNothing(p.Came))
	}
	s := fmt.Sprintf("%s: %s: expected %s, got %s", a.Question.Place, a.Question.Text, strings.Join(expected, " "), strings.Join(came, " "))
	switch {
	case a.Err != nil:
		s += ": " + a.Err.Error()
	case a.Decision.Missing != "":
		s += ", missing " + a.Decision.Missing
	}
	return s
}

// Ask asks the question.
func (q *Question) Ask() *Answer {
	a := &Answer{Question: &q.Question}
	x := q.Request("")
	r := &policy.Request{}
	err := q.Snapshot.Prepare(r, &policy.Question{Subject: x.GetSubject(), Actor: x.GetActor(), Action: x.GetAction(), Resource: x.GetResource(),
		Context: x.GetContext(), ActiveRoles: x.GetActiveRoles()}, q.Snapshot.Plan().Normalise)
	if err != nil {
		a.Err = err
		a.part("answer", q.Expect, "error")
		return a
	}
	now := q.At
	if now.IsZero() {
		now = Moment()
	}
	a.Decision, a.Steps = policy.Explain(q.Snapshot, r, now)
	came := "deny"
	if a.Decision.Allow {
		came = "allow"
	}
	a.part("answer", q.Expect, came)
	if q.Reason != 0 {
		a.part("reason", word(q.Reason), word(a.Decision.Reason))
	}
	if q.Level != "" {
		a.part("level", q.Level, a.Decision.Level)
	}
	if q.Relation != "" {
		a.part("relation", q.Relation, a.Decision.Relation)
	}
	if last := a.Steps[len(a.Steps)-1].GetText(); strings.HasPrefix(last, policy.Disagreement) {
		a.part("explanation", "the decision's", last)
	}
	return a
}

func (a *Answer) part(name, expected, came string) {
	a.Parts = append(a.Parts, Part{Name: name, Expected: expected, Came: came})
}

// word is a reason as files write it.
func word(r klinkev1.Reason) string { return strings.TrimPrefix(r.String(), "REASON_") }

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
