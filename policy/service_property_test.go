// These properties hold the fast answer about a class of service to the slow one, whatever the classes, whoever has them, and
// whatever the number and the hour. Random models seldom come to an answer that rests on a class alone; here each one does.
package policy

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// exchange is a random tenant whose model also has calls, which nothing but classes of service decides about.
func exchange(t *rapid.T) *life {
	return exchangeWith(&chooser{t: t})
}

func exchangeWith(g *chooser) *life {
	t := g.t
	l := &life{chooser: g, models: map[string]*Model{}, now: monday}
	src := l.model("m")
	call := &klinkev1.ResourceType{Name: "call", Attributes: []*klinkev1.Attribute{
		{Name: "nr", Kind: kindNumber}, {Name: "where", Kind: kindID, Of: "site", Optional: true}}}
	for _, a := range []struct {
		name string
		test *klinkev1.NumberClass
	}{
		{"place", &klinkev1.NumberClass{Attribute: "nr", Class: &klinkev1.NumberClass_Of{Of: "dialling"}}},
		{"forward", &klinkev1.NumberClass{Attribute: "nr", Class: &klinkev1.NumberClass_Of{Of: "forwarding"}}},
		{"transfer", &klinkev1.NumberClass{Attribute: "nr", Class: &klinkev1.NumberClass_Fixed{Fixed: "open"}}},
	} {
		call.Actions = append(call.Actions, &klinkev1.Action{Name: a.name, Rule: &klinkev1.Rule{
			Gate: []*klinkev1.Test{{Test: &klinkev1.Test_NumberClass{NumberClass: a.test}}}}})
	}
	src.Types = append(src.Types, call)
	m, err := Compile(src, 1)
	if err != nil {
		t.Fatal(err)
	}
	l.models["m"] = m
	out, err := Apply(Empty(), m.Factory(), l.stamp(monday))
	if err != nil {
		t.Fatal(err)
	}
	l.s = out.Next
	for _, c := range l.beginning() {
		if out, err := Apply(l.s, []*klinkev1.Change{c}, l.stamp(monday)); err == nil {
			l.s = out.Next
		}
	}
	return l
}

// configure draws changes of classes, of who has them, of extensions, and of anything.
func (l *life) configure() {
	var changes []*klinkev1.Change
	for range 1 + l.below(4) {
		var r *klinkev1.Record
		switch l.below(5) {
		case 0, 1:
			r = &klinkev1.Record{Record: &klinkev1.Record_ServiceClass{ServiceClass: l.class()}}
		case 2, 3:
			r = &klinkev1.Record{Record: &klinkev1.Record_Limit{Limit: &klinkev1.Limit{
				Name: pick(l.chooser, "dialling", "forwarding"), Holder: l.holder(), Value: pick(l.chooser, "", "open", "internal", "own", "own")}}}
		case 4:
			r = &klinkev1.Record{Record: &klinkev1.Record_ListedNumber{ListedNumber: &klinkev1.ListedNumber{
				List: "extensions", Number: pick(l.chooser, "12", "13", "1")}}}
		}
		if l.chance(5) {
			changes = append(changes, del(KeyOnly(r)))
		} else {
			changes = append(changes, put(r))
		}
	}
	if l.chance(3) {
		changes = append(changes, l.change())
	}
	for _, c := range changes {
		if out := l.apply([]*klinkev1.Change{c}); out != nil {
			l.s = out.Next
		}
	}
	l.about(changes)
}

func (l *life) call() *Question {
	facts := map[string]*structpb.Value{"nr": structpb.NewStringValue(l.number())}
	if l.chance(3) {
		facts["where"] = structpb.NewStringValue("s0")
	}
	q := &Question{
		Subject: &klinkev1.QuestionSubject{Type: "user", Id: l.user()}, Action: &klinkev1.QuestionAction{Name: pick(l.chooser, "place", "place", "forward", "transfer")},
		Resource: &klinkev1.QuestionResource{Type: "call", Id: "c", Properties: &structpb.Struct{Fields: facts}},
	}
	if l.chance(8) {
		q.Actor = &klinkev1.QuestionSubject{Type: "app", Id: "a0"}
	}
	if l.chance(8) {
		q.ActiveRoles = []string{l.role()}
	}
	return q
}

// hour is any moment, or one at which Berlin's clocks are put forward or back.
func (l *life) hour() time.Time {
	change := pick(l.chooser, time.Time{}, time.Time{}, time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC))
	if change.IsZero() {
		return l.moment()
	}
	return change.Add(time.Duration(l.below(8))*30*time.Minute + time.Duration(l.below(3)-1))
}

func classesAgreeWithExplain(t *rapid.T) {
	l := exchange(t)
	for range 1 + l.below(5) {
		l.configure()
		for range 24 {
			l.holds(l.call(), l.hour())
		}
	}
	audit(t, l.s)
}

// Decide agrees with Explain about every class of service, and until its valid_until the answer holds.
func TestClassesAgreeWithExplain(t *testing.T) { check(t, classesAgreeWithExplain) }

func FuzzClassesAgreeWithExplain(f *testing.F) { f.Fuzz(rapid.MakeFuzz(classesAgreeWithExplain)) }
