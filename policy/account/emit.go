package account

import (
	"bufio"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// lineWidth is where a line is broken, at the next comma.
const lineWidth = 116

// word is a scalar as it stands in the file. Flows and lists are made of them.
type word string

// pair is one entry of a flow map. Its key is ready to stand in the file: a word of ours, or a quoted one. Its value is a
// word, a []word, a []pair, or a []any of these.
type pair struct {
	key   word
	value any
}

// out writes lines. The first error is kept.
type out struct {
	w      *bufio.Writer
	column int
	err    error
}

func (o *out) raw(s string) {
	if o.err == nil {
		_, o.err = o.w.WriteString(s)
	}
	o.column += len(s)
}

// line writes `key: value` on a line of its own, as many lines as the value needs.
func (o *out) line(indent string, p pair) {
	o.column = 0
	o.raw(indent + string(p.key) + ":")
	if ps, is := p.value.([]pair); !is || len(ps) > 0 {
		o.raw(" ")
		o.value(indent+"    ", p.value)
	} else {
		o.raw(" {}")
	}
	o.raw("\n")
}

// item writes `- {…}` on a line of its own.
func (o *out) item(ps []pair) {
	o.column = 0
	o.raw("  - ")
	o.value("      ", ps)
	o.raw("\n")
}

func (o *out) value(indent string, v any) {
	switch v := v.(type) {
	case word:
		o.raw(string(v))
	case []word:
		o.raw("[")
		for i, w := range v {
			o.comma(indent, i, len(w))
			o.raw(string(w))
		}
		o.raw("]")
	case []any:
		o.raw("[")
		for i, item := range v {
			o.comma(indent, i, 24)
			o.value(indent, item)
		}
		o.raw("]")
	case []pair:
		o.raw("{")
		for i, p := range v {
			o.comma(indent, i, len(p.key))
			o.raw(string(p.key) + ": ")
			o.value(indent, p.value)
		}
		o.raw("}")
	}
}

func (o *out) comma(indent string, i, next int) {
	switch {
	case i == 0:
	case o.column+next > lineWidth:
		o.raw(",\n")
		o.column = 0
		o.raw(indent)
	default:
		o.raw(", ")
	}
}

// quote writes a text so that it is read as the same text, by readers of YAML 1.1 too: without quotes only where it can
// be nothing else.
func quote(s string) word {
	if plain(s) {
		return word(s)
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02X`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteByte('"')
	return word(b.String())
}

// plain says whether a text needs no quotes: letters, digits and harmless signs, beginning with a letter.
func plain(s string) bool {
	var before rune
	for i, r := range s {
		switch {
		case unicode.IsLetter(r) || r == '_':
		case i == 0:
			return false
		case unicode.IsDigit(r), strings.ContainsRune(".@+-/*", r):
		case r == ':' || r == ' ':
			if before == ':' || before == ' ' || i == len(s)-1 {
				return false
			}
		default:
			return false
		}
		before = r
	}
	switch strings.ToLower(s) {
	case "", "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return false
	}
	return true
}

// settingValue writes truth values without quotes and sets as lists.
func settingValue(s string) any {
	if s == "true" || s == "false" {
		return word(s)
	}
	if members := strings.Split(s, ","); len(members) > 1 && !slices.Contains(members, "") {
		return quoteAll(members)
	}
	return quote(s)
}

func quoteAll(ss []string) []word {
	out := make([]word, len(ss))
	for i, s := range ss {
		out[i] = quote(s)
	}
	return out
}

func sortedPairs(m map[string]string) []pair {
	out := make([]pair, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, pair{quote(k), quote(m[k])})
	}
	return out
}

func moment(t *timestamppb.Timestamp) word {
	return word(t.AsTime().Format(time.RFC3339Nano))
}
