// This test proves that each limit of the contract is met at its edge: the last thing that fits is taken, one more is refused
// as too large, and what is there already can be put again. Tenants that would take minutes to fill are counted full.
package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/klinke-authz/klinke/policy/dial"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// crowded is a tenant that a test fills.
type crowded struct {
	t  *testing.T
	m  *Model
	s  *Snapshot
	at Stamp
}

func newCrowded(t *testing.T) *crowded {
	t.Helper()
	src := &klinkev1.Model{
		Name: "crowded", Combine: klinkev1.Combine_COMBINE_HIGHEST, DefaultRegion: "DE",
		UserAttributes: []*klinkev1.Attribute{{Name: "email", Kind: kindText}},
		Settings:       []*klinkev1.SettingDeclaration{{Name: "note"}},
		Regions:        []*klinkev1.Region{{Name: "DE", Country: "49", Trunk: "0", International: "00", Emergency: []string{"112"}}},
	}
	for i := range maxFlags {
		src.Flags = append(src.Flags, fmt.Sprintf("f%d", i))
	}
	scale := &klinkev1.Scale{Name: "s", Levels: []*klinkev1.Level{{Name: "none"}, {Name: "any", Any: true}}}
	src.Types = []*klinkev1.ResourceType{{
		Name: "doc", Attributes: []*klinkev1.Attribute{{Name: "mark", Kind: kindText}, {Name: "nr", Kind: kindNumber}},
		Actions: []*klinkev1.Action{{Name: "see", Rule: &klinkev1.Rule{Scale: scale, Require: []*klinkev1.Test{
			{Test: &klinkev1.Test_Within{Within: &klinkev1.Within{Attribute: "mark", Limit: "l"}}},
			{Test: &klinkev1.Test_Listed{Listed: &klinkev1.Listed{Attribute: "nr", In: "list"}}},
		}}}},
		Fields: &klinkev1.Fields{Read: &klinkev1.Rule{Scale: scale}, Write: &klinkev1.Rule{Scale: scale}},
	}}
	m, err := Compile(src, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := &crowded{t: t, m: m, at: Stamp{Now: time.Unix(1_700_000_000, 0), Models: func(string, uint32) (*Model, error) { return m, nil }}}
	out, err := Apply(Empty(), m.Factory(), c.at)
	if err != nil {
		t.Fatal(err)
	}
	c.s = out.Next
	c.puts(`subject{type:SUBJECT_TYPE_USER id:"u"}`, `subject{type:SUBJECT_TYPE_USER id:"v"}`, `group{id:"g"}`, `role{id:"r"}`, `site{id:"s" region:"DE"}`)
	return c
}

func (c *crowded) apply(records ...string) error {
	c.t.Helper()
	var changes []*klinkev1.Change
	for _, text := range records {
		r := &klinkev1.Record{}
		if err := prototext.Unmarshal([]byte(text), r); err != nil {
			c.t.Fatalf("%v\n%s", err, text)
		}
		changes = append(changes, put(r))
	}
	out, err := Apply(c.s, changes, c.at)
	if err == nil {
		c.s = out.Next
	}
	return err
}

func (c *crowded) puts(records ...string) {
	c.t.Helper()
	if err := c.apply(records...); err != nil {
		c.t.Fatal(err)
	}
}

// each writes records that differ by a number.
func each(from, to int, format string) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf(format, i))
	}
	return out
}

// chain puts one thing under the other.
func chain(n int, first, next string) []string {
	out := []string{fmt.Sprintf(first, 0)}
	for i := 1; i < n; i++ {
		out = append(out, fmt.Sprintf(next, i, i-1))
	}
	return out
}

func TestLimitsAreMetAtTheirEdge(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	condition := func(n int) string { return "subject.id == '" + strings.Repeat("x", n-len("subject.id == ''")) + "'" }
	for _, c := range []struct {
		what string
		fill func(c *crowded)
		last string // is taken
		more string // is not
		want string
		kind Kind
	}{
		{"subjects", func(c *crowded) { c.s.count.subjects = MaxUsers - 1 }, `subject{type:SUBJECT_TYPE_USER id:"a"}`, `subject{type:SUBJECT_TYPE_APP id:"b"}`,
			"subject: a tenant has at most 1000000 subjects", TooLarge},
		{"groups", func(c *crowded) { c.s.count.groups = MaxGroups - 1 }, `group{id:"a"}`, `group{id:"b"}`, "group: a tenant has at most 100000 groups", TooLarge},
		{"departments", func(c *crowded) { c.s.count.departments = MaxDepartments - 1 }, `department{id:"a"}`, `department{id:"b"}`, "department: a tenant has at most 100000 departments", TooLarge},
		{"roles", func(c *crowded) { c.s.count.roles = MaxRoles - 1 }, `role{id:"a"}`, `role{id:"b"}`, "role: a tenant has at most 10000 roles", TooLarge},
		{"assignments", func(c *crowded) { c.s.count.assignments = MaxAssignments - 1 }, `assignment{role:"r" holder:"user:u"}`, `assignment{role:"r" holder:"group:g"}`,
			"assignment: a tenant has at most 1000000 assignments", TooLarge},
		{"object grants", func(c *crowded) { c.s.grants.live = MaxObjectGrants - 1 }, `object_grant{type:"doc" id:"1" action:"see" holder:"user:u" level:"any"}`,
			`object_grant{type:"doc" id:"2" action:"see" holder:"user:u" level:"any"}`, "object_grant: a tenant has at most 1000000 object grants", TooLarge},
		{"ceilings of users", func(c *crowded) { c.s.count.ceilings = MaxCeilings - 1 }, `ceiling{holder:"user:u" permission:"doc.see" level:"none"}`,
			`ceiling{holder:"user:v" permission:"doc.see" level:"none"}`, "ceiling: a tenant has at most 100000 ceilings", TooLarge},
		{"ceilings of groups", func(c *crowded) { c.s.count.ceilings = MaxCeilings - 1 }, `ceiling{holder:"group:g" permission:"doc.see" level:"none"}`,
			`ceiling{holder:"everybody" permission:"doc.see" level:"none"}`, "ceiling: a tenant has at most 100000 ceilings", TooLarge},
		{"limit values of a group", func(c *crowded) {
			c.puts(`limit{name:"l" holder:"group:g" value:"first"}`)
			b := (*c.s.groups.get(0)).own
			b.limits = append(b.limits, make([]limitValue, MaxLimitValues-2)...)
		}, `limit{name:"l" holder:"group:g" value:"a"}`, `limit{name:"l" holder:"group:g" value:"b"}`, "limit: a holder has at most 100000 limit values", TooLarge},
		{"limit values of a user", func(c *crowded) {
			class := c.s.subjects.get(spaceUser, "u").bits
			p := c.s.classes.page(class)
			p.wide = new([pageSize]uint32)
			for i := range p.wide {
				p.wide[i] = uint32(p.at[i].end)
			}
			var edges []edge
			for i := range MaxLimitValues - 1 {
				edges = append(edges, edgeLimit|edge(c.s.limits.add(c.s.classes.page(class).owner, limitValue{value: strconv.Itoa(i)})))
			}
			c.s.classes.setEdges(p, class, edges)
		}, `limit{name:"l" holder:"user:u" value:"a"}`, `limit{name:"l" holder:"user:u" value:"b"}`, "limit: a holder has at most 100000 limit values", TooLarge},
		{"numbers in a list", func(c *crowded) { c.s.lists[c.m.listNo["list"]].n = MaxNumbersInList - 1 }, `listed_number{list:"list" number:"12"}`, `listed_number{list:"list" number:"13"}`,
			"listed_number: a list holds at most 5000000 numbers", TooLarge},
		{"sites", func(c *crowded) {
			for i := range MaxSites - 2 {
				id := strconv.Itoa(i)
				c.s.sites[id] = &site{dial.Site{ID: id, Region: "DE"}}
			}
		}, `site{id:"a" region:"DE"}`, `site{id:"b" region:"DE"}`, "site: a tenant has at most 10000 sites", TooLarge},
		{"classes of service", func(c *crowded) { c.puts(each(0, MaxServiceClasses-1, `service_class{name:"k%d"}`)...) },
			`service_class{name:"a"}`, `service_class{name:"b"}`, "service_class: a tenant has at most 1024 classes of service", TooLarge},
		{"prefixes of a class", func(*crowded) {}, `service_class{name:"a" ` + strings.Join(each(0, MaxClassPrefixes, `prefixes{prefix:"+%d"}`), " ") + `}`,
			`service_class{name:"a" ` + strings.Join(each(0, MaxClassPrefixes+1, `prefixes{prefix:"+%d"}`), " ") + `}`, "service_class.prefixes: 1001 prefixes; at most 1000 are allowed", TooLarge},
		{"hours of a class", func(*crowded) {}, `service_class{name:"a" types:2 zone:"UTC" ` + strings.Join(each(0, MaxClassHours, "hours{type:2 until{seconds:60}} # %d\n"), " ") + `}`,
			`service_class{name:"a" types:2 zone:"UTC" ` + strings.Join(each(0, MaxClassHours+1, "hours{type:2 until{seconds:60}} # %d\n"), " ") + `}`, "service_class.hours: 65 hours; at most 64 are allowed", TooLarge},
		{"named fields", func(c *crowded) {
			for i := range MaxPermissions - len(c.m.perms) - 2 {
				c.s.fields = append(c.s.fields, field{generic: c.m.types[0].read, name: strconv.Itoa(i)})
			}
		}, `cell{role:"r" permission:"doc.a:read" level:"any"}`, `cell{role:"r" permission:"doc.b:read" level:"any"}`, "cell.permission: actions and named fields are at most 16384", TooLarge},
		{"nesting of groups, at the bottom", func(c *crowded) {
			c.puts(each(0, MaxDepth+1, `group{id:"n%d"}`)...)
			c.puts(chain(MaxDepth, `group{id:"n%d"}`, `group_member{group:"n%[2]d" member:"group:n%[1]d"}`)[:MaxDepth-1]...)
		}, `group_member{group:"n30" member:"group:n31"}`, `group_member{group:"n31" member:"group:n32"}`, "group_member.member: groups would nest 33 deep; at most 32 are allowed", TooLarge},
		{"nesting of groups, at the top", func(c *crowded) {
			c.puts(each(0, MaxDepth+1, `group{id:"n%d"}`)...)
			c.puts(chain(MaxDepth, `group{id:"n%d"}`, `group_member{group:"n%d" member:"group:n%d"}`)[:MaxDepth-1]...)
		}, `group_member{group:"n31" member:"group:n30"}`, `group_member{group:"n32" member:"group:n31"}`, "group_member.member: groups would nest 33 deep; at most 32 are allowed", TooLarge},
		{"depth of departments", func(c *crowded) {
			c.puts(chain(MaxDepth-1, `department{id:"n%d"}`, `department{id:"n%d" parent:"n%d"}`)...)
		},
			`department{id:"n31" parent:"n30"}`, `department{id:"n32" parent:"n31"}`, "department.parent: the tree of departments would be 33 deep; at most 32 are allowed", TooLarge},
		{"depth of roles, moved", func(c *crowded) {
			c.puts(`role{id:"top"}`)
			c.puts(chain(MaxDepth-1, `role{id:"n%d"}`, `role{id:"n%d" under:"n%d"}`)...)
		}, `role{id:"n0" under:"r"}`, `role{id:"r" under:"top"}`, "role.under: the tree of roles would be 33 deep; at most 32 are allowed", TooLarge},
		{"roles of one user", func(c *crowded) {
			c.puts(each(0, MaxRolesOfUser+1, `role{id:"n%d"}`)...)
			c.puts(each(0, MaxRolesOfUser-1, `assignment{role:"n%d" holder:"user:u"}`)...)
		}, `assignment{role:"n255" holder:"user:u"}`, `assignment{role:"n256" holder:"user:u"}`, " one subject would have 257 roles; at most 256 are allowed", TooLarge},
		{"roles that a user's role includes", func(c *crowded) {
			c.puts(`assignment{role:"r" holder:"user:u"}`)
			c.puts(each(0, MaxRolesOfUser, `role{id:"n%d"}`)...)
			c.puts(each(0, MaxRolesOfUser-2, `role_include{role:"r" included:"n%d"}`)...)
		}, `role_include{role:"r" included:"n254"}`, `role_include{role:"r" included:"n255"}`, " one subject would have 257 roles; at most 256 are allowed", TooLarge},
		{"roles that come through a group", func(c *crowded) {
			c.puts(each(0, MaxRolesOfUser, `role{id:"n%d"}`)...)
			c.puts(each(0, 200, `assignment{role:"n%d" holder:"user:u"}`)...)
			c.puts(each(200, MaxRolesOfUser, `assignment{role:"n%d" holder:"group:g"}`)...)
			c.puts(`assignment{role:"r" holder:"user:v"}`)
		}, `group_member{group:"g" member:"user:u"}`, `assignment{role:"r" holder:"everybody"}`, " one subject would have 257 roles; at most 256 are allowed", TooLarge},
		{"roles that are given for a time", func(c *crowded) {
			c.puts(each(0, MaxRolesOfUser, `role{id:"n%d"}`)...)
			c.puts(each(0, MaxRolesOfUser-1, `assignment{role:"n%d" holder:"user:u"}`)...)
		}, `assignment{role:"n255" holder:"user:u" until{seconds:7}}`, `assignment{role:"r" holder:"user:u" until{seconds:7}}`, " one subject would have 257 roles; at most 256 are allowed", TooLarge},
		{"conditional assignments", func(c *crowded) {
			c.puts(each(0, MaxConditional+1, `role{id:"n%d"}`)...)
			c.puts(`group_member{group:"g" member:"user:u"}`)
			c.puts(each(0, 8, `assignment{role:"n%d" holder:"user:u" when:"true"}`)...)
			c.puts(each(8, MaxConditional-1, `assignment{role:"n%d" holder:"group:g" when:"true"}`)...)
		}, `assignment{role:"n15" holder:"everybody" when:"true"}`, `assignment{role:"n16" holder:"user:u" when:"true"}`,
			" 17 conditional assignments would reach one subject; at most 16 may", TooLarge},
		{"labels", func(*crowded) {}, `group{id:"g" ` + strings.Join(each(0, 32, `labels{key:"l%d" value:"x"}`), " ") + `}`,
			`group{id:"g" ` + strings.Join(each(0, 33, `labels{key:"l%d" value:"x"}`), " ") + `}`, "group.labels: at most 32 languages", TooLarge},
		// What is too long is no value at all: it is Invalid.
		{"a label", func(*crowded) {}, `group{id:"g" labels{key:"de" value:"` + x(1024) + `"}}`, `group{id:"g" labels{key:"de" value:"` + x(1025) + `"}}`,
			"group.labels: a label is at most 1,024 bytes of UTF-8 without control characters, under a language tag", Invalid},
		{"a name", func(*crowded) {}, `subject{type:SUBJECT_TYPE_USER id:"u" label:"` + x(1024) + `"}`, `subject{type:SUBJECT_TYPE_USER id:"u" label:"` + x(1025) + `"}`,
			"subject.label: a label is at most 1,024 bytes of UTF-8 without control characters", Invalid},
		{"an origin", func(*crowded) {}, `role{id:"r" origin:"` + x(600) + `"}`, `role{id:"r" origin:"` + x(601) + `"}`,
			"role.origin: an origin is at most 600 bytes of UTF-8 without control characters", Invalid},
		{"an identifier", func(*crowded) {}, `group{id:"` + x(256) + `"}`, `group{id:"` + x(257) + `"}`, "group.id: an identifier of 257 bytes; at most 256 are allowed", Invalid},
		{"an attribute", func(*crowded) {}, `subject{type:SUBJECT_TYPE_USER id:"u" attributes{key:"email" value:"` + x(4096) + `"}}`,
			`subject{type:SUBJECT_TYPE_USER id:"u" attributes{key:"email" value:"` + x(4097) + `"}}`, "subject.attributes[email]: 1 to 4096 bytes of UTF-8 without control characters", Invalid},
		{"a setting", func(*crowded) {}, `setting{name:"note" value:"` + x(4096) + `"}`, `setting{name:"note" value:"` + x(4097) + `"}`,
			"setting.value: at most 4096 bytes of UTF-8 without control characters", Invalid},
		{"a limit's value", func(*crowded) {}, `limit{name:"l" holder:"user:u" value:"` + x(4096) + `"}`, `limit{name:"l" holder:"user:u" value:"` + x(4097) + `"}`,
			"limit.value: at most 4096 bytes of UTF-8 without control characters", Invalid},
		{"digits of a number", func(*crowded) {}, `listed_number{list:"list" number:"+123456789012345"}`, `listed_number{list:"list" number:"+1234567890123456"}`,
			`listed_number.number: "+1234567890123456" is neither E.164 (+4930123456) nor an extension's digits; at most 15 digits`, Invalid},
		{"digits for an outside line", func(*crowded) {}, `site{id:"s" region:"DE" access_digits:"123"}`, `site{id:"s" region:"DE" access_digits:"1234"}`, "site.access_digits: at most 3 digits", Invalid},
		{"short emergency numbers", func(*crowded) {}, `emergency_number{site:"s" number:"123"}`, `emergency_number{site:"s" number:"12"}`, "emergency_number.number: an emergency number has 3 to 6 digits", Invalid},
		{"long emergency numbers", func(*crowded) {}, `emergency_number{site:"s" number:"123456"}`, `emergency_number{site:"s" number:"1234567"}`,
			"emergency_number.number: an emergency number has 3 to 6 digits", Invalid},
		{"a condition", func(*crowded) {}, `assignment{role:"r" holder:"user:u" when:"` + condition(4096) + `"}`, `assignment{role:"r" holder:"user:v" when:"` + condition(4097) + `"}`,
			"assignment.when: a condition of 4097 bytes; at most 4096 are allowed", Invalid},
		{"a condition's cost", func(*crowded) {}, `assignment{role:"r" holder:"user:u" when:"groups('a').exists(x, x == 'b')"}`,
			`assignment{role:"r" holder:"user:v" when:"groups('a').exists(x, groups('b').exists(y, x == y))"}`,
			"assignment.when: the condition may cost ", Invalid},
		{"the past", func(*crowded) {}, `assignment{role:"r" holder:"user:u" from{seconds:1}}`, `assignment{role:"r" holder:"user:u" from{seconds:0}}`, "assignment.from: a moment between 1970 and 2242", Invalid},
		{"the future", func(*crowded) {}, `assignment{role:"r" holder:"user:u" until{seconds:8589934591 nanos:999999999}}`, `assignment{role:"r" holder:"user:u" until{seconds:8589934592}}`,
			"assignment.until: a moment between 1970 and 2242", Invalid},
	} {
		t.Run(c.what, func(t *testing.T) {
			x := newCrowded(t)
			c.fill(x)
			x.puts(c.last)
			before := x.s
			err := x.apply(c.more)
			want := "changes[0].put." + c.want
			if strings.HasPrefix(c.want, " ") { // found at the end, of the write as a whole
				want = c.want[1:]
			}
			var e *Error
			if !errors.As(err, &e) || !strings.HasPrefix(e.Error(), want) {
				t.Fatalf("one more: %v, want %s", err, want)
			}
			if e.Kind != c.kind {
				t.Errorf("kind %d, want %d: %v", e.Kind, c.kind, err)
			}
			if x.s != before {
				t.Error("what was refused is there")
			}
			x.puts(c.last)
		})
	}
}
