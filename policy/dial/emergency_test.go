// These tests prove that an emergency number is recognised however it is written, exactly and never by prefix, with and
// without access digits, and that missing data let it pass.
package dial

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func TestEmergency(t *testing.T) {
	p := plan(t, overlay(), sites())
	for _, c := range []struct {
		site, raw string
		want      bool
	}{
		{"berlin", "112", true}, {"berlin", "110", true}, {"", "112", true},
		// every spelling
		{"berlin", " 1-1-2 ", true}, {"berlin", "(112)", true}, {"berlin", "1/1.2", true}, {"berlin", "1\u00a01\u20112", true},
		{"berlin", "\u202a112\u202c", true}, {"berlin", "١١٢", true}, {"berlin", "۱۱۰", true}, {"berlin", "１１２", true}, {"berlin", "𝟏𝟏𝟐", true},
		{"berlin", "tel:112", true}, {"berlin", "TEL:1-1-2;phone-context=+49", true}, {"berlin", "tel:112;ext=5", true},
		{"berlin", "112#", true}, {"berlin", strings.Repeat(" ", 4000) + "112", true}, {"berlin", "tel:112;" + strings.Repeat("x", 4000), true},
		// never by prefix or part
		{"berlin", "1120", false}, {"berlin", "116117", false}, {"berlin", "11", false}, {"berlin", "1", false}, {"berlin", "1122", false},
		{"berlin", "1112", false}, {"berlin", "112112", false}, {"berlin", "0112", false}, {"berlin", "+112", false}, {"berlin", "+49112", false},
		{"berlin", "00112", false}, {"berlin", "112*", false}, {"berlin", "*112", false}, {"berlin", "#112", false}, {"berlin", "112##", false},
		{"berlin", "112a", false}, {"berlin", "112\x00", false}, {"berlin", "112\xff", false}, {"berlin", "", false}, {"berlin", "#", false},
		{"berlin", "+", false}, {"berlin", "tel:", false}, {"berlin", "tel:tel:112", false}, {"berlin", strings.Repeat("112", 2000), false},
		// other places' numbers
		{"berlin", "911", false}, {"berlin", "999", false}, {"berlin", "000", false}, {"boston", "110", false}, {"london", "110", false},
		// access digits
		{"bonn", "0112", true}, {"bonn", "0-110", true}, {"bonn", "112", true}, {"bonn", "00112", false}, {"bonn", "01120", false}, {"bonn", "9112", false},
		{"dallas", "911", true}, {"dallas", "9911", true}, {"dallas", "9-911", true}, {"dallas", "9112", true}, {"dallas", "9116", false},
		{"dallas", "911#", true}, {"dallas", "99911", false}, {"dallas", "9110", false}, {"boston", "9911", false}, {"boston", "9116", false},
		{"london", "999", true}, {"london", "9999", true}, {"london", "99999", false}, {"sydney", "000", true}, {"sydney", "0000", true},
		{"sydney", "00000", false}, {"sydney", "00", false}, {"sydney", "0", false},
		// the operator's own numbers of a site
		{"bonn", "5555", true}, {"bonn", "05555", true}, {"bonn", "116117", true}, {"bonn", "0116117", true}, {"berlin", "5555", false}, {"köln", "5555", false}, {"köln", "0110", true},
		// a site that is not known: those of all sites and regions
		{"paris", "112", true}, {"paris", "911", true}, {"paris", "000", true}, {"paris", "9999", true}, {"paris", "5555", true}, {"paris", "0110", true},
		{"paris", "9116", false}, {"paris", "1120", false}, {"paris", "204", false},
	} {
		if got := p.Emergency(c.site, c.raw); got != c.want {
			t.Errorf("Emergency(%q, %.40q) = %v, want %v", c.site, c.raw, got, c.want)
		}
		n := p.Normalise(c.site, c.raw)
		if n.Emergency != c.want {
			t.Errorf("Normalise(%q, %.40q).Emergency = %v, want %v", c.site, c.raw, n.Emergency, c.want)
		}
		if c.want && (n.E164 != "" || n.Type != unknown) {
			t.Errorf("Normalise(%q, %.40q) = %+v: an emergency number has no other meaning", c.site, c.raw, n)
		}
	}
}

func TestEmergencyWithoutSiteNamed(t *testing.T) {
	for _, c := range []struct {
		name  string
		sites []Site
		raw   string
		want  bool
	}{
		{"no sites: the default region", nil, "110", true},
		{"no sites: the default region", nil, "911", false},
		{"the default site", []Site{{ID: "a", Region: "DE"}, {ID: "b", Region: "US", AccessDigits: "9", Default: true}}, "9911", true},
		{"the default site", []Site{{ID: "a", Region: "DE"}, {ID: "b", Region: "US", AccessDigits: "9", Default: true}}, "110", false},
		{"sites but no default: all", []Site{{ID: "b", Region: "US", AccessDigits: "9"}}, "9911", true},
		{"sites but no default: all", []Site{{ID: "b", Region: "US", AccessDigits: "9"}}, "110", true},
		{"sites but no default: all", []Site{{ID: "b", Region: "US", AccessDigits: "9"}}, "1120", false},
	} {
		if got := plan(t, overlay(), c.sites).Emergency("", c.raw); got != c.want {
			t.Errorf("%s: Emergency(%q) = %v, want %v", c.name, c.raw, got, c.want)
		}
	}
}

func TestIsEmergencySomewhere(t *testing.T) {
	p := plan(t, overlay(), sites())
	for digits, want := range map[string]bool{
		"112": true, "911": true, "118": true, "5555": true, "0112": true, "9911": true, "1-1-2": true,
		"204": false, "1120": false, "116": false, "9116": false, "": false, "+112": false,
	} {
		if got := p.IsEmergencySomewhere(digits); got != want {
			t.Errorf("IsEmergencySomewhere(%q) = %v, want %v", digits, got, want)
		}
	}
	if before := plan(t, overlay(), nil); before.IsEmergencySomewhere("5555") || !before.IsEmergencySomewhere("999") {
		t.Error("a plan without sites must know the regions' numbers and no others")
	}
}

// What a site lists is what is an emergency number there.
func TestEmergencyNumbersOfASite(t *testing.T) {
	p := plan(t, overlay(), sites())
	for _, s := range sites() {
		n := 0
		for digits := range p.EmergencyNumbers(s.ID) {
			if n++; !p.Emergency(s.ID, digits) {
				t.Errorf("%s lists %q, which is no emergency number there", s.ID, digits)
			}
		}
		if n == 0 || n != len(p.sites[s.ID].emergency) {
			t.Errorf("%s lists %d numbers", s.ID, n)
		}
	}
}

func TestEmergencyAnywhere(t *testing.T) {
	for raw, want := range map[string]bool{
		"112": true, "911": true, "999": true, "000": true, "110": true, "10111": true, " " + "1-1-2": true, "tel:911": true, "١١٢": true, "911#": true,
		"0112": true, "9911": true, "9999": true, "0000": true, "0110": true, "9-911": true, "116": true, "010111": true,
		"9116": false, "0116": false, "1120": false, "116117": false, "115115": false, "204": false, "200": false, "4711": false, "5112": false,
		"8112": false, "00112": false, "99112": false, "+112": false, "": false, "11": false, "17": false, "112a": false, "*112": false, "0": false,
		"030123456": false, "+4930123456": false, "118000": false, "11833": false,
	} {
		if got := EmergencyAnywhere(raw); got != want {
			t.Errorf("EmergencyAnywhere(%q) = %v, want %v", raw, got, want)
		}
	}
}

// The table of the world's emergency numbers is what the phone library's data say; an update that changes them must be
// looked at by people.
func TestWorldwideIsWhatTheLibraryKnows(t *testing.T) {
	data, err := phonenumbers.ShortNumberMetadataCollection()
	if err != nil {
		t.Fatal(err)
	}
	var patterns []*regexp.Regexp
	for _, m := range data.GetMetadata() {
		if pattern := m.GetEmergency().GetNationalNumberPattern(); pattern != "" && pattern != "NA" {
			patterns = append(patterns, regexp.MustCompile("^(?:"+pattern+")$"))
		}
	}
	if len(patterns) < 200 {
		t.Fatalf("the library knows the emergency numbers of only %d regions", len(patterns))
	}
	known := func(number string) bool {
		for _, re := range patterns {
			if re.MatchString(number) {
				return true
			}
		}
		return false
	}
	for i := range 1000 {
		n := fmt.Sprintf("%03d", i)
		if got, want := worldwide(n), known(n); got != want {
			t.Errorf("worldwide(%s) = %v, the library says %v", n, got, want)
		}
	}
	for _, n := range []string{"1122", "1220", "1298", "1444", "1669", "9999", "10111", "10177"} {
		if !worldwide(n) || !known(n) {
			t.Errorf("%s: table %v, library %v", n, worldwide(n), known(n))
		}
	}
}

func TestMalformedPlans(t *testing.T) {
	change := func(edit func(m *klinkev1.Model)) *klinkev1.Model {
		m := overlay()
		edit(m)
		return m
	}
	for _, c := range []struct {
		model *klinkev1.Model
		names string
	}{
		{change(func(m *klinkev1.Model) { m.Regions[1].Name = "DE"; m.Regions[1].Country = "49" }), "region DE: declared twice"},
		{change(func(m *klinkev1.Model) { m.Regions[0].Name = "" }), "region without a name"},
		{change(func(m *klinkev1.Model) { m.DefaultRegion = "FR" }), `"FR"`},
		{change(func(m *klinkev1.Model) { m.DefaultRegion = "" }), "default region"},
		{&klinkev1.Model{DefaultRegion: "DE"}, `"DE"`},
		{change(func(m *klinkev1.Model) { m.Regions[0].Country = "" }), "region DE: country"},
		{change(func(m *klinkev1.Model) { m.Regions[0].Country = "+49" }), "region DE: country"},
		{change(func(m *klinkev1.Model) { m.Regions[0].Country = "049" }), "region DE: country"},
		{change(func(m *klinkev1.Model) { m.Regions[0].Country = "4949" }), "region DE: country"},
		{change(func(m *klinkev1.Model) { m.Regions[0].Country = "1" }), "region DE: its country calling code is 49"},
		{change(func(m *klinkev1.Model) { m.Regions[1].Name = "XY"; m.Regions[1].Country = "999" }), "region XY: no country"},
		{change(func(m *klinkev1.Model) { m.Regions[1].Name = "XY"; m.Regions[1].Country = "979" }), "region XY: no country"},
		{change(func(m *klinkev1.Model) { m.Regions[0].Trunk = "0a" }), "region DE: trunk"},
		{change(func(m *klinkev1.Model) { m.Regions[0].Trunk = "0000" }), "region DE: trunk"},
		{change(func(m *klinkev1.Model) { m.Regions[0].International = "" }), "region DE: international"},
		{change(func(m *klinkev1.Model) { m.Regions[0].International = "000000" }), "region DE: international"},
		{change(func(m *klinkev1.Model) { m.Regions[0].Emergency = []string{"11"} }), `region DE: emergency number "11"`},
		{change(func(m *klinkev1.Model) { m.Regions[0].Emergency = []string{"1121121"} }), `region DE: emergency number "1121121"`},
		{change(func(m *klinkev1.Model) { m.Regions[0].Emergency = []string{"11x"} }), `region DE: emergency number "11x"`},
		{without(entry("49", national)), `"49"`},
		{without(entry("", national)), `""`},
		{without(entry("+49 30", national)), `"+49 30"`},
		{without(entry("+1234567890123456", national)), "15 digits"},
		{without(entry("+49", national), entry("+49", premium)), `"+49": declared twice`},
		{without(entry("+49", unknown)), "no such type"},
		{without(entry("+49", 99)), "no such type"},
		{without(entry("+49", klinkev1.NumberType_NUMBER_TYPE_INTERNAL)), "extensions"},
	} {
		if p, err := NewPlan(c.model); err == nil || p != nil || !strings.Contains(err.Error(), c.names) {
			t.Errorf("NewPlan: %v, want an error with %s", err, c.names)
		}
	}
	p := plan(t, overlay(), nil)
	for _, c := range []struct {
		sites []Site
		names string
	}{
		{[]Site{{Region: "DE"}}, "site without an id"},
		{[]Site{{ID: "a", Region: "FR"}}, `site a: the model has no region "FR"`},
		{[]Site{{ID: "a", Region: "DE"}, {ID: "a", Region: "DE"}}, "site a: declared twice"},
		{[]Site{{ID: "a", Region: "DE", Default: true}, {ID: "b", Region: "DE", Default: true}}, "site b: a tenant has one default"},
		{[]Site{{ID: "a", Region: "DE", AccessDigits: "0000"}}, "site a: access digits"},
		{[]Site{{ID: "a", Region: "DE", AccessDigits: "*"}}, "site a: access digits"},
		{[]Site{{ID: "a", Region: "DE", Emergency: []string{"12"}}}, `site a: emergency number "12"`},
	} {
		if q, err := p.WithSites(c.sites); err == nil || q != nil || !strings.Contains(err.Error(), c.names) {
			t.Errorf("WithSites: %v, want an error with %s", err, c.names)
		}
	}
}

func TestSites(t *testing.T) {
	bare := plan(t, overlay(), nil)
	p := plan(t, overlay(), sites())
	if bare.HasSite("berlin") || !p.HasSite("berlin") || p.HasSite("paris") || p.HasSite("") {
		t.Error("HasSite must know exactly the sites given, and WithSites must leave its plan alone")
	}
	back, err := p.WithSites(nil)
	if err != nil || back.HasSite("berlin") || back.IsEmergencySomewhere("5555") {
		t.Errorf("WithSites(nil) keeps sites: %v", err)
	}
	province := overlay()
	province.Regions = append(province.Regions, &klinkev1.Region{Name: "Bavaria", Country: "49", Trunk: "0", International: "00"})
	q := plan(t, province, []Site{{ID: "munich", Region: "Bavaria"}})
	if got := q.Normalise("munich", "030 123456"); got.E164 != "+4930123456" || got.Type != national {
		t.Errorf("a region of the vendor's own name: %+v", got)
	}
}
