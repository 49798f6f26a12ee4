package server

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/klinke-authz/klinke/policy"
)

// Guarded says what stands between a server and whoever can reach its address.
type Guarded struct {
	TLS     bool // calls are encrypted
	Callers bool // callers are known
}

// Listen opens an address: loopback TCP (`127.0.0.1:7200`, `[::1]:0`, `localhost:7200`) or `unix:PATH`, a socket for its owner
// alone (mode 0600). An address that other machines can reach is Invalid unless calls are encrypted and callers known. The
// socket of a server that died is replaced; Locked when one lives.
func Listen(ctx context.Context, addr string, g Guarded) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return listenUnix(ctx, path)
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, listenError(policy.Invalid, "is neither HOST:PORT nor unix:PATH", addr, err)
	}
	anywhere := g.TLS && g.Callers
	if ip := net.ParseIP(host); !anywhere && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, notLocal(addr, g)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, listenError(policy.Unavailable, "cannot be listened on", addr, err)
	}
	// The name localhost is whatever the machine's hosts file says.
	if a, ok := l.Addr().(*net.TCPAddr); !anywhere && (!ok || !a.IP.IsLoopback()) {
		_ = l.Close()
		return nil, notLocal(addr, g)
	}
	return l, nil
}

func notLocal(addr string, g Guarded) error {
	why := "calls would be readable on the way, and anybody there could make them: give a certificate (--tls-cert, --tls-key) and callers (--callers)"
	switch {
	case g.Callers:
		why = "calls and tokens would be readable on the way: give a certificate (--tls-cert, --tls-key)"
	case g.TLS:
		why = "anybody there could make calls: say who may (--callers)"
	}
	return listenError(policy.Invalid, "can be reached from other machines, where "+why+
		", or use a loopback address (127.0.0.1, [::1], localhost) or unix:PATH", addr, nil)
}

func listenError(kind policy.Kind, what, addr string, cause error) error {
	return &policy.Error{Kind: kind, Field: "listen", Message: "the address " + addr + " " + what, Cause: cause}
}

func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	addr := "unix:" + path
	if path == "" || path[0] == '@' || path[0] == 0 {
		return nil, listenError(policy.Invalid, "names no file: an abstract socket would be open to every user of this machine", addr, nil)
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		// Before it is bound, so that the file never has a wider mode. Where a system ignores this, Chmod below follows.
		return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
	}}
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, listenError(policy.Unavailable, "cannot be listened on", addr, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, listenError(policy.Unavailable, "cannot be kept to its owner", addr, err)
	}
	return l, nil
}

// removeStale removes a socket that nobody listens on. Anything else at the path is left alone and refused.
func removeStale(ctx context.Context, path string) error {
	addr := "unix:" + path
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return listenError(policy.Unavailable, "cannot be looked at", addr, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return listenError(policy.Invalid, "is a file that is no socket; it is left alone, choose another path", addr, nil)
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close()
		return listenError(policy.Locked, "belongs to a server that is running", addr, nil)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return listenError(policy.Locked, "may belong to a server that is running", addr, err)
	}
	if err := os.Remove(path); err != nil {
		return listenError(policy.Unavailable, "was left by a server that died, and cannot be removed", addr, err)
	}
	return nil
}
