// This test proves that a dict holds what a map holds, through splits and deletions, and that older versions stay.
package policy

import (
	"maps"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestDictIsAMap(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	d, want := newDict[uint32](new(batch)), map[who]uint32{}
	d.reserve(new(batch), 1_000)
	check := func(d *dict[uint32], want map[who]uint32) {
		t.Helper()
		if d.n != len(want) {
			t.Fatalf("%d rows, want %d", d.n, len(want))
		}
		for k, v := range want {
			if got := d.get(k.space, k.id); got == nil || *got != v {
				t.Fatalf("%v is %v, want %d", k, got, v)
			}
		}
		seen := map[who]bool{}
		d.all(func(space byte, id []byte, row *uint32) bool {
			k := who{space, string(id)}
			if v, ok := want[k]; !ok || v != *row || seen[k] {
				t.Fatalf("visited %v: %d, want %d, seen before: %t", k, *row, v, seen[k])
			}
			seen[k] = true
			return true
		})
		if len(seen) != len(want) {
			t.Fatalf("visited %d rows, want %d", len(seen), len(want))
		}
	}
	for range 20 {
		before, beforeWant := d, maps.Clone(want)
		b := new(batch)
		for range 1_000 {
			k := who{[]byte{spaceUser, spaceApp}[draw.IntN(2)], strconv.Itoa(draw.IntN(6_000))}
			_, there := want[k]
			switch draw.IntN(4) {
			case 0:
				if d.delete(b, k.space, k.id) != there {
					t.Fatalf("deleting %v: %t before", k, there)
				}
				delete(want, k)
			default:
				v := draw.Uint32()
				d.put(b, k.space, k.id, v)
				want[k] = v
			}
		}
		check(&d, want)
		check(&before, beforeWant)
		d.compact()
		check(&d, want)
	}
	if got := d.get(spaceUser, "no such"); got != nil {
		t.Errorf("what was never put is %d", *got)
	}
}
