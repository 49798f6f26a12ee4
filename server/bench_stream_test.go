// These benchmarks measure a stream of questions beside echoes of the same bytes: (a) bare, (b) behind the same interceptors,
// (c) Klinke. No promise depends on them; the allocations are held by a test.
package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// StreamCheck answers without thinking.
func (c *constant) StreamCheck(stream checkStream) error {
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&klinkev1.StreamCheckResponse{Id: in.GetId(), Answer: c.check}); err != nil {
			return err
		}
	}
}

// echo serves constant answers on streams behind some interceptors.
func echo(b *testing.B, answers *constant, chain ...grpc.StreamServerInterceptor) klinkev1.DecisionServiceClient {
	b.Helper()
	s := grpc.NewServer(grpc.WaitForHandlers(true), grpc.ChainStreamInterceptor(chain...))
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

// BenchmarkStream reports questions a second of Klinke on one stream, and how the rates relate: the median over the rounds.
func BenchmarkStream(b *testing.B) {
	h := world(b)
	question := listen(b, "anna", "anna")
	answers := &constant{check: h.check(b, question)}
	ended := newStreams()
	clients := []klinkev1.DecisionServiceClient{
		echo(b, answers),
		echo(b, answers, stream(slog.New(slog.NewTextHandler(h.log, nil)), ended, &guard{})...),
		h.decisions,
	}
	for name, window := range map[string]int{"in_flight=1": 1, "in_flight=64": 64, "in_flight=1024": 1024} {
		b.Run(name, func(b *testing.B) {
			const rounds = 31
			each := max(2*window, b.N/rounds)
			var rates [3][]float64
			streams := make([]grpc.BidiStreamingClient[klinkev1.StreamCheckRequest, klinkev1.StreamCheckResponse], len(clients))
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			for i, c := range clients {
				var err error
				if streams[i], err = c.StreamCheck(ctx); err != nil {
					b.Fatal(err)
				}
				streaming(b, streams[i], question, answers.check, 2*window, window) // to warm it up
			}
			for round := range rounds {
				for turn := range clients {
					i := (turn + round) % len(clients)
					rates[i] = append(rates[i], streaming(b, streams[i], question, answers.check, each, window))
				}
			}
			var ba, cb, ca []float64
			for i := range rounds {
				ba = append(ba, rates[1][i]/rates[0][i])
				cb = append(cb, rates[2][i]/rates[1][i])
				ca = append(ca, rates[2][i]/rates[0][i])
			}
			b.ReportMetric(0, "ns/op") // of three servers' answers: it says nothing
			b.ReportMetric(median(rates[2]), "answers/s")
			b.ReportMetric(median(ba), "b/a")
			b.ReportMetric(median(cb), "c/b")
			b.ReportMetric(median(ca), "c/a")
		})
	}
	ended.stop()
}

// streaming asks so many questions, at most so many of them open at once, and returns how many were answered in a second.
func streaming(b *testing.B, s grpc.BidiStreamingClient[klinkev1.StreamCheckRequest, klinkev1.StreamCheckResponse],
	in *klinkev1.CheckRequest, want *klinkev1.CheckResponse, questions, window int,
) float64 {
	b.Helper()
	free := make(chan struct{}, window)
	var sending sync.WaitGroup
	begun := time.Now()
	sending.Go(func() {
		for i := range questions {
			free <- struct{}{}
			if err := s.Send(&klinkev1.StreamCheckRequest{Id: uint64(i), Question: in}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	for i := range questions {
		out, err := s.Recv()
		if err != nil {
			b.Fatal(err)
		}
		if out.GetId() != uint64(i) || i == 0 && !proto.Equal(out.GetAnswer(), want) {
			b.Fatalf("answer %d is %v", i, out)
		}
		<-free
	}
	rate := float64(questions) / time.Since(begun).Seconds()
	sending.Wait()
	return rate
}

// BenchmarkStreamHandler is one question on a stream without the wire.
func BenchmarkStreamHandler(b *testing.B) {
	h := world(b)
	d := newDecisions(Config{Tenants: h.tenants, Log: slog.New(slog.DiscardHandler)})
	in := &klinkev1.StreamCheckRequest{Id: 1, Question: listen(b, "anna", "anna")}
	b.ReportAllocs()
	for b.Loop() {
		if !d.isSettled(in) || !d.streamed(context.Background(), in, nil).GetAnswer().GetDecision() {
			b.Fatal("denied")
		}
	}
}
