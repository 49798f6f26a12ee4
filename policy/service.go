package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// serviceClass is a compiled class of service.
type serviceClass struct {
	source   *klinkev1.ServiceClass
	types    uint32 // a bit for each type that is admitted
	prefixes map[string]bool
	lengths  uint32      // a bit for each length of a prefix
	hours    []*schedule // by type; nil for always
}

// newServiceClass checks and compiles a class; the error's field is below the class.
func newServiceClass(src *klinkev1.ServiceClass) (*serviceClass, error) {
	if err := checkField("name", src.GetName()); err != nil {
		return nil, err
	}
	k := &serviceClass{source: proto.CloneOf(src), hours: make([]*schedule, len(klinkev1.NumberType_name))}
	for i, t := range src.GetTypes() {
		if t <= 0 || int(t) >= len(klinkev1.NumberType_name) {
			return nil, Errorf(Invalid, fmt.Sprintf("types[%d]", i), "unknown number type %d", t)
		}
		if k.types>>t&1 == 1 {
			return nil, Errorf(Invalid, fmt.Sprintf("types[%d]", i), "%v stands twice", t)
		}
		k.types |= 1 << t
	}
	if err := k.readPrefixes(src.GetPrefixes()); err != nil {
		return nil, err
	}
	if err := k.readHours(src.GetHours()); err != nil {
		return nil, err
	}
	k.sort()
	return k, nil
}

func (k *serviceClass) readPrefixes(prefixes []*klinkev1.ClassPrefix) error {
	if len(prefixes) > MaxClassPrefixes {
		return Errorf(TooLarge, "prefixes", "%d prefixes; at most %d are allowed", len(prefixes), MaxClassPrefixes)
	}
	for i, p := range prefixes {
		digits, field := strings.TrimPrefix(p.GetPrefix(), "+"), fmt.Sprintf("prefixes[%d].prefix", i)
		if digits == "" || len(digits) > MaxDigits || strings.Trim(digits, "0123456789") != "" {
			return Errorf(Invalid, field, "%q is no prefix: write + and the first digits of numbers (+4930), or the first digits of extensions alone (20)", p.GetPrefix())
		}
		if has(k.prefixes, p.GetPrefix()) {
			return Errorf(Invalid, field, "the prefix %s stands twice", p.GetPrefix())
		}
		if k.prefixes == nil {
			k.prefixes = map[string]bool{}
		}
		k.prefixes[p.GetPrefix()] = !p.GetDeny()
		k.lengths |= 1 << len(p.GetPrefix())
	}
	return nil
}

func (k *serviceClass) readHours(hours []*klinkev1.ClassHours) error {
	if len(hours) > MaxClassHours {
		return Errorf(TooLarge, "hours", "%d hours; at most %d are allowed", len(hours), MaxClassHours)
	}
	for i, h := range hours {
		field := fmt.Sprintf("hours[%d]", i)
		if h.GetType() <= 0 || int(h.GetType()) >= len(klinkev1.NumberType_name) || k.types>>h.GetType()&1 == 0 {
			return Errorf(Invalid, field+".type", "the class does not admit this type at all")
		}
		one, err := newSchedule(&klinkev1.Schedule{Name: k.source.GetName(), Zone: k.source.GetZone(), Hours: daily(h)})
		if err != nil {
			return Errorf(Invalid, field, "%v", err)
		}
		if before := k.hours[h.GetType()]; before != nil {
			one.hours = append(one.hours, before.hours...)
		}
		k.hours[h.GetType()] = &one
	}
	if k.source.GetZone() != "" && len(hours) == 0 {
		return Errorf(Invalid, "zone", "a time zone without hours")
	}
	return nil
}

// daily is hours on every day of the week. Those that end before they begin go over midnight.
func daily(h *klinkev1.ClassHours) []*klinkev1.Hours {
	const midnight = 24 * time.Hour
	week := []uint32{1, 2, 3, 4, 5, 6, 7}
	if from, until := h.GetFrom().AsDuration(), h.GetUntil().AsDuration(); from <= until || until < 0 || from > midnight {
		return []*klinkev1.Hours{{Days: week, From: h.GetFrom(), Until: h.GetUntil()}}
	}
	out := []*klinkev1.Hours{{Days: week, From: h.GetFrom(), Until: durationpb.New(midnight)}}
	if h.GetUntil().AsDuration() != 0 {
		out = append(out, &klinkev1.Hours{Days: week, From: durationpb.New(0), Until: h.GetUntil()})
	}
	return out
}

// sort gives the record an order of its own: that in which its parts were written means nothing.
func (k *serviceClass) sort() {
	slices.Sort(k.source.Types)
	slices.SortFunc(k.source.Prefixes, func(a, b *klinkev1.ClassPrefix) int { return cmp.Compare(a.GetPrefix(), b.GetPrefix()) })
	slices.SortFunc(k.source.Hours, func(a, b *klinkev1.ClassHours) int {
		return cmp.Or(cmp.Compare(a.GetType(), b.GetType()), cmp.Compare(a.GetFrom().AsDuration(), b.GetFrom().AsDuration()),
			cmp.Compare(a.GetUntil().AsDuration(), b.GetUntil().AsDuration()))
	})
}

// admits says whether a class admits a number that is no emergency number. What is no number is in no class, whatever it begins
// with.
func (a *asker) admits(k *serviceClass, f *fact) bool {
	if k.lengths != 0 && f.dials {
		for n := min(len(f.text), MaxDigits+1); n > 0; n-- {
			if k.lengths>>n&1 == 1 {
				if allow, ok := k.prefixes[f.text[:n]]; ok {
					return allow
				}
			}
		}
	}
	return k.types>>f.number&1 == 1 && a.within(k.hours[f.number])
}

// numberClass asks the class that is fixed, or those that the person has for a purpose, or the purpose's default.
func (a *asker) numberClass(t *test, q *frame) bool {
	f := a.fact(q, t.attr)
	if f.state != factPresent || f.special {
		return false
	}
	if t.limit {
		admitted := false
		if a.limits(q.p, t.no, func(name string) bool {
			k := a.s.services[name]
			admitted = k != nil && a.admits(k, f)
			return !admitted
		}) {
			return admitted
		}
	}
	return a.admits(a.s.services[t.class], f)
}

func (d *draft) putServiceClass(x *klinkev1.ServiceClass) (bool, error) {
	next, err := newServiceClass(x)
	if err != nil {
		return false, err
	}
	old, known := d.s.services[x.GetName()]
	if known && old != d.s.model.services[x.GetName()] && proto.Equal(old.source, next.source) {
		return false, nil
	}
	if !known && len(d.s.services) >= MaxServiceClasses {
		return false, Errorf(TooLarge, "", "a tenant has at most %d classes of service", MaxServiceClasses)
	}
	d.editServices(func(all map[string]*serviceClass) { all[x.GetName()] = next })
	return true, nil
}

// deleteServiceClass puts the model's class of the same name back, if there is one.
func (d *draft) deleteServiceClass(x *klinkev1.ServiceClass) (bool, error) {
	old, declared := d.s.services[x.GetName()], d.s.model.services[x.GetName()]
	if old == declared {
		return false, nil
	}
	if declared == nil && d.serves(x.GetName()) {
		return false, Errorf(Refused, "name", "class %q is still somebody's: delete the limits that name it first", x.GetName())
	}
	d.editServices(func(all map[string]*serviceClass) {
		if delete(all, x.GetName()); declared != nil {
			all[x.GetName()] = declared
		}
	})
	return true, nil
}

func (d *draft) editServices(edit func(map[string]*serviceClass)) {
	d.s.services = maps.Clone(d.s.services)
	edit(d.s.services)
	d.touched[klinkev1.ReadKind_READ_KIND_SETTINGS] = true
}

// purpose says whether a limit is one whose values are classes of service.
func (m *Model) purpose(limit uint16) bool { return has(m.source.GetDefaultClasses(), m.limits[limit]) }

// serves says whether somebody has a class of service. It looks everywhere.
func (d *draft) serves(class string) (found bool) {
	has := func(l limitValue) bool { return l.value == class && d.s.model.purpose(l.name) }
	for i := range d.s.limits.len() {
		found = found || has(*d.s.limits.get(i))
	}
	d.s.bags(func(_ holder, b *bag) {
		for _, l := range b.limits {
			found = found || has(l)
		}
	})
	return found
}
