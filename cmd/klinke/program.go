package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitDeny  = 1 // also: answers are not as expected, the linter has findings, the database has problems
	exitError = 2
)

// program is klinke with all that it touches.
type program struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)

	// The settings of the command that runs; see config.go.
	config, server, tenant, output string
	data, listen, logLevel         string
	timeout, shutdownTimeout       time.Duration
	callers                        string // the file of callers
	tlsCert, tlsKey, clientCA      string // of the server
	tls                            bool   // of clients, as are those below
	ca, cert, key, tokenFile       string
	origin                         map[string]string // of each setting that is not its default, by flag
}

// exit ends the program with a code, when all that there is to say was said.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// run runs one command line and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	cmd, err := root.ExecuteContextC(ctx)
	var code exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	p.report(cmd, err)
	return exitError
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "klinke",
		Short: "A policy decision point: may this subject do this action on this resource?",
		Long: `Klinke answers over gRPC whether a subject may do an action on a resource.

  klinke serve --data DIR            runs the server on one file of data
  klinke apply -f FILE               puts a model or an account
  klinke check user:anna listen recording:r9 employee=bert

Exit codes: 0 success or allow, 1 deny or differences, 2 an error.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return p.settle(cmd) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVar(&p.config, "config", "", "YAML file of settings (environment: KLINKE_CONFIG)")
	root.AddCommand(p.serveCommand(), p.applyCommand(), p.exportCommand(), p.initCommand(), p.checkCommand(), p.batchCommand(),
		p.explainCommand(), p.testCommand(), p.lintCommand(), p.verifyCommand(), p.importCommand(), p.numbersCommand(),
		p.tokenCommand(), p.versionCommand())
	root.SetHelpCommand(helpCommand())
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil { // by itself it takes any shell's name, and shows its help
		c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	return root
}

// helpCommand is cobra's, except that what there is no help about is an error.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("there is no command `%s`", strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// clientFlags adds the flags of every command that calls a server.
func (p *program) clientFlags(cmd *cobra.Command) *cobra.Command {
	f := cmd.Flags()
	f.StringVar(&p.server, "server", defaultAddress, "the server: HOST:PORT or unix:PATH")
	f.StringVarP(&p.tenant, "tenant", "t", "", "the tenant")
	f.DurationVar(&p.timeout, "timeout", 10*time.Second, "the time that one call to the server may take")
	f.StringVar(&p.tokenFile, "token-file", "", "the file that holds the token to call with (or the token itself in the environment: KLINKE_TOKEN)")
	f.BoolVar(&p.tls, "tls", false, "call encrypted; --ca and --cert say so, too")
	f.StringVar(&p.ca, "ca", "", "PEM file of the authorities that sign servers; without it those of the system")
	f.StringVar(&p.cert, "cert", "", "PEM file of a client certificate to call with")
	f.StringVar(&p.key, "key", "", "PEM file of its key")
	return p.outputFlag(cmd)
}

func (p *program) outputFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&p.output, "output", "o", "table", "table for people, json for programs")
	return cmd
}

// needTenant says so when no tenant is named.
func (p *program) needTenant() error {
	if p.tenant == "" {
		return usagef("say which tenant is meant: --tenant T, or KLINKE_TENANT in the environment")
	}
	return nil
}

// usage is a mistake on the command line.
type usage struct{ message string }

func (u *usage) Error() string { return u.message }

func usagef(format string, args ...any) error { return &usage{fmt.Sprintf(format, args...)} }

// say writes a line of a command's result.
func (p *program) sayf(format string, args ...any) error {
	_, err := fmt.Fprintf(p.out, format+"\n", args...)
	return err
}

// note writes a line for people who watch.
func (p *program) notef(format string, args ...any) {
	_, _ = fmt.Fprintf(p.err, format+"\n", args...) // there is nowhere left to complain
}

// plural is a count with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// thousands writes a count with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && !strings.HasSuffix(s[:i], "-"); i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
