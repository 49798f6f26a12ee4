package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/server"
	"github.com/klinke-authz/klinke/server/live"
	"github.com/klinke-authz/klinke/store/bolt"
)

func (p *program) serveCommand() *cobra.Command {
	var printConfig bool
	cmd := &cobra.Command{
		Use:   "serve --data DIR",
		Short: "Run the server",
		Long: `Run the server on a directory of data, which is made when it is not there.

Without a certificate and callers the address must be one that only this machine can reach. --tls-cert and --tls-key encrypt;
--callers names the file that says who may call, which klinke token edits; --client-ca makes callers known by certificate as
well. These files are read again when they change.

Prints "listening grpc=HOST:PORT" on standard output once it serves (port 0 picks a free one); logs go to standard error.
An interrupt or SIGTERM lets calls under way end, for at most --shutdown-timeout; a second one ends the program at once.

Each setting comes from its flag, else from the environment, else from the file of --config, else from its default:
--log-level is KLINKE_LOG_LEVEL in the environment and log_level in the file. --print-config shows the outcome.`,
		Args: cobra.NoArgs,
	}
	cmd.RunE = func(*cobra.Command, []string) error {
		var level slog.Level
		if err := level.UnmarshalText([]byte(p.logLevel)); err != nil {
			return invalid("log_level", "`%s` is none of debug, info, warn, error", p.logLevel)
		}
		if p.shutdownTimeout < 0 {
			return invalid("shutdown_timeout", "`%s` is no time to wait: 0 or more is", p.shutdownTimeout)
		}
		if printConfig {
			return p.printConfig(cmd.Flags())
		}
		return p.serve(cmd.Context(), level)
	}
	p.dataFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&p.listen, "listen", defaultAddress, "HOST:PORT or unix:PATH; other machines can reach it only with --tls-cert and --callers")
	f.StringVar(&p.tlsCert, "tls-cert", "", "PEM file of the server's certificate with its chain")
	f.StringVar(&p.tlsKey, "tls-key", "", "PEM file of its key, which others than its owner and group may not read")
	f.StringVar(&p.clientCA, "client-ca", "", "PEM file of the authorities that sign client certificates")
	p.callersFlag(cmd)
	f.StringVar(&p.logLevel, "log-level", "info", "debug, info, warn or error; debug logs every call")
	f.DurationVar(&p.shutdownTimeout, "shutdown-timeout", 10*time.Second, "how long calls under way may take to end")
	f.BoolVar(&printConfig, "print-config", false, "print the settings and where each comes from, and end")
	return cmd
}

// threads is how many threads may run Go at least, however few cores there are. Go lets a goroutine keep one for 10 ms, while
// the system divides cores between threads more finely; so a long write does not keep questions waiting. See
// docs/decisions/threads.md.
const threads = 8

func (p *program) serve(ctx context.Context, level slog.Level) (err error) {
	if err := p.needData(); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: level}))
	if _, told := p.env("GOMAXPROCS"); !told && runtime.GOMAXPROCS(0) < threads {
		runtime.GOMAXPROCS(threads)
	}
	guard, err := p.guard(log)
	if err != nil {
		return err
	}
	defer guard.files.Close()
	listener, err := server.Listen(ctx, p.listen, server.Guarded{TLS: guard.certificate != nil, Callers: guard.callers != nil})
	if err != nil {
		return err
	}
	defer func() {
		if e := listener.Close(); e != nil && !errors.Is(e, net.ErrClosed) { // the server closes it, unless it never came so far
			err = errors.Join(err, e)
		}
	}()
	if err := os.MkdirAll(p.data, 0o700); err != nil {
		return &policy.Error{Kind: policy.Unavailable, Field: "data", Message: "the directory of data cannot be made", Cause: err}
	}
	db, err := bolt.Open(filepath.Join(p.data, databaseFile), bolt.Options{Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tenants := live.New(db, log)
	defer tenants.Close()
	s, err := server.New(server.Config{
		Tenants: tenants, Log: log, Version: version, Callers: guard.callers, Certificate: guard.certificate,
	})
	if err != nil {
		return err
	}
	return p.serveOn(ctx, s, listener, log)
}

// serveOn serves until the context ends or the listener fails.
func (p *program) serveOn(ctx context.Context, s *server.Server, listener net.Listener, log *slog.Logger) error {
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(listener) }() // serveOn waits for it, whichever way it goes on
	err := p.sayf("listening grpc=%s", addressOf(listener.Addr()))
	log.Info("serving", "listen", addressOf(listener.Addr()), "data", p.data, "version", version)
	if err == nil {
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
		}
	}
	log.Info("shutting down")
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.shutdownTimeout)
	defer cancel()
	if e := s.Shutdown(limited); e != nil {
		log.Warn("calls under way were ended", "after", p.shutdownTimeout)
	}
	return errors.Join(err, <-ended)
}

// addressOf is an address as clients name it.
func addressOf(a net.Addr) string {
	if a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return a.String()
}
