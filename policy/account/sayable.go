package account

import (
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// sayable refuses a record that would read as another one, or not at all: nothing may be lost on the way out. It holds
// records to what Decoder holds a file to.
func sayable(r *klinkev1.Record) error {
	c := &checker{}
	switch x := r.GetRecord().(type) {
	case *klinkev1.Record_Subject:
		c.subject(x.Subject)
	case *klinkev1.Record_Group:
		c.names(x.Group.GetId())
		c.texts(1024, x.Group.GetLabels())
	case *klinkev1.Record_GroupMember:
		c.names(x.GroupMember.GetGroup())
		c.holder(x.GroupMember.GetMember())
	case *klinkev1.Record_Department:
		c.names(x.Department.GetId())
		c.optional(x.Department.GetParent())
		c.texts(1024, x.Department.GetLabels())
	case *klinkev1.Record_DepartmentMember:
		c.names(x.DepartmentMember.GetDepartment())
		c.holder(x.DepartmentMember.GetSubject())
		if kind, _, _ := strings.Cut(x.DepartmentMember.GetSubject(), ":"); kind != "user" && kind != "app" {
			c.wrongf("`%s` in a department is neither a user nor an app", clip(x.DepartmentMember.GetSubject()))
		}
	case *klinkev1.Record_Role:
		c.names(x.Role.GetId())
		c.optional(x.Role.GetUnder())
		c.text(600, x.Role.GetOrigin())
		c.texts(1024, x.Role.GetLabels())
	case *klinkev1.Record_RoleInclude:
		c.names(x.RoleInclude.GetRole(), x.RoleInclude.GetIncluded())
	case *klinkev1.Record_Cell:
		c.names(x.Cell.GetRole())
		c.permission(x.Cell.GetPermission(), x.Cell.GetLevel())
		c.text(maxTextBytes, x.Cell.GetWhen())
		c.optional(x.Cell.GetSchedule())
	case *klinkev1.Record_Assignment:
		c.names(x.Assignment.GetRole())
		c.holder(x.Assignment.GetHolder())
		c.text(maxTextBytes, x.Assignment.GetWhen())
		c.optional(x.Assignment.GetSchedule())
		c.moment(x.Assignment.GetFrom())
		c.moment(x.Assignment.GetUntil())
	case *klinkev1.Record_ObjectGrant:
		c.objectGrant(x.ObjectGrant)
	case *klinkev1.Record_Ceiling:
		c.holder(x.Ceiling.GetHolder())
		c.permission(x.Ceiling.GetPermission(), x.Ceiling.GetLevel())
	case *klinkev1.Record_Limit:
		c.names(x.Limit.GetName())
		c.holder(x.Limit.GetHolder())
		c.text(maxTextBytes, x.Limit.GetValue())
	case *klinkev1.Record_Setting:
		c.names(x.Setting.GetName())
		if x.Setting.GetScope() != "" {
			c.scope(x.Setting.GetScope())
		}
		c.text(maxTextBytes, x.Setting.GetValue())
	case *klinkev1.Record_ListedNumber:
		c.names(x.ListedNumber.GetList())
		c.digits(strings.TrimPrefix(x.ListedNumber.GetNumber(), "+"), 1, 15)
	case *klinkev1.Record_Site:
		c.names(x.Site.GetId(), x.Site.GetRegion())
		c.digits(x.Site.GetAccessDigits(), 0, 3)
	case *klinkev1.Record_EmergencyNumber:
		c.names(x.EmergencyNumber.GetSite())
		c.digits(x.EmergencyNumber.GetNumber(), 3, 6)
	case *klinkev1.Record_ServiceClass:
		c.class(x.ServiceClass)
	case *klinkev1.Record_SharingRule:
		c.sharingRule(x.SharingRule)
	}
	return c.err
}

// checker keeps the first fault of a record.
type checker struct{ err error }

func (c *checker) wrongf(format string, args ...any) {
	if c.err == nil {
		c.err = policy.Errorf(policy.Invalid, "record", format, args...)
	}
}

func (c *checker) names(names ...string) {
	for _, n := range names {
		if fault := badName(n); fault != "" {
			c.wrongf("%q: %s", clip(n), fault)
		}
		c.text(policy.MaxIDBytes, n)
	}
}

func (c *checker) optional(name string) {
	if name != "" {
		c.names(name)
	}
}

func (c *checker) text(most int, s string) {
	if !utf8.ValidString(s) {
		c.wrongf("a text is no UTF-8: %q", clip(s))
	} else if len(s) > most {
		c.wrongf("a text of %d bytes, at most %d are allowed", len(s), most)
	}
}

func (c *checker) texts(most int, m map[string]string) {
	for k, v := range m {
		c.names(k)
		c.text(most, v)
	}
}

func (c *checker) digits(s string, least, most int) {
	if !digits(s) || len(s) < least || len(s) > most {
		c.wrongf("%d to %d digits are expected, found %q", least, most, clip(s))
	}
}

// scope checks where a setting holds: a type, or a type and a field.
func (c *checker) scope(s string) {
	if fault := badScope(s); fault != "" {
		c.wrongf("%q: %s", clip(s), fault)
	}
	c.text(maxScopeBytes, s)
}

func (c *checker) holder(s string) {
	if s == everybody {
		return
	}
	kind, id, found := strings.Cut(s, ":")
	if !found || !isHolderKind(kind) {
		c.wrongf("%q is no holder", clip(s))
	}
	c.names(id)
}

func (c *checker) permission(permission, level string) {
	c.names(level)
	c.text(maxPermissionBytes, permission)
	if t, a, _ := strings.Cut(permission, "."); t == "" || a == "" {
		c.wrongf("%q is no permission", clip(permission))
	}
	if strings.Contains(level, "@") {
		c.wrongf("the level %q cannot be written behind an @", clip(level))
	}
}

func (c *checker) moment(t *timestamppb.Timestamp) {
	if t != nil && !t.IsValid() {
		c.wrongf("a moment outside the years 1 to 9999")
	}
}

func (c *checker) subject(s *klinkev1.Subject) {
	if t := s.GetType(); t != klinkev1.SubjectType_SUBJECT_TYPE_USER && t != klinkev1.SubjectType_SUBJECT_TYPE_APP {
		c.wrongf("a subject that is neither a user nor an app")
	}
	c.names(s.GetId())
	c.names(s.GetFlags()...)
	for i, f := range s.GetFlags() {
		if slices.Contains(s.GetFlags()[:i], f) {
			c.wrongf("the flag %q twice", clip(f))
		}
	}
	c.text(1024, s.GetLabel())
	c.texts(maxTextBytes, s.GetAttributes())
}

func (c *checker) objectGrant(g *klinkev1.ObjectGrant) {
	c.names(g.GetType(), g.GetId())
	c.holder(g.GetHolder())
	c.permission(g.GetType()+"."+g.GetAction(), g.GetLevel())
	c.moment(g.GetUntil())
	if strings.ContainsAny(g.GetType(), ".:@*") || strings.HasPrefix(g.GetAction(), "*") {
		c.wrongf("`%s.%s` is no single permission", clip(g.GetType()), clip(g.GetAction()))
	}
}
