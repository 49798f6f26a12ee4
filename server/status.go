package server

import (
	"context"
	"errors"
	"log/slog"
	"unicode/utf8"

	validatev1 "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/klinke-authz/klinke/policy"
)

// domain is the namespace of our reasons in google.rpc.ErrorInfo.
const domain = "klinke"

// wire says how a kind of error looks to callers.
type wire struct {
	code   codes.Code
	reason string
	// ours: the fault is the server's, so it is logged.
	ours bool
}

// wireOf is the mapping. Kinds are closed and append-only; so is this.
func wireOf(kind policy.Kind) wire {
	switch kind {
	case policy.Invalid:
		return wire{codes.InvalidArgument, "INVALID", false}
	case policy.NotFound:
		return wire{codes.NotFound, "NOT_FOUND", false}
	case policy.Exists:
		return wire{codes.AlreadyExists, "EXISTS", false}
	case policy.Conflict:
		return wire{codes.Aborted, "CONFLICT", false}
	case policy.Refused:
		return wire{codes.FailedPrecondition, "REFUSED", false}
	case policy.TooLarge:
		return wire{codes.InvalidArgument, "TOO_LARGE", false}
	case policy.Unavailable:
		return wire{codes.Unavailable, "UNAVAILABLE", true}
	case policy.Gone:
		return wire{codes.OutOfRange, "GONE", false}
	case policy.Damaged:
		return wire{codes.DataLoss, "DAMAGED", true}
	case policy.Format:
		return wire{codes.Internal, "FORMAT", true}
	case policy.Locked:
		return wire{codes.Unavailable, "LOCKED", true}
	case policy.Unauthenticated:
		return wire{codes.Unauthenticated, "UNAUTHENTICATED", false}
	case policy.Forbidden:
		return wire{codes.PermissionDenied, "FORBIDDEN", false}
	case policy.Internal:
	}
	return wire{codes.Internal, "INTERNAL", true}
}

// statusOf turns any error of a handler into what its caller learns, and logs what it must not learn.
func statusOf(ctx context.Context, log *slog.Logger, err error) *status.Status {
	var e *policy.Error
	if !errors.As(err, &e) {
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return status.New(codes.DeadlineExceeded, "the deadline passed before the answer was ready")
		case errors.Is(err, context.Canceled):
			return status.New(codes.Canceled, "the call was cancelled")
		}
		if e = violation(err); e == nil {
			if st, ok := status.FromError(err); ok {
				return st
			}
			e = &policy.Error{Kind: policy.Internal, Message: "an unexpected error; the server's log has more", Cause: err}
		}
	}
	w := wireOf(e.Kind)
	if w.ours && (e.Cause != nil || w.code != codes.Unavailable) {
		log.ErrorContext(ctx, "a call failed", "reason", w.reason, "field", e.Field, "message", e.Message, "cause", e.Cause)
	}
	return told(w, clip(e.Field, mostField), clip(e.Message, mostMessage))
}

// How much of an error is told: it may repeat what a caller sent, travels in headers (of which many clients take 8 KiB) and,
// in a batch, once for each item.
const (
	mostField   = 320
	mostMessage = 640
)

// clip cuts a text at the beginning of a character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

// told is an error as it crosses the wire.
func told(w wire, field, why string) *status.Status {
	info := &errdetails.ErrorInfo{Reason: w.reason, Domain: domain}
	details := []protoadapt.MessageV1{info}
	message := why
	if field != "" {
		message = field + ": " + why
		info.Metadata = map[string]string{"field": field}
		details = append(details, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: field, Description: why},
		}})
	}
	st := status.New(w.code, message)
	if detailed, err := st.WithDetails(details...); err == nil {
		return detailed
	}
	return st // a text that is not UTF-8 does not fit the details
}

// logLevel is the level at which a call is logged, however it ended: faults of ours have a line of their own.
func logLevel(codes.Code) logging.Level { return logging.LevelDebug }

// violation reads what validating found, in the interceptor or in a stream's handler, or returns nil for another error.
func violation(err error) *policy.Error {
	var found []*validatev1.Violation
	if v, ok := errors.AsType[*protovalidate.ValidationError](err); ok {
		found = v.ToProto().GetViolations()
	} else if st, ok := status.FromError(err); ok {
		for _, detail := range st.Details() {
			if vs, ok := detail.(*validatev1.Violations); ok {
				found = append(found, vs.GetViolations()...)
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	return policy.Errorf(policy.Invalid, protovalidate.FieldPathString(found[0].GetField()), "%s", found[0].GetMessage())
}
