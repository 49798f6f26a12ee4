// The mirror of these tests follows a stream as a client would and names each promise that the stream breaks: ordered, unique,
// atomic, bookmarkable, reliable, resumable, converging.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// mirror is what a client makes of the events of a watch.
type mirror struct {
	t      testing.TB
	tenant string // empty for all

	mu       sync.Mutex
	tables   map[string]map[string]*klinkev1.Record // by tenant and key
	last     uint64                                 // the newest position told
	seen     map[uint64]*klinkev1.Entry             // since the last resync
	cursor   string
	caughtUp bool
	resyncs  int
	part     *klinkev1.Entry // the beginning of an entry that continues
	deleted  bool
	beats    int
	revision string // of the last event that has one
}

func newMirror(t testing.TB, tenant string) *mirror {
	m := &mirror{t: t, tenant: tenant}
	m.forget()
	return m
}

func (m *mirror) forget() {
	m.tables, m.seen = map[string]map[string]*klinkev1.Record{}, map[uint64]*klinkev1.Entry{}
	m.last, m.cursor, m.caughtUp, m.part = 0, "", false, nil
}

func (m *mirror) brokenf(promise, format string, args ...any) {
	m.t.Errorf("%s is broken: %s", promise, fmt.Sprintf(format, args...))
}

// take takes an event.
func (m *mirror) take(e *klinkev1.WatchResponse) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.part != nil && (e.GetEntry() == nil || e.GetEntry().GetPosition() != m.part.GetPosition()) {
		m.brokenf("atomic", "the entry at %d is cut off by %v", m.part.GetPosition(), e)
	}
	if m.tenant != "" && e.GetTenant() != m.tenant {
		m.brokenf("reliable", "an event of %q came to who watches %q", e.GetTenant(), m.tenant)
	}
	if e.GetRevision() != "" {
		m.revision = e.GetRevision()
	}
	switch event := e.GetEvent().(type) {
	case *klinkev1.WatchResponse_Records:
		table := m.table(e.GetTenant())
		for _, r := range event.Records.GetRecords() {
			table[keyOf(r)] = r
		}
	case *klinkev1.WatchResponse_Entry:
		m.entry(e, event.Entry)
	case *klinkev1.WatchResponse_TenantCreated:
		m.tables[e.GetTenant()] = map[string]*klinkev1.Record{}
	case *klinkev1.WatchResponse_TenantDeleted:
		delete(m.tables, e.GetTenant())
		m.deleted = true
	case *klinkev1.WatchResponse_CaughtUp:
		if m.caughtUp {
			m.brokenf("unique", "the stream caught up twice")
		}
		m.caughtUp = true
	case *klinkev1.WatchResponse_Heartbeat:
		m.beats++
	case *klinkev1.WatchResponse_Resync:
		m.resyncs++
		m.forget()
	default:
		m.t.Errorf("an event of no kind: %v", e)
	}
	if e.GetCursor() != "" {
		m.cursor = e.GetCursor()
	}
}

func (m *mirror) table(tenant string) map[string]*klinkev1.Record {
	if m.tables[tenant] == nil {
		m.tables[tenant] = map[string]*klinkev1.Record{}
	}
	return m.tables[tenant]
}

func (m *mirror) entry(e *klinkev1.WatchResponse, entry *klinkev1.Entry) {
	if m.part != nil {
		whole := proto.CloneOf(entry)
		whole.Changes = append(m.part.GetChanges(), entry.GetChanges()...)
		entry = whole
	}
	if m.part = nil; e.GetContinues() {
		if e.GetCursor() != "" {
			m.brokenf("bookmarkable", "a part of the entry at %d has a cursor", entry.GetPosition())
		}
		m.part = entry
		return
	}
	switch at := entry.GetPosition(); {
	case m.seen[at] != nil:
		m.brokenf("unique", "the entry at %d came twice", at)
	case at <= m.last:
		m.brokenf("ordered", "the entry at %d came after the one at %d", at, m.last)
	}
	m.last = entry.GetPosition()
	m.seen[m.last] = entry
	table := m.table(e.GetTenant())
	for _, c := range entry.GetChanges() {
		if r := c.GetPut(); r != nil {
			table[keyOf(r)] = r
		} else {
			delete(table, keyOf(c.GetDelete()))
		}
	}
}

func keyOf(r *klinkev1.Record) string {
	kind, parts := policy.RecordKey(r)
	return string(policy.AppendKey(nil, kind, parts))
}

// follow follows the watch until done says that enough has been seen, from the cursor on if there is one. It returns whether
// the stream ended by itself, with the tenant.
func (m *mirror) follow(ctx context.Context, h *house, in *klinkev1.WatchRequest, done func() bool) (ended bool) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in = proto.CloneOf(in)
	in.Tenant, in.Cursor = m.tenant, m.cursor
	if m.cursor == "" {
		m.forget()
	} else {
		in.FromNow = false
	}
	m.caughtUp, m.part = false, nil
	stream, err := klinkev1.NewWatchServiceClient(h.conn).Watch(ctx, in)
	if err != nil {
		m.t.Error(err)
		return true
	}
	for !done() {
		e, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			if code := status.Code(err); code != codes.Canceled && code != codes.NotFound {
				m.t.Errorf("the stream failed: %v", err)
			}
			return true
		}
		m.take(e)
	}
	return false
}

// until is a condition on the mirror.
func (m *mirror) until(holds func() bool) func() bool {
	return func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return holds()
	}
}

// converged fails unless the mirror has what the server has.
func (m *mirror) converged(h *house) {
	m.t.Helper()
	tenants := []string{m.tenant}
	if m.tenant == "" {
		tenants = nil
		all, err := h.directory.ListTenants(context.Background(), &klinkev1.ListTenantsRequest{})
		if err != nil {
			m.t.Fatal(err)
		}
		for _, x := range all.GetTenants() {
			tenants = append(tenants, x.GetId())
		}
		if got := slices.Sorted(maps.Keys(m.tables)); !slices.Equal(got, tenants) {
			m.brokenf("converging", "there are tenants %q, and %q are known", tenants, got)
		}
	}
	for _, tenant := range tenants {
		m.compare(tenant, h.recordsOf(m.t, tenant))
	}
}

func (m *mirror) compare(tenant string, want map[string]*klinkev1.Record) {
	m.t.Helper()
	got := m.table(tenant)
	for key, r := range want {
		if !proto.Equal(got[key], r) {
			m.brokenf("converging", "%s has %v, and the mirror %v", tenant, r, got[key])
			return
		}
	}
	for key, r := range got {
		if want[key] == nil {
			m.brokenf("converging", "%s has no %v, and the mirror does", tenant, r)
			return
		}
	}
}

// recordsOf lists all records of a tenant.
func (h *house) recordsOf(t testing.TB, tenant string) map[string]*klinkev1.Record {
	t.Helper()
	all := map[string]*klinkev1.Record{}
	for number, name := range klinkev1.RecordKind_name {
		if number == 0 {
			continue
		}
		for token := ""; ; {
			page, err := h.directory.Read(context.Background(), &klinkev1.ReadRequest{Tenant: tenant, Kind: klinkev1.RecordKind(number), PageToken: token})
			if err != nil {
				t.Fatalf("reading %s: %v", strings.ToLower(name), err)
			}
			for _, r := range page.GetRecords() {
				all[keyOf(r)] = r
			}
			if token = page.GetNextPageToken(); token == "" {
				break
			}
		}
	}
	return all
}
