// These tests prove that Open and Verify use what is a database, say clearly what is not, and then touch nothing.
package bolt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store/bolt"
)

// database makes a database with something in it and returns its content and how much of it is in use.
func database(t *testing.T) (content []byte, used int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "klinke.db")
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	row, err := s.CreateTenant("t", entryOf("first", 1))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 30 {
		if row.Head, err = s.Append("t", row.Head, entryOf("w", n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if content, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	edit(t, path, func(tx *bbolt.Tx) { used = tx.Size() })
	return content, used
}

// edit edits a bbolt file directly.
func edit(t *testing.T, path string, do func(tx *bbolt.Tx)) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error { do(tx); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRefusedFilesAreLeftAlone(t *testing.T) {
	content, used := database(t)
	with := func(do func(b []byte) []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, do(bytes.Clone(content)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	edited := func(do func(meta *bbolt.Bucket)) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			with(func(b []byte) []byte { return b })(t, path)
			edit(t, path, func(tx *bbolt.Tx) { do(tx.Bucket([]byte("meta"))) })
		}
	}
	fill := func(b []byte) {
		for i := range b {
			b[i] = 0xa5
		}
	}
	for name, c := range map[string]struct {
		file func(t *testing.T, path string)
		kind policy.Kind
		says string
	}{
		"a few bytes":                  {with(func([]byte) []byte { return []byte("hello") }), policy.Format, "not a database"},
		"a long text":                  {with(func([]byte) []byte { return bytes.Repeat([]byte("hello "), 10000) }), policy.Format, "not a database"},
		"zeros":                        {with(func([]byte) []byte { return make([]byte, 64<<10) }), policy.Format, "not a database"},
		"cut off at 19":                {with(func(b []byte) []byte { return b[:19] }), policy.Format, "not a database"},
		"cut off at 100":               {with(func(b []byte) []byte { return b[:100] }), policy.Damaged, "restore a backup"},
		"cut off at a page":            {with(func(b []byte) []byte { return b[:4096] }), policy.Damaged, "restore a backup"},
		"cut off in the second page":   {with(func(b []byte) []byte { return b[:5000] }), policy.Damaged, "restore a backup"},
		"cut off after the meta pages": {with(func(b []byte) []byte { return b[:8192] }), policy.Damaged, "cut off"},
		"cut off by a byte":            {with(func(b []byte) []byte { return b[:used-1] }), policy.Damaged, "cut off"},
		"both meta pages spoilt":       {with(func(b []byte) []byte { fill(b[24:64]); fill(b[4096+24 : 4096+64]); return b }), policy.Damaged, "restore a backup"},
		"all other pages spoilt":       {with(func(b []byte) []byte { fill(b[8192:used]); return b }), policy.Damaged, "damaged"},
		"page headers whole, page numbers spoilt": {with(func(b []byte) []byte {
			for p := 8192; p < int(used); p += 4096 {
				fill(b[p+16 : p+4096])
			}
			return b
		}), policy.Damaged, "damaged"},
		"another program's bbolt": {func(t *testing.T, path string) {
			edit(t, path, func(tx *bbolt.Tx) {
				if _, err := tx.CreateBucket([]byte("theirs")); err != nil {
					t.Fatal(err)
				}
			})
		}, policy.Format, "another program"},
		"no magic": {edited(func(m *bbolt.Bucket) { m.Put([]byte("magic"), []byte("clink")) }), policy.Format, "another program"},
		"a newer format": {edited(func(m *bbolt.Bucket) {
			m.Put([]byte("format"), binary.BigEndian.AppendUint32(nil, 2))
		}), policy.Format, "has format 2 and this program knows 1"},
		"no format":         {edited(func(m *bbolt.Bucket) { m.Delete([]byte("format")) }), policy.Damaged, "format"},
		"a spoilt position": {edited(func(m *bbolt.Bucket) { m.Put([]byte("position"), make([]byte, 12)) }), policy.Damaged, "checksum"},
		"a missing bucket": {func(t *testing.T, path string) {
			with(func(b []byte) []byte { return b })(t, path)
			edit(t, path, func(tx *bbolt.Tx) { tx.DeleteBucket([]byte("trash")) })
		}, policy.Damaged, "trash"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "klinke.db")
			c.file(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := bolt.Open(path, bolt.Options{})
			if err == nil {
				s.Close()
			}
			wantError(t, "Open", err, c.kind, c.says)
			_, err = bolt.Verify(path, nil)
			if name != "all other pages spoilt" && name != "page headers whole, page numbers spoilt" {
				wantError(t, "Verify", err, c.kind, c.says)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was touched, %v", err)
			}
			if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
				t.Errorf("there are %d files, not one", len(files))
			}
		})
	}
}

// wantError fails unless an error is of a kind and says something.
func wantError(t *testing.T, what string, err error, kind policy.Kind, says string) {
	t.Helper()
	var e *policy.Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v, want kind %d and %q", what, err, kind, says)
	}
}

func TestSecondUserIsLockedOut(t *testing.T) {
	path := newPath(t)
	s := open(t, path)
	if _, err := s.CreateTenant("t", entryOf("w", 1)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = bolt.Open(path, bolt.Options{})
	wantError(t, "a second Open", err, policy.Locked, "another process")
	_, err = bolt.Verify(path, nil)
	wantError(t, "Verify beside a store", err, policy.Locked, "another process")
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was touched, %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestNewFiles(t *testing.T) {
	for name, file := range map[string]func(t *testing.T, path string){
		"none":  func(*testing.T, string) {},
		"empty": func(_ *testing.T, path string) { os.WriteFile(path, nil, 0o600) },
		// As a crash leaves it between bbolt's first transaction and ours.
		"bbolt without buckets": func(t *testing.T, path string) { edit(t, path, func(*bbolt.Tx) {}) },
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			file(t, path)
			s := open(t, path)
			if _, _, err := s.PutModel(&klinkev1.Model{Name: "m"}); err != nil {
				t.Error(err)
			}
			if info, err := os.Stat(path); err != nil || name == "none" && info.Mode().Perm() != 0o600 {
				t.Errorf("the file is %v, %v", info, err)
			}
		})
	}
	dir := t.TempDir()
	_, err := bolt.Open(dir, bolt.Options{})
	wantError(t, "a directory", err, policy.Format, "not a database")
	_, err = bolt.Open(filepath.Join(dir, "missing", "klinke.db"), bolt.Options{})
	wantError(t, "a missing directory", err, policy.NotFound, "missing")
	_, err = bolt.Verify(filepath.Join(dir, "klinke.db"), nil)
	wantError(t, "verifying nothing", err, policy.NotFound, "no database file")
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("there are %d files, not none", len(files))
	}
}
