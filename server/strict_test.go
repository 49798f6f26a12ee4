// These tests prove that nothing unknown is ignored, in whatever message it hides, and that the limits on size hold at
// their edges.
package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// stain puts a field that nobody knows into a message.
func stain(m proto.Message) {
	m.ProtoReflect().SetUnknown([]byte{0xf8, 0x7f, 0x01}) // field 2047, a varint
}

func TestUnknownFieldsInQuestions(t *testing.T) {
	h := world(t)
	full := func() *klinkev1.CheckRequest {
		in := listen(t, "anna", "anna")
		in.Actor = &klinkev1.QuestionSubject{Type: "app", Id: "dialer"}
		in.Action.Properties = facts(t, map[string]any{"field": "x"})
		in.Context = facts(t, map[string]any{"mfa": true, "list": []any{"a", map[string]any{"deep": 1}}})
		return in
	}
	for field, part := range map[string]func(*klinkev1.CheckRequest) proto.Message{
		"":                    func(in *klinkev1.CheckRequest) proto.Message { return in },
		"subject":             func(in *klinkev1.CheckRequest) proto.Message { return in.GetSubject() },
		"actor":               func(in *klinkev1.CheckRequest) proto.Message { return in.GetActor() },
		"action":              func(in *klinkev1.CheckRequest) proto.Message { return in.GetAction() },
		"action.properties":   func(in *klinkev1.CheckRequest) proto.Message { return in.GetAction().GetProperties() },
		"resource":            func(in *klinkev1.CheckRequest) proto.Message { return in.GetResource() },
		"resource.properties": func(in *klinkev1.CheckRequest) proto.Message { return in.GetResource().GetProperties() },
		"resource.properties.employee": func(in *klinkev1.CheckRequest) proto.Message {
			return in.GetResource().GetProperties().GetFields()["employee"]
		},
		"context": func(in *klinkev1.CheckRequest) proto.Message { return in.GetContext() },
		"context.list": func(in *klinkev1.CheckRequest) proto.Message {
			return in.GetContext().GetFields()["list"].GetListValue()
		},
		"context.list[1].deep": func(in *klinkev1.CheckRequest) proto.Message {
			return in.GetContext().GetFields()["list"].GetListValue().GetValues()[1].GetStructValue().GetFields()["deep"]
		},
	} {
		in := full()
		stain(part(in))
		_, err := h.decisions.Check(t.Context(), in)
		if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "INVALID", field}); got != want {
			t.Errorf("in %q: %+v, want %+v: %v", field, got, want, err)
		}
		_, err = h.decisions.Explain(t.Context(), &klinkev1.ExplainRequest{Question: in})
		if got := faultOf(t, err); got.code != codes.InvalidArgument {
			t.Errorf("explaining, in %q: %+v", field, got)
		}
		if field == "" {
			continue
		}
		batch := &klinkev1.BatchCheckRequest{
			Tenant: "acme", Subject: in.GetSubject(), Actor: in.GetActor(), Action: in.GetAction(), Resource: in.GetResource(),
			Context: in.GetContext(), Evaluations: []*klinkev1.BatchItem{{}},
		}
		out, err := h.decisions.BatchCheck(t.Context(), batch)
		if err != nil || out.GetEvaluations()[0].GetContext().GetError().GetCode() != int32(codes.InvalidArgument) {
			t.Errorf("in a batch's %q: %v, error %v", field, out, err)
		}
	}
	batch := &klinkev1.BatchCheckRequest{Tenant: "acme"}
	stain(batch)
	_, err := h.decisions.BatchCheck(t.Context(), batch)
	if got := faultOf(t, err); got.code != codes.InvalidArgument {
		t.Errorf("in a batch: %+v", got)
	}
	explain := &klinkev1.ExplainRequest{Question: listen(t, "anna", "anna")}
	stain(explain)
	_, err = h.decisions.Explain(t.Context(), explain)
	if got := faultOf(t, err); got.code != codes.InvalidArgument {
		t.Errorf("in an explanation: %+v", got)
	}
}

func TestUnknownValuesInQuestions(t *testing.T) {
	h := world(t)
	for name, v := range map[string]*structpb.Value{
		"null that is none": {Kind: &structpb.Value_NullValue{NullValue: 7}},
		"no kind":           {},
	} {
		in := listen(t, "anna", "anna")
		in.Resource.Properties.Fields["employee"] = v
		_, err := h.decisions.Check(t.Context(), in)
		if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "INVALID", "resource.properties.employee"}); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestUnknownThingsInTheDirectory(t *testing.T) {
	h := world(t)
	before := h.check(t, listen(t, "anna", "anna")).GetContext().GetRevision()
	timed := assign("user:carl")
	timed.GetPut().GetAssignment().From = timestamppb.New(time.Unix(0, 0))
	stain(timed.GetPut().GetAssignment().GetFrom())
	changed := user("dora")
	stain(changed)
	recorded := user("dora")
	stain(recorded.GetPut())
	kind := user("dora")
	kind.GetPut().GetSubject().Type = 9
	for field, c := range map[string]*klinkev1.Change{
		"changes[1].put.assignment.from": timed,
		"changes[1]":                     changed,
		"changes[1].put":                 recorded,
		"changes[1].put.subject.type":    kind,
	} {
		_, err := h.directory.Write(t.Context(), &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{user("emil"), c}})
		if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "INVALID", field}); got != want {
			t.Errorf("%+v, want %+v: %v", got, want, err)
		}
	}
	// A record of a kind of the future arrives as a record without content.
	future := put(&klinkev1.Record{})
	future.GetPut().ProtoReflect().SetUnknown([]byte{0xfa, 0x7f, 0x00})
	_, err := h.directory.Write(t.Context(), &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{future}})
	if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "INVALID", "changes[0].put"}); got != want {
		t.Errorf("a kind of the future: %+v, want %+v", got, want)
	}
	for _, kind := range []klinkev1.RecordKind{0, 99} {
		_, err = h.directory.Read(t.Context(), &klinkev1.ReadRequest{Tenant: "acme", Kind: kind})
		if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "INVALID", "kind"}); got != want {
			t.Errorf("kind %d: %+v, want %+v", kind, got, want)
		}
	}
	m := model()
	m.Combine = 77
	_, err = h.directory.PutModel(t.Context(), &klinkev1.PutModelRequest{Model: m})
	if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "INVALID", "model.combine"}); got != want {
		t.Errorf("a model: %+v, want %+v", got, want)
	}
	info := &klinkev1.GetServerInfoRequest{}
	stain(info)
	_, err = h.decisions.GetServerInfo(t.Context(), info)
	if got := faultOf(t, err); got.code != codes.InvalidArgument {
		t.Errorf("server info: %+v", got)
	}
	if after := h.check(t, listen(t, "anna", "anna")).GetContext().GetRevision(); after != before {
		t.Errorf("something changed: %s, before %s", after, before)
	}
}

func TestBadTenantIDs(t *testing.T) {
	h := world(t)
	for _, id := range []string{"", fmt.Sprintf("%0*d", policy.MaxIDBytes+1, 0), "a\nb", "a\x7f", "a\u0085b"} {
		in := listen(t, "anna", "anna")
		in.Tenant = id
		_, err := h.decisions.Check(t.Context(), in)
		if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "INVALID", "tenant"}); got != want {
			t.Errorf("check in %q: %+v, want %+v", id, got, want)
		}
		_, err = h.directory.CreateTenant(t.Context(), &klinkev1.CreateTenantRequest{Tenant: id, Model: "small"})
		if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "INVALID", "tenant"}); got != want {
			t.Errorf("create %q: %+v, want %+v", id, got, want)
		}
	}
	edge := fmt.Sprintf("%0*d", policy.MaxIDBytes, 0)
	h.found(t, edge)
	in := listen(t, "anna", "anna")
	in.Tenant = edge
	h.check(t, in)
}

func TestRequestSize(t *testing.T) {
	h := world(t)
	// A request of exactly so many bytes, whose context is one long text: refused by its own limit, or by gRPC's.
	sized := func(bytes int) *klinkev1.CheckRequest {
		in := listen(t, "anna", "anna")
		text := &structpb.Value_StringValue{}
		in.Context = &structpb.Struct{Fields: map[string]*structpb.Value{"text": {Kind: text}}}
		for range 8 { // the lengths' lengths settle
			text.StringValue = string(make([]byte, max(0, len(text.StringValue)+bytes-proto.Size(in))))
		}
		if proto.Size(in) != bytes {
			t.Fatalf("made %d bytes, want %d", proto.Size(in), bytes)
		}
		return in
	}
	_, err := h.decisions.Check(t.Context(), sized(policy.MaxRequestBytes))
	if got := faultOf(t, err); got.code != codes.InvalidArgument || got.field == "" {
		t.Errorf("at the limit: %+v, want the long text to be blamed", got)
	}
	_, err = h.decisions.Check(t.Context(), sized(policy.MaxRequestBytes+1))
	// The error is gRPC's own, since it does not let a longer message in.
	if got := faultOf(t, err); got.code != codes.ResourceExhausted || !strings.Contains(err.Error(), "4194305 vs. 4194304") {
		t.Errorf("one byte more: %+v, want ResourceExhausted and the limit: %v", got, err)
	}
	_, err = h.directory.PutModel(t.Context(), &klinkev1.PutModelRequest{Model: &klinkev1.Model{Name: string(make([]byte, policy.MaxRequestBytes))}})
	if got := faultOf(t, err); got.code != codes.ResourceExhausted {
		t.Errorf("a long model: %+v", got)
	}
}

func TestWriteLimit(t *testing.T) {
	h := world(t)
	in := &klinkev1.WriteRequest{Tenant: "acme"}
	for i := range policy.MaxWriteChanges {
		in.Changes = append(in.Changes, user(fmt.Sprintf("user%d", i)))
	}
	if _, err := h.directory.Write(t.Context(), in); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	in.Changes = append(in.Changes, user("one more"))
	_, err := h.directory.Write(t.Context(), in)
	if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "TOO_LARGE", "changes"}); got != want {
		t.Errorf("one more: %+v, want %+v", got, want)
	}
}
