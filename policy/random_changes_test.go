// Random changes promise the properties that use them edits of every kind: puts, deletes, and those that Apply must refuse.
package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// change is any change; one in four deletes.
func (g *chooser) change() *klinkev1.Change {
	r := g.record()
	if g.chance(4) {
		return del(KeyOnly(r))
	}
	return put(r)
}

// beginning fills a tenant, so that what comes later has something to name.
func (g *chooser) beginning() []*klinkev1.Change {
	var out []*klinkev1.Change
	for i := range 4 {
		n := string(rune('0' + i))
		under := func(stem string) string {
			if i == 0 || g.chance(3) {
				return ""
			}
			return g.id(stem, i)
		}
		out = append(out,
			put(&klinkev1.Record{Record: &klinkev1.Record_Subject{Subject: &klinkev1.Subject{Type: klinkev1.SubjectType_SUBJECT_TYPE_USER, Id: "u" + n}}}),
			put(&klinkev1.Record{Record: &klinkev1.Record_Group{Group: &klinkev1.Group{Id: "g" + n}}}),
			put(&klinkev1.Record{Record: &klinkev1.Record_Department{Department: &klinkev1.Department{Id: "d" + n, Parent: under("d")}}}),
			put(&klinkev1.Record{Record: &klinkev1.Record_Role{Role: &klinkev1.Role{Id: "r" + n, Under: under("r")}}}),
			put(&klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: g.cell("r" + n)}}))
	}
	out = append(out,
		put(&klinkev1.Record{Record: &klinkev1.Record_Subject{Subject: &klinkev1.Subject{Type: klinkev1.SubjectType_SUBJECT_TYPE_APP, Id: "a0"}}}),
		put(&klinkev1.Record{Record: &klinkev1.Record_Site{Site: &klinkev1.Site{Id: "s0", Region: "GB", AccessDigits: "9"}}}))
	if !g.chance(4) { // as long as it is not set, there is no asking for it
		out = append(out, put(&klinkev1.Record{Record: &klinkev1.Record_Setting{Setting: &klinkev1.Setting{Name: "open", Value: "high"}}}))
	}
	for range 6 {
		out = append(out,
			put(&klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: g.cell(g.role())}}),
			put(&klinkev1.Record{Record: &klinkev1.Record_Assignment{Assignment: g.assignment()}}),
			put(&klinkev1.Record{Record: &klinkev1.Record_GroupMember{GroupMember: &klinkev1.GroupMember{Group: g.group(), Member: g.holder()}}}),
			put(&klinkev1.Record{Record: &klinkev1.Record_DepartmentMember{DepartmentMember: &klinkev1.DepartmentMember{
				Department: g.department(), Subject: g.subject(), Head: g.chance(3)}}}))
	}
	return out
}

// about turns what is drawn next to what changes are about.
func (g *chooser) about(changes []*klinkev1.Change) {
	g.near = nearby{}
	for _, c := range changes {
		r := c.GetPut()
		if r == nil {
			r = c.GetDelete()
		}
		g.near.add(r)
	}
}

func (n *nearby) holder(text string) {
	kind, id, _ := strings.Cut(text, ":")
	switch strings.TrimSuffix(kind, "+") {
	case "user":
		n.users = append(n.users, id)
	case "group":
		n.groups = append(n.groups, id)
	case "department":
		n.departments = append(n.departments, id)
	case "role":
		n.roles = append(n.roles, id)
	}
}

func (n *nearby) moment(t *timestamppb.Timestamp) {
	if t != nil {
		n.moments = append(n.moments, t.AsTime())
	}
}

func (n *nearby) add(r *klinkev1.Record) {
	switch x := r.GetRecord().(type) {
	case *klinkev1.Record_Subject:
		if x.Subject.GetType() == klinkev1.SubjectType_SUBJECT_TYPE_USER {
			n.users = append(n.users, x.Subject.GetId())
		}
	case *klinkev1.Record_GroupMember:
		n.groups = append(n.groups, x.GroupMember.GetGroup())
		n.holder(x.GroupMember.GetMember())
	case *klinkev1.Record_Department:
		n.departments = append(n.departments, x.Department.GetId())
	case *klinkev1.Record_DepartmentMember:
		n.departments = append(n.departments, x.DepartmentMember.GetDepartment())
		n.holder(x.DepartmentMember.GetSubject())
	case *klinkev1.Record_Role:
		n.roles = append(n.roles, x.Role.GetId())
	case *klinkev1.Record_RoleInclude:
		n.roles = append(n.roles, x.RoleInclude.GetRole(), x.RoleInclude.GetIncluded())
	case *klinkev1.Record_Cell:
		n.roles = append(n.roles, x.Cell.GetRole())
	case *klinkev1.Record_Assignment:
		n.roles = append(n.roles, x.Assignment.GetRole())
		n.holder(x.Assignment.GetHolder())
		n.moment(x.Assignment.GetFrom())
		n.moment(x.Assignment.GetUntil())
	case *klinkev1.Record_ObjectGrant:
		n.resources = append(n.resources, x.ObjectGrant.GetId())
		n.holder(x.ObjectGrant.GetHolder())
		n.moment(x.ObjectGrant.GetUntil())
	case *klinkev1.Record_Ceiling:
		n.holder(x.Ceiling.GetHolder())
	case *klinkev1.Record_Limit:
		n.holder(x.Limit.GetHolder())
		if v := x.Limit.GetValue(); strings.HasPrefix(v, "g") {
			n.groups = append(n.groups, v)
		}
	case *klinkev1.Record_ListedNumber:
		n.numbers = append(n.numbers, x.ListedNumber.GetNumber())
	case *klinkev1.Record_EmergencyNumber:
		n.numbers = append(n.numbers, x.EmergencyNumber.GetNumber())
	case *klinkev1.Record_ServiceClass:
		for _, p := range x.ServiceClass.GetPrefixes() {
			n.numbers = append(n.numbers, p.GetPrefix(), p.GetPrefix()+"301234", p.GetPrefix()+"123456")
		}
		for _, h := range x.ServiceClass.GetHours() {
			midnight := monday.Truncate(24 * time.Hour).Add(-time.Hour) // in Berlin
			n.moments = append(n.moments, midnight.Add(h.GetFrom().AsDuration()), midnight.Add(h.GetUntil().AsDuration()))
		}
	}
}

func (g *chooser) cell(role string) *klinkev1.Cell {
	c := &klinkev1.Cell{Role: role, Level: g.level(), Permission: pick(g, "doc.do0", "doc.do1", "doc.*", "*.*", "box.do0", "box.do1", "box.*",
		"doc.phone:read", "doc.phone:write", "doc.mail:write", "doc.*:read", "doc.*:write", "*.*:read", "*.*:write")}
	switch g.below(6) {
	case 0:
		c.When = g.cel("")
	case 1:
		c.Schedule = pick(g, "office", "night")
	}
	return c
}

func (g *chooser) assignment() *klinkev1.Assignment {
	a := &klinkev1.Assignment{Role: g.role(), Holder: g.holder()}
	switch g.below(6) {
	case 0:
		a.When = g.cel("")
	case 1:
		a.Schedule = pick(g, "office", "night")
	case 2:
		a.From, a.Until = g.boundary(), g.boundary()
	case 3:
		a.From, a.Until, a.Schedule = g.boundary(), g.boundary(), pick(g, "office", "night")
	}
	return a
}

func (g *chooser) local() (typ, local string) {
	typ = pick(g, "doc", "box")
	if typ == "doc" && g.chance(3) {
		return typ, pick(g, "phone:read", "phone:write", "mail:read")
	}
	return typ, g.id("do", 3)
}

// record is any record that stands alone or on others; the model's use is not among them.
func (g *chooser) record() *klinkev1.Record {
	switch g.below(22) {
	case 0, 1:
		return &klinkev1.Record{Record: &klinkev1.Record_Subject{Subject: g.subjectRecord()}}
	case 2:
		return &klinkev1.Record{Record: &klinkev1.Record_Group{Group: &klinkev1.Group{Id: g.group(), Labels: pick(g, nil, map[string]string{"de": "Gruppe"})}}}
	case 3, 4:
		return &klinkev1.Record{Record: &klinkev1.Record_GroupMember{GroupMember: &klinkev1.GroupMember{Group: g.group(), Member: g.holder()}}}
	case 5:
		return &klinkev1.Record{Record: &klinkev1.Record_Department{Department: &klinkev1.Department{Id: g.department(), Parent: pick(g, "", g.department())}}}
	case 6, 7:
		return &klinkev1.Record{Record: &klinkev1.Record_DepartmentMember{DepartmentMember: &klinkev1.DepartmentMember{
			Department: g.department(), Subject: g.subject(), Head: g.chance(3)}}}
	case 8:
		return &klinkev1.Record{Record: &klinkev1.Record_Role{Role: &klinkev1.Role{Id: g.role(), Under: pick(g, "", g.role()), NotAssignable: g.chance(6)}}}
	case 9:
		return &klinkev1.Record{Record: &klinkev1.Record_RoleInclude{RoleInclude: &klinkev1.RoleInclude{Role: g.role(), Included: g.role()}}}
	case 10, 11:
		return &klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: g.cell(g.role())}}
	case 12, 13:
		return &klinkev1.Record{Record: &klinkev1.Record_Assignment{Assignment: g.assignment()}}
	case 14:
		typ, local := g.local()
		return &klinkev1.Record{Record: &klinkev1.Record_ObjectGrant{ObjectGrant: &klinkev1.ObjectGrant{
			Type: typ, Id: g.resource(), Action: local, Holder: g.holder(), Level: g.level(), Until: g.boundary()}}}
	case 15:
		typ, local := g.local()
		return &klinkev1.Record{Record: &klinkev1.Record_Ceiling{Ceiling: &klinkev1.Ceiling{Holder: g.holder(), Permission: typ + "." + local, Level: g.level()}}}
	case 16:
		return &klinkev1.Record{Record: &klinkev1.Record_Limit{Limit: &klinkev1.Limit{
			Name: g.id("l", 2), Holder: g.holder(), Value: pick(g, "", "m0", "g1", "g2", "+4930123456", "x1")}}}
	case 20:
		return &klinkev1.Record{Record: &klinkev1.Record_Limit{Limit: &klinkev1.Limit{
			Name: pick(g, "dialling", "dialling", "forwarding"), Holder: g.holder(), Value: pick(g, "", "open", "internal", "own")}}}
	case 17:
		return g.configuration()
	case 18, 19:
		r := &klinkev1.SharingRule{Type: pick(g, "doc", "box"), From: g.holder(), To: g.holder(), Level: g.sharingLevel()}
		if g.chance(2) {
			r.Related = map[string]klinkev1.SharingLevel{pick(g, "doc", "box"): g.sharingLevel()}
		}
		return &klinkev1.Record{Record: &klinkev1.Record_SharingRule{SharingRule: r}}
	}
	return &klinkev1.Record{Record: &klinkev1.Record_ListedNumber{ListedNumber: &klinkev1.ListedNumber{
		List: pick(g, "list0", "list1", "extensions"), Number: pick(g, "+4930123456", "+4930", "12", "999", "13"), Prefix: g.chance(3)}}}
}

func (g *chooser) class() *klinkev1.ServiceClass {
	k := &klinkev1.ServiceClass{Name: pick(g, "own", "own", "open")}
	for _, t := range []klinkev1.NumberType{klinkev1.NumberType_NUMBER_TYPE_INTERNAL, klinkev1.NumberType_NUMBER_TYPE_NATIONAL,
		klinkev1.NumberType_NUMBER_TYPE_MOBILE, klinkev1.NumberType_NUMBER_TYPE_PREMIUM} {
		if g.chance(2) {
			continue
		}
		k.Types = append(k.Types, t)
		for g.chance(2) && len(k.Hours) < 4 {
			k.Zone = "Europe/Berlin"
			from := pick(g, 9, 10, 22, 0, 1, 2)
			k.Hours = append(k.Hours, &klinkev1.ClassHours{Type: t, From: durationpb.New(time.Duration(from) * time.Hour),
				Until: durationpb.New(time.Duration(from+1+g.below(10)) * time.Hour % (24 * time.Hour))})
		}
	}
	for _, p := range []string{"+49", "+4930", "+493012", "+44", "1", "12", "9"} {
		if g.chance(4) {
			k.Prefixes = append(k.Prefixes, &klinkev1.ClassPrefix{Prefix: p, Deny: g.chance(2)})
		}
	}
	return k
}

func (g *chooser) subjectRecord() *klinkev1.Subject {
	x := &klinkev1.Subject{Type: klinkev1.SubjectType_SUBJECT_TYPE_USER, Id: g.user(), Inactive: g.chance(6), Label: pick(g, "", "Somebody")}
	if g.chance(4) {
		x.Type, x.Id = klinkev1.SubjectType_SUBJECT_TYPE_APP, g.id("a", 2)
	}
	if g.chance(3) {
		x.Flags = []string{pick(g, "root", "sudo")}
	}
	if g.chance(3) {
		x.Attributes = map[string]string{"email": pick(g, "e0", "u1")}
	}
	return x
}

func (g *chooser) configuration() *klinkev1.Record {
	switch g.below(7) {
	case 4, 5:
		return &klinkev1.Record{Record: &klinkev1.Record_ServiceClass{ServiceClass: g.class()}}
	case 3:
		return &klinkev1.Record{Record: &klinkev1.Record_Setting{Setting: &klinkev1.Setting{Name: "direct", Value: pick(g, "true", "false")}}}
	case 0:
		return &klinkev1.Record{Record: &klinkev1.Record_Site{Site: &klinkev1.Site{
			Id: g.id("s", 2), Region: pick(g, "DE", "GB"), AccessDigits: pick(g, "", "0", "9"), Default: g.chance(2)}}}
	case 1:
		return &klinkev1.Record{Record: &klinkev1.Record_EmergencyNumber{EmergencyNumber: &klinkev1.EmergencyNumber{Site: g.id("s", 2), Number: pick(g, "999", "1234")}}}
	case 2:
		return &klinkev1.Record{Record: &klinkev1.Record_Setting{Setting: &klinkev1.Setting{Name: "combine", Value: pick(g, "highest", "lowest")}}}
	}
	return &klinkev1.Record{Record: &klinkev1.Record_Setting{Setting: &klinkev1.Setting{
		Name: pick(g, "grade", "open"), Scope: pick(g, "", "doc", "doc.phone", "box"), Value: pick(g, "low", "mid", "high")}}}
}

// dump lists what a snapshot holds, in words: equal dumps are equal tenants.
func dump(s *Snapshot) []string {
	var out []string
	w := &checkpointer{s: s, group: map[uint32]uint32{}, department: map[uint32]uint32{}, role: map[uint32]uint32{}}
	w.yield = func(c *klinkev1.CheckpointChunk) bool {
		for _, r := range c.GetRecords() {
			out = append(out, text(r.GetRecord())+" "+string(r.GetText()))
		}
		for _, code := range c.GetNumbers().GetCodes() {
			n, prefix := numberText(code)
			out = append(out, fmt.Sprintf("%s %s %t", c.GetNumbers().GetList(), n, prefix))
		}
		return true
	}
	for _, step := range []func(){w.settings, w.roles, w.departments, w.groups, w.relations, w.ofSubjects, w.grants, w.sharing, w.numbers, w.flush} {
		step()
	}
	s.subjects.all(func(space byte, id []byte, row *subject) bool {
		x := &klinkev1.Subject{Type: subjectType(space), Id: string(id), Inactive: row.bits&subjectInactive != 0, Label: string(row.text[:])}
		who := who{space, string(id)}
		for _, e := range s.classes.edges(row.bits & subjectClass) {
			if e.kind() == edgeFlag {
				x.Flags = append(x.Flags, s.model.source.GetFlags()[e.number()])
			} else if r := s.recordOf(who, e); r != nil && e.kind() < edgeTimed {
				out = append(out, text(r))
			}
		}
		if values := s.attributes.get(space, string(id)); values != nil {
			x.Attributes = map[string]string{}
			for name, no := range maps.All(s.model.userAttr) {
				x.Attributes[name] = (*values)[no]
			}
		}
		out = append(out, text(&klinkev1.Record{Record: &klinkev1.Record_Subject{Subject: x}}))
		return true
	})
	slices.Sort(out)
	return append(out, s.model.Name())
}
