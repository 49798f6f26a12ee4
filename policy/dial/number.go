package dial

import (
	"math"
	"strings"

	"github.com/nyaruka/phonenumbers"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// maxDigits is the most that a number has after its plus sign. The phone library accepts more.
const maxDigits = 15

// worldRegion is the phone library's region of numbers that belong to no country.
const worldRegion = "001"

// Number is a dialled number in canonical form.
type Number struct {
	// Stripped is what was dialled, without formatting: digits, with a leading plus sign if there was one. An extension
	// is recognised by it. What is not a number keeps its other characters, so that it equals no number.
	Stripped string
	// E164 is the public number, such as +4930123456; empty when this is none in the plan.
	E164 string
	// Type is what kind of number it is, seen from the site. It is never INTERNAL, since only the tenant's extensions
	// say so. UNSPECIFIED is unknown, which no class of service admits.
	Type klinkev1.NumberType
	// Emergency is what Plan.Emergency says.
	Emergency bool
}

// Canonical is the form by which numbers are compared: E164, else Stripped.
func (n Number) Canonical() string {
	if n.E164 != "" {
		return n.E164
	}
	return n.Stripped
}

// public is a number that begins with a country calling code.
type public struct {
	e164    string // empty for none
	code    string // the country calling code
	region  string // the library's region; empty when the library does not know the number
	phone   *phonenumbers.PhoneNumber
	library phonenumbers.PhoneNumberType
	valid   bool // the library knows it, or the model names its short code
}

// Normalise reads raw as dialled at the site; see the package for what counts and how. At a site that the plan does not
// know only numbers with a plus sign are read, and no country is home. It is total: bytes of any kind give a Number. An
// emergency number has no other meaning: neither E164 nor type. It costs about 20 µs; callers that ask often cache.
//
// The type is the library's, refined by the model's entry with the longest matching prefix:
//   - an entry longer than the country code wins over the library, and so does one for a service without country (+979);
//   - an entry for a whole country replaces only what the library calls plain national or international, or does not
//     know; it speaks for the country code's main country and for no other that shares it (+1: national leaves Jamaica
//     international, +49: national leaves 0900 premium);
//   - the entry "+" counts only when the library knows nothing of the number, and never for the site's own country.
//
// Numbers that the library does not know, but whose length fits, are public numbers whose type only an entry can say.
// Short codes (116117, 11833) are public when an entry longer than the country code covers them. Entries speak from the
// default region: at a site elsewhere, an entry's national types count as international for numbers of another country.
func (p *Plan) Normalise(site, raw string) Number {
	at := p.place(site)
	stripped, clean := strip(make([]byte, 0, 24), raw, math.MaxInt)
	n := Number{Stripped: string(stripped)}
	if !clean {
		return n
	}
	if n.Emergency = at.emergency.has(n.Stripped); n.Emergency {
		return n
	}
	if n.Stripped[0] != '+' && strings.Contains(raw, ";") {
		if code := phoneContext(raw); code != "" {
			n.Stripped = "+" + code + n.Stripped
		}
	}
	var found public
	if n.Stripped[0] == '+' {
		found = p.global(n.Stripped[1:])
	} else if at.region != nil {
		found = p.dialled(at, n.Stripped)
	}
	if found.e164 != "" {
		n.E164, n.Type = found.e164, p.typeOf(at, found)
	}
	return n
}

// dialled reads digits as a private exchange does: without the access digits first, else as they stand.
func (p *Plan) dialled(at *place, digits string) public {
	var outside public
	if at.access != "" && strings.HasPrefix(digits, at.access) {
		if outside = p.local(at.region, digits[len(at.access):]); outside.valid {
			return outside
		}
	}
	if n := p.local(at.region, digits); n.valid || outside.e164 == "" {
		return n
	}
	return outside
}

// local reads digits by a region's prefixes.
func (p *Plan) local(g *region, digits string) public {
	if rest, ok := strings.CutPrefix(digits, g.international); ok {
		return p.global(rest) // or nothing: 0030… is Greece, never Berlin behind two zeros
	}
	if rest, ok := strings.CutPrefix(digits, g.trunk); ok && g.trunk != "" {
		n := p.global(g.code + rest)
		doubled, ok := strings.CutPrefix(rest, g.trunk)
		if n.e164 != "" && !(ok && n.e164 == "+"+g.code+doubled) {
			return n
		}
	}
	if n := p.library(g.code + digits); n.valid {
		if onlyDigits(phonenumbers.Format(n.phone, phonenumbers.NATIONAL)) == digits {
			return n
		}
	}
	n := split(g.code + digits)
	if n.phone == nil || !n.isShort(g.iso) || !p.hasEntry(n) {
		return public{}
	}
	n.valid = true
	return n
}

// global reads the digits after a plus sign.
func (p *Plan) global(digits string) public {
	n := p.library(digits)
	if n.valid || n.e164 == "" {
		return n
	}
	if n.phone == nil { // no country has this code; the model may know better than the library
		if !p.hasEntry(n) {
			return public{}
		}
		return n
	}
	// +49 (0)30…: the library drops a trunk prefix behind the country code.
	if parsed, err := phonenumbers.Parse(n.e164, phonenumbers.UNKNOWN_REGION); err == nil {
		if e164 := phonenumbers.Format(parsed, phonenumbers.E164); e164 != n.e164 && len(e164) > 1 {
			if better := p.library(e164[1:]); better.valid {
				return better
			}
		}
	}
	if n.isShort(phonenumbers.GetRegionCodeForCountryCode(int(n.phone.GetCountryCode()))) {
		if !p.hasEntry(n) {
			return public{}
		}
		n.valid = true
		return n
	}
	if phonenumbers.IsPossibleNumberWithReason(n.phone) != phonenumbers.IS_POSSIBLE {
		return public{}
	}
	return n
}

// library asks the phone library about digits that begin with a country calling code. The result's e164 is empty when
// they cannot be a public number.
func (p *Plan) library(digits string) public {
	n := split(digits)
	if n.phone == nil {
		return n
	}
	if n.region = phonenumbers.GetRegionCodeForNumber(n.phone); n.region == "" {
		n.library = phonenumbers.UNKNOWN
		return n
	}
	n.library = phonenumbers.GetNumberType(n.phone)
	if n.valid = n.library != phonenumbers.UNKNOWN; !n.valid {
		n.region = ""
	}
	return n
}

// split takes the country calling code off. Without such a code there is no phone.
func split(digits string) public {
	if len(digits) < 4 || len(digits) > maxDigits || digits[0] == '0' {
		return public{}
	}
	n := public{e164: "+" + digits, library: phonenumbers.UNKNOWN}
	code := 0
	for i := range 3 {
		code = code*10 + int(digits[i]-'0')
		if phonenumbers.GetRegionCodeForCountryCode(code) == phonenumbers.UNKNOWN_REGION {
			continue
		}
		n.code = digits[:i+1]
		n.phone = phone(code, digits[i+1:])
		break
	}
	return n
}

// phone makes the library's number without its parser, which is slow, rewrites and takes too many digits.
func phone(code int, national string) *phonenumbers.PhoneNumber {
	var value uint64
	for i := range len(national) {
		value = value*10 + uint64(national[i]-'0')
	}
	country := int32(code)
	n := &phonenumbers.PhoneNumber{CountryCode: &country, NationalNumber: &value}
	zeros := int32(0)
	for int(zeros) < len(national)-1 && national[zeros] == '0' {
		zeros++
	}
	if zeros > 0 {
		yes := true
		n.ItalianLeadingZero, n.NumberOfLeadingZeros = &yes, &zeros
	}
	return n
}

// isShort reports whether the number, without its country code, is a short code in a region.
func (n public) isShort(iso string) bool {
	digits := len(n.e164) - 1 - len(n.code)
	return digits <= maxEmergency && phonenumbers.IsValidShortNumberForRegion(n.phone, iso)
}

func onlyDigits(s string) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			out = append(out, s[i])
		}
	}
	return string(out)
}
