// Package dial reads telephone numbers as people dial them: it strips, normalises and classifies them, and knows which
// are emergency numbers.
//
// Invariant: an emergency number is recognised by exact comparison, never by prefix, with the numbers of a place, with
// and without that place's access digits; and a number that has an E.164 form has the same one at every site.
//
// Concurrency: a [Plan] never changes once made; everything here may be called from any number of goroutines.
//
// Failure: a malformed model or site is an error when the plan is made. After that nothing fails: what cannot be read is
// a [Number] of unspecified type, which no class of service admits, except that an emergency call passes when data are
// missing (see [Plan.Emergency] and [EmergencyAnywhere]).
//
// # What is read
//
// Formatting is dropped: blanks of all kinds, dashes, / ( ) [ ] . and invisible characters. Decimal digits of every
// script count as their ASCII digits. A `tel:` scheme is dropped, and so are parameters from the first semicolon on: an
// `;ext=` is keyed after the call stands, so it is the main number that is dialled and judged; a `;phone-context=+49`
// completes a number without plus sign, a domain there is ignored. One final # after digits is the key "dial now" and
// is dropped; any other #, * or letter makes the number unknown, as do more than 15 digits after the plus sign.
//
// # How it is dialled
//
// A number without plus sign is read by the place's access digits and its region's prefixes. As a private exchange does,
// digits that begin with the access digits are read without them; only when that gives no valid number are they read
// as they stand (a number taken from an address book: `030 1234567` behind the access digit 0). Access digits before a
// plus sign make a number unknown. After the international prefix nothing else is tried. Digits without trunk prefix
// count when the country writes that number so (ten digits in the USA, 1800 numbers in Australia), never as a local
// subscriber number, whose area code nobody told us.
//
// # What type it has
//
// The phone library says the type, seen from the site's country; see [Plan.Normalise] for how the model's number types
// refine it.
package dial

// The names that the telephony overlay fixes, for asking whether a call is an emergency call before anything else is
// known of the tenant or its model.
const (
	// TypeCall is the resource type of calls.
	TypeCall = "call"
	// ActionPlace is the action that emergency numbers always pass.
	ActionPlace = "place"
	// AttributeDestination is the fact that holds the number as dialled.
	AttributeDestination = "destination"
	// AttributeSite is the fact that names the site from which is dialled.
	AttributeSite = "site"
)
