// These tests prove that a file of callers says exactly who may do what: a mistake in it is refused as a whole, with its
// place, and nothing secret is repeated.
package caller

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klinke-authz/klinke/policy"
)

const (
	someID     = "abcdefghijklmnop"
	someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	someProof  = "token: " + someID + ", digest: " + someDigest
)

// kindOf is the kind of an error of ours.
func kindOf(t *testing.T, err error) policy.Kind {
	t.Helper()
	e, ok := errors.AsType[*policy.Error](err)
	if !ok {
		t.Fatalf("%v is none of our errors", err)
	}
	return e.Kind
}

func TestParse(t *testing.T) {
	l, err := Parse("callers.yaml", []byte(`
# a comment
callers:
  - name: router
    token: `+someID+`
    digest: `+someDigest+`
    powers: [check, watch]
    tenants: [globex, acme, acme]
    created: 2026-11-26T10:00:00Z
    expires: 2027-02-24T10:00:00+01:00
  - {name: sync, certificate: spiffe://example.org/sync, powers: [edit_directory], tenants: all}
  - {name: web, certificate: web.example.org, powers: [operate], tenants: [all]}
`))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(l.Callers()); got != 3 {
		t.Fatalf("%d callers, want 3", got)
	}
	router, sync, web := l.callers[0], l.callers[1], l.callers[2]
	if router.Name != "router" || router.Token != someID || router.Powers != Of(Check, Watch) || router.All ||
		!slices.Equal(router.Tenants, []string{"acme", "globex"}) {
		t.Errorf("router is %+v", router)
	}
	if want := time.Date(2027, 2, 24, 9, 0, 0, 0, time.UTC); !router.Expires.Equal(want) {
		t.Errorf("router expires %v, want %v", router.Expires, want)
	}
	if !sync.All || sync.Certificate != "spiffe://example.org/sync" || sync.Powers != Of(EditDirectory) {
		t.Errorf("sync is %+v", sync)
	}
	if web.All || !web.Sees("all") || web.Sees("acme") {
		t.Errorf("a tenant that is called all is all of them: %+v", web)
	}
	if l, err := Parse("callers.yaml", []byte("callers: []\n")); err != nil || len(l.callers) != 0 {
		t.Errorf("a list of nobody: %v, %v", l, err)
	}
	for _, nothing := range []string{"", "# nothing\n", "callers:\n", "{}"} {
		if _, err := Parse("callers.yaml", []byte(nothing)); err == nil || !strings.Contains(err.Error(), "it says nothing") {
			t.Errorf("%q: %v", nothing, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	one := func(s string) string { return "callers:\n  - {" + s + "}\n" }
	for file, want := range map[string]string{
		"- name: a":              "line 1, column 1: a map with callers is expected",
		"caller: []":             "line 1, column 1: unknown key `caller`; there are callers",
		"callers: {}":            "line 1, column 10: `callers` is a list",
		"callers: [a]":           "line 1, column 11: a map with name",
		"callers: [":             "line 1: did not find expected node content",
		"callers: []\n---\na: 1": "behind the first document",
		one("powers: [check], tenants: all, " + someProof):                                                                             "line 2, column 5: a caller needs `name`",
		one("name: a, tenants: all, " + someProof):                                                                                     "a caller needs `powers`",
		one("name: a, powers: [check], " + someProof):                                                                                  "a caller needs `tenants`",
		one("name: a, powers: [], tenants: all, " + someProof):                                                                         "`powers` is a list of at least one word",
		one("name: a, powers: check, tenants: all, " + someProof):                                                                      "`powers` is a list of at least one word",
		one("name: a, powers: [chek], tenants: all, " + someProof):                                                                     "unknown power `chek`; there are check, watch, edit_directory, edit_model, tenants, operate",
		one("name: a, powers: [check], tenants: [], " + someProof):                                                                     "`tenants` is a list of at least one word",
		one("name: a, powers: [check], tenants: acme, " + someProof):                                                                   "`tenants` is a list, or the word all",
		one(`name: a, powers: [check], tenants: [""], ` + someProof):                                                                   "tenants: an identifier may not be empty",
		one(`name: "a\nb", powers: [check], tenants: all, ` + someProof):                                                               "name: ",
		one("name: a, name: b, powers: [check], tenants: all, " + someProof):                                                           "`name` is said twice",
		one("name: a, powers: [check], tenants: all"):                                                                                  "needs either `token` and `digest`, or `certificate`",
		one("name: a, powers: [check], tenants: all, token: " + someID):                                                                "needs either `token` and `digest`, or `certificate`",
		one("name: a, powers: [check], tenants: all, certificate: b, " + someProof):                                                    "needs either `token` and `digest`, or `certificate`",
		one("name: a, powers: [check], tenants: all, token: short, digest: " + someDigest):                                             "`token` is the public part of a token",
		one("name: a, powers: [check], tenants: all, token: " + someID + ", digest: secretsecret"):                                     "`digest` is sha256: and 64 hexadecimal digits",
		one("name: a, powers: [check], tenants: all, token: " + someID + ", digest: sha256:abcd"):                                      "`digest` is sha256: and 64 hexadecimal digits",
		one("name: a, powers: [check], tenants: all, certificate: '*.example.org'"):                                                    "`certificate` is a name",
		one("name: a, powers: [check], tenants: all, certificate: 'CN=router'"):                                                        "",
		one("name: a, powers: [check], tenants: all, certificate: 'mailto:a'"):                                                         "`certificate` is a name",
		one("name: a, powers: [check], tenants: all, expires: tomorrow, " + someProof):                                                 "`expires` is a moment such as",
		one("name: a, powers: [check], tenants: all, until: 2027-01-01T00:00:00Z, " + someProof):                                       "unknown key `until`; there are name, token",
		one("name: a, powers: [check], tenants: all, "+someProof) + "  - {name: a, powers: [check], tenants: all, certificate: b}":     "line 3, column 5: there are two callers called `a`",
		one("name: a, powers: [check], tenants: all, "+someProof) + "  - {name: b, powers: [check], tenants: all, " + someProof + "}":  "the callers `a` and `b` have the same token",
		one("name: a, powers: [check], tenants: all, certificate: c") + "  - {name: b, powers: [check], tenants: all, certificate: c}": "the callers `a` and `b` have the same certificate",
		"callers: " + strings.Repeat(" ", MaxFileBytes):                                                                                "a file of callers may have",
	} {
		_, err := Parse("callers.yaml", []byte(file))
		if want == "" {
			if err != nil {
				t.Errorf("%.200s: %v", file, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%.200s: is taken", file)
			continue
		}
		if got := err.Error(); !strings.HasPrefix(got, "callers.yaml: ") || !strings.Contains(got, want) {
			t.Errorf("%.200s: %q, want %q", file, got, want)
		}
		for _, secret := range []string{"secretsecret", "0123456789abcdef", someID} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%.200s: the error repeats %s: %v", file, secret, err)
			}
		}
	}
}

func TestPowersHaveWords(t *testing.T) {
	if got := len(EveryPower()); got != int(Operate)+1 {
		t.Errorf("%d powers have words, want %d", got, Operate+1)
	}
	for _, p := range EveryPower() {
		if got, ok := ParsePower(p.String()); !ok || got != p {
			t.Errorf("%v is read as %v, %t", p, got, ok)
		}
	}
	if _, ok := ParsePower("unknown"); ok {
		t.Error("the word for what is no power is a power")
	}
	none := &Caller{}
	for _, p := range EveryPower() {
		if none.May(Of(p)) || !Everybody().May(Of(p)) {
			t.Errorf("%v: a new caller has %t, everybody has %t", p, none.May(Of(p)), Everybody().May(Of(p)))
		}
	}
	if none.Sees("acme") || none.Sees("") {
		t.Error("a new caller sees a tenant")
	}
	if got := Of(Operate, Check).String(); got != "check, operate" {
		t.Errorf("a set reads %q", got)
	}
}
