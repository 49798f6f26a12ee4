package account

import (
	"slices"
	"strings"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// telephony reads the sections of the telephony overlay.
func (m *modelReader) telephony(key string, n *node) {
	switch key {
	case "regions":
		for _, x := range m.named(n) {
			m.model.Regions = append(m.model.Regions, m.region(x))
		}
	case "default_region":
		m.model.DefaultRegion = m.name(n)
		m.declared(n, "region", m.tree.get("regions"))
	case "number_types":
		for _, x := range m.named(n) {
			if p, plus := strings.CutPrefix(x.key.text, "+"); !plus || len(p) > 15 || !digits(p) {
				m.failf(x.key, "`%s` is no prefix: write + and at most 15 digits", clip(x.key.text))
			}
			m.model.NumberTypes = append(m.model.NumberTypes, &klinkev1.NumberTypePrefix{Prefix: x.key.text, Type: m.numberType(x.value)})
		}
	case "classes":
		for _, x := range m.named(n) {
			m.model.Classes = append(m.model.Classes, at(m, x.key, m.class(x.key.text, x.value)))
		}
	case "default_class":
		m.model.DefaultClasses = map[string]string{}
		for _, x := range m.named(n) {
			m.declared(x.value, "class", m.tree.get("classes"))
			m.model.DefaultClasses[x.key.text] = m.name(x.value)
		}
	}
}

func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// dialled reads digits, at least `least` and at most `most` of them.
func (r *reader) dialled(n *node, what string, least, most int) string {
	s := r.text(n)
	if r.err == nil && (!digits(s) || len(s) < least || len(s) > most) {
		r.failf(n, "%s is %d to %d digits, found `%s`", what, least, most, clip(s))
	}
	return s
}

// emergency reads emergency numbers, each once.
func (r *reader) emergency(n *node) []string {
	var out []string
	for _, item := range r.items(n) {
		if s := r.dialled(item, "an emergency number", 3, 6); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (m *modelReader) region(x entry) *klinkev1.Region {
	out := &klinkev1.Region{Name: x.key.text}
	for _, e := range m.entries(x.value) {
		switch e.key.text {
		case "country":
			out.Country = m.dialled(e.value, "a country code", 1, 3)
		case "trunk":
			out.Trunk = m.dialled(e.value, "a trunk prefix", 0, 3)
		case "international":
			out.International = m.dialled(e.value, "an international prefix", 1, 5)
		case "emergency":
			out.Emergency = m.emergency(e.value)
		default:
			m.unknown(e.key, "key", []string{"country", "trunk", "international", "emergency"})
		}
	}
	m.need(x.value, out.Country, "country")
	m.need(x.value, out.International, "international")
	if len(out.Emergency) == 0 {
		m.failf(x.value, "the region `%s` has no emergency numbers", clip(out.Name))
	}
	return out
}
