// These tests prove that what people write into number lists becomes the form in which questions are compared with it, and
// that an entry which no question could ever meet is refused with its reason.
package dial

import (
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"
)

func TestListed(t *testing.T) {
	p := plan(t, overlay(), sites())
	for _, c := range []struct{ site, raw, want string }{
		{"", "+49 30 123456", "+4930123456"},
		{"", "+49 (0)30 12-34-56", "+4930123456"},
		{"", "0049 30 123456", "+4930123456"},
		{"", "030/123456", "+4930123456"},
		{"", " tel:+4930123456;ext=7 ", "+4930123456"},
		{"bonn", "0 030 123456", "+4930123456"},
		{"bonn", "030 123456", "+4930123456"},
		{"boston", "(617) 253-1000", "+16172531000"},
		{"nowhere", "+4930123456", "+4930123456"},
		{"rome", "06 69812345", "+390669812345"},
		{"", "116117", "116117: no public number as it is dialled there; write it with its country code (+49…)"},
		{"bonn", "116117", "116117"}, // an emergency number of the site
		{"", "112", "112"},

		{"", "+49 30*", "+4930*"},
		{"", "+49*", "+49*"},
		{"", "+1234567890123456*", "16 digits; a number has at most 15"},
		{"", "0900 *", "+49900*"},
		{"", "0049 89 *", "+4989*"},
		{"bonn", "030*", "+4930*"}, // no access digits: an address book
		{"boston", "1 617*", "+1617*"},
		{"boston", "011 49 30*", "+4930*"},
		{"rome", "06*", "+3906*"},
		{"moscow", "8 812*", "+7812*"},
		{"moscow", "8 10 49 30*", "+4930*"},
		{"", "+7 812*", "+7812*"},
		{"", "+39 06*", "+3906*"},

		{"", "", "no telephone number"},
		{"", "   ", "no telephone number"},
		{"", "*", "nothing stands before the `*`"},
		{"", "+*", "no telephone number"},
		{"", "+49 30 123x", "no telephone number"},
		{"", "hello", "no telephone number"},
		{"", "hello*", "no telephone number"},
		{"", "+49 *30*", "no telephone number"},
		{"", "\x00\xff", "no telephone number"},
		{"", "+1234567890123456", "16 digits; a number has at most 15"},
		{"", "+12", "no country has such a number"},
		{"", "201", "no public number as it is dialled there; write it with its country code (+49…)"},
		{"nowhere", "030 123456", "without a country code, and nothing says in which region it is dialled"},
		{"nowhere", "030*", "without a country code, and nothing says in which region it is dialled"},
		{"", "30*", "begins neither with a country code (+49…) nor with the prefix 0"},
		{"", "+49 (0)30*", "no number begins so: leave out the 0 behind +49"},
		{"", "00*", "a country code is missing"},
		{"", "+0*", "no country code begins with 0"},
		{"boston", "617*", "begins neither with a country code (+1…) nor with the prefix 1"},
	} {
		number, prefix, err := p.Listed(c.site, c.raw)
		got := number
		if prefix {
			got += "*"
		}
		if err != nil {
			if number != "" {
				t.Errorf("%s %q: %q beside an error", c.site, c.raw, number)
			}
			got = err.Error()
		}
		if want := strings.TrimPrefix(c.want, c.raw+": "); got != want {
			t.Errorf("%s %q is %q, want %q", c.site, c.raw, got, want)
		}
	}
}

func TestExtension(t *testing.T) {
	p := plan(t, overlay(), sites())
	for raw, want := range map[string]string{
		"2 01":             "201",
		"2-01":             "201",
		"0201":             "0201",
		"20*":              "extensions are listed one by one, without `*`",
		"+49":              "an extension is its digits alone",
		"112":              "112 is an emergency number, so it cannot be an extension",
		"5555":             "5555 is an emergency number, so it cannot be an extension",
		"boss":             "no telephone number",
		"":                 "no telephone number",
		"1234567890123456": "16 digits; a number has at most 15",
	} {
		got, err := p.Extension(raw)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q is %q, want %q", raw, got, want)
		}
	}
}

// TestListedMeetsTheQuestion draws numbers and sites: whatever an entry is accepted as, asking for it gives that.
func TestListedMeetsTheQuestion(t *testing.T) {
	p := plan(t, overlay(), sites())
	raw := rapid.OneOf(rapid.StringMatching(`(\+|00|0|\+49|1)?[0-9 ]{0,14}\*?`), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		site, raw := anySite.Draw(t, "site"), raw.Draw(t, "raw")
		number, prefix, err := p.Listed(site, raw)
		if err != nil {
			return
		}
		if prefix {
			if len(number) > len(raw)+3 || number[0] != '+' {
				t.Fatalf("%s %q is %q", site, raw, number)
			}
			return
		}
		if again, star, err := p.Listed(site, number); err != nil || again != number || star {
			t.Fatalf("%s %q is %q, and that %q %v", site, raw, number, again, err)
		}
		if n := p.Normalise(site, raw); n.Canonical() != number {
			t.Fatalf("%s %q is listed as %q, and asked for as %q", site, raw, number, n.Canonical())
		}
	})
}

// TestBeginningsOfNationalNumbers holds beginnings, as address books write them, against the library's examples.
func TestBeginningsOfNationalNumbers(t *testing.T) {
	p := plan(t, overlay(), sites())
	seen := 0
	for site, iso := range map[string]string{"berlin": "DE", "bonn": "DE", "boston": "US", "london": "GB", "sydney": "AU", "rome": "IT", "moscow": "RU"} {
		for kind := range kinds {
			example := phonenumbers.GetExampleNumberForType(iso, kind)
			if example == nil {
				continue
			}
			e164 := phonenumbers.Format(example, phonenumbers.E164)
			trunk := p.sites[site].region.trunk
			national := trunk + e164[1+len(p.sites[site].region.code):]
			for k := len(trunk) + 1; k < len(national); k++ {
				if strings.HasPrefix(national[:k], p.sites[site].region.international) {
					continue // what is dialled so goes abroad
				}
				seen++
				got, prefix, err := p.Listed(site, national[:k]+"*")
				if err != nil || !prefix || !strings.HasPrefix(e164, got) || len(got) != len(e164)-len(national)+k {
					t.Errorf("%s: %s* is %q %v %v, want the beginning of %s", site, national[:k], got, prefix, err, e164)
				}
			}
		}
	}
	if seen < 300 {
		t.Errorf("only %d beginnings", seen)
	}
}
