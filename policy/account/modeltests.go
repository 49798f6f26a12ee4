package account

import (
	"slices"
	"strings"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// testKinds names the closed set of tests, and for each the options beside its argument.
func testKinds() map[string][]string {
	return map[string][]string{
		"is": {"by"}, "absent": nil, "value": {"in"}, "within": {"limit", "strict"}, "member_of": {"carrying"},
		"same_group": {"limit"}, "department_of": nil, "above": nil, "below": nil, "same_role": nil, "holds": {"in"},
		"shared": {"of", "through", "as"}, "listed": {"in"}, "number_class": {"of", "fixed"}, "setting": {"in", "at_least"},
		"permission": {"at_least", "on"}, "allowed": {"on"}, "schedule": nil, "when": nil, "any": nil, "all": nil,
	}
}

func (m *modelReader) tests(n *node, scope *typeScope) []*klinkev1.Test {
	var out []*klinkev1.Test
	for _, item := range m.items(n) {
		if m.err != nil {
			return nil
		}
		out = append(out, m.test(item, scope))
	}
	return out
}

// test reads one test and notes where it stands.
func (m *modelReader) test(n *node, scope *typeScope) *klinkev1.Test {
	return at(m, n, m.oneTest(n, scope))
}

// oneTest reads the name of a relation, or a map of the test's kind to its argument and of its options.
func (m *modelReader) oneTest(n *node, scope *typeScope) *klinkev1.Test {
	m.spend(n)
	if n.shape == scalar {
		name := m.name(n)
		if m.err == nil && !slices.Contains(scope.relations, name) {
			m.unknown(n, "relation of `"+scope.name+"`", scope.relations)
		}
		return &klinkev1.Test{Test: &klinkev1.Test_Relation{Relation: name}}
	}
	var arg *node
	var kind string
	for _, e := range m.entries(n) {
		if _, is := m.kinds[e.key.text]; !is {
			continue
		}
		if arg != nil {
			m.failf(e.key, "one test is `%s` and `%s` at once: make them two", kind, e.key.text)
		}
		kind, arg = e.key.text, e.value
	}
	if arg == nil {
		m.noTest(n)
		return nil
	}
	for _, e := range n.entries {
		if e.key.text == kind {
			continue
		}
		if !slices.Contains(m.kinds[kind], e.key.text) {
			m.unknown(e.key, "option of `"+kind+"`", m.kinds[kind])
		}
	}
	if m.err != nil {
		return nil
	}
	if t := m.factTest(kind, arg, n, scope); t != nil {
		return t
	}
	return m.otherTest(kind, arg, n, scope)
}

func (m *modelReader) noTest(n *node) {
	if len(n.entries) == 0 || m.err != nil {
		m.failf(n, "a test is expected, found %s", n.shape)
		return
	}
	known := make([]string, 0, len(m.kinds))
	for k := range m.kinds {
		known = append(known, k)
	}
	slices.Sort(known)
	m.unknown(n.entries[0].key, "test", known)
}

// factTest makes the tests whose argument is an attribute, nil for the others.
func (m *modelReader) factTest(kind string, arg, n *node, scope *typeScope) *klinkev1.Test {
	a := func() string { return m.attribute(arg, scope, false) }
	switch kind {
	case "is":
		return &klinkev1.Test{Test: &klinkev1.Test_Is{Is: &klinkev1.Is{Attribute: a(), By: m.userAttribute(n.get("by"))}}}
	case "absent":
		return &klinkev1.Test{Test: &klinkev1.Test_Absent{Absent: &klinkev1.Absent{Attribute: a()}}}
	case "value":
		return &klinkev1.Test{Test: &klinkev1.Test_Value{Value: &klinkev1.Value{Attribute: m.attribute(arg, scope, true), In: m.scalars(n)}}}
	case "within":
		t := &klinkev1.Within{Attribute: a(), Limit: m.option(n, "limit", true), Strict: m.truth(n.get("strict"))}
		return &klinkev1.Test{Test: &klinkev1.Test_Within{Within: t}}
	case "member_of":
		return &klinkev1.Test{Test: &klinkev1.Test_MemberOf{MemberOf: &klinkev1.MemberOf{Attribute: a(), Carrying: m.option(n, "carrying", false)}}}
	case "same_group":
		return &klinkev1.Test{Test: &klinkev1.Test_SameGroup{SameGroup: &klinkev1.SameGroup{Attribute: a(), Limit: m.option(n, "limit", false)}}}
	case "department_of":
		return &klinkev1.Test{Test: &klinkev1.Test_DepartmentOf{DepartmentOf: &klinkev1.DepartmentOf{Attribute: a()}}}
	case "above":
		return &klinkev1.Test{Test: &klinkev1.Test_Above{Above: &klinkev1.Above{Attribute: a()}}}
	case "below":
		return &klinkev1.Test{Test: &klinkev1.Test_Below{Below: &klinkev1.Below{Attribute: a()}}}
	case "same_role":
		return &klinkev1.Test{Test: &klinkev1.Test_SameRole{SameRole: &klinkev1.SameRole{Attribute: a()}}}
	case "holds":
		t := &klinkev1.Holds{Attribute: a(), In: m.names(n.get("in"))}
		m.needList(n, len(t.In))
		return &klinkev1.Test{Test: &klinkev1.Test_Holds{Holds: t}}
	case "shared":
		return m.shared(arg, n, scope)
	case "listed":
		return &klinkev1.Test{Test: &klinkev1.Test_Listed{Listed: &klinkev1.Listed{Attribute: a(), In: m.option(n, "in", true)}}}
	case "number_class":
		return &klinkev1.Test{Test: &klinkev1.Test_NumberClass{NumberClass: m.numberClass(a(), n)}}
	}
	return nil
}

// otherTest makes the tests about settings, permissions, time and other tests.
func (m *modelReader) otherTest(kind string, arg, n *node, scope *typeScope) *klinkev1.Test {
	switch kind {
	case "setting":
		return &klinkev1.Test{Test: &klinkev1.Test_Setting{Setting: m.settingIs(arg, n)}}
	case "permission":
		t := &klinkev1.PermissionPasses{Permission: m.name(arg), AtLeast: m.option(n, "at_least", false), On: m.on(n.get("on"), scope)}
		if t.Permission != "self" {
			m.permission(arg, t.Permission, scope)
		}
		return &klinkev1.Test{Test: &klinkev1.Test_Permission{Permission: t}}
	case "allowed":
		t := &klinkev1.Allowed{Action: m.name(arg), On: m.on(n.get("on"), scope)}
		m.permission(arg, t.Action, scope)
		return &klinkev1.Test{Test: &klinkev1.Test_Allowed{Allowed: t}}
	case "schedule":
		name := m.name(arg)
		m.declared(arg, "schedule", m.tree.get("schedules"))
		return &klinkev1.Test{Test: &klinkev1.Test_Schedule{Schedule: &klinkev1.InSchedule{Name: name}}}
	case "when":
		return &klinkev1.Test{Test: &klinkev1.Test_When{When: &klinkev1.When{Cel: m.condition(arg)}}}
	case "any":
		return &klinkev1.Test{Test: &klinkev1.Test_Any{Any: m.several(arg, scope)}}
	case "all":
		return &klinkev1.Test{Test: &klinkev1.Test_All{All: m.several(arg, scope)}}
	}
	m.failf(n, "the test `%s` is not supported by this version", kind)
	return nil
}

// shared reads a test whose argument is a level of sharing.
func (m *modelReader) shared(arg, n *node, scope *typeScope) *klinkev1.Test {
	t := &klinkev1.Shared{Level: m.sharingLevel(arg), As: m.option(n, "as", false)}
	of := n.get("of")
	if of == nil {
		m.need(n, "", "of")
		return nil
	}
	t.Attribute = m.attribute(of, scope, false)
	if through := n.get("through"); through != nil {
		t.Through = m.attribute(through, scope, false)
	}
	if t.As != "" && m.types[t.As] == nil {
		m.unknown(n.get("as"), "type", m.typeNames)
	}
	return &klinkev1.Test{Test: &klinkev1.Test_Shared{Shared: t}}
}

func (m *modelReader) several(n *node, scope *typeScope) *klinkev1.Tests {
	out := &klinkev1.Tests{Tests: m.tests(n, scope)}
	if len(out.Tests) == 0 {
		m.failf(n, "a list of tests is expected, found none")
	}
	return out
}

// permission refuses a permission that no type has: an action of the same type or `type.action`; in grants, which have no
// type of their own, also `type.field:read`.
func (m *modelReader) permission(n *node, s string, scope *typeScope) {
	if m.err != nil {
		return
	}
	action, inGrant := s, scope == nil
	if t, rest, ok := strings.Cut(s, "."); ok {
		if scope, action = m.types[t], rest; scope == nil {
			m.failf(n, "%s", unknown("type", t, m.typeNames))
			return
		}
	}
	if _, mode, field := strings.Cut(action, ":"); field && inGrant {
		if !scope.fields || mode != "read" && mode != "write" {
			m.failf(n, "`%s` is no field permission of `%s`: write type.field:read or type.field:write of a type with `fields`", clip(s), clip(scope.name))
		}
		return
	}
	if !slices.Contains(scope.actions, action) {
		m.failf(n, "%s", unknown("action of `"+scope.name+"`", action, scope.actions))
	}
}
