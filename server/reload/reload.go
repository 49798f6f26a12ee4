// Package reload reads files again when they were changed, so that certificates and lists of callers need no restart.
//
// Invariants. What is in force was accepted by its reader as a whole; a file that is missing, foreign or half written leaves
// in force what was read before. Files that belong together, as a key and its certificate, are read together. Content is
// compared, not times, so that no change is missed; it is taken when it stands still for a moment.
//
// Concurrency. Add is called before Start; then one goroutine, which Close waits for, calls all readers, one after another.
//
// Failure. Add returns the error of the first reading, so that a server does not start on bad files. Later errors go to the
// log, once for each bad content.
package reload

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/klinke-authz/klinke/policy"
)

// Every is how often a server looks at its files.
const Every = time.Second

// maxBytes bounds a file that is read again and again.
const maxBytes = 16 << 20

// Files are files that are read again when they change.
type Files struct {
	log   *slog.Logger
	every time.Duration
	sets  []*set
	stop  chan struct{}
	owned sync.WaitGroup
}

// File is one of them.
type File struct {
	Path string
	// Check looks at the file's mode before it is read; nil for none.
	Check func(path string, info fs.FileInfo) error
}

// Reader takes the contents of files that belong together, in their order.
type Reader func(contents [][]byte) error

type set struct {
	what  string
	files []File
	read  Reader
	last  [][]byte // what read was given last, whether or not it took it
	why   string   // the last error; empty when all is well
}

// New makes an empty set of files, to be looked at so often once it is started.
func New(log *slog.Logger, every time.Duration) *Files {
	return &Files{log: log, every: every, stop: make(chan struct{})}
}

// Add reads files that belong together and hands them to their reader, now and whenever one of them has changed.
func (f *Files) Add(what string, read Reader, files ...File) error {
	s := &set{what: what, files: files, read: read}
	f.sets = append(f.sets, s)
	contents, err := s.contents()
	if err != nil {
		return err
	}
	s.last = contents
	return read(contents)
}

// Start begins to look. Close ends it.
func (f *Files) Start() {
	f.owned.Go(func() {
		tick := time.NewTicker(f.every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				for _, s := range f.sets {
					f.lookAgain(s)
				}
			case <-f.stop:
				return
			}
		}
	})
}

// Close ends the looking and waits for a reader that is at work.
func (f *Files) Close() {
	close(f.stop)
	f.owned.Wait()
}

// lookAgain looks, and says once what is wrong and when it is well again.
func (f *Files) lookAgain(s *set) {
	contents, err := s.contents()
	if err == nil {
		if s.knows(contents) || !f.settled(s, contents) {
			return
		}
		s.last = contents
		err = s.read(contents)
	} else {
		s.last = nil // whatever comes next is new
	}
	switch {
	case err == nil:
		f.log.Info("changed files are in force", "what", s.what)
		s.why = ""
	case err.Error() != s.why:
		f.log.Error("changed files cannot be used; what was read before stays in force", "what", s.what, "err", err)
		s.why = err.Error()
	}
}

// settled looks again a little later: a file that is being written is not read by halves.
func (f *Files) settled(s *set, contents [][]byte) bool {
	wait := time.NewTimer(f.every / 10)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-f.stop:
		return false
	}
	again, err := s.contents()
	return err == nil && equal(again, contents)
}

// knows says whether the reader was given these contents last.
func (s *set) knows(contents [][]byte) bool { return s.last != nil && equal(contents, s.last) }

func equal(a, b [][]byte) bool { return slices.EqualFunc(a, b, slices.Equal) }

func (s *set) contents() ([][]byte, error) {
	contents := make([][]byte, len(s.files))
	for i, file := range s.files {
		var err error
		if contents[i], err = file.content(); err != nil {
			return nil, err
		}
	}
	return contents, nil
}

func (f File) content() ([]byte, error) {
	failed := func(err error) ([]byte, error) {
		kind := policy.Unavailable
		if errors.Is(err, fs.ErrNotExist) {
			kind = policy.NotFound
		}
		return nil, &policy.Error{Kind: kind, Field: f.Path, Message: "the file cannot be read", Cause: err}
	}
	opened, err := os.Open(f.Path)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = opened.Close() }() // it was only read
	info, err := opened.Stat()
	if err != nil {
		return failed(err)
	}
	if f.Check != nil {
		if err := f.Check(f.Path, info); err != nil {
			return nil, err
		}
	}
	content, err := io.ReadAll(io.LimitReader(opened, maxBytes+1))
	if err != nil {
		return failed(err)
	}
	if len(content) > maxBytes {
		return nil, policy.Errorf(policy.TooLarge, f.Path, "the file has more than %d bytes", maxBytes)
	}
	return content, nil
}
