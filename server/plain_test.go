// These tests prove that reading questions by hand is a matter of time alone: what is read so is what the generic reader
// reads, and what clients write is read so.
package server

import (
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// everything is a question and a batch with all that they may say.
func everything(t testing.TB) (*klinkev1.CheckRequest, *klinkev1.BatchCheckRequest) {
	t.Helper()
	all := facts(t, map[string]any{
		"employee": "bert", "empty": "", "absent": nil, "no": false, "yes": true, "number": -1.5, "nan": math.NaN(), "teams": []any{"a", "b", []any{}, nil},
		"record": map[string]any{"type": "recording", "id": "ü", "more": map[string]any{"deep": []any{map[string]any{}}}},
	})
	question := &klinkev1.CheckRequest{
		Tenant:      "acme",
		Subject:     &klinkev1.QuestionSubject{Type: "user", Id: "anna"},
		Actor:       &klinkev1.QuestionSubject{Type: "app", Id: "dialler"},
		Action:      &klinkev1.QuestionAction{Name: "read", Properties: facts(t, map[string]any{"field": "phone"})},
		Resource:    &klinkev1.QuestionResource{Type: "recording", Id: "rec-9", Properties: all},
		Context:     facts(t, map[string]any{"mfa": true}),
		ActiveRoles: []string{"agent", "", "manager"},
		MinRevision: "k3f9-42",
		WithReads:   true,
	}
	return question, &klinkev1.BatchCheckRequest{
		Tenant: question.Tenant, Subject: question.Subject, Actor: question.Actor, Action: question.Action, Resource: question.Resource,
		Context: question.Context, ActiveRoles: question.ActiveRoles, MinRevision: question.MinRevision, WithReads: true,
		Evaluations: []*klinkev1.BatchItem{
			{},
			{Subject: question.Actor, Actor: question.Subject, Action: question.Action, Resource: question.Resource, Context: question.Context},
			{Action: &klinkev1.QuestionAction{}, Resource: &klinkev1.QuestionResource{Properties: &structpb.Struct{}}},
		},
	}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestClientsMessagesAreReadByHand(t *testing.T) {
	question, batch := everything(t)
	for _, want := range []proto.Message{
		question, batch, batchOf50(t), &klinkev1.CheckRequest{}, &klinkev1.BatchCheckRequest{}, listen(t, "anna", "bert"), dials(t, "anna", "030 123"),
		&klinkev1.BatchCheckRequest{Evaluations: make([]*klinkev1.BatchItem, policy.MaxBatchItems)},
	} {
		got := want.ProtoReflect().New().Interface()
		got.ProtoReflect().SetUnknown([]byte("what was there before"))
		if !readPlain(marshal(t, want), got) {
			t.Errorf("not read by hand: %v", want)
			continue
		}
		if again := want.ProtoReflect().New().Interface(); proto.Unmarshal(marshal(t, want), again) != nil || !proto.Equal(got, again) {
			t.Errorf("read %v, want %v", got, again)
		}
	}
}

// TestWhatIsOddIsLeftToTheGenericReader edits a question in ways that it must see to keep the generic reader's answer.
func TestWhatIsOddIsLeftToTheGenericReader(t *testing.T) {
	in := listen(t, "anna", "bert")
	raw := marshal(t, in)
	deep := structpb.NewStringValue("deep")
	for range plainNesting {
		deep = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{deep}})
	}
	nested := proto.CloneOf(in)
	nested.Resource.Properties.Fields["employee"] = deep
	value := func(b ...byte) []byte { // a question whose context has one member, of these bytes
		entry := append([]byte{first | kindBytes, 1, 'x', second | kindBytes, byte(len(b))}, b...)
		context := append([]byte{first | kindBytes, byte(len(entry))}, entry...)
		return append([]byte{fifth | kindBytes, byte(len(context))}, context...)
	}
	for name, odd := range map[string][]byte{
		"twice":               append(marshal(t, in), raw...),
		"unknown field":       protowire.AppendVarint(protowire.AppendTag(marshal(t, in), 15, protowire.VarintType), 1),
		"field of two bytes":  protowire.AppendVarint(protowire.AppendTag(marshal(t, in), 100, protowire.VarintType), 1),
		"wrong kind":          protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1),
		"group":               protowire.AppendTag(protowire.AppendTag(nil, 4, protowire.StartGroupType), 4, protowire.EndGroupType),
		"cut off":             raw[:len(raw)-1],
		"not UTF-8":           latin1(marshal(t, listen(t, "carl", "carl"))),
		"too deep":            marshal(t, nested),
		"a truth of two":      {ninth | kindVarint, 2},
		"an endless number":   {ninth | kindVarint, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1},
		"a number cut off":    {ninth | kindVarint},
		"a text cut off":      {first | kindBytes, 200, 1, 'x'},
		"a member of no kind": value(),
		"a member of two":     value(first|kindVarint, 0, fourth|kindVarint, 1),
		"another null":        value(first|kindVarint, 1),
		"a double cut off":    value(second|kindEight, 1, 2, 3),
		"an entry of no kind": {fifth | kindBytes, 2, first | kindBytes, 0},
	} {
		if got := new(klinkev1.CheckRequest); readPlain(odd, got) {
			t.Errorf("%s: read by hand, as %v", name, got)
		}
	}
	many := &klinkev1.BatchCheckRequest{Evaluations: make([]*klinkev1.BatchItem, policy.MaxBatchItems+1)}
	if readPlain(marshal(t, many), new(klinkev1.BatchCheckRequest)) {
		t.Error("more items than a batch may have were read by hand")
	}
	if readPlain(nil, new(klinkev1.WriteRequest)) {
		t.Error("a write was read by hand")
	}
}

func FuzzPlainAgreesWithGeneric(f *testing.F) {
	question, batch := everything(f)
	for _, m := range []proto.Message{question, batch, batchOf50(f), listen(f, "anna", "bert")} {
		f.Add(marshal(f, m))
	}
	f.Add([]byte{fifth | kindBytes, 4, first | kindBytes, 2, first | kindBytes, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, got := range []proto.Message{new(klinkev1.CheckRequest), new(klinkev1.BatchCheckRequest)} {
			want := got.ProtoReflect().New().Interface()
			if !readPlain(raw, got) {
				continue
			}
			if err := proto.Unmarshal(raw, want); err != nil {
				t.Fatalf("read as %v, but cannot be read: %v", got, err)
			}
			if !proto.Equal(got, want) {
				t.Fatalf("read %v, want %v", got, want)
			}
		}
	})
}
