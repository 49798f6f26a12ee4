package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func (p *program) checkCommand() *cobra.Command {
	q := &question{}
	cmd := p.clientFlags(&cobra.Command{
		Use:   "check " + questionForm,
		Short: "Ask one question",
		Long: `Ask one question. Exit code 0 for allow, 1 for deny, 2 when it could not be decided.

` + questionHelp,
		Example: `  klinke check --tenant demo user:anna listen recording:r9 employee=bert
  klinke check --tenant demo user:eva place call:1 destination=+493023125999 --context mfa=true`,
		Args: cobra.MinimumNArgs(3),
	})
	cmd.RunE = func(_ *cobra.Command, words []string) error { return p.check(cmd.Context(), q, words) }
	q.flags(cmd)
	return cmd
}

func (p *program) check(ctx context.Context, q *question, words []string) error {
	if err := p.needTenant(); err != nil {
		return err
	}
	r, err := p.dial()
	if err != nil {
		return err
	}
	defer r.close()
	in, err := q.request(ctx, r, p.tenant, words)
	if err != nil {
		return err
	}
	r.connect(ctx, p.timeout)
	began := time.Now()
	answer, err := r.Check(ctx, in)
	took := time.Since(began)
	if err != nil {
		return err
	}
	if err := p.sayAnswer(answer, took); err != nil {
		return err
	}
	if !answer.GetDecision() {
		return exit(exitDeny)
	}
	return nil
}

func (p *program) sayAnswer(answer *klinkev1.CheckResponse, took time.Duration) error {
	if p.output == "json" {
		return p.sayJSON(answer)
	}
	return table(p.out, append(answerTable(answer), []string{"  time", took.Round(time.Microsecond).String()}))
}
