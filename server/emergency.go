package server

import (
	"context"
	"time"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/dial"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/live"
)

// emergencyWait is how long an emergency call waits for its tenant to be loaded.
const emergencyWait = time.Second

// load looks up a tenant that is not in memory. When it fails, stage 0 is not over: see lastResort. An emergency call waits
// only briefly.
func (d *decisions) load(ctx context.Context, tenant string, urgent bool) (*live.State, error) {
	if err := validTenant(tenant); err != nil {
		return nil, err
	}
	if urgent {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, emergencyWait)
		defer cancel()
	}
	return d.tenants.Current(ctx, tenant)
}

// mayBeEmergency says whether a question is a call to what is an emergency number somewhere.
func mayBeEmergency(q *policy.Question) bool {
	if q.Resource.GetType() != dial.TypeCall || q.Action.GetName() != dial.ActionPlace {
		return false
	}
	number := policy.Dialled(q.Resource.GetProperties().GetFields()[dial.AttributeDestination])
	return number != "" && dial.EmergencyAnywhere(number)
}

// lastResort is stage 0 when the tenant cannot be had: the emergency numbers of its last known state, else those of all
// regions. Nil when the question is no emergency call.
func (d *decisions) lastResort(tenant string, a *asking) *klinkev1.CheckResponse {
	if s := d.tenants.LastKnown(tenant); s != nil {
		if decision, settled := a.emergency(s); settled {
			return a.answer(s, decision, false)
		}
	}
	return a.anywhere()
}

// anywhere is stage 0 without any tenant's data: an answer that rests on the question alone, so that strangers may have it.
// Nil when the number is no emergency number of any region.
func (a *asking) anywhere() *klinkev1.CheckResponse {
	if !mayBeEmergency(&a.question) {
		return nil
	}
	return &klinkev1.CheckResponse{
		Decision: new(true),
		Context: &klinkev1.DecisionContext{
			Reason: klinkev1.Reason_REASON_EMERGENCY,
			Obligations: []*klinkev1.ObligationDue{
				{Id: "notify_emergency"},
				{Id: "do_not_withhold_number"},
			},
		},
	}
}

// stage0 settles a question about an emergency number. The state is nil when the tenant cannot be had.
func (d *decisions) stage0(tenant string, s *live.State, a *asking) *klinkev1.CheckResponse {
	if s == nil {
		return d.lastResort(tenant, a)
	}
	if decision, settled := a.emergency(s); settled {
		return a.answer(s, decision, false)
	}
	return nil
}

// stranger answers a call that the guard refuses, when it is a question about an emergency number: see
// docs/decisions/callers.md. No tenant's data are looked at, so the answer tells nothing that a stranger may not know. All
// else is the refusal.
func (d *decisions) stranger(ctx context.Context, in any, refusal error) (any, error) {
	a := d.take()
	defer d.give(a)
	switch in := readable(in).(type) {
	case *klinkev1.CheckRequest:
		a.of(in)
		if answer := a.anywhere(); answer != nil {
			return answer, nil
		}
	case *klinkev1.ExplainRequest:
		a.of(in.GetQuestion())
		if answer := a.anywhere(); answer != nil {
			return explained(answer), nil
		}
	case *klinkev1.BatchCheckRequest:
		return d.rescueWith(ctx, in, a.anywhere, "", a, refusal)
	}
	return nil, refusal
}
