// These tests prove that a book knows its callers by token and by certificate and nobody else, tells strangers nothing, and
// ends what lasts at the moment at which its caller may no longer call.
package caller

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klinke-authz/klinke/policy"
)

func TestTokensOfStrangers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callers.yaml")
	token, err := Create(path, Caller{Name: "router", Powers: Of(Check), All: true})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := Create(path+"2", Caller{Name: "router", Powers: Of(Check), All: true})
	if err != nil {
		t.Fatal(err)
	}
	log := &strings.Builder{}
	b := NewBook(slog.New(slog.NewTextHandler(log, nil)))
	if err := b.Load(path, []byte(contentAt(t, path))); err != nil {
		t.Fatal(err)
	}
	if c, err := b.Identify(Proof{Token: token}, time.Now()); err != nil || c.Name != "router" {
		t.Fatalf("%v, %v", c, err)
	}
	id := strings.Split(token, "_")[1]
	_, digest, _ := strings.Cut(contentAt(t, path), "digest: ")
	said := map[string]string{}
	for what, forged := range map[string]string{
		"another server's":      foreign,
		"with another secret":   "klk_" + id + "_" + strings.Split(foreign, "_")[2],
		"with another id":       "klk_" + strings.Split(foreign, "_")[1] + "_" + strings.Split(token, "_")[2],
		"cut off":               token[:len(token)-1],
		"too long":              token + "a",
		"in capitals":           strings.ToUpper(token),
		"with a blank":          token + " ",
		"the id alone":          id,
		"the digest":            digest[:71],
		"a word":                "secret",
		"as many bytes of zero": strings.Repeat("\x00", len(token)),
	} {
		_, err := b.Identify(Proof{Token: forged}, time.Now())
		if err == nil || kindOf(t, err) != policy.Unauthenticated {
			t.Errorf("a token %s: %v", what, err)
			continue
		}
		said[err.Error()] = what
		if strings.Contains(err.Error(), forged) {
			t.Errorf("a token %s is repeated: %v", what, err)
		}
	}
	if len(said) != 1 {
		t.Errorf("the refusals differ: %v", said)
	}
	if err := Revoke(path, "router"); err != nil {
		t.Fatal(err)
	}
	if err := b.Load(path, []byte(contentAt(t, path))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Identify(Proof{Token: token}, time.Now()); err == nil || said[err.Error()] == "" {
		t.Errorf("a revoked token is told from one that never was: %v", err)
	}
	_, err = b.Identify(Proof{}, time.Now())
	if err == nil || kindOf(t, err) != policy.Unauthenticated || !strings.Contains(err.Error(), "Bearer TOKEN") {
		t.Errorf("without any proof: %v", err)
	}
	if text := log.String(); strings.Contains(text, token) || strings.Contains(text, strings.Split(token, "_")[2]) ||
		!strings.Contains(text, "removed=[router]") || !strings.Contains(text, "added=[router]") {
		t.Errorf("the log: %s", text)
	}
}

func TestABadListLeavesTheOneBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callers.yaml")
	token, err := Create(path, Caller{Name: "router", Powers: Of(Check), All: true})
	if err != nil {
		t.Fatal(err)
	}
	b := NewBook(slog.New(slog.DiscardHandler))
	if err := b.Load(path, []byte(contentAt(t, path))); err != nil {
		t.Fatal(err)
	}
	ctx, _, err := b.Hold(t.Context(), Proof{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Load(path, []byte("callers: [{}]")); err == nil {
		t.Error("a bad list is taken")
	}
	if _, err := b.Identify(Proof{Token: token}, time.Now()); err != nil || ctx.Err() != nil {
		t.Errorf("the list before is gone: %v, %v", err, ctx.Err())
	}
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key = issue(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	return a
}

// issue makes a certificate that is valid for a day around now, unless it says otherwise.
func issue(t *testing.T, c *x509.Certificate, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "test"}
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(24 * time.Hour)
	}
	c.NotBefore = time.Now().Add(-24 * time.Hour)
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out, key
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// proof is that of a client certificate with names, URIs among them.
func (a *authority) proof(t *testing.T, until time.Time, names ...string) Proof {
	t.Helper()
	c := &x509.Certificate{NotAfter: until}
	for _, name := range names {
		if !strings.Contains(name, "://") {
			c.DNSNames = append(c.DNSNames, name)
			continue
		}
		u, err := url.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		c.URIs = append(c.URIs, u)
	}
	leaf, _ := issue(t, c, a)
	return Proof{Chains: [][]*x509.Certificate{{leaf, a.cert}}}
}

const byCertificate = `callers:
  - {name: web, certificate: web.example.org, powers: [check], tenants: all}
  - {name: sync, certificate: "spiffe://example.org/sync", powers: [watch], tenants: all}
  - {name: old, certificate: old.example.org, powers: [watch], tenants: all, expires: 2020-01-01T00:00:00Z}
`

func TestCertificates(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	b := NewBook(slog.New(slog.DiscardHandler))
	if err := b.Load("callers.yaml", []byte(byCertificate)); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	web := ours.proof(t, time.Time{}, "web.example.org")
	if _, err := b.Identify(web, now); err == nil {
		t.Error("a certificate is believed before anybody is trusted")
	}
	for _, bad := range []string{"", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if err := b.Trust("ca.pem", []byte(bad)); err == nil || kindOf(t, err) != policy.Invalid || b.Authorities() != nil {
			t.Errorf("authorities %q: %v", bad, err)
		}
	}
	if err := b.Trust("ca.pem", ours.pem()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		proof Proof
		want  string // the caller, or a part of the refusal
	}{
		{web, "web"},
		{ours.proof(t, time.Time{}, "spiffe://example.org/sync"), "sync"},
		{ours.proof(t, time.Time{}, "other.example.org", "web.example.org"), "web"},
		{ours.proof(t, time.Time{}, "web.example.org", "spiffe://example.org/sync"), "names two callers"},
		{ours.proof(t, time.Time{}, "other.example.org"), "names no caller"},
		{ours.proof(t, time.Time{}), "names no caller"},
		{ours.proof(t, time.Time{}, "WEB.example.org"), "names no caller"},
		{ours.proof(t, time.Time{}, "old.example.org"), "`old` expired at 2020-01-01T00:00:00Z"},
		{ours.proof(t, now.Add(-time.Minute), "web.example.org"), "is valid from"},
		{theirs.proof(t, time.Time{}, "web.example.org"), "signed by nobody"},
		{Proof{Token: "klk_x_y", Chains: web.Chains}, "the token is not one"},
	} {
		who, err := b.Identify(c.proof, now)
		got := fmt.Sprint(err)
		if err == nil {
			got = who.Name
		}
		if err == nil && got != c.want || err != nil && (kindOf(t, err) != policy.Unauthenticated || !strings.Contains(got, c.want)) {
			t.Errorf("%v: %s, want %s", c.proof.Chains[0][0].DNSNames, got, c.want)
		}
	}
}

// lasting is a call that is held.
type lasting struct{ context.Context }

// causeOf waits for the end of a context, which must come.
func causeOf(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestWhatLastsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "callers.yaml")
		begun := time.Now()
		tokens := map[string]string{}
		for _, name := range []string{"short", "revoked", "changed", "kept"} {
			c := Caller{Name: name, Powers: Of(Watch), Tenants: []string{"acme"}}
			if name == "short" {
				c.Expires = begun.Add(time.Hour)
			}
			token, err := Create(path, c)
			if err != nil {
				t.Fatal(err)
			}
			tokens[name] = token
		}
		write(t, path, contentAt(t, path)+strings.TrimPrefix(byCertificate, "callers:\n"))
		b := NewBook(slog.New(slog.DiscardHandler))
		if err := b.Load(path, []byte(contentAt(t, path))); err != nil {
			t.Fatal(err)
		}
		ca := newAuthority(t)
		if err := b.Trust("ca.pem", ca.pem()); err != nil {
			t.Fatal(err)
		}
		held := map[string]lasting{}
		hold := func(name string, p Proof) {
			ctx, c, err := b.Hold(t.Context(), p)
			if err != nil || c == nil || ctx.Err() != nil {
				t.Fatalf("%s: %v, %v", name, c, err)
			}
			held[name] = lasting{ctx}
		}
		for name, token := range tokens {
			hold(name, Proof{Token: token})
		}
		hold("certificate", ca.proof(t, begun.Add(2*time.Hour), "web.example.org"))
		hold("untrusted", ca.proof(t, begun.Add(100*time.Hour), "web.example.org"))
		if ctx, _, err := b.Hold(t.Context(), Proof{Token: "klk"}); err == nil || ctx != t.Context() {
			t.Errorf("a stranger is held: %v", err)
		}
		ends := func(name string, kind policy.Kind, part string) {
			t.Helper()
			err := causeOf(held[name])
			if kindOf(t, err) != kind || !strings.Contains(err.Error(), part) {
				t.Errorf("%s ends with %v, want %q", name, err, part)
			}
			delete(held, name)
		}
		lives := func() {
			t.Helper()
			synctest.Wait()
			for name, ctx := range held {
				if ctx.Err() != nil {
					t.Errorf("%s ended with %v", name, context.Cause(ctx))
				}
			}
		}
		lives()
		if err := Revoke(path, "revoked"); err != nil {
			t.Fatal(err)
		}
		wider := strings.Replace(contentAt(t, path), "name: changed", "name: chosen", 1)
		if err := b.Load(path, []byte(wider)); err != nil {
			t.Fatal(err)
		}
		ends("revoked", policy.Unauthenticated, "the token is not one")
		ends("changed", policy.Unavailable, "what the caller `chosen` may do was changed; begin again")
		lives()
		ends("short", policy.Unauthenticated, "`short` expired")
		if got := time.Since(begun); got != time.Hour {
			t.Errorf("the short one lasted %v, want an hour", got)
		}
		lives()
		ends("certificate", policy.Unauthenticated, "is valid from")
		if got := time.Since(begun); got > 2*time.Hour || got < 2*time.Hour-time.Second { // certificates know no parts of seconds
			t.Errorf("the certificate lasted %v, want two hours", got)
		}
		lives()
		if err := b.Trust("ca.pem", newAuthority(t).pem()); err != nil {
			t.Fatal(err)
		}
		ends("untrusted", policy.Unauthenticated, "signed by nobody")
		lives()
		if len(held) != 1 {
			t.Errorf("left are %v, want the kept one", held)
		}
	})
}

// The end of the call itself is no refusal, and leaves nothing behind.
func TestWhatEndsIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "callers.yaml")
		token, err := Create(path, Caller{Name: "router", Powers: Of(Watch), All: true, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		b := NewBook(slog.New(slog.DiscardHandler))
		if err := b.Load(path, []byte(contentAt(t, path))); err != nil {
			t.Fatal(err)
		}
		call, end := context.WithCancel(t.Context())
		ctx, _, err := b.Hold(call, Proof{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		end()
		if err := causeOf(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("it ends with %v", err)
		}
		synctest.Wait()
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.held) != 0 {
			t.Errorf("%d calls are held still", len(b.held))
		}
	})
}

func BenchmarkIdentify(b *testing.B) {
	path := filepath.Join(b.TempDir(), "callers.yaml")
	token, err := Create(path, Caller{Name: "router", Powers: Of(Check), All: true})
	if err != nil {
		b.Fatal(err)
	}
	l, err := Read(path)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.withToken(token, now); err != nil {
			b.Fatal(err)
		}
	}
}
