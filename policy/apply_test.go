// These tests prove what Apply refuses: circles, deletions of what others lean on, names that nobody knows, values that cannot
// be, models that do not fit, and that each refusal names the kind, the field and what to do, and that nothing has changed.
package policy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

const yardModel = `
model: yard
combine: highest
flags: [root, chief]
users: {attributes: {email: text}}
settings: {mode: {default: a, values: [a, b]}, note: {}}
regions:
  DE: {country: "49", trunk: "0", international: "00", emergency: ["112"]}
  GB: {country: "44", trunk: "0", international: "00", emergency: ["112", "999"]}
default_region: DE
levels: {reach: {none: [], own: [own], any: any}, yes_no: {none: [], any: any}}
schedules: {office: {zone: UTC, hours: {mon: ["09:00", "10:00"]}}}
types:
  doc:
    attributes: {owner: user, nr: number, where: "site?"}
    relations: {own: {is: owner}}
    actions: {see: {level: reach}, go: {require: [{within: nr, limit: numbers}, {listed: nr, in: crm}]}}
    fields: {read: {level: yes_no}, write: {level: yes_no}}
  box: {actions: {open: {level: yes_no}}}
`

const yardCompany = `
departments: {firm: {}, sales: {under: firm}, north: {under: sales, members: [anna], heads: [anna]}, empty: {}, own: {}, tree: {}}
groups: {outer: {members: ["group:middle"]}, middle: {members: ["group:inner"]}, inner: {members: [anna]}, empty: {}, held: {}}
roles:
  lead: {}
  clerk: {under: lead, includes: [base], grants: [doc.see@own]}
  junior: {under: clerk}
  base: {includes: [deep]}
  deep: {assignable: false}
  given: {}
  empty: {}
  held: {}
  tree: {}
users: {anna: {roles: [given], flags: [root], attributes: {email: anna@example.org}}}
apps: {bot: {}}
assignments: [{role: given, to: "department:own"}, {role: given, to: "department+:tree"}, {role: given, to: "role:held"}, {role: given, to: "role+:tree"}]
ceilings: [{to: "group:held", at_most: doc.see@own}]
limits: [{limit: numbers, to: anna, values: ["12"]}]
object_grants: [{to: anna, grant: doc.see@any, on: doc:1}]
settings: {mode: b}
lists: {extensions: ["12"], crm: ["+4930*"]}
sites: {berlin: {region: DE, default: true, emergency: ["1234"]}}
`

// change reads one change as the protocol's text form; what that cannot be is read as records of an account.
func (c *company) change(text string) []*klinkev1.Change {
	c.tb.Helper()
	if !strings.HasPrefix(text, "put{") && !strings.HasPrefix(text, "delete{") && text != "" {
		return c.changes(text)
	}
	out := &klinkev1.Change{}
	if err := prototext.Unmarshal([]byte(text), out); err != nil {
		c.tb.Fatalf("%v\n%s", err, text)
	}
	return []*klinkev1.Change{out}
}

// refuses holds a write to its refusal, and to having changed nothing.
func (c *company) refuses(changes []*klinkev1.Change, kind policy.Kind, want string) {
	c.tb.Helper()
	before := policy.Dump(c.s)
	// Behind a change that is taken, so that something would be left if it could be.
	changes = append(c.change(`put{group{id:"before"}}`), changes...)
	out, err := policy.Apply(c.s, changes, c.stamp())
	var e *policy.Error
	switch {
	case err == nil:
		c.tb.Errorf("taken: %v", changes[1:])
		return
	case !errors.As(err, &e):
		c.tb.Errorf("%T, no *policy.Error: %v", err, err)
	case e.Kind != kind || e.Error() != want:
		c.tb.Errorf("%v\nkind %d %s\nwant %d %s", changes[1:], e.Kind, e.Error(), kind, want)
	}
	if out != nil {
		c.tb.Errorf("an error and an outcome: %v", out)
	}
	if !slices.Equal(before, policy.Dump(c.s)) {
		c.tb.Error("the snapshot has changed")
	}
	policy.Audit(c.tb, c.s)
}

func TestApplyRefuses(t *testing.T) {
	const (
		invalid = policy.Invalid
		refused = policy.Refused
	)
	long := strings.Repeat("x", 1025)
	for _, c := range []struct {
		change string
		kind   policy.Kind
		want   string // behind changes[1]
	}{
		// Circles, of one and of several.
		{`put{group_member{group:"inner" member:"group:inner"}}`, invalid, `put.group_member.member: group "inner" would contain itself`},
		{`put{group_member{group:"inner" member:"group:outer"}}`, invalid, `put.group_member.member: group "outer" would contain itself`},
		{`put{department{id:"firm" parent:"firm"}}`, invalid, `put.department.parent: the department would stand below itself`},
		{`put{department{id:"firm" parent:"north"}}`, invalid, `put.department.parent: the department would stand below itself`},
		{`put{role{id:"lead" under:"lead"}}`, invalid, `put.role.under: the role would stand below itself`},
		{`put{role{id:"lead" under:"junior"}}`, invalid, `put.role.under: the role would stand below itself`},
		{`put{role_include{role:"deep" included:"deep"}}`, invalid, `put.role_include.included: role "deep" would include itself`},
		{`put{role_include{role:"deep" included:"clerk"}}`, invalid, `put.role_include.included: role "deep" would include itself`},
		// What others lean on.
		{`delete{group{id:"inner"}}`, refused, `delete.group.id: group "inner" still has members; delete these memberships first`},
		{`delete{group{id:"outer"}}`, refused, `delete.group.id: group "outer" still has members; delete these memberships first`},
		{`delete{group{id:"held"}}`, refused, `delete.group.id: group "held" is still named as a holder; delete its ceiling on doc.see first`},
		{`delete{department{id:"north"}}`, refused, `delete.department.id: department "north" still has members or heads; delete these first`},
		{`delete{department{id:"sales"}}`, refused, `delete.department.id: departments still stand below "sales"; move or delete these first`},
		{`delete{department{id:"own"}}`, refused, `delete.department.id: department "own" is still named as a holder; delete its assignment of role given first`},
		{`delete{department{id:"tree"}}`, refused, `delete.department.id: department "tree" is still named as a holder; delete its assignment of role given first`},
		{`delete{role{id:"given"}}`, refused, `delete.role.id: role "given" is still assigned; delete its assignments first`},
		{`delete{role{id:"deep"}}`, refused, `delete.role.id: role "deep" is still included in another; delete that inclusion first`},
		{`delete{role{id:"lead"}}`, refused, `delete.role.id: roles still stand below "lead"; move or delete these first`},
		{`delete{role{id:"held"}}`, refused, `delete.role.id: role "held" is still named as a holder; delete its assignment of role given first`},
		{`delete{role{id:"tree"}}`, refused, `delete.role.id: role "tree" is still named as a holder; delete its assignment of role given first`},
		{`delete{use_model{}}`, refused, `delete.use_model: a tenant always uses a model; put another use instead`},
		{`delete{group{id:"empty" labels{key:"de" value:"Leer"}}}`, invalid, `delete: a delete carries the key alone; the other fields must be unset`},
		// Names that nobody knows.
		{`put{group_member{group:"none" member:"user:anna"}}`, invalid, `put.group_member.group: there is no group "none"`},
		{`put{group_member{group:"inner" member:"user:none"}}`, invalid, `put.group_member.member: there is no user "none"`},
		{`put{group_member{group:"inner" member:"app:none"}}`, invalid, `put.group_member.member: there is no app "none"`},
		{`put{group_member{group:"inner" member:"group:none"}}`, invalid, `put.group_member.member: there is no group "none"`},
		{`put{group_member{group:"inner" member:"role:none"}}`, invalid, `put.group_member.member: there is no role "none"`},
		{`put{group_member{group:"inner" member:"role+:none"}}`, invalid, `put.group_member.member: there is no role "none"`},
		{`put{group_member{group:"inner" member:"department:none"}}`, invalid, `put.group_member.member: there is no department "none"`},
		{`put{group_member{group:"inner" member:"department+:none"}}`, invalid, `put.group_member.member: there is no department "none"`},
		{`put{group_member{group:"inner" member:"team:none"}}`, invalid, `put.group_member.member: "team" is no kind of holder`},
		{`put{group_member{group:"inner" member:"anna"}}`, invalid, `put.group_member.member: "anna" is no holder: write user:ID, app:ID, group:ID, role:ID, role+:ID, department:ID, department+:ID or everybody`},
		{`put{group_member{group:"inner" member:"user:"}}`, invalid, `put.group_member.member: an identifier may not be empty`},
		{`delete{group_member{group:"inner" member:"anna"}}`, invalid, `delete.group_member.member: "anna" is no holder: write user:ID, app:ID, group:ID, role:ID, role+:ID, department:ID, department+:ID or everybody`},
		{`put{department{id:"new" parent:"none"}}`, invalid, `put.department.parent: there is no department "none"`},
		{`put{department_member{department:"none" subject:"user:anna"}}`, invalid, `put.department_member.department: there is no department "none"`},
		{`put{department_member{department:"firm" subject:"user:none"}}`, invalid, `put.department_member.subject: there is no user "none"`},
		{`put{department_member{department:"firm" subject:"group:inner"}}`, invalid, `put.department_member.subject: members and heads of a department are written user:ID or app:ID`},
		{`put{role{id:"new" under:"none"}}`, invalid, `put.role.under: there is no role "none"`},
		{`put{role_include{role:"none" included:"base"}}`, invalid, `put.role_include.role: there is no role "none"`},
		{`put{role_include{role:"base" included:"none"}}`, invalid, `put.role_include.included: there is no role "none"`},
		{`put{cell{role:"none" permission:"doc.see" level:"own"}}`, invalid, `put.cell.role: there is no role "none"`},
		{`put{cell{role:"base" permission:"none.see" level:"own"}}`, invalid, `put.cell.permission: the model has no type "none"`},
		{`put{cell{role:"base" permission:"doc.none" level:"own"}}`, invalid, `put.cell.permission: type "doc" has no action "none"`},
		{`put{cell{role:"base" permission:"doc" level:"own"}}`, invalid, `put.cell.permission: "doc" is neither type.action, type.field:read or :write, nor a pattern of these`},
		{`put{cell{role:"base" permission:"*.see" level:"own"}}`, invalid, `put.cell.permission: an action needs a type: the patterns are type.* and *.*`},
		{`put{cell{role:"base" permission:"*.phone:read" level:"any"}}`, invalid, `put.cell.permission: a named field needs a type`},
		{`put{cell{role:"base" permission:"box.phone:read" level:"any"}}`, invalid, `put.cell.permission: type "box" has no fields`},
		{`put{cell{role:"base" permission:"doc.a:b:read" level:"any"}}`, invalid, `put.cell.permission: a field's name may not contain ':' or '@'`},
		{`put{cell{role:"base" permission:"doc.:read" level:"any"}}`, invalid, `put.cell.permission: an identifier may not be empty`},
		{`put{cell{role:"base" permission:"doc.see" level:"none such"}}`, invalid, `put.cell.level: nothing that doc.see means has a level "none such"`},
		{`put{cell{role:"base" permission:"box.*" level:"own"}}`, invalid, `put.cell.level: nothing that box.* means has a level "own"`},
		{`put{cell{role:"base" permission:"doc.phone:read" level:"own"}}`, invalid, `put.cell.level: nothing that doc.phone:read means has a level "own"`},
		{`put{cell{role:"base" permission:"doc.see" level:"own" schedule:"none"}}`, invalid, `put.cell.schedule: the model has no schedule "none"`},
		{`put{assignment{role:"none" holder:"user:anna"}}`, invalid, `put.assignment.role: there is no role "none"`},
		{`put{assignment{role:"base" holder:"user:none"}}`, invalid, `put.assignment.holder: there is no user "none"`},
		{`put{assignment{role:"base" holder:"user:anna" schedule:"none"}}`, invalid, `put.assignment.schedule: the model has no schedule "none"`},
		{`put{object_grant{type:"none" id:"1" action:"see" holder:"user:anna" level:"own"}}`, invalid, `put.object_grant.action: the model has no type "none"`},
		{`put{object_grant{type:"doc" id:"1" action:"none" holder:"user:anna" level:"own"}}`, invalid, `put.object_grant.action: type "doc" has no action "none"`},
		{`put{object_grant{type:"doc" id:"1" action:"go" holder:"user:anna" level:"any"}}`, invalid, `put.object_grant.action: doc.go has no level`},
		{`put{object_grant{type:"box" id:"1" action:"phone:read" holder:"user:anna" level:"any"}}`, invalid, `put.object_grant.action: type "box" has no fields`},
		{`put{object_grant{type:"doc" id:"1" action:"see" holder:"user:none" level:"own"}}`, invalid, `put.object_grant.holder: there is no user "none"`},
		{`put{object_grant{type:"doc" id:"1" action:"see" holder:"user:anna" level:"none such"}}`, invalid, `put.object_grant.level: doc.see has no level "none such"`},
		{`put{object_grant{type:"doc" id:"*" action:"see" holder:"user:anna" level:"own"}}`, invalid, `put.object_grant.id: an object grant is about one resource; to give a right to all, edit a role`},
		{`put{object_grant{type:"doc" id:"" action:"see" holder:"user:anna" level:"own"}}`, invalid, `put.object_grant.id: an identifier may not be empty`},
		{`delete{object_grant{type:"doc" id:"1" action:"none" holder:"user:anna"}}`, invalid, `delete.object_grant.action: type "doc" has no action "none"`},
		{`put{ceiling{holder:"user:anna" permission:"see" level:"own"}}`, invalid, `put.ceiling.permission: "see" is neither type.action nor type.field:read or :write`},
		{`put{ceiling{holder:"user:anna" permission:"doc.go" level:"any"}}`, invalid, `put.ceiling.permission: doc.go has no level`},
		{`put{ceiling{holder:"user:anna" permission:"doc.*" level:"any"}}`, invalid, `put.ceiling.permission: type "doc" has no action "*"`},
		{`put{ceiling{holder:"user:anna" permission:"doc.see" level:"none such"}}`, invalid, `put.ceiling.level: doc.see has no level "none such"`},
		{`put{ceiling{holder:"user:none" permission:"doc.see" level:"own"}}`, invalid, `put.ceiling.holder: there is no user "none"`},
		{`put{limit{name:"none" holder:"user:anna" value:"12"}}`, invalid, `put.limit.name: no test of the model uses a limit "none"`},
		{`put{limit{name:"numbers" holder:"user:none" value:"12"}}`, invalid, `put.limit.holder: there is no user "none"`},
		{`delete{limit{name:"none" holder:"user:anna" value:"12"}}`, invalid, `delete.limit.name: no test of the model uses a limit "none"`},
		{`put{setting{name:"none" value:"a"}}`, invalid, `put.setting.name: the model declares no setting "none"`},
		{`put{setting{name:"mode" scope:"none" value:"a"}}`, invalid, `put.setting.scope: the model has no type "none"`},
		{`put{setting{name:"mode" scope:"box.phone" value:"a"}}`, invalid, `put.setting.scope: type "box" has no fields`},
		{`put{setting{name:"mode" scope:"doc." value:"a"}}`, invalid, `put.setting.scope: an identifier may not be empty`},
		{`put{listed_number{list:"none" number:"12"}}`, invalid, `put.listed_number.list: no test of the model uses a number list "none"`},
		{`put{emergency_number{site:"none" number:"1234"}}`, invalid, `put.emergency_number.site: there is no site "none"`},
		{`put{subject{type:SUBJECT_TYPE_USER id:"anna" flags:"none"}}`, invalid, `put.subject.flags: the model declares no flag "none"`},
		{`put{subject{type:SUBJECT_TYPE_USER id:"anna" attributes{key:"none" value:"x"}}}`, invalid, `put.subject.attributes: the model keeps no user attribute "none"`},
		{`put{use_model{model:"none" version:1}}`, policy.NotFound, `put.use_model.model: there is no model "none"`},
		{`put{use_model{version:1}}`, invalid, `put.use_model.model: an identifier may not be empty`},
		// Values that cannot be.
		{`put{subject{id:"new"}}`, invalid, `put.subject.type: neither user nor app`},
		{`put{subject{type:SUBJECT_TYPE_USER}}`, invalid, `put.subject.id: an identifier may not be empty`},
		{`put{subject{type:SUBJECT_TYPE_USER id:"a\nb"}}`, invalid, `put.subject.id: a control character at byte 1`},
		{`put{subject{type:SUBJECT_TYPE_USER id:"new" label:"` + long + `"}}`, invalid, `put.subject.label: a label is at most 1,024 bytes of UTF-8 without control characters`},
		{`put{subject{type:SUBJECT_TYPE_USER id:"new" flags:"root" flags:"root"}}`, invalid, `put.subject.flags: a flag stands twice`},
		{`put{subject{type:SUBJECT_TYPE_USER id:"new" attributes{key:"email" value:""}}}`, invalid, `put.subject.attributes[email]: 1 to 4096 bytes of UTF-8 without control characters`},
		{`put{group{id:""}}`, invalid, `put.group.id: an identifier may not be empty`},
		{`put{group{id:"` + long[:257] + `"}}`, invalid, `put.group.id: an identifier of 257 bytes; at most 256 are allowed`},
		{`put{group{id:"new" labels{key:"de" value:"` + long + `"}}}`, invalid, `put.group.labels: a label is at most 1,024 bytes of UTF-8 without control characters, under a language tag`},
		{`put{group{id:"new" labels{key:"" value:"x"}}}`, invalid, `put.group.labels: a label is at most 1,024 bytes of UTF-8 without control characters, under a language tag`},
		{`put{department{id:"new" labels{key:"de" value:"` + long + `"}}}`, invalid, `put.department.labels: a label is at most 1,024 bytes of UTF-8 without control characters, under a language tag`},
		{`put{role{id:"new" labels{key:"de" value:"` + long + `"}}}`, invalid, `put.role.labels: a label is at most 1,024 bytes of UTF-8 without control characters, under a language tag`},
		{`put{role{id:"new" origin:"` + long[:601] + `"}}`, invalid, `put.role.origin: an origin is at most 600 bytes of UTF-8 without control characters`},
		{`put{role{id:"given" not_assignable:true}}`, refused, `put.role.not_assignable: role "given" is assigned; delete its assignments first`},
		{`put{assignment{role:"deep" holder:"user:anna"}}`, refused, `put.assignment.role: role "deep" can only be included, not assigned`},
		{`put{assignment{role:"base" holder:"user:anna" from{seconds:7} until{seconds:7}}}`, invalid, `put.assignment.until: it would end before it begins`},
		{`put{assignment{role:"base" holder:"user:anna" from{seconds:-1}}}`, invalid, `put.assignment.from: a moment between 1970 and 2242`},
		{`put{assignment{role:"base" holder:"user:anna" until{seconds:8589934592}}}`, invalid, `put.assignment.until: a moment between 1970 and 2242`},
		{`put{assignment{role:"base" holder:"user:anna" until{seconds:7 nanos:-1}}}`, invalid, `put.assignment.until: a moment between 1970 and 2242`},
		{`put{assignment{role:"base" holder:"user:anna" when:"'x'"}}`, invalid, `put.assignment.when: the condition yields string, not a truth value`},
		{`put{cell{role:"base" permission:"doc.see" level:"own" when:"'x'"}}`, invalid, `put.cell.when: the condition yields string, not a truth value`},
		{`put{object_grant{type:"doc" id:"1" action:"see" holder:"user:anna" level:"own" until{seconds:-1}}}`, invalid, `put.object_grant.until: a moment between 1970 and 2242`},
		{`put{limit{name:"numbers" holder:"user:anna" value:"a\nb"}}`, invalid, `put.limit.value: at most 4096 bytes of UTF-8 without control characters`},
		{`put{setting{name:"mode" value:"c"}}`, invalid, `put.setting.value: "c" is none of a, b`},
		{`put{setting{name:"note" value:"a\nb"}}`, invalid, `put.setting.value: at most 4096 bytes of UTF-8 without control characters`},
		{`put{listed_number{list:"crm" number:"030 12"}}`, invalid, `put.listed_number.number: "030 12" is neither E.164 (+4930123456) nor an extension's digits; at most 15 digits`},
		{`put{listed_number{list:"crm" number:"+"}}`, invalid, `put.listed_number.number: "+" is neither E.164 (+4930123456) nor an extension's digits; at most 15 digits`},
		{`put{listed_number{list:"crm" number:"+1234567890123456"}}`, invalid, `put.listed_number.number: "+1234567890123456" is neither E.164 (+4930123456) nor an extension's digits; at most 15 digits`},
		{`put{listed_number{list:"extensions" number:"13" prefix:true}}`, invalid, `put.listed_number.number: an extension is its digits alone, one by one`},
		{`put{listed_number{list:"extensions" number:"+4913"}}`, invalid, `put.listed_number.number: an extension is its digits alone, one by one`},
		{`put{listed_number{list:"extensions" number:"112"}}`, refused, `put.listed_number.number: 112 is an emergency number, so it cannot be an extension`},
		{`put{listed_number{list:"extensions" number:"1234"}}`, refused, `put.listed_number.number: 1234 is an emergency number, so it cannot be an extension`},
		{`put{site{id:"" region:"DE"}}`, invalid, `put.site.id: an identifier may not be empty`},
		{`put{site{id:"new" region:"DE" access_digits:"12345"}}`, invalid, `put.site.access_digits: at most 3 digits`},
		{`put{site{id:"new" region:"DE" access_digits:"x"}}`, invalid, `put.site.access_digits: at most 3 digits`},
		{`put{emergency_number{site:"berlin" number:"12"}}`, invalid, `put.emergency_number.number: an emergency number has 3 to 6 digits`},
		{`put{emergency_number{site:"berlin" number:"1234567"}}`, invalid, `put.emergency_number.number: an emergency number has 3 to 6 digits`},
		{`put{emergency_number{site:"berlin" number:"12x"}}`, invalid, `put.emergency_number.number: an emergency number has 3 to 6 digits`},
		{`put{}`, invalid, `put: a kind of record that this version does not know`},
		{`delete{}`, invalid, `delete: a kind of record that this version does not know`},
		{``, invalid, ` neither put nor delete`},
	} {
		x := newCompany(t, yardModel, yardCompany)
		want := "changes[1]." + c.want
		if strings.HasPrefix(c.want, " ") {
			want = "changes[1]:" + c.want
		}
		x.refuses(x.change(c.change), c.kind, want)
	}
}

// A tenant without a model takes nothing but the use of one.
func TestATenantBeginsWithItsModel(t *testing.T) {
	x := newCompany(t, yardModel, yardCompany)
	for _, change := range []string{`put{group{id:"a"}}`, `delete{group{id:"a"}}`} {
		out, err := policy.Apply(policy.Empty(), x.change(change), x.stamp())
		var e *policy.Error
		if !errors.As(err, &e) || e.Kind != policy.Refused || out != nil ||
			e.Error() != "changes[0]."+change[:strings.IndexByte(change, '{')]+": the tenant uses no model yet: its use must be put first" {
			t.Errorf("%s: %v %v", change, out, err)
		}
	}
}

// Another version of a model is used only when all fits that the tenant has, and the first thing that does not is named.
func TestModelsMustFit(t *testing.T) {
	const use = `put{use_model{model:"other" version:1}}`
	for _, c := range []struct{ from, to, want string }{
		{"  box: {actions: {open: {level: yes_no}}}\n", "", `cell.permission: the model has no type "box" (of the record with the key ["base" "box.open"])`},
		{"see: {level: reach}", "look: {level: reach}", `cell.permission: type "doc" has no action "see" (of the record with the key ["clerk" "doc.see"])`},
		{"see: {level: reach}", "see: {level: yes_no}", `cell.level: nothing that doc.see means has a level "own" (of the record with the key ["clerk" "doc.see"])`},
		{"    fields: {read: {level: yes_no}, write: {level: yes_no}}\n", "", `cell.permission: type "doc" has no fields (of the record with the key ["clerk" "doc.phone:read"])`},
		{"flags: [root, chief]", "flags: [chief]", `subject.flags: the model declares no flag "root", which somebody carries`},
		{"users: {attributes: {email: text}}", "users: {attributes: {mail: text}}", `subject.attributes: the model keeps no user attribute "email" (of the record with the key ["user" "anna"])`},
		{"mode: {default: a, values: [a, b]}", "mode: {default: a, values: [a, c]}", `setting.value: "b" is none of a, c (of the record with the key ["mode" ""])`},
		{"mode: {default: a, values: [a, b]}, ", "", `setting.name: the model declares no setting "mode" (of the record with the key ["mode" ""])`},
		{"{within: nr, limit: numbers}, ", "", `limit.name: no test of the model uses a limit "numbers" (of the record with the key ["numbers" "user:anna" "12"])`},
		{", {listed: nr, in: crm}", "", `listed_number.list: no test of the model uses a number list "crm" (of the record with the key ["crm" "+4930" "1"])`},
		{"  DE: {country: \"49\", trunk: \"0\", international: \"00\", emergency: [\"112\"]}\n", "", `site.region: site berlin: the model has no region "DE" (of the record with the key ["berlin"])`},
		{`international: "00", emergency: ["112"]}`, `international: "00", emergency: ["112", "9876"]}`, `listed_number.number: 9876 is an emergency number, so it cannot be an extension (of the record with the key ["extensions" "9876" "0"])`},
		{"schedules: {office: {zone: UTC, hours: {mon: [\"09:00\", \"10:00\"]}}}\n", "", `cell.schedule: the model has no schedule "office" (of the record with the key ["base" "box.open"])`},
		{"{owner: user, nr: number", "{holder: user, nr: number", `cell.when: the condition does not compile: ERROR: <input>:1:9: undefined field 'owner'`},
	} {
		x := newCompany(t, yardModel, yardCompany)
		x.must(`roles: {clerk: {known: true, grants: ["doc.phone:read@any", {grant: doc.phone:write@any, when: resource.owner == 'x'}]}, ` +
			`base: {known: true, grants: [{grant: box.open, schedule: office}]}}` + "\nlists: {extensions: [\"9876\"]}")
		other := strings.NewReplacer("model: yard", "model: other", c.from, c.to, "own: [own]", "own: [{absent: where}]", "relations: {own: {is: owner}}\n", "relations: {}\n")
		x.model(strings.Replace(other.Replace(yardModel), "default_region: DE", "default_region: GB", 1))
		out, err := policy.Apply(x.s, x.change(use), x.stamp())
		want := "changes[0].put.use_model.model: other@1 does not fit what the tenant has: " + c.want
		var e *policy.Error
		if !errors.As(err, &e) || e.Kind != policy.Refused || out != nil || !strings.HasPrefix(e.Error(), want) {
			t.Errorf("without %q: %v, want %s", c.from, err, want)
		}
	}
}

// A model fits that lacks only what the tenant has no use for. Its use comes first in a write.
func TestModelsMayLackWhatNobodyUses(t *testing.T) {
	x := newCompany(t, yardModel, yardCompany)
	x.model(strings.NewReplacer("model: yard", "model: other", "flags: [root, chief]", "flags: [root]", "chief", "", ", note: {}", "",
		"  box: {actions: {open: {level: yes_no}}}\n", "").Replace(yardModel))
	use := x.change(`put{use_model{model:"other" version:1}}`)
	x.refuses(use, policy.Refused, "changes[1].put.use_model: another model is used from the first change of a write on; put it first")
	before := policy.Dump(x.s)
	out, err := policy.Apply(x.s, append(use, x.change(`put{group{id:"new"}}`)...), x.stamp())
	if err != nil {
		t.Fatal(err)
	}
	policy.Audit(t, out.Next)
	back, err := policy.Apply(out.Next, append(x.change(`put{use_model{model:"yard" version:1}}`), x.change(`delete{group{id:"new"}}`)...), x.stamp())
	if err != nil {
		t.Fatal(err)
	}
	if got := policy.Dump(back.Next); !slices.Equal(got, before) {
		t.Errorf("there and back again: %q\n%q", got, before)
	}
}

// What is not there is not deleted, and what is so already is not put: neither makes an entry.
func TestWhatChangesNothingMakesNoEntry(t *testing.T) {
	for _, change := range []string{
		`delete{subject{type:SUBJECT_TYPE_USER id:"none"}}`, `delete{subject{type:SUBJECT_TYPE_APP id:"anna"}}`,
		`delete{group{id:"none"}}`, `delete{group_member{group:"none" member:"user:anna"}}`, `delete{group_member{group:"inner" member:"user:none"}}`,
		`delete{group_member{group:"outer" member:"user:anna"}}`, `delete{group_member{group:"outer" member:"role:none"}}`, `delete{group_member{group:"outer" member:"everybody"}}`,
		`delete{department{id:"none"}}`, `delete{department_member{department:"none" subject:"user:anna"}}`, `delete{department_member{department:"firm" subject:"user:anna"}}`,
		`delete{department_member{department:"firm" subject:"user:none" head:true}}`, `delete{role{id:"none"}}`, `delete{role_include{role:"none" included:"base"}}`,
		`delete{role_include{role:"base" included:"none"}}`, `delete{role_include{role:"base" included:"given"}}`, `delete{cell{role:"none" permission:"doc.see"}}`,
		`delete{cell{role:"base" permission:"doc.see"}}`, `delete{cell{role:"base" permission:"none"}}`, `delete{assignment{role:"none" holder:"user:anna"}}`,
		`delete{assignment{role:"base" holder:"user:anna"}}`, `delete{assignment{role:"base" holder:"group:none"}}`, `delete{assignment{role:"base" holder:"everybody"}}`,
		`delete{object_grant{type:"doc" id:"none" action:"see" holder:"user:anna"}}`, `delete{object_grant{type:"doc" id:"1" action:"see" holder:"user:none"}}`,
		`delete{ceiling{holder:"user:anna" permission:"doc.see"}}`, `delete{ceiling{holder:"group:inner" permission:"doc.see"}}`, `delete{ceiling{holder:"group:none" permission:"doc.see"}}`,
		`delete{limit{name:"numbers" holder:"user:anna" value:"13"}}`, `delete{limit{name:"numbers" holder:"group:inner" value:"12"}}`, `delete{limit{name:"numbers" holder:"group:none" value:"12"}}`,
		`delete{setting{name:"note"}}`, `delete{setting{name:"mode" scope:"doc"}}`, `delete{listed_number{list:"crm" number:"+4930"}}`, `delete{site{id:"none"}}`,
		`delete{emergency_number{site:"none" number:"1234"}}`, `delete{emergency_number{site:"berlin" number:"5678"}}`,
		`put{use_model{model:"yard" version:1}}`, yardCompany,
	} {
		x := newCompany(t, yardModel, yardCompany)
		out, err := policy.Apply(x.s, x.change(change), x.stamp())
		if err != nil || out.Next != x.s || len(out.Changes) > 0 || out.Footprint != nil || out.Effects != nil {
			t.Errorf("%s: %v %+v", change, err, out)
		}
	}
}

// What belongs to a deleted thing alone goes with it, in the same entry and before it; under its id nothing is left to inherit.
func TestDeletionsTakeAlongWhatIsTheirs(t *testing.T) {
	for _, c := range []struct {
		records, change string
		along           []string
		again, left     string
	}{
		{"departments: {north: {known: true, members: [anna], heads: [anna]}}\ngroups: {inner: {known: true, members: [anna]}}\n" +
			"assignments: [{role: base, to: anna, until: 2026-03-01T00:00:00Z}]\nceilings: [{to: anna, at_most: doc.see@own}]\n" +
			"limits: [{limit: numbers, to: anna, values: [\"12\", \"13\"]}]\nobject_grants: [{to: anna, grant: doc.see@any, on: doc:1}]",
			`delete{subject{type:SUBJECT_TYPE_USER id:"anna"}}`, []string{
				`group_member:{group:"inner" member:"user:anna"}`, `department_member:{department:"north" subject:"user:anna"}`,
				`department_member:{department:"north" subject:"user:anna" head:true}`, `assignment:{role:"given" holder:"user:anna"}`,
				`assignment:{role:"base" holder:"user:anna"}`, `ceiling:{holder:"user:anna" permission:"doc.see"}`,
				`limit:{name:"numbers" holder:"user:anna" value:"12"}`, `limit:{name:"numbers" holder:"user:anna" value:"13"}`,
				`object_grant:{type:"doc" id:"1" action:"see" holder:"user:anna"}`, `subject:{type:SUBJECT_TYPE_USER id:"anna"}`,
			}, "users: {anna: {}}", "anna@example.org"},
		{"roles: {empty: {includes: [base, deep], grants: [doc.see@any, doc.*@own]}}", `delete{role{id:"empty"}}`, []string{
			`role_include:{role:"empty" included:"base"}`, `role_include:{role:"empty" included:"deep"}`, `cell:{role:"empty" permission:"doc.*"}`,
			`cell:{role:"empty" permission:"doc.see"}`, `role:{id:"empty"}`,
		}, "roles: {empty: {}}", "doc.*"},
		{`sites: {berlin: {known: true, emergency: ["5678"]}}`, `delete{site{id:"berlin"}}`, []string{
			`emergency_number:{site:"berlin" number:"1234"}`, `emergency_number:{site:"berlin" number:"5678"}`, `site:{id:"berlin"}`,
		}, "sites: {berlin: {region: GB}}", "5678"},
	} {
		x := newCompany(t, yardModel, yardCompany)
		x.must(c.records)
		out, err := policy.Apply(x.s, x.change(c.change), x.stamp())
		if err != nil {
			t.Fatal(err)
		}
		var along []string
		for _, d := range out.Changes {
			if d.GetDelete() == nil {
				t.Errorf("%s: a deletion puts %v", c.change, d)
			}
			along = append(along, strings.ReplaceAll(d.GetDelete().String(), "  ", " "))
		}
		if !slices.Equal(along, c.along) {
			t.Errorf("%s: got\n%s\nwant\n%s", c.change, strings.Join(along, "\n"), strings.Join(c.along, "\n"))
		}
		policy.Audit(t, out.Next)
		x.s = out.Next
		x.must(c.again)
		for _, text := range policy.Dump(x.s) {
			if strings.Contains(text, c.left) {
				t.Errorf("%s: %q is left", c.change, text)
			}
		}
	}
}

// A put replaces the whole record: what it does not say is gone.
func TestAPutReplacesTheRecord(t *testing.T) {
	x := newCompany(t, yardModel, yardCompany)
	x.must(`roles: {held: {label: {de: Gehalten}, origin: "yard@1/held"}}` + "\nusers: {anna: {label: Anna Ahrens, flags: [root], attributes: {email: anna@example.org}}}")
	before := policy.Dump(x.s)
	x.must("roles: {held: {}}\nusers: {anna: {}}\nsites: {berlin: {region: GB}}")
	policy.Audit(t, x.s)
	if text := strings.Join(policy.Dump(x.s), "\n"); strings.Contains(text, "anna@example.org") || strings.Contains(text, "root") || !strings.Contains(text, "1234") {
		t.Errorf("%q", text)
	}
	if out := x.must("roles: {held: {}}\nusers: {anna: {}}"); len(out.Changes) > 0 {
		t.Errorf("put again: %v", out.Changes)
	}
	x.must(`roles: {held: {label: {de: Gehalten}, origin: "yard@1/held"}}` + "\nusers: {anna: {label: Anna Ahrens, flags: [root], attributes: {email: anna@example.org}}}\n" +
		`sites: {berlin: {region: DE, default: true}}`)
	if !slices.Equal(policy.Dump(x.s), before) {
		t.Error("put as it was, it is not as it was")
	}
}
