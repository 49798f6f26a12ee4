package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

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
	for _, unmoved := range d.members(d.hits) {
		for _, w := range unmoved {
			names[w] = struct{}{}
		}
	}
	out.Subjects = slices.Sorted(maps.Keys(names))
	return out
}

// members names the subjects of classes, other than those edited. It reads the class of every subject.
func (d *draft) members(classes []uint32) map[uint32][]string {
	out := map[uint32][]string{}
	for _, n := range classes {
		out[n] = nil
	}
	if len(out) == 0 {
		return out
	}
	d.s.subjects.all(func(space byte, id []byte, row *subject) bool {
		n := row.bits & subjectClass
		if names, wanted := out[n]; wanted {
			w := who{space, string(id)}
			if _, moved := d.was[w]; !moved {
				out[n] = append(names, w.String())
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

// gain is whom it concerns: edited subjects by name, the others by their classes.
type gain struct {
	count    uint64
	subjects []string
	classes  []uint32
}

type gains struct {
	d     *draft
	now   int64
	found map[effectKey]*gain
}

// effects compares the merged cells of every subject concerned before and after.
func (d *draft) effects() []*klinkev1.Effect {
	if d.old.model != d.s.model {
		return nil // another vocabulary: there is nothing to compare cell by cell
	}
	g := &gains{d: d, now: d.at.Now.UnixNano(), found: map[effectKey]*gain{}}
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
		name := w.String()
		g.compare(before, after, func(x *gain) {
			if x.count++; x.count > MaxFootprint {
				x.subjects = nil // nobody will be named
			} else {
				x.subjects = append(x.subjects, name)
			}
		})
	}
	for _, n := range d.hits {
		rest := d.s.classes.refs(n) - moved[n]
		if _, ok := d.fresh[n]; ok || rest == 0 {
			continue
		}
		g.compare(d.old.standing(n, g.now), d.s.standing(n, g.now), func(x *gain) {
			x.count += uint64(rest)
			x.classes = append(x.classes, n)
		})
	}
	return g.list()
}

// standing is what a class has at a moment, apart from conditions and schedules.
type standing struct {
	there     bool
	s         *Snapshot
	table     *cells
	flags     []edge
	sometimes []*cells // what roles say that are given for a time, at hours or under a condition
}

func (s *Snapshot) standing(class uint32, now int64) standing {
	edges := s.classes.edges(class)
	out := standing{there: true, s: s, flags: edges[countBefore(edges, edgeFlag):countBefore(edges, edgeGroup)]}
	fold := s.classes.fold(class)
	if fold&foldDynamic == 0 && fold != 0 {
		out.table = s.sets.at.get(uint32(fold)).table
		return out
	}
	tables := []*cells{{}}
	// give adds a table: for good, or only sometimes, whether it holds now or not.
	give := func(t *cells, now, sometimes bool) {
		if now {
			tables = append(tables, t)
		}
		if sometimes {
			out.sometimes = append(out.sometimes, t)
		}
	}
	may := slices.ContainsFunc(edges, func(e edge) bool { return e.kind() == edgeTimed && !s.timed.get(e.number()).over(now) })
	ownRole := hasKind(edges, edgeRole)
	ownNow := ownRole || slices.ContainsFunc(edges, func(e edge) bool { return e.kind() == edgeTimed && s.timed.get(e.number()).plain(now) })
	add := func(g given, holds, sometimes bool) {
		give(s.sets.at.get(g.set).table, holds, sometimes)
		for _, no := range g.timed {
			if t := s.timed.get(no); !t.over(now) {
				give((*s.roles.get(t.role)).table, holds && t.plain(now), true)
			}
		}
	}
	on := func(x *entity, holds, sometimes bool) {
		turns := s.direct && may && !ownRole && x.silent() // at other moments he has a role of his own, or has none
		add(s.gives(x, ownNow), holds, sometimes || turns)
		if turns {
			add(s.gives(x, !ownNow), false, true)
		}
	}
	if len(edges) == 0 || edges[0] != edgeApp {
		on(s.everybody, true, false)
	}
	for _, e := range edges {
		switch e.kind() {
		case edgeGroup, edgeDepartment, edgeHead, edgeRole:
			on(s.entityOf(e), true, false)
		case edgeTimed:
			if t := s.timed.get(e.number()); !t.over(now) {
				on(s.entityOf(e), t.plain(now), true)
			}
		}
	}
	out.table = merge(tables, s.lowest)
	return out
}

// over says whether an assignment is past its time.
func (t *timed) over(now int64) bool { return t.until != 0 && now >= t.until }

// plain says whether an assignment holds by its time alone.
func (t *timed) plain(now int64) bool {
	return t.cond == nil && t.sched == nil && t.from <= now && !t.over(now)
}

// compare counts, for each permission of which before and after differ, whom it is about.
func (g *gains) compare(before, after standing, about func(*gain)) {
	d := g.d
	for _, f := range after.flags {
		if !slices.Contains(before.flags, f) {
			about(g.of(effectKey{"flag:" + d.flagName(f), "", "set", false}))
		}
	}
	for _, f := range before.flags {
		if !slices.Contains(after.flags, f) {
			about(g.of(effectKey{"flag:" + d.flagName(f), "set", "", false}))
		}
	}
	both := before.there && after.there
	if both && before.table == after.table && before.s.lowest == after.s.lowest {
		return
	}
	all := len(d.s.model.perms) + len(d.s.fields)
	named := all - (len(d.s.fields) - len(d.old.fields)) // from here on fields that had no name before
	for i := 0; i < all; i += cellPage {
		a, b := before.page(i/cellPage), after.page(i/cellPage)
		if both && a == b && i+cellPage <= named {
			continue
		}
		for j := range min(cellPage, all-i) {
			if both && i+j < named && (a == nil || a[j] == 0) && (b == nil || b[j] == 0) {
				continue // silent before and after
			}
			g.permission(perm(i+j), before, after, about)
		}
	}
}

func (x standing) page(i int) *[cellPage]uint8 {
	if x.table == nil || i >= len(x.table.pages) {
		return nil
	}
	return x.table.pages[i]
}

// at is the rank that a standing has of a permission, and whether a time, a schedule or a condition has a say.
func (x standing) at(p perm) (rank uint8, conditional bool) {
	v := x.table.at(p)
	conditional = v&cellConditional != 0 || slices.ContainsFunc(x.sometimes, func(t *cells) bool { return t.at(p) != 0 })
	if v&cellSaid == 0 {
		return x.s.scale(p).fallback, conditional
	}
	return v&cellSaid - 1, conditional
}

func (g *gains) permission(p perm, before, after standing, about func(*gain)) {
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
	about(g.of(key))
}

// before is the rank before the write; a field named for the first time was spoken of by its type's pattern.
func (g *gains) before(p perm, x standing) (uint8, bool) {
	if n := int(p) - len(x.s.model.perms); n >= len(x.s.fields) {
		return x.at(g.d.s.fields[n].generic)
	}
	return x.at(p)
}

func (g *gains) of(key effectKey) *gain {
	x := g.found[key]
	if x == nil {
		x = &gain{}
		g.found[key] = x
	}
	return x
}

// list writes the effects down, with names where they are few enough. A role may speak of thousands of permissions, so that
// the same thousand gain each of them: when the names of an entry become too much, the effects that follow only count.
func (g *gains) list() []*klinkev1.Effect {
	var classes []uint32
	for _, x := range g.found {
		if x.count <= MaxFootprint {
			classes = append(classes, x.classes...)
		}
	}
	members := g.d.members(classes)
	keys := slices.SortedFunc(maps.Keys(g.found), func(a, b effectKey) int {
		return cmp.Or(cmp.Compare(a.permission, b.permission), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to),
			strings.Compare(bit(a.conditional), bit(b.conditional)))
	})
	out := make([]*klinkev1.Effect, 0, len(keys))
	room := MaxEffectBytes
	for _, key := range keys {
		x := g.found[key]
		e := &klinkev1.Effect{Permission: key.permission, From: key.from, To: key.to, Conditional: key.conditional, Count: x.count}
		out = append(out, e)
		if x.count > MaxFootprint {
			continue
		}
		size := sizeOfNames(x.subjects)
		for _, n := range x.classes {
			size += sizeOfNames(members[n])
		}
		if size > room {
			continue
		}
		room -= size
		e.Subjects = x.subjects
		for _, n := range x.classes {
			e.Subjects = append(e.Subjects, members[n]...)
		}
		slices.Sort(e.Subjects)
	}
	return out
}

func sizeOfNames(names []string) (n int) {
	for _, name := range names {
		n += len(name)
	}
	return n
}

func (d *draft) flagName(f edge) string { return d.s.model.source.GetFlags()[f.number()] }
