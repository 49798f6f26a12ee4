package policy

import (
	"crypto/sha256"
	"maps"
	"slices"
	"time"

	"github.com/klinke-authz/klinke/policy/dial"
)

// Snapshot is one tenant at one revision: immutable, compiled, safe for use from any goroutine. What only people read
// (labels) stays in the store's record table; the snapshot keeps a digest of it, to tell a change from none.
type Snapshot struct {
	model  *Model
	lowest bool // roles are combined by the lowest level
	direct bool // roles given to somebody himself silence those that he is given through groups

	subjects   dict[subject]
	attributes dict[[]string] // of subjects that have any, by Model.userAttr
	classes    classes

	groupNo, departmentNo, roleNo dict[uint32]
	groups                        vec[*group]
	nested                        vec[bool] // by group: it has members other than subjects
	departments                   vec[*department]
	roles                         vec[*role]
	everybody                     *entity

	sets roleSets
	// The named fields that roles, grants and ceilings speak of; their permissions follow the model's.
	fields  []field
	fieldNo map[fieldKey]perm
	// Numbers that edges and bags name.
	timed    table[timed]
	ceilings table[ceiling]
	limits   table[limitValue]
	grants   table[objectGrant]
	sharing  table[sharingRule]

	objects  []dict[[]uint32] // by type: a resource's grants
	granted  map[perm]uint32  // how many object grants name a permission
	capped   map[perm]uint32  // how many ceilings
	settings []settingValues  // by Model.settings
	lists    []numberSet      // by Model.lists
	sites    map[string]*site
	plan     *dial.Plan
	services map[string]*serviceClass // the model's, and the tenant's in front of them; never nil once there is a model
	conds    map[condKey]*condition
	moments  moments    // when assignments and object grants begin and end
	hours    []hoursUse // by Model.scheds
	count    counts
}

type counts struct{ subjects, groups, departments, roles, assignments, ceilings int }

// subject is a row of Snapshot.subjects.
type subject struct {
	bits uint32 // the class, and subjectInactive
	text digest
}

const (
	spaceUser = byte('u')
	spaceApp  = byte('a')

	subjectInactive = uint32(1) << 31
	subjectClass    = subjectInactive - 1
)

// digest stands for text that stays on disk; zero for none.
type digest [8]byte

func digestOf(parts ...string) digest {
	if len(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" })) == 0 {
		return digest{}
	}
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte{byte(len(p) >> 8), byte(len(p))})
		h.Write([]byte(p))
	}
	return digest(h.Sum(nil)[:8])
}

// labels flattens labels in a fixed order.
func labels(m map[string]string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k, m[k])
	}
	return out
}

// holder is whom something is given to, other than one subject: a kind and a dense number.
type holder uint32

const (
	holderEverybody       = holder(iota+1) << 28
	holderGroup           // directly or by nesting in it
	holderRole            // directly assigned
	holderRoleBelow       // or one below it
	holderDepartment      // members and heads
	holderDepartmentBelow // or of one below it

	holderKind   = holder(0xf) << 28
	holderNumber = ^holderKind
)

func (h holder) kind() holder   { return h & holderKind }
func (h holder) number() uint32 { return uint32(h & holderNumber) }

// bag is what is given to one holder. Bags are replaced, never changed.
type bag struct {
	roles    []bagRole
	groups   []uint32 // in which it is a member
	ceilings []ceiling
	limits   []limitValue
	sharing  []uint32 // sharing rules that give to it
	objects  uint32   // object grants that name it
	shares   uint32   // sharing rules that give from it
}

type bagRole struct{ role, timed uint32 } // timed: number+1 of Snapshot.timed, 0 for always

func (b *bag) empty() bool {
	return b == nil || len(b.roles)+len(b.groups)+len(b.ceilings)+len(b.limits)+len(b.sharing) == 0 && b.objects == 0 && b.shares == 0
}

// entity is what groups, departments, roles and everybody have in common: a name, what is given to them, and, derived from
// that, what whoever stands on them is reached by. Entities are shared between snapshots; a batch changes only its own.
type entity struct {
	owner    *batch
	id       string
	text     digest
	subjects uint32 // edges of subjects that end here
	own      *bag   // as `group:`, `department:`, `role:`, `everybody`
	below    *bag   // as `department+:`, `role+:`

	reach    []holder // every holder that reaches who stands here, sorted
	given             // through all of them; a role's own role is in it
	alone    given    // other than through groups; kept when the model may ask for it
	ceilings []ceiling
	limited  bool // one of them has limits
	shared   bool // sharing rules give to one of them
}

// given is what an entity gives.
type given struct {
	set   uint32   // the roles given for good, as a role set
	timed []uint32 // the timed assignments
}

// gives returns what an entity gives to somebody who has a role of his own, or has none.
func (s *Snapshot) gives(x *entity, ownRole bool) given {
	if s.direct && ownRole {
		return x.alone
	}
	return x.given
}

// silent says whether an entity gives something through groups.
func (x *entity) silent() bool { return x.alone.set != x.set || len(x.alone.timed) != len(x.timed) }

type group struct {
	entity
	members []holder // other than subjects
}

type department struct {
	entity
	parent   uint32 // number+1
	children []uint32
}

type role struct {
	entity
	parent        uint32 // number+1
	children      []uint32
	notAssignable bool
	includes      []uint32
	includedBy    uint32
	given         uint32 // assignments to holders other than subjects
	cells         []cell // sorted by pattern

	closure []uint32 // itself and all that it includes, sorted
	table   *cells   // what the closure says, merged
}

// cell is what a role says about the permissions of a pattern.
type cell struct {
	pattern string
	level   string
	cond    *condition
	sched   *schedule
}

func (c *cell) conditional() bool { return c.cond != nil || c.sched != nil }

// field is a named field's permission.
type field struct {
	generic perm
	name    string
	full    string // `account.phone:read`
}

type fieldKey struct {
	generic perm
	name    string
}

type timed struct {
	role        uint32
	from, until int64 // Unix nanoseconds; 0 for none
	cond        *condition
	sched       *schedule
}

type ceiling struct {
	perm perm
	rank uint8
}

type limitValue struct {
	name  uint16
	value string
}

type objectGrant struct {
	typ    uint16
	perm   perm
	rank   uint8
	until  int64
	holder holder // 0: a subject
	space  byte
	who    string // the subject
	id     string
}

type settingValues struct {
	set    bool
	plain  string
	scoped map[settingScope]string
	byType []typeSetting // those of whole types once more, by the model's types: decisions look here, without hashing
}

type typeSetting struct {
	set   bool
	value string
}

type settingScope struct {
	typ   uint16
	field string // empty for the whole type
}

type site struct {
	dial.Site
}

type condKey struct {
	typ    int // -1 for any
	source string
}

// table is a vec with numbers that can be given back.
type table[T any] struct {
	vec[T]
	free []uint32
	live int
}

func (t *table[T]) add(b *batch, x T) uint32 {
	t.live++
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[: n-1 : n-1]
		*t.edit(b, i) = x
		return i
	}
	return t.push(b, x)
}

func (t *table[T]) remove(b *batch, i uint32) {
	var zero T
	*t.edit(b, i) = zero
	t.free = append(slices.Clip(t.free), i)
	t.live--
}

var epoch = time.Unix(0, 0).UTC()

// Empty is a tenant with nothing in it, not even a model. Only a write that puts a model's use can come next.
func Empty() *Snapshot {
	b := new(batch)
	s := &Snapshot{
		subjects: newDict[subject](b), attributes: newDict[[]string](b), classes: newClasses(b),
		groupNo: newDict[uint32](b), departmentNo: newDict[uint32](b), roleNo: newDict[uint32](b),
		everybody: &entity{reach: []holder{holderEverybody}},
		granted:   map[perm]uint32{}, capped: map[perm]uint32{}, sites: map[string]*site{}, conds: map[condKey]*condition{},
		fieldNo: map[fieldKey]perm{},
	}
	s.sets = newRoleSets(b)
	return s
}

// Model is the version that the tenant uses; nil for an empty one.
func (s *Snapshot) Model() *Model { return s.model }

// Plan says how numbers are dialled in the tenant.
func (s *Snapshot) Plan() *dial.Plan { return s.plan }

// Size is the number of records that loading the tenant has to restore, roughly: subjects, entities, assignments, grants
// and numbers.
func (s *Snapshot) Size() int {
	n := s.count.subjects + s.count.groups + s.count.departments + s.count.roles + s.count.assignments + s.grants.live + s.sharing.live
	for i := range s.lists {
		n += s.lists[i].n
	}
	return n
}

// entityOf returns what an edge to a group, department or role ends at.
func (s *Snapshot) entityOf(e edge) *entity {
	switch e.kind() {
	case edgeGroup:
		return &(*s.groups.get(e.number())).entity
	case edgeDepartment, edgeHead:
		return &(*s.departments.get(e.number())).entity
	case edgeRole:
		return &(*s.roles.get(e.number())).entity
	case edgeTimed:
		return &(*s.roles.get(s.timed.get(e.number()).role)).entity
	}
	return nil
}

// bagOf returns what is given to a holder; it may be nil.
func (s *Snapshot) bagOf(h holder) *bag {
	switch h.kind() {
	case holderEverybody:
		return s.everybody.own
	case holderGroup:
		return (*s.groups.get(h.number())).own
	case holderRole:
		return (*s.roles.get(h.number())).own
	case holderRoleBelow:
		return (*s.roles.get(h.number())).below
	case holderDepartment:
		return (*s.departments.get(h.number())).own
	case holderDepartmentBelow:
		return (*s.departments.get(h.number())).below
	}
	return nil
}

// bags visits every holder to which something is given.
func (s *Snapshot) bags(visit func(h holder, b *bag)) {
	try := func(h holder) {
		if b := s.bagOf(h); b != nil {
			visit(h, b)
		}
	}
	try(holderEverybody)
	for n := range s.groups.len() {
		try(holderGroup | holder(n))
	}
	for n := range s.roles.len() {
		try(holderRole | holder(n))
		try(holderRoleBelow | holder(n))
	}
	for n := range s.departments.len() {
		try(holderDepartment | holder(n))
		try(holderDepartmentBelow | holder(n))
	}
}

// permission returns the model's permission behind a number, and the name of the field when it is a named one.
func (s *Snapshot) permission(p perm) (*permission, string) {
	if n := int(p) - len(s.model.perms); n >= 0 {
		return &s.model.perms[s.fields[n].generic], s.fields[n].name
	}
	return &s.model.perms[p], ""
}

// permName is the full name of a permission.
func (s *Snapshot) permName(p perm) string {
	if n := int(p) - len(s.model.perms); n >= 0 {
		return s.fields[n].full
	}
	return s.model.perms[p].name
}

// scale is the scale of a permission.
func (s *Snapshot) scale(p perm) *scale {
	x, _ := s.permission(p)
	return x.rule.scale
}

// readOf is the permission to read the field that p writes.
func (s *Snapshot) readOf(p perm) perm {
	x, name := s.permission(p)
	generic := s.model.types[x.typ].read
	if name == "" {
		return generic
	}
	return s.fieldPerm(generic, name)
}

// fieldPerm is the number of a named field's permission, or the generic one when nobody speaks of that field.
func (s *Snapshot) fieldPerm(generic perm, name string) perm {
	if p, ok := s.fieldNo[fieldKey{generic, name}]; ok {
		return p
	}
	return generic
}
