// These tests prove, with certificates made here and real connections, that calls can be encrypted and callers known by
// certificate, that bad certificates are refused, and that new ones come into force without a restart.
package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/server/caller"
	"github.com/klinke-authz/klinke/server/reload"
)

// pair is a certificate with its key, both as they stand in files.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate that is valid for an hour from an hour ago on, unless it says until when; signed by itself when
// there is nobody.
func issue(t *testing.T, c *x509.Certificate, by *pair) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "test"}
	c.NotBefore = time.Now().Add(-time.Hour)
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{cert, key}
}

func authority(t *testing.T) *pair {
	t.Helper()
	return issue(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
}

// server is a server's certificate, for loopback.
func (p *pair) server(t *testing.T) *pair {
	t.Helper()
	return issue(t, &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, p)
}

// client is a client's certificate with one name.
func (p *pair) client(t *testing.T, name string, until time.Time) *pair {
	t.Helper()
	c := &x509.Certificate{NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if u, err := url.Parse(name); err == nil && u.Scheme != "" {
		c.URIs = []*url.URL{u}
	} else {
		c.DNSNames = []string{name}
	}
	return issue(t, c, p)
}

func (p *pair) certPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw})
}

func (p *pair) keyPEM(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// trusting is what a client needs to believe servers of an authority, and to show a certificate of its own (nil for none).
func trusting(ca *pair, own *pair) *tls.Config {
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS13}
	config.RootCAs.AddCert(ca.cert)
	if own != nil {
		config.Certificates = []tls.Certificate{{Certificate: [][]byte{own.cert.Raw}, PrivateKey: own.key}}
	}
	return config
}

// secured serves a house's tenants encrypted, to callers.
func (h *house) secured(t *testing.T, r *roster, c *Certificate) *house {
	t.Helper()
	g := start(t, Config{
		Tenants: h.tenants, Log: slog.New(slog.NewTextHandler(r.log, nil)), Version: "v0-test", Callers: r.book, Certificate: c,
	})
	g.log = r.log
	return g
}

func loaded(t *testing.T, p *pair) *Certificate {
	t.Helper()
	c := &Certificate{}
	if err := c.Load("cert.pem", p.certPEM(), "key.pem", p.keyPEM(t)); err != nil {
		t.Fatal(err)
	}
	return c
}

// checks asks over a new connection.
func (h *house) checks(t *testing.T, with credentials.TransportCredentials, token string) error {
	t.Helper()
	conn, err := grpc.NewClient(h.addr.String(), grpc.WithTransportCredentials(with))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err = klinkev1.NewDecisionServiceClient(conn).Check(as(ctx, token), mayListen("acme"))
	return err
}

func TestEncryptedCalls(t *testing.T) {
	r := newRoster(t)
	token := r.token(t, "router", caller.Of(caller.Check), "acme")
	ca, strange := authority(t), authority(t)
	h := world(t).secured(t, r, loaded(t, ca.server(t)))
	if err := h.checks(t, credentials.NewTLS(trusting(ca, nil)), token); err != nil {
		t.Errorf("with a token: %v", err)
	}
	if err := h.checks(t, credentials.NewTLS(trusting(ca, nil)), ""); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a token: %v", err)
	}
	// Client certificates are not asked for, so they show nothing.
	own := ca.client(t, "router.example.org", time.Time{})
	if err := h.checks(t, credentials.NewTLS(trusting(ca, own)), ""); status.Code(err) != codes.Unauthenticated {
		t.Errorf("with a certificate that nobody asked for: %v", err)
	}
	old := trusting(ca, nil)
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for what, with := range map[string]credentials.TransportCredentials{
		"in the clear":                      insecure.NewCredentials(),
		"by TLS 1.2":                        credentials.NewTLS(old),
		"trusting another authority's only": credentials.NewTLS(trusting(strange, nil)),
	} {
		if err := h.checks(t, with, token); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestCallersByCertificate(t *testing.T) {
	r := newRoster(t)
	token := r.token(t, "router", caller.Of(caller.Check), "acme")
	ca, strange := authority(t), authority(t)
	list := `  - {name: by-uri, certificate: "spiffe://example.org/router", powers: [check], tenants: [acme]}
  - {name: by-dns, certificate: router.example.org, powers: [check], tenants: [acme]}
  - {name: elsewhere, certificate: elsewhere.example.org, powers: [check], tenants: [globex]}
`
	content, err := os.ReadFile(r.path)
	if err == nil {
		err = os.WriteFile(r.path, append(content, list...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.load(t)
	if err := r.book.Trust("ca.pem", ca.certPEM()); err != nil {
		t.Fatal(err)
	}
	h := world(t).secured(t, r, loaded(t, ca.server(t)))
	for _, c := range []struct {
		what  string
		own   *pair
		token string
		want  codes.Code
	}{
		{"by URI", ca.client(t, "spiffe://example.org/router", time.Time{}), "", codes.OK},
		{"by DNS name", ca.client(t, "router.example.org", time.Time{}), "", codes.OK},
		{"with a token and no certificate", nil, token, codes.OK},
		{"with a token and a stranger's certificate", ca.client(t, "other.example.org", time.Time{}), token, codes.OK},
		{"with a forged token and a good certificate", ca.client(t, "router.example.org", time.Time{}), "klk_a_b", codes.Unauthenticated},
		{"with nothing", nil, "", codes.Unauthenticated},
		{"by a name of nobody", ca.client(t, "other.example.org", time.Time{}), "", codes.Unauthenticated},
		{"for another tenant", ca.client(t, "elsewhere.example.org", time.Time{}), "", codes.NotFound},
		{"with an expired certificate", ca.client(t, "router.example.org", time.Now().Add(-time.Minute)), "", codes.Unavailable},
		{"with another authority's certificate", strange.client(t, "router.example.org", time.Time{}), "", codes.Unavailable},
		{"with a server's certificate", issue(t, &x509.Certificate{
			DNSNames: []string{"router.example.org"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}, ca), "", codes.Unavailable},
	} {
		// Not by tls's own choice, which leaves a certificate at home that the server would not believe.
		config := trusting(ca, nil)
		if own := c.own; own != nil {
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &tls.Certificate{Certificate: [][]byte{own.cert.Raw}, PrivateKey: own.key}, nil
			}
		}
		if err := h.checks(t, credentials.NewTLS(config), c.token); status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
}

// eventually asks until it is answered as wanted.
func eventually(t *testing.T, what string, ask func() error, want codes.Code) {
	t.Helper()
	end := time.After(20 * time.Second)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		err := ask()
		if status.Code(err) == want {
			return
		}
		select {
		case <-look.C:
		case <-end:
			t.Fatalf("%s: still %v, want %v", what, err, want)
		}
	}
}

// Everything that is read from files is replaced while a server runs: its certificate, the authorities, the callers.
func TestFilesAreReplacedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, content []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".tmp", content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".tmp", path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first, second := authority(t), authority(t)
	own := first.server(t)
	certFile, keyFile, caFile := put("cert.pem", own.certPEM()), put("key.pem", own.keyPEM(t)), put("ca.pem", first.certPEM())
	r := newRoster(t)
	token := r.token(t, "router", caller.Of(caller.Check), "acme")
	content, err := os.ReadFile(r.path)
	if err == nil {
		err = os.WriteFile(r.path, append(content, "  - {name: web, certificate: web.example.org, powers: [check, watch], tenants: [acme]}\n"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	files := reload.New(log, 2*time.Millisecond)
	c := &Certificate{}
	for _, err := range []error{
		files.Add("certificate", func(f [][]byte) error { return c.Load(certFile, f[0], keyFile, f[1]) }, reload.File{Path: certFile}, reload.File{Path: keyFile}),
		files.Add("authorities", func(f [][]byte) error { return r.book.Trust(caFile, f[0]) }, reload.File{Path: caFile}),
		files.Add("callers", func(f [][]byte) error { return r.book.Load(r.path, f[0]) }, reload.File{Path: r.path, Check: caller.CheckMode}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	files.Start()
	defer files.Close()
	h := world(t).secured(t, r, c)
	byToken := func(ca *pair) func() error {
		return func() error { return h.checks(t, credentials.NewTLS(trusting(ca, nil)), token) }
	}
	byCertificate := func(of *pair) func() error {
		own := of.client(t, "web.example.org", time.Time{})
		return func() error { return h.checks(t, credentials.NewTLS(trusting(second, own)), "") }
	}
	if err := byToken(first)(); err != nil {
		t.Fatal(err)
	}
	// A connection that stands, with a stream on it.
	stays, err := grpc.NewClient(h.addr.String(), grpc.WithTransportCredentials(credentials.NewTLS(trusting(first, first.client(t, "web.example.org", time.Time{})))))
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Close()
	old := &house{conn: stays, decisions: klinkev1.NewDecisionServiceClient(stays)}
	stream := reflectionStream(t, old, "")

	// The server's certificate. Half of a pair changes nothing.
	own = second.server(t)
	put("cert.pem", own.certPEM())
	eventually(t, "the log", func() error {
		if strings.Contains(r.log.String(), "cannot be used together") {
			return nil
		}
		return status.Error(codes.Unavailable, "not yet")
	}, codes.OK)
	if err := byToken(first)(); err != nil {
		t.Errorf("half of a pair took the old one away: %v", err)
	}
	put("key.pem", own.keyPEM(t))
	eventually(t, "the new certificate", byToken(second), codes.OK)
	if err := byToken(first)(); status.Code(err) != codes.Unavailable {
		t.Errorf("the old certificate is shown still: %v", err)
	}
	if _, err := old.decisions.Check(t.Context(), mayListen("acme")); err != nil {
		t.Errorf("a connection that stood: %v", err)
	}

	// The authorities of clients, first beside the old one, then alone.
	put("ca.pem", append(first.certPEM(), second.certPEM()...))
	eventually(t, "a client of the new authority", byCertificate(second), codes.OK)
	if err := byCertificate(first)(); err != nil {
		t.Errorf("a client of the old authority: %v", err)
	}
	put("ca.pem", second.certPEM())
	_, err = stream.Recv()
	if got := faultOf(t, err); got.code != codes.Unauthenticated || !strings.Contains(err.Error(), "signed by nobody whom this server trusts now") {
		t.Errorf("the stream of a client of the old authority ends with %v", err)
	}
	if _, err := old.decisions.Check(t.Context(), mayListen("acme")); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a call on its connection: %v", err)
	}

	// The callers.
	if err := caller.Revoke(r.path, "router"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a revoked token", byToken(second), codes.Unauthenticated)
	more, err := caller.Create(r.path, caller.Caller{Name: "new", Powers: caller.Of(caller.Check), Tenants: []string{"acme"}})
	if err != nil {
		t.Fatal(err)
	}
	token = more
	eventually(t, "a new token", byToken(second), codes.OK)
	if err := os.WriteFile(r.path, []byte("callers: [what]"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log", func() error {
		if strings.Contains(r.log.String(), "a map with name, token") {
			return nil
		}
		return status.Error(codes.Unavailable, "not yet")
	}, codes.OK)
	if err := byToken(second)(); err != nil {
		t.Errorf("a broken file of callers took the old one away: %v", err)
	}
	if strings.Contains(r.log.String(), token[20:]) {
		t.Error("the log holds a token")
	}
}

// A stream does not outlive its client's certificate.
func TestStreamsEndWithTheirCertificate(t *testing.T) {
	r := newRoster(t)
	ca := authority(t)
	if err := r.book.Load("callers.yaml", []byte("callers: [{name: web, certificate: web.example.org, powers: [watch], tenants: all}]")); err != nil {
		t.Fatal(err)
	}
	if err := r.book.Trust("ca.pem", ca.certPEM()); err != nil {
		t.Fatal(err)
	}
	h := world(t).secured(t, r, loaded(t, ca.server(t)))
	until := time.Now().Add(2 * time.Second).Truncate(time.Second)
	h.dialAs(t, h.addr, credentials.NewTLS(trusting(ca, ca.client(t, "web.example.org", until))))
	stream := reflectionStream(t, h, "")
	_, err := stream.Recv()
	if got := faultOf(t, err); got.code != codes.Unauthenticated || time.Now().Before(until) {
		t.Errorf("the stream ends with %v", err)
	}
	again, err := reflectionv1.NewServerReflectionClient(h.conn).ServerReflectionInfo(t.Context())
	if err == nil {
		_, err = again.Recv()
	}
	if got := faultOf(t, err); got.code != codes.Unauthenticated {
		t.Errorf("another one on the same connection: %v", err)
	}
}

func TestCertificatesThatCannotBeUsed(t *testing.T) {
	ca := authority(t)
	one, other := ca.server(t), ca.server(t)
	for what, c := range map[string]struct{ cert, key []byte }{
		"nothing":          {nil, nil},
		"another's key":    {one.certPEM(), other.keyPEM(t)},
		"a key twice":      {one.keyPEM(t), one.keyPEM(t)},
		"no key":           {one.certPEM(), []byte("secret of the key")},
		"half of the file": {one.certPEM()[:100], one.keyPEM(t)},
	} {
		err := (&Certificate{}).Load("cert.pem", c.cert, "key.pem", c.key)
		if kind, ours := kindOf(err); err == nil || !ours || !strings.HasPrefix(err.Error(), "cert.pem: ") || !strings.Contains(err.Error(), "key.pem") {
			t.Errorf("%s: %v (%v)", what, err, kind)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the key is repeated: %v", what, err)
		}
	}
}
