// These tests prove the findings about roles, accounts and questions, each by a file that has it and by near misses.
package lint_test

import (
	"strings"

	"github.com/klinke-authz/klinke/policy/lint"
)

// with is a model with roles; they begin in line 13, or later when there are more actions.
func with(roles string) string {
	return model(noneOwn, owned, oneLevel, "roles:\n  "+strings.ReplaceAll(roles, "\n", "\n  ")+"\n")
}

// open is one whose scale opens when roles are silent.
func open(roles string) string {
	return model(noneOwn+", default: any", owned, oneLevel, "roles:\n  "+strings.ReplaceAll(roles, "\n", "\n  ")+"\n")
}

// ruled is one with these actions.
func ruled(actions, roles string) string {
	return model(noneOwn, owned, actions, "roles:\n  "+strings.ReplaceAll(roles, "\n", "\n  ")+"\n")
}

// fields is one whose type t has fields; the roles begin in line 15.
func fields(roles string) string {
	return strings.Replace(with(roles), "\nroles:", "\n    fields: {read: {level: reach}, write: {level: reach}}\nroles:", 1)
}

func lowest(model string) string { return "combine: lowest\n" + model }

// chosen is one in which a setting says how roles combine.
func chosen(model string) string {
	return strings.Replace("combine: c\n"+model, "settings: {", "settings: {c: {default: highest, values: [lowest, highest]}, ", 1)
}

const toAll = "assignments: [{role: r, to: everybody}]\n"

const gated = "x: {level: reach, override: [root], gate: [{permission: self, at_least: own}]}"

func roleCases() []one {
	return []one{
		{code: lint.PermissionNobodyHas, model: with("r: {grants: [u.z@any]}"),
			want: "12:7 no factory role gives t.x a level that passes: nobody has it until a tenant makes a role of its own"},
		{code: lint.PermissionNobodyHas, model: with("r: {grants: [u.z@any, t.x@none]}"),
			want: "12:7 no factory role gives t.x a level that passes: nobody has it until a tenant makes a role of its own"},
		{code: lint.PermissionNobodyHas, model: with("r: {grants: [u.z@any, t.*@own]}")},
		{code: lint.PermissionNobodyHas, model: with("r: {grants: ['*.*@any']}")},
		{code: lint.PermissionNobodyHas, model: with("r: {grants: [u.z@any], includes: [q]}\nq: {assignable: false, grants: [t.x@own]}")},
		{code: lint.PermissionNobodyHas, model: ruled("x: {level: reach, override: [root]}", "r: {grants: [u.z@any]}")}, // superusers have it
		{code: lint.PermissionNobodyHas, model: rule("{level: reach}")},                                                 // roles are left to the tenants
		{code: lint.PermissionNobodyHas, model: ruled("x: ", "r: {grants: [u.z@any]}")},                                 // no level, so nothing to grant

		{code: lint.RoleAddsNothing, model: with("r: {grants: ['*.*@any']}\nq: {}"),
			want: "15:3 the role `q` changes nothing for whoever gets it: all that it says holds without it"},
		{code: lint.RoleAddsNothing, model: with("r: {grants: ['*.*@any']}\nq: {grants: [t.x@none, 'u.*@none']}"),
			want: "15:3 the role `q` changes nothing for whoever gets it: all that it says holds without it"},
		{code: lint.RoleAddsNothing, model: with("r: {grants: ['*.*@any']}\nq: {includes: [p]}\np: {assignable: false, grants: [t.x@none]}"),
			want: "15:3 the role `q` changes nothing for whoever gets it: all that it says holds without it\n" +
				"m.yaml:16:3: role-adds-nothing: the role `p` changes nothing for whoever gets it: all that it says holds without it"},
		{code: lint.RoleAddsNothing, model: lowest(open("r: {grants: [t.x@any]}")),
			want: "15:3 the role `r` changes nothing for whoever gets it: all that it says holds without it"},
		{code: lint.RoleAddsNothing, model: with("r: {grants: ['*.*@any']}\nq: {under: r}")},                   // it means something by where it stands
		{code: lint.RoleAddsNothing, model: with("r: {grants: ['*.*@any']}\nq: {includes: [r]}")},              // another name for r
		{code: lint.RoleAddsNothing, model: lowest(with("r: {grants: ['*.*@any']}\nq: {grants: [t.x@none]}"))}, // caps where the lowest counts
		{code: lint.RoleAddsNothing, model: with("r: {grants: ['*.*@any']}\nq: {grants: [line.use]}")},         // a plain grant, for an app
		{code: lint.RoleAddsNothing, model: strings.Replace(with("r: {grants: ['*.*@any']}\nq: {}"), "x: {level", "y: {gate: [{holds: owner, in: [q]}]}\n      x: {level", 1)},

		{code: lint.SilenceOpens, model: open("r: {grants: [t.x@none]}"),
			want: "14:3 the role `r` says nothing about `u.z`, whose default passes: whoever has no other role may"},
		{code: lint.SilenceOpens, model: open("r: {}"),
			want: "14:3 the role `r` says nothing about `u.z` and `t.x`, whose default passes: whoever has no other role may"},
		{code: lint.SilenceOpens, model: open("r: {grants: [t.x@none, u.z@own]}")},
		{code: lint.SilenceOpens, model: open("r: {grants: ['*.*@none']}")},
		{code: lint.SilenceOpens, model: open("r: {includes: [q], grants: [t.x@none]}\nq: {assignable: false, grants: [u.z@none]}")},
		{code: lint.SilenceOpens, model: with("r: {grants: [t.x@own, u.z@own]}\nq: {grants: [t.x@own]}")}, // the default is the lowest
		{code: lint.SilenceOpens, model: lowest(open("r: {grants: [t.x@none]}"))},                         // there silence is meant to leave things open
		{code: lint.SilenceOpens, model: strings.Replace(open("r: {grants: [t.x@none, u.z@none]}\nq: {grants: [t.x@own]}"), "q: {", "q: {assignable: false, ", 1)},

		{code: lint.UntouchedOpens, model: open("r: {grants: ['*.*@any']}"),
			want: "14:3 the role `r` leaves `u` and `t` at what holds by default, and that passes: where roles add up it opens them to whoever gets it"},
		{code: lint.UntouchedOpens, model: open("r: {grants: ['*.*@any', u.z@none]}") + toAll,
			want: "14:3 the role `r` leaves `t` at what holds by default, and that passes: where roles add up it opens them to everybody"},
		{code: lint.UntouchedOpens, model: open("r: {grants: ['*.*@own']}")},                  // something was said
		{code: lint.UntouchedOpens, model: open("r: {grants: ['t.*@any', 'u.*@any']}")},       // by name: it is meant
		{code: lint.UntouchedOpens, model: with("r: {grants: ['*.*@any']}")},                  // nothing opens by default
		{code: lint.UntouchedOpens, model: lowest(open("r: {grants: ['*.*@any', u.z@own]}"))}, // there it opens nothing

		{code: lint.SilenceCloses, model: fields("r: {grants: [t.x@own, 't.phone:write@own']}\nq: {grants: ['*.*@any', '*.*:read@any']}"),
			want: "15:25 the role `r` grants `t.phone:write` and is silent about reading the same: a role's writing never exceeds its own reading, so this gives nothing"},
		{code: lint.SilenceCloses, model: fields("r: {grants: ['t.phone:write@own', 't.*:read@own']}\nq: {grants: ['*.*@any']}")},
		{code: lint.SilenceCloses, model: fields("r: {grants: ['t.phone:write@own', 't.phone:read@none']}\nq: {grants: ['*.*@any', '*.*:read@any']}")}, // said
		{code: lint.SilenceCloses, model: fields("r: {grants: ['*.*:write@own', 't.phone:read@own']}\nq: {grants: ['*.*@any']}")},                      // of one field
		{code: lint.SilenceCloses, model: fields("r: {grants: ['t.*:write@none', 't.x@own']}\nq: {grants: ['*.*@any', '*.*:read@any', '*.*:write@any']}")},

		{code: lint.SilenceCloses, model: ruled("x: {level: reach, require: [{permission: y}]}\ny: {level: reach}", "r: {grants: [t.x@own]}\nq: {grants: ['*.*@any']}"),
			want: "15:3 the role `r` grants t.x, which needs `t.y`, and is silent about that: whoever has no other role is refused"},
		{code: lint.SilenceCloses, model: ruled("x: {level: reach, gate: [{all: [{allowed: u.z}]}]}", "r: {grants: [t.x@own]}\nq: {grants: ['*.*@any']}"),
			want: "14:3 the role `r` grants t.x, which needs `u.z`, and is silent about that: whoever has no other role is refused"},
		{code: lint.SilenceCloses, model: ruled("x: {level: reach, require: [{permission: y}]}\ny: {level: reach}", "r: {grants: [t.*@own, u.z@own]}")},
		{code: lint.SilenceCloses, model: ruled("x: {level: reach, require: [{any: [own, {permission: u.z}]}]}", "r: {grants: [t.x@own]}\nq: {grants: ['*.*@any']}")},
		{code: lint.SilenceCloses, model: ruled("x: {level: reach, require: [{permission: u.z}]}", "r: {assignable: false, grants: [t.x@own]}\nq: {grants: ['*.*@any']}")},
		{code: lint.SilenceCloses, model: ruled("x: {level: reach, require: [{permission: u.z, on: {attribute: thing}}]}", "r: {grants: [t.x@own]}\nq: {grants: ['*.*@any']}")}, // of another resource: an object grant may give it

		{code: lint.BindsSuperusers, model: strings.Replace(ruled(gated, "r: {grants: [t.x@none, u.z@any]}\nq: {grants: ['*.*@any']}"), noneOwn, noneOwn+", default: own", 1),
			want: "14:16 the role `r` says `none` about t.x, whose gate `permission self at least own` binds superusers too"},
		{code: lint.BindsSuperusers, model: ruled(gated, "r: {grants: ['*.*@any']}"),
			want: "12:50 `permission self at least own` stands in a gate of t.x, and when every role is silent the level is `none`: a superuser without a role is refused"},
		{code: lint.BindsSuperusers, model: ruled("x: {level: reach, gate: [{permission: self, at_least: own}]}", "r: {grants: ['*.*@any']}")}, // there are no superusers
		{code: lint.BindsSuperusers, model: ruled("x: {level: reach, override: [root], gate: [{permission: u.z, at_least: own}]}", "r: {grants: ['*.*@any']}")},
	}
}

const people = "tenant: a\nmodel: m\nusers: {anna: {roles: [r]}}\n" // three lines

func accountCases() []one {
	m := with("r: {grants: [t.x@any]}\nq: {grants: [u.z@any]}")
	asked := people + "groups: {g: {members: [anna]}}\nassignments: [{role: q, to: 'group:g'}]\nquestions:\n  - "
	const never = lint.QuestionNeverPasses
	return []one{
		{code: lint.PermissionNobodyHas, model: m, account: people, want: "1:1 nobody has z of the type `u`: no role that somebody is given grants it"},
		{code: lint.PermissionNobodyHas, model: m, account: people + "assignments: [{role: q, to: everybody}]"},
		{code: lint.PermissionNobodyHas, model: m, account: people + "roles: {p: {includes: [q]}}\nassignments: [{role: p, to: anna}]"},
		{code: lint.PermissionNobodyHas, model: m, account: people + "object_grants: [{to: anna, grant: u.z@own, on: 'u:1'}]"},
		{code: lint.PermissionNobodyHas, model: m, account: people + "groups: {g: {members: ['group:h']}, h: {}}\nassignments: [{role: q, to: 'group:g'}]",
			want: "1:1 nobody has z of the type `u`: no role that somebody is given grants it"}, // nobody is in it
		{code: lint.PermissionNobodyHas, model: m, account: people + "groups: {g: {members: ['group:h']}, h: {members: [anna]}}\nassignments: [{role: q, to: 'group:g'}]"},
		{code: lint.PermissionNobodyHas, model: m, account: strings.Replace(people, "{anna:", "{bert: {active: false, roles: [q]}, anna:", 1),
			want: "1:1 nobody has z of the type `u`: no role that somebody is given grants it"}, // he may not ask
		{code: lint.PermissionNobodyHas, model: m, account: "tenant: a\nmodel: m\ngroups: {g: {}}"}, // an account without people
		{code: lint.PermissionNobodyHas, model: strings.Replace(m, "{z: {level: reach}}", "{z: {level: reach, override: [root]}}", 1),
			account: people, want: "1:1 nobody has z of the type `u`: no role that somebody is given grants it"},
		{code: lint.PermissionNobodyHas, model: strings.Replace(m, "{z: {level: reach}}", "{z: {level: reach, override: [root]}}", 1),
			account: strings.Replace(people, "roles: [r]", "roles: [r], flags: [root]", 1)},
		{code: lint.PermissionNobodyHas, model: strings.Replace(m, "{z: {level: reach}}", "{z: {level: reach, override: [t.x]}}", 1), account: people},

		{code: lint.RoleAddsNothing, model: m, account: people + "roles:\n  p: {grants: [t.x@none]}\nassignments: [{role: q, to: everybody}]",
			want: "5:3 the role `p` changes nothing for whoever gets it: all that it says holds without it"},
		{code: lint.RoleAddsNothing, model: m, account: people + "roles: {p: {grants: [t.x@none]}}\nassignments: [{role: q, to: everybody}]\nceilings: [{to: 'role:p', at_most: t.x@own}]"},
		{code: lint.RoleAddsNothing, model: m, account: people + "roles: {p: {grants: [t.x@own]}}\nassignments: [{role: r, to: everybody}, {role: q, to: everybody}]",
			want: "4:9 the role `p` changes nothing for whoever gets it: all that it says holds without it"}, // everybody has more
		{code: lint.RoleAddsNothing, model: m, account: people + "apps: {pad: {roles: [p]}}\nroles: {p: {grants: [t.x@own]}}\nassignments: [{role: r, to: everybody}, {role: q, to: everybody}]"}, // apps are not everybody
		{code: lint.RoleAddsNothing, model: m, account: people + "roles: {p: {grants: [t.x@own]}}\nassignments: [{role: q, to: everybody}, {role: r, to: everybody, until: 2030-01-01T00:00:00Z}]"},
		{code: lint.RoleAddsNothing, model: lowest(m), account: people + "roles: {p: {grants: [t.x@own]}}\nassignments: [{role: r, to: everybody}, {role: q, to: everybody}]"},
		{code: lint.RoleAddsNothing, model: strings.ReplaceAll(m, "own: {is: owner}", "own: {same_role: owner}"),
			account: people + "roles: {p: {}}\nassignments: [{role: q, to: everybody}]"}, // two who have it share it
		{code: lint.UntouchedOpens, model: open("r: {grants: ['*.*@any']}") + toAll, account: "tenant: a\nmodel: m",
			want: "1:1 the role `r` leaves `u` and `t` at what holds by default, and that passes: where roles add up it opens them to everybody"},
		{code: lint.UntouchedOpens, model: open("r: {grants: ['*.*@any']}") + toAll, account: "tenant: a\nmodel: m\nroles: {r: {known: true, grants: [t.x@none, u.z@own]}}"},
		{code: lint.UntouchedOpens, model: chosen(open("r: {grants: ['*.*@any']}")) + toAll, account: "tenant: a\nmodel: m",
			want: "1:1 the role `r` leaves `u` and `t` at what holds by default, and that passes: where roles add up it opens them to everybody"},
		{code: lint.UntouchedOpens, model: chosen(open("r: {grants: ['*.*@any']}")) + toAll, account: "tenant: a\nmodel: m\nsettings: {c: lowest}"},
		{code: lint.SilenceOpens, model: open("r: {grants: ['*.*@any']}"), account: people + "roles:\n  p: {grants: [t.x@none]}",
			want: "5:3 the role `p` says nothing about `u.z`, whose default passes: whoever has no other role may"},
		{code: lint.RoleAddsNothing, model: m, account: people + "roles: {p: {grants: [t.x@own]}}\nassignments: [{role: r, to: everybody}, {role: q, to: everybody}]",
			want: "4:9 the role `p` changes nothing for whoever gets it: all that it says holds without it"}, // everybody has more
		{code: lint.RoleAddsNothing, model: m, account: people + "apps: {pad: {roles: [p]}}\nroles: {p: {grants: [t.x@own]}}\nassignments: [{role: r, to: everybody}, {role: q, to: everybody}]"}, // apps are not everybody
		{code: lint.RoleAddsNothing, model: m, account: people + "roles: {p: {grants: [t.x@own]}}\nassignments: [{role: q, to: everybody}, {role: r, to: everybody, until: 2030-01-01T00:00:00Z}]"},
		{code: lint.RoleAddsNothing, model: lowest(m), account: people + "roles: {p: {grants: [t.x@own]}}\nassignments: [{role: r, to: everybody}, {role: q, to: everybody}]"},
		{code: lint.RoleAddsNothing, model: strings.ReplaceAll(m, "own: {is: owner}", "own: {same_role: owner}"),
			account: people + "roles: {p: {}}\nassignments: [{role: q, to: everybody}]"}, // two who have it share it
		{code: lint.UntouchedOpens, model: open("r: {grants: ['*.*@any']}") + toAll, account: "tenant: a\nmodel: m",
			want: "1:1 the role `r` leaves `u` and `t` at what holds by default, and that passes: where roles add up it opens them to everybody"},
		{code: lint.UntouchedOpens, model: open("r: {grants: ['*.*@any']}") + toAll, account: "tenant: a\nmodel: m\nroles: {r: {known: true, grants: [t.x@none, u.z@own]}}"},
		{code: lint.UntouchedOpens, model: chosen(open("r: {grants: ['*.*@any']}")) + toAll, account: "tenant: a\nmodel: m",
			want: "1:1 the role `r` leaves `u` and `t` at what holds by default, and that passes: where roles add up it opens them to everybody"},
		{code: lint.UntouchedOpens, model: chosen(open("r: {grants: ['*.*@any']}")) + toAll, account: "tenant: a\nmodel: m\nsettings: {c: lowest}"},
		{code: lint.SilenceOpens, model: open("r: {grants: ['*.*@any']}"), account: people + "roles: {r: {known: true, grants: [t.x@none]}}"},
		{code: lint.BindsSuperusers, model: strings.Replace(ruled(gated, "r: {grants: ['*.*@any']}"), noneOwn, noneOwn+", default: own", 1),
			account: people + "roles: {p: {grants: [t.x@none, u.z@own]}}",
			want:    "4:22 the role `p` says `none` about t.x, whose gate `permission self at least own` binds superusers too"},
		{code: lint.BindsSuperusers, model: strings.Replace(ruled(gated, "r: {grants: ['*.*@any']}"), noneOwn, noneOwn+", default: own", 1),
			account: people + "roles: {p: {grants: [t.x@own, u.z@own]}}"},

		{code: never, model: m, account: asked + "{ask: anna w t:1, expect: allow}",
			want: `7:5 ` + "`anna w t:1` expects allow, and is no question: action.name: type \"t\" has no action \"w\""},
		{code: never, model: m, account: asked + "{ask: anna x t:1, expect: error}",
			want: "7:5 `anna x t:1` expects an error, and is a question like any other"},
		{code: never, model: m, account: asked + "{ask: anna x t:1, expect: allow, reason: GATE}",
			want: "7:5 `anna x t:1` expects allow with the reason GATE, which never says so"},
		{code: never, model: m, account: asked + "{ask: anna x t:1, expect: deny, reason: ANY}",
			want: "7:5 `anna x t:1` expects deny with the reason ANY, which never says so"},
		{code: never, model: m, account: asked + "{ask: anna x t:1, expect: deny, level: near}",
			want: "7:5 `anna x t:1` expects the level `near`, which t.x does not have"},
		{code: never, model: m, account: asked + "{ask: anna use line:1, expect: allow, level: any}",
			want: "7:5 `anna use line:1` expects the level `any`, which line.use does not have"},
		{code: never, model: m, account: asked + "{ask: anna x t:1, expect: allow, relation: near}",
			want: "7:5 `anna x t:1` expects the relation `near`, which no level of t.x has"},
		{code: never, model: m, account: asked + "{ask: anna x t:1, expect: deny, relation: own}",
			want: "7:5 `anna x t:1` expects a refusal by the relation `own`, and only what is allowed has one"},
		{code: never, model: m, account: asked + "{ask: anna x t:1, expect: allow}\n  - {ask: anna x t:1, expect: deny}",
			want: "8:5 `anna x t:1` expects deny, and allow in line 7"},
		{code: never, model: m, account: asked + "{ask: anna x t:1, expect: deny, reason: OUT_OF_REACH, level: own}"}, // it fails, yet it might not
		{code: never, model: m, account: asked + "{ask: anna x t:1, expect: allow, reason: RELATION, level: own, relation: own}"},
		{code: never, model: m, account: asked + "{ask: anna w t:1, expect: error}"},
		{code: never, model: m, account: asked + "{ask: anna use line:1, as: app:a, expect: deny, level: none}"},
		{code: never, model: m, account: asked + "{ask: anna x t:1, expect: allow}\n  - {ask: anna x t:1, at: 2026-01-01T00:00:00Z, expect: deny}"},
	}
}
