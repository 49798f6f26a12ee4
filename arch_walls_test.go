// These tests promise the walls: which room may import which, and what no room may import at all.
package klinke_test

import (
	"fmt"
	"slices"
	"strings"
)

const (
	module = "github.com/klinke-authz/klinke/"
	words  = "proto/klinke/v1"
)

// wall is what one room may import. Tests are free.
type wall struct {
	dir     string
	ours    []string // our own rooms; "*" for any
	theirs  []string // modules of others, by prefix; nil for any that is not refused below
	refused []string // by prefix of whole path elements
	later   string   // the issue that builds it, while it does not exist
}

// plan lists every room. The law (policy and all below it) knows no network, disk, lock, clock or log.
func plan() []wall {
	impure := []string{"net", "os", "sync", "context", "log", "io/ioutil", "syscall", "golang.org/x/sys", "google.golang.org/grpc", "go.etcd.io"}
	wire := []string{"google.golang.org/grpc", "google.golang.org/genproto/googleapis/rpc", "google.golang.org/protobuf"}
	noWire := []string{"net", "google.golang.org/grpc", "github.com/spf13"}

	return []wall{
		{dir: "policy", ours: []string{words, "policy/dial"}, refused: impure},
		{dir: "policy/account", ours: []string{words, "policy"}, refused: impure},
		{dir: "policy/world", ours: []string{words, "policy", "policy/account"}, refused: impure},
		{dir: "policy/lint", ours: []string{words, "policy", "policy/account", "policy/world"}, refused: impure},
		{dir: "policy/preset", ours: []string{words, "policy", "policy/account"}, refused: impure},
		{dir: "policy/dial", ours: []string{words, "policy"}, refused: impure},
		{dir: "store", ours: []string{words, "policy"}, refused: noWire},
		{dir: "store/bolt", ours: []string{words, "policy", "store"}, refused: noWire},
		{dir: "store/mem", ours: []string{words, "policy", "store"}, refused: noWire},
		{dir: "store/storetest", ours: []string{words, "policy", "store", "store/mem"}, refused: noWire}, // mem is its oracle
		{dir: "server", ours: []string{words, "policy", "policy/dial", "store", "server/live", "server/caller"}, refused: []string{"github.com/spf13"}},
		{dir: "server/caller", ours: []string{"policy"}, refused: noWire},
		{dir: "server/reload", ours: []string{"policy"}, refused: noWire},
		{dir: "server/live", ours: []string{words, "policy", "store"}, refused: noWire},
		{dir: "client", ours: []string{words}, theirs: wire, later: "4"},
		{dir: "client/replica", ours: []string{words, "client", "policy", "server/live"}, theirs: wire, later: "5"},
		{dir: "client/clienttest", ours: []string{"*"}, later: "5"},
		{dir: "cmd/klinke", ours: []string{"*"}},
	}
}

// under says whether a package path is one of these or inside one.
func under(paths []string, name string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return below(p, name) })
}

func wallsBroken(h *house) []string {
	var broken []string
	for _, w := range plan() {
		for _, r := range h.rooms {
			if r.dir != w.dir {
				continue
			}
			for _, s := range r.shipped {
				for _, p := range s.imports() {
					if why := w.refuses(p); why != "" {
						broken = append(broken, fmt.Sprintf("%s imports %s: %s", s.path, p, why))
					}
				}
			}
		}
	}

	return broken
}

// refuses says why a room may not import a path; empty when it may.
func (w wall) refuses(p string) string {
	ours, isOurs := strings.CutPrefix(p, module)
	isTheirs := strings.Contains(strings.Split(p, "/")[0], ".") && !isOurs
	switch {
	case isOurs && !slices.Contains(w.ours, ours) && !slices.Contains(w.ours, "*"):
		return fmt.Sprintf("of our rooms, %s may see only %s", w.dir, strings.Join(w.ours, ", "))
	case isTheirs && w.theirs != nil && !under(w.theirs, p):
		return fmt.Sprintf("of others' packages, %s may see only %s", w.dir, strings.Join(w.theirs, ", "))
	case under(w.refused, p):
		return w.dir + " may not see it"
	default:
		return ""
	}
}

func planBroken(h *house) []string {
	var broken []string
	here := map[string]bool{}
	for _, r := range h.rooms {
		if len(r.shipped) == 0 {
			continue
		}
		here[r.dir] = true
		if !slices.ContainsFunc(plan(), func(w wall) bool { return w.dir == r.dir }) {
			broken = append(broken, r.dir+" is not on the plan: say in arch_walls_test.go what it may import")
		}
	}
	for _, w := range plan() {
		switch {
		case !here[w.dir] && w.later == "":
			broken = append(broken, w.dir+" is on the plan and not in the house: its walls guard nothing")
		case here[w.dir] && w.later != "":
			broken = append(broken, fmt.Sprintf("%s exists: take away its mark that issue %s will build it", w.dir, w.later))
		}
	}

	return broken
}

func enginesPicked(h *house) []string {
	var broken []string
	for _, r := range h.rooms {
		if below("cmd", r.dir) || r.dir == "store/storetest" || r.dir == "client/clienttest" {
			continue // the last two are tests that others run
		}
		for _, s := range r.shipped {
			for _, p := range s.imports() {
				if p == module+"store/bolt" || p == module+"store/mem" {
					broken = append(broken, fmt.Sprintf("%s imports %s: only cmd picks an engine, others take a store.Store", s.path, p))
				}
			}
		}
	}

	return broken
}

func clocksInLaw(h *house) []string {
	var broken []string
	for _, r := range h.rooms {
		if !below("policy", r.dir) {
			continue
		}
		for _, s := range r.shipped {
			for _, n := range s.uses("time", "Now", "Since", "Until", "After", "Tick", "Sleep", "NewTimer", "NewTicker", "AfterFunc") {
				broken = append(broken, h.at(n)+" asks the clock: the law takes now as a parameter")
			}
		}
	}

	return broken
}

func testingShipped(h *house) []string {
	var broken []string
	tools := []string{"testing", "pgregory.net/rapid", "go.uber.org/goleak", "github.com/anishathalye/porcupine", "github.com/rogpeppe/go-internal"}
	for _, r := range h.rooms {
		if r.dir == "store/storetest" || r.dir == "client/clienttest" {
			continue
		}
		for _, s := range r.shipped {
			for _, p := range s.imports() {
				if under(tools, p) {
					broken = append(broken, fmt.Sprintf("%s imports %s: shipped code carries no test tools", s.path, p))
				}
			}
		}
	}

	return broken
}

func statusMappers(h *house) []string {
	var broken []string
	for _, r := range h.rooms {
		readers := 0
		for _, s := range r.shipped {
			if !slices.ContainsFunc(s.imports(), func(p string) bool {
				return p == "google.golang.org/grpc/status" || p == "google.golang.org/grpc/codes"
			}) {
				continue
			}
			// A client reads statuses. The program is one, and reads them in one place.
			if below("cmd", r.dir) {
				readers++
			}
			if s.path != "server/status.go" && !below("client", r.dir) && !below("cmd", r.dir) {
				broken = append(broken, s.path+" makes gRPC statuses: return a *policy.Error, server/status.go maps it")
			}
		}
		if readers > 1 {
			broken = append(broken, fmt.Sprintf("%s reads gRPC statuses in %d files: one is enough", r.dir, readers))
		}
	}

	return broken
}

func unexplainedDependencies(h *house) []string {
	const page = "docs/decisions/dependencies.md"
	var modules []string
	for line := range strings.Lines(h.texts["go.mod"]) {
		if f := strings.Fields(strings.TrimPrefix(line, "require ")); len(f) >= 2 && strings.HasPrefix(f[1], "v") {
			modules = append(modules, f[0])
		}
	}
	direct := map[string]bool{}
	for _, r := range h.rooms {
		for _, s := range append(slices.Clone(r.shipped), r.tests...) {
			for _, p := range s.imports() {
				longest := ""
				for _, m := range modules {
					if below(m, p) && len(m) > len(longest) {
						longest = m
					}
				}
				direct[longest] = true
			}
		}
	}
	var broken []string
	for _, m := range modules {
		if direct[m] && !strings.Contains(h.texts[page], "\n| `"+m+"` |") {
			broken = append(broken, fmt.Sprintf("%s is imported: say in %s what for, what else was looked at and whether it is kept up", m, page))
		}
	}
	for line := range strings.Lines(h.texts[page]) {
		row, isRow := strings.CutPrefix(line, "| `")
		if m, _, _ := strings.Cut(row, "`"); isRow && !direct[m] {
			broken = append(broken, fmt.Sprintf("%s explains %s, which nothing imports", page, m))
		}
	}

	return broken
}
