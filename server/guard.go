package server

import (
	"context"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/server/caller"
	"github.com/klinke-authz/klinke/server/live"
)

// guard decides whose a call is and whether he may make it, before anything is looked up. So what it refuses cannot depend on
// which tenants there are.
type guard struct {
	book  *caller.Book // nil when whoever reaches the server may call
	rules map[string]rule
	// stranger answers what a refused request is answered all the same: see decisions.stranger.
	stranger func(ctx context.Context, in any, refusal error) (any, error)
	// owned are the handlers of streams; Shutdown waits for those that outlast their call.
	owned sync.WaitGroup
}

// bearer begins the value of the header that carries a token.
const bearer = "bearer "

// proofOf is what a call brings. It asks nothing of the transport: a call that came by another way than gRPC carries the
// header as metadata, and may have no peer.
func proofOf(ctx context.Context) (caller.Proof, error) {
	var p caller.Proof
	switch headers := metadata.ValueFromIncomingContext(ctx, "authorization"); {
	case len(headers) > 1:
		return p, unauthenticated("there are %d headers `authorization`; send one", len(headers))
	case len(headers) == 1:
		h := headers[0]
		if len(h) <= len(bearer) || !strings.EqualFold(h[:len(bearer)], bearer) {
			return p, unauthenticated("the header `authorization` is not of the form `Bearer TOKEN`")
		}
		p.Token = h[len(bearer):]
		return p, nil
	}
	if from, ok := peer.FromContext(ctx); ok {
		if secured, ok := from.AuthInfo.(credentials.TLSInfo); ok {
			p.Chains = secured.State.VerifiedChains
		}
	}
	return p, nil
}

func unauthenticated(format string, args ...any) error {
	return policy.Errorf(policy.Unauthenticated, "", format, args...)
}

// caller is who makes a call.
func (g *guard) caller(ctx context.Context) (*caller.Caller, error) {
	if g.book == nil {
		return caller.Everybody(), nil
	}
	p, err := proofOf(ctx)
	if err != nil {
		return nil, err
	}
	return g.book.Identify(p, time.Now())
}

// enter is the first half of a check: may the caller make this call at all?
func (g *guard) enter(ctx context.Context, method string) (*caller.Caller, rule, error) {
	r, known := g.rules[method]
	if r.open {
		return caller.Everybody(), r, nil
	}
	who, err := g.caller(ctx)
	if err != nil {
		return nil, r, err
	}
	if !known {
		return nil, r, &policy.Error{Kind: policy.Internal, Message: "nobody may make this call: there is no rule for it"}
	}
	powers := r.powers
	if r.unnamed != nil {
		powers |= r.unnamed.powers
	}
	return who, r, mustHold(who, powers)
}

// mustHold is Forbidden unless the caller holds one of the powers.
func mustHold(who *caller.Caller, powers caller.Powers) error {
	if who.May(powers) {
		return nil
	}
	what := "the power " + powers.String()
	if len(powers.List()) > 1 {
		what = "one of the powers " + powers.String()
	}
	return policy.Errorf(policy.Forbidden, "", "the caller `%s` has not %s, which this call needs", who.Name, what)
}

// admit is the second half: may he make it with this request?
func admit(who *caller.Caller, r rule, request any) error {
	tenant, field, named := tenantNamed(request)
	if r.unnamed != nil && (!named || tenant == "") {
		r = *r.unnamed
	}
	if err := mustHold(who, r.powers); err != nil {
		return err
	}
	if err := mustHold(who, morePowers(request)); err != nil {
		return err
	}
	switch r.scope {
	case aboutTenant:
		return sees(who, tenant, field)
	case aboutNewTenant:
		if policy.CheckID(tenant) == nil && !who.Sees(tenant) {
			return policy.Errorf(policy.Forbidden, field, "this is none of the tenants of the caller `%s`, so it may not make it", who.Name)
		}
	case aboutServer:
		if !who.All {
			return policy.Errorf(policy.Forbidden, "", "this call reaches every tenant, and the caller `%s` is there for some", who.Name)
		}
	case aboutNone:
	}
	return nil
}

// sees refuses a tenant that is not the caller's in the words for one that does not exist. What is no identifier cannot
// exist, and is refused as that by the handlers.
func sees(who *caller.Caller, tenant, field string) error {
	if isID := policy.CheckID(tenant) == nil; isID && !who.Sees(tenant) {
		return live.NoTenant(field)
	}
	return nil
}

// unary guards calls of one request.
func (g *guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if g.book == nil {
		return handler(ctx, req)
	}
	who, r, err := g.enter(ctx, info.FullMethod)
	if err == nil && !r.open {
		err = admit(who, r, readable(req))
	}
	if err != nil {
		return g.stranger(ctx, req, err)
	}
	return handler(ctx, req)
}
