// These tests prove that an emergency call is settled before everything that could refuse it.
package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/live"
	"github.com/klinke-authz/klinke/store"
	"github.com/klinke-authz/klinke/store/mem"
)

// wantEmergency holds an answer to what the law promises: allow, with advice only.
func wantEmergency(t *testing.T, what string, got *klinkev1.CheckResponse, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: error %v", what, err)
		return
	}
	var advice []string
	for _, o := range got.GetContext().GetObligations() {
		advice = append(advice, o.GetId())
		if o.GetRequired() {
			t.Errorf("%s: %s is required", what, o.GetId())
		}
	}
	slices.Sort(advice)
	if !got.GetDecision() || got.GetContext().GetReason() != klinkev1.Reason_REASON_EMERGENCY ||
		!slices.Equal(advice, []string{"do_not_withhold_number", "notify_emergency"}) {
		t.Errorf("%s: %v, want an emergency's allow with its advice", what, got)
	}
}

func TestEmergencyBeforeEverything(t *testing.T) {
	h := world(t)
	for what, spoil := range map[string]func(*klinkev1.CheckRequest){
		"by nobody with the right": func(*klinkev1.CheckRequest) {},
		"by an unknown subject":    func(in *klinkev1.CheckRequest) { in.Subject.Id = "dora" },
		"without subject":          func(in *klinkev1.CheckRequest) { in.Subject = nil },
		"by a subject of no type":  func(in *klinkev1.CheckRequest) { in.Subject.Type = "ghost" },
		"through an unknown app":   func(in *klinkev1.CheckRequest) { in.Actor = &klinkev1.QuestionSubject{Type: "app", Id: "x"} },
		"with an unknown fact": func(in *klinkev1.CheckRequest) {
			in.Resource.Properties.Fields["colour"] = structpb.NewStringValue("red")
		},
		"at a site of a wrong kind": func(in *klinkev1.CheckRequest) { in.Resource.Properties.Fields["site"] = structpb.NewNumberValue(3) },
		"at an unknown site": func(in *klinkev1.CheckRequest) {
			in.Resource.Properties.Fields["site"] = structpb.NewStringValue("moon")
		},
		"dialled as a number, without quotes": func(in *klinkev1.CheckRequest) {
			in.Resource.Properties.Fields["destination"] = structpb.NewNumberValue(110)
		},
		"without resource id":      func(in *klinkev1.CheckRequest) { in.Resource.Id = "" },
		"with an unknown field":    func(in *klinkev1.CheckRequest) { stain(in); stain(in.GetSubject()) },
		"at a future revision":     func(in *klinkev1.CheckRequest) { in.MinRevision = "aaaaaaaaaaaaaaaa-99999" },
		"at no revision":           func(in *klinkev1.CheckRequest) { in.MinRevision = "tomorrow" },
		"with roles that are none": func(in *klinkev1.CheckRequest) { in.ActiveRoles = []string{"", ""} },
		"in no tenant":             func(in *klinkev1.CheckRequest) { in.Tenant = "" },
		"in a missing tenant":      func(in *klinkev1.CheckRequest) { in.Tenant = "globex" },
		"in a tenant of no name":   func(in *klinkev1.CheckRequest) { in.Tenant = "a\nb" },
	} {
		in := dials(t, "carl", "110")
		spoil(in)
		got, err := h.decisions.Check(t.Context(), in)
		wantEmergency(t, what, got, err)
		explained, err := h.decisions.Explain(t.Context(), &klinkev1.ExplainRequest{Question: in})
		wantEmergency(t, "explained "+what, explained.GetAnswer(), err)
		batch, err := h.decisions.BatchCheck(t.Context(), &klinkev1.BatchCheckRequest{
			Tenant: in.GetTenant(), MinRevision: in.GetMinRevision(), ActiveRoles: in.GetActiveRoles(),
			Evaluations: []*klinkev1.BatchItem{
				{},
				{Subject: in.GetSubject(), Actor: in.GetActor(), Action: in.GetAction(), Resource: in.GetResource()},
			},
		})
		if err != nil {
			t.Errorf("batch %s: %v", what, err)
			continue
		}
		wantEmergency(t, "batch "+what, batch.GetEvaluations()[1], nil)
		if e := batch.GetEvaluations()[0]; e.GetDecision() || e.GetContext().GetError() == nil {
			t.Errorf("batch %s: the item beside it is answered %v, want an error", what, e)
		}
	}
}

func TestOtherNumbersAreNoEmergency(t *testing.T) {
	h := world(t)
	for _, number := range []string{"030 123456", "1100", "+49110", "11"} {
		got := h.check(t, dials(t, "carl", number))
		if got.GetDecision() || got.GetContext().GetReason() == klinkev1.Reason_REASON_EMERGENCY {
			t.Errorf("%s: %v", number, got)
		}
		in := dials(t, "carl", number)
		in.Tenant = "globex"
		_, err := h.decisions.Check(t.Context(), in)
		if got := faultOf(t, err); got.code != codes.NotFound {
			t.Errorf("%s in a missing tenant: %+v, want NotFound", number, got)
		}
	}
	// The number alone is not enough: it must be a call to be placed.
	in := dials(t, "carl", "110")
	in.Tenant = "globex"
	in.Action.Name = "forward"
	_, err := h.decisions.Check(t.Context(), in)
	if got := faultOf(t, err); got.code != codes.NotFound {
		t.Errorf("a forwarding in a missing tenant: %+v, want NotFound", got)
	}
}

// When the disk is gone, the last known emergency numbers of the tenant count, and then those of the world.
func TestEmergencyWithoutStore(t *testing.T) {
	s := &broken{Store: mem.New()}
	h := over(t, s)
	h.found(t, "acme")
	h.found(t, "globex")
	h.tenants.Close() // nothing is in memory any more
	s.set(errBroken, false)
	cold := over(t, s)
	for _, number := range []string{"110", "112", "911", "999"} {
		got, err := cold.decisions.Check(t.Context(), dials(t, "anna", number))
		wantEmergency(t, number+" without any state", got, err)
	}

	s.set(nil, false)
	warm := over(t, s)
	region := put(&klinkev1.Record{Record: &klinkev1.Record_Site{Site: &klinkev1.Site{Id: "hq", Region: "DE", Default: true}}})
	extra := put(&klinkev1.Record{Record: &klinkev1.Record_EmergencyNumber{EmergencyNumber: &klinkev1.EmergencyNumber{Site: "hq", Number: "44444"}}})
	warm.write(t, "acme", region, extra)
	s.set(errBroken, false)
	if _, err := warm.directory.Write(t.Context(), &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{user("emil")}}); err == nil {
		t.Fatal("the write succeeded on a broken store")
	}
	got, err := warm.decisions.Check(t.Context(), dials(t, "anna", "44444"))
	wantEmergency(t, "the tenant's own number from its last known state", got, err)
	if _, err := warm.decisions.Check(t.Context(), listen(t, "anna", "anna")); err == nil {
		t.Error("the last known state answers other questions")
	}
}

// stuck is a store that does not answer a load.
type stuck struct {
	store.Store
	free chan struct{}
}

func (s *stuck) Load(tenant string, each func([]byte) error) (store.Tenant, store.Position, error) {
	<-s.free
	return s.Store.Load(tenant, each)
}

// A tenant that takes long to load, or a revision that does not come, holds up no emergency call, also not one in a batch.
func TestEmergencyWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stuck{mem.New(), make(chan struct{})}
		ts := live.New(s, slog.New(slog.DiscardHandler))
		defer ts.Close()
		if _, _, err := ts.PutModel(t.Context(), model(), false); err != nil {
			t.Fatal(err)
		}
		if _, err := ts.Create(t.Context(), live.Creation{ID: "acme", Model: "small"}); err != nil {
			t.Fatal(err)
		}
		d := newDecisions(Config{Tenants: ts, Log: slog.New(slog.DiscardHandler)})
		in := dials(t, "anna", "110")
		batch := &klinkev1.BatchCheckRequest{Tenant: "acme", Evaluations: []*klinkev1.BatchItem{
			{Resource: in.GetResource(), Action: in.GetAction()}, {Resource: listen(t, "anna", "anna").GetResource()},
		}}
		begun := time.Now()
		took := func(what string, most time.Duration) {
			t.Helper()
			if waited := time.Since(begun); waited > most {
				t.Errorf("%s took %v", what, waited)
			}
			begun = time.Now()
		}
		got, err := d.Check(t.Context(), in)
		wantEmergency(t, "while the tenant is loaded", got, err)
		took("a check", emergencyWait)
		out, err := d.BatchCheck(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		wantEmergency(t, "in a batch, while the tenant is loaded", out.GetEvaluations()[0], nil)
		if e := out.GetEvaluations()[1]; e.GetDecision() || e.GetContext().GetError().GetCode() != int32(codes.DeadlineExceeded) {
			t.Errorf("the item beside it: %v, want the wait's end", e)
		}
		took("a batch", emergencyWait)
		close(s.free)
		state, err := ts.Current(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		begun = time.Now()
		in.MinRevision = live.FormatRevision(state.Lineage, state.Position+1)
		batch.MinRevision = in.GetMinRevision()
		got, err = d.Check(t.Context(), in)
		wantEmergency(t, "before a revision", got, err)
		took("a check before a revision", 0)
		if out, err = d.BatchCheck(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		wantEmergency(t, "in a batch, before a revision", out.GetEvaluations()[0], nil)
		if e := out.GetEvaluations()[1]; e.GetDecision() || e.GetContext().GetError().GetCode() != int32(codes.Unavailable) {
			t.Errorf("the item beside it: %v, want Unavailable", e)
		}
		took("a batch before a revision", 0)
		batch.Evaluations = batch.Evaluations[1:]
		if _, err = d.BatchCheck(t.Context(), batch); err == nil || time.Since(begun) == 0 {
			t.Errorf("without an emergency call: %v at once; the batch waits for its revision", err)
		}
	})
}

func TestEmergencyInABatchThatIsTooLong(t *testing.T) {
	h := world(t)
	in := dials(t, "carl", "110")
	batch := &klinkev1.BatchCheckRequest{Tenant: "acme", Subject: in.GetSubject(), Action: in.GetAction()}
	for range policy.MaxBatchItems {
		batch.Evaluations = append(batch.Evaluations, &klinkev1.BatchItem{})
	}
	batch.Evaluations = append(batch.Evaluations, &klinkev1.BatchItem{Resource: in.GetResource()})
	out, err := h.decisions.BatchCheck(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	wantEmergency(t, "the last item", out.GetEvaluations()[policy.MaxBatchItems], nil)
	if e := out.GetEvaluations()[0].GetContext().GetError(); e.GetCode() != int32(codes.InvalidArgument) {
		t.Errorf("the first item's error is %v, want the batch's", e)
	}
}

// A batch is not answered item by item when the answers are too many to arrive, or when nobody waits for them.
func TestNoEmergencyInABatchThatCannotBeAnswered(t *testing.T) {
	h := world(t)
	in := dials(t, "carl", "110")
	batch := &klinkev1.BatchCheckRequest{Tenant: "acme", Subject: in.GetSubject(), Action: in.GetAction()}
	empty := &klinkev1.BatchItem{}
	for range 300_000 {
		batch.Evaluations = append(batch.Evaluations, empty)
	}
	batch.Evaluations = append(batch.Evaluations, &klinkev1.BatchItem{Resource: in.GetResource()})
	_, err := h.decisions.BatchCheck(t.Context(), batch)
	if got := faultOf(t, err); got.code != codes.InvalidArgument || got.field != "evaluations" {
		t.Errorf("%v, want the failure of the batch", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	d := &decisions{}
	batch.Evaluations = batch.Evaluations[:1]
	if _, err := d.rescue(gone, batch, nil, &asking{}, errors.New("failure")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that the caller is gone", err)
	}
}
