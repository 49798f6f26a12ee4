package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// jsonReader reads questions that are JSON, one a line.
type jsonReader struct {
	lines  *bufio.Scanner
	line   int
	tenant string
}

func newJSONReader(in io.Reader, tenant string) *jsonReader {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	return &jsonReader{lines: lines, tenant: tenant}
}

func (j *jsonReader) next() (*row, error) {
	for j.lines.Scan() {
		j.line++
		line := bytes.TrimSpace(j.lines.Bytes())
		if len(line) == 0 {
			continue
		}
		r := &row{line: j.line, item: &klinkev1.BatchItem{}}
		if protojson.Unmarshal(line, r.item) != nil {
			r.fault = j.slowly(line, r)
		}
		return r, nil
	}
	if err := j.lines.Err(); err != nil {
		return nil, &policy.Error{Kind: policy.Invalid, Field: "file", Message: "cannot be read further", Cause: err}
	}
	return nil, io.EOF
}

// slowly reads a question that is more than a BatchItem: one with a tenant, as a CheckRequest has it, or with what to
// expect. Everything else stays unknown, and is refused.
func (j *jsonReader) slowly(line []byte, r *row) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(line, &members); err != nil {
		return invalid("", "this is no JSON: %v", err)
	}
	take := func(name string) (string, error) {
		raw, ok := members[name]
		delete(members, name)
		if !ok {
			return "", nil
		}
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return "", invalid(name, "a text is expected, found %s", raw)
		}
		return s, nil
	}
	tenant, err := take("tenant")
	if err != nil {
		return err
	}
	if tenant != "" && tenant != j.tenant {
		return invalid("tenant", "the question is about `%s`, the batch about `%s`", tenant, j.tenant)
	}
	if r.expect, err = take("expect"); err == nil {
		err = checkExpectation(r)
	}
	if err != nil {
		return err
	}
	for _, name := range []string{"active_roles", "activeRoles", "min_revision", "minRevision", "with_reads", "withReads"} {
		if _, ok := members[name]; ok {
			return invalid(name, "holds for a whole batch, so a question cannot say it; use --role for roles, klinke check for the others")
		}
	}
	rest, err := json.Marshal(members)
	if err != nil {
		return invalid("", "this is no JSON: %v", err)
	}
	if err := protojson.Unmarshal(rest, r.item); err != nil {
		message := err.Error()
		if _, after, found := strings.Cut(message, "): "); found { // the place is that of a line that was put together anew
			message = after
		}
		return invalid("", "%s", message)
	}
	return nil
}

// checkExpectation refuses a word that no answer can be.
func checkExpectation(r *row) error {
	switch r.expect {
	case "", "allow", "deny", "error":
		return nil
	}
	err := invalid("expect", "`%s` is none of allow, deny, error", r.expect)
	r.expect = ""
	return err
}

// jsonWriter writes answers as JSON, one a line.
type jsonWriter struct{ out *bufio.Writer }

func (w *jsonWriter) write(_ *row, answer *klinkev1.CheckResponse) error {
	b, err := stableJSON(answer)
	if err == nil {
		_, err = w.out.Write(append(b, '\n'))
	}
	return err
}

func (w *jsonWriter) flush() error { return w.out.Flush() }
