package dial

import (
	"fmt"
	"iter"
	"strconv"
)

// Lengths of emergency numbers and access digits that the contract fixes.
const (
	minEmergency = 3
	maxEmergency = 6
	maxAccess    = 3
	// maxDialled is the longest that an emergency number is when stripped: scheme, access digits, number, final #.
	maxDialled = len("tel:") + maxAccess + maxEmergency + 1
)

// numbers is a set of short digit strings by their key.
type numbers map[uint64]struct{}

// add puts a number into the set, with and without access digits.
func (s numbers) add(access, number string) {
	s[key([]byte(number))] = struct{}{}
	s[key([]byte(access+number))] = struct{}{}
}

// key makes an integer of at most 18 digits; the leading one keeps zeros apart.
func key(digits []byte) uint64 {
	k := uint64(1)
	for _, c := range digits {
		k = k*10 + uint64(c-'0')
	}
	return k
}

// has reports whether raw, stripped, is in the set. It allocates nothing.
func (s numbers) has(raw string) bool {
	var buf [maxDialled + utf8Max]byte
	d, ok := short(buf[:0], raw)
	if !ok {
		return false
	}
	_, ok = s[key(d)]
	return ok
}

// utf8Max is by how much strip may pass its bound.
const utf8Max = 4

// short strips raw and reports whether it is so few digits that it may be an emergency number.
func short(buf []byte, raw string) ([]byte, bool) {
	d, clean := strip(buf, raw, maxDialled)
	return d, clean && d[0] != '+' && len(d) >= minEmergency && len(d) <= maxAccess+maxEmergency
}

// checkEmergency refuses what is not 3 to 6 digits.
func checkEmergency(where, number string) error {
	if len(number) < minEmergency || len(number) > maxEmergency || !digitsOnly(number) {
		return fmt.Errorf("%s: emergency number %q must be %d to %d digits", where, number, minEmergency, maxEmergency)
	}
	return nil
}

func digitsOnly(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Emergency reports whether raw, as dialled at the site, is an emergency number there: exactly one of the region's or
// the site's own, after stripping, with or without the site's access digits; never by prefix. An empty site is the
// tenant's default site, else the model's default region. When it is not known from where is dialled (a site that the
// plan does not know; none named, and the tenant has sites but no default) the numbers of all sites and regions count:
// an emergency call passes when data are missing. It asks no library and allocates nothing.
func (p *Plan) Emergency(site, raw string) bool {
	return p.place(site).emergency.has(raw)
}

// IsEmergencySomewhere reports whether digits are an emergency number at any site or region of the plan, with or
// without access digits. An extension or list entry of this kind must be refused: the emergency call would win.
func (p *Plan) IsEmergencySomewhere(digits string) bool {
	return p.nowhere.emergency.has(digits)
}

// EmergencyNumbers lists, in no order, the numbers that are an emergency number at a site, with and without its access digits.
func (p *Plan) EmergencyNumbers(site string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range p.place(site).emergency {
			if !yield(strconv.FormatUint(k, 10)[1:]) { // without the one that keeps zeros apart
				return
			}
		}
	}
}

// EmergencyAnywhere reports whether raw is an emergency number of any region of the world, bare or behind one access
// digit 0 or 9. It is for questions about which nothing else is known, not even the tenant; so it prefers letting a call
// to some three-digit extension pass to stopping an emergency call. It asks no library and allocates nothing.
//
// Behind an access digit 116 does not count: 9116 is 911 with a slip more often than a call to the few places that have
// 116, and numbers near an emergency number are none.
func EmergencyAnywhere(raw string) bool {
	var buf [maxDialled + utf8Max]byte
	d, ok := short(buf[:0], raw)
	if !ok {
		return false
	}
	if worldwide(string(d)) {
		return true
	}
	return (d[0] == '0' || d[0] == '9') && string(d[1:]) != "116" && worldwide(string(d[1:]))
}

// worldwide is the table of emergency numbers of the world: all of three digits that the phone library's data name
// (a test compares them), and the longer ones that are a country's own numbers. Left out are numbers of two digits,
// which the contract does not know, and what the data list as single stations' subscriber numbers (six digits in
// Eritrea, Niger and Micronesia; Gabon's range 1300 to 1399 and 1730; India's 2611; Sweden's former 90000).
func worldwide(number string) bool {
	switch number {
	case "000", "001", "002", "003", "011", "019", "022", "033", "050", "060", "065", "066", "068", "080", "085", "088",
		"100", "101", "102", "103", "104", "105", "106", "107", "108",
		"110", "111", "112", "113", "114", "115", "116", "117", "118", "119",
		"120", "122", "123", "124", "125", "127", "128", "129", "130", "131", "132", "133", "140", "144",
		"150", "151", "152", "153", "154", "155", "156", "157", "158", "159", "160", "166",
		"170", "171", "172", "175", "177", "180", "188",
		"190", "191", "192", "193", "194", "195", "197", "198", "199",
		"211", "311", "333", "355", "511", "555", "666", "819", "888",
		"901", "902", "903", "911", "912", "913", "917", "919", "922", "933", "939", "955", "977",
		"990", "991", "992", "993", "994", "995", "996", "997", "998", "999":
		return true
	case "1122", "1220", "1298", "1444", "1669", "9999", "10111", "10177":
		return true
	}
	return false
}
