package server

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
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
	token := recordsToken{lineage, []byte(key)}
	if !ok || lineage == "" || !isKey(key) || token.String() != s {
		return recordsToken{}, errToken()
	}
	return token, nil
}

// isKey says whether a key has the shape that policy.AppendKey gives: a kind, then each part behind its length.
func isKey(key string) bool {
	if key == "" {
		return false
	}
	for key = key[1:]; key != ""; {
		if len(key) < 2 {
			return false
		}
		n := 2 + int(binary.BigEndian.Uint16([]byte(key[:2])))
		if n > len(key) {
			return false
		}
		key = key[n:]
	}
	return true
}

// isOf says whether the token can go on in a list of a kind.
func (t recordsToken) isOf(kind klinkev1.RecordKind) bool {
	return klinkev1.RecordKind(t.after[0]) == kind
}

// tenantsToken says behind which tenant the next page begins.
func tenantsToken(after string) string { return base64.RawURLEncoding.EncodeToString([]byte(after)) }

func parseTenantsToken(s string) (after string, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || s != "" && (validTenant(string(raw)) != nil || tenantsToken(string(raw)) != s) {
		return "", errToken()
	}
	return string(raw), nil
}
