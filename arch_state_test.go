// These tests promise that nothing hidden happens: no state in package variables, no code before main, no goroutine without
// an owner, nothing smuggled in contexts.
package klinke_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
)

// constantCalls are the functions that may make a package variable: what they return does not change.
func constantCalls() []string {
	return []string{
		"errors.New", "fmt.Errorf", "[]byte", "crc32.MakeTable", "regexp.MustCompile", "strings.NewReplacer", "strings.Fields", "strings.Split",
		"time.FixedZone", "time.Unix", "time.Date", "math.Inf", "math.NaN", "reflect.TypeFor", "reflect.TypeOf",
		"rapid.SampledFrom",
	}
}

func variablesThatChange(h *house) []string {
	var broken []string
	for _, r := range h.rooms {
		if len(r.shipped) == 0 {
			continue
		}
		info, scope := h.resolve(r)
		for _, s := range r.shipped {
			for _, d := range s.tree.Decls {
				if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
					broken = append(broken, h.unsteady(r, g)...)
				}
			}
			for _, n := range changed(s, info, scope) {
				broken = append(broken, fmt.Sprintf("%s changes package variable %s: state belongs to a value that somebody owns", h.at(n), n.Name))
			}
		}
	}

	return broken
}

// noImports makes the type checker do without other packages: names are all that is asked of it.
type noImports struct{}

func (noImports) Import(p string) (*types.Package, error) {
	return nil, fmt.Errorf("%s is not wanted", p)
}

// resolve finds what each name of a room refers to.
func (h *house) resolve(r *room) (*types.Info, *types.Scope) {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	files := make([]*ast.File, 0, len(r.shipped))
	for _, s := range r.shipped {
		files = append(files, s.tree)
	}
	conf := types.Config{Importer: noImports{}, Error: func(error) {}} // the compiler reports errors better
	pkg, _ := conf.Check(r.dir, h.fset, files, info)

	return info, pkg.Scope()
}

// unsteady are the package variables of a declaration whose making shows that they are there to be changed.
func (h *house) unsteady(r *room, g *ast.GenDecl) []string {
	var broken []string
	for _, spec := range g.Specs {
		v, _ := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			if name.Name == "_" || embedded(g, v) {
				continue
			}
			if len(v.Values) != len(v.Names) {
				broken = append(broken, fmt.Sprintf("%s: package variable %s has no value of its own: it can only be there to be changed", h.at(name), name.Name))

				continue
			}
			if why := unsteadyValue(r, name.Name, v.Type, v.Values[i]); why != "" {
				broken = append(broken, fmt.Sprintf("%s: package variable %s %s", h.at(name), name.Name, why))
			}
		}
	}

	return broken
}

// embedded says whether the compiler fills a variable from a file.
func embedded(g *ast.GenDecl, v *ast.ValueSpec) bool {
	for _, doc := range []*ast.CommentGroup{g.Doc, v.Doc} {
		if doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") }) {
			return true
		}
	}

	return false
}

// unsteadyValue says why a value does not belong in a package variable; empty when it does.
func unsteadyValue(r *room, name string, typ, value ast.Expr) string {
	locks := regexp.MustCompile(`^\*?(sync|atomic|rand|context)\.|^chan\b|^<-chan\b`)
	if typ != nil && locks.MatchString(types.ExprString(typ)) {
		return "is of a type that exists to be changed"
	}
	switch v := value.(type) {
	case *ast.BasicLit, *ast.Ident:
		if below("cmd", r.dir) && name == "version" {
			return "" // the linker stamps it
		}

		return "is never to change: make it a const"
	case *ast.UnaryExpr:
		return unsteadyValue(r, name, typ, v.X)
	case *ast.CompositeLit:
		if v.Type != nil && locks.MatchString(types.ExprString(v.Type)) {
			return "is of a type that exists to be changed"
		}
		if m, ok := v.Type.(*ast.MapType); ok && len(v.Elts) == 0 {
			return "is an empty " + types.ExprString(m) + ": it can only be there to be filled"
		}

		return ""
	case *ast.CallExpr:
		if method, ok := v.Fun.(*ast.SelectorExpr); ok {
			if maker, ok := method.X.(*ast.CallExpr); ok {
				return unsteadyValue(r, name, typ, maker) // as in time.Unix(0, 0).UTC()
			}
		}
		called := types.ExprString(v.Fun)
		if slices.Contains(constantCalls(), called) || strings.HasPrefix(strings.ToLower(called[strings.LastIndexByte(called, '.')+1:]), "must") {
			return ""
		}

		return fmt.Sprintf("is made by %s: hold it in a value, or name the function in constantCalls if what it returns cannot change", called)
	case *ast.FuncLit, *ast.SelectorExpr:
		return "can be swapped: make it a func, or a field of what uses it"
	default:
		return fmt.Sprintf("is made by %T, which these laws do not know", value)
	}
}

// changed are the places of a file that change a package variable or take its address.
func changed(s *source, info *types.Info, scope *types.Scope) []*ast.Ident {
	var found []*ast.Ident
	note := func(e ast.Expr) {
		if id := root(e); id != nil {
			if v, ok := info.Uses[id].(*types.Var); ok && v.Parent() == scope {
				found = append(found, id)
			}
		}
	}
	ast.Inspect(s.tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					note(e)
				}
			}
		case *ast.IncDecStmt:
			note(n.X)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				note(n.Key)
				note(n.Value)
			}
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				note(n.X)
			}
		case *ast.SendStmt:
			note(n.Chan)
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear" || f.Name == "copy") && len(n.Args) > 0 {
				note(n.Args[0])
			}
		}

		return true
	})

	return found
}

// root is the name at the left end of a.b[c].d; nil when there is none.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

func initFunctions(h *house) []string {
	var broken []string
	for _, r := range h.rooms {
		for _, s := range r.shipped {
			for _, d := range s.tree.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					broken = append(broken, h.at(f)+" runs before main: let somebody call it")
				}
			}
		}
	}

	return broken
}

func contextValues(h *house) []string {
	var broken []string
	for _, r := range h.rooms {
		for _, s := range r.shipped {
			for _, n := range s.uses("context", "WithValue") {
				broken = append(broken, h.at(n)+" hides something in a context: pass it")
			}
		}
	}

	return broken
}

func orphanGoroutines(h *house) []string {
	owner := regexp.MustCompile(`(?i)\b(own(s|ed|er)?|waits? for|waited for)\b`)
	var broken []string
	for _, r := range h.rooms {
		for _, s := range r.shipped {
			said := map[int]bool{} // lines that end a comment which names an owner
			for _, c := range s.tree.Comments {
				if owner.MatchString(c.Text()) {
					said[h.fset.Position(c.End()).Line] = true
				}
			}
			ast.Inspect(s.tree, func(n ast.Node) bool {
				if g, ok := n.(*ast.GoStmt); ok && !said[h.line(g)] && !said[h.line(g)-1] {
					broken = append(broken, h.at(g)+" starts a goroutine: use a sync.WaitGroup's Go, or say in a comment above who owns it and waits for it")
				}

				return true
			})
		}
	}

	return broken
}
