package policy

import (
	"cmp"
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// reads lists the kinds of things, beyond its subject, that answers about a permission can depend on: whatever any of its
// tests, and those that they ask for, could look at. More than one answer needs is safe; less would leak. What conditions
// read is noted when one is asked, wherever it stands.
func (c *compiler) reads(p *permission) []*klinkev1.Read {
	seen := map[*test]bool{}
	kinds := map[klinkev1.ReadKind]bool{}
	lists := map[string]bool{}
	var walk func(ts []*test)
	var ofRule func(r *rule, whole bool)
	ofRule = func(r *rule, whole bool) {
		if !r.levelless {
			kinds[klinkev1.ReadKind_READ_KIND_OBJECTS] = true
		}
		for _, l := range r.scale.levels {
			walk(l.tests)
		}
		if !whole {
			return
		}
		if len(r.emergency) > 0 {
			kinds[klinkev1.ReadKind_READ_KIND_SETTINGS] = true
		}
		walk(r.gate)
		walk(r.require)
		for _, o := range r.override {
			if !o.flag {
				ofRule(&c.m.perms[o.perm].rule, false)
			}
		}
		for _, o := range r.obligations {
			if o.cond != nil {
				walk([]*test{o.cond})
			}
		}
	}
	walk = func(ts []*test) {
		for _, t := range ts {
			if seen[t] {
				continue
			}
			seen[t] = true
			switch t.kind {
			case testSameGroup, testDepartmentOf, testAbove, testBelow, testSameRole, testHolds:
				kinds[klinkev1.ReadKind_READ_KIND_PEOPLE] = true
			case testShared:
				kinds[klinkev1.ReadKind_READ_KIND_PEOPLE], kinds[klinkev1.ReadKind_READ_KIND_SHARING] = true, true
			case testListed:
				lists[c.m.lists[t.no]] = true
			case testSetting:
				kinds[klinkev1.ReadKind_READ_KIND_SETTINGS] = true
			case testAllowed:
				ofRule(&c.m.perms[t.perm].rule, true)
			case testPermission:
				ofRule(&c.m.perms[t.perm].rule, false)
			}
			if t.attr.kind == klinkev1.AttributeKind_ATTRIBUTE_KIND_NUMBER {
				kinds[klinkev1.ReadKind_READ_KIND_SETTINGS] = true // sites say how a number is read
				lists[ExtensionList] = true
			}
			walk(t.sub)
		}
	}
	ofRule(&p.rule, true)
	var out []*klinkev1.Read
	for k := range kinds {
		out = append(out, &klinkev1.Read{Kind: k})
	}
	for l := range lists {
		out = append(out, &klinkev1.Read{Kind: klinkev1.ReadKind_READ_KIND_LIST, Name: l})
	}
	slices.SortFunc(out, func(a, b *klinkev1.Read) int {
		return cmp.Or(cmp.Compare(a.GetKind(), b.GetKind()), cmp.Compare(a.GetName(), b.GetName()))
	})
	return out
}
