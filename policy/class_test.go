// This test proves that classes keep their edges however many of them share a page, and through edits.
package policy

import (
	"maps"
	"slices"
	"testing"
)

func TestClassesKeepTheirEdges(t *testing.T) {
	b := new(batch)
	c := newClasses(b)
	made := func(first, count uint32) []edge {
		out := make([]edge, count)
		for i := range out {
			out[i] = edgeObject | edge(first+uint32(i))
		}
		return out
	}
	// Lengths that pass 16 bits within a page, in the middle of the page, and on its last class.
	want := map[uint32][]edge{}
	for i := range uint32(3 * pageSize) {
		count := i % 7
		switch i {
		case 17, 2*pageSize - 1:
			count = 70_000
		case 2*pageSize + 5, 2*pageSize + 9:
			count = 40_000
		}
		edges := made(100_000*i, count)
		n, fresh := c.intern(b, edges)
		if count > 0 != fresh && i > 0 {
			t.Fatalf("class %d of %d edges: fresh is %t", n, count, fresh)
		}
		want[n] = edges
	}
	check := func(c *classes, what string, want map[uint32][]edge) {
		t.Helper()
		for n, edges := range want {
			if got := c.edges(n); !slices.Equal(got, edges) {
				t.Fatalf("%s: class %d has %d edges, want %d", what, n, len(got), len(edges))
			}
		}
	}
	check(&c, "interned", want)

	// Another batch gives some back and reuses their numbers: what was before stays.
	next, after := c, map[uint32][]edge{}
	maps.Copy(after, want)
	b = new(batch)
	for _, n := range []uint32{17, 20, pageSize + 3} {
		if len(want[n]) == 0 {
			continue
		}
		next.release(b, n)
		delete(after, n)
	}
	for i := range uint32(3) {
		edges := made(200_000_000+i, 30_000)
		n, _ := next.intern(b, edges)
		after[n] = edges
	}
	check(&next, "edited", after)
	check(&c, "before the edits", want)
}
