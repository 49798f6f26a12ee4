package lint

import (
	"slices"
	"strings"

	"github.com/klinke-authz/klinke/policy/account"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// view is a model as the checks look at it, and what they found.
type view struct {
	src   *account.Source
	m     *klinkev1.Model
	perms []*permission
	byKey map[string]*permission
	// floored are those whose gate asks for a level of themselves, and which superusers pass.
	floored []*permission
	// Roles may be combined by the highest, by the lowest level; a setting leaves both open.
	additive, subtractive bool
	// files are those of the model, with what they say is meant.
	files []marked
	// at is where the account begins that is looked at; nowhere for a model.
	at account.Place
	// rolesCompared says that some test compares roles as such, so that every role means something.
	rolesCompared bool
	found         []*found
	seen          map[Finding]*found
}

// permission is an action, or the reading or writing of a type's fields.
type permission struct {
	name  string // `note.read`, `note.*:read`
	local string
	names []string // of the cells that mean it, the exact one first
	typ   *klinkev1.ResourceType
	rule  *klinkev1.Rule
	place account.Place
}

func newView(src *account.Source) *view {
	v := &view{src: src, m: src.Model, byKey: map[string]*permission{}, seen: map[Finding]*found{}}
	for i, f := range src.Files {
		v.files = append(v.files, marked{f.Name, markers(f), i == 0})
	}
	v.additive = v.m.GetCombine() != klinkev1.Combine_COMBINE_LOWEST
	v.subtractive = v.m.GetCombine() != klinkev1.Combine_COMBINE_HIGHEST
	for _, t := range v.m.GetTypes() {
		for _, a := range t.GetActions() {
			v.permission(&permission{local: a.GetName(), typ: t, rule: a.GetRule(), place: src.Place(a)})
		}
		if f := t.GetFields(); f != nil {
			v.permission(&permission{local: "*:read", typ: t, rule: f.GetRead(), place: src.Place(f)})
			v.permission(&permission{local: "*:write", typ: t, rule: f.GetWrite(), place: src.Place(f)})
		}
	}
	return v
}

func (v *view) permission(p *permission) {
	p.name = p.typ.GetName() + "." + p.local
	_, mode, field := strings.Cut(p.local, ":")
	if field {
		mode = ":" + mode
	}
	p.names = []string{p.name, p.typ.GetName() + ".*" + mode, "*.*" + mode}
	if floor, _ := v.floor(p, p.rule.GetGate()); floor > 0 && len(p.rule.GetOverride()) > 0 {
		v.floored = append(v.floored, p)
	}
	v.perms = append(v.perms, p)
	v.byKey[p.name] = p
}

// lookup finds the permission that a test of a type names.
func (v *view) lookup(t *klinkev1.ResourceType, name string) *permission {
	if !strings.Contains(name, ".") {
		name = t.GetName() + "." + name
	}
	return v.byKey[name]
}

// own says whether a place is in the model file itself, not in a mixin.
func (v *view) own(p account.Place) bool { return p.File == v.src.Files[0].Name }

// leveled says whether the permission has a scale of its own.
func (p *permission) leveled() bool { return p.rule.GetScale() != nil }

// levels are those of the permission; an action without a level is granted plainly, to apps.
func (p *permission) levels() []*klinkev1.Level {
	if !p.leveled() {
		return []*klinkev1.Level{{Name: "none"}, {Name: "any", Any: true}}
	}
	return p.rule.GetScale().GetLevels()
}

// rank is a level's place on the scale, -1 when it is not on it.
func (p *permission) rank(level string) int {
	return slices.IndexFunc(p.levels(), func(l *klinkev1.Level) bool { return l.GetName() == level })
}

// silence is the rank that holds when every role is silent.
func (p *permission) silence() int {
	return max(p.rank(p.rule.GetScale().GetDefault()), 0)
}

// passes says whether a level passes for anybody.
func passes(l *klinkev1.Level) bool { return l.GetAny() || len(l.GetRelations()) > 0 }

func (p *permission) passesAt(rank int) bool { return rank >= 0 && passes(p.levels()[rank]) }

// relation is the test of a relation of the type.
func relation(t *klinkev1.ResourceType, name string) *klinkev1.Test {
	for _, r := range t.GetRelations() {
		if r.GetName() == name {
			return r.GetTest()
		}
	}
	return nil
}

// conjuncts shows the tests that must all pass for a list to pass: relations and `all` are taken apart.
func conjuncts(typ *klinkev1.ResourceType, tests []*klinkev1.Test, see func(*klinkev1.Test)) {
	for _, t := range tests {
		switch x := t.GetTest().(type) {
		case *klinkev1.Test_Relation:
			conjuncts(typ, []*klinkev1.Test{relation(typ, x.Relation)}, see)
		case *klinkev1.Test_All:
			conjuncts(typ, x.All.GetTests(), see)
		default:
			see(t)
		}
	}
}

// leaves shows every test below a list: relations, `any` and `all` are taken apart.
func leaves(typ *klinkev1.ResourceType, tests []*klinkev1.Test, see func(*klinkev1.Test)) {
	conjuncts(typ, tests, func(t *klinkev1.Test) {
		if x := t.GetAny(); x != nil {
			leaves(typ, x.GetTests(), see)
			return
		}
		see(t)
	})
}

// floor is the rank below which a rule refuses by asking for its own permission, with the test that does; 0 for none.
func (v *view) floor(p *permission, tests []*klinkev1.Test) (rank int, by *klinkev1.Test) {
	conjuncts(p.typ, tests, func(t *klinkev1.Test) {
		x := t.GetPermission()
		if x.GetAtLeast() == "" || x.GetOn() != nil {
			return
		}
		if x.GetPermission() != "self" && v.lookup(p.typ, x.GetPermission()) != p {
			return
		}
		if r := p.rank(x.GetAtLeast()); r > rank {
			rank, by = r, t
		}
	})
	return rank, by
}
