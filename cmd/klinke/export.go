package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/spf13/cobra"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func (p *program) exportCommand() *cobra.Command {
	var file string
	cmd := p.clientFlags(&cobra.Command{
		Use:   "export --tenant T",
		Short: "Write a tenant as an account file",
		Long: `Write a tenant as an account file, which klinke apply reads. It is read page by page, so a tenant of any size can be
exported; when the tenant changes meanwhile, that is said and the exit code is 2: export it again. With --output json, one
record a line.`,
		Args: cobra.NoArgs,
	})
	cmd.Flags().StringVarP(&file, "file", "f", "-", "where to write it; - is standard output")
	cmd.RunE = func(*cobra.Command, []string) error { return p.export(cmd.Context(), file) }
	return cmd
}

func (p *program) export(ctx context.Context, file string) (err error) {
	if err := p.needTenant(); err != nil {
		return err
	}
	r, err := p.dial()
	if err != nil {
		return err
	}
	defer r.close()
	m, err := r.GetModel(ctx, &klinkev1.GetModelRequest{Tenant: p.tenant})
	if err != nil {
		return err
	}
	out := p.out
	if file != "-" {
		f, e := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if e != nil {
			return &policy.Error{Kind: policy.Unavailable, Field: "file", Message: "cannot be written", Cause: e}
		}
		defer func() {
			if e := f.Close(); e != nil && err == nil {
				err = e
			}
		}()
		out = f
	}
	return p.exportTo(ctx, out, r, fmt.Sprintf("%s@%d", m.GetModel().GetName(), m.GetVersion()))
}

func (p *program) exportTo(ctx context.Context, out io.Writer, r *remote, model string) error {
	e := account.NewEncoder(out, p.tenant, model)
	revisions := map[string]bool{}
	for _, kind := range account.Kinds() {
		for record, err := range r.records(ctx, p.tenant, kind, revisions) {
			if err == nil && p.output == "json" {
				err = writeJSONLine(out, record)
			} else if err == nil {
				err = e.Put(record)
			}
			if err != nil {
				return err
			}
		}
	}
	if p.output != "json" {
		if err := e.Close(); err != nil {
			return err
		}
	}
	if len(revisions) > 1 {
		return policy.Errorf(policy.Conflict, "tenant", "`%s` changed while it was exported, so the file mixes revisions: export it again", p.tenant)
	}
	return nil
}

func writeJSONLine(out io.Writer, record *klinkev1.Record) error {
	b, err := stableJSON(record)
	if err == nil {
		_, err = out.Write(append(b, '\n'))
	}
	return err
}

// records reads all records of a kind, page by page, and notes the revisions of the pages.
func (r *remote) records(ctx context.Context, tenant string, kind klinkev1.RecordKind, revisions map[string]bool) iter.Seq2[*klinkev1.Record, error] {
	return func(yield func(*klinkev1.Record, error) bool) {
		token := ""
		for {
			page, err := r.Read(ctx, &klinkev1.ReadRequest{Tenant: tenant, Kind: kind, PageSize: 5000, PageToken: token})
			if err != nil {
				yield(nil, err)
				return
			}
			if revisions != nil {
				revisions[page.GetRevision()] = true
			}
			for _, record := range page.GetRecords() {
				if !yield(record, nil) {
					return
				}
			}
			if token = page.GetNextPageToken(); token == "" {
				return
			}
		}
	}
}
