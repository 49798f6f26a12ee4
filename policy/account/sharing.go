package account

import (
	"maps"
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// sharingLevel reads how far a sharing rule, or a test for one, goes.
func (r *reader) sharingLevel(n *node) klinkev1.SharingLevel {
	switch s := r.text(n); {
	case s == "read":
		return klinkev1.SharingLevel_SHARING_LEVEL_READ
	case s == "write":
		return klinkev1.SharingLevel_SHARING_LEVEL_WRITE
	default:
		r.failf(n, "`%s` is no level of sharing: write read or write", clip(s))
		return klinkev1.SharingLevel_SHARING_LEVEL_UNSPECIFIED
	}
}

func sharingWord(l klinkev1.SharingLevel) word {
	if l == klinkev1.SharingLevel_SHARING_LEVEL_WRITE {
		return "write"
	}
	return "read"
}

func (x *accountReader) sharingRule(n *node) {
	s := &klinkev1.SharingRule{}
	for _, e := range x.entries(n) {
		switch e.key.text {
		case "type":
			s.Type = x.name(e.value)
		case "from":
			s.From = x.holder(e.value)
		case "to":
			s.To = x.holder(e.value)
		case "level":
			s.Level = x.sharingLevel(e.value)
		case "related":
			for _, t := range x.named(e.value) {
				if s.Related == nil {
					s.Related = map[string]klinkev1.SharingLevel{}
				}
				s.Related[t.key.text] = x.sharingLevel(t.value)
			}
		default:
			x.unknown(e.key, "key", []string{"type", "from", "to", "level", "related"})
		}
	}
	x.need(n, s.Type, "type")
	x.need(n, s.From, "from")
	x.need(n, s.To, "to")
	if s.Level == klinkev1.SharingLevel_SHARING_LEVEL_UNSPECIFIED {
		x.need(n, "", "level")
	}
	x.add(n, &klinkev1.Record{Record: &klinkev1.Record_SharingRule{SharingRule: s}})
}

func sharingPairs(s *klinkev1.SharingRule) []pair {
	out := []pair{{"type", quote(s.GetType())}, {"from", quote(bare(s.GetFrom()))}, {"to", quote(bare(s.GetTo()))}, {"level", sharingWord(s.GetLevel())}}
	var related []pair
	for _, t := range slices.Sorted(maps.Keys(s.GetRelated())) {
		related = append(related, pair{quote(t), sharingWord(s.GetRelated()[t])})
	}
	if related != nil {
		out = append(out, pair{"related", related})
	}
	return out
}

func (c *checker) sharingRule(s *klinkev1.SharingRule) {
	known := func(l klinkev1.SharingLevel) {
		if l != klinkev1.SharingLevel_SHARING_LEVEL_READ && l != klinkev1.SharingLevel_SHARING_LEVEL_WRITE {
			c.wrongf("%v is no level of sharing", l)
		}
	}
	c.names(s.GetType())
	c.holder(s.GetFrom())
	c.holder(s.GetTo())
	known(s.GetLevel())
	for t, l := range s.GetRelated() {
		c.names(t)
		known(l)
	}
}
