package main

import (
	"github.com/spf13/cobra"

	"github.com/klinke-authz/klinke/policy/lint"
)

func (p *program) lintCommand() *cobra.Command {
	return p.outputFlag(&cobra.Command{
		Use:   "lint FILE…",
		Short: "Find what models and accounts say and can hardly mean",
		Long: `Look at model files and account files for what is legal and can hardly be meant: levels that nobody can use, roles that
change nothing, silence that opens or closes, tests and questions that can never pass, gates that a forgotten fact opens.
No server is needed. The model of an account is found as by klinke test; it is looked at itself when it is named.

What is meant is said in the file, with the reason: behind the line of the finding, or alone above a line, for that line and
all that is indented below it:

  - any: [{absent: line}, {permission: line.use}]   # lint: forgotten-fact-opens; no line is the default line

Exit code 0 when nothing was found, 1 when something was, 2 when a file cannot be used.`,
		Example: `  klinke lint notes.yaml notes.test.yaml
  klinke lint policy/preset/*.yaml -o json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, names []string) error { return p.lint(names) },
	})
}

// lintReport is what was found in one file, for programs.
type lintReport struct {
	File     string        `json:"file"`
	Findings []lintFinding `json:"findings"`
	Excused  []lintFinding `json:"excused"`
}

type lintFinding struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Code   string `json:"code"`
	What   string `json:"what"`
	Do     string `json:"do"`
	Excuse string `json:"excuse,omitempty"`
}

// lintTotal counts what was found in all files.
type lintTotal struct {
	Findings int `json:"findings"`
	Excused  int `json:"excused"`
}

func (p *program) lint(names []string) error {
	l := &library{}
	if err := l.open(names); err != nil {
		return err
	}
	var total lintTotal
	for _, f := range l.files {
		report, err := l.look(f)
		if err != nil {
			return err
		}
		total.Findings, total.Excused = total.Findings+len(report.Findings), total.Excused+len(report.Excused)
		if p.output == "json" {
			if err := p.sayLine(report); err != nil {
				return err
			}
			continue
		}
		for _, x := range report.Findings {
			if err := p.sayf("%s:%d:%d: %s: %s\n    %s", x.File, x.Line, x.Column, x.Code, x.What, x.Do); err != nil {
				return err
			}
		}
	}
	err := p.sayTotal(total)
	if err == nil && total.Findings > 0 {
		return exit(exitDeny)
	}
	return err
}

func (p *program) sayTotal(t lintTotal) error {
	if p.output == "json" {
		return p.sayLine(t)
	}
	return p.sayf("%s, %s excused", plural(t.Findings, "finding"), thousands(t.Excused))
}

// look looks at one file.
func (l *library) look(f *authored) (*lintReport, error) {
	var r *lint.Report
	if f.source != nil {
		if _, err := f.source.Compile(1); err != nil {
			return nil, err
		}
		r = lint.Model(f.source)
	} else {
		w, of, err := l.world(f)
		if err != nil {
			return nil, err
		}
		r = lint.Account(w, of.source, f.data)
	}
	return &lintReport{f.name, f.found(r.Findings), f.found(r.Excused)}, nil
}

// found is findings of a file with the paths of the mixins in which some of them stand.
func (f *authored) found(findings []lint.Finding) []lintFinding {
	out := make([]lintFinding, 0, len(findings))
	for _, x := range findings {
		file := x.Place.File
		if path, isMixin := f.mixins[file]; isMixin {
			file = path
		}
		out = append(out, lintFinding{file, x.Place.Line, x.Place.Column, x.Code, x.What, x.Do, x.Excuse})
	}
	return out
}
