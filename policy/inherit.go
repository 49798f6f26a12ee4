package policy

import (
	"slices"
	"strings"
	"time"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// inheritanceSetting is the setting that says which rules of inheritance are on.
const inheritanceSetting = "inheritance"

// inheritance is a compiled rule. It applies to the types that have its attribute.
type inheritance struct {
	name      string
	on        []klinkev1.SaveEvent
	copy      bool // the attribute lists the groups; else it names whose they are
	attribute string
}

func (c *compiler) inheritance() error {
	m := c.m
	no, ok := m.setNo[inheritanceSetting]
	for _, src := range m.source.GetInheritance() {
		err := c.in("inheritance["+src.GetName()+"]", func() error {
			if !ok || !m.settings[no].many || !slices.Contains(m.settings[no].values, src.GetName()) {
				return c.errorf("the model needs a setting %q whose value is a set of rules, this one among its values", inheritanceSetting)
			}
			r := inheritance{name: src.GetName(), on: src.GetOn(), copy: src.GetCopy() != "", attribute: src.GetCopy() + src.GetGroupsOf()}
			allowed := personKinds
			if r.copy {
				allowed = groupsKinds
			}
			used := false
			for i := range m.types {
				if t := &m.types[i]; has(t.attrNo, r.attribute) {
					used = true
					if _, err := c.attr(t, r.attribute, allowed...); err != nil {
						return err
					}
				}
			}
			if !used {
				return c.errorf("no type has an attribute %q", r.attribute)
			}
			if slices.ContainsFunc(m.inheritance, func(o inheritance) bool { return o.name == r.name }) {
				return c.errorf("declared twice")
			}
			m.inheritance = append(m.inheritance, r)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Save is a resource that is about to be saved.
type Save struct {
	Resource *klinkev1.QuestionResource
	Event    klinkev1.SaveEvent
	// Groups are those that it has already.
	Groups []string
}

// Inherit says which groups a resource has after it is saved, sorted, and which of them are new: by each rule of the model that
// the tenant has switched on and that applies to the event. Nothing is taken away. A group of which somebody is a member under
// a condition is not inherited from him; who is not in the directory has no groups. The error is an Invalid or TooLarge that
// names the field, also when a rule's fact was not sent: what is to be written down is not guessed.
func (s *Snapshot) Inherit(x *Save, now time.Time) (groups, added []string, err error) {
	r := &Request{}
	no, ok := s.model.typeNo[x.Resource.GetType()]
	if !ok {
		return nil, nil, Errorf(Invalid, "resource.type", "the model has no type %q", x.Resource.GetType())
	}
	r.typ = &s.model.types[no]
	if x.Resource.GetId() == "*" {
		return nil, nil, Errorf(Invalid, "resource.id", "one resource is saved, not a type")
	}
	if err := s.resourceOf(r, &Question{Resource: x.Resource}, s.plan.Normalise); err != nil {
		return nil, nil, err
	}
	groups = slices.Clone(x.Groups)
	if setting, ok := s.model.setNo[inheritanceSetting]; ok {
		on := members(s.setting(setting, r.typ.no, ""))
		for i := range s.model.inheritance {
			rule := &s.model.inheritance[i]
			at, applies := r.typ.attrNo[rule.attribute]
			if !applies || !slices.Contains(rule.on, x.Event) || !slices.Contains(on, rule.name) {
				continue
			}
			more, err := s.inherited(rule, &r.facts[at], now)
			if err != nil {
				return nil, nil, err
			}
			groups = append(groups, more...)
		}
	}
	slices.Sort(groups)
	groups = slices.Compact(groups)
	for _, g := range groups {
		if !slices.Contains(x.Groups, g) {
			added = append(added, g)
		}
	}
	return groups, added, nil
}

func (s *Snapshot) inherited(rule *inheritance, f *fact, now time.Time) ([]string, error) {
	switch {
	case f.state == factUnknown:
		return nil, Errorf(Invalid, "resource.properties."+rule.attribute, "missing: the rule of inheritance %q looks at it; send null if there is none", rule.name)
	case f.state == factAbsent:
		return nil, nil
	case rule.copy:
		return f.list, nil
	case f.space == spaceGroup:
		return []string{f.text}, nil
	}
	people := &directory{s: s, at: now}
	groups, err := people.groups(who{f.space, f.text}.String())
	if err != nil { // he is unknown
		return nil, nil
	}
	return groups, nil
}

// members are those of a set in a setting's value.
func members(value string) []string {
	if value == "" {
		return nil
	}
	return strings.Split(value, ",")
}

// checkValue says whether a value is legal for a setting.
func (s *setting) checkValue(field, value string) error {
	if len(s.values) == 0 {
		return nil
	}
	all := []string{value}
	if s.many {
		all = members(value)
	}
	for i, v := range all {
		if !slices.Contains(s.values, v) {
			return Errorf(Invalid, field, "%q is none of %s", v, strings.Join(s.values, ", "))
		}
		if slices.Contains(all[:i], v) {
			return Errorf(Invalid, field, "%q stands twice", v)
		}
	}
	return nil
}
