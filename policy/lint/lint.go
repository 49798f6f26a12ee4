// Package lint finds what a model or an account says and can hardly mean: levels that nobody can use, roles that change
// nothing, silence that opens or closes, tests and questions that no answer can satisfy, gates that a forgotten fact opens.
// Everything that it finds is legal; what is illegal never gets so far.
//
// Invariant: a finding has a code that never changes its meaning, a place, a sentence that says what was found and one that
// says what to do. A file can say of a finding that it is meant, in a comment at its place; that is then no finding but an
// excuse, and a comment that excuses nothing is a finding itself. The same files give the same findings in the same order.
//
// Concurrency: functions are pure and may be called from anywhere.
//
// Failure: nothing here can fail. What is given was read, compiled and applied before.
package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/world"
)

// The codes. They are append-only: files and pipelines name them.
const (
	// ForgottenFactOpens is a test that passes since an optional fact was not sent.
	ForgottenFactOpens = "forgotten-fact-opens"
	// UnreachableLevel is a level that its own rule always refuses.
	UnreachableLevel = "unreachable-level"
	// UnusedScale is a scale that no action uses.
	UnusedScale = "unused-scale"
	// LevelAddsNothing is a level that differs from the one below it in its name only.
	LevelAddsNothing = "level-adds-nothing"
	// LevelShrinks is a level that passes less than one below it.
	LevelShrinks = "level-shrinks"
	// PermissionNobodyHas is a permission that no role, default or override gives to anybody.
	PermissionNobodyHas = "permission-nobody-has"
	// RoleAddsNothing is a role that changes nothing for whoever gets it.
	RoleAddsNothing = "role-adds-nothing"
	// SilenceOpens is a role whose silence gives, since the scale's default passes.
	SilenceOpens = "silence-opens"
	// UntouchedOpens is a role that says of a type just what holds by default, which passes.
	UntouchedOpens = "untouched-opens"
	// SilenceCloses is a role that grants what its silence about something else refuses.
	SilenceCloses = "silence-closes"
	// BindsSuperusers is a level below what a gate asks for, so that superusers are refused too.
	BindsSuperusers = "binds-superusers"
	// TestNeverPasses is a test that no question can pass where it stands.
	TestNeverPasses = "test-never-passes"
	// UnknownRole is a role that a test names and the model does not have.
	UnknownRole = "unknown-role"
	// QuestionNeverPasses is an expected answer that no account and no model rule can give.
	QuestionNeverPasses = "question-never-passes"
	// Marker is a comment that should excuse a finding and does not.
	Marker = "marker"
)

// Codes lists the codes.
func Codes() []string {
	return []string{
		ForgottenFactOpens, UnreachableLevel, UnusedScale, LevelAddsNothing, LevelShrinks, PermissionNobodyHas, RoleAddsNothing,
		SilenceOpens, UntouchedOpens, SilenceCloses, BindsSuperusers, TestNeverPasses, UnknownRole, QuestionNeverPasses, Marker,
	}
}

// Finding is one thing found.
type Finding struct {
	Place account.Place
	// Code is one of Codes.
	Code string
	// What says what was found, Do what to do about it; a sentence each, without a full stop.
	What, Do string
	// Excuse is the reason that the file gives for it; empty when it gives none.
	Excuse string
}

// Report is what was found in a file, in the order of its lines; what stands in mixins comes last.
type Report struct {
	Findings []Finding
	// Excused are those of which the file says that they are meant.
	Excused []Finding
}

// Model looks at a model that compiles.
func Model(src *account.Source) *Report {
	v := newView(src)
	v.gates()
	v.scales()
	v.dead()
	v.modelRoles()
	return v.report(v.files)
}

// Account looks at an account that fits its model; text is its file. What is wrong with the model is for Model to find.
func Account(w *world.World, src *account.Source, text []byte) *Report {
	v := newView(src)
	v.account(w)
	f := account.File{Name: w.Place.File, Data: text}
	return v.report([]marked{{f.Name, markers(f), true}})
}

// found is a finding that is being collected. The same words at one place about several things become one finding.
type found struct {
	Finding

	of []string
}

// of stands in What for the names of that which a finding is about.
const of = "{of}"

// add collects a finding about a thing.
func (v *view) add(at account.Place, code, thing, do, what string, args ...any) {
	f := Finding{Place: at, Code: code, What: fmt.Sprintf(what, args...), Do: do}
	x := v.seen[f]
	if x == nil {
		x = &found{Finding: f}
		v.seen[f], v.found = x, append(v.found, x)
	}
	if !slices.Contains(x.of[max(len(x.of)-1, 0):], thing) { // the checks go from one thing to the next
		x.of = append(x.of, thing)
	}
}

// several names a few things and counts the rest.
func several(names []string) string {
	const most = 3
	switch n := len(names); {
	case n > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n-most)
	case n > 1:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// report sorts what was found, and takes away what the files excuse.
func (v *view) report(files []marked) *Report {
	out := &Report{}
	order := func(name string) int { return slices.IndexFunc(files, func(f marked) bool { return f.name == name }) }
	slices.SortStableFunc(v.found, func(a, b *found) int {
		return cmp.Or(order(a.Place.File)-order(b.Place.File), a.Place.Line-b.Place.Line, a.Place.Column-b.Place.Column, strings.Compare(a.Code, b.Code))
	})
	for _, f := range v.found {
		f.What = strings.Replace(f.What, of, several(f.of), 1)
		if i := order(f.Place.File); i >= 0 {
			f.Excuse = files[i].excuse(f.Place.Line, f.Code)
		}
		if f.Excuse != "" {
			out.Excused = append(out.Excused, f.Finding)
		} else {
			out.Findings = append(out.Findings, f.Finding)
		}
	}
	for _, f := range files {
		if f.whole {
			out.Findings = append(out.Findings, f.faults()...)
		}
	}
	slices.SortStableFunc(out.Findings, func(a, b Finding) int {
		return cmp.Or(order(a.Place.File)-order(b.Place.File), a.Place.Line-b.Place.Line, a.Place.Column-b.Place.Column)
	})
	return out
}
