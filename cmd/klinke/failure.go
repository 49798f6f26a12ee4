package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/klinke-authz/klinke/policy"
)

// report prints the error that ended a command.
func (p *program) report(cmd *cobra.Command, err error) {
	path := cmd.CommandPath()
	var mistake *usage
	switch st, remote := status.FromError(err); {
	case errors.As(err, &mistake), isUsage(err):
		p.notef("%s: %v\nhelp: %s --help", path, err, path)
	case remote && p.output == "json":
		if b, e := stableJSON(st.Proto()); e == nil {
			p.notef("%s", b)
			return
		}
		p.notef("%s: %s", path, p.explain(st))
	case remote:
		p.notef("%s: %s", path, p.explain(st))
	case errors.Is(err, context.Canceled):
		p.notef("%s: interrupted", path)
	default:
		p.notef("%s: %v", path, err)
	}
}

// isUsage knows the mistakes that cobra finds, which have no type.
func isUsage(err error) bool {
	for _, begin := range []string{"unknown command", "unknown flag", "unknown shorthand flag", "accepts ", "requires at least", "invalid argument",
		"flag needs an argument", "required flag"} {
		if strings.HasPrefix(err.Error(), begin) {
			return true
		}
	}
	return false
}

// explain says what a server's refusal means: the fields that are to blame, and what to do.
func (p *program) explain(st *status.Status) string {
	var reason string
	var fields []string
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			reason = d.GetReason()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				fields = append(fields, v.GetField()+": "+v.GetDescription())
			}
		}
	}
	message := st.Message()
	if len(fields) > 0 {
		message = strings.Join(fields, "; ")
	}
	if reason == "" {
		return p.explainTransport(st)
	}
	if st.Code() == codes.NotFound && strings.HasPrefix(message, "tenant") {
		message += fmt.Sprintf(" (`%s`): make it with klinke apply or klinke init, or name another with --tenant", p.tenant)
	}
	if st.Code() == codes.Unauthenticated && !p.showsItself() {
		message += ": give a token with --token-file or KLINKE_TOKEN, or a certificate with --cert and --key"
	}
	return message + " (" + reason + ")"
}

// explainTransport is for what did not come from our server's handlers.
func (p *program) explainTransport(st *status.Status) string {
	switch st.Code() {
	case codes.Unavailable:
		if why := p.explainTLS(st.Message()); why != "" {
			return why
		}
		return fmt.Sprintf("no server answers at %s: start one with klinke serve, or name another with --server (%s)", p.server, st.Message())
	case codes.DeadlineExceeded:
		return fmt.Sprintf("no answer within %v: allow more with --timeout", p.timeout)
	case codes.Unimplemented:
		return "the server does not know this call: it is of another version than this program (" + version + ")"
	case codes.Canceled:
		return "interrupted"
	default:
		return st.Message() + " (" + st.Code().String() + ")"
	}
}

// explainTLS is for connections that stood and could not be agreed on; empty for others.
func (p *program) explainTLS(message string) string {
	switch {
	case strings.Contains(message, "first record does not look like a TLS handshake"):
		return fmt.Sprintf("the server at %s does not encrypt: leave out --tls, --ca and --cert (%s)", p.server, message)
	case strings.Contains(message, "x509: "):
		return fmt.Sprintf("the certificate of the server at %s is not believed: name its authority with --ca (%s)", p.server, message)
	case strings.Contains(message, "remote error: tls: "), p.cert != "" && isCutOff(message):
		return fmt.Sprintf("the server at %s ends the connection: it may not take the certificate of --cert, or this version of TLS (%s)", p.server, message)
	case strings.Contains(message, "error reading server preface") && !p.encrypts():
		return fmt.Sprintf("what listens at %s ends the connection: if it encrypts, call with --tls (%s)", p.server, message)
	}
	return ""
}

// isCutOff says whether a connection ended in the midst: that the server refused it may be lost on the way.
func isCutOff(message string) bool {
	return strings.Contains(message, "broken pipe") || strings.Contains(message, "connection reset") || strings.Contains(message, "EOF")
}

// isMissing says whether a call failed because what it names is not there.
func isMissing(err error) bool { return status.Code(err) == codes.NotFound }

// faultOf is the error of an answer in a batch as one line; empty for a decided one.
func (p *program) faultOf(e *rpcstatus.Status) string {
	if e == nil {
		return ""
	}
	return p.explain(status.FromProto(e))
}

// faultFrom makes an answer's error of a mistake in a question that was not sent, in the form that the server gives it.
func faultFrom(err error) *rpcstatus.Status {
	st := status.New(codes.InvalidArgument, err.Error())
	if detailed, e := st.WithDetails(&errdetails.ErrorInfo{Reason: "INVALID", Domain: "klinke"}); e == nil { // else the text is not UTF-8
		st = detailed
	}
	return st.Proto()
}

// ofQuestion makes the error of a batch's item one of the question alone: its place in a call means nothing to whoever
// wrote a file of questions.
func ofQuestion(e *rpcstatus.Status) *rpcstatus.Status {
	place := regexp.MustCompile(`^evaluations\[\d+\]\.`)
	out := &rpcstatus.Status{Code: e.GetCode(), Message: place.ReplaceAllString(e.GetMessage(), "")}
	for _, detail := range e.GetDetails() {
		d, err := detail.UnmarshalNew()
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if field, has := d.GetMetadata()["field"]; has {
				d.Metadata["field"] = place.ReplaceAllString(field, "")
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				v.Field = place.ReplaceAllString(v.GetField(), "")
			}
		}
		if err == nil { // else it is of a kind that this program does not know, and stays as it is
			if packed, e := anypb.New(d); e == nil {
				detail = packed
			}
		}
		out.Details = append(out.Details, detail)
	}
	return out
}

// invalid is a mistake in a file or on the command line.
func invalid(field, format string, args ...any) error {
	return policy.Errorf(policy.Invalid, field, format, args...)
}
