package account

import (
	"strings"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// permissionLevel takes `recording.listen@own` apart at its last @.
func permissionLevel(s string) (permission, level string, found bool) {
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// grants reads what a role says: `t.x@level`, `t.x` for the level `any`, or a map with a condition or a schedule. A later
// grant of a model replaces the same permission of its mixin; in one file a permission is said once. It also returns where
// each is said.
func (r *reader) grants(role string, n *node) (out []*klinkev1.Cell, places []*node) {
	place, said := map[string]int{}, map[string]*node{}
	for _, item := range r.items(n) {
		c := r.grant(role, item)
		if r.err != nil {
			return nil, nil
		}
		if first := said[c.Permission]; first != nil && first.file == item.file {
			r.failf(item, "role `%s` says twice what it grants of `%s`, first in line %d", clip(role), clip(c.Permission), first.line)
			return nil, nil
		}
		said[c.Permission] = item
		if i, ok := place[c.Permission]; ok {
			out[i], places[i] = c, item
			continue
		}
		place[c.Permission] = len(out)
		out, places = append(out, c), append(places, item)
	}
	return out, places
}

func (r *reader) grant(role string, n *node) *klinkev1.Cell {
	c := &klinkev1.Cell{Role: role}
	if n.shape != mapping {
		c.Permission, c.Level = r.permissionLevel(n, "any")
		return c
	}
	var granted bool
	for _, e := range r.entries(n) {
		switch e.key.text {
		case "grant":
			c.Permission, c.Level = r.permissionLevel(e.value, "any")
			granted = true
		case "when":
			c.When = r.condition(e.value)
		case "schedule":
			c.Schedule = r.name(e.value)
		default:
			r.unknown(e.key, "key", []string{"grant", "when", "schedule"})
		}
	}
	if !granted {
		r.failf(n, "a grant without `grant`")
	}
	return c
}

// permissionLevel reads `t.x@level`; without a level it is what `silent` says, or an error.
func (r *reader) permissionLevel(n *node, silent string) (permission, level string) {
	s := r.text(n)
	if r.err != nil {
		return "", ""
	}
	permission, level, found := permissionLevel(s)
	if !found {
		level = silent
	}
	if t, a, ok := strings.Cut(permission, "."); !ok || t == "" || a == "" {
		r.failf(n, "`%s` is no permission: write type.action@level", clip(s))
	} else if level == "" {
		r.failf(n, "`%s` names no level: write %s@level", clip(s), clip(permission))
	} else if fault := badName(level); fault != "" {
		r.failf(n, "%s", fault)
	} else if len(permission) > maxPermissionBytes {
		r.failf(n, "a permission has at most %d bytes", maxPermissionBytes)
	}
	return permission, level
}

// condition reads a CEL expression; it is compiled elsewhere.
func (r *reader) condition(n *node) string {
	s := r.bounded(n, maxTextBytes)
	if r.err == nil && s == "" {
		r.failf(n, "an empty condition: leave the key out")
	}
	return s
}

// assignment reads a role given to a holder.
func (r *reader) assignment(n *node) *klinkev1.Assignment {
	a := &klinkev1.Assignment{}
	for _, e := range r.entries(n) {
		switch e.key.text {
		case "role":
			a.Role = r.name(e.value)
		case "to":
			a.Holder = r.holder(e.value)
		case "from":
			a.From = r.moment(e.value)
		case "until":
			a.Until = r.moment(e.value)
		case "when":
			a.When = r.condition(e.value)
		case "schedule":
			a.Schedule = r.name(e.value)
		default:
			r.unknown(e.key, "key", []string{"role", "to", "from", "until", "when", "schedule"})
		}
	}
	r.need(n, a.Role, "role")
	r.need(n, a.Holder, "to")
	return a
}

// need refuses a map that leaves out what it cannot be without.
func (r *reader) need(n *node, got, key string) {
	if r.err == nil && got == "" {
		r.failf(n, "`%s` is missing here", key)
	}
}
