package lint

import (
	"regexp"
	"slices"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// gates looks at what binds everyone.
func (v *view) gates() {
	for _, p := range v.perms {
		v.forgotten(p, "a gate", p.rule.GetGate())
		v.forgotten(p, "a requirement", p.rule.GetRequire())
		for _, l := range p.rule.GetScale().GetLevels() {
			v.forgotten(p, "a level", l.GetRelations())
		}
		if !p.leveled() {
			continue
		}
		v.unreachable(p, "gate", p.rule.GetGate())
		v.unreachable(p, "requirement", p.rule.GetRequire())
		if floor, by := v.floor(p, p.rule.GetGate()); floor > p.silence() && len(p.rule.GetOverride()) > 0 {
			v.add(v.src.Place(by), BindsSuperusers, p.name, "give the scale a `default` of at least that level, or a factory role to superusers",
				"`%s` stands in a gate of %s, and when every role is silent the level is `%s`: a superuser without a role is refused",
				policy.TestText(by), of, p.levels()[p.silence()].GetName())
		}
	}
}

// without is a condition's way to say that a fact is absent.
var without = regexp.MustCompile(`!\s*has\(\s*resource\.(\w+)\s*\)`)

// forgotten finds the tests that pass since a fact was left out.
func (v *view) forgotten(p *permission, stage string, tests []*klinkev1.Test) {
	leaves(p.typ, tests, func(t *klinkev1.Test) {
		attribute := t.GetAbsent().GetAttribute()
		if m := without.FindStringSubmatch(t.GetWhen().GetCel()); m != nil {
			attribute = m[1]
		}
		if x := t.GetValue(); slices.ContainsFunc(x.GetIn(), func(s *klinkev1.Scalar) bool { return s.GetValue() == nil }) {
			attribute = x.GetAttribute()
		}
		i := slices.IndexFunc(p.typ.GetAttributes(), func(a *klinkev1.Attribute) bool { return a.GetName() == attribute && a.GetOptional() })
		if i < 0 {
			return
		}
		v.add(v.src.Place(t), ForgottenFactOpens, p.name, "make the attribute required, so that leaving it out is no answer, and absent must be said by null",
			"who forgets to send `%s` passes `%s` in %s of %s", attribute, policy.TestText(t), stage, of)
	})
}

// unreachable finds levels that a rule's own stage refuses.
func (v *view) unreachable(p *permission, stage string, tests []*klinkev1.Test) {
	floor, by := v.floor(p, tests)
	var names []string
	for _, l := range p.levels()[:floor] {
		if passes(l) {
			names = append(names, "`"+l.GetName()+"`")
		}
	}
	if len(names) > 0 {
		v.add(v.src.Place(by), UnreachableLevel, p.name, "ask for less, or take the levels below away",
			"%s can never allow %s: its %s asks for more, `%s`", several(names), of, stage, policy.TestText(by))
	}
}
