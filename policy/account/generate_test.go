// The generators of this file make records as strange as the contract allows; the round trip of encode_test.go proves
// that none of them is lost or changed.
package account

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// genName makes names that a careless writer of YAML would spoil, and a few plain ones so that edges meet.
func genName() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"a", "b", "anna", "vertrieb"}),
		rapid.SampledFrom([]string{"true", "null", "no", "on", "~", "everybody", "user:x", "known", "<<", "- a", "a: b", "a #b", "0049", "1e3", "*a", "&a", "!a",
			"a,b", "[a]", "{a}", "'", `"`, `\`, "ä ö", " a", "a ", "?", ":", "=", "%", "@", "`", "2026-01-01", "\u2028", "\ufeff", "\u00ad", "😀", "a\u0301"}),
		rapid.StringN(1, 12, policy.MaxIDBytes).Filter(func(s string) bool { return badName(s) == "" }),
	)
}

func genText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.Just(""), genName(), rapid.SampledFrom([]string{"a\nb", "\t", "\x00", "\u0085", "a\r\n", "--- a", "\n---\n"}), rapid.String())
}

func genHolder() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 9).Draw(t, "everybody") == 0 {
			return everybody
		}
		return rapid.SampledFrom(holderKinds()).Draw(t, "kind") + ":" + genName().Draw(t, "id")
	})
}

func genLabels() *rapid.Generator[map[string]string] {
	return rapid.MapOfN(genName(), genText(), 0, 2)
}

func genMoment() *rapid.Generator[*timestamppb.Timestamp] {
	return rapid.Custom(func(t *rapid.T) *timestamppb.Timestamp {
		if rapid.Bool().Draw(t, "none") {
			return nil
		}
		return &timestamppb.Timestamp{Seconds: rapid.Int64Range(-62135596800, 253402300799).Draw(t, "s"), Nanos: rapid.Int32Range(0, 999999999).Draw(t, "ns")}
	})
}

func genPermission(t *rapid.T) string {
	return rapid.SampledFrom([]string{"t.x", "t.*", "*.*", "t.f:read", "*.*:write", "t.x@y", "t. z", "ä.ö:read"}).Draw(t, "permission")
}

func genLevel(t *rapid.T) string {
	return rapid.SampledFrom([]string{"any", "own", "null", "ä b", "#"}).Draw(t, "level")
}

// genClass makes a class of service. Hours of one type stand together, since Apply keeps them sorted.
func genClass(t *rapid.T, name string) *klinkev1.ServiceClass {
	k := &klinkev1.ServiceClass{Name: name, Zone: rapid.SampledFrom([]string{"", "UTC", "Europe/Berlin", "no such", "null"}).Draw(t, "zone")}
	types := rapid.SliceOfNDistinct(rapid.Int32Range(1, int32(len(klinkev1.NumberType_name)-1)), 0, 4, rapid.ID[int32])
	for _, n := range types.Draw(t, "types") {
		k.Types = append(k.Types, klinkev1.NumberType(n))
	}
	for _, p := range rapid.SliceOfNDistinct(rapid.StringMatching(`\+?[0-9]{1,15}`), 0, 4, rapid.ID[string]).Draw(t, "prefixes") {
		k.Prefixes = append(k.Prefixes, &klinkev1.ClassPrefix{Prefix: p, Deny: rapid.Bool().Draw(t, "deny")})
	}
	if k.Zone == "" {
		return k
	}
	for _, n := range types.Draw(t, "at hours") {
		for range rapid.IntRange(1, 3).Draw(t, "spans") {
			from, until := rapid.IntRange(0, 24*60).Draw(t, "from"), rapid.IntRange(0, 24*60).Draw(t, "until")
			if from != until {
				k.Hours = append(k.Hours, &klinkev1.ClassHours{Type: klinkev1.NumberType(n),
					From: durationpb.New(time.Duration(from) * time.Minute), Until: durationpb.New(time.Duration(until) * time.Minute)})
			}
		}
	}
	return k
}

// genRecord makes a record of a kind. Departments and roles stand under names that sort before theirs, so that no circle
// can arise.
func genRecord(t *rapid.T, kind klinkev1.RecordKind) *klinkev1.Record {
	name := func(label string) string { return genName().Draw(t, label) }
	text := func(label string) string { return genText().Draw(t, label) }
	optional := func(label string) string { return rapid.OneOf(rapid.Just(""), genName()).Draw(t, label) }
	truth := func(label string) bool { return rapid.Bool().Draw(t, label) }
	digits := func(pattern string) string { return rapid.StringMatching(pattern).Draw(t, "digits") }
	holder := func() string { return genHolder().Draw(t, "holder") }
	above := func(id string) string {
		if p := optional("under"); p < id {
			return p
		}
		return ""
	}
	switch kind {
	case klinkev1.RecordKind_RECORD_KIND_SETTING:
		return &klinkev1.Record{Record: &klinkev1.Record_Setting{Setting: &klinkev1.Setting{Name: name("name"), Scope: optional("scope"), Value: text("value")}}}
	case klinkev1.RecordKind_RECORD_KIND_SERVICE_CLASS:
		return &klinkev1.Record{Record: &klinkev1.Record_ServiceClass{ServiceClass: genClass(t, name("name"))}}
	case klinkev1.RecordKind_RECORD_KIND_SITE:
		return &klinkev1.Record{Record: &klinkev1.Record_Site{Site: &klinkev1.Site{Id: name("id"), Region: name("region"), AccessDigits: digits(`[0-9]{0,3}`), Default: truth("default")}}}
	case klinkev1.RecordKind_RECORD_KIND_EMERGENCY_NUMBER:
		return &klinkev1.Record{Record: &klinkev1.Record_EmergencyNumber{EmergencyNumber: &klinkev1.EmergencyNumber{Site: name("site"), Number: digits(`[0-9]{3,6}`)}}}
	case klinkev1.RecordKind_RECORD_KIND_DEPARTMENT:
		id := name("id")
		return &klinkev1.Record{Record: &klinkev1.Record_Department{Department: &klinkev1.Department{Id: id, Parent: above(id), Labels: genLabels().Draw(t, "labels")}}}
	case klinkev1.RecordKind_RECORD_KIND_GROUP:
		return &klinkev1.Record{Record: &klinkev1.Record_Group{Group: &klinkev1.Group{Id: name("id"), Labels: genLabels().Draw(t, "labels")}}}
	case klinkev1.RecordKind_RECORD_KIND_ROLE:
		id := name("id")
		return &klinkev1.Record{Record: &klinkev1.Record_Role{Role: &klinkev1.Role{Id: id, Under: above(id), NotAssignable: truth("not"), Labels: genLabels().Draw(t, "labels"), Origin: text("origin")}}}
	case klinkev1.RecordKind_RECORD_KIND_ROLE_INCLUDE:
		return &klinkev1.Record{Record: &klinkev1.Record_RoleInclude{RoleInclude: &klinkev1.RoleInclude{Role: name("role"), Included: name("included")}}}
	case klinkev1.RecordKind_RECORD_KIND_CELL:
		return &klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: &klinkev1.Cell{Role: name("role"), Permission: genPermission(t), Level: genLevel(t), When: text("when"), Schedule: optional("schedule")}}}
	case klinkev1.RecordKind_RECORD_KIND_SUBJECT:
		return &klinkev1.Record{Record: &klinkev1.Record_Subject{Subject: &klinkev1.Subject{Type: klinkev1.SubjectType(rapid.IntRange(1, 2).Draw(t, "type")), Id: name("id"),
			Inactive: truth("inactive"), Label: text("label"), Flags: rapid.SliceOfNDistinct(genName(), 0, 3, rapid.ID[string]).Draw(t, "flags"), Attributes: genLabels().Draw(t, "attributes")}}}
	case klinkev1.RecordKind_RECORD_KIND_DEPARTMENT_MEMBER:
		subject := rapid.SampledFrom([]string{"user:", "app:"}).Draw(t, "kind") + name("subject")
		return &klinkev1.Record{Record: &klinkev1.Record_DepartmentMember{DepartmentMember: &klinkev1.DepartmentMember{Department: name("department"), Subject: subject, Head: truth("head")}}}
	case klinkev1.RecordKind_RECORD_KIND_GROUP_MEMBER:
		return &klinkev1.Record{Record: &klinkev1.Record_GroupMember{GroupMember: &klinkev1.GroupMember{Group: name("group"), Member: holder()}}}
	case klinkev1.RecordKind_RECORD_KIND_ASSIGNMENT:
		return &klinkev1.Record{Record: &klinkev1.Record_Assignment{Assignment: &klinkev1.Assignment{Role: name("role"), Holder: holder(), From: genMoment().Draw(t, "from"),
			Until: genMoment().Draw(t, "until"), When: text("when"), Schedule: optional("schedule")}}}
	case klinkev1.RecordKind_RECORD_KIND_OBJECT_GRANT:
		return &klinkev1.Record{Record: &klinkev1.Record_ObjectGrant{ObjectGrant: &klinkev1.ObjectGrant{Type: rapid.SampledFrom([]string{"t", "line", "ä b"}).Draw(t, "type"), Id: name("id"),
			Action: rapid.SampledFrom([]string{"x", "f:read", "a.b", "a@b"}).Draw(t, "action"), Holder: holder(), Level: genLevel(t), Until: genMoment().Draw(t, "until")}}}
	case klinkev1.RecordKind_RECORD_KIND_CEILING:
		return &klinkev1.Record{Record: &klinkev1.Record_Ceiling{Ceiling: &klinkev1.Ceiling{Holder: holder(), Permission: genPermission(t), Level: genLevel(t)}}}
	case klinkev1.RecordKind_RECORD_KIND_LIMIT:
		return &klinkev1.Record{Record: &klinkev1.Record_Limit{Limit: &klinkev1.Limit{Name: name("name"), Holder: holder(), Value: text("value")}}}
	case klinkev1.RecordKind_RECORD_KIND_SHARING_RULE:
		level := func() klinkev1.SharingLevel { return klinkev1.SharingLevel(rapid.IntRange(1, 2).Draw(t, "level")) }
		r := &klinkev1.SharingRule{Type: name("type"), From: holder(), To: holder(), Level: level()}
		for range rapid.IntRange(0, 2).Draw(t, "related") {
			if r.Related == nil {
				r.Related = map[string]klinkev1.SharingLevel{}
			}
			r.Related[name("related")] = level()
		}
		return &klinkev1.Record{Record: &klinkev1.Record_SharingRule{SharingRule: r}}
	case klinkev1.RecordKind_RECORD_KIND_LISTED_NUMBER:
		return &klinkev1.Record{Record: &klinkev1.Record_ListedNumber{ListedNumber: &klinkev1.ListedNumber{List: name("list"), Number: digits(`\+?[0-9]{1,15}`), Prefix: truth("prefix")}}}
	}
	t.Fatalf("no generator for %v", kind)
	return nil
}

// genRecords makes records of all kinds, each key once.
func genRecords(t *rapid.T) []*klinkev1.Record {
	var out []*klinkev1.Record
	seen := map[string]bool{}
	for range rapid.IntRange(0, 40).Draw(t, "records") {
		r := genRecord(t, rapid.SampledFrom(Kinds()).Draw(t, "kind"))
		kind, parts := policy.RecordKey(r)
		if key := string(policy.AppendKey(nil, kind, parts)); !seen[key] {
			seen[key] = true
			out = append(out, r)
		}
	}
	return out
}
