// This file promises that the stories about callers have certificates of their day, made for them, and wait for what a
// running server is to notice.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// writeCertificates is `certs DIRECTORY`: in it ca.pem; server, client (spiffe://example.org/client) and expired, signed by it;
// and stranger, signed by itself. Each but the first is NAME.pem and NAME.key.
func writeCertificates(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: certs DIRECTORY")
	}
	dir := ts.MkAbs(args[0]) + "/"
	ts.Check(os.MkdirAll(dir, 0o700))
	now := time.Now()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "ca"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	write := func(name, kind string, der []byte) {
		ts.Check(os.WriteFile(dir+name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	ts.Check(err)
	write("ca.pem", "CERTIFICATE", der)
	client := &url.URL{Scheme: "spiffe", Host: "example.org", Path: "/client"}
	for i, name := range []string{"server", "client", "expired", "stranger"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		ts.Check(err)
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i)), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, URIs: []*url.URL{client},
		}
		parent, signer := ca, caKey
		switch name {
		case "server":
			c.ExtKeyUsage, c.URIs = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, nil
			c.IPAddresses, c.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
		case "expired":
			c.NotAfter = now.Add(-time.Minute)
		case "stranger":
			parent, signer = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
		ts.Check(err)
		write(name+".pem", "CERTIFICATE", der)
		der, err = x509.MarshalPKCS8PrivateKey(key)
		ts.Check(err)
		write(name+".key", "PRIVATE KEY", der)
	}
}

// untilStory is `until PATTERN ARGUMENT…`: it runs the program again and again until what it says matches.
func untilStory(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN ARGUMENT…")
	}
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	var said bytes.Buffer
	for end := time.Now().Add(patience); time.Now().Before(end); {
		said.Reset()
		cmd := command(ts, args[1:]...)
		cmd.Stdout, cmd.Stderr = &said, &said
		_ = cmd.Run() // its exit code is not what is waited for
		if why := misery(said.String()); why != "" {
			ts.Fatalf("%s: %.4000s", why, said.String())
		}
		if pattern.Match(said.Bytes()) {
			return
		}
	}
	ts.Fatalf("it never says %q; at last: %.4000s", args[0], said.String())
}
