package policy

import "fmt"

// Kind says what sort of failure an Error is. The list is closed and append-only: kinds cross the wire, and one file of
// the server maps them to status codes.
type Kind uint8

// The kinds.
const (
	// Internal is a broken promise of our own; never the caller's fault.
	Internal Kind = iota
	// Invalid is a request that can never succeed as it stands: a wrong type, an unknown name, a cycle.
	Invalid
	// NotFound is a tenant or model that does not exist, or that the caller may not see.
	NotFound
	// Exists is a tenant that exists already.
	Exists
	// Conflict is a write whose expectation does not hold: another revision, or a request id reused with other content.
	Conflict
	// Refused is what is well-formed, but not possible in the tenant's present state: deleting a role that is in use, asking
	// what depends on a setting that nobody has set.
	Refused
	// TooLarge is a limit of the contract exceeded.
	TooLarge
	// Unavailable is a failure that may pass: the revision asked for has not arrived, the store is closing.
	Unavailable
	// Gone is a position below the log's floor or a revision of another lineage.
	Gone
	// Damaged is stored state that fails its checks.
	Damaged
	// Format is a file that is foreign, or of a newer format than this program knows.
	Format
	// Locked is a store that another process holds.
	Locked
	// Unauthenticated is a caller who did not show who he is, or may no longer call.
	Unauthenticated
	// Forbidden is a call that needs a power which its caller lacks.
	Forbidden
)

// Error is what this project's packages return: what was wrong, where, and what to do.
type Error struct {
	Kind Kind
	// Field is the path of the offending field in the request (`changes[3].put.cell.level`); empty when none is to blame.
	Field string
	// Message is a sentence without the field, for people. It names nothing of another tenant.
	Message string
	// Cause is the error below, for logs; it does not cross the wire. Nil for none.
	Cause error
}

// Error is the field and the message.
func (e *Error) Error() string {
	s := e.Message
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error without a cause.
func Errorf(kind Kind, field, format string, args ...any) *Error {
	return &Error{Kind: kind, Field: field, Message: fmt.Sprintf(format, args...)}
}
