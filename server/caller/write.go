package caller

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/klinke-authz/klinke/policy"
)

// changed is a file's content after a change. Comments stay.
func changed(path string, mayMake bool, change func(*List, *yaml.Node) error) ([]byte, error) {
	content, err := contentOf(path)
	if e, ok := errors.AsType[*policy.Error](err); ok && e.Kind == policy.NotFound && mayMake {
		content, err = []byte("# Who may call the server: docs/callers.md. Tokens are made by klinke token create.\n"), nil
	}
	if err != nil {
		return nil, err
	}
	root, err := parseTree(path, content)
	if err != nil {
		return nil, err
	}
	list, err := listOf(path, root)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(content, &doc); err != nil {
		return nil, err
	}
	if doc.Kind == 0 {
		doc = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}, HeadComment: strings.TrimSpace(string(content))}
	}
	tree := callersIn(doc.Content[0])
	if err := change(list, tree); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	writer := yaml.NewEncoder(&out)
	writer.SetIndent(2)
	if err := writer.Encode(&doc); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	_, err = Parse(path, out.Bytes()) // what the server would refuse is not written
	return out.Bytes(), err
}

// callersIn is the list in a file's map, made when it is missing. Parse has seen the file, so nothing else can be there.
func callersIn(root *yaml.Node) *yaml.Node {
	if len(root.Content) == 0 {
		root.Content = []*yaml.Node{word("callers"), {Kind: yaml.SequenceNode}}
	}
	list := root.Content[1]
	if list.Kind != yaml.SequenceNode {
		*list = yaml.Node{Kind: yaml.SequenceNode}
	}
	list.Style = 0 // one caller a line and more, also when `[]` stood there
	return list
}

func word(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// node is the caller as a file says it.
func (c *Caller) node() *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	say := func(key string, value *yaml.Node) { n.Content = append(n.Content, word(key), value) }
	list := func(words []string) *yaml.Node {
		l := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, w := range words {
			l.Content = append(l.Content, word(w))
		}
		return l
	}
	say("name", word(c.Name))
	say("token", word(c.Token))
	say("digest", word(digestMark+hex.EncodeToString(c.digest[:])))
	var powers []string
	for _, p := range c.Powers.List() {
		powers = append(powers, p.String())
	}
	say("powers", list(powers))
	if c.All {
		say("tenants", word("all"))
	} else {
		say("tenants", list(c.Tenants))
	}
	for _, m := range []struct {
		key  string
		when time.Time
	}{{"created", c.Created}, {"expires", c.Expires}} {
		if !m.when.IsZero() {
			say(m.key, &yaml.Node{Kind: yaml.ScalarNode, Value: m.when.UTC().Format(time.RFC3339)})
		}
	}
	return n
}
