package server

import (
	"context"
	"log/slog"
	"net"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/caller"
	"github.com/klinke-authz/klinke/server/live"
)

// Config is what a server is made of. All members but Callers and Certificate are required.
type Config struct {
	// Tenants stay the caller's to close, after Shutdown.
	Tenants *live.Tenants
	// Log gets calls at debug level, and failures of the server at error level.
	Log *slog.Logger
	// Version is the program's, for GetServerInfo.
	Version string
	// Callers are those who may call. Nil when whoever reaches the server may: see Listen.
	Callers *caller.Book
	// Certificate is the server's. Nil for a server that does not encrypt.
	Certificate *Certificate
}

// mostPings is how often a client may ask for a sign of life.
const mostPings = 10 * time.Second

// Server serves the klinke.v1 services, health and reflection.
type Server struct {
	grpc   *grpc.Server
	health *health
	// streams are ended first, since who keeps one open never ends it.
	streams *streams
	guard   *guard
}

// New makes a server that does not listen yet.
func New(c Config) (*Server, error) {
	validator, err := protovalidate.New(
		protovalidate.WithMessages(validated()...),
		protovalidate.WithDisableLazy(),
		protovalidate.WithFailFast(),
	)
	if err != nil {
		return nil, &policy.Error{Kind: policy.Internal, Message: "the rules of the messages do not compile", Cause: err}
	}
	d := newDecisions(c)
	streams := newStreams()
	g := &guard{book: c.Callers, rules: rules(), stranger: d.stranger}
	d.guard = g
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2("proto")}),
		grpc.MaxRecvMsgSize(policy.MaxRequestBytes),
		grpc.WaitForHandlers(true),
		// A client that hears nothing may ask whether this side is alive, more often than gRPC allows by itself.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: mostPings, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(unary(c.Log, g, validator, d.salvage)...),
		grpc.ChainStreamInterceptor(stream(c.Log, streams, g)...),
	}
	if c.Certificate != nil {
		options = append(options, grpc.Creds(handshakes{credentials.NewTLS(c.Certificate.Config(c.Callers)), c.Log}))
	}
	s := &Server{grpc: grpc.NewServer(options...), health: newHealth(), streams: streams, guard: g}
	klinkev1.RegisterDecisionServiceServer(s.grpc, d)
	klinkev1.RegisterDirectoryServiceServer(s.grpc, &directory{tenants: c.Tenants, guard: g})
	klinkev1.RegisterWatchServiceServer(s.grpc, &watching{tenants: c.Tenants, validator: validator})
	healthv1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	return s, nil
}

// Serve answers on a listener, which it closes, until Shutdown; then it returns nil. It may be called for several
// listeners.
func (s *Server) Serve(l net.Listener) error {
	s.health.serving()
	return s.grpc.Serve(l)
}

// Shutdown reports NOT_SERVING, refuses new calls, ends streams and waits for the calls under way. When the context ends
// first, it ends them, waits for their handlers and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.health.stop()
	stop := context.AfterFunc(ctx, s.grpc.Stop)
	s.streams.stop()
	s.grpc.GracefulStop()
	s.streams.handlers.Wait()
	s.guard.owned.Wait()
	if !stop() {
		return ctx.Err()
	}
	return nil
}
