package policy

import (
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// The attribute kinds that each sort of test takes.
var (
	numberKinds = []klinkev1.AttributeKind{klinkev1.AttributeKind_ATTRIBUTE_KIND_NUMBER}
	groupsKinds = []klinkev1.AttributeKind{klinkev1.AttributeKind_ATTRIBUTE_KIND_GROUPS}
	personKinds = []klinkev1.AttributeKind{klinkev1.AttributeKind_ATTRIBUTE_KIND_USER, klinkev1.AttributeKind_ATTRIBUTE_KIND_PRINCIPAL}
	textKinds   = []klinkev1.AttributeKind{klinkev1.AttributeKind_ATTRIBUTE_KIND_ID, klinkev1.AttributeKind_ATTRIBUTE_KIND_TEXT,
		klinkev1.AttributeKind_ATTRIBUTE_KIND_BOOL, klinkev1.AttributeKind_ATTRIBUTE_KIND_NUMBER}
)

// test compiles one test of a type; p is the permission whose rule it stands in, nil for a relation.
func (c *compiler) test(t *resourceType, p *permission, src *klinkev1.Test) (*test, error) {
	out := &test{text: render(src), by: -1, as: noType}
	var err error
	switch x := src.GetTest().(type) {
	case *klinkev1.Test_Relation:
		i, ok := t.relNo[x.Relation]
		if !ok {
			return nil, c.errorf("type %q has no relation %q", t.name, x.Relation)
		}
		if err := c.relation(t, i); err != nil {
			return nil, err
		}
		return t.relations[i], nil
	case *klinkev1.Test_Is:
		out.kind = testIs
		if x.Is.GetBy() == "" {
			out.attr, err = c.attr(t, x.Is.GetAttribute(), subjectKinds[:]...)
			break
		}
		by, ok := c.m.userAttr[x.Is.GetBy()]
		if !ok {
			return nil, c.errorf("the model keeps no user attribute %q", x.Is.GetBy())
		}
		out.by = int(by)
		out.attr, err = c.attr(t, x.Is.GetAttribute(), append(textKinds[:2:2], subjectKinds[:]...)...)
	case *klinkev1.Test_Absent:
		out.kind = testAbsent
		if x.Absent.GetAttribute() == "id" {
			return nil, c.errorf("the resource's id is never absent")
		}
		out.attr, err = c.attr(t, x.Absent.GetAttribute())
	case *klinkev1.Test_Value:
		err = c.value(t, out, x.Value)
	case *klinkev1.Test_Within:
		out.kind, out.strict, out.limit = testWithin, x.Within.GetStrict(), true
		out.no = number(c.m.limitNo, &c.m.limits, x.Within.GetLimit())
		out.attr, err = c.attr(t, x.Within.GetAttribute(), append(textKinds[:2:2], numberKinds[0])...)
	case *klinkev1.Test_MemberOf:
		out.kind, out.carrying = testMemberOf, x.MemberOf.GetCarrying()
		if out.carrying != "" && !c.hasLevel(t, out.carrying) {
			return nil, c.errorf("no action of type %q has a level %q", t.name, out.carrying)
		}
		out.attr, err = c.attr(t, x.MemberOf.GetAttribute(), groupsKinds...)
	case *klinkev1.Test_SameGroup:
		out.kind = testSameGroup
		if l := x.SameGroup.GetLimit(); l != "" {
			out.limit, out.no = true, number(c.m.limitNo, &c.m.limits, l)
		}
		out.attr, err = c.attr(t, x.SameGroup.GetAttribute(), personKinds...)
	case *klinkev1.Test_DepartmentOf:
		out.kind = testDepartmentOf
		out.attr, err = c.attr(t, x.DepartmentOf.GetAttribute(), personKinds...)
	case *klinkev1.Test_Above:
		out.kind = testAbove
		out.attr, err = c.attr(t, x.Above.GetAttribute(), personKinds...)
	case *klinkev1.Test_Below:
		out.kind = testBelow
		out.attr, err = c.attr(t, x.Below.GetAttribute(), personKinds...)
	case *klinkev1.Test_SameRole:
		out.kind = testSameRole
		out.attr, err = c.attr(t, x.SameRole.GetAttribute(), personKinds...)
	case *klinkev1.Test_Holds:
		out.kind, out.names = testHolds, x.Holds.GetIn()
		out.attr, err = c.attr(t, x.Holds.GetAttribute(), personKinds...)
	case *klinkev1.Test_Shared:
		err = c.shared(t, out, x.Shared)
	case *klinkev1.Test_Listed:
		out.kind, out.no = testListed, number(c.m.listNo, &c.m.lists, x.Listed.GetIn())
		out.attr, err = c.attr(t, x.Listed.GetAttribute(), numberKinds...)
	case *klinkev1.Test_NumberClass:
		err = c.numberClass(t, out, x.NumberClass)
	case *klinkev1.Test_Setting:
		err = c.setting(out, x.Setting)
	case *klinkev1.Test_Permission:
		err = c.permission(t, p, out, x.Permission)
	case *klinkev1.Test_Allowed:
		out.kind = testAllowed
		if out.perm, err = c.perm(t, x.Allowed.GetAction()); err == nil {
			err = c.on(t, out, x.Allowed.GetOn())
		}
	case *klinkev1.Test_Schedule:
		no, ok := c.m.schedNo[x.Schedule.GetName()]
		if !ok {
			return nil, c.errorf("no schedule is named %q", x.Schedule.GetName())
		}
		out.kind, out.sched = testSchedule, &c.m.scheds[no]
		out.sched.tested = true
	case *klinkev1.Test_When:
		out.kind = testWhen
		if out.cond, err = c.m.cel.compile(t, x.When.GetCel()); err != nil {
			err = c.errorf("%v", err)
		}
	case *klinkev1.Test_Any:
		out.kind = testAny
		out.sub, err = c.list(t, p, x.Any.GetTests())
	case *klinkev1.Test_All:
		out.kind = testAll
		out.sub, err = c.list(t, p, x.All.GetTests())
	default:
		err = c.errorf("a test that this version does not know")
	}
	return out, err
}

func (c *compiler) list(t *resourceType, p *permission, src []*klinkev1.Test) ([]*test, error) {
	if len(src) == 0 {
		return nil, c.errorf("an empty list of tests")
	}
	out := make([]*test, len(src))
	for i, x := range src {
		var err error
		if out[i], err = c.test(t, p, x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// hasLevel says whether a permission of a type has a level of a name.
func (c *compiler) hasLevel(t *resourceType, level string) bool {
	for i := range c.m.perms {
		if p := &c.m.perms[i]; p.typ == t.no && !p.rule.levelless && has(p.rule.scale.rank, level) {
			return true
		}
	}
	return false
}

func (c *compiler) shared(t *resourceType, out *test, s *klinkev1.Shared) (err error) {
	out.kind, out.sharing = testShared, s.GetLevel()
	if as := s.GetAs(); as != "" {
		no, ok := c.m.typeNo[as]
		if !ok {
			return c.errorf("no type is named %q", as)
		}
		out.as = no
	}
	if s.GetThrough() != "" {
		if out.through, err = c.attr(t, s.GetThrough(), klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORD); err != nil {
			return err
		}
	}
	out.attr, err = c.attr(t, s.GetAttribute(), personKinds...)
	return err
}

func (c *compiler) value(t *resourceType, out *test, v *klinkev1.Value) (err error) {
	out.kind = testValue
	for _, s := range v.GetIn() {
		out.values = append(out.values, scalarOf(s))
	}
	if name, ok := cutContext(v.GetAttribute()); ok {
		out.attr = attr{no: attrContext, name: name}
		return c.identifier(name)
	}
	out.attr, err = c.attr(t, v.GetAttribute(), textKinds...)
	if err != nil {
		return err
	}
	for _, s := range out.values {
		if !s.null && s.isBit != (out.attr.kind == klinkev1.AttributeKind_ATTRIBUTE_KIND_BOOL) {
			return c.errorf("%s can never be the value of attribute %q", s, out.attr.name)
		}
	}
	return nil
}

func cutContext(name string) (string, bool) {
	const prefix = "context."
	if len(name) > len(prefix) && name[:len(prefix)] == prefix {
		return name[len(prefix):], true
	}
	return "", false
}

func (c *compiler) numberClass(t *resourceType, out *test, n *klinkev1.NumberClass) (err error) {
	out.kind, c.m.serving = testNumberClass, true
	out.class = n.GetFixed()
	if out.class == "" {
		var ok bool
		if out.class, ok = c.m.source.GetDefaultClasses()[n.GetOf()]; !ok {
			return c.errorf("no default class for the purpose %q", n.GetOf())
		}
		out.limit, out.no = true, number(c.m.limitNo, &c.m.limits, n.GetOf())
	}
	if !has(c.m.services, out.class) {
		return c.errorf("no class of service is named %q", out.class)
	}
	out.attr, err = c.attr(t, n.GetAttribute(), numberKinds...)
	return err
}

func (c *compiler) setting(out *test, s *klinkev1.SettingIs) error {
	no, ok := c.m.setNo[s.GetName()]
	if !ok {
		return c.errorf("no setting is named %q", s.GetName())
	}
	out.kind, out.no, out.names = testSetting, no, s.GetIn()
	if c.m.settings[no].many {
		return c.errorf("the value of setting %q is a set, which no test can ask for", s.GetName())
	}
	legal := c.m.settings[no].values
	if l := s.GetAtLeast(); l != "" {
		rank := slices.Index(legal, l)
		if rank < 0 || len(out.names) > 0 {
			return c.errorf("at_least wants one of the setting's ranked values, and no `in`")
		}
		out.least, out.rank = true, uint8(rank)
		return nil
	}
	if len(out.names) == 0 {
		out.names = []string{"true"}
	}
	for _, v := range out.names {
		if len(legal) > 0 && !slices.Contains(legal, v) {
			return c.errorf("%q can never be the value of setting %q", v, s.GetName())
		}
	}
	return nil
}

func (c *compiler) permission(t *resourceType, p *permission, out *test, x *klinkev1.PermissionPasses) (err error) {
	out.kind = testPermission
	sc := (*scale)(nil)
	if x.GetPermission() == "self" {
		if p == nil {
			return c.errorf("`self` has a meaning only in the rule of an action")
		}
		if x.GetAtLeast() == "" {
			return c.errorf("`self` needs at_least: a rule cannot ask its own relations")
		}
		out.self, out.perm = true, c.number(p)
		if p.rule.levelless {
			return c.errorf("%q has no level", p.name)
		}
		sc = p.rule.scale
	} else {
		if out.perm, err = c.perm(t, x.GetPermission()); err != nil {
			return err
		}
		if c.m.perms[out.perm].rule.levelless {
			return c.errorf("%q has no level; ask `allowed` instead", x.GetPermission())
		}
		sc = c.m.perms[out.perm].rule.scale
	}
	if l := x.GetAtLeast(); l != "" {
		rank, ok := sc.rank[l]
		if !ok {
			return c.errorf("%q is no level of %s", l, c.m.perms[out.perm].name)
		}
		out.least, out.rank = true, rank
	}
	return c.on(t, out, x.GetOn())
}

func (c *compiler) number(p *permission) perm {
	for i := range c.m.perms {
		if &c.m.perms[i] == p {
			return perm(i)
		}
	}
	return 0
}

func (c *compiler) on(t *resourceType, out *test, o *klinkev1.On) error {
	name := ""
	switch x := o.GetOn().(type) {
	case nil:
		return nil
	case *klinkev1.On_Id:
		out.on = on{kind: onID, id: x.Id}
		return c.identifier(x.Id)
	case *klinkev1.On_Attribute:
		out.on.kind, name = onAttr, x.Attribute
	case *klinkev1.On_Each:
		out.on.kind, name = onEach, x.Each
	}
	if name == "id" && out.on.kind == onAttr {
		out.on.attr = attrID
		return nil
	}
	want := []klinkev1.AttributeKind{klinkev1.AttributeKind_ATTRIBUTE_KIND_ID}
	if out.on.kind == onEach {
		want[0] = klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORDS
	}
	a, err := c.attr(t, name, want...)
	out.on.attr = a.no
	return err
}

// cycles refuses rules that depend on themselves and rules that would expand to too many tests.
func (c *compiler) cycles() error {
	type node struct {
		perm perm
		cell bool // only the cell and its relations, not the whole rule
	}
	const busy = -1
	cost := map[node]int{}
	var visit func(n node) (int, error)
	var walk func(t *test) (int, error)
	walkAll := func(ts []*test) (sum int, err error) {
		for _, t := range ts {
			n, err := walk(t)
			if err != nil {
				return 0, err
			}
			sum = min(sum+n, MaxTestsExpanded+1)
		}
		return sum, nil
	}
	walk = func(t *test) (int, error) {
		var n int
		var err error
		switch {
		case t.kind == testAllowed:
			n, err = visit(node{t.perm, false})
		case t.kind == testPermission && !t.least:
			n, err = visit(node{t.perm, true})
		default:
			n, err = walkAll(t.sub)
		}
		return n + 1, err
	}
	visit = func(n node) (int, error) {
		if k, ok := cost[n]; ok {
			if k == busy {
				return 0, Errorf(Invalid, "model.types", "the rule of %s depends on itself", c.m.perms[n.perm].name)
			}
			return k, nil
		}
		cost[n] = busy
		r := &c.m.perms[n.perm].rule
		var all []*test
		for _, l := range r.scale.levels {
			all = append(all, l.tests...)
		}
		if !n.cell {
			all = append(append(all, r.gate...), r.require...)
			for _, o := range r.override {
				if !o.flag {
					all = append(all, &test{kind: testPermission, perm: o.perm})
				}
			}
			for _, o := range r.obligations {
				if o.cond != nil {
					all = append(all, o.cond)
				}
			}
		}
		k, err := walkAll(all)
		if err != nil {
			return 0, err
		}
		if k > MaxTestsExpanded {
			return 0, Errorf(TooLarge, "model.types", "the rule of %s expands to more than %d tests", c.m.perms[n.perm].name, MaxTestsExpanded)
		}
		cost[n] = k + 1
		return k + 1, nil
	}
	for i := range c.m.perms {
		if _, err := visit(node{perm(i), false}); err != nil {
			return err
		}
	}
	return nil
}
