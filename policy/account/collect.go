package account

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Kinds lists the kinds of record that an account file holds, in the order in which policy.Apply accepts them (what is
// named before what names it) and in which Encoder.Put wants them. The use of a model is not among them: it stands in the
// file's head, and the tenant is made with it.
func Kinds() []klinkev1.RecordKind {
	return []klinkev1.RecordKind{
		klinkev1.RecordKind_RECORD_KIND_SETTING,
		klinkev1.RecordKind_RECORD_KIND_SERVICE_CLASS,
		klinkev1.RecordKind_RECORD_KIND_SITE,
		klinkev1.RecordKind_RECORD_KIND_EMERGENCY_NUMBER,
		klinkev1.RecordKind_RECORD_KIND_DEPARTMENT,
		klinkev1.RecordKind_RECORD_KIND_GROUP,
		klinkev1.RecordKind_RECORD_KIND_ROLE,
		klinkev1.RecordKind_RECORD_KIND_ROLE_INCLUDE,
		klinkev1.RecordKind_RECORD_KIND_CELL,
		klinkev1.RecordKind_RECORD_KIND_SUBJECT,
		klinkev1.RecordKind_RECORD_KIND_DEPARTMENT_MEMBER,
		klinkev1.RecordKind_RECORD_KIND_GROUP_MEMBER,
		klinkev1.RecordKind_RECORD_KIND_ASSIGNMENT,
		klinkev1.RecordKind_RECORD_KIND_OBJECT_GRANT,
		klinkev1.RecordKind_RECORD_KIND_CEILING,
		klinkev1.RecordKind_RECORD_KIND_LIMIT,
		klinkev1.RecordKind_RECORD_KIND_SHARING_RULE,
		klinkev1.RecordKind_RECORD_KIND_LISTED_NUMBER,
	}
}

// collector gathers the records of one document. The same record from two places counts once.
type collector struct {
	reader
	kinds [klinkev1.RecordKind_RECORD_KIND_SERVICE_CLASS + 1][]placed
	seen  map[string]placed
}

// placed is a record and where the file says it.
type placed struct {
	record *klinkev1.Record
	at     *node
}

func (c *collector) add(at *node, r *klinkev1.Record) {
	if c.err != nil {
		return
	}
	kind, parts := policy.RecordKey(r)
	key := string(policy.AppendKey(nil, kind, parts))
	p := placed{r, at}
	if first, twice := c.seen[key]; twice {
		if !proto.Equal(first.record, r) {
			c.failf(at, "this is said differently in line %d", first.at.line)
		}
		return
	}
	c.seen[key] = p
	c.kinds[kind] = append(c.kinds[kind], p)
}

// changes returns what was gathered in the order of Kinds, departments and roles below those above them, and where each
// stands in the file.
func (c *collector) changes() (out []*klinkev1.Change, places []Place) {
	out, places = make([]*klinkev1.Change, 0, len(c.seen)), make([]Place, 0, len(c.seen))
	for _, k := range Kinds() {
		ps := c.kinds[k]
		if k == klinkev1.RecordKind_RECORD_KIND_DEPARTMENT || k == klinkev1.RecordKind_RECORD_KIND_ROLE {
			sorted, circle := parentsFirst(ps, func(p placed) *klinkev1.Record { return p.record })
			if circle != nil {
				c.failf(circle.at, "this is above itself")
			}
			ps = sorted
		}
		for _, p := range ps {
			out = append(out, &klinkev1.Change{Change: &klinkev1.Change_Put{Put: p.record}})
			places = append(places, p.at.place())
		}
	}
	return out, places
}

// above returns a department's or role's id and that of the one above it.
func above(r *klinkev1.Record) (id, parent string) {
	if d := r.GetDepartment(); d != nil {
		return d.GetId(), d.GetParent()
	}
	return r.GetRole().GetId(), r.GetRole().GetUnder()
}

// parentsFirst sorts departments or roles so that each follows the one above it, and otherwise keeps their order. An item
// of a circle is returned too.
func parentsFirst[T any](items []T, record func(T) *klinkev1.Record) (sorted []T, circle *T) {
	index := make(map[string]int, len(items))
	for i, item := range items {
		id, _ := above(record(item))
		index[id] = i
	}
	const waiting, done = 1, 2
	state := make([]uint8, len(items))
	sorted = make([]T, 0, len(items))
	var line []int
	for i := range items {
		for at, ok := i, true; ok && state[at] != done; {
			if state[at] == waiting {
				return items, &items[at]
			}
			state[at] = waiting
			line = append(line, at)
			_, parent := above(record(items[at]))
			at, ok = index[parent]
		}
		slices.Reverse(line)
		for _, at := range line {
			state[at] = done
			sorted = append(sorted, items[at])
		}
		line = line[:0]
	}
	return sorted, nil
}
