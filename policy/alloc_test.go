// This test promises that deciding allocates nothing, whatever is asked, conditions aside.
package policy

import (
	"testing"

	"pgregory.net/rapid"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// decided keeps the compiler from leaving the decision out.
type decided struct{ last Decision }

func TestDecideAllocatesNothing(t *testing.T) {
	var out decided
	asked := map[klinkev1.Reason]int{}
	rapid.Check(t, func(t *rapid.T) {
		l := begin(t)
		for range 4 {
			if out := l.write(); out != nil {
				l.s = out.Next
			}
		}
		for range 8 {
			q, now := l.question(), l.moment()
			var r Request
			if l.s.Prepare(&r, q, l.s.Plan().Normalise) != nil {
				continue
			}
			d := Decide(l.s, &r, now)
			if d.people {
				continue // a condition was asked
			}
			asked[d.Reason]++
			if n := testing.AllocsPerRun(3, func() { out.last = Decide(l.s, &r, now) }); n > 0 {
				t.Fatalf("%v allocations: %v", n, q)
			}
		}
	})
	for _, reason := range []klinkev1.Reason{klinkev1.Reason_REASON_RELATION, klinkev1.Reason_REASON_OUT_OF_REACH, klinkev1.Reason_REASON_GATE,
		klinkev1.Reason_REASON_ANY, klinkev1.Reason_REASON_OVERRIDE} {
		if asked[reason] == 0 {
			t.Errorf("nothing was decided by %s", reason)
		}
	}
}

func TestClassesOfServiceAllocateNothing(t *testing.T) {
	var out decided
	answers := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		l := exchange(t)
		for range 4 {
			l.configure()
		}
		for range 8 {
			q, now := l.call(), l.hour()
			var r Request
			if l.s.Prepare(&r, q, l.s.Plan().Normalise) != nil {
				continue
			}
			if d := Decide(l.s, &r, now); d.people {
				continue // a condition was asked
			} else if d.Reason == klinkev1.Reason_REASON_GATE || d.Allow {
				answers[d.Allow]++
			}
			if n := testing.AllocsPerRun(3, func() { out.last = Decide(l.s, &r, now) }); n > 0 {
				t.Fatalf("%v allocations: %v", n, q)
			}
		}
	})
	if answers[true] < 20 || answers[false] < 20 {
		t.Errorf("classes allowed %d calls and refused %d", answers[true], answers[false])
	}
}
