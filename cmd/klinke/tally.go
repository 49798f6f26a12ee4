package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// tally counts what became of changes, by what people call the records.
type tally struct {
	sent, put, deleted map[string]int
}

func newTally() tally { return tally{map[string]int{}, map[string]int{}, map[string]int{}} }

// recordNames are what people call the kinds of record, in the order of an account file.
func recordNames() []string {
	return []string{"model in use", "settings", "classes of service", "sites", "emergency numbers", "departments", "groups", "roles", "role inclusions",
		"cells", "users", "apps", "department places", "group members", "assignments", "object grants", "ceilings", "limits", "sharing rules", "listed numbers"}
}

func recordName(r *klinkev1.Record) string {
	switch x := r.GetRecord().(type) {
	case *klinkev1.Record_UseModel:
		return "model in use"
	case *klinkev1.Record_Setting:
		return "settings"
	case *klinkev1.Record_ServiceClass:
		return "classes of service"
	case *klinkev1.Record_Site:
		return "sites"
	case *klinkev1.Record_EmergencyNumber:
		return "emergency numbers"
	case *klinkev1.Record_Department:
		return "departments"
	case *klinkev1.Record_Group:
		return "groups"
	case *klinkev1.Record_Role:
		return "roles"
	case *klinkev1.Record_RoleInclude:
		return "role inclusions"
	case *klinkev1.Record_Cell:
		return "cells"
	case *klinkev1.Record_Subject:
		if x.Subject.GetType() == klinkev1.SubjectType_SUBJECT_TYPE_APP {
			return "apps"
		}
		return "users"
	case *klinkev1.Record_DepartmentMember:
		return "department places"
	case *klinkev1.Record_GroupMember:
		return "group members"
	case *klinkev1.Record_Assignment:
		return "assignments"
	case *klinkev1.Record_ObjectGrant:
		return "object grants"
	case *klinkev1.Record_Ceiling:
		return "ceilings"
	case *klinkev1.Record_Limit:
		return "limits"
	case *klinkev1.Record_SharingRule:
		return "sharing rules"
	case *klinkev1.Record_ListedNumber:
		return "listed numbers"
	}
	return ""
}

func (t tally) count(sent, changed []*klinkev1.Change) {
	for _, c := range sent {
		if c.GetPut() != nil {
			t.sent[recordName(c.GetPut())]++
		}
	}
	for _, c := range changed {
		if c.GetPut() != nil {
			t.put[recordName(c.GetPut())]++
		} else {
			t.deleted[recordName(c.GetDelete())]++
		}
	}
}

// sayApplied says what a file changed, a line for each kind of record.
func (p *program) sayApplied(t *target, w *writer, validateOnly bool) error {
	type counts struct {
		Put       int `json:"put"`
		Deleted   int `json:"deleted"`
		Unchanged int `json:"unchanged"`
	}
	kinds := map[string]counts{}
	var lines []string
	var total, changed int
	for _, name := range recordNames() {
		c := counts{w.tally.put[name], w.tally.deleted[name], max(0, w.tally.sent[name]-w.tally.put[name])}
		if c == (counts{}) {
			continue
		}
		kinds[name] = c
		total += c.Put + c.Unchanged
		changed += c.Put + c.Deleted
		var parts []string
		for _, part := range []struct {
			n    int
			what string
		}{{c.Put, "put"}, {c.Deleted, "deleted"}, {c.Unchanged, "unchanged"}} {
			if part.n > 0 {
				parts = append(parts, thousands(part.n)+" "+part.what)
			}
		}
		lines = append(lines, fmt.Sprintf("%s: %s", name, strings.Join(parts, ", ")))
	}
	if p.output == "json" {
		b, err := json.Marshal(map[string]any{"tenant": t.id, "model": modelVersion{t.model.GetName(), t.version}.String(), "made": t.made,
			"records": kinds, "revision": w.revision, "validateOnly": validateOnly})
		if err != nil {
			return err
		}
		return p.sayf("%s", b)
	}
	if changed == 0 {
		lines = []string{fmt.Sprintf("tenant %s: unchanged (%s)", t.id, plural(total, "record"))}
	}
	switch {
	case validateOnly:
		lines = append(lines, "nothing was changed: --validate-only")
	case w.revision != "":
		lines = append(lines, "revision "+w.revision)
	}
	return p.sayf("%s", strings.Join(lines, "\n"))
}

// progress says a line a second what a long run has done. The zero value says nothing.
type progress struct {
	p     *program
	verb  string
	noun  string          // of what is done; empty for changes
	total int             // of them, 0 when it is not known
	from  *countingReader // what is read, nil when it is not known
	size  int64           // of what is read, 0 when it is not known

	done        int
	began, last time.Time
	said        bool
}

func (g *progress) add(n int) {
	if g.p == nil {
		return
	}
	now := time.Now()
	g.done += n
	if now.Sub(g.last) < time.Second {
		return
	}
	g.last = now
	rate := int(float64(g.done) / now.Sub(g.began).Seconds())
	line := fmt.Sprintf("%s: %s %s, %s a second", g.verb, thousands(g.done), cmp.Or(g.noun, "changes"), thousands(rate))
	switch {
	case g.total > 0:
		line += fmt.Sprintf(", %d %%", 100*g.done/g.total)
	case g.size > 0:
		line += fmt.Sprintf(", %d %% of the file", min(100, 100*g.from.n/g.size))
	}
	g.say(line)
}

// say writes over the line before where a terminal shows it.
func (g *progress) say(line string) {
	g.said = true
	if isTerminal(g.p.err) {
		_, _ = fmt.Fprintf(g.p.err, "\r\x1b[K%s", line) // as in notef
		return
	}
	g.p.notef("%s", line)
}

// end leaves the last line standing.
func (g *progress) end() {
	if g.said && isTerminal(g.p.err) {
		g.p.notef("")
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// countingReader counts what is read.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}
