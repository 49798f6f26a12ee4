package policy

import (
	"encoding/binary"

	"google.golang.org/protobuf/proto"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// RecordKey returns a record's kind and the parts of its key, in order. The kind is UNSPECIFIED for a record without
// content. The fields are those that record.proto marks "Key".
func RecordKey(r *klinkev1.Record) (klinkev1.RecordKind, []string) {
	switch x := r.GetRecord().(type) {
	case *klinkev1.Record_UseModel:
		return klinkev1.RecordKind_RECORD_KIND_USE_MODEL, nil
	case *klinkev1.Record_Subject:
		return klinkev1.RecordKind_RECORD_KIND_SUBJECT, []string{subjectTypeName(x.Subject.GetType()), x.Subject.GetId()}
	case *klinkev1.Record_Group:
		return klinkev1.RecordKind_RECORD_KIND_GROUP, []string{x.Group.GetId()}
	case *klinkev1.Record_GroupMember:
		return klinkev1.RecordKind_RECORD_KIND_GROUP_MEMBER, []string{x.GroupMember.GetGroup(), x.GroupMember.GetMember()}
	case *klinkev1.Record_Department:
		return klinkev1.RecordKind_RECORD_KIND_DEPARTMENT, []string{x.Department.GetId()}
	case *klinkev1.Record_DepartmentMember:
		m := x.DepartmentMember
		return klinkev1.RecordKind_RECORD_KIND_DEPARTMENT_MEMBER, []string{m.GetDepartment(), m.GetSubject(), bit(m.GetHead())}
	case *klinkev1.Record_Role:
		return klinkev1.RecordKind_RECORD_KIND_ROLE, []string{x.Role.GetId()}
	case *klinkev1.Record_RoleInclude:
		return klinkev1.RecordKind_RECORD_KIND_ROLE_INCLUDE, []string{x.RoleInclude.GetRole(), x.RoleInclude.GetIncluded()}
	case *klinkev1.Record_Cell:
		return klinkev1.RecordKind_RECORD_KIND_CELL, []string{x.Cell.GetRole(), x.Cell.GetPermission()}
	case *klinkev1.Record_Assignment:
		return klinkev1.RecordKind_RECORD_KIND_ASSIGNMENT, []string{x.Assignment.GetRole(), x.Assignment.GetHolder()}
	case *klinkev1.Record_ObjectGrant:
		g := x.ObjectGrant
		return klinkev1.RecordKind_RECORD_KIND_OBJECT_GRANT, []string{g.GetType(), g.GetId(), g.GetAction(), g.GetHolder()}
	case *klinkev1.Record_Ceiling:
		return klinkev1.RecordKind_RECORD_KIND_CEILING, []string{x.Ceiling.GetHolder(), x.Ceiling.GetPermission()}
	case *klinkev1.Record_Limit:
		return klinkev1.RecordKind_RECORD_KIND_LIMIT, []string{x.Limit.GetName(), x.Limit.GetHolder(), x.Limit.GetValue()}
	case *klinkev1.Record_Setting:
		return klinkev1.RecordKind_RECORD_KIND_SETTING, []string{x.Setting.GetName(), x.Setting.GetScope()}
	case *klinkev1.Record_ListedNumber:
		n := x.ListedNumber
		return klinkev1.RecordKind_RECORD_KIND_LISTED_NUMBER, []string{n.GetList(), n.GetNumber(), bit(n.GetPrefix())}
	case *klinkev1.Record_Site:
		return klinkev1.RecordKind_RECORD_KIND_SITE, []string{x.Site.GetId()}
	case *klinkev1.Record_EmergencyNumber:
		return klinkev1.RecordKind_RECORD_KIND_EMERGENCY_NUMBER, []string{x.EmergencyNumber.GetSite(), x.EmergencyNumber.GetNumber()}
	case *klinkev1.Record_SharingRule:
		return klinkev1.RecordKind_RECORD_KIND_SHARING_RULE, []string{x.SharingRule.GetType(), x.SharingRule.GetFrom(), x.SharingRule.GetTo()}
	case *klinkev1.Record_ServiceClass:
		return klinkev1.RecordKind_RECORD_KIND_SERVICE_CLASS, []string{x.ServiceClass.GetName()}
	}
	return klinkev1.RecordKind_RECORD_KIND_UNSPECIFIED, nil
}

func subjectTypeName(t klinkev1.SubjectType) string {
	switch t {
	case klinkev1.SubjectType_SUBJECT_TYPE_USER:
		return "user"
	case klinkev1.SubjectType_SUBJECT_TYPE_APP:
		return "app"
	}
	return ""
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// AppendKey appends a record's key as bytes: the kind, then each part behind its length, so that no two keys alias.
// It is how stores order records.
func AppendKey(dst []byte, kind klinkev1.RecordKind, parts []string) []byte {
	dst = append(dst, byte(kind))
	for _, p := range parts {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(p)))
		dst = append(dst, p...)
	}
	return dst
}

// KeyOnly returns a copy of a record that holds its key alone, as a delete carries it.
func KeyOnly(r *klinkev1.Record) *klinkev1.Record {
	out := proto.CloneOf(r)
	switch x := out.GetRecord().(type) {
	case *klinkev1.Record_Subject:
		x.Subject = &klinkev1.Subject{Type: x.Subject.GetType(), Id: x.Subject.GetId()}
	case *klinkev1.Record_Group:
		x.Group = &klinkev1.Group{Id: x.Group.GetId()}
	case *klinkev1.Record_Department:
		x.Department = &klinkev1.Department{Id: x.Department.GetId()}
	case *klinkev1.Record_Role:
		x.Role = &klinkev1.Role{Id: x.Role.GetId()}
	case *klinkev1.Record_Cell:
		x.Cell = &klinkev1.Cell{Role: x.Cell.GetRole(), Permission: x.Cell.GetPermission()}
	case *klinkev1.Record_Assignment:
		x.Assignment = &klinkev1.Assignment{Role: x.Assignment.GetRole(), Holder: x.Assignment.GetHolder()}
	case *klinkev1.Record_ObjectGrant:
		g := x.ObjectGrant
		x.ObjectGrant = &klinkev1.ObjectGrant{Type: g.GetType(), Id: g.GetId(), Action: g.GetAction(), Holder: g.GetHolder()}
	case *klinkev1.Record_Ceiling:
		x.Ceiling = &klinkev1.Ceiling{Holder: x.Ceiling.GetHolder(), Permission: x.Ceiling.GetPermission()}
	case *klinkev1.Record_Setting:
		x.Setting = &klinkev1.Setting{Name: x.Setting.GetName(), Scope: x.Setting.GetScope()}
	case *klinkev1.Record_Site:
		x.Site = &klinkev1.Site{Id: x.Site.GetId()}
	case *klinkev1.Record_ServiceClass:
		x.ServiceClass = &klinkev1.ServiceClass{Name: x.ServiceClass.GetName()}
	case *klinkev1.Record_SharingRule:
		x.SharingRule = &klinkev1.SharingRule{Type: x.SharingRule.GetType(), From: x.SharingRule.GetFrom(), To: x.SharingRule.GetTo()}
	}
	return out
}
