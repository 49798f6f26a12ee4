// These tests prove that numbers dialled in every way people and devices write them become one canonical form, with the
// type that a class of service may rely on.
package dial

import (
	"strings"
	"testing"
	"unicode"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// overlay is the telephony overlay's dialling part (law/models/telephony.yaml), and Italy and Canada.
func overlay() *klinkev1.Model {
	m := &klinkev1.Model{DefaultRegion: "DE", Regions: []*klinkev1.Region{
		{Name: "DE", Country: "49", Trunk: "0", International: "00", Emergency: []string{"112", "110"}},
		{Name: "US", Country: "1", Trunk: "1", International: "011", Emergency: []string{"911", "112"}},
		{Name: "GB", Country: "44", Trunk: "0", International: "00", Emergency: []string{"999", "112"}},
		{Name: "AU", Country: "61", Trunk: "0", International: "0011", Emergency: []string{"000", "112"}},
		{Name: "IT", Country: "39", International: "00", Emergency: []string{"112", "118"}},
		{Name: "CA", Country: "1", Trunk: "1", International: "011", Emergency: []string{"911"}},
		{Name: "RU", Country: "7", Trunk: "8", International: "810", Emergency: []string{"112"}},
	}}
	for prefix, kind := range map[string]klinkev1.NumberType{
		"+49900": premium, "+49137": massTraffic, "+49180": sharedCost, "+49800": freephone, "+49118": directory,
		"+4915": mobile, "+4916": mobile, "+4917": mobile, "+49": national,
		"+870": satellite, "+871": satellite, "+872": satellite, "+873": satellite, "+874": satellite, "+875": satellite,
		"+876": satellite, "+877": satellite, "+878": satellite, "+879": satellite, "+881": satellite,
		"+979": premium, "+800": freephone, "+": international,
	} {
		m.NumberTypes = append(m.NumberTypes, &klinkev1.NumberTypePrefix{Prefix: prefix, Type: kind})
	}
	return m
}

// without is the overlay with no number types but these.
func without(types ...*klinkev1.NumberTypePrefix) *klinkev1.Model {
	m := overlay()
	m.NumberTypes = types
	return m
}

func entry(prefix string, kind klinkev1.NumberType) *klinkev1.NumberTypePrefix {
	return &klinkev1.NumberTypePrefix{Prefix: prefix, Type: kind}
}

func sites() []Site {
	return []Site{
		{ID: "berlin", Region: "DE", Default: true},
		{ID: "bonn", Region: "DE", AccessDigits: "0", Emergency: []string{"5555", "116117"}},
		{ID: "köln", Region: "DE", AccessDigits: "0"},
		{ID: "perth", Region: "AU"},
		{ID: "boston", Region: "US"},
		{ID: "dallas", Region: "US", AccessDigits: "9"},
		{ID: "london", Region: "GB", AccessDigits: "9"},
		{ID: "sydney", Region: "AU", AccessDigits: "0"},
		{ID: "rome", Region: "IT"},
		{ID: "toronto", Region: "CA"},
		{ID: "moscow", Region: "RU"},
	}
}

func plan(t testing.TB, m *klinkev1.Model, s []Site) *Plan {
	t.Helper()
	p, err := NewPlan(m)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = p.WithSites(s); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNormalise(t *testing.T) {
	p := plan(t, overlay(), sites())
	for _, c := range []struct {
		site, raw, want string
		kind            klinkev1.NumberType
	}{
		// every spelling of one number
		{"berlin", "+4930123456", "+4930123456", national},
		{"", "030 123456", "+4930123456", national},
		{"berlin", "(030) 12 34-56", "+4930123456", national},
		{"berlin", "030/123.456", "+4930123456", national},
		{"berlin", "030\u00a0123\u202f456", "+4930123456", national},
		{"berlin", "030\u2013123\u2011456\u2212", "+4930123456", national},
		{"berlin", "\u202a+49 30 123456\u202c", "+4930123456", national},
		{"berlin", "\ufeff030\u00ad123456", "+4930123456", national},
		{"berlin", "0049 30 123456", "+4930123456", national},
		{"berlin", "+49 (0) 30 123456", "+4930123456", national},
		{"berlin", "0049 (0)30 123456", "+4930123456", national},
		{"berlin", "tel:+49-30-123456", "+4930123456", national},
		{"berlin", "TEL:030123456", "+4930123456", national},
		{"berlin", "tel:+4930123456;ext=55", "+4930123456", national},
		{"boston", "tel:030123456;phone-context=+49", "+4930123456", international},
		{"boston", "tel:123456;isub=1;Phone-Context=+49-30", "+4930123456", international},
		{"berlin", "tel:030123456;phone-context=example.com", "+4930123456", national},
		{"berlin", "030123456#", "+4930123456", national},
		{"berlin", "٠٣٠١٢٣٤٥٦", "+4930123456", national},
		{"berlin", "+４９３０１２３４５６", "+4930123456", national},
		{"berlin", "０３０（１２３）４５６", "+4930123456", national},
		// not numbers
		{"berlin", "", "", unknown},
		{"berlin", " -", "", unknown},
		{"berlin", "+", "+", unknown},
		{"berlin", "030 12x34", "03012x34", unknown},
		{"berlin", "030123456 ext. 5", "030123456ext5", unknown},
		{"berlin", "1-800-FLOWERS", "1800FLOWERS", unknown},
		{"berlin", "*21*0900123456#", "*21*0900123456#", unknown},
		{"berlin", "#31#030123456", "#31#030123456", unknown},
		{"berlin", "#", "#", unknown},
		{"berlin", "++4930123456", "++4930123456", unknown},
		{"berlin", "030+123456", "030+123456", unknown},
		{"berlin", "sip:030123456@example.com", "sip:030123456@examplecom", unknown},
		{"berlin", "tel:tel:030123456", "tel:tel:030123456", unknown},
		{"berlin", "030\xff123456", "030\ufffd123456", unknown},
		{"berlin", "030\x00123456", "030\x00123456", unknown},
		{"berlin", "²³", "²³", unknown},
		// at most fifteen digits, though the library takes more
		{"berlin", "+493012345678901", "+493012345678901", national},
		{"berlin", "+4930123456789012", "+4930123456789012", unknown},
		{"berlin", "+49301234567890123", "+49301234567890123", unknown},
		{"berlin", "+493012345678901234", "+493012345678901234", unknown},
		{"berlin", strings.Repeat("0", 5000), strings.Repeat("0", 5000), unknown},
		{"berlin", "+0301234567", "+0301234567", unknown},
		{"berlin", "+99912345678", "+99912345678", unknown},
		{"berlin", "+49", "+49", unknown},
		// extensions, and a subscriber number whose area code nobody told
		{"berlin", "204", "204", unknown},
		{"berlin", "1234567", "1234567", unknown},
		{"berlin", "301234567", "301234567", unknown},
		{"boston", "5550100", "5550100", unknown},
		// access digits
		{"bonn", "0 030 1234", "+49301234", national},
		{"bonn", "030 1234", "+49301234", national},
		{"bonn", "0 0049 30 123456", "+4930123456", national},
		{"bonn", "0049 30 123456", "+4930123456", national},
		{"bonn", "0 00 44 20 7946 0000", "+442079460000", international},
		{"bonn", "+4930123456", "+4930123456", national},
		{"bonn", "0+4930123456", "0+4930123456", unknown},
		{"bonn", "00900 123456", "+49900123456", premium},
		{"bonn", "0900 1234567", "+499001234567", premium},
		{"bonn", "0 11833", "+4911833", directory},
		{"dallas", "9 1 212 555 0100", "+12125550100", national},
		{"dallas", "9 212 555 0100", "+12125550100", national},
		{"dallas", "1 212 555 0100", "+12125550100", national},
		{"dallas", "5 212 555 0100", "52125550100", unknown},
		{"dallas", "916 555 0100", "+19165550100", national},
		{"dallas", "9 011 49 30 123456", "+4930123456", international},
		{"dallas", "9116", "9116", unknown},
		{"dallas", "9 1 900 555 1234", "+19005551234", premium},
		{"berlin", "0030 1234567", "00301234567", unknown}, // Greece, too short; not Berlin
		{"berlin", "0030 21 0123 4567", "+302101234567", international},
		// countries with other habits
		{"rome", "06 1234 5678", "+390612345678", national},
		{"rome", "347 123 4567", "+393471234567", mobile},
		{"sydney", "1800 123 456", "+611800123456", freephone},
		{"sydney", "0 1800 123 456", "+611800123456", freephone},
		{"sydney", "0491 570 156", "+61491570156", mobile},
		{"sydney", "0 0011 49 30 123456", "+4930123456", international},
		{"moscow", "8 800 555 35 35", "+78005553535", freephone},
		{"moscow", "8 495 123 45 67", "+74951234567", national},
		{"moscow", "8 109 991 23 45", "81099912345", unknown}, // behind 810 is abroad, never Russia behind 8
		{"perth", "02 9374 4000", "+61293744000", national},
		{"perth", "00 2 9374 4000", "00293744000", unknown}, // two trunk prefixes
		// types at home
		{"berlin", "0151 12345678", "+4915112345678", mobile},
		{"berlin", "0800 1234567", "+498001234567", freephone},
		{"berlin", "0180 5 12345", "+49180512345", sharedCost},
		{"berlin", "0137 1 234567", "+491371234567", massTraffic},
		{"berlin", "0137 7 234567", "+491377234567", massTraffic},
		{"berlin", "11833", "+4911833", directory},
		{"berlin", "118000", "+49118000", directory},
		{"berlin", "+4911833", "+4911833", directory},
		{"berlin", "115", "115", unknown},
		{"berlin", "116117", "116117", unknown},
		{"berlin", "+49115", "+49115", unknown},
		{"berlin", "171234", "171234", unknown},
		{"boston", "212 555 0100", "+12125550100", national},
		{"boston", "800 253 0000", "+18002530000", freephone},
		{"london", "9 07400 123456", "+447400123456", mobile},
		{"london", "9 07911 123456", "+447911123456", international}, // Guernsey
		{"london", "070 1234 5678", "+447012345678", premium},
		// types abroad
		{"berlin", "0043 1 58058 0", "+431580580", international},
		{"berlin", "+41 79 123 45 67", "+41791234567", international},
		{"berlin", "+1 900 555 1234", "+19005551234", internationalPremium},
		{"berlin", "+1 800 253 0000", "+18002530000", international},
		{"berlin", "+44 70 1234 5678", "+447012345678", internationalPremium},
		{"berlin", "+44 1632 960000", "+441632960000", international},
		{"boston", "011 49 151 12345678", "+4915112345678", international},
		{"boston", "+49 900 123456", "+49900123456", internationalPremium},
		{"boston", "+49 137 1 234567", "+491371234567", internationalPremium},
		{"boston", "+49 800 1234567", "+498001234567", international},
		// one country code, many countries
		{"boston", "876 555 1234", "+18765551234", international},
		{"boston", "1 876 555 1234", "+18765551234", international},
		{"boston", "416 555 0100", "+14165550100", international},
		{"toronto", "416 555 0100", "+14165550100", national},
		{"toronto", "212 555 0100", "+12125550100", international},
		{"toronto", "800 253 0000", "+18002530000", freephone},
		{"london", "9 07624 123456", "+447624123456", international},
		// codes without a country
		{"berlin", "+800 1234 5678", "+80012345678", freephone},
		{"boston", "011 800 1234 5678", "+80012345678", freephone},
		{"berlin", "+979 123 456 789", "+979123456789", premium},
		{"berlin", "+870 773 111 632", "+870773111632", satellite},
		{"berlin", "+881 6 1234 5678", "+881612345678", satellite},
		{"berlin", "+882 13 123456", "+88213123456", satellite},
		{"berlin", "+883 5100 12345", "+883510012345", satellite},
		{"berlin", "+871 123 456 789", "+871123456789", satellite},
		{"berlin", "+888 1234 5678 901", "+88812345678901", internationalPremium},
		// a site that is not known: only the plus sign is sure, and no country is home
		{"paris", "030 123456", "030123456", unknown},
		{"paris", "+49 30 123456", "+4930123456", international},
	} {
		got := p.Normalise(c.site, c.raw)
		if got.Canonical() != c.want || got.Type != c.kind || got.Emergency {
			t.Errorf("%s %q = %q %v emergency=%v, want %q %v", c.site, c.raw, got.Canonical(), got.Type, got.Emergency, c.want, c.kind)
		}
		if (got.E164 != "") != (strings.HasPrefix(c.want, "+") && c.kind != unknown) {
			t.Errorf("%s %q: E164 = %q", c.site, c.raw, got.E164)
		}
	}
}

func TestNormaliseKeepsWhatWasDialled(t *testing.T) {
	p := plan(t, overlay(), sites())
	for _, c := range []struct{ raw, want string }{
		{"0 (30) 12-34", "0301234"}, {"+49 30 1234", "+49301234"}, {"tel:204;phone-context=pbx.example", "204"}, {"2-0-4", "204"},
	} {
		if got := p.Normalise("berlin", c.raw); got.Stripped != c.want {
			t.Errorf("%q: Stripped = %q, want %q", c.raw, got.Stripped, c.want)
		}
	}
}

func TestNumberTypesRefine(t *testing.T) {
	for _, c := range []struct {
		name      string
		model     *klinkev1.Model
		site, raw string
		kind      klinkev1.NumberType
	}{
		{"the library alone", without(), "berlin", "030 123456", national},
		{"the library alone", without(), "berlin", "0900 1234567", premium},
		{"the library alone", without(), "berlin", "+979 123 456 789", internationalPremium},
		{"the library alone", without(), "berlin", "+44 1632 960000", unknown},
		{"the library alone", without(), "berlin", "11833", unknown},
		{"the library alone", without(), "berlin", "+871 123 456 789", unknown},
		{"plus does not downgrade", without(entry("+", international)), "berlin", "+1 900 555 1234", internationalPremium},
		{"plus does not upgrade", without(entry("+", premium)), "berlin", "+1 212 555 0100", international},
		{"plus is not home", without(entry("+", international)), "berlin", "030 123456", national},
		{"plus is not home", without(entry("+", international)), "london", "01632 960000", unknown},
		{"a country's entry fills in", without(entry("+44", national)), "berlin", "+44 1632 960000", national},
		{"a country's entry leaves premium", without(entry("+49", national)), "berlin", "0900 1234567", premium},
		{"a country's entry leaves mobile", without(entry("+49", national)), "berlin", "0151 12345678", mobile},
		{"a neighbour at home tariff", without(entry("+43", national)), "berlin", "+43 1 58058 0", national},
		{"islands keep out", without(entry("+1", national)), "boston", "+1 876 555 1234", international},
		{"islands keep out", without(entry("+1", national)), "berlin", "+1 876 555 1234", international},
		{"neighbours keep out", without(entry("+1", national)), "toronto", "212 555 0100", international},
		{"the longest wins", without(entry("+1876", premium), entry("+1", national)), "berlin", "+1 876 555 1234", premium},
		{"the longest wins", without(entry("+49900", freephone)), "berlin", "0900 1234567", freephone},
		{"longer than the number", without(entry("+49301234567", premium)), "berlin", "030 123456", national},
		{"the whole number", without(entry("+4930123456", premium)), "berlin", "030 123456", premium},
		{"said from home", without(entry("+1", international)), "boston", "212 555 0100", national},
		{"said from home", without(entry("+1900", internationalPremium)), "boston", "1 900 555 1234", premium},
	} {
		if got := plan(t, c.model, sites()).Normalise(c.site, c.raw); got.Type != c.kind {
			t.Errorf("%s: %s %q = %v, want %v", c.name, c.site, c.raw, got.Type, c.kind)
		}
	}
}

// In a Canadian vendor's model, "+1: national" is said of Canada; the USA has the code but is another country.
func TestNeighboursOfOneCode(t *testing.T) {
	m := without(entry("+1", national))
	m.DefaultRegion = "CA"
	p := plan(t, m, sites())
	for raw, want := range map[string]klinkev1.NumberType{"416 555 0100": national, "212 555 0100": international, "876 555 1234": international} {
		if got := p.Normalise("toronto", raw); got.Type != want {
			t.Errorf("%s = %v, want %v", raw, got.Type, want)
		}
	}
}

func TestWithoutRegions(t *testing.T) {
	p := plan(t, &klinkev1.Model{NumberTypes: []*klinkev1.NumberTypePrefix{entry("+49", national)}}, nil)
	if got := p.Normalise("", "030 123456"); got.E164 != "" || got.Type != unknown {
		t.Errorf("a number without plus sign: %+v", got)
	}
	if got := p.Normalise("", "+49 30 123456"); got.E164 != "+4930123456" || got.Type != national {
		t.Errorf("a number with plus sign: %+v", got)
	}
	if p.Emergency("", "112") {
		t.Error("a plan without regions knows an emergency number")
	}
}

// Unicode promises that decimal digits come in runs of ten from zero; digit relies on it.
func TestDigitsOfAllScripts(t *testing.T) {
	scripts := 0
	for _, run := range unicode.Nd.R16 {
		if run.Stride != 1 || (run.Hi-run.Lo+1)%10 != 0 {
			t.Errorf("run %x to %x is not of whole tens", run.Lo, run.Hi)
		}
		scripts++
	}
	for _, run := range unicode.Nd.R32 {
		if run.Stride != 1 || (run.Hi-run.Lo+1)%10 != 0 {
			t.Errorf("run %x to %x is not of whole tens", run.Lo, run.Hi)
		}
		scripts++
	}
	if scripts < 40 {
		t.Errorf("only %d runs", scripts)
	}
	for _, one := range []rune{'1', '١', '۱', '१', '１', '𝟏', '𝟙'} {
		if d, ok := digit(one); !ok || d != '1' {
			t.Errorf("digit(%c) = %c, %v", one, d, ok)
		}
	}
}
