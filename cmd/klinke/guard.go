package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/klinke-authz/klinke/server"
	"github.com/klinke-authz/klinke/server/caller"
	"github.com/klinke-authz/klinke/server/reload"
)

func (p *program) callersFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.callers, "callers", "", "the file of those who may call, edited by klinke token")
}

// guard is what stands between a server and those who reach it.
type guard struct {
	files       *reload.Files // to be closed
	callers     *caller.Book  // nil when whoever reaches the server may call
	certificate *server.Certificate
}

// guard reads the files of the settings, and begins to look whether they change.
func (p *program) guard(log *slog.Logger) (*guard, error) {
	switch {
	case (p.tlsCert == "") != (p.tlsKey == ""):
		return nil, usagef("a certificate and its key go together: --tls-cert FILE --tls-key FILE")
	case p.clientCA != "" && p.tlsCert == "":
		return nil, usagef("client certificates are shown on encrypted connections only: --client-ca wants --tls-cert and --tls-key")
	case p.clientCA != "" && p.callers == "":
		return nil, usagef("a client certificate shows who calls, and the callers say what he may: --client-ca wants --callers")
	}
	g := &guard{files: reload.New(log, reload.Every)}
	if p.callers != "" {
		g.callers = caller.NewBook(log)
		err := g.files.Add("callers", func(c [][]byte) error { return g.callers.Load(p.callers, c[0]) },
			reload.File{Path: p.callers, Check: caller.CheckMode})
		if err != nil {
			return nil, err
		}
	}
	if p.clientCA != "" {
		err := g.files.Add("client authorities", func(c [][]byte) error { return g.callers.Trust(p.clientCA, c[0]) },
			reload.File{Path: p.clientCA})
		if err != nil {
			return nil, err
		}
	}
	if p.tlsCert != "" {
		g.certificate = &server.Certificate{}
		err := g.files.Add("certificate", func(c [][]byte) error { return g.certificate.Load(p.tlsCert, c[0], p.tlsKey, c[1]) },
			reload.File{Path: p.tlsCert}, reload.File{Path: p.tlsKey, Check: caller.CheckMode})
		if err != nil {
			return nil, err
		}
	}
	g.files.Start()
	return g, nil
}
