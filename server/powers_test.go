// These tests prove who may make which call: every call, with every power, on the caller's own, a foreign and a missing
// tenant. The calls come from the descriptors, so a new one without a row here fails.
package server

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/caller"
)

// roster is a file of callers with the book that a server reads from it.
type roster struct {
	path string
	book *caller.Book
	log  *logbook
}

func newRoster(t testing.TB) *roster {
	t.Helper()
	r := &roster{path: filepath.Join(t.TempDir(), "callers.yaml"), log: &logbook{}}
	r.book = caller.NewBook(slog.New(slog.NewTextHandler(r.log, nil)))
	return r
}

// token makes a caller, on all tenants when none is named.
func (r *roster) token(t testing.TB, name string, powers caller.Powers, tenants ...string) string {
	t.Helper()
	token, err := caller.Create(r.path, caller.Caller{Name: name, Powers: powers, Tenants: tenants, All: len(tenants) == 0})
	if err != nil {
		t.Fatal(err)
	}
	r.load(t)
	return token
}

func (r *roster) load(t testing.TB) {
	t.Helper()
	content, err := os.ReadFile(r.path)
	if err == nil {
		err = r.book.Load(r.path, content)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (r *roster) revoke(t testing.TB, name string) {
	t.Helper()
	if err := caller.Revoke(r.path, name); err != nil {
		t.Fatal(err)
	}
	r.load(t)
}

// as makes a call somebody's.
func as(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// guarded serves a house's tenants a second time, to callers only.
func (h *house) guarded(t testing.TB, r *roster) *house {
	t.Helper()
	g := start(t, Config{Tenants: h.tenants, Log: slog.New(slog.NewTextHandler(r.log, nil)), Version: "v0-test", Callers: r.book})
	g.log = r.log
	g.dial(t, g.addr)
	return g
}

// row is what is expected of one call.
type row struct {
	powers []caller.Power                    // each of which suffices; nil: every caller's call
	scope  scope                             // what of a tenant must be the caller's
	open   bool                              // everyone's call
	field  string                            // names the tenant
	ask    func(tenant string) proto.Message // changes nothing that later rows need
}

func mayListen(tenant string) *klinkev1.CheckRequest {
	return &klinkev1.CheckRequest{
		Tenant:   tenant,
		Subject:  &klinkev1.QuestionSubject{Type: "user", Id: "anna"},
		Action:   &klinkev1.QuestionAction{Name: "listen"},
		Resource: &klinkev1.QuestionResource{Type: "recording", Id: "*"},
	}
}

// rows are the table: by call.
func rows() map[string]row {
	member := []caller.Power{caller.Check, caller.Watch, caller.EditDirectory, caller.EditModel, caller.Tenants}
	services := func(string) proto.Message {
		return &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}
	}
	return map[string]row{
		"/klinke.v1.DecisionService/Check": {
			powers: []caller.Power{caller.Check}, field: "tenant", ask: func(tenant string) proto.Message { return mayListen(tenant) },
		},
		"/klinke.v1.DecisionService/BatchCheck": {
			powers: []caller.Power{caller.Check}, field: "tenant",
			ask: func(tenant string) proto.Message {
				return &klinkev1.BatchCheckRequest{Tenant: tenant, Evaluations: []*klinkev1.BatchItem{{}}}
			},
		},
		"/klinke.v1.DecisionService/Explain": {
			powers: []caller.Power{caller.Check}, field: "question.tenant",
			ask: func(tenant string) proto.Message { return &klinkev1.ExplainRequest{Question: mayListen(tenant)} },
		},
		"/klinke.v1.DecisionService/StreamCheck": { // each answer says whether the tenant is the caller's: see below
			powers: []caller.Power{caller.Check}, scope: aboutNone, field: "question.tenant",
			ask: func(tenant string) proto.Message { return &klinkev1.StreamCheckRequest{Question: mayListen(tenant)} },
		},
		"/klinke.v1.WatchService/Watch": {
			powers: []caller.Power{caller.Watch}, field: "tenant",
			ask: func(tenant string) proto.Message { return &klinkev1.WatchRequest{Tenant: tenant, FromNow: true} },
		},
		"/klinke.v1.WatchService/Watch without a tenant": {
			powers: []caller.Power{caller.Watch}, scope: aboutServer,
			ask: func(string) proto.Message { return &klinkev1.WatchRequest{FromNow: true} },
		},
		"/klinke.v1.DecisionService/GetServerInfo": {
			scope: aboutNone, ask: func(string) proto.Message { return &klinkev1.GetServerInfoRequest{} },
		},
		"/klinke.v1.DirectoryService/Write": {
			powers: []caller.Power{caller.EditDirectory}, field: "tenant",
			ask: func(tenant string) proto.Message { return &klinkev1.WriteRequest{Tenant: tenant} },
		},
		"/klinke.v1.DirectoryService/Read": {
			powers: []caller.Power{caller.EditDirectory, caller.Watch}, field: "tenant",
			ask: func(tenant string) proto.Message {
				return &klinkev1.ReadRequest{Tenant: tenant, Kind: klinkev1.RecordKind_RECORD_KIND_ROLE}
			},
		},
		"/klinke.v1.DirectoryService/InheritGroups": {
			powers: []caller.Power{caller.Check, caller.EditDirectory}, field: "tenant",
			ask: func(tenant string) proto.Message {
				return &klinkev1.InheritGroupsRequest{
					Tenant: tenant, Event: klinkev1.SaveEvent_SAVE_EVENT_CREATE, Resource: &klinkev1.QuestionResource{Type: "recording", Id: "r"},
				}
			},
		},
		"/klinke.v1.DirectoryService/CreateTenant": {
			powers: []caller.Power{caller.Tenants}, scope: aboutNewTenant, field: "tenant",
			ask: func(tenant string) proto.Message {
				return &klinkev1.CreateTenantRequest{Tenant: tenant, Model: "nothing"}
			},
		},
		"/klinke.v1.DirectoryService/DeleteTenant": {
			powers: []caller.Power{caller.Tenants}, field: "tenant",
			ask: func(tenant string) proto.Message {
				return &klinkev1.DeleteTenantRequest{Tenant: tenant, ExpectedRevision: "aaaaaaaaaaaaaaaa-1"}
			},
		},
		"/klinke.v1.DirectoryService/ListTenants": {
			scope: aboutNone, ask: func(string) proto.Message { return &klinkev1.ListTenantsRequest{} },
		},
		"/klinke.v1.DirectoryService/PutModel": {
			powers: []caller.Power{caller.EditModel}, scope: aboutServer,
			ask: func(string) proto.Message { return &klinkev1.PutModelRequest{Model: model(), ValidateOnly: true} },
		},
		"/klinke.v1.DirectoryService/GetModel": {
			powers: member, field: "tenant",
			ask: func(tenant string) proto.Message { return &klinkev1.GetModelRequest{Tenant: tenant} },
		},
		"/klinke.v1.DirectoryService/GetModel without a tenant": {
			powers: []caller.Power{caller.EditDirectory, caller.EditModel, caller.Tenants}, scope: aboutNone,
			ask: func(string) proto.Message { return &klinkev1.GetModelRequest{Model: "small"} },
		},
		"/grpc.health.v1.Health/Check": {open: true, ask: func(string) proto.Message { return &healthv1.HealthCheckRequest{} }},
		"/grpc.health.v1.Health/List":  {open: true, ask: func(string) proto.Message { return &healthv1.HealthListRequest{} }},
		"/grpc.health.v1.Health/Watch": {open: true, ask: func(string) proto.Message { return &healthv1.HealthCheckRequest{} }},

		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      {scope: aboutNone, ask: services},
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": {scope: aboutNone, ask: services},
	}
}

// calls are all that the server registers and all that our protocol describes.
func calls(t *testing.T, s *Server) map[string]protoreflect.MethodDescriptor {
	t.Helper()
	out := map[string]protoreflect.MethodDescriptor{}
	add := func(service protoreflect.ServiceDescriptor) {
		for i := range service.Methods().Len() {
			m := service.Methods().Get(i)
			out["/"+string(service.FullName())+"/"+string(m.Name())] = m
		}
	}
	for name := range s.grpc.GetServiceInfo() {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			t.Fatal(err)
		}
		add(d.(protoreflect.ServiceDescriptor))
	}
	protoregistry.GlobalFiles.RangeFilesByPackage("klinke.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			add(f.Services().Get(i))
		}
		return true
	})
	return out
}

// answer makes a call, or begins a stream, and returns how it went up to the first answer.
func (h *house) answer(ctx context.Context, t *testing.T, m protoreflect.MethodDescriptor, in proto.Message) *status.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	kind, err := protoregistry.GlobalTypes.FindMessageByName(m.Output().FullName())
	if err != nil {
		t.Fatal(err)
	}
	name := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
	out := kind.New().Interface()
	if !m.IsStreamingClient() && !m.IsStreamingServer() {
		return status.Convert(h.conn.Invoke(ctx, name, in, out))
	}
	desc := &grpc.StreamDesc{ClientStreams: m.IsStreamingClient(), ServerStreams: m.IsStreamingServer()}
	stream, err := h.conn.NewStream(ctx, desc, name)
	if err != nil {
		return status.Convert(err)
	}
	_ = stream.SendMsg(in) // how it went is told by what is received
	return status.Convert(stream.RecvMsg(out))
}

// bytes are all that a caller sees of a status.
func bytesOf(t *testing.T, st *status.Status) string {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(st.Proto())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// verdictOn is what a status says about the caller.
func verdictOn(st *status.Status, field string) string {
	switch f := faultIn(st); {
	case f.code == codes.Unauthenticated && f.reason == "UNAUTHENTICATED":
		return "unauthenticated"
	case f.code == codes.PermissionDenied && f.reason == "FORBIDDEN":
		return "forbidden"
	case f.code == codes.NotFound && f.field == field && st.Message() == field+": no such tenant":
		return "no such tenant"
	}
	return "admitted"
}

// want is what a row says of a caller with a power, on all tenants or on acme alone.
func (r row) want(power caller.Power, all bool, tenant string) string {
	own := all || tenant == "acme"
	switch {
	case r.open:
		return "admitted"
	case r.powers != nil && !slices.Contains(r.powers, power), r.scope == aboutServer && !all, r.scope == aboutNewTenant && !own:
		return "forbidden"
	case r.scope == aboutTenant && (!own || tenant == "missing"):
		return "no such tenant"
	}
	return "admitted"
}

func TestEveryCallHasARow(t *testing.T) {
	h := world(t)
	known, table := rules(), rows()
	all := calls(t, h.server)
	for name := range all {
		if _, ok := known[name]; !ok {
			t.Errorf("%s has no rule: say in powers.go who may make it", name)
		}
		if _, ok := table[name]; !ok {
			t.Errorf("%s has no row in this test", name)
		}
	}
	for name := range known {
		if all[name] == nil {
			t.Errorf("the rule for %s is about a call that is not there", name)
		}
	}
	for name := range table {
		if name, _, _ = strings.Cut(name, " "); all[name] == nil {
			t.Errorf("the row for %s is about a call that is not there", name)
		}
	}
}

func TestWhoMayCallWhat(t *testing.T) {
	plain := world(t)
	plain.found(t, "globex")
	r := newRoster(t)
	some, all := map[caller.Power]string{}, map[caller.Power]string{}
	for _, p := range caller.EveryPower() {
		some[p] = r.token(t, "some-"+p.String(), caller.Of(p), "acme")
		all[p] = r.token(t, "all-"+p.String(), caller.Of(p))
	}
	h := plain.guarded(t, r)
	methods := calls(t, h.server)
	tenants := []string{"acme", "globex", "missing"}
	for _, name := range slices.Sorted(maps.Keys(rows())) {
		row := rows()[name]
		name, _, _ := strings.Cut(name, " ")
		m := methods[name]
		if m == nil {
			t.Errorf("%s is not there", name)
			continue
		}
		missing := map[string]bool{} // how a tenant that is not there, or not the caller's, looks
		for _, p := range caller.EveryPower() {
			for _, whole := range []bool{false, true} {
				token := some[p]
				if whole {
					token = all[p]
				}
				seen := map[string]string{}
				for _, tenant := range tenants {
					st := h.answer(as(t.Context(), token), t, m, row.ask(tenant))
					seen[tenant] = bytesOf(t, st)
					if got, want := verdictOn(st, row.field), row.want(p, whole, tenant); got != want {
						t.Errorf("%s about %s, by a caller with %v (on all: %t): %s, want %s: %v", name, tenant, p, whole, got, want, st)
					}
					if verdictOn(st, row.field) == "no such tenant" {
						missing[seen[tenant]] = true
					}
				}
				if !whole && seen["globex"] != seen["missing"] {
					t.Errorf("%s, by a caller with %v on acme: a foreign tenant is answered %q, a missing one %q", name, p, seen["globex"], seen["missing"])
				}
			}
		}
		if len(missing) > 1 {
			t.Errorf("%s: what the caller may not see and what is not there differ: %q", name, slices.Collect(maps.Keys(missing)))
		}
		strange := map[string]bool{}
		for _, tenant := range tenants {
			st := h.answer(t.Context(), t, m, row.ask(tenant))
			strange[bytesOf(t, st)] = true
			if got, want := verdictOn(st, row.field), "unauthenticated"; got != want && !row.open {
				t.Errorf("%s about %s, by nobody: %s, want %s", name, tenant, got, want)
			}
		}
		if len(strange) != 1 {
			t.Errorf("%s, by nobody: tenants are told apart: %q", name, slices.Collect(maps.Keys(strange)))
		}
	}
	for _, token := range slices.Concat(slices.Collect(maps.Values(some)), slices.Collect(maps.Values(all))) {
		if strings.Contains(r.log.String(), token[len(token)-20:]) {
			t.Fatal("the log holds a token")
		}
	}
}

// On a stream of questions each is about a tenant of its own, and what is not the caller's looks as if it were not there.
func TestStreamedQuestionsOfOthers(t *testing.T) {
	plain := world(t)
	plain.found(t, "globex")
	r := newRoster(t)
	h := plain.guarded(t, r)
	stream, err := h.decisions.StreamCheck(as(t.Context(), r.token(t, "some", caller.Of(caller.Check), "acme")))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(in *klinkev1.CheckRequest) *klinkev1.CheckResponse {
		t.Helper()
		if err := stream.Send(&klinkev1.StreamCheckRequest{Id: 1, Question: in}); err != nil {
			t.Fatal(err)
		}
		out, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return out.GetAnswer()
	}
	if out := ask(mayListen("acme")); !out.GetDecision() {
		t.Errorf("her own tenant: %v", out)
	}
	foreign, missing := ask(mayListen("globex")), ask(mayListen("missing"))
	if foreign.GetDecision() || !proto.Equal(foreign, missing) || foreign.GetContext().GetError().GetMessage() != "tenant: no such tenant" {
		t.Errorf("a foreign tenant: %v; a missing one: %v", foreign, missing)
	}
	call := dials(t, "anna", "112")
	call.Tenant = "globex"
	if out := ask(call); !out.GetDecision() || out.GetContext().GetRevision() != "" {
		t.Errorf("an emergency call about a foreign tenant: %v", out)
	}
}

// A request names its tenant where the guard looks for it.
func TestEveryRequestNamesItsTenant(t *testing.T) {
	h := world(t)
	for name, m := range calls(t, h.server) {
		kind, err := protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName())
		if err != nil {
			t.Fatal(err)
		}
		_, _, named := tenantNamed(kind.New().Interface())
		if want := rows()[name].field != ""; named != want {
			t.Errorf("%s names a tenant: %t, want %t", name, named, want)
		}
	}
}
