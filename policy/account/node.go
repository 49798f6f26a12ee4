package account

// shape is what a node is.
type shape uint8

const (
	nothing shape = iota // null, or left empty
	scalar
	list
	mapping
)

func (s shape) String() string {
	return [...]string{"nothing", "one word", "a list", "a map"}[s]
}

// node is a piece of a file with its aliases and merge keys resolved. Nodes are shared where the file shares them and
// never change once built.
type node struct {
	file      string
	line, col int
	shape     shape
	text      string // a scalar as it is written
	plain     bool   // a scalar without quotes
	items     []*node
	entries   []entry
	size      int // nodes when written out
	height    int // nesting below, itself included
}

type entry struct {
	key, value *node
}

// get returns the value of a key, nil when the map has none.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key.text == key {
			return e.value
		}
	}
	return nil
}

// truth returns the value of a plain true or false. YAML 1.2: no other word is one.
func (n *node) truth() (value, ok bool) {
	if n.shape != scalar || !n.plain || n.text != "true" && n.text != "false" {
		return false, false
	}
	return n.text == "true", true
}

// merge lays a model over a mixin: maps merge (the mixin's keys first), lists join (the mixin's items first), of scalars
// the model's wins. An empty value adds nothing, so that `call:` cannot strip an action of a mixin's gates.
func merge(base, over *node) *node {
	switch {
	case base == nil || over.shape != nothing && base.shape != over.shape:
		return over
	case over.shape == nothing:
		return base
	case over.shape == list:
		out := *over
		out.items = append(append(make([]*node, 0, len(base.items)+len(over.items)), base.items...), over.items...)
		return &out
	case over.shape == mapping:
		out := *over
		out.entries = make([]entry, 0, len(base.entries)+len(over.entries))
		place := make(map[string]int, len(base.entries))
		for _, e := range base.entries {
			place[e.key.text] = len(out.entries)
			out.entries = append(out.entries, e)
		}
		for _, e := range over.entries {
			if i, ok := place[e.key.text]; ok {
				e.value = merge(out.entries[i].value, e.value)
				out.entries[i] = e
				continue
			}
			out.entries = append(out.entries, e)
		}
		return &out
	}
	return over
}
