package policy

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// recordOf returns the record behind a subject's edge; nil for what stands in the subject's own record.
func (s *Snapshot) recordOf(w who, e edge) *klinkev1.Record {
	name := w.String()
	switch e.kind() {
	case edgeGroup:
		return &klinkev1.Record{Record: &klinkev1.Record_GroupMember{GroupMember: &klinkev1.GroupMember{Group: s.entityOf(e).id, Member: name}}}
	case edgeDepartment, edgeHead:
		return &klinkev1.Record{Record: &klinkev1.Record_DepartmentMember{
			DepartmentMember: &klinkev1.DepartmentMember{Department: s.entityOf(e).id, Subject: name, Head: e.kind() == edgeHead}}}
	case edgeRole:
		return s.assignmentRecord(timed{role: e.number()}, name)
	case edgeTimed:
		return s.assignmentRecord(*s.timed.get(e.number()), name)
	case edgeCeiling:
		return s.ceilingRecord(*s.ceilings.get(e.number()), name)
	case edgeLimit:
		return s.limitRecord(*s.limits.get(e.number()), name)
	case edgeObject:
		return s.grantRecord(s.grants.get(e.number()))
	case edgeSharing:
		return s.sharingRecord(s.sharing.get(e.number()))
	}
	return nil
}

func (s *Snapshot) assignmentRecord(t timed, name string) *klinkev1.Record {
	x := &klinkev1.Assignment{Role: (*s.roles.get(t.role)).id, Holder: name, From: timestamp(t.from), Until: timestamp(t.until)}
	if t.cond != nil {
		x.When = t.cond.source
	}
	if t.sched != nil {
		x.Schedule = t.sched.name
	}
	return &klinkev1.Record{Record: &klinkev1.Record_Assignment{Assignment: x}}
}

func timestamp(nanos int64) *timestamppb.Timestamp {
	if nanos == 0 {
		return nil
	}
	return timestamppb.New(time.Unix(0, nanos))
}

func (s *Snapshot) ceilingRecord(c ceiling, name string) *klinkev1.Record {
	return &klinkev1.Record{Record: &klinkev1.Record_Ceiling{Ceiling: &klinkev1.Ceiling{
		Holder: name, Permission: s.permName(c.perm), Level: s.scale(c.perm).levels[c.rank].name}}}
}

func (s *Snapshot) limitRecord(l limitValue, name string) *klinkev1.Record {
	return &klinkev1.Record{Record: &klinkev1.Record_Limit{Limit: &klinkev1.Limit{Name: s.model.limits[l.name], Holder: name, Value: l.value}}}
}

func (s *Snapshot) grantRecord(g *objectGrant) *klinkev1.Record {
	name := who{g.space, g.who}.String()
	if g.space == 0 {
		name = s.holderText(g.holder)
	}
	return &klinkev1.Record{Record: &klinkev1.Record_ObjectGrant{ObjectGrant: &klinkev1.ObjectGrant{
		Type: s.model.types[g.typ].name, Id: g.id, Action: s.localName(g.perm), Holder: name,
		Level: s.scale(g.perm).levels[g.rank].name, Until: timestamp(g.until)}}}
}

// localName is a permission without its type.
func (s *Snapshot) localName(p perm) string {
	name := s.permName(p)
	return name[strings.IndexByte(name, '.')+1:]
}
