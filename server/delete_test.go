// This test proves that a record of any kind can be deleted over the wire by its key alone, and put there only whole.
package server

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func TestDeleteByKey(t *testing.T) {
	h := world(t)
	for _, r := range []*klinkev1.Record{ // each put, then deleted in the reverse order
		{Record: &klinkev1.Record_Subject{Subject: &klinkev1.Subject{Type: klinkev1.SubjectType_SUBJECT_TYPE_APP, Id: "crm", Label: "CRM"}}},
		{Record: &klinkev1.Record_Group{Group: &klinkev1.Group{Id: "g", Labels: map[string]string{"en": "G"}}}},
		{Record: &klinkev1.Record_GroupMember{GroupMember: &klinkev1.GroupMember{Group: "g", Member: "user:carl"}}},
		{Record: &klinkev1.Record_Department{Department: &klinkev1.Department{Id: "d", Labels: map[string]string{"en": "D"}}}},
		{Record: &klinkev1.Record_DepartmentMember{DepartmentMember: &klinkev1.DepartmentMember{Department: "d", Subject: "user:carl", Head: true}}},
		{Record: &klinkev1.Record_Role{Role: &klinkev1.Role{Id: "r", Under: "agent"}}},
		{Record: &klinkev1.Record_RoleInclude{RoleInclude: &klinkev1.RoleInclude{Role: "r", Included: "agent"}}},
		{Record: &klinkev1.Record_Cell{Cell: &klinkev1.Cell{Role: "r", Permission: "recording.listen", Level: "any"}}},
		{Record: &klinkev1.Record_Assignment{Assignment: &klinkev1.Assignment{Role: "r", Holder: "user:carl", When: "true"}}},
		{Record: &klinkev1.Record_ObjectGrant{ObjectGrant: &klinkev1.ObjectGrant{
			Type: "recording", Id: "r1", Action: "listen", Holder: "user:carl", Level: "any"}}},
		{Record: &klinkev1.Record_Ceiling{Ceiling: &klinkev1.Ceiling{Holder: "user:carl", Permission: "recording.listen", Level: "own"}}},
		{Record: &klinkev1.Record_ListedNumber{ListedNumber: &klinkev1.ListedNumber{List: "extensions", Number: "201"}}},
		{Record: &klinkev1.Record_SharingRule{SharingRule: &klinkev1.SharingRule{
			Type: "recording", From: "user:carl", To: "group:g", Level: klinkev1.SharingLevel_SHARING_LEVEL_READ}}},
		{Record: &klinkev1.Record_Site{Site: &klinkev1.Site{Id: "s", Region: "DE", AccessDigits: "0", Default: true}}},
		{Record: &klinkev1.Record_EmergencyNumber{EmergencyNumber: &klinkev1.EmergencyNumber{Site: "s", Number: "1234"}}},
	} {
		h.write(t, "acme", put(r))
		defer func() {
			key := &klinkev1.Change{Change: &klinkev1.Change_Delete{Delete: policy.KeyOnly(r)}}
			out, err := h.directory.Write(t.Context(), &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{key}})
			if err != nil {
				t.Errorf("deleting %v: %v", r, err)
				return
			}
			if got := out.GetEntry().GetChanges(); len(got) != 1 || !proto.Equal(got[0], key) {
				t.Errorf("deleting %v changed %v", r, got)
			}
		}()
	}
}

func TestPutNeedsMoreThanTheKey(t *testing.T) {
	h := world(t)
	for field, r := range map[string]*klinkev1.Record{
		"changes[0].put.cell.level": {Record: &klinkev1.Record_Cell{Cell: &klinkev1.Cell{Role: "agent", Permission: "call.place"}}},
		"changes[0].put.object_grant.level": {Record: &klinkev1.Record_ObjectGrant{ObjectGrant: &klinkev1.ObjectGrant{
			Type: "recording", Id: "r1", Action: "listen", Holder: "user:carl"}}},
		"changes[0].put.ceiling.level": {Record: &klinkev1.Record_Ceiling{Ceiling: &klinkev1.Ceiling{Holder: "user:carl", Permission: "call.place"}}},
		"changes[0].put.sharing_rule.level": {Record: &klinkev1.Record_SharingRule{SharingRule: &klinkev1.SharingRule{
			Type: "recording", From: "user:carl", To: "everybody"}}},
		"changes[0].put.site.region": {Record: &klinkev1.Record_Site{Site: &klinkev1.Site{Id: "s"}}},
	} {
		_, err := h.directory.Write(t.Context(), &klinkev1.WriteRequest{Tenant: "acme", Changes: []*klinkev1.Change{put(r)}})
		if got, want := faultOf(t, err), (fault{codes.InvalidArgument, "INVALID", field}); got != want {
			t.Errorf("%v: %+v, want %+v", r, got, want)
		}
	}
}
