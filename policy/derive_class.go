package policy

import "slices"

// foldClasses merges ahead what new classes, and classes whose rights may have changed, have for good, and checks what one subject
// may have. Looking for the latter reads the edges of every class, and costs nothing when only subjects were edited.
func (d *draft) foldClasses(changed map[uint32]bool) error {
	if d.whole {
		for n := range d.s.classes.n {
			if d.s.classes.refs(n) > 0 {
				if err := d.foldClass(n); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if len(d.stands) > 0 || len(changed) > 0 {
		for n := range d.s.classes.n {
			if d.s.classes.refs(n) > 0 && d.hit(n, changed) {
				d.hits = append(d.hits, n)
			}
		}
	}
	for n := range d.fresh {
		if err := d.foldClass(n); err != nil {
			return err
		}
	}
	for _, n := range d.hits {
		if _, ok := d.fresh[n]; !ok {
			if err := d.foldClass(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// stand is the entity that an edge ends at, as an edge by which draft.stands knows it; 0 for none.
func (s *Snapshot) stand(e edge) edge {
	switch e.kind() {
	case edgeGroup, edgeDepartment, edgeRole:
		return e
	case edgeHead:
		return edgeDepartment | e&edgeNumber
	case edgeTimed:
		return edgeRole | edge(s.timed.get(e.number()).role)
	}
	return 0
}

// hit says whether something changed on which a class stands.
func (d *draft) hit(n uint32, changed map[uint32]bool) bool {
	edges := d.s.classes.edges(n)
	isApp := len(edges) > 0 && edges[0] == edgeApp
	if _, ok := d.stands[0]; ok && !isApp {
		return true
	}
	has := func(x *entity) bool {
		return slices.ContainsFunc(d.s.sets.at.get(x.set).roles, func(r uint32) bool { return changed[r] }) ||
			slices.ContainsFunc(x.timed, func(t uint32) bool { return changed[d.s.timed.get(t).role] })
	}
	if len(changed) > 0 && !isApp && has(d.s.everybody) {
		return true
	}
	for _, e := range edges {
		at := d.s.stand(e)
		if at == 0 {
			continue
		}
		if _, ok := d.stands[at]; ok {
			return true
		}
		if len(changed) > 0 && (e.kind() == edgeTimed && changed[uint32(at&edgeNumber)] || has(d.s.entityOf(e))) {
			return true
		}
	}
	return false
}

// foldClass merges a class's roles ahead, unless the tenant has too many different sets of them.
func (d *draft) foldClass(n uint32) error {
	s := d.s
	edges := s.classes.edges(n)
	if set, ok := d.single(edges); ok {
		s.sets.retain(d.b, set)
		d.setFold(n, uint16(set))
		return nil
	}
	var roles, maybe []uint32
	conditional, dynamic := 0, false
	sometimes := func(no uint32) {
		t := s.timed.get(no)
		maybe, dynamic = append(maybe, t.role), true
		if t.cond != nil {
			conditional++
		}
	}
	ownRole := hasKind(edges, edgeRole)
	on := func(x *entity) {
		g := s.gives(x, ownRole)
		if g.set != 0 {
			roles = append(roles, s.sets.at.get(g.set).roles...)
		}
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
			x := s.entityOf(e) // what a sometimes assigned role is given, it is given sometimes
			maybe = append(maybe, s.sets.at.get(x.set).roles...)
			for _, t := range x.timed {
				sometimes(t)
			}
		}
	}
	slices.Sort(roles)
	roles = slices.Compact(roles)
	if err := d.withinLimits(append(slices.Clone(roles), maybe...), conditional); err != nil {
		return err
	}
	fold := uint16(0)
	if set, ok := s.sets.find(roles); ok && set <= uint32(foldNumber) {
		s.sets.retain(d.b, set)
		fold = uint16(set)
	} else if !ok && s.sets.at.live < maxFolded {
		if set := d.roleSet(roles); set <= uint32(foldNumber) {
			fold = uint16(set)
		} else {
			s.sets.release(d.b, set)
		}
	}
	if dynamic {
		fold |= foldDynamic
	}
	d.setFold(n, fold)
	return nil
}

// hasKind says whether some of a class's edges are of a kind.
func hasKind(edges []edge, kind edge) bool {
	n := countBefore(edges, kind)
	return n < len(edges) && edges[n].kind() == kind
}

func (d *draft) setFold(n uint32, fold uint16) {
	at := &d.s.classes.own(d.b, n).at[n%pageSize]
	d.s.sets.release(d.b, uint32(at.fold&foldNumber))
	at.fold = fold
}

// single returns the role set of a class that stands on one entity with roles alone, and gets nothing sometimes: the common
// case, in which there is nothing to merge.
func (d *draft) single(edges []edge) (set uint32, ok bool) {
	ownRole := d.s.direct && hasKind(edges, edgeRole)
	on := func(x *entity) bool {
		g := d.s.gives(x, ownRole)
		if len(g.timed) > 0 || set != 0 && g.set != 0 && set != g.set {
			return false
		}
		set = max(set, g.set)
		return true
	}
	if (len(edges) == 0 || edges[0] != edgeApp) && !on(d.s.everybody) {
		return 0, false
	}
	for _, e := range edges {
		switch e.kind() {
		case edgeTimed:
			return 0, false
		case edgeGroup, edgeDepartment, edgeHead, edgeRole:
			if !on(d.s.entityOf(e)) {
				return 0, false
			}
		}
	}
	roles := d.s.sets.at.get(set).roles
	return set, set <= uint32(foldNumber) && len(roles) <= 1 && (len(roles) == 0 || len((*d.s.roles.get(roles[0])).closure) <= MaxRolesOfUser)
}

func (d *draft) withinLimits(roles []uint32, conditional int) error {
	if conditional > MaxConditional {
		return Errorf(TooLarge, "", "%d conditional assignments would reach one subject; at most %d may", conditional, MaxConditional)
	}
	if len(roles) <= 1 && (len(roles) == 0 || len((*d.s.roles.get(roles[0])).closure) <= MaxRolesOfUser) {
		return nil
	}
	var all []uint32
	for _, r := range roles {
		all = append(all, (*d.s.roles.get(r)).closure...)
	}
	if len(all) > MaxRolesOfUser {
		slices.Sort(all)
		if n := len(slices.Compact(all)); n > MaxRolesOfUser {
			return Errorf(TooLarge, "", "one subject would have %d roles; at most %d are allowed", n, MaxRolesOfUser)
		}
	}
	return nil
}
