// Package preset holds the systems that Klinke reproduces, as files: models, the mixins that models use, the worlds of
// expected answers that hold each model to its system, and demonstration accounts.
//
// Invariant: a preset is data. No Go code knows a product's name; another preset is another file. What a file is follows
// from itself: one that begins with the key `model` is a model, one that begins with `tenant` is an account, any other is
// a mixin. An account named NAME.world.yaml is the world of the model NAME; any other account is a demonstration.
//
// Concurrency: the files are embedded and never change. Every call returns bytes of the caller's own; all functions may
// be called from anywhere at any time.
//
// Failure policy: nothing here can fail. A name that is not there is reported by false. Whether the files are right is
// proved by this package's tests, not checked when they are read.
package preset

import (
	"bytes"
	"embed"
	"strings"
)

//go:embed *.yaml
var files embed.FS

const (
	ending      = ".yaml"
	worldEnding = ".world.yaml"
)

// Names returns the names of the models, sorted by name. Mixins are not among them: no tenant can use one by itself.
func Names() []string {
	// ReadDir of an embedded folder sorts by name and cannot fail.
	entries, _ := files.ReadDir(".")
	var names []string
	for _, e := range entries {
		if content, _ := files.ReadFile(e.Name()); firstKey(content) == "model" {
			names = append(names, strings.TrimSuffix(e.Name(), ending))
		}
	}
	return names
}

// File returns the model or the mixin of that name, as it is written; false when there is none.
func File(name string) ([]byte, bool) {
	content, err := files.ReadFile(name + ending)
	return content, err == nil && firstKey(content) != "tenant"
}

// World returns the account with expected answers of the model of that name; false when there is none.
func World(name string) ([]byte, bool) {
	content, err := files.ReadFile(name + worldEnding)
	return content, err == nil
}

// Demo returns the demonstration account of that name; false when there is none. Its tenant has the same name.
func Demo(name string) ([]byte, bool) {
	content, err := files.ReadFile(name + ending)
	return content, err == nil && firstKey(content) == "tenant" && !strings.HasSuffix(name+ending, worldEnding)
}

// firstKey returns the first key of a YAML mapping in block style, behind comments and empty lines.
func firstKey(content []byte) string {
	for line := range bytes.Lines(content) {
		if key, _, found := bytes.Cut(line, []byte(":")); found && line[0] != '#' {
			return string(key)
		}
	}
	return ""
}
