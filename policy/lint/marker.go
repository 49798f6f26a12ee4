package lint

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/klinke-authz/klinke/policy/account"
)

// marked is a file with the comments by which it excuses findings.
type marked struct {
	name    string
	markers []*marker
	whole   bool // the file was looked at by itself, so that an idle marker is one
}

// marker is `# lint: CODE, CODE; why`. It excuses what is found in its line; standing alone, in the next line that is none
// and no comment, and in all that is indented below that.
type marker struct {
	place  account.Place
	line   int // that it is about, the first of them
	last   int
	indent int // of its first line
	codes  []string
	why    string
	fault  string // what is wrong with it
	excuse []string
}

var (
	markerForm = regexp.MustCompile(`(?:^|\s)#\s*lint:(.*)$`)
	codesForm  = regexp.MustCompile(`^\s*([a-z][a-z-]*(?:\s*,\s*[a-z][a-z-]*)*)\s*;\s*(\S.*?)\s*$`)
	separator  = regexp.MustCompile(`\s*,\s*`)
)

// markers finds the markers of a file.
func markers(f account.File) []*marker {
	var out, waiting, open []*marker
	number := 0
	for line := range bytes.Lines(f.Data) {
		number++
		text := strings.TrimRight(string(line), "\r\n")
		trimmed := strings.TrimSpace(text)
		if trimmed != "" && trimmed[0] != '#' {
			here := len(text) - len(strings.TrimLeft(text, " "))
			open = slices.DeleteFunc(open, func(m *marker) bool { return here <= m.indent })
			for _, m := range waiting {
				m.line, m.indent = number, here
			}
			open, waiting = append(open, waiting...), nil
			for _, m := range open {
				m.last = number
			}
		}
		at := markerForm.FindStringSubmatchIndex(text)
		if at == nil {
			continue
		}
		m := &marker{place: account.Place{File: f.Name, Line: number, Column: strings.IndexByte(text[at[0]:], '#') + at[0] + 1}, line: number, last: number}
		m.read(text[at[2]:at[3]])
		out = append(out, m)
		if trimmed[0] == '#' {
			waiting = append(waiting, m)
		}
	}
	return out
}

// read reads what follows `lint:`.
func (m *marker) read(text string) {
	parts := codesForm.FindStringSubmatch(text)
	if parts == nil {
		m.fault = "this excuses nothing: it must name codes, and behind a semicolon say why: # lint: " + ForgottenFactOpens + "; why"
		return
	}
	m.codes, m.why = separator.Split(parts[1], -1), parts[2]
	for _, c := range m.codes {
		if !slices.Contains(Codes(), c) || c == Marker {
			m.fault = fmt.Sprintf("`%s` is the code of no finding that can be excused", c)
		}
	}
}

// excuse is the reason that the file gives for a finding, empty for none.
func (f *marked) excuse(line int, code string) string {
	for _, m := range f.markers {
		if m.fault == "" && m.line <= line && line <= m.last && slices.Contains(m.codes, code) {
			m.excuse = append(m.excuse, code)
			return m.why
		}
	}
	return ""
}

// faults are the markers that excuse nothing.
func (f *marked) faults() []Finding {
	var out []Finding
	for _, m := range f.markers {
		what, do := m.fault, "mend it"
		for _, c := range m.codes {
			if what == "" && !slices.Contains(m.excuse, c) {
				what, do = fmt.Sprintf("nothing here is `%s`", c), "take the excuse away"
			}
		}
		if what != "" {
			out = append(out, Finding{Place: m.place, Code: Marker, What: what, Do: do})
		}
	}
	return out
}
