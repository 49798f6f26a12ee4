package server

import (
	"bytes"
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// codec is gRPC's for protobuf, except that a message of ours that cannot be read is handed on as what is unknown in it,
// behind unreadable: gRPC would blame the server for it, and one of them may be an emergency call with a name in a foreign
// encoding.
type codec struct{ encoding.CodecV2 }

// unreadable stands before the bytes of a message that cannot be read. No field begins so.
const unreadable = 0

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch v.(type) {
	case *klinkev1.CheckRequest, *klinkev1.BatchCheckRequest, *klinkev1.StreamCheckRequest:
		raw := data.MaterializeToBuffer(mem.DefaultBufferPool())
		done := readPlain(raw.ReadOnlyData(), v)
		raw.Free()
		if done {
			return nil
		}
	}
	err := c.CodecV2.Unmarshal(data, v)
	m, ok := v.(proto.Message)
	if err == nil || !ok || m.ProtoReflect().Descriptor().ParentFile().Package() != klinkev1.File_klinke_v1_decision_proto.Package() {
		return err
	}
	proto.Reset(m)
	m.ProtoReflect().SetUnknown(append([]byte{unreadable}, data.Materialize()...))
	return nil
}

// refuseUnreadable refuses what codec handed on. Of a question, salvage may make something still.
func refuseUnreadable(salvage func(ctx context.Context, in any, failure error) (any, error)) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		m, ok := req.(proto.Message)
		if !ok {
			return handler(ctx, req)
		}
		raw := m.ProtoReflect().GetUnknown()
		if len(raw) == 0 || raw[0] != unreadable {
			return handler(ctx, req)
		}
		failure := errUnreadable()
		if !repair(m, raw[1:]) {
			return nil, failure
		}
		return salvage(ctx, req, failure)
	}
}

func errUnreadable() error {
	return policy.Errorf(policy.Invalid, "", "the message cannot be read: it is not one of this call, was cut off, or has a text that is not UTF-8")
}

// readable is a request as far as it can be read: a copy with its texts mended when they were not UTF-8.
func readable(req any) any {
	m, ok := req.(proto.Message)
	if !ok {
		return req
	}
	raw := m.ProtoReflect().GetUnknown()
	if len(raw) == 0 || raw[0] != unreadable {
		return req
	}
	mended := m.ProtoReflect().New().Interface()
	if !repair(mended, raw[1:]) {
		proto.Reset(mended)
	}
	return mended
}

// repair reads a message with its texts made UTF-8. False when that is not what was wrong.
func repair(m proto.Message, raw []byte) bool {
	mended, ok := mend(raw, m.ProtoReflect().Descriptor(), maxNesting)
	return ok && proto.Unmarshal(mended, m) == nil
}

// maxNesting is how deeply a message may nest to be mended; questions nest less.
const maxNesting = 100

// mend replaces what is not UTF-8 in the texts of a message, down to a depth.
func mend(raw []byte, d protoreflect.MessageDescriptor, depth int) (out []byte, ok bool) {
	if depth == 0 {
		return nil, false
	}
	for len(raw) > 0 {
		number, typ, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return nil, false
		}
		size := protowire.ConsumeFieldValue(number, typ, raw[n:])
		if size < 0 {
			return nil, false
		}
		field, value := raw[:n+size], raw[n:n+size]
		raw = raw[n+size:]
		fd := d.Fields().ByNumber(number)
		if typ != protowire.BytesType || fd == nil || fd.Kind() != protoreflect.StringKind && fd.Kind() != protoreflect.MessageKind {
			out = append(out, field...)
			continue
		}
		content, _ := protowire.ConsumeBytes(value)
		if fd.Kind() == protoreflect.StringKind {
			content = bytes.ToValidUTF8(content, []byte("\uFFFD"))
		} else if content, ok = mend(content, fd.Message(), depth-1); !ok {
			return nil, false
		}
		out = protowire.AppendBytes(protowire.AppendTag(out, number, typ), content)
	}
	return out, true
}

// salvage answers what is an emergency call in a question that could not be read as it stands; the rest is a failure.
func (d *decisions) salvage(ctx context.Context, in any, failure error) (any, error) {
	a := d.take()
	defer d.give(a)
	switch in := in.(type) {
	case *klinkev1.CheckRequest:
		if _, answer, _ := d.first(ctx, in, a); answer != nil {
			return answer, nil
		}
	case *klinkev1.ExplainRequest:
		if _, answer, _ := d.first(ctx, in.GetQuestion(), a); answer != nil {
			return explained(answer), nil
		}
	case *klinkev1.BatchCheckRequest:
		s, _ := d.stateOf(ctx, in, a)
		return d.rescue(ctx, in, s, a, failure)
	}
	return nil, failure
}
