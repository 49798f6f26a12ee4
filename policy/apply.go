package policy

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Stamp is what Apply needs to know of the world.
type Stamp struct {
	// Now is the entry's time: effects compare what holds then.
	Now time.Time
	// Models finds a version of a model; NotFound when there is none.
	Models func(name string, version uint32) (*Model, error)
	// Replay skips the footprint and the effects: they stand in the entry already.
	Replay bool
}

// Outcome is what changes make of a snapshot.
type Outcome struct {
	// Next is the next snapshot; the given one when nothing changed.
	Next *Snapshot
	// Changes are those that changed something, with the deletions that they brought about before them. They share memory with
	// the given ones.
	Changes []*klinkev1.Change
	// Footprint and Effects are as entries keep them; nil when nothing changed or on replay.
	Footprint *klinkev1.Footprint
	Effects   []*klinkev1.Effect
	// NextBoundary is the next one after the entry's time; zero when there is none, when nothing changed or on replay.
	NextBoundary time.Time
}

// Apply is the one door through which state changes: it checks the changes in order and returns the next snapshot, or an
// error that names the offending change and field, and nothing is changed. The given snapshot stays as it is. A change of
// one subject costs the same however large the tenant is; other changes cost by the classes that they touch.
func Apply(s *Snapshot, changes []*klinkev1.Change, at Stamp) (*Outcome, error) {
	d := newDraft(s, at)
	for i, c := range changes {
		if err := d.change(c); err != nil {
			return nil, within(fmt.Sprintf("changes[%d]", i), err)
		}
	}
	if len(d.changes) == 0 {
		return &Outcome{Next: s}, nil
	}
	if err := d.finish(); err != nil {
		return nil, err
	}
	out := &Outcome{Next: d.s, Changes: d.changes}
	if !at.Replay {
		out.Footprint, out.Effects, out.NextBoundary = d.footprint(), d.effects(), out.Next.NextBoundary(at.Now)
	}
	return out, nil
}

// within prefixes an error's field.
func within(path string, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return &Error{Kind: Internal, Field: path, Message: err.Error(), Cause: err}
	}
	c := *e
	switch {
	case c.Field == "":
		c.Field = path
	case path != "" && c.Field[0] != '[':
		c.Field = path + "." + c.Field
	default:
		c.Field = path + c.Field
	}
	return &c
}

// draft is a snapshot in the making.
type draft struct {
	s, old  *Snapshot
	b       *batch
	at      Stamp
	changes []*klinkev1.Change

	was       map[who]uint32      // the class of each touched subject before; noClass for a new one
	states    map[who]struct{}    // subjects whose being active changed
	says      map[uint32]struct{} // roles whose cells or inclusions changed
	stands    map[edge]struct{}   // entities whose holders, or what is given to these, changed; 0 for everybody
	born      map[edge]struct{}   // entities that are new: no class of the old snapshot stands on them
	fresh     map[uint32]struct{} // classes that are new
	whole     bool                // all classes are new, and none is listed: a tenant is restored
	hits      []uint32            // filled by finish: the old classes whose rights may have changed
	touched   map[klinkev1.ReadKind]bool
	lists     map[string]bool
	all       bool // every answer may have changed
	regrouped bool // all role sets must be merged anew
	planless  bool // the sites changed since the dialling plan was compiled
	// Whether these are the draft's own, to be changed in place.
	ownsFields, ownsSites, ownsConds, ownsCounts, ownsHours bool
}

// who is a subject's key.
type who struct {
	space byte
	id    string
}

func (w who) String() string {
	if w.space == spaceApp {
		return "app:" + w.id
	}
	return "user:" + w.id
}

const noClass = ^uint32(0)

func newDraft(s *Snapshot, at Stamp) *draft {
	next := *s
	next.objects, next.settings, next.lists = slices.Clone(s.objects), slices.Clone(s.settings), slices.Clone(s.lists)
	return &draft{
		s: &next, old: s, b: new(batch), at: at,
		was: map[who]uint32{}, states: map[who]struct{}{}, says: map[uint32]struct{}{}, stands: map[edge]struct{}{},
		born: map[edge]struct{}{}, fresh: map[uint32]struct{}{},
		touched: map[klinkev1.ReadKind]bool{}, lists: map[string]bool{},
	}
}

func (d *draft) change(c *klinkev1.Change) error {
	switch x := c.GetChange().(type) {
	case *klinkev1.Change_Put:
		changed, err := d.put(x.Put)
		if err != nil {
			return within("put", err)
		}
		if changed {
			d.changes = append(d.changes, c)
		}
		return nil
	case *klinkev1.Change_Delete:
		if !proto.Equal(x.Delete, KeyOnly(x.Delete)) {
			return Errorf(Invalid, "delete", "a delete carries the key alone; the other fields must be unset")
		}
		changed, err := d.delete(x.Delete)
		if err != nil {
			return within("delete", err)
		}
		if changed {
			d.changes = append(d.changes, c)
		}
		return nil
	}
	return Errorf(Invalid, "", "neither put nor delete")
}

func (d *draft) put(r *klinkev1.Record) (bool, error) {
	if use, ok := r.GetRecord().(*klinkev1.Record_UseModel); ok {
		return in("use_model", d.useModel, use.UseModel)
	}
	if d.s.model == nil {
		return false, Errorf(Refused, "", "the tenant uses no model yet: its use must be put first")
	}
	switch x := r.GetRecord().(type) {
	case *klinkev1.Record_Subject:
		return in("subject", d.putSubject, x.Subject)
	case *klinkev1.Record_Group:
		return in("group", d.putGroup, x.Group)
	case *klinkev1.Record_GroupMember:
		return in("group_member", d.putGroupMember, x.GroupMember)
	case *klinkev1.Record_Department:
		return in("department", d.putDepartment, x.Department)
	case *klinkev1.Record_DepartmentMember:
		return in("department_member", d.putDepartmentMember, x.DepartmentMember)
	case *klinkev1.Record_Role:
		return in("role", d.putRole, x.Role)
	case *klinkev1.Record_RoleInclude:
		return in("role_include", d.putRoleInclude, x.RoleInclude)
	case *klinkev1.Record_Cell:
		return in("cell", d.putCell, x.Cell)
	case *klinkev1.Record_Assignment:
		return in("assignment", d.putAssignment, x.Assignment)
	case *klinkev1.Record_ObjectGrant:
		return in("object_grant", d.putObjectGrant, x.ObjectGrant)
	case *klinkev1.Record_Ceiling:
		return in("ceiling", d.putCeiling, x.Ceiling)
	case *klinkev1.Record_Limit:
		return in("limit", d.putLimit, x.Limit)
	case *klinkev1.Record_Setting:
		return in("setting", d.putSetting, x.Setting)
	case *klinkev1.Record_ListedNumber:
		return in("listed_number", d.putListedNumber, x.ListedNumber)
	case *klinkev1.Record_Site:
		return in("site", d.putSite, x.Site)
	case *klinkev1.Record_EmergencyNumber:
		return in("emergency_number", d.putEmergencyNumber, x.EmergencyNumber)
	case *klinkev1.Record_SharingRule:
		return in("sharing_rule", d.putSharingRule, x.SharingRule)
	case *klinkev1.Record_ServiceClass:
		return in("service_class", d.putServiceClass, x.ServiceClass)
	}
	return false, Errorf(Invalid, "", "a kind of record that this version does not know")
}

func (d *draft) delete(r *klinkev1.Record) (bool, error) {
	if d.s.model == nil {
		return false, Errorf(Refused, "", "the tenant uses no model yet: its use must be put first")
	}
	switch x := r.GetRecord().(type) {
	case *klinkev1.Record_UseModel:
		return false, Errorf(Refused, "use_model", "a tenant always uses a model; put another use instead")
	case *klinkev1.Record_Subject:
		return in("subject", d.deleteSubject, x.Subject)
	case *klinkev1.Record_Group:
		return in("group", d.deleteGroup, x.Group)
	case *klinkev1.Record_GroupMember:
		return in("group_member", d.deleteGroupMember, x.GroupMember)
	case *klinkev1.Record_Department:
		return in("department", d.deleteDepartment, x.Department)
	case *klinkev1.Record_DepartmentMember:
		return in("department_member", d.deleteDepartmentMember, x.DepartmentMember)
	case *klinkev1.Record_Role:
		return in("role", d.deleteRole, x.Role)
	case *klinkev1.Record_RoleInclude:
		return in("role_include", d.deleteRoleInclude, x.RoleInclude)
	case *klinkev1.Record_Cell:
		return in("cell", d.deleteCell, x.Cell)
	case *klinkev1.Record_Assignment:
		return in("assignment", d.deleteAssignment, x.Assignment)
	case *klinkev1.Record_ObjectGrant:
		return in("object_grant", d.deleteObjectGrant, x.ObjectGrant)
	case *klinkev1.Record_Ceiling:
		return in("ceiling", d.deleteCeiling, x.Ceiling)
	case *klinkev1.Record_Limit:
		return in("limit", d.deleteLimit, x.Limit)
	case *klinkev1.Record_Setting:
		return in("setting", d.deleteSetting, x.Setting)
	case *klinkev1.Record_ListedNumber:
		return in("listed_number", d.deleteListedNumber, x.ListedNumber)
	case *klinkev1.Record_Site:
		return in("site", d.deleteSite, x.Site)
	case *klinkev1.Record_EmergencyNumber:
		return in("emergency_number", d.deleteEmergencyNumber, x.EmergencyNumber)
	case *klinkev1.Record_SharingRule:
		return in("sharing_rule", d.deleteSharingRule, x.SharingRule)
	case *klinkev1.Record_ServiceClass:
		return in("service_class", d.deleteServiceClass, x.ServiceClass)
	}
	return false, Errorf(Invalid, "", "a kind of record that this version does not know")
}

// in runs one record's step and names the record in its error.
func in[T any](field string, step func(T) (bool, error), x T) (bool, error) {
	changed, err := step(x)
	if err != nil {
		return false, within(field, err)
	}
	return changed, nil
}

// cascade deletes a record on behalf of another's deletion and logs it.
func (d *draft) cascade(r *klinkev1.Record) error {
	changed, err := d.delete(r)
	if changed {
		d.changes = append(d.changes, del(r))
	}
	return err
}

func checkField(field, id string) error {
	if err := CheckID(id); err != nil {
		return Errorf(Invalid, field, "%v", err)
	}
	return nil
}
