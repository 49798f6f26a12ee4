package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy/dial"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// factReader reads the facts of a question by the kinds that the model declares.
type factReader struct {
	s         *Snapshot
	normalise func(site, raw string) dial.Number
	site      string
}

// read fills facts by the type's attributes. depth counts the records that these facts are inside of.
func (f *factReader) read(into []fact, path string, t *resourceType, fields map[string]*structpb.Value, depth int) ([]fact, error) {
	if len(fields) > MaxFacts {
		return nil, Errorf(TooLarge, path, "%d facts; at most %d are allowed", len(fields), MaxFacts)
	}
	into = slices.Grow(into, len(t.attrs))[:len(t.attrs)]
	for i := range t.attrs {
		into[i] = fact{}
		if t.attrs[i].optional {
			into[i].state = factAbsent
		}
	}
	for name, v := range fields {
		no, ok := t.attrNo[name]
		if !ok {
			return nil, Errorf(Invalid, path+"."+name, "type %q has no attribute %q", t.name, name)
		}
		if err := f.value(&into[no], &t.attrs[no], t, v, depth); err != nil {
			return nil, within(path+"."+name, err)
		}
	}
	return into, nil
}

func (f *factReader) value(to *fact, a *attribute, t *resourceType, v *structpb.Value, depth int) error {
	if _, ok := v.GetKind().(*structpb.Value_NullValue); ok {
		to.state = factAbsent
		return nil
	}
	to.state = factPresent
	switch a.kind {
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_BOOL:
		b, ok := v.GetKind().(*structpb.Value_BoolValue)
		if !ok {
			return Errorf(Invalid, "", "must be true or false")
		}
		to.bit = b.BoolValue
		return nil
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_GROUPS:
		return f.groups(to, v)
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORD, klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORDS:
		return f.records(to, a, t, v, depth)
	}
	text, ok := v.GetKind().(*structpb.Value_StringValue)
	if !ok {
		return Errorf(Invalid, "", "must be a text")
	}
	to.text = text.StringValue
	if len(to.text) > MaxFactBytes {
		return Errorf(TooLarge, "", "%d bytes; at most %d are allowed", len(to.text), MaxFactBytes)
	}
	switch a.kind {
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_NUMBER:
		f.number(to)
		return nil
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_USER, klinkev1.AttributeKind_ATTRIBUTE_KIND_APP, klinkev1.AttributeKind_ATTRIBUTE_KIND_PRINCIPAL:
		var err error
		to.space, to.text, err = subjectFact(a.kind, to.text)
		return err
	case klinkev1.AttributeKind_ATTRIBUTE_KIND_ID:
		if err := checkField("", to.text); err != nil {
			return err
		}
		if a.of == siteOf && f.s.plan != nil && !f.s.plan.HasSite(to.text) {
			return Errorf(Invalid, "", "there is no site %q", to.text)
		}
	default:
		if err := checkText(to.text); err != nil {
			return Errorf(Invalid, "", "%v", err)
		}
	}
	return nil
}

// subjectFact reads who a fact names: an id of the attribute's own kind, or one with its kind in front.
func subjectFact(kind klinkev1.AttributeKind, text string) (space byte, id string, err error) {
	prefix, rest, ok := strings.Cut(text, ":")
	space, id = spaceUser, text
	if kind == klinkev1.AttributeKind_ATTRIBUTE_KIND_APP {
		space = spaceApp
	}
	if ok {
		switch {
		case prefix == "user" && kind != klinkev1.AttributeKind_ATTRIBUTE_KIND_APP:
			space, id = spaceUser, rest
		case prefix == "app" && kind != klinkev1.AttributeKind_ATTRIBUTE_KIND_USER:
			space, id = spaceApp, rest
		case prefix == "group" && kind == klinkev1.AttributeKind_ATTRIBUTE_KIND_PRINCIPAL:
			space, id = spaceGroup, rest
		}
	}
	return space, id, checkField("", id)
}

// number puts a telephone number into its canonical form: an extension of the tenant is its digits.
func (f *factReader) number(to *fact) {
	n := f.normalise(f.site, to.text)
	to.special = n.Emergency
	to.text, to.number, to.dials = n.Canonical(), n.Type, n.E164 != ""
	if f.s.lists[f.s.model.listNo[ExtensionList]].contains(n.Stripped) {
		to.text, to.number, to.dials = n.Stripped, klinkev1.NumberType_NUMBER_TYPE_INTERNAL, true
	}
}

func (f *factReader) groups(to *fact, v *structpb.Value) error {
	l, ok := v.GetKind().(*structpb.Value_ListValue)
	if !ok {
		return Errorf(Invalid, "", "must be a list of group ids")
	}
	size := 0
	for i, x := range l.ListValue.GetValues() {
		id, ok := x.GetKind().(*structpb.Value_StringValue)
		if !ok {
			return Errorf(Invalid, fmt.Sprintf("[%d]", i), "must be a group's id")
		}
		if err := checkField(fmt.Sprintf("[%d]", i), id.StringValue); err != nil {
			return err
		}
		if size += len(id.StringValue); size > MaxFactBytes {
			return Errorf(TooLarge, "", "more than %d bytes", MaxFactBytes)
		}
		to.list = append(to.list, id.StringValue)
	}
	return nil
}

func (f *factReader) records(to *fact, a *attribute, t *resourceType, v *structpb.Value, depth int) error {
	if depth >= 2 {
		return Errorf(TooLarge, "", "records inside records inside records")
	}
	if sizeOf(v, MaxFactBytes) > MaxFactBytes {
		return Errorf(TooLarge, "", "more than %d bytes", MaxFactBytes)
	}
	list := []*structpb.Value{v}
	if a.kind == klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORDS {
		l, ok := v.GetKind().(*structpb.Value_ListValue)
		if !ok {
			return Errorf(Invalid, "", "must be a list of records")
		}
		list = l.ListValue.GetValues()
	}
	for i, x := range list {
		path := ""
		if a.kind == klinkev1.AttributeKind_ATTRIBUTE_KIND_RECORDS {
			path = fmt.Sprintf("[%d]", i)
		}
		r, err := f.record(t, x, depth)
		if err != nil {
			return within(path, err)
		}
		to.records = append(to.records, r)
	}
	return nil
}

// record reads `{type, id, …facts}`; without a type it is of the question's own.
func (f *factReader) record(t *resourceType, v *structpb.Value, depth int) (record, error) {
	x, ok := v.GetKind().(*structpb.Value_StructValue)
	if !ok {
		return record{}, Errorf(Invalid, "", "must be a record {type, id, …}")
	}
	out := record{typ: t}
	fields := map[string]*structpb.Value{}
	for name, v := range x.StructValue.GetFields() {
		text, isText := v.GetKind().(*structpb.Value_StringValue)
		switch name {
		case "type", "id":
			if !isText {
				return record{}, Errorf(Invalid, name, "must be a text")
			}
			if name == "id" {
				out.id = text.StringValue
				if err := checkField("id", out.id); err != nil {
					return record{}, err
				}
				continue
			}
			no, ok := f.s.model.typeNo[text.StringValue]
			if !ok {
				return record{}, Errorf(Invalid, "type", "the model has no type %q", text.StringValue)
			}
			out.typ = &f.s.model.types[no]
		default:
			fields[name] = v
		}
	}
	var err error
	out.facts, err = f.read(nil, "", out.typ, fields, depth+1)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			e.Field = strings.TrimPrefix(e.Field, ".")
		}
	}
	return out, err
}
