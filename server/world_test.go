// The world of these tests promises that they ask a real server over a real connection, on a store of its own.
package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/live"
	"github.com/klinke-authz/klinke/store"
	"github.com/klinke-authz/klinke/store/mem"
)

// All tests of this package leave no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is a small vendor's: recordings are listened to, calls are placed from Germany, settings are edited by nobody yet.
func model() *klinkev1.Model {
	is := &klinkev1.Test{Test: &klinkev1.Test_Is{Is: &klinkev1.Is{Attribute: "employee"}}}
	reach := &klinkev1.Scale{Name: "reach", Levels: []*klinkev1.Level{
		{Name: "none"},
		{Name: "own", Relations: []*klinkev1.Test{is}},
		{Name: "any", Any: true},
	}}
	yes := &klinkev1.Scale{Name: "yes", Levels: []*klinkev1.Level{{Name: "none"}, {Name: "any", Any: true}}}
	return &klinkev1.Model{
		Name:    "small",
		Combine: klinkev1.Combine_COMBINE_HIGHEST,
		Types: []*klinkev1.ResourceType{
			{
				Name:       "recording",
				Attributes: []*klinkev1.Attribute{{Name: "employee", Kind: klinkev1.AttributeKind_ATTRIBUTE_KIND_USER}},
				Actions:    []*klinkev1.Action{{Name: "listen", Rule: &klinkev1.Rule{Scale: reach}}},
			},
			{
				Name: "call",
				Attributes: []*klinkev1.Attribute{
					{Name: "destination", Kind: klinkev1.AttributeKind_ATTRIBUTE_KIND_NUMBER},
					{Name: "site", Kind: klinkev1.AttributeKind_ATTRIBUTE_KIND_ID, Of: "site", Optional: true},
				},
				Actions: []*klinkev1.Action{{Name: "place", Rule: &klinkev1.Rule{
					Emergency: []*klinkev1.Emergency{{Attribute: "destination"}},
					Scale:     yes,
				}}},
			},
		},
		Roles: []*klinkev1.RoleTemplate{{
			Role:  &klinkev1.Role{Id: "agent"},
			Cells: []*klinkev1.Cell{{Role: "agent", Permission: "recording.listen", Level: "own"}},
		}},
		Regions: []*klinkev1.Region{
			{Name: "DE", Country: "49", Trunk: "0", International: "00", Emergency: []string{"110", "112"}},
		},
		DefaultRegion: "DE",
	}
}

func put(r *klinkev1.Record) *klinkev1.Change {
	return &klinkev1.Change{Change: &klinkev1.Change_Put{Put: r}}
}

func user(id string) *klinkev1.Change {
	return put(&klinkev1.Record{Record: &klinkev1.Record_Subject{
		Subject: &klinkev1.Subject{Type: klinkev1.SubjectType_SUBJECT_TYPE_USER, Id: id},
	}})
}

func cell(role, permission, level string) *klinkev1.Change {
	return put(&klinkev1.Record{Record: &klinkev1.Record_Cell{
		Cell: &klinkev1.Cell{Role: role, Permission: permission, Level: level},
	}})
}

func assign(holder string) *klinkev1.Change {
	return put(&klinkev1.Record{Record: &klinkev1.Record_Assignment{
		Assignment: &klinkev1.Assignment{Role: "agent", Holder: holder},
	}})
}

// house is a running server with its clients and its log.
type house struct {
	server    *Server
	tenants   *live.Tenants
	addr      net.Addr
	conn      *grpc.ClientConn
	decisions klinkev1.DecisionServiceClient
	directory klinkev1.DirectoryServiceClient
	log       *logbook
}

// logbook is a log that can be read while it is written.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// over serves a store on a loopback port until the test ends.
func over(t testing.TB, s store.Store) *house {
	t.Helper()
	book := &logbook{}
	h := serve(t, s, slog.New(slog.NewTextHandler(book, nil)))
	h.log = book
	return h
}

func serve(t testing.TB, s store.Store, log *slog.Logger) *house {
	t.Helper()
	tenants := live.New(s, log)
	t.Cleanup(tenants.Close)
	h := start(t, Config{Tenants: tenants, Log: log, Version: "v0-test"})
	h.dial(t, h.addr)
	return h
}

// start serves on a loopback port until the test ends.
func start(t testing.TB, c Config) *house {
	t.Helper()
	h := &house{tenants: c.Tenants}
	var err error
	if h.server, err = New(c); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(t.Context(), "127.0.0.1:0", Guarded{})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = h.server.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
	h.addr = l.Addr()
	return h
}

func (h *house) dial(t testing.TB, addr net.Addr) {
	t.Helper()
	h.dialAs(t, addr, insecure.NewCredentials())
}

func (h *house) dialAs(t testing.TB, addr net.Addr, as credentials.TransportCredentials) {
	t.Helper()
	conn, err := grpc.NewClient(addr.String(), grpc.WithTransportCredentials(as))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	h.conn = conn
	h.decisions = klinkev1.NewDecisionServiceClient(h.conn)
	h.directory = klinkev1.NewDirectoryServiceClient(h.conn)
}

// world is a house with the tenant acme, in which anna and bert are agents and carl is nothing.
func world(t testing.TB) *house {
	t.Helper()
	s := mem.New()
	t.Cleanup(func() { _ = s.Close() })
	h := over(t, s)
	h.found(t, "acme")
	return h
}

func (h *house) found(t testing.TB, tenant string) {
	t.Helper()
	ctx := context.Background()
	if _, err := h.directory.PutModel(ctx, &klinkev1.PutModelRequest{Model: model()}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.directory.CreateTenant(ctx, &klinkev1.CreateTenantRequest{Tenant: tenant, Model: "small"}); err != nil {
		t.Fatal(err)
	}
	h.write(t, tenant, user("anna"), user("bert"), user("carl"), assign("user:anna"), assign("user:bert"))
}

func (h *house) write(t testing.TB, tenant string, changes ...*klinkev1.Change) *klinkev1.WriteResponse {
	t.Helper()
	out, err := h.directory.Write(context.Background(), &klinkev1.WriteRequest{Tenant: tenant, Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func facts(t testing.TB, m map[string]any) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// listen asks whether a user may listen to an employee's recording.
func listen(t testing.TB, who, employee string) *klinkev1.CheckRequest {
	return &klinkev1.CheckRequest{
		Tenant:  "acme",
		Subject: &klinkev1.QuestionSubject{Type: "user", Id: who},
		Action:  &klinkev1.QuestionAction{Name: "listen"},
		Resource: &klinkev1.QuestionResource{
			Type: "recording", Id: "rec-9", Properties: facts(t, map[string]any{"employee": employee}),
		},
	}
}

// dials asks whether a user may place a call.
func dials(t testing.TB, who, number string) *klinkev1.CheckRequest {
	return &klinkev1.CheckRequest{
		Tenant:  "acme",
		Subject: &klinkev1.QuestionSubject{Type: "user", Id: who},
		Action:  &klinkev1.QuestionAction{Name: "place"},
		Resource: &klinkev1.QuestionResource{
			Type: "call", Id: "c1", Properties: facts(t, map[string]any{"destination": number}),
		},
	}
}

// fault is what a caller learns of an error.
type fault struct {
	code   codes.Code
	reason string
	field  string
}

func faultOf(t testing.TB, err error) fault {
	t.Helper()
	st, ok := status.FromError(err)
	if !ok || err == nil {
		t.Errorf("%v is no status of a failure", err)
	}
	return faultIn(st)
}

func faultIn(st *status.Status) fault {
	f := fault{code: st.Code()}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == "klinke" {
				f.reason = d.GetReason()
			}
		case *errdetails.BadRequest:
			f.field = d.GetFieldViolations()[0].GetField()
		}
	}
	return f
}

var errBroken = errors.New("secret of the disk")

// broken is a store whose disk is away for some calls, or whose code panics.
type broken struct {
	store.Store
	mu    sync.Mutex
	err   error
	panic bool
	// Appends announce themselves in entered and wait for gate.
	entered, gate chan struct{}
}

// hold makes the next append wait until it is released.
func (s *broken) hold() (entered <-chan struct{}, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entered, s.gate = make(chan struct{}), make(chan struct{})
	return s.entered, sync.OnceFunc(func() { close(s.gate) })
}

func (s *broken) set(err error, panics bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.panic = err, panics
}

func (s *broken) trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panic {
		panic("a bug in the store")
	}
	return s.err
}

func (s *broken) Load(tenant string, each func([]byte) error) (store.Tenant, store.Position, error) {
	if err := s.trouble(); err != nil {
		return store.Tenant{}, 0, err
	}
	return s.Store.Load(tenant, each)
}

func (s *broken) Append(tenant string, head store.Position, entries ...*klinkev1.Entry) (store.Position, error) {
	if err := s.trouble(); err != nil {
		return 0, err
	}
	if s.gate != nil {
		close(s.entered)
		<-s.gate
	}
	return s.Store.Append(tenant, head, entries...)
}

func (s *broken) Tenants(after string, limit int) ([]store.Tenant, error) {
	if err := s.trouble(); err != nil {
		return nil, err
	}
	return s.Store.Tenants(after, limit)
}
