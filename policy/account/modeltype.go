package account

import (
	"maps"
	"slices"
	"strings"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// maxSpent bounds the tests and levels of a whole model, counted where they stand after `every` is joined.
const maxSpent = 1 << 20

// typeScope is what the names inside a type's rules can refer to.
type typeScope struct {
	name       string
	attributes []string
	relations  []string
	actions    []string
	fields     bool
	levels     *node
}

// declare collects the names first, since rules refer to types and actions that come later in the file.
func (m *modelReader) declare(types *node) {
	m.types = map[string]*typeScope{}
	for _, t := range m.named(types) {
		s := &typeScope{name: m.word(t.key, "a type", ".:@*"), levels: t.value.get("levels"), fields: t.value.get("fields") != nil}
		for _, e := range m.named(t.value.get("attributes")) {
			s.attributes = append(s.attributes, e.key.text)
		}
		for _, e := range m.named(t.value.get("relations")) {
			s.relations = append(s.relations, e.key.text)
		}
		for _, e := range m.named(t.value.get("actions")) {
			s.actions = append(s.actions, m.word(e.key, "an action", ":@*"))
		}
		m.types[s.name] = s
		m.typeNames = append(m.typeNames, s.name)
	}
}

func (m *modelReader) resourceTypes(n *node) {
	for _, t := range m.named(n) {
		if m.err != nil {
			return
		}
		scope := m.types[t.key.text]
		out := at(m, t.key, &klinkev1.ResourceType{Name: scope.name})
		var every, actions *node
		for _, e := range m.entries(t.value) {
			switch e.key.text {
			case "attributes":
				out.Attributes = m.attributes(e.value)
			case "relations":
				for _, r := range m.named(e.value) {
					out.Relations = append(out.Relations, at(m, r.key, &klinkev1.Relation{Name: r.key.text, Test: m.test(r.value, scope)}))
				}
			case "every":
				every = e.value
			case "levels":
				m.checkScales(e.value, scope)
			case "actions":
				actions = e.value
			case "fields":
				out.Fields = m.fieldRules(e.value, scope)
			default:
				m.unknown(e.key, "key", []string{"attributes", "relations", "every", "levels", "actions", "fields"})
			}
		}
		joined := []*node{m.tree.get("every"), every}
		for _, a := range m.entries(actions) {
			if m.err != nil {
				return
			}
			out.Actions = append(out.Actions, at(m, a.key, &klinkev1.Action{Name: a.key.text, Rule: m.rule(a.value, scope, joined...)}))
		}
		m.model.Types = append(m.model.Types, out)
	}
}

func kinds() map[string]klinkev1.AttributeKind {
	out := make(map[string]klinkev1.AttributeKind)
	for name, number := range klinkev1.AttributeKind_value {
		if number != 0 {
			out[strings.ToLower(strings.TrimPrefix(name, "ATTRIBUTE_KIND_"))] = klinkev1.AttributeKind(number)
		}
	}
	return out
}

// attributes reads `name: kind`, with a question mark for optional ones. A word that is a type, or `site`, is the kind of
// its identifiers.
func (m *modelReader) attributes(n *node) []*klinkev1.Attribute {
	var out []*klinkev1.Attribute
	known := kinds()
	for _, e := range m.named(n) {
		word, optional := strings.CutSuffix(m.text(e.value), "?")
		a := at(m, e.key, &klinkev1.Attribute{Name: e.key.text, Kind: known[word], Optional: optional})
		if a.Kind == 0 && (word == "site" || m.types[word] != nil) {
			a.Kind, a.Of = klinkev1.AttributeKind_ATTRIBUTE_KIND_ID, word
		}
		if a.Kind == 0 && m.err == nil {
			words := slices.Sorted(maps.Keys(known))
			words = append(append(words, "site"), m.typeNames...)
			slices.Sort(words)
			m.failf(e.value, "%s", unknown("kind", word, slices.Compact(words)))
		}
		out = append(out, a)
	}
	return out
}

// rule reads an action's stages with those that `every` joins in front of them. An empty body is an empty rule.
func (m *modelReader) rule(body *node, scope *typeScope, every ...*node) *klinkev1.Rule {
	out := &klinkev1.Rule{}
	for _, n := range every {
		m.stages(out, n, scope, false)
	}
	m.stages(out, body, scope, true)
	return out
}

func (m *modelReader) stages(out *klinkev1.Rule, n *node, scope *typeScope, whole bool) {
	for _, e := range m.entries(n) {
		switch {
		case e.key.text == "gate":
			out.Gate = append(out.Gate, m.tests(e.value, scope)...)
		case e.key.text == "require":
			out.Require = append(out.Require, m.tests(e.value, scope)...)
		case e.key.text == "override":
			for _, item := range m.items(e.value) {
				if o := m.override(item, scope); !slices.Contains(out.Override, o) {
					out.Override = append(out.Override, o)
				}
			}
		case whole && e.key.text == "level":
			out.Scale = m.scale(e.value, scope)
		case whole && e.key.text == "emergency":
			for _, x := range m.named(e.value) {
				then := m.oneOf(x.value, "outcome", "allow", "deny")
				out.Emergency = append(out.Emergency, &klinkev1.Emergency{Attribute: m.attribute(x.key, scope, false), Deny: then == "deny"})
			}
		case whole && e.key.text == "obligations":
			for _, item := range m.items(e.value) {
				out.Obligations = append(out.Obligations, m.obligation(item, scope))
			}
		case whole:
			m.unknown(e.key, "key", []string{"level", "gate", "override", "require", "emergency", "obligations"})
		default:
			m.unknown(e.key, "key", []string{"gate", "override", "require"})
		}
	}
}

func (m *modelReader) override(n *node, scope *typeScope) string {
	s := m.name(n)
	if m.err == nil && strings.Contains(s, ".") {
		m.permission(n, s, scope)
	} else if m.err == nil && !slices.Contains(m.knownFlags(), s) {
		m.unknown(n, "flag", m.knownFlags())
	}
	return s
}

func (m *modelReader) knownFlags() []string {
	if m.model.Flags == nil {
		m.model.Flags = m.flags(m.tree.get("flags"))
	}
	return m.model.Flags
}

func (m *modelReader) obligation(n *node, scope *typeScope) *klinkev1.Obligation {
	o := at(m, n, &klinkev1.Obligation{})
	var kind string
	for _, e := range m.entries(n) {
		switch e.key.text {
		case "id":
			o.Id = m.name(e.value)
		case "kind":
			kind = m.oneOf(e.value, "kind of obligation", "required", "advice")
			o.Required = kind == "required"
		case "if":
			o.If = m.test(e.value, scope)
		default:
			m.unknown(e.key, "key", []string{"id", "kind", "if"})
		}
	}
	m.need(n, o.Id, "id")
	m.need(n, kind, "kind")
	return o
}

// fieldRules reads the two rules of all fields. Their `every` is their own; that of the type and the model is about actions.
func (m *modelReader) fieldRules(n *node, scope *typeScope) *klinkev1.Fields {
	out := at(m, n, &klinkev1.Fields{})
	every := n.get("every")
	for _, e := range m.entries(n) {
		switch e.key.text {
		case "every":
		case "read":
			out.Read = m.rule(e.value, scope, every)
		case "write":
			out.Write = m.rule(e.value, scope, every)
		default:
			m.unknown(e.key, "key", []string{"every", "read", "write"})
		}
	}
	if out.Read == nil || out.Write == nil {
		m.failf(n, "`fields` needs both `read` and `write`")
	}
	return out
}
