package main

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// csvReader reads questions that are rows of CSV.
type csvReader struct {
	in     *csv.Reader
	header []string
	place  map[string]int // of the columns that are no facts and no context; -1 for a missing one
	facts  []csvColumn
	more   []csvColumn     // context
	model  *klinkev1.Model // nil when it cannot be had
}

type csvColumn struct {
	at   int
	name string
}

func newCSVReader(ctx context.Context, in io.Reader, r *remote, tenant string) (*csvReader, error) {
	c := &csvReader{in: csv.NewReader(in), place: map[string]int{"subject": -1, "action": -1, "resource": -1, "as": -1, "expect": -1}}
	var err error
	if c.header, err = c.in.Read(); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, invalid("file", "there are no questions: CSV begins with a header")
		}
		return nil, invalid("file", "the header is no CSV: %v", err)
	}
	for i, name := range c.header {
		name = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))
		c.header[i] = name
		if slices.Contains(c.header[:i], name) || name == "" {
			return nil, invalid("file", "the header names `%s` twice, or not at all", name)
		}
		if _, known := c.place[name]; known {
			c.place[name] = i
		} else if rest, is := strings.CutPrefix(name, "context."); is {
			c.more = append(c.more, csvColumn{i, rest})
		} else {
			c.facts = append(c.facts, csvColumn{i, strings.TrimPrefix(name, "fact.")})
		}
	}
	for _, name := range []string{"subject", "action", "resource"} {
		if c.place[name] < 0 {
			return nil, invalid("file", "the header has no column `%s`; it has %s", name, strings.Join(c.header, ", "))
		}
	}
	if len(c.facts) > 0 { // their kinds are the model's to say; without it, see question.request
		if m, err := r.GetModel(ctx, &klinkev1.GetModelRequest{Tenant: tenant}); err == nil {
			c.model = m.GetModel()
		}
	}
	return c, nil
}

func (c *csvReader) next() (*row, error) {
	cells, err := c.in.Read()
	line, _ := 0, 0
	if len(cells) > 0 {
		line, _ = c.in.FieldPos(0)
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		return nil, &policy.Error{Kind: policy.Invalid, Field: "file", Message: "this is no CSV", Cause: err}
	}
	r := &row{line: line, cells: cells}
	r.item, r.fault = c.item(r)
	return r, nil
}

func (c *csvReader) cell(r *row, name string) string {
	if at := c.place[name]; at >= 0 {
		return r.cells[at]
	}
	return ""
}

func (c *csvReader) item(r *row) (*klinkev1.BatchItem, error) {
	r.expect = c.cell(r, "expect")
	if err := checkExpectation(r); err != nil {
		return nil, err
	}
	q, err := account.ParseQuestion(c.cell(r, "subject"), c.cell(r, "action"), c.cell(r, "resource"))
	if err != nil {
		return nil, err
	}
	item := &klinkev1.BatchItem{Subject: q.GetSubject(), Action: q.GetAction(), Resource: q.GetResource()}
	if s := c.cell(r, "as"); s != "" {
		if item.Actor, err = actor(s); err != nil {
			return nil, err
		}
	}
	if pairs := pairsOf(r, c.facts); pairs != nil {
		if c.model == nil {
			item.Resource.Properties, err = textFacts(pairs)
		} else {
			item.Resource.Properties, err = account.Facts(c.model, q.GetResource().GetType(), pairs)
		}
		if err != nil {
			return nil, err
		}
	}
	item.Context, err = account.Context(pairsOf(r, c.more))
	return item, err
}

// pairsOf are the filled cells of some columns, as they would stand on a command line.
func pairsOf(r *row, columns []csvColumn) []string {
	var out []string
	for _, col := range columns {
		if r.cells[col.at] != "" {
			out = append(out, col.name+"="+r.cells[col.at])
		}
	}
	return out
}

// csvWriter writes the rows with their answers behind them.
type csvWriter struct {
	p   *program
	out *csv.Writer
}

func newCSVWriter(p *program, out io.Writer, header []string) (*csvWriter, error) {
	w := &csvWriter{p, csv.NewWriter(out)}
	return w, w.out.Write(append(slices.Clone(header), "decision", "reason", "level", "relation", "missing", "revision", "error"))
}

func (w *csvWriter) write(r *row, answer *klinkev1.CheckResponse) error {
	c := answer.GetContext()
	reason := reasonWord(c.GetReason())
	if c.GetError() != nil {
		reason = ""
	}
	missing := c.GetMissing()
	if missing == "" {
		missing = strings.Join(c.GetUnknownFacts(), " ")
	}
	return w.out.Write(append(slices.Clone(r.cells),
		verdict(answer), reason, c.GetLevel(), c.GetRelation(), missing, c.GetRevision(), w.p.faultOf(c.GetError())))
}

func (w *csvWriter) flush() error {
	w.out.Flush()
	return w.out.Error()
}
