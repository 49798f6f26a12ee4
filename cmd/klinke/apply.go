package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	"github.com/klinke-authz/klinke/policy/preset"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// applier brings files to one server, or rehearses it.
type applier struct {
	p      *program
	r      *remote
	models map[modelVersion]*klinkev1.Model // known, in a rehearsal also those that no server holds
	run    string                           // begins the request ids of this run
	writes int                              // of this run so far

	reason, author      string
	prune, validateOnly bool
}

type modelVersion struct {
	name    string
	version uint32
}

func (p *program) newApplier() *applier {
	return &applier{p: p, models: map[modelVersion]*klinkev1.Model{}, run: rand.Text()}
}

func (p *program) applyCommand() *cobra.Command {
	a := p.newApplier()
	var files []string
	cmd := p.clientFlags(&cobra.Command{
		Use:   "apply -f FILE",
		Short: "Put models and accounts from files",
		Long: `Put models and accounts from files; - is standard input. A file of an account (it begins with tenant) makes the tenant
when it is not there, with its model; a preset's model is put when the server lacks it. What the file says is put, what it
does not name stays, unless --prune deletes it. Applied again, a file changes nothing and says so. A tenant that is there
moves to another version of its model when the file says which: model: NAME@2.

An account that fits one write (5,000 changes, 3 MiB) is applied as a whole or not at all. A larger one is streamed in
several writes; when it is interrupted, apply it again: what is there already costs no write.`,
		Example: `  klinke apply -f model.yaml -f account.yaml
  klinke export --tenant demo | klinke apply -f - --validate-only`,
		Args: cobra.NoArgs,
	})
	f := cmd.Flags()
	f.StringArrayVarP(&files, "file", "f", nil, "a file of a model or an account; - is standard input (repeatable)")
	f.BoolVar(&a.prune, "prune", false, "delete what neither the file nor the model's factory roles name")
	f.BoolVar(&a.validateOnly, "validate-only", false, "say what would change, and change nothing")
	f.StringVar(&a.reason, "reason", "", "why, for the log")
	f.StringVar(&a.author, "author", "", "on whose behalf, for the log")
	cmd.RunE = func(*cobra.Command, []string) error {
		if len(files) == 0 {
			return usagef("say which file: -f FILE, or -f - for standard input")
		}
		r, err := p.dial()
		if err != nil {
			return err
		}
		defer r.close()
		a.r = r
		for _, file := range files {
			if err := a.file(cmd.Context(), file); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// file applies one file.
func (a *applier) file(ctx context.Context, name string) error {
	if name == "-" {
		return a.read(ctx, "standard input", "", a.p.in, 0)
	}
	return withFile(name, func(f *os.File) error {
		var size int64
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		return a.read(ctx, name, filepath.Dir(name), f, size)
	})
}

// withFile opens a file for reading while use runs.
func withFile(name string, use func(*os.File) error) error {
	f, err := os.Open(name)
	if err != nil {
		return &policy.Error{Kind: policy.NotFound, Field: "file", Message: "cannot be read", Cause: err}
	}
	return errors.Join(use(f), f.Close())
}

// read applies what a reader gives. Of size 0 it is not known how much that is. Mixins of a model are looked for in the
// directory, unless that is empty, and among the presets.
func (a *applier) read(ctx context.Context, name, dir string, in io.Reader, size int64) error {
	counted := &countingReader{r: in}
	r := bufio.NewReaderSize(counted, policy.MaxRequestBytes)
	isModel, err := isModelFile(r)
	if err != nil {
		return &policy.Error{Kind: policy.Unavailable, Field: name, Message: "cannot be read", Cause: err}
	}
	if !isModel {
		return a.account(ctx, name, r, &progress{p: a.p, verb: "apply", began: time.Now(), last: time.Now(), from: counted, size: size})
	}
	data, err := io.ReadAll(io.LimitReader(r, policy.MaxRequestBytes+1))
	if err != nil {
		return &policy.Error{Kind: policy.Unavailable, Field: name, Message: "cannot be read", Cause: err}
	}
	m, err := account.Model(name, data, mixins(dir))
	if err != nil {
		return err
	}
	_, err = a.putModel(ctx, m)
	return err
}

// isModelFile tells a file's kind by the keys of its first document: an account says `tenant`, a model does not. It looks
// no further than it must, since more may be long in coming.
func isModelFile(r *bufio.Reader) (bool, error) {
	for wanted := 1; ; wanted = max(wanted, min(2*r.Buffered(), r.Size())) {
		_, err := r.Peek(wanted)
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return false, err
		}
		head, _ := r.Peek(r.Buffered()) // what is there can be had
		first, whole := firstDocument(head)
		switch {
		case hasKey(first, "tenant"):
			return false, nil
		case ended, whole, r.Buffered() == r.Size():
			return hasKey(first, "model|types|uses"), nil
		}
	}
}

// firstDocument is the first of a stream, as far as it is there, and whether that is the whole of it.
func firstDocument(head []byte) (first []byte, whole bool) {
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	separator := regexp.MustCompile(`(?m)^---\s`)
	at := separator.FindIndex(head)
	if at != nil && !regexp.MustCompile(`(?m)^[^#%\s]`).Match(head[:at[0]]) { // the stream begins with a separator
		head = head[at[1]:]
		at = separator.FindIndex(head)
	}
	if at == nil {
		return head, false
	}
	return head[:at[0]], true
}

func hasKey(document []byte, keys string) bool {
	return regexp.MustCompile(`(?m)^["']?(` + keys + `)["']?[ \t]*:(\s|$)`).Match(document)
}

// mixins finds what a model uses: beside its file, else among the presets.
func mixins(dir string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if dir != "" && filepath.Base(name) == name {
			data, err := os.ReadFile(filepath.Join(dir, name+".yaml"))
			if !errors.Is(err, os.ErrNotExist) {
				return data, err
			}
		}
		data, _ := preset.File(name)
		return data, nil
	}
}

// account applies an account file.
func (a *applier) account(ctx context.Context, name string, r io.Reader, progress *progress) error {
	d := account.NewDecoder(name, r)
	first, err := d.Next()
	if err != nil {
		return err
	}
	if a.p.tenant != "" && a.p.tenant != first.Tenant {
		return invalid("tenant", "%s is about `%s`, while --tenant or KLINKE_TENANT says `%s`: leave one of them out", name, first.Tenant, a.p.tenant)
	}
	more := func() ([]*klinkev1.Change, error) {
		next, err := d.Next()
		if err != nil {
			return nil, err
		}
		return next.Changes, nil
	}
	t, err := a.tenant(ctx, first.Tenant, first.Model)
	if err != nil {
		return err
	}
	return a.changes(ctx, t, first.Changes, more, progress)
}

// changes puts the changes of a tenant's file: the first ones, and those that more returns until io.EOF.
func (a *applier) changes(ctx context.Context, t *target, first []*klinkev1.Change, more func() ([]*klinkev1.Change, error), progress *progress) error {
	w := &writer{to: t.sink, note: a.p.notef, progress: progress, tally: newTally()}
	if t.move != nil {
		if err := w.add(ctx, t.move); err != nil {
			return err
		}
	}
	var named keys
	for changes, err := first, error(nil); ; changes, err = more() {
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if a.prune {
			named.addChanges(changes)
		}
		if err := w.add(ctx, sitesInOrder(changes)...); err != nil {
			return err
		}
	}
	if a.prune {
		if err := a.pruneRest(ctx, t, named, w); err != nil {
			return err
		}
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	progress.end()
	return a.p.sayApplied(t, w, a.validateOnly)
}
