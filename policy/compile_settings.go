package policy

// asking is a setting that the model gives no default, and whose values a rule asks for: those of a type, and of the question's
// own field or none.
type asking struct {
	setting, typ uint16
	field        bool
}

// asks lists the settings without a default that a permission's rule asks for, itself or through what it asks. A tenant must
// have set them before anything can be asked of the permission.
func (c *compiler) asks(p *permission) (out []asking) {
	type visit struct {
		test  *test
		field bool
	}
	seen := map[visit]bool{}
	found := map[asking]bool{}
	var walk func(ts []*test, typ uint16, field bool)
	ofCell := func(p *permission, field bool) {
		for _, l := range p.rule.scale.levels {
			walk(l.tests, p.typ, field)
		}
	}
	ofRule := func(p *permission, field bool) {
		ofCell(p, field)
		r := &p.rule
		walk(r.gate, p.typ, field)
		walk(r.require, p.typ, field)
		for _, o := range r.override {
			if !o.flag {
				ofCell(&c.m.perms[o.perm], false)
			}
		}
		for _, o := range r.obligations {
			if o.cond != nil {
				walk([]*test{o.cond}, p.typ, field)
			}
		}
	}
	walk = func(ts []*test, typ uint16, field bool) {
		for _, t := range ts {
			if seen[visit{t, field}] {
				continue
			}
			seen[visit{t, field}] = true
			switch t.kind {
			case testSetting:
				if a := (asking{t.no, typ, field}); !c.m.settings[t.no].has && !found[a] {
					found[a] = true
					out = append(out, a)
				}
			case testAllowed:
				next := &c.m.perms[t.perm]
				ofRule(next, field && t.on.kind == onOwn && next.typ == typ)
			case testPermission:
				if next := &c.m.perms[t.perm]; !t.least { // a rank is asked of no relation
					ofCell(next, field && t.on.kind == onOwn && next.typ == typ)
				}
			}
			walk(t.sub, typ, field)
		}
	}
	ofRule(p, p.mode != noField)
	return out
}

// unset says which setting, if any, a permission's rule asks for in vain.
func (s *Snapshot) unset(p *permission, field string) error {
	for _, a := range p.rule.asks {
		scope := ""
		if a.field {
			scope = field
		}
		if _, set := s.settingSet(a.setting, a.typ, scope); !set {
			return Errorf(Refused, "resource.type", "the setting %q is not set for %q, and has no default: set it first",
				s.model.settings[a.setting].name, s.model.types[a.typ].name)
		}
	}
	return nil
}
