package caller

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/klinke-authz/klinke/policy"
)

// reader reads nodes of a file.
type reader struct{ file string }

func (r reader) at(n *yaml.Node, format string, args ...any) error {
	return policy.Errorf(policy.Invalid, r.file, "line %d, column %d: %s", n.Line, n.Column, fmt.Sprintf(format, args...))
}

// members are the values of a map with known keys.
func (r reader) members(n *yaml.Node, known ...string) (map[string]*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, r.at(n, "a map with %s is expected", strings.Join(known, ", "))
	}
	out := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !slices.Contains(known, key.Value) {
			return nil, r.at(key, "unknown key `%s`; there are %s", key.Value, strings.Join(known, ", "))
		}
		if out[key.Value] != nil {
			return nil, r.at(key, "`%s` is said twice", key.Value)
		}
		out[key.Value] = n.Content[i+1]
	}
	return out, nil
}

func (r reader) caller(n *yaml.Node) (*Caller, error) {
	m, err := r.members(n, "name", "token", "digest", "certificate", "powers", "tenants", "created", "expires")
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"name", "powers", "tenants"} {
		if m[key] == nil {
			return nil, r.at(n, "a caller needs `%s`", key)
		}
	}
	c := &Caller{}
	if c.Name, err = r.text(m["name"], "name"); err != nil {
		return nil, err
	}
	if err := policy.CheckID(c.Name); err != nil {
		return nil, r.at(m["name"], "name: %v", err)
	}
	if err := r.proof(n, m, c); err != nil {
		return nil, err
	}
	if err := r.powers(m["powers"], c); err != nil {
		return nil, err
	}
	if err := r.tenants(m["tenants"], c); err != nil {
		return nil, err
	}
	for key, into := range map[string]*time.Time{"created": &c.Created, "expires": &c.Expires} {
		if m[key] == nil {
			continue
		}
		if *into, err = time.Parse(time.RFC3339, m[key].Value); err != nil || into.IsZero() {
			return nil, r.at(m[key], "`%s` is a moment such as 2027-01-31T12:00:00Z", key)
		}
	}
	return c, nil
}

// proof reads how a caller shows who he is: one way, never none and never two.
func (r reader) proof(n *yaml.Node, m map[string]*yaml.Node, c *Caller) error {
	var err error
	switch token, digest, certificate := m["token"], m["digest"], m["certificate"]; {
	case token != nil && digest != nil && certificate == nil:
		c.Token = token.Value
		if !isWord(c.Token, idBytes) {
			return r.at(token, "`token` is the public part of a token, 16 characters; make tokens with klinke token create")
		}
		sum, isMarked := strings.CutPrefix(digest.Value, digestMark)
		raw, err := hex.DecodeString(sum)
		if !isMarked || err != nil || len(raw) != len(c.digest) {
			return r.at(digest, "`digest` is %s and 64 hexadecimal digits; make tokens with klinke token create", digestMark)
		}
		copy(c.digest[:], raw)
		return nil
	case certificate != nil && token == nil && digest == nil:
		if c.Certificate, err = r.text(certificate, "certificate"); err != nil {
			return err
		}
		scheme, rest, isURI := strings.Cut(c.Certificate, "://")
		if policy.CheckID(c.Certificate) != nil || strings.ContainsAny(c.Certificate, "* ") ||
			isURI && (scheme == "" || rest == "") || !isURI && strings.ContainsAny(c.Certificate, ":/") {
			return r.at(certificate, "`certificate` is a name in the client's certificate: a URI (spiffe://example.org/router) or a DNS name")
		}
		return nil
	}
	return r.at(n, "the caller `%s` needs either `token` and `digest`, or `certificate`", c.Name)
}

func (r reader) powers(n *yaml.Node, c *Caller) error {
	list, err := r.texts(n, "powers")
	if err != nil {
		return err
	}
	for i, word := range list {
		p, known := ParsePower(word)
		if !known {
			return r.at(n.Content[i], "unknown power `%s`; there are %s", word, strings.Join(words, ", "))
		}
		c.Powers |= Of(p)
	}
	return nil
}

func (r reader) tenants(n *yaml.Node, c *Caller) error {
	if n.Kind == yaml.ScalarNode {
		if n.Value != "all" {
			return r.at(n, "`tenants` is a list, or the word all")
		}
		c.All = true
		return nil
	}
	list, err := r.texts(n, "tenants")
	if err != nil {
		return err
	}
	for i, tenant := range list {
		if err := policy.CheckID(tenant); err != nil {
			return r.at(n.Content[i], "tenants: %v", err)
		}
	}
	slices.Sort(list)
	c.Tenants = slices.Compact(list)
	return nil
}

func (r reader) text(n *yaml.Node, key string) (string, error) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return "", r.at(n, "`%s` is a word", key)
	}
	return n.Value, nil
}

// texts is a list of words, at least one.
func (r reader) texts(n *yaml.Node, key string) ([]string, error) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return nil, r.at(n, "`%s` is a list of at least one word", key)
	}
	var out []string
	for _, item := range n.Content {
		s, err := r.text(item, key)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
