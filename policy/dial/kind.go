package dial

import (
	"github.com/nyaruka/phonenumbers"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// The types under short names.
const (
	unknown              = klinkev1.NumberType_NUMBER_TYPE_UNSPECIFIED
	national             = klinkev1.NumberType_NUMBER_TYPE_NATIONAL
	mobile               = klinkev1.NumberType_NUMBER_TYPE_MOBILE
	freephone            = klinkev1.NumberType_NUMBER_TYPE_FREEPHONE
	sharedCost           = klinkev1.NumberType_NUMBER_TYPE_SHARED_COST
	premium              = klinkev1.NumberType_NUMBER_TYPE_PREMIUM
	massTraffic          = klinkev1.NumberType_NUMBER_TYPE_MASS_TRAFFIC
	directory            = klinkev1.NumberType_NUMBER_TYPE_DIRECTORY
	international        = klinkev1.NumberType_NUMBER_TYPE_INTERNATIONAL
	satellite            = klinkev1.NumberType_NUMBER_TYPE_SATELLITE
	internationalPremium = klinkev1.NumberType_NUMBER_TYPE_INTERNATIONAL_PREMIUM
)

// entry is the model's number type with the longest prefix of e164; length is that of the prefix, 0 for none.
func (p *Plan) entry(e164 string) (kind klinkev1.NumberType, length int) {
	for i := len(e164); i > 0; i-- {
		if kind := p.types[e164[:i]]; kind != unknown {
			return kind, i
		}
	}
	return unknown, 0
}

// hasEntry reports whether an entry says more of n than its country does.
func (p *Plan) hasEntry(n public) bool {
	_, length := p.entry(n.e164)
	return length > 1+len(n.code)
}

// typeOf is the number's type at a place, by the rule that Normalise states.
func (p *Plan) typeOf(at *place, n public) klinkev1.NumberType {
	home := at.isHome(n)
	known := libraryType(n, home)
	kind, length := p.entry(n.e164)
	switch {
	case length == 0:
		return known
	case length == 1:
		if known != unknown || home {
			return known
		}
		return kind
	case length <= 1+len(n.code) && !n.isService():
		if known != unknown && known != national && known != international {
			return known
		}
		chief := phonenumbers.GetRegionCodeForCountryCode(int(n.phone.GetCountryCode()))
		if known == international && (n.region != chief || at.region != nil && at.region.code == n.code) {
			return known
		}
	}
	if p.home == nil || at.region != nil && at.region.iso == p.home.iso || n.isService() {
		return kind
	}
	return fromElsewhere(kind, known, home)
}

// isHome reports whether the number belongs to the country of the place. Where countries share a code, a number that is
// valid in several (toll-free ones of North America) is at home in each.
func (at *place) isHome(n public) bool {
	if at.region == nil || n.code != at.region.code {
		return false
	}
	return n.region == "" || n.region == at.region.iso || phonenumbers.IsValidNumberForRegion(n.phone, at.region.iso)
}

// isService reports whether the code belongs to a service or network instead of a country, or to nothing known.
func (n public) isService() bool {
	return n.phone == nil || phonenumbers.GetRegionCodeForCountryCode(int(n.phone.GetCountryCode())) == worldRegion
}

// fromElsewhere turns a type that is said from the default region into one seen from a site in another country.
func fromElsewhere(kind, known klinkev1.NumberType, home bool) klinkev1.NumberType {
	if home {
		switch kind {
		case international:
			return known
		case internationalPremium:
			return premium
		}
		return kind
	}
	switch kind {
	case national, mobile, freephone, sharedCost, directory:
		return international
	case premium, massTraffic:
		return internationalPremium
	}
	return kind
}

// libraryType says what the library knows. Personal numbers and pagers are billed like premium numbers in the countries
// that have them (+44 70), which fraud lives on; a model that knows better says so.
func libraryType(n public, home bool) klinkev1.NumberType {
	if n.phone == nil {
		return unknown
	}
	if n.isService() {
		return serviceType(n)
	}
	if !n.valid {
		return unknown
	}
	switch n.library {
	case phonenumbers.UNKNOWN:
		return unknown // a short code, of which only the model speaks
	case phonenumbers.PREMIUM_RATE, phonenumbers.PERSONAL_NUMBER, phonenumbers.PAGER:
		if home {
			return premium
		}
		return internationalPremium
	}
	if !home {
		return international
	}
	switch n.library {
	case phonenumbers.MOBILE:
		return mobile
	case phonenumbers.TOLL_FREE:
		return freephone
	case phonenumbers.SHARED_COST:
		return sharedCost
	}
	return national // fixed line, or one that cannot be told from mobile; company-wide and internet numbers
}

// serviceType is the type of codes that belong to no country. Those without a known price count as premium.
func serviceType(n public) klinkev1.NumberType {
	switch n.phone.GetCountryCode() {
	case 870, 881, 882, 883:
		return satellite
	case 800:
		if n.valid {
			return freephone
		}
		return unknown
	case 808:
		if n.valid {
			return sharedCost
		}
		return unknown
	}
	return internationalPremium
}
