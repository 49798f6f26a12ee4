// These tests prove that whoever keeps an answer hears of every change that could make another of it: each kind of thing that
// an answer can read, through each place of a rule, and each kind of change, whose footprint says no more than it must.
package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

const readsModel = `
model: reads
combine: highest
flags: [root]
users: {attributes: {email: text}}
settings:
  grade: {default: low, values: [low, high]}
regions:
  DE: {country: "49", trunk: "0", international: "00", emergency: ["112"]}
  GB: {country: "44", trunk: "0", international: "00", emergency: ["112"]}
default_region: DE
classes: {open: {types: [internal, national]}, internal: {types: [internal]}}
default_class: {dialling: open}
levels:
  yes_no: {none: [], any: any}
  reach: {none: [], same: [same], any: any}
types:
  global:
    levels: {peeps: {none: [], some: [{when: "'team' in groups('bert')"}], any: any}, grades: {none: [], high: [{setting: grade, at_least: high}]}}
    actions: {see_all: {level: peeps}, see_some: {level: grades}}
  folder:
    attributes: {nr: "number?"}
    actions: {open: {level: yes_no}, enter: {require: [{permission: open}]}}
  doc:
    attributes: {owner: user, nr: number, folder: folder, folders: records, teams: groups, colour: text}
    relations:
      same: {same_group: owner}
      of_same: {any: [{all: [same]}]}
      germany: {value: nr, in: ["+4930123456"]}
    actions:
      same_group: {require: [{same_group: owner}]}
      department_of: {require: [{department_of: owner}]}
      above: {require: [{above: owner}]}
      below: {require: [{below: owner}]}
      same_role: {require: [{same_role: owner}]}
      holds: {require: [{holds: owner, in: [clerk]}]}
      groups_of: {require: [{when: "'team' in groups(resource.owner)"}]}
      departments_of: {require: [{when: "'sales' in departments(resource.owner)"}]}
      known: {require: [{when: "groups(resource.owner).size() >= 0"}]}
      by_cell: {level: yes_no}
      by_given: {level: yes_no}
      number_by_cell: {level: yes_no}
      listed: {require: [{listed: nr, in: crm}]}
      germany: {require: [germany]}
      internal: {require: [{number_class: nr, fixed: internal}]}
      dialled: {require: [{number_class: nr, of: dialling}]}
      within: {require: [{within: nr, limit: numbers}]}
      number_when: {require: [{when: "resource.nr == '+4930123456'"}]}
      number_of_record: {require: [{when: "resource.folders.exists(f, f.nr == '+4930123456')"}]}
      setting: {require: [{setting: grade, at_least: high}]}
      emergency: {emergency: {nr: allow}, require: [{value: context.never, in: [true]}]}
      in_gate: {gate: [same]}
      in_level: {level: reach}
      in_relation: {require: [of_same]}
      in_override: {override: [global.see_all], require: [{value: context.never, in: [true]}]}
      in_override_setting: {override: [global.see_some], require: [{value: context.never, in: [true]}]}
      in_obligation: {obligations: [{id: told, kind: advice, if: same}]}
      in_permission: {require: [{permission: in_level}]}
      in_allowed: {require: [{allowed: in_gate}]}
      in_allowed_override: {require: [{allowed: in_override}]}
      on_folder: {require: [{permission: folder.open, on: {attribute: folder}}]}
      on_folders: {require: [{allowed: folder.enter, on: {each: folders}}]}
    fields: {read: {level: reach}, write: {level: reach, gate: [{setting: grade, at_least: high}]}}
roles:
  clerk: {grants: [doc.in_level@same, "doc.*:read@same", "doc.*:write@any", global.see_all@some, global.see_some@high]}
  teller: {grants: [{grant: doc.by_cell@any, when: "'team' in groups(resource.owner)"},
                    {grant: doc.number_by_cell@any, when: "resource.nr == '+4930123456'"}]}
  given: {grants: [doc.by_given@any]}
  lead:
  other:
`

// Anna asks, about what is Bert's. Carl has a role, Dora nothing. Cora's roles depend on conditions: what these read hides
// what the model's tests do, so she asks for nothing else.
const readsCompany = `
departments: {sales: {heads: [anna]}, stray: {members: [carl]}, below: {}}
groups: {team: {members: [anna, cora, app:dialer]}, clerks: {members: [bert]}, empty: {}}
users: {anna: {roles: [lead, clerk]}, cora: {roles: [teller]}, bert: {}, carl: {roles: [other]}, dora: {}}
apps: {dialer: {roles: [clerk]}}
assignments: [{role: given, to: cora, when: "'team' in groups(resource.owner)"}]
`

// Whoever kept the first answer drops it, for what it reads and for nothing else, and the second is another.
func TestAnswersAreDroppedForWhatTheyRead(t *testing.T) {
	const (
		people   = "PEOPLE"
		settings = "SETTINGS"
		objects  = "OBJECTS"
		bertIn   = "groups: {team: {known: true, members: [bert]}}"
		gb       = "sites: {london: {region: GB, default: true}}"
		german   = "facts: {nr: 030 123456}"
	)
	for _, c := range []struct{ before, change, ask, through string }{
		// What other people are and where they are.
		{"", bertIn, "anna same_group doc:1, facts: {owner: bert}", people},
		{bertIn, "-" + bertIn, "anna same_group doc:1, facts: {owner: bert}", people},
		{"", `groups: {team: {known: true, members: ["role:other"]}}`, "anna same_group doc:1, facts: {owner: carl}", people},
		{`groups: {team: {known: true, members: ["role:other"]}}`, `-groups: {team: {known: true, members: ["role:other"]}}`, "anna same_group doc:1, facts: {owner: carl}", people},
		{"", "users: {bert: {known: true, departments: [sales]}}", "anna department_of doc:1, facts: {owner: bert}", people},
		{"", "departments: {stray: {under: sales}}", "anna department_of doc:1, facts: {owner: carl}", people},
		{"departments: {stray: {under: sales}}", "departments: {stray: {}}", "anna department_of doc:1, facts: {owner: carl}", people},
		{"roles: {clerk: {known: true}, under: {under: lead}}", "users: {bert: {known: true, roles: [under]}}", "anna above doc:1, facts: {owner: bert}", people},
		{"users: {bert: {known: true, roles: [other]}}", "roles: {other: {under: lead}}", "anna above doc:1, facts: {owner: bert}", people},
		{"roles: {top: {}, lead: {under: top}}", "users: {bert: {known: true, roles: [top]}}", "anna below doc:1, facts: {owner: bert}", people},
		{"", "users: {bert: {known: true, roles: [lead]}}", "anna same_role doc:1, facts: {owner: bert}", people},
		{"", "assignments: [{role: clerk, to: group:clerks}]", "anna holds doc:1, facts: {owner: bert}", people},
		{"assignments: [{role: clerk, to: group:clerks}]", "-assignments: [{role: clerk, to: group:clerks}]", "anna holds doc:1, facts: {owner: bert}", people},
		{"", bertIn, "anna groups_of doc:1, facts: {owner: bert}", people},
		{"", "departments: {sales: {known: true, members: [bert]}}", "anna departments_of doc:1, facts: {owner: bert}", people},
		{"", bertIn, "cora by_cell doc:1, facts: {owner: bert}", people},
		{"", bertIn, "cora by_given doc:1, facts: {owner: bert}", people},
		{"", "users: {emil: {}}", "anna known doc:1, facts: {owner: emil}", people},
		{"", "-users: {dora: {}}", "anna known doc:1, facts: {owner: dora}", people},
		// Where in a rule the test stands.
		{"", bertIn, "anna in_gate doc:1, facts: {owner: bert}", people},
		{"", bertIn, "anna in_level doc:1, facts: {owner: bert}", people},
		{"", bertIn, "anna in_relation doc:1, facts: {owner: bert}", people},
		{"", bertIn, "anna in_override doc:1", people},
		{"", bertIn, "anna in_obligation doc:1, facts: {owner: bert}", people},
		{"", bertIn, "anna in_permission doc:1, facts: {owner: bert}", people},
		{"", bertIn, "anna in_allowed doc:1, facts: {owner: bert}", people},
		{"", bertIn, "anna in_allowed_override doc:1", people},
		{"", bertIn, "anna read doc.phone:1, facts: {owner: bert}", people},
		{"settings: {grade: high}", bertIn, "anna write doc.phone:1, facts: {owner: bert}", people},
		{bertIn, "-groups: {team: {known: true, members: [bert]}}", "anna in_level doc:1, facts: {owner: bert}, as: app:dialer", people},
		// Lists of numbers.
		{"", `lists: {crm: ["+4930123456"]}`, "anna listed doc:1, " + german, "LIST crm"},
		{"", `lists: {crm: ["+4930*"]}`, "anna listed doc:1, " + german, "LIST crm"},
		{`lists: {crm: ["+4930123456"]}`, `-lists: {crm: ["+4930123456"]}`, "anna listed doc:1, " + german, "LIST crm"},
		{"", `lists: {extensions: ["12"]}`, `anna internal doc:1, facts: {nr: "12"}`, "LIST extensions"},
		{`lists: {extensions: ["12"]}`, `-lists: {extensions: ["12"]}`, `anna internal doc:1, facts: {nr: "12"}`, "LIST extensions"},
		{"", `lists: {extensions: ["030123456"]}`, "anna germany doc:1, " + german, "LIST extensions"},
		{"", `lists: {extensions: ["030123456"]}`, "anna number_when doc:1, " + german, "LIST extensions"},
		{"", `lists: {extensions: ["030123456"]}`, "cora number_by_cell doc:1, " + german, "LIST extensions"},
		{"", `lists: {extensions: ["030123456"]}`, `anna number_of_record doc:1, facts: {folders: [{type: folder, id: f, nr: 030 123456}]}`, "LIST extensions"},
		// Settings and sites, which say how a number is read.
		{"", "settings: {grade: high}", "anna setting doc:1", settings},
		{"settings: {grade: high}", "-settings: {grade: high}", "anna setting doc:1", settings},
		{"", "settings: {grade: high}", "anna in_override_setting doc:1", settings},
		{"", `settings: {grade: {"doc": high}}`, "anna setting doc:1", settings},
		{`settings: {grade: {"doc": high}}`, `-settings: {grade: {"doc": high}}`, "anna setting doc:1", settings},
		{bertIn, "settings: {grade: {doc.phone: high}}", "anna write doc.phone:1, facts: {owner: bert}", settings},
		{"", gb, "anna germany doc:1, " + german, settings},
		{gb, "-" + gb, "anna germany doc:1, " + german, settings},
		{"", gb, "anna dialled doc:1, " + german, settings},
		{"limits: [{limit: numbers, to: anna, values: [+4930123456]}]", gb, "anna within doc:1, " + german, settings},
		{"", gb, "anna number_when doc:1, " + german, settings},
		{"", gb, "cora number_by_cell doc:1, " + german, settings},
		{"", gb, `anna number_of_record doc:1, facts: {folders: [{type: folder, id: f, nr: 030 123456}]}`, settings},
		{"sites: {london: {region: GB, default: true}}", `sites: {london: {known: true, emergency: ["1234"]}}`, `anna emergency doc:1, facts: {nr: "1234"}`, settings},
		{`sites: {london: {region: GB, default: true, emergency: ["1234"]}}`, `-sites: {london: {known: true, emergency: ["1234"]}}`, `anna emergency doc:1, facts: {nr: "1234"}`, settings},
		// Classes of service, the model's and the tenant's, of whoever has them.
		{"", "classes: {open: {}}", "anna dialled doc:1, " + german, settings},
		{"classes: {open: {}}", "-classes: {open: {}}", "anna dialled doc:1, " + german, settings},
		{"", "classes: {internal: {types: [national]}}", "anna internal doc:1, " + german, settings},
		{"classes: {own: {}}\nlimits: [{limit: dialling, to: anna, values: [own]}]", "classes: {own: {prefixes: {+4930: allow}}}", "anna dialled doc:1, " + german, settings},
		// Object grants, also of other resources. A new one names whom it is given to; one that is edited does not.
		{"object_grants: [{to: anna, grant: doc.by_cell@any, on: doc:1}]", "object_grants: [{to: anna, grant: doc.by_cell@none, on: doc:1}]", "anna by_cell doc:1", objects},
		{"object_grants: [{to: everybody, grant: doc.by_cell@any, on: doc:1}]", "object_grants: [{to: everybody, grant: doc.by_cell@any, on: doc:1, until: 2026-01-05T08:00:00Z}]", "anna by_cell doc:1", objects},
		{"object_grants: [{to: anna, grant: folder.open@none, on: folder:f}]", "object_grants: [{to: anna, grant: folder.open@any, on: folder:f}]", "anna on_folder doc:1, facts: {folder: f}", objects},
		{"object_grants: [{to: anna, grant: folder.open@none, on: folder:f}]", "object_grants: [{to: anna, grant: folder.open@any, on: folder:f}]",
			"anna on_folders doc:1, facts: {folders: [{type: folder, id: f}]}", objects},
		{"object_grants: [{to: anna, grant: \"doc.mail:read@none\", on: doc:1}]", "object_grants: [{to: anna, grant: \"doc.mail:read@any\", on: doc:1}]",
			"anna read doc.mail:1, facts: {owner: dora}", objects},
	} {
		t.Run(c.change+" "+c.ask, func(t *testing.T) {
			x := newCompany(t, readsModel, readsCompany)
			if c.before != "" {
				x.must(c.before)
			}
			before := x.s
			was, kept := x.ask(before, c.ask)
			f := x.must(c.change).Footprint
			is, fresh := x.ask(x.s, c.ask)
			if was == is && len(kept.GetObligations()) == len(fresh.GetObligations()) {
				t.Fatalf("the change changes nothing: %v %v", was, kept)
			}
			if f.GetAllSubjects() || slices.Contains(f.GetSubjects(), "user:anna") || slices.Contains(f.GetSubjects(), "user:cora") || slices.Contains(f.GetSubjects(), "app:dialer") {
				t.Errorf("dropped for its subject, not for what it reads: %v", f)
			}
			var met []string
			for _, k := range f.GetTouched() {
				if slices.ContainsFunc(kept.GetReads(), func(r *klinkev1.Read) bool { return r.GetKind() == k.GetKind() && r.GetName() == k.GetName() }) {
					met = append(met, kind(k))
				}
			}
			if got := strings.Join(met, ", "); got != c.through {
				t.Errorf("dropped for %q, want %q: it reads %v, touched is %v", got, c.through, kept.GetReads(), f.GetTouched())
			}
		})
	}
}

// kind writes a kind in one word, and a list with its name.
func kind(r *klinkev1.Read) string {
	return strings.TrimSpace(strings.TrimPrefix(r.GetKind().String(), "READ_KIND_") + " " + r.GetName())
}

// What each kind of change names: whom it concerns himself, and what else others may have read of it.
func TestFootprintsNameWhatChanged(t *testing.T) {
	for _, c := range []struct{ before, change, want string }{
		{"", "users: {emil: {}}", "user:emil PEOPLE"},
		{"", "users: {dora: {label: Dora Dietz}}", ""},
		{"", "users: {dora: {active: false}}", "user:dora"},
		{"", "users: {dora: {flags: [root]}}", "user:dora"},
		{"", "users: {dora: {attributes: {email: d@example.org}}}", "user:dora"},
		{"", "-users: {dora: {}}", "user:dora PEOPLE"},
		{"", "-users: {carl: {}}", "user:carl PEOPLE"},
		{"", "apps: {crm: {}}", "app:crm PEOPLE"},
		{"", "groups: {new: {}}", ""},
		{"", "groups: {team: {label: {de: Mannschaft}}}", ""},
		{"", "-groups: {empty: {}}", ""},
		{"", "groups: {team: {known: true, members: [dora]}}", "user:dora PEOPLE"},
		{"", "-groups: {team: {known: true, members: [anna]}}", "user:anna PEOPLE"},
		{"", `groups: {team: {known: true, members: ["role:other"]}}`, "user:carl PEOPLE"},
		{"", `groups: {team: {known: true, members: ["group:clerks"]}}`, "user:bert PEOPLE"},
		{"", `groups: {team: {known: true, members: ["department+:sales"]}}`, "user:anna PEOPLE"},
		{"", `groups: {team: {known: true, members: [everybody]}}`, "user:anna user:bert user:carl user:cora user:dora PEOPLE"},
		{"", "departments: {new: {}}", ""},
		{"", "departments: {new: {under: sales}}", ""},
		{"", "departments: {stray: {under: sales}}", "user:carl PEOPLE"},
		{"", "departments: {stray: {label: {de: Außen}}}", ""},
		{"", "-departments: {below: {}}", ""},
		{"", "departments: {sales: {known: true, members: [dora]}}", "user:dora PEOPLE"},
		{"", "departments: {sales: {known: true, heads: [dora]}}", "user:dora PEOPLE"},
		{"", "-departments: {sales: {known: true, heads: [anna]}}", "user:anna PEOPLE"},
		{"", "roles: {new: {}}", ""},
		{"", "roles: {new: {under: lead}}", ""},
		{"", "roles: {other: {under: lead}}", "user:carl PEOPLE"},
		{"", "roles: {clerk: {label: {de: Schreiber}}}", ""},
		{"roles: {new: {}}", "-roles: {new: {}}", ""},
		{"", "roles: {other: {known: true, includes: [given]}}", "user:carl"},
		{"roles: {other: {known: true, includes: [given]}}", "-roles: {other: {known: true, includes: [given]}}", "user:carl"},
		{"roles: {other: {known: true, includes: [given]}}", "roles: {given: {known: true, grants: [folder.open@any]}}", "user:carl user:cora"},
		{"", "roles: {other: {known: true, grants: [folder.open@any]}}", "user:carl"},
		{"", "-roles: {teller: {known: true, grants: [doc.by_cell@any]}}", "user:cora"},
		{"", `roles: {other: {known: true, grants: ["doc.mail:read@any"]}}`, "app:dialer user:anna user:carl"},
		{"", "users: {dora: {known: true, roles: [other]}}", "user:dora PEOPLE"},
		{"", "assignments: [{role: other, to: dora, until: 2026-02-01T00:00:00Z}]", "user:dora PEOPLE"},
		{"", "-users: {carl: {known: true, roles: [other]}}", "user:carl PEOPLE"},
		{"", "assignments: [{role: other, to: group:team}]", "app:dialer user:anna user:cora PEOPLE"},
		{"", "assignments: [{role: other, to: department+:sales}]", "user:anna PEOPLE"},
		{"", "assignments: [{role: other, to: everybody}]", "user:anna user:bert user:carl user:cora user:dora PEOPLE"},
		{"assignments: [{role: other, to: group:clerks}]", "-assignments: [{role: other, to: group:clerks}]", "user:bert PEOPLE"},
		{"", "object_grants: [{to: dora, grant: folder.open, on: folder:f}]", "user:dora OBJECTS"},
		{"", "object_grants: [{to: group:team, grant: folder.open, on: folder:f}]", "app:dialer user:anna user:cora OBJECTS"},
		{"object_grants: [{to: dora, grant: folder.open, on: folder:f}]", "object_grants: [{to: dora, grant: folder.open@none, on: folder:f}]", "OBJECTS"},
		{"object_grants: [{to: dora, grant: folder.open, on: folder:f}]", "-object_grants: [{to: dora, grant: folder.open, on: folder:f}]", "user:dora OBJECTS"},
		{"object_grants: [{to: group:team, grant: folder.open, on: folder:f}]", "-object_grants: [{to: group:team, grant: folder.open, on: folder:f}]", "app:dialer user:anna user:cora OBJECTS"},
		{"", "ceilings: [{to: dora, at_most: folder.open@none}]", "user:dora"},
		{"", "ceilings: [{to: group:team, at_most: folder.open@none}]", "app:dialer user:anna user:cora"},
		{"ceilings: [{to: dora, at_most: folder.open@none}]", "-ceilings: [{to: dora, at_most: folder.open@none}]", "user:dora"},
		{"ceilings: [{to: group:team, at_most: folder.open@none}]", "-ceilings: [{to: group:team, at_most: folder.open@none}]", "app:dialer user:anna user:cora"},
		{"", "limits: [{limit: numbers, to: dora, values: []}]", "user:dora"},
		{"", `limits: [{limit: numbers, to: "role:other", values: ["12"]}]`, "user:carl"},
		{"limits: [{limit: numbers, to: dora, values: []}]", "-limits: [{limit: numbers, to: dora, values: []}]", "user:dora"},
		{`limits: [{limit: numbers, to: "role:other", values: ["12"]}]`, `-limits: [{limit: numbers, to: "role:other", values: ["12"]}]`, "user:carl"},
		{"", "settings: {grade: high}", "SETTINGS"},
		{"settings: {grade: high}", "-settings: {grade: high}", "SETTINGS"},
		{"", `settings: {grade: {doc.phone: high}}`, "SETTINGS"},
		{`settings: {grade: {doc.phone: high}}`, `-settings: {grade: {doc.phone: high}}`, "SETTINGS"},
		{"", "classes: {own: {}}", "SETTINGS"},
		{"classes: {own: {}}", "-classes: {own: {}}", "SETTINGS"},
		{"classes: {own: {}}", "limits: [{limit: dialling, to: dora, values: [own]}]", "user:dora"},
		{"", `lists: {crm: ["+4930123456"]}`, "LIST crm"},
		{`lists: {crm: ["+4930123456"]}`, `-lists: {crm: ["+4930123456"]}`, "LIST crm"},
		{"", `lists: {extensions: ["12"]}`, "LIST extensions"},
		{"", "sites: {london: {region: GB}}", "SETTINGS"},
		{"sites: {london: {region: GB}}", "-sites: {london: {region: GB}}", "SETTINGS"},
		{"sites: {london: {region: GB}}", `sites: {london: {known: true, emergency: ["1234"]}}`, "SETTINGS"},
		{`sites: {london: {region: GB, emergency: ["1234"]}}`, `-sites: {london: {known: true, emergency: ["1234"]}}`, "SETTINGS"},
		// What a write repeats it does not touch.
		{`lists: {crm: ["12"]}`, `lists: {crm: ["12"], extensions: ["12"]}`, "LIST extensions"},
		{"object_grants: [{to: dora, grant: folder.open, on: folder:f}]", "settings: {grade: high}\nobject_grants: [{to: dora, grant: folder.open, on: folder:f}]", "SETTINGS"},
	} {
		t.Run(c.change, func(t *testing.T) {
			x := newCompany(t, readsModel, readsCompany)
			if c.before != "" {
				x.must(c.before)
			}
			out := x.must(c.change)
			if len(out.Changes) == 0 {
				t.Fatal("nothing changed")
			}
			got := strings.Join(out.Footprint.GetSubjects(), " ")
			if out.Footprint.GetAllSubjects() {
				got = strings.TrimSpace("everybody " + got)
			}
			for _, k := range out.Footprint.GetTouched() {
				got = strings.TrimSpace(got + " " + kind(k))
			}
			if got != c.want {
				t.Errorf("%q %q: %q, want %q", c.before, c.change, got, c.want)
			}
		})
	}
}

// crowd is that many users, as an account names them.
func crowd(n int) string {
	var users []string
	for i := range n {
		users = append(users, fmt.Sprintf("u%04d: {groups: [team]}", i))
	}
	return "users: {" + strings.Join(users, ", ") + "}"
}

// Beyond a thousand subjects, edited themselves or concerned by what they share, everybody is meant.
func TestFootprintsNameAThousand(t *testing.T) {
	for _, n := range []int{policy.MaxFootprint, policy.MaxFootprint + 1} {
		x := newCompany(t, readsModel, "groups: {team: {}}\nroles: {new: {}}")
		for what, f := range map[string]*klinkev1.Footprint{
			"edited": x.must(crowd(n)).Footprint,
			"shared": x.must("assignments: [{role: new, to: group:team}]").Footprint,
		} {
			if all := n > policy.MaxFootprint; f.GetAllSubjects() != all || !all && len(f.GetSubjects()) != n || all && len(f.GetSubjects()) > 0 {
				t.Errorf("%d subjects, %s: all is %t, %d are named", n, what, f.GetAllSubjects(), len(f.GetSubjects()))
			}
		}
	}
}

// Whoever combines roles otherwise, or uses another model, has everybody ask again.
func TestFootprintsNameEverybody(t *testing.T) {
	model := strings.NewReplacer("combine: highest", "combine: rights", "settings:\n", "settings:\n  rights: {default: highest, values: [lowest, highest]}\n")
	x := newCompany(t, model.Replace(readsModel), readsCompany)
	if f := x.must("settings: {rights: highest}").Footprint; f.GetAllSubjects() || len(f.GetTouched()) != 1 || kind(f.GetTouched()[0]) != "SETTINGS" {
		t.Errorf("said what held before: %v", f)
	}
	if f := x.must("settings: {rights: lowest}").Footprint; !f.GetAllSubjects() || len(f.GetSubjects()) > 0 {
		t.Errorf("combined otherwise: %v", f)
	}
	if f := x.must("-settings: {rights: lowest}").Footprint; !f.GetAllSubjects() {
		t.Errorf("combined as before: %v", f)
	}
	x.model(strings.Replace(readsModel, "model: reads", "model: other", 1))
	use := &klinkev1.Record{Record: &klinkev1.Record_UseModel{UseModel: &klinkev1.UseModel{Model: "other", Version: 1}}}
	out, err := policy.Apply(x.s, []*klinkev1.Change{{Change: &klinkev1.Change_Put{Put: use}}}, x.stamp())
	if err != nil {
		t.Fatal(err)
	}
	if f := out.Footprint; !f.GetAllSubjects() || len(f.GetTouched()) != 1 || kind(f.GetTouched()[0]) != "MODEL" {
		t.Errorf("another model: %v", f)
	}
}
