package server

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"github.com/klinke-authz/klinke/policy"
)

// streams ends the streams when the server stops. A stream's context ends with its client or with the server, whichever is
// first; its handler need not look: when it waits for the client's next message, the stream ends above it.
type streams struct {
	serving  context.Context
	stop     context.CancelFunc
	handlers sync.WaitGroup
}

func newStreams() *streams {
	s := &streams{}
	s.serving, s.stop = context.WithCancel(context.Background())
	return s
}

func errStopping() error {
	return policy.Errorf(policy.Unavailable, "", "the server is stopping; go on with another one, or again later")
}

// intercept runs a stream's handler. Receiving cannot be interrupted but by ending the stream, so the handler has a goroutine
// of its own, which Shutdown waits for. What the handler sends when the server stops is sent, and nothing after it.
func (s *streams) intercept(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, cancel := context.WithCancelCause(ss.Context())
	defer cancel(nil)
	defer context.AfterFunc(s.serving, func() { cancel(errStopping()) })()
	open := &openStream{ServerStream: ss, ctx: ctx, turn: make(chan struct{}, 1)}
	done := make(chan error, 1)
	s.handlers.Go(func() { done <- handler(srv, open) })
	select {
	case err := <-done:
		return err
	case <-s.serving.Done():
		open.end()
		return errStopping()
	}
}

// openStream is a stream with the context that ends with the server.
type openStream struct {
	grpc.ServerStream
	ctx   context.Context
	turn  chan struct{} // holds one thing while somebody sends
	ended bool          // kept by who has the turn
}

func (o *openStream) Context() context.Context { return o.ctx }

// SendMsg implements grpc.ServerStream, and may be called from several goroutines.
func (o *openStream) SendMsg(m any) error {
	o.turn <- struct{}{}
	defer func() { <-o.turn }()
	if o.ended {
		return errStopping()
	}
	return o.ServerStream.SendMsg(m)
}

// end waits for the message that is being sent, and lets no other be. Who does not read holds it up, until the server's
// patience ends.
func (o *openStream) end() {
	o.turn <- struct{}{}
	o.ended = true
	<-o.turn
}
