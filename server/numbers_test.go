// These tests prove that the cache of numbers answers as the plan does, and never grows beyond its bound.
package server

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/klinke-authz/klinke/policy/dial"
)

// plans makes two plans that read the same digits differently.
func plans(t *testing.T) (a, b *dial.Plan) {
	t.Helper()
	m := model()
	m.Regions[0].Emergency = []string{"110"}
	a, err := dial.NewPlan(m)
	if err != nil {
		t.Fatal(err)
	}
	other := model()
	other.Regions[0].Emergency = []string{"112"}
	if b, err = dial.NewPlan(other); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestNumbersAreThePlans(t *testing.T) {
	a, b := plans(t)
	n := newNumbers()
	for range 3 {
		for _, plan := range []*dial.Plan{a, b} {
			for _, raw := range []string{"110", "112", "030 123456", "+4930123456", "", strings.Repeat("1", cachedBytes+1)} {
				if got, want := n.normalise(plan, "", raw), plan.Normalise("", raw); got != want {
					t.Errorf("%q: %+v, want %+v", raw, got, want)
				}
			}
		}
	}
}

func TestNumbersAreBounded(t *testing.T) {
	a, _ := plans(t)
	n := newNumbers()
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range numberShards * numberGeneration {
				raw := fmt.Sprintf("x%d.%d", w, i) // no number, hence quick to read
				if got := n.normalise(a, "", raw); got.E164 != "" {
					t.Errorf("%s: %+v", raw, got)
				}
			}
		})
	}
	all.Wait()
	for i := range n.shards {
		s := &n.shards[i]
		if len(s.young) > numberGeneration || len(s.old) > numberGeneration {
			t.Errorf("shard %d holds %d and %d", i, len(s.young), len(s.old))
		}
		if len(s.young)+len(s.old) == 0 {
			t.Errorf("shard %d remembers nothing", i)
		}
	}
}
