// These tests promise that every law can fail: for each, a small house that breaks it, and what is said then.
package klinke_test

import (
	"strings"
	"testing"
	"testing/fstest"
)

// bite is a house that breaks one law: files by path, and a part of each sentence that is expected, in order. What the
// files hold besides is allowed, so that a law that barks at everything fails too.
type bite struct {
	law   string
	files map[string]string
	wants []string
}

func bites() []bite {
	return []bite{
		{"1 walls between rooms", map[string]string{
			"policy/a.go":      "package policy\nimport (\n\"log/slog\"\n\"os\"\n\"strings\"\n\"sync/atomic\"\nk \"github.com/klinke-authz/klinke/proto/klinke/v1\"\n\"github.com/klinke-authz/klinke/store\"\n)",
			"store/a.go":       "package store\nimport (\n\"os\"\n\"github.com/klinke-authz/klinke/policy\"\n\"github.com/klinke-authz/klinke/server/live\"\n)",
			"client/a.go":      "package client\nimport (\n\"google.golang.org/grpc/metadata\"\n\"github.com/spf13/cobra\"\n\"github.com/klinke-authz/klinke/policy\"\n)",
			"policy/a_test.go": "package policy\nimport \"os\"",
		}, []string{
			"policy/a.go imports log/slog", "policy/a.go imports os", "policy/a.go imports sync/atomic", "policy/a.go imports github.com/klinke-authz/klinke/store",
			"store/a.go imports github.com/klinke-authz/klinke/server/live", "client/a.go imports github.com/spf13/cobra", "client/a.go imports github.com/klinke-authz/klinke/policy",
		}},
		{"1 only cmd picks an engine", map[string]string{
			"cmd/klinke/a.go":  "package main\nimport \"github.com/klinke-authz/klinke/store/bolt\"",
			"server/a.go":      "package server\nimport \"github.com/klinke-authz/klinke/store/mem\"",
			"server/a_test.go": "package server\nimport \"github.com/klinke-authz/klinke/store/mem\"",
		}, []string{"server/a.go imports"}},
		{"1 the law has no clock", map[string]string{
			"policy/a.go":      "package policy\nimport clock \"time\"\nvar _ = clock.Now\nvar _ = clock.UTC",
			"policy/dial/a.go": "package dial\nimport \"time\"\nvar _ = time.Since",
			"server/a.go":      "package server\nimport \"time\"\nvar _ = time.Now",
		}, []string{"policy/a.go:3", "policy/dial/a.go:3"}},
		{"1 shipped code imports no tests", map[string]string{
			"store/storetest/a.go": "package storetest\nimport \"testing\"",
			"store/mem/a.go":       "package mem\nimport \"testing/fstest\"",
			"store/mem/a_test.go":  "package mem\nimport \"testing\"",
		}, []string{"store/mem/a.go imports testing/fstest"}},
		{"3 Decide is held to Explain and to no allocation", map[string]string{
			"policy/a_test.go": "package policy\nimport \"testing\"\nfunc TestA(t *testing.T) {}",
			"store/a_test.go":  "package store\nimport \"testing\"\nfunc FuzzA(f *testing.F) { testing.AllocsPerRun(1, nil) }",
		}, []string{"no fuzz target", "AllocsPerRun"}},
		{"6 goroutines have owners", map[string]string{
			"server/a.go": "package server\nfunc f() {\ngo f()\n// Close owns it.\ngo f()\ngo f() // f waits for it\n// Fast.\ngo f()\n}",
		}, []string{"server/a.go:3", "server/a.go:8"}},
		{"7 package variables never change", map[string]string{
			"server/a.go": `package server
import ("errors"; "regexp"; "sync"; "time"; _ "embed")
var ErrA = errors.New("a")
var pattern = regexp.MustCompile("a")
var table = map[string]int{"a": 1}
var _ I = (*T)(nil)
var epoch = time.Unix(0, 0).UTC()
var state = newState().start()
//go:embed a.txt
var text string
var count int
var lock = sync.Mutex{}
var cache = map[string]int{}
var size = 3
var now = clock
var made = make(chan int)
var hook = func() {}
func f() {
	table["b"] = 2
	pattern := 1
	pattern = 2
	delete(table, "a")
	count++
	p := &table
}`,
			"server/b.go": "package server\nfunc g() { ErrA = nil }",
		}, []string{
			"variable state", "variable count", "variable lock", "variable cache", "variable size", "variable now", "variable made", "variable hook",
			"a.go:19 changes package variable table", "a.go:22 changes", "a.go:23 changes", "a.go:24 changes", "b.go:2 changes package variable ErrA",
		}},
		{"7 no init", map[string]string{"server/a.go": "package server\nfunc init() {}\nfunc (t T) init() {}"}, []string{"server/a.go:2"}},
		{"7 nothing travels in contexts", map[string]string{
			"server/a.go": "package server\nimport \"context\"\nvar _ = context.WithValue\nvar _ = context.WithCancel",
		}, []string{"server/a.go:3"}},
		{"7 rooms have names", map[string]string{
			"server/util/a.go": "package strings2", "server/b/a.go": "package helpers", "server/utility/a.go": "package utility",
		}, []string{`server/b: "helpers"`, `server/util: "util"`}},
		{"7 products are data", map[string]string{
			"cmd/klinke/a.go":      "package main\n\n// As in Bitrix24.\nconst a = 1",
			"cmd/klinke/a_test.go": "package main\n\nconst b = \"bitrix24\"",
			"policy/preset/a.go":   "package preset\n\nconst c = \"bitrix24\"",
		}, []string{"cmd/klinke/a.go:3 names Bitrix"}},
		{"8 one file maps errors to statuses", map[string]string{
			"server/status.go": "package server\nimport \"google.golang.org/grpc/status\"",
			"server/a.go":      "package server\nimport \"google.golang.org/grpc/codes\"",
			"client/a.go":      "package client\nimport \"google.golang.org/grpc/codes\"",
			"cmd/klinke/a.go":  "package main\nimport \"google.golang.org/grpc/codes\"",
			"cmd/klinke/b.go":  "package main\nimport \"google.golang.org/grpc/status\"",
		}, []string{"cmd/klinke reads gRPC statuses in 2 files", "server/a.go makes"}},
		{"9 rooms are documented", map[string]string{
			"a/a.go": "// Package a is one thing. It is safe for concurrent use. It never fails.\npackage a", "b/b.go": "package b",
			"c/c.go": "// Package c is for concurrent use and fails.\npackage c", "d/d.go": "// Package d. Is. Short.\npackage d",
			"e/e.go": "// Package e.\npackage e", "e/f.go": "// Package e.\npackage e",
		}, []string{"b has 0", "c: 1 sentences", "d: the package comment says nothing of concurrency", "d: the package comment says nothing of failure", "e has 2"}},
		{"10 files stay short", map[string]string{
			"a/a.go": "package a\n" + strings.Repeat("\n", 500), "a/a_test.go": "package a\n" + strings.Repeat("\n", 900), "a/b_test.go": "package a\n" + strings.Repeat("\n", 899),
		}, []string{"a/a.go has 501", "a/a_test.go has 901", "the median file has 501"}},
		{"10 interfaces stay small", map[string]string{
			"a/a.go": "package a\ntype A interface{ a(); b(); c(); d(); e(); f() }\ntype B interface{ A; a(); b(); c(); d(); e(); f(); g() }",
		}, []string{"a/a.go:3: interface B has 7"}},
		{"11 a linter has one excuse", map[string]string{
			"a/a.go": "package a\n\n//nolint:gosec // why\nvar a = 1 //" + "nolint:mnd,gosec // why\n\n//nolint\nvar b = 1\n\n//nolint:lll // why\nvar c = 1",
		}, []string{"a/a.go:6 silences every", "gosec is excused 2 times"}},
		{"no marks of unfinished work", map[string]string{
			"a/a.go": "package a\n\n// TO" + "DO: b\n", "a/b_test.go": "package a\n\n// Not yet imple" + "mented.\n", "docs/a.md": "Fine.\nFIX" + "ME\n",
		}, []string{"a/a.go:3", "a/b_test.go:3", "docs/a.md:2"}},
		{"tests do not sleep", map[string]string{
			"a/a_test.go": "package a\nimport \"time\"\nvar _ = time.Sleep\nvar _ = time.Now", "a/a.go": "package a\nimport \"time\"\nvar _ = time.Sleep",
		}, []string{"a/a_test.go:3"}},
		{"skipped tests say why", map[string]string{
			"a/a_test.go": "package a\nfunc f() {\nt.Skip()\nt.SkipNow()\nt.Skip(\"later\")\nt.Skip(\"no strace here\", err)\nb.Skipf(\"%v\", err)\nbuf.Skip()\n}",
		}, []string{"a_test.go:3", "a_test.go:4", "a_test.go:5", "a_test.go:7"}},
		{"dependencies are explained", map[string]string{
			"go.mod":                         "module m\nrequire x.org/one v1.0.0\nrequire (\n\tx.org/two v1.0.0\n\tx.org/two/v2 v2.0.0 // indirect\n\tx.org/three v1.0.0\n)",
			"a/a.go":                         "package a\nimport (\n\"x.org/one\"\n\"x.org/two/v2/deep\"\n)",
			"docs/decisions/dependencies.md": "# Dependencies\n\n| `x.org/one` | why |\n| `x.org/three` | why |\n",
		}, []string{"x.org/two/v2 is imported", "explains x.org/three"}},
		{"tests say what they promise", map[string]string{
			"a/a_test.go": "// This promises.\npackage a", "a/b_test.go": "package a\n\nimport \"testing\"\n\n// This promises.\n\nfunc TestB() {}",
			"a/c_test.go": "//go:build linux\n\npackage a\n\n// TestC is c.\nfunc TestC() {}",
		}, []string{"a/c_test.go"}},
	}
}

func TestEveryLawCanFail(t *testing.T) {
	seen := map[string]bool{"1 every room is on the plan": true} // has a test of its own below
	for _, b := range bites() {
		t.Run(b.law, func(t *testing.T) {
			seen[b.law] = true
			compare(t, breaches(t, b.law, b.files), b.wants)
		})
	}
	for _, l := range laws() {
		if !seen[l.name] {
			t.Errorf("nothing shows that the law %q can fail", l.name)
		}
	}
}

func TestThePlanAndTheHouseMustAgree(t *testing.T) {
	files := map[string]string{"attic/a.go": "package attic"}
	wants := []string{"attic is not on the plan"}
	for _, w := range plan() {
		switch {
		case w.dir == "store/mem":
			wants = append(wants, "store/mem is on the plan and not in the house")
		case w.dir == "client":
			files[w.dir+"/a.go"] = "package a"
			wants = append(wants, "client exists")
		case w.later == "":
			files[w.dir+"/a.go"] = "package a"
		}
	}
	compare(t, breaches(t, "1 every room is on the plan", files), wants)
}

// breaches are what a law says of a house made of these files.
func breaches(t *testing.T, name string, files map[string]string) []string {
	t.Helper()
	root := fstest.MapFS{}
	for p, text := range files {
		root[p] = &fstest.MapFile{Data: []byte(text)}
	}
	h := survey(t, root)
	for _, l := range laws() {
		if l.name == name {
			return l.breaks(h)
		}
	}
	t.Fatalf("there is no law %q", name)

	return nil
}

// compare wants one sentence for each expected part, in order, and none besides.
func compare(t *testing.T, got, wants []string) {
	t.Helper()
	if len(got) != len(wants) {
		t.Fatalf("got %d sentences, want %d:\n%s", len(got), len(wants), strings.Join(got, "\n"))
	}
	for i, want := range wants {
		if !strings.Contains(got[i], want) {
			t.Errorf("got %q, want it to say %q", got[i], want)
		}
	}
}
