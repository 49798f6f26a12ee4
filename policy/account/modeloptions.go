package account

import (
	"slices"
	"strings"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// attribute reads the name of a fact of the type, or `id`; where context is true also `context.x`.
func (m *modelReader) attribute(n *node, scope *typeScope, context bool) string {
	s := m.name(n)
	if m.err != nil || s == "id" || slices.Contains(scope.attributes, s) || context && strings.HasPrefix(s, "context.") && len(s) > len("context.") {
		return s
	}
	m.unknown(n, "attribute of `"+scope.name+"`", append(slices.Clip(scope.attributes), "id"))
	return s
}

func (m *modelReader) userAttribute(n *node) string {
	if n == nil {
		return ""
	}
	m.declared(n, "user attribute", m.tree.get("users").get("attributes"))
	return m.name(n)
}

// option reads a name beside a test's argument.
func (m *modelReader) option(n *node, key string, needed bool) string {
	o := n.get(key)
	if o != nil {
		return m.name(o)
	}
	if needed {
		m.need(n, "", key)
	}
	return ""
}

func (m *modelReader) truth(n *node) bool {
	return n != nil && m.boolean(n)
}

func (m *modelReader) needList(n *node, length int) {
	if length == 0 {
		m.failf(n, "`in` needs at least one value")
	}
}

// scalars reads the values of a `value` test: texts, truth values and null.
func (m *modelReader) scalars(n *node) []*klinkev1.Scalar {
	var out []*klinkev1.Scalar
	for _, item := range m.items(n.get("in")) {
		s := &klinkev1.Scalar{}
		if v, is := item.truth(); is {
			s.Value = &klinkev1.Scalar_Truth{Truth: v}
		} else if item.shape != nothing {
			s.Value = &klinkev1.Scalar_Text{Text: m.bounded(item, maxTextBytes)}
		}
		out = append(out, s)
	}
	m.needList(n, len(out))
	return out
}

func (m *modelReader) numberClass(attribute string, n *node) *klinkev1.NumberClass {
	out := &klinkev1.NumberClass{Attribute: attribute}
	of, fixed := n.get("of"), n.get("fixed")
	switch {
	case (of == nil) == (fixed == nil):
		m.failf(n, "`number_class` needs either `of` (a purpose) or `fixed` (a class)")
	case of != nil:
		out.Class = &klinkev1.NumberClass_Of{Of: m.name(of)}
		m.declared(of, "purpose", m.tree.get("default_class"))
	default:
		out.Class = &klinkev1.NumberClass_Fixed{Fixed: m.name(fixed)}
		m.declared(fixed, "class", m.tree.get("classes"))
	}
	return out
}

func (m *modelReader) settingIs(arg, n *node) *klinkev1.SettingIs {
	out := &klinkev1.SettingIs{Name: m.name(arg)}
	m.declared(arg, "setting", m.tree.get("settings"))
	in, least := n.get("in"), n.get("at_least")
	if in != nil && least != nil {
		m.failf(n, "`setting` takes `in` or `at_least`, not both")
	}
	if in != nil {
		for _, item := range m.items(in) {
			out.In = append(out.In, m.value(item))
		}
		m.needList(n, len(out.In))
	}
	if least != nil {
		out.AtLeast = m.value(least)
		m.need(least, out.AtLeast, "at_least")
	}
	return out
}

// on reads about which resource a test asks.
func (m *modelReader) on(n *node, scope *typeScope) *klinkev1.On {
	if n == nil {
		return nil
	}
	out := &klinkev1.On{}
	for i, e := range m.entries(n) {
		if i > 0 {
			m.failf(e.key, "`on` takes one of `id`, `attribute` and `each`")
		}
		switch e.key.text {
		case "id":
			out.On = &klinkev1.On_Id{Id: m.name(e.value)}
		case "attribute":
			out.On = &klinkev1.On_Attribute{Attribute: m.attribute(e.value, scope, false)}
		case "each":
			out.On = &klinkev1.On_Each{Each: m.attribute(e.value, scope, false)}
		default:
			m.unknown(e.key, "key", []string{"id", "attribute", "each"})
		}
	}
	if out.On == nil {
		m.failf(n, "`on` needs one of `id`, `attribute` and `each`")
	}
	return out
}
