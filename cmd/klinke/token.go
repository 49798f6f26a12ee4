package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/server/caller"
)

func (p *program) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Say who may call the server: create, list and revoke",
		Long: `Edit the file of those who may call the server (--callers FILE, or KLINKE_CALLERS). No server need run; one that runs reads
the file again within two seconds. The file holds digests of tokens, never a token.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.tokenCreateCommand(), p.tokenListCommand(), p.tokenRevokeCommand())
	return cmd
}

func (p *program) tokenCreateCommand() *cobra.Command {
	var name, expires string
	var powers, tenants []string
	var all bool
	cmd := p.outputFlag(&cobra.Command{
		Use:   "create --name NAME --power POWER --tenant TENANT",
		Short: "Add a caller, and print its token, this once",
		Long: `Add a caller to the file, which is made when it is not there, and print its token on standard output. It cannot be printed
again: only its digest is kept. A caller has the powers that are named, on the tenants that are named, and no others:

  check            ask questions
  watch            follow what changes, read the directory
  edit_directory   write and read a tenant's records
  edit_model       put models (on all tenants)
  tenants          make and delete tenants
  operate          edit emergency numbers`,
		Example: `  klinke token create --callers callers.yaml --name router --power check --tenant acme --expires 90d >router.token`,
		Args:    cobra.NoArgs,
	})
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "what the caller is called in lists, logs and entries")
	f.StringSliceVar(&powers, "power", nil, "a power (repeatable, or with commas)")
	f.StringArrayVarP(&tenants, "tenant", "t", nil, "a tenant on which it has them (repeatable)")
	f.BoolVar(&all, "all-tenants", false, "it has them on all tenants, also those made later")
	f.StringVar(&expires, "expires", "", "when it ends: in 90d or 12h, or at 2027-01-31 or 2027-01-31T12:00:00Z; without it never")
	_ = f.SetAnnotation("tenant", ownFlag, []string{}) // fails for unknown flags only
	p.callersFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		now := time.Now().UTC().Truncate(time.Second)
		c := caller.Caller{Name: name, All: all, Created: now}
		switch {
		case name == "":
			return usagef("say what the caller is called: --name NAME")
		case len(powers) == 0:
			return usagef("say what the caller may: --power POWER (%s)", caller.Of(caller.EveryPower()...))
		case len(tenants) == 0 && !all:
			return usagef("say where the caller may it: --tenant TENANT, or --all-tenants")
		case len(tenants) > 0 && all:
			return usagef("--tenant and --all-tenants exclude each other")
		}
		if err := policy.CheckID(name); err != nil {
			return invalid("name", "%v", err)
		}
		for _, word := range powers {
			power, known := caller.ParsePower(word)
			if !known {
				return usagef("there is no power `%s`; there are %s", word, caller.Of(caller.EveryPower()...))
			}
			c.Powers |= caller.Of(power)
		}
		for _, tenant := range tenants {
			if err := policy.CheckID(tenant); err != nil {
				return invalid("tenant", "%v", err)
			}
		}
		slices.Sort(tenants)
		c.Tenants = slices.Compact(tenants)
		var err error
		if c.Expires, err = parseEnd(expires, now); err != nil {
			return err
		}
		return p.createToken(c)
	}
	return cmd
}

// parseEnd reads when something ends; zero for never.
func parseEnd(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	var end time.Time
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n <= 36_500 {
			end = now.AddDate(0, 0, n)
		}
	} else if d, err := time.ParseDuration(text); err == nil {
		end = now.Add(d)
	} else if at, err := time.Parse(time.RFC3339, text); err == nil {
		end = at
	} else if at, err := time.Parse(time.DateOnly, text); err == nil {
		end = at
	}
	switch {
	case end.IsZero():
		return end, usagef("--expires `%s`: write 90d, 12h, 2027-01-31 or 2027-01-31T12:00:00Z", text)
	case !end.After(now):
		return end, usagef("--expires `%s` is over already", text)
	}
	return end, nil
}

func (p *program) needCallers() error {
	if p.callers == "" {
		return usagef("say which file holds the callers: --callers FILE, or KLINKE_CALLERS in the environment")
	}
	return nil
}

func (p *program) createToken(c caller.Caller) error {
	if err := p.needCallers(); err != nil {
		return err
	}
	token, err := caller.Create(p.callers, c)
	if err != nil {
		return err
	}
	if p.output == "json" {
		out := shownOf(&c)
		out.Whole = token
		return p.sayAsJSON(out)
	}
	p.notef("caller %s: %s on %s, expires %s; the token is shown this once", c.Name, c.Powers, tenantsOf(&c), endOf(&c))
	return p.sayf("%s", token)
}

func tenantsOf(c *caller.Caller) string {
	if c.All {
		return "all tenants"
	}
	return strings.Join(c.Tenants, ", ")
}

func endOf(c *caller.Caller) string {
	if c.Expires.IsZero() {
		return "never"
	}
	return c.Expires.UTC().Format(time.RFC3339)
}
