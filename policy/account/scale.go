package account

import (
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// scale resolves the scale that an action names: the type's own, else the model's.
func (m *modelReader) scale(n *node, scope *typeScope) *klinkev1.Scale {
	name := m.name(n)
	if m.err != nil {
		return nil
	}
	body := scope.levels.get(name)
	if body == nil {
		body = m.tree.get("levels").get(name)
	}
	if body == nil {
		var known []string
		for _, levels := range []*node{scope.levels, m.tree.get("levels")} {
			for _, e := range m.entries(levels) {
				known = append(known, e.key.text)
			}
		}
		m.unknown(n, "scale", known)
		return nil
	}
	m.used[body] = true
	return at(m, n, m.levels(name, body, scope))
}

// idle returns the scales that no action names. One that several types share by an alias counts once.
func (m *modelReader) idle() []Scale {
	var out []Scale
	look := func(typ string, levels *node) {
		for _, e := range m.entries(levels) {
			if !m.used[e.value] {
				m.used[e.value] = true
				out = append(out, Scale{Type: typ, Name: e.key.text, Place: e.key.place()})
			}
		}
	}
	look("", m.tree.get("levels"))
	for _, name := range m.typeNames {
		look(name, m.types[name].levels)
	}
	return out
}

// checkScales reads the scales of a type that no action names, so that mistakes in them are found too.
func (m *modelReader) checkScales(n *node, scope *typeScope) {
	for _, e := range m.named(n) {
		m.levels(e.key.text, e.value, scope)
	}
}

func (m *modelReader) levels(name string, body *node, scope *typeScope) *klinkev1.Scale {
	out := &klinkev1.Scale{Name: name}
	var silent *node
	var names []string
	for _, e := range m.named(body) {
		if e.key.text == "default" {
			silent = e.value
			out.Default = m.name(e.value)
			continue
		}
		m.spend(e.key)
		l := at(m, e.key, &klinkev1.Level{Name: m.word(e.key, "a level", "@")})
		switch {
		case e.value.shape == list:
			l.Relations = m.tests(e.value, scope)
		case e.value.shape == scalar && e.value.text == "any":
			l.Any = true
		default:
			m.failf(e.value, "a level is [] (nobody), a list of tests, or any (everybody)")
		}
		out.Levels = append(out.Levels, l)
		names = append(names, l.Name)
	}
	if len(out.Levels) == 0 {
		m.failf(body, "the scale `%s` has no levels", clip(name))
	}
	if silent != nil && !slices.Contains(names, out.Default) && m.err == nil {
		m.unknown(silent, "level", names)
	}
	return out
}

// spend counts a test or level against the budget of the model.
func (m *modelReader) spend(n *node) {
	if m.spent++; m.spent > maxSpent {
		m.tooLargef(n, "more than %d tests and levels in one model, `every` written out", maxSpent)
	}
}
