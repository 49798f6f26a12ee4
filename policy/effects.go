package policy

import (
	"cmp"
	"maps"
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// footprint lists what holders of answers must drop. Subjects are those edited and those of the classes that were hit;
// beyond MaxFootprint it says "all".
func (d *draft) footprint() *klinkev1.Footprint {
	out := &klinkev1.Footprint{}
	for _, k := range slices.Sorted(maps.Keys(d.touched)) {
		out.Touched = append(out.Touched, &klinkev1.Read{Kind: k})
	}
	for _, l := range slices.Sorted(maps.Keys(d.lists)) {
		out.Touched = append(out.Touched, &klinkev1.Read{Kind: klinkev1.ReadKind_READ_KIND_LIST, Name: l})
	}
	count := len(d.was)
	for _, n := range d.hits {
		count += int(d.s.classes.refs(n)) // may count some of them twice: then "all" comes a little early
	}
	if d.all || count > MaxFootprint {
		out.AllSubjects = true
		return out
	}
	names := map[string]struct{}{}
	for w := range d.was {
		names[w.String()] = struct{}{}
	}
	for _, w := range d.unmoved() {
		names[w.String()] = struct{}{}
	}
	out.Subjects = slices.Sorted(maps.Keys(names))
	return out
}

// unmoved names the subjects of the classes that were hit, other than those edited. It reads the class of every subject.
func (d *draft) unmoved() []who {
	var out []who
	if len(d.hits) == 0 {
		return nil
	}
	hit := map[uint32]bool{}
	for _, n := range d.hits {
		hit[n] = true
	}
	d.s.subjects.all(func(space byte, id []byte, row *subject) bool {
		if hit[row.bits&subjectClass] {
			w := who{space, string(id)}
			if _, moved := d.was[w]; !moved {
				out = append(out, w)
			}
		}
		return true
	})
	return out
}

// effectKey is one kind of gain or loss.
type effectKey struct {
	permission, from, to string
	conditional          bool
}

type gains struct {
	d     *draft
	now   int64
	found map[effectKey]*klinkev1.Effect
}

// effects compares the merged cells of every subject concerned before and after.
func (d *draft) effects() []*klinkev1.Effect {
	if d.old.model != d.s.model {
		return nil // another vocabulary: there is nothing to compare cell by cell
	}
	g := &gains{d: d, now: d.at.Now.UnixNano(), found: map[effectKey]*klinkev1.Effect{}}
	moved := map[uint32]uint32{} // how many edited subjects a class now has
	for w, class := range d.was {
		before, after := standing{}, standing{}
		if class != noClass {
			before = d.old.standing(class, g.now)
		}
		if row := d.s.subjects.get(w.space, w.id); row != nil {
			after = d.s.standing(row.bits&subjectClass, g.now)
			moved[row.bits&subjectClass]++
		}
		g.compare(before, after, 1, func() []who { return []who{w} })
	}
	var rest []who
	total := 0
	for _, n := range d.hits {
		total += int(d.s.classes.refs(n) - moved[n])
	}
	if total <= MaxFootprint {
		rest = d.unmoved()
	}
	for _, n := range d.hits {
		if _, ok := d.fresh[n]; ok || d.s.classes.refs(n) == moved[n] {
			continue
		}
		members := func() []who {
			return slices.DeleteFunc(slices.Clone(rest), func(w who) bool {
				return d.s.subjects.get(w.space, w.id).bits&subjectClass != n
			})
		}
		g.compare(d.old.standing(n, g.now), d.s.standing(n, g.now), uint64(d.s.classes.refs(n)-moved[n]), members)
	}
	return g.list()
}

// standing is what a class has at a moment, apart from conditions and schedules.
type standing struct {
	there       bool
	s           *Snapshot
	table       *cells
	flags       []edge
	conditional bool
}

func (s *Snapshot) standing(class uint32, now int64) standing {
	edges := s.classes.edges(class)
	flags := edges[countBefore(edges, edgeFlag):countBefore(edges, edgeGroup)]
	fold := s.classes.fold(class)
	if fold&foldDynamic == 0 && fold != 0 {
		return standing{there: true, s: s, table: s.sets.at.get(uint32(fold)).table, flags: flags}
	}
	out := standing{there: true, s: s, flags: flags}
	var tables []*cells
	var on func(x *entity)
	sometimes := func(no uint32) {
		t := s.timed.get(no)
		switch {
		case t.cond != nil || t.sched != nil:
			out.conditional = true
		case (t.from == 0 || t.from <= now) && (t.until == 0 || now < t.until):
			tables = append(tables, (*s.roles.get(t.role)).table)
			out.conditional = true
		}
	}
	exists := func(no uint32) bool {
		t := s.timed.get(no)
		return t.cond == nil && t.sched == nil && (t.from == 0 || t.from <= now) && (t.until == 0 || now < t.until)
	}
	ownRole := slices.ContainsFunc(edges, func(e edge) bool { return e.kind() == edgeRole || e.kind() == edgeTimed && exists(e.number()) })
	on = func(x *entity) {
		g := s.gives(x, ownRole)
		tables = append(tables, s.sets.at.get(g.set).table)
		for _, t := range g.timed {
			sometimes(t)
		}
	}
	if len(edges) == 0 || edges[0] != edgeApp {
		on(s.everybody)
	}
	for _, e := range edges {
		switch e.kind() {
		case edgeGroup, edgeDepartment, edgeHead, edgeRole:
			on(s.entityOf(e))
		case edgeTimed:
			sometimes(e.number())
			if exists(e.number()) {
				on(s.entityOf(e))
			}
		}
	}
	out.table = merge(append(tables, &cells{}), s.lowest)
	return out
}

func (g *gains) compare(before, after standing, count uint64, members func() []who) {
	d := g.d
	for _, f := range after.flags {
		if !slices.Contains(before.flags, f) {
			g.add(effectKey{"flag:" + d.flagName(f), "", "set", false}, count, members)
		}
	}
	for _, f := range before.flags {
		if !slices.Contains(after.flags, f) {
			g.add(effectKey{"flag:" + d.flagName(f), "set", "", false}, count, members)
		}
	}
	if before.table == after.table && before.there && after.there && before.s.lowest == after.s.lowest {
		return
	}
	pages := 0
	for _, x := range []standing{before, after} {
		if x.table != nil {
			pages = max(pages, len(x.table.pages))
		}
	}
	for i := range pages {
		a, b := before.page(i), after.page(i)
		if a == b && before.there && after.there {
			continue
		}
		for j := range cellPage {
			p := i*cellPage + j
			if p >= len(d.s.model.perms)+len(d.s.fields) {
				break
			}
			if (a == nil || a[j] == 0) && (b == nil || b[j] == 0) && before.there && after.there {
				continue
			}
			g.permission(perm(p), before, after, count, members)
		}
	}
}

func (x standing) page(i int) *[cellPage]uint8 {
	if x.table == nil || i >= len(x.table.pages) {
		return nil
	}
	return x.table.pages[i]
}

// at is the rank that a standing has of a permission, and whether a condition has a say.
func (x standing) at(p perm) (rank uint8, conditional bool) {
	v := x.table.at(p)
	if v&cellSaid == 0 {
		return x.s.scale(p).fallback, x.conditional || v != 0
	}
	return v&cellSaid - 1, x.conditional || v&cellConditional != 0
}

func (g *gains) permission(p perm, before, after standing, count uint64, members func() []who) {
	sc := g.d.s.scale(p)
	key := effectKey{permission: g.d.s.permName(p)}
	nothing := func(rank uint8) bool { return !sc.levels[rank].any && len(sc.levels[rank].tests) == 0 }
	from, to, a, b := uint8(0), uint8(0), false, false
	if before.there {
		from, a = g.before(p, before)
		key.from = sc.levels[from].name
	}
	if after.there {
		to, b = after.at(p)
		key.to = sc.levels[to].name
	}
	key.conditional = a || b
	switch {
	case before.there && after.there && from == to,
		!before.there && nothing(to), !after.there && nothing(from):
		return
	}
	g.add(key, count, members)
}

// before is the rank before the write; a field named for the first time was spoken of by its type's pattern.
func (g *gains) before(p perm, x standing) (uint8, bool) {
	if n := int(p) - len(x.s.model.perms); n >= len(x.s.fields) {
		return x.at(g.d.s.fields[n].generic)
	}
	return x.at(p)
}

func (g *gains) add(key effectKey, count uint64, members func() []who) {
	e := g.found[key]
	if e == nil {
		e = &klinkev1.Effect{Permission: key.permission, From: key.from, To: key.to, Conditional: key.conditional}
		g.found[key] = e
	}
	if e.Count += count; e.Count > MaxFootprint {
		e.Subjects = nil
		return
	}
	for _, w := range members() {
		e.Subjects = append(e.Subjects, w.String())
	}
}

func (g *gains) list() []*klinkev1.Effect {
	out := slices.Collect(maps.Values(g.found))
	for _, e := range out {
		if slices.Sort(e.Subjects); uint64(len(e.Subjects)) != e.GetCount() {
			e.Subjects = nil // more than can be listed
		}
	}
	slices.SortFunc(out, func(a, b *klinkev1.Effect) int {
		return cmp.Or(cmp.Compare(a.GetPermission(), b.GetPermission()), cmp.Compare(a.GetFrom(), b.GetFrom()),
			cmp.Compare(a.GetTo(), b.GetTo()), cmp.Compare(a.GetCount(), b.GetCount()))
	})
	return out
}

func (d *draft) flagName(f edge) string { return d.s.model.source.GetFlags()[f.number()] }
