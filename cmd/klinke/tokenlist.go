package main

import (
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/server/caller"
)

// callerJSON is a caller as programs read it.
type callerJSON struct {
	Name        string   `json:"name"`
	Whole       string   `json:"token,omitempty"` // where it is made
	Token       string   `json:"id,omitempty"`    // the public part of its token
	Certificate string   `json:"certificate,omitempty"`
	Powers      []string `json:"powers"`
	Tenants     []string `json:"tenants,omitempty"`
	AllTenants  bool     `json:"allTenants,omitempty"`
	Created     string   `json:"created,omitempty"`
	Expires     string   `json:"expires,omitempty"`
	Expired     bool     `json:"expired,omitempty"`
}

func shownOf(c *caller.Caller) callerJSON {
	out := callerJSON{
		Name: c.Name, Token: c.Token, Certificate: c.Certificate, Tenants: c.Tenants, AllTenants: c.All, Expired: c.Expired(time.Now()),
	}
	for _, power := range c.Powers.List() {
		out.Powers = append(out.Powers, power.String())
	}
	if !c.Created.IsZero() {
		out.Created = c.Created.UTC().Format(time.RFC3339)
	}
	if !c.Expires.IsZero() {
		out.Expires = c.Expires.UTC().Format(time.RFC3339)
	}
	return out
}

func (p *program) sayAsJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return &policy.Error{Kind: policy.Internal, Message: "the result cannot be written", Cause: err}
	}
	return p.sayf("%s", b)
}

func (p *program) tokenListCommand() *cobra.Command {
	cmd := p.outputFlag(&cobra.Command{
		Use:   "list",
		Short: "List who may call",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := p.needCallers(); err != nil {
				return err
			}
			list, err := caller.Read(p.callers)
			if err != nil {
				return err
			}
			if p.output == "json" {
				out := []callerJSON{}
				for _, c := range list.Callers() {
					out = append(out, shownOf(c))
				}
				return p.sayAsJSON(map[string]any{"callers": out})
			}
			rows := [][]string{{"NAME", "KNOWN BY", "POWERS", "TENANTS", "EXPIRES"}}
			for _, c := range list.Callers() {
				by, end := "token "+c.Token, endOf(c)
				if c.Certificate != "" {
					by = c.Certificate
				}
				if c.Expired(time.Now()) {
					end += ", expired"
				}
				rows = append(rows, []string{c.Name, by, c.Powers.String(), tenantsOf(c), end})
			}
			return table(p.out, rows)
		},
	})
	p.callersFlag(cmd)
	return cmd
}

func (p *program) tokenRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Take a caller out, known by token or certificate",
		Long: `Take a caller out of the file. A running server that reads it refuses the caller from its next look on, within two seconds,
and ends its streams.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := p.needCallers(); err != nil {
				return err
			}
			if err := caller.Revoke(p.callers, args[0]); err != nil {
				return err
			}
			return p.sayf("caller %s: revoked", args[0])
		},
	}
	p.callersFlag(cmd)
	return cmd
}
