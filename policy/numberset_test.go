// This test proves that a number set holds what a map holds, through bursts and deletions, whatever its numbers have in
// common; that older versions stay; and that a number costs few bytes and an edit does not cost by the size of the list.
package policy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

type numberEntry struct {
	number string
	prefix bool
}

// holds compares a set with a map, and what it contains with a search through the whole map.
func holds(t *testing.T, s *numberSet, want map[numberEntry]bool, asked []string) {
	t.Helper()
	if s.n != len(want) {
		t.Fatalf("%d numbers, want %d", s.n, len(want))
	}
	seen, last := 0, ""
	s.all(func(code uint64) bool {
		n, prefix := numberText(code)
		if !want[numberEntry{n, prefix}] {
			t.Fatalf("visited %s %t", n, prefix)
		}
		if sorted := strings.Replace(n, "+", "~", 1) + fmt.Sprintf(" %t", prefix); seen > 0 && sorted <= last {
			t.Fatalf("%s comes behind %s", sorted, last)
		} else {
			last = sorted
		}
		seen++
		return true
	})
	if seen != len(want) {
		t.Fatalf("visited %d numbers, want %d", seen, len(want))
	}
	for e := range want {
		if code, _ := numberCode(e.number, e.prefix); !s.has(code) || !s.contains(e.number) {
			t.Fatalf("%v is not there", e)
		}
	}
	for _, n := range asked {
		listed := want[numberEntry{n, false}]
		for k := 1; k <= len(n); k++ {
			listed = listed || want[numberEntry{n[:k], true}]
		}
		if s.contains(n) != listed {
			t.Fatalf("%s: %t, want %t", n, !listed, listed)
		}
	}
}

func TestNumberSetIsASet(t *testing.T) {
	for name, digits := range map[string]func(draw *rand.Rand) string{
		"dense":    func(draw *rand.Rand) string { return strconv.Itoa(draw.IntN(9_000)) },
		"nested":   func(draw *rand.Rand) string { return fmt.Sprintf("7%05d", draw.IntN(10_000))[:6-min(5, draw.IntN(9))] },
		"apart":    func(draw *rand.Rand) string { return fmt.Sprintf("%015d", draw.Uint64N(1e15)) },
		"together": func(draw *rand.Rand) string { return fmt.Sprintf("49000000000%04d", draw.IntN(5_000)) },
		"any": func(draw *rand.Rand) string {
			return fmt.Sprintf("%015d", draw.Uint64N(1e15))[:1+draw.IntN(4)] + strings.Repeat("0", draw.IntN(12))
		},
	} {
		t.Run(name, func(t *testing.T) {
			draw := rand.New(rand.NewPCG(1, 2))
			drawn := func() string {
				s := digits(draw)
				return []string{s, "+" + s}[draw.IntN(2)]
			}
			s, want := &numberSet{}, map[numberEntry]bool{}
			for round := range 16 {
				before, beforeWant := *s, maps.Clone(want)
				b := new(batch)
				for range 2_000 {
					e := numberEntry{drawn(), draw.IntN(20) == 0}
					code, ok := numberCode(e.number, e.prefix)
					if !ok {
						t.Fatalf("%s is refused", e.number)
					}
					if n, prefix := numberText(code); n != e.number || prefix != e.prefix || !isNumberCode(code) {
						t.Fatalf("%v is %s %t", e, n, prefix)
					}
					if round%8 < 5 && draw.IntN(4) > 0 {
						if s.put(b, code) == want[e] {
							t.Fatalf("%v: put as new, and there before: %t", e, want[e])
						}
						want[e] = true
					} else {
						if s.delete(b, code) != want[e] {
							t.Fatalf("%v: deleted, and there before: %t", e, want[e])
						}
						delete(want, e)
					}
				}
				var asked []string
				for range 300 {
					n := drawn()
					asked = append(asked, n, n[:1+len(n)/4], n[:1+len(n)/2])
				}
				holds(t, s, want, asked)
				holds(t, &before, beforeWant, asked)
			}
			b := new(batch)
			for e := range want {
				code, _ := numberCode(e.number, e.prefix)
				s.delete(b, code)
			}
			if s.n != 0 || s.roots != [2]*numberNode{} || s.lengths != [2][MaxDigits + 1]uint32{} {
				t.Errorf("emptied, it still holds %+v", s)
			}
		})
	}
}

func TestOnlyNumbersHaveCodes(t *testing.T) {
	for _, s := range []string{"", "+", "++4", "4+", "49 30", "1234567890123456", "+1234567890123456", "٤٩", "a", "4\x00"} {
		if code, ok := numberCode(s, false); ok {
			t.Errorf("%q has the code %x", s, code)
		}
		if (&numberSet{n: 1}).contains(s) {
			t.Errorf("%q is listed", s)
		}
	}
}

func TestOnlyCodesAreCodes(t *testing.T) {
	for _, code := range []uint64{0, codePlus, codePrefix, 0xb << 60, 5<<60 | 0xb<<56, 5<<60 | 4, 5<<60 | 8, 5<<60 | 1<<52, 1 << 56, ^uint64(0)} {
		if isNumberCode(code) {
			n, prefix := numberText(code)
			t.Errorf("%x is the code of %q %t", code, n, prefix)
		}
	}
}

// TestShortNumbersAboveLongOnes asks for what ends where many numbers go on.
func TestShortNumbersAboveLongOnes(t *testing.T) {
	s, b := &numberSet{}, new(batch)
	for i := range 3_000 {
		code, _ := numberCode(fmt.Sprintf("7%04d", i), false)
		s.put(b, code)
	}
	seven, _ := numberCode("7", false)
	for i, step := range []func(){
		func() {}, func() { s.put(b, seven) }, func() { s.delete(b, seven) }, func() { s.put(b, seven|codePrefix) },
	} {
		step()
		if listed := i == 1 || i == 3; s.contains("7") != listed || s.contains("79999") != (i == 3) {
			t.Errorf("step %d: 7 is listed: %t, and 79999: %t", i, s.contains("7"), s.contains("79999"))
		}
		visited := 0
		s.all(func(uint64) bool { visited++; return visited < 2_500 })
		if visited != 2_500 {
			t.Errorf("a visit that ends after 2,500 saw %d", visited)
		}
	}
}

// TestNumbersAreSmall fills lists in which numbers share as little, and as much, as they can.
func TestNumbersAreSmall(t *testing.T) {
	const n, most = 200_000, 16
	orders := map[string]func(i int) string{
		"in order": func(i int) string { return fmt.Sprintf("+4930%08d", i) },
		"random":   func(i int) string { return fmt.Sprintf("+49%013d", uint64(i)*7_919_777_333%10_000_000_000_000) },
		// So many that a leaf must burst have a long beginning in common, which the tree must follow.
		"chains": func(i int) string { return fmt.Sprintf("+%04d%07d%04d", 1000+i/1025, i/1025, i%1025) },
		// And from each such beginning single numbers stand off at every digit.
		"thorns": func(i int) string {
			chain, at := 1000+i/(1025+63), i%(1025+63)
			if at < 1025 {
				return fmt.Sprintf("+%04d0000000%04d", chain, at)
			}
			at -= 1025
			return fmt.Sprintf("+%04d%s%d%s", chain, strings.Repeat("0", at/9), 1+at%9, strings.Repeat("5", 10-at/9))
		},
	}
	for name, number := range orders {
		t.Run(name, func(t *testing.T) {
			before := heapInUse()
			s := &numberSet{}
			for i := 0; i < n; {
				b := new(batch)
				for range 5_000 {
					code, ok := numberCode(number(i), false)
					if !ok || !s.put(b, code) {
						t.Fatalf("%s: %t", number(i), ok)
					}
					i++
				}
			}
			bytes := float64(heapInUse()-before) / n
			t.Logf("%.1f bytes a number", bytes)
			if bytes > most {
				t.Errorf("%.1f bytes a number, want at most %d", bytes, most)
			}
			code, _ := numberCode(number(n), false)
			cost := testing.AllocsPerRun(10, func() {
				next := *s
				next.put(new(batch), code)
			})
			if cost > 4*(MaxDigits+1) {
				t.Errorf("%.0f allocations for an edit", cost)
			}
			if s.n != n || !s.contains(number(n/2)) {
				t.Errorf("%d numbers, and %s listed: %t", s.n, number(n/2), s.contains(number(n/2)))
			}
		})
	}
}

// What is no number is in no list, though it begins as a listed prefix does; Explain and Decide say the same.
func TestNoNumberIsListed(t *testing.T) {
	var s numberSet
	b := new(batch)
	for _, e := range []numberEntry{{"+4930", true}, {"20", true}, {"110", false}} {
		code, _ := numberCode(e.number, e.prefix)
		s.put(b, code)
	}
	e := &explainer{s: &Snapshot{lists: []numberSet{s}}}
	for number, want := range map[string]bool{
		"+4930": true, "+49301": true, "+49303456789012": true, "+493034567890123": true, "+4930345678901234": false, "+493": false,
		"+4930a": false, "+49301;ext=1": false, "4930": false, "++4930": false, "+": false, "": false,
		"20": true, "2012": true, "+20": false, "201234567890123": true, "2012345678901234": false, "110": true, "1101": false,
	} {
		if got := s.contains(number); got != want {
			t.Errorf("%q: contains says %t", number, got)
		}
		if got := e.listed(0, number); got != want {
			t.Errorf("%q: Explain says %t", number, got)
		}
	}
}
