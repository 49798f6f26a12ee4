package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/klinke-authz/klinke/policy/preset"
)

func (p *program) initCommand() *cobra.Command {
	var name string
	var dump bool
	a := p.newApplier()
	cmd := p.clientFlags(&cobra.Command{
		Use:   "init --preset NAME --tenant T",
		Short: "Make a tenant on a preset's model",
		Long: `Make a tenant on a preset's model: the model is put, unless the server has it, and the tenant gets its factory roles.
Done again, it changes nothing. The presets: ` + strings.Join(preset.Names(), ", ") + `.`,
		Args: cobra.NoArgs,
	})
	f := cmd.Flags()
	f.StringVar(&name, "preset", "", "the preset: "+strings.Join(preset.Names(), ", "))
	f.BoolVar(&dump, "print", false, "print the preset's model file, and end")
	f.StringVar(&a.reason, "reason", "", "why, for the log")
	f.StringVar(&a.author, "author", "", "on whose behalf, for the log")
	complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return preset.Names(), cobra.ShellCompDirectiveNoFileComp
	}
	if err := cmd.RegisterFlagCompletionFunc("preset", complete); err != nil {
		cmd.RunE = func(*cobra.Command, []string) error { return err }
		return cmd
	}
	cmd.RunE = func(*cobra.Command, []string) error { return p.initTenant(cmd.Context(), a, name, dump) }
	return cmd
}

func (p *program) initTenant(ctx context.Context, a *applier, name string, dump bool) error {
	m, isPreset, err := presetModel(name)
	switch {
	case err != nil:
		return err
	case name == "":
		return usagef("say which preset: --preset NAME; there are %s", strings.Join(preset.Names(), ", "))
	case !isPreset:
		return invalid("preset", "there is no preset `%s`; there are %s", name, strings.Join(preset.Names(), ", "))
	case dump:
		data, _ := preset.File(name)
		_, err := fmt.Fprintf(p.out, "%s", data)
		return err
	}
	if err := p.needTenant(); err != nil {
		return err
	}
	if a.r, err = p.dial(); err != nil {
		return err
	}
	defer a.r.close()
	version, err := a.putModel(ctx, m)
	if err != nil {
		return err
	}
	t, err := a.tenant(ctx, p.tenant, modelVersion{name, version}.String())
	switch {
	case err != nil:
		return err
	case t.move != nil:
		return invalid("tenant", "`%s` is there already, on another model or version; move it with an account file that says `model: %s@%d`",
			p.tenant, name, version)
	case p.output == "json":
		b, err := json.Marshal(map[string]any{"tenant": p.tenant, "model": modelVersion{name, version}.String(), "made": t.made})
		if err != nil {
			return err
		}
		return p.sayf("%s", b)
	case !t.made:
		return p.sayf("tenant %s: there already, on %s@%d", p.tenant, name, version)
	}
	return nil
}
