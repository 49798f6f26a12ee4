package account

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Source is a model with the files that it was read from and the places at which its pieces stand in them. It is not to be
// changed.
type Source struct {
	// Model is complete, not yet compiled.
	Model *klinkev1.Model
	// Files are the model file and behind it the mixins that it uses.
	Files []File
	// Idle are the scales that no action uses, and which are therefore not in the model.
	Idle []Scale

	places map[proto.Message]Place
}

// File is a file as it was read.
type File struct {
	// Name names it in places: the model file by its own name, a mixin by that of `uses`.
	Name string
	Data []byte
}

// Scale is a declaration of levels.
type Scale struct {
	// Type is the one that declares it, empty for the model.
	Type string
	Name string
	// Place is that of the name.
	Place Place
}

// Place says where a piece of the model stands: one of the messages in Model, by identity. What stands in a list of texts
// (flags, overrides, includes) has the place of the message that it belongs to. The zero Place for what is no piece of it.
func (s *Source) Place(piece proto.Message) Place {
	if p, ok := s.places[piece]; ok {
		return p
	}
	return Place{}
}

// Compile compiles the model. An error names the place in the file that is to blame, as near as it can be told.
func (s *Source) Compile(version uint32) (*policy.Model, error) {
	m, err := policy.Compile(s.Model, version)
	if e, ok := errors.AsType[*policy.Error](err); ok {
		return nil, s.locate(e).Errorf(e.Kind, "%s: %s", e.Field, e.Message)
	}
	return m, err
}

// locate finds the place that an error of Compile is about. It names a path, `model.types[t].actions[x].gate[0]`, of which
// the longest part counts that has a place; or at the end of its message the key of a factory record.
func (s *Source) locate(e *policy.Error) Place {
	found, longest := Place{File: s.Files[0].Name, Line: 1, Column: 1}, 0
	path := strings.TrimPrefix(e.Field, "model.")
	s.pieces(func(of string, piece proto.Message) {
		rest, is := strings.CutPrefix(path, of)
		if is && len(of) > longest && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			found, longest = s.Place(piece), len(of)
		}
	})
	keyed := func(r *klinkev1.Record, piece proto.Message) {
		if _, parts := policy.RecordKey(r); strings.HasSuffix(e.Message, fmt.Sprintf("the key %q)", parts)) {
			found = s.Place(piece)
		}
	}
	for _, t := range s.Model.GetRoles() {
		keyed(&klinkev1.Record{Record: &klinkev1.Record_Role{Role: t.GetRole()}}, t)
		for _, c := range t.GetCells() {
			keyed(&klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: c}}, c)
		}
		for _, i := range t.GetIncludes() {
			include := &klinkev1.RoleInclude{Role: t.GetRole().GetId(), Included: i}
			keyed(&klinkev1.Record{Record: &klinkev1.Record_RoleInclude{RoleInclude: include}}, t)
		}
	}
	for _, a := range s.Model.GetAssignments() {
		keyed(&klinkev1.Record{Record: &klinkev1.Record_Assignment{Assignment: a}}, a)
	}
	return found
}

// pieces shows the pieces of the model by the paths of Compile.
func (s *Source) pieces(see func(path string, piece proto.Message)) {
	for _, x := range s.Model.GetSettings() {
		see("settings["+x.GetName()+"]", x)
	}
	for _, x := range s.Model.GetSchedules() {
		see("schedules["+x.GetName()+"]", x)
	}
	for _, x := range s.Model.GetClasses() {
		see("classes["+x.GetName()+"]", x)
	}
	for _, t := range s.Model.GetTypes() {
		typ := "types[" + t.GetName() + "]"
		see(typ, t)
		for _, x := range t.GetAttributes() {
			see(typ+".attributes["+x.GetName()+"]", x)
		}
		for _, x := range t.GetRelations() {
			see(typ+".relations["+x.GetName()+"]", x)
		}
		if f := t.GetFields(); f != nil {
			see(typ+".fields", f)
		}
		for _, a := range t.GetActions() {
			action := typ + ".actions[" + a.GetName() + "]"
			see(action, a)
			stage := func(name string, tests []*klinkev1.Test) {
				for i, x := range tests {
					see(fmt.Sprintf("%s.%s[%d]", action, name, i), x)
				}
			}
			stage("gate", a.GetRule().GetGate())
			stage("require", a.GetRule().GetRequire())
			for _, l := range a.GetRule().GetScale().GetLevels() {
				stage("level "+l.GetName(), l.GetRelations())
			}
			for _, x := range a.GetRule().GetObligations() {
				see(action+".obligations["+x.GetId()+"]", x)
			}
		}
	}
}
