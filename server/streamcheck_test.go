// These tests prove that a question on a stream is answered as Check would, that none holds up another, that an emergency
// call passes there too, and that a stream ends with its client or its server.
package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/live"
	"github.com/klinke-authz/klinke/store/mem"
)

// talk is a stream for tests.
type talk struct {
	grpc.BidiStreamingClient[klinkev1.StreamCheckRequest, klinkev1.StreamCheckResponse]
	cancel context.CancelFunc
}

func (h *house) stream(t testing.TB, opts ...grpc.CallOption) talk {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	s, err := h.decisions.StreamCheck(ctx, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return talk{s, cancel}
}

func (s talk) ask(t testing.TB, id uint64, in *klinkev1.CheckRequest) {
	t.Helper()
	if err := s.Send(&klinkev1.StreamCheckRequest{Id: id, Question: in}); err != nil {
		t.Fatal(err)
	}
}

func (s talk) answer(t testing.TB) *klinkev1.StreamCheckResponse {
	t.Helper()
	out, err := s.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAStreamAnswersAsCheckDoes(t *testing.T) {
	h := world(t)
	questions := []*klinkev1.CheckRequest{
		listen(t, "anna", "anna"), listen(t, "anna", "bert"), listen(t, "dora", "dora"), dials(t, "bert", "030 123456"), dials(t, "carl", "110"),
		{}, listen(t, "", "anna"), nil,
	}
	for _, spoil := range []func(in *klinkev1.CheckRequest){
		func(in *klinkev1.CheckRequest) { in.Tenant = "globex" },
		func(in *klinkev1.CheckRequest) { in.Tenant = "a\nb" },
		func(in *klinkev1.CheckRequest) { in.Action.Name = "lissen" },
		func(in *klinkev1.CheckRequest) { in.WithReads = true },
		func(in *klinkev1.CheckRequest) { in.MinRevision = "yesterday" },
		func(in *klinkev1.CheckRequest) { stain(in) },
		func(in *klinkev1.CheckRequest) { stain(in.GetResource()) },
	} {
		in := listen(t, "anna", "anna")
		spoil(in)
		questions = append(questions, in)
	}
	s := h.stream(t)
	const first = 1<<64 - 100 // ids are any numbers
	for i, q := range questions {
		s.ask(t, first+uint64(i), q)
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	got := map[uint64]*klinkev1.CheckResponse{}
	for range questions {
		out := s.answer(t)
		got[out.GetId()] = out.GetAnswer()
	}
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last answer: %v, want the end", err)
	}
	for i, q := range questions {
		answer := got[first+uint64(i)]
		if q == nil {
			if f := faultIn(status.FromProto(answer.GetContext().GetError())); f != (fault{codes.InvalidArgument, "INVALID", "question"}) {
				t.Errorf("no question: %+v", f)
			}
			continue
		}
		want, err := h.decisions.Check(t.Context(), q)
		if err != nil {
			want = refusal(&klinkev1.DecisionContext{Error: status.Convert(err).Proto()})
		}
		if !proto.Equal(answer, want) {
			t.Errorf("%v\non a stream: %v\nchecked:     %v", q, answer, want)
		}
	}
}

func TestUnknownAroundAQuestion(t *testing.T) {
	h := world(t)
	s := h.stream(t)
	for id, q := range []*klinkev1.CheckRequest{listen(t, "anna", "anna"), dials(t, "carl", "110")} {
		in := &klinkev1.StreamCheckRequest{Id: uint64(id), Question: q}
		stain(in)
		if err := s.Send(in); err != nil {
			t.Fatal(err)
		}
	}
	got := s.answer(t)
	if f := faultIn(status.FromProto(got.GetAnswer().GetContext().GetError())); f != (fault{codes.InvalidArgument, "INVALID", ""}) {
		t.Errorf("a field that nobody knows: %v", got)
	}
	wantEmergency(t, "beside a field that nobody knows", s.answer(t).GetAnswer(), nil)
}

func TestUnreadableOnAStream(t *testing.T) {
	h := world(t)
	s := h.stream(t, edited(latin1))
	s.ask(t, 1, listen(t, "carl", "carl"))
	s.ask(t, 2, dials(t, "carl", "110"))
	s.ask(t, 3, listen(t, "anna", "anna"))
	got := s.answer(t)
	if f := faultIn(status.FromProto(got.GetAnswer().GetContext().GetError())); got.GetId() != 1 || f != (fault{codes.InvalidArgument, "INVALID", ""}) {
		t.Errorf("a text that is not UTF-8: %v", got)
	}
	got = s.answer(t)
	wantEmergency(t, "by a name that is not UTF-8", got.GetAnswer(), nil)
	if got = s.answer(t); got.GetId() != 3 || !got.GetAnswer().GetDecision() {
		t.Errorf("the question behind them: %v", got)
	}
	s = h.stream(t, edited(func(b []byte) []byte { return b[:len(b)-1] }))
	s.ask(t, 1, listen(t, "anna", "anna"))
	if _, err := s.Recv(); faultOf(t, err) != (fault{codes.InvalidArgument, "INVALID", ""}) {
		t.Errorf("what nobody can read: %v", err)
	}
}

// A question that waits for a revision is passed by those behind it, and answered when the revision comes.
func TestWaitingHoldsUpNobody(t *testing.T) { inBubble(t, waitingHoldsUpNobody) }

func waitingHoldsUpNobody(t *testing.T, h *house) {
	next := newest(t, h)
	s := h.stream(t)
	late := listen(t, "anna", "anna")
	late.MinRevision = next
	s.ask(t, 1, late)
	emergency := dials(t, "carl", "110")
	emergency.MinRevision = next
	s.ask(t, 2, listen(t, "anna", "bert"))
	s.ask(t, 3, emergency)
	seen := map[uint64]bool{}
	for range 2 {
		seen[s.answer(t).GetId()] = true
	}
	if !seen[2] || !seen[3] {
		t.Errorf("answered first: %v, want 2 and 3", seen)
	}
	h.write(t, "acme", user("emil"))
	got := s.answer(t)
	if got.GetId() != 1 || !got.GetAnswer().GetDecision() || got.GetAnswer().GetContext().GetRevision() != next {
		t.Errorf("%v, want 1 allowed at %s", got, next)
	}
	s.cancel()
}

// newest is the revision that acme's next write will have.
func newest(t testing.TB, h *house) string {
	t.Helper()
	lineage, position, _ := strings.Cut(h.check(t, listen(t, "anna", "anna")).GetContext().GetRevision(), "-")
	var n int
	if _, err := fmt.Sscan(position, &n); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s-%d", lineage, n+1)
}

func TestOnlySoManyWait(t *testing.T) { inBubble(t, onlySoManyWait) }

func onlySoManyWait(t *testing.T, h *house) {
	s := h.stream(t)
	late, long := listen(t, "anna", "anna"), listen(t, "anna", "anna")
	late.MinRevision = newest(t, h)
	const over = 10
	for i := range maxWaiting + over {
		s.ask(t, uint64(i), late)
	}
	for i := range over {
		got := s.answer(t)
		if f := faultIn(status.FromProto(got.GetAnswer().GetContext().GetError())); got.GetId() != uint64(maxWaiting+i) || f.reason != "UNAVAILABLE" {
			t.Errorf("%v, want number %d to be sent away", got, maxWaiting+i)
		}
	}
	emergency := dials(t, "carl", "110")
	emergency.Tenant = "globex" // is looked up, which is waiting
	s.ask(t, 9999, emergency)
	wantEmergency(t, "on a crowded stream", s.answer(t).GetAnswer(), nil)
	h.write(t, "acme", user("emil"))
	for range maxWaiting {
		if got := s.answer(t); !got.GetAnswer().GetDecision() {
			t.Fatalf("one that waited: %v", got)
		}
	}
	s.ask(t, 0, late)
	if got := s.answer(t); !got.GetAnswer().GetDecision() {
		t.Errorf("after the crowd: %v", got)
	}

	// Few that are long are a crowd too.
	long.MinRevision = newest(t, h)
	long.Context = facts(t, map[string]any{"much": strings.Repeat("x", policy.MaxRequestBytes/2)})
	s.ask(t, 1, long)
	s.ask(t, 2, long)
	defer s.cancel()
	if got := s.answer(t); got.GetId() != 2 || faultIn(status.FromProto(got.GetAnswer().GetContext().GetError())).reason != "UNAVAILABLE" {
		t.Errorf("the second long one: %v, want it to be sent away", got)
	}
}

// A bug that panics under one question is that question's failure.
func TestAPanicIsOneQuestions(t *testing.T) {
	book := &logbook{}
	d := newDecisions(Config{Log: slog.New(slog.NewTextHandler(book, nil))}) // there are no tenants to ask
	got := d.streamed(t.Context(), &klinkev1.StreamCheckRequest{Id: 7, Question: listen(t, "anna", "anna")}, nil)
	f := faultIn(status.FromProto(got.GetAnswer().GetContext().GetError()))
	if got.GetId() != 7 || got.GetAnswer().GetDecision() || f != (fault{codes.Internal, "INTERNAL", ""}) {
		t.Errorf("%v, want INTERNAL", got)
	}
	if !strings.Contains(book.String(), "panic") {
		t.Errorf("the log does not say so: %s", book)
	}
}

// inBubble runs a test of a house in memory, where time passes only while nothing else can.
func inBubble(t *testing.T, test func(t *testing.T, h *house)) {
	synctest.Test(t, func(t *testing.T) {
		ts := live.New(mem.New(), slog.New(slog.DiscardHandler))
		defer ts.Close()
		s, err := New(Config{Tenants: ts, Log: slog.New(slog.DiscardHandler), Version: "v0-test"})
		if err != nil {
			t.Fatal(err)
		}
		l := bufconn.Listen(1 << 16) // a network that synctest sees through
		var served sync.WaitGroup
		defer served.Wait()
		served.Go(func() { _ = s.Serve(l) })
		defer func() { _ = s.Shutdown(context.Background()) }()
		conn, err := grpc.NewClient("passthrough:memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		h := &house{server: s, tenants: ts, conn: conn}
		h.directory, h.decisions = klinkev1.NewDirectoryServiceClient(conn), klinkev1.NewDecisionServiceClient(conn)
		h.found(t, "acme")
		test(t, h)
	})
}

// Who does not read is asked no further: the server reads no more than what fits into gRPC's windows. He holds up a shutdown
// until the server's patience ends, and no longer.
func TestWhoDoesNotReadIsNotServed(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		stream, err := h.decisions.StreamCheck(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		in := &klinkev1.StreamCheckRequest{Question: listen(t, "anna", "anna")}
		var taken atomic.Int64
		var asking sync.WaitGroup
		asking.Go(func() {
			for stream.Send(in) == nil {
				taken.Add(1)
			}
		})
		synctest.Wait() // until nothing moves any more
		if n := taken.Load(); n < 500 || n > 10_000 {
			t.Errorf("%d questions were taken while no answer was read", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		if err := h.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Minute {
			t.Errorf("Shutdown: %v after %v, want that its patience ended", err, time.Since(begun))
		}
		asking.Wait()
	})
}

func TestShutdownEndsStreams(t *testing.T) {
	s := mem.New()
	t.Cleanup(func() { _ = s.Close() })
	h := over(t, s)
	h.found(t, "acme")
	idle, busy, waiting := h.stream(t), h.stream(t), h.stream(t)
	reflected, err := reflectionv1.NewServerReflectionClient(h.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	idle.ask(t, 1, listen(t, "anna", "anna"))
	idle.answer(t)
	late := listen(t, "anna", "anna")
	late.MinRevision = newest(t, h)
	waiting.ask(t, 1, late)
	var asking sync.WaitGroup
	begun := make(chan struct{})
	asking.Go(func() {
		for i := uint64(0); busy.Send(&klinkev1.StreamCheckRequest{Id: i, Question: listen(t, "anna", "anna")}) == nil; i++ {
			if i == 100 {
				close(begun)
			}
		}
	})
	var last error
	answers := uint64(0)
	asking.Go(func() {
		for last == nil {
			var out *klinkev1.StreamCheckResponse
			if out, last = busy.Recv(); last == nil {
				if out.GetId() != answers || !out.GetAnswer().GetDecision() {
					t.Errorf("answer %d is %v", answers, out)
				}
				answers++
			}
		}
	})
	<-begun
	if err := h.server.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	asking.Wait()
	for what, err := range map[string]error{
		"idle": ended(idle.Recv()), "busy": last, "waiting": ended(waiting.Recv()), "reflection": ended(reflected.Recv()),
	} {
		if f := faultOf(t, err); f != (fault{codes.Unavailable, "UNAVAILABLE", ""}) || !strings.Contains(err.Error(), "the server is stopping") {
			t.Errorf("%s ended with %v", what, err)
		}
	}
}

func ended[T any](_ T, err error) error { return err }

func TestStreamedDecisionsAllocateNoMore(t *testing.T) {
	h := world(t)
	d := newDecisions(Config{Tenants: h.tenants, Log: slog.New(slog.DiscardHandler)})
	in := &klinkev1.StreamCheckRequest{Id: 1, Question: listen(t, "anna", "anna")}
	checks := testing.AllocsPerRun(1000, func() {
		if _, err := d.Check(context.Background(), in.GetQuestion()); err != nil {
			t.Fatal(err)
		}
	})
	streamed := testing.AllocsPerRun(1000, func() {
		if d.isSettled(in) && !d.streamed(context.Background(), in, nil).GetAnswer().GetDecision() {
			t.Fatal("denied")
		}
	})
	if streamed > checks {
		t.Errorf("a question on a stream allocates %v times, Check %v", streamed, checks)
	}
}

func TestQuestionsOnStreamsAreReadByHand(t *testing.T) {
	question, _ := everything(t)
	for _, want := range []*klinkev1.StreamCheckRequest{
		{}, {Id: 1, Question: question}, {Id: 1<<64 - 1, Question: listen(t, "anna", "bert")}, {Id: 1 << 35, Question: &klinkev1.CheckRequest{}},
	} {
		raw := marshal(t, want)
		got := &klinkev1.StreamCheckRequest{}
		if !readPlain(raw, got) || !bytes.Equal(marshal(t, got), raw) && !proto.Equal(got, want) {
			t.Errorf("%v is read as %v", want, got)
		}
	}
	for _, raw := range [][]byte{
		{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, // 65 bits
		{0x08, 1, 0x08, 2},
		{0x18, 1},
		{0x12, 2, 0x08, 1},
	} {
		if readPlain(raw, new(klinkev1.StreamCheckRequest)) {
			t.Errorf("%x is read by hand", raw)
		}
	}
}
