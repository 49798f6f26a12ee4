// These tests prove what the guard does beside the table of powers: lists show the caller's own, entries name their caller,
// emergency numbers are the operator's, an emergency call is answered to anybody, and streams end with their caller's time.
package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/caller"
)

func TestListsShowTheCallersOwn(t *testing.T) {
	plain := world(t)
	for _, tenant := range []string{"globex", "initech", "umbrella"} {
		plain.found(t, tenant)
	}
	r := newRoster(t)
	some := r.token(t, "some", caller.Of(caller.Check), "umbrella", "acme", "missing", "initech")
	none := r.token(t, "none", caller.Of(caller.Check), "missing", "zzz", "a")
	all := r.token(t, "all", caller.Of(caller.Check))
	h := plain.guarded(t, r)
	for token, want := range map[string][]string{
		some: {"acme", "initech", "umbrella"}, none: nil, all: {"acme", "globex", "initech", "umbrella"},
	} {
		for size := range uint32(5) {
			var got []string
			in := &klinkev1.ListTenantsRequest{PageSize: size}
			for {
				out, err := h.directory.ListTenants(as(t.Context(), token), in)
				if err != nil {
					t.Fatal(err)
				}
				for _, tenant := range out.GetTenants() {
					got = append(got, tenant.GetId())
					if tenant.GetRevision() == "" || tenant.GetModel() != "small" || tenant.GetCreated() == nil {
						t.Errorf("%v is not described", tenant)
					}
				}
				if size > 0 && len(out.GetTenants()) > int(size) {
					t.Errorf("a page of %d, want at most %d", len(out.GetTenants()), size)
				}
				if in.PageToken = out.GetNextPageToken(); in.PageToken == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("in pages of %d: %v, want %v", size, got, want)
			}
		}
	}
}

func TestEntriesNameTheirCaller(t *testing.T) {
	plain := world(t)
	r := newRoster(t)
	token := r.token(t, "sync", caller.Of(caller.EditDirectory, caller.Tenants, caller.Check))
	h := plain.guarded(t, r)
	out, err := h.directory.Write(as(t.Context(), token), &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{user("dora")}, Author: "petra"})
	if err != nil {
		t.Fatal(err)
	}
	if e := out.GetEntry(); e.GetCaller() != "sync" || e.GetAuthor() != "petra" {
		t.Errorf("the entry names caller %q and author %q", e.GetCaller(), e.GetAuthor())
	}
	if e := plain.write(t, "acme", user("emil")).GetEntry(); e.GetCaller() != "" {
		t.Errorf("where nobody is asked who he is, an entry names %q", e.GetCaller())
	}
}

// Emergency numbers are edited by the operator only; a site takes its own along.
func TestEmergencyNumbersAreTheOperators(t *testing.T) {
	plain := world(t)
	site := &klinkev1.Record{Record: &klinkev1.Record_Site{Site: &klinkev1.Site{Id: "hq", Region: "DE", Default: true}}}
	plain.write(t, "acme", put(site))
	r := newRoster(t)
	editor := r.token(t, "editor", caller.Of(caller.EditDirectory), "acme")
	operator := r.token(t, "operator", caller.Of(caller.EditDirectory, caller.Operate), "acme")
	h := plain.guarded(t, r)
	number := &klinkev1.Record{Record: &klinkev1.Record_EmergencyNumber{EmergencyNumber: &klinkev1.EmergencyNumber{Site: "hq", Number: "44444"}}}
	erase := func(rec *klinkev1.Record) *klinkev1.Change {
		return &klinkev1.Change{Change: &klinkev1.Change_Delete{Delete: rec}}
	}
	gone := &klinkev1.Record{Record: &klinkev1.Record_Site{Site: &klinkev1.Site{Id: "hq"}}}
	for what, change := range map[string]*klinkev1.Change{"put": put(number), "delete": erase(number), "delete its site": erase(gone)} {
		in := &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{user("dora"), change}, ValidateOnly: true}
		_, err := h.directory.Write(as(t.Context(), editor), in)
		if got, want := faultOf(t, err), (fault{codes.PermissionDenied, "FORBIDDEN", ""}); got != want {
			t.Errorf("%s, by an editor: %+v, want %+v", what, got, want)
		}
		if _, err := h.directory.Write(as(t.Context(), operator), in); err != nil {
			t.Errorf("%s, by an operator: %v", what, err)
		}
	}
	if _, err := h.directory.Write(as(t.Context(), editor), &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{put(site)}}); err != nil {
		t.Errorf("a site, by an editor: %v", err)
	}
}

// Whoever asks about an emergency number is answered: a life may depend on a token that ran out last night. Strangers are
// told what rests on the question alone, and nothing of a tenant.
func TestEmergencyForStrangers(t *testing.T) {
	plain := world(t)
	plain.found(t, "globex")
	for _, tenant := range []string{"acme", "globex"} {
		plain.write(t, tenant, put(&klinkev1.Record{Record: &klinkev1.Record_Site{Site: &klinkev1.Site{Id: "hq", Region: "DE", Default: true}}}),
			put(&klinkev1.Record{Record: &klinkev1.Record_EmergencyNumber{EmergencyNumber: &klinkev1.EmergencyNumber{Site: "hq", Number: "44444"}}}))
	}
	r := newRoster(t)
	ours := r.token(t, "router", caller.Of(caller.Check), "acme")
	watcher := r.token(t, "watcher", caller.Of(caller.Watch), "acme")
	revoked := r.token(t, "gone", caller.Of(caller.Check), "acme")
	r.revoke(t, "gone")
	old, err := caller.Create(r.path, caller.Caller{Name: "old", Powers: caller.Of(caller.Check), All: true, Expires: time.Now().Add(-time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	r.load(t)
	h := plain.guarded(t, r)

	in := dials(t, "anna", "44444")
	got, err := h.decisions.Check(as(t.Context(), ours), in)
	wantEmergency(t, "the tenant's own number, by its caller", got, err)
	if got.GetContext().GetRevision() == "" {
		t.Errorf("the caller's answer has no revision: %v", got)
	}
	var first *klinkev1.CheckResponse
	for what, who := range map[string]struct{ token, tenant string }{
		"nobody":                   {"", "acme"},
		"nobody, a missing tenant": {"", "missing"},
		"a forged token":           {strings.Repeat("x", 70), "acme"},
		"a revoked token":          {revoked, "acme"},
		"an expired token":         {old, "acme"},
		"a caller without check":   {watcher, "acme"},
		"a foreign tenant":         {ours, "globex"},
		"a missing tenant":         {ours, "missing"},
	} {
		ctx := as(t.Context(), who.token)
		in := dials(t, "anna", "112")
		in.Tenant = who.tenant
		got, err := h.decisions.Check(ctx, in)
		wantEmergency(t, what, got, err)
		if first == nil {
			first = got
		}
		if !proto.Equal(got, first) || got.GetContext().GetRevision() != "" {
			t.Errorf("%s: the answer tells something: %v, elsewhere %v", what, got, first)
		}
		explained, err := h.decisions.Explain(ctx, &klinkev1.ExplainRequest{Question: in})
		wantEmergency(t, "explained to "+what, explained.GetAnswer(), err)
		batch, err := h.decisions.BatchCheck(ctx, &klinkev1.BatchCheckRequest{Tenant: who.tenant, Evaluations: []*klinkev1.BatchItem{
			{Subject: in.GetSubject()}, {Action: in.GetAction(), Resource: in.GetResource()},
		}})
		if err != nil {
			t.Errorf("a batch of %s: %v", what, err)
			continue
		}
		wantEmergency(t, "in a batch of "+what, batch.GetEvaluations()[1], nil)
		_, refusal := h.decisions.Check(ctx, mayListen(who.tenant))
		if e := batch.GetEvaluations()[0].GetContext().GetError(); !proto.Equal(e, status.Convert(refusal).Proto()) || batch.GetRevision() != "" {
			t.Errorf("the item beside it, of %s: %v, want %v", what, e, refusal)
		}
		// A name in a foreign encoding does not make it another call.
		garbled := unreadableCheck(t, who.tenant, "112")
		wantEmergency(t, "unreadable, of "+what, h.raw(ctx, t, garbled), nil)

		// The tenant's own number, and all other questions, are refused.
		for _, other := range []*klinkev1.CheckRequest{dials(t, "anna", "44444"), dials(t, "anna", "030 123456")} {
			other.Tenant = who.tenant
			if out, err := h.decisions.Check(ctx, other); err == nil {
				t.Errorf("%s is answered: %v", what, out)
			}
		}
	}
	// Where numbers are forwarded to, emergency numbers are refused: that can wait for a good token.
	forward := dials(t, "anna", "112")
	forward.Action.Name = "forward"
	if _, err := h.decisions.Check(t.Context(), forward); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a forwarding by nobody: %v", err)
	}
}

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)      { return v.([]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error { return proto.Unmarshal(data, v.(proto.Message)) }
func (rawCodec) Name() string                       { return "proto" }

var _ encoding.Codec = rawCodec{}

func unreadableCheck(t *testing.T, tenant, number string) []byte {
	t.Helper()
	in := dials(t, "ANNA", number)
	in.Tenant = tenant
	b, err := proto.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(b, []byte("ANNA"), []byte("\xff\xfe\xfd\xfc"), 1)
}

func (h *house) raw(ctx context.Context, t *testing.T, in []byte) *klinkev1.CheckResponse {
	t.Helper()
	out := &klinkev1.CheckResponse{}
	if err := h.conn.Invoke(ctx, klinkev1.DecisionService_Check_FullMethodName, in, out, grpc.ForceCodec(rawCodec{})); err != nil {
		t.Errorf("raw: %v", err)
	}
	return out
}

// What cannot be read is refused by what can be read of it: a foreign tenant stays out of sight.
func TestUnreadableRequestsAreGuarded(t *testing.T) {
	plain := world(t)
	plain.found(t, "globex")
	plain.write(t, "globex", put(&klinkev1.Record{Record: &klinkev1.Record_Site{Site: &klinkev1.Site{Id: "hq", Region: "DE", Default: true}}}),
		put(&klinkev1.Record{Record: &klinkev1.Record_EmergencyNumber{EmergencyNumber: &klinkev1.EmergencyNumber{Site: "hq", Number: "44444"}}}))
	r := newRoster(t)
	ours := r.token(t, "router", caller.Of(caller.Check), "acme")
	all := r.token(t, "all", caller.Of(caller.Check))
	h := plain.guarded(t, r)
	ask := func(token, tenant string) error {
		out := &klinkev1.CheckResponse{}
		return h.conn.Invoke(as(t.Context(), token), klinkev1.DecisionService_Check_FullMethodName, unreadableCheck(t, tenant, "44444"), out,
			grpc.ForceCodec(rawCodec{}))
	}
	if err := ask(all, "globex"); err != nil {
		t.Errorf("the tenant's own number, by its caller: %v", err)
	}
	if err := ask(ours, "globex"); status.Code(err) != codes.NotFound {
		t.Errorf("the same, by another's: %v, want that there is no such tenant", err)
	}
	if err := ask(ours, "acme"); status.Code(err) != codes.InvalidArgument {
		t.Errorf("no emergency number, by its caller: %v, want that it cannot be read", err)
	}
	if err := ask("", "globex"); status.Code(err) != codes.Unauthenticated {
		t.Errorf("by nobody: %v", err)
	}
}

func TestHeadersThatAreNoTokens(t *testing.T) {
	plain := world(t)
	r := newRoster(t)
	token := r.token(t, "router", caller.Of(caller.Check))
	h := plain.guarded(t, r)
	check := func(values ...string) error {
		md := metadata.MD{}
		for _, v := range values {
			md.Append("authorization", v)
		}
		_, err := h.decisions.Check(metadata.NewOutgoingContext(t.Context(), md), mayListen("acme"))
		return err
	}
	for _, good := range []string{"Bearer " + token, "bearer " + token, "BEARER " + token} {
		if err := check(good); err != nil {
			t.Errorf("%.7s: %v", good, err)
		}
	}
	for _, bad := range [][]string{
		{""}, {"Bearer"}, {"Bearer "}, {token}, {"Basic " + token}, {"Bearer  " + token}, {"Bearer " + token + ","}, {"Bearer " + token, "Bearer " + token},
	} {
		err := check(bad...)
		if got, want := faultOf(t, err), (fault{codes.Unauthenticated, "UNAUTHENTICATED", ""}); got != want {
			t.Errorf("%q: %+v, want %+v", bad, got, want)
		}
		if err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("the token is repeated: %v", err)
		}
	}
}

// reflectionStream is a stream that has had its first answer.
func reflectionStream(t *testing.T, h *house, token string) reflectionv1.ServerReflection_ServerReflectionInfoClient {
	t.Helper()
	stream, err := reflectionv1.NewServerReflectionClient(h.conn).ServerReflectionInfo(as(t.Context(), token))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	return stream
}

// The server waits for the client's next request in these streams: the end reaches it there.
func TestStreamsEndWithTheirCaller(t *testing.T) {
	plain := world(t)
	r := newRoster(t)
	revoked := r.token(t, "revoked", caller.Of(caller.Watch), "acme")
	kept := r.token(t, "kept", caller.Of(caller.Watch), "acme")
	changed := r.token(t, "changed", caller.Of(caller.Watch), "acme")
	h := plain.guarded(t, r)
	goes, stays, moves := reflectionStream(t, h, revoked), reflectionStream(t, h, kept), reflectionStream(t, h, changed)

	r.revoke(t, "revoked")
	_, err := goes.Recv()
	if got, want := faultOf(t, err), (fault{codes.Unauthenticated, "UNAUTHENTICATED", ""}); got != want {
		t.Errorf("the stream of a revoked caller ends with %+v, want %+v", got, want)
	}
	content, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(content), "name: changed")
	wider := string(content)[:at] + strings.Replace(string(content)[at:], "[watch]", "[check]", 1)
	if err := r.book.Load(r.path, []byte(wider)); err != nil {
		t.Fatal(err)
	}
	_, err = moves.Recv()
	if got, want := faultOf(t, err), (fault{codes.Unavailable, "UNAVAILABLE", ""}); got != want {
		t.Errorf("the stream of a changed caller ends with %+v, want %+v", got, want)
	}
	soon := time.Now().Add(300 * time.Millisecond)
	short := strings.Replace(wider, "name: kept", "name: kept\n    expires: "+soon.Format(time.RFC3339Nano), 1)
	if err := stays.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stays.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream of a caller who was left alone ends with %v", err)
	}
	if err := r.book.Load(r.path, []byte(short)); err != nil {
		t.Fatal(err)
	}
	last := reflectionStream(t, h, kept)
	_, err = last.Recv()
	if got := faultOf(t, err); got.code != codes.Unauthenticated || !strings.Contains(err.Error(), "expired at") || time.Now().Before(soon) {
		t.Errorf("the stream of a caller whose time is over ends with %v", err)
	}
}

// A stream whose requests name tenants is guarded request by request.
func TestStreamsOfTenants(t *testing.T) {
	r := newRoster(t)
	token := r.token(t, "router", caller.Of(caller.Check), "acme")
	watcher := r.token(t, "watcher", caller.Of(caller.Watch), "acme")
	log := slog.New(slog.NewTextHandler(r.log, nil))
	const method = "/test.Echo/Ask"
	g := &guard{book: r.book, rules: map[string]rule{method: {powers: caller.Of(caller.Check)}}}
	s := grpc.NewServer(grpc.ChainStreamInterceptor(stream(log, newStreams(), g)...), grpc.WaitForHandlers(true))
	echo := func(_ any, ss grpc.ServerStream) error {
		for {
			in := &klinkev1.CheckRequest{}
			if err := ss.RecvMsg(in); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := ss.SendMsg(in); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"Ask", "Unruled"} {
		s.RegisterService(&grpc.ServiceDesc{ServiceName: "test." + map[string]string{"Ask": "Echo", "Unruled": "Other"}[name], Streams: []grpc.StreamDesc{
			{StreamName: name, Handler: echo, ServerStreams: true, ClientStreams: true},
		}}, nil)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	defer func() {
		s.Stop()
		g.owned.Wait()
		if err := <-served; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	}()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(token, method string, tenants ...string) (last *status.Status, answered int) {
		cs, err := conn.NewStream(as(t.Context(), token), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
		if err != nil {
			t.Fatal(err)
		}
		for _, tenant := range tenants {
			_ = cs.SendMsg(mayListen(tenant)) // how it went is told by what is received
			if err := cs.RecvMsg(&klinkev1.CheckRequest{}); err != nil {
				return status.Convert(err), answered
			}
			answered++
		}
		return status.New(codes.OK, ""), answered
	}
	for _, c := range []struct {
		token, method string
		tenants       []string
		want          codes.Code
		answered      int
	}{
		{token, method, []string{"acme", "acme"}, codes.OK, 2},
		{token, method, []string{"acme", "globex"}, codes.NotFound, 1},
		{token, method, []string{"globex"}, codes.NotFound, 0},
		{token, method, []string{"acme", "", "globex"}, codes.NotFound, 2},
		{watcher, method, []string{"acme"}, codes.PermissionDenied, 0},
		{"", method, []string{"acme"}, codes.Unauthenticated, 0},
		{token, "/test.Other/Unruled", []string{"acme"}, codes.Internal, 0},
	} {
		st, answered := ask(c.token, c.method, c.tenants...)
		if st.Code() != c.want || answered != c.answered {
			t.Errorf("%s %v: %v after %d answers, want %v after %d", c.method, c.tenants, st, answered, c.want, c.answered)
		}
	}
}

func TestRulesAreForKnownCallsOnly(t *testing.T) {
	r := newRoster(t)
	token := r.token(t, "all", caller.Of(caller.EveryPower()...))
	g := &guard{book: r.book, rules: rules(), stranger: func(_ context.Context, _ any, refusal error) (any, error) { return nil, refusal }}
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+token)) // as another transport would
	called := false
	handler := func(context.Context, any) (any, error) { called = true; return "done", nil }
	_, err := g.unary(ctx, mayListen("acme"), &grpc.UnaryServerInfo{FullMethod: "/klinke.v1.New/Call"}, handler)
	if err == nil || called || !strings.Contains(fmt.Sprint(err), "there is no rule for it") {
		t.Errorf("a call without a rule: %v, called: %t", err, called)
	}
	out, err := g.unary(ctx, mayListen("acme"), &grpc.UnaryServerInfo{FullMethod: klinkev1.DecisionService_Check_FullMethodName}, handler)
	if err != nil || !called || out != "done" {
		t.Errorf("a call without a peer: %v, %v", out, err)
	}
}
