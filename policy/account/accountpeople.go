package account

import (
	"slices"
	"strings"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func (x *accountReader) department(id string, d entry) *klinkev1.Record {
	out := &klinkev1.Department{Id: id}
	for _, e := range x.entries(d.value) {
		switch e.key.text {
		case "under":
			x.own(d.value, e.key)
			out.Parent = x.name(e.value)
		case "label":
			x.own(d.value, e.key)
			out.Labels = x.labels(e.value)
		case "heads", "members":
			for _, item := range x.items(e.value) {
				x.departmentMember(item, id, x.subject(item), e.key.text == "heads")
			}
		case "known":
			x.boolean(e.value)
		default:
			x.unknown(e.key, "key", []string{"under", "label", "heads", "members", "known"})
		}
	}
	return &klinkev1.Record{Record: &klinkev1.Record_Department{Department: out}}
}

func (x *accountReader) departmentMember(at *node, department, subject string, head bool) {
	x.add(at, &klinkev1.Record{Record: &klinkev1.Record_DepartmentMember{
		DepartmentMember: &klinkev1.DepartmentMember{Department: department, Subject: subject, Head: head}}})
}

func (x *accountReader) group(id string, g entry) *klinkev1.Record {
	out := &klinkev1.Group{Id: id}
	for _, e := range x.entries(g.value) {
		switch e.key.text {
		case "label":
			x.own(g.value, e.key)
			out.Labels = x.labels(e.value)
		case "members":
			for _, item := range x.items(e.value) {
				x.groupMember(item, id, x.holder(item))
			}
		case "known":
			x.boolean(e.value)
		default:
			x.unknown(e.key, "key", []string{"label", "members", "known"})
		}
	}
	return &klinkev1.Record{Record: &klinkev1.Record_Group{Group: out}}
}

func (x *accountReader) groupMember(at *node, group, member string) {
	x.add(at, &klinkev1.Record{Record: &klinkev1.Record_GroupMember{GroupMember: &klinkev1.GroupMember{Group: group, Member: member}}})
}

func (x *accountReader) role(id string, r entry) *klinkev1.Record {
	out := &klinkev1.Role{Id: id}
	for _, e := range x.entries(r.value) {
		switch e.key.text {
		case "label":
			x.own(r.value, e.key)
			out.Labels = x.labels(e.value)
		case "under":
			x.own(r.value, e.key)
			out.Under = x.name(e.value)
		case "assignable":
			x.own(r.value, e.key)
			out.NotAssignable = !x.boolean(e.value)
		case "origin":
			x.own(r.value, e.key)
			out.Origin = x.bounded(e.value, 600)
		case "includes":
			for _, item := range x.items(e.value) {
				x.add(item, &klinkev1.Record{Record: &klinkev1.Record_RoleInclude{RoleInclude: &klinkev1.RoleInclude{Role: id, Included: x.name(item)}}})
			}
		case "grants":
			cells, places := x.grants(id, e.value)
			for i, c := range cells {
				x.add(places[i], &klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: c}})
			}
		case "known":
			x.boolean(e.value)
		default:
			x.unknown(e.key, "key", []string{"label", "under", "assignable", "origin", "includes", "grants", "known"})
		}
	}
	return &klinkev1.Record{Record: &klinkev1.Record_Role{Role: out}}
}

func (x *accountReader) user(id string, u entry) *klinkev1.Record {
	return x.person(klinkev1.SubjectType_SUBJECT_TYPE_USER, "user:"+id, id, u)
}

func (x *accountReader) app(id string, u entry) *klinkev1.Record {
	return x.person(klinkev1.SubjectType_SUBJECT_TYPE_APP, "app:"+id, id, u)
}

// person reads a user or an app, with the places that are his alone.
func (x *accountReader) person(t klinkev1.SubjectType, subject, id string, u entry) *klinkev1.Record {
	out := &klinkev1.Subject{Type: t, Id: id}
	for _, e := range x.entries(u.value) {
		switch e.key.text {
		case "label":
			x.own(u.value, e.key)
			out.Label = x.bounded(e.value, 1024)
		case "active":
			x.own(u.value, e.key)
			out.Inactive = !x.boolean(e.value)
		case "flags":
			x.own(u.value, e.key)
			out.Flags = x.names(e.value)
			for i, item := range x.items(e.value) {
				if slices.Contains(out.Flags[:i], item.text) {
					x.failf(item, "the flag `%s` is said twice", item.text)
				}
			}
		case "attributes":
			x.own(u.value, e.key)
			for _, a := range x.named(e.value) {
				if out.Attributes == nil {
					out.Attributes = map[string]string{}
				}
				out.Attributes[a.key.text] = x.bounded(a.value, maxTextBytes)
			}
		case "roles":
			for _, item := range x.items(e.value) {
				x.add(item, &klinkev1.Record{Record: &klinkev1.Record_Assignment{Assignment: &klinkev1.Assignment{Role: x.name(item), Holder: subject}}})
			}
		case "groups":
			for _, item := range x.items(e.value) {
				x.groupMember(item, x.name(item), subject)
			}
		case "departments", "leads":
			for _, item := range x.items(e.value) {
				x.departmentMember(item, x.name(item), subject, e.key.text == "leads")
			}
		case "known":
			x.boolean(e.value)
		default:
			x.unknown(e.key, "key", strings.Fields("label active flags attributes roles groups departments leads known"))
		}
	}
	return &klinkev1.Record{Record: &klinkev1.Record_Subject{Subject: out}}
}
