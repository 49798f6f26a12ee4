// These tests prove that a finding is excused where the file says so with a reason, and nowhere else, and that an excuse for
// nothing is found.
package lint_test

import (
	"strings"
	"testing"

	"github.com/klinke-authz/klinke/policy/lint"
)

const excused = "forgotten-fact-opens"

func TestMarkers(t *testing.T) {
	gate := "gate: [{absent: other}]"
	two := func(text string) string { return model(noneOwn, owned, text, "") }
	for _, c := range []struct{ model, found, excuses string }{
		{two("x: {" + gate + "}  # lint: forgotten-fact-opens; none is meant"), "", "none is meant"},
		{two("# lint: forgotten-fact-opens; none is meant\n\n# and more\nx: {" + gate + "}"), "", "none is meant"},
		{two("# lint: forgotten-fact-opens; both\nx:\n  gate: [{absent: other}]\n  require: [{absent: other}]"), "", "both, both"},
		// a comment beside a line is about that line alone, one above it about all below, and not about what follows
		{two("x:  # lint: forgotten-fact-opens; this line\n  " + gate),
			"m.yaml:12:11: marker: nothing here is `forgotten-fact-opens`\nm.yaml:13:16: forgotten-fact-opens: ", ""},
		{two("# lint: forgotten-fact-opens; the first\nx: {" + gate + "}\ny: {require: [{absent: other}]}"),
			"m.yaml:14:21: forgotten-fact-opens: ", "the first"},
		{two("# lint: forgotten-fact-opens, unused-scale; why\nx: {" + gate + "}"), "m.yaml:12:7: marker: nothing here is `unused-scale`", "why"},
		// what is no excuse
		{two("x: {" + gate + "}  # lint: forgotten-fact-opens"),
			"m.yaml:12:18: forgotten-fact-opens: \nm.yaml:12:37: marker: this excuses nothing: it must name codes, and behind a semicolon say why: # lint: forgotten-fact-opens; why", ""},
		{two("x: {" + gate + "}  # lint: forgotten; why"), "m.yaml:12:18: forgotten-fact-opens: \nm.yaml:12:37: marker: `forgotten` is the code of no finding that can be excused", ""},
		{two("x: {" + gate + "}  # lint: marker; why"), "m.yaml:12:18: forgotten-fact-opens: \nm.yaml:12:37: marker: `marker` is the code of no finding that can be excused", ""},
	} {
		r := look(t, c.model, "", "")
		var got, excuses []string
		for _, f := range r.Findings {
			what := f.What
			if f.Code == excused {
				what = ""
			}
			got = append(got, f.Place.String()+": "+f.Code+": "+what)
		}
		for _, f := range r.Excused {
			excuses = append(excuses, f.Excuse)
		}
		if g, e := strings.Join(got, "\n"), strings.Join(excuses, ", "); g != c.found || e != c.excuses {
			t.Errorf("%s\n got %s, excused by %q\nwant %s, excused by %q", c.model, g, e, c.found, c.excuses)
		}
	}
}

// What a mixin excuses is excused in the model that uses it, and is no idle excuse there when the model does without.
func TestMarkersOfMixins(t *testing.T) {
	mixin := "types:\n  t:\n    attributes: {a: 'text?'}\n    actions:\n      x: {gate: [{absent: a}]} # lint: forgotten-fact-opens; none is meant\n" +
		"levels: {idle: {no: [], yes: any}} # lint: level-shrinks; for some\n"
	r := look(t, "uses: [mix]\nlevels: {idle: {none: []}}\n", mixin, "")
	if got, want := said(r.Findings), "m.yaml:2:10: unused-scale: no action uses the scale `idle` of the model"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(r.Excused) != 1 || r.Excused[0].Place.File != "mix" || r.Excused[0].Excuse != "none is meant" {
		t.Errorf("excused are %+v", r.Excused)
	}
}

// A model says once for all of its accounts that a cell which is not set means what holds by default.
func TestMarkerAtDefault(t *testing.T) {
	silent := people + "roles: {p: {grants: [t.x@own]}}"
	for scale, want := range map[string]string{
		noneOwn + ", default: any": "a.yaml:4:9: silence-opens: the role `p` says nothing about `u.z`, whose default passes: whoever has no other role may",
		"\n  # lint: silence-opens; unset is open\n  " + noneOwn + ", default: any\n": "",
	} {
		m := model(scale, owned, oneLevel, "roles: {r: {grants: [t.*@own, u.*@own]}, q: {grants: [t.x@own]}}")
		if got := said(look(t, m, "", silent).Findings); got != want {
			t.Errorf("%s\n got %s\nwant %s", m, got, want)
		}
		model := said(look(t, m, "", "").Findings)
		if (model == "") != (want == "") {
			t.Errorf("of the model itself: %s\n%s", m, model)
		}
		closed := strings.Replace(m, ", default: any", "", 1)
		if got := said(look(t, closed, "", "").Findings); (got == "") != (want != "") {
			t.Errorf("an excuse is for nothing where nothing opens: %s\n%s", closed, got)
		}
	}
	if lint.SilenceOpens != "silence-opens" {
		t.Error("a code has changed")
	}
}
