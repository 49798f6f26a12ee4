// These tests prove that questions are answered from one published state, in order, with defaults, and that an edit shows in
// the next answer.
package server

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func (h *house) check(t testing.TB, in *klinkev1.CheckRequest) *klinkev1.CheckResponse {
	t.Helper()
	out, err := h.decisions.Check(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	if out.Decision == nil || out.GetContext().GetRevision() == "" {
		t.Errorf("the answer %v lacks a decision or a revision", out)
	}
	return out
}

func TestCheck(t *testing.T) {
	h := world(t)
	for _, c := range []struct {
		who, employee string
		want          bool
		reason        klinkev1.Reason
		level         string
	}{
		{"anna", "anna", true, klinkev1.Reason_REASON_RELATION, "own"},
		{"anna", "bert", false, klinkev1.Reason_REASON_OUT_OF_REACH, "own"},
		{"carl", "carl", false, klinkev1.Reason_REASON_LEVEL_EMPTY, "none"},
		{"dora", "dora", false, klinkev1.Reason_REASON_SUBJECT_UNKNOWN, ""},
	} {
		got := h.check(t, listen(t, c.who, c.employee))
		if got.GetDecision() != c.want || got.GetContext().GetReason() != c.reason || got.GetContext().GetLevel() != c.level {
			t.Errorf("%s listens to %s: %v, want %t, %v, level %q", c.who, c.employee, got, c.want, c.reason, c.level)
		}
		explained, err := h.decisions.Explain(t.Context(), &klinkev1.ExplainRequest{Question: listen(t, c.who, c.employee)})
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(explained.GetAnswer(), got) || len(explained.GetSteps()) == 0 {
			t.Errorf("explained as %v, checked as %v", explained, got)
		}
	}
}

func TestAnEditShowsInTheNextAnswer(t *testing.T) {
	h := world(t)
	before := h.check(t, listen(t, "anna", "bert"))
	written := h.write(t, "acme", cell("agent", "recording.listen", "any"))
	after := h.check(t, listen(t, "anna", "bert"))
	if before.GetDecision() || !after.GetDecision() {
		t.Errorf("before %v, after %v", before, after)
	}
	if got := after.GetContext().GetRevision(); got != written.GetRevision() {
		t.Errorf("answered at %s, written at %s", got, written.GetRevision())
	}
	in := listen(t, "anna", "bert")
	in.MinRevision = written.GetRevision()
	if got := h.check(t, in); got.GetContext().GetRevision() != written.GetRevision() {
		t.Errorf("answered at %s, want at least %s", got.GetContext().GetRevision(), written.GetRevision())
	}
}

func TestBatch(t *testing.T) {
	h := world(t)
	in := listen(t, "anna", "anna")
	out, err := h.decisions.BatchCheck(t.Context(), &klinkev1.BatchCheckRequest{
		Tenant:   "acme",
		Subject:  in.GetSubject(),
		Action:   in.GetAction(),
		Resource: in.GetResource(),
		Evaluations: []*klinkev1.BatchItem{
			{},
			{Subject: &klinkev1.QuestionSubject{Type: "user", Id: "bert"}},
			{Resource: &klinkev1.QuestionResource{Type: "recording", Id: "r", Properties: facts(t, map[string]any{"employee": "bert"})}},
			{Subject: &klinkev1.QuestionSubject{Type: "user", Id: "bert"}, Resource: listen(t, "", "bert").GetResource()},
			// Replaced as a whole: the default's facts do not shine through.
			{Resource: &klinkev1.QuestionResource{Type: "recording", Id: "r"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []bool{true, false, false, true, false}
	if len(out.GetEvaluations()) != len(want) {
		t.Fatalf("%d answers, want %d", len(out.GetEvaluations()), len(want))
	}
	for i, e := range out.GetEvaluations() {
		if e.GetDecision() != want[i] || e.GetContext().GetError() != nil {
			t.Errorf("item %d: %v, want %t", i, e, want[i])
		}
		if e.GetContext().GetRevision() != out.GetRevision() || out.GetRevision() == "" {
			t.Errorf("item %d at %q, the batch at %q", i, e.GetContext().GetRevision(), out.GetRevision())
		}
	}
}

func TestBatchItemThatErrs(t *testing.T) {
	h := world(t)
	in := listen(t, "anna", "anna")
	unknown := &klinkev1.BatchItem{Subject: in.GetSubject()}
	unknown.ProtoReflect().SetUnknown([]byte{0x78, 0x01}) // field 15
	out, err := h.decisions.BatchCheck(t.Context(), &klinkev1.BatchCheckRequest{
		Tenant:   "acme",
		Action:   in.GetAction(),
		Resource: in.GetResource(),
		Evaluations: []*klinkev1.BatchItem{
			{Subject: in.GetSubject()},
			{}, // no subject, and no default
			{Subject: &klinkev1.QuestionSubject{Type: "user"}},
			unknown,
			{Subject: in.GetSubject()},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []fault{
		{},
		{code: codes.InvalidArgument, reason: "INVALID", field: "subject"},
		{code: codes.InvalidArgument, reason: "INVALID", field: "evaluations[2].subject.id"},
		{code: codes.InvalidArgument, reason: "INVALID", field: "evaluations[3]"},
		{},
	} {
		e := out.GetEvaluations()[i]
		if e.Decision == nil || e.GetDecision() != (want == fault{}) {
			t.Errorf("item %d: decision %v", i, e.Decision)
		}
		if want == (fault{}) {
			continue
		}
		if got := faultIn(status.FromProto(e.GetContext().GetError())); got != want {
			t.Errorf("item %d: %+v, want %+v", i, got, want)
		}
	}
}

func TestBatchLimit(t *testing.T) {
	h := world(t)
	in := listen(t, "anna", "anna")
	batch := &klinkev1.BatchCheckRequest{Tenant: "acme", Subject: in.GetSubject(), Action: in.GetAction(), Resource: in.GetResource()}
	for range policy.MaxBatchItems {
		batch.Evaluations = append(batch.Evaluations, &klinkev1.BatchItem{})
	}
	out, err := h.decisions.BatchCheck(t.Context(), batch)
	if err != nil || len(out.GetEvaluations()) != policy.MaxBatchItems {
		t.Errorf("at the limit: %d answers, error %v", len(out.GetEvaluations()), err)
	}
	batch.Evaluations = append(batch.Evaluations, &klinkev1.BatchItem{})
	_, err = h.decisions.BatchCheck(t.Context(), batch)
	if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "TOO_LARGE", "evaluations"}); got != want {
		t.Errorf("one more: %+v, want %+v", got, want)
	}
	if want := fmt.Sprintf("evaluations: %d items are more than the %d that one batch may carry; split it",
		policy.MaxBatchItems+1, policy.MaxBatchItems); status.Convert(err).Message() != want {
		t.Errorf("message %q, want %q", status.Convert(err).Message(), want)
	}
}

func TestServerInfo(t *testing.T) {
	h := world(t)
	out, err := h.decisions.GetServerInfo(t.Context(), &klinkev1.GetServerInfoRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if out.GetVersion() != "v0-test" {
		t.Errorf("version %q", out.GetVersion())
	}
	for name, want := range map[string]uint64{
		"users": 1_000_000, "tenants": 100_000, "roles": 10_000, "groups": 100_000, "departments": 100_000, "permissions": 16_384,
		"roles_of_user": 256, "depth": 32, "object_grants": 1_000_000, "assignments": 1_000_000, "numbers_in_list": 5_000_000,
		"facts": 64, "fact_bytes": 4 << 10, "batch_items": 10_000, "write_changes": 10_000, "request_bytes": 4 << 20,
		"condition_bytes": 4 << 10, "emergency_digits_min": 3, "emergency_digits_max": 6,
	} {
		if got := out.GetLimits()[name]; got != want {
			t.Errorf("limit %s is %d, want %d", name, got, want)
		}
	}
}

// What the contract limits, the server reports.
func TestEveryLimitIsReported(t *testing.T) {
	declared, err := os.ReadFile("../policy/limits.go")
	if err != nil {
		t.Fatal(err)
	}
	reported, err := os.ReadFile("info.go")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^\t(M(?:ax|in)\w+) `).FindAllStringSubmatch(string(declared), -1)
	if len(names) < 30 {
		t.Errorf("only %d limits are declared", len(names))
	}
	for _, name := range names {
		if !regexp.MustCompile(`policy\.` + name[1] + `\b`).Match(reported) {
			t.Errorf("%s is not reported", name[1])
		}
	}
}
