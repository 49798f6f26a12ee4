package server

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// refuseUnknown refuses fields and enum values that this build does not know, at any depth. Writes that are too long are
// refused first, since looking at each change is what would be dear.
func refuseUnknown(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if w, ok := req.(*klinkev1.WriteRequest); ok && len(w.GetChanges()) > policy.MaxWriteChanges {
		return nil, policy.Errorf(policy.TooLarge, "changes", "%d changes are more than the %d that one write may carry; split it",
			len(w.GetChanges()), policy.MaxWriteChanges)
	}
	if m, ok := req.(proto.Message); ok {
		if err := strict(m.ProtoReflect()); err != nil {
			return nil, err
		}
	}
	return handler(ctx, req)
}

// strict finds the first unknown thing in a message. The error's field is its path from there.
func strict(m protoreflect.Message) (found *policy.Error) {
	if err := noUnknown(m, ""); err != nil {
		return err
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			if fd.MapValue().Message() == nil {
				break
			}
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				found = below(fmt.Sprintf("%s[%q]", fd.Name(), k.String()), strict(v.Message()))
				return found == nil
			})
		case fd.IsList():
			if fd.Message() == nil && fd.Enum() == nil {
				break
			}
			for i, l := 0, v.List(); i < l.Len() && found == nil; i++ {
				if found = strictOne(fd, l.Get(i)); found != nil {
					found = below(fmt.Sprintf("%s[%d]", fd.Name(), i), found)
				}
			}
		default:
			if found = strictOne(fd, v); found != nil {
				found = below(string(fd.Name()), found)
			}
		}
		return found == nil
	})
	return found
}

func strictOne(fd protoreflect.FieldDescriptor, v protoreflect.Value) *policy.Error {
	switch {
	case fd.Message() != nil:
		return strict(v.Message())
	case fd.Enum() != nil && fd.Enum().Values().ByNumber(v.Enum()) == nil:
		return policy.Errorf(policy.Invalid, "", "%d is no value of %s that this server knows", v.Enum(), fd.Enum().Name())
	}
	return nil
}

// below puts an error's field under a path; nil stays nil.
func below(path string, err *policy.Error) *policy.Error {
	if err == nil {
		return nil
	}
	moved := *err
	if moved.Field != "" && moved.Field[0] != '[' {
		path += "."
	}
	moved.Field = path + moved.Field
	return &moved
}

func noUnknown(m protoreflect.Message, field string) *policy.Error {
	raw := m.GetUnknown()
	if len(raw) == 0 {
		return nil
	}
	number, _, _ := protowire.ConsumeTag(raw)
	return policy.Errorf(policy.Invalid, field, "%s has no field %d that this server knows; nothing unknown is ignored",
		m.Descriptor().Name(), number)
}

// strictQuestion is strict for one question, without reflection: the generic walk takes as long as decoding the message.
// The messages that hold the parts are checked by their handlers.
func strictQuestion(q *policy.Question) *policy.Error {
	if s := q.Subject; s != nil {
		if err := noUnknown(s.ProtoReflect(), "subject"); err != nil {
			return err
		}
	}
	if a := q.Actor; a != nil {
		if err := noUnknown(a.ProtoReflect(), "actor"); err != nil {
			return err
		}
	}
	if a := q.Action; a != nil {
		if err := noUnknown(a.ProtoReflect(), "action"); err != nil {
			return err
		}
		if err := strictStruct("action.properties", a.GetProperties()); err != nil {
			return err
		}
	}
	if r := q.Resource; r != nil {
		if err := noUnknown(r.ProtoReflect(), "resource"); err != nil {
			return err
		}
		if err := strictStruct("resource.properties", r.GetProperties()); err != nil {
			return err
		}
	}
	return strictStruct("context", q.Context)
}

func strictStruct(field string, s *structpb.Struct) *policy.Error {
	if s == nil {
		return nil
	}
	if err := noUnknown(s.ProtoReflect(), field); err != nil {
		return err
	}
	for name, v := range s.GetFields() {
		if err := strictValue(v); err != nil {
			if err = below(name, err); field != "" {
				err = below(field, err)
			}
			return err
		}
	}
	return nil
}

func strictValue(v *structpb.Value) *policy.Error {
	if v == nil {
		return nil
	}
	if err := noUnknown(v.ProtoReflect(), ""); err != nil {
		return err
	}
	switch k := v.GetKind().(type) {
	case nil:
		return policy.Errorf(policy.Invalid, "", "the value has no kind; send null for an absent one")
	case *structpb.Value_NullValue:
		if k.NullValue != structpb.NullValue_NULL_VALUE {
			return policy.Errorf(policy.Invalid, "", "%d is no value of NullValue that this server knows", k.NullValue)
		}
	case *structpb.Value_StructValue:
		return strictStruct("", k.StructValue)
	case *structpb.Value_ListValue:
		if err := noUnknown(k.ListValue.ProtoReflect(), ""); err != nil {
			return err
		}
		for i, item := range k.ListValue.GetValues() {
			if err := strictValue(item); err != nil {
				return below(fmt.Sprintf("[%d]", i), err)
			}
		}
	}
	return nil
}

// validTenant checks a tenant's id before it is looked up.
func validTenant(id string) error {
	if err := policy.CheckID(id); err != nil {
		return policy.Errorf(policy.Invalid, "tenant", "%v", err)
	}
	return nil
}
