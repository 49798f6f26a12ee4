package server

import (
	"context"

	"github.com/klinke-authz/klinke/policy"
)

// streams ends the streams of our own services when the server shuts down: they would not end by themselves.
type streams struct {
	open context.Context
	end  context.CancelFunc // ends all streams, those that begin later, too
}

func newStreams() *streams {
	open, end := context.WithCancel(context.Background())
	return &streams{open, end}
}

// join returns a context for the handler of a stream, which ends with the stream's or when the server shuts down; its cause
// says which. The handler calls leave when it returns.
func (s *streams) join(ctx context.Context) (joined context.Context, leave func()) {
	joined, cancel := context.WithCancelCause(ctx)
	stay := context.AfterFunc(s.open, func() {
		cancel(policy.Errorf(policy.Unavailable, "", "the server is stopping; go on with another one, or again later"))
	})
	return joined, func() {
		stay()
		cancel(nil)
	}
}
