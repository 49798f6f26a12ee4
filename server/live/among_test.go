// This test proves that a list of some tenants is the list of all without the others, however their ids are made and paged.
package live

import (
	"slices"
	"strings"
	"testing"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/store"
)

func TestListAmong(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		ts := world(t, s) // and acme
		ids := []string{
			"!", "a", "a!", "a~", "a\u00ff", "a\U0010ffff", "aa", "ab", "b", "b ", "~", "\u00e9", "\U0010ffff", strings.Repeat("z", policy.MaxIDBytes),
		}
		for i, id := range ids {
			if i%3 != 2 { // the others are missing
				create(t, ts, id)
			}
		}
		for _, some := range [][]string{nil, ids, {"acme"}, {"a", "a\U0010ffff", "aa", "acme"}, ids[5:9], {"missing"}, ids[2:3]} {
			some = slices.Sorted(slices.Values(some))
			all, next, err := ts.List(t.Context(), "", 1000)
			if err != nil || next != "" {
				t.Fatalf("%q, %v", next, err)
			}
			want := slices.DeleteFunc(all, func(i Info) bool { return !slices.Contains(some, i.ID) })
			for limit := 1; limit <= len(ids); limit++ {
				var got []Info
				after := ""
				for {
					page, next, err := ts.ListAmong(t.Context(), some, after, limit)
					if err != nil || len(page) > limit {
						t.Fatalf("%d tenants in a page of %d, %v", len(page), limit, err)
					}
					got = append(got, page...)
					if after = next; next == "" {
						break
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("of %q, in pages of %d: %v, want %v", some, limit, got, want)
				}
			}
		}
		if page, _, err := ts.ListAmong(t.Context(), []string{"a", "acme"}, "abc", 10); err != nil || len(page) != 1 || page[0].ID != "acme" {
			t.Errorf("after what is not among them: %v, %v", page, err)
		}
	})
}
