package server

import (
	"crypto/tls"
	"log/slog"
	"net"
	"sync/atomic"

	"google.golang.org/grpc/credentials"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/server/caller"
)

// Certificate is the server's own, which may be replaced while it is in use.
type Certificate struct {
	pair atomic.Pointer[tls.Certificate]
}

// Load takes a certificate with its chain, and its key, both PEM; the files are named in errors. Connections that stand keep
// the one that they began with.
func (c *Certificate) Load(certFile string, cert []byte, keyFile string, key []byte) error {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return &policy.Error{
			Kind: policy.Invalid, Field: certFile, Message: "this certificate and the key " + keyFile + " cannot be used together", Cause: err,
		}
	}
	c.pair.Store(&pair)
	return nil
}

// Config makes connections encrypted, by TLS 1.3: what speaks gRPC speaks that. When the callers' book trusts authorities,
// clients are asked for a certificate; one that is shown must be good, and none is needed where a token comes with the
// call. The book may be nil. Sessions are not resumed: each handshake sees the certificates of its day. The protocols are
// those above TLS; gRPC adds its own.
func (c *Certificate) Config(callers *caller.Book, protocols ...string) *tls.Config {
	made := func() *tls.Config {
		config := &tls.Config{
			MinVersion:             tls.VersionTLS13,
			NextProtos:             protocols,
			SessionTicketsDisabled: true,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				if pair := c.pair.Load(); pair != nil {
					return pair, nil
				}
				return nil, policy.Errorf(policy.Internal, "", "no certificate was loaded")
			},
		}
		if callers != nil && callers.Authorities() != nil {
			config.ClientCAs, config.ClientAuth = callers.Authorities(), tls.VerifyClientCertIfGiven
		}
		return config
	}
	config := made()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return made(), nil }
	return config
}

// handshakes are a server's, with a line in the log for each that fails: to its client, the reason is often lost.
type handshakes struct {
	credentials.TransportCredentials
	log *slog.Logger
}

// ServerHandshake implements credentials.TransportCredentials.
func (h handshakes) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := h.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		h.log.Debug("a connection could not be secured", "from", raw.RemoteAddr().String(), "cause", err)
	}
	return conn, info, err
}

// Clone implements credentials.TransportCredentials.
func (h handshakes) Clone() credentials.TransportCredentials {
	return handshakes{h.TransportCredentials.Clone(), h.log}
}
