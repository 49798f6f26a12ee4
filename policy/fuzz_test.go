// This fuzz target proves that no question makes the fast decision differ from the slow one, or either of them panic: bytes
// become questions about the presets' own companies, well-formed and not.
package policy_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/preset"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// arena is a preset's company, with the words of which questions about it are made.
type arena struct {
	s                                      *policy.Snapshot
	types                                  []*klinkev1.ResourceType
	users, apps, groups, roles, ids, texts []string
	numbers                                []string
}

func arenas(tb testing.TB) (out []*arena) {
	tb.Helper()
	for _, name := range preset.Names() {
		data, _ := preset.File(name)
		src, err := account.Model(name+".yaml", data, func(mixin string) ([]byte, error) {
			data, _ := preset.File(mixin)
			return data, nil
		})
		if err != nil {
			tb.Fatal(err)
		}
		m, err := policy.Compile(src, 1)
		if err != nil {
			tb.Fatal(err)
		}
		at := policy.Stamp{Now: monday, Replay: true, Models: func(string, uint32) (*policy.Model, error) { return m, nil }}
		made, err := policy.Apply(policy.Empty(), m.Factory(), at)
		if err != nil {
			tb.Fatal(err)
		}
		a := &arena{s: made.Next, types: src.GetTypes(), users: []string{"nobody"}, apps: []string{"nothing"}, groups: []string{"none"}, roles: []string{"none"},
			ids: []string{"*", ""}, texts: []string{"", "true", "\x00", "\xff"}, numbers: []string{"112", "0", "+", "not a number", "+4930123456"}}
		world, _ := preset.World(name)
		for d := account.NewDecoder(name, bytes.NewReader(world)); ; {
			doc, err := d.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				tb.Fatal(err)
			}
			made, err = policy.Apply(a.s, doc.Changes, at)
			if err != nil {
				tb.Fatal(err)
			}
			a.s = made.Next
			a.learn(doc)
		}
		out = append(out, a)
	}
	return out
}

// learn takes over the words of an account and of its questions.
func (a *arena) learn(doc *account.Account) {
	for _, c := range doc.Changes {
		switch x := c.GetPut().GetRecord().(type) {
		case *klinkev1.Record_Subject:
			if x.Subject.GetType() == klinkev1.SubjectType_SUBJECT_TYPE_APP {
				a.apps = append(a.apps, x.Subject.GetId())
			} else {
				a.users = append(a.users, x.Subject.GetId())
			}
		case *klinkev1.Record_Group:
			a.groups = append(a.groups, x.Group.GetId())
		case *klinkev1.Record_Role:
			a.roles = append(a.roles, x.Role.GetId())
		case *klinkev1.Record_ObjectGrant:
			a.ids = append(a.ids, x.ObjectGrant.GetId())
		case *klinkev1.Record_ListedNumber:
			a.numbers = append(a.numbers, x.ListedNumber.GetNumber())
		case *klinkev1.Record_Site:
			a.texts = append(a.texts, x.Site.GetId())
		}
	}
	for _, q := range doc.Questions {
		a.ids = append(a.ids, q.Check.GetResource().GetId())
		for _, v := range q.Check.GetResource().GetProperties().GetFields() {
			a.texts = append(a.texts, v.GetStringValue())
			a.numbers = append(a.numbers, v.GetStringValue())
		}
	}
}

// tape is the bytes that a question is made of. Beyond its end it is all zeros, which are ordinary choices.
type tape struct{ bytes []byte }

func (t *tape) below(n int) int {
	if len(t.bytes) == 0 {
		return 0
	}
	x := int(t.bytes[0])
	t.bytes = t.bytes[1:]
	if n > 256 && len(t.bytes) > 0 {
		x = x<<8 | int(t.bytes[0])
		t.bytes = t.bytes[1:]
	}
	return x % n
}

// word is one of the known words, or now and then any bytes.
func (t *tape) word(known []string) string {
	if t.below(16) == 15 {
		n := min(t.below(300), len(t.bytes))
		raw := string(t.bytes[:n])
		t.bytes = t.bytes[n:]
		return raw
	}
	return known[t.below(len(known))]
}

func (t *tape) subject(a *arena) *klinkev1.QuestionSubject {
	switch t.below(8) {
	case 0:
		return &klinkev1.QuestionSubject{Type: "app", Id: t.word(a.apps)}
	case 1:
		return &klinkev1.QuestionSubject{Type: t.word([]string{"user", "group", ""}), Id: t.word(a.users)}
	}
	return &klinkev1.QuestionSubject{Type: "user", Id: t.word(a.users)}
}

// fact is a value for an attribute, mostly one of its kind.
func (t *tape) fact(a *arena, typ *klinkev1.ResourceType, kind klinkev1.AttributeKind, depth int) *structpb.Value {
	if t.below(12) == 11 {
		kind = klinkev1.AttributeKind(t.below(12))
	}
	list := func(item func() *structpb.Value) *structpb.Value {
		l := &structpb.ListValue{}
		for range t.below(4) {
			l.Values = append(l.Values, item())
		}
		return structpb.NewListValue(l)
	}
	switch kind {
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_UNSPECIFIED:
		return structpb.NewNullValue()
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_USER:
		return structpb.NewStringValue(t.word(a.users))
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_APP:
		return structpb.NewStringValue(t.word(a.apps))
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_PRINCIPAL:
		return structpb.NewStringValue([]string{"", "user:", "group:", "app:"}[t.below(4)] + t.word(append(a.groups, a.users...)))
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_NUMBER:
		return structpb.NewStringValue(t.word(a.numbers))
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_BOOL:
		return structpb.NewBoolValue(t.below(2) == 1)
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_GROUPS:
		return list(func() *structpb.Value { return structpb.NewStringValue(t.word(a.groups)) })
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORD, klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORDS:
		record := func() *structpb.Value {
			of := typ
			if t.below(2) == 1 {
				of = a.types[t.below(len(a.types))]
			}
			r := t.facts(a, of, depth+1)
			r.Fields["type"], r.Fields["id"] = structpb.NewStringValue(of.GetName()), structpb.NewStringValue(t.word(a.ids))
			return structpb.NewStructValue(r)
		}
		if depth > 2 {
			return structpb.NewNumberValue(7)
		}
		if kind == klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORDS {
			return list(record)
		}
		return record()
	}
	return structpb.NewStringValue(t.word(a.texts))
}

func (t *tape) facts(a *arena, typ *klinkev1.ResourceType, depth int) *structpb.Struct {
	out := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for _, attr := range typ.GetAttributes() {
		switch t.below(8) {
		case 1, 2:
		case 3:
			out.Fields[attr.GetName()] = structpb.NewNullValue()
		default:
			out.Fields[attr.GetName()] = t.fact(a, typ, attr.GetKind(), depth)
		}
	}
	if t.below(32) == 31 {
		out.Fields[t.word(a.texts)] = t.fact(a, typ, klinkev1.AttributeKind_ATTRIBUTE_KIND_TEXT, depth)
	}
	return out
}

// question makes one of whatever the tape says, and a moment.
func (t *tape) question(a *arena) (*policy.Question, time.Time) {
	typ := a.types[t.below(len(a.types))]
	actions := []string{"read", "write", "none"}
	for _, x := range typ.GetActions() {
		actions = append(actions, x.GetName(), x.GetName(), x.GetName())
	}
	q := &policy.Question{
		Subject: t.subject(a), Action: &klinkev1.QuestionAction{Name: t.word(actions)},
		Resource: &klinkev1.QuestionResource{Type: typ.GetName(), Id: t.word(a.ids)},
	}
	if q.Resource.Id != "*" || t.below(8) == 7 {
		q.Resource.Properties = t.facts(a, typ, 0)
	}
	if typ.GetFields() != nil && t.below(2) == 1 || t.below(16) == 15 {
		q.Action.Properties = &structpb.Struct{Fields: map[string]*structpb.Value{"field": structpb.NewStringValue(t.word([]string{"phone", "*", "a:b"}))}}
	}
	if t.below(4) == 3 {
		q.Actor = &klinkev1.QuestionSubject{Type: "app", Id: t.word(a.apps)}
	}
	if t.below(4) == 3 {
		q.Context = &structpb.Struct{Fields: map[string]*structpb.Value{t.word([]string{"mfa", "ip", ""}): t.fact(a, typ, klinkev1.AttributeKind_ATTRIBUTE_KIND_BOOL, 0)}}
	}
	for range t.below(8) / 6 * t.below(4) {
		q.ActiveRoles = append(q.ActiveRoles, t.word(a.roles))
	}
	switch t.below(32) {
	case 29:
		q.Subject = nil
	case 30:
		q.Action = nil
	case 31:
		q.Resource = nil
	}
	return q, monday.Add(time.Duration(t.below(1000)) * 37 * time.Minute)
}

// judge holds what the law says about a question to itself. It is not ok when this is no question.
func judge(t testing.TB, s *policy.Snapshot, q *policy.Question, now time.Time) (policy.Decision, bool) {
	t.Helper()
	emergency, settled := s.Emergency(q)
	r := &policy.Request{}
	if err := s.Prepare(r, q, s.Plan().Normalise); err != nil {
		var e *policy.Error
		if !errors.As(err, &e) || e.Kind != policy.Invalid && e.Kind != policy.TooLarge || e.Field == "" || settled {
			t.Fatalf("an error that helps nobody: %v\n%v", err, q)
		}
		return policy.Decision{}, false
	}
	d, steps := policy.Explain(s, r, now)
	if last := steps[len(steps)-1].GetText(); strings.HasPrefix(last, "the fast decision differs") {
		t.Fatalf("%s: decided is %+v\n%v", last, d, q)
	}
	if again := policy.Decide(s, r, now); again != d {
		t.Fatalf("asked again: %+v, before: %+v\n%v", again, d, q)
	}
	if settled && (d.Allow != emergency.Allow || d.Reason != klinkev1.Reason_REASON_EMERGENCY) || !settled && d.Reason == klinkev1.Reason_REASON_EMERGENCY {
		t.Fatalf("an emergency is %t, decided is %+v\n%v", settled, d, q)
	}
	c := &klinkev1.DecisionContext{}
	if d.Describe(c, s, r, true); c.GetReason() != d.Reason || c.GetReason() == klinkev1.Reason_REASON_UNSPECIFIED {
		t.Fatalf("an answer without a reason: %v\n%v", c, q)
	}
	if until := d.ValidUntil(); !until.IsZero() && until.Before(now) {
		t.Fatalf("at %v it holds until %v\n%v", now, until, q)
	}
	return d, true
}

func FuzzQuestionsOfPresets(f *testing.F) {
	all := arenas(f)
	draw := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		seed := make([]byte, 8+draw.IntN(60))
		for i := range seed {
			seed[i] = byte(draw.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tape := &tape{data}
		a := all[tape.below(len(all))]
		q, now := tape.question(a)
		judge(t, a.s, q, now)
	})
}

// The bytes become questions of every sort: most are well-formed, and they are answered for every reason that a preset has.
func TestTapesBecomeQuestions(t *testing.T) {
	all := arenas(t)
	draw := rand.New(rand.NewPCG(3, 4))
	reasons := map[klinkev1.Reason]int{}
	refused := 0
	for range 4_000 {
		data := make([]byte, 60)
		for i := range data {
			data[i] = byte(draw.Uint32())
		}
		tape := &tape{data}
		a := all[tape.below(len(all))]
		q, now := tape.question(a)
		if d, ok := judge(t, a.s, q, now); ok {
			reasons[d.Reason]++
		} else {
			refused++
		}
	}
	if refused < 200 || refused > 3_000 {
		t.Errorf("%d of 4000 are no questions", refused)
	}
	for _, reason := range []klinkev1.Reason{
		klinkev1.Reason_REASON_EMERGENCY, klinkev1.Reason_REASON_SUBJECT_UNKNOWN, klinkev1.Reason_REASON_SUBJECT_INACTIVE, klinkev1.Reason_REASON_ACTOR_UNKNOWN,
		klinkev1.Reason_REASON_GATE, klinkev1.Reason_REASON_REQUIREMENT, klinkev1.Reason_REASON_OVERRIDE, klinkev1.Reason_REASON_LEVEL_EMPTY, klinkev1.Reason_REASON_ANY,
		klinkev1.Reason_REASON_RELATION, klinkev1.Reason_REASON_OUT_OF_REACH, klinkev1.Reason_REASON_NO_LEVEL, klinkev1.Reason_REASON_ACTOR_LEVEL_EMPTY,
	} {
		if reasons[reason] == 0 {
			t.Errorf("nothing is answered by %s: %v", reason, slices.Sorted(maps.Keys(reasons)))
		}
	}
}
