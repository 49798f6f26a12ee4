// These tests prove that bad input of every sort, sent to a real server, is a clear error that names its field, and changes
// nothing. JSON never reaches the server: what a JSON document misspells is refused where it is read, by the program's
// commands and by grpcurl.
package server

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func record(r *klinkev1.Record) *klinkev1.Change { return put(r) }

func group(id string) *klinkev1.Change {
	return record(&klinkev1.Record{Record: &klinkev1.Record_Group{Group: &klinkev1.Group{Id: id}}})
}

func groupMember(group, member string) *klinkev1.Change {
	return record(&klinkev1.Record{Record: &klinkev1.Record_GroupMember{GroupMember: &klinkev1.GroupMember{Group: group, Member: member}}})
}

func department(id, parent string) *klinkev1.Change {
	return record(&klinkev1.Record{Record: &klinkev1.Record_Department{Department: &klinkev1.Department{Id: id, Parent: parent}}})
}

func role(id, under string) *klinkev1.Change {
	return record(&klinkev1.Record{Record: &klinkev1.Record_Role{Role: &klinkev1.Role{Id: id, Under: under}}})
}

func include(role, included string) *klinkev1.Change {
	return record(&klinkev1.Record{Record: &klinkev1.Record_RoleInclude{RoleInclude: &klinkev1.RoleInclude{Role: role, Included: included}}})
}

func useModel(version uint32) *klinkev1.Change {
	return record(&klinkev1.Record{Record: &klinkev1.Record_UseModel{UseModel: &klinkev1.UseModel{Model: "small", Version: version}}})
}

func drop(c *klinkev1.Change) *klinkev1.Change {
	return &klinkev1.Change{Change: &klinkev1.Change_Delete{Delete: c.GetPut()}}
}

// bad is one row: what is done, and what its caller learns.
type bad struct {
	do   func(ctx context.Context, h *house) error
	want fault
	says string // a part of the message
}

// asks is a row of a question, spoilt, which must fail alike when it is checked, explained and asked in a batch.
func asks(t *testing.T, spoil func(in *klinkev1.CheckRequest), reason, field, says string) bad {
	t.Helper()
	code := codes.InvalidArgument
	switch reason {
	case "NOT_FOUND":
		code = codes.NotFound
	case "GONE":
		code = codes.OutOfRange
	}
	want := fault{code, reason, field}
	return bad{want: want, says: says, do: func(ctx context.Context, h *house) error {
		in := listen(t, "anna", "anna")
		spoil(in)
		_, err := h.decisions.Explain(ctx, &klinkev1.ExplainRequest{Question: in})
		if got := faultOf(t, err); got != (fault{code, reason, "question." + field}) {
			t.Errorf("explained: %+v, want %+v below question", got, want)
		}
		out, err := h.decisions.BatchCheck(ctx, &klinkev1.BatchCheckRequest{
			Tenant: in.GetTenant(), MinRevision: in.GetMinRevision(), ActiveRoles: in.GetActiveRoles(), Context: in.GetContext(),
			Actor: in.GetActor(), Subject: in.GetSubject(), Action: in.GetAction(), Resource: in.GetResource(),
			Evaluations: []*klinkev1.BatchItem{{}},
		})
		if err == nil {
			item := out.GetEvaluations()[0]
			if item.Decision == nil || item.GetDecision() {
				t.Errorf("in a batch: decision %v", item.Decision)
			}
			err = status.ErrorProto(item.GetContext().GetError())
		}
		if got := faultOf(t, err); got != want {
			t.Errorf("in a batch: %+v, want %+v", got, want)
		}
		_, err = h.decisions.Check(ctx, in)
		return err
	}}
}

// writes is a row of changes, of which the first is good.
func writes(reason, field, says string, changes ...*klinkev1.Change) bad {
	code := codes.InvalidArgument
	switch reason {
	case "REFUSED":
		code = codes.FailedPrecondition
	case "NOT_FOUND":
		code = codes.NotFound
	}
	return bad{want: fault{code, reason, field}, says: says, do: func(ctx context.Context, h *house) error {
		_, err := h.directory.Write(ctx, &klinkev1.WriteRequest{Tenant: "acme", Changes: append([]*klinkev1.Change{user("good")}, changes...)})
		return err
	}}
}

// sends is a row of another request.
func sends[Q, A any](call func(ctx context.Context, h *house, in Q) (A, error), in Q, code codes.Code, reason, field, says string) bad {
	return bad{want: fault{code, reason, field}, says: says, do: func(ctx context.Context, h *house) error {
		_, err := call(ctx, h, in)
		return err
	}}
}

func writing(ctx context.Context, h *house, in *klinkev1.WriteRequest) (*klinkev1.WriteResponse, error) {
	return h.directory.Write(ctx, in)
}

func reading(ctx context.Context, h *house, in *klinkev1.ReadRequest) (*klinkev1.ReadResponse, error) {
	return h.directory.Read(ctx, in)
}

func creating(ctx context.Context, h *house, in *klinkev1.CreateTenantRequest) (*klinkev1.CreateTenantResponse, error) {
	return h.directory.CreateTenant(ctx, in)
}

func deleting(ctx context.Context, h *house, in *klinkev1.DeleteTenantRequest) (*klinkev1.DeleteTenantResponse, error) {
	return h.directory.DeleteTenant(ctx, in)
}

// puts is a row of a model, spoilt.
func puts(spoil func(m *klinkev1.Model), field, says string) bad {
	return bad{want: fault{codes.InvalidArgument, "INVALID", field}, says: says, do: func(ctx context.Context, h *house) error {
		m := model()
		spoil(m)
		_, err := h.directory.PutModel(ctx, &klinkev1.PutModelRequest{Model: m})
		return err
	}}
}

// needs is a rule that requires another action of the same resource.
func needs(action string) *klinkev1.Rule {
	return &klinkev1.Rule{Require: []*klinkev1.Test{{Test: &klinkev1.Test_Allowed{Allowed: &klinkev1.Allowed{Action: action}}}}}
}

// items is a batch of nothing but its defaults.
func items(n int) []*klinkev1.BatchItem {
	out := make([]*klinkev1.BatchItem, n)
	for i := range out {
		out[i] = &klinkev1.BatchItem{}
	}
	return out
}

const tooLong = policy.MaxIDBytes + 1

func TestBadQuestions(t *testing.T) {
	long := strings.Repeat("x", tooLong)
	facts := func(set map[string]*structpb.Value) func(in *klinkev1.CheckRequest) {
		return func(in *klinkev1.CheckRequest) { in.Resource.Properties = &structpb.Struct{Fields: set} }
	}
	text := structpb.NewStringValue
	many := func(n int) map[string]*structpb.Value {
		out := map[string]*structpb.Value{}
		for i := range n {
			out[fmt.Sprint("m", i)] = structpb.NewBoolValue(true)
		}
		return out
	}
	type in = *klinkev1.CheckRequest
	judge(t, map[string]bad{
		"tenant unknown":         asks(t, func(in in) { in.Tenant = "globex" }, "NOT_FOUND", "tenant", "no such tenant"),
		"tenant empty":           asks(t, func(in in) { in.Tenant = "" }, "INVALID", "tenant", "may not be empty"),
		"tenant too long":        asks(t, func(in in) { in.Tenant = long }, "INVALID", "tenant", "257 bytes; at most 256"),
		"subject missing":        asks(t, func(in in) { in.Subject = nil }, "INVALID", "subject", "missing"),
		"subject id empty":       asks(t, func(in in) { in.Subject.Id = "" }, "INVALID", "subject.id", "may not be empty"),
		"subject id too long":    asks(t, func(in in) { in.Subject.Id = long }, "INVALID", "subject.id", "257 bytes; at most 256"),
		"subject id with a bell": asks(t, func(in in) { in.Subject.Id = "a\a" }, "INVALID", "subject.id", "control character at byte 1"),
		"subject type unknown":   asks(t, func(in in) { in.Subject.Type = "ghost" }, "INVALID", "subject.type", "neither user nor app"),
		"actor of a wrong type": asks(t, func(in in) { in.Actor = &klinkev1.QuestionSubject{Type: "user", Id: "bert"} },
			"INVALID", "actor.type", "only an app"),
		"action missing": asks(t, func(in in) { in.Action = nil }, "INVALID", "action", "missing"),
		"action unknown": asks(t, func(in in) { in.Action.Name = "lisen" }, "INVALID", "action.name", `no action "lisen"`),
		"field of a type without fields": asks(t, func(in in) {
			in.Action = &klinkev1.QuestionAction{Name: "read", Properties: &structpb.Struct{Fields: map[string]*structpb.Value{"field": text("x")}}}
		}, "INVALID", "action.properties.field", "has no fields"),
		"property of an action unknown": asks(t, func(in in) {
			in.Action.Properties = &structpb.Struct{Fields: map[string]*structpb.Value{"fields": text("x")}}
		}, "INVALID", "action.properties.fields", "only property"),
		"resource missing":     asks(t, func(in in) { in.Resource = nil }, "INVALID", "resource", "missing"),
		"resource id empty":    asks(t, func(in in) { in.Resource.Id = "" }, "INVALID", "resource.id", "may not be empty"),
		"resource id too long": asks(t, func(in in) { in.Resource.Id = long }, "INVALID", "resource.id", "257 bytes; at most 256"),
		"type unknown":         asks(t, func(in in) { in.Resource.Type = "recroding" }, "INVALID", "resource.type", `no type "recroding"`),
		"type asked with facts": asks(t, func(in in) { in.Resource.Id = "*" },
			"INVALID", "resource.properties", "carries no facts"),
		"fact unknown": asks(t, facts(map[string]*structpb.Value{"emploee": text("bert")}),
			"INVALID", "resource.properties.emploee", `no attribute "emploee"`),
		"fact of a wrong kind": asks(t, facts(map[string]*structpb.Value{"employee": structpb.NewNumberValue(3)}),
			"INVALID", "resource.properties.employee", ""),
		"fact empty": asks(t, facts(map[string]*structpb.Value{"employee": text("")}),
			"INVALID", "resource.properties.employee", "may not be empty"),
		"fact too long for an id": asks(t, facts(map[string]*structpb.Value{"employee": text(long)}),
			"INVALID", "resource.properties.employee", "257 bytes; at most 256"),
		"facts too many": asks(t, facts(many(policy.MaxFacts+1)), "TOO_LARGE", "resource.properties", "65 facts; at most 64"),
		"context too many": asks(t, func(in in) { in.Context = &structpb.Struct{Fields: many(policy.MaxContext + 1)} },
			"TOO_LARGE", "context", "65 members; at most 64"),
		"context too long": asks(t, func(in in) {
			in.Context = &structpb.Struct{Fields: map[string]*structpb.Value{"note": text(strings.Repeat("x", policy.MaxFactBytes+1))}}
		}, "TOO_LARGE", "context.note", "more than 4096 bytes"),
		"role unknown": asks(t, func(in in) { in.ActiveRoles = []string{"agent", "boss"} }, "INVALID", "active_roles[1]", `no role "boss"`),
		"role twice":   asks(t, func(in in) { in.ActiveRoles = []string{"agent", "agent"} }, "INVALID", "active_roles[1]", "twice"),
		"roles too many": asks(t, func(in in) { in.ActiveRoles = make([]string, policy.MaxRolesInQuestion+1) },
			"TOO_LARGE", "active_roles", "at most 256"),
		"revision that is none":       asks(t, func(in in) { in.MinRevision = "yesterday" }, "INVALID", "min_revision", "not a revision"),
		"revision of another lineage": asks(t, func(in in) { in.MinRevision = "aaaaaaaaaaaaaaaa-7" }, "GONE", "min_revision", "another life"),
		"10,001 items": {
			want: fault{codes.InvalidArgument, "TOO_LARGE", "evaluations"}, says: "10001 items are more than the 10000",
			do: func(ctx context.Context, h *house) error {
				_, err := h.decisions.BatchCheck(ctx, &klinkev1.BatchCheckRequest{Tenant: "acme", Evaluations: items(policy.MaxBatchItems + 1)})
				return err
			},
		},
	})
}

func TestBadWrites(t *testing.T) {
	long := strings.Repeat("x", tooLong)
	stained := user("dora")
	stain(stained.GetPut().GetSubject())
	ghost := user("dora")
	ghost.GetPut().GetSubject().Type = 9
	lower := model()
	lower.Types[0].Actions[0].Rule.Scale.Levels = lower.Types[0].Actions[0].Rule.Scale.Levels[:1] // the role agent says own
	lower.Types[0].Actions[0].Rule.Scale.Levels = append(lower.Types[0].Actions[0].Rule.Scale.Levels, &klinkev1.Level{Name: "any", Any: true})
	lower.Roles = nil
	write := func(in *klinkev1.WriteRequest) *klinkev1.WriteRequest {
		if in.Tenant == "" {
			in.Tenant = "acme"
		}
		if in.Changes == nil {
			in.Changes = []*klinkev1.Change{user("good")}
		}
		return in
	}
	over := make([]*klinkev1.Change, policy.MaxWriteChanges+1)
	for i := range over {
		over[i] = user(fmt.Sprint("u", i))
	}
	judge(t, map[string]bad{
		"tenant unknown":      sends(writing, write(&klinkev1.WriteRequest{Tenant: "globex"}), codes.NotFound, "NOT_FOUND", "tenant", "no such tenant"),
		"level unknown":       writes("INVALID", "changes[1].put.cell.level", `"sometimes"`, cell("agent", "recording.listen", "sometimes")),
		"type unknown":        writes("INVALID", "changes[1].put.cell.permission", "recroding", cell("agent", "recroding.listen", "own")),
		"action unknown":      writes("INVALID", "changes[1].put.cell.permission", "lisen", cell("agent", "recording.lisen", "own")),
		"role unknown":        writes("INVALID", "changes[1].put.cell.role", "boss", cell("boss", "recording.listen", "own")),
		"holder unknown":      writes("INVALID", "changes[1].put.assignment.holder", "nowhere", assign("group:nowhere")),
		"holder that is none": writes("INVALID", "changes[1].put.assignment.holder", "", assign("anna")),
		"id empty":            writes("INVALID", "changes[1].put.subject.id", "", user("")),
		"id too long":         writes("INVALID", "changes[1].put.subject.id", "", user(long)),
		"id with a newline":   writes("INVALID", "changes[1].put.subject.id", "control character at byte 1", user("a\n")),
		"enum value unknown":  writes("INVALID", "changes[1].put.subject.type", "no value of SubjectType", ghost),
		"field unknown":       writes("INVALID", "changes[1].put.subject", "no field 2047", stained),
		"change empty":        writes("INVALID", "changes[1].change", "", &klinkev1.Change{}),
		"record empty":        writes("INVALID", "changes[1].put.record", "", put(&klinkev1.Record{})),
		"groups in a circle": writes("INVALID", "changes[4].put.group_member.member", "itself",
			group("g"), group("h"), groupMember("g", "group:h"), groupMember("h", "group:g")),
		"group in itself": writes("INVALID", "changes[2].put.group_member.member", "itself", group("g"), groupMember("g", "group:g")),
		"departments in a circle": writes("INVALID", "changes[3].put.department.parent", "itself",
			department("d", ""), department("e", "d"), department("d", "e")),
		"roles in a circle": writes("INVALID", "changes[3].put.role.under", "itself", role("r", ""), role("s", "r"), role("r", "s")),
		"inclusion in a circle": writes("INVALID", "changes[4].put.role_include.included", "itself",
			role("r", ""), role("s", ""), include("r", "s"), include("s", "r")),
		"model version that roles do not fit": {
			want: fault{codes.FailedPrecondition, "REFUSED", "changes[0].put.use_model.model"},
			says: `["agent" "recording.listen"]`,
			do: func(ctx context.Context, h *house) error {
				out, err := h.directory.PutModel(ctx, &klinkev1.PutModelRequest{Model: lower})
				if err != nil {
					t.Fatal(err)
				}
				_, err = h.directory.Write(ctx, &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{useModel(out.GetVersion())}})
				return err
			},
		},
		"model version unknown": writes("NOT_FOUND", "changes[1].put.use_model.model", "no version 99", useModel(99)),
		"delete with more than the key": writes("INVALID", "changes[1].delete", "the key alone",
			drop(cell("agent", "recording.listen", "own"))),
		"delete what is in use": writes("REFUSED", "changes[1].delete.role.id", "", drop(role("agent", ""))),
		"reason too long": sends(writing, write(&klinkev1.WriteRequest{Reason: strings.Repeat("x", 4097)}),
			codes.InvalidArgument, "INVALID", "reason", ""),
		"request id too long": sends(writing, write(&klinkev1.WriteRequest{RequestId: long}),
			codes.InvalidArgument, "INVALID", "request_id", ""),
		"request id with a tab": sends(writing, write(&klinkev1.WriteRequest{RequestId: "a\tb"}),
			codes.InvalidArgument, "INVALID", "request_id", "control character at byte 1"),
		"author with a newline": sends(writing, write(&klinkev1.WriteRequest{Author: "anna\nbert"}),
			codes.InvalidArgument, "INVALID", "author", "control character at byte 4"),
		"expected that is no revision": sends(writing, write(&klinkev1.WriteRequest{ExpectedRevision: "yesterday"}),
			codes.InvalidArgument, "INVALID", "expected_revision", "not a revision"),
		"expected of another lineage": sends(writing, write(&klinkev1.WriteRequest{ExpectedRevision: "aaaaaaaaaaaaaaaa-7"}),
			codes.OutOfRange, "GONE", "expected_revision", "another life"),
		"10,001 changes": sends(writing, write(&klinkev1.WriteRequest{Changes: over}),
			codes.InvalidArgument, "TOO_LARGE", "changes", "10001 changes are more than the 10000"),
	})
}

func TestBadCatalogue(t *testing.T) {
	long := strings.Repeat("x", tooLong)
	roles := klinkev1.RecordKind_RECORD_KIND_ROLE
	judge(t, map[string]bad{
		"read a kind that is none":    sends(reading, &klinkev1.ReadRequest{Tenant: "acme"}, codes.InvalidArgument, "INVALID", "kind", ""),
		"read a kind of the future":   sends(reading, &klinkev1.ReadRequest{Tenant: "acme", Kind: 99}, codes.InvalidArgument, "INVALID", "kind", "no value of RecordKind"),
		"read a page too large":       sends(reading, &klinkev1.ReadRequest{Tenant: "acme", Kind: roles, PageSize: maxReadPage + 1}, codes.InvalidArgument, "INVALID", "page_size", ""),
		"read from no page":           sends(reading, &klinkev1.ReadRequest{Tenant: "acme", Kind: roles, PageToken: "2"}, codes.InvalidArgument, "INVALID", "page_token", "no token of this list"),
		"read an unknown tenant":      sends(reading, &klinkev1.ReadRequest{Tenant: "globex", Kind: roles}, codes.NotFound, "NOT_FOUND", "tenant", ""),
		"create twice":                sends(creating, &klinkev1.CreateTenantRequest{Tenant: "acme", Model: "small"}, codes.AlreadyExists, "EXISTS", "tenant", ""),
		"create on no model":          sends(creating, &klinkev1.CreateTenantRequest{Tenant: "new", Model: "smal"}, codes.NotFound, "NOT_FOUND", "model", ""),
		"create on no version":        sends(creating, &klinkev1.CreateTenantRequest{Tenant: "new", Model: "small", Version: 9}, codes.NotFound, "NOT_FOUND", "model", ""),
		"create without id":           sends(creating, &klinkev1.CreateTenantRequest{Model: "small"}, codes.InvalidArgument, "INVALID", "tenant", ""),
		"create with a long id":       sends(creating, &klinkev1.CreateTenantRequest{Tenant: long, Model: "small"}, codes.InvalidArgument, "INVALID", "tenant", ""),
		"delete an unknown tenant":    sends(deleting, &klinkev1.DeleteTenantRequest{Tenant: "globex"}, codes.NotFound, "NOT_FOUND", "tenant", ""),
		"delete at another lineage":   sends(deleting, &klinkev1.DeleteTenantRequest{Tenant: "acme", ExpectedRevision: "aaaaaaaaaaaaaaaa-7"}, codes.OutOfRange, "GONE", "expected_revision", ""),
		"delete at no revision":       sends(deleting, &klinkev1.DeleteTenantRequest{Tenant: "acme", ExpectedRevision: "now"}, codes.InvalidArgument, "INVALID", "expected_revision", ""),
		"a model without a name":      puts(func(m *klinkev1.Model) { m.Name = "" }, "model.name", ""),
		"a model with a long name":    puts(func(m *klinkev1.Model) { m.Name = long }, "model.name", ""),
		"a model of an unknown level": puts(func(m *klinkev1.Model) { m.Roles[0].Cells[0].Level = "sometimes" }, "model.roles", `a level "sometimes" (of the record with the key ["agent" "recording.listen"])`),
		"a model of an unknown test": puts(func(m *klinkev1.Model) {
			m.Types[0].Relations = []*klinkev1.Relation{{Name: "r", Test: &klinkev1.Test{Test: &klinkev1.Test_Relation{Relation: "none such"}}}}
		}, "model.types[recording].relations[r]", "none such"),
		"a model with an enum value of the future": puts(func(m *klinkev1.Model) { m.Combine = 77 }, "model.combine", "no value of Combine"),
		"a model with an unknown field":            puts(func(m *klinkev1.Model) { stain(m.GetTypes()[0].GetAttributes()[0]) }, "model.types[0].attributes[0]", "no field 2047"),
		"a model whose requirements go in a circle": puts(func(m *klinkev1.Model) {
			m.Types[0].Actions = append(m.Types[0].Actions,
				&klinkev1.Action{Name: "a", Rule: needs("b")}, &klinkev1.Action{Name: "b", Rule: needs("a")})
		}, "model.types", "the rule of recording.a depends on itself"),
	})
}

// judge does what the rows say on one server, and holds the tenant and the catalogue to what they were.
func judge(t *testing.T, rows map[string]bad) {
	t.Helper()
	h := world(t)
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			before := present(t, h)
			err := row.do(t.Context(), h)
			if got := faultOf(t, err); got != row.want {
				t.Errorf("%+v, want %+v: %v", got, row.want, err)
			}
			if text := status.Convert(err).Message(); !strings.Contains(text, row.says) || !strings.HasPrefix(text, row.want.field) {
				t.Errorf("it says %q, want it to name %s and say %q", text, row.want.field, row.says)
			}
			if after := present(t, h); !proto.Equal(after, before) {
				t.Errorf("something changed: %v, before %v", after, before)
			}
		})
	}
}

// present is what is there: all tenants with their revisions.
func present(t *testing.T, h *house) *klinkev1.ListTenantsResponse {
	t.Helper()
	out, err := h.directory.ListTenants(t.Context(), &klinkev1.ListTenantsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
