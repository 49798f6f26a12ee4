// These tests prove that where a product adds rights up, one more role never turns allow into deny, and that where it takes
// the lowest, one more never turns deny into allow. The exceptions are those that the product's own rules make, and no others; merging goes the way of what it consists of.
package preset_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/preset"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// sum is a preset under settings with which one more role goes one way only.
type sum struct {
	// records come on top of the world: settings, and a role for everybody where otherwise a first role would take the place
	// of what holds when all are silent.
	records string
	// lowest says that a role takes rights away, else it adds some.
	lowest bool
	// but says why, by the product's rules, an answer may go the other way; nil for never.
	but func(before, after policy.Decision) bool
	// merge names the actions that merging consists of where records disappear, where it has no level of its own and goes the
	// way that they go; nil where it goes one way.
	merge []string
}

// floor gives everybody a role that speaks where otherwise all might be silent.
func floor(settings string, grants ...string) string {
	return "settings: {" + settings + "}\nroles: {floor: {grants: [\"" + strings.Join(grants, `", "`) + "\"]}}\nassignments: [{role: floor, to: everybody}]"
}

func sums(name string) []sum {
	switch name {
	case "onecrm":
		// The level is picked as a level: team is above role and does not reach the colleagues of a role. And who is given a
		// role shares it with all to whom it was given, whatever it says.
		merge := []string{"delete"}
		return []sum{
			{
				records: "settings: {rights: highest}",
				but: func(before, after policy.Decision) bool {
					return before.Relation == "same_role" && after.Level == "team"
				},
				merge: merge,
			},
			{
				records: floor("rights: lowest", "call.withhold@none", "line.use@none"),
				lowest:  true,
				but:     func(_, after policy.Decision) bool { return after.Relation == "same_role" },
				merge:   merge,
			},
		}
	case "suitecrm":
		// Developer, admin and both are above all, and pass for nobody but administrators of the module.
		closed, merge := []string{"developer", "admin", "both"}, []string{"edit", "delete"}
		var rows []string
		for _, m := range []string{"account", "contact", "quote", "invoice", "event", "call_log", "task", "meeting"} {
			rows = append(rows, m+".access@enabled", m+".administer@user")
		}
		return []sum{
			{
				records: floor("role_precedence: false, rights: highest", append([]string{"*.*@owner"}, rows...)...),
				but:     func(_, after policy.Decision) bool { return slices.Contains(closed, after.Level) },
				merge:   merge,
			},
			{
				records: floor("role_precedence: false, rights: lowest", append([]string{"*.*@all", "call.withhold@none", "line.use@none"}, rows...)...),
				lowest:  true,
				merge:   merge,
			},
		}
	default:
		return []sum{{}}
	}
}

// given returns the tenant in which somebody has one more role. One that can only be included comes inside one that says
// nothing else.
func given(t *testing.T, m *policy.Model, s *policy.Snapshot, role *klinkev1.Role, who string) *policy.Snapshot {
	t.Helper()
	id := role.GetId()
	var changes []*klinkev1.Change
	put := func(r *klinkev1.Record) {
		changes = append(changes, &klinkev1.Change{Change: &klinkev1.Change_Put{Put: r}})
	}
	if role.GetNotAssignable() {
		id = "shell of " + id
		put(&klinkev1.Record{Record: &klinkev1.Record_Role{Role: &klinkev1.Role{Id: id}}})
		put(&klinkev1.Record{Record: &klinkev1.Record_RoleInclude{RoleInclude: &klinkev1.RoleInclude{Role: id, Included: role.GetId()}}})
	}
	put(&klinkev1.Record{Record: &klinkev1.Record_Assignment{Assignment: &klinkev1.Assignment{Role: id, Holder: who}}})
	out, err := policy.Apply(s, changes, stampOf(m))
	if err != nil {
		t.Fatal(err)
	}
	return out.Next
}

// scale is the names of an action's levels, low to high.
func scale(m *klinkev1.Model, x *klinkev1.CheckRequest) (names []string) {
	for _, typ := range m.GetTypes() {
		for _, a := range typ.GetActions() {
			if typ.GetName() == x.GetResource().GetType() && a.GetName() == x.GetAction().GetName() {
				for _, l := range a.GetRule().GetScale().GetLevels() {
					names = append(names, l.GetName())
				}
			}
		}
	}
	return names
}

// merging says what a merge comes to when its parts are asked one by one: the record that stays is edited, and those that
// disappear are of the same type.
func (a *adder) merging(s *policy.Snapshot, x *klinkev1.CheckRequest, at time.Time) (allow bool) {
	stays := x.GetResource()
	ask := func(action string, r *klinkev1.QuestionResource) bool {
		part := proto.CloneOf(x)
		part.Action.Name, part.Resource = action, proto.CloneOf(r)
		delete(part.GetResource().GetProperties().GetFields(), "merged")
		d, ok := decide(s, part, at)
		return ok && d.Allow
	}
	var merged []*klinkev1.QuestionResource
	for _, r := range stays.GetProperties().GetFields()["merged"].GetListValue().GetValues() {
		facts := proto.CloneOf(r.GetStructValue())
		typ := cmp.Or(facts.GetFields()["type"].GetStringValue(), stays.GetType())
		merged = append(merged, &klinkev1.QuestionResource{Type: typ, Id: facts.GetFields()["id"].GetStringValue(), Properties: facts})
		delete(facts.GetFields(), "type")
		delete(facts.GetFields(), "id")
	}
	if stays.GetId() == "*" { // may he merge at all?
		merged = append(merged, stays)
	}
	allow = len(merged) > 0 && ask("edit", stays)
	for _, r := range merged {
		allow = allow && r.GetType() == stays.GetType() && !slices.ContainsFunc(a.sum.merge, func(action string) bool { return !ask(action, r) })
	}
	return allow
}

func TestOneMoreRole(t *testing.T) {
	for _, name := range preset.Names() {
		t.Run(name, func(t *testing.T) {
			w, m := tell(t, name), compiled(t, name)
			for _, sum := range sums(name) {
				a := &adder{t: t, m: m, sum: sum, known: map[string]bool{}, limiting: map[string]bool{}}
				for _, r := range w.model.GetRoles() {
					a.roles = append(a.roles, r.GetRole())
				}
				for i, p := range w.parts(t, false) {
					for _, c := range w.documents[i].changes {
						a.meet(c.GetPut())
					}
					if sum.records != "" {
						doc, err := account.NewDecoder("more", strings.NewReader("tenant: world\n"+sum.records)).Next()
						if err != nil {
							t.Fatal(err)
						}
						out, err := policy.Apply(p.s, doc.Changes, stampOf(m))
						if err != nil {
							t.Fatal(err)
						}
						p.s = out.Next
					}
					a.add(p)
				}
				if a.changed < 20 {
					t.Errorf("%q: only %d answers changed: the roles prove nothing", sum.records, a.changed)
				}
				if sum.but != nil && a.excepted == 0 {
					t.Errorf("%q: no answer needed the exception", sum.records)
				}
			}
		})
	}
}

// adder gives each person who asks one more role, each in turn.
type adder struct {
	t                 *testing.T
	m                 *policy.Model
	sum               sum
	roles             []*klinkev1.Role
	known             map[string]bool // people in the directory: a program that asks for itself is not of everybody
	limiting          map[string]bool // roles that bring a limit with them, and so are no addition
	changed, excepted int             // answers
}

func (a *adder) meet(r *klinkev1.Record) {
	if role := r.GetRole(); role != nil && !slices.ContainsFunc(a.roles, func(o *klinkev1.Role) bool { return o.GetId() == role.GetId() }) {
		a.roles = append(a.roles, role)
	}
	if kind, role, _ := strings.Cut(r.GetLimit().GetHolder(), ":"); kind == "role" || kind == "role+" {
		a.limiting[role] = true
	}
	if x := r.GetSubject(); x.GetType() == klinkev1.SubjectType_SUBJECT_TYPE_USER {
		a.known["user:"+x.GetId()] = true
	}
}

func (a *adder) add(p part) {
	for _, role := range a.roles {
		if a.limiting[role.GetId()] {
			continue
		}
		with := map[string]*policy.Snapshot{}
		for _, q := range p.questions {
			x := q.Request("world")
			who := x.GetSubject().GetType() + ":" + x.GetSubject().GetId()
			before, ok := decide(p.s, x, q.At)
			if !ok || !a.known[who] {
				continue
			}
			if with[who] == nil {
				with[who] = given(a.t, a.m, p.s, role, who)
			}
			after, ok := decide(with[who], x, q.At)
			if !ok {
				a.t.Errorf("%s: %s: an error with %s", q.Place, q.Text, role.GetId())
				continue
			}
			if before.Allow != after.Allow {
				a.changed++
			}
			if a.sum.merge != nil && x.GetAction().GetName() == "merge" {
				if want := a.merging(with[who], x, q.At); x.GetActor() == nil && after.Allow != want {
					a.t.Errorf("%s: %s: with %s: got %t, and what it consists of gives %t", q.Place, q.Text, role.GetId(), after.Allow, want)
				}
				continue
			}
			if before.Allow != a.sum.lowest && after.Allow == a.sum.lowest {
				if a.sum.but == nil || !a.sum.but(before, after) {
					a.t.Errorf("%s: %s: with %s from %+v to %+v", q.Place, q.Text, role.GetId(), before, after)
				}
				a.excepted++
			}
			if levels := scale(a.m.Source(), x); x.GetActor() == nil && before.Level != "" && after.Level != "" && levels != nil {
				from, to := slices.Index(levels, before.Level), slices.Index(levels, after.Level)
				if a.sum.lowest && to > from || !a.sum.lowest && to < from {
					a.t.Errorf("%s: %s: with %s from level %s to %s", q.Place, q.Text, role.GetId(), before.Level, after.Level)
				}
			}
		}
	}
}
