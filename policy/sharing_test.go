// These tests prove whom a sharing rule reaches, what it covers, how far it goes, also through a parent; and that no rule outlives
// whom it names.
package policy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

const sharingModel = `
model: sharing
levels:
  read:  {no: [], yes: [shared_read]}
  write: {no: [], yes: [shared_write]}
types:
  account: &owned
    attributes: {owner: principal, seller: "user?", parent: "record?"}
    relations:
      shared_read:  {shared: read, of: owner, through: parent}
      shared_write: {shared: write, of: owner, through: parent}
    actions:
      view: {level: read}
      edit: {level: write}
  order: *owned
  contact:
    <<: *owned
    relations: {shared_read: {shared: read, of: owner, as: account}, shared_write: {shared: write, of: owner, as: account}}
  offer:
    <<: *owned
    relations: {shared_read: {shared: read, of: seller, through: parent}, shared_write: {shared: write, of: seller, through: parent}}
  note:
    <<: *owned
    attributes: {author: user, parent: "record?"}
    relations: {shared_read: {shared: read, of: author, through: parent}, shared_write: {shared: write, of: author, through: parent}}
roles:
  all: {grants: ["*.*@yes"]}
assignments: [{role: all, to: everybody}]
`

const sharingCompany = `
roles:
  boss: {}
  sales: {under: boss}
  field: {under: sales}
  service: {under: boss}
departments:
  firm: {}
  south: {under: firm, heads: [hans], members: [dora]}
  munich: {under: south, members: [mia]}
groups:
  outer: {members: [olga, "group:inner"]}
  inner: {members: [ida, "group:core"]}
  core: {members: ["role:field"]}
  aside: {members: ["department+:south"]}
users:
  bob: {roles: [boss]}
  sam: {roles: [sales]}
  sue: {roles: [sales]}
  fay: {roles: [field]}
  eva: {roles: [service]}
  hans: {}
  dora: {}
  mia: {}
  olga: {}
  ida: {}
  old: {active: false, roles: [sales]}
  ana: {}
apps: {bot: {roles: [all]}, tool: {roles: [all]}, ana: {roles: [all]}, ida: {roles: [all]}}
`

func TestWhatARuleCovers(t *testing.T) {
	everybody := "bob sam sue fay eva hans dora mia olga ida old ana"
	for _, c := range []struct{ from, owners string }{
		{"ana", "ana"},
		{"role:sales", "sam sue old"},
		{"role:boss", "bob"},
		{"role+:sales", "sam sue old fay"},
		{"role+:boss", "bob sam sue old fay eva"},
		{"department:south", "hans dora"}, // heads count as members wherever a holder is meant
		{"department:munich", "mia"},
		{"department+:south", "hans dora mia"},
		{"department+:firm", "hans dora mia"},
		{"group:outer", "olga ida fay group:outer group:inner group:core"},
		{"group:inner", "ida fay group:inner group:core"},
		{"group:core", "fay group:core"},
		{"group:aside", "hans dora mia group:aside"},
		{"everybody", everybody},
		{"app:bot", "app:bot"},
	} {
		x := newCompany(t, sharingModel, sharingCompany+"sharing: [{type: account, from: '"+c.from+"', to: ana, level: read}]")
		owners := strings.FieldsSeq(everybody + " ghost group:outer group:inner group:core group:aside group:ghosts app:bot app:tool app:ana")
		for owner := range owners {
			want := slices.Contains(strings.Fields(c.owners), owner)
			ask := fmt.Sprintf("ana view account:1, facts: {owner: %q}", owner)
			if allow, told := x.ask(x.s, ask); allow != want {
				t.Errorf("from %s, owner %s: allowed %t: %v", c.from, owner, allow, told)
			}
		}
		for _, facts := range []string{"{owner: null}", "{}"} { // nobody's, and not said
			if allow, _ := x.ask(x.s, "ana view account:1, facts: "+facts); allow {
				t.Errorf("from %s: allowed with %s", c.from, facts)
			}
		}
		if allow, _ := x.ask(x.s, "ana view account:*"); !allow {
			t.Errorf("from %s: she may view no account at all", c.from)
		}
	}
}

func TestWhomARuleReaches(t *testing.T) {
	for _, c := range []struct{ to, reached string }{
		{"ida", "ida"},
		{"role:sales", "sam sue"},
		{"role+:sales", "sam sue fay"},
		{"role+:boss", "bob sam sue fay eva"},
		{"department:south", "hans dora"},
		{"department+:south", "hans dora mia"},
		{"group:outer", "olga ida fay"},
		{"group:inner", "ida fay"},
		{"group:core", "fay"},
		{"group:aside", "hans dora mia"},
		{"everybody", "bob sam sue fay eva hans dora mia olga ida ana"},
		{"app:bot", "app:bot"},
	} {
		x := newCompany(t, sharingModel, sharingCompany+"sharing: [{type: account, from: 'user:ana', to: '"+c.to+"', level: write}]")
		for who := range strings.FieldsSeq("bob sam sue fay eva hans dora mia olga ida ana app:bot app:tool app:ida") {
			want := slices.Contains(strings.Fields(c.reached), who)
			if allow, told := x.ask(x.s, who+" edit account:1, facts: {owner: ana}"); allow != want {
				t.Errorf("to %s: %s allowed %t: %v", c.to, who, allow, told)
			}
		}
	}
}

func TestHowFarARuleGoes(t *testing.T) {
	const read = "sharing: [{type: account, from: 'role:sales', to: ana, level: read}]"
	const write = "sharing: [{type: account, from: 'role:sales', to: ana, level: write}]"
	for _, c := range []struct {
		rules, ask string
		allow      bool
	}{
		{read, "ana view account:1, facts: {owner: sam}", true},
		{read, "ana edit account:1, facts: {owner: sam}", false},
		{write, "ana view account:1, facts: {owner: sam}", true},
		{write, "ana edit account:1, facts: {owner: sam}", true},
		{write, "ana view order:1, facts: {owner: sam}", false},   // another type
		{write, "sam view account:1, facts: {owner: ana}", false}, // the other way
		{write, "ana view contact:1, facts: {owner: sam}", true},  // asked as accounts
		{read, "ana edit contact:1, facts: {owner: sam}", false},
		{"sharing: [{type: contact, from: 'role:sales', to: ana, level: write}]", "ana view contact:1, facts: {owner: sam}", false},
		{"sharing: [{type: offer, from: 'role:sales', to: ana, level: read}]", "ana view offer:1, facts: {owner: eva, seller: sam}", true},
		{"sharing: [{type: offer, from: 'role:sales', to: ana, level: read}]", "ana view offer:1, facts: {owner: sam, seller: eva}", false},
		{"sharing: [{type: offer, from: 'role:sales', to: ana, level: read}]", "ana view offer:1, facts: {owner: sam}", false},
		// Rules do not chain, and two do not make one.
		{"sharing: [{type: account, from: 'role:sales', to: eva, level: write}, {type: account, from: eva, to: ana, level: write}]",
			"ana view account:1, facts: {owner: sam}", false},
		{"sharing: [{type: account, from: 'role:sales', to: ana, level: read}, {type: account, from: 'role+:sales', to: eva, level: write}]",
			"ana edit account:1, facts: {owner: sam}", false},
		{"sharing: [{type: account, from: 'role:sales', to: ana, level: read}, {type: account, from: 'role+:sales', to: everybody, level: write}]",
			"ana edit account:1, facts: {owner: sam}", true},
		{"sharing: [{type: account, from: everybody, to: everybody, level: read}]", "ana view account:1, facts: {owner: ghost}", false},
	} {
		x := newCompany(t, sharingModel, sharingCompany+c.rules)
		if allow, told := x.ask(x.s, c.ask); allow != c.allow {
			t.Errorf("%s: %s: allowed %t: %v", c.rules, c.ask, allow, told)
		}
	}
}

func TestRulesThroughAParent(t *testing.T) {
	const related = `sharing:
  - {type: account, from: 'role:sales', to: ana, level: read, related: {order: write, offer: read, note: write, account: read, contact: write}}
  - {type: order, from: 'group:inner', to: 'role:service', level: write, related: {offer: read}}`
	for _, c := range []struct {
		ask   string
		allow bool
	}{
		{"ana view order:1, facts: {owner: eva, parent: {type: account, owner: sam}}", true},
		{"ana edit order:1, facts: {owner: eva, parent: {type: account, owner: sam}}", true}, // a level of its own
		{"ana edit account:1, facts: {owner: sam}", false},
		{"ana edit order:1, facts: {owner: eva, parent: {type: account, owner: 'user:sam', id: a1}}", true},
		{"ana view order:1, facts: {owner: null, parent: {type: account, owner: sam}}", true}, // the parent's owner counts
		{"ana view order:1, facts: {parent: {type: account, owner: sam}}", true},
		{"ana view order:1, facts: {owner: sam, parent: {type: account, owner: eva}}", false}, // not the child's
		{"ana view order:1, facts: {owner: sam}", false},
		{"ana view order:1, facts: {owner: eva, parent: null}", false},
		{"ana view order:1, facts: {owner: eva, parent: {type: account}}", false}, // not said whose
		{"ana view order:1, facts: {owner: eva, parent: {type: account, owner: null}}", false},
		{"ana view order:1, facts: {owner: eva, parent: {type: account, owner: 'group:inner'}}", false},
		{"ana view order:1, facts: {owner: eva, parent: {owner: sam}}", false},                            // without a type it is an order
		{"ana view order:1, facts: {owner: eva, parent: {type: contact, owner: sam}}", false},             // a parent counts as its own type
		{"ana view offer:1, facts: {owner: eva, parent: {type: account, owner: eva, seller: sam}}", true}, // the same fact of the parent
		{"ana edit offer:1, facts: {owner: eva, parent: {type: account, owner: eva, seller: sam}}", false},
		{"ana view offer:1, facts: {owner: eva, parent: {type: account, owner: sam, seller: eva}}", false},
		{"ana view note:1, facts: {author: eva, parent: {type: account, owner: sam}}", false},  // the parent has no such fact
		{"ana view account:1, facts: {owner: eva, parent: {type: account, owner: sam}}", true}, // a parent of the same type
		{"ana edit account:1, facts: {owner: eva, parent: {type: account, owner: sam}}", false},
		{"ana view contact:1, facts: {owner: eva, parent: {type: account, owner: sam}}", false}, // the test looks at no parent
		{"eva view offer:1, facts: {owner: ana, seller: null, parent: {type: order, owner: ida, seller: fay}}", true},
		{"eva view offer:1, facts: {owner: ana, seller: null, parent: {type: order, owner: ida, seller: sam}}", false},
		{"eva view order:1, facts: {owner: 'group:core'}", true},
		{"eva view order:1, facts: {owner: bob, parent: {type: order, owner: 'group:core'}}", false}, // orders are not related to orders
		// One step, and no more: a grandparent opens nothing.
		{"ana view order:1, facts: {owner: eva, parent: {type: order, owner: eva, parent: {type: account, owner: sam}}}", false},
	} {
		x := newCompany(t, sharingModel, sharingCompany+related)
		if allow, told := x.ask(x.s, c.ask); allow != c.allow {
			t.Errorf("%s: allowed %t: %v", c.ask, allow, told)
		}
	}
}

// An app that acts for a user must be reached itself, as with every relation.
func TestRulesAndActors(t *testing.T) {
	x := newCompany(t, sharingModel, sharingCompany+`sharing:
  - {type: account, from: 'role:sales', to: ana, level: read}
  - {type: account, from: 'role:sales', to: 'app:bot', level: read}`)
	for as, want := range map[string]bool{"app:bot": true, "app:tool": false} {
		if allow, told := x.ask(x.s, "ana view account:1, facts: {owner: sam}, as: '"+as+"'"); allow != want {
			t.Errorf("as %s: allowed %t: %v", as, allow, told)
		}
	}
}

// Whoever has a role for a time is reached and covered for that time, and the answer says until when.
func TestRulesHoldAsLongAsTheRoleThatTheyMean(t *testing.T) {
	until := monday.Add(time.Hour)
	x := newCompany(t, sharingModel, sharingCompany+`
assignments: [{role: service, to: mia, until: 2026-01-05T10:00:00Z}]
sharing:
  - {type: account, from: 'role:service', to: ana, level: read}
  - {type: account, from: dora, to: 'role+:boss', level: read}
  - {type: order, from: dora, to: 'role+:boss', level: read, related: {account: read}}`)
	for _, ask := range []string{
		"ana view account:1, facts: {owner: mia}", "mia view account:1, facts: {owner: dora}",
		"mia view account:1, facts: {owner: ana, parent: {type: order, owner: dora}}",
	} {
		allow, told := x.ask(x.s, ask)
		if !allow || !told.GetValidUntil().AsTime().Equal(until) {
			t.Errorf("%s: allowed %t, valid until %v", ask, allow, told.GetValidUntil().AsTime())
		}
		if allow, _ := x.ask(x.s, ask+", at: 2026-01-05T10:00:00Z"); allow {
			t.Errorf("%s: allowed when the role is over", ask)
		}
	}
}

// A rule is written once for its type and both ends; saying it again changes its levels, in every answer from then on.
func TestRulesChange(t *testing.T) {
	const rule = "sharing: [{type: account, from: 'group:inner', to: 'group:aside', level: "
	x := newCompany(t, sharingModel, sharingCompany)
	answers := func(where string, view, edit, order bool) {
		t.Helper()
		for ask, want := range map[string]bool{
			"mia view account:1, facts: {owner: ida}":                                             view,
			"mia edit account:1, facts: {owner: ida}":                                             edit,
			"mia edit order:1, facts: {owner: eva, parent: {type: account, owner: 'group:core'}}": order,
		} {
			allow, told := x.ask(x.s, ask)
			if allow != want {
				t.Errorf("%s: %s: allowed %t: %v", where, ask, allow, told)
			}
			kinds := []klinkev1.ReadKind{}
			for _, r := range told.GetReads() {
				kinds = append(kinds, r.GetKind())
			}
			if !slices.Contains(kinds, klinkev1.ReadKind_READ_KIND_SHARING) || !slices.Contains(kinds, klinkev1.ReadKind_READ_KIND_PEOPLE) {
				t.Errorf("%s: %s: reads %v", where, ask, kinds)
			}
		}
	}
	answers("without", false, false, false)
	for _, step := range []struct {
		records           string
		view, edit, order bool
	}{
		{rule + "read}]", true, false, false},
		{rule + "write}]", true, true, false},
		{rule + "write, related: {order: read}}]", true, true, false},
		{rule + "read, related: {order: write}}]", true, false, true},
		{rule + "read, related: {order: write, offer: read}}]", true, false, true},
		{rule + "read}]", true, false, false},
		{"-" + rule + "write}]", false, false, false}, // a key has no level
	} {
		out := x.must(step.records)
		if len(out.Changes) != 1 || len(out.Footprint.GetTouched()) != 1 || out.Footprint.GetTouched()[0].GetKind() != klinkev1.ReadKind_READ_KIND_SHARING {
			t.Errorf("%s: changes %v, footprint %v", step.records, out.Changes, out.Footprint)
		}
		answers(step.records, step.view, step.edit, step.order)
		if out := x.must(step.records); len(out.Changes) != 0 {
			t.Errorf("%s again: changes %v", step.records, out.Changes)
		}
	}
}

// A rule changes answers about what others own, and no cell. Its footprint is the kind that such answers read; a rule that comes
// or goes names whom it reaches besides, but nobody whom it covers, unless by his own name. It has no effects: nobody gained or
// lost a level.
func TestWhatARulesFootprintIs(t *testing.T) {
	const sharing = "SHARING"
	for _, c := range []struct{ before, change, want string }{
		{"", "{type: account, from: 'group:inner', to: 'group:aside', level: read}", "user:dora user:hans user:mia " + sharing},
		{"", "{type: account, from: 'role+:boss', to: 'department+:south', level: write, related: {order: read}}", "user:dora user:hans user:mia " + sharing},
		{"", "{type: account, from: everybody, to: 'group:core', level: read}", "user:fay " + sharing},
		{"", "{type: account, from: 'group:core', to: ana, level: read}", "user:ana " + sharing},
		{"", "{type: account, from: ana, to: 'role:sales', level: read}", "user:ana user:old user:sam user:sue " + sharing},
		{"", "{type: account, from: 'role:sales', to: ana, level: read}", "user:ana " + sharing},
		{"", "{type: account, from: ana, to: 'app:bot', level: read}", "app:bot user:ana " + sharing},
		{"{type: account, from: ana, to: ida, level: read}", "{type: account, from: ana, to: ida, level: write}", sharing},
		{"{type: account, from: ana, to: ida, level: read}", "{type: account, from: ana, to: ida, level: read, related: {order: read}}", sharing},
		{"{type: account, from: ana, to: ida, level: read}", "-{type: account, from: ana, to: ida}", "user:ana user:ida " + sharing},
		{"{type: account, from: 'group:core', to: 'group:aside', level: read}", "{type: account, from: 'group:core', to: 'group:aside', level: write}", sharing},
		{"{type: account, from: everybody, to: 'group:core', level: read}", "-{type: account, from: everybody, to: 'group:core'}", "user:fay " + sharing},
	} {
		x := newCompany(t, sharingModel, sharingCompany)
		if c.before != "" {
			x.must("sharing: [" + c.before + "]")
		}
		rule, gone := strings.CutPrefix(c.change, "-")
		text := "sharing: [" + rule + "]"
		if gone {
			text = "-sharing: [" + strings.TrimSuffix(rule, "}") + ", level: read}]"
		}
		out := x.must(text)
		got := slices.Clone(out.Footprint.GetSubjects())
		for _, k := range out.Footprint.GetTouched() {
			got = append(got, kind(k))
		}
		if strings.Join(got, " ") != c.want || out.Footprint.GetAllSubjects() {
			t.Errorf("%s: footprint %v, want %s", text, out.Footprint, c.want)
		}
		if len(out.Effects) != 0 {
			t.Errorf("%s: effects %v", text, out.Effects)
		}
	}
}

// Who is deleted takes along the rules from him and to him, one that is both included. The next of his name has none.
func TestADeletedSubjectTakesHisRulesAlong(t *testing.T) {
	const rules = `sharing:
  - {type: account, from: ana, to: everybody, level: read}
  - {type: account, from: 'role:sales', to: ana, level: read}
  - {type: order, from: ana, to: ana, level: write}
  - {type: order, from: ana, to: ida, level: write}
  - {type: account, from: 'role:sales', to: ida, level: read}
  - {type: account, from: 'app:bot', to: 'app:tool', level: read}`
	x := newCompany(t, sharingModel, sharingCompany+rules)
	ana := policy.KeyOnly(&klinkev1.Record{Record: &klinkev1.Record_Subject{Subject: &klinkev1.Subject{Type: klinkev1.SubjectType_SUBJECT_TYPE_USER, Id: "ana"}}})
	out, err := policy.Apply(x.s, []*klinkev1.Change{{Change: &klinkev1.Change_Delete{Delete: ana}}}, x.stamp())
	if err != nil {
		t.Fatal(err)
	}
	x.s = out.Next
	gone := []string{}
	for _, c := range out.Changes {
		if r := c.GetDelete().GetSharingRule(); r != nil {
			if r.GetLevel() != klinkev1.SharingLevel_SHARING_LEVEL_UNSPECIFIED {
				t.Errorf("a delete that carries more than a key: %v", c)
			}
			gone = append(gone, r.GetType()+" "+r.GetFrom()+" to "+r.GetTo())
		}
	}
	slices.Sort(gone)
	want := []string{"account role:sales to user:ana", "account user:ana to everybody", "order user:ana to user:ana", "order user:ana to user:ida"}
	if !slices.Equal(gone, want) {
		t.Errorf("went along: %q, want %q", gone, want)
	}
	if !slices.ContainsFunc(out.Footprint.GetTouched(), func(r *klinkev1.Read) bool { return r.GetKind() == klinkev1.ReadKind_READ_KIND_SHARING }) {
		t.Errorf("whoever kept an answer by one of them does not hear of it: %v", out.Footprint)
	}
	x.must("users: {ana: }")
	for ask, want := range map[string]bool{
		"ida view account:1, facts: {owner: ana}":          false,
		"ana view account:1, facts: {owner: sam}":          false,
		"ana view order:1, facts: {owner: ana}":            false,
		"ida view order:1, facts: {owner: ana}":            false,
		"ida view account:1, facts: {owner: sam}":          true, // another's rule stays
		"app:tool view account:1, facts: {owner: app:bot}": true,
	} {
		if allow, told := x.ask(x.s, ask); allow != want {
			t.Errorf("%s: allowed %t: %v", ask, allow, told)
		}
	}
	x.must("-apps: {bot: }")
	x.must("apps: {bot: {roles: [all]}}")
	if allow, _ := x.ask(x.s, "app:tool view account:1, facts: {owner: app:bot}"); allow {
		t.Error("an app inherits a rule from the one before it")
	}
}

// Who was named by a rule that is gone has nothing to do with one that comes later.
func TestADeletedRuleLetsGoOfBothEnds(t *testing.T) {
	for _, gone := range []string{"{type: account, from: ana, to: everybody, level: read}", "{type: account, from: 'role:boss', to: ana, level: read}"} {
		x := newCompany(t, sharingModel, sharingCompany+"sharing: ["+gone+"]")
		x.must("-sharing: [" + gone + "]")
		x.must("sharing: [{type: account, from: 'role:sales', to: ida, level: read}]")
		x.must("-users: {ana: }")
		if allow, told := x.ask(x.s, "ida view account:1, facts: {owner: sam}"); !allow {
			t.Errorf("after %s: denied: %v", gone, told)
		}
	}
}

// Groups, roles and departments that a rule names, on either side, are not deleted under it.
func TestWhatARuleNamesIsNotDeleted(t *testing.T) {
	const named = "groups: {thing: }\nroles: {thing: }\ndepartments: {thing: }\nusers: {ana: }\n"
	for holder, record := range map[string]string{
		"group:thing": "groups: {thing: }", "role:thing": "roles: {thing: }", "role+:thing": "roles: {thing: }",
		"department:thing": "departments: {thing: }", "department+:thing": "departments: {thing: }",
	} {
		for _, rule := range []string{
			"sharing: [{type: account, from: '" + holder + "', to: ana, level: read}]",
			"sharing: [{type: account, from: ana, to: '" + holder + "', level: read}]",
			"sharing: [{type: account, from: '" + holder + "', to: '" + holder + "', level: read}]",
		} {
			x := newCompany(t, sharingModel, named+rule)
			_, err := policy.Apply(x.s, x.changes("-"+record), x.stamp())
			e, ok := errors.AsType[*policy.Error](err)
			if !ok || e.Kind != policy.Refused || !strings.HasSuffix(e.Field, ".id") || !strings.HasSuffix(e.Message, "is still named as a holder; delete its sharing rules first") {
				t.Errorf("%s: deleting gives %v", rule, err)
			}
			x.must("-" + rule)
			if out := x.must("-" + record); len(out.Changes) != 1 {
				t.Errorf("%s: without the rule, deleting changes %v", rule, out.Changes)
			}
		}
	}
}

func TestSharingRulesHaveALimit(t *testing.T) {
	x := newCompany(t, sharingModel, "")
	const side = 100 // of a square of rules
	var changes []*klinkev1.Change
	rule := func(from, to int, level klinkev1.SharingLevel) *klinkev1.Change {
		return &klinkev1.Change{Change: &klinkev1.Change_Put{Put: &klinkev1.Record{Record: &klinkev1.Record_SharingRule{SharingRule: &klinkev1.SharingRule{
			Type: "account", From: fmt.Sprintf("group:g%d", from), To: fmt.Sprintf("group:g%d", to), Level: level}}}}}
	}
	const read, write = klinkev1.SharingLevel_SHARING_LEVEL_READ, klinkev1.SharingLevel_SHARING_LEVEL_WRITE
	for i := range side + 1 {
		changes = append(changes, &klinkev1.Change{Change: &klinkev1.Change_Put{Put: &klinkev1.Record{Record: &klinkev1.Record_Group{
			Group: &klinkev1.Group{Id: fmt.Sprintf("g%d", i)}}}}})
	}
	for i := range policy.MaxSharingRules {
		changes = append(changes, rule(i/side, i%side, read))
	}
	out, err := policy.Apply(x.s, changes, x.stamp())
	if err != nil {
		t.Fatalf("%d rules: %v", policy.MaxSharingRules, err)
	}
	x.s = out.Next
	apply := func(changes ...*klinkev1.Change) error {
		_, err := policy.Apply(x.s, changes, x.stamp())
		return err
	}
	err = apply(rule(side, 0, read))
	if e, ok := errors.AsType[*policy.Error](err); !ok || e.Kind != policy.TooLarge || e.Field != "changes[0].put.sharing_rule" || !strings.Contains(e.Message, "10000") {
		t.Errorf("one more: %v", err)
	}
	if err := apply(rule(0, 0, write)); err != nil {
		t.Errorf("another level of one that is there: %v", err)
	}
	gone := &klinkev1.Change{Change: &klinkev1.Change_Delete{Delete: policy.KeyOnly(rule(0, 0, read).GetPut())}}
	if err := apply(gone, rule(side, 0, read)); err != nil {
		t.Errorf("one for another: %v", err)
	}
}

func TestWrongSharingRules(t *testing.T) {
	const read = klinkev1.SharingLevel_SHARING_LEVEL_READ
	related := func(typ string, l klinkev1.SharingLevel) map[string]klinkev1.SharingLevel {
		return map[string]klinkev1.SharingLevel{typ: l}
	}
	x := newCompany(t, sharingModel, sharingCompany)
	before := x.s
	for _, c := range []struct {
		rule           *klinkev1.SharingRule
		field, message string
	}{
		{&klinkev1.SharingRule{Type: "acount", From: "user:ana", To: "everybody", Level: read}, "type", `the model has no type "acount"`},
		{&klinkev1.SharingRule{From: "user:ana", To: "everybody", Level: read}, "type", `the model has no type ""`},
		{&klinkev1.SharingRule{Type: "account", From: "user:ana", To: "everybody"}, "level", "neither read nor write"},
		{&klinkev1.SharingRule{Type: "account", From: "user:ana", To: "everybody", Level: 7}, "level", "neither read nor write"},
		{&klinkev1.SharingRule{Type: "account", From: "group:ghosts", To: "everybody", Level: read}, "from", `there is no group "ghosts"`},
		{&klinkev1.SharingRule{Type: "account", From: "everybody", To: "group:ghosts", Level: read}, "to", `there is no group "ghosts"`},
		{&klinkev1.SharingRule{Type: "account", From: "role:ghosts", To: "everybody", Level: read}, "from", `there is no role "ghosts"`},
		{&klinkev1.SharingRule{Type: "account", From: "everybody", To: "role+:ghosts", Level: read}, "to", `there is no role "ghosts"`},
		{&klinkev1.SharingRule{Type: "account", From: "user:ghost", To: "everybody", Level: read}, "from", `there is no user "ghost"`},
		{&klinkev1.SharingRule{Type: "account", From: "everybody", To: "app:ghost", Level: read}, "to", `there is no app "ghost"`},
		{&klinkev1.SharingRule{Type: "account", From: "everybody", To: "department:ghosts", Level: read}, "to", `there is no department "ghosts"`},
		{&klinkev1.SharingRule{Type: "account", From: "ana", To: "everybody", Level: read}, "from", `"ana" is no holder`},
		{&klinkev1.SharingRule{Type: "account", From: "team:x", To: "everybody", Level: read}, "from", `"team" is no kind of holder`},
		{&klinkev1.SharingRule{Type: "account", From: "everybody", Level: read}, "to", `"" is no holder`},
		{&klinkev1.SharingRule{Type: "account", From: "everybody", To: "everybody", Level: read, Related: related("ordre", read)},
			"related[ordre]", `the model has no type "ordre"`},
		{&klinkev1.SharingRule{Type: "account", From: "everybody", To: "everybody", Level: read, Related: related("order", 0)},
			"related[order]", "neither read nor write"},
		{&klinkev1.SharingRule{Type: "account", From: "everybody", To: "everybody", Level: read, Related: related("order", 3)},
			"related[order]", "neither read nor write"},
	} {
		put := &klinkev1.Change{Change: &klinkev1.Change_Put{Put: &klinkev1.Record{Record: &klinkev1.Record_SharingRule{SharingRule: c.rule}}}}
		_, err := policy.Apply(x.s, []*klinkev1.Change{put}, x.stamp())
		e, ok := errors.AsType[*policy.Error](err)
		if !ok || e.Kind != policy.Invalid || e.Field != "changes[0].put.sharing_rule."+c.field || !strings.HasPrefix(e.Message, c.message) {
			t.Errorf("%v: got %v, want %s: %s", c.rule, err, c.field, c.message)
		}
	}
	if x.s != before {
		t.Error("something was written")
	}
	// What is not there is deleted without a word, as of every kind of record; what can never have been there is not.
	for rule, wrong := range map[*klinkev1.SharingRule]string{
		{Type: "account", From: "everybody", To: "user:ana"}:         "",
		{Type: "account", From: "group:ghosts", To: "everybody"}:     "",
		{Type: "account", From: "user:ghost", To: "role:ghosts"}:     "",
		{Type: "acount", From: "everybody", To: "everybody"}:         "type",
		{Type: "account", From: "ana", To: "everybody"}:              "from",
		{Type: "account", From: "group:ghosts", To: "somebody"}:      "to",
		{Type: "account", From: "everybody", To: "something:ghosts"}: "to",
	} {
		gone := &klinkev1.Change{Change: &klinkev1.Change_Delete{Delete: &klinkev1.Record{Record: &klinkev1.Record_SharingRule{SharingRule: rule}}}}
		out, err := policy.Apply(x.s, []*klinkev1.Change{gone}, x.stamp())
		e, refused := errors.AsType[*policy.Error](err)
		switch {
		case wrong == "" && (err != nil || len(out.Changes) != 0):
			t.Errorf("deleting %v: %v", rule, err)
		case wrong != "" && (!refused || e.Kind != policy.Invalid || e.Field != "changes[0].delete.sharing_rule."+wrong):
			t.Errorf("deleting %v: %v", rule, err)
		}
	}
}
