// These benchmarks show what a number of a long list costs: its bytes in the snapshot, the look-ups of numbers that are
// listed, that only a prefix covers and that are not there, and a write to a list of 5,000,000.
package policy

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// benchNumbers are different numbers as address books have them: area codes of a country, random behind them.
func benchNumbers(n int) []string {
	r := rand.New(rand.NewPCG(7, 7))
	areas := []string{"+4930", "+4940", "+4989", "+49221", "+49351", "+4915", "+4916", "+4917"}
	seen := make(map[string]struct{}, n)
	out := make([]string, 0, n)
	for len(out) < n {
		s := fmt.Sprintf("%s%08d", areas[r.IntN(len(areas))], r.IntN(80_000_000))
		if _, ok := seen[s]; !ok {
			seen[s] = struct{}{}
			out = append(out, s)
		}
	}
	return out
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// fill puts numbers in batches, as writes come.
func fill(numbers []string) *numberSet {
	s := &numberSet{}
	for chunk := range slices.Chunk(numbers, 5000) {
		b := new(batch)
		for _, n := range chunk {
			code, _ := numberCode(n, false)
			s.put(b, code)
		}
	}
	return s
}

func BenchmarkNumbers(b *testing.B) {
	listed := benchNumbers(MaxNumbersInList)
	for _, order := range []string{"sorted", "random"} {
		numbers := listed
		if order == "sorted" {
			numbers = slices.Clone(listed)
			slices.Sort(numbers)
		}
		b.Run("fill/"+order, func(b *testing.B) {
			for b.Loop() {
				before := heapInUse()
				s := fill(numbers)
				b.ReportMetric(float64(heapInUse()-before)/float64(s.n), "B/number")
				runtime.KeepAlive(s)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(numbers)), "ns/number")
		})
	}
	s := fill(listed)
	with := new(batch)
	for _, p := range []string{"+43", "+431", "+49900", "+491379", "+4988888888"} {
		code, _ := numberCode(p, true)
		s.put(with, code)
	}
	look := func(name string, want bool, ask func(i int) string) {
		questions := make([]string, 1<<16)
		for i := range questions {
			questions[i] = ask(i)
		}
		b.Run("look/"+name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if s.contains(questions[i&(len(questions)-1)]) != want {
					b.Fatalf("%s: %t", questions[i&(len(questions)-1)], !want)
				}
				i++
			}
		})
	}
	look("listed", true, func(i int) string { return listed[i*7919%len(listed)] })
	look("prefix", true, func(i int) string { return fmt.Sprintf("+49900%07d", i*101) })
	look("missing", false, func(i int) string { return fmt.Sprintf("+4930%08d", 80_000_000+i*11) })
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			next, w := *s, new(batch)
			code, _ := numberCode(fmt.Sprintf("+4930%08d", 80_000_000+i%1_000_000), false)
			next.put(w, code)
			i++
		}
	})
}
