// These properties hold the fast decision to the slow one, whatever the model, the directory, the question and the moment,
// and hold Apply to what watchers, caches and replicas rely on: what an entry says, restoring and replaying.
package policy

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// check runs a property a hundred times, or KLINKE_PROPERTY_ROUNDS times that.
func check(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	rounds := 1
	if v := os.Getenv("KLINKE_PROPERTY_ROUNDS"); v != "" {
		var err error
		if rounds, err = strconv.Atoi(v); err != nil {
			t.Fatalf("KLINKE_PROPERTY_ROUNDS: %v", err)
		}
	}
	for range rounds {
		rapid.Check(t, property)
	}
}

func text(m proto.Message) string {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// life is a tenant in the course of a property.
type life struct {
	*chooser
	models map[string]*Model
	s      *Snapshot
	now    time.Time
}

func begin(t *rapid.T) *life { return beginWith(&chooser{t: t}) }

func beginWith(g *chooser) *life {
	t := g.t
	l := &life{chooser: g, models: map[string]*Model{}, now: monday}
	l.compile("m")
	out, err := Apply(Empty(), l.models["m"].Factory(), l.stamp(monday))
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

func (l *life) compile(name string) {
	src := l.model(name)
	m, err := Compile(src, 1)
	if err != nil {
		l.t.Fatalf("%v\n%s", err, protojson.Format(src))
	}
	l.models[name] = m
}

func (l *life) stamp(now time.Time) Stamp {
	return Stamp{Now: now, Models: func(name string, _ uint32) (*Model, error) {
		if m := l.models[name]; m != nil {
			return m, nil
		}
		return nil, Errorf(NotFound, "", "no such model")
	}}
}

// changes draws what a write may bring.
func (l *life) changes() (changes []*klinkev1.Change) {
	if l.chance(20) {
		name := fmt.Sprintf("m%d", len(l.models))
		l.compile(name)
		changes = append(changes, put(&klinkev1.Record{Record: &klinkev1.Record_UseModel{UseModel: &klinkev1.UseModel{Model: name, Version: 1}}}))
	}
	for range 1 + l.below(4) {
		changes = append(changes, l.change())
	}
	return changes
}

// write draws changes and applies them; nil when they are refused. What is drawn next is about them.
func (l *life) write() *Outcome {
	changes := l.changes()
	out := l.apply(changes)
	l.about(changes)
	return out
}

func (l *life) apply(changes []*klinkev1.Change) *Outcome {
	out, err := Apply(l.s, changes, l.stamp(l.now))
	if err == nil {
		return out
	}
	if e, ok := errors.AsType[*Error](err); !ok || e.Kind == Internal || e.Field == "" && e.Kind != TooLarge {
		l.t.Fatalf("an error that helps nobody: %v", err)
	}
	return nil
}

// answer is a question's answer in all that its asker sees.
func (l *life) answer(s *Snapshot, q *Question, now time.Time) (*klinkev1.CheckResponse, Decision, bool) {
	var r Request
	if err := s.Prepare(&r, q, s.Plan().Normalise); err != nil {
		if e, ok := errors.AsType[*Error](err); !ok || e.Kind != Invalid && e.Kind != TooLarge && e.Kind != Refused {
			l.t.Fatalf("an error of the wrong kind: %v", err)
		}
		return nil, Decision{}, false
	}
	e := &explainer{s: s, r: &r, now: now, root: &klinkev1.Step{}}
	e.at = e.root
	slow, fast := e.answer(), Decide(s, &r, now)
	if !slow.same(&fast) {
		l.t.Fatalf("Explain says %+v\nDecide says %+v\n%v\n%s\n%s", slow, fast, q, protojson.Format(e.root), protojson.Format(s.model.source))
	}
	told := &klinkev1.DecisionContext{}
	fast.Describe(told, s, &r, true)
	return &klinkev1.CheckResponse{Decision: &fast.Allow, Context: told}, fast, true
}

func decideAgreesWithExplain(t *rapid.T) {
	l := begin(t)
	for range 1 + l.below(6) {
		if out := l.write(); out != nil {
			l.s = out.Next
		}
		for range 12 {
			now := l.moment()
			l.answer(l.s, l.question(), now)
		}
	}
	audit(t, l.s)
}

// Decide agrees with Explain on every input.
func TestDecideAgreesWithExplain(t *testing.T) { check(t, decideAgreesWithExplain) }

func FuzzDecideAgreesWithExplain(f *testing.F) { f.Fuzz(rapid.MakeFuzz(decideAgreesWithExplain)) }

// Before an answer's valid_until time alone changes nothing.
func TestAnswersHoldAsLongAsTheySay(t *testing.T) {
	check(t, func(t *rapid.T) {
		l := begin(t)
		for range 6 {
			if out := l.write(); out != nil {
				l.s = out.Next
			}
		}
		for range 16 {
			l.holds(l.question(), l.moment())
		}
	})
}

// holds tries an answer at a later moment before its valid_until.
func (l *life) holds(q *Question, now time.Time) {
	was, d, ok := l.answer(l.s, q, now)
	if !ok || d.until != 0 && d.until <= now.UnixNano()+1 {
		return
	}
	until := now.Add(1000 * time.Hour)
	if d.until != 0 {
		until = d.ValidUntil()
	}
	later := until.Add(-1)
	if l.chance(2) {
		later = now.Add(time.Duration(rapid.Int64Range(1, int64(until.Sub(now))-1).Draw(l.t, "later")))
	}
	is, _, _ := l.answer(l.s, q, later)
	was.Context.ValidUntil, is.Context.ValidUntil = nil, nil
	if !proto.Equal(was, is) {
		l.t.Fatalf("at %v: %v\nat %v: %v\nuntil %v\n%v", now, was, later, is, until, q)
	}
}

// meets says whether an entry concerns the holder of an answer.
func meets(f *klinkev1.Footprint, q *Question, reads []*klinkev1.Read) bool {
	if f.GetAllSubjects() {
		return true
	}
	for _, who := range []*klinkev1.QuestionSubject{q.Subject, q.Actor} {
		if who != nil && slices.Contains(f.GetSubjects(), who.GetType()+":"+who.GetId()) {
			return true
		}
	}
	return slices.ContainsFunc(f.GetTouched(), func(x *klinkev1.Read) bool {
		return x.GetKind() == klinkev1.ReadKind_READ_KIND_MODEL || slices.ContainsFunc(reads, func(y *klinkev1.Read) bool { return proto.Equal(x, y) })
	})
}

// askers are all that a tenant of these properties may know.
var askers = []*klinkev1.QuestionSubject{{Type: "user", Id: "u0"}, {Type: "user", Id: "u1"}, {Type: "user", Id: "u2"}, {Type: "user", Id: "u3"}, {Type: "app", Id: "a0"}}

// actions are all that can be asked about a type.
func (l *life) actions(typ string) (out []*klinkev1.QuestionAction) {
	t := &l.s.model.types[l.s.model.typeNo[typ]]
	for _, name := range slices.Sorted(maps.Keys(t.actions)) {
		out = append(out, &klinkev1.QuestionAction{Name: name})
	}
	if t.fields {
		for _, field := range []string{"phone", "mail"} {
			properties := &structpb.Struct{Fields: map[string]*structpb.Value{"field": structpb.NewStringValue(field)}}
			out = append(out, &klinkev1.QuestionAction{Name: "read", Properties: properties}, &klinkev1.QuestionAction{Name: "write", Properties: properties})
		}
	}
	return out
}

// questions ask for everybody whether he may do each thing to a few resources.
func (l *life) questions() (out []*Question) {
	for _, typ := range []string{"doc", "doc", "box"} {
		about := l.questionAbout(typ)
		for _, action := range l.actions(typ) {
			for _, subject := range askers {
				q := *about
				q.Subject, q.Action = subject, action
				out = append(out, &q)
			}
		}
	}
	return out
}

// decide answers a question with all that a holder of the answer keeps; it is not ok when it is no question.
func (l *life) decide(s *Snapshot, r *Request, q *Question, now time.Time) (Decision, bool) {
	if err := s.Prepare(r, q, s.Plan().Normalise); err != nil {
		return Decision{}, false
	}
	return Decide(s, r, now), true
}

// An answer that survives a write's footprint is the one that is given after the write, unless the question is none any more
// (it names a role or a site that is gone): then nobody is told that yes has become no.
func TestFootprintsCoverWhatChanges(t *testing.T) {
	check(t, func(t *rapid.T) {
		l := begin(t)
		var r Request
		for range 4 {
			changes := l.changes()
			out := l.apply(changes)
			if out == nil {
				continue
			}
			if len(out.Changes) == 0 && (out.Footprint != nil || out.Next != l.s) {
				t.Fatal("an entry about nothing")
			}
			l.about(changes)
			for _, q := range l.questions() {
				now := l.moment()
				was, ok := l.decide(l.s, &r, q, now)
				if !ok {
					continue
				}
				told := &klinkev1.DecisionContext{}
				was.Describe(told, l.s, &r, true)
				reads := told.GetReads()
				is, ok := l.decide(out.Next, &r, q, now)
				if ok && was != is && !meets(out.Footprint, q, reads) {
					t.Fatalf("%v\nbefore: %+v\nafter: %+v\nreads: %v\nchanges: %v\nfootprint: %v\n%s", q, was, is, reads, out.Changes, out.Footprint,
						protojson.Format(l.s.model.source))
				}
			}
			l.s = out.Next
		}
	})
}

// What an entry keeps makes the same tenant again, by replay from the one before and from a checkpoint.
func TestReplayAndRestoreMakeTheSameTenant(t *testing.T) {
	check(t, func(t *rapid.T) {
		l := begin(t)
		for range 8 {
			before := dump(l.s)
			out := l.write()
			if !slices.Equal(before, dump(l.s)) {
				t.Fatal("Apply touched the snapshot that it was given")
			}
			if out == nil {
				continue
			}
			at := l.stamp(epoch)
			at.Replay = true
			again, err := Apply(l.s, out.Changes, at)
			if err != nil {
				t.Fatalf("an entry cannot be replayed: %v: %v", err, out.Changes)
			}
			if !slices.Equal(dump(out.Next), dump(again.Next)) {
				t.Fatalf("replay differs: %v", out.Changes)
			}
			if len(out.Changes) != len(again.Changes) {
				t.Fatalf("an entry keeps changes that change nothing: %v", out.Changes)
			}
			l.s = out.Next
		}
		r := NewRestorer(l.stamp(epoch).Models)
		for chunk, err := range l.s.Checkpoint() {
			if err == nil {
				err = r.Add(bytes.Clone(chunk))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		restored, err := r.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if a, b := dump(l.s), dump(restored); !slices.Equal(a, b) {
			t.Fatalf("restored otherwise:\n%q\n%q", a, b)
		}
		audit(t, l.s)
		audit(t, restored)
		for range 10 {
			q, now := l.question(), l.moment()
			was, _, ok := l.answer(l.s, q, now)
			if is, _, _ := l.answer(restored, q, now); ok && !proto.Equal(was, is) {
				t.Fatalf("%v\nbefore: %v\nrestored: %v", q, was, is)
			}
		}
	})
}

// Active roles never give more than the unrestricted answer.
func TestActiveRolesNeverGiveMore(t *testing.T) {
	check(t, func(t *rapid.T) {
		l := begin(t)
		for range 6 {
			if out := l.write(); out != nil {
				l.s = out.Next
			}
		}
		for range 10 {
			q, now := l.question(), l.moment()
			q.ActiveRoles = []string{l.role(), l.role()}
			_, some, ok := l.answer(l.s, q, now)
			q.ActiveRoles = nil
			if _, all, _ := l.answer(l.s, q, now); ok && some.Allow && !all.Allow {
				t.Fatalf("%v", q)
			}
		}
	})
}
