// These tests prove that a message that cannot be read is its caller's fault, that an emergency call in it is answered all
// the same, and that nothing that a caller sends makes an error or an answer longer than clients take.
package server

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// wrong is a client's codec that says what no Go client can: it edits the bytes.
type wrong struct {
	encoding.CodecV2
	edit func(b []byte) []byte
}

func (c wrong) Marshal(v any) (mem.BufferSlice, error) {
	b, err := proto.Marshal(v.(proto.Message))
	return mem.BufferSlice{mem.SliceBuffer(c.edit(b))}, err
}

// edited makes a call send edited bytes.
func edited(edit func(b []byte) []byte) grpc.CallOption {
	return grpc.ForceCodecV2(wrong{encoding.GetCodecV2("proto"), edit})
}

// latin1 replaces a name by one of the same length that is not UTF-8.
func latin1(b []byte) []byte { return bytes.ReplaceAll(b, []byte("carl"), []byte("c\xe4rl")) }

func TestUnreadableMessages(t *testing.T) {
	h := world(t)
	before := present(t, h)
	want := fault{code: codes.InvalidArgument, reason: "INVALID"}
	for name, edit := range map[string]func(b []byte) []byte{
		"not UTF-8":     latin1,
		"cut off":       func(b []byte) []byte { return b[:len(b)-1] },
		"of no message": func([]byte) []byte { return []byte("GET / HTTP/1.1") },
	} {
		in := listen(t, "carl", "carl")
		_, err := h.decisions.Check(t.Context(), in, edited(edit))
		if got := faultOf(t, err); got != want || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("check %s: %+v, want %+v: %v", name, got, want, err)
		}
		_, err = h.decisions.Explain(t.Context(), &klinkev1.ExplainRequest{Question: in}, edited(edit))
		if got := faultOf(t, err); got != want {
			t.Errorf("explain %s: %+v, want %+v", name, got, want)
		}
		_, err = h.decisions.BatchCheck(t.Context(), &klinkev1.BatchCheckRequest{Tenant: "acme", Subject: in.GetSubject()}, edited(edit))
		if got := faultOf(t, err); got != want {
			t.Errorf("batch %s: %+v, want %+v", name, got, want)
		}
		_, err = h.directory.Write(t.Context(), &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{user("carl")}}, edited(edit))
		if got := faultOf(t, err); got != want {
			t.Errorf("write %s: %+v, want %+v", name, got, want)
		}
	}
	if after := present(t, h); !proto.Equal(after, before) {
		t.Errorf("something changed: %v, before %v", after, before)
	}
}

// A question that nests more deeply than messages may costs an error, not the server.
func TestDeepQuestion(t *testing.T) {
	h := world(t)
	var value []byte
	for range 6000 { // a list in a list; each is two messages
		value = protowire.AppendBytes([]byte{6<<3 | 2}, protowire.AppendBytes([]byte{1<<3 | 2}, value))
	}
	member := protowire.AppendBytes([]byte{1<<3 | 2, 1, 'a', 2<<3 | 2}, value)
	deep := protowire.AppendBytes([]byte{5<<3 | 2}, protowire.AppendBytes([]byte{1<<3 | 2}, member))
	_, err := h.decisions.Check(t.Context(), listen(t, "anna", "anna"), edited(func(b []byte) []byte { return append(b, deep...) }))
	if got, want := faultOf(t, err), (fault{code: codes.InvalidArgument, reason: "INVALID"}); got != want {
		t.Errorf("%+v, want %+v: %v", got, want, err)
	}
	h.check(t, listen(t, "anna", "anna"))
}

func TestEmergencyInAnUnreadableQuestion(t *testing.T) {
	h := world(t)
	for _, tenant := range []string{"acme", "globex"} {
		in := dials(t, "carl", "110")
		in.Tenant = tenant
		got, err := h.decisions.Check(t.Context(), in, edited(latin1))
		wantEmergency(t, "checked", got, err)
		explained, err := h.decisions.Explain(t.Context(), &klinkev1.ExplainRequest{Question: in}, edited(latin1))
		wantEmergency(t, "explained", explained.GetAnswer(), err)
		batch, err := h.decisions.BatchCheck(t.Context(), &klinkev1.BatchCheckRequest{
			Tenant: tenant, Subject: in.GetSubject(), Action: in.GetAction(), Evaluations: []*klinkev1.BatchItem{{}, {Resource: in.GetResource()}},
		}, edited(latin1))
		if err != nil {
			t.Fatal(err)
		}
		wantEmergency(t, "in a batch", batch.GetEvaluations()[1], nil)
		if e := batch.GetEvaluations()[0]; e.GetDecision() || e.GetContext().GetError().GetCode() != int32(codes.InvalidArgument) {
			t.Errorf("the item beside it: %v, want the message's error", e)
		}
		in = dials(t, "carl", "030 123456")
		in.Tenant = tenant
		_, err = h.decisions.Check(t.Context(), in, edited(latin1))
		if got, want := faultOf(t, err), (fault{code: codes.InvalidArgument, reason: "INVALID"}); got != want {
			t.Errorf("another number: %+v, want %+v", got, want)
		}
	}
}

// An error that repeats what a caller sent repeats little of it: many clients take 8 KiB of headers.
func TestErrorsAreShort(t *testing.T) {
	h := world(t)
	long := strings.Repeat("ä", 1<<19)
	in := listen(t, "anna", "anna")
	in.Resource.Properties = &structpb.Struct{Fields: map[string]*structpb.Value{long: structpb.NewStringValue("x")}}
	short := func(what string, st *status.Status) {
		t.Helper()
		if n := proto.Size(st.Proto()) * 4 / 3; st.Code() != codes.InvalidArgument || n > 6<<10 || !utf8.ValidString(st.Message()) {
			t.Errorf("%s: %v, %d bytes: %.100s", what, st.Code(), n, st.Message())
		}
		if got := faultIn(st); got.reason != "INVALID" || !strings.HasPrefix(got.field, "resource.properties.ää") {
			t.Errorf("%s: %.100v", what, got)
		}
	}
	_, err := h.decisions.Check(t.Context(), in)
	short("check", status.Convert(err))
	// As a default of a batch, it is told once for each item.
	out, err := h.decisions.BatchCheck(t.Context(), &klinkev1.BatchCheckRequest{
		Tenant: "acme", Subject: in.GetSubject(), Action: in.GetAction(), Resource: in.GetResource(), Evaluations: items(100),
	})
	if err != nil {
		t.Fatal(err)
	}
	short("in a batch", status.FromProto(out.GetEvaluations()[99].GetContext().GetError()))
}

// Clients take 4 MiB unless they are told otherwise. Answers that are longer say so themselves.
func TestAnswersFitAMessage(t *testing.T) {
	h := world(t)
	// 10,000 errors with long fields. The emergency call among them is answered all the same.
	batch := &klinkev1.BatchCheckRequest{
		Tenant: "acme", Subject: &klinkev1.QuestionSubject{Type: "user", Id: "anna"}, Action: &klinkev1.QuestionAction{Name: "listen"},
		Resource:    &klinkev1.QuestionResource{Type: "recording", Id: "r", Properties: facts(t, map[string]any{strings.Repeat("x", 300): 1})},
		Evaluations: items(policy.MaxBatchItems),
	}
	_, err := h.decisions.BatchCheck(t.Context(), batch)
	if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "TOO_LARGE", "evaluations"}); got != want || !strings.Contains(err.Error(), "split the batch") {
		t.Errorf("a batch of long answers: %+v, want %+v: %.200v", got, want, err)
	}
	batch.Evaluations = items(1000)
	call := dials(t, "carl", "110")
	batch.Evaluations[7] = &klinkev1.BatchItem{Action: call.GetAction(), Resource: call.GetResource()}
	if out, err := h.decisions.BatchCheck(t.Context(), batch); err != nil {
		t.Errorf("a tenth of it: %v", err)
	} else {
		wantEmergency(t, "among long answers", out.GetEvaluations()[7], nil)
	}
	// A write of nearly 4 MiB, whose entry is longer than that.
	in := &klinkev1.WriteRequest{Tenant: "acme", RequestId: "r1"}
	for i := 0; proto.Size(in) < policy.MaxRequestBytes-3000; i++ {
		change := user(fmt.Sprintf("long%d", i))
		change.GetPut().GetSubject().Label = strings.Repeat("x", 1000)
		in.Changes = append(in.Changes, change)
	}
	in.Reason = strings.Repeat("x", policy.MaxRequestBytes-proto.Size(in)-3)
	first, err := h.directory.Write(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if !first.GetShortened() || first.GetEntry().GetPosition() == 0 || first.GetEntry().GetFootprint() == nil || len(first.GetEntry().GetChanges()) != 0 {
		t.Errorf("a long write: shortened %t, with %d changes at %d", first.GetShortened(), len(first.GetEntry().GetChanges()), first.GetEntry().GetPosition())
	}
	again, err := h.directory.Write(t.Context(), in)
	if err != nil || !again.GetRepeatedRequest() || !proto.Equal(again.GetEntry(), first.GetEntry()) {
		t.Errorf("repeated: %v, %.200v", again.GetRepeatedRequest(), err)
	}
	small, err := h.directory.Write(t.Context(), &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{user("small")}})
	if err != nil || small.GetShortened() || len(small.GetEntry().GetChanges()) != 1 {
		t.Errorf("a short write: %v, %v", small, err)
	}
}

func TestAModelThatWasPutCanBeGot(t *testing.T) {
	h := world(t)
	m := model()
	m.Roles[0].Role.Labels = map[string]string{}
	for i := 0; proto.Size(m) < maxModel-40_000; i++ {
		r := proto.Clone(m.GetRoles()[0]).(*klinkev1.RoleTemplate)
		r.Role.Id = fmt.Sprintf("role%d", i)
		r.Role.Labels = map[string]string{}
		for l := range 30 {
			r.Role.Labels[strconv.Itoa(l)] = strings.Repeat("x", 1000)
		}
		m.Roles = append(m.Roles, r)
	}
	if _, err := h.directory.PutModel(t.Context(), &klinkev1.PutModelRequest{Model: m}); err != nil {
		t.Fatal(err)
	}
	if out, err := h.directory.GetModel(t.Context(), &klinkev1.GetModelRequest{Model: "small"}); err != nil || !proto.Equal(out.GetModel(), m) {
		t.Errorf("a large model: %v", err)
	}
	m.Name += strings.Repeat("x", maxModel-proto.Size(m)+1)
	_, err := h.directory.PutModel(t.Context(), &klinkev1.PutModelRequest{Model: m})
	if got := faultOf(t, err); got.code != codes.InvalidArgument {
		t.Errorf("a larger one: %+v", got)
	}
}
