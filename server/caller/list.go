package caller

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/klinke-authz/klinke/policy"
)

// MaxFileBytes bounds the file of callers.
const MaxFileBytes = 4 << 20

// digestMark stands before a token's digest in a file, so that another kind can come beside it.
const digestMark = "sha256:"

// List is all callers of a file.
type List struct {
	callers       []*Caller
	byToken       map[string]*Caller
	byCertificate map[string]*Caller
}

// Callers lists them in the order of the file.
func (l *List) Callers() []*Caller { return slices.Clone(l.callers) }

// Parse reads a file of callers. Errors name the file and the line, and nothing of what is secret. A file that says nothing is
// Invalid: it may be one that is being written, and would revoke everybody.
func Parse(file string, content []byte) (*List, error) {
	root, err := parseTree(file, content)
	if err == nil && root == nil {
		err = policy.Errorf(policy.Invalid, file, "it says nothing; a file without callers says `callers: []`")
	}
	if err != nil {
		return nil, err
	}
	return listOf(file, root)
}

// listOf reads a list of callers as it is written; nil is one without callers.
func listOf(file string, root *yaml.Node) (*List, error) {
	l := &List{byToken: map[string]*Caller{}, byCertificate: map[string]*Caller{}}
	if root == nil {
		return l, nil
	}
	r := reader{file}
	names := map[string]bool{}
	for _, item := range root.Content {
		c, err := r.caller(item)
		if err != nil {
			return nil, err
		}
		switch {
		case names[c.Name]:
			return nil, r.at(item, "there are two callers called `%s`", c.Name)
		case c.Token != "" && l.byToken[c.Token] != nil:
			return nil, r.at(item, "the callers `%s` and `%s` have the same token", l.byToken[c.Token].Name, c.Name)
		case c.Certificate != "" && l.byCertificate[c.Certificate] != nil:
			return nil, r.at(item, "the callers `%s` and `%s` have the same certificate", l.byCertificate[c.Certificate].Name, c.Name)
		}
		names[c.Name] = true
		if c.Token != "" {
			l.byToken[c.Token] = c
		} else {
			l.byCertificate[c.Certificate] = c
		}
		l.callers = append(l.callers, c)
	}
	return l, nil
}

// parseTree is the list of callers as it is written; nil for an empty file.
func parseTree(file string, content []byte) (*yaml.Node, error) {
	if len(content) > MaxFileBytes {
		return nil, policy.Errorf(policy.TooLarge, file, "%d bytes; a file of callers may have %d", len(content), MaxFileBytes)
	}
	var doc, more yaml.Node
	documents := yaml.NewDecoder(bytes.NewReader(content))
	if err := documents.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, policy.Errorf(policy.Invalid, file, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	r := reader{file}
	if err := documents.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, policy.Errorf(policy.Invalid, file, "there is something behind the first document; a file of callers is one")
	}
	members, err := r.members(doc.Content[0], "callers")
	if err != nil {
		return nil, err
	}
	list := members["callers"]
	switch {
	case list == nil || list.Tag == "!!null":
		return nil, nil
	case list.Kind != yaml.SequenceNode:
		return nil, r.at(list, "`callers` is a list")
	}
	return list, nil
}

// differences are the names of callers that came, went, or may do something else.
func differences(from, to *List) (added, removed, changed []string) {
	before, after := byName(from), byName(to)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		switch old := before[name]; {
		case old == nil:
			added = append(added, name)
		case !old.same(after[name]):
			changed = append(changed, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if after[name] == nil {
			removed = append(removed, name)
		}
	}
	return added, removed, changed
}

func byName(l *List) map[string]*Caller {
	out := map[string]*Caller{}
	for _, c := range l.callers {
		out[c.Name] = c
	}
	return out
}
