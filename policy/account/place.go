package account

import (
	"fmt"

	"github.com/klinke-authz/klinke/policy"
)

// Place is where something stands in a file. Lines and columns count from 1; the zero Place is nowhere.
type Place struct {
	File         string
	Line, Column int
}

// String is the place as editors know it: `file:line:column`.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Errorf makes an error of a file's content, in the form in which this package reports its own.
func (p Place) Errorf(kind policy.Kind, format string, args ...any) *policy.Error {
	message := fmt.Sprintf(format, args...)
	if p.Line == 0 {
		return policy.Errorf(kind, p.File, "%s", message)
	}
	return policy.Errorf(kind, p.File, "line %d, column %d: %s", p.Line, p.Column, message)
}

func (n *node) place() Place { return Place{n.file, n.line, n.col} }

func (n *node) errorf(format string, args ...any) *policy.Error {
	return n.place().Errorf(policy.Invalid, format, args...)
}
