// These tests prove of every preset what needs no expected answer: neither the order in which a model, an account or a fact is
// written nor the names that people give to users, groups, departments and roles change an answer.
package preset_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/preset"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// telling is a world in pieces that can be written otherwise: the model and, document by document, changes and questions.
type telling struct {
	model     *klinkev1.Model
	documents []chapter
}

type chapter struct {
	changes   []*klinkev1.Change
	questions []account.Question
}

// tell reads the world of a preset.
func tell(t *testing.T, name string) *telling {
	t.Helper()
	data, _ := preset.World(name)
	w := &telling{model: compiled(t, name).Source()}
	for d := account.NewDecoder("world", bytes.NewReader(data)); ; {
		doc, err := d.Next()
		if errors.Is(err, io.EOF) {
			return w
		}
		if err != nil {
			t.Fatal(err)
		}
		w.documents = append(w.documents, chapter{doc.Changes, doc.Questions})
	}
}

// part is a tenant after one document of its world, and what is asked then.
type part struct {
	s         *policy.Snapshot
	questions []account.Question
}

// parts applies a telling. One write takes a document's changes; piecemeal, each change is a write, and one that needs another
// first waits for it.
func (w *telling) parts(t *testing.T, piecemeal bool) (parts []part) {
	t.Helper()
	m, err := policy.Compile(w.model, 1)
	if err != nil {
		t.Fatal(err)
	}
	at := stampOf(m)
	out, err := policy.Apply(policy.Empty(), m.Factory(), at)
	if err != nil {
		t.Fatal(err)
	}
	s := out.Next
	for _, doc := range w.documents {
		waiting := [][]*klinkev1.Change{doc.changes}
		if piecemeal {
			waiting = nil
			for _, c := range doc.changes {
				waiting = append(waiting, []*klinkev1.Change{c})
			}
		}
		for len(waiting) > 0 {
			var refused [][]*klinkev1.Change
			for _, changes := range waiting {
				if out, err = policy.Apply(s, changes, at); err != nil {
					refused = append(refused, changes)
					continue
				}
				s = out.Next
			}
			if len(refused) == len(waiting) {
				_, err = policy.Apply(s, refused[0], at)
				t.Fatalf("%d changes fit in no order: %v", len(refused), err)
			}
			waiting = refused
		}
		parts = append(parts, part{s, doc.questions})
	}
	return parts
}

func stampOf(m *policy.Model) policy.Stamp {
	return policy.Stamp{Now: time.Unix(1_700_000_000, 0), Models: func(string, uint32) (*policy.Model, error) { return m, nil }}
}

// decide answers a question; false when it is an error.
func decide(s *policy.Snapshot, x *klinkev1.CheckRequest, at time.Time) (policy.Decision, bool) {
	if at.IsZero() {
		at = time.Unix(1_800_000_000, 0)
	}
	r := &policy.Request{}
	err := s.Prepare(r, &policy.Question{Subject: x.GetSubject(), Actor: x.GetActor(), Action: x.GetAction(), Resource: x.GetResource(),
		Context: x.GetContext(), ActiveRoles: x.GetActiveRoles()}, s.Plan().Normalise)
	if err != nil {
		return policy.Decision{}, false
	}
	return policy.Decide(s, r, at), true
}

// gist is an answer without what may depend on the order in which tests stand in the model: which of several that hold, or
// fail, is named.
func gist(s *policy.Snapshot, x *klinkev1.CheckRequest, at time.Time) string {
	d, ok := decide(s, x, at)
	if !ok {
		return "error"
	}
	return fmt.Sprintf("%t %s level %q", d.Allow, d.Reason, d.Level)
}

// same asks the questions of one telling and those of another, one by one.
func same(t *testing.T, how string, before, after []part, answer func(*policy.Snapshot, *klinkev1.CheckRequest, time.Time) string) {
	t.Helper()
	for i := range before {
		for j, q := range before[i].questions {
			other := after[i].questions[j]
			want := answer(before[i].s, q.Request("world"), q.At)
			if got := answer(after[i].s, other.Request("world"), q.At); got != want {
				t.Errorf("%s: %s: %s: got %s, before %s", q.Place, q.Text, how, got, want)
			}
		}
	}
}

// ranked are the lists of a model whose order says something.
var ranked = map[protoreflect.FullName]bool{"klinke.v1.Scale.levels": true, "klinke.v1.SettingDeclaration.values": true}

// shuffle mixes all lists of a message but those, deep down, the lists of facts included.
func shuffle(random *rand.Rand, m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			if f.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					shuffle(random, v.Message())
					return true
				})
			}
		case f.IsList():
			list := v.List()
			if !ranked[f.FullName()] {
				random.Shuffle(list.Len(), func(i, j int) {
					a, b := list.Get(i), list.Get(j)
					list.Set(i, b)
					list.Set(j, a)
				})
			}
			if f.Message() != nil {
				for i := range list.Len() {
					shuffle(random, list.Get(i).Message())
				}
			}
		case f.Message() != nil:
			shuffle(random, v.Message())
		}
		return true
	})
}

func TestOrderNeverMatters(t *testing.T) {
	for _, name := range preset.Names() {
		t.Run(name, func(t *testing.T) {
			before := tell(t, name).parts(t, false)
			for seed := range uint64(4) {
				random := rand.New(rand.NewPCG(seed, 0))
				w := tell(t, name)
				w.model = proto.CloneOf(w.model)
				shuffle(random, w.model.ProtoReflect())
				for _, doc := range w.documents {
					random.Shuffle(len(doc.changes), func(i, j int) { doc.changes[i], doc.changes[j] = doc.changes[j], doc.changes[i] })
					for _, c := range doc.changes {
						shuffle(random, c.ProtoReflect())
					}
					for i := range doc.questions {
						shuffle(random, doc.questions[i].Check.ProtoReflect())
					}
				}
				same(t, fmt.Sprintf("in the order %d", seed), before, w.parts(t, true), gist)
			}
		})
	}
}

// mirrored is another name, and another for each name; names sort the other way round. What a program fixes (the star of a
// question about a type, words of context) does not pass through here.
func mirrored(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return 'a' + 'z' - r
		}
		return r
	}, name)
}

// renaming gives everybody and everything in the directory another name.
type renaming struct {
	model *klinkev1.Model
	users map[string]bool // by the name before
	teams map[string]bool // groups, likewise
}

func (n *renaming) holder(h string) string {
	if kind, id, ok := strings.Cut(h, ":"); ok {
		return kind + ":" + mirrored(id)
	}
	return h
}

// id renames the id of a resource that is a user.
func (n *renaming) id(id string) string {
	if n.users[id] {
		return mirrored(id)
	}
	return id
}

// record renames a record of any kind that names somebody. Those that do not (settings, numbers, sites, classes) stay.
func (n *renaming) record(r *klinkev1.Record) {
	change := func(of func(string) string, texts ...*string) {
		for _, s := range texts {
			if *s != "" {
				*s = of(*s)
			}
		}
	}
	switch x := r.GetRecord().(type) {
	case *klinkev1.Record_Subject:
		change(mirrored, &x.Subject.Id)
	case *klinkev1.Record_Group:
		change(mirrored, &x.Group.Id)
	case *klinkev1.Record_GroupMember:
		change(mirrored, &x.GroupMember.Group)
		change(n.holder, &x.GroupMember.Member)
	case *klinkev1.Record_Department:
		change(mirrored, &x.Department.Id, &x.Department.Parent)
	case *klinkev1.Record_DepartmentMember:
		change(mirrored, &x.DepartmentMember.Department)
		change(n.holder, &x.DepartmentMember.Subject)
	case *klinkev1.Record_Role:
		change(mirrored, &x.Role.Id, &x.Role.Under)
	case *klinkev1.Record_RoleInclude:
		change(mirrored, &x.RoleInclude.Role, &x.RoleInclude.Included)
	case *klinkev1.Record_Cell:
		change(mirrored, &x.Cell.Role)
	case *klinkev1.Record_Assignment:
		change(mirrored, &x.Assignment.Role)
		change(n.holder, &x.Assignment.Holder)
	case *klinkev1.Record_ObjectGrant:
		change(n.id, &x.ObjectGrant.Id)
		change(n.holder, &x.ObjectGrant.Holder)
	case *klinkev1.Record_Ceiling:
		change(n.holder, &x.Ceiling.Holder)
	case *klinkev1.Record_Limit:
		change(n.holder, &x.Limit.Holder)
		if _, purpose := n.model.GetDefaultClasses()[x.Limit.GetName()]; !purpose && n.teams[x.Limit.GetValue()] {
			change(mirrored, &x.Limit.Value)
		}
	case *klinkev1.Record_SharingRule:
		change(n.holder, &x.SharingRule.From, &x.SharingRule.To)
	}
}

// roles renames the roles of a model, where they are declared and where tests name them.
func (n *renaming) roles(m protoreflect.Message) {
	switch x := m.Interface().(type) {
	case *klinkev1.RoleTemplate:
		for i := range x.GetIncludes() {
			x.Includes[i] = mirrored(x.Includes[i])
		}
	case *klinkev1.Role:
		n.record(&klinkev1.Record{Record: &klinkev1.Record_Role{Role: x}})
	case *klinkev1.Cell:
		n.record(&klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: x}})
	case *klinkev1.Assignment:
		n.record(&klinkev1.Record{Record: &klinkev1.Record_Assignment{Assignment: x}})
	case *klinkev1.Holds:
		for i := range x.GetIn() {
			x.In[i] = mirrored(x.In[i])
		}
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				n.roles(v.List().Get(i).Message())
			}
		default:
			n.roles(v.Message())
		}
		return true
	})
}

// facts renames whom the facts of a resource name. A fact of the wrong kind stays wrong.
func (n *renaming) facts(typ string, facts *structpb.Struct) {
	for _, t := range n.model.GetTypes() {
		if t.GetName() != typ {
			continue
		}
		for _, a := range t.GetAttributes() {
			if v := facts.GetFields()[a.GetName()]; v != nil {
				n.fact(typ, a.GetKind(), v)
			}
		}
	}
}

// fact renames in one fact of a resource. A record that does not say its type is of the same.
func (n *renaming) fact(typ string, kind klinkev1.AttributeKind, v *structpb.Value) {
	switch x := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		switch kind {
		case klinkev1.AttributeKind_ATTRIBUTE_KIND_USER, klinkev1.AttributeKind_ATTRIBUTE_KIND_APP, klinkev1.AttributeKind_ATTRIBUTE_KIND_PRINCIPAL:
			if strings.Contains(x.StringValue, ":") {
				x.StringValue = n.holder(x.StringValue)
			} else {
				x.StringValue = mirrored(x.StringValue)
			}
		case klinkev1.AttributeKind_ATTRIBUTE_KIND_GROUPS:
			x.StringValue = mirrored(x.StringValue)
		default:
		}
	case *structpb.Value_ListValue:
		for _, each := range x.ListValue.GetValues() {
			n.fact(typ, kind, each)
		}
	case *structpb.Value_StructValue:
		if said := x.StructValue.GetFields()["type"].GetStringValue(); said != "" {
			typ = said
		}
		if text, ok := x.StructValue.GetFields()["id"].GetKind().(*structpb.Value_StringValue); ok {
			text.StringValue = n.id(text.StringValue)
		}
		n.facts(typ, x.StructValue)
	default:
	}
}

func (n *renaming) question(x *klinkev1.CheckRequest) {
	for _, who := range []*klinkev1.QuestionSubject{x.GetSubject(), x.GetActor()} {
		if who != nil {
			who.Id = mirrored(who.GetId())
		}
	}
	for i := range x.GetActiveRoles() {
		x.ActiveRoles[i] = mirrored(x.ActiveRoles[i])
	}
	x.Resource.Id = n.id(x.GetResource().GetId())
	n.facts(x.GetResource().GetType(), x.GetResource().GetProperties())
}

// names says whether a condition quotes somebody who is renamed.
func (n *renaming) names(condition string) bool {
	for _, known := range []map[string]bool{n.users, n.teams} {
		for id := range known {
			if strings.Contains(condition, strconv.Quote(id)) || strings.Contains(condition, "'"+id+"'") {
				return true
			}
		}
	}
	return false
}

func TestNamesNeverMatter(t *testing.T) {
	for _, name := range preset.Names() {
		t.Run(name, func(t *testing.T) {
			before, w := tell(t, name).parts(t, false), tell(t, name)
			w.model = proto.CloneOf(w.model)
			n := &renaming{model: w.model, users: map[string]bool{}, teams: map[string]bool{}}
			for _, doc := range w.documents {
				for _, c := range doc.changes {
					if x := c.GetPut().GetSubject(); x.GetType() == klinkev1.SubjectType_SUBJECT_TYPE_USER {
						n.users[x.GetId()] = true
					}
					n.teams[c.GetPut().GetGroup().GetId()] = true
				}
			}
			delete(n.teams, "")
			n.roles(w.model.ProtoReflect())
			renamed := 0
			for _, doc := range w.documents {
				for _, c := range doc.changes {
					if when := c.GetPut().GetCell().GetWhen() + c.GetPut().GetAssignment().GetWhen(); n.names(when) {
						t.Fatalf("the condition %s names somebody, and is not rewritten here", when)
					}
					old := proto.CloneOf(c)
					n.record(c.GetPut())
					if !proto.Equal(c, old) {
						renamed++
					}
				}
				for i := range doc.questions {
					n.question(doc.questions[i].Check)
				}
			}
			if renamed < 20 {
				t.Fatalf("only %d records name somebody", renamed)
			}
			same(t, "with other names", before, w.parts(t, false), func(s *policy.Snapshot, x *klinkev1.CheckRequest, at time.Time) string {
				d, ok := decide(s, x, at)
				return fmt.Sprintf("%t %s level %q relation %q, asked %t", d.Allow, d.Reason, d.Level, d.Relation, ok)
			})
		})
	}
}
