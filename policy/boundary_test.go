// These tests prove what the passing of a boundary says: whom it concerns, what others may have read of it, and who gained or
// lost what; and which moments are boundaries at all.
package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/klinke-authz/klinke/policy"
)

const (
	hoursOfModel = `
schedules:
  office: {zone: Europe/Berlin, hours: {mon-fri: ["08:00", "18:00"]}}
  unused: {zone: Europe/Berlin, hours: {mon-fri: ["08:00", "11:00"]}}
`
	timesModel = readsModel + hoursOfModel
	// cellsModel has a role whose cell has hours: these are boundaries, whoever has the role.
	cellsModel = readsModel + `
  timely: {grants: [{grant: doc.by_given@any, schedule: office}]}
  above_timely: {includes: [timely]}
` + hoursOfModel
)

// passed writes a passage in words.
func passed(p *policy.Passage) string {
	if p == nil {
		return "nothing"
	}
	out := p.Last.Format("15:04") + " " + strings.Join(p.Footprint.GetSubjects(), " ")
	if p.Footprint.GetAllSubjects() {
		out = p.Last.Format("15:04") + " everybody"
	}
	for _, k := range p.Footprint.GetTouched() {
		out = strings.TrimSpace(out) + " " + kind(k)
	}
	parts := []string{strings.TrimSpace(out)}
	for _, e := range p.Effects {
		part := fmt.Sprintf("%s %s → %s, %d: %s", e.GetPermission(), e.GetFrom(), e.GetTo(), e.GetCount(), strings.Join(e.GetSubjects(), " "))
		if e.GetConditional() {
			part += ", conditional"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

func TestPassagesNameWhatChanged(t *testing.T) {
	const (
		noon   = ", until: 2026-01-05T12:00:00Z}]"
		later  = ", from: 2026-01-05T12:00:00Z}]"
		grant  = "object_grants: [{grant: folder.open, on: folder:f, to: "
		assign = "assignments: [{role: given, to: "
		hours  = "{own: {types: [national], zone: Europe/Berlin, hours: {national: [\"10:00\", \"13:00\"]}}}"
	)
	tested := strings.Replace(timesModel, "      in_gate:", "      at_office: {gate: [{schedule: office}]}\n      in_gate:", 1)
	unclassed := strings.NewReplacer("internal: {require: [{number_class: nr, fixed: internal}]}", "", "dialled: {require: [{number_class: nr, of: dialling}]}", "").Replace(timesModel)
	for _, c := range []struct{ model, records, until, want string }{
		{timesModel, "users: {emil: {}}", "23:00", "nothing"},
		{timesModel, assign + "dora" + noon, "11:59", "nothing"},
		{timesModel, assign + "dora" + noon, "12:00", "12:00 user:dora PEOPLE; doc.by_given any → none, 1: user:dora, conditional"},
		{timesModel, assign + "dora" + noon, "23:00", "12:00 user:dora PEOPLE; doc.by_given any → none, 1: user:dora, conditional"},
		{timesModel, assign + "dora" + later, "12:00", "12:00 user:dora PEOPLE; doc.by_given none → any, 1: user:dora, conditional"},
		{timesModel, assign + "group:team" + noon, "12:00",
			"12:00 app:dialer user:anna user:cora PEOPLE; doc.by_given any → none, 3: app:dialer user:anna user:cora, conditional"},
		{timesModel, assign + "role:other" + noon, "12:00", "12:00 user:carl PEOPLE; doc.by_given any → none, 1: user:carl, conditional"},
		{timesModel, assign + "department+:sales" + later, "12:00", "12:00 user:anna PEOPLE; doc.by_given none → any, 1: user:anna, conditional"},
		// He keeps it by another way.
		{timesModel, "users: {dora: {known: true, roles: [given]}}\ngroups: {empty: {known: true, members: [dora]}}\n" + assign + "group:empty" + noon, "12:00", "12:00 user:dora PEOPLE"},
		{timesModel, assign + "dora, when: \"context.mfa == true\"" + noon, "12:00", "12:00 user:dora PEOPLE"},
		{timesModel, grant + "dora" + noon, "12:00", "12:00 user:dora OBJECTS"},
		{timesModel, grant + "group:team" + noon, "12:00", "12:00 app:dialer user:anna user:cora OBJECTS"},
		{timesModel, grant + "dora" + noon, "11:00", "nothing"},
		// Hours: effects leave them out.
		{timesModel, assign + "dora, schedule: office}]", "16:59", "nothing"},
		{timesModel, assign + "dora, schedule: office}]", "17:00", "17:00 user:dora PEOPLE"},
		{timesModel, assign + "dora, schedule: office}]", "23:00", "17:00 user:dora PEOPLE"},
		{timesModel, assign + "group:team, schedule: office}]", "17:00", "17:00 app:dialer user:anna user:cora PEOPLE"},
		{timesModel, assign + "dora, schedule: office, until: 2026-01-05T08:59:00Z}]", "23:00", "nothing"},
		{timesModel, assign + "dora, schedule: office, from: 2026-01-06T08:00:00Z}]", "17:00", "17:00"},
		{cellsModel, "users: {carl: {known: true, roles: [timely]}}", "17:00", "17:00 user:carl"},
		{cellsModel, "users: {carl: {known: true, roles: [above_timely]}}", "17:00", "17:00 user:carl"},
		{cellsModel, "users: {carl: {known: true, roles: [above_timely]}}\n" + assign + "dora, schedule: office" + noon, "17:00", "17:00 user:carl user:dora PEOPLE"},
		{tested, "users: {emil: {}}", "16:59", "nothing"},
		{tested, "users: {emil: {}}", "17:00", "17:00 everybody"},
		{tested, assign + "dora" + noon, "17:00", "17:00 everybody PEOPLE; doc.by_given any → none, 1: user:dora, conditional"},
		// Classes of service, as long as the model asks for them.
		{timesModel, "classes: " + hours, "12:00", "12:00 SETTINGS"},
		{unclassed, "classes: " + hours, "12:00", "nothing"},
	} {
		t.Run(c.records+" "+c.until, func(t *testing.T) {
			x := newCompany(t, c.model, readsCompany)
			x.must(c.records)
			until, err := time.Parse("2006-01-02 15:04", "2026-01-05 "+c.until)
			if err != nil {
				t.Fatal(err)
			}
			p := policy.Pass(x.s, monday, until)
			if got := passed(p); got != c.want {
				t.Errorf("until %s passed %q, want %q", c.until, got, c.want)
			}
			if next := x.s.NextBoundary(monday); (p != nil) != (!next.IsZero() && !next.After(until)) {
				t.Errorf("passed %q, and the next boundary is %v", passed(p), next)
			}
		})
	}
}

// Beyond a thousand subjects everybody is meant, and an effect only counts.
func TestPassagesNameAThousand(t *testing.T) {
	for _, n := range []int{policy.MaxFootprint, policy.MaxFootprint + 1} {
		x := newCompany(t, readsModel, "groups: {team: {}}\n")
		x.must(crowd(n))
		x.must("assignments: [{role: given, to: group:team, until: 2026-01-05T12:00:00Z}]")
		p := policy.Pass(x.s, monday, monday.Add(12*time.Hour))
		all := n > policy.MaxFootprint
		if f := p.Footprint; f.GetAllSubjects() != all || !all && len(f.GetSubjects()) != n || all && len(f.GetSubjects()) > 0 {
			t.Errorf("%d subjects: all is %t, %d are named", n, f.GetAllSubjects(), len(f.GetSubjects()))
		}
		if len(p.Effects) != 1 || p.Effects[0].GetCount() != uint64(n) || (len(p.Effects[0].GetSubjects()) == n) == all {
			t.Errorf("%d subjects: the effects are %v", n, p.Effects)
		}
	}
}

// Hours go by the clock on the wall: its being put forward or back is a boundary, since what it shows is looked at anew.
func TestBoundariesWhenClocksChange(t *testing.T) {
	x := newCompany(t, cellsModel, readsCompany)
	for _, c := range []struct{ after, want string }{
		{"2026-01-05T06:59:59Z", "2026-01-05T07:00:00Z"},
		{"2026-01-05T07:00:00Z", "2026-01-05T17:00:00Z"},
		{"2026-01-09T17:00:00Z", "2026-01-12T07:00:00Z"}, // over the weekend
		{"2026-03-27T17:00:00Z", "2026-03-29T01:00:00Z"}, // put forward
		{"2026-03-29T01:00:00Z", "2026-03-30T06:00:00Z"},
		{"2026-10-23T16:00:00Z", "2026-10-25T01:00:00Z"}, // put back
		{"2026-10-25T01:00:00Z", "2026-10-26T07:00:00Z"},
	} {
		after, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		if got := x.s.NextBoundary(after).Format(time.RFC3339); got != c.want {
			t.Errorf("after %s comes %s, want %s", c.after, got, c.want)
		}
	}
}

// After years in which nobody looked, the last boundary is found at once.
func TestTheLastBoundaryOfManyYears(t *testing.T) {
	x := newCompany(t, cellsModel, readsCompany)
	p := policy.Pass(x.s, monday, monday.AddDate(100, 0, 0))
	if want := time.Date(2126, 1, 4, 17, 0, 0, 0, time.UTC); p == nil || !p.Last.Equal(want) { // the Friday before
		t.Errorf("passed %v, want %v", passed(p), want)
	}
}

// A tenant without a model has no boundary, and one whose model asks for no time neither.
func TestNoBoundary(t *testing.T) {
	if next := policy.Empty().NextBoundary(monday); !next.IsZero() {
		t.Errorf("nothing is there, and the next boundary is %v", next)
	}
	x := newCompany(t, readsModel, readsCompany)
	if next := x.s.NextBoundary(monday); !next.IsZero() {
		t.Errorf("the next boundary is %v", next)
	}
	if p := policy.Pass(x.s, monday, monday.AddDate(10, 0, 0)); p != nil {
		t.Errorf("passed %v", passed(p))
	}
}

// A condition that reads the clock has no edge that is known: such an answer holds for no time at all, and it alone may change
// where no boundary is.
func TestConditionsThatReadTheClockHaveNoBoundary(t *testing.T) {
	x := newCompany(t, readsModel, readsCompany)
	x.must(`assignments: [{role: given, to: dora, when: "now < timestamp('2026-01-05T12:00:00Z')"}]`)
	if next := x.s.NextBoundary(monday); !next.IsZero() {
		t.Errorf("the next boundary is %v", next)
	}
	q, _ := x.question("dora by_given doc:1")
	r := &policy.Request{}
	if err := x.s.Prepare(r, q, x.s.Plan().Normalise); err != nil {
		t.Fatal(err)
	}
	before, after := policy.Decide(x.s, r, monday), policy.Decide(x.s, r, monday.Add(3*time.Hour))
	if !before.Allow || after.Allow || !before.ValidUntil().Equal(monday) {
		t.Errorf("%+v, and later %+v", before, after)
	}
}
