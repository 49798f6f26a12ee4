package server

import (
	"context"

	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// health is the standard service, except that its watchers do not hold up a shutdown: they are told, and sent away.
type health struct {
	*grpchealth.Server
	stopping context.Context
	cancel   context.CancelFunc
}

func newHealth() *health {
	h := &health{Server: grpchealth.NewServer()}
	h.stopping, h.cancel = context.WithCancel(context.Background())
	h.set(healthv1.HealthCheckResponse_NOT_SERVING)
	return h
}

// set sets the status of the server as a whole and of each service.
func (h *health) set(status healthv1.HealthCheckResponse_ServingStatus) {
	h.SetServingStatus("", status)
	h.SetServingStatus(klinkev1.DecisionService_ServiceDesc.ServiceName, status)
	h.SetServingStatus(klinkev1.DirectoryService_ServiceDesc.ServiceName, status)
}

func (h *health) serving() { h.set(healthv1.HealthCheckResponse_SERVING) }

// stop is for good: serving has no effect afterwards.
func (h *health) stop() {
	h.Shutdown()
	h.cancel()
}

// Watch ends with the client or the server.
func (h *health) Watch(in *healthv1.HealthCheckRequest, out healthv1.Health_WatchServer) error {
	ctx, cancel := context.WithCancel(out.Context())
	defer cancel()
	defer context.AfterFunc(h.stopping, cancel)()
	err := h.Server.Watch(in, &watcher{out, ctx})
	if h.stopping.Err() == nil {
		return err
	}
	// The news may have lost the race against the end of the watch.
	if err := out.Send(&healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_NOT_SERVING}); err != nil {
		return err
	}
	return policy.Errorf(policy.Unavailable, "", "the server is stopping")
}

type watcher struct {
	grpc.ServerStreamingServer[healthv1.HealthCheckResponse]
	ctx context.Context
}

func (w *watcher) Context() context.Context { return w.ctx }
