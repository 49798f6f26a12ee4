package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy/dial"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Compile checks a model and resolves its names. It refuses what could not be decided: unknown names, tests on attributes of
// the wrong kind, rules that depend on themselves, conditions that do not type-check or cost too much. The error is an
// Invalid or TooLarge whose field is a path into the model. The message is copied.
func Compile(src *klinkev1.Model, version uint32) (*Model, error) {
	c := &compiler{m: &Model{source: proto.CloneOf(src), version: version}}
	for _, step := range []func() error{c.names, c.declare, c.inheritance, c.telephone, c.tests, c.cycles, c.factory} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return c.m, nil
}

// maxFlags is how many superuser flags a model declares; so nobody carries more.
const maxFlags = 32

type compiler struct {
	m  *Model
	at []string // the path to what is being compiled
}

func (c *compiler) errorf(format string, args ...any) error {
	return Errorf(Invalid, strings.Join(append([]string{"model"}, c.at...), "."), format, args...)
}

// in runs a step with the path extended.
func (c *compiler) in(part string, step func() error) error {
	c.at = append(c.at, part)
	err := step()
	c.at = c.at[:len(c.at)-1]
	return err
}

// names checks every identifier of the model and numbers flags, attributes, settings and schedules.
func (c *compiler) names() error {
	m, src := c.m, c.m.source
	if err := c.in("name", func() error { return c.identifier(src.GetName()) }); err != nil {
		return err
	}
	if n := len(src.GetFlags()); n > maxFlags {
		return Errorf(TooLarge, "model.flags", "%d flags; a model may have %d", n, maxFlags)
	}
	m.flagNo = map[string]uint32{}
	for _, f := range src.GetFlags() {
		if err := c.in("flags", func() error { return c.fresh(f, has(m.flagNo, f)) }); err != nil {
			return err
		}
		m.flagNo[f] = uint32(len(m.flagNo))
	}
	m.userAttr = map[string]uint8{}
	for _, a := range src.GetUserAttributes() {
		err := c.in("user_attributes", func() error {
			if a.GetKind() != klinkev1.AttributeKind_ATTRIBUTE_KIND_TEXT && a.GetKind() != klinkev1.AttributeKind_ATTRIBUTE_KIND_ID {
				return c.errorf("the directory keeps texts and ids of a subject; %s is neither", a.GetName())
			}
			return c.fresh(a.GetName(), has(m.userAttr, a.GetName()))
		})
		if err != nil {
			return err
		}
		m.userAttr[a.GetName()] = uint8(len(m.userAttr))
	}
	if err := c.settings(); err != nil {
		return err
	}
	m.schedNo = map[string]uint16{}
	for _, s := range src.GetSchedules() {
		err := c.in("schedules["+s.GetName()+"]", func() error {
			if err := c.fresh(s.GetName(), has(m.schedNo, s.GetName())); err != nil {
				return err
			}
			compiled, err := newSchedule(s)
			if err != nil {
				return c.errorf("%v", err)
			}
			m.schedNo[s.GetName()] = uint16(len(m.scheds))
			m.scheds = append(m.scheds, compiled)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := c.combination(); err != nil {
		return err
	}
	return c.in("direct_first", c.directFirst)
}

func (c *compiler) settings() error {
	m := c.m
	m.setNo = map[string]uint16{}
	for _, s := range m.source.GetSettings() {
		err := c.in("settings["+s.GetName()+"]", func() error {
			if s.GetMany() && len(s.GetValues()) == 0 {
				return c.errorf("a set needs legal values")
			}
			for _, v := range s.GetValues() {
				if s.GetMany() && (v == "" || strings.Contains(v, ",")) {
					return c.errorf("%q cannot be a member of a set: its name is empty or contains a comma", v)
				}
			}
			if declared := (setting{values: s.GetValues(), many: s.GetMany()}); s.Default != nil {
				if err := declared.checkValue("default", s.GetDefault()); err != nil {
					return c.errorf("%v", err)
				}
			}
			return c.fresh(s.GetName(), has(m.setNo, s.GetName()))
		})
		if err != nil {
			return err
		}
		values := s.GetValues()
		if len(values) == 0 && (s.GetDefault() == "true" || s.GetDefault() == "false") {
			values = []string{"false", "true"}
		}
		no := uint16(len(m.settings))
		m.setNo[s.GetName()] = no
		m.settings = append(m.settings, setting{name: s.GetName(), fallback: s.GetDefault(), has: s.Default != nil, values: values, many: s.GetMany(), no: no})
	}
	return nil
}

func (c *compiler) directFirst() error {
	name := c.m.source.GetDirectFirst()
	if c.m.direct = -1; name == "" {
		return nil
	}
	no, ok := c.m.setNo[name]
	if !ok {
		return c.errorf("no setting is named %q", name)
	}
	if s := &c.m.settings[no]; s.fallback != "true" && s.fallback != "false" {
		return c.errorf("setting %q must have the default true or false", name)
	}
	c.m.direct = int(no)
	return nil
}

func (c *compiler) combination() error {
	switch src := c.m.source; src.GetCombine() {
	case klinkev1.Combine_COMBINE_HIGHEST, klinkev1.Combine_COMBINE_LOWEST:
		return nil
	case klinkev1.Combine_COMBINE_SETTING:
		no, ok := c.m.setNo[src.GetCombineSetting()]
		if !ok {
			return c.in("combine_setting", func() error { return c.errorf("no setting is named %q", src.GetCombineSetting()) })
		}
		s := &c.m.settings[no]
		if s.fallback != "highest" && s.fallback != "lowest" {
			return c.in("combine_setting", func() error { return c.errorf("setting %q must have the default highest or lowest", s.name) })
		}
		if len(s.values) == 0 {
			s.values = []string{"lowest", "highest"}
		}
		c.m.combine = no
		return nil
	}
	return c.in("combine", func() error { return c.errorf("must be highest, lowest, or a setting that holds one of them") })
}

// declare numbers types, attributes, relations, permissions and scales, so that tests can name them in any order.
func (c *compiler) declare() error {
	m := c.m
	m.typeNo, m.limitNo, m.listNo = map[string]uint16{}, map[string]uint16{}, map[string]uint16{}
	m.permNo = map[string]perm{}
	number(m.listNo, &m.lists, ExtensionList)
	for i, t := range m.source.GetTypes() {
		if err := c.in("types", func() error { return c.fresh(t.GetName(), has(m.typeNo, t.GetName())) }); err != nil {
			return err
		}
		if strings.ContainsAny(t.GetName(), ".:@") || t.GetName() == "*" {
			return c.in("types", func() error { return c.errorf("the name %q may not contain '.', ':' or '@'", t.GetName()) })
		}
		m.typeNo[t.GetName()] = uint16(i)
	}
	for i, t := range m.source.GetTypes() {
		err := c.in("types["+t.GetName()+"]", func() error { return c.declareType(uint16(i), t) })
		if err != nil {
			return err
		}
	}
	if len(m.perms) > MaxPermissions {
		return Errorf(TooLarge, "model.types", "%d permissions; a model may have %d", len(m.perms), MaxPermissions)
	}
	return nil
}

func (c *compiler) declareType(no uint16, t *klinkev1.ResourceType) error {
	m := c.m
	rt := resourceType{name: t.GetName(), star: t.GetName() + ".*", no: no, attrNo: map[string]uint8{}, relNo: map[string]int{}, actions: map[string]perm{}}
	if len(t.GetAttributes()) > MaxFacts {
		return c.errorf("%d attributes; a type may have %d", len(t.GetAttributes()), MaxFacts)
	}
	for _, a := range t.GetAttributes() {
		err := c.in("attributes["+a.GetName()+"]", func() error {
			_, ofType := m.typeNo[a.GetOf()]
			switch {
			case a.GetName() == "id" || a.GetName() == "type" || strings.Contains(a.GetName(), "."):
				return c.errorf("this name is taken: the resource's own type and id are never facts, and names have no dot")
			case a.GetKind() <= 0 || int(a.GetKind()) >= len(klinkev1.AttributeKind_name):
				return c.errorf("unknown kind %d", a.GetKind())
			case a.GetOf() != "" && !ofType && a.GetOf() != siteOf:
				return c.errorf("%q is neither a kind nor a type of this model", a.GetOf())
			}
			return c.fresh(a.GetName(), has(rt.attrNo, a.GetName()))
		})
		if err != nil {
			return err
		}
		rt.attrNo[a.GetName()] = uint8(len(rt.attrs))
		m.numbers = m.numbers || a.GetKind() == klinkev1.AttributeKind_ATTRIBUTE_KIND_NUMBER
		rt.attrs = append(rt.attrs, attribute{name: a.GetName(), kind: a.GetKind(), of: a.GetOf(), optional: a.GetOptional()})
	}
	for i, r := range t.GetRelations() {
		if err := c.in("relations", func() error { return c.fresh(r.GetName(), has(rt.relNo, r.GetName())) }); err != nil {
			return err
		}
		rt.relNo[r.GetName()] = i
	}
	add := func(local string, mode fieldMode, r *klinkev1.Rule) (perm, error) {
		p := permission{name: rt.name + "." + local, local: local, typ: no, mode: mode}
		var err error
		p.rule.scale, err = c.scale(r.GetScale())
		p.rule.levelless = r.GetScale() == nil
		m.permNo[p.name] = perm(len(m.perms))
		m.perms = append(m.perms, p)
		return perm(len(m.perms) - 1), err
	}
	for _, a := range t.GetActions() {
		err := c.in("actions["+a.GetName()+"]", func() (err error) {
			if strings.ContainsAny(a.GetName(), ".:@*") {
				return c.errorf("an action's name may not contain '.', ':', '@' or '*'")
			}
			if err = c.fresh(a.GetName(), has(rt.actions, a.GetName())); err == nil {
				rt.actions[a.GetName()], err = add(a.GetName(), noField, a.GetRule())
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if f := t.GetFields(); f != nil {
		rt.fields = true
		err := c.in("fields", func() (err error) {
			if !proto.Equal(scaleNames(f.GetRead().GetScale()), scaleNames(f.GetWrite().GetScale())) {
				return c.errorf("reading and writing must share one scale, since a role's write never exceeds its read")
			}
			if f.GetRead().GetScale() == nil {
				return c.errorf("fields need a level")
			}
			if rt.read, err = add("*:read", fieldRead, f.GetRead()); err == nil {
				rt.write, err = add("*:write", fieldWrite, f.GetWrite())
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	m.types = append(m.types, rt)
	return nil
}

// scaleNames is a scale without its tests: two scales rank alike when these are equal.
func scaleNames(s *klinkev1.Scale) *klinkev1.Scale {
	out := &klinkev1.Scale{}
	for _, l := range s.GetLevels() {
		out.Levels = append(out.Levels, &klinkev1.Level{Name: l.GetName()})
	}
	return out
}

func (c *compiler) scale(src *klinkev1.Scale) (*scale, error) {
	if src == nil {
		return yesNo(), nil
	}
	s := &scale{name: src.GetName(), rank: map[string]uint8{}}
	err := c.in("scale["+src.GetName()+"]", func() error {
		if n := len(src.GetLevels()); n == 0 || n > MaxLevels {
			return c.errorf("%d levels; a scale has 1 to %d", n, MaxLevels)
		}
		for _, l := range src.GetLevels() {
			if err := c.fresh(l.GetName(), has(s.rank, l.GetName())); err != nil {
				return err
			}
			if l.GetAny() && len(l.GetRelations()) > 0 {
				return c.errorf("level %q is any, so it cannot list relations", l.GetName())
			}
			s.rank[l.GetName()] = uint8(len(s.levels))
			s.levels = append(s.levels, level{name: l.GetName(), any: l.GetAny()})
		}
		if d := src.GetDefault(); d != "" {
			r, ok := s.rank[d]
			if !ok {
				return c.errorf("the default %q is none of its levels", d)
			}
			s.fallback = r
		}
		return nil
	})
	return s, err
}

func (c *compiler) telephone() error {
	plan, err := dial.NewPlan(c.m.source)
	if err != nil {
		return c.errorf("%v", err)
	}
	c.m.plan = plan
	c.m.services = map[string]*serviceClass{}
	for _, src := range c.m.source.GetClasses() {
		err := c.in("classes["+src.GetName()+"]", func() error {
			if err := c.fresh(src.GetName(), has(c.m.services, src.GetName())); err != nil {
				return err
			}
			k, err := newServiceClass(src)
			if err != nil {
				return within(strings.Join(append([]string{"model"}, c.at...), "."), err)
			}
			c.m.services[src.GetName()] = k
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, purpose := range slices.Sorted(maps.Keys(c.m.source.GetDefaultClasses())) {
		number(c.m.limitNo, &c.m.limits, purpose)
		if k := c.m.source.GetDefaultClasses()[purpose]; !has(c.m.services, k) {
			return c.in("default_classes["+purpose+"]", func() error { return c.errorf("no class of service is named %q", k) })
		}
	}
	return nil
}

func (c *compiler) identifier(id string) error {
	if err := CheckID(id); err != nil {
		return c.errorf("%v", err)
	}
	return nil
}

func (c *compiler) fresh(id string, taken bool) error {
	if taken {
		return c.errorf("%q is declared twice", id)
	}
	return c.identifier(id)
}

func has[V any](m map[string]V, k string) bool { _, ok := m[k]; return ok }

// number returns the dense number of a name, giving it one if it is new.
func number(no map[string]uint16, names *[]string, name string) uint16 {
	n, ok := no[name]
	if !ok {
		n = uint16(len(*names))
		no[name] = n
		*names = append(*names, name)
	}
	return n
}

// CheckID says what is wrong with an identifier: it must be 1 to 256 bytes of UTF-8 without control characters.
func CheckID(id string) error {
	switch {
	case id == "":
		return errors.New("an identifier may not be empty")
	case len(id) > MaxIDBytes:
		return fmt.Errorf("an identifier of %d bytes; at most %d are allowed", len(id), MaxIDBytes)
	}
	return checkText(id)
}
