package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/klinke-authz/klinke/policy"
)

// defaultAddress is where the server listens and where clients look for it.
const defaultAddress = "127.0.0.1:7200"

// settingFlags are the flags that can be given by the environment and by a file as well. `log-level` is KLINKE_LOG_LEVEL
// there, and log_level in the file.
func settingFlags() []string {
	return []string{
		"ca", "callers", "cert", "client-ca", "data", "key", "listen", "log-level", "output", "server", "shutdown-timeout", "tenant", "timeout",
		"tls", "tls-cert", "tls-key", "token-file",
	}
}

// ownFlag marks a flag that is no setting although it is called like one.
const ownFlag = "own"

// settingOf is a command's flag for a setting; nil when it has none.
func settingOf(flags *pflag.FlagSet, name string) *pflag.Flag {
	f := flags.Lookup(name)
	if f == nil || f.Annotations[ownFlag] != nil {
		return nil
	}
	return f
}

func fileKey(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

func environmentKey(flag string) string { return "KLINKE_" + strings.ToUpper(fileKey(flag)) }

// layer is one source of settings, by their key in a file.
type layer map[string]any

// Read implements koanf.Provider.
func (l layer) Read() (map[string]any, error) { return l, nil }

// ReadBytes implements koanf.Provider.
func (l layer) ReadBytes() ([]byte, error) { return nil, errors.New("a layer has no bytes") }

// settle gives a command its settings: flags before the environment before the file before defaults. A value that the flag
// cannot take is an error that names its source.
func (p *program) settle(cmd *cobra.Command) error {
	file, err := p.fileLayer()
	if err != nil {
		return err
	}
	environment, given := layer{}, layer{}
	for _, name := range settingFlags() {
		if v, ok := p.env(environmentKey(name)); ok {
			environment[fileKey(name)] = v
		}
		if f := settingOf(cmd.Flags(), name); f != nil && f.Changed {
			given[fileKey(name)] = f.Value.String()
		}
	}
	k := koanf.New(".")
	p.origin = map[string]string{}
	for _, source := range []struct {
		name   func(flag string) string
		values layer
	}{
		{func(string) string { return "file " + p.config }, file},
		{func(flag string) string { return "environment " + environmentKey(flag) }, environment},
		{func(flag string) string { return "flag --" + flag }, given},
	} {
		if err := k.Load(source.values, nil); err != nil {
			return &policy.Error{Kind: policy.Internal, Message: "the settings cannot be joined", Cause: err}
		}
		for _, name := range settingFlags() {
			if _, ok := source.values[fileKey(name)]; ok {
				p.origin[name] = source.name(name)
			}
		}
	}
	for _, name := range settingFlags() {
		f := settingOf(cmd.Flags(), name)
		if f == nil || f.Changed || !k.Exists(fileKey(name)) {
			continue
		}
		if err := f.Value.Set(k.String(fileKey(name))); err != nil {
			return policy.Errorf(policy.Invalid, p.origin[name], "`%s` is no value of %s: %v", k.String(fileKey(name)), fileKey(name), err)
		}
	}
	if f := cmd.Flags().Lookup("output"); f != nil && p.output != "table" && p.output != "json" {
		return usagef("--output is table or json, not `%s`", p.output)
	}
	return nil
}

// fileLayer reads the file of settings: a map of known keys to plain values.
func (p *program) fileLayer() (layer, error) {
	if v, ok := p.env("KLINKE_CONFIG"); ok && p.config == "" {
		p.config = v
	}
	if p.config == "" {
		return nil, nil
	}
	content, err := os.ReadFile(p.config)
	if err != nil {
		return nil, &policy.Error{Kind: policy.NotFound, Field: "config", Message: "the file of settings cannot be read", Cause: err}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(content, &doc); err != nil {
		return nil, policy.Errorf(policy.Invalid, p.config, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if doc.Kind == 0 { // empty
		return nil, nil
	}
	return p.readSettings(doc.Content[0])
}

func (p *program) readSettings(root *yaml.Node) (layer, error) {
	at := func(n *yaml.Node, format string, args ...any) error {
		return policy.Errorf(policy.Invalid, p.config, "line %d, column %d: %s", n.Line, n.Column, fmt.Sprintf(format, args...))
	}
	known := map[string]bool{}
	var names []string
	for _, name := range settingFlags() {
		known[fileKey(name)] = true
		names = append(names, fileKey(name))
	}
	if root.Kind != yaml.MappingNode {
		return nil, at(root, "a map of settings is expected")
	}
	out := layer{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if !known[key.Value] {
			return nil, at(key, "unknown setting `%s`; there are %s", key.Value, strings.Join(names, ", "))
		}
		if _, twice := out[key.Value]; twice {
			return nil, at(key, "the setting `%s` is said twice", key.Value)
		}
		if value.Kind != yaml.ScalarNode {
			return nil, at(value, "the setting `%s` is one word", key.Value)
		}
		out[key.Value] = value.Value
	}
	return out, nil
}

// printConfig prints the settings of a command as a file of settings, each with where it comes from.
func (p *program) printConfig(flags *pflag.FlagSet) error {
	for _, name := range settingFlags() {
		f := settingOf(flags, name)
		if f == nil {
			continue
		}
		value, err := yaml.Marshal(map[string]string{fileKey(name): f.Value.String()})
		if err != nil {
			return &policy.Error{Kind: policy.Internal, Message: "a setting cannot be written", Cause: err}
		}
		origin := p.origin[name]
		if origin == "" {
			origin = "default"
		}
		if err := p.sayf("%-40s # %s", strings.TrimSpace(string(value)), origin); err != nil {
			return err
		}
	}
	return nil
}
