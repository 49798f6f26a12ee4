// These tests prove for all inputs what the tables prove for some: reading is total, canonical forms are stable and the
// same at every site, and nothing longer than an emergency number is one. The benchmarks show what reading costs.
package dial

import (
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// check holds one number at one site to the promises.
func check(t interface {
	Errorf(format string, args ...any)
}, p *Plan, site, raw string) {
	n := p.Normalise(site, raw)
	if n.Emergency != p.Emergency(site, raw) {
		t.Errorf("%s %q: Normalise and Emergency differ", site, raw)
	}
	if n.Emergency && !p.IsEmergencySomewhere(n.Stripped) {
		t.Errorf("%s %q: an emergency number here, and nowhere", site, raw)
	}
	if n.Type == klinkev1.NumberType_NUMBER_TYPE_INTERNAL || n.E164 == "" && n.Type != unknown {
		t.Errorf("%s %q: type %v of %+v", site, raw, n.Type, n)
	}
	if !utf8.ValidString(n.Canonical()) {
		t.Errorf("%s %q: canonical form %q is no text", site, raw, n.Canonical())
	}
	if again := p.Normalise(site, n.Stripped); again != n {
		t.Errorf("%s %q: %+v, and stripped again %+v", site, raw, n, again)
	}
	if n.E164 == "" {
		return
	}
	if len(n.E164) > 1+maxDigits || n.E164[0] != '+' || !digitsOnly(n.E164[1:]) {
		t.Errorf("%s %q: E164 = %q", site, raw, n.E164)
	}
	if again := p.Normalise(site, n.E164); again.Type != n.Type || again.Emergency {
		t.Errorf("%s %q: %+v, and from its canonical form %+v", site, raw, n, again)
	}
	for _, other := range []string{"", "berlin", "bonn", "dallas", "london", "sydney", "rome", "toronto", "moscow", "nowhere"} {
		if again := p.Normalise(other, n.E164); again.E164 != n.E164 {
			t.Errorf("%s %q is %s, and that at %s is %q", site, raw, n.E164, other, again.E164)
		}
	}
}

var anySite = rapid.SampledFrom([]string{"", "berlin", "bonn", "boston", "dallas", "london", "sydney", "rome", "toronto", "moscow", "nowhere"})

func TestNormaliseIsTotalAndStable(t *testing.T) {
	p := plan(t, overlay(), sites())
	start := rapid.SampledFrom([]string{"", "+", "0", "00", "000", "9", "91", "9011", "0049", "+49", "+490", "+1", "+44", "+39", "+7", "8", "tel:+49", "(0"})
	rest := rapid.OneOf(rapid.StringMatching(`[0-9]{0,17}`), rapid.StringMatching(`[0-9]{2,5}[-/ .()]{0,2}[0-9]{3,8}(#|;ext=5|;phone-context=\+49)?`), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		check(t, p, anySite.Draw(t, "site"), start.Draw(t, "start")+rest.Draw(t, "rest"))
	})
}

func TestLongerIsNeverEmergency(t *testing.T) {
	p := plan(t, overlay(), sites())
	digits := rapid.StringMatching(`[0-9]{10,40}`)
	separator := rapid.SampledFrom([]string{"", " ", "-", "\u00a0"})
	rapid.Check(t, func(t *rapid.T) {
		raw := strings.Join(strings.Split(digits.Draw(t, "digits"), ""), separator.Draw(t, "separator"))
		if site := anySite.Draw(t, "site"); p.Emergency(site, raw) || EmergencyAnywhere(raw) {
			t.Errorf("%q is an emergency number at %q", raw, site)
		}
	})
	// Among the short ones, exactly the region's numbers with and without the access digit, counted out.
	for site, want := range map[string]int{"berlin": 2, "bonn": 2 * 3, "boston": 2, "dallas": 2 * 2, "london": 2 * 2, "sydney": 2 * 2} {
		got, buf := 0, make([]byte, 0, 8)
		for length, end := 1, 10; length <= 5; length, end = length+1, end*10 {
			for i := range end {
				buf = buf[:length]
				for at, v := length-1, i; at >= 0; at, v = at-1, v/10 {
					buf[at] = '0' + byte(v%10)
				}
				if p.Emergency(site, string(buf)) {
					got++
				}
			}
		}
		if got != want {
			t.Errorf("%s: %d of all strings of up to 5 digits are emergency numbers, want %d", site, got, want)
		}
	}
}

func TestPlansAreSharedFreely(t *testing.T) {
	p := plan(t, overlay(), sites())
	want := p.Normalise("dallas", "9 212 555 0100")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if got := p.Normalise("dallas", "9 212 555 0100"); got != want || !p.Emergency("bonn", "0112") {
					t.Errorf("%+v, want %+v", got, want)
				}
				if _, err := p.WithSites(sites()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func FuzzNormalise(f *testing.F) {
	for _, seed := range []string{
		"112", "0112", "9116", "911#", "030 123456", "+49 (0) 30 123456", "tel:030123456;phone-context=+49", "tel:tel:112", "*21*0900#",
		"+493012345678901234", "١١٢", "\u202a+49\u202c", "11833", "0030 1234567", "8 800 555 35 35", "1800 123 456", "+54 9 11 2345 6789",
		"+52 1 55 1234 5678", "+39 06 1234", "112\xff", "##", "+", "tel:", ";", "tel:1;phone-context=+", "112;phone-context=+49",
	} {
		f.Add("berlin", seed)
		f.Add("dallas", seed)
	}
	p := plan(f, overlay(), sites())
	f.Fuzz(func(t *testing.T, site, raw string) {
		check(t, p, site, raw)
		EmergencyAnywhere(raw)
	})
}

func TestEmergencyDoesNotAllocate(t *testing.T) {
	p := plan(t, overlay(), sites())
	for _, raw := range []string{"112", "1-1-2", "9-911", "+4930123456", "tel:112;phone-context=+49", "030 12x34", "١١٢", strings.Repeat("1", 100)} {
		if n := testing.AllocsPerRun(100, func() { p.Emergency("dallas", raw); EmergencyAnywhere(raw) }); n != 0 {
			t.Errorf("%q: %v allocations", raw, n)
		}
	}
}

func BenchmarkEmergency(b *testing.B) {
	p := plan(b, overlay(), sites())
	for _, raw := range []string{"112", "9-911", "+49 30 123456", "tel:+49-30-123456;ext=5", "١١٢"} {
		b.Run(raw, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Emergency("dallas", raw)
			}
		})
	}
}

func BenchmarkEmergencyAnywhere(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		EmergencyAnywhere("+49 30 123456")
		EmergencyAnywhere("9911")
	}
}

func BenchmarkNormalise(b *testing.B) {
	p := plan(b, overlay(), sites())
	for _, c := range []struct{ name, site, raw string }{
		{"plus", "berlin", "+49 30 123456"}, {"trunk", "berlin", "030 123456"}, {"mobile", "berlin", "0151 12345678"},
		{"access", "bonn", "0 030 123456"}, {"book", "bonn", "030 123456"}, {"bare", "dallas", "212 555 0100"},
		{"island", "boston", "+1 876 555 1234"}, {"extension", "berlin", "204"}, {"emergency", "berlin", "112"}, {"bracketed", "berlin", "+49 (0)30 123456"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Normalise(c.site, c.raw)
			}
		})
	}
}
