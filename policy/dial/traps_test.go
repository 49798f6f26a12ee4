// These tests prove that what the phone library says, and what would mislead who took it at its word, misleads nobody here. Each
// trap is shown first: when an update of the library closes one, its test says so.
package dial

import (
	"testing"

	"github.com/nyaruka/phonenumbers"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func parsed(t *testing.T, raw, iso string) *phonenumbers.PhoneNumber {
	t.Helper()
	n, err := phonenumbers.Parse(raw, iso)
	if err != nil {
		t.Fatalf("the library no longer reads %q in %s: %v", raw, iso, err)
	}
	return n
}

// The library takes 9116 and 1120 for emergency calls, since some exchanges connect what merely begins like one; and it drops
// every sign, so that a feature code *911 is one too. Here a call is one exactly, and the key "dial now" is no part of it.
func TestTrapEmergencyByPrefixAndSign(t *testing.T) {
	p := plan(t, overlay(), sites())
	for _, c := range []struct {
		site, raw      string
		library, exact bool // ConnectsToEmergencyNumber, IsEmergencyNumber
		want           bool
	}{
		{"boston", "911", true, true, true},
		{"boston", "9116", true, false, false},
		{"dallas", "9116", true, false, false},
		{"boston", "1120", true, false, false},
		{"boston", "911#", true, true, true},
		{"dallas", "9911#", false, false, true},
		{"boston", "*911", true, true, false},
		{"boston", "911*", true, true, false},
		{"boston", "911##", true, true, false},
		{"boston", "911x", true, true, false},
		{"boston", "٩١١", true, true, true},
	} {
		if connects, is := phonenumbers.ConnectsToEmergencyNumber(c.raw, "US"), phonenumbers.IsEmergencyNumber(c.raw, "US"); connects != c.library || is != c.exact {
			t.Errorf("the library says of %s: connects %t, is %t", c.raw, connects, is)
		}
		if got := p.Emergency(c.site, c.raw); got != c.want {
			t.Errorf("%s %s: %t, want %t", c.site, c.raw, got, c.want)
		}
		if n := p.Normalise(c.site, c.raw); n.Emergency != c.want || n.E164 != "" || n.Type != unknown {
			t.Errorf("%s %s: %+v", c.site, c.raw, n)
		}
	}
}

// The library holds sixteen digits, one more than any network, to be a valid number.
func TestTrapSixteenDigits(t *testing.T) {
	p := plan(t, overlay(), sites())
	const sixteen = "+4930123456789012"
	if n := parsed(t, sixteen, "DE"); !phonenumbers.IsValidNumber(n) {
		t.Error("the library refuses sixteen digits by now")
	}
	for _, raw := range []string{sixteen, "0049 30 1234 5678 9012", "030 1234 5678 9012", "+49 (0)30 1234 5678 9012"} {
		if n := p.Normalise("berlin", raw); n.E164 != "" || n.Type != unknown {
			t.Errorf("%q: %+v", raw, n)
		}
	}
	if n := p.Normalise("berlin", "030 1234 5678 901"); n.E164 != "+493012345678901" || n.Type != national {
		t.Errorf("fifteen digits: %+v", n)
	}
}

// Digits of other scripts, mixed ones too, are digits. Letters are not, though the library spells them on its keys.
func TestTrapScriptsAndLetters(t *testing.T) {
	p := plan(t, overlay(), sites())
	for _, raw := range []string{"٠٣٠١٢٣٤٥٦", "۰۳۰۱۲۳۴۵۶", "०३०१२३४५६", "０３０１２３４５６", "0３0123४56"} {
		if n := p.Normalise("berlin", raw); n.E164 != "+4930123456" || n.Type != national {
			t.Errorf("%q: %+v", raw, n)
		}
	}
	if got := phonenumbers.Format(parsed(t, "1-800-FLOWERS", "US"), phonenumbers.E164); got != "+18003569377" {
		t.Errorf("the library reads 1-800-FLOWERS as %s", got)
	}
	for _, raw := range []string{"1-800-FLOWERS", "180035693７x", "²⁰²5550100", "Ⅴ125550100"} {
		if n := p.Normalise("boston", raw); n.E164 != "" || n.Type != unknown {
			t.Errorf("%q: %+v", raw, n)
		}
	}
}

// The library takes an extension along that E.164 then loses, so that two different numbers become one. Here it is either behind
// a semicolon, where it is keyed after the call stands, or the whole is no number.
func TestTrapExtensionsAreLost(t *testing.T) {
	p := plan(t, overlay(), sites())
	if n := parsed(t, "030123456x5", "DE"); n.GetExtension() != "5" || phonenumbers.Format(n, phonenumbers.E164) != "+4930123456" {
		t.Error("the library keeps extensions by now")
	}
	for raw, want := range map[string]string{
		"030123456x5": "", "030 123456 ext. 5": "", "030123456,5": "", "030123456p5": "", "tel:+49-30-123456;ext=55": "+4930123456", "030123456;ext=5": "+4930123456",
	} {
		if n := p.Normalise("berlin", raw); n.E164 != want || want == "" && n.Type != unknown {
			t.Errorf("%q: %+v, want %q", raw, n, want)
		}
	}
}

// Of many numbers, all of North America's, the library cannot tell whether they are mobile: they count as national, abroad as
// international, and never as nothing.
func TestTrapFixedLineOrMobile(t *testing.T) {
	p := plan(t, without(), sites())
	for _, c := range []struct{ iso, e164, home string }{{"US", "+12125550100", "boston"}, {"CA", "+14165550100", "toronto"}} {
		if got := phonenumbers.GetNumberType(parsed(t, c.e164, c.iso)); got != phonenumbers.FIXED_LINE_OR_MOBILE {
			t.Errorf("the library tells %s to be %v", c.e164, got)
		}
		if n := p.Normalise(c.home, c.e164); n.Type != national {
			t.Errorf("%s at home: %+v", c.e164, n)
		}
		if n := p.Normalise("berlin", c.e164); n.Type != international {
			t.Errorf("%s from abroad: %+v", c.e164, n)
		}
	}
}

// The library knows short codes, but of most of them not what they cost. Such a code is of unknown type, which no class of
// service admits, until the model says what it is; and it is no number at all with more digits or in another country.
func TestTrapShortCodesWithoutCost(t *testing.T) {
	codes := map[string]string{"115": "+49115", "116117": "+49116117", "11833": "+4911833"}
	silent, told := plan(t, without(), sites()), plan(t, without(entry("+49115", national), entry("+49116", freephone), entry("+49118", directory)), sites())
	kinds := map[string]klinkev1.NumberType{"115": national, "116117": freephone, "11833": directory}
	for raw, e164 := range codes {
		n := parsed(t, raw, "DE")
		if !phonenumbers.IsValidShortNumberForRegion(n, "DE") || phonenumbers.GetNumberType(n) != phonenumbers.UNKNOWN {
			t.Errorf("the library says of %s: %v", raw, phonenumbers.GetNumberType(n))
		}
		if n := silent.Normalise("berlin", raw); n.E164 != "" || n.Type != unknown || n.Emergency {
			t.Errorf("%s, of which the model is silent: %+v", raw, n)
		}
		if n := told.Normalise("berlin", raw); n.E164 != e164 || n.Type != kinds[raw] || n.Emergency {
			t.Errorf("%s, of which the model speaks: %+v", raw, n)
		}
		if n := told.Normalise("boston", raw); n.Type != unknown {
			t.Errorf("%s dialled in Boston: %+v", raw, n)
		}
	}
	if n := told.Normalise("berlin", "11500"); n.Type != unknown {
		t.Errorf("a code with more digits: %+v", n)
	}
}

// A toll-free number is free in its own country. The library calls it so from anywhere, and takes it without the trunk prefix,
// without which nobody dials it.
func TestTrapTollFreeIsNational(t *testing.T) {
	p := plan(t, without(), sites())
	for _, raw := range []string{"0800 1234567", "8001234567"} {
		if got := phonenumbers.GetNumberType(parsed(t, raw, "DE")); got != phonenumbers.TOLL_FREE {
			t.Errorf("the library says of %s: %v", raw, got)
		}
	}
	for _, c := range []struct {
		site, raw, e164 string
		kind            klinkev1.NumberType
	}{
		{"berlin", "0800 1234567", "+498001234567", freephone},
		{"berlin", "+49 800 1234567", "+498001234567", freephone},
		{"bonn", "0 0800 1234567", "+498001234567", freephone},
		{"berlin", "8001234567", "", unknown},
		{"boston", "+49 800 1234567", "+498001234567", international},
		{"boston", "011 49 800 1234567", "+498001234567", international},
		{"boston", "1 800 253 0000", "+18002530000", freephone},
		{"boston", "800 253 0000", "+18002530000", freephone},
		{"berlin", "+1 800 253 0000", "+18002530000", international},
		{"sydney", "0 1800 123 456", "+611800123456", freephone},
		{"berlin", "+61 1800 123 456", "+611800123456", international},
		{"paris", "+49 800 1234567", "+498001234567", international}, // a site that is not known
	} {
		if n := p.Normalise(c.site, c.raw); n.E164 != c.e164 || n.Type != c.kind {
			t.Errorf("%s %q: %+v, want %q %v", c.site, c.raw, n, c.e164, c.kind)
		}
	}
}
