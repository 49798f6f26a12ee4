package server

import (
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// plainNesting is how deeply facts may nest to be read by hand.
const plainNesting = 16

// readPlain reads a question, a batch or a question on a stream in the form in which clients write it: known fields, each once, of the kind that
// they are declared with, in UTF-8. It says false of everything else, also of what is wrong, and leaves it to the generic
// reader, which uses reflection for facts and takes several times as long. So it can cost an answer's time, never the answer.
func readPlain(raw []byte, into any) bool {
	p := plain{}
	switch m := into.(type) {
	case *klinkev1.CheckRequest:
		q := p.question(string(raw), false)
		if p.odd {
			return false
		}
		proto.Reset(m)
		m.Tenant, m.Subject, m.Action, m.Resource, m.Context = q.tenant, q.subject, q.action, q.resource, q.context
		m.Actor, m.ActiveRoles, m.MinRevision, m.WithReads = q.actor, q.roles, q.revision, q.reads
		return true
	case *klinkev1.BatchCheckRequest:
		q := p.question(string(raw), true)
		if p.odd {
			return false
		}
		proto.Reset(m)
		m.Tenant, m.Subject, m.Action, m.Resource, m.Context = q.tenant, q.subject, q.action, q.resource, q.context
		m.Actor, m.ActiveRoles, m.MinRevision, m.WithReads = q.actor, q.roles, q.revision, q.reads
		m.Evaluations = q.items
		return true
	case *klinkev1.StreamCheckRequest:
		id, q := p.streamed(string(raw))
		if p.odd {
			return false
		}
		proto.Reset(m)
		m.Id, m.Question = id, q
		return true
	}
	return false
}

// streamed reads a question on a stream.
func (p *plain) streamed(s string) (id uint64, question *klinkev1.CheckRequest) {
	for seen := uint16(0); s != "" && !p.odd; {
		f := p.field(&s, &seen)
		switch f.tag {
		case first | kindVarint:
			id = f.value
		case second | kindBytes:
			q := p.question(f.body, false)
			question = &klinkev1.CheckRequest{
				Tenant: q.tenant, Subject: q.subject, Action: q.action, Resource: q.resource, Context: q.context,
				Actor: q.actor, ActiveRoles: q.roles, MinRevision: q.revision, WithReads: q.reads,
			}
		default:
			p.odd = true
		}
	}
	return id, question
}

// plain reads one message. The texts that it returns are parts of the message's.
type plain struct {
	odd bool // something is not in the plain form: nothing that was read counts
}

// asked is what a question and a batch have in common; they number it alike.
type asked struct {
	tenant   string
	subject  *klinkev1.QuestionSubject
	action   *klinkev1.QuestionAction
	resource *klinkev1.QuestionResource
	context  *structpb.Struct
	actor    *klinkev1.QuestionSubject
	roles    []string
	revision string
	reads    bool
	items    []*klinkev1.BatchItem
}

// A field's number and wire type, as the first byte of the field: plain messages have no number above 15.
const (
	kindVarint = uint8(protowire.VarintType)
	kindEight  = uint8(protowire.Fixed64Type)
	kindBytes  = uint8(protowire.BytesType)

	first, second, third, fourth, fifth = 1 << 3, 2 << 3, 3 << 3, 4 << 3, 5 << 3
	sixth, seventh, eighth, ninth       = 6 << 3, 7 << 3, 8 << 3, 9 << 3
	tenth                               = 10 << 3
)

func (p *plain) question(s string, batch bool) (q asked) {
	var items []pieces
	if batch {
		n := p.count(s, tenth|kindBytes)
		if n > policy.MaxBatchItems {
			p.odd = true
		}
		if p.odd || n == 0 {
			batch = false
		} else {
			items = make([]pieces, n)
			q.items = make([]*klinkev1.BatchItem, 0, n)
		}
	}
	own := new(pieces)
	for seen := uint16(0); s != "" && !p.odd; {
		f := p.field(&s, &seen)
		switch f.tag {
		case first | kindBytes:
			q.tenant = p.text(f.body)
		case second | kindBytes:
			q.subject = p.subject(f.body)
		case third | kindBytes:
			q.action = p.action(f.body)
		case fourth | kindBytes:
			q.resource = p.resource(f.body, own)
		case fifth | kindBytes:
			q.context = p.facts(f.body, new(structpb.Struct), 0)
		case sixth | kindBytes:
			q.actor = p.subject(f.body)
		case seventh | kindBytes:
			q.roles = append(q.roles, p.text(f.body))
			seen &^= 1 << 7
		case eighth | kindBytes:
			q.revision = p.text(f.body)
		case ninth | kindVarint:
			q.reads = p.bit(f.value)
		case tenth | kindBytes:
			if p.odd = p.odd || !batch; !p.odd {
				q.items = append(q.items, p.item(f.body, &items[len(q.items)]))
				seen &^= 1 << 10
			}
		default:
			p.odd = true
		}
	}
	return q
}

// pieces is what most items consist of, in one piece of memory.
type pieces struct {
	item     klinkev1.BatchItem
	resource klinkev1.QuestionResource
	facts    structpb.Struct
}

func (p *plain) item(s string, in *pieces) *klinkev1.BatchItem {
	x := &in.item
	for seen := uint16(0); s != "" && !p.odd; {
		f := p.field(&s, &seen)
		switch f.tag {
		case first | kindBytes:
			x.Subject = p.subject(f.body)
		case second | kindBytes:
			x.Action = p.action(f.body)
		case third | kindBytes:
			x.Resource = p.resource(f.body, in)
		case fourth | kindBytes:
			x.Context = p.facts(f.body, new(structpb.Struct), 0)
		case fifth | kindBytes:
			x.Actor = p.subject(f.body)
		default:
			p.odd = true
		}
	}
	return x
}

func (p *plain) subject(s string) *klinkev1.QuestionSubject {
	x := new(klinkev1.QuestionSubject)
	for seen := uint16(0); s != "" && !p.odd; {
		f := p.field(&s, &seen)
		switch f.tag {
		case first | kindBytes:
			x.Type = p.text(f.body)
		case second | kindBytes:
			x.Id = p.text(f.body)
		default:
			p.odd = true
		}
	}
	return x
}

func (p *plain) action(s string) *klinkev1.QuestionAction {
	x := new(klinkev1.QuestionAction)
	for seen := uint16(0); s != "" && !p.odd; {
		f := p.field(&s, &seen)
		switch f.tag {
		case first | kindBytes:
			x.Name = p.text(f.body)
		case second | kindBytes:
			x.Properties = p.facts(f.body, new(structpb.Struct), 0)
		default:
			p.odd = true
		}
	}
	return x
}

func (p *plain) resource(s string, in *pieces) *klinkev1.QuestionResource {
	x := &in.resource
	for seen := uint16(0); s != "" && !p.odd; {
		f := p.field(&s, &seen)
		switch f.tag {
		case first | kindBytes:
			x.Type = p.text(f.body)
		case second | kindBytes:
			x.Id = p.text(f.body)
		case third | kindBytes:
			x.Properties = p.facts(f.body, &in.facts, 0)
		default:
			p.odd = true
		}
	}
	return x
}

// facts reads a structure inside of so many others.
func (p *plain) facts(s string, x *structpb.Struct, depth int) *structpb.Struct {
	n := p.count(s, first|kindBytes)
	if n == 0 || p.odd {
		p.odd = p.odd || s != ""
		return x
	}
	x.Fields = make(map[string]*structpb.Value, n)
	for seen := uint16(0); s != "" && !p.odd; seen = 0 {
		f := p.field(&s, &seen)
		if f.tag != first|kindBytes {
			p.odd = true
			break
		}
		var name string
		var value *structpb.Value
		for seen, entry := uint16(0), f.body; entry != "" && !p.odd; {
			f := p.field(&entry, &seen)
			switch f.tag {
			case first | kindBytes:
				name = p.text(f.body)
			case second | kindBytes:
				value = p.value(f.body, depth)
			default:
				p.odd = true
			}
		}
		if value == nil {
			p.odd = true
			break
		}
		x.Fields[name] = value
	}
	return x
}

// value reads a value, which has one kind.
func (p *plain) value(s string, depth int) *structpb.Value {
	seen := uint16(0)
	f := p.field(&s, &seen)
	if p.odd = p.odd || s != "" || depth >= plainNesting; p.odd {
		return nil
	}
	switch f.tag {
	case first | kindVarint:
		p.odd = f.value != 0
		return &structpb.Value{Kind: &structpb.Value_NullValue{}}
	case second | kindEight:
		return &structpb.Value{Kind: &structpb.Value_NumberValue{NumberValue: math.Float64frombits(f.value)}}
	case third | kindBytes:
		x := new(struct { // in one piece of memory, since most facts are texts
			value structpb.Value
			text  structpb.Value_StringValue
		})
		x.text.StringValue, x.value.Kind = p.text(f.body), &x.text
		return &x.value
	case fourth | kindVarint:
		return &structpb.Value{Kind: &structpb.Value_BoolValue{BoolValue: p.bit(f.value)}}
	case fifth | kindBytes:
		return &structpb.Value{Kind: &structpb.Value_StructValue{StructValue: p.facts(f.body, new(structpb.Struct), depth+1)}}
	case sixth | kindBytes:
		return &structpb.Value{Kind: &structpb.Value_ListValue{ListValue: p.list(f.body, depth+1)}}
	}
	p.odd = true
	return nil
}

func (p *plain) list(s string, depth int) *structpb.ListValue {
	x := new(structpb.ListValue)
	if n := p.count(s, first|kindBytes); n > 0 {
		x.Values = make([]*structpb.Value, 0, n)
	}
	for seen := uint16(0); s != "" && !p.odd; seen = 0 {
		f := p.field(&s, &seen)
		if f.tag != first|kindBytes {
			p.odd = true
			break
		}
		x.Values = append(x.Values, p.value(f.body, depth))
	}
	return x
}

// piece is one field of a message.
type piece struct {
	tag   uint8
	value uint64 // of a number
	body  string // of a text or a message
}

// field takes the next field off a message. It is odd when it has been seen before.
func (p *plain) field(s *string, seen *uint16) (f piece) {
	rest := *s
	if rest == "" || rest[0] >= 0x80 {
		p.odd = true
		return f
	}
	f.tag, rest = rest[0], rest[1:]
	if bit := uint16(1) << (f.tag >> 3); *seen&bit != 0 {
		p.odd = true
	} else {
		*seen |= bit
	}
	switch f.tag & 7 {
	case kindVarint:
		f.value, rest = p.number(rest)
	case kindEight:
		if len(rest) < 8 {
			p.odd = true
			return f
		}
		for i := range 8 {
			f.value |= uint64(rest[i]) << (8 * i)
		}
		rest = rest[8:]
	case kindBytes:
		var n uint64
		if n, rest = p.number(rest); n > uint64(len(rest)) {
			p.odd = true
			return f
		}
		f.body, rest = rest[:n], rest[n:]
	default:
		p.odd = true
	}
	*s = rest
	return f
}

// number takes a number off a message.
func (p *plain) number(s string) (n uint64, rest string) {
	for i := 0; i < len(s) && i < 10; i++ {
		n |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			p.odd = p.odd || i == 9 && s[i] > 1 // more than 64 bits
			return n, s[i+1:]
		}
	}
	p.odd = true
	return 0, s
}

// count is how often a field is in a message.
func (p *plain) count(s string, tag uint8) (n int) {
	for s != "" && !p.odd {
		seen := uint16(0)
		if f := p.field(&s, &seen); f.tag == tag {
			n++
		}
	}
	return n
}

func (p *plain) text(s string) string {
	if !utf8.ValidString(s) {
		p.odd = true
	}
	return s
}

func (p *plain) bit(n uint64) bool {
	p.odd = p.odd || n > 1
	return n == 1
}
