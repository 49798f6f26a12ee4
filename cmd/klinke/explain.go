package main

import (
	"context"

	"github.com/spf13/cobra"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func (p *program) explainCommand() *cobra.Command {
	q := &question{}
	cmd := p.clientFlags(&cobra.Command{
		Use:   "explain " + questionForm,
		Short: "Ask one question and show every step to its answer",
		Long: `Ask one question and show every step to its answer: the rule, walked slowly. ✓ holds, ✗ does not, · informs.
Exit code 0 when it was decided, whichever way; 2 when it could not be.

` + questionHelp,
		Args: cobra.MinimumNArgs(3),
	})
	cmd.RunE = func(_ *cobra.Command, words []string) error { return p.explainQuestion(cmd.Context(), q, words) }
	q.flags(cmd)
	return cmd
}

func (p *program) explainQuestion(ctx context.Context, q *question, words []string) error {
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
	out, err := r.Explain(ctx, &klinkev1.ExplainRequest{Question: in})
	if err != nil {
		return err
	}
	if p.output == "json" {
		return p.sayJSON(out)
	}
	if err := table(p.out, answerTable(out.GetAnswer())); err != nil {
		return err
	}
	return p.sayTree("", out.GetSteps())
}

// sayTree draws steps below a common stem.
func (p *program) sayTree(stem string, steps []*klinkev1.Step) error {
	for i, s := range steps {
		branch, below := "├─ ", "│  "
		if i == len(steps)-1 {
			branch, below = "└─ ", "   "
		}
		mark := "·"
		if s.Holds != nil {
			mark = "✗"
			if s.GetHolds() {
				mark = "✓"
			}
		}
		if err := p.sayf("%s%s%s %s", stem, branch, mark, s.GetText()); err != nil {
			return err
		}
		if err := p.sayTree(stem+below, s.GetSteps()); err != nil {
			return err
		}
	}
	return nil
}
