package caller

import (
	"context"
	"time"

	"github.com/klinke-authz/klinke/policy"
)

// hold is a call that lasts.
type hold struct {
	proof  Proof
	caller *Caller
	end    context.CancelCauseFunc
}

// Hold ties a call that lasts to its caller: the context that it returns ends when the caller may no longer make it, and
// context.Cause is the *policy.Error that says why. It ends with the given context as well, and then the book forgets it.
func (b *Book) Hold(ctx context.Context, p Proof) (context.Context, *Caller, error) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	c, err := b.Identify(p, now)
	if err != nil {
		return ctx, nil, err
	}
	out, end := context.WithCancelCause(ctx)
	h := &hold{proof: p, caller: c, end: end}
	b.held[h] = struct{}{}
	var timer *time.Timer
	if until := h.until(); !until.IsZero() {
		timer = time.AfterFunc(until.Sub(now), func() {
			_, err := b.Identify(p, until)
			end(err) // which is not nil: the time is over
		})
	}
	context.AfterFunc(out, func() {
		if timer != nil {
			timer.Stop()
		}
		b.mu.Lock()
		delete(b.held, h)
		b.mu.Unlock()
		end(nil)
	})
	return out, c, nil
}

// until is when the time of a held call is over by itself; zero for never.
func (h *hold) until() time.Time {
	until := h.caller.Expires
	if h.caller.Certificate != "" {
		if end := h.proof.Chains[0][0].NotAfter; until.IsZero() || end.Before(until) {
			until = end
		}
	}
	return until
}

// review ends the held calls whose callers may no longer make them, or may do something else than when they began.
func (b *Book) review(now time.Time) {
	for h := range b.held {
		switch c, err := b.Identify(h.proof, now); {
		case err != nil:
			h.end(err)
		case !c.same(h.caller):
			h.end(policy.Errorf(policy.Unavailable, "", "what the caller `%s` may do was changed; begin again", c.Name))
		}
	}
}
