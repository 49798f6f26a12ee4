// These tests prove what an answer rests on at the edges: the moment at which a right begins and ends and how long the answer
// says that it holds, and which of a person's limits counts.
package policy_test

import (
	"testing"
	"time"
)

const edgesModel = `
model: edges
combine: highest
users: {attributes: {email: text}}
levels: {yes_no: {none: [], any: any}}
schedules: {office: {zone: Europe/Berlin, hours: {mon: ["09:00", "10:00"]}}}
types:
  doc:
    attributes: {owner: user, team: groups, mark: text}
    actions:
      see: {level: yes_no}
      see_in_office: {gate: [{schedule: office}]}
      see_while_in_team: {require: [{when: "'team' in groups('bert')"}]}
      see_by_the_clock: {require: [{when: "now < timestamp('2026-01-05T12:00:00Z')"}]}
      above: {require: [{above: owner}]}
      below: {require: [{below: owner}]}
      same_role: {require: [{same_role: owner}]}
      holds: {require: [{holds: owner, in: [clerk]}]}
      same_group: {require: [{same_group: owner}]}
      member: {require: [{member_of: team}]}
      within: {require: [{within: mark, limit: marks}]}
      within_strict: {require: [{within: mark, limit: marks, strict: true}]}
      limited_group: {require: [{same_group: owner, limit: teams}]}
      told: {obligations: [{id: hurry, kind: advice, if: {schedule: office}}]}
roles:
  clerk: {under: lead, grants: [doc.see@any]}
  lead: {}
  hours: {grants: [{grant: doc.see@any, schedule: office}]}
  gone: {grants: [doc.see@any]}
`

const edgesCompany = `
departments: {firm: {}, sales: {under: firm, members: [anna]}}
groups: {team: {members: [anna]}, others: {members: [bert]}, inner: {}, outer: {members: ["group:inner"]}}
users: {anna: {}, bert: {}}
apps: {dialer: {}}
`

// A right holds from its first moment to the last before its end, and the answer says when that will be.
func TestRightsBeginAndEndOnTheMoment(t *testing.T) {
	const (
		before = "2026-01-05T07:59:59.999999999Z"
		nine   = "2026-01-05T08:00:00Z" // in Berlin
		last   = "2026-01-05T08:59:59.999999999Z"
		ten    = "2026-01-05T09:00:00Z"
		next   = "2026-01-12T08:00:00Z" // the next Monday at nine
		never  = ""
	)
	for _, c := range []struct {
		records, ask, at string
		allow            bool
		until            string
	}{
		{"assignments: [{role: clerk, to: anna, from: 2026-01-05T08:00:00Z}]", "anna see doc:1", before, false, nine},
		{"assignments: [{role: clerk, to: anna, from: 2026-01-05T08:00:00Z}]", "anna see doc:1", nine, true, never},
		{"assignments: [{role: clerk, to: anna, until: 2026-01-05T09:00:00Z}]", "anna see doc:1", last, true, ten},
		{"assignments: [{role: clerk, to: anna, until: 2026-01-05T09:00:00Z}]", "anna see doc:1", ten, false, never},
		{"assignments: [{role: clerk, to: anna, from: 2026-01-05T08:00:00Z, until: 2026-01-05T09:00:00Z}]", "anna see doc:1", before, false, nine},
		{"assignments: [{role: clerk, to: anna, from: 2026-01-05T08:00:00Z, until: 2026-01-05T09:00:00Z}]", "anna see doc:1", nine, true, ten},
		{"assignments: [{role: clerk, to: group:team, until: 2026-01-05T09:00:00Z}]", "anna see doc:1", last, true, ten},
		{"assignments: [{role: clerk, to: group:team, until: 2026-01-05T09:00:00Z}]", "anna see doc:1", ten, false, never},
		{"assignments: [{role: clerk, to: anna, schedule: office}]", "anna see doc:1", before, false, nine},
		{"assignments: [{role: clerk, to: anna, schedule: office}]", "anna see doc:1", nine, true, ten},
		{"assignments: [{role: clerk, to: anna, schedule: office}]", "anna see doc:1", ten, false, next},
		{"assignments: [{role: clerk, to: anna, schedule: office, until: 2026-01-05T08:30:00Z}]", "anna see doc:1", nine, true, "2026-01-05T08:30:00Z"},
		{"assignments: [{role: hours, to: anna}]", "anna see doc:1", before, false, nine},
		{"assignments: [{role: hours, to: anna}]", "anna see doc:1", last, true, ten},
		{"assignments: [{role: hours, to: anna}]", "anna see doc:1", ten, false, next},
		{"object_grants: [{to: anna, grant: doc.see@any, on: doc:1, until: 2026-01-05T09:00:00Z}]", "anna see doc:1", last, true, ten},
		{"object_grants: [{to: anna, grant: doc.see@any, on: doc:1, until: 2026-01-05T09:00:00Z}]", "anna see doc:1", ten, false, never},
		{"object_grants: [{to: group:team, grant: doc.see@any, on: doc:1, until: 2026-01-05T09:00:00Z}]", "anna see doc:1", ten, false, never},
		{"", "anna see_in_office doc:1", before, false, nine},
		{"", "anna see_in_office doc:1", nine, true, ten},
		{"", "anna see_in_office doc:1", ten, false, next},
		{"", "anna told doc:1", nine, true, ten},
		// Other people's hours.
		{"groups: {team: {known: true, members: [role:clerk]}}\nassignments: [{role: clerk, to: bert, until: 2026-01-05T09:00:00Z}]", "anna see_while_in_team doc:1", last, true, ten},
		{"groups: {team: {known: true, members: [role:clerk]}}\nassignments: [{role: clerk, to: bert, until: 2026-01-05T09:00:00Z}]", "anna see_while_in_team doc:1", ten, false, never},
		{"groups: {team: {known: true, members: [role:clerk]}}\nassignments: [{role: clerk, to: bert, from: 2026-01-05T09:00:00Z}]", "anna see_while_in_team doc:1", last, false, ten},
		{"groups: {team: {known: true, members: [role:clerk]}}\nassignments: [{role: clerk, to: bert, until: 2026-01-05T09:00:00Z}]", "anna same_group doc:1, facts: {owner: bert}", last, true, ten},
		{"users: {anna: {known: true, roles: [lead]}}\nassignments: [{role: clerk, to: bert, until: 2026-01-05T09:00:00Z}]", "anna above doc:1, facts: {owner: bert}", last, true, ten},
		{"users: {bert: {known: true, roles: [lead]}}\nassignments: [{role: clerk, to: anna, until: 2026-01-05T09:00:00Z}]", "anna below doc:1, facts: {owner: bert}", last, true, ten},
		{"users: {anna: {known: true, roles: [clerk]}}\nassignments: [{role: clerk, to: bert, until: 2026-01-05T09:00:00Z}]", "anna same_role doc:1, facts: {owner: bert}", last, true, ten},
		{"assignments: [{role: clerk, to: bert, from: 2026-01-05T09:00:00Z}]", "anna holds doc:1, facts: {owner: bert}", last, false, ten},
		{"assignments: [{role: clerk, to: bert, from: 2026-01-05T09:00:00Z}]", "anna holds doc:1, facts: {owner: bert}", ten, true, never},
		// What comes through a role that has ended has ended with it, and what has not begun has not.
		{`assignments: [{role: lead, to: bert, until: 2026-01-05T08:00:00Z}, {role: clerk, to: "role:lead"}]`, "anna holds doc:1, facts: {owner: bert}", last, false, never},
		{`assignments: [{role: lead, to: bert, until: 2026-01-05T09:00:00Z}, {role: clerk, to: "role:lead"}]`, "anna holds doc:1, facts: {owner: bert}", last, true, ten},
		{`assignments: [{role: lead, to: bert, until: 2026-01-05T08:00:00Z}, {role: clerk, to: "role:lead", until: 2026-01-05T09:00:00Z}]`, "anna holds doc:1, facts: {owner: bert}", last, false, never},
		{`assignments: [{role: lead, to: bert}, {role: clerk, to: "role:lead", until: 2026-01-05T09:00:00Z}]`, "anna holds doc:1, facts: {owner: bert}", last, true, ten},
		{`assignments: [{role: lead, to: bert}, {role: clerk, to: "role:lead", until: 2026-01-05T09:00:00Z}]`, "anna holds doc:1, facts: {owner: bert}", ten, false, never},
		{`assignments: [{role: lead, to: anna}, {role: gone, to: bert, until: 2026-01-05T08:00:00Z}, {role: clerk, to: "role:gone"}]`, "anna above doc:1, facts: {owner: bert}", last, false, never},
		{`assignments: [{role: lead, to: anna}, {role: gone, to: bert, until: 2026-01-05T09:00:00Z}, {role: clerk, to: "role:gone"}]`, "anna above doc:1, facts: {owner: bert}", last, true, ten},
		{`assignments: [{role: lead, to: anna}, {role: gone, to: bert, until: 2026-01-05T08:00:00Z}, {role: clerk, to: "role:gone", until: 2026-02-01T00:00:00Z}]`,
			"anna above doc:1, facts: {owner: bert}", last, false, never},
		{`assignments: [{role: lead, to: anna}, {role: clerk, to: group:others, until: 2026-01-05T09:00:00Z}]`, "anna above doc:1, facts: {owner: bert}", last, true, ten},
		{`assignments: [{role: lead, to: anna}, {role: clerk, to: group:others, until: 2026-01-05T09:00:00Z}]`, "anna above doc:1, facts: {owner: bert}", ten, false, never},
		{`assignments: [{role: lead, to: anna, until: 2026-01-05T08:00:00Z}, {role: clerk, to: bert}]`, "anna above doc:1, facts: {owner: bert}", last, false, never},
		{`assignments: [{role: lead, to: anna, until: 2026-01-05T08:00:00Z}, {role: lead, to: bert}]`, "anna same_role doc:1, facts: {owner: bert}", last, false, never},
		{`assignments: [{role: lead, to: anna}, {role: lead, to: bert, until: 2026-01-05T08:00:00Z}]`, "anna same_role doc:1, facts: {owner: bert}", last, false, never},
		{`assignments: [{role: lead, to: anna}, {role: lead, to: bert, from: 2026-01-05T09:00:00Z}]`, "anna same_role doc:1, facts: {owner: bert}", last, false, ten},
		{"groups: {team: {known: true, members: [bert, role:lead]}, others: {known: true, members: [role:lead]}}\nassignments: [{role: lead, to: anna, until: 2026-01-05T09:00:00Z}]",
			"anna member doc:1, facts: {team: [others]}", last, true, ten},
		{"groups: {others: {known: true, members: [role:lead]}}\nassignments: [{role: lead, to: anna, until: 2026-01-05T09:00:00Z}]", "anna member doc:1, facts: {team: [others]}", ten, false, never},
		{"groups: {others: {known: true, members: [role:lead]}}\nassignments: [{role: lead, to: anna, until: 2026-01-05T09:00:00Z}]", "anna same_group doc:1, facts: {owner: bert}", last, true, ten},
		{"groups: {others: {known: true, members: [role:lead]}}\nassignments: [{role: lead, to: anna, until: 2026-01-05T09:00:00Z}]", "anna same_group doc:1, facts: {owner: bert}", ten, false, never},
		{`limits: [{limit: marks, to: "role:clerk", values: []}]` + "\nassignments: [{role: clerk, to: anna, until: 2026-01-05T09:00:00Z}]", "anna within doc:1, facts: {mark: m}", last, false, ten},
		{`limits: [{limit: marks, to: "role:clerk", values: []}]` + "\nassignments: [{role: clerk, to: anna, until: 2026-01-05T09:00:00Z}]", "anna within doc:1, facts: {mark: m}", ten, true, never},
		{`ceilings: [{to: "role:lead", at_most: doc.see@none}]` + "\nusers: {anna: {known: true, roles: [gone]}}\nassignments: [{role: lead, to: anna, until: 2026-01-05T09:00:00Z}]", "anna see doc:1", last, false, ten},
		{`ceilings: [{to: "role:lead", at_most: doc.see@none}]` + "\nusers: {anna: {known: true, roles: [gone]}}\nassignments: [{role: lead, to: anna, until: 2026-01-05T09:00:00Z}]", "anna see doc:1", ten, true, never},
		// Hours that do not matter bound nothing, and a condition that does not matter is not asked.
		{"assignments: [{role: lead, to: bert, until: 2026-01-05T09:00:00Z}]", "anna holds doc:1, facts: {owner: bert}", last, false, never},
		{"assignments: [{role: lead, to: anna, until: 2026-01-05T09:00:00Z}]", "anna member doc:1, facts: {team: [outer]}", last, false, never},
		{"users: {bert: {known: true, roles: [gone]}}\nassignments: [{role: lead, to: anna, until: 2026-01-05T09:00:00Z}]", "anna same_role doc:1, facts: {owner: bert}", last, false, never},
		{"ceilings: [{to: bert, at_most: doc.see@none}]\nusers: {anna: {known: true, roles: [clerk]}}", "anna see doc:1", last, true, never},
		{`limits: [{limit: marks, to: bert, values: []}]` + "\nassignments: [{role: lead, to: anna, until: 2026-01-05T09:00:00Z}]", "anna within doc:1, facts: {mark: m}", last, true, never},
		// The clock itself: the answer holds for no time at all.
		{"", "anna see_by_the_clock doc:1", last, true, last},
	} {
		x := newCompany(t, edgesModel, edgesCompany)
		if c.records != "" {
			x.must(c.records)
		}
		got, context := x.ask(x.s, c.ask+", at: "+c.at)
		until := ""
		if context.ValidUntil != nil {
			until = context.ValidUntil.AsTime().Format(time.RFC3339Nano)
		}
		if got != c.allow || until != c.until {
			t.Errorf("%s: %s at %s: %t until %q, want %t until %q", c.records, c.ask, c.at, got, until, c.allow, c.until)
		}
	}
}

// Of a person's limits the most specific holder's counts, and it alone: himself, his groups, his roles, his departments,
// everybody.
func TestTheMostSpecificLimitCounts(t *testing.T) {
	const setup = "users: {anna: {known: true, roles: [clerk]}}\n"
	limit := func(to, values string) string { return "{limit: marks, to: \"" + to + "\", values: [" + values + "]}" }
	for _, c := range []struct {
		limits, ask string
		allow       bool
	}{
		{"", "within doc:1, facts: {mark: m}", true},
		{"", "within_strict doc:1, facts: {mark: m}", false},
		{limit("anna", "m"), "within doc:1, facts: {mark: m}", true},
		{limit("anna", "m"), "within_strict doc:1, facts: {mark: m}", true},
		{limit("anna", "m"), "within doc:1, facts: {mark: other}", false},
		{limit("anna", "m, n"), "within doc:1, facts: {mark: n}", true},
		{limit("anna", ""), "within doc:1, facts: {mark: m}", false},
		{limit("anna", ""), "within doc:1, facts: {mark: ''}", false},
		{limit("anna", "a") + ", " + limit("group:team", "m"), "within doc:1, facts: {mark: m}", false},
		{limit("anna", "") + ", " + limit("everybody", "m"), "within doc:1, facts: {mark: m}", false},
		{limit("group:team", "a") + ", " + limit("role:clerk", "m"), "within doc:1, facts: {mark: m}", false},
		{limit("group:team", "") + ", " + limit("group:outer", "m"), "within doc:1, facts: {mark: m}", false},
		{limit("role:clerk", "a") + ", " + limit("department:sales", "m"), "within doc:1, facts: {mark: m}", false},
		{limit("role+:lead", "m") + ", " + limit("department:sales", "a"), "within doc:1, facts: {mark: m}", true},
		{limit("role+:lead", "m") + ", " + limit("role:clerk", "a"), "within doc:1, facts: {mark: m}", true},
		{limit("role:lead", "m") + ", " + limit("department+:firm", "a"), "within doc:1, facts: {mark: m}", false},
		{limit("department+:firm", "a") + ", " + limit("everybody", "m"), "within doc:1, facts: {mark: m}", false},
		{limit("department+:firm", "m") + ", " + limit("everybody", "a"), "within doc:1, facts: {mark: m}", true},
		{limit("everybody", "m"), "within doc:1, facts: {mark: m}", true},
		{"{limit: teams, to: anna, values: [inner]}, {limit: teams, to: everybody, values: [team]}", "limited_group doc:1, facts: {owner: bert}", false},
		{"{limit: teams, to: anna, values: [team]}, {limit: teams, to: everybody, values: [inner]}", "limited_group doc:1, facts: {owner: bert}", true},
	} {
		x := newCompany(t, edgesModel, edgesCompany)
		x.must(setup + "groups: {team: {known: true, members: [bert]}}")
		if c.limits != "" {
			x.must("limits: [" + c.limits + "]")
		}
		if got, _ := x.ask(x.s, "anna "+c.ask); got != c.allow {
			t.Errorf("%s: %s: %t, want %t", c.limits, c.ask, got, c.allow)
		}
	}
}
