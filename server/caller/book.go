package caller

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klinke-authz/klinke/policy"
)

// Book is the callers of a running server, and the authorities whose client certificates it believes.
type Book struct {
	log  *slog.Logger
	list atomic.Pointer[List]
	// authorities are those that Trust was given last; nil before.
	authorities atomic.Pointer[authorities]

	// mu orders what changes the two above, and held: what is held under a list is known to whoever replaces it.
	mu   sync.Mutex
	held map[*hold]struct{}
}

// authorities are certificates that sign those of clients.
type authorities struct {
	pool  *x509.CertPool
	known map[string]bool // by their content
}

// NewBook makes a book without callers. The log gets the names of those that come and go.
func NewBook(log *slog.Logger) *Book {
	b := &Book{log: log, held: map[*hold]struct{}{}}
	b.list.Store(&List{})
	return b
}

// Load takes a list, read from a file of that name, and ends the calls of those who may no longer make them.
func (b *Book) Load(file string, content []byte) error {
	list, err := Parse(file, content)
	if err != nil {
		return err
	}
	added, removed, changed := differences(b.list.Load(), list)
	b.mu.Lock()
	b.list.Store(list)
	b.review(time.Now())
	b.mu.Unlock()
	b.log.Info("the callers were read", "file", file, "callers", len(list.callers), "added", added, "removed", removed, "changed", changed)
	return nil
}

// Trust takes the authorities of client certificates, read from a PEM file of that name. Certificates that others signed are
// no longer believed, on connections that stand as well.
func (b *Book) Trust(file string, content []byte) error {
	a := &authorities{pool: x509.NewCertPool(), known: map[string]bool{}}
	for rest := content; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return &policy.Error{Kind: policy.Invalid, Field: file, Message: "a certificate in it cannot be read", Cause: err}
		}
		a.pool.AddCert(certificate)
		a.known[string(certificate.Raw)] = true
	}
	if len(a.known) == 0 {
		return policy.Errorf(policy.Invalid, file, "there is no certificate in it; it holds PEM blocks of type CERTIFICATE")
	}
	b.mu.Lock()
	b.authorities.Store(a)
	b.review(time.Now())
	b.mu.Unlock()
	b.log.Info("the authorities of client certificates were read", "file", file, "certificates", len(a.known))
	return nil
}

// Authorities are those that Trust was given last; nil when client certificates are not asked for.
func (b *Book) Authorities() *x509.CertPool {
	if a := b.authorities.Load(); a != nil {
		return a.pool
	}
	return nil
}

// Proof is what a call brings to show whose it is.
type Proof struct {
	// Token is the token that it carries; empty for none. Then the certificate does not count.
	Token string
	// Chains are the verified chains of the client's certificate; empty for none.
	Chains [][]*x509.Certificate
}

// Identify says whose a call is. Unauthenticated when nobody's.
func (b *Book) Identify(p Proof, now time.Time) (*Caller, error) {
	list := b.list.Load()
	switch {
	case p.Token != "":
		return list.withToken(p.Token, now)
	case len(p.Chains) > 0:
		return list.withCertificate(b.authorities.Load(), p.Chains, now)
	}
	return nil, refusef("this server answers only callers that it knows: send the header `authorization: Bearer TOKEN`, or show a client certificate")
}

func refusef(format string, args ...any) error {
	return policy.Errorf(policy.Unauthenticated, "", format, args...)
}

func (l *List) withToken(token string, now time.Time) (*Caller, error) {
	got := digestOf(token)
	var want [sha256.Size]byte
	id, _ := publicPart(token)
	c := l.byToken[id]
	if c != nil {
		want = c.digest
	}
	// Also for a token that nobody has, so that the time does not tell which public parts there are.
	if right := subtle.ConstantTimeCompare(got[:], want[:]) == 1; c == nil || !right {
		return nil, refusef("the token is not one that this server knows: it was mistyped, revoked, or made for another server")
	}
	if c.Expired(now) {
		return nil, expired(c)
	}
	return c, nil
}

func expired(c *Caller) error {
	return refusef("the caller `%s` expired at %s; ask the operator for a new token", c.Name, c.Expires.UTC().Format(time.RFC3339))
}

func (l *List) withCertificate(trusted *authorities, chains [][]*x509.Certificate, now time.Time) (*Caller, error) {
	leaf := chains[0][0]
	if trusted == nil || !trusted.signed(chains) {
		return nil, refusef("the client's certificate was signed by nobody whom this server trusts now")
	}
	if now.Before(leaf.NotBefore) || !now.Before(leaf.NotAfter) {
		return nil, refusef("the client's certificate is valid from %s to %s only",
			leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	var found *Caller
	for _, name := range namesIn(leaf) {
		switch c := l.byCertificate[name]; {
		case c == nil:
		case found != nil && found != c:
			return nil, refusef("the client's certificate names two callers; it must name one")
		default:
			found = c
		}
	}
	if found == nil {
		return nil, refusef("the client's certificate names no caller that this server knows")
	}
	if found.Expired(now) {
		return nil, refusef("the caller `%s` expired at %s", found.Name, found.Expires.UTC().Format(time.RFC3339))
	}
	return found, nil
}

// signed says whether one of the chains ends with an authority that is trusted still.
func (a *authorities) signed(chains [][]*x509.Certificate) bool {
	for _, chain := range chains {
		if a.known[string(chain[len(chain)-1].Raw)] {
			return true
		}
	}
	return false
}

// namesIn are the names in a certificate by which callers are known.
func namesIn(c *x509.Certificate) []string {
	names := make([]string, 0, len(c.URIs)+len(c.DNSNames))
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	return append(names, c.DNSNames...)
}
