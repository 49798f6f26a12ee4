// These tests prove that changed files are read again without being asked, that bad ones leave in force what was read before
// and are complained of once, and that the looking ends with its owner.
package reload

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/klinke-authz/klinke/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// joined takes pairs of files that begin alike, as a key and its certificate, and is the log as well.
type joined struct {
	mu    sync.Mutex
	now   string
	reads int
	log   bytes.Buffer
}

func (j *joined) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log.Write(line)
}

func (j *joined) read(contents [][]byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reads++
	if contents[0][0] != contents[1][0] {
		return policy.Errorf(policy.Invalid, "pair", "%s and %s do not belong together", contents[0], contents[1])
	}
	j.now = string(bytes.Join(contents, []byte("+")))
	return nil
}

func TestChangedFilesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
		write(t, cert, "a cert")
		write(t, key, "a key")
		j := &joined{}
		files := New(slog.New(slog.NewTextHandler(j, nil)), Every)
		if err := files.Add("the pair", j.read, File{Path: cert}, File{Path: key}); err != nil {
			t.Fatal(err)
		}
		if j.now != "a cert+a key" {
			t.Errorf("at once: %q", j.now)
		}
		files.Start()
		defer files.Close()
		// after looks several times, and tells what is in force, how often it was read, and what the log says.
		after := func(what, now string, reads int, says string) {
			t.Helper()
			<-time.After(3*Every + Every/2) // of the bubble: it passes at once
			synctest.Wait()
			j.mu.Lock()
			defer j.mu.Unlock()
			if j.now != now || j.reads != reads {
				t.Errorf("%s: %q after %d readings, want %q after %d", what, j.now, j.reads, now, reads)
			}
			if got := strings.Count(j.log.String(), "\n"); says == "" && got != 0 || says != "" && (got != 1 || !strings.Contains(j.log.String(), says)) {
				t.Errorf("%s: the log says %q, want %q once", what, j.log.String(), says)
			}
			j.log.Reset()
			j.reads = 0
		}
		after("nothing", "a cert+a key", 1, "")
		write(t, cert, "b cert")
		after("half of a pair", "a cert+a key", 1, "b cert and a key do not belong together")
		write(t, cert, "c cert")
		after("another half", "a cert+a key", 1, "c cert and a key do not belong together")
		write(t, key, "c key")
		after("the other half", "c cert+c key", 1, "changed files are in force")
		// The same length and the same time are another content all the same.
		info, err := os.Stat(key)
		if err != nil {
			t.Fatal(err)
		}
		write(t, key, "c kez")
		if err := os.Chtimes(key, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		after("a change of one letter", "c cert+c kez", 1, "changed files are in force")
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
		after("a file that is gone", "c cert+c kez", 0, "the file cannot be read")
		write(t, key, "c kez")
		after("a file that is back", "c cert+c kez", 1, "changed files are in force")
	})
}

// A file that grows while it is looked at is left alone until it stands still.
func TestHalfWrittenFilesAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "callers")
		write(t, path, "all of it")
		var seen []string
		files := New(slog.New(slog.DiscardHandler), Every)
		read := func(contents [][]byte) error {
			seen = append(seen, string(contents[0]))
			return nil
		}
		if err := files.Add("it", read, File{Path: path}); err != nil {
			t.Fatal(err)
		}
		files.Start()
		<-time.After(Every / 20) // so that no look falls together with a write
		for i := range 100 {
			write(t, path, strings.Repeat("x", i))
			<-time.After(Every / 12)
			synctest.Wait()
		}
		write(t, path, "all of the next")
		<-time.After(3 * Every)
		synctest.Wait()
		files.Close()
		if want := []string{"all of it", "all of the next"}; !slices.Equal(seen, want) {
			t.Errorf("read were %q, want %q", seen, want)
		}
	})
}

func TestAddRefusesBadFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	files := New(slog.New(slog.DiscardHandler), Every)
	taken := func([][]byte) error { return nil }
	err := files.Add("it", taken, File{Path: path})
	if e, ok := errors.AsType[*policy.Error](err); !ok || e.Kind != policy.NotFound || e.Field != path {
		t.Errorf("a missing file: %v", err)
	}
	write(t, path, "content")
	refused := errors.New("refused")
	if err := files.Add("it", func([][]byte) error { return refused }, File{Path: path}); !errors.Is(err, refused) {
		t.Errorf("a reader's refusal: %v", err)
	}
	if err := files.Add("it", taken, File{path, func(string, fs.FileInfo) error { return refused }}); !errors.Is(err, refused) {
		t.Errorf("a mode's refusal: %v", err)
	}
	if err := files.Add("it", taken, File{Path: dir}); err == nil {
		t.Error("a folder is read")
	}
	write(t, path, strings.Repeat("x", maxBytes+1))
	err = files.Add("it", taken, File{Path: path})
	if e, ok := errors.AsType[*policy.Error](err); !ok || e.Kind != policy.TooLarge {
		t.Errorf("a huge file: %v", err)
	}
}
