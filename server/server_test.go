// These tests prove how a server begins and ends: who may reach it, what health says, what a shutdown waits for.
package server

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store/mem"
)

func kindOf(err error) (policy.Kind, bool) {
	var e *policy.Error
	return func() policy.Kind {
		if errors.As(err, &e) {
			return e.Kind
		}
		return policy.Internal
	}(), e != nil
}

func TestListenKeepsToThisMachine(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "127.8.8.8:0", "[::1]:0", "localhost:0"} {
		l, err := Listen(t.Context(), addr, Guarded{})
		if err != nil {
			if _, plain := net.Listen("tcp", addr); plain == nil { // a machine may lack IPv6
				t.Errorf("%s: %v", addr, err)
			}
			continue
		}
		_ = l.Close()
	}
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:7200", "example.com:7200", "7200", "", "unix:", "unix:@klinke", "http://127.0.0.1:1"} {
		l, err := Listen(t.Context(), addr, Guarded{})
		if err == nil {
			_ = l.Close()
			t.Errorf("%s: listens", addr)
			continue
		}
		if kind, ok := kindOf(err); !ok || kind != policy.Invalid {
			t.Errorf("%s: error %v, want Invalid", addr, err)
		}
	}
	for g, why := range map[Guarded]string{
		{}:              "give a certificate (--tls-cert, --tls-key) and callers (--callers)",
		{TLS: true}:     "anybody there could make calls: say who may (--callers)",
		{Callers: true}: "calls and tokens would be readable on the way: give a certificate (--tls-cert, --tls-key), or",
	} {
		if _, err := Listen(t.Context(), "0.0.0.0:0", g); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%+v: the refusal does not say why: %v", g, err)
		}
	}
	l, err := Listen(t.Context(), "0.0.0.0:0", Guarded{TLS: true, Callers: true})
	if err != nil {
		t.Fatalf("encrypted, with callers: %v", err)
	}
	_ = l.Close()
}

func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "klinke.sock")
	l, err := Listen(t.Context(), "unix:"+path, Guarded{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("mode %v, want a socket for its owner alone", info.Mode())
	}
	_, err = Listen(t.Context(), "unix:"+path, Guarded{})
	if kind, _ := kindOf(err); err == nil || kind != policy.Locked {
		t.Errorf("a second server on a living socket: %v, want Locked", err)
	}
	// A server that dies leaves its socket behind.
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal("no stale socket to test with")
	}
	if l, err = Listen(t.Context(), "unix:"+path, Guarded{}); err != nil {
		t.Fatalf("a dead server's socket: %v", err)
	}
	_ = l.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = Listen(t.Context(), "unix:"+path, Guarded{}); err == nil {
		t.Error("listens on a file")
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "precious" {
		t.Errorf("the file was touched: %q, %v", content, err)
	}
}

func TestServesOnAUnixSocket(t *testing.T) {
	h := world(t)
	l, err := Listen(t.Context(), "unix:"+filepath.Join(t.TempDir(), "s"), Guarded{})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(l) }()
	h.dial(t, unixAddr(l.Addr().String()))
	h.check(t, listen(t, "anna", "anna"))
	if err := h.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

type unixAddr string

func (unixAddr) Network() string  { return "unix" }
func (a unixAddr) String() string { return "unix:" + string(a) }

func TestHealthAndReflection(t *testing.T) {
	h := world(t)
	health := healthv1.NewHealthClient(h.conn)
	for _, service := range []string{"", "klinke.v1.DecisionService", "klinke.v1.DirectoryService"} {
		out, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil || out.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("%q: %v, error %v", service, out, err)
		}
	}
	stream, err := reflectionv1.NewServerReflectionClient(h.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(ask); err != nil {
		t.Fatal(err)
	}
	out, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range out.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	if got := strings.Join(names, " "); !strings.Contains(got, "klinke.v1.DecisionService") || !strings.Contains(got, "klinke.v1.DirectoryService") {
		t.Errorf("reflected %s", got)
	}
	_ = stream.CloseSend()
	_, _ = stream.Recv()
}

// untilNotServing reads a watch until it says so.
func untilNotServing(t *testing.T, watch healthv1.Health_WatchClient) {
	t.Helper()
	for {
		out, err := watch.Recv()
		if err != nil {
			t.Fatalf("the watch ended before it said NOT_SERVING: %v", err)
		}
		if out.GetStatus() == healthv1.HealthCheckResponse_NOT_SERVING {
			return
		}
	}
}

func TestShutdownLetsCallsEnd(t *testing.T) {
	s := &broken{Store: mem.New()}
	h := over(t, s)
	h.found(t, "acme")
	watch, err := healthv1.NewHealthClient(h.conn).Watch(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := watch.Recv(); err != nil || out.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Fatalf("%v, error %v", out, err)
	}
	entered, release := s.hold()
	written := make(chan error, 1)
	go func() {
		_, err := h.directory.Write(context.Background(), &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{user("emil")}})
		written <- err
	}()
	<-entered
	done := make(chan error, 1)
	go func() { done <- h.server.Shutdown(context.Background()) }()
	untilNotServing(t, watch)
	for err = nil; err == nil; {
		_, err = watch.Recv()
	}
	if status.Code(err) != codes.Unavailable {
		t.Errorf("the watch ends with %v, want Unavailable", err)
	}
	select {
	case err := <-done:
		t.Errorf("shutdown returned %v before the write under way", err)
	case err := <-written:
		t.Errorf("the write returned %v before the store did", err)
	default:
	}
	release()
	if err := <-written; err != nil {
		t.Errorf("the write under way: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if _, err := h.decisions.Check(t.Context(), listen(t, "anna", "anna")); err == nil {
		t.Error("a stopped server answers")
	}
}

// A call that does not end, since its disk does not, is ended.
func TestShutdownEndsCalls(t *testing.T) {
	s := &broken{Store: mem.New()}
	h := over(t, s)
	h.found(t, "acme")
	entered, release := s.hold()
	defer release()
	written := make(chan error, 1)
	go func() {
		_, err := h.directory.Write(context.Background(), &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{user("emil")}})
		written <- err
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := h.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v, want the deadline's error", err)
	}
	if err := <-written; err == nil {
		t.Error("the write was acknowledged, although the disk has not")
	}
}

// Calls are logged for whoever reads at debug level, and cost nobody else anything.
func TestCallsAreLoggedAtDebug(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		s := mem.New()
		book := &logbook{}
		log := slog.New(slog.NewTextHandler(book, &slog.HandlerOptions{Level: level}))
		h := serve(t, s, log)
		h.found(t, "acme")
		h.check(t, listen(t, "anna", "anna"))
		missing := listen(t, "anna", "anna")
		missing.Tenant = "globex"
		_, _ = h.decisions.Check(t.Context(), missing)
		if err := h.server.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		text := book.String()
		for _, want := range []string{"grpc.method=Check", "grpc.code=OK", "grpc.code=NotFound", "grpc.method=CreateTenant"} {
			if got := strings.Contains(text, want); got != (level == slog.LevelDebug) {
				t.Errorf("at level %v the log has %q: %t", level, want, got)
			}
		}
	}
}

func TestDeadlines(t *testing.T) {
	h := world(t)
	in := listen(t, "anna", "anna")
	now := h.check(t, in).GetContext().GetRevision()
	in.MinRevision = now + "0"
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := h.decisions.Check(ctx, in); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("waiting past the deadline: %v", err)
	}
	_, err := h.decisions.Check(t.Context(), in)
	if got, want := faultOf(t, err), (fault{codes.Unavailable, "UNAVAILABLE", "min_revision"}); got != want {
		t.Errorf("waiting past the bound: %+v, want %+v", got, want)
	}
	// The handlers themselves, since a client whose context has ended does not wait for them.
	d := newDecisions(Config{Tenants: h.tenants})
	ended, end := context.WithCancel(t.Context())
	end()
	batch := &klinkev1.BatchCheckRequest{
		Tenant: "acme", Subject: in.GetSubject(), Action: in.GetAction(), Resource: in.GetResource(),
		Evaluations: []*klinkev1.BatchItem{{}},
	}
	if _, err := d.BatchCheck(ended, batch); !errors.Is(err, context.Canceled) {
		t.Errorf("a batch that nobody waits for: %v", err)
	}
}
