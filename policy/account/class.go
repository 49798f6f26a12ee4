package account

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// class reads a class of service, of a model or an account.
func (r *reader) class(name string, n *node) *klinkev1.ServiceClass {
	out := &klinkev1.ServiceClass{Name: name}
	for _, e := range r.entries(n) {
		switch e.key.text {
		case "types":
			for _, item := range r.items(e.value) {
				if t := r.numberType(item); !slices.Contains(out.Types, t) { // a mixin may admit it too
					out.Types = append(out.Types, t)
				}
			}
		case "prefixes":
			for _, p := range r.entries(e.value) {
				out.Prefixes = append(out.Prefixes, r.classPrefix(p))
			}
		case "hours":
			for _, h := range r.entries(e.value) {
				out.Hours = append(out.Hours, r.classHours(r.numberType(h.key), h.value)...)
			}
		case "zone":
			out.Zone = r.bounded(e.value, maxZoneBytes)
		default:
			r.unknown(e.key, "key", []string{"types", "prefixes", "hours", "zone"})
		}
	}
	if len(out.Hours) > 0 {
		r.need(n, out.Zone, "zone")
	}
	return out
}

// Bounds of the contract's classes of service.
const (
	maxZoneBytes    = 64
	maxPrefixDigits = 15
)

// badPrefix says what is wrong with a prefix of telephone numbers.
func badPrefix(s string) string {
	if d := strings.TrimPrefix(s, "+"); d == "" || len(d) > maxPrefixDigits || !digits(d) {
		return "`" + clip(s) + "` is no prefix: write + and the first digits of numbers (\"+4930\"), or the first digits of extensions alone (\"20\")"
	}
	return ""
}

func (r *reader) classPrefix(p entry) *klinkev1.ClassPrefix {
	if fault := badPrefix(p.key.text); fault != "" {
		r.failf(p.key, "%s", fault)
	}
	return &klinkev1.ClassPrefix{Prefix: p.key.text, Deny: r.oneOf(p.value, "outcome", "allow", "deny") == "deny"}
}

// classHours reads when a type is admitted, day after day: a pair of times, or a list of pairs. One that ends before it begins
// goes over midnight.
func (r *reader) classHours(t klinkev1.NumberType, n *node) []*klinkev1.ClassHours {
	spans := r.spans(n)
	if len(spans) == 0 {
		r.failf(n, "no hours at all: leave the type out of `types` instead")
	}
	var out []*klinkev1.ClassHours
	for _, s := range spans {
		if s.from == s.until {
			r.failf(s.at, "hours that end when they begin: write [\"00:00\", \"24:00\"] for the whole day")
		}
		out = append(out, &klinkev1.ClassHours{Type: t, From: durationpb.New(s.from), Until: durationpb.New(s.until)})
	}
	return out
}

const numberTypePrefix = "NUMBER_TYPE_"

// numberType reads a kind of number: `mobile`, `international_premium`.
func (r *reader) numberType(n *node) klinkev1.NumberType {
	s := r.text(n)
	if v := klinkev1.NumberType_value[numberTypePrefix+strings.ToUpper(s)]; v != 0 && s == strings.ToLower(s) {
		return klinkev1.NumberType(v)
	}
	var known []string
	for i := int32(1); i < int32(len(klinkev1.NumberType_name)); i++ {
		known = append(known, string(numberTypeWord(klinkev1.NumberType(i))))
	}
	r.unknown(n, "type of number", known)
	return 0
}

func numberTypeWord(t klinkev1.NumberType) word {
	return word(strings.ToLower(strings.TrimPrefix(t.String(), numberTypePrefix)))
}

// classPairs writes a class. Hours of one type stand together.
func classPairs(k *klinkev1.ServiceClass) []pair {
	var out, prefixes, hours []pair
	if len(k.GetTypes()) > 0 {
		var types []word
		for _, t := range k.GetTypes() {
			types = append(types, numberTypeWord(t))
		}
		out = append(out, pair{"types", types})
	}
	for _, p := range k.GetPrefixes() {
		outcome := word("allow")
		if p.GetDeny() {
			outcome = "deny"
		}
		prefixes = append(prefixes, pair{quote(p.GetPrefix()), outcome})
	}
	if prefixes != nil {
		out = append(out, pair{"prefixes", prefixes})
	}
	for i := 0; i < len(k.GetHours()); {
		t := k.GetHours()[i].GetType()
		var spans []word
		for ; i < len(k.GetHours()) && k.GetHours()[i].GetType() == t; i++ {
			spans = append(spans, "["+clock(k.GetHours()[i].GetFrom())+", "+clock(k.GetHours()[i].GetUntil())+"]")
		}
		var value any = spans
		if len(spans) == 1 {
			value = spans[0]
		}
		hours = append(hours, pair{numberTypeWord(t), value})
	}
	if hours != nil {
		out = append(out, pair{"hours", hours})
	}
	return optional(out, "zone", k.GetZone())
}

func clock(d *durationpb.Duration) word {
	minutes := int(d.AsDuration() / time.Minute)
	return word(fmt.Sprintf(`"%02d:%02d"`, minutes/60, minutes%60))
}

// class checks a class of service.
func (c *checker) class(k *klinkev1.ServiceClass) {
	c.names(k.GetName())
	c.text(maxZoneBytes, k.GetZone())
	known := func(t klinkev1.NumberType) {
		if klinkev1.NumberType_name[int32(t)] == "" || t == 0 {
			c.wrongf("%v is no type of number", t)
		}
	}
	for i, t := range k.GetTypes() {
		if known(t); slices.Contains(k.GetTypes()[:i], t) {
			c.wrongf("the type %s twice", numberTypeWord(t))
		}
	}
	prefixes := map[string]bool{}
	for _, p := range k.GetPrefixes() {
		if fault := badPrefix(p.GetPrefix()); fault != "" {
			c.wrongf("%s", fault)
		}
		if prefixes[p.GetPrefix()] {
			c.wrongf("the prefix %s twice", p.GetPrefix())
		}
		prefixes[p.GetPrefix()] = true
	}
	ended := map[klinkev1.NumberType]bool{} // types whose hours are written
	for i, h := range k.GetHours() {
		known(h.GetType())
		if i > 0 && k.GetHours()[i-1].GetType() != h.GetType() {
			ended[k.GetHours()[i-1].GetType()] = true
		}
		if ended[h.GetType()] {
			c.wrongf("the hours of %s stand apart", numberTypeWord(h.GetType()))
		}
		if from, until := h.GetFrom(), h.GetUntil(); !timeOfDay(from) || !timeOfDay(until) || from.AsDuration() == until.AsDuration() {
			c.wrongf("hours from %v until %v are no two times of day, whole minutes", from.AsDuration(), until.AsDuration())
		}
	}
	if len(k.GetHours()) > 0 && k.GetZone() == "" {
		c.wrongf("hours without a time zone")
	}
}

func timeOfDay(d *durationpb.Duration) bool {
	return d.CheckValid() == nil && d.AsDuration() >= 0 && d.AsDuration() <= 24*time.Hour && d.AsDuration()%time.Minute == 0
}

// class reads a class of the tenant's own, or one that stands before the model's of the same name.
func (x *accountReader) class(k entry) {
	said := k.value.get("types")
	for i, item := range x.items(said) {
		if slices.ContainsFunc(said.items[:i], func(n *node) bool { return n.text == item.text }) {
			x.failf(item, "the type `%s` is said twice", clip(item.text))
		}
	}
	x.once("classes", k.key, "an entry is the whole class")
	x.add(k.key, &klinkev1.Record{Record: &klinkev1.Record_ServiceClass{ServiceClass: x.reader.class(k.key.text, k.value)}})
}
