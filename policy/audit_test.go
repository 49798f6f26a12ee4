// The audit promises that what a snapshot derives and counts is what its records say, so that nothing leaks in a long life.
package policy

import (
	"cmp"
	"slices"

	"pgregory.net/rapid"
)

// audit recounts a snapshot.
func audit(t rapid.TB, s *Snapshot) {
	t.Helper()
	refs, stands := map[uint32]uint32{}, map[edge]uint32{}
	var timedEdges, ceilingEdges, limitEdges, objectEdges, sharingEnds int
	s.subjects.all(func(space byte, id []byte, row *subject) bool {
		n := row.bits & subjectClass
		refs[n]++
		edges := s.classes.edges(n)
		if (space == spaceApp) != (len(edges) > 0 && edges[0] == edgeApp) {
			t.Fatalf("%c:%s has edges %x", space, id, edges)
		}
		for _, e := range edges {
			if at := s.stand(e); at != 0 {
				stands[at]++
			}
			switch e.kind() {
			case edgeTimed:
				timedEdges++
			case edgeCeiling:
				ceilingEdges++
			case edgeLimit:
				limitEdges++
			case edgeObject:
				objectEdges++
			case edgeSharing:
				r := s.sharing.get(e.number())
				if me := (who{space, string(id)}); r.from.subject == me || r.to.subject == me {
					sharingEnds++
				}
				if r.from == r.to {
					sharingEnds++
				}
			}
		}
		return true
	})
	s.attributes.all(func(space byte, id []byte, values *[]string) bool {
		if s.subjects.get(space, string(id)) == nil || len(slices.Compact(slices.Clone(*values))) == 1 && (*values)[0] == "" {
			t.Fatalf("attributes of %c:%s, who has none: %q", space, id, *values)
		}
		return true
	})
	auditClasses(t, s, refs)
	sets := map[uint32]uint32{0: 1}
	for n := range refs {
		if f := uint32(s.classes.fold(n) & foldNumber); f != 0 {
			sets[f]++
		}
	}
	var given, bagTimed, holderGrants int
	entity := func(e edge, x *entity) {
		for _, set := range []uint32{x.set, x.alone.set} {
			if set != 0 {
				sets[set]++
			}
		}
		if e != 0 && x.subjects != stands[e] {
			t.Fatalf("%s counts %d subjects; %d stand on it", x.id, x.subjects, stands[e])
		}
		for _, b := range []*bag{x.own, x.below} {
			if b == nil {
				continue
			}
			if b.empty() {
				t.Fatalf("%s keeps an empty bag", x.id)
			}
			given += len(b.roles)
			holderGrants += int(b.objects)
			sharingEnds += len(b.sharing) + int(b.shares)
			for _, r := range b.roles {
				if r.timed != 0 {
					bagTimed++
				}
			}
		}
	}
	entity(0, s.everybody)
	live := counts{subjects: s.subjects.n}
	for n := range s.groups.len() {
		if g := *s.groups.get(n); g.id != "" {
			live.groups++
			entity(edgeGroup|edge(n), &g.entity)
		} else if g.set != 0 || g.subjects != 0 || g.own != nil {
			t.Fatal("a deleted group has something")
		}
	}
	for n := range s.departments.len() {
		if d := *s.departments.get(n); d.id != "" {
			live.departments++
			entity(edgeDepartment|edge(n), &d.entity)
		}
	}
	assigned := 0
	for n := range s.roles.len() {
		if r := *s.roles.get(n); r.id != "" {
			live.roles++
			entity(edgeRole|edge(n), &r.entity)
			assigned += int(r.given) + int(r.subjects)
		}
	}
	live.assignments, live.ceilings = assigned, ceilingEdges
	(&explainer{s: s}).holders(func(_ holder, b *bag) { live.ceilings += len(b.ceilings) })
	if s.count != live {
		t.Fatalf("counted %+v, there are %+v", s.count, live)
	}
	if bagTimed+timedEdges != s.timed.live || ceilingEdges != s.ceilings.live || limitEdges != s.limits.live || objectEdges+holderGrants != s.grants.live {
		t.Fatalf("tables keep what nobody has: timed %d of %d, ceilings %d of %d, limits %d of %d, grants %d of %d", bagTimed+timedEdges, s.timed.live,
			ceilingEdges, s.ceilings.live, limitEdges, s.limits.live, objectEdges+holderGrants, s.grants.live)
	}
	auditMoments(t, s)
	if sharingEnds != 2*s.sharing.live {
		t.Fatalf("%d sides of sharing rules are known, %d rules live", sharingEnds, s.sharing.live)
	}
	liveSets := 0
	for n := range s.sets.at.len() {
		x := s.sets.at.get(n)
		if x.refs != sets[n] {
			t.Fatalf("role set %v has %d references, of which %d are known", x.roles, x.refs, sets[n])
		}
		if x.refs > 0 {
			liveSets++
			if at, ok := s.sets.find(x.roles); n != 0 && (!ok || at != n) {
				t.Fatalf("role set %v cannot be found", x.roles)
			}
		}
	}
	if liveSets != s.sets.at.live {
		t.Fatalf("%d role sets live, %d counted", liveSets, s.sets.at.live)
	}
	granted, capped := map[perm]uint32{}, map[perm]uint32{}
	for n := range s.grants.len() {
		if g := s.grants.get(n); g.id != "" {
			granted[g.perm]++
		}
	}
	(&explainer{s: s}).holders(func(_ holder, b *bag) {
		for _, c := range b.ceilings {
			capped[c.perm]++
		}
	})
	s.subjects.all(func(_ byte, _ []byte, row *subject) bool {
		for _, e := range s.classes.edges(row.bits & subjectClass) {
			if e.kind() == edgeCeiling {
				capped[s.ceilings.get(e.number()).perm]++
			}
		}
		return true
	})
	for p := range perm(len(s.model.perms) + len(s.fields)) {
		if granted[p] != s.granted[p] || capped[p] != s.capped[p] {
			t.Fatalf("%s has %d grants and %d ceilings; %d and %d counted", s.permName(p), granted[p], capped[p], s.granted[p], s.capped[p])
		}
	}
}

// auditMoments recounts what begins and ends by itself, and who uses hours.
func auditMoments(t rapid.TB, s *Snapshot) {
	t.Helper()
	want, hours := map[moment]bool{}, make([]map[moment]bool, len(s.model.scheds))
	uses := make([]uint32, len(s.model.scheds))
	for no := range s.timed.len() {
		x := s.timed.get(no)
		if x.from != 0 {
			want[moment{x.from, momentBegins | no}] = true
		}
		if x.until != 0 {
			want[moment{x.until, momentEnds | no}] = true
		}
		if x.sched == nil {
			continue
		}
		i := s.model.schedNo[x.sched.name]
		if hours[i] == nil {
			hours[i] = map[moment]bool{}
		}
		hours[i][moment{cmp.Or(x.until, momentNever), no}] = true
	}
	for no := range s.grants.len() {
		if g := s.grants.get(no); g.until != 0 {
			want[moment{g.until, momentGrantEnds | no}] = true
		}
	}
	for n := range s.roles.len() {
		for _, c := range (*s.roles.get(n)).cells {
			if c.sched != nil {
				uses[s.model.schedNo[c.sched.name]]++
			}
		}
	}
	counted := func(what string, m moments, want map[moment]bool) {
		n, last := 0, moment{}
		for x := range m.after(0) {
			if n++; !want[x] || x.compare(last) <= 0 {
				t.Fatalf("%s: %v after %v, want %v", what, x, last, want)
			}
			last = x
		}
		if n != len(want) || m.last() != last.at {
			t.Fatalf("%s: %d moments, the last %d; want %v", what, n, m.last(), want)
		}
	}
	counted("moments", s.moments, want)
	for i := range s.hours {
		counted(s.model.scheds[i].name, s.hours[i].ends, hours[i])
		if s.hours[i].cells != uses[i] {
			t.Fatalf("%s: %d cells are counted, there are %d", s.model.scheds[i].name, s.hours[i].cells, uses[i])
		}
	}
}

func auditClasses(t rapid.TB, s *Snapshot, refs map[uint32]uint32) {
	t.Helper()
	chained := map[uint32]bool{}
	for b := range s.classes.buckets.len() {
		for i := *s.classes.buckets.get(b); i != 0; i = s.classes.page(i - 1).next[(i-1)%pageSize] {
			if chained[i-1] || s.classes.bucket(s.classes.hash(s.classes.edges(i-1))) != b {
				t.Fatalf("class %d is in the wrong chain, or in two", i-1)
			}
			chained[i-1] = true
		}
	}
	for n := range s.classes.n {
		edges := s.classes.edges(n)
		if s.classes.refs(n) != refs[n] || chained[n] != (refs[n] > 0) || refs[n] == 0 && (len(edges) > 0 || s.classes.fold(n) != 0) {
			t.Fatalf("class %d (%x) has %d references; %d subjects are in it", n, edges, s.classes.refs(n), refs[n])
		}
		if !slices.IsSorted(edges) || len(slices.Compact(slices.Clone(edges))) != len(edges) {
			t.Fatalf("class %d has edges %x", n, edges)
		}
	}
	if len(chained) != len(refs) || int(s.classes.live) != len(refs) {
		t.Fatalf("%d classes are chained, %d live, %d used", len(chained), s.classes.live, len(refs))
	}
}
