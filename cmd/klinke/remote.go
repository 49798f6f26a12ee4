package main

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// maxAnswerBytes bounds an answer: a page of records, or the entry of a write with its effects.
const maxAnswerBytes = 16 * policy.MaxRequestBytes

// repeatWrites lets gRPC repeat a write that the server could not take at the moment. Every write of this program carries
// a request id, so that a repetition is answered and not done twice.
const repeatWrites = `{"methodConfig": [{
	"name": [{"service": "klinke.v1.DirectoryService", "method": "Write"}],
	"retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}
}]}`

// remote is the server that a client command calls.
type remote struct {
	conn *grpc.ClientConn
	klinkev1.DecisionServiceClient
	klinkev1.DirectoryServiceClient
}

// dial makes a client, which connects with its first call. Close it.
func (p *program) dial() (*remote, error) {
	perCall := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		ctx, cancel := context.WithTimeout(ctx, p.timeout)
		defer cancel()
		return call(ctx, method, req, reply, cc, opts...)
	}
	shown, err := p.credentials()
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(p.server, append(shown,
		grpc.WithChainUnaryInterceptor(perCall),
		grpc.WithDefaultServiceConfig(repeatWrites),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswerBytes)),
	)...)
	if err != nil {
		return nil, &policy.Error{Kind: policy.Invalid, Field: "server", Message: "`" + p.server + "` is no address; write HOST:PORT or unix:PATH", Cause: err}
	}
	return &remote{conn, klinkev1.NewDecisionServiceClient(conn), klinkev1.NewDirectoryServiceClient(conn)}, nil
}

func (r *remote) close() { _ = r.conn.Close() } // there is nothing left to send

// connect waits until the connection stands or failed, so that what is measured next is the call alone.
func (r *remote) connect(ctx context.Context, atMost time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	r.conn.Connect()
	for {
		s := r.conn.GetState()
		if s == connectivity.Ready || s == connectivity.TransientFailure || !r.conn.WaitForStateChange(ctx, s) {
			return
		}
	}
}
