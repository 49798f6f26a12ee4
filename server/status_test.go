// These tests prove what callers learn of errors: every kind has its code and reason, the field is named, causes stay in
// the log, and a tenant that is not there looks the same from everywhere.
package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store/mem"
)

func TestEveryKindHasItsStatus(t *testing.T) {
	want := map[policy.Kind]fault{
		policy.Internal:    {code: codes.Internal, reason: "INTERNAL"},
		policy.Invalid:     {code: codes.InvalidArgument, reason: "INVALID"},
		policy.NotFound:    {code: codes.NotFound, reason: "NOT_FOUND"},
		policy.Exists:      {code: codes.AlreadyExists, reason: "EXISTS"},
		policy.Conflict:    {code: codes.Aborted, reason: "CONFLICT"},
		policy.Refused:     {code: codes.FailedPrecondition, reason: "REFUSED"},
		policy.TooLarge:    {code: codes.InvalidArgument, reason: "TOO_LARGE"},
		policy.Unavailable: {code: codes.Unavailable, reason: "UNAVAILABLE"},
		policy.Gone:        {code: codes.OutOfRange, reason: "GONE"},
		policy.Damaged:     {code: codes.DataLoss, reason: "DAMAGED"},
		policy.Format:      {code: codes.Internal, reason: "FORMAT"},
		policy.Locked:      {code: codes.Unavailable, reason: "LOCKED"},

		policy.Unauthenticated: {code: codes.Unauthenticated, reason: "UNAUTHENTICATED"},
		policy.Forbidden:       {code: codes.PermissionDenied, reason: "FORBIDDEN"},
	}
	for kind := policy.Internal; kind <= policy.Forbidden+1; kind++ {
		expected, ok := want[kind]
		if !ok {
			expected = want[policy.Internal] // a kind that was forgotten here is at least no leak
		}
		expected.field = "a.b[3]"
		log := &logbook{}
		err := fmt.Errorf("on the way: %w", &policy.Error{Kind: kind, Field: "a.b[3]", Message: "does not do", Cause: errBroken})
		st := statusOf(context.Background(), slog.New(slog.NewTextHandler(log, nil)), err)
		if got := faultIn(st); got != expected {
			t.Errorf("kind %d: %+v, want %+v", kind, got, expected)
		}
		if got := st.Message(); got != "a.b[3]: does not do" {
			t.Errorf("kind %d: message %q", kind, got)
		}
		if text := fmt.Sprint(st.Proto()); strings.Contains(text, errBroken.Error()) {
			t.Errorf("kind %d: the cause crosses the wire: %s", kind, text)
		}
		ours := st.Code() == codes.Internal || st.Code() == codes.DataLoss || st.Code() == codes.Unavailable
		if logged := strings.Contains(log.String(), errBroken.Error()); logged != ours {
			t.Errorf("kind %d: logged %t, want %t", kind, logged, ours)
		}
	}
}

func TestForeignErrors(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, c := range []struct {
		err  error
		want codes.Code
	}{
		{context.DeadlineExceeded, codes.DeadlineExceeded},
		{fmt.Errorf("waiting: %w", context.Canceled), codes.Canceled},
		{errBroken, codes.Internal},
		{status.Error(codes.Unimplemented, "no such method"), codes.Unimplemented},
	} {
		st := statusOf(context.Background(), log, c.err)
		if st.Code() != c.want || strings.Contains(st.Message(), errBroken.Error()) {
			t.Errorf("%v: %v", c.err, st)
		}
	}
}

// What a stranger may learn: a tenant that is not there, or that was deleted, answers alike, whatever is asked.
func TestMissingTenantsAreAlike(t *testing.T) {
	h := world(t)
	h.found(t, "deleted")
	if _, err := h.directory.DeleteTenant(t.Context(), &klinkev1.DeleteTenantRequest{Tenant: "deleted"}); err != nil {
		t.Fatal(err)
	}
	var first string
	for _, tenant := range []string{"never", "deleted"} {
		check := listen(t, "anna", "bert")
		check.Tenant = tenant
		revision := "aaaaaaaaaaaaaaaa-7"
		older := proto.CloneOf(check)
		older.MinRevision = revision
		errs := map[string]error{}
		_, errs["Check"] = h.decisions.Check(t.Context(), check)
		_, errs["Check min_revision"] = h.decisions.Check(t.Context(), older)
		_, errs["BatchCheck"] = h.decisions.BatchCheck(t.Context(), &klinkev1.BatchCheckRequest{Tenant: tenant, Evaluations: []*klinkev1.BatchItem{{}}})
		_, errs["Explain"] = h.decisions.Explain(t.Context(), &klinkev1.ExplainRequest{Question: check})
		_, errs["Write"] = h.directory.Write(t.Context(), &klinkev1.WriteRequest{Tenant: tenant, Changes: []*klinkev1.Change{user("x")}})
		_, errs["Write expected"] = h.directory.Write(t.Context(), &klinkev1.WriteRequest{Tenant: tenant, ExpectedRevision: revision})
		_, errs["Read"] = h.directory.Read(t.Context(), &klinkev1.ReadRequest{Tenant: tenant, Kind: klinkev1.RecordKind_RECORD_KIND_ROLE})
		_, errs["Read token"] = h.directory.Read(t.Context(), &klinkev1.ReadRequest{
			Tenant: tenant, Kind: klinkev1.RecordKind_RECORD_KIND_ROLE, PageToken: recordsToken{"aaaaaaaaaaaaaaaa", []byte{7}}.String(),
		})
		_, errs["DeleteTenant"] = h.directory.DeleteTenant(t.Context(), &klinkev1.DeleteTenantRequest{Tenant: tenant})
		_, errs["DeleteTenant expected"] = h.directory.DeleteTenant(t.Context(), &klinkev1.DeleteTenantRequest{Tenant: tenant, ExpectedRevision: revision})
		_, errs["GetModel"] = h.directory.GetModel(t.Context(), &klinkev1.GetModelRequest{Tenant: tenant})
		for call, err := range errs {
			got := prototext(status.Convert(err))
			// Explain names the question that it was asked.
			if call == "Explain" {
				got = strings.ReplaceAll(got, "question.tenant", "tenant")
			}
			if first == "" {
				first = got
			}
			if got != first || status.Code(err) != codes.NotFound {
				t.Errorf("%s of the tenant %q: %s, want %s", call, tenant, got, first)
			}
		}
	}
	if strings.Contains(first, "never") || strings.Contains(first, "deleted") {
		t.Errorf("the answer tells them apart: %s", first)
	}
}

// prototext is all that a status carries, in an order that does not change.
func prototext(st *status.Status) string {
	return fmt.Sprintf("%v %s %+v", st.Code(), st.Message(), faultIn(st))
}

func TestPanicIsOneCallsFailure(t *testing.T) {
	s := &broken{Store: mem.New()}
	h := over(t, s)
	h.found(t, "acme")
	s.set(nil, true)
	_, err := h.directory.ListTenants(t.Context(), &klinkev1.ListTenantsRequest{})
	if got, want := faultOf(t, err), (fault{code: codes.Internal, reason: "INTERNAL"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if strings.Contains(err.Error(), "a bug in the store") || strings.Contains(err.Error(), "goroutine") {
		t.Errorf("the panic crosses the wire: %v", err)
	}
	if log := h.log.String(); !strings.Contains(log, "a bug in the store") || !strings.Contains(log, "goroutine") {
		t.Errorf("the log has neither panic nor stack: %s", log)
	}
	s.set(nil, false)
	if _, err := h.directory.ListTenants(t.Context(), &klinkev1.ListTenantsRequest{}); err != nil {
		t.Errorf("the server did not live on: %v", err)
	}
}

func TestCausesStayInTheLog(t *testing.T) {
	s := &broken{Store: mem.New()}
	h := over(t, s)
	h.found(t, "acme")
	s.set(errBroken, false)
	_, err := h.directory.Write(t.Context(), &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{user("dora")}})
	if got := faultOf(t, err); got.reason != "UNAVAILABLE" || strings.Contains(err.Error(), errBroken.Error()) {
		t.Errorf("a failed append: %v", err)
	}
	_, err = h.decisions.Check(t.Context(), listen(t, "anna", "anna"))
	if got := faultOf(t, err); got.reason != "INTERNAL" || strings.Contains(err.Error(), errBroken.Error()) {
		t.Errorf("a failed load: %v", err)
	}
	if !strings.Contains(h.log.String(), errBroken.Error()) {
		t.Error("the log does not have the cause")
	}
}
