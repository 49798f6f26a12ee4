package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func (p *program) batchCommand() *cobra.Command {
	b := &batch{p: p}
	var format string
	cmd := p.clientFlags(&cobra.Command{
		Use:   "batch [FILE]",
		Short: "Ask the questions of a file, or of standard input",
		Long: `Ask the questions of a file, or of standard input, and print the answers in the same order and form.

JSON, one question a line: a BatchItem or a CheckRequest of the API. Answers are CheckResponses, one a line.

CSV with a header: the columns subject, action and resource as in klinke check; as (the acting app), expect, context.NAME;
every other column is a fact (fact.NAME where its name is one of these). An empty cell is not sent; null is an absent fact.
Answers are the same rows with decision, reason, level, relation, missing, revision and error behind them.

More questions than the server takes at once are asked in several parts, none at an older revision than the one before.
A question may say what to expect (a column or a JSON member expect: allow, deny or error); differences are listed.

Exit code 0 when all were decided (and as expected), 1 when an answer is not as expected, 2 when one could not be decided.`,
		Args: cobra.MaximumNArgs(1),
	})
	f := cmd.Flags()
	f.StringVar(&format, "format", "auto", "of the questions: ndjson, csv, or auto, which looks at the first letter")
	f.StringArrayVar(&b.roles, "role", nil, "restrict all subjects to this role of theirs (repeatable)")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 || args[0] == "-" {
			return b.run(cmd.Context(), p.in, format)
		}
		return withFile(args[0], func(f *os.File) error { return b.run(cmd.Context(), f, format) })
	}
	return cmd
}

// batch asks many questions in parts.
type batch struct {
	p     *program
	r     *remote
	roles []string

	maxItems, maxBytes       int
	revisions                []string // of the parts, repetitions left out
	parts, rows              int
	allow, deny, fault, odds int // odds: not as expected
}

// row is one question of the input.
type row struct {
	line   int // in the input, from 1
	item   *klinkev1.BatchItem
	expect string   // allow, deny, error; empty for anything
	cells  []string // of a CSV line
	fault  error    // why it cannot be asked
}

// rowReader reads questions until io.EOF. What is wrong with one question is its fault; an error ends the reading.
type rowReader interface {
	next() (*row, error)
}

// rowWriter writes answers.
type rowWriter interface {
	write(r *row, answer *klinkev1.CheckResponse) error
	flush() error
}

func (b *batch) run(ctx context.Context, in io.Reader, format string) error {
	if err := b.p.needTenant(); err != nil {
		return err
	}
	var err error
	if b.r, err = b.p.dial(); err != nil {
		return err
	}
	defer b.r.close()
	info, err := b.r.GetServerInfo(ctx, &klinkev1.GetServerInfoRequest{})
	if err != nil {
		return err
	}
	b.maxItems = int(min(info.GetLimits()["batch_items"], policy.MaxBatchItems))
	b.maxBytes = int(info.GetLimits()["request_bytes"]) * 3 / 4
	if b.maxItems == 0 || b.maxBytes == 0 {
		return policy.Errorf(policy.Invalid, "server", "the server advertises no limit of a batch, so it is of another version than this program")
	}
	reader, writer, err := b.open(ctx, in, format)
	if err != nil {
		return err
	}
	return b.all(ctx, reader, writer)
}

// open finds out the form of the questions, which is the form of the answers.
func (b *batch) open(ctx context.Context, in io.Reader, format string) (rowReader, rowWriter, error) {
	buffered := bufio.NewReaderSize(in, 1<<16)
	if format == "auto" {
		format = "csv"
		head, err := buffered.Peek(512)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, nil, &policy.Error{Kind: policy.Unavailable, Field: "file", Message: "cannot be read", Cause: err}
		}
		if bytes.HasPrefix(bytes.TrimLeftFunc(head, unicode.IsSpace), []byte("{")) {
			format = "ndjson"
		}
	}
	out := bufio.NewWriterSize(b.p.out, 1<<16)
	switch format {
	case "ndjson":
		return newJSONReader(buffered, b.p.tenant), &jsonWriter{out}, nil
	case "csv":
		reader, err := newCSVReader(ctx, buffered, b.r, b.p.tenant)
		if err != nil || b.p.output == "json" {
			return reader, &jsonWriter{out}, err
		}
		writer, err := newCSVWriter(b.p, b.p.out, reader.header)
		return reader, writer, err
	}
	return nil, nil, usagef("--format is ndjson, csv or auto, not `%s`", format)
}

// all asks part after part.
func (b *batch) all(ctx context.Context, reader rowReader, writer rowWriter) error {
	var part []*row
	size := 0
	for {
		r, err := reader.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		end := err != nil
		rowSize := 0
		if !end && r.fault == nil {
			rowSize = proto.Size(r.item) + 8
		}
		if len(part) > 0 && (end || len(part) == b.maxItems || size+rowSize > b.maxBytes) {
			if err := b.ask(ctx, part, writer); err != nil {
				return err
			}
			part, size = part[:0], 0
		}
		if end {
			return b.conclude()
		}
		part = append(part, r)
		size += rowSize
	}
}

// ask asks one part and writes its answers.
func (b *batch) ask(ctx context.Context, part []*row, writer rowWriter) error {
	in := &klinkev1.BatchCheckRequest{Tenant: b.p.tenant, ActiveRoles: b.roles}
	if n := len(b.revisions); n > 0 {
		in.MinRevision = b.revisions[n-1]
	}
	for _, r := range part {
		if r.fault == nil {
			in.Evaluations = append(in.Evaluations, r.item)
		}
	}
	var answers []*klinkev1.CheckResponse
	if len(in.GetEvaluations()) > 0 {
		out, err := b.r.BatchCheck(ctx, in)
		if err != nil {
			return err
		}
		if answers = out.GetEvaluations(); len(answers) != len(in.GetEvaluations()) {
			return policy.Errorf(policy.Internal, "evaluations", "the server answered %d of %d questions", len(answers), len(in.GetEvaluations()))
		}
		if n := len(b.revisions); n == 0 || b.revisions[n-1] != out.GetRevision() {
			b.revisions = append(b.revisions, out.GetRevision())
		}
	}
	b.parts++
	for _, r := range part {
		var answer *klinkev1.CheckResponse
		if r.fault != nil {
			answer = &klinkev1.CheckResponse{Decision: new(false), Context: &klinkev1.DecisionContext{Error: faultFrom(r.fault)}}
		} else {
			answer, answers = answers[0], answers[1:]
			if e := answer.GetContext().GetError(); e != nil {
				answer.Context.Error = ofQuestion(e)
			}
		}
		b.count(r, answer)
		if err := writer.write(r, answer); err != nil {
			return err
		}
	}
	return writer.flush()
}

func (b *batch) count(r *row, answer *klinkev1.CheckResponse) {
	b.rows++
	got := verdict(answer)
	expected := r.expect == "" || r.expect == got
	switch {
	case got == "allow":
		b.allow++
	case got == "deny":
		b.deny++
	case r.expect != "error":
		b.fault++
		b.p.notef("line %d: %s", r.line, b.p.faultOf(answer.GetContext().GetError()))
	}
	if !expected {
		b.odds++
		b.p.notef("line %d: expected %s, got %s", r.line, r.expect, got)
	}
}

// conclude says how it went.
func (b *batch) conclude() error {
	summary := []string{thousands(b.allow) + " allow", thousands(b.deny) + " deny"}
	if errs := b.rows - b.allow - b.deny; errs > 0 {
		summary = append(summary, plural(errs, "error"))
	}
	if b.odds > 0 {
		summary = append(summary, thousands(b.odds)+" not as expected")
	}
	b.p.notef("%s: %s; %s, at %s", plural(b.rows, "question"), strings.Join(summary, ", "), plural(b.parts, "part"),
		"revision "+strings.Join(b.revisions, ", "))
	switch {
	case b.fault > 0:
		return exit(exitError)
	case b.odds > 0:
		return exit(exitDeny)
	}
	return nil
}
