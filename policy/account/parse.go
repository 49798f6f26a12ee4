package account

import (
	"errors"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/klinke-authz/klinke/policy"
)

// What one document may hold. Aliases count as what they stand for.
const (
	maxDocumentBytes = policy.MaxRequestBytes
	maxNodes         = 1 << 20
	maxHeight        = 64
)

// parser reads the documents of one YAML stream.
type parser struct {
	file  string
	yaml  *yaml.Decoder
	bound *boundedReader
	err   error
}

func newParser(file string, r io.Reader) *parser {
	b := &boundedReader{r: r, left: maxDocumentBytes}
	return &parser{file: file, yaml: yaml.NewDecoder(b), bound: b}
}

// next returns the next document, io.EOF after the last. An error is final.
func (p *parser) next() (*node, error) {
	if p.err != nil {
		return nil, p.err
	}
	n, err := p.document()
	p.err = err
	return n, err
}

func (p *parser) document() (*node, error) {
	p.bound.left = maxDocumentBytes
	var doc yaml.Node
	err := p.yaml.Decode(&doc)
	if e := p.bound.err; e != nil && !errors.Is(e, io.EOF) {
		if errors.Is(e, errTooLong) {
			return nil, policy.Errorf(policy.TooLarge, p.file, "a document exceeds %d bytes: split it into several (`---`)", maxDocumentBytes)
		}
		return nil, &policy.Error{Kind: policy.Invalid, Field: p.file, Message: "cannot be read", Cause: e}
	}
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, policy.Errorf(policy.Invalid, p.file, "%s", syntaxMessage(err))
	}
	b := &builder{file: p.file, left: maxNodes, built: map[*yaml.Node]*node{}, open: map[*yaml.Node]bool{}}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return &node{file: p.file, line: 1, col: 1, size: 1, height: 1}, nil
	}
	return b.build(doc.Content[0], 0)
}

var syntaxLine = regexp.MustCompile(`^line (\d+): `)

// syntaxMessage is the library's message in our style. The library knows lines only where YAML itself is broken.
func syntaxMessage(err error) string {
	s := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := syntaxLine.FindStringSubmatch(s); m != nil {
		return "near line " + m[1] + ": this is no YAML: " + s[len(m[0]):]
	}
	return "this is no YAML: " + s
}

var errTooLong = errors.New("too long")

// boundedReader fails once more than `left` bytes are read.
type boundedReader struct {
	r    io.Reader
	left int
	err  error
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left <= 0 {
		b.err = errTooLong
		return 0, b.err
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	b.err = err
	return n, err
}

// builder turns the library's nodes into ours.
type builder struct {
	file  string
	left  int // of the node budget
	built map[*yaml.Node]*node
	open  map[*yaml.Node]bool
}

func (b *builder) build(y *yaml.Node, depth int) (*node, error) {
	n := &node{file: b.file, line: y.Line, col: y.Column, size: 1, height: 1}
	if depth > maxHeight {
		return nil, n.errorf("nested more than %d deep", maxHeight)
	}
	if y.Kind == yaml.AliasNode {
		return b.alias(n, y, depth)
	}
	if y.Style&yaml.TaggedStyle != 0 {
		return nil, n.errorf("the tag %s is not used in these files: leave it out", y.Tag)
	}
	if y.Anchor != "" {
		b.open[y] = true
		defer delete(b.open, y)
	}
	var err error
	switch y.Kind {
	case yaml.ScalarNode:
		n.shape, n.text = scalar, y.Value
		n.plain = y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
		if n.plain && y.Tag == "!!null" {
			n.shape, n.text = nothing, ""
		}
	case yaml.SequenceNode:
		n.shape, n.items = list, make([]*node, 0, len(y.Content))
		for _, c := range y.Content {
			item, e := b.build(c, depth+1)
			if e != nil {
				return nil, e
			}
			n.items = append(n.items, item)
			n.hold(item)
		}
	case yaml.MappingNode:
		n.shape = mapping
		err = b.mapping(n, y, depth)
	}
	if err == nil {
		err = b.spend(n, 1)
	}
	if err == nil && n.height > maxHeight {
		err = n.errorf("nested more than %d deep", maxHeight)
	}
	if err != nil {
		return nil, err
	}
	if y.Anchor != "" {
		b.built[y] = n
	}
	return n, nil
}

func (b *builder) alias(n *node, y *yaml.Node, depth int) (*node, error) {
	if b.open[y.Alias] {
		return nil, n.errorf("*%s stands inside what it names", y.Value)
	}
	target := b.built[y.Alias]
	if target == nil { // a merge key is taken before the keys above it
		return b.build(y.Alias, depth+1)
	}
	return target, b.spend(n, target.size)
}

func (b *builder) spend(n *node, size int) error {
	if b.left -= size; b.left < 0 {
		e := n.errorf("more than %d values in one document, aliases written out", maxNodes)
		e.Kind = policy.TooLarge
		return e
	}
	return nil
}

// hold counts a child.
func (n *node) hold(child *node) {
	n.size += child.size
	n.height = max(n.height, child.height+1)
}

// mapping fills a map: what `<<` merges in comes first, the map's own keys win over it.
func (b *builder) mapping(n *node, y *yaml.Node, depth int) error {
	place := make(map[string]int, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		if !isMergeKey(y.Content[i]) {
			continue
		}
		if err := b.mergeKey(n, place, y.Content[i+1], depth); err != nil {
			return err
		}
	}
	own := make(map[string]int, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		if isMergeKey(y.Content[i]) {
			continue
		}
		key, err := b.build(y.Content[i], depth+1)
		if err != nil {
			return err
		}
		if key.shape != scalar {
			return key.errorf("a key must be a word, found %s: quote it if it is meant", key.shape)
		}
		if _, is := key.truth(); is {
			return key.errorf("a key must be a word, %s is a truth value: quote it if it is meant", key.text)
		}
		if line, twice := own[key.text]; twice {
			return key.errorf("the key `%s` is said twice, first in line %d", key.text, line)
		}
		own[key.text] = key.line
		value, err := b.build(y.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		n.put(place, entry{key, value})
	}
	return nil
}

func (n *node) put(place map[string]int, e entry) {
	n.hold(e.key)
	n.hold(e.value)
	if i, ok := place[e.key.text]; ok {
		n.entries[i] = e
		return
	}
	place[e.key.text] = len(n.entries)
	n.entries = append(n.entries, e)
}

func isMergeKey(y *yaml.Node) bool {
	return y.Kind == yaml.ScalarNode && y.Value == "<<" && y.Style == 0
}

// mergeKey merges the map, or the maps of a list (the earlier wins), that a `<<` names.
func (b *builder) mergeKey(n *node, place map[string]int, y *yaml.Node, depth int) error {
	from, err := b.build(y, depth+1)
	if err != nil {
		return err
	}
	maps := []*node{from}
	if from.shape == list {
		maps = from.items
	}
	for _, m := range maps {
		if m.shape != mapping {
			return m.errorf("`<<` takes a map or a list of maps, found %s", m.shape)
		}
		for _, e := range m.entries {
			if _, ok := place[e.key.text]; !ok {
				n.put(place, e)
			}
		}
	}
	return nil
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) }

// fileError returns the error that ended the reading, or says that the file is none of its kind.
func fileError(file string, err error, otherwise string) error {
	if err != nil && !isEnd(err) {
		return err
	}
	return policy.Errorf(policy.Invalid, file, "%s", otherwise)
}
