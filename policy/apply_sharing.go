package policy

import (
	"maps"
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// sharingRule is a record of sharing. It is listed with the holder to whom it gives, and the one from whom it gives counts it;
// a subject on either side has an edge to it.
type sharingRule struct {
	typ      uint16
	from, to to
	level    klinkev1.SharingLevel
	related  []relatedSharing // by type
}

type relatedSharing struct {
	typ   uint16
	level klinkev1.SharingLevel
}

// far says how far a rule goes for resources of a type whose parent is of the rule's own.
func (r *sharingRule) far(typ uint16) klinkev1.SharingLevel {
	for i := range r.related {
		if r.related[i].typ == typ {
			return r.related[i].level
		}
	}
	return klinkev1.SharingLevel_SHARING_LEVEL_UNSPECIFIED
}

func (d *draft) sharingKey(x *klinkev1.SharingRule) (out sharingRule, err error) {
	no, ok := d.s.model.typeNo[x.GetType()]
	if !ok {
		return out, Errorf(Invalid, "type", "the model has no type %q", x.GetType())
	}
	out.typ = no
	if out.from, err = d.s.parseHolder("from", x.GetFrom()); err == nil {
		out.to, err = d.s.parseHolder("to", x.GetTo())
	}
	return out, err
}

func (d *draft) putSharingRule(x *klinkev1.SharingRule) (bool, error) {
	next, err := d.sharingKey(x)
	if err != nil {
		return false, err
	}
	level := func(field string, l klinkev1.SharingLevel) error {
		if l != klinkev1.SharingLevel_SHARING_LEVEL_READ && l != klinkev1.SharingLevel_SHARING_LEVEL_WRITE {
			return Errorf(Invalid, field, "neither read nor write")
		}
		return nil
	}
	if err := level("level", x.GetLevel()); err != nil {
		return false, err
	}
	next.level = x.GetLevel()
	for _, typ := range slices.Sorted(maps.Keys(x.GetRelated())) {
		field := "related[" + typ + "]"
		no, ok := d.s.model.typeNo[typ]
		if !ok {
			return false, Errorf(Invalid, field, "the model has no type %q", typ)
		}
		if err := level(field, x.GetRelated()[typ]); err != nil {
			return false, err
		}
		next.related = append(next.related, relatedSharing{no, x.GetRelated()[typ]})
	}
	if no, ok := d.sharingRule(next); ok {
		if old := d.s.sharing.get(no); old.level == next.level && slices.Equal(old.related, next.related) {
			return false, nil
		}
		*d.s.sharing.edit(d.b, no) = next
		d.touched[klinkev1.ReadKind_READ_KIND_SHARING] = true
		return true, nil
	}
	if d.s.sharing.live >= MaxSharingRules {
		return false, Errorf(TooLarge, "", "a tenant has at most %d sharing rules", MaxSharingRules)
	}
	no := d.s.sharing.add(d.b, next)
	if next.to.subject.space != 0 {
		d.addEdge(next.to.subject, edgeSharing|edge(no))
	} else {
		d.editBag(next.to.holder, func(b *bag) { b.sharing = append(slices.Clone(b.sharing), no) })
	}
	if next.from.subject.space != 0 {
		d.addEdge(next.from.subject, edgeSharing|edge(no))
	} else {
		d.editBag(next.from.holder, func(b *bag) { b.shares++ })
	}
	d.touched[klinkev1.ReadKind_READ_KIND_SHARING] = true
	return true, nil
}

// sharingRule finds the rule with the same key.
func (d *draft) sharingRule(x sharingRule) (uint32, bool) {
	same := func(no uint32) bool {
		r := d.s.sharing.get(no)
		return r.typ == x.typ && r.from == x.from && r.to == x.to
	}
	if x.to.subject.space != 0 {
		for _, e := range d.edges(x.to.subject) {
			if e.kind() == edgeSharing && same(e.number()) {
				return e.number(), true
			}
		}
	} else if b := d.s.bagOf(x.to.holder); b != nil {
		if i := slices.IndexFunc(b.sharing, same); i >= 0 {
			return b.sharing[i], true
		}
	}
	return 0, false
}

func (d *draft) deleteSharingRule(x *klinkev1.SharingRule) (bool, error) {
	key, err := d.sharingKey(x)
	if err != nil {
		for _, holder := range []string{x.GetFrom(), x.GetTo()} {
			if holder != "everybody" && !wellFormedHolder(holder) {
				return false, err
			}
		}
		if _, ok := d.s.model.typeNo[x.GetType()]; !ok {
			return false, err
		}
		return false, nil
	}
	no, ok := d.sharingRule(key)
	if !ok {
		return false, nil
	}
	if key.to.subject.space != 0 {
		d.dropEdge(key.to.subject, edgeSharing|edge(no))
	} else {
		d.editBag(key.to.holder, func(b *bag) { b.sharing = without(b.sharing, no) })
	}
	if key.from.subject.space != 0 {
		d.dropEdge(key.from.subject, edgeSharing|edge(no))
	} else {
		d.editBag(key.from.holder, func(b *bag) { b.shares-- })
	}
	d.s.sharing.remove(d.b, no)
	d.touched[klinkev1.ReadKind_READ_KIND_SHARING] = true
	return true, nil
}

// toText writes a holder or subject as parseHolder reads it.
func (s *Snapshot) toText(x to) string {
	if x.subject.space != 0 {
		return x.subject.String()
	}
	return s.holderText(x.holder)
}

func (s *Snapshot) sharingRecord(r *sharingRule) *klinkev1.Record {
	x := &klinkev1.SharingRule{Type: s.model.types[r.typ].name, From: s.toText(r.from), To: s.toText(r.to), Level: r.level}
	for _, o := range r.related {
		if x.Related == nil {
			x.Related = map[string]klinkev1.SharingLevel{}
		}
		x.Related[s.model.types[o.typ].name] = o.level
	}
	return &klinkev1.Record{Record: &klinkev1.Record_SharingRule{SharingRule: x}}
}
