// This file promises nothing itself: it reads the tree on which the other arch tests hold the laws.
package klinke_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is one hand-written Go file.
type source struct {
	path string // from the root, with slashes
	text string
	tree *ast.File
}

// room is one folder of Go: a package with its tests.
type room struct {
	dir     string
	shipped []*source
	tests   []*source
}

// house is the whole module, generated Go, nested modules and test data left out.
type house struct {
	fset  *token.FileSet
	rooms []*room           // by folder
	texts map[string]string // what is no Go but is read by people: documents, settings, scripts
}

// survey reads a house from its root.
func survey(t *testing.T, root fs.FS) *house {
	t.Helper()
	h := &house{fset: token.NewFileSet(), texts: map[string]string{}}
	rooms := map[string]*room{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && h.skips(root, name) {
				return fs.SkipDir
			}

			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		switch path.Ext(name) {
		case ".go":
			return h.enter(rooms, name, text)
		case ".md", ".yaml", ".yml", ".sh", ".proto", ".mod":
			h.texts[name] = string(text)
		}

		return nil
	})
	if err != nil {
		t.Fatalf("reading the tree: %v", err)
	}
	for _, r := range rooms {
		h.rooms = append(h.rooms, r)
	}
	slices.SortFunc(h.rooms, func(a, b *room) int { return strings.Compare(a.dir, b.dir) })

	return h
}

// skips says whether a folder is no part of the module.
func (h *house) skips(root fs.FS, dir string) bool {
	base := path.Base(dir)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || dir == "bin" {
		return true
	}
	_, err := fs.Stat(root, dir+"/go.mod")

	return err == nil
}

// enter parses a Go file into its room, unless it is generated.
func (h *house) enter(rooms map[string]*room, name string, text []byte) error {
	f, err := parser.ParseFile(h.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if ast.IsGenerated(f) {
		return nil
	}
	dir := path.Dir(name)
	r := rooms[dir]
	if r == nil {
		r = &room{dir: dir}
		rooms[dir] = r
	}
	s := &source{path: name, text: string(text), tree: f}
	if strings.HasSuffix(name, "_test.go") {
		r.tests = append(r.tests, s)
	} else {
		r.shipped = append(r.shipped, s)
	}

	return nil
}

// at is where a node is, for messages.
func (h *house) at(n ast.Node) string {
	p := h.fset.Position(n.Pos())

	return p.Filename + ":" + strconv.Itoa(p.Line)
}

// line is the line at which a node starts.
func (h *house) line(n ast.Node) int { return h.fset.Position(n.Pos()).Line }

// imports are the paths that a file imports directly.
func (s *source) imports() []string {
	paths := make([]string, 0, len(s.tree.Imports))
	for _, i := range s.tree.Imports {
		p, _ := strconv.Unquote(i.Path.Value) // the parser has read it
		paths = append(paths, p)
	}

	return paths
}

// uses are the places where a file names one of these of a package, as in uses("time", "Now").
func (s *source) uses(pkg string, names ...string) []ast.Node {
	local := ""
	for i, p := range s.imports() {
		if p == pkg {
			local = path.Base(p)
			if n := s.tree.Imports[i].Name; n != nil {
				local = n.Name
			}
		}
	}
	var found []ast.Node
	ast.Inspect(s.tree, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && local != "" && x.Name == local && slices.Contains(names, sel.Sel.Name) {
			found = append(found, sel)
		}

		return true
	})

	return found
}

// below says whether a path is a folder or in it.
func below(dir, name string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }
