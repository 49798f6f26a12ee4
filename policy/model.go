package policy

import (
	"slices"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"

	"github.com/klinke-authz/klinke/policy/dial"
)

// Model is a compiled version of a model: names resolved to dense numbers, tests to a tree. It is immutable and may be used
// from any goroutine. Its numbers never leave the snapshots that use it.
type Model struct {
	source  *klinkev1.Model
	version uint32

	types       []resourceType
	typeNo      map[string]uint16
	perms       []permission // actions, then the two generic permissions of each type with fields
	permNo      map[string]perm
	flagNo      map[string]uint32
	userAttr    map[string]uint8
	settings    []setting
	setNo       map[string]uint16
	combine     uint16 // the setting that says how roles are combined, when byHow is COMBINE_SETTING
	inheritance []inheritance
	direct      int      // the setting that says whether direct roles silence those through groups; -1 for none
	limits      []string // names that tests use
	limitNo     map[string]uint16
	lists       []string // names that tests use, and ExtensionList
	listNo      map[string]uint16
	schedNo     map[string]uint16
	scheds      []schedule
	services    map[string]*serviceClass // classes of service
	serving     bool                     // a test asks for them
	plan        *dial.Plan               // without sites
	cel         conditions
	numbers     bool // a type has a number among its attributes
}

// ExtensionList is the number list that holds a tenant's extensions.
const ExtensionList = "extensions"

// Name is the model's name.
func (m *Model) Name() string { return m.source.GetName() }

// Version is the model's version, counted from 1.
func (m *Model) Version() uint32 { return m.version }

// Source is the message that the model was compiled from. It must not be changed.
func (m *Model) Source() *klinkev1.Model { return m.source }

// Lists names the number lists that a tenant of the model may have: those that tests ask for, and the extensions.
func (m *Model) Lists() []string { return slices.Sorted(slices.Values(m.lists)) }

// perm is the dense number of a permission: below len(Model.perms) the model's own, from there on a named field's.
type perm uint16

type resourceType struct {
	name      string
	star      string // `recording.*`
	no        uint16
	attrs     []attribute
	attrNo    map[string]uint8
	relations []*test
	relNo     map[string]int
	actions   map[string]perm
	fields    bool
	read      perm // generic, with fields
	write     perm
}

type attribute struct {
	name     string
	kind     klinkev1.AttributeKind
	of       string // of an identifier: a type's name, siteOf, or nothing
	optional bool
}

// siteOf is the `of` of an identifier that names a site.
const siteOf = "site"

type permission struct {
	name  string // `recording.listen`, `account.*:read`
	local string // `listen`, `*:read`
	typ   uint16
	mode  fieldMode
	rule  rule
}

type fieldMode uint8

const (
	noField fieldMode = iota
	fieldRead
	fieldWrite
)

func (f fieldMode) String() string {
	switch f {
	case fieldRead:
		return "read"
	case fieldWrite:
		return "write"
	}
	return ""
}

type rule struct {
	emergency   []emergency
	gate        []*test
	override    []override
	require     []*test
	scale       *scale // yesNo for an action without a level, see levelless
	levelless   bool
	obligations []obligation
	reads       []*klinkev1.Read
	asks        []asking
}

type emergency struct {
	attr uint8
	deny bool
}

type override struct {
	name   string
	flag   bool
	flagNo uint32
	perm   perm
}

type obligation struct {
	id       string
	required bool
	cond     *test // nil for always
}

type scale struct {
	name     string
	levels   []level
	rank     map[string]uint8
	fallback uint8 // the rank when every role is silent
}

func (s *scale) top() uint8 { return uint8(len(s.levels) - 1) }

type level struct {
	name  string
	any   bool
	tests []*test
}

type setting struct {
	name     string
	fallback string
	has      bool // a fallback
	values   []string
	many     bool // a value is a set of these
	no       uint16
}

// yesNo is the scale by which an app's plain grant of an action without a level is read.
func yesNo() *scale {
	return &scale{name: "", levels: []level{{name: "none"}, {name: "any", any: true}}, rank: map[string]uint8{"none": 0, "any": 1}}
}
