package lint

import (
	"maps"
	"slices"
	"strings"

	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/world"
)

// given are the roles that somebody was given himself, and where the first of them stands.
type given struct {
	roles []string
	place account.Place
}

// silenced reports, holder by holder, what the roles of his groups keep from him and do not any more, since a role that he
// was given himself silences them and says nothing about it.
func (v *view) silenced(w *world.World, t *tenant) {
	if !slices.Contains(v.values(w, v.m.GetDirectFirst()), "true") {
		return
	}
	for _, who := range slices.Sorted(maps.Keys(t.given)) {
		own := t.given[who]
		if !t.active[who] {
			continue
		}
		var groups, always []*role
		for _, id := range t.roles.ids {
			if slices.ContainsFunc(t.assigned[id], func(h string) bool { return strings.HasPrefix(h, "group:") && t.within(who, h, nil) }) {
				groups = append(groups, t.roles.byID[id])
			}
			if t.roles.everybody[id] && strings.HasPrefix(who, "user:") {
				always = append(always, t.roles.byID[id])
			}
		}
		for _, p := range v.perms {
			said := slices.ContainsFunc(own.roles, func(id string) bool { return len(t.roles.ranks(t.roles.get(id), p)) > 0 })
			if !p.leveled() || said {
				continue
			}
			now := p.levels()[v.combine(t.roles, p, always)]
			if before := p.levels()[v.combine(t.roles, p, slices.Concat(always, groups))]; !contains(before, now) {
				v.add(own.place, SilencesGroups, "`"+p.name+"`", "let it say a level for each of these, or give it to him through a group",
					"what %s was given directly, `%s`, silences the roles of his groups and says nothing about %s, which they keep from him",
					who, strings.Join(own.roles, "` and `"), of)
			}
		}
	}
}

// combine is the rank that holds for whoever has some roles; where a setting leaves open how they combine, the highest.
func (v *view) combine(r *roles, p *permission, some []*role) int {
	var ranks []int
	for _, x := range some {
		ranks = append(ranks, r.ranks(x, p)...)
	}
	switch {
	case len(ranks) == 0:
		return p.silence()
	case v.additive:
		return slices.Max(ranks)
	}
	return slices.Min(ranks)
}

// within says whether somebody is in a group, as far as users, apps and groups tell.
func (t *tenant) within(who, group string, through []string) bool {
	return !slices.Contains(through, group) && slices.ContainsFunc(t.members[group], func(member string) bool {
		return member == who || member == "everybody" && strings.HasPrefix(who, "user:") ||
			strings.HasPrefix(member, "group:") && t.within(who, member, append(slices.Clip(through), group))
	})
}
