package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// stableJSON is protojson in one line without the blanks that it varies on purpose.
func stableJSON(m proto.Message) ([]byte, error) {
	b, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Compact(&out, b)
	return out.Bytes(), err
}

// sayJSON writes a response as JSON in one line.
func (p *program) sayJSON(m proto.Message) error {
	b, err := stableJSON(m)
	if err != nil {
		return err
	}
	return p.sayf("%s", b)
}

// table writes rows with aligned columns.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// verdict is an answer's word.
func verdict(r *klinkev1.CheckResponse) string {
	switch {
	case r.GetContext().GetError() != nil:
		return "error"
	case r.GetDecision():
		return "allow"
	default:
		return "deny"
	}
}

// reasonWord is a reason without its prefix.
func reasonWord(r klinkev1.Reason) string { return strings.TrimPrefix(r.String(), "REASON_") }

// answerTable is an answer with what goes with it, a row each, empty ones left out.
func answerTable(answer *klinkev1.CheckResponse) [][]string {
	c := answer.GetContext()
	rows := [][]string{{verdict(answer)}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{"  " + name, value})
		}
	}
	add("reason", reasonWord(c.GetReason()))
	add("level", c.GetLevel())
	add("relation", c.GetRelation())
	add("missing", c.GetMissing())
	add("unknown facts", strings.Join(c.GetUnknownFacts(), ", "))
	if c.GetAboutType() {
		add("about", "the type, not one resource")
	}
	for _, o := range c.GetObligations() {
		if o.GetRequired() {
			add("must", o.GetId())
		} else {
			add("should", o.GetId())
		}
	}
	if u := c.GetValidUntil(); u != nil {
		add("valid until", u.AsTime().Format("2006-01-02T15:04:05.999999999Z07:00"))
	}
	add("revision", c.GetRevision())
	add("reads", readWords(c.GetReads()))
	return rows
}

func readWords(reads []*klinkev1.Read) string {
	var out []string
	for _, r := range reads {
		word := strings.ToLower(strings.TrimPrefix(r.GetKind().String(), "READ_KIND_"))
		if r.GetName() != "" {
			word += " " + r.GetName()
		}
		out = append(out, word)
	}
	return strings.Join(out, ", ")
}
