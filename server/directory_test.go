// These tests prove that the directory's calls do what their comments in the protocol say: writes, pages, tenants, models.
package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func TestWriteOverTheWire(t *testing.T) {
	h := world(t)
	in := &klinkev1.WriteRequest{
		Tenant: "acme", Changes: []*klinkev1.Change{user("dora")}, RequestId: "r1", Reason: "hired", Author: "bert", ValidateOnly: true,
	}
	present := h.check(t, listen(t, "anna", "anna")).GetContext().GetRevision()
	tried, err := h.directory.Write(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if tried.GetRevision() != present || tried.GetEntry().GetPosition() != 0 || len(tried.GetEntry().GetChanges()) != 1 {
		t.Errorf("validated only: %v", tried)
	}
	in.ValidateOnly = false
	in.ExpectedRevision = present
	first, err := h.directory.Write(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	e := first.GetEntry()
	if e.GetReason() != "hired" || e.GetAuthor() != "bert" || e.GetRequestId() != "r1" || e.GetFootprint() == nil || first.GetRepeatedRequest() {
		t.Errorf("written: %v", first)
	}
	again, err := h.directory.Write(t.Context(), in) // its expectation has passed, its answer has not
	if err != nil {
		t.Fatal(err)
	}
	if !again.GetRepeatedRequest() || again.GetRevision() != first.GetRevision() || !proto.Equal(again.GetEntry(), e) {
		t.Errorf("repeated: %v, want %v", again, first)
	}
	in.Reason = "something else"
	_, err = h.directory.Write(t.Context(), in)
	if got, want := faultOf(t, err), (fault{codes.Aborted, "CONFLICT", "request_id"}); got != want {
		t.Errorf("the id reused: %+v, want %+v", got, want)
	}
	in.RequestId = ""
	_, err = h.directory.Write(t.Context(), in)
	if got, want := faultOf(t, err), (fault{codes.Aborted, "CONFLICT", "expected_revision"}); got != want {
		t.Errorf("the expectation passed: %+v, want %+v", got, want)
	}
}

func TestReadPages(t *testing.T) {
	h := world(t)
	var changes []*klinkev1.Change
	var want []string
	for i := range 25 {
		id := fmt.Sprintf("user%02d", i)
		changes = append(changes, user(id))
		want = append(want, id)
	}
	h.write(t, "acme", changes...)
	in := &klinkev1.ReadRequest{Tenant: "acme", Kind: klinkev1.RecordKind_RECORD_KIND_SUBJECT, PageSize: 10}
	var got []string
	pages := 0
	for {
		page, err := h.directory.Read(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, r := range page.GetRecords() {
			got = append(got, r.GetSubject().GetId())
		}
		if page.GetRevision() == "" {
			t.Error("a page without revision")
		}
		if page.GetNextPageToken() == "" {
			break
		}
		in.PageToken = page.GetNextPageToken()
		other := proto.CloneOf(in)
		other.Kind = klinkev1.RecordKind_RECORD_KIND_ROLE
		_, err = h.directory.Read(t.Context(), other)
		if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "INVALID", "page_token"}); got != want {
			t.Errorf("the token of another kind: %+v, want %+v", got, want)
		}
	}
	got = slices.DeleteFunc(got, func(id string) bool { return len(id) == len("anna") })
	if !slices.Equal(got, want) || pages != 3 {
		t.Errorf("%d pages: %v, want %v and three more in 3 pages", pages, got, want)
	}
}

func TestPageTokens(t *testing.T) {
	h := world(t)
	h.found(t, "globex")
	first, err := h.directory.Read(t.Context(), &klinkev1.ReadRequest{Tenant: "globex", Kind: klinkev1.RecordKind_RECORD_KIND_SUBJECT, PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	mine, err := h.directory.Read(t.Context(), &klinkev1.ReadRequest{Tenant: "acme", Kind: klinkev1.RecordKind_RECORD_KIND_SUBJECT, PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	own := mine.GetNextPageToken()
	users := policy.AppendKey(nil, klinkev1.RecordKind_RECORD_KIND_SUBJECT, []string{"user", "anna"})
	for name, c := range map[string]struct {
		token string
		want  fault
	}{
		"garbage":             {"!", fault{codes.InvalidArgument, "INVALID", "page_token"}},
		"no key":              {recordsToken{"aaaaaaaa", nil}.String(), fault{codes.InvalidArgument, "INVALID", "page_token"}},
		"of another tenant":   {first.GetNextPageToken(), fault{codes.OutOfRange, "GONE", "page_token"}},
		"no lineage":          {recordsToken{"", users}.String(), fault{codes.InvalidArgument, "INVALID", "page_token"}},
		"cut off":             {own[:len(own)-4], fault{codes.InvalidArgument, "INVALID", "page_token"}},
		"lengthened":          {own + "AAAA", fault{codes.InvalidArgument, "INVALID", "page_token"}},
		"broken into lines":   {own[:8] + "\n" + own[8:], fault{codes.InvalidArgument, "INVALID", "page_token"}},
		"of another life":     {recordsToken{"aaaaaaaaaaaaaaaa", users}.String(), fault{codes.OutOfRange, "GONE", "page_token"}},
		"of the tenants list": {tenantsToken("acme"), fault{codes.InvalidArgument, "INVALID", "page_token"}},
	} {
		_, err := h.directory.Read(t.Context(), &klinkev1.ReadRequest{
			Tenant: "acme", Kind: klinkev1.RecordKind_RECORD_KIND_SUBJECT, PageToken: c.token,
		})
		if got := faultOf(t, err); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	for _, token := range []string{"!", tenantsToken("a\nb"), tenantsToken(strings.Repeat("x", policy.MaxIDBytes+1)), tenantsToken("acme") + "\n", "YWNtZR"} {
		_, err = h.directory.ListTenants(t.Context(), &klinkev1.ListTenantsRequest{PageToken: token})
		if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "INVALID", "page_token"}); got != want {
			t.Errorf("tenants from %q: %+v, want %+v", token, got, want)
		}
	}
	_, err = h.directory.Read(t.Context(), &klinkev1.ReadRequest{Tenant: "acme", Kind: 2, PageSize: maxReadPage + 1})
	if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "INVALID", "page_size"}); got != want {
		t.Errorf("a page too large: %+v, want %+v", got, want)
	}
}

// The longest key there can be makes a token that is taken again.
func TestPagesOfLongKeys(t *testing.T) {
	h := world(t)
	m := model()
	m.Types[0].Attributes = append(m.Types[0].Attributes, &klinkev1.Attribute{Name: "team", Kind: klinkev1.AttributeKind_ATTRIBUTE_KIND_ID})
	m.Types[0].Actions[0].Rule.Gate = []*klinkev1.Test{{Test: &klinkev1.Test_Within{Within: &klinkev1.Within{Attribute: "team", Limit: longName}}}}
	out, err := h.directory.PutModel(t.Context(), &klinkev1.PutModelRequest{Model: m})
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, "acme", useModel(out.GetVersion()))
	longest := strings.Repeat("u", policy.MaxIDBytes)
	changes := []*klinkev1.Change{user(longest)}
	for _, last := range []string{"a", "b", "c"} {
		changes = append(changes, put(&klinkev1.Record{Record: &klinkev1.Record_Limit{Limit: &klinkev1.Limit{
			Name: longName, Holder: "user:" + longest, Value: strings.Repeat("v", policy.MaxFactBytes-1) + last}}}))
	}
	h.write(t, "acme", changes...)
	in := &klinkev1.ReadRequest{Tenant: "acme", Kind: klinkev1.RecordKind_RECORD_KIND_LIMIT, PageSize: 1}
	for n := range 3 {
		page, err := h.directory.Read(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := page.GetRecords()[0].GetLimit().GetValue()[policy.MaxFactBytes-1], "abc"[n]; got != want {
			t.Errorf("page %d ends in %c, want %c", n, got, want)
		}
		in.PageToken = page.GetNextPageToken()
	}
	if in.GetPageToken() != "" {
		t.Error("there is a fourth page")
	}
}

var longName = strings.Repeat("n", policy.MaxIDBytes)

func TestTenants(t *testing.T) {
	h := world(t)
	for _, id := range []string{"b", "c", "d"} {
		if _, err := h.directory.CreateTenant(t.Context(), &klinkev1.CreateTenantRequest{Tenant: id, Model: "small"}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.directory.CreateTenant(t.Context(), &klinkev1.CreateTenantRequest{Tenant: "b", Model: "small"})
	if got, want := faultOf(t, err), (fault{codes.AlreadyExists, "EXISTS", "tenant"}); got != want {
		t.Errorf("created twice: %+v, want %+v", got, want)
	}
	_, err = h.directory.CreateTenant(t.Context(), &klinkev1.CreateTenantRequest{Tenant: "e", Model: "large"})
	if got, want := faultOf(t, err), (fault{codes.NotFound, "NOT_FOUND", "model"}); got != want {
		t.Errorf("on no model: %+v, want %+v", got, want)
	}
	var got []string
	in := &klinkev1.ListTenantsRequest{PageSize: 3}
	for {
		page, err := h.directory.ListTenants(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, tenant := range page.GetTenants() {
			got = append(got, tenant.GetId())
			if tenant.GetModel() != "small" || tenant.GetVersion() != 1 || tenant.GetRevision() == "" || tenant.GetCreated() == nil {
				t.Errorf("listed %v", tenant)
			}
		}
		if page.GetNextPageToken() == "" {
			break
		}
		in.PageToken = page.GetNextPageToken()
	}
	if want := []string{"acme", "b", "c", "d"}; !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
}

func TestModels(t *testing.T) {
	h := world(t)
	changed := model()
	changed.Types[0].Actions = append(changed.Types[0].Actions, &klinkev1.Action{
		Name: "delete", Rule: proto.CloneOf(changed.Types[0].Actions[0].GetRule()),
	})
	put := func(m *klinkev1.Model, validateOnly bool, version uint32, unchanged bool) {
		t.Helper()
		out, err := h.directory.PutModel(t.Context(), &klinkev1.PutModelRequest{Model: m, ValidateOnly: validateOnly})
		if err != nil {
			t.Fatal(err)
		}
		if out.GetModel() != "small" || out.GetVersion() != version || out.GetUnchanged() != unchanged {
			t.Errorf("put: %v, want version %d, unchanged %t", out, version, unchanged)
		}
	}
	put(model(), true, 1, true)
	put(model(), false, 1, true)
	put(changed, true, 2, false)
	put(changed, true, 2, false) // validating stored nothing
	put(changed, false, 2, false)
	put(changed, false, 2, true)

	bad := model()
	bad.Types[0].Relations = []*klinkev1.Relation{{Name: "r", Test: &klinkev1.Test{Test: &klinkev1.Test_Relation{Relation: "none such"}}}}
	_, err := h.directory.PutModel(t.Context(), &klinkev1.PutModelRequest{Model: bad})
	if got := faultOf(t, err); got.code != codes.InvalidArgument || got.field[:len("model.")] != "model." {
		t.Errorf("a model that does not compile: %+v", got)
	}

	get := func(in *klinkev1.GetModelRequest, version uint32, actions int) {
		t.Helper()
		out, err := h.directory.GetModel(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if out.GetVersion() != version || len(out.GetModel().GetTypes()[0].GetActions()) != actions {
			t.Errorf("%v: version %d with %v", in, out.GetVersion(), out.GetModel().GetTypes()[0].GetActions())
		}
	}
	get(&klinkev1.GetModelRequest{Model: "small"}, 2, 2)
	get(&klinkev1.GetModelRequest{Model: "small", Version: 1}, 1, 1)
	get(&klinkev1.GetModelRequest{Tenant: "acme"}, 1, 1)
	for in, want := range map[*klinkev1.GetModelRequest]fault{
		{}:                               {codes.InvalidArgument, "INVALID", "model"},
		{Model: "small", Tenant: "acme"}: {codes.InvalidArgument, "INVALID", "tenant"},
		{Version: 1, Tenant: "acme"}:     {codes.InvalidArgument, "INVALID", "tenant"},
		{Model: "large"}:                 {codes.NotFound, "NOT_FOUND", "model"},
		{Model: "small", Version: 3}:     {codes.NotFound, "NOT_FOUND", "model"},
	} {
		_, err := h.directory.GetModel(t.Context(), in)
		if got := faultOf(t, err); got != want {
			t.Errorf("%v: %+v, want %+v", in, got, want)
		}
	}

	use := func(version uint32) error {
		_, err := h.directory.Write(t.Context(), &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{
			{Change: &klinkev1.Change_Put{Put: &klinkev1.Record{Record: &klinkev1.Record_UseModel{
				UseModel: &klinkev1.UseModel{Model: "small", Version: version}}}}},
		}})
		return err
	}
	if err := use(2); err != nil {
		t.Fatal(err)
	}
	get(&klinkev1.GetModelRequest{Tenant: "acme"}, 2, 2)
	if err := use(9); faultOf(t, err).code == codes.OK {
		t.Error("a tenant uses a version that is not there")
	}
}
