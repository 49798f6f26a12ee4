// These tests prove that whoever keeps an answer hears of every change that could make another of it: each kind of thing that
// an answer can read, through each place of a rule, and each kind of change, whose footprint says no more than it must.
package policy_test

import (
	"slices"
	"strings"
	"testing"

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
    levels: {peeps: {none: [], some: [{when: "'team' in groups('bert')"}], any: any}}
    actions: {see_all: {level: peeps}}
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
      in_obligation: {obligations: [{id: told, kind: advice, if: same}]}
      in_permission: {require: [{permission: in_level}]}
      in_allowed: {require: [{allowed: in_gate}]}
      in_allowed_override: {require: [{allowed: in_override}]}
      on_folder: {require: [{permission: folder.open, on: {attribute: folder}}]}
      on_folders: {require: [{allowed: folder.enter, on: {each: folders}}]}
    fields: {read: {level: reach}, write: {level: reach, gate: [{setting: grade, at_least: high}]}}
roles:
  clerk: {grants: [doc.in_level@same, "doc.*:read@same", "doc.*:write@any", global.see_all@some]}
  teller: {grants: [{grant: doc.by_cell@any, when: "'team' in groups(resource.owner)"},
                    {grant: doc.number_by_cell@any, when: "resource.nr == '+4930123456'"}]}
  given: {grants: [doc.by_given@any]}
  lead:
  other:
`

// Anna asks, about what is Bert's. Carl has the role clerk; Dora nothing.
const readsCompany = `
departments: {sales: {heads: [anna]}, stray: {members: [carl]}, below: {}}
groups: {team: {members: [anna, app:dialer]}, clerks: {members: [bert]}, empty: {}}
users: {anna: {roles: [lead, clerk, teller]}, bert: {}, carl: {roles: [other]}, dora: {}}
apps: {dialer: {roles: [clerk]}}
assignments: [{role: given, to: anna, when: "'team' in groups(resource.owner)"}]
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
		{"", bertIn, "anna by_cell doc:1, facts: {owner: bert}", people},
		{"", bertIn, "anna by_given doc:1, facts: {owner: bert}", people},
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
		{"", `lists: {extensions: ["030123456"]}`, "anna number_by_cell doc:1, " + german, "LIST extensions"},
		{"", `lists: {extensions: ["030123456"]}`, `anna number_of_record doc:1, facts: {folders: [{type: folder, id: f, nr: 030 123456}]}`, "LIST extensions"},
		// Settings and sites, which say how a number is read.
		{"", "settings: {grade: high}", "anna setting doc:1", settings},
		{"settings: {grade: high}", "-settings: {grade: high}", "anna setting doc:1", settings},
		{"", `settings: {grade: {"doc": high}}`, "anna setting doc:1", settings},
		{`settings: {grade: {"doc": high}}`, `-settings: {grade: {"doc": high}}`, "anna setting doc:1", settings},
		{bertIn, "settings: {grade: {doc.phone: high}}", "anna write doc.phone:1, facts: {owner: bert}", settings},
		{"", gb, "anna germany doc:1, " + german, settings},
		{gb, "-" + gb, "anna germany doc:1, " + german, settings},
		{"", gb, "anna dialled doc:1, " + german, settings},
		{"limits: [{limit: numbers, to: anna, values: [+4930123456]}]", gb, "anna within doc:1, " + german, settings},
		{"", gb, "anna number_when doc:1, " + german, settings},
		{"", gb, "anna number_by_cell doc:1, " + german, settings},
		{"", gb, `anna number_of_record doc:1, facts: {folders: [{type: folder, id: f, nr: 030 123456}]}`, settings},
		{"sites: {london: {region: GB, default: true}}", `sites: {london: {known: true, emergency: ["1234"]}}`, `anna emergency doc:1, facts: {nr: "1234"}`, settings},
		{`sites: {london: {region: GB, default: true, emergency: ["1234"]}}`, `-sites: {london: {known: true, emergency: ["1234"]}}`, `anna emergency doc:1, facts: {nr: "1234"}`, settings},
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
			if f.GetAllSubjects() || slices.Contains(f.GetSubjects(), "user:anna") || slices.Contains(f.GetSubjects(), "app:dialer") {
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
