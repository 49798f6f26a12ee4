// These tests prove what a setting's value is, the most specific one first, and that nothing is decided by a setting that
// nobody has set.
package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/klinke-authz/klinke/policy"
)

const settingsModel = `
model: settings
settings:
  open: {values: [shut, ajar, wide]}
  lit:  {default: true}
levels: {yes_no: {none: [], any: any}, read: {no: [], yes: [ajar]}}
types:
  doc:
    attributes: {parts: records}
    relations: {ajar: {setting: open, at_least: ajar}}
    actions:
      read:   {level: read}
      lit:    {require: [{setting: lit}]}
      wide:   {gate: [{setting: open, in: [wide]}]}
      through_allowed:    {require: [{allowed: read}]}
      through_permission: {require: [{permission: read}]}
      through_parts:      {require: [{allowed: read, on: {each: parts}}]}
      through_override:   {override: [doc.read], require: [{setting: lit, in: [false]}]}
      by_rank:            {require: [{permission: read, at_least: yes}]}
      told:               {obligations: [{id: close, kind: advice, if: ajar}]}
    fields: {read: {level: yes_no, gate: [ajar]}, write: {level: yes_no, gate: [{allowed: read}]}}
  box:
    levels: {read: {no: [], yes: [{setting: open, at_least: wide}]}}
    actions:
      read: {level: read}
      doc:  {require: [{permission: doc.read}]}
roles:
  reader: {grants: ["doc.read@yes", "box.read@yes", "doc.*:read@any", "doc.*:write@any"]}
`

func TestTheMostSpecificSettingCounts(t *testing.T) {
	const anna = "users: {anna: {roles: [reader]}}\n"
	for _, c := range []struct {
		settings, ask string
		allow         bool
	}{
		{"{open: ajar}", "anna read doc:1", true},
		{"{open: shut}", "anna read doc:1", false},
		{`{open: {"": shut, doc: wide}}`, "anna read doc:1", true},
		{`{open: {"": wide, doc: shut}}`, "anna read doc:1", false},
		{`{open: {doc: ajar, box: wide}}`, "anna read box:1", true},
		{`{open: {doc: wide, box: ajar}}`, "anna read box:1", false},
		{`{open: {doc: shut, doc.phone: ajar}}`, "anna read doc.phone:1", true},
		{`{open: {doc: shut, doc.phone: ajar}}`, "anna read doc.mail:1", false},
		{`{open: {doc: wide, doc.phone: shut}}`, "anna read doc.phone:1", false},
		{`{open: {doc: wide, doc.phone: shut}}`, "anna write doc.phone:1", false}, // a rule asked about the same resource is asked about the same field
		{`{open: wide, lit: false}`, "anna lit doc:1", false},
		{`{open: wide, lit: {doc: true, "": false}}`, "anna lit doc:1", true},
		{"{open: wide}", "anna wide doc:1", true},
		{"{open: ajar}", "anna wide doc:1", false},
		{`{open: {doc: ajar}}`, "anna doc box:1", true}, // the type of what is asked for counts
		{`{open: {doc: shut, box: wide}}`, "anna doc box:1", false},
	} {
		x := newCompany(t, settingsModel, "settings: "+c.settings+"\n"+anna)
		if allow, told := x.ask(x.s, c.ask); allow != c.allow {
			t.Errorf("%s: %s: allowed %t: %v", c.settings, c.ask, allow, told)
		}
	}
}

func TestWhatNobodyHasSetIsNotDecidedBy(t *testing.T) {
	const unset = "FIELD: the setting \"open\" is not set for \"TYPE\", and has no default: set it first"
	for _, c := range []struct {
		settings, ask, missing string // the type for which it is not set
	}{
		{"{lit: true}", "anna read doc:1", "doc"},
		{"{lit: true}", "anna read doc:*", "doc"},
		{"{lit: true}", "bert read doc:1", "doc"}, // whoever asks, and whatever else would settle it
		{"{lit: true}", "nobody read doc:1", "doc"},
		{"{open: {box: wide}}", "anna read doc:1", "doc"},
		{"{open: {doc.phone: wide}}", "anna read doc:1", "doc"},
		{"{open: {doc.phone: wide}}", "anna read doc.mail:1", "doc"},
		{"{open: {doc.phone: wide}}", "anna write doc.mail:1", "doc"},
		{"{lit: true}", "anna wide doc:1", "doc"},
		{"{lit: true}", "anna through_allowed doc:1", "doc"},
		{"{lit: true}", "anna through_permission doc:1", "doc"},
		{"{lit: true}", "anna through_parts doc:1", "doc"},
		{"{open: {doc.phone: wide}}", "anna through_parts doc:1", "doc"},
		{"{lit: true}", "anna through_override doc:1", "doc"},
		{"{lit: true}", "anna told doc:1", "doc"},
		{"{open: {doc: wide}}", "anna read box:1", "box"},
		{"{open: {box: wide}}", "anna doc box:1", "doc"},

		{"{lit: true}", "anna lit doc:1", ""},     // the model gives a default
		{"{lit: true}", "anna by_rank doc:1", ""}, // the rank is read, its tests are not asked
		{"{open: {doc.phone: wide}}", "anna read doc.phone:1", ""},
		{"{open: {doc.phone: wide}}", "anna write doc.phone:1", ""},
		{"{open: {doc: wide}}", "anna read doc.phone:1", ""},
		{"{open: wide}", "anna read doc:1", ""},
		{"{open: {box: wide, doc: shut}}", "anna doc box:1", ""},
	} {
		x := newCompany(t, settingsModel, "settings: "+c.settings+"\nusers: {anna: {roles: [reader]}, bert: {}}")
		q, _ := x.question(c.ask)
		err := x.s.Prepare(&policy.Request{}, q, x.s.Plan().Normalise)
		if c.missing == "" {
			if err != nil {
				t.Errorf("%s: %s: %v", c.settings, c.ask, err)
			}
			continue
		}
		want := strings.NewReplacer("FIELD", "resource.type", "TYPE", c.missing).Replace(unset)
		if e, ok := errors.AsType[*policy.Error](err); !ok || e.Kind != policy.Refused || e.Error() != want {
			t.Errorf("%s: %s: got %v, want %s", c.settings, c.ask, err, want)
		}
	}
}

// Deleting a setting without a default takes the answer away, it does not turn it into another.
func TestADeletedSettingIsNotSet(t *testing.T) {
	x := newCompany(t, settingsModel, "settings: {open: wide}\nusers: {anna: {roles: [reader]}}")
	if allow, told := x.ask(x.s, "anna read doc:1"); !allow {
		t.Fatalf("denied: %v", told)
	}
	x.must("-settings: {open: wide}")
	q, _ := x.question("anna read doc:1")
	if err := x.s.Prepare(&policy.Request{}, q, x.s.Plan().Normalise); err == nil {
		t.Error("an unset setting is decided by")
	}
}
