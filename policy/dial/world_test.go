// These tests hold what is read against the phone library's own example numbers of every country and type.
package dial

import (
	"testing"

	"github.com/nyaruka/phonenumbers"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// kinds are the library's types and what they are at home.
var kinds = map[phonenumbers.PhoneNumberType]klinkev1.NumberType{
	phonenumbers.FIXED_LINE: national, phonenumbers.MOBILE: mobile, phonenumbers.FIXED_LINE_OR_MOBILE: national,
	phonenumbers.TOLL_FREE: freephone, phonenumbers.SHARED_COST: sharedCost, phonenumbers.PREMIUM_RATE: premium,
	phonenumbers.VOIP: national, phonenumbers.UAN: national, phonenumbers.PERSONAL_NUMBER: premium, phonenumbers.PAGER: premium,
}

func TestEveryCountryFromAbroad(t *testing.T) {
	p := plan(t, without(), sites())
	seen := 0
	for iso := range phonenumbers.GetSupportedRegions() {
		for kind, home := range kinds {
			example := phonenumbers.GetExampleNumberForType(iso, kind)
			if iso == "DE" || example == nil || !phonenumbers.IsValidNumber(example) {
				continue
			}
			seen++
			want := international
			if home == premium && phonenumbers.GetNumberType(example) == kind {
				want = internationalPremium
			}
			e164 := phonenumbers.Format(example, phonenumbers.E164)
			for _, raw := range []string{e164, "00" + e164[1:], phonenumbers.Format(example, phonenumbers.INTERNATIONAL), phonenumbers.Format(example, phonenumbers.RFC3966)} {
				if got := p.Normalise("berlin", raw); got.E164 != e164 || got.Type != want {
					t.Errorf("%s %v %q = %q %v, want %q %v", iso, kind, raw, got.E164, got.Type, e164, want)
				}
			}
		}
	}
	if seen < 700 {
		t.Errorf("only %d example numbers", seen)
	}
}

func TestOwnCountryAsItIsWritten(t *testing.T) {
	p := plan(t, without(), sites())
	for site, iso := range map[string]string{"berlin": "DE", "boston": "US", "dallas": "US", "london": "GB", "sydney": "AU", "rome": "IT", "toronto": "CA", "moscow": "RU"} {
		access := p.sites[site].access
		seen := 0
		for kind, want := range kinds {
			example := phonenumbers.GetExampleNumberForType(iso, kind)
			if example == nil || phonenumbers.GetNumberType(example) != kind {
				continue
			}
			seen++
			e164 := phonenumbers.Format(example, phonenumbers.E164)
			for _, raw := range []string{phonenumbers.Format(example, phonenumbers.NATIONAL), e164} {
				if raw[0] != '+' {
					raw = access + raw
				}
				if got := p.Normalise(site, raw); got.E164 != e164 || got.Type != want {
					t.Errorf("%s %v %q = %q %v, want %q %v", site, kind, raw, got.E164, got.Type, e164, want)
				}
			}
		}
		if seen < 3 {
			t.Errorf("%s: only %d example numbers", site, seen)
		}
	}
}
