// These tests prove what effects are and are not: what each kind of change gives and takes, and that whoever is among a
// thousand is named, however many others the same write concerns.
package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

const effectsModel = `
model: effects
combine: rights
flags: [root]
settings: {rights: {default: highest, values: [lowest, highest]}}
levels:
  reach: {none: [], own: [own], any: any}
  open: {shut: [], ajar: [own], wide: any, default: ajar}
schedules: {office: {zone: UTC, hours: {mon: ["09:00", "10:00"]}}}
types:
  doc:
    attributes: {owner: user}
    relations: {own: {is: owner}}
    actions: {see: {level: reach}, look: {level: open}, go: {}}
    fields: {read: {level: reach}, write: {level: reach}}
roles:
  own: {grants: [doc.see@own]}
  any: {grants: [doc.see@any, doc.go@any]}
  none: {grants: [doc.see@none]}
  shut: {grants: [doc.look@shut]}
  fields: {grants: ["doc.*:read@own", "doc.*:write@any"]}
  later: {grants: [{grant: doc.see@any, schedule: office}]}
`

// effect writes an effect in one line.
func effect(e *klinkev1.Effect) string {
	s := fmt.Sprintf("%s %s>%s %d", e.GetPermission(), e.GetFrom(), e.GetTo(), e.GetCount())
	if e.GetConditional() {
		s += " conditional"
	}
	return s + " [" + strings.Join(e.GetSubjects(), " ") + "]"
}

func TestEffectsOfEachChange(t *testing.T) {
	const ann = "users: {ann: {known: true, roles: "
	for _, c := range []struct{ before, change, want string }{
		// Whoever comes has the default, and whoever goes loses what he had.
		{"", "users: {eve: {}}", "doc.look >ajar 1 [user:eve]"},
		{"", "users: {eve: {flags: [root], roles: [own, shut]}}", "doc.see >own 1 [user:eve]; flag:root >set 1 [user:eve]"},
		{"", "apps: {bot: {roles: [any]}}", "doc.go >any 1 [app:bot]; doc.look >ajar 1 [app:bot]; doc.see >any 1 [app:bot]"},
		{"", "-users: {ann: {}}", "doc.look ajar> 1 [user:ann]"},
		{"users: {ann: {known: true, roles: [any]}}", "-users: {ann: {}}", "doc.go any> 1 [user:ann]; doc.look ajar> 1 [user:ann]; doc.see any> 1 [user:ann]"},
		{"", "users: {ann: {flags: [root]}}", "flag:root >set 1 [user:ann]"},
		{"users: {ann: {flags: [root]}}", "users: {ann: {}}", "flag:root set> 1 [user:ann]"},
		{"", "users: {ann: {active: false}}", ""},
		// Roles, by every route.
		{"", ann + "[own]}}", "doc.see none>own 1 [user:ann]"},
		{ann + "[own]}}", ann + "[any]}}", "doc.go none>any 1 [user:ann]; doc.see own>any 1 [user:ann]"},
		{ann + "[any]}}", ann + "[own]}}", ""},
		{ann + "[none]}}", "settings: {rights: lowest}", ""},
		{ann + "[none, any]}}", "settings: {rights: lowest}", "doc.see any>none 1 [user:ann]"},
		{ann + "[own]}}", "roles: {own: {known: true, grants: [doc.see@any]}}", "doc.see own>any 1 [user:ann]"},
		{ann + "[own]}}", "roles: {own: {known: true, includes: [any]}}", "doc.go none>any 1 [user:ann]; doc.see own>any 1 [user:ann]"},
		{"", "assignments: [{role: any, to: group:both}]", "doc.go none>any 2 [user:ann user:ben]; doc.see none>any 2 [user:ann user:ben]"},
		{ann + "[own]}}", "assignments: [{role: any, to: group:both}]", "doc.go none>any 2 [user:ann user:ben]; doc.see none>any 1 [user:ben]; doc.see own>any 1 [user:ann]"},
		{"", "assignments: [{role: shut, to: everybody}]", "doc.look ajar>shut 2 [user:ann user:ben]"},
		{"roles: {named: {}}\n" + ann + "[fields]}}", `roles: {named: {known: true, grants: ["doc.phone:read@any"]}}`, ""},
		{"assignments: [{role: own, to: group:both}]", "groups: {both: {known: true, members: [everybody]}}", ""},
		{"assignments: [{role: own, to: group:empty}]", `groups: {empty: {known: true, members: ["group:both"]}}`, "doc.see none>own 2 [user:ann user:ben]"},
		// A field's write is at most its read.
		{"", ann + "[fields]}}", "doc.*:read none>own 1 [user:ann]; doc.*:write none>own 1 [user:ann]"},
		{ann + "[fields]}}", `roles: {fields: {known: true, grants: ["doc.phone:read@none"]}}`, "doc.phone:read own>none 1 [user:ann]; doc.phone:write own>none 1 [user:ann]"},
		// What only sometimes is given counts by its time alone, and what it speaks of is marked.
		{"", "assignments: [{role: any, to: ann, until: 2026-02-01T00:00:00Z}]", "doc.go none>any 1 conditional [user:ann]; doc.see none>any 1 conditional [user:ann]"},
		{"", "assignments: [{role: any, to: ann, from: 2026-02-01T00:00:00Z}]", ""},
		{"", "assignments: [{role: any, to: ann, until: 2026-01-01T00:00:00Z}]", ""},
		{"", "assignments: [{role: any, to: ann, schedule: office}]", ""},
		{"", "assignments: [{role: any, to: ann, when: context.mfa == true}]", ""},
		{"", ann + "[later]}}", ""},
		{"assignments: [{role: any, to: ann, from: 2026-02-01T00:00:00Z}]", ann + "[own]}}", "doc.see none>own 1 conditional [user:ann]"},
		{"assignments: [{role: any, to: ann, until: 2026-01-01T00:00:00Z}]", ann + "[own]}}", "doc.see none>own 1 [user:ann]"},
		{"assignments: [{role: any, to: ann, schedule: office}]", ann + "[own, shut]}}", "doc.look ajar>shut 1 [user:ann]; doc.see none>own 1 conditional [user:ann]"},
		{"assignments: [{role: any, to: group:both, when: context.mfa == true}]", ann + "[own]}}", "doc.see none>own 1 conditional [user:ann]"},
		{ann + "[later]}}", ann + "[own]}}", "doc.see none>own 1 conditional [user:ann]"},
		{ann + "[later]}}", ann + "[shut]}}", "doc.look ajar>shut 1 [user:ann]"},
		{"assignments: [{role: any, to: group:both, until: 2026-01-01T00:00:00Z}]", ann + "[own]}}", "doc.see none>own 1 [user:ann]"},
		{"assignments: [{role: own, to: ann, schedule: office}]", `assignments: [{role: any, to: "role:own", until: 2026-02-01T00:00:00Z}]`, ""},
		{"assignments: [{role: own, to: ann, until: 2026-02-01T00:00:00Z}]", `assignments: [{role: any, to: "role:own"}]`, "doc.go none>any 1 conditional [user:ann]; doc.see own>any 1 conditional [user:ann]"},
		// From its first moment on, up to its last.
		{"", "assignments: [{role: own, to: ann, from: 2026-01-05T09:00:00Z}]", "doc.see none>own 1 conditional [user:ann]"},
		{"", "assignments: [{role: own, to: ann, until: 2026-01-05T09:00:00Z}]", ""},
		// What roles do not say has no part in it.
		{"", "ceilings: [{to: ann, at_most: doc.look@shut}]", ""},
		{"", "object_grants: [{to: ann, grant: doc.see@any, on: doc:1}]", ""},
	} {
		x := newCompany(t, effectsModel, "groups: {both: {members: [ann, ben]}, empty: {}}\nusers: {ann: {}, ben: {}}")
		if c.before != "" {
			x.must(c.before)
		}
		var got []string
		for _, e := range x.must(c.change).Effects {
			got = append(got, effect(e))
		}
		if got := strings.Join(got, "; "); got != c.want {
			t.Errorf("%s\nafter %s:\n%s\nwant\n%s", c.change, c.before, got, c.want)
		}
	}
}

// Who comes to a combination, and who leaves it, are counted by what they had; nobody is counted for the combination itself.
func TestEffectsOfMovingIntoWhatChanges(t *testing.T) {
	x := newCompany(t, effectsModel, "users: {ann: {}, ben: {roles: [own]}}")
	changes := append(x.changes("users: {ann: {known: true, roles: [own]}}"), x.changes("-users: {ben: {known: true, roles: [own]}}")...)
	out, err := policy.Apply(x.s, append(changes, x.changes("roles: {own: {known: true, grants: [doc.see@any]}}")...), x.stamp())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range out.Effects {
		got = append(got, effect(e))
	}
	if got, want := strings.Join(got, "; "), "doc.see none>any 1 [user:ann]; doc.see own>none 1 [user:ben]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A role that speaks of thousands of permissions does not make an entry that nobody can carry: once its names are a mebibyte,
// the effects that follow only count.
func TestEffectsAreNotAllNamed(t *testing.T) {
	var model strings.Builder
	model.WriteString("model: broad\ncombine: highest\nlevels: {s: {none: [], any: any}}\nroles: {all: {grants: [\"*.*@any\"]}}\ntypes:\n  doc:\n    actions:\n")
	for i := range 300 {
		fmt.Fprintf(&model, "      do%03d: {level: s}\n", i)
	}
	x := newCompany(t, model.String(), "groups: {team: {}}")
	const users = 512 // of 16 bytes, so that 128 effects fill the mebibyte
	var names []string
	for i := range users {
		names = append(names, fmt.Sprintf("u%010d: {groups: [team]}", i))
	}
	x.must("users: {" + strings.Join(names, ", ") + "}")
	effects := x.must("assignments: [{role: all, to: group:team}]").Effects
	if len(effects) != 300 {
		t.Fatalf("%d effects", len(effects))
	}
	for i, e := range effects {
		want := users
		if i >= policy.MaxEffectBytes/users/len("user:u0000000000") {
			want = 0
		}
		if e.GetCount() != users || len(e.GetSubjects()) != want {
			t.Fatalf("effect %d: %d, of whom %d are named", i, e.GetCount(), len(e.GetSubjects()))
		}
	}
}

// Counts are exact; a thousand are named, one more are not, and that is so for each effect by itself.
func TestEffectsNameAThousand(t *testing.T) {
	x := newCompany(t, effectsModel, "groups: {few: {}, many: {}, more: {}, all: {members: [\"group:few\", \"group:many\", \"group:more\"]}}\nroles: {was: {}}")
	people := func(group, role string, from, to int) string {
		var users []string
		for i := from; i < to; i++ {
			users = append(users, fmt.Sprintf("u%04d: {groups: [%s], roles: [%s]}", i, group, role))
		}
		return "users: {" + strings.Join(users, ", ") + "}"
	}
	// A write that edits a thousand, and one that edits one more.
	for _, c := range []struct{ change, want string }{
		{people("many", "own", 0, policy.MaxFootprint), "doc.look >ajar 1000; doc.see >own 1000"},
		{people("more", "was", 1_000, 2_001), "doc.look >ajar 1001; unnamed"},
		{people("few", "none", 2_001, 2_006), "doc.look >ajar 5"},
		// Of 2,006 concerned 1,000, 1,001 and 5 move each from another level.
		{"assignments: [{role: any, to: group:all}]", "doc.go none>any 2006; unnamed; doc.see none>any 1006; unnamed; doc.see own>any 1000"},
		{"-assignments: [{role: any, to: group:all}]", "doc.go any>none 2006; unnamed; doc.see any>none 1006; unnamed; doc.see any>own 1000"},
		{"roles: {was: {known: true, grants: [doc.see@own]}, none: {known: true, grants: [doc.look@wide]}}", "doc.look ajar>wide 5; doc.see none>own 1001; unnamed"},
	} {
		var got []string
		for _, e := range x.must(c.change).Effects {
			names := e.GetSubjects()
			got = append(got, fmt.Sprintf("%s %s>%s %d", e.GetPermission(), e.GetFrom(), e.GetTo(), e.GetCount()))
			switch {
			case len(names) == 0:
				got = append(got, "unnamed")
			case uint64(len(names)) != e.GetCount() || !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names):
				t.Errorf("%d are named of %d, or not in order", len(names), e.GetCount())
			}
		}
		if got := strings.Join(got, "; "); got != c.want {
			t.Errorf("%.60s: %s, want %s", c.change, got, c.want)
		}
	}
}
