package policy

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Factory is the first changes of a tenant that is made on this model: the model's use, its factory roles with their origin,
// and its factory assignments. The caller owns the messages.
func (m *Model) Factory() []*klinkev1.Change {
	out := []*klinkev1.Change{put(&klinkev1.Record{Record: &klinkev1.Record_UseModel{
		UseModel: &klinkev1.UseModel{Model: m.Name(), Version: m.version}}})}
	for _, t := range m.source.GetRoles() { // all roles before whatever names them
		r := proto.CloneOf(t.GetRole())
		r.Under = ""
		r.Origin = fmt.Sprintf("%s@%d/%s", m.Name(), m.version, r.GetId())
		out = append(out, put(&klinkev1.Record{Record: &klinkev1.Record_Role{Role: r}}))
	}
	for _, t := range m.source.GetRoles() {
		id := t.GetRole().GetId()
		if t.GetRole().GetUnder() != "" {
			r := proto.CloneOf(t.GetRole())
			r.Origin = fmt.Sprintf("%s@%d/%s", m.Name(), m.version, id)
			out = append(out, put(&klinkev1.Record{Record: &klinkev1.Record_Role{Role: r}}))
		}
		for _, i := range t.GetIncludes() {
			out = append(out, put(&klinkev1.Record{Record: &klinkev1.Record_RoleInclude{
				RoleInclude: &klinkev1.RoleInclude{Role: id, Included: i}}}))
		}
		for _, cell := range t.GetCells() {
			x := proto.CloneOf(cell)
			x.Role = id
			out = append(out, put(&klinkev1.Record{Record: &klinkev1.Record_Cell{Cell: x}}))
		}
	}
	for _, a := range m.source.GetAssignments() {
		out = append(out, put(&klinkev1.Record{Record: &klinkev1.Record_Assignment{
			Assignment: proto.CloneOf(a)}}))
	}
	return out
}

func put(r *klinkev1.Record) *klinkev1.Change {
	return &klinkev1.Change{Change: &klinkev1.Change_Put{Put: r}}
}

func del(r *klinkev1.Record) *klinkev1.Change {
	return &klinkev1.Change{Change: &klinkev1.Change_Delete{Delete: r}}
}

// factory proves that a tenant can be made on the model, so that no tenant ever fails to be.
func (c *compiler) factory() error {
	changes := c.m.Factory()
	self := func(string, uint32) (*Model, error) { return c.m, nil }
	if _, err := Apply(Empty(), changes, Stamp{Now: timestamppb.New(epoch).AsTime(), Models: self, Replay: true}); err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return err
		}
		var i int
		if n, _ := fmt.Sscanf(e.Field, "changes[%d]", &i); n == 1 && i < len(changes) {
			c := *e
			c.Field = strings.TrimPrefix(e.Field, fmt.Sprintf("changes[%d].put.", i))
			err = naming(changes[i].GetPut(), &c)
		}
		return Errorf(e.Kind, "model.roles", "the factory roles do not fit the model: %s", err.Error())
	}
	return nil
}
