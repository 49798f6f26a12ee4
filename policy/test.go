package policy

import (
	"strings"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// test is a compiled test of the closed set in section 4.2 of the design. Decide and Explain each evaluate it in their own
// way; the two meet only here and in the request.
type test struct {
	kind testKind
	text string // how people read it
	// The operands; which of them count depends on the kind.
	attr     attr
	by       int      // is: the subject's attribute to compare, -1 for the id
	values   []scalar // value
	names    []string // holds: roles; setting: values
	no       uint16   // within, same_group: limit; listed: list; setting: setting
	limit    bool     // same_group, number_class: no counts
	strict   bool     // within
	rank     uint8    // permission: the rank that suffices, with atLeast; setting: the lowest index that passes
	least    bool     // permission, setting: rank counts
	self     bool     // permission: the question's own, field included
	perm     perm
	on       on
	carrying string // member_of: a level
	class    string // number_class: the fixed one, or with limit the default of the purpose no
	// shared
	through attr // kind 0 for none
	as      uint16
	sharing klinkev1.SharingLevel
	sub     []*test
	sched   *schedule
	cond    *condition
}

type testKind uint8

const (
	testIs testKind = iota
	testAbsent
	testValue
	testWithin
	testMemberOf
	testSameGroup
	testDepartmentOf
	testAbove
	testBelow
	testSameRole
	testHolds
	testShared
	testListed
	testNumberClass
	testSetting
	testPermission
	testAllowed
	testSchedule
	testWhen
	testAny
	testAll
)

// factual says whether the test is about a fact of the resource, so that it passes in a question about the type.
func (t *test) factual() bool { return t.kind <= testNumberClass && t.attr.no != attrContext }

// attr names what a test looks at: an attribute of the question's type, the resource's identifier, or a member of the context.
type attr struct {
	no   int
	name string
	kind klinkev1.AttributeKind
}

const (
	attrID      = -1
	attrContext = -2
)

// scalar is a value of the `value` test. Null is an absent fact.
type scalar struct {
	null  bool
	isBit bool
	bit   bool
	text  string
}

// on says which resource a test asks about.
type on struct {
	kind onKind
	id   string
	attr int
}

type onKind uint8

const (
	onOwn  onKind = iota // the question's resource where the type is the same, else the type
	onID                 // one named resource, without facts
	onAttr               // the one that a fact identifies
	onEach               // all that a fact lists
)

// cost orders tests that all stand for the same answer: the cheap ones are asked first.
func (t *test) cost() int {
	switch t.kind {
	case testIs, testAbsent, testValue, testSetting:
		return 1
	case testNumberClass, testWithin, testMemberOf:
		return 2
	case testListed, testSameRole, testHolds, testSameGroup:
		return 3
	case testDepartmentOf, testAbove, testBelow, testShared:
		return 4
	case testSchedule:
		return 5
	case testWhen:
		return 100
	}
	sum := 2
	for _, s := range t.sub {
		sum += s.cost()
	}
	return sum
}

// render writes a test as model files do, for answers and explanations.
func render(t *klinkev1.Test) string {
	switch x := t.GetTest().(type) {
	case *klinkev1.Test_Relation:
		return x.Relation
	case *klinkev1.Test_Is:
		if by := x.Is.GetBy(); by != "" {
			return "is " + x.Is.GetAttribute() + " by " + by
		}
		return "is " + x.Is.GetAttribute()
	case *klinkev1.Test_Absent:
		return "absent " + x.Absent.GetAttribute()
	case *klinkev1.Test_Value:
		in := make([]string, len(x.Value.GetIn()))
		for i, v := range x.Value.GetIn() {
			in[i] = scalarOf(v).String()
		}
		return "value " + x.Value.GetAttribute() + " in [" + strings.Join(in, ", ") + "]"
	case *klinkev1.Test_Within:
		s := "within " + x.Within.GetAttribute() + " limit " + x.Within.GetLimit()
		if x.Within.GetStrict() {
			s += " strict"
		}
		return s
	case *klinkev1.Test_MemberOf:
		if level := x.MemberOf.GetCarrying(); level != "" {
			return "member_of " + x.MemberOf.GetAttribute() + " carrying " + level
		}
		return "member_of " + x.MemberOf.GetAttribute()
	case *klinkev1.Test_SameGroup:
		if l := x.SameGroup.GetLimit(); l != "" {
			return "same_group " + x.SameGroup.GetAttribute() + " limit " + l
		}
		return "same_group " + x.SameGroup.GetAttribute()
	case *klinkev1.Test_DepartmentOf:
		return "department_of " + x.DepartmentOf.GetAttribute()
	case *klinkev1.Test_Above:
		return "above " + x.Above.GetAttribute()
	case *klinkev1.Test_Below:
		return "below " + x.Below.GetAttribute()
	case *klinkev1.Test_SameRole:
		return "same_role " + x.SameRole.GetAttribute()
	case *klinkev1.Test_Holds:
		return "holds " + x.Holds.GetAttribute() + " in [" + strings.Join(x.Holds.GetIn(), ", ") + "]"
	case *klinkev1.Test_Shared:
		s := "shared " + levelText(x.Shared.GetLevel()) + " of " + x.Shared.GetAttribute()
		if as := x.Shared.GetAs(); as != "" {
			s += " as " + as
		}
		if through := x.Shared.GetThrough(); through != "" {
			s += " through " + through
		}
		return s
	case *klinkev1.Test_Listed:
		return "listed " + x.Listed.GetAttribute() + " in " + x.Listed.GetIn()
	case *klinkev1.Test_NumberClass:
		if f := x.NumberClass.GetFixed(); f != "" {
			return "number_class " + x.NumberClass.GetAttribute() + " fixed " + f
		}
		return "number_class " + x.NumberClass.GetAttribute() + " of " + x.NumberClass.GetOf()
	case *klinkev1.Test_Setting:
		switch s := x.Setting; {
		case s.GetAtLeast() != "":
			return "setting " + s.GetName() + " at least " + s.GetAtLeast()
		case len(s.GetIn()) > 0:
			return "setting " + s.GetName() + " in [" + strings.Join(s.GetIn(), ", ") + "]"
		default:
			return "setting " + s.GetName()
		}
	case *klinkev1.Test_Permission:
		s := "permission " + x.Permission.GetPermission()
		if l := x.Permission.GetAtLeast(); l != "" {
			s += " at least " + l
		}
		return s + renderOn(x.Permission.GetOn())
	case *klinkev1.Test_Allowed:
		return "allowed " + x.Allowed.GetAction() + renderOn(x.Allowed.GetOn())
	case *klinkev1.Test_Schedule:
		return "schedule " + x.Schedule.GetName()
	case *klinkev1.Test_When:
		return "when " + x.When.GetCel()
	case *klinkev1.Test_Any:
		return "any of [" + renderAll(x.Any.GetTests()) + "]"
	case *klinkev1.Test_All:
		return "all of [" + renderAll(x.All.GetTests()) + "]"
	}
	return ""
}

func levelText(l klinkev1.SharingLevel) string {
	if l == klinkev1.SharingLevel_SHARING_LEVEL_WRITE {
		return "write"
	}
	return "read"
}

func renderAll(ts []*klinkev1.Test) string {
	s := make([]string, len(ts))
	for i, t := range ts {
		s[i] = render(t)
	}
	return strings.Join(s, "; ")
}

func renderOn(o *klinkev1.On) string {
	switch x := o.GetOn().(type) {
	case *klinkev1.On_Id:
		return " on " + x.Id
	case *klinkev1.On_Attribute:
		return " on the " + x.Attribute
	case *klinkev1.On_Each:
		return " on each of " + x.Each
	}
	return ""
}

func scalarOf(v *klinkev1.Scalar) scalar {
	switch x := v.GetValue().(type) {
	case *klinkev1.Scalar_Text:
		return scalar{text: x.Text}
	case *klinkev1.Scalar_Truth:
		return scalar{isBit: true, bit: x.Truth}
	}
	return scalar{null: true}
}

// String writes a scalar as model files do.
func (s scalar) String() string {
	switch {
	case s.null:
		return "null"
	case s.isBit && s.bit:
		return "true"
	case s.isBit:
		return "false"
	}
	return s.text
}

// TestText is a test as model files write it; reasons and explanations name tests so.
func TestText(t *klinkev1.Test) string { return render(t) }
