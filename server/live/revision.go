package live

import (
	"strconv"
	"strings"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// FormatRevision makes the token of a place in a tenant's life. To clients it is opaque.
func FormatRevision(lineage string, at store.Position) string {
	return lineage + "-" + strconv.FormatUint(uint64(at), 10)
}

// ParseRevision takes a token apart. Invalid when it is none; field names it there. Only what FormatRevision writes is read,
// so that a revision has one token.
func ParseRevision(token, field string) (lineage string, at store.Position, err error) {
	lineage, digits, found := strings.Cut(token, "-")
	n, convErr := strconv.ParseUint(digits, 10, 64)
	if !found || lineage == "" || convErr != nil || n == 0 || FormatRevision(lineage, store.Position(n)) != token {
		return "", 0, policy.Errorf(policy.Invalid, field, "%q is not a revision; send one as the server gave it", clip(token))
	}
	return lineage, store.Position(n), nil
}

// Reached says whether the state is not older than a revision (empty for any). Gone when the revision is of another lineage,
// Invalid when it is none; field names it in these errors.
func (s *State) Reached(revision, field string) (bool, error) {
	if revision == "" {
		return true, nil
	}
	at, err := s.position(revision, field)
	return err == nil && s.Position >= at, err
}

// NotReached is the error of a reader for whom a revision does not arrive in time.
func NotReached(field string) error {
	return policy.Errorf(policy.Unavailable, field, "the revision has not arrived here within %v; ask again", revisionWait)
}

// position is an entry's.
func position(e *klinkev1.Entry) store.Position { return store.Position(e.GetPosition()) }

// clip keeps a caller's text short enough to be repeated to him.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// position reads a token that a caller sent in a field, and holds it against the tenant's lineage.
func (s *State) position(token, field string) (store.Position, error) {
	lineage, at, err := ParseRevision(token, field)
	if err != nil {
		return 0, err
	}
	if lineage != s.Lineage {
		return 0, policy.Errorf(policy.Gone, field,
			"the revision is of another life of this tenant, which was made anew or restored; forget it and ask again without")
	}
	return at, nil
}
