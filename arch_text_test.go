// These tests promise a house that can be read: documented rooms, short files, small interfaces, few excuses, no unfinished
// work, no product's name in code.
package klinke_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxLines     = 500
	maxTestLines = 900
	maxMedian    = 160
	maxMethods   = 6
)

func undocumentedRooms(h *house) []string {
	var broken []string
	sentence := regexp.MustCompile(`[.!?](\s|$)`)
	for _, r := range h.rooms {
		if len(r.shipped) == 0 {
			continue
		}
		var docs []string
		for _, s := range r.shipped {
			if s.tree.Doc != nil {
				docs = append(docs, s.tree.Doc.Text())
			}
		}
		if len(docs) != 1 {
			broken = append(broken, fmt.Sprintf("%s has %d package comments, one is wanted", r.dir, len(docs)))

			continue
		}
		doc := strings.ToLower(docs[0])
		if n := len(sentence.FindAllString(doc, -1)); n < 3 {
			broken = append(broken, fmt.Sprintf("%s: %d sentences of package comment cannot state its invariant, its concurrency rule and its failure policy", r.dir, n))
		}
		if !strings.Contains(doc, "concurren") {
			broken = append(broken, r.dir+": the package comment says nothing of concurrency")
		}
		if !strings.Contains(doc, "fail") && !strings.Contains(doc, "error") {
			broken = append(broken, r.dir+": the package comment says nothing of failure")
		}
	}

	return broken
}

func longFiles(h *house) []string {
	var broken []string
	var lengths []int
	for _, r := range h.rooms {
		for _, s := range r.shipped {
			n := strings.Count(s.text, "\n")
			lengths = append(lengths, n)
			if n > maxLines {
				broken = append(broken, fmt.Sprintf("%s has %d lines, at most %d are read", s.path, n, maxLines))
			}
		}
		for _, s := range r.tests {
			if n := strings.Count(s.text, "\n"); n > maxTestLines {
				broken = append(broken, fmt.Sprintf("%s has %d lines, at most %d are read", s.path, n, maxTestLines))
			}
		}
	}
	slices.Sort(lengths)
	if len(lengths) > 0 && lengths[len(lengths)/2] > maxMedian {
		broken = append(broken, fmt.Sprintf("the median file has %d lines, at most %d are wanted", lengths[len(lengths)/2], maxMedian))
	}

	return broken
}

func bigInterfaces(h *house) []string {
	var broken []string
	for _, r := range h.rooms {
		for _, s := range r.shipped {
			ast.Inspect(s.tree, func(n ast.Node) bool {
				t, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				i, ok := t.Type.(*ast.InterfaceType)
				if !ok {
					return true
				}
				methods := 0
				for _, m := range i.Methods.List {
					methods += len(m.Names) // embedded interfaces have none, and are counted where they are written
				}
				if methods > maxMethods {
					broken = append(broken, fmt.Sprintf("%s: interface %s has %d methods, at most %d are wanted", h.at(t), t.Name.Name, methods, maxMethods))
				}

				return true
			})
		}
	}

	return broken
}

func namelessRooms(h *house) []string {
	var broken []string
	nameless := regexp.MustCompile(`^(util|utils|common|commons|helper|helpers|type|types|misc)$`)
	for _, r := range h.rooms {
		names := strings.Split(r.dir, "/")
		for _, s := range r.shipped {
			names = append(names, s.tree.Name.Name)
		}
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			if nameless.MatchString(name) {
				broken = append(broken, fmt.Sprintf("%s: %q says nothing: name the room by what it does", r.dir, name))
			}
		}
	}

	return broken
}

func productNames(h *house) []string {
	var broken []string
	product := regexp.MustCompile(`(?i)aircall|bitrix|crm-?now|vtiger|whatsapp|chatarchitect|one_?crm|1crm|suite_?crm`)
	for _, r := range h.rooms {
		if below("policy/preset", r.dir) {
			continue
		}
		for _, s := range r.shipped {
			for number, line := range lines(s.text) {
				if found := product.FindString(line); found != "" {
					broken = append(broken, fmt.Sprintf("%s:%d names %s: products are model files, code knows none", s.path, number, found))
				}
			}
		}
	}

	return broken
}

// lines are a text's lines, counted from 1.
func lines(text string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		number := 0
		for line := range strings.Lines(text) {
			number++
			if !yield(number, line) {
				return
			}
		}
	}
}

func excusedLinters(h *house) []string {
	excuse := regexp.MustCompile(`^//\s*nolint\b(:([a-z0-9_,]+))?`)
	where := map[string][]string{}
	var broken []string
	for _, r := range h.rooms {
		for _, s := range append(slices.Clone(r.shipped), r.tests...) {
			for _, g := range s.tree.Comments {
				for _, c := range g.List {
					m := excuse.FindStringSubmatch(c.Text)
					if m == nil {
						continue
					}
					if m[2] == "" {
						broken = append(broken, h.at(c)+" silences every linter: name the one")
					}
					for linter := range strings.SplitSeq(m[2], ",") {
						where[linter] = append(where[linter], h.at(c))
					}
				}
			}
		}
	}
	for linter, places := range where {
		if linter != "" && len(places) > 1 {
			broken = append(broken, fmt.Sprintf("%s is excused %d times (%s): switch it off with a reason, or mend the code", linter, len(places), strings.Join(places, ", ")))
		}
	}
	slices.Sort(broken)

	return broken
}

func unfinishedMarks(h *house) []string {
	mark := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b|(?i:not (yet )?impl` + `emented)`)
	var broken []string
	look := func(name, text string) {
		for number, line := range lines(text) {
			if found := mark.FindString(line); found != "" {
				broken = append(broken, fmt.Sprintf("%s:%d is marked %q: finish it, or leave it out", name, number, found))
			}
		}
	}
	for _, r := range h.rooms {
		for _, s := range append(slices.Clone(r.shipped), r.tests...) {
			look(s.path, s.text)
		}
	}
	for name, text := range h.texts {
		look(name, text)
	}
	slices.Sort(broken)

	return broken
}

func sleepingTests(h *house) []string {
	var broken []string
	for _, r := range h.rooms {
		for _, s := range r.tests {
			for _, n := range s.uses("time", "Sleep") {
				broken = append(broken, h.at(n)+" sleeps: wait for what is to happen, or use testing/synctest")
			}
		}
	}

	return broken
}

func silentSkips(h *house) []string {
	var broken []string
	for _, r := range h.rooms {
		for _, s := range append(slices.Clone(r.shipped), r.tests...) {
			ast.Inspect(s.tree, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); !ok || !slices.Contains([]string{"t", "b", "f", "tb", "rt"}, x.Name) {
					return true
				}
				switch sel.Sel.Name {
				case "SkipNow":
				case "Skip", "Skipf":
					if len(call.Args) > 0 && saysSomething(call.Args[0]) {
						return true
					}
				default:
					return true
				}
				broken = append(broken, h.at(call)+" skips without a reason: say what is not proved, and what would let it run")

				return true
			})
		}
	}

	return broken
}

// saysSomething says whether a reason starts with words: a text of some length, or a sum of texts that does.
func saysSomething(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(x.Value)

		return err == nil && len(strings.Fields(text)) >= 3
	case *ast.BinaryExpr:
		return saysSomething(x.X) || saysSomething(x.Y)
	default:
		return false
	}
}

func unpromisingTests(h *house) []string {
	var broken []string
	for _, r := range h.rooms {
		for _, s := range r.tests {
			if !opensWithComment(s) {
				broken = append(broken, s.path+" does not open with a sentence that says what promise it proves")
			}
		}
	}

	return broken
}

// opensWithComment says whether a comment stands before a file's first declaration, imports aside, and is not about it.
func opensWithComment(s *source) bool {
	first, about := s.tree.End(), (*ast.CommentGroup)(nil)
	for _, d := range s.tree.Decls {
		g, isGen := d.(*ast.GenDecl)
		if isGen && g.Tok == token.IMPORT {
			continue
		}
		first = d.Pos()
		if isGen {
			about = g.Doc
		} else if f, ok := d.(*ast.FuncDecl); ok {
			about = f.Doc
		}

		break
	}

	return slices.ContainsFunc(s.tree.Comments, func(c *ast.CommentGroup) bool {
		return c != about && c.Pos() < first && strings.TrimSpace(c.Text()) != "" // directives have no text
	})
}

func decideUnheld(h *house) []string {
	var fuzzed, measured bool
	for _, r := range h.rooms {
		if r.dir != "policy" {
			continue
		}
		for _, s := range r.tests {
			measured = measured || len(s.uses("testing", "AllocsPerRun")) > 0
			for _, d := range s.tree.Decls {
				f, ok := d.(*ast.FuncDecl)
				fuzzed = fuzzed || ok && strings.HasPrefix(f.Name.Name, "Fuzz")
			}
		}
	}
	var broken []string
	if !fuzzed {
		broken = append(broken, "policy has no fuzz target that holds Decide to Explain")
	}
	if !measured {
		broken = append(broken, "policy has no test with testing.AllocsPerRun that holds Decide to no allocation")
	}

	return broken
}
