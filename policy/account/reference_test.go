// These tests promise that the reference of the model file is whole: each key that the reader knows, where it knows it, and each
// word of a closed list stand in an example of docs/model.md that is read and compiled here.
package account

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// stranger is a key that no list of keys has, nor one like it.
const stranger = "qqqqqqqqqqqqqqq"

var refusal = regexp.MustCompile("unknown (key|test|option of `[a-z_]+`) `" + stranger + "`(?: \\(known: (.*)\\))?")

// namedExamples returns the blocks of a page that are files.
func namedExamples(t *testing.T, page string) map[string]string {
	t.Helper()
	data, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)\n```yaml ([a-z0-9.-]+)\\.yaml\n(.*?)```").FindAllStringSubmatch(string(data), -1) {
		out[m[1]] = m[2]
	}
	return out
}

// referenceTrees are the models of the page: that of the examples that are mixins of each other, and those in files.
func referenceTrees(t *testing.T) []*node {
	t.Helper()
	files := map[string]string{}
	var uses []string
	for i, body := range examples(t, "model.md") {
		name := fmt.Sprintf("example %d", i+1)
		files[name] = body
		uses = append(uses, name)
	}
	whole := loaded(t, "m.yaml", "uses: ["+strings.Join(uses, ", ")+"]", files)
	whole.entries = slices.DeleteFunc(whole.entries, func(e entry) bool { return e.key.text == "uses" }) // it is not the page's
	out := []*node{whole}
	named := namedExamples(t, "model.md")
	for _, name := range slices.Sorted(maps.Keys(named)) {
		out = append(out, loaded(t, name, named[name], named))
		compiled(t, mustModel(t, named[name], named))
	}
	return out
}

func loaded(t *testing.T, name, body string, files map[string]string) *node {
	t.Helper()
	tree, err := (&loader{mixin: mixins(files)}).load(name, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// refused is what the reader says of a tree.
func refused(tree *node) string {
	m := &modelReader{tree: tree, model: &klinkev1.Model{}, kinds: testKinds(), places: map[proto.Message]Place{}, used: map[*node]bool{}}
	m.read("m")
	if m.err == nil {
		return ""
	}
	return m.err.Error()
}

// with is a tree in which a node is another one.
func with(tree, n, other *node) *node {
	if tree == n {
		return other
	}
	out := *tree
	out.items, out.entries = slices.Clone(tree.items), slices.Clone(tree.entries)
	for i, item := range out.items {
		out.items[i] = with(item, n, other)
	}
	for i, e := range out.entries {
		out.entries[i].value = with(e.value, n, other)
	}
	return &out
}

// maps of a tree, each once.
func mappings(n *node, seen map[*node]bool) {
	if n.shape == mapping {
		seen[n] = true
	}
	for _, item := range n.items {
		mappings(item, seen)
	}
	for _, e := range n.entries {
		mappings(e.value, seen)
	}
}

// A strange key is put into each map of the examples, beside its keys and instead of them. The reader refuses it and says
// which it knows there: each of those must be in a map where the same are known.
func TestReferenceIsWhole(t *testing.T) {
	said := map[string]map[string]bool{} // by the keys that are known
	for _, tree := range referenceTrees(t) {
		if fault := refused(tree); fault != "" {
			t.Fatal(fault)
		}
		found := map[*node]bool{}
		mappings(tree, found)
		for n := range found {
			beside, instead := *n, *n
			strange := entry{&node{shape: scalar, text: stranger}, &node{shape: nothing}}
			beside.entries, instead.entries = append(slices.Clone(n.entries), strange), []entry{strange}
			for _, other := range []*node{&beside, &instead} {
				m := refusal.FindStringSubmatch(refused(with(tree, n, other)))
				if m == nil {
					continue // a map of names, or one in which another mistake is found first
				}
				if m[2] == "" && strings.HasPrefix(m[1], "option") {
					continue // a test without options
				}
				if m[2] == "" {
					t.Fatalf("the reader does not say which keys it knows: %s", m[0])
				}
				where := m[1] + " among " + m[2]
				if said[where] == nil {
					said[where] = map[string]bool{}
				}
				for _, e := range n.entries {
					said[where][e.key.text] = true
				}
			}
		}
	}
	for _, where := range slices.Sorted(maps.Keys(said)) {
		_, known, _ := strings.Cut(where, " among ")
		for k := range strings.SplitSeq(known, ", ") {
			if !said[where][k] {
				t.Errorf("docs/model.md has no example of `%s`: %s", k, where)
			}
		}
	}
	// What was found must be all: the head, the tests, each test with options, and what is only read in one place.
	for _, must := range []string{"model, uses", "attributes, relations", "level, gate", "grants, includes", "country, trunk", "zone, hours", "role, to",
		"types, prefixes", "on, groups_of", "default, values", "grant, when", "id, attribute, each", "above, absent", "id, kind, if", "gate, override", "every, read"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(said)), func(where string) bool { return strings.Contains(where, " among "+must) }) {
			t.Errorf("no map of the examples knows the keys %s: there are %q", must, slices.Sorted(maps.Keys(said)))
		}
	}
	for kind, options := range testKinds() {
		if len(options) > 0 && said["option of `"+kind+"` among "+strings.Join(options, ", ")] == nil {
			t.Errorf("docs/model.md has no example of the test `%s`", kind)
		}
	}
}

// The words of closed lists: kinds of attribute, types of number, outcomes, occasions, combinations.
func TestReferenceHasTheWords(t *testing.T) {
	said := map[string]bool{}
	for _, tree := range referenceTrees(t) {
		words(tree, said)
	}
	known := strings.Fields("allow deny required advice create update lowest highest read write self any true false site everybody")
	known = slices.AppendSeq(known, maps.Keys(kinds()))
	for n := range klinkev1.NumberType_name {
		if n != 0 {
			known = append(known, string(numberTypeWord(klinkev1.NumberType(n))))
		}
	}
	for _, w := range known {
		if !said[w] && !said[w+"?"] {
			t.Errorf("docs/model.md has no example of the word `%s`", w)
		}
	}
}

// words collects all keys and scalars of a tree.
func words(n *node, into map[string]bool) {
	into[n.text] = true
	for _, item := range n.items {
		words(item, into)
	}
	for _, e := range n.entries {
		into[e.key.text] = true
		words(e.value, into)
	}
}
