// Random models, directories and questions promise the properties that use them every kind of test, record, holder and fact,
// from pools so small that they meet.
package policy

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// chooser draws from a run's stream of choices.
type chooser struct {
	t     *rapid.T
	perms []string // of the model so far, which rules may ask for without a circle
	near  nearby
	// hourless models have no test of hours, whose edges concern everybody.
	hourless bool
}

// nearby is what the latest changes were about. Whatever is drawn next leans to it, so that changes and questions meet.
type nearby struct {
	users, groups, departments, roles, resources, numbers []string
	moments                                               []time.Time
}

func lean[T any](g *chooser, near []T, otherwise ...T) T {
	if len(near) > 0 && g.chance(2) {
		return pick(g, near...)
	}
	return pick(g, otherwise...)
}

// below is a number below n. The draws favour small ones, for the sake of shrinking; mixing makes all of them as likely.
func (g *chooser) below(n int) int {
	x := rapid.Uint64().Draw(g.t, "")
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return int((x ^ x>>31) % uint64(n))
}

// chance is one in n.
func (g *chooser) chance(n int) bool { return g.below(n) == n-1 }

func pick[T any](g *chooser, from ...T) T { return from[g.below(len(from))] }

func (g *chooser) id(stem string, n int) string { return fmt.Sprintf("%s%d", stem, g.below(n)) }

func (g *chooser) user() string {
	return lean(g, g.near.users, "u0", "u1", "u2", "u3", "u0", "u1", "u2", "u3", "u4")
}
func (g *chooser) group() string      { return lean(g, g.near.groups, "g0", "g1", "g2", "g3") }
func (g *chooser) department() string { return lean(g, g.near.departments, "d0", "d1", "d2", "d3") }
func (g *chooser) role() string       { return lean(g, g.near.roles, "r0", "r1", "r2", "r3", "r4") }
func (g *chooser) resource() string {
	return lean(g, g.near.resources, "x0", "x1", "x2", "u0", "u1", "user:u1", "app:a0", "a0")
}
func (g *chooser) level() string { return pick(g, "own", "none", "team", "all") }
func (g *chooser) number() string {
	return lean(g, g.near.numbers, "+4930123456", "030 123456", "0900 1234567", "112", "110", "0112", "999", "12", "0176 12345678", "+1 202 555 0100", "what",
		"+493012345678901234", "+4930x1234", "12a", "13")
}

func (g *chooser) subject() string {
	return pick(g, "user:"+g.user(), "user:"+g.user(), "app:"+g.id("a", 2))
}

func (g *chooser) holder() string {
	return pick(g, g.subject(), g.subject(), "group:"+g.group(), "role:"+g.role(), "role+:"+g.role(), "department:"+g.department(),
		"department+:"+g.department(), "everybody")
}

// monday is a moment at which the schedules open.
var monday = time.Date(2026, 1, 5, 7, 0, 0, 0, time.UTC)

// moment is one of few, so that boundaries are hit exactly.
func (g *chooser) moment() time.Time {
	if n := len(g.near.moments); n > 0 && g.chance(3) {
		return g.near.moments[g.below(n)]
	}
	return monday.Add(time.Duration(g.below(8))*30*time.Minute + time.Duration(g.below(3)-1))
}

func (g *chooser) boundary() *timestamppb.Timestamp {
	if g.chance(2) {
		return nil
	}
	return timestamppb.New(monday.Add(time.Duration(g.below(8)) * 30 * time.Minute))
}

const (
	kindUser      = klinkev1.AttributeKind_ATTRIBUTE_KIND_USER
	kindApp       = klinkev1.AttributeKind_ATTRIBUTE_KIND_APP
	kindPrincipal = klinkev1.AttributeKind_ATTRIBUTE_KIND_PRINCIPAL
	kindNumber    = klinkev1.AttributeKind_ATTRIBUTE_KIND_NUMBER
	kindRecord    = klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORD
	kindRecords   = klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORDS
	kindGroups    = klinkev1.AttributeKind_ATTRIBUTE_KIND_GROUPS
	kindID        = klinkev1.AttributeKind_ATTRIBUTE_KIND_ID
	kindText      = klinkev1.AttributeKind_ATTRIBUTE_KIND_TEXT
	kindBool      = klinkev1.AttributeKind_ATTRIBUTE_KIND_BOOL
)

// model is one of two types: `doc` has attributes of every kind, and fields; `box` is what a doc is in.
func (g *chooser) model(name string) *klinkev1.Model {
	hours := func(name, zone string, from, until time.Duration, days ...uint32) *klinkev1.Schedule {
		return &klinkev1.Schedule{Name: name, Zone: zone, Hours: []*klinkev1.Hours{{Days: days, From: durationpb.New(from), Until: durationpb.New(until)}}}
	}
	m := &klinkev1.Model{
		Name: name, Flags: []string{"root", "sudo"}, DefaultRegion: "DE",
		UserAttributes: []*klinkev1.Attribute{{Name: "email", Kind: kindText}},
		Settings: []*klinkev1.SettingDeclaration{
			{Name: "combine", Default: new("highest"), Values: []string{"lowest", "highest"}},
			{Name: "direct", Default: new(pick(g, "true", "false"))},
			{Name: "grade", Default: new("mid"), Values: []string{"low", "mid", "high"}},
			{Name: "open"},
		},
		Schedules: []*klinkev1.Schedule{
			hours("office", "Europe/Berlin", 9*time.Hour, 10*time.Hour, 1, 2),
			hours("night", "America/New_York", 0, 4*time.Hour, 1, 7),
		},
		Regions: []*klinkev1.Region{
			{Name: "DE", Country: "49", Trunk: "0", International: "00", Emergency: []string{"112", "110"}},
			{Name: "GB", Country: "44", Trunk: "0", International: "00", Emergency: []string{"112", "999"}},
		},
		Classes: []*klinkev1.ServiceClass{
			{Name: "open", Types: []klinkev1.NumberType{klinkev1.NumberType_NUMBER_TYPE_INTERNAL, klinkev1.NumberType_NUMBER_TYPE_NATIONAL}},
			{Name: "internal", Types: []klinkev1.NumberType{klinkev1.NumberType_NUMBER_TYPE_INTERNAL}},
		},
		DefaultClasses: map[string]string{"dialling": "open", "forwarding": "internal"},
	}
	m.Combine = pick(g, klinkev1.Combine_COMBINE_HIGHEST, klinkev1.Combine_COMBINE_LOWEST, klinkev1.Combine_COMBINE_SETTING)
	if m.Combine == klinkev1.Combine_COMBINE_SETTING {
		m.CombineSetting = "combine"
	}
	m.DirectFirst = pick(g, "", "direct")
	opt := func(n string, k klinkev1.AttributeKind) *klinkev1.Attribute {
		return &klinkev1.Attribute{Name: n, Kind: k, Optional: g.chance(2)}
	}
	box := &klinkev1.ResourceType{Name: "box", Attributes: []*klinkev1.Attribute{
		opt("owner", kindUser), opt("nr", kindNumber), opt("teams", kindGroups), opt("mark", kindText)}}
	doc := &klinkev1.ResourceType{Name: "doc", Attributes: []*klinkev1.Attribute{
		opt("owner", kindUser), opt("nr", kindNumber), opt("teams", kindGroups), opt("mark", kindText),
		opt("holder", kindPrincipal), opt("by", kindApp), opt("ok", kindBool), opt("parent", kindRecord), opt("parts", kindRecords),
		{Name: "box", Kind: kindID, Of: "box", Optional: g.chance(2)}, {Name: "where", Kind: kindID, Of: "site", Optional: true}}}
	g.perms = nil
	for _, t := range []*klinkev1.ResourceType{box, doc} {
		for i := range 1 + g.below(3) {
			t.Relations = append(t.Relations, &klinkev1.Relation{Name: fmt.Sprintf("rel%d", i), Test: g.test(t, 1, true)})
		}
		for i := range 2 + g.below(2) {
			a := &klinkev1.Action{Name: fmt.Sprintf("do%d", i), Rule: g.rule(t)}
			t.Actions = append(t.Actions, a)
			if a.GetRule().GetScale() != nil {
				g.perms = append(g.perms, t.GetName()+"."+a.GetName())
			}
		}
	}
	read := g.rule(doc)
	if read.GetScale() == nil {
		read.Scale = g.scale(doc)
	}
	write := g.rule(doc)
	write.Scale = read.GetScale()
	doc.Fields = &klinkev1.Fields{Read: read, Write: write}
	m.Types = []*klinkev1.ResourceType{doc, box}
	m.Roles = []*klinkev1.RoleTemplate{
		{Role: &klinkev1.Role{Id: "r0"}, Cells: []*klinkev1.Cell{{Role: "r0", Permission: "*.*", Level: "none"}}},
		{Role: &klinkev1.Role{Id: "r1", Under: "r0"}, Includes: []string{"r0"}},
	}
	m.Assignments = []*klinkev1.Assignment{{Role: "r0", Holder: "everybody"}}
	return m
}

func (g *chooser) scale(t *klinkev1.ResourceType) *klinkev1.Scale {
	s := &klinkev1.Scale{Name: "reach", Levels: []*klinkev1.Level{{Name: "none"}}}
	for _, name := range []string{"own", "team", "all"} {
		l := &klinkev1.Level{Name: name, Any: g.chance(4)}
		for range 1 + g.below(3) {
			if !l.GetAny() {
				l.Relations = append(l.Relations, g.test(t, 2, false))
			}
		}
		s.Levels = append(s.Levels, l)
	}
	if g.chance(3) {
		s.Default = g.level()
	}
	return s
}

func (g *chooser) rule(t *klinkev1.ResourceType) *klinkev1.Rule {
	r := &klinkev1.Rule{}
	if !g.chance(4) {
		r.Scale = g.scale(t)
	}
	some := func() (out []*klinkev1.Test) {
		for g.chance(4) && len(out) < 2 {
			out = append(out, g.test(t, 2, false))
		}
		return out
	}
	r.Gate, r.Require = some(), some()
	if r.GetScale() != nil && g.chance(8) {
		r.Gate = append(r.Gate, &klinkev1.Test{Test: &klinkev1.Test_Permission{
			Permission: &klinkev1.PermissionPasses{Permission: "self", AtLeast: g.level()}}})
	}
	if g.chance(4) {
		r.Emergency = []*klinkev1.Emergency{{Attribute: "nr", Deny: g.chance(2)}}
	}
	for _, f := range []string{"root", "sudo"} {
		if g.chance(4) {
			r.Override = append(r.Override, f)
		}
	}
	if len(g.perms) > 0 && g.chance(4) {
		r.Override = append(r.Override, pick(g, g.perms...))
	}
	for i := range g.below(3) {
		o := &klinkev1.Obligation{Id: fmt.Sprintf("oblige%d", i), Required: g.chance(2)}
		if g.chance(2) {
			o.If = g.test(t, 1, false)
		}
		r.Obligations = append(r.Obligations, o)
	}
	return r
}

// test draws one of the closed set. Those inside a relation ask for nothing else and stand on their own.
func (g *chooser) test(t *klinkev1.ResourceType, depth int, inRelation bool) *klinkev1.Test {
	isDoc := t.GetName() == "doc"
	person := func() string {
		if isDoc {
			return pick(g, "owner", "owner", "holder", "id")
		}
		return pick(g, "owner", "id")
	}
	attribute := func() string { return pick(g, t.GetAttributes()...).GetName() }
	switch n := g.below(26); {
	case n == 0:
		return &klinkev1.Test{Test: &klinkev1.Test_Is{Is: &klinkev1.Is{Attribute: pick(g, "mark", "id", "owner"), By: "email"}}}
	case n == 1:
		return &klinkev1.Test{Test: &klinkev1.Test_Absent{Absent: &klinkev1.Absent{Attribute: attribute()}}}
	case n == 2:
		return &klinkev1.Test{Test: &klinkev1.Test_Value{Value: g.value(isDoc)}}
	case n == 3:
		return &klinkev1.Test{Test: &klinkev1.Test_Within{Within: &klinkev1.Within{Attribute: pick(g, "mark", "nr", "id"), Limit: g.id("l", 2), Strict: g.chance(2)}}}
	case n == 4:
		m := &klinkev1.MemberOf{Attribute: "teams"}
		if isDoc { // whose fields are sure to have levels
			m.Carrying = pick(g, "", "", "own", "team")
		}
		return &klinkev1.Test{Test: &klinkev1.Test_MemberOf{MemberOf: m}}
	case n == 5:
		return &klinkev1.Test{Test: &klinkev1.Test_SameGroup{SameGroup: &klinkev1.SameGroup{Attribute: person(), Limit: pick(g, "", "l0", "l1")}}}
	case n == 6:
		return &klinkev1.Test{Test: &klinkev1.Test_DepartmentOf{DepartmentOf: &klinkev1.DepartmentOf{Attribute: person()}}}
	case n == 7:
		return &klinkev1.Test{Test: &klinkev1.Test_Above{Above: &klinkev1.Above{Attribute: person()}}}
	case n == 8:
		return &klinkev1.Test{Test: &klinkev1.Test_Below{Below: &klinkev1.Below{Attribute: person()}}}
	case n == 9:
		return &klinkev1.Test{Test: &klinkev1.Test_SameRole{SameRole: &klinkev1.SameRole{Attribute: person()}}}
	case n == 10:
		return &klinkev1.Test{Test: &klinkev1.Test_Holds{Holds: &klinkev1.Holds{Attribute: person(), In: []string{g.role(), "nobody's"}}}}
	case n == 11:
		return &klinkev1.Test{Test: &klinkev1.Test_Listed{Listed: &klinkev1.Listed{Attribute: "nr", In: g.id("list", 2)}}}
	case n == 12:
		c := &klinkev1.NumberClass{Attribute: "nr", Class: &klinkev1.NumberClass_Of{Of: pick(g, "dialling", "dialling", "forwarding")}}
		if g.chance(2) {
			c.Class = &klinkev1.NumberClass_Fixed{Fixed: pick(g, "internal", "open")}
		}
		return &klinkev1.Test{Test: &klinkev1.Test_NumberClass{NumberClass: c}}
	case n == 13:
		s := &klinkev1.SettingIs{Name: "grade", AtLeast: pick(g, "low", "mid", "high")}
		if g.chance(2) {
			s = &klinkev1.SettingIs{Name: pick(g, "open", "grade"), In: []string{pick(g, "low", "high")}}
		}
		return &klinkev1.Test{Test: &klinkev1.Test_Setting{Setting: s}}
	case n == 14 && !g.hourless:
		return &klinkev1.Test{Test: &klinkev1.Test_Schedule{Schedule: &klinkev1.InSchedule{Name: pick(g, "office", "night")}}}
	case n == 15:
		return &klinkev1.Test{Test: &klinkev1.Test_When{When: &klinkev1.When{Cel: g.cel(t.GetName())}}}
	case n <= 17 && len(g.perms) > 0 && !inRelation:
		p := &klinkev1.PermissionPasses{Permission: pick(g, g.perms...), On: g.on(isDoc)}
		if g.chance(2) {
			p.AtLeast = g.level()
		}
		return &klinkev1.Test{Test: &klinkev1.Test_Permission{Permission: p}}
	case n == 18 && len(g.perms) > 0 && !inRelation:
		return &klinkev1.Test{Test: &klinkev1.Test_Allowed{Allowed: &klinkev1.Allowed{Action: pick(g, g.perms...), On: g.on(isDoc)}}}
	case n == 19 && depth > 0:
		return &klinkev1.Test{Test: &klinkev1.Test_Any{Any: &klinkev1.Tests{Tests: []*klinkev1.Test{g.test(t, depth-1, inRelation), g.test(t, depth-1, inRelation)}}}}
	case n == 20 && depth > 0:
		return &klinkev1.Test{Test: &klinkev1.Test_All{All: &klinkev1.Tests{Tests: []*klinkev1.Test{g.test(t, depth-1, inRelation), g.test(t, depth-1, inRelation)}}}}
	case n >= 24:
		s := &klinkev1.Shared{Level: g.sharingLevel(), Attribute: "owner", As: pick(g, "", "", "box", "doc")}
		if isDoc {
			s.Attribute, s.Through = pick(g, "owner", "holder", "id"), pick(g, "", "parent")
		}
		return &klinkev1.Test{Test: &klinkev1.Test_Shared{Shared: s}}
	case n <= 22 && len(t.GetRelations()) > 0 && !inRelation:
		return &klinkev1.Test{Test: &klinkev1.Test_Relation{Relation: pick(g, t.GetRelations()...).GetName()}}
	}
	at := person()
	if isDoc && g.chance(4) {
		at = "by"
	}
	return &klinkev1.Test{Test: &klinkev1.Test_Is{Is: &klinkev1.Is{Attribute: at}}}
}

func (g *chooser) sharingLevel() klinkev1.SharingLevel {
	return pick(g, klinkev1.SharingLevel_SHARING_LEVEL_READ, klinkev1.SharingLevel_SHARING_LEVEL_WRITE)
}

func (g *chooser) value(isDoc bool) *klinkev1.Value {
	text := func(s string) *klinkev1.Scalar { return &klinkev1.Scalar{Value: &klinkev1.Scalar_Text{Text: s}} }
	truth := &klinkev1.Scalar{Value: &klinkev1.Scalar_Truth{Truth: true}}
	switch n := g.below(4); {
	case n == 0:
		return &klinkev1.Value{Attribute: "context.mfa", In: []*klinkev1.Scalar{truth, text("yes")}}
	case n == 1 && isDoc:
		return &klinkev1.Value{Attribute: "ok", In: []*klinkev1.Scalar{truth, {}}[:1+g.below(2)]}
	case n == 2:
		return &klinkev1.Value{Attribute: "id", In: []*klinkev1.Scalar{text(g.resource())}}
	}
	return &klinkev1.Value{Attribute: pick(g, "mark", "nr"), In: []*klinkev1.Scalar{text("m0"), text("+4930123456"), {}}[:1+g.below(3)]}
}

func (g *chooser) on(isDoc bool) *klinkev1.On {
	switch n := g.below(6); {
	case n == 0:
		return &klinkev1.On{On: &klinkev1.On_Id{Id: g.resource()}}
	case n == 1:
		return &klinkev1.On{On: &klinkev1.On_Attribute{Attribute: "id"}}
	case n == 2 && isDoc:
		return &klinkev1.On{On: &klinkev1.On_Attribute{Attribute: "box"}}
	case n == 3 && isDoc:
		return &klinkev1.On{On: &klinkev1.On_Each{Each: "parts"}}
	}
	return nil
}

// cel is a condition; typ is empty where any type may come.
func (g *chooser) cel(typ string) string {
	all := []string{
		"subject.id == 'u1'", "context.mfa == true", "action.name == 'do0'", "resource.id == 'x1'", "subject.email == 'e0'",
		"groups(subject.id).exists(g, g == 'g1')", "departments('u2').size() > 0", "'g0' in groups('user:u0')",
		"now < timestamp('2026-01-05T08:00:00Z')", "actor.id == 'a0'", "groups(resource.owner).size() > 0", "resource.nr == '+4930123456'",
	}
	if typ != "" {
		all = append(all, "resource.owner == subject.id", "resource.mark == 'm0'", "'g2' in resource.teams")
	}
	return pick(g, all...)
}

// context of a question, and the resource's facts.
func (g *chooser) facts(t string, depth int) map[string]any {
	out := map[string]any{}
	put := func(name string, v func() any) {
		switch g.below(4) {
		case 0:
			out[name] = nil
		case 1, 2:
			out[name] = v()
		}
	}
	put("owner", func() any { return pick(g, g.user(), g.user(), "user:u1", "ghost") })
	put("nr", func() any { return g.number() })
	put("teams", func() any { return []any{g.group(), pick(g, g.group(), "ghost")}[:g.below(3)] })
	put("mark", func() any { return pick(g, "m0", "m1", "e0", "") })
	if t != "doc" {
		return out
	}
	put("holder", func() any { return pick(g, g.user(), "group:"+g.group(), "app:a0", "group:ghost") })
	put("by", func() any { return pick(g, "a0", "a1", "app:a0") })
	put("ok", func() any { return g.chance(2) })
	put("box", func() any { return g.resource() })
	if g.chance(6) {
		out["where"] = pick(g, "s0", "s0", "s1")
	}
	if depth > 0 {
		record := func() any {
			typ := pick(g, "doc", "box")
			r := g.facts(typ, depth-1)
			r["type"], r["id"] = typ, g.resource()
			delete(r, "where")
			return r
		}
		put("parent", record)
		put("parts", func() any { return []any{record(), record()}[:g.below(3)] })
	}
	return out
}

// question is any question, mostly a well-formed one.
func (g *chooser) question() *Question {
	subject := func() *klinkev1.QuestionSubject {
		switch g.below(12) {
		case 11:
			return &klinkev1.QuestionSubject{Type: "user", Id: "ghost"}
		case 9, 10:
			return &klinkev1.QuestionSubject{Type: "app", Id: pick(g, "a0", "a0", "a1")}
		}
		return &klinkev1.QuestionSubject{Type: "user", Id: g.user()}
	}
	typ := pick(g, "doc", "doc", "box")
	q := g.questionAbout(typ)
	q.Subject, q.Action = subject(), &klinkev1.QuestionAction{Name: pick(g, "do0", "do0", "do1", "do1", "do2")}
	if typ == "doc" && g.chance(3) {
		q.Action = &klinkev1.QuestionAction{Name: pick(g, "read", "write"),
			Properties: &structpb.Struct{Fields: map[string]*structpb.Value{"field": structpb.NewStringValue(pick(g, "phone", "mail"))}}}
	}
	return q
}

// questionAbout is a question that still wants an asker and an action.
func (g *chooser) questionAbout(typ string) *Question {
	q := &Question{Resource: &klinkev1.QuestionResource{Type: typ, Id: g.resource()}}
	if g.chance(6) {
		q.Resource.Id = "*"
	} else {
		properties, err := structpb.NewStruct(g.facts(typ, 2))
		if err != nil {
			g.t.Fatal(err)
		}
		q.Resource.Properties = properties
	}
	if g.chance(6) {
		q.Actor = &klinkev1.QuestionSubject{Type: "app", Id: pick(g, "a0", "a0", "a0", "a1", "ghost")}
	}
	if g.chance(2) {
		q.Context = &structpb.Struct{Fields: map[string]*structpb.Value{
			"mfa": pick(g, structpb.NewBoolValue(true), structpb.NewStringValue("yes"), structpb.NewNullValue())}}
	}
	for range g.below(3) {
		if g.chance(6) {
			q.ActiveRoles = append(q.ActiveRoles, g.role())
		}
	}
	return q
}
