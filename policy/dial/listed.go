package dial

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Listed reads a number as people write it into a number list: as dialled at the site, in whatever formatting Normalise
// takes, or with a `*` behind it for all numbers that begin so. It returns the form in which Normalise will give the
// number, so that the entry is found; what no question could ever give is an error, which says why.
//
// A beginning is read as an address book writes it: behind a plus sign or the region's international prefix the country
// calling code, behind the trunk prefix what is dialled inside the country. Access digits are not looked for, since
// nobody could tell them from a trunk prefix.
func (p *Plan) Listed(site, raw string) (number string, prefix bool, err error) {
	raw = strings.TrimSpace(raw)
	if begin, ok := strings.CutSuffix(raw, "*"); ok {
		number, err = p.beginning(p.place(site), begin)
		return number, true, err
	}
	n := p.Normalise(site, raw)
	switch {
	case n.E164 != "":
		return n.E164, false, nil
	case n.Emergency:
		return n.Stripped, false, nil
	}
	digits, err := written(raw)
	switch {
	case err != nil:
		return "", false, err
	case digits[0] == '+':
		return "", false, errors.New("no country has such a number")
	case p.place(site).region == nil:
		return "", false, errors.New("without a country code, and nothing says in which region it is dialled")
	}
	return "", false, errors.New("no public number as it is dialled there; write it with its country code (+49…)")
}

// Extension reads an extension as people write it into a list: its digits alone.
func (p *Plan) Extension(raw string) (string, error) {
	raw = strings.TrimSpace(raw)
	if strings.HasSuffix(raw, "*") {
		return "", errors.New("extensions are listed one by one, without `*`")
	}
	digits, err := written(raw)
	switch {
	case err != nil:
		return "", err
	case digits[0] == '+':
		return "", errors.New("an extension is its digits alone")
	case p.IsEmergencySomewhere(digits):
		return "", fmt.Errorf("%s is an emergency number, so it cannot be an extension", digits)
	}
	return digits, nil
}

// written strips what is to be a number of at most maxDigits.
func written(raw string) (string, error) {
	out, clean := strip(make([]byte, 0, 24), raw, math.MaxInt)
	if !clean {
		return "", errors.New("no telephone number")
	}
	if n := len(strings.TrimPrefix(string(out), "+")); n > maxDigits {
		return "", fmt.Errorf("%d digits; a number has at most %d", n, maxDigits)
	}
	return string(out), nil
}

// beginning reads digits with which numbers begin.
func (p *Plan) beginning(at *place, raw string) (string, error) {
	if strings.TrimSpace(raw) == "" {
		return "", errors.New("nothing stands before the `*`")
	}
	digits, err := written(raw)
	if err != nil {
		return "", err
	}
	code, plus := strings.CutPrefix(digits, "+")
	if !plus {
		g := at.region
		if g == nil {
			return "", errors.New("without a country code, and nothing says in which region it is dialled")
		}
		if rest, ok := strings.CutPrefix(digits, g.international); ok {
			code = rest
		} else if rest, ok := strings.CutPrefix(digits, g.trunk); ok {
			code = g.code + rest
		} else {
			return "", fmt.Errorf("begins neither with a country code (+%s…) nor with the prefix %s", g.code, g.trunk)
		}
	}
	switch {
	case code == "":
		return "", errors.New("a country code is missing")
	case code[0] == '0':
		return "", errors.New("no country code begins with 0")
	case len(code) > maxDigits:
		return "", fmt.Errorf("%d digits; a number has at most %d", len(code), maxDigits)
	}
	for _, g := range p.regions { // +49 (0)30*: no canonical number begins so. A trunk prefix 8 or 1 may begin an area code.
		if rest, ok := strings.CutPrefix(code, g.code); ok && g.trunk == "0" && strings.HasPrefix(rest, "0") {
			return "", fmt.Errorf("no number begins so: leave out the 0 behind +%s", g.code)
		}
	}
	return "+" + code, nil
}
