package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/klinke-authz/klinke/policy/account"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func (p *program) importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Make tenants of what other systems hold",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.pairsCommand())
	return cmd
}

func (p *program) pairsCommand() *cobra.Command {
	var typ string
	var dump bool
	a := p.newApplier()
	cmd := p.clientFlags(&cobra.Command{
		Use:   "pairs FILE --tenant T",
		Short: "Make a tenant of user-permission pairs, or of roles with their permissions and users",
		Long: `Make a tenant of a list of who may do what; - is standard input. The file is one of two forms, which is seen from its
first line:

  anna  send            a user and a permission a line, divided by blanks;
                        users with the same permissions share a role

  role: clerk           roles, each with its permissions and its users,
  permissions: send, read
  users: anna, bert

Empty lines and lines that begin with # are passed over, and what is said twice counts once; but a role stands once in the
file, and says both its permissions and its users, be they none.

Each permission becomes an action of the type --type, so that klinke check --tenant T user:anna send 'item:*' answers what
the file says. The tenant's model is called like the tenant. Imported again, the tenant becomes what the file says then.`,
		Args: cobra.ExactArgs(1),
	})
	f := cmd.Flags()
	f.StringVar(&typ, "type", "item", "the resource type whose actions the permissions become")
	f.BoolVar(&dump, "print", false, "print the model file and the account file that would be applied, and end")
	f.BoolVar(&a.validateOnly, "validate-only", false, "say what would change, and change nothing")
	f.StringVar(&a.reason, "reason", "", "why, for the log")
	f.StringVar(&a.author, "author", "", "on whose behalf, for the log")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return p.importPairs(cmd.Context(), a, args[0], typ, dump)
	}
	return cmd
}

func (p *program) importPairs(ctx context.Context, a *applier, file, typ string, dump bool) error {
	if err := p.needTenant(); err != nil {
		return err
	}
	var list *roleList
	var err error
	if file == "-" {
		list, err = readRoleList("standard input", p.in)
	} else {
		err = withFile(file, func(f *os.File) (err error) {
			list, err = readRoleList(file, f)
			return err
		})
	}
	if err != nil {
		return err
	}
	text := list.modelFile(p.tenant, typ)
	m, err := account.Model(list.file, []byte(text), nil)
	if err != nil {
		return err
	}
	if dump {
		return p.printImport(list, text, typ)
	}
	if a.r, err = p.dial(); err != nil {
		return err
	}
	defer a.r.close()
	return a.importInto(ctx, list, m, typ)
}

// importInto makes the tenant, or makes an imported one anew.
func (a *applier) importInto(ctx context.Context, list *roleList, m *klinkev1.Model, typ string) error {
	now, err := a.r.GetModel(ctx, &klinkev1.GetModelRequest{Tenant: a.p.tenant})
	if err != nil && !isMissing(err) {
		return err
	}
	if err == nil && now.GetModel().GetName() != m.GetName() {
		return invalid("tenant", "`%s` is there and was not imported (its model is `%s`): choose another tenant", a.p.tenant, now.GetModel().GetName())
	}
	version, err := a.putModel(ctx, m)
	if err != nil {
		return err
	}
	t, err := a.tenant(ctx, a.p.tenant, modelVersion{m.GetName(), version}.String())
	if err != nil {
		return err
	}
	a.prune = true
	end := func() ([]*klinkev1.Change, error) { return nil, io.EOF }
	return a.changes(ctx, t, list.changes(typ), end, &progress{p: a.p, verb: "import", began: time.Now(), last: time.Now()})
}

func (p *program) printImport(list *roleList, model, typ string) error {
	if err := p.sayf("%s", model); err != nil {
		return err
	}
	if err := p.sayf("# The account; apply it after the model, from a file of its own."); err != nil {
		return err
	}
	e := account.NewEncoder(p.out, p.tenant, p.tenant)
	for _, c := range list.changes(typ) {
		if err := e.Put(c.GetPut()); err != nil {
			return err
		}
	}
	return e.Close()
}

// modelFile is a model with one type, whose actions are the permissions.
func (l *roleList) modelFile(name, typ string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Made by klinke import pairs of %s.\nmodel: %q\nlevels: {given: {none: [], any: any}}\ntypes:\n  %q:\n    actions:\n", l.file, name, typ)
	for _, permission := range l.permissions {
		fmt.Fprintf(&b, "      %q: {level: given}\n", permission)
	}
	return b.String()
}

// changes are the account, in the order of account.Kinds.
func (l *roleList) changes(typ string) []*klinkev1.Change {
	var roles, cells, users, assignments []*klinkev1.Change
	for _, r := range l.roles {
		roles = append(roles, put(&klinkev1.Record{Record: &klinkev1.Record_Role{Role: &klinkev1.Role{Id: r.name}}}))
		for _, permission := range r.permissions {
			cells = append(cells, put(&klinkev1.Record{Record: &klinkev1.Record_Cell{
				Cell: &klinkev1.Cell{Role: r.name, Permission: typ + "." + permission, Level: "any"}}}))
		}
		for _, user := range r.users {
			assignments = append(assignments, put(&klinkev1.Record{Record: &klinkev1.Record_Assignment{
				Assignment: &klinkev1.Assignment{Role: r.name, Holder: "user:" + user}}}))
		}
	}
	for _, user := range l.users {
		users = append(users, put(&klinkev1.Record{Record: &klinkev1.Record_Subject{
			Subject: &klinkev1.Subject{Type: klinkev1.SubjectType_SUBJECT_TYPE_USER, Id: user}}}))
	}
	return append(append(append(roles, cells...), users...), assignments...)
}
