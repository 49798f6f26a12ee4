package account

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// facts reads the facts of a question in a file: texts, truth values, null for absent, lists and records. No attribute is
// a number, so an unquoted number is refused here rather than by the server later.
func (x *accountReader) facts(n *node) *structpb.Struct {
	return x.object(n, func(item *node) {
		x.failf(item, "%s is a number and no attribute is one: quote it", clip(item.text))
	})
}

// context reads circumstances: as facts, and numbers.
func (x *accountReader) context(n *node) *structpb.Struct {
	return x.object(n, nil)
}

func (x *accountReader) object(n *node, number func(*node)) *structpb.Struct {
	out := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for _, e := range x.named(n) {
		out.Fields[e.key.text] = x.json(e.value, number)
	}
	return out
}

func (x *accountReader) json(n *node, number func(*node)) *structpb.Value {
	switch n.shape {
	case nothing:
		return structpb.NewNullValue()
	case list:
		out := &structpb.ListValue{}
		for _, item := range n.items {
			out.Values = append(out.Values, x.json(item, number))
		}
		return structpb.NewListValue(out)
	case mapping:
		return structpb.NewStructValue(x.object(n, number))
	}
	if v, is := n.truth(); is {
		return structpb.NewBoolValue(v)
	}
	if v, is := jsonNumber(n.text); is && n.plain {
		if number != nil {
			number(n)
		}
		return structpb.NewNumberValue(v)
	}
	return structpb.NewStringValue(n.text)
}

// jsonNumber reads a number as JSON writes it. +4930 and 0176 are texts: they are dialled, not counted.
func jsonNumber(s string) (float64, bool) {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') || !json.Valid([]byte(s)) {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// Facts reads facts as they are given on a command line, `employee=bert`, by the kinds that the model declares for the
// type: text as it stands (in double quotes as JSON), groups divided by commas or as a JSON list, true or false, records
// as JSON, and `null` for absent. It returns nil for no pairs.
func Facts(m *klinkev1.Model, typ string, pairs []string) (*structpb.Struct, error) {
	var declared *klinkev1.ResourceType
	var types []string
	for _, t := range m.GetTypes() {
		types = append(types, t.GetName())
		if t.GetName() == typ {
			declared = t
		}
	}
	if declared == nil {
		return nil, policy.Errorf(policy.Invalid, "resource", "%s", unknown("type", typ, types))
	}
	var names []string
	for _, a := range declared.GetAttributes() {
		names = append(names, a.GetName())
	}
	return readPairs(pairs, func(name, value string) (*structpb.Value, error) {
		i := slices.Index(names, name)
		if i < 0 {
			return nil, policy.Errorf(policy.Invalid, name, "%s", unknown("fact of `"+typ+"`", name, names))
		}
		return factValue(declared.GetAttributes()[i], value)
	})
}

func factValue(a *klinkev1.Attribute, s string) (*structpb.Value, error) {
	if s == "null" {
		return structpb.NewNullValue(), nil
	}
	wrong := func(want string) error {
		return policy.Errorf(policy.Invalid, a.GetName(), "`%s` is not %s", clip(s), want)
	}
	switch a.GetKind() {
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_BOOL:
		if s != "true" && s != "false" {
			return nil, wrong("true, false or null")
		}
		return structpb.NewBoolValue(s == "true"), nil
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORD:
		v := jsonValue(s)
		if v.GetStructValue() == nil {
			return nil, wrong(`a record in JSON, {"type": …, "id": …}`)
		}
		return v, nil
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORDS:
		v := jsonValue(s)
		if v.GetListValue() == nil {
			return nil, wrong(`a list of records in JSON, [{"type": …, "id": …}]`)
		}
		return v, nil
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_GROUPS:
		if strings.HasPrefix(s, "[") {
			v := jsonValue(s)
			if v.GetListValue() == nil {
				return nil, wrong("a list in JSON")
			}
			return v, nil
		}
		out := &structpb.ListValue{}
		for g := range strings.SplitSeq(s, ",") {
			if s != "" {
				out.Values = append(out.Values, structpb.NewStringValue(g))
			}
		}
		return structpb.NewListValue(out), nil
	}
	return textValue(s, wrong)
}

func textValue(s string, wrong func(string) error) (*structpb.Value, error) {
	if !strings.HasPrefix(s, `"`) {
		return structpb.NewStringValue(s), nil
	}
	v := jsonValue(s)
	if _, is := v.GetKind().(*structpb.Value_StringValue); !is {
		return nil, wrong("a text in JSON's double quotes")
	}
	return v, nil
}

// jsonValue returns nil for what is no JSON.
func jsonValue(s string) *structpb.Value {
	v := &structpb.Value{}
	if protojson.Unmarshal([]byte(s), v) != nil {
		return nil
	}
	return v
}

// Context reads circumstances as they are given on a command line, `mfa=true`: true, false, null, numbers, lists, records
// and double-quoted texts as JSON, all else as text. It returns nil for no pairs.
func Context(pairs []string) (*structpb.Struct, error) {
	return readPairs(pairs, func(name, s string) (*structpb.Value, error) {
		if _, number := jsonNumber(s); number || s == "true" || s == "false" || s == "null" {
			return jsonValue(s), nil
		}
		if s != "" && strings.ContainsRune(`"[{`, rune(s[0])) {
			if v := jsonValue(s); v != nil {
				return v, nil
			}
			return nil, policy.Errorf(policy.Invalid, name, "`%s` is no JSON", clip(s))
		}
		return structpb.NewStringValue(s), nil
	})
}

func readPairs(pairs []string, read func(name, value string) (*structpb.Value, error)) (*structpb.Struct, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	out := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(pairs))}
	for _, p := range pairs {
		name, value, found := strings.Cut(p, "=")
		if !found || name == "" {
			return nil, policy.Errorf(policy.Invalid, "", "`%s` is no fact: write name=value", clip(p))
		}
		if _, twice := out.Fields[name]; twice {
			return nil, policy.Errorf(policy.Invalid, name, "is said twice")
		}
		v, err := read(name, value)
		if err != nil {
			return nil, err
		}
		out.Fields[name] = v
	}
	return out, nil
}
