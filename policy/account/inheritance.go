package account

import (
	"strings"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// inheritance reads which groups a resource gets when it is saved.
func (m *modelReader) inheritance(n *node) {
	for _, rule := range m.named(n) {
		r := &klinkev1.InheritanceRule{Name: rule.key.text}
		for _, e := range m.entries(rule.value) {
			switch e.key.text {
			case "on":
				for _, item := range m.items(e.value) {
					r.On = append(r.On, m.saveEvent(item))
				}
			case "groups_of", "copy":
				if r.Source != nil {
					m.failf(e.key, "the groups come from `groups_of` or from `copy`, not from both")
				}
				r.Source = &klinkev1.InheritanceRule_GroupsOf{GroupsOf: m.name(e.value)}
				if e.key.text == "copy" {
					r.Source = &klinkev1.InheritanceRule_Copy{Copy: m.name(e.value)}
				}
			default:
				m.unknown(e.key, "key", []string{"on", "groups_of", "copy"})
			}
		}
		if len(r.On) == 0 {
			m.need(rule.key, "", "on")
		}
		if r.Source == nil {
			m.need(rule.key, "", "groups_of")
		}
		m.model.Inheritance = append(m.model.Inheritance, r)
	}
}

func (m *modelReader) saveEvent(n *node) klinkev1.SaveEvent {
	switch s := m.text(n); {
	case s == "create":
		return klinkev1.SaveEvent_SAVE_EVENT_CREATE
	case s == "update":
		return klinkev1.SaveEvent_SAVE_EVENT_UPDATE
	default:
		m.failf(n, "`%s` is no occasion of saving: write create or update", clip(s))
		return klinkev1.SaveEvent_SAVE_EVENT_UNSPECIFIED
	}
}

// settingValue reads a setting's value: a scalar, or a list for a set.
func (r *reader) settingValue(n *node) string {
	if n == nil || n.shape != list {
		return r.value(n)
	}
	var members []string
	for _, item := range n.items {
		s := r.value(item)
		if s == "" || strings.Contains(s, ",") {
			r.failf(item, "`%s` is no member of a set: it is empty or contains a comma", clip(s))
		}
		members = append(members, s)
	}
	return strings.Join(members, ",")
}
