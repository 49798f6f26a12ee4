package server

import (
	"context"
	"log/slog"
	"sync"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/dial"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/live"
)

// decisions is the DecisionService.
type decisions struct {
	klinkev1.UnimplementedDecisionServiceServer
	tenants *live.Tenants
	log     *slog.Logger
	version string
	numbers *numbers
	askings sync.Pool
	guard   *guard // who may ask: for streams, whose questions are about any tenant
}

func newDecisions(c Config) *decisions {
	d := &decisions{tenants: c.Tenants, log: c.Log, version: c.Version, numbers: newNumbers()}
	d.askings.New = func() any {
		a := &asking{numbers: d.numbers}
		a.normalise = a.number
		return a
	}
	return d
}

// asking is one question on its way, with buffers that are used again.
type asking struct {
	question  policy.Question
	request   policy.Request
	plan      *dial.Plan
	numbers   *numbers
	normalise func(site, raw string) dial.Number // number, bound once
}

func (d *decisions) take() *asking {
	a, _ := d.askings.Get().(*asking) // nothing else is in there
	return a
}

func (d *decisions) give(a *asking) {
	a.question, a.plan = policy.Question{}, nil
	a.request.Forget()
	d.askings.Put(a)
}

// of takes up a question.
func (a *asking) of(in *klinkev1.CheckRequest) {
	a.question = policy.Question{
		Subject:     in.GetSubject(),
		Actor:       in.GetActor(),
		Action:      in.GetAction(),
		Resource:    in.GetResource(),
		Context:     in.GetContext(),
		ActiveRoles: in.GetActiveRoles(),
	}
}

func (a *asking) number(site, raw string) dial.Number { return a.numbers.normalise(a.plan, site, raw) }

// emergency is stage 0 at a state.
func (a *asking) emergency(s *live.State) (policy.Decision, bool) {
	decision, settled := s.Snapshot.Emergency(&a.question)
	if settled {
		a.plan = s.Snapshot.Plan()
		// The request must be this question's when it is answered. Prepare settles stage 0 first, so it cannot fail here.
		_ = s.Snapshot.Prepare(&a.request, &a.question, a.normalise)
	}
	return decision, settled
}

// prepare is stage 1.
func (a *asking) prepare(s *live.State) error {
	if err := strictQuestion(&a.question); err != nil {
		return err
	}
	a.plan = s.Snapshot.Plan()
	return s.Snapshot.Prepare(&a.request, &a.question, a.normalise)
}

// checked is a response in one piece.
type checked struct {
	response klinkev1.CheckResponse
	context  klinkev1.DecisionContext
	decision bool
}

// answer makes the response to a settled question.
func (a *asking) answer(s *live.State, decision policy.Decision, withReads bool) *klinkev1.CheckResponse {
	c := new(checked)
	return a.fill(c, s, decision, withReads)
}

func (a *asking) fill(c *checked, s *live.State, decision policy.Decision, withReads bool) *klinkev1.CheckResponse {
	c.decision = decision.Allow
	c.response.Decision = &c.decision
	c.response.Context = &c.context
	decision.Describe(&c.context, s.Snapshot, &a.request, withReads)
	c.context.Revision = s.Revision
	return &c.response
}

// Check implements klinkev1.DecisionServiceServer.
func (d *decisions) Check(ctx context.Context, in *klinkev1.CheckRequest) (*klinkev1.CheckResponse, error) {
	a := d.take()
	defer d.give(a)
	return d.settle(ctx, in, a, new(checked))
}

// settle answers one question, in the place that is given unless it is of stage 0.
func (d *decisions) settle(ctx context.Context, in *klinkev1.CheckRequest, a *asking, into *checked) (*klinkev1.CheckResponse, error) {
	s, answer, err := d.ask(ctx, in, a)
	if answer != nil || err != nil {
		return answer, err
	}
	return a.fill(into, s, policy.Decide(s.Snapshot, &a.request, s.Now()), in.GetWithReads()), nil
}

// Explain implements klinkev1.DecisionServiceServer.
func (d *decisions) Explain(ctx context.Context, in *klinkev1.ExplainRequest) (*klinkev1.ExplainResponse, error) {
	a := d.take()
	defer d.give(a)
	question := in.GetQuestion()
	if question == nil {
		return nil, policy.Errorf(policy.Invalid, "question", "the question is missing")
	}
	s, answer, err := d.ask(ctx, question, a)
	if err != nil {
		return nil, under("question", err)
	}
	if answer != nil {
		return explained(answer), nil
	}
	if err := noUnknown(in.ProtoReflect(), ""); err != nil {
		return nil, err
	}
	decision, steps := policy.Explain(s.Snapshot, &a.request, s.Now())
	return &klinkev1.ExplainResponse{Answer: a.answer(s, decision, question.GetWithReads()), Steps: steps}, nil
}

// explained is the explanation of an answer of stage 0.
func explained(answer *klinkev1.CheckResponse) *klinkev1.ExplainResponse {
	return &klinkev1.ExplainResponse{
		Answer: answer,
		Steps:  []*klinkev1.Step{{Text: "the number is an emergency number: nothing else is asked", Holds: new(true)}},
	}
}

// ask brings a question to where it can be decided, in the order of the law: stage 0, then everything that may fail. It
// returns the answer of stage 0, or an error, or the state at which to decide.
func (d *decisions) ask(ctx context.Context, in *klinkev1.CheckRequest, a *asking) (*live.State, *klinkev1.CheckResponse, error) {
	s, answer, lookup := d.first(ctx, in, a)
	if answer != nil {
		return nil, answer, nil
	}
	if lookup != nil {
		return nil, nil, lookup
	}
	if err := noUnknown(in.ProtoReflect(), ""); err != nil {
		return nil, nil, err
	}
	if in.GetMinRevision() != "" {
		var err error
		if s, err = d.tenants.At(ctx, in.GetTenant(), in.GetMinRevision(), "min_revision"); err != nil {
			return nil, nil, err
		}
	}
	if err := a.prepare(s); err != nil {
		return nil, nil, err
	}
	return s, nil, nil
}

// first takes a question as far as stage 0: the state of its tenant, and the answer when it is an emergency call, whatever
// else is wrong.
func (d *decisions) first(ctx context.Context, in *klinkev1.CheckRequest, a *asking) (*live.State, *klinkev1.CheckResponse, error) {
	a.of(in)
	var lookup error
	s := d.tenants.Living(in.GetTenant())
	if s == nil {
		s, lookup = d.load(ctx, in.GetTenant(), mayBeEmergency(&a.question))
	}
	return s, d.stage0(in.GetTenant(), s, a), lookup
}

// GetServerInfo implements klinkev1.DecisionServiceServer.
func (d *decisions) GetServerInfo(context.Context, *klinkev1.GetServerInfoRequest) (*klinkev1.GetServerInfoResponse, error) {
	return &klinkev1.GetServerInfoResponse{Version: d.version, Limits: limits()}, nil
}
