package account

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Question is one expected answer of a world file.
type Question struct {
	// Place is where it stands in the file.
	Place Place
	// Text is the question as it is written: `user:anna listen recording:r9`.
	Text string
	// Check is the question without its tenant; see Request.
	Check *klinkev1.CheckRequest
	// At is the moment of which it is asked; zero for any.
	At time.Time
	// Expect is `allow`, `deny` or `error`.
	Expect string
	// Reason, Level and Relation are those of the expected answer; UNSPECIFIED and empty where the file does not say.
	Reason          klinkev1.Reason
	Level, Relation string
	// Why says where the expectation comes from, for people.
	Why string
}

// Request returns the question as a tenant is asked. It shares its parts with the Question.
func (q *Question) Request(tenant string) *klinkev1.CheckRequest {
	return &klinkev1.CheckRequest{Tenant: tenant, Subject: q.Check.Subject, Action: q.Check.Action, Resource: q.Check.Resource,
		Context: q.Check.Context, Actor: q.Check.Actor, ActiveRoles: q.Check.ActiveRoles}
}

// ParseQuestion reads a question from three words: `user:anna` (or `app:dialer`; a bare name is a user), `listen`, and
// `recording:r9`. A resource's id may contain anything; the type ends at the first colon. A field of it is asked about by
// `account.phone:a1`, with the action `read` or `write`.
func ParseQuestion(subject, action, resource string) (*klinkev1.CheckRequest, error) {
	s, err := parseSubject("subject", subject)
	if err != nil {
		return nil, err
	}
	if fault := badName(action); fault != "" {
		return nil, policy.Errorf(policy.Invalid, "action", "%s", fault)
	}
	t, id, found := strings.Cut(resource, ":")
	if !found {
		return nil, policy.Errorf(policy.Invalid, "resource", "`%s` is no resource: write type:id, or type:* to ask about the type", clip(resource))
	}
	if fault := badName(id); fault != "" {
		return nil, policy.Errorf(policy.Invalid, "resource", "the id of `%s`: %s", clip(resource), fault)
	}
	t, field, hasField := strings.Cut(t, ".")
	if fault := badName(t); fault != "" {
		return nil, policy.Errorf(policy.Invalid, "resource", "the type of `%s`: %s", clip(resource), fault)
	}
	q := &klinkev1.CheckRequest{Subject: s, Action: &klinkev1.QuestionAction{Name: action}, Resource: &klinkev1.QuestionResource{Type: t, Id: id}}
	if hasField {
		return q, askField(q, field)
	}
	return q, nil
}

func parseSubject(field, s string) (*klinkev1.QuestionSubject, error) {
	kind, id, found := strings.Cut(s, ":")
	if !found {
		kind, id = "user", s
	}
	if kind != "user" && kind != "app" {
		return nil, policy.Errorf(policy.Invalid, field, "`%s` is neither a user nor an app: write user:%s", clip(s), clip(s))
	}
	if fault := badName(id); fault != "" {
		return nil, policy.Errorf(policy.Invalid, field, "%s", fault)
	}
	return &klinkev1.QuestionSubject{Type: kind, Id: id}, nil
}

// askField makes a question about a field.
func askField(q *klinkev1.CheckRequest, field string) error {
	if fault := badName(field); fault != "" {
		return policy.Errorf(policy.Invalid, "resource", "the field: %s", fault)
	}
	if q.Action.Name != "read" && q.Action.Name != "write" {
		return policy.Errorf(policy.Invalid, "action", "a field can be asked for `read` and `write`, not for `%s`", clip(q.Action.Name))
	}
	if q.Action.Properties != nil {
		return policy.Errorf(policy.Invalid, "resource", "the field is named twice")
	}
	q.Action.Properties = &structpb.Struct{Fields: map[string]*structpb.Value{"field": structpb.NewStringValue(field)}}
	return nil
}

// question reads one expected answer.
func (x *accountReader) question(n *node) Question {
	q := Question{Place: n.place()}
	ask := n.get("ask")
	if ask == nil {
		x.need(n, "", "ask")
		return q
	}
	if q.Check, q.Text = x.ask(ask); x.err != nil {
		return q
	}
	for _, e := range x.entries(n) {
		switch e.key.text {
		case "ask":
		case "facts":
			q.Check.Resource.Properties = x.facts(e.value)
		case "context":
			q.Check.Context = x.context(e.value)
		case "as":
			actor, err := parseSubject("as", x.text(e.value))
			x.failed(e.value, err)
			q.Check.Actor = actor
		case "roles":
			q.Check.ActiveRoles = x.names(e.value)
		case "at":
			q.At = x.time(e.value)
		case "expect":
			q.Expect = x.oneOf(e.value, "answer", "allow", "deny", "error")
		case "reason":
			q.Reason = x.reason(e.value)
		case "level":
			q.Level = x.name(e.value)
		case "relation":
			q.Relation = x.name(e.value)
		case "why":
			q.Why = x.text(e.value)
		default:
			x.unknown(e.key, "key", strings.Fields("ask facts context as roles at expect reason level relation why"))
		}
	}
	x.need(n, q.Expect, "expect")
	if q.Expect == "error" && (q.Reason != 0 || q.Level != "" || q.Relation != "") {
		x.failf(n, "an error has no reason, level or relation")
	}
	return q
}

// failed passes an error on at a place of the file.
func (x *accountReader) failed(n *node, err error) {
	if err != nil {
		x.failf(n, "%s", err)
	}
}

// ask reads the words of a question: separated by blanks, or as a list where an id has blanks in it.
func (x *accountReader) ask(n *node) (*klinkev1.CheckRequest, string) {
	var words []string
	if n.shape == list {
		for _, item := range n.items {
			words = append(words, x.text(item))
		}
	} else {
		words = strings.Fields(x.text(n))
	}
	if x.err != nil {
		return nil, ""
	}
	if len(words) != 3 && (len(words) != 5 || words[3] != "field") {
		x.failf(n, "a question is `user:anna listen recording:r9`, about a field `user:anna read account:a1 field phone`")
		return nil, ""
	}
	q, err := ParseQuestion(words[0], words[1], words[2])
	if err == nil && len(words) == 5 {
		err = askField(q, words[4])
	}
	x.failed(n, err)
	return q, strings.Join(words, " ")
}

// reason reads the name of a reason without its prefix.
func (x *accountReader) reason(n *node) klinkev1.Reason {
	const prefix = "REASON_"
	s := x.text(n)
	if v := klinkev1.Reason_value[prefix+s]; v != 0 {
		return klinkev1.Reason(v)
	}
	var known []string
	for name, number := range klinkev1.Reason_value {
		if number != 0 {
			known = append(known, strings.TrimPrefix(name, prefix))
		}
	}
	slices.Sort(known)
	x.unknown(n, "reason", known)
	return 0
}
