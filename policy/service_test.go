// These tests prove what a class of service admits: by the longest prefix, by type and by the hour, for each purpose and for
// whoever has it; that no class reaches an emergency number, nor a class what is no number; and what a class may not be.
package policy_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

const exchangeModel = `
model: exchange
combine: highest
regions:
  DE: {country: "49", trunk: "0", international: "00", emergency: ["112", "110"]}
  US: {country: "1", trunk: "1", international: "011", emergency: ["911"]}
  GB: {country: "44", trunk: "0", international: "00", emergency: ["112", "999"]}
default_region: DE
number_types: {"+49900": premium, "+4911833": directory}
classes:
  open: {types: [internal, national, mobile, freephone, shared_cost, directory, international]}
  internal: {types: [internal]}
default_class: {dialling: open, forwarding: internal, transfer: internal}
levels: {yes_no: {none: [], any: any}}
types:
  call:
    attributes: {destination: number, site: "site?"}
    actions:
      place:    {emergency: {destination: allow}, gate: [{number_class: destination, of: dialling}]}
      forward:  {emergency: {destination: deny}, gate: [{number_class: destination, of: forwarding}]}
      transfer: {gate: [{number_class: destination, of: transfer}]}
      hand_over: {gate: [{number_class: destination, fixed: internal}]}
`

const exchangeCompany = `
sites: {berlin: {region: DE, default: true}, dallas: {region: US, access: "9"}}
departments: {firm: {}, sales: {under: firm, members: [anna]}}
groups: {outer: {members: ["group:team"]}, team: {members: [anna]}}
roles: {lead: {}, clerk: {under: lead}}
users: {anna: {roles: [clerk]}, bert: {}, gone: {active: false}}
lists: {extensions: ["201", "202", "2901", "4711"]}
`

// calls asks whether Anna may call a number, at noon in Berlin unless the question says when.
func (c *company) calls(action, number, more string) bool {
	c.tb.Helper()
	allow, _ := c.ask(c.s, "anna "+action+` call:c, facts: {destination: "`+number+`"`+more)
	return allow
}

func TestAClassAdmitsByPrefixThenByType(t *testing.T) {
	const own = `
classes:
  own:
    types: [internal, national, premium]
    prefixes: {"+49": deny, "+4930": allow, "+493012": deny, "+4930123": allow, "+49900": deny, "+499001234567": allow, "+1": allow, "+1876": deny, "+999": allow,
               "29": deny, "4": deny, "47": allow, "0": allow, "1": allow, "9": allow, "112": allow, "+112": allow}
limits: [{limit: dialling, to: anna, values: [own]}]
`
	for _, c := range []struct {
		number string
		allow  bool
	}{
		// The longest prefix decides, in both directions, whatever the type.
		{"+49 89 123456", false}, {"030 4567890", true}, {"030 1245678", false}, {"030 1234567", true}, {"0049 30 1234567", true},
		{"+1 212 555 0100", true}, {"+1 876 555 1234", false},
		// A prefix may be a whole number, and one longer than the number is none.
		{"0900 1234567", true}, {"0900 1234568", false},
		// What has no prefix goes by its type, and what has neither is refused.
		{"201", true}, {"+44 20 7946 0000", false}, {"0151 12345678", false},
		// Extensions have prefixes of their own, and numbers with country code others: 49 is not +49.
		{"2901", false}, {"4711", true},
		// What is no extension and no number is in no class, whatever it begins with.
		{"203", false}, {"4712", false}, {"12", false}, {"1-800-FLOWERS", false}, {"030 1234567 ext. 5", false}, {"+4930x1234567", false},
		{"+49 30 4567 8901 2345", false}, {"0049 30 4567 8901 2345", false}, {"9116", false}, {"*21*03012345#", false}, {"", false}, {"+", false},
		{"+999 12345678", false}, {"+0 30 1234567", false},
		// Other scripts' digits and the key "dial now" are no letters.
		{"٠٣٠٤٥٦٧٨٩٠", true}, {"０３０１２４５６７８", false}, {"030 4567890#", true}, {"tel:+49-30-4567890;ext=55", true},
	} {
		x := newCompany(t, exchangeModel, exchangeCompany)
		x.must(own)
		if got := x.calls("place", c.number, "}"); got != c.allow {
			t.Errorf("%q: %t, want %t", c.number, got, c.allow)
		}
	}
}

// A class without prefixes admits what its types say, and nothing of an unknown type.
func TestAClassAdmitsItsTypes(t *testing.T) {
	types := map[string]string{
		"internal": "201", "national": "030 1234567", "mobile": "0151 12345678", "freephone": "0800 1234567", "shared_cost": "0180 5 12345",
		"premium": "0900 1234567", "directory": "11833", "international": "+44 20 7946 0000", "international_premium": "+1 900 555 1234", "satellite": "+881 6 1234 5678",
	}
	x := newCompany(t, exchangeModel, exchangeCompany)
	x.must("limits: [{limit: dialling, to: anna, values: [own]}]\nclasses: {own: {}}")
	for admitted := range types {
		x.must("classes: {own: {types: [" + admitted + "]}}")
		for kind, number := range types {
			if got := x.calls("place", number, "}"); got != (kind == admitted) {
				t.Errorf("a class of %s admits %s, %q: %t", admitted, kind, number, got)
			}
		}
		if x.calls("place", "116117", "}") || x.calls("place", "+44 1632 960000", "}") {
			t.Errorf("a class of %s admits what has no type", admitted)
		}
	}
}

func TestAClassHasHours(t *testing.T) {
	const never = ""
	class := func(hours, zone string) string {
		return "classes: {own: {types: [national, mobile], prefixes: {+4989: allow}, hours: {national: " + hours + "}, zone: " + zone + "}}\nlimits: [{limit: dialling, to: anna, values: [own]}]"
	}
	const (
		day    = `["09:00", "17:00"]`
		night  = `["22:00", "06:00"]`
		twice  = `[["08:00", "12:00"], ["13:00", "17:00"]]`
		always = `["00:00", "24:00"]`
		berlin = "Europe/Berlin"
	)
	for _, c := range []struct {
		hours, zone, at string
		allow           bool
		until           string
	}{
		{day, berlin, "2026-01-05T07:59:59.999999999Z", false, "2026-01-05T08:00:00Z"},
		{day, berlin, "2026-01-05T08:00:00Z", true, "2026-01-05T16:00:00Z"},
		{day, berlin, "2026-01-05T15:59:59.999999999Z", true, "2026-01-05T16:00:00Z"},
		{day, berlin, "2026-01-05T16:00:00Z", false, "2026-01-06T08:00:00Z"},
		{day, "Asia/Tokyo", "2026-01-05T16:00:00Z", false, "2026-01-06T00:00:00Z"},
		{day, "Asia/Tokyo", "2026-01-05T00:00:00Z", true, "2026-01-05T08:00:00Z"},
		{day, berlin, "2026-01-10T09:00:00Z", true, "2026-01-10T16:00:00Z"}, // a Saturday
		{twice, berlin, "2026-01-05T11:00:00Z", false, "2026-01-05T12:00:00Z"},
		{twice, berlin, "2026-01-05T12:00:00Z", true, "2026-01-05T16:00:00Z"},
		// Over midnight, where the answer could change and does not.
		{night, berlin, "2026-01-05T20:59:59.999999999Z", false, "2026-01-05T21:00:00Z"},
		{night, berlin, "2026-01-05T21:00:00Z", true, "2026-01-05T23:00:00Z"},
		{night, berlin, "2026-01-05T22:59:59.999999999Z", true, "2026-01-05T23:00:00Z"},
		{night, berlin, "2026-01-05T23:00:00Z", true, "2026-01-06T05:00:00Z"},
		{night, berlin, "2026-01-06T04:59:59.999999999Z", true, "2026-01-06T05:00:00Z"},
		{night, berlin, "2026-01-06T05:00:00Z", false, "2026-01-06T21:00:00Z"},
		{`["22:00", "00:00"]`, berlin, "2026-01-05T22:59:59Z", true, "2026-01-05T23:00:00Z"},
		{`["22:00", "00:00"]`, berlin, "2026-01-05T23:00:00Z", false, "2026-01-06T21:00:00Z"},
		{always, berlin, "2026-01-05T23:00:00Z", true, "2026-01-06T23:00:00Z"},
		// On 29 March 2026 the clocks of Berlin go from 2 to 3, at 01:00Z: nine o'clock comes an hour earlier, and a night is short.
		{day, berlin, "2026-03-28T08:00:00Z", true, "2026-03-28T16:00:00Z"},
		{day, berlin, "2026-03-29T07:00:00Z", true, "2026-03-29T15:00:00Z"},
		{day, berlin, "2026-03-29T06:59:59Z", false, "2026-03-29T07:00:00Z"},
		{night, berlin, "2026-03-29T03:59:59Z", true, "2026-03-29T04:00:00Z"},
		{night, berlin, "2026-03-29T04:00:00Z", false, "2026-03-29T20:00:00Z"},
		{`["02:00", "03:00"]`, berlin, "2026-03-29T00:59:59Z", false, "2026-03-29T01:00:00Z"},
		{`["02:00", "03:00"]`, berlin, "2026-03-29T01:00:00Z", false, "2026-03-30T00:00:00Z"}, // the hour that there is not
		// On 25 October they go from 3 back to 2, at 01:00Z: the hours from 2 until 3 are there twice, and a night is long.
		{day, berlin, "2026-10-25T08:00:00Z", true, "2026-10-25T16:00:00Z"},
		{day, berlin, "2026-10-25T07:59:59Z", false, "2026-10-25T08:00:00Z"},
		{night, berlin, "2026-10-25T00:30:00Z", true, "2026-10-25T05:00:00Z"},
		{night, berlin, "2026-10-25T01:30:00Z", true, "2026-10-25T05:00:00Z"},
		{night, berlin, "2026-10-25T05:00:00Z", false, "2026-10-25T21:00:00Z"},
	} {
		x := newCompany(t, exchangeModel, exchangeCompany)
		x.must(class(c.hours, c.zone))
		got, told := x.ask(x.s, `anna place call:c, facts: {destination: "030 1234567"}, at: `+c.at)
		until := never
		if told.ValidUntil != nil {
			until = told.ValidUntil.AsTime().Format(time.RFC3339Nano)
		}
		if got != c.allow || until != c.until {
			t.Errorf("%s in %s at %s: %t until %q, want %t until %q", c.hours, c.zone, c.at, got, until, c.allow, c.until)
		}
		// Hours are of one type: a prefix decides at any hour, other types have none.
		for _, number := range []string{"089 1234567", "0151 12345678"} {
			if got, told := x.ask(x.s, `anna place call:c, facts: {destination: "`+number+`"}, at: `+c.at); !got || told.ValidUntil != nil {
				t.Errorf("%s at %s: %s: %t until %v", c.hours, c.at, number, got, told.ValidUntil)
			}
		}
	}
}

// Each purpose has its own classes: a person's, those of what he belongs to, the most specific alone, else the default.
func TestAClassIsForAPurpose(t *testing.T) {
	const number = "030 1234567"
	limit := func(purpose, to, values string) string {
		return `{limit: ` + purpose + `, to: "` + to + `", values: [` + values + "]}"
	}
	for _, c := range []struct {
		limits   string
		place    bool
		forward  bool
		transfer bool
	}{
		{"", true, false, false},
		{limit("forwarding", "anna", "open"), true, true, false},
		{limit("transfer", "anna", "open"), true, false, true},
		{limit("dialling", "anna", "internal"), false, false, false},
		{limit("dialling", "anna", ""), false, false, false}, // no class at all
		{limit("dialling", "anna", "internal, own"), true, false, false},
		{limit("dialling", "bert", "internal"), true, false, false},
		{limit("dialling", "anna", "internal") + ", " + limit("dialling", "group:team", "open"), false, false, false},
		{limit("dialling", "anna", "open") + ", " + limit("dialling", "group:team", "internal"), true, false, false},
		{limit("dialling", "group:outer", "internal") + ", " + limit("dialling", "role:clerk", "open"), false, false, false},
		{limit("dialling", "group:team", "internal") + ", " + limit("dialling", "group:outer", "own"), true, false, false},
		{limit("dialling", "role:clerk", "internal") + ", " + limit("dialling", "department:sales", "open"), false, false, false},
		{limit("forwarding", "role+:lead", "own") + ", " + limit("forwarding", "department:sales", "internal"), true, true, false},
		{limit("forwarding", "department+:firm", "own") + ", " + limit("forwarding", "everybody", "internal"), true, true, false},
		{limit("dialling", "everybody", "internal") + ", " + limit("transfer", "everybody", "own"), false, false, true},
	} {
		x := newCompany(t, exchangeModel, exchangeCompany)
		x.must("classes: {own: {prefixes: {+4930: allow}}}\nlimits: [" + c.limits + "]")
		for action, want := range map[string]bool{"place": c.place, "forward": c.forward, "transfer": c.transfer, "hand_over": false} {
			if got := x.calls(action, number, "}"); got != want {
				t.Errorf("%s: %s: %t, want %t", c.limits, action, got, want)
			}
			if c.limits == "" && !x.calls(action, "201", "}") {
				t.Errorf("%s: the class for all does not admit an extension", action)
			}
		}
	}
}

// A class of the tenant's stands before the model's of the same name, wherever that is named, until it is deleted.
func TestATenantsClassStandsBeforeTheModels(t *testing.T) {
	x := newCompany(t, exchangeModel, exchangeCompany)
	for i, c := range []struct {
		records string
		changes int
		place   bool // 030 1234567
		hand    bool // by the fixed class `internal`
	}{
		{"", 0, true, false},
		{"-classes: {open: , internal: }", 0, true, false}, // the model's own are not the tenant's to delete
		{"classes: {open: {types: [mobile]}}", 1, false, false},
		{"classes: {open: {types: [mobile]}}", 0, false, false},
		{"classes: {internal: {types: [national, internal], prefixes: {\"20\": deny, \"+1\": deny}}}", 1, false, true},
		{"classes: {internal: {prefixes: {\"+1\": deny, \"20\": deny}, types: [internal, national]}}", 0, false, true}, // in another order
		{"-classes: {open: }", 1, true, true},
		{"-classes: {open: , internal: }", 1, true, false},
	} {
		if c.records != "" {
			if out := x.must(c.records); len(out.Changes) != c.changes {
				t.Errorf("%d, %s: %v", i, c.records, out.Changes)
			}
		}
		policy.Audit(t, x.s)
		if place, hand := x.calls("place", "030 1234567", "}"), x.calls("hand_over", "030 1234567", "}"); place != c.place || hand != c.hand {
			t.Errorf("%d, %s: place %t, hand over %t, want %t, %t", i, c.records, place, hand, c.place, c.hand)
		}
	}
}

// An emergency number is in no class, and no class is asked of it: the call passes before everything else.
func TestAnEmergencyIsInNoClass(t *testing.T) {
	x := newCompany(t, exchangeModel, exchangeCompany)
	x.must(`
classes: {none: {prefixes: {"112": deny, "1": deny, "9": deny, "0": deny}}, all: {types: [internal, national], prefixes: {"112": allow, "1": allow, "9": allow, "911": allow, "9911": allow}}}
limits: [{limit: dialling, to: everybody, values: [none]}, {limit: forwarding, to: everybody, values: [all]}, {limit: transfer, to: everybody, values: [all]}]
`)
	for _, c := range []struct {
		ask   string
		allow bool
	}{
		{`anna place call:c, facts: {destination: "112"}`, true},
		{`anna place call:c, facts: {destination: "1-1-2"}`, true},
		{`anna place call:c, facts: {destination: "112#"}`, true},
		{`anna place call:c, facts: {destination: "911", site: dallas}`, true},
		{`anna place call:c, facts: {destination: "9911", site: dallas}`, true},
		{`anna place call:c, facts: {destination: "911#", site: dallas}`, true},
		{`anna place call:c, facts: {destination: "9116", site: dallas}`, false},
		{`anna place call:c, facts: {destination: "911"}`, false}, // not in Berlin
		{`anna place call:c, facts: {destination: "1120"}`, false},
		{`anna place call:c, facts: {destination: "201"}`, false},
		{`gone place call:c, facts: {destination: "112"}`, true},
		{`gone place call:c, facts: {destination: "201"}`, false},
		{`nobody place call:c, facts: {destination: "112"}`, true},
		{`anna forward call:c, facts: {destination: "112"}`, false},
		{`anna forward call:c, facts: {destination: "911", site: dallas}`, false},
		{`anna transfer call:c, facts: {destination: "112"}`, false},
		{`anna transfer call:c, facts: {destination: "9911", site: dallas}`, false},
		{`anna forward call:c, facts: {destination: "201"}`, true},
		{`anna transfer call:c, facts: {destination: "201"}`, true},
	} {
		got, told := x.ask(x.s, c.ask)
		if got != c.allow {
			t.Errorf("%s: %t %v", c.ask, got, told)
		}
		q, _ := x.question(c.ask)
		before, settled := x.s.Emergency(q)
		if settled != (told.GetReason() == klinkev1.Reason_REASON_EMERGENCY) || settled && before.Allow != c.allow {
			t.Errorf("%s: before everything else %t %+v, then %v", c.ask, settled, before, told)
		}
	}
}

// An extension that is an emergency number is refused, whichever of the two is configured last.
func TestNoExtensionIsAnEmergencyNumber(t *testing.T) {
	const refused = policy.Refused
	for _, c := range []struct{ before, change, want string }{
		{"", `put{listed_number{list:"extensions" number:"110"}}`, "put.listed_number.number: 110 is an emergency number, so it cannot be an extension"},
		{"", `put{listed_number{list:"extensions" number:"999"}}`, "put.listed_number.number: 999 is an emergency number, so it cannot be an extension"},
		{"", `put{listed_number{list:"extensions" number:"9911"}}`, "put.listed_number.number: 9911 is an emergency number, so it cannot be an extension"},
		{"", `put{emergency_number{site:"berlin" number:"201"}}`, "put.emergency_number.number: 201 is an extension of this tenant; delete that first"},
		{"", `put{emergency_number{site:"dallas" number:"201"}}`, "put.emergency_number.number: 201 is an extension of this tenant; delete that first"},
		{`lists: {extensions: ["9201"]}`, `put{emergency_number{site:"dallas" number:"2015"}}`, ""},
		{`lists: {extensions: ["92015"]}`, `put{emergency_number{site:"dallas" number:"2015"}}`, "put.emergency_number.number: extension 92015 would be an emergency number; delete it first"},
		{`lists: {extensions: ["0112"]}`, `put{site{id:"bonn" region:"DE" access_digits:"0"}}`, "put.site.region: extension 0112 would be an emergency number; delete it first"},
	} {
		x := newCompany(t, exchangeModel, exchangeCompany)
		if c.before != "" {
			x.must(c.before)
		}
		if c.want != "" {
			x.refuses(x.change(c.change), refused, "changes[1]."+c.want)
		} else if _, err := policy.Apply(x.s, x.change(c.change), x.stamp()); err != nil {
			t.Errorf("%s: %v", c.change, err)
		}
	}
}

func TestClassesThatCannotBe(t *testing.T) {
	const (
		invalid  = policy.Invalid
		noPrefix = `is no prefix: write + and the first digits of numbers (+4930), or the first digits of extensions alone (20)`
	)
	x := newCompany(t, exchangeModel, exchangeCompany)
	x.must("classes: {own: {}, spare: {}}\nlimits: [{limit: dialling, to: group:team, values: [own]}, {limit: forwarding, to: anna, values: [spare]}]")
	for _, c := range []struct {
		change string
		kind   policy.Kind
		want   string
	}{
		{`put{service_class{}}`, invalid, `name: an identifier may not be empty`},
		{`put{service_class{name:"a" types:[0]}}`, invalid, `types[0]: unknown number type 0`},
		{`put{service_class{name:"a" types:[1, 99]}}`, invalid, `types[1]: unknown number type 99`},
		{`put{service_class{name:"a" types:[1, 2, 1]}}`, invalid, `types[2]: NUMBER_TYPE_INTERNAL stands twice`},
		{`put{service_class{name:"a" prefixes{prefix:"+49"} prefixes{prefix:"+49x"}}}`, invalid, `prefixes[1].prefix: "+49x" ` + noPrefix},
		{`put{service_class{name:"a" prefixes{prefix:"FLOWERS"}}}`, invalid, `prefixes[0].prefix: "FLOWERS" ` + noPrefix},
		{`put{service_class{name:"a" prefixes{prefix:"+49 30"}}}`, invalid, `prefixes[0].prefix: "+49 30" ` + noPrefix},
		{`put{service_class{name:"a" prefixes{prefix:"49+"}}}`, invalid, `prefixes[0].prefix: "49+" ` + noPrefix},
		{`put{service_class{name:"a" prefixes{prefix:"٤٩"}}}`, invalid, `prefixes[0].prefix: "٤٩" ` + noPrefix},
		{`put{service_class{name:"a" prefixes{prefix:"+"}}}`, invalid, `prefixes[0].prefix: "+" ` + noPrefix},
		{`put{service_class{name:"a" prefixes{}}}`, invalid, `prefixes[0].prefix: "" ` + noPrefix},
		{`put{service_class{name:"a" prefixes{prefix:"+1234567890123456"}}}`, invalid, `prefixes[0].prefix: "+1234567890123456" ` + noPrefix},
		{`put{service_class{name:"a" prefixes{prefix:"+49"} prefixes{prefix:"+49" deny:true}}}`, invalid, `prefixes[1].prefix: the prefix +49 stands twice`},
		{`put{service_class{name:"a" zone:"UTC"}}`, invalid, `zone: a time zone without hours`},
		{`put{service_class{name:"a" types:[2] hours{type:2 until{seconds:60}}}}`, invalid, `hours[0]: no time zone is named ""`},
		{`put{service_class{name:"a" types:[2] zone:"Mars" hours{type:2 until{seconds:60}}}}`, invalid, `hours[0]: no time zone is named "Mars"`},
		{`put{service_class{name:"a" types:[2] zone:"Local" hours{type:2 until{seconds:60}}}}`, invalid, `hours[0]: no time zone is named "Local"`},
		{`put{service_class{name:"a" types:[2] zone:"UTC" hours{type:3 until{seconds:60}}}}`, invalid, `hours[0].type: the class does not admit this type at all`},
		{`put{service_class{name:"a" types:[2] zone:"UTC" hours{until{seconds:60}}}}`, invalid, `hours[0].type: the class does not admit this type at all`},
		{`put{service_class{name:"a" types:[2] zone:"UTC" hours{type:2}}}`, invalid, `hours[0]: hours from 0s until 0s: whole minutes of one day, the end after the beginning`},
		{`put{service_class{name:"a" types:[2] zone:"UTC" hours{type:2 until{seconds:61}}}}`, invalid, `hours[0]: hours from 0s until 1m1s: whole minutes of one day, the end after the beginning`},
		{`put{service_class{name:"a" types:[2] zone:"UTC" hours{type:2 until{seconds:86460}}}}`, invalid, `hours[0]: hours from 0s until 24h1m0s: whole minutes of one day, the end after the beginning`},
		{`put{service_class{name:"a" types:[2] zone:"UTC" hours{type:2 from{seconds:86460} until{seconds:60}}}}`, invalid, `hours[0]: hours from 24h1m0s until 1m0s: whole minutes of one day, the end after the beginning`},
		{`put{service_class{name:"a" types:[2] zone:"UTC" hours{type:2 from{seconds:60} until{seconds:-60}}}}`, invalid, `hours[0]: hours from 1m0s until -1m0s: whole minutes of one day, the end after the beginning`},
		{`put{limit{name:"dialling" holder:"user:anna" value:"none"}}`, invalid, `no class of service is named "none"`},
		{`delete{service_class{name:"own"}}`, policy.Refused, `name: class "own" is still somebody's: delete the limits that name it first`},
		{`delete{service_class{name:"spare"}}`, policy.Refused, `name: class "spare" is still somebody's: delete the limits that name it first`},
	} {
		at := "changes[1]." + c.change[:strings.IndexByte(c.change, '{')] + ".service_class."
		if strings.Contains(c.change, "limit{") {
			at = "changes[1].put.limit.value: "
		}
		x.refuses(x.change(c.change), c.kind, at+c.want)
	}
	x.must("-limits: [{limit: forwarding, to: anna, values: [spare]}]")
	x.must("-classes: {spare: }")
}

// Another model is used only where the limits that name its classes still can.
func TestModelsMustHaveTheClassesInUse(t *testing.T) {
	for _, c := range []struct{ records, from, to, want string }{
		{"limits: [{limit: dialling, to: anna, values: [internal]}]", "  internal: {types: [internal]}", "  inside: {types: [internal]}", `limit.value: no class of service is named "internal" (of the record with the key ["dialling" "user:anna" "internal"])`},
		{"classes: {internal: {types: [mobile]}}\nlimits: [{limit: dialling, to: anna, values: [internal]}]", "  internal: {types: [internal]}", "  inside: {types: [internal]}", ""},
		{"limits: [{limit: transfer, to: anna, values: [internal]}]", "      transfer: {gate: [{number_class: destination, of: transfer}]}\n", "", ""},
	} {
		x := newCompany(t, exchangeModel, exchangeCompany)
		x.must(c.records)
		other := strings.NewReplacer("model: exchange", "model: other", c.from, c.to, "internal, transfer: internal", "open, transfer: open", "fixed: internal", "fixed: open")
		x.model(other.Replace(exchangeModel))
		out, err := policy.Apply(x.s, x.change(`put{use_model{model:"other" version:1}}`), x.stamp())
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.records, err)
		case c.want == "":
			policy.Audit(t, out.Next)
		case err == nil || !strings.HasSuffix(err.Error(), ": "+c.want):
			t.Errorf("%s: %v, want %s", c.records, err, c.want)
		}
	}
}

// What a tenant's classes are can be written as an account file, and applied again.
func TestClassesRoundTrip(t *testing.T) {
	const records = `
classes:
  own: {types: [premium, internal, mobile], prefixes: {"29": deny, "+4930": allow, "+49": deny},
        hours: {premium: ["22:00", "06:00"], internal: [["13:00", "18:00"], ["08:00", "12:00"]]}, zone: Europe/Berlin}
  open: {types: [mobile]}
  closed: {}
limits: [{limit: dialling, to: anna, values: [own, closed]}, {limit: forwarding, to: everybody, values: [open]}]
`
	x := newCompany(t, exchangeModel, exchangeCompany)
	var put []*klinkev1.Record
	for _, c := range slices.Concat(x.changes(exchangeCompany), x.must(records).Changes) {
		put = append(put, c.GetPut())
	}
	var file bytes.Buffer
	e := account.NewEncoder(&file, "t", "")
	for _, kind := range account.Kinds() {
		for _, r := range put {
			if k, _ := policy.RecordKey(r); k == kind {
				if err := e.Put(r); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	y := newCompany(t, exchangeModel, strings.TrimPrefix(file.String(), "tenant: t\n"))
	if got, want := policy.Dump(y.s), policy.Dump(x.s); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q\n%s", got, want, file.String())
	}
	if out := x.must(strings.TrimPrefix(file.String(), "tenant: t\n")); len(out.Changes) > 0 {
		t.Errorf("put again: %v", out.Changes)
	}
}
