package lint

import (
	"slices"
	"strings"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// roles are all roles that there are, some of which are looked at.
type roles struct {
	byID map[string]*role
	ids  []string // in order
	// placed are the roles that mean something by where they stand, whatever they say: in the tree, or as a holder.
	placed map[string]bool
	// everybody are the roles that everybody has, whatever the time and the circumstances.
	everybody map[string]bool
	// apps are the roles that are given to apps.
	apps map[string]bool
}

// give notes an assignment.
func (r *roles) give(a *klinkev1.Assignment) {
	r.holder(a.GetHolder())
	if strings.HasPrefix(a.GetHolder(), "app:") {
		r.apps[a.GetRole()] = true
	}
	if a.GetHolder() == "everybody" && a.GetFrom() == nil && a.GetUntil() == nil && a.GetWhen() == "" && a.GetSchedule() == "" {
		r.everybody[a.GetRole()] = true
	}
}

// role is a factory role, or one of an account.
type role struct {
	id       string
	place    account.Place
	judged   bool // it is of the file that is looked at
	included bool // it can only be included: who has it has others too
	cells    map[string]*cell
	said     []*cell // in order
	includes []string
	whole    []*role // with those that it includes, once that is asked for
}

// cell is what a role says about a permission, or about all that a pattern matches.
type cell struct {
	permission, level string
	place             account.Place
	judged            bool
}

func (r *roles) get(id string) *role {
	if r.byID[id] == nil {
		r.byID[id] = &role{id: id, cells: map[string]*cell{}}
		r.ids = append(r.ids, id)
	}
	return r.byID[id]
}

// say puts a cell in the place of the role's former one about the same.
func (r *role) say(c *cell) {
	r.said = append(slices.DeleteFunc(r.said, func(x *cell) bool { return x == r.cells[c.permission] }), c)
	r.cells[c.permission] = c
}

// factory are the factory roles. Those of mixins are not looked at: they know nothing of the model.
func (v *view) factory(judged bool) *roles {
	out := &roles{byID: map[string]*role{}, placed: map[string]bool{}, everybody: map[string]bool{}, apps: map[string]bool{}}
	for _, t := range v.m.GetRoles() {
		x := out.get(t.GetRole().GetId())
		x.place = v.src.Place(t)
		x.judged = judged && v.own(x.place)
		x.included, x.includes = t.GetRole().GetNotAssignable(), t.GetIncludes()
		for _, c := range t.GetCells() {
			at := v.src.Place(c)
			x.say(&cell{c.GetPermission(), c.GetLevel(), at, judged && v.own(at)})
		}
		if up := t.GetRole().GetUnder(); up != "" {
			out.placed[up], out.placed[x.id] = true, true
		}
	}
	for _, a := range v.m.GetAssignments() {
		out.give(a)
	}
	note := func(t *klinkev1.Test) {
		for _, id := range t.GetHolds().GetIn() {
			out.placed[id] = true
		}
		v.rolesCompared = v.rolesCompared || t.GetSameRole() != nil || t.GetMemberOf().GetCarrying() != ""
	}
	for _, p := range v.perms {
		leaves(p.typ, p.rule.GetGate(), note)
		leaves(p.typ, p.rule.GetRequire(), note)
		for _, l := range p.rule.GetScale().GetLevels() {
			leaves(p.typ, l.GetRelations(), note)
		}
	}
	return out
}

// holder notes a role to whose holders something is given.
func (r *roles) holder(h string) {
	if kind, id, _ := strings.Cut(h, ":"); kind == "role" || kind == "role+" {
		r.placed[id] = true
	}
}

// closure is a role with those that it includes.
func (r *roles) closure(x *role) []*role {
	if x.whole != nil {
		return x.whole
	}
	out, seen := []*role{x}, map[string]bool{x.id: true}
	for i := 0; i < len(out); i++ {
		for _, id := range out[i].includes {
			if next := r.byID[id]; next != nil && !seen[id] {
				seen[id] = true
				out = append(out, next)
			}
		}
	}
	x.whole = out
	return out
}

// says is the cell by which a role itself speaks about a permission: the exact one, else the type's pattern, else that of
// all. One whose level is not on the scale does not exist.
func (r *role) says(p *permission) *cell {
	for _, name := range p.names {
		if c := r.cells[name]; c != nil && p.rank(c.level) >= 0 {
			return c
		}
	}
	return nil
}

// ranks are what a role and those that it includes say about a permission.
func (r *roles) ranks(x *role, p *permission) []int {
	var out []int
	for _, y := range r.closure(x) {
		if c := y.says(p); c != nil {
			out = append(out, p.rank(c.level))
		}
	}
	return out
}

// modelRoles looks at the factory roles, and whether they leave something out.
func (v *view) modelRoles() {
	r := v.factory(true)
	v.roles(r)
	for _, p := range v.perms { // a model may leave all roles to its tenants, and yet say what their silence means
		if v.opens(p) {
			v.unset(p)
		}
	}
	if !v.hasRoles() {
		return
	}
	for _, p := range v.perms {
		if !p.leveled() || p.passesAt(p.silence()) || len(p.rule.GetOverride()) > 0 || r.given(p, func(*role) bool { return true }) {
			continue
		}
		v.add(p.place, PermissionNobodyHas, p.name, "grant it in a factory role, or let the scale's `default` pass",
			"no factory role gives %s a level that passes: nobody has it until a tenant makes a role of its own", of)
	}
}

// given says whether one of some roles gives a permission a level that passes. Of fields any field will do.
func (r *roles) given(p *permission, some func(*role) bool) bool {
	_, mode, field := strings.Cut(p.local, ":")
	for _, id := range r.ids {
		x := r.byID[id]
		if !some(x) {
			continue
		}
		if c := x.says(p); c != nil && p.passesAt(p.rank(c.level)) {
			return true
		}
		named := func(c *cell) bool {
			return strings.HasPrefix(c.permission, p.typ.GetName()+".") && strings.HasSuffix(c.permission, ":"+mode) && p.passesAt(p.rank(c.level))
		}
		if field && slices.ContainsFunc(x.said, named) {
			return true
		}
	}
	return false
}

// roles looks at roles one by one.
func (v *view) roles(r *roles) {
	for _, id := range r.ids {
		x := r.byID[id]
		v.binding(x)
		if !x.judged {
			if v.at.File != "" && r.everybody[id] { // a factory role that the account leaves to everybody
				v.untouchedOpens(r, x, v.at)
			}
			continue
		}
		v.untouchedOpens(r, x, x.place)
		opened := v.opened(r, x)
		switch {
		case len(opened) > 0 && !x.included:
			v.add(x.place, SilenceOpens, "", "let it say a level for each of these, the lowest where it means nothing",
				"the role `%s` says nothing about %s, whose default passes: whoever has no other role may", id, several(opened))
		case len(opened) == 0 && !r.placed[id] && !v.rolesCompared && v.idle(r, x):
			v.add(x.place, RoleAddsNothing, "", "let it grant something, or take it away",
				"the role `%s` changes nothing for whoever gets it: all that it says holds without it", id)
		}
		v.blind(x)
		if !x.included {
			v.closed(r, x)
		}
	}
}

// blind reports what a role lets be written and is silent about reading: a role's writing never exceeds its own reading.
func (v *view) blind(x *role) {
	for _, c := range x.said {
		typ, rest, _ := strings.Cut(c.permission, ".")
		field, mode, _ := strings.Cut(rest, ":")
		if mode != "write" || !c.judged || !v.writes(typ, c.level) {
			continue
		}
		reads := func(y *cell) bool {
			t, of, _ := strings.Cut(y.permission, ".")
			f, m, _ := strings.Cut(of, ":")
			return m == "read" && (t == typ || t == "*" || typ == "*") && (f == field || f == "*" || field == "*")
		}
		if !slices.ContainsFunc(x.said, reads) {
			v.add(c.place, SilenceCloses, "`"+c.permission+"`", "let it say a level of `"+strings.TrimSuffix(c.permission, "write")+"read` too",
				"the role `%s` grants %s and is silent about reading the same: a role's writing never exceeds its own reading, so this gives nothing", x.id, of)
		}
	}
}

// writes says whether a level of writing fields passes.
func (v *view) writes(typ, level string) bool {
	return slices.ContainsFunc(v.perms, func(p *permission) bool {
		return p.local == "*:write" && (typ == "*" || p.typ.GetName() == typ) && p.passesAt(p.rank(level))
	})
}

func (v *view) untouchedOpens(r *roles, x *role, at account.Place) {
	if types := v.untouched(r, x); len(types) > 0 && !x.included {
		whom := "whoever gets it"
		if r.everybody[x.id] {
			whom = "everybody"
		}
		v.add(at, UntouchedOpens, "", "let it say lower levels of what it shall not open",
			"the role `%s` leaves %s at what holds by default, and that passes: where roles add up it opens them to %s", x.id, several(types), whom)
	}
}

// binding looks for what a role says below what a gate asks for.
func (v *view) binding(x *role) {
	for _, p := range v.floored {
		c := x.says(p)
		if c == nil || !c.judged {
			continue
		}
		if floor, by := v.floor(p, p.rule.GetGate()); p.rank(c.level) < floor {
			v.add(c.place, BindsSuperusers, p.name, "say `"+p.levels()[floor].GetName()+"`, if superusers shall pass",
				"the role `%s` says `%s` about %s, whose gate `%s` binds superusers too", x.id, c.level, of, policy.TestText(by))
		}
	}
}

// opened are the permissions about which a role is silent and whose default passes, where roles add up.
func (v *view) opened(r *roles, x *role) []string {
	var out []string
	for _, p := range v.perms {
		if v.opens(p) && len(r.ranks(x, p)) == 0 && !v.unset(p) {
			out = append(out, "`"+p.name+"`")
		}
	}
	return out
}

// opens says whether silence about a permission passes, where roles add up.
func (v *view) opens(p *permission) bool {
	return v.additive && p.leveled() && p.silence() > 0 && p.passesAt(p.silence())
}

// unset says whether the model says, where the level stands that holds by default, that silence means just that.
func (v *view) unset(p *permission) bool {
	at := v.src.Place(p.levels()[p.silence()])
	i := slices.IndexFunc(v.files, func(f marked) bool { return f.name == at.File })
	return i >= 0 && v.files[i].excuse(at.Line, SilenceOpens) != ""
}

// untouched are the types of which a role says no more than what holds by default and passes, some of it by `*.*`: rows in
// which nobody has set anything, and which open the type to whoever gets the role.
func (v *view) untouched(r *roles, x *role) []string {
	var out []string
	for _, t := range v.m.GetTypes() {
		some, all := false, true
		for _, p := range v.perms {
			if p.typ != t || !v.opens(p) {
				continue
			}
			ranks := r.ranks(x, p)
			all = all && len(ranks) > 0 && slices.Max(ranks) == p.silence()
			c := x.says(p)
			some = some || c != nil && strings.HasPrefix(c.permission, "*.*")
		}
		if some && all {
			out = append(out, "`"+t.GetName()+"`")
		}
	}
	return out
}

// idle says whether a role says only what holds without it: the lowest level where roles add up and the lowest is the
// default, or in an account no more than everybody has; the highest where the lowest counts and the highest is the default.
func (v *view) idle(r *roles, x *role) bool {
	everybody := func(p *permission) []int {
		var out []int
		if v.at.File == "" || r.apps[x.id] {
			return nil // it may be for apps, and they are not everybody
		}
		for id := range r.everybody {
			if id != x.id && r.byID[id] != nil {
				out = append(out, r.ranks(r.byID[id], p)...)
			}
		}
		return out
	}
	for _, p := range v.perms {
		top := len(p.levels()) - 1
		for _, rank := range r.ranks(x, p) {
			if v.additive && !v.subtractive && len(everybody(p)) > 0 && rank <= slices.Max(everybody(p)) {
				continue // everybody has as much
			}
			if v.additive && (rank > 0 || p.silence() > 0) || v.subtractive && (rank < top || p.silence() < top) {
				return false
			}
		}
	}
	for _, y := range r.closure(x) { // a named field is no permission of the model's
		if slices.ContainsFunc(y.said, func(c *cell) bool { return strings.Contains(c.permission, ":") && !strings.Contains(c.permission, "*") }) {
			return false
		}
	}
	return true
}

// passable says whether some level would do where one is asked for.
func (p *permission) passable(least string) bool {
	return least != "" || slices.ContainsFunc(p.levels(), passes)
}

// closed reports what a role grants and its silence about a prerequisite refuses.
func (v *view) closed(r *roles, x *role) {
	for _, p := range v.perms {
		ranks := r.ranks(x, p)
		if !p.leveled() || !slices.ContainsFunc(ranks, p.passesAt) {
			continue
		}
		conjuncts(p.typ, slices.Concat(p.rule.GetGate(), p.rule.GetRequire()), func(t *klinkev1.Test) {
			q, least := v.lookup(p.typ, t.GetPermission().GetPermission()), t.GetPermission().GetAtLeast()
			if a := t.GetAllowed(); a != nil {
				q = v.lookup(p.typ, a.GetAction())
			}
			elsewhere := t.GetPermission().GetOn() != nil || t.GetAllowed().GetOn() != nil
			if q == nil || q == p || elsewhere || !q.leveled() || !q.passable(least) || len(r.ranks(x, q)) > 0 {
				return
			}
			if least == "" && !q.passesAt(q.silence()) || least != "" && q.silence() < q.rank(least) {
				v.add(x.place, SilenceCloses, p.name, "let it say a level of `"+q.name+"` too, or include a role that does",
					"the role `%s` grants %s, which needs `%s`, and is silent about that: whoever has no other role is refused", x.id, of, q.name)
			}
		})
	}
}
