package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// condition evaluates the condition of an assignment or of a role's cell, about the question's own resource.
func (a *asker) condition(c *condition) truth {
	q := frame{p: &a.subject, perm: a.r.perm, typ: a.r.typ, field: a.r.field, id: a.r.id, facts: a.r.facts, about: a.r.aboutType}
	return a.conditionOn(c, &q)
}

// conditionOn evaluates a condition about a frame.
func (a *asker) conditionOn(c *condition, q *frame) truth {
	a.people = true
	a.numbers = a.numbers || c.facts && a.s.model.numbers
	if c.now {
		a.expires(a.now) // the clock is read: the outcome holds for no time at all
	}
	people := &directory{s: a.s, at: a.at}
	scope := &conditionScope{
		vars:   scopeVars(a.s, a.r, q.typ, q.perm, q.field, q.id, q.facts, a.at),
		groups: people.groups, departments: people.departments,
	}
	ok, err := c.holds(scope)
	a.expires(people.until)
	switch {
	case err != nil:
		return failed
	case ok:
		return yes
	}
	return no
}

// equals compares a scalar of the model with a member of the context.
func (s scalar) equals(v *structpb.Value) bool {
	switch x := v.GetKind().(type) {
	case *structpb.Value_NullValue:
		return s.null
	case *structpb.Value_BoolValue:
		return s.isBit && s.bit == x.BoolValue
	case *structpb.Value_StringValue:
		return !s.null && !s.isBit && s.text == x.StringValue
	}
	return false
}

// factValue is a fact as conditions see it.
func factValue(a *attribute, f *fact) any {
	switch a.kind {
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_BOOL:
		return f.bit
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_GROUPS:
		return f.list
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORD, klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORDS:
		all := make([]map[string]any, len(f.records))
		for i := range f.records {
			all[i] = resourceVars(f.records[i].typ, f.records[i].id, f.records[i].facts)
		}
		if a.kind == klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORD && len(all) == 1 {
			return all[0]
		}
		return all
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_PRINCIPAL:
		if f.space == spaceGroup {
			return "group:" + f.text
		}
	}
	return f.text
}

func resourceVars(t *resourceType, id string, facts []fact) map[string]any {
	out := map[string]any{"type": t.name, "id": id}
	for i := range facts {
		if facts[i].state == factPresent {
			out[t.attrs[i].name] = factValue(&t.attrs[i], &facts[i])
		}
	}
	return out
}

func subjectVars(s *Snapshot, w who) map[string]any {
	out := map[string]any{"type": "user", "id": w.id}
	if w.space == spaceApp {
		out["type"] = "app"
	}
	if values := s.attributes.get(w.space, w.id); values != nil {
		for name, no := range s.model.userAttr {
			if v := (*values)[no]; v != "" {
				out[name] = v
			}
		}
	}
	return out
}

// scopeVars are the variables of a condition.
func scopeVars(s *Snapshot, r *Request, t *resourceType, p perm, field, id string, facts []fact, now time.Time) map[string]any {
	x, _ := s.permission(p)
	action := map[string]any{"name": x.local}
	if x.mode != noField {
		action["name"], action["field"] = x.mode.String(), field
	}
	vars := map[string]any{
		"subject": subjectVars(s, r.subject), "action": action, "resource": resourceVars(t, id, facts),
		"context": (&structpb.Struct{Fields: r.context}).AsMap(), "now": nowValue(now),
	}
	if r.acts {
		vars["actor"] = subjectVars(s, r.actor)
	}
	return vars
}

// directory answers the functions of conditions. Conditional assignments do not count in it: a condition may ask for groups,
// and groups may have members by role.
type directory struct {
	s     *Snapshot
	at    time.Time
	until int64
}

func (d *directory) find(id string) (*asker, *person, error) {
	w := who{spaceUser, strings.TrimPrefix(id, "user:")}
	if rest, ok := strings.CutPrefix(id, "app:"); ok {
		w = who{spaceApp, rest}
	}
	a := &asker{s: d.s, at: d.at, now: d.at.UnixNano()}
	p := &person{other: true}
	if !a.find(p, w) {
		return nil, nil, fmt.Errorf("there is no %s", w)
	}
	return a, p, nil
}

// groups lists the groups that somebody is in, closed transitively.
func (d *directory) groups(id string) ([]string, error) {
	a, p, err := d.find(id)
	if err != nil {
		return nil, err
	}
	var out []string
	for i := -1; i < len(p.edges); i++ {
		if x := a.entity(p, i); x != nil && a.exists(p, i) {
			for _, h := range x.reach {
				if h.kind() == holderGroup {
					out = append(out, (*d.s.groups.get(h.number())).id)
				}
			}
		}
	}
	if d.until == 0 || a.until != 0 && a.until < d.until {
		d.until = a.until
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// departments lists the departments of which somebody is a member or head.
func (d *directory) departments(id string) ([]string, error) {
	_, p, err := d.find(id)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range p.edges {
		if e.kind() == edgeDepartment || e.kind() == edgeHead {
			out = append(out, d.s.entityOf(e).id)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
