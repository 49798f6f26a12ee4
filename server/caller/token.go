package caller

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// A token is klk_ID_SECRET in lower-case base32. The ID finds the caller and may be seen; the secret is 256 random bits, so
// its digest cannot be turned back by trying, and needs no salt and no slow hash.
const (
	tokenMark   = "klk"
	idBytes     = 10
	secretBytes = 32
)

func encode(b []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

// newToken makes a token, with its public part.
func newToken() (token, id string) {
	b := make([]byte, idBytes+secretBytes)
	_, _ = rand.Read(b) // never fails
	id = encode(b[:idBytes])
	return tokenMark + "_" + id + "_" + encode(b[idBytes:]), id
}

// publicPart is the part of a token that may be seen. False for what is no token.
func publicPart(token string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(token, tokenMark+"_")
	if !ok {
		return "", false
	}
	id, secret, ok := strings.Cut(rest, "_")
	return id, ok && isWord(id, idBytes) && isWord(secret, secretBytes)
}

// isWord says whether a text has the shape of so many encoded bytes.
func isWord(s string, n int) bool {
	if len(s) != base32.StdEncoding.WithPadding(base32.NoPadding).EncodedLen(n) {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// digestOf is what is kept of a token: of its whole text, so that no two texts are one token.
func digestOf(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }
