package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/klinke-authz/klinke/policy"
)

// tokenVariable is the environment's place for a token itself. There is no flag for it: command lines can be read by others.
const tokenVariable = "KLINKE_TOKEN"

// credentials are how a client command shows who calls, and keeps it from others.
func (p *program) credentials() ([]grpc.DialOption, error) {
	token, err := p.token()
	if err != nil {
		return nil, err
	}
	transport := insecure.NewCredentials()
	if p.encrypts() {
		config, err := p.clientTLS()
		if err != nil {
			return nil, err
		}
		transport = credentials.NewTLS(config)
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(transport)}
	if token == "" {
		return options, nil
	}
	if !p.encrypts() && !staysHere(p.server) {
		return nil, usagef("the token would cross the network readable: call with --tls, or a server on this machine")
	}
	return append(options, grpc.WithPerRPCCredentials(bearer(token))), nil
}

// encrypts says whether connections are to be encrypted.
func (p *program) encrypts() bool { return p.tls || p.ca != "" || p.cert != "" || p.key != "" }

// showsItself says whether a command has something to show who calls.
func (p *program) showsItself() bool {
	_, inEnvironment := p.env(tokenVariable)
	return inEnvironment || p.tokenFile != "" || p.cert != ""
}

// token is the one to call with: of the flag, else of the environment, else of the file of settings; empty for none.
func (p *program) token() (string, error) {
	value, given := p.env(tokenVariable)
	from := tokenVariable
	switch origin := p.origin["token-file"]; {
	case given && strings.HasPrefix(origin, "environment "):
		return "", usagef("the environment has both %s and %s: one is enough", tokenVariable, environmentKey("token-file"))
	case given && !strings.HasPrefix(origin, "flag "):
	case p.tokenFile == "":
		return "", nil
	default:
		content, err := os.ReadFile(p.tokenFile)
		if err != nil {
			return "", &policy.Error{Kind: policy.NotFound, Field: "token_file", Message: "the file of the token cannot be read", Cause: err}
		}
		value, from = string(content), p.tokenFile
	}
	value = strings.TrimSpace(value)
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", invalid(from, "it holds no token; klinke token create makes one")
	}
	return value, nil
}

func (p *program) clientTLS() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	if p.ca != "" {
		content, err := os.ReadFile(p.ca)
		if err != nil {
			return nil, &policy.Error{Kind: policy.NotFound, Field: "ca", Message: "the file of authorities cannot be read", Cause: err}
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(content) {
			return nil, invalid(p.ca, "there is no certificate in it; it holds PEM blocks of type CERTIFICATE")
		}
	}
	if (p.cert == "") != (p.key == "") {
		return nil, usagef("a client certificate and its key go together: --cert FILE --key FILE")
	}
	if p.cert != "" {
		pair, err := tls.LoadX509KeyPair(p.cert, p.key)
		if err != nil {
			return nil, &policy.Error{
				Kind: policy.Invalid, Field: p.cert, Message: "this certificate and the key " + p.key + " cannot be used together", Cause: err,
			}
		}
		if end := pair.Leaf.NotAfter; time.Now().After(end) {
			return nil, invalid(p.cert, "the certificate was valid until %s", end.UTC().Format(time.RFC3339))
		}
		// Also when the server does not ask for one of its authority: then it says itself what is wrong.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return config, nil
}

// staysHere says whether what is sent to an address does not leave this machine.
func staysHere(addr string) bool {
	if strings.HasPrefix(addr, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// bearer is a token as calls carry it.
type bearer string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials: whether it is needed was looked at already.
func (bearer) RequireTransportSecurity() bool { return false }
