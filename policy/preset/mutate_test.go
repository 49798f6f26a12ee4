// These helpers change a model in one place after the other, so that TestMutation can prove that each place matters to the
// answers. They know the message of a model and no product: whatever test or option the message gains is changed as well.
package preset_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// mutator puts one change at a time into its model, says so, and takes it back.
type mutator struct {
	m   *klinkev1.Model
	try func(name string)
	// seen is what the model writes into each field of its tests.
	seen map[protoreflect.FullName][]string
	// joined are the tests that stand in front of all rules of the model.
	joined []*klinkev1.Test
	scales []*scaleUse
}

// scaleUse is a scale, and the types whose rules use it.
type scaleUse struct {
	*klinkev1.Scale
	types []*klinkev1.ResourceType
	label string
}

// passes is the setting that stands for a test which always passes or, when it is asked for false, always fails.
const passes = "mutation"

// mutate calls try once for every change of the model, while it is in place. The changes come in the same order each time.
// Left alone is what no answer of a world states: obligations, the rules of inheritance, and the default region, which is that
// of a tenant without sites.
func mutate(t *testing.T, src *klinkev1.Model, try func(m *klinkev1.Model, name string)) {
	t.Helper()
	m := proto.CloneOf(src)
	m.Settings = append(m.Settings, &klinkev1.SettingDeclaration{Name: passes, Default: new("true")})
	x := &mutator{m: m, seen: map[protoreflect.FullName][]string{}, try: func(name string) { try(m, name) }}
	x.share()
	x.shareScales()
	before := proto.CloneOf(m)
	x.collect(m.ProtoReflect())
	x.join()
	x.types()
	for _, s := range x.scales {
		x.scale(s, s.label)
	}
	x.roles()
	x.tenant()
	x.telephony()
	if !proto.Equal(m, before) {
		t.Error("a change was not taken back, so those after it were not tried alone")
	}
}

// instead tries another value in a place.
func instead[T any](x *mutator, at *T, value T, name string) {
	old := *at
	*at = value
	x.try(name)
	*at = old
}

// without tries a list without one of its elements.
func without[T any](x *mutator, list *[]T, i int, name string) {
	instead(x, list, slices.Concat((*list)[:i], (*list)[i+1:]), name+" removed")
}

func constant(value string) *klinkev1.Test {
	return &klinkev1.Test{Test: &klinkev1.Test_Setting{Setting: &klinkev1.SettingIs{Name: passes, In: []string{value}}}}
}

// join makes tests that `every` joined to all rules of the model one again, so that what they are made of changes as one.
// Each rule can still lose the whole test.
func (x *mutator) join() {
	for _, stage := range []func(*klinkev1.Rule) []*klinkev1.Test{(*klinkev1.Rule).GetGate, (*klinkev1.Rule).GetRequire} {
		var first []*klinkev1.Test
		var rules [][]*klinkev1.Test
		for _, t := range x.m.GetTypes() {
			for _, a := range t.GetActions() {
				rules = append(rules, stage(a.GetRule()))
			}
		}
		for i, r := range rules {
			if i == 0 {
				first = r
			}
			same := 0
			for same < min(len(first), len(r)) && proto.Equal(first[same], r[same]) {
				same++
			}
			first = first[:same]
		}
		for _, r := range rules {
			copy(r, first)
		}
		x.joined = append(x.joined, first...)
	}
	for i, t := range x.joined {
		x.test(t, fmt.Sprintf("every action: test %d", i+1))
	}
}

// share makes what is the same in modules one, so that it changes in all of them at once. Modules are types with the same
// actions, two or more; the rules of an action, a relation or an attribute that are the same in some of them are shared by these.
func (x *mutator) share() {
	modules := map[string][]*klinkev1.ResourceType{}
	for _, t := range x.m.GetTypes() {
		var names []string
		for _, a := range t.GetActions() {
			names = append(names, a.GetName())
			if a.Rule == nil {
				a.Rule = &klinkev1.Rule{}
			}
		}
		key := strings.Join(names, " ")
		if len(names) < 2 {
			continue
		}
		for _, before := range modules[key] {
			for i, a := range before.GetActions() {
				shareOne(&t.Actions[i].Rule, a.GetRule())
			}
			for _, r := range before.GetRelations() {
				if i := slices.IndexFunc(t.GetRelations(), func(o *klinkev1.Relation) bool { return o.GetName() == r.GetName() }); i >= 0 {
					shareOne(&t.Relations[i], r)
				}
			}
			for _, a := range before.GetAttributes() {
				if i := slices.IndexFunc(t.GetAttributes(), func(o *klinkev1.Attribute) bool { return o.GetName() == a.GetName() }); i >= 0 {
					shareOne(&t.Attributes[i], a)
				}
			}
			if f := before.GetFields(); f != nil && t.GetFields() != nil {
				shareOne(&t.Fields.Read, f.GetRead())
				shareOne(&t.Fields.Write, f.GetWrite())
			}
		}
		modules[key] = append(modules[key], t)
	}
}

// shareScales makes scales one that have the same name and the same levels, as a model writes them.
func (x *mutator) shareScales() {
	for _, t := range x.m.GetTypes() {
		rules := []*klinkev1.Rule{t.GetFields().GetRead(), t.GetFields().GetWrite()}
		for _, a := range t.GetActions() {
			rules = append(rules, a.GetRule())
		}
		for _, r := range rules {
			if r.GetScale() == nil {
				continue
			}
			i := slices.IndexFunc(x.scales, func(s *scaleUse) bool { return proto.Equal(s.Scale, r.Scale) })
			if i < 0 {
				i = len(x.scales)
				label := "scale " + r.GetScale().GetName()
				if slices.ContainsFunc(x.scales, func(s *scaleUse) bool { return s.GetName() == r.GetScale().GetName() }) {
					label += " of " + t.GetName()
				}
				x.scales = append(x.scales, &scaleUse{Scale: r.Scale, label: label})
			}
			r.Scale = x.scales[i].Scale
			if !slices.Contains(x.scales[i].types, t) {
				x.scales[i].types = append(x.scales[i].types, t)
			}
		}
	}
}

func shareOne[T proto.Message](at *T, other T) {
	if proto.Equal(*at, other) {
		*at = other
	}
}

// first says whether something is met for the first time.
func first(met map[proto.Message]bool, m proto.Message) bool {
	was := met[m]
	met[m] = true
	return !was
}

func (x *mutator) types() {
	met := map[proto.Message]bool{}
	for _, t := range x.m.GetTypes() {
		name := t.GetName()
		for _, a := range t.GetAttributes() {
			if opens(t, a.GetName()) && first(met, a) {
				instead(x, &a.Optional, !a.GetOptional(), fmt.Sprintf("%s: attribute %s optional %t", name, a.GetName(), !a.GetOptional()))
			}
		}
		for _, r := range t.GetRelations() {
			if !first(met, r) {
				continue
			}
			at := name + ": relation " + r.GetName()
			instead(x, &r.Test, constant("true"), at+" always passes")
			instead(x, &r.Test, constant("false"), at+" never passes")
			x.test(r.GetTest(), at)
		}
		for _, a := range t.GetActions() {
			if first(met, a.GetRule()) {
				x.rule(t, a.GetRule(), name+"."+a.GetName())
			}
		}
		if f := t.GetFields(); f != nil && first(met, f.GetRead()) {
			x.rule(t, f.GetRead(), name+".*:read")
		}
		if f := t.GetFields(); f != nil && first(met, f.GetWrite()) {
			x.rule(t, f.GetWrite(), name+".*:write")
		}
	}
}

// opens says whether a test of the type can pass because a fact is absent: only then does it matter whether not sending the
// fact means that.
func opens(t *klinkev1.ResourceType, attribute string) (found bool) {
	eachTest(t.ProtoReflect(), func(x *klinkev1.Test) {
		null := slices.ContainsFunc(x.GetValue().GetIn(), func(s *klinkev1.Scalar) bool { return s.GetValue() == nil })
		found = found || x.GetAbsent().GetAttribute() == attribute || null && x.GetValue().GetAttribute() == attribute ||
			x.GetWithin().GetAttribute() == attribute && !x.GetWithin().GetStrict()
	})
	return found
}

// eachTest visits all tests in a message, those inside of others too.
func eachTest(m protoreflect.Message, visit func(*klinkev1.Test)) {
	if t, ok := m.Interface().(*klinkev1.Test); ok {
		visit(t)
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil || fd.IsMap():
		case fd.IsList():
			for i := range v.List().Len() {
				eachTest(v.List().Get(i).Message(), visit)
			}
		default:
			eachTest(v.Message(), visit)
		}
		return true
	})
}

func (x *mutator) rule(t *klinkev1.ResourceType, r *klinkev1.Rule, at string) {
	for i, e := range r.GetEmergency() {
		without(x, &r.Emergency, i, at+": emergency "+e.GetAttribute())
		instead(x, &e.Deny, !e.GetDeny(), fmt.Sprintf("%s: emergency %s denied %t", at, e.GetAttribute(), !e.GetDeny()))
	}
	x.tests(&r.Gate, at+": gate")
	x.tests(&r.Require, at+": requirement")
	for i, o := range r.GetOverride() {
		without(x, &r.Override, i, at+": override "+o)
	}
	for _, f := range x.m.GetFlags() {
		if !slices.Contains(r.GetOverride(), f) {
			instead(x, &r.Override, append(slices.Clone(r.GetOverride()), f), at+": override "+f+" added")
		}
	}
	for _, s := range x.scales {
		if old := r.GetScale(); old != nil && s.fits(t) && !s.contains(old) {
			instead(x, &r.Scale, s.Scale, at+": "+s.label)
		}
	}
}

// contains says whether the scale has the levels of another and only adds some: then what roles say of them means the same.
func (s *scaleUse) contains(o *klinkev1.Scale) bool {
	for _, l := range o.GetLevels() {
		if !slices.ContainsFunc(s.GetLevels(), func(mine *klinkev1.Level) bool { return proto.Equal(mine, l) }) {
			return false
		}
	}
	return s.GetDefault() == o.GetDefault()
}

// fits says whether the type has the relations of the scale.
func (s *scaleUse) fits(t *klinkev1.ResourceType) bool {
	for _, l := range s.GetLevels() {
		for _, r := range l.GetRelations() {
			if r.GetRelation() != "" && !relates(t, r.GetRelation()) {
				return false
			}
		}
	}
	return true
}

func relates(t *klinkev1.ResourceType, relation string) bool {
	return slices.ContainsFunc(t.GetRelations(), func(r *klinkev1.Relation) bool { return r.GetName() == relation })
}

// tests tries a list of which all must pass.
func (x *mutator) tests(list *[]*klinkev1.Test, at string) {
	joined := 0
	for i, t := range *list {
		if slices.Contains(x.joined, t) {
			joined++
			without(x, list, i, fmt.Sprintf("%s %d of every action", at, joined))
			continue
		}
		name := fmt.Sprintf("%s %d", at, i+1-joined)
		without(x, list, i, name)
		x.test(t, name)
	}
}

func (x *mutator) scale(s *scaleUse, at string) {
	for i, l := range s.GetLevels() {
		name := at + ": level " + l.GetName()
		if standard := s.GetDefault(); standard != l.GetName() && (standard != "" || i > 0) {
			instead(x, &s.Default, l.GetName(), name+" is the default")
		}
		if i > 0 {
			swapped := slices.Clone(s.GetLevels())
			swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
			instead(x, &s.Levels, swapped, name+" ranks below "+swapped[i].GetName())
		}
		if l.GetAny() {
			instead(x, &l.Any, false, name+" reaches nothing")
			continue
		}
		all := slices.Clone(s.GetLevels())
		all[i] = &klinkev1.Level{Name: l.GetName(), Any: true}
		instead(x, &s.Levels, all, name+" reaches all")
		for j := range l.GetRelations() {
			without(x, &l.Relations, j, fmt.Sprintf("%s: relation %d", name, j+1))
			x.test(l.GetRelations()[j], fmt.Sprintf("%s: relation %d", name, j+1))
		}
		for _, r := range s.types[0].GetRelations() {
			if slices.ContainsFunc(s.types, func(t *klinkev1.ResourceType) bool { return !relates(t, r.GetName()) }) {
				continue // not all types that use the scale have it
			}
			if !slices.ContainsFunc(l.GetRelations(), func(has *klinkev1.Test) bool { return has.GetRelation() == r.GetName() }) {
				more := append(slices.Clone(l.GetRelations()), &klinkev1.Test{Test: &klinkev1.Test_Relation{Relation: r.GetName()}})
				instead(x, &l.Relations, more, name+": relation "+r.GetName()+" added")
			}
		}
	}
}

// test tries what a test is made of. That it passes or fails as a whole is tried where it stands.
func (x *mutator) test(t *klinkev1.Test, at string) {
	if all := t.GetAll(); all != nil {
		for i, sub := range all.GetTests() {
			name := fmt.Sprintf("%s, all %d", at, i+1)
			instead(x, &all.Tests[i], constant("true"), name+" always passes")
			x.test(sub, name)
		}
		return
	}
	if one := t.GetAny(); one != nil {
		for i, sub := range one.GetTests() {
			name := fmt.Sprintf("%s, any %d", at, i+1)
			instead(x, &one.Tests[i], constant("false"), name+" never passes")
			x.test(sub, name)
		}
		return
	}
	r := t.ProtoReflect()
	kind := r.WhichOneof(r.Descriptor().Oneofs().Get(0))
	if kind.Message() == nil {
		x.words(r, kind, at)
		return
	}
	operands := r.Get(kind).Message()
	for i := range operands.Descriptor().Fields().Len() {
		x.operand(operands, operands.Descriptor().Fields().Get(i), at)
	}
}

// mayBeEmpty are the options of tests that need not be there.
var mayBeEmpty = []protoreflect.FullName{"klinke.v1.Is.by", "klinke.v1.SameGroup.limit", "klinke.v1.MemberOf.carrying", "klinke.v1.Shared.through",
	"klinke.v1.Shared.as", "klinke.v1.SettingIs.at_least", "klinke.v1.PermissionPasses.at_least"}

// operand tries other values in one field of a test.
func (x *mutator) operand(m protoreflect.Message, fd protoreflect.FieldDescriptor, at string) {
	name := at + ", " + string(fd.Name())
	put := func(v protoreflect.Value, name string) {
		old := m.Get(fd)
		m.Set(fd, v)
		x.try(name)
		m.Set(fd, old)
	}
	switch {
	case fd.IsList():
		list := m.Get(fd).List()
		whole, n := m.NewField(fd), list.Len() // a copy: the list itself is the field's place, not its value
		for i := range n {
			whole.List().Append(list.Get(i))
		}
		for i := 0; n > 1 && i < n; i++ {
			shorter := m.NewField(fd)
			for j := range n {
				if j != i {
					shorter.List().Append(whole.List().Get(j))
				}
			}
			m.Set(fd, shorter)
			x.try(fmt.Sprintf("%s %d removed", name, i+1))
		}
		m.Set(fd, whole)
	case fd.Kind() == protoreflect.BoolKind:
		put(protoreflect.ValueOfBool(!m.Get(fd).Bool()), fmt.Sprintf("%s %t", name, !m.Get(fd).Bool()))
	case fd.Kind() == protoreflect.EnumKind:
		for i := 1; i < fd.Enum().Values().Len(); i++ {
			if v := fd.Enum().Values().Get(i); v.Number() != m.Get(fd).Enum() {
				put(protoreflect.ValueOfEnum(v.Number()), name+" "+string(v.Name()))
			}
		}
	case fd.Kind() == protoreflect.StringKind:
		x.words(m, fd, at)
	case fd.Message() != nil && m.Has(fd):
		old := m.Get(fd)
		m.Clear(fd)
		x.try(name + " removed")
		m.Set(fd, old)
	}
}

// words tries in a text of a test what the model writes there in others.
func (x *mutator) words(m protoreflect.Message, fd protoreflect.FieldDescriptor, at string) {
	if !m.Has(fd) {
		return
	}
	old := m.Get(fd)
	for _, word := range x.seen[fd.FullName()] {
		if word != old.String() {
			m.Set(fd, protoreflect.ValueOfString(word))
			x.try(fmt.Sprintf("%s, %s %s", at, fd.Name(), word))
		}
	}
	if slices.Contains(mayBeEmpty, fd.FullName()) {
		m.Clear(fd)
		x.try(fmt.Sprintf("%s, %s removed", at, fd.Name()))
	}
	m.Set(fd, old)
}

// collect notes what the tests of the model write into their fields.
func (x *mutator) collect(model protoreflect.Message) {
	note := func(m protoreflect.Message) {
		m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			if fd.Kind() == protoreflect.StringKind && !fd.IsList() && !slices.Contains(x.seen[fd.FullName()], v.String()) {
				x.seen[fd.FullName()] = append(x.seen[fd.FullName()], v.String())
			}
			return true
		})
	}
	eachTest(model, func(t *klinkev1.Test) {
		r := t.ProtoReflect()
		note(r)
		if kind := r.WhichOneof(r.Descriptor().Oneofs().Get(0)); kind.Message() != nil {
			note(r.Get(kind).Message())
		}
	})
	for _, words := range x.seen {
		slices.Sort(words)
	}
}

// tenant tries how roles combine, what settings are when nobody sets them, to whom factory roles are given, and the hours.
func (x *mutator) tenant() {
	for _, c := range []klinkev1.Combine{klinkev1.Combine_COMBINE_HIGHEST, klinkev1.Combine_COMBINE_LOWEST} {
		if c != x.m.GetCombine() {
			setting := x.m.CombineSetting
			x.m.CombineSetting = ""
			instead(x, &x.m.Combine, c, "combine "+strings.ToLower(strings.TrimPrefix(c.String(), "COMBINE_")))
			x.m.CombineSetting = setting
		}
	}
	model := x.m.ProtoReflect()
	if fd := model.Descriptor().Fields().ByName("direct_first"); fd != nil && model.Has(fd) {
		old := model.Get(fd)
		model.Clear(fd)
		x.try("direct_first removed")
		model.Set(fd, old)
	}
	for _, s := range x.m.GetSettings() {
		values := s.GetValues()
		if len(values) == 0 && s.Default != nil && (s.GetDefault() == "true" || s.GetDefault() == "false") {
			values = []string{"false", "true"}
		}
		for _, v := range values {
			if v != s.GetDefault() && s.Default != nil && s.GetName() != passes {
				instead(x, &s.Default, new(v), "setting "+s.GetName()+": default "+v)
			}
		}
	}
	for i, a := range x.m.GetAssignments() {
		without(x, &x.m.Assignments, i, "assignment of "+a.GetRole()+" to "+a.GetHolder())
	}
	for _, s := range x.m.GetSchedules() {
		for i := range s.GetHours() {
			without(x, &s.Hours, i, fmt.Sprintf("schedule %s: hours %d", s.GetName(), i+1))
		}
	}
}

func (x *mutator) telephony() {
	for _, r := range x.m.GetRegions() {
		for i, n := range r.GetEmergency() {
			without(x, &r.Emergency, i, "region "+r.GetName()+": emergency number "+n)
		}
		instead(x, &r.Trunk, "", "region "+r.GetName()+": trunk prefix removed")
		instead(x, &r.International, "099", "region "+r.GetName()+": international prefix 099")
	}
	for i, p := range x.m.GetNumberTypes() {
		without(x, &x.m.NumberTypes, i, "number type of "+p.GetPrefix())
	}
	for _, c := range x.m.GetClasses() {
		for n := int32(1); n < int32(len(klinkev1.NumberType_name)); n++ {
			kind := klinkev1.NumberType(n)
			name := "class " + c.GetName() + ": " + strings.ToLower(strings.TrimPrefix(kind.String(), "NUMBER_TYPE_"))
			if i := slices.Index(c.GetTypes(), kind); i >= 0 {
				without(x, &c.Types, i, name)
			} else {
				instead(x, &c.Types, append(slices.Clone(c.GetTypes()), kind), name+" added")
			}
		}
	}
	for _, purpose := range slices.Sorted(maps.Keys(x.m.GetDefaultClasses())) {
		class := x.m.GetDefaultClasses()[purpose]
		for _, c := range x.m.GetClasses() {
			if c.GetName() != class {
				x.m.DefaultClasses[purpose] = c.GetName()
				x.try("class for " + purpose + ": " + c.GetName())
			}
		}
		x.m.DefaultClasses[purpose] = class
	}
}

// roles tries other levels in the cells of the matrix, and no cell, as long as some role would say something else by it. A cell
// that is written is tried at every level. One that is not, or that is written for all types, is tried at the lowest and the
// highest, at once where modules share the rule.
func (x *mutator) roles() {
	before := x.matrix()
	for _, r := range x.m.GetRoles() {
		id := r.GetRole().GetId()
		for i, included := range r.GetIncludes() {
			without(x, &r.Includes, i, "role "+id+": inclusion of "+included)
		}
		if r.GetRole().GetUnder() != "" {
			instead(x, &r.Role.Under, "", "role "+id+": place under "+r.GetRole().GetUnder()+" removed")
		}
		for _, c := range r.GetCells() {
			if c.GetWhen() != "" {
				instead(x, &c.When, "", "role "+id+": condition of "+c.GetPermission()+" removed")
			}
			if c.GetSchedule() != "" {
				instead(x, &c.Schedule, "", "role "+id+": schedule of "+c.GetPermission()+" removed")
			}
		}
		for _, p := range x.permissions() {
			var together []string
			for _, name := range p.names {
				if written(r, name) {
					x.cell(r, []string{name}, p.levels, before)
				} else {
					together = append(together, name)
				}
			}
			if len(together) > 0 {
				x.cell(r, together, []string{p.levels[0], p.levels[len(p.levels)-1]}, before)
			}
		}
	}
}

// written says whether a role has a cell for the permission or for all of its type.
func written(r *klinkev1.RoleTemplate, permission string) bool {
	typ, rest, _ := strings.Cut(permission, ".")
	return slices.ContainsFunc(r.GetCells(), func(c *klinkev1.Cell) bool {
		return c.GetPermission() == permission || !strings.Contains(rest, ":") && c.GetPermission() == typ+".*"
	})
}

// cell tries levels in some cells of a role at once, and none.
func (x *mutator) cell(r *klinkev1.RoleTemplate, permissions, levels []string, before map[[2]string]span) {
	name := "role " + r.GetRole().GetId() + ": " + permissions[0]
	said := []map[[2]string]span{before}
	try := func(cells []*klinkev1.Cell, name string) {
		old := r.Cells
		r.Cells = cells
		m := x.matrix()
		if !slices.ContainsFunc(said, func(other map[[2]string]span) bool { return maps.Equal(m, other) }) {
			x.try(name)
			said = append(said, m)
		}
		r.Cells = old
	}
	others := slices.DeleteFunc(slices.Clone(r.GetCells()), func(c *klinkev1.Cell) bool { return slices.Contains(permissions, c.GetPermission()) })
	for _, level := range levels {
		cells := slices.Clone(others)
		for _, p := range permissions {
			cells = append(cells, &klinkev1.Cell{Role: r.GetRole().GetId(), Permission: p, Level: level})
		}
		try(cells, name+"@"+level)
	}
	try(others, name+" removed")
}

// permission is one of a type, with those of the modules that share its rule.
type permission struct {
	names    []string
	levels   []string
	fallback int
}

// plain is what a role says of an action without level: it grants it to a program that acts for somebody, or not.
func plain() *klinkev1.Scale {
	return &klinkev1.Scale{Levels: []*klinkev1.Level{{Name: "none"}, {Name: "any"}}}
}

// permissions are those that have cells: the actions, and all fields of a type together.
func (x *mutator) permissions() (out []permission) {
	at := map[*klinkev1.Rule]int{}
	add := func(name string, r *klinkev1.Rule) {
		i, met := at[r]
		if !met {
			i = len(out)
			at[r] = i
			s := r.GetScale()
			if s == nil {
				s = plain()
			}
			p := permission{}
			for i, l := range s.GetLevels() {
				p.levels = append(p.levels, l.GetName())
				if l.GetName() == s.GetDefault() {
					p.fallback = i
				}
			}
			out = append(out, p)
		}
		out[i].names = append(out[i].names, name)
	}
	for _, t := range x.m.GetTypes() {
		for _, a := range t.GetActions() {
			add(t.GetName()+"."+a.GetName(), a.GetRule())
		}
		if f := t.GetFields(); f != nil {
			add(t.GetName()+".*:read", f.GetRead())
			add(t.GetName()+".*:write", f.GetWrite())
		}
	}
	return out
}

// span is the lowest and the highest level that a role says with what it includes. One that says what would hold anyway, by
// the way in which roles combine, is as good as silent.
type span struct{ low, high int }

// matrix is what each role says about each permission.
func (x *mutator) matrix() map[[2]string]span {
	out := map[[2]string]span{}
	roles := map[string]*klinkev1.RoleTemplate{}
	for _, r := range x.m.GetRoles() {
		roles[r.GetRole().GetId()] = r
	}
	for _, p := range x.permissions() {
		for id := range roles {
			for _, name := range p.names {
				s := span{low: len(p.levels) - 1, high: 0}
				if p.fallback > 0 {
					s.high = -1
				}
				if p.fallback < len(p.levels)-1 {
					s.low = len(p.levels)
				}
				x.speak(roles, id, name, p.levels, &s)
				switch x.m.GetCombine() {
				case klinkev1.Combine_COMBINE_HIGHEST:
					s.low = 0
				case klinkev1.Combine_COMBINE_LOWEST:
					s.high = 0
				}
				out[[2]string{id, name}] = s
			}
		}
	}
	return out
}

func (x *mutator) speak(roles map[string]*klinkev1.RoleTemplate, id, permission string, levels []string, s *span) {
	typ, rest, _ := strings.Cut(permission, ".")
	names := []string{permission, typ + ".*", "*.*"}
	if _, mode, field := strings.Cut(rest, ":"); field {
		names = []string{permission, "*.*:" + mode}
	}
said:
	for _, name := range names {
		for _, c := range roles[id].GetCells() {
			if rank := slices.Index(levels, c.GetLevel()); c.GetPermission() == name && rank >= 0 {
				s.low, s.high = min(s.low, rank), max(s.high, rank)
				break said
			}
		}
	}
	for _, included := range roles[id].GetIncludes() {
		x.speak(roles, included, permission, levels, s)
	}
}
