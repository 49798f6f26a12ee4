// These benchmarks say what the server adds to a call: over loopback TCP, (a) a bare echo, (b) the same interceptors and
// messages with a constant answer, (c) klinke; what a handler costs without the wire; and what a durable write costs. The
// rounds of (a), (b) and (c) take turns within one run, since the machine's mood changes between runs.
package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/caller"
	"github.com/klinke-authz/klinke/store/bolt"
)

// constant answers without thinking.
type constant struct {
	klinkev1.UnimplementedDecisionServiceServer
	check *klinkev1.CheckResponse
	batch *klinkev1.BatchCheckResponse
}

func (c *constant) Check(context.Context, *klinkev1.CheckRequest) (*klinkev1.CheckResponse, error) {
	return c.check, nil
}

func (c *constant) BatchCheck(context.Context, *klinkev1.BatchCheckRequest) (*klinkev1.BatchCheckResponse, error) {
	return c.batch, nil
}

// serveConstant starts a server of constant answers behind some interceptors.
func serveConstant(b *testing.B, answers *constant, chain ...grpc.UnaryServerInterceptor) klinkev1.DecisionServiceClient {
	b.Helper()
	s := grpc.NewServer(grpc.MaxRecvMsgSize(policy.MaxRequestBytes), grpc.WaitForHandlers(true), grpc.ChainUnaryInterceptor(chain...))
	klinkev1.RegisterDecisionServiceServer(s, answers)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(l) })
	b.Cleanup(func() { s.Stop(); served.Wait() })
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return klinkev1.NewDecisionServiceClient(conn)
}

func batchOf50(t testing.TB) *klinkev1.BatchCheckRequest {
	in := listen(t, "anna", "anna")
	batch := &klinkev1.BatchCheckRequest{Tenant: "acme", Subject: in.GetSubject(), Action: in.GetAction()}
	for i := range 50 {
		r := listen(t, "anna", []string{"anna", "bert"}[i%2]).GetResource()
		r.Id = fmt.Sprintf("rec-%d", i)
		batch.Evaluations = append(batch.Evaluations, &klinkev1.BatchItem{Resource: r})
	}
	return batch
}

// BenchmarkWire reports calls a second of klinke, each server's median and 99th percentile, and how the rates relate: the
// median over the rounds.
func BenchmarkWire(b *testing.B) {
	h := world(b)
	check, batch := listen(b, "anna", "anna"), batchOf50(b)
	batched, err := h.decisions.BatchCheck(context.Background(), batch)
	if err != nil {
		b.Fatal(err)
	}
	answers := &constant{check: h.check(b, check), batch: batched}
	validator, err := protovalidate.New()
	if err != nil {
		b.Fatal(err)
	}
	clients := []klinkev1.DecisionServiceClient{
		serveConstant(b, answers),
		serveConstant(b, answers, unary(slog.New(slog.NewTextHandler(h.log, nil)), &guard{}, validator, nil)...),
		h.decisions,
	}
	one := func(c klinkev1.DecisionServiceClient) error {
		_, err := c.Check(context.Background(), check)
		return err
	}
	fifty := func(c klinkev1.DecisionServiceClient) error {
		_, err := c.BatchCheck(context.Background(), batch)
		return err
	}
	for _, c := range []struct {
		name     string
		inFlight int
		call     func(klinkev1.DecisionServiceClient) error
	}{
		{"check/in_flight=64", 64, one},
		{"check/in_flight=1", 1, one},
		{"batch50/in_flight=16", 16, fifty},
		{"batch50/in_flight=1", 1, fifty},
	} {
		b.Run(c.name, func(b *testing.B) { benchWire(b, clients, c.inFlight, c.call) })
	}
}

// benchWire makes b.N calls, at least a few, of each server, in rounds of a fraction of a second.
func benchWire(b *testing.B, clients []klinkev1.DecisionServiceClient, inFlight int, call func(klinkev1.DecisionServiceClient) error) {
	const rounds = 31
	calls := max(2*inFlight, b.N/rounds)
	var rates [3][]float64
	var times [3][]time.Duration
	for round := range rounds {
		for turn := range clients {
			i := (turn + round) % len(clients)
			took, rate := calling(b, calls, inFlight, func() error { return call(clients[i]) })
			times[i], rates[i] = append(times[i], took...), append(rates[i], rate)
		}
	}
	var ba, cb []float64
	for i := range rounds {
		ba = append(ba, rates[1][i]/rates[0][i])
		cb = append(cb, rates[2][i]/rates[1][i])
	}
	b.ReportMetric(0, "ns/op") // of three calls of different servers: it says nothing
	b.ReportMetric(median(rates[2]), "calls/s")
	b.ReportMetric(median(ba), "b/a")
	b.ReportMetric(median(cb), "c/b")
	for i, name := range []string{"a", "b", "c"} {
		slices.Sort(times[i])
		b.ReportMetric(micros(times[i], 50), name+"-p50-µs")
		b.ReportMetric(micros(times[i], 99), name+"-p99-µs")
	}
}

// micros is a percentile of sorted times.
func micros(sorted []time.Duration, percent int) float64 {
	return float64(sorted[len(sorted)*percent/100].Nanoseconds()) / 1e3
}

// calling has so many callers make calls, and returns how long each call took and how many were made in a second.
func calling(b *testing.B, calls, inFlight int, call func() error) (took []time.Duration, rate float64) {
	b.Helper()
	took = make([]time.Duration, calls)
	var n atomic.Int64
	var all sync.WaitGroup
	begun := time.Now()
	for range inFlight {
		all.Go(func() {
			for i := n.Add(1); i <= int64(calls); i = n.Add(1) {
				begun := time.Now()
				if err := call(); err != nil {
					b.Error(err)
					return
				}
				took[i-1] = time.Since(begun)
			}
		})
	}
	all.Wait()
	return took, float64(calls) / time.Since(begun).Seconds()
}

// BenchmarkWrite makes durable writes of one small edit each, over the wire and into a file, alone and by 64 writers of one
// tenant.
func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, err := bolt.Open(filepath.Join(b.TempDir(), "klinke.db"), bolt.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = s.Close() })
			h := over(b, s)
			h.found(b, "acme")
			var n atomic.Int64
			b.ResetTimer()
			took, rate := calling(b, b.N, writers, func() error {
				in := &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{user("emil")}}
				in.Changes[0].GetPut().GetSubject().Label = fmt.Sprintf("call me %d", n.Add(1))
				_, err := h.directory.Write(context.Background(), in)
				return err
			})
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(micros(took, 50), "median-µs")
			b.ReportMetric(micros(took, 99), "p99-µs")
			b.ReportMetric(rate, "writes/s")
		})
	}
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

func BenchmarkHandler(b *testing.B) {
	h := world(b)
	d := newDecisions(Config{Tenants: h.tenants, Log: slog.New(slog.DiscardHandler)})
	b.Run("check", func(b *testing.B) {
		in := listen(b, "anna", "anna")
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Check(context.Background(), in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check_number", func(b *testing.B) {
		in := dials(b, "anna", "030 123456")
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Check(context.Background(), in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("batch50", func(b *testing.B) {
		in := batchOf50(b)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.BatchCheck(context.Background(), in); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkGuard is what it costs to know the caller of a call and his powers.
func BenchmarkGuard(b *testing.B) {
	r := newRoster(b)
	token := r.token(b, "router", caller.Of(caller.Check), "acme")
	ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("authorization", "Bearer "+token, "user-agent", "grpc-go"))
	in, info := mayListen("acme"), &grpc.UnaryServerInfo{FullMethod: klinkev1.DecisionService_Check_FullMethodName}
	handler := func(context.Context, any) (any, error) { return in, nil }
	for name, g := range map[string]*guard{"callers": {book: r.book, rules: rules()}, "everybody": {}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.unary(ctx, in, info, handler); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
