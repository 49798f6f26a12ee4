// These tests prove that a saved record gets the teams that its product would write down, rule by rule, and that in products
// that are made of modules every module keeps to the same rules.
package preset_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

const (
	create = klinkev1.SaveEvent_SAVE_EVENT_CREATE
	update = klinkev1.SaveEvent_SAVE_EVENT_UPDATE
)

// teams is a company whose people are in the team of their first letter; carla is in two.
const teams = `
groups: {a: {members: [anna]}, b: {members: [bert]}, c: {members: [carla]}, d: {members: [carla]}, x: {}}
users: {anna: {}, bert: {}, carla: {}, dirk: {}}
`

func TestTeamsOfSavedRecords(t *testing.T) {
	const onecrm, suitecrm = "onecrm", "suitecrm"
	for _, c := range []struct {
		preset, settings string
		typ              string
		event            klinkev1.SaveEvent
		facts, old       string
		want             string // the groups, or the field of the error
	}{
		// The creator's teams, once; the other rules are off as it comes.
		{onecrm, "", "account", create, `{"creator": "carla", "assigned": "anna"}`, "", "c d"},
		{onecrm, "", "account", update, `{"creator": "carla", "assigned": "anna"}`, "", ""},
		{onecrm, "", "account", update, `{"assigned": "anna"}`, "x", "x"},
		{onecrm, "", "meeting", create, `{"creator": "anna", "account_teams": ["x"]}`, "", "a"},
		{onecrm, "", "account", create, `{"creator": "dirk"}`, "", ""},
		{onecrm, "", "account", create, `{"assigned": "anna"}`, "", "resource.properties.creator"},
		// The assigned user's, at every save, added and never removed.
		{onecrm, "[creator, assigned]", "account", create, `{"creator": "anna", "assigned": "bert"}`, "", "a b"},
		{onecrm, "[creator, assigned]", "account", update, `{"assigned": "carla"}`, "a b", "a b c d"},
		{onecrm, "[assigned]", "account", update, `{"assigned": null}`, "b", "b"},
		{onecrm, "[assigned]", "account", update, `{}`, "b", "resource.properties.assigned"},
		// The account's, on everything but accounts.
		{onecrm, "[account]", "contact", create, `{"account_teams": ["x", "a"]}`, "", "a x"},
		{onecrm, "[account]", "contact", update, `{"account_teams": ["x"]}`, "a", "a x"},
		{onecrm, "[account]", "contact", update, `{"account_teams": null}`, "a", "a"},
		{onecrm, "[account]", "contact", update, `{}`, "a", "resource.properties.account_teams"},
		{onecrm, "[account]", "account", create, `{"creator": "anna"}`, "x", "x"},
		{onecrm, "[creator, assigned, account]", "invoice", create, `{"creator": "anna", "assigned": "bert", "account_teams": ["x"]}`, "", "a b x"},
		{onecrm, "[]", "invoice", create, `{}`, "x", "x"},
		// One module otherwise than the others.
		{onecrm, `{"": [creator], task: [assigned]}`, "task", create, `{"creator": "anna", "assigned": "bert"}`, "", "b"},
		{onecrm, `{"": [creator], task: [assigned]}`, "meeting", create, `{"creator": "anna", "assigned": "bert"}`, "", "a"},

		// From assigned, parent, creator and defaults.
		{suitecrm, "", "contact", create, `{"assigned": "bert", "parent_groups": ["x"], "creator": "anna", "default_groups": ["d"]}`, "", "a b d x"},
		{suitecrm, "", "contact", update, `{"assigned": "bert", "parent_groups": ["x"], "creator": "anna", "default_groups": ["d"]}`, "c", "b c x"},
		{suitecrm, "", "account", create, `{"assigned": null, "parent_groups": null, "creator": "carla", "default_groups": []}`, "", "c d"},
		{suitecrm, "", "account", create, `{"assigned": "bert", "parent_groups": null, "creator": "carla"}`, "", "resource.properties.default_groups"},
		{suitecrm, "[assigned]", "contact", create, `{"assigned": "bert", "creator": "anna"}`, "", "b"},
		{suitecrm, "[creator]", "contact", create, `{"creator": "anna"}`, "", "a"},
		{suitecrm, "[parent]", "contact", update, `{"parent_groups": ["x"]}`, "", "x"},
		{suitecrm, "[defaults]", "contact", update, `{}`, "", ""},
	} {
		text := "tenant: world\nmodel: " + c.preset + teams
		if c.settings != "" {
			text += "settings: {inheritance: " + c.settings + "}\n"
		}
		s := built(t, c.preset, []byte(text)).Snapshot
		properties := &structpb.Struct{}
		if err := protojson.Unmarshal([]byte(c.facts), properties); err != nil {
			t.Fatal(err)
		}
		old := strings.Fields(c.old)
		groups, added, err := s.Inherit(&policy.Save{
			Resource: &klinkev1.QuestionResource{Type: c.typ, Id: "r", Properties: properties}, Event: c.event, Groups: old,
		}, time.Unix(1_800_000_000, 0))
		if err != nil {
			if e, ok := errors.AsType[*policy.Error](err); !ok || e.Field != c.want {
				t.Errorf("%+v: got error %v", c, err)
			}
			continue
		}
		if got := strings.Join(groups, " "); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
		if len(added) != len(groups)-len(old) || slices.ContainsFunc(added, func(g string) bool { return slices.Contains(old, g) }) {
			t.Errorf("%+v: added %q", c, added)
		}
	}
}

func TestModulesAreAlike(t *testing.T) {
	for _, name := range []string{"onecrm", "suitecrm"} {
		m := compiled(t, name).Source()
		var first *klinkev1.ResourceType
		count := 0
		for _, x := range m.GetTypes() {
			if x.GetName() == "call" || x.GetName() == "line" {
				continue
			}
			count++
			x = proto.CloneOf(x)
			x.Name = ""
			x.Attributes = slices.DeleteFunc(x.GetAttributes(), func(a *klinkev1.Attribute) bool { return a.GetName() == "account_teams" })
			if first == nil {
				first = x
			}
			if !proto.Equal(x, first) {
				t.Errorf("%s: module %d is not like the first", name, count)
			}
		}
		if count != 8 {
			t.Errorf("%s: %d modules, want 8", name, count)
		}
	}
}
