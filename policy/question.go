package policy

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy/dial"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Question is a question as it arrives, any part of which may be missing or wrong.
type Question struct {
	Subject  *klinkev1.QuestionSubject
	Actor    *klinkev1.QuestionSubject // nil for none
	Action   *klinkev1.QuestionAction
	Resource *klinkev1.QuestionResource
	Context  *structpb.Struct
	// ActiveRoles restricts the subject to these of his roles; nil for all.
	ActiveRoles []string
}

// Request is a question that Prepare has read for one snapshot: names resolved, facts in their places. It belongs to one
// goroutine at a time, also while it is decided, and can be prepared and decided again.
type Request struct {
	reading
	scratch asker // which Decide makes ready itself: clearing it costs as much as the rest of Prepare
}

// reading is what Prepare has read.
type reading struct {
	subject, actor who
	acts           bool
	perm           perm
	typ            *resourceType
	field          string
	id             string
	aboutType      bool
	facts          []fact // by the type's attributes
	context        map[string]*structpb.Value
	active         []uint32 // roles; nil for all
	restricted     bool
	emergency      bool
	emergencyDeny  bool
}

// fact is one attribute's value.
type fact struct {
	state   factState
	bit     bool
	text    string // text, identifier, canonical number, subject or group id
	space   byte   // spaceUser, spaceApp, or spaceGroup of a principal
	number  klinkev1.NumberType
	special bool // an emergency number
	dials   bool // a number that can be reached: a public one, or an extension of the tenant
	list    []string
	records []record
}

type factState uint8

const (
	factUnknown factState = iota // not sent
	factAbsent
	factPresent
)

const spaceGroup = byte('g')

// record is a resource that a fact names, with facts of its own.
type record struct {
	typ   *resourceType
	id    string
	facts []fact
}

// Forget lets go of the question, whose texts may be parts of a long message, and of the snapshot. The request can be prepared again.
func (r *Request) Forget() {
	clear(r.facts[:cap(r.facts)])
	*r = Request{reading: reading{facts: r.facts[:0], active: r.active[:0]}}
}

// Emergency says whether stage 0 has settled the question.
func (r *Request) Emergency() bool { return r.emergency }

// Emergency is stage 0: it answers when the action declares a fact that is an emergency number at the subject's site, before
// anything else is looked at. It tolerates any question.
func (s *Snapshot) Emergency(q *Question) (Decision, bool) {
	t, p, known := s.asked(q)
	if !known {
		return Decision{}, false
	}
	return s.emergency(q, t, p)
}

// asked is the type that a question is about, nil for one that the model does not have, and the permission of its action;
// known says that there is one.
func (s *Snapshot) asked(q *Question) (t *resourceType, p perm, known bool) {
	if s.model == nil {
		return nil, 0, false
	}
	no, ok := s.model.typeNo[q.Resource.GetType()]
	if !ok {
		return nil, 0, false
	}
	t = &s.model.types[no]
	p, known = t.actions[q.Action.GetName()]
	return t, p, known
}

func (s *Snapshot) emergency(q *Question, t *resourceType, p perm) (Decision, bool) {
	declared := s.model.perms[p].rule.emergency
	if len(declared) == 0 {
		return Decision{}, false
	}
	fields := q.Resource.GetProperties().GetFields()
	for _, e := range declared {
		raw := Dialled(fields[t.attrs[e.attr].name])
		if raw != "" && s.plan.Emergency(siteOfFacts(t, fields), raw) {
			return Decision{Allow: !e.deny, Reason: klinkev1.Reason_REASON_EMERGENCY}, true
		}
	}
	return Decision{}, false
}

// Dialled is the number that a fact means: its text, or the digits of a whole number, which is no legal fact, but an emergency
// call is not refused for its quotes. Empty for anything else.
func Dialled(v *structpb.Value) string {
	if n, ok := v.GetKind().(*structpb.Value_NumberValue); ok && n.NumberValue >= 0 && n.NumberValue < 1e6 && n.NumberValue == math.Trunc(n.NumberValue) {
		return strconv.Itoa(int(n.NumberValue))
	}
	return v.GetStringValue()
}

// siteOfFacts is the site that a question names, empty for none.
func siteOfFacts(t *resourceType, fields map[string]*structpb.Value) string {
	for i := range t.attrs {
		if t.attrs[i].of == siteOf {
			return fields[t.attrs[i].name].GetStringValue()
		}
	}
	return ""
}

// Prepare is stage 1: it reads a question for this snapshot, or returns an Invalid or TooLarge that names the field. Numbers
// are put into their canonical form by normalise, which is this snapshot's Plan().Normalise or a cache in front of it.
func (s *Snapshot) Prepare(into *Request, q *Question, normalise func(site, raw string) dial.Number) error {
	r := into
	r.reading = reading{facts: r.facts[:0], active: r.active[:0]}
	t, p, known := s.asked(q)
	if known {
		if d, ok := s.emergency(q, t, p); ok {
			r.emergency, r.emergencyDeny = true, !d.Allow
			return nil
		}
	}
	var err error
	if r.subject, err = questionSubject("subject", q.Subject); err != nil {
		return err
	}
	if q.Actor != nil {
		r.acts = true
		if r.actor, err = questionSubject("actor", q.Actor); err != nil {
			return err
		}
		if r.actor.space != spaceApp {
			return Errorf(Invalid, "actor.type", "only an app acts for somebody")
		}
	}
	if err := s.permissionOf(r, q, t, p, known); err != nil {
		return err
	}
	if err := s.resourceOf(r, q, normalise); err != nil {
		return err
	}
	if err := contextOf(r, q.Context); err != nil {
		return err
	}
	if len(q.ActiveRoles) > MaxRolesInQuestion {
		return Errorf(TooLarge, "active_roles", "at most %d roles", MaxRolesInQuestion)
	}
	for i, id := range q.ActiveRoles {
		no := s.roleNo.get(0, id)
		if no == nil {
			return Errorf(Invalid, fmt.Sprintf("active_roles[%d]", i), "there is no role %q", id)
		}
		if slices.Contains(r.active, *no) {
			return Errorf(Invalid, fmt.Sprintf("active_roles[%d]", i), "role %q is named twice", id)
		}
		r.active, r.restricted = append(r.active, *no), true
	}
	return nil
}

func questionSubject(field string, x *klinkev1.QuestionSubject) (who, error) {
	if x == nil {
		return who{}, Errorf(Invalid, field, "missing")
	}
	if err := CheckID(x.GetId()); err != nil {
		return who{}, Errorf(Invalid, field+".id", "%v", err)
	}
	switch x.GetType() {
	case "user":
		return who{spaceUser, x.GetId()}, nil
	case "app":
		return who{spaceApp, x.GetId()}, nil
	}
	return who{}, Errorf(Invalid, field+".type", "%q is neither user nor app", x.GetType())
}

// permissionOf checks what asked found.
func (s *Snapshot) permissionOf(r *Request, q *Question, t *resourceType, p perm, known bool) error {
	if q.Action == nil {
		return Errorf(Invalid, "action", "missing")
	}
	if q.Resource == nil {
		return Errorf(Invalid, "resource", "missing")
	}
	if t == nil {
		return Errorf(Invalid, "resource.type", "the model has no type %q", q.Resource.GetType())
	}
	r.typ = t
	for name, v := range q.Action.GetProperties().GetFields() {
		if name != "field" {
			return Errorf(Invalid, "action.properties."+name, "the only property of an action is `field`")
		}
		field, ok := v.GetKind().(*structpb.Value_StringValue)
		if !ok {
			return Errorf(Invalid, "action.properties.field", "a field's name is a text")
		}
		if !r.typ.fields {
			return Errorf(Invalid, "action.properties.field", "type %q has no fields", r.typ.name)
		}
		if r.field = field.StringValue; r.field == "*" || strings.ContainsAny(r.field, ":@") {
			return Errorf(Invalid, "action.properties.field", "a field's name may not contain ':' or '@' and is not '*'")
		}
		if err := checkField("action.properties.field", r.field); err != nil {
			return err
		}
		switch q.Action.GetName() {
		case "read":
			r.perm = s.fieldPerm(r.typ.read, r.field)
		case "write":
			r.perm = s.fieldPerm(r.typ.write, r.field)
		default:
			return Errorf(Invalid, "action.name", "a field can be read or written, not %q", q.Action.GetName())
		}
		return nil
	}
	if !known {
		return Errorf(Invalid, "action.name", "type %q has no action %q", r.typ.name, q.Action.GetName())
	}
	r.perm = p
	return nil
}

func (s *Snapshot) resourceOf(r *Request, q *Question, normalise func(site, raw string) dial.Number) error {
	r.id = q.Resource.GetId()
	if err := checkField("resource.id", r.id); err != nil {
		return err
	}
	fields := q.Resource.GetProperties().GetFields()
	if r.aboutType = r.id == "*"; r.aboutType && len(fields) > 0 {
		return Errorf(Invalid, "resource.properties", "a question about the type (id `*`) carries no facts")
	}
	f := &factReader{s: s, normalise: normalise, site: siteOfFacts(r.typ, fields)}
	var err error
	r.facts, err = f.read(r.facts, "resource.properties", r.typ, fields, 0)
	return err
}

func contextOf(r *Request, c *structpb.Struct) error {
	if len(c.GetFields()) > MaxContext {
		return Errorf(TooLarge, "context", "%d members; at most %d are allowed", len(c.GetFields()), MaxContext)
	}
	for name, v := range c.GetFields() {
		if err := checkField("context."+name, name); err != nil {
			return err
		}
		if sizeOf(v, MaxFactBytes) > MaxFactBytes {
			return Errorf(TooLarge, "context."+name, "more than %d bytes", MaxFactBytes)
		}
	}
	r.context = c.GetFields()
	return nil
}

// sizeOf is the bytes of a value, roughly; it stops counting beyond a limit. Nothing is free: what is in a list or a record
// counts as 1 byte more than it has, and a value without text as 4.
func sizeOf(v *structpb.Value, limit int) int {
	n := 0
	switch x := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		n = len(x.StringValue)
	case *structpb.Value_ListValue:
		for _, e := range x.ListValue.GetValues() {
			if n += 1 + sizeOf(e, limit-n); n > limit {
				break
			}
		}
	case *structpb.Value_StructValue:
		for k, e := range x.StructValue.GetFields() {
			if n += 1 + len(k) + sizeOf(e, limit-n); n > limit {
				break
			}
		}
	default:
		n = 4
	}
	return n
}
