// This file lets tests write a tenant down as people do, in model and account files, so that what a test proves can be read.
package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// company is a tenant as a test writes it.
type company struct {
	tb     testing.TB
	models map[string]*policy.Model
	s      *policy.Snapshot
	now    time.Time
}

// monday is when everything happens, unless a test says otherwise.
var monday = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// newCompany makes a tenant on a model, and fills it.
func newCompany(tb testing.TB, model, records string) *company {
	tb.Helper()
	c := &company{tb: tb, models: map[string]*policy.Model{}, now: monday}
	m := c.model(model)
	out, err := policy.Apply(policy.Empty(), m.Factory(), c.stamp())
	if err != nil {
		tb.Fatal(err)
	}
	c.s = out.Next
	c.must(records)
	return c
}

// model compiles a model file and lets the tenant use it.
func (c *company) model(text string) *policy.Model {
	c.tb.Helper()
	src, err := account.Model("model.yaml", []byte(text), nil)
	if err != nil {
		c.tb.Fatal(err)
	}
	m, err := policy.Compile(src, 1)
	if err != nil {
		c.tb.Fatal(err)
	}
	c.models[m.Name()] = m
	return m
}

func (c *company) stamp() policy.Stamp {
	return policy.Stamp{Now: c.now, Models: func(name string, _ uint32) (*policy.Model, error) {
		if m := c.models[name]; m != nil {
			return m, nil
		}
		return nil, policy.Errorf(policy.NotFound, "name", "there is no model %q", name)
	}}
}

// changes reads the records of an account file as puts; behind a dash, as deletions, the last first.
func (c *company) changes(text string) (out []*klinkev1.Change) {
	c.tb.Helper()
	text, deletes := strings.CutPrefix(text, "-")
	a, err := account.NewDecoder("account.yaml", strings.NewReader("tenant: t\n"+text)).Next()
	if err != nil {
		c.tb.Fatalf("%v\n%s", err, text)
	}
	if !deletes {
		return a.Changes
	}
	for _, change := range slices.Backward(a.Changes) {
		out = append(out, &klinkev1.Change{Change: &klinkev1.Change_Delete{Delete: policy.KeyOnly(change.GetPut())}})
	}
	return out
}

// must applies records that are taken.
func (c *company) must(text string) *policy.Outcome {
	c.tb.Helper()
	out, err := policy.Apply(c.s, c.changes(text), c.stamp())
	if err != nil {
		c.tb.Fatalf("%v\n%s", err, text)
	}
	c.s = out.Next
	return out
}

// question reads one question as world files write it, without what is expected.
func (c *company) question(text string) (*policy.Question, time.Time) {
	c.tb.Helper()
	a, err := account.NewDecoder("account.yaml", strings.NewReader("tenant: t\nquestions: [{ask: "+text+", expect: deny}]")).Next()
	if err != nil {
		c.tb.Fatalf("%v\n%s", err, text)
	}
	q := a.Questions[0].Request("t")
	now := a.Questions[0].At
	if now.IsZero() {
		now = c.now
	}
	return &policy.Question{Subject: q.Subject, Actor: q.Actor, Action: q.Action, Resource: q.Resource, Context: q.Context, ActiveRoles: q.ActiveRoles}, now
}

// ask answers a question, fast and slowly, with all that goes out.
func (c *company) ask(s *policy.Snapshot, text string) (bool, *klinkev1.DecisionContext) {
	c.tb.Helper()
	q, now := c.question(text)
	r := &policy.Request{}
	if err := s.Prepare(r, q, s.Plan().Normalise); err != nil {
		c.tb.Fatalf("%v\n%s", err, text)
	}
	d, steps := policy.Explain(s, r, now)
	if last := steps[len(steps)-1].GetText(); strings.HasPrefix(last, "the fast") {
		c.tb.Errorf("%s: %s", text, last)
	}
	told := &klinkev1.DecisionContext{}
	d.Describe(told, s, r, true)
	return d.Allow, told
}
