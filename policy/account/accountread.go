package account

import (
	"strings"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// accountReader reads one document.
type accountReader struct {
	collector
	account *Account
	first   bool
	earlier map[[16]byte]struct{}
}

func accountKeys() []string {
	return []string{"tenant", "model", "settings", "classes", "sites", "departments", "groups", "roles", "users", "apps", "assignments",
		"object_grants", "ceilings", "limits", "sharing", "lists", "questions"}
}

func (x *accountReader) read(n *node) {
	for _, e := range x.entries(n) {
		x.section(e.key, e.value)
	}
	if x.first {
		x.need(n, x.account.Tenant, "tenant")
	}
}

func (x *accountReader) section(key, n *node) {
	switch key.text {
	case "tenant", "model":
		x.headline(key, n)
	case "settings":
		x.settings(n)
	case "classes":
		for _, k := range x.named(n) {
			x.class(k)
		}
	case "sites":
		x.each(key, n, x.site)
	case "departments":
		x.each(key, n, x.department)
	case "groups":
		x.each(key, n, x.group)
	case "roles":
		x.each(key, n, x.role)
	case "users":
		x.each(key, n, x.user)
	case "apps":
		x.each(key, n, x.app)
	case "assignments":
		for _, item := range x.items(n) {
			x.add(item, &klinkev1.Record{Record: &klinkev1.Record_Assignment{Assignment: x.assignment(item)}})
		}
	case "object_grants":
		for _, item := range x.items(n) {
			x.objectGrant(item)
		}
	case "ceilings":
		for _, item := range x.items(n) {
			x.ceiling(item)
		}
	case "limits":
		for _, item := range x.items(n) {
			x.limit(item)
		}
	case "sharing":
		for _, item := range x.items(n) {
			x.sharingRule(item)
		}
	case "lists":
		x.lists(n)
	case "questions":
		for _, item := range x.items(n) {
			x.account.Questions = append(x.account.Questions, x.question(item))
		}
	default:
		x.unknown(key, "key", accountKeys())
	}
}

func (x *accountReader) headline(key, n *node) {
	if !x.first {
		x.failf(key, "only the first document names the %s", key.text)
		return
	}
	if key.text == "tenant" {
		x.account.Tenant = x.name(n)
		return
	}
	x.account.Model = x.text(n)
	if _, _, err := SplitModel(x.account.Model); err != nil && x.err == nil {
		x.failf(n, "%s", err)
	}
}

// each reads the entries of a section of things with names. read returns the thing's own record, nil when an entry says
// something of it that `known` forbids. `known: true` means that the thing is there already: from the model, from an
// earlier document, or in the tenant; only what the entry adds to it is put.
func (x *accountReader) each(section, n *node, read func(id string, e entry) *klinkev1.Record) {
	for _, e := range x.named(n) {
		if x.err != nil {
			return
		}
		own := read(e.key.text, e)
		k := e.value.get("known")
		if k != nil && x.boolean(k) {
			continue
		}
		x.once(section.text, e.key, "write `known: true` to add to it")
		x.add(e.key, own)
	}
}

// once refuses what would replace what an earlier document says, and says what to do instead.
func (x *accountReader) once(section string, key *node, instead string) {
	d := digest(section, key.text)
	if _, twice := x.earlier[d]; twice {
		x.failf(key, "`%s` stands in an earlier document, which this one would replace: %s", clip(key.text), instead)
	}
	x.earlier[d] = struct{}{}
}

// own refuses a key that says what the thing is, in an entry that only adds to it.
func (x *accountReader) own(body, key *node) {
	k := body.get("known")
	if k == nil {
		return
	}
	if v, is := k.truth(); is && v {
		x.failf(key, "`known: true` only adds: `%s` would replace what is there", key.text)
	}
}

// settings reads values for the tenant, or a map of values by scope.
func (x *accountReader) settings(n *node) {
	put := func(at *node, name, scope, value string) {
		x.add(at, &klinkev1.Record{Record: &klinkev1.Record_Setting{Setting: &klinkev1.Setting{Name: name, Scope: scope, Value: value}}})
	}
	for _, s := range x.named(n) {
		if s.value.shape != mapping {
			put(s.key, s.key.text, "", x.settingValue(s.value))
			continue
		}
		for _, e := range s.value.entries {
			if fault := badScope(e.key.text); fault != "" {
				x.failf(e.key, "%s", fault)
			}
			put(e.key, s.key.text, e.key.text, x.settingValue(e.value))
		}
	}
}

func (x *accountReader) site(id string, s entry) *klinkev1.Record {
	out := &klinkev1.Site{Id: id}
	known := false
	for _, e := range x.entries(s.value) {
		switch e.key.text {
		case "region":
			x.own(s.value, e.key)
			out.Region = x.name(e.value)
		case "access":
			x.own(s.value, e.key)
			out.AccessDigits = x.dialled(e.value, "an access code", 0, 3)
		case "default":
			x.own(s.value, e.key)
			out.Default = x.boolean(e.value)
		case "emergency":
			for _, number := range x.emergency(e.value) {
				x.add(e.key, &klinkev1.Record{Record: &klinkev1.Record_EmergencyNumber{EmergencyNumber: &klinkev1.EmergencyNumber{Site: id, Number: number}}})
			}
		case "known":
			known = x.boolean(e.value)
		default:
			x.unknown(e.key, "key", []string{"region", "access", "default", "emergency", "known"})
		}
	}
	if !known {
		x.need(s.key, out.Region, "region")
	}
	return &klinkev1.Record{Record: &klinkev1.Record_Site{Site: out}}
}

// objectGrant reads an exception for one resource.
func (x *accountReader) objectGrant(n *node) {
	g := &klinkev1.ObjectGrant{}
	var on string
	for _, e := range x.entries(n) {
		switch e.key.text {
		case "to":
			g.Holder = x.holder(e.value)
		case "grant":
			var p string
			p, g.Level = x.permissionLevel(e.value, "any")
			g.Type, g.Action, _ = strings.Cut(p, ".")
			if strings.HasPrefix(g.Action, "*") || g.Type == "*" {
				x.failf(e.value, "a grant on one resource names one permission, no pattern")
			}
		case "on":
			on = x.text(e.value)
			_, g.Id, _ = strings.Cut(on, ":")
			if fault := badName(g.Id); fault != "" {
				x.failf(e.value, "`%s` is no resource (%s): write type:id", clip(on), fault)
			}
		case "until":
			g.Until = x.moment(e.value)
		default:
			x.unknown(e.key, "key", []string{"to", "grant", "on", "until"})
		}
	}
	x.need(n, g.Holder, "to")
	x.need(n, g.Type, "grant")
	x.need(n, on, "on")
	if x.err == nil && on[:strings.IndexByte(on, ':')] != g.Type {
		x.failf(n.get("on"), "`%s` is not of the grant's type `%s`", clip(on), clip(g.Type))
	}
	x.add(n, &klinkev1.Record{Record: &klinkev1.Record_ObjectGrant{ObjectGrant: g}})
}

func (x *accountReader) ceiling(n *node) {
	c := &klinkev1.Ceiling{}
	for _, e := range x.entries(n) {
		switch e.key.text {
		case "to":
			c.Holder = x.holder(e.value)
		case "at_most":
			c.Permission, c.Level = x.permissionLevel(e.value, "")
		default:
			x.unknown(e.key, "key", []string{"to", "at_most"})
		}
	}
	x.need(n, c.Holder, "to")
	x.need(n, c.Permission, "at_most")
	x.add(n, &klinkev1.Record{Record: &klinkev1.Record_Ceiling{Ceiling: c}})
}

// limit reads the values that a limit permits a holder. None at all is a limit that permits nothing.
func (x *accountReader) limit(n *node) {
	var name, holder string
	var values *node
	for _, e := range x.entries(n) {
		switch e.key.text {
		case "limit":
			name = x.name(e.value)
		case "to":
			holder = x.holder(e.value)
		case "values":
			values = e.value
		default:
			x.unknown(e.key, "key", []string{"limit", "to", "values"})
		}
	}
	x.need(n, name, "limit")
	x.need(n, holder, "to")
	if values == nil {
		x.need(n, "", "values")
	}
	put := func(at *node, value string) {
		x.add(at, &klinkev1.Record{Record: &klinkev1.Record_Limit{Limit: &klinkev1.Limit{Name: name, Holder: holder, Value: value}}})
	}
	items := x.items(values)
	for _, item := range items {
		put(item, x.bounded(item, maxTextBytes))
	}
	if len(items) == 0 {
		put(n, "")
	}
}

// lists reads number lists. A trailing star means all numbers that begin so.
func (x *accountReader) lists(n *node) {
	for _, l := range x.named(n) {
		for _, item := range x.items(l.value) {
			number, prefix := strings.CutSuffix(x.text(item), "*")
			if plain := strings.TrimPrefix(number, "+"); plain == "" || len(plain) > 15 || !digits(plain) {
				x.failf(item, "`%s` is no number: write +4930123456 or the digits of an extension, with a * behind it for all that begin so", clip(item.text))
			}
			listed := &klinkev1.ListedNumber{List: l.key.text, Number: number, Prefix: prefix}
			x.add(item, &klinkev1.Record{Record: &klinkev1.Record_ListedNumber{ListedNumber: listed}})
		}
	}
}
