package lint

import (
	"slices"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// scales looks at the levels.
func (v *view) scales() {
	for _, s := range v.src.Idle {
		whose := "the model"
		if s.Type != "" {
			whose = "the type `" + s.Type + "`"
		}
		v.add(s.Place, UnusedScale, "", "name it in the `level` of an action, or take it away", "no action uses the scale `%s` of %s", s.Name, whose)
	}
	told := v.toldApart()
	for _, p := range v.perms {
		if !p.leveled() {
			continue
		}
		levels := p.levels()
		for i := 1; i < len(levels); i++ {
			l, below := levels[i], levels[i-1]
			if contains(l, below) && contains(below, l) && !told[l.GetName()] {
				v.add(v.src.Place(l), LevelAddsNothing, p.name, "take one of the two away, or give the higher one a relation of its own",
					"the level `%s` of %s passes for nobody for whom `%s` below it does not, and no `at_least` tells them apart",
					l.GetName(), of, below.GetName())
			}
			for _, x := range slices.Backward(levels[:i]) {
				if !contains(l, x) && contains(below, x) { // what was lost before is told there
					v.add(v.src.Place(l), LevelShrinks, p.name, "let the higher level pass what the lower one does, or change their order",
						"the level `%s` of %s stands above `%s` and passes less: %s is lost by rising", l.GetName(), of, x.GetName(), missing(l, x))
					break
				}
			}
		}
	}
}

// toldApart are the names of the levels that some test asks for by name.
func (v *view) toldApart() map[string]bool {
	out := map[string]bool{}
	note := func(t *klinkev1.Test) {
		if l := t.GetPermission().GetAtLeast(); l != "" {
			out[l] = true
		}
	}
	for _, p := range v.perms {
		leaves(p.typ, p.rule.GetGate(), note)
		leaves(p.typ, p.rule.GetRequire(), note)
		for _, l := range p.rule.GetScale().GetLevels() {
			leaves(p.typ, l.GetRelations(), note)
		}
		for _, o := range p.rule.GetObligations() {
			if o.GetIf() != nil {
				leaves(p.typ, []*klinkev1.Test{o.GetIf()}, note)
			}
		}
	}
	return out
}

// contains says whether a level passes wherever another one does, by the tests as they are written.
func contains(l, other *klinkev1.Level) bool {
	return l.GetAny() || !other.GetAny() && missing(l, other) == ""
}

// missing names what another level passes and this one does not.
func missing(l, other *klinkev1.Level) string {
	if other.GetAny() {
		return "`any`"
	}
	var lost []string
	for _, t := range other.GetRelations() {
		text := policy.TestText(t)
		if !slices.ContainsFunc(l.GetRelations(), func(x *klinkev1.Test) bool { return policy.TestText(x) == text }) {
			lost = append(lost, "`"+text+"`")
		}
	}
	return several(lost)
}
