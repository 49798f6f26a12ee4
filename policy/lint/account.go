package lint

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/world"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// tenant is what the checks need to know of an account.
type tenant struct {
	roles    *roles
	assigned map[string][]string // holders, by role
	members  map[string][]string // of groups
	active   map[string]bool     // users and apps
	flags    map[string]bool
	granted  map[string][]string // levels by object grants, by permission
	people   bool
}

func (v *view) account(w *world.World) {
	t := &tenant{
		roles: v.factory(false), assigned: map[string][]string{}, members: map[string][]string{},
		active: map[string]bool{}, flags: map[string]bool{}, granted: map[string][]string{},
	}
	for _, a := range v.m.GetAssignments() {
		t.assigned[a.GetRole()] = append(t.assigned[a.GetRole()], a.GetHolder())
	}
	v.at = w.Place
	v.combined(w)
	for i, c := range w.Changes {
		t.record(c.GetPut(), w.Places[i])
	}
	v.roles(t.roles)
	v.nobodyHas(w, t)
	v.questions(w)
}

// combined notes how the account has its roles combined, where the model leaves that to a setting.
func (v *view) combined(w *world.World) {
	name := v.m.GetCombineSetting()
	if name == "" {
		return
	}
	var words []string
	for _, s := range v.m.GetSettings() {
		if s.GetName() == name && s.Default != nil {
			words = []string{s.GetDefault()}
		}
	}
	for _, c := range w.Changes {
		if s := c.GetPut().GetSetting(); s.GetName() == name {
			if s.GetScope() == "" && len(w.Questions) == 0 { // else questions may have been asked before
				words = nil
			}
			words = append(words, s.GetValue())
		}
	}
	v.additive, v.subtractive = slices.Contains(words, "highest"), slices.Contains(words, "lowest")
}

// record learns what a record of the account says.
func (t *tenant) record(r *klinkev1.Record, at account.Place) {
	switch x := r.GetRecord().(type) {
	case *klinkev1.Record_Role:
		y := t.roles.get(x.Role.GetId())
		y.place, y.judged, y.included = at, true, x.Role.GetNotAssignable()
		if up := x.Role.GetUnder(); up != "" {
			t.roles.placed[up], t.roles.placed[y.id] = true, true
		}
	case *klinkev1.Record_RoleInclude:
		y := t.roles.get(x.RoleInclude.GetRole())
		y.includes = append(slices.Clone(y.includes), x.RoleInclude.GetIncluded())
	case *klinkev1.Record_Cell:
		t.roles.get(x.Cell.GetRole()).say(&cell{x.Cell.GetPermission(), x.Cell.GetLevel(), at, true})
	case *klinkev1.Record_Subject:
		t.people = true
		kind := "user:"
		if x.Subject.GetType() == klinkev1.SubjectType_SUBJECT_TYPE_APP {
			kind = "app:"
		}
		if t.active[kind+x.Subject.GetId()] = !x.Subject.GetInactive(); x.Subject.GetInactive() {
			return
		}
		for _, f := range x.Subject.GetFlags() {
			t.flags[f] = true
		}
	case *klinkev1.Record_Assignment:
		t.assigned[x.Assignment.GetRole()] = append(t.assigned[x.Assignment.GetRole()], x.Assignment.GetHolder())
		t.roles.give(x.Assignment)
	case *klinkev1.Record_ObjectGrant:
		name := x.ObjectGrant.GetType() + "." + x.ObjectGrant.GetAction()
		t.granted[name] = append(t.granted[name], x.ObjectGrant.GetLevel())
		t.roles.holder(x.ObjectGrant.GetHolder())
	case *klinkev1.Record_GroupMember:
		t.roles.holder(x.GroupMember.GetMember())
		group := "group:" + x.GroupMember.GetGroup()
		t.members[group] = append(t.members[group], x.GroupMember.GetMember())
	case *klinkev1.Record_Ceiling:
		t.roles.holder(x.Ceiling.GetHolder())
	case *klinkev1.Record_Limit:
		t.roles.holder(x.Limit.GetHolder())
	}
}

// reaches says whether a holder is somebody, as far as users, apps and groups tell: one who is active.
func (t *tenant) reaches(holder string, through []string) bool {
	switch kind, _, _ := strings.Cut(holder, ":"); kind {
	case "user", "app":
		return t.active[holder]
	case "group":
		return !slices.Contains(through, holder) && slices.ContainsFunc(t.members[holder], func(member string) bool {
			return t.reaches(member, append(slices.Clip(through), holder))
		})
	}
	return true
}

// nobodyHas reports, type by type, what no role that is given to somebody, no object grant, no default and no superuser has.
func (v *view) nobodyHas(w *world.World, t *tenant) {
	if !t.people {
		return
	}
	had := map[string]bool{}
	for _, id := range t.roles.ids {
		if slices.ContainsFunc(t.assigned[id], func(holder string) bool { return t.reaches(holder, nil) }) {
			for _, x := range t.roles.closure(t.roles.byID[id]) {
				had[x.id] = true
			}
		}
	}
	held := func(p *permission) bool {
		return p.passesAt(p.silence()) || t.roles.given(p, func(x *role) bool { return had[x.id] }) ||
			slices.ContainsFunc(t.granted[p.name], func(l string) bool { return p.passesAt(p.rank(l)) })
	}
	for _, p := range v.perms {
		if !p.leveled() || held(p) {
			continue
		}
		overridden := slices.ContainsFunc(p.rule.GetOverride(), func(o string) bool {
			q := v.byKey[o]
			return t.flags[o] || q != nil && held(q)
		})
		if !overridden {
			v.add(w.Place, PermissionNobodyHas, p.local, "give somebody a role that grants it",
				"nobody has %s of the type `%s`: no role that somebody is given grants it", of, p.typ.GetName())
		}
	}
}

// questions reports expected answers that cannot be given, whatever the account and the rules of the model say.
func (v *view) questions(w *world.World) {
	type same struct { // a later document may have changed the answer
		tenant   *policy.Snapshot
		question string
	}
	asked := map[same]*world.Question{}
	for i := range w.Questions {
		q := &w.Questions[i]
		never := func(what string, args ...any) {
			v.add(q.Place, QuestionNeverPasses, "", "mend the question or what it expects", what, args...)
		}
		key := same{q.Snapshot, q.At.String()}
		if b, err := (proto.MarshalOptions{Deterministic: true}).Marshal(q.Request("")); err == nil { // else a text is no UTF-8, which is never read
			key.question += string(b)
		}
		if first := asked[key]; first != nil && first.Expect != q.Expect {
			never("`%s` expects %s, and %s in line %d", q.Text, q.Expect, first.Expect, first.Place.Line)
		} else if first == nil {
			asked[key] = q
		}
		a := q.Ask()
		switch {
		case a.Err != nil && q.Expect != "error":
			never("`%s` expects %s, and is no question: %v", q.Text, q.Expect, a.Err)
		case a.Err == nil && q.Expect == "error":
			never("`%s` expects an error, and is a question like any other", q.Text)
		case a.Err == nil:
			v.statement(&q.Question, never)
		}
	}
}

// statement looks at what a question states beside the answer's word.
func (v *view) statement(q *account.Question, never func(string, ...any)) {
	allow, deny := outcomes(q.Reason)
	if q.Expect == "allow" && !allow || q.Expect == "deny" && !deny {
		never("`%s` expects %s with the reason %s, which never says so", q.Text, q.Expect, strings.TrimPrefix(q.Reason.String(), "REASON_"))
		return
	}
	name := q.Check.GetResource().GetType() + "." + q.Check.GetAction().GetName()
	if q.Check.GetAction().GetProperties() != nil {
		name = q.Check.GetResource().GetType() + ".*:" + q.Check.GetAction().GetName()
	}
	p := v.byKey[name]
	plain := !p.leveled() && q.Check.GetActor() == nil // of an app that acts, the plain grant is told as a level
	if q.Level != "" && (plain || p.rank(q.Level) < 0) {
		never("`%s` expects the level `%s`, which %s does not have", q.Text, q.Level, p.name)
	}
	if q.Relation == "" {
		return
	}
	if q.Expect == "deny" {
		never("`%s` expects a refusal by the relation `%s`, and only what is allowed has one", q.Text, q.Relation)
		return
	}
	known := slices.Contains(p.rule.GetOverride(), q.Relation)
	for _, l := range p.rule.GetScale().GetLevels() {
		known = known || slices.ContainsFunc(l.GetRelations(), func(t *klinkev1.Test) bool { return policy.TestText(t) == q.Relation })
	}
	if !known {
		never("`%s` expects the relation `%s`, which no level of %s has", q.Text, q.Relation, p.name)
	}
}

// outcomes says what an answer with a reason can be.
func outcomes(r klinkev1.Reason) (allow, deny bool) {
	switch r {
	case klinkev1.Reason_REASON_UNSPECIFIED, klinkev1.Reason_REASON_EMERGENCY:
		return true, true
	case klinkev1.Reason_REASON_OVERRIDE, klinkev1.Reason_REASON_NO_LEVEL, klinkev1.Reason_REASON_ANY, klinkev1.Reason_REASON_RELATION:
		return true, false
	}
	return false, true
}
