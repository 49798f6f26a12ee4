package server

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"buf.build/go/protovalidate"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	pvinterceptor "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/protovalidate"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/selector"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// unary is the chain, outermost first: calls are logged as their callers see them, so errors become statuses inside the
// log, and panics become errors inside that. Then the guard, before anything is said about the request. Questions are
// validated by their handlers, behind stage 0.
func unary(
	log *slog.Logger, g *guard, validator protovalidate.Validator, salvage func(context.Context, any, error) (any, error),
) []grpc.UnaryServerInterceptor {
	logged := logging.UnaryServerInterceptor(callLog(log), logOptions()...)
	byRules := selector.MatchFunc(func(_ context.Context, c interceptors.CallMeta) bool { return isOurs(c.Service) && !isQuestion(c) })
	return []grpc.UnaryServerInterceptor{
		selector.UnaryServerInterceptor(logged, atDebug(log)),
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			resp, err := handler(ctx, req)
			if err != nil {
				return nil, statusOf(ctx, log, err).Err()
			}
			return resp, nil
		},
		recovery.UnaryServerInterceptor(recovery.WithRecoveryHandlerContext(panicked)),
		g.unary,
		refuseUnreadable(salvage),
		selector.UnaryServerInterceptor(refuseUnknown, byRules),
		selector.UnaryServerInterceptor(pvinterceptor.UnaryServerInterceptor(validator), byRules),
	}
}

// stream is the chain of streams. The handlers of ours look at their messages themselves. The watchers of the
// standard health service are sent away by that service, with the news.
func stream(log *slog.Logger, streams *streams, g *guard) []grpc.StreamServerInterceptor {
	logged := logging.StreamServerInterceptor(callLog(log), logOptions()...)
	notHealth := selector.MatchFunc(func(_ context.Context, c interceptors.CallMeta) bool {
		return c.Service != healthv1.Health_ServiceDesc.ServiceName
	})
	return []grpc.StreamServerInterceptor{
		selector.StreamServerInterceptor(logged, atDebug(log)),
		func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			if err := handler(srv, ss); err != nil {
				return statusOf(ss.Context(), log, err).Err()
			}
			return nil
		},
		selector.StreamServerInterceptor(streams.intercept, notHealth),
		g.stream,
		recovery.StreamServerInterceptor(recovery.WithRecoveryHandlerContext(panicked)), // inside, since the guard runs handlers
	}
}

// atDebug skips the logging of calls where nobody would read it: it costs more than the decision.
func atDebug(log *slog.Logger) selector.Matcher {
	return selector.MatchFunc(func(ctx context.Context, _ interceptors.CallMeta) bool { return log.Enabled(ctx, slog.LevelDebug) })
}

func logOptions() []logging.Option {
	return []logging.Option{
		logging.WithLogOnEvents(logging.FinishCall),
		logging.WithLevels(logLevel),
	}
}

func callLog(log *slog.Logger) logging.Logger {
	return logging.LoggerFunc(func(ctx context.Context, level logging.Level, msg string, fields ...any) {
		log.Log(ctx, slog.Level(level), msg, fields...)
	})
}

func panicked(_ context.Context, p any) error {
	return &policy.Error{
		Kind:    policy.Internal,
		Message: "the call failed unexpectedly; the server's log has more",
		Cause:   fmt.Errorf("panic: %v\n%s", p, debug.Stack()),
	}
}

func isOurs(service string) bool { return strings.HasPrefix(service, "klinke.") }

// isQuestion tells the calls that stage 0 must see before anything refuses them.
func isQuestion(c interceptors.CallMeta) bool {
	return c.Service == klinkev1.DecisionService_ServiceDesc.ServiceName && c.Method != "GetServerInfo"
}

// validated lists the requests that are validated by the rules in their descriptors.
func validated() []proto.Message {
	return []proto.Message{
		&klinkev1.GetServerInfoRequest{},
		&klinkev1.WriteRequest{},
		&klinkev1.ReadRequest{},
		&klinkev1.CreateTenantRequest{},
		&klinkev1.DeleteTenantRequest{},
		&klinkev1.ListTenantsRequest{},
		&klinkev1.PutModelRequest{},
		&klinkev1.GetModelRequest{},
		&klinkev1.InheritGroupsRequest{},
		&klinkev1.WatchRequest{},
	}
}
