package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/preset"
	"github.com/klinke-authz/klinke/policy/world"
)

// library holds the files of a command that works without a server, and finds the models of its accounts.
type library struct {
	files []*authored
	known map[string]*authored // models, by the path or preset that they were read from
}

// authored is a file of a model or of an account.
type authored struct {
	name   string // for people: its path, or which preset it is
	data   []byte
	source *account.Source   // of a model; nil for an account
	mixins map[string]string // where each mixin of a model was found
}

// open reads the files of a command line.
func (l *library) open(names []string) error {
	l.known = map[string]*authored{}
	given := map[string]string{}
	for _, name := range names {
		f, err := l.file(name)
		if err != nil {
			return err
		}
		l.files = append(l.files, f)
		if f.source == nil {
			continue
		}
		model := f.source.Model.GetName()
		if other, twice := given[model]; twice {
			return invalid(name, "it is the model `%s`, and so is %s: which one do accounts mean? Leave one out", model, other)
		}
		given[model] = name
	}
	return nil
}

// file reads a file of either kind.
func (l *library) file(name string) (*authored, error) {
	if f := l.known[filepath.Clean(name)]; f != nil {
		return f, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, &policy.Error{Kind: policy.NotFound, Field: "file", Message: "cannot be read", Cause: err}
	}
	isModel, err := isModelFile(bufio.NewReaderSize(bytes.NewReader(data), policy.MaxRequestBytes))
	if err != nil {
		return nil, err
	}
	if !isModel {
		return &authored{name: name, data: data}, nil
	}
	return l.model(name, name, data, filepath.Dir(name))
}

// model reads a model file, known by key, whose mixins are beside it in a directory (empty for none) or presets.
func (l *library) model(key, name string, data []byte, dir string) (*authored, error) {
	f := &authored{name: name, data: data, mixins: map[string]string{}}
	find := mixins(dir)
	var err error
	f.source, err = account.ReadModel(name, data, func(mixin string) ([]byte, error) {
		f.mixins[mixin] = "preset " + mixin
		if beside := filepath.Join(dir, mixin+".yaml"); dir != "" && exists(beside) {
			f.mixins[mixin] = beside
		}
		return find(mixin)
	})
	if err != nil {
		return nil, err
	}
	l.known[filepath.Clean(key)] = f
	return f, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// modelOf finds the model that an account names: among the files of the command line, beside the account, among the presets.
func (l *library) modelOf(a *authored, name string) (*authored, error) {
	for _, f := range l.files {
		if f.source != nil && f.source.Model.GetName() == name {
			return f, nil
		}
	}
	beside := filepath.Join(filepath.Dir(a.name), name+".yaml")
	if filepath.Base(name) == name && exists(beside) {
		f, err := l.file(beside)
		if err != nil {
			return nil, err
		}
		if f.source != nil && f.source.Model.GetName() == name {
			return f, nil
		}
	}
	if slices.Contains(preset.Names(), name) {
		data, _ := preset.File(name)
		key := "preset " + name
		if f := l.known[key]; f != nil {
			return f, nil
		}
		return l.model(key, key, data, "")
	}
	return nil, invalid(a.name, "the model `%s` is none of the files given, no model file %s, and no preset (there are %s): give its file as well",
		name, beside, strings.Join(preset.Names(), ", "))
}

// world makes the tenant of an account, and returns its model's file too.
func (l *library) world(a *authored) (*world.World, *authored, error) {
	var of *authored
	w, err := world.Read(a.name, bytes.NewReader(a.data), func(name string, version uint32) (m *policy.Model, err error) {
		if of, err = l.modelOf(a, name); err != nil {
			return nil, err
		}
		return of.source.Compile(max(version, 1))
	})
	return w, of, err
}
