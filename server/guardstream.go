package server

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/server/caller"
)

// stream guards streams: at their start, at each request that names a tenant, and at the end of their caller's time.
func (g *guard) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if g.book == nil {
		return handler(srv, ss)
	}
	who, r, err := g.enter(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	if r.open {
		return handler(srv, ss)
	}
	p, err := proofOf(ss.Context())
	if err != nil {
		return err
	}
	ctx, now, err := g.book.Hold(ss.Context(), p)
	if err != nil {
		return err
	}
	if now != who { // changed since it entered
		return policy.Errorf(policy.Unavailable, "", "what the caller may do was changed; begin again")
	}
	guarded := &guardedStream{ServerStream: ss, ctx: ctx, who: who, rule: r}
	if !info.IsClientStream {
		err = handler(srv, guarded)
		return g.endOf(ctx, err)
	}
	// gRPC ends a read only when the call is over. So a handler that waits for its client's next request is left behind when
	// the call is refused, and ends with it.
	ended := make(chan error, 1)
	g.owned.Go(func() { ended <- handler(srv, guarded) })
	select {
	case err = <-ended:
	case <-ctx.Done():
		if g.endOf(ctx, nil) == nil { // the client's doing, which the handler hears of as well
			err = <-ended
		}
	}
	return g.endOf(ctx, err)
}

// endOf is how a stream ends: as its handler says, unless its caller's time is over.
func (g *guard) endOf(ctx context.Context, err error) error {
	if over, ok := errors.AsType[*policy.Error](context.Cause(ctx)); ok {
		return over
	}
	return err
}

// guardedStream admits the requests that a stream receives. Its context ends with its caller's time.
type guardedStream struct {
	grpc.ServerStream
	ctx   context.Context
	who   *caller.Caller
	rule  rule
	begun bool // only RecvMsg touches it, which is not called twice at a time
}

// Context implements grpc.ServerStream.
func (s *guardedStream) Context() context.Context { return s.ctx }

// RecvMsg implements grpc.ServerStream. The first request must be admitted; later ones too, if they name a tenant.
func (s *guardedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil || s.rule.inBand {
		return err
	}
	tenant, _, named := tenantNamed(m)
	if s.begun && (!named || tenant == "") {
		return nil
	}
	s.begun = true
	return admit(s.who, s.rule, m)
}
