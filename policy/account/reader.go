package account

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/klinke-authz/klinke/policy"
)

// reader takes values out of nodes. It keeps the first error and goes on with zero values, so that callers check once.
type reader struct {
	err error
}

func (r *reader) failf(n *node, format string, args ...any) {
	if r.err == nil {
		r.err = n.errorf(format, args...)
	}
}

func (r *reader) tooLargef(n *node, format string, args ...any) {
	if r.err == nil {
		e := n.errorf(format, args...)
		e.Kind = policy.TooLarge
		r.err = e
	}
}

// unknown refuses a word that is not one of the known.
func (r *reader) unknown(n *node, what string, known []string) {
	if r.err == nil {
		r.failf(n, "%s", unknown(what, n.text, known))
	}
}

// entries returns a map's entries; an empty value is an empty map.
func (r *reader) entries(n *node) []entry {
	if n == nil || n.shape == nothing || r.err != nil {
		return nil
	}
	if n.shape != mapping {
		r.failf(n, "a map is expected, found %s", n.shape)
	}
	return n.entries
}

// named returns the entries of a map whose keys are names that the file gives.
func (r *reader) named(n *node) []entry {
	es := r.entries(n)
	for _, e := range es {
		r.name(e.key)
	}
	if r.err != nil {
		return nil
	}
	return es
}

// items returns a list's items; an empty value is an empty list.
func (r *reader) items(n *node) []*node {
	if n == nil || n.shape == nothing || r.err != nil {
		return nil
	}
	if n.shape != list {
		r.failf(n, "a list is expected, found %s", n.shape)
	}
	return n.items
}

// text returns a scalar as it is written, so that 0049 stays 0049. A truth value must be quoted to be a text.
func (r *reader) text(n *node) string {
	if n.shape != scalar {
		r.failf(n, "a text is expected, found %s", n.shape)
		return ""
	}
	if _, is := n.truth(); is {
		r.failf(n, "a text is expected, found the truth value %s: quote it if it is meant", n.text)
	}
	return n.text
}

// value returns the value of a setting as text: truth values as `true` and `false`.
func (r *reader) value(n *node) string {
	if _, is := n.truth(); is {
		return n.text
	}
	return r.bounded(n, maxTextBytes)
}

// Bounds of the contract's records.
const (
	maxTextBytes       = 4096
	maxScopeBytes      = 513
	maxPermissionBytes = 800
)

// badScope says what is wrong with where a setting holds: nothing, `type` or `type.field`.
func badScope(s string) string {
	switch {
	case len(s) > maxScopeBytes:
		return "a scope has at most 513 bytes"
	case len(quote(s)) > 1000: // what YAML takes for a key
		return "a scope of this length cannot be written"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "a scope cannot contain control characters"
	}
	return ""
}

func (r *reader) bounded(n *node, bytes int) string {
	s := r.text(n)
	if len(s) > bytes {
		r.tooLargef(n, "a text of %d bytes, at most %d are allowed", len(s), bytes)
	}
	return s
}

// name returns an identifier: 1 to 256 bytes, no control characters.
func (r *reader) name(n *node) string {
	s := r.text(n)
	if r.err == nil {
		if fault := badName(s); fault != "" {
			r.failf(n, "%s", fault)
		}
	}
	return s
}

func badName(s string) string {
	switch {
	case s == "":
		return "a name cannot be empty"
	case len(s) > policy.MaxIDBytes:
		return "a name has at most 256 bytes"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "a name cannot contain control characters"
	}
	return ""
}

// word returns a name that the grammar of permissions must be able to take apart again.
func (r *reader) word(n *node, what, not string) string {
	s := r.name(n)
	if i := strings.IndexAny(s, not); i >= 0 {
		r.failf(n, "the name of %s cannot contain `%c`", what, s[i])
	}
	return s
}

func (r *reader) names(n *node) []string {
	var out []string
	for _, item := range r.items(n) {
		out = append(out, r.name(item))
	}
	return out
}

func (r *reader) boolean(n *node) bool {
	v, ok := n.truth()
	if !ok {
		found := n.shape.String()
		if n.shape == scalar {
			found = "`" + clip(n.text) + "`"
		}
		r.failf(n, "true or false is expected, found %s", found)
	}
	return v
}

// time reads a moment: RFC 3339, with its zone.
func (r *reader) time(n *node) time.Time {
	s := r.text(n)
	if r.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || !timestamppb.New(t).IsValid() {
		r.failf(n, "`%s` is no moment: write it as 2026-03-01T08:00:00Z or with an offset, 2026-03-01T09:00:00+01:00", clip(s))
	}
	return t.UTC()
}

func (r *reader) moment(n *node) *timestamppb.Timestamp {
	return timestamppb.New(r.time(n))
}

// labels reads display names by language.
func (r *reader) labels(n *node) map[string]string {
	var out map[string]string
	for _, e := range r.named(n) {
		if out == nil {
			out = map[string]string{}
		}
		out[e.key.text] = r.bounded(e.value, 1024)
	}
	return out
}

// oneOf reads a word from a closed set.
func (r *reader) oneOf(n *node, what string, known ...string) string {
	s := r.text(n)
	if r.err == nil && !slices.Contains(known, s) {
		r.unknown(n, what, known)
	}
	return s
}
