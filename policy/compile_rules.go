package policy

import (
	"fmt"
	"slices"
	"strings"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// tests compiles all rules, now that every name is known.
func (c *compiler) tests() error {
	if err := c.m.cel.init(c.m); err != nil {
		return c.errorf("%v", err)
	}
	for i, src := range c.m.source.GetTypes() {
		t := &c.m.types[i]
		err := c.in("types["+t.name+"]", func() error {
			t.relations = make([]*test, len(src.GetRelations()))
			for i, r := range src.GetRelations() {
				if err := c.in("relations["+r.GetName()+"]", func() error { return c.relation(t, i) }); err != nil {
					return err
				}
			}
			for _, a := range src.GetActions() {
				p := &c.m.perms[t.actions[a.GetName()]]
				if err := c.in("actions["+a.GetName()+"]", func() error { return c.rule(t, p, a.GetRule()) }); err != nil {
					return err
				}
			}
			if !t.fields {
				return nil
			}
			return c.in("fields", func() error {
				if err := c.rule(t, &c.m.perms[t.read], src.GetFields().GetRead()); err != nil {
					return err
				}
				return c.rule(t, &c.m.perms[t.write], src.GetFields().GetWrite())
			})
		})
		if err != nil {
			return err
		}
	}
	for i := range c.m.perms {
		p := &c.m.perms[i]
		p.rule.reads, p.rule.asks = c.reads(p), c.asks(p)
	}
	return nil
}

// relation compiles a relation, and first those that it is made of. A relation that is being compiled has itself as its
// test, by which a circle is found.
func (c *compiler) relation(t *resourceType, i int) (err error) {
	if r := t.relations[i]; r != nil {
		if r.kind == testAny && len(r.sub) == 1 && r.sub[0] == r {
			return c.errorf("the relation depends on itself")
		}
		return nil
	}
	src := c.m.source.GetTypes()[t.no].GetRelations()[i]
	self := &test{kind: testAny}
	self.sub = []*test{self}
	t.relations[i] = self
	compiled, err := c.test(t, nil, src.GetTest())
	if err != nil {
		return err
	}
	named := *compiled
	named.text = src.GetName()
	t.relations[i] = &named
	return nil
}

func (c *compiler) rule(t *resourceType, p *permission, src *klinkev1.Rule) error {
	r := &p.rule
	for _, e := range src.GetEmergency() {
		err := c.in("emergency", func() error {
			no, ok := t.attrNo[e.GetAttribute()]
			if !ok || t.attrs[no].kind != klinkev1.AttributeKind_ATTRIBUTE_KIND_NUMBER {
				return c.errorf("%q is no attribute of kind number", e.GetAttribute())
			}
			r.emergency = append(r.emergency, emergency{attr: no, deny: e.GetDeny()})
			return nil
		})
		if err != nil {
			return err
		}
	}
	list := func(stage string, src []*klinkev1.Test) (out []*test, err error) {
		for i, x := range src {
			err = c.in(fmt.Sprintf("%s[%d]", stage, i), func() error {
				compiled, err := c.test(t, p, x)
				out = append(out, compiled)
				return err
			})
			if err != nil {
				break
			}
		}
		return out, err
	}
	var err error
	if r.gate, err = list("gate", src.GetGate()); err != nil {
		return err
	}
	if r.require, err = list("require", src.GetRequire()); err != nil {
		return err
	}
	for i, l := range src.GetScale().GetLevels() {
		if r.scale.levels[i].tests, err = list("level "+l.GetName(), l.GetRelations()); err != nil {
			return err
		}
		slices.SortStableFunc(r.scale.levels[i].tests, func(a, b *test) int { return a.cost() - b.cost() })
	}
	for _, o := range src.GetOverride() {
		if err := c.in("override", func() error { return c.override(r, o) }); err != nil {
			return err
		}
	}
	for _, o := range src.GetObligations() {
		err := c.in("obligations["+o.GetId()+"]", func() error {
			compiled := obligation{id: o.GetId(), required: o.GetRequired()}
			if o.GetIf() != nil {
				if compiled.cond, err = c.test(t, p, o.GetIf()); err != nil {
					return err
				}
			}
			r.obligations = append(r.obligations, compiled)
			return c.identifier(o.GetId())
		})
		if err != nil {
			return err
		}
	}
	if len(r.obligations) > 64 {
		return c.errorf("%d obligations; at most 64", len(r.obligations))
	}
	return nil
}

func (c *compiler) override(r *rule, o string) error {
	if !strings.Contains(o, ".") {
		no, ok := c.m.flagNo[o]
		if !ok {
			return c.errorf("%q is no flag of this model", o)
		}
		r.override = append(r.override, override{name: o, flag: true, flagNo: no})
		return nil
	}
	p, err := c.perm(nil, o)
	if err != nil {
		return err
	}
	if c.m.perms[p].rule.levelless {
		return c.errorf("%q has no level, so nobody holds it", o)
	}
	r.override = append(r.override, override{name: o, perm: p})
	return nil
}

// perm resolves `type.action`, `type.*:read` or, inside a type, `action`.
func (c *compiler) perm(t *resourceType, name string) (perm, error) {
	typ, local, ok := strings.Cut(name, ".")
	if !ok {
		if t == nil {
			return 0, c.errorf("%q must name a type and an action", name)
		}
		typ, local = t.name, name
	}
	no, known := c.m.typeNo[typ]
	if !known {
		return 0, c.errorf("no type is named %q", typ)
	}
	rt := &c.m.types[no]
	if p, ok := rt.actions[local]; ok {
		return p, nil
	}
	if rt.fields && local == "*:read" {
		return rt.read, nil
	}
	if rt.fields && local == "*:write" {
		return rt.write, nil
	}
	return 0, c.errorf("type %q has no action %q", typ, local)
}

// subjectKinds are the attribute kinds that name somebody; directory tests take users only.
var subjectKinds = [...]klinkev1.AttributeKind{
	klinkev1.AttributeKind_ATTRIBUTE_KIND_USER, klinkev1.AttributeKind_ATTRIBUTE_KIND_APP, klinkev1.AttributeKind_ATTRIBUTE_KIND_PRINCIPAL,
}

// attr resolves an attribute and checks its kind; none allowed means any kind.
func (c *compiler) attr(t *resourceType, name string, allowed ...klinkev1.AttributeKind) (attr, error) {
	const user, id = klinkev1.AttributeKind_ATTRIBUTE_KIND_USER, klinkev1.AttributeKind_ATTRIBUTE_KIND_ID
	if name == "id" {
		if len(allowed) > 0 && !slices.Contains(allowed, user) && !slices.Contains(allowed, id) {
			return attr{}, c.errorf("the resource's id cannot be tested so")
		}
		return attr{no: attrID, name: name, kind: klinkev1.AttributeKind_ATTRIBUTE_KIND_ID}, nil
	}
	no, ok := t.attrNo[name]
	if !ok {
		return attr{}, c.errorf("type %q has no attribute %q", t.name, name)
	}
	kind := t.attrs[no].kind
	if len(allowed) > 0 && !slices.Contains(allowed, kind) {
		return attr{}, c.errorf("attribute %q has the wrong kind for this test", name)
	}
	return attr{no: int(no), name: name, kind: kind}, nil
}
