package lint

import (
	"slices"
	"strings"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// dead looks for tests that cannot pass where they stand.
func (v *view) dead() {
	for _, t := range v.m.GetTypes() {
		for _, r := range t.GetRelations() {
			v.deadAmong(t, nil, []*klinkev1.Test{r.GetTest()}, "the relation "+of, t.GetName()+"."+r.GetName())
			v.strangers(t, r.GetTest())
		}
	}
	for _, p := range v.perms {
		gate := v.deadAmong(p.typ, nil, p.rule.GetGate(), "the gate of "+of, p.name)
		both := v.deadAmong(p.typ, gate, p.rule.GetRequire(), "the requirements of "+of, p.name)
		before := both
		if len(p.rule.GetOverride()) > 0 { // then the requirements are not always asked
			before = gate
		}
		for _, l := range p.rule.GetScale().GetLevels() {
			for _, t := range l.GetRelations() {
				v.deadAmong(p.typ, before, []*klinkev1.Test{t}, "the level `"+l.GetName()+"` of "+of, p.name)
			}
		}
		for _, o := range p.rule.GetObligations() {
			if o.GetIf() != nil {
				v.deadAmong(p.typ, gate, []*klinkev1.Test{o.GetIf()}, "the obligation `"+o.GetId()+"` of "+of, p.name)
			}
		}
		for _, tests := range [][]*klinkev1.Test{p.rule.GetGate(), p.rule.GetRequire()} {
			v.strangers(p.typ, tests...)
		}
		for _, l := range p.rule.GetScale().GetLevels() {
			v.strangers(p.typ, l.GetRelations()...)
		}
	}
}

// deadAmong reports the tests of a list that can never pass together with those before them, and returns the ones that can,
// those before first.
func (v *view) deadAmong(typ *klinkev1.ResourceType, before, tests []*klinkev1.Test, where, thing string) []*klinkev1.Test {
	alive := slices.Clone(before)
	for _, t := range tests {
		if v.possible(typ, append(slices.Clone(alive), t)) {
			v.inside(typ, alive, t, where, thing)
			alive = append(alive, t)
			continue
		}
		v.impossible(typ, alive, t, where, thing)
	}
	return alive
}

// inside looks into a test that can pass: at each choice of an `any`, at what an `all` holds.
func (v *view) inside(typ *klinkev1.ResourceType, before []*klinkev1.Test, t *klinkev1.Test, where, thing string) {
	for _, choice := range t.GetAny().GetTests() {
		v.deadAmong(typ, before, []*klinkev1.Test{choice}, where, thing)
	}
	if x := t.GetAll(); x != nil {
		v.deadAmong(typ, before, x.GetTests(), where, thing)
	}
}

// impossible reports a test that can never pass together with those before it: of an `all`, the one in it.
func (v *view) impossible(typ *klinkev1.ResourceType, before []*klinkev1.Test, t *klinkev1.Test, where, thing string) {
	if x := t.GetAll(); x != nil {
		v.deadAmong(typ, before, x.GetTests(), where, thing)
		return
	}
	alone := v.possible(typ, []*klinkev1.Test{t})
	if !alone && t.GetRelation() != "" {
		return // it is reported where the relation stands
	}
	why := ""
	if alone {
		why = ": it contradicts the tests before it"
		for _, b := range before {
			if !v.possible(typ, []*klinkev1.Test{b, t}) {
				why = ": it contradicts `" + policy.TestText(b) + "`"
				break
			}
		}
	}
	v.add(v.src.Place(t), TestNeverPasses, thing, "mend it, or take it away", "`%s` in %s can never pass%s", policy.TestText(t), where, why)
}

// strangers reports roles that tests name and the model does not have, when the model has roles at all.
func (v *view) strangers(typ *klinkev1.ResourceType, tests ...*klinkev1.Test) {
	if !v.hasRoles() {
		return
	}
	leaves(typ, tests, func(t *klinkev1.Test) {
		for _, name := range t.GetHolds().GetIn() {
			if !slices.ContainsFunc(v.m.GetRoles(), func(r *klinkev1.RoleTemplate) bool { return r.GetRole().GetId() == name }) {
				v.add(v.src.Place(t), UnknownRole, "", "name a factory role, or add one of that name: a tenant may lack it",
					"`%s` names the role `%s`, which is no factory role", policy.TestText(t), name)
			}
		}
	})
}

// hasRoles says whether the model file itself has roles that grant something, so that tenants need not make all of theirs.
func (v *view) hasRoles() bool {
	return slices.ContainsFunc(v.m.GetRoles(), func(r *klinkev1.RoleTemplate) bool { return v.own(v.src.Place(r)) && len(r.GetCells()) > 0 })
}

// choices bounds the combinations of choices that are tried. Beyond it a list of tests counts as possible.
const choices = 4096

// possible says whether some question could pass all of the tests at once, as far as can be told from what they say of the
// same fact or setting.
func (v *view) possible(typ *klinkev1.ResourceType, tests []*klinkev1.Test) bool {
	left := choices
	return v.possibleWith(typ, known{}, tests, &left)
}

func (v *view) possibleWith(typ *klinkev1.ResourceType, k known, tests []*klinkev1.Test, left *int) bool {
	k = k.clone()
	var open []*klinkev1.Tests
	alright := true
	conjuncts(typ, tests, func(t *klinkev1.Test) {
		if x := t.GetAny(); x != nil {
			open = append(open, x)
			return
		}
		alright = alright && v.learn(typ, k, t)
	})
	switch {
	case !alright:
		return false
	case len(open) == 0:
		return true
	}
	rest := make([]*klinkev1.Test, 0, len(open))
	for _, x := range open[1:] {
		rest = append(rest, &klinkev1.Test{Test: &klinkev1.Test_Any{Any: x}})
	}
	for _, choice := range open[0].GetTests() {
		if *left--; *left < 0 || v.possibleWith(typ, k, append(slices.Clip(rest), choice), left) {
			return true
		}
	}
	return false
}

// known is what tests that pass together say of facts, circumstances and settings: the values that are left, by name. A nil
// list is any value; the fact being absent is the value null.
type known map[string]*values

type values struct {
	present bool     // it cannot be null
	left    []string // nil: any
}

const null = "null"

func (k known) clone() known {
	out := known{}
	for name, x := range k {
		y := *x
		out[name] = &y
	}
	return out
}

// only leaves values that are among these; false when none is left.
func (k known) only(name string, these []string) bool {
	x := k.of(name)
	if x.left == nil {
		x.left = slices.Clone(these)
	} else {
		x.left = slices.DeleteFunc(slices.Clone(x.left), func(s string) bool { return !slices.Contains(these, s) })
	}
	if x.present {
		x.left = slices.DeleteFunc(x.left, func(s string) bool { return s == null })
	}
	return len(x.left) > 0
}

// there notes that a fact is not absent; false when it must be.
func (k known) there(name string) bool {
	x := k.of(name)
	x.present = true
	if x.left == nil {
		return true
	}
	return k.only(name, x.left)
}

func (k known) of(name string) *values {
	if k[name] == nil {
		k[name] = &values{}
	}
	return k[name]
}

// learn notes what a test that passes says; false when it cannot pass.
func (v *view) learn(typ *klinkev1.ResourceType, k known, t *klinkev1.Test) bool {
	switch x := t.GetTest().(type) {
	case *klinkev1.Test_Absent:
		return k.only(x.Absent.GetAttribute(), []string{null})
	case *klinkev1.Test_Value:
		return k.only(x.Value.GetAttribute(), scalars(x.Value.GetIn()))
	case *klinkev1.Test_Setting:
		in := v.settingValues(x.Setting)
		return in == nil || k.only("setting "+x.Setting.GetName(), in)
	case *klinkev1.Test_NumberClass:
		return k.there(x.NumberClass.GetAttribute()) && v.admits(k, x.NumberClass)
	case *klinkev1.Test_Permission:
		p := v.lookup(typ, x.Permission.GetPermission())
		if p != nil && x.Permission.GetAtLeast() == "" && !slices.ContainsFunc(p.levels(), passes) {
			return false
		}
		return k.on(x.Permission.GetOn())
	case *klinkev1.Test_Allowed:
		p := v.lookup(typ, x.Allowed.GetAction())
		return (p == nil || v.allows(p)) && k.on(x.Allowed.GetOn())
	case *klinkev1.Test_When:
		return strings.TrimSpace(x.When.GetCel()) != "false"
	}
	name := needed(t)
	return name == "" || k.there(name)
}

// needed is the attribute without which a test fails, empty for none.
func needed(t *klinkev1.Test) string {
	switch x := t.GetTest().(type) {
	case *klinkev1.Test_Is:
		return x.Is.GetAttribute()
	case *klinkev1.Test_Within:
		return x.Within.GetAttribute()
	case *klinkev1.Test_MemberOf:
		return x.MemberOf.GetAttribute()
	case *klinkev1.Test_SameGroup:
		if x.SameGroup.GetLimit() == "" { // else who has no limit passes
			return x.SameGroup.GetAttribute()
		}
	case *klinkev1.Test_DepartmentOf:
		return x.DepartmentOf.GetAttribute()
	case *klinkev1.Test_Above:
		return x.Above.GetAttribute()
	case *klinkev1.Test_Below:
		return x.Below.GetAttribute()
	case *klinkev1.Test_SameRole:
		return x.SameRole.GetAttribute()
	case *klinkev1.Test_Holds:
		return x.Holds.GetAttribute()
	case *klinkev1.Test_Listed:
		return x.Listed.GetAttribute()
	}
	return ""
}

// on notes that a fact which names the resource to ask about is not absent.
func (k known) on(o *klinkev1.On) bool {
	name := o.GetAttribute() + o.GetEach()
	return name == "" || k.there(name)
}

// scalars are values as known keeps them. A text and a truth value never meet: the attribute's kind says which it is.
func scalars(in []*klinkev1.Scalar) []string {
	out := make([]string, len(in))
	for i, s := range in {
		switch x := s.GetValue().(type) {
		case *klinkev1.Scalar_Text:
			out[i] = "text " + x.Text
		case *klinkev1.Scalar_Truth:
			out[i] = map[bool]string{true: "true", false: "false"}[x.Truth]
		default:
			out[i] = null
		}
	}
	return out
}

// settingValues are the values with which a test of a setting passes, nil when they cannot be listed.
func (v *view) settingValues(x *klinkev1.SettingIs) []string {
	if x.GetAtLeast() == "" {
		if len(x.GetIn()) == 0 {
			return []string{"true"}
		}
		return x.GetIn()
	}
	for _, s := range v.m.GetSettings() {
		legal := s.GetValues()
		if len(legal) == 0 {
			legal = []string{"false", "true"}
		}
		if i := slices.Index(legal, x.GetAtLeast()); s.GetName() == x.GetName() && i >= 0 {
			return legal[i:]
		}
	}
	return nil
}

// admits notes the types of number that a fixed class admits; the class of a purpose is the tenant's.
func (v *view) admits(k known, x *klinkev1.NumberClass) bool {
	for _, c := range v.m.GetClasses() {
		if x.GetFixed() != "" && c.GetName() == x.GetFixed() {
			if slices.ContainsFunc(c.GetPrefixes(), func(p *klinkev1.ClassPrefix) bool { return !p.GetDeny() }) {
				return true // a prefix admits numbers of any type
			}
			var types []string
			for _, t := range c.GetTypes() {
				types = append(types, t.String())
			}
			return len(types) > 0 && k.only("number type of "+x.GetAttribute(), types)
		}
	}
	return true
}

// allows says whether an action's rule could allow anything.
func (v *view) allows(p *permission) bool {
	before := p.rule.GetGate()
	if len(p.rule.GetOverride()) == 0 {
		before = append(slices.Clone(before), p.rule.GetRequire()...)
	}
	return v.possible(p.typ, before) && slices.ContainsFunc(p.levels(), passes)
}
