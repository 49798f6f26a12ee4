package server

import (
	"encoding/base64"
	"strings"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/live"
)

// recordsToken says where the next page of records begins: behind a key, whose first byte is its kind, in one life of a
// tenant. To clients it is opaque.
type recordsToken struct {
	lineage string
	after   []byte
}

func (t recordsToken) String() string {
	return base64.RawURLEncoding.EncodeToString(append([]byte(t.lineage+"\x00"), t.after...))
}

func errToken() error {
	return policy.Errorf(policy.Invalid, "page_token", "this is no token of this list; send the previous page's next_page_token, or none")
}

func parseRecordsToken(s string) (recordsToken, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return recordsToken{}, errToken()
	}
	lineage, key, ok := strings.Cut(string(raw), "\x00")
	if !ok || key == "" {
		return recordsToken{}, errToken()
	}
	return recordsToken{lineage, []byte(key)}, nil
}

// fits says why the token cannot go on in a tenant's list of a kind, or nil.
func (t recordsToken) fits(s *live.State, kind klinkev1.RecordKind) error {
	switch {
	case t.lineage != s.Lineage:
		return policy.Errorf(policy.Gone, "page_token", "the page belongs to another life of this tenant, which was made anew or restored; begin again")
	case t.after[0] != byte(kind):
		return errToken()
	}
	return nil
}

// tenantsToken says behind which tenant the next page begins.
func tenantsToken(after string) string { return base64.RawURLEncoding.EncodeToString([]byte(after)) }

func parseTenantsToken(s string) (after string, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || (s != "" && validTenant(string(raw)) != nil) {
		return "", errToken()
	}
	return string(raw), nil
}
