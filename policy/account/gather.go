package account

import (
	"maps"
	"slices"
	"strings"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// gathered is the records of one document by what the file groups them under.
type gathered struct {
	settings                              map[string][]*klinkev1.Setting
	classes                               []pair
	sites                                 map[string]*things
	departments, groups, roles            map[string]*things
	users, apps                           map[string]*things
	assignments, grants, ceilings, limits [][]pair
	sharing                               [][]pair
	lists                                 map[string][]word
	limit                                 *klinkev1.Limit // the last one, whose values are gathered
	values                                []word
}

// things is what one entry says.
type things struct {
	own    *klinkev1.Record // nil: the entry only adds
	edges  map[string][]word
	grants [][]pair // of a role, those with a condition or schedule
}

func entryOf(m map[string]*things, id string) *things {
	t := m[id]
	if t == nil {
		t = &things{edges: map[string][]word{}}
		m[id] = t
	}
	return t
}

// gather takes sorted records. A membership or plain assignment of someone who is in the document stands with him, as a
// person would write it; otherwise with the group or department, or among the assignments.
func gather(records []*klinkev1.Record) *gathered {
	g := &gathered{settings: map[string][]*klinkev1.Setting{}, lists: map[string][]word{}}
	for _, m := range []*map[string]*things{&g.sites, &g.departments, &g.groups, &g.roles, &g.users, &g.apps} {
		*m = map[string]*things{}
	}
	for _, r := range records {
		if s := r.GetSubject(); s != nil {
			entryOf(g.section(s.GetType()), s.GetId()).own = r
		}
	}
	for _, r := range records {
		g.add(r)
	}
	return g
}

func (g *gathered) section(t klinkev1.SubjectType) map[string]*things {
	if t == klinkev1.SubjectType_SUBJECT_TYPE_APP {
		return g.apps
	}
	return g.users
}

// here returns the entry of a user or app of this document, nil for others.
func (g *gathered) here(holder string) *things {
	if id, is := strings.CutPrefix(holder, "user:"); is {
		return g.users[id]
	}
	if id, is := strings.CutPrefix(holder, "app:"); is {
		return g.apps[id]
	}
	return nil
}

func (t *things) edge(key string, w word) { t.edges[key] = append(t.edges[key], w) }

func (g *gathered) add(r *klinkev1.Record) {
	switch x := r.GetRecord().(type) {
	case *klinkev1.Record_Setting:
		g.settings[x.Setting.GetName()] = append(g.settings[x.Setting.GetName()], x.Setting)
	case *klinkev1.Record_ServiceClass:
		g.classes = append(g.classes, pair{quote(x.ServiceClass.GetName()), classPairs(x.ServiceClass)})
	case *klinkev1.Record_Site:
		entryOf(g.sites, x.Site.GetId()).own = r
	case *klinkev1.Record_EmergencyNumber:
		entryOf(g.sites, x.EmergencyNumber.GetSite()).edge("emergency", quote(x.EmergencyNumber.GetNumber()))
	case *klinkev1.Record_Department:
		entryOf(g.departments, x.Department.GetId()).own = r
	case *klinkev1.Record_DepartmentMember:
		g.departmentMember(x.DepartmentMember)
	case *klinkev1.Record_Group:
		entryOf(g.groups, x.Group.GetId()).own = r
	case *klinkev1.Record_GroupMember:
		m := x.GroupMember
		if u := g.here(m.GetMember()); u != nil {
			u.edge("groups", quote(m.GetGroup()))
			return
		}
		entryOf(g.groups, m.GetGroup()).edge("members", quote(bare(m.GetMember())))
	case *klinkev1.Record_Role:
		entryOf(g.roles, x.Role.GetId()).own = r
	case *klinkev1.Record_RoleInclude:
		entryOf(g.roles, x.RoleInclude.GetRole()).edge("includes", quote(x.RoleInclude.GetIncluded()))
	case *klinkev1.Record_Cell:
		g.cell(x.Cell)
	case *klinkev1.Record_Assignment:
		g.assignment(x.Assignment)
	case *klinkev1.Record_ObjectGrant:
		o := x.ObjectGrant
		ps := []pair{{"to", quote(bare(o.GetHolder()))}, {"grant", quote(o.GetType() + "." + o.GetAction() + "@" + o.GetLevel())},
			{"on", quote(o.GetType() + ":" + o.GetId())}}
		if o.GetUntil() != nil {
			ps = append(ps, pair{"until", moment(o.GetUntil())})
		}
		g.grants = append(g.grants, ps)
	case *klinkev1.Record_Ceiling:
		c := x.Ceiling
		g.ceilings = append(g.ceilings, []pair{{"to", quote(bare(c.GetHolder()))}, {"at_most", quote(c.GetPermission() + "@" + c.GetLevel())}})
	case *klinkev1.Record_Limit:
		g.limitValue(x.Limit)
	case *klinkev1.Record_SharingRule:
		g.sharing = append(g.sharing, sharingPairs(x.SharingRule))
	case *klinkev1.Record_ListedNumber:
		n := x.ListedNumber.GetNumber()
		if x.ListedNumber.GetPrefix() {
			n += "*"
		}
		g.lists[x.ListedNumber.GetList()] = append(g.lists[x.ListedNumber.GetList()], quote(n))
	}
}

func (g *gathered) departmentMember(m *klinkev1.DepartmentMember) {
	mine, theirs := "departments", "members"
	if m.GetHead() {
		mine, theirs = "leads", "heads"
	}
	if u := g.here(m.GetSubject()); u != nil {
		u.edge(mine, quote(m.GetDepartment()))
		return
	}
	entryOf(g.departments, m.GetDepartment()).edge(theirs, quote(bare(m.GetSubject())))
}

func (g *gathered) cell(c *klinkev1.Cell) {
	t := entryOf(g.roles, c.GetRole())
	grant := quote(c.GetPermission() + "@" + c.GetLevel())
	if c.GetWhen() == "" && c.GetSchedule() == "" {
		t.edge("grants", grant)
		return
	}
	t.grants = append(t.grants, optional(optional([]pair{{"grant", grant}}, "when", c.GetWhen()), "schedule", c.GetSchedule()))
}

// optional adds a text that is not empty.
func optional(ps []pair, key word, text string) []pair {
	if text == "" {
		return ps
	}
	return append(ps, pair{key, quote(text)})
}

func (g *gathered) assignment(a *klinkev1.Assignment) {
	bound := a.GetFrom() != nil || a.GetUntil() != nil || a.GetWhen() != "" || a.GetSchedule() != ""
	if u := g.here(a.GetHolder()); u != nil && !bound {
		u.edge("roles", quote(a.GetRole()))
		return
	}
	ps := []pair{{"role", quote(a.GetRole())}, {"to", quote(bare(a.GetHolder()))}}
	if a.GetFrom() != nil {
		ps = append(ps, pair{"from", moment(a.GetFrom())})
	}
	if a.GetUntil() != nil {
		ps = append(ps, pair{"until", moment(a.GetUntil())})
	}
	g.assignments = append(g.assignments, optional(optional(ps, "when", a.GetWhen()), "schedule", a.GetSchedule()))
}

// limitValue joins the values of one limit of one holder; records come sorted, so they follow each other. A limit that
// permits nothing is an empty list.
func (g *gathered) limitValue(l *klinkev1.Limit) {
	if g.limit.GetName() != l.GetName() || g.limit.GetHolder() != l.GetHolder() {
		g.limits = append(g.limits, []pair{{"limit", quote(l.GetName())}, {"to", quote(bare(l.GetHolder()))}, {}})
		g.limit, g.values = l, nil
	} else if len(g.values) == 0 { // the empty value before was one of several
		g.values = append(g.values, `""`)
	}
	if l.GetValue() != "" {
		g.values = append(g.values, quote(l.GetValue()))
	}
	g.limits[len(g.limits)-1][2] = pair{"values", g.values}
}

// write writes the document, its sections in the order of the reference.
func (g *gathered) write(o *out) {
	g.writeSettings(o)
	if len(g.classes) > 0 {
		o.raw("classes:\n")
	}
	for _, k := range g.classes {
		o.line("  ", k)
	}
	for _, s := range []struct {
		name    string
		entries map[string]*things
		pairs   func(*things) []pair
	}{
		{"sites", g.sites, sitePairs}, {"departments", g.departments, departmentPairs}, {"groups", g.groups, groupPairs},
		{"roles", g.roles, rolePairs}, {"users", g.users, subjectPairs}, {"apps", g.apps, subjectPairs},
	} {
		if len(s.entries) > 0 {
			o.raw(s.name + ":\n")
		}
		for _, id := range slices.Sorted(maps.Keys(s.entries)) {
			o.line("  ", pair{quote(id), s.pairs(s.entries[id])})
		}
	}
	for _, s := range []struct {
		name  string
		items [][]pair
	}{{"assignments", g.assignments}, {"object_grants", g.grants}, {"ceilings", g.ceilings}, {"limits", g.limits}, {"sharing", g.sharing}} {
		if len(s.items) > 0 {
			o.raw(s.name + ":\n")
		}
		for _, item := range s.items {
			o.item(item)
		}
	}
	if len(g.lists) > 0 {
		o.raw("lists:\n")
	}
	for _, name := range slices.Sorted(maps.Keys(g.lists)) {
		o.line("  ", pair{quote(name), g.lists[name]})
	}
}

func (g *gathered) writeSettings(o *out) {
	if len(g.settings) > 0 {
		o.raw("settings:\n")
	}
	for _, name := range slices.Sorted(maps.Keys(g.settings)) {
		scopes := g.settings[name]
		if len(scopes) == 1 && scopes[0].GetScope() == "" {
			o.line("  ", pair{quote(name), settingValue(scopes[0].GetValue())})
			continue
		}
		ps := make([]pair, len(scopes))
		for i, s := range scopes {
			ps[i] = pair{quote(s.GetScope()), settingValue(s.GetValue())}
		}
		o.line("  ", pair{quote(name), ps})
	}
}
