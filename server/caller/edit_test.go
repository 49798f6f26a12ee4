// These tests prove that a token is shown once and kept as a digest only, that edits of the file are whole, keep what people
// wrote, and take nobody's place, and that a file which strangers can reach is not believed.
package caller

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klinke-authz/klinke/policy"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func contentAt(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCreateAndRevoke(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callers.yaml")
	created := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	token, err := Create(path, Caller{Name: "router", Powers: Of(Check), Tenants: []string{"acme"}, Created: created, Expires: created.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	other, err := Create(path, Caller{Name: "sync", Powers: Of(EditDirectory, Watch), All: true, Created: created})
	if err != nil {
		t.Fatal(err)
	}
	content := contentAt(t, path)
	for _, secret := range []string{token, other, token[len(token)-52:], other[len(other)-52:]} {
		if strings.Contains(content, secret) {
			t.Errorf("the file holds a secret: %s", content)
		}
	}
	if !strings.HasPrefix(content, "# Who may call the server") {
		t.Errorf("the file does not say what it is: %s", content)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 600", info.Mode(), err)
	}
	l, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.withToken(token, created)
	if err != nil || c.Name != "router" || c.Powers != Of(Check) || c.All || !c.Sees("acme") || c.Sees("globex") || !c.Created.Equal(created) {
		t.Errorf("the token is %+v's: %v", c, err)
	}
	if _, err := l.withToken(token, created.Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "`router` expired at 2026-11-26T11:00:00Z") {
		t.Errorf("after its time: %v", err)
	}
	if c, err := l.withToken(other, created.AddDate(100, 0, 0)); err != nil || !c.All || c.Powers != Of(EditDirectory, Watch) {
		t.Errorf("the other token is %+v's: %v", c, err)
	}
	if _, err := Create(path, Caller{Name: "sync", Powers: Of(Check), All: true}); err == nil || kindOf(t, err) != policy.Exists {
		t.Errorf("a name twice: %v", err)
	}
	if err := Revoke(path, "nobody"); err == nil || kindOf(t, err) != policy.NotFound {
		t.Errorf("revoking nobody: %v", err)
	}
	if got := contentAt(t, path); got != content {
		t.Errorf("a refused edit changed the file: %s", got)
	}
	if err := Revoke(path, "router"); err != nil {
		t.Fatal(err)
	}
	if l, err = Read(path); err != nil {
		t.Fatal(err)
	}
	if _, err := l.withToken(token, created); err == nil {
		t.Error("a revoked token is known")
	}
	if _, err := l.withToken(other, created); err != nil {
		t.Errorf("the other token went along: %v", err)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestEditsKeepWhatPeopleWrote(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "callers.yaml"), filepath.Join(dir, "link.yaml")
	write(t, path, "# mine\ncallers:\n  # by mutual TLS\n  - name: web\n    certificate: web.example.org # until spring\n    powers: [check]\n    tenants: all\n")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(link, Caller{Name: "router", Powers: Of(Check), Tenants: []string{"yes", "12"}}); err != nil {
		t.Fatal(err)
	}
	content := contentAt(t, path)
	for _, kept := range []string{"# mine\n", "# by mutual TLS\n", "# until spring\n"} {
		if !strings.Contains(content, kept) {
			t.Errorf("%q is gone: %s", kept, content)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v, want what it was, 640: %v", info.Mode(), err)
	}
	l, err := Read(path)
	if err != nil || len(l.callers) != 2 || !l.callers[1].Sees("yes") || !l.callers[1].Sees("12") {
		t.Errorf("%s is read as %v, %v", content, l, err)
	}
	for _, empty := range []string{"", "# only this\n", "callers:\n", "callers: []\n"} {
		write(t, path, empty)
		if _, err := Create(path, Caller{Name: "router", Powers: Of(Check), All: true}); err != nil {
			t.Errorf("to %q: %v", empty, err)
		}
		if l, err := Read(path); err != nil || len(l.callers) != 1 {
			t.Errorf("after %q: %v, %v", empty, l, err)
		}
		if strings.HasPrefix(empty, "#") && !strings.HasPrefix(contentAt(t, path), empty) {
			t.Errorf("the comment %q is gone: %s", empty, contentAt(t, path))
		}
	}
}

func TestEditsTakeTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callers.yaml")
	const n = 8
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for {
				_, err := Create(path, Caller{Name: string(rune('a' + i)), Powers: Of(Check), All: true})
				if err == nil {
					return
				}
				if kindOf(t, err) != policy.Locked {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	l, err := Read(path)
	if err != nil || len(l.callers) != n {
		t.Errorf("%v callers, %v, want %d", l, err, n)
	}
	write(t, path+".new", "")
	if err := Revoke(path, "a"); err == nil || kindOf(t, err) != policy.Locked {
		t.Errorf("beside an edit that is under way: %v", err)
	}
	if _, err := os.Stat(path + ".new"); err != nil {
		t.Errorf("the other edit's file is gone: %v", err)
	}
}

func TestFilesThatStrangersReach(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callers.yaml")
	write(t, path, "callers: []\n")
	for mode, want := range map[os.FileMode]bool{
		0o600: true, 0o400: true, 0o640: true, 0o440: true,
		0o644: false, 0o604: false, 0o660: false, 0o620: false, 0o602: false, 0o666: false,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Read(path)
		if (err == nil) != want {
			t.Errorf("mode %o: %v", mode, err)
		}
		if err != nil && !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %o: the error does not say what to do: %v", mode, err)
		}
	}
	if _, err := Read(path + "2"); err == nil || kindOf(t, err) != policy.NotFound {
		t.Errorf("a file that is not there: %v", err)
	}
	write(t, path+"3", "callers: [")
	if err := Revoke(path+"3", "a"); err == nil || kindOf(t, err) != policy.Invalid {
		t.Errorf("an edit of a broken file: %v", err)
	}
	if err := Revoke(path+"4", "a"); err == nil || kindOf(t, err) != policy.NotFound {
		t.Errorf("revoking in a file that is not there: %v", err)
	}
}
