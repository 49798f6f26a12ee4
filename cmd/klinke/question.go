package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/klinke-authz/klinke/policy/account"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// question is one question as it is written on a command line.
type question struct {
	actor       string
	roles       []string
	context     []string
	minRevision string
	reads       bool
}

const questionForm = `SUBJECT ACTION RESOURCE [fact=value …]`

const questionHelp = `SUBJECT is user:anna (or anna) or app:dialer; RESOURCE is type:id, type:* to ask about the type, or type.field:id with the
action read or write. Facts are what the asking program knows of the resource; their values are read by the kind that the
tenant's model declares: a,b for a list, true or false, JSON for records, null for absent.`

func (q *question) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&q.actor, "as", "", "the app that acts for the subject: app:crm")
	f.StringArrayVar(&q.roles, "role", nil, "restrict the subject to this role of his (repeatable)")
	f.StringArrayVar(&q.context, "context", nil, "a circumstance, key=value (repeatable)")
	f.StringVar(&q.minRevision, "min-revision", "", "a revision that the answer must not be older than")
	f.BoolVar(&q.reads, "reads", false, "also say what the answer depends on beyond subject and actor")
}

// request reads the words of a question. Facts need the tenant's model; without it they are texts, and the server has the
// last word: it may know an emergency number even when it knows no tenant.
func (q *question) request(ctx context.Context, r *remote, tenant string, words []string) (*klinkev1.CheckRequest, error) {
	in, err := account.ParseQuestion(words[0], words[1], words[2])
	if err != nil {
		return nil, err
	}
	in.Tenant, in.ActiveRoles, in.MinRevision, in.WithReads = tenant, q.roles, q.minRevision, q.reads
	if q.actor != "" {
		if in.Actor, err = actor(q.actor); err != nil {
			return nil, err
		}
	}
	if in.Context, err = account.Context(q.context); err != nil {
		return nil, err
	}
	if len(words) > 3 {
		in.Resource.Properties, err = facts(ctx, r, tenant, in.GetResource().GetType(), words[3:])
	}
	return in, err
}

func facts(ctx context.Context, r *remote, tenant, typ string, pairs []string) (*structpb.Struct, error) {
	m, err := r.GetModel(ctx, &klinkev1.GetModelRequest{Tenant: tenant})
	if err != nil {
		return textFacts(pairs)
	}
	return account.Facts(m.GetModel(), typ, pairs)
}

// textFacts reads facts of which nobody says what they are. No attribute is a number: 112 is a text, and is dialled.
func textFacts(pairs []string) (*structpb.Struct, error) {
	out, err := account.Context(pairs)
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		if _, isNumber := out.GetFields()[name].GetKind().(*structpb.Value_NumberValue); isNumber {
			out.Fields[name] = structpb.NewStringValue(value)
		}
	}
	return out, err
}

// actor reads the app that acts for a subject.
func actor(s string) (*klinkev1.QuestionSubject, error) {
	id, isApp := strings.CutPrefix(s, "app:")
	if !isApp || id == "" {
		return nil, invalid("as", "`%s` is no app: write app:crm", s)
	}
	return &klinkev1.QuestionSubject{Type: "app", Id: id}, nil
}
