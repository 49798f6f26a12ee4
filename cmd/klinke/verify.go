package main

import (
	"encoding/json"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/klinke-authz/klinke/store/bolt"
)

// databaseFile is the one file in the directory of data.
const databaseFile = "klinke.db"

func (p *program) dataFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.data, "data", "", "the directory of data, which holds "+databaseFile)
}

func (p *program) needData() error {
	if p.data == "" {
		return usagef("say where the data are: --data DIR, or KLINKE_DATA in the environment")
	}
	return nil
}

func (p *program) verifyCommand() *cobra.Command {
	cmd := p.outputFlag(&cobra.Command{
		Use:   "verify --data DIR",
		Short: "Check a database on which no server runs",
		Long: `Check a database on which no server runs: pages, checksums, the order of the logs, and that the tables of records are
what the logs leave behind. Nothing is written. Exit code 1 when there are problems; they are listed.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return p.verify() },
	})
	p.dataFlag(cmd)
	return cmd
}

func (p *program) verify() error {
	if err := p.needData(); err != nil {
		return err
	}
	path := filepath.Join(p.data, databaseFile)
	r, err := bolt.Verify(path, func(s string) { p.notef("verify: %s", s) })
	if err != nil {
		return err
	}
	if p.output == "json" {
		b, err := json.Marshal(map[string]any{"file": path, "position": r.Position, "tenants": r.Tenants, "models": r.Models,
			"entries": r.Entries, "records": r.Records, "problems": append([]string{}, r.Problems...)})
		if err != nil {
			return err
		}
		err = p.sayf("%s", b)
		return verified(r.Clean(), err)
	}
	for _, problem := range r.Problems {
		if err := p.sayf("problem: %s", problem); err != nil {
			return err
		}
	}
	state := "clean"
	if !r.Clean() {
		state = plural(len(r.Problems), "problem")
	}
	return verified(r.Clean(), p.sayf("%s: %s; %s, %s, %s, %s, position %d", path, state, plural(r.Tenants, "tenant"),
		plural(r.Models, "model"), plural(r.Records, "record"), entries(r.Entries), r.Position))
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return thousands(n) + " entries"
}

func verified(clean bool, err error) error {
	if err == nil && !clean {
		return exit(exitDeny)
	}
	return err
}
