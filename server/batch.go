package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/live"
)

// lookUpEvery is how many items of a batch are decided between two looks at the context.
const lookUpEvery = 64

// BatchCheck implements klinkev1.DecisionServiceServer. A failure of the batch as a whole does not reach the emergency
// calls among its items: they are answered, the others carry the failure.
func (d *decisions) BatchCheck(ctx context.Context, in *klinkev1.BatchCheckRequest) (*klinkev1.BatchCheckResponse, error) {
	a := d.take()
	defer d.give(a)
	s, failure := d.stateOf(ctx, in, a)
	if failure == nil {
		var at *live.State
		if at, failure = d.admit(ctx, in, s, a); failure == nil {
			s = at
		}
	}
	if failure != nil {
		return d.rescue(ctx, in, s, a, failure)
	}
	items := in.GetEvaluations()
	answers := make([]checked, len(items))
	out := &klinkev1.BatchCheckResponse{Evaluations: make([]*klinkev1.CheckResponse, len(items)), Revision: s.Revision}
	now := s.Now()
	for i, item := range items {
		if i%lookUpEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		a.question = question(in, item)
		if err := prepareItem(a, s, item); err != nil {
			out.Evaluations[i] = d.failed(ctx, err, i, item, s)
			continue
		}
		decision := policy.Decide(s.Snapshot, &a.request, now)
		out.Evaluations[i] = a.fill(&answers[i], s, decision, in.GetWithReads())
	}
	if err := fits(out); err != nil {
		return d.rescue(ctx, in, s, a, err)
	}
	return out, nil
}

// fitsAnyway is how many answers are never longer than a message may be: the longest names 64 facts of 256 bytes.
const fitsAnyway = 200

// fits refuses answers that are together longer than what clients take: they are told, instead of their library's complaint.
func fits(out *klinkev1.BatchCheckResponse) error {
	if len(out.GetEvaluations()) <= fitsAnyway {
		return nil
	}
	if n := proto.Size(out); n > policy.MaxRequestBytes {
		return policy.Errorf(policy.TooLarge, "evaluations", "the answers have %d bytes, more than the %d of one message; split the batch",
			n, policy.MaxRequestBytes)
	}
	return nil
}

// stateOf is the state of a batch's tenant. Loading it is urgent when there is an emergency call among the items.
func (d *decisions) stateOf(ctx context.Context, in *klinkev1.BatchCheckRequest, a *asking) (*live.State, error) {
	if s := d.tenants.Living(in.GetTenant()); s != nil {
		return s, nil
	}
	urgent := slices.ContainsFunc(in.GetEvaluations(), func(item *klinkev1.BatchItem) bool {
		a.question = question(in, item)
		return mayBeEmergency(&a.question)
	})
	return d.load(ctx, in.GetTenant(), urgent)
}

// admit checks what concerns a batch as a whole, and returns the state at which to decide it.
func (d *decisions) admit(ctx context.Context, in *klinkev1.BatchCheckRequest, s *live.State, a *asking) (*live.State, error) {
	if n := len(in.GetEvaluations()); n > policy.MaxBatchItems {
		return nil, policy.Errorf(policy.TooLarge, "evaluations", "%d items are more than the %d that one batch may carry; split it",
			n, policy.MaxBatchItems)
	}
	if err := noUnknown(in.ProtoReflect(), ""); err != nil {
		return nil, err
	}
	reached, err := s.Reached(in.GetMinRevision(), "min_revision")
	if reached || err != nil {
		return s, err
	}
	urgent := slices.ContainsFunc(in.GetEvaluations(), func(item *klinkev1.BatchItem) bool {
		a.question = question(in, item)
		_, settled := s.Snapshot.Emergency(&a.question)
		return settled
	})
	if urgent {
		return nil, live.NotReached("min_revision") // emergency calls do not wait for it
	}
	return d.tenants.At(ctx, in.GetTenant(), in.GetMinRevision(), "min_revision")
}

// question joins an item with the batch's defaults. What an item says replaces the default as a whole.
func question(in *klinkev1.BatchCheckRequest, item *klinkev1.BatchItem) policy.Question {
	q := policy.Question{
		Subject:     in.GetSubject(),
		Actor:       in.GetActor(),
		Action:      in.GetAction(),
		Resource:    in.GetResource(),
		Context:     in.GetContext(),
		ActiveRoles: in.GetActiveRoles(),
	}
	if item.GetSubject() != nil {
		q.Subject = item.GetSubject()
	}
	if item.GetActor() != nil {
		q.Actor = item.GetActor()
	}
	if item.GetAction() != nil {
		q.Action = item.GetAction()
	}
	if item.GetResource() != nil {
		q.Resource = item.GetResource()
	}
	if item.GetContext() != nil {
		q.Context = item.GetContext()
	}
	return q
}

// prepareItem is stages 0 and 1 of an item: what stage 0 settles, nothing refuses.
func prepareItem(a *asking, s *live.State, item *klinkev1.BatchItem) error {
	a.plan = s.Snapshot.Plan()
	failure := s.Snapshot.Prepare(&a.request, &a.question, a.normalise)
	if a.request.Emergency() {
		return nil
	}
	if item == nil {
		return policy.Errorf(policy.Invalid, "", "the item is missing")
	}
	if err := noUnknown(item.ProtoReflect(), ""); err != nil {
		return err
	}
	if err := strictQuestion(&a.question); err != nil {
		return err
	}
	return failure
}

// failed is the answer to an item that could not be decided.
func (d *decisions) failed(ctx context.Context, err error, i int, item *klinkev1.BatchItem, s *live.State) *klinkev1.CheckResponse {
	return refusal(&klinkev1.DecisionContext{Error: statusOf(ctx, d.log, ofItem(err, i, item)).Proto(), Revision: s.Revision})
}

func refusal(why *klinkev1.DecisionContext) *klinkev1.CheckResponse {
	return &klinkev1.CheckResponse{Decision: new(false), Context: why}
}

// ofItem puts an error's field below the item, where the item and not the default is to blame.
func ofItem(err error, i int, item *klinkev1.BatchItem) error {
	e, ok := errors.AsType[*policy.Error](err)
	if !ok {
		return err
	}
	part := e.Field
	if end := strings.IndexAny(part, ".["); end >= 0 {
		part = part[:end]
	}
	byDefault := part == "active_roles" ||
		part == "subject" && item.GetSubject() == nil ||
		part == "actor" && item.GetActor() == nil ||
		part == "action" && item.GetAction() == nil ||
		part == "resource" && item.GetResource() == nil ||
		part == "context" && item.GetContext() == nil
	if byDefault {
		return err
	}
	return below(fmt.Sprintf("evaluations[%d]", i), e)
}

// rescue answers the emergency calls of a batch that failed. Without any, or when the answers would be longer than a message
// may be, the failure is the batch's.
func (d *decisions) rescue(ctx context.Context, in *klinkev1.BatchCheckRequest, s *live.State, a *asking, failure error) (*klinkev1.BatchCheckResponse, error) {
	stage0 := func() *klinkev1.CheckResponse { return d.stage0(in.GetTenant(), s, a) }
	revision := ""
	if s != nil {
		revision = s.Revision
	}
	return d.rescueWith(ctx, in, stage0, revision, a, failure)
}

// rescueWith is rescue with a stage 0 of the question that was asked last.
func (d *decisions) rescueWith(
	ctx context.Context, in *klinkev1.BatchCheckRequest, stage0 func() *klinkev1.CheckResponse, revision string, a *asking, failure error,
) (*klinkev1.BatchCheckResponse, error) {
	items := in.GetEvaluations()
	var out *klinkev1.BatchCheckResponse
	size := 0
	for i, item := range items {
		if i%lookUpEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		a.question = question(in, item)
		answer := stage0()
		if answer == nil {
			continue
		}
		if out == nil {
			out = &klinkev1.BatchCheckResponse{Evaluations: make([]*klinkev1.CheckResponse, len(items))}
		}
		if size += proto.Size(answer); size > policy.MaxRequestBytes {
			return nil, failure // such an answer would not arrive
		}
		out.Evaluations[i] = answer
	}
	if out == nil {
		return nil, failure
	}
	out.Revision = revision
	refused := refusal(&klinkev1.DecisionContext{Error: statusOf(ctx, d.log, failure).Proto(), Revision: out.Revision})
	each := proto.Size(refused)
	for i := range out.Evaluations {
		if out.Evaluations[i] == nil {
			out.Evaluations[i] = refused
			size += each
		}
	}
	if size > policy.MaxRequestBytes {
		return nil, failure
	}
	return out, nil
}
