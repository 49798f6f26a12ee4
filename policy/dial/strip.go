package dial

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// strip appends to dst what remains of raw, up to its first semicolon, without formatting and with ASCII digits. It
// stops soon after most bytes. What remains is a number when clean: digits, perhaps behind a plus sign. Stripping what
// remains again changes nothing.
func strip(dst []byte, raw string, most int) (out []byte, clean bool) {
	out = dst
	for i := 0; i < len(raw) && len(out) <= most; {
		c := raw[i]
		if c < utf8.RuneSelf {
			i++
			if c == ';' {
				break
			}
			if !formatting(rune(c)) {
				out = append(out, c)
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(raw[i:])
		i += n
		if d, ok := digit(r); ok {
			out = append(out, d)
		} else if r == '\uff0b' { // fullwidth plus
			out = append(out, '+')
		} else if !formatting(r) {
			out = utf8.AppendRune(out, r)
		}
	}
	number := out
	if len(number) > 4 && number[3] == ':' && number[0]|0x20 == 't' && number[1]|0x20 == 'e' && number[2]|0x20 == 'l' {
		number = number[4:]
	}
	if n := len(number); n > 0 && number[n-1] == '#' {
		number = number[:n-1]
	}
	if isNumber(number) {
		return number, true
	}
	return out, false
}

// isNumber says whether b is digits, at least one, perhaps behind a plus sign.
func isNumber(b []byte) bool {
	if len(b) > 0 && b[0] == '+' {
		b = b[1:]
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// formatting says whether people write r into numbers without dialling it. Copies from address books bring invisible
// characters (category Cf) with them.
func formatting(r rune) bool {
	if r < utf8.RuneSelf {
		switch r {
		case ' ', '-', '/', '(', ')', '.', '[', ']', '\t', '\n', '\v', '\f', '\r':
			return true
		}
		return false
	}
	switch r {
	case '\u2212', '\u30fc', '\u00b7', '\u2044', // minus, long vowel, middle dot, fraction
		'\uff08', '\uff09', '\uff0e', '\uff0f', '\uff3b', '\uff3d': // fullwidth ( ) . / [ ]
		return true
	}
	return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || unicode.Is(unicode.Cf, r)
}

// digit returns the ASCII digit for a decimal digit of another script. Unicode keeps them in runs of ten from zero.
func digit(r rune) (byte, bool) {
	if !unicode.Is(unicode.Nd, r) {
		return 0, false
	}
	for _, run := range unicode.Nd.R16 {
		if r <= rune(run.Hi) && r >= rune(run.Lo) {
			return '0' + byte((r-rune(run.Lo))%10), true
		}
	}
	for _, run := range unicode.Nd.R32 {
		if r <= rune(run.Hi) && r >= rune(run.Lo) {
			return '0' + byte((r-rune(run.Lo))%10), true
		}
	}
	return 0, false
}

// phoneContext returns the digits of a global `phone-context` among raw's parameters, without plus sign; else "".
func phoneContext(raw string) string {
	_, params, _ := strings.Cut(raw, ";")
	for params != "" {
		var one string
		one, params, _ = strings.Cut(params, ";")
		name, value, _ := strings.Cut(one, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "phone-context") {
			continue
		}
		if out, clean := strip(nil, value, math.MaxInt); clean && out[0] == '+' {
			return string(out[1:])
		}
		return ""
	}
	return ""
}
