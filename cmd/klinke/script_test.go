// This file promises that the commands of the stories hold the program to exact exit codes, and that no process of a story
// outlives it, races or panics unseen.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.etcd.io/bbolt"

	"github.com/klinke-authz/klinke/policy/preset"
)

// patience is how long a process of a story may take for one thing, under the race detector on a busy machine.
const patience = time.Minute

// story is what the commands of one script share.
type story struct {
	server *served
}

type storyKey struct{}

// served is a server of a story.
type served struct {
	cmd    *exec.Cmd
	errors *bytes.Buffer // to be read once the process has ended
	quiet  *sync.WaitGroup
}

// tellStory puts the preset's files into the directory of a script.
func tellStory(e *testscript.Env) error {
	s := &story{}
	e.Values[storyKey{}] = s
	e.Defer(func() {
		if s.server != nil {
			_ = s.server.end(syscall.SIGKILL)
		}
	})
	for _, name := range preset.Names() {
		world, _ := preset.World(name)
		if err := os.WriteFile(filepath.Join(e.WorkDir, name+".world.yaml"), world, 0o600); err != nil {
			return err
		}
	}
	demo, _ := preset.Demo("demo")
	return os.WriteFile(filepath.Join(e.WorkDir, "demo.yaml"), demo, 0o600)
}

func storyOf(ts *testscript.TestScript) *story { return ts.Value(storyKey{}).(*story) }

// command is the program in the directory and the environment of a script.
func command(ts *testscript.TestScript, args ...string) *exec.Cmd {
	path, err := os.Executable()
	ts.Check(err)
	cmd := exec.Command(path)
	cmd.Args = append([]string{"klinke"}, args...)
	cmd.Dir = ts.MkAbs(".")
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "GOCOVERDIR=") || strings.HasPrefix(v, "GORACE=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "KLINKE_SERVER", "KLINKE_TENANT", "KLINKE_DATA", "KLINKE_CONFIG", "KLINKE_LISTEN",
		"KLINKE_LOG_LEVEL", "KLINKE_OUTPUT", "KLINKE_TIMEOUT", "KLINKE_SHUTDOWN_TIMEOUT", "KLINKE_CALLERS", "KLINKE_TOKEN", "KLINKE_TOKEN_FILE",
		"KLINKE_TLS", "KLINKE_CA", "KLINKE_CERT", "KLINKE_KEY"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	return cmd
}

// runProgram is `run CODE [<INPUT] [>OUTPUT] ARGUMENT…`: it runs the program and fails unless that is its exit code.
func runProgram(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: run CODE [<INPUT] [>OUTPUT] ARGUMENT…")
	}
	want := atoi(ts, args[0])
	args = args[1:]
	var input, output string
	for len(args) > 0 && (strings.HasPrefix(args[0], "<") || strings.HasPrefix(args[0], ">")) {
		if args[0][0] == '<' {
			input = args[0][1:]
		} else {
			output = args[0][1:]
		}
		args = args[1:]
	}
	cmd := command(ts, args...)
	if input != "" {
		f, err := os.Open(ts.MkAbs(input))
		ts.Check(err)
		defer f.Close()
		cmd.Stdin = f
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	ts.Check(cmd.Start())
	overdue := time.AfterFunc(patience, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
	defer overdue.Stop()
	got := exitCode(cmd.Wait())
	if output != "" {
		ts.Check(os.WriteFile(ts.MkAbs(output), stdout.Bytes(), 0o600))
	} else {
		_, err := ts.Stdout().Write(stdout.Bytes())
		ts.Check(err)
	}
	_, err := ts.Stderr().Write(stderr.Bytes())
	ts.Check(err)
	if got != want {
		ts.Fatalf("exit code %d, want %d; it says: %.4000s", got, want, stderr.String())
	}
	if why := misery(stderr.String()); why != "" {
		ts.Fatalf("%s: %.4000s", why, stderr.String())
	}
}

func atoi(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

// exitCode is that of a process that ended, -1 when a signal ended it.
func exitCode(err error) int {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	if err != nil {
		return -2
	}
	return 0
}

// misery says what no process of ours may ever print.
func misery(stderr string) string {
	return regexp.MustCompile(`DATA RACE|(?m)^panic: |^fatal error: `).FindString(stderr)
}

// serveStory is `serve ARGUMENT…`: it starts a server, on ./data and any free port unless the arguments say otherwise, waits
// until it listens, and points KLINKE_SERVER to it.
func serveStory(ts *testscript.TestScript, neg bool, args []string) {
	s := storyOf(ts)
	if neg || s.server != nil {
		ts.Fatalf("a server is running already")
	}
	given := strings.Join(args, " ")
	if !strings.Contains(given, "--data") && ts.Getenv("KLINKE_DATA") == "" {
		args = append(args, "--data", "data")
	}
	if !strings.Contains(given, "--listen") && ts.Getenv("KLINKE_LISTEN") == "" {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	var address string
	var err error
	s.server, address, err = serving(command(ts, append([]string{"serve"}, args...)...))
	ts.Check(err)
	if path, isUnix := strings.CutPrefix(address, "unix:"); isUnix {
		address = "unix:" + ts.MkAbs(path)
	}
	ts.Setenv("KLINKE_SERVER", address)
}

// serving starts a server and waits until it says where it listens.
func serving(cmd *exec.Cmd) (*served, string, error) {
	v := &served{cmd: cmd, errors: &bytes.Buffer{}, quiet: &sync.WaitGroup{}}
	cmd.Stderr = v.errors
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, "", err
	}
	overdue := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	overdue.Stop()
	v.quiet.Go(func() { _, _ = io.Copy(io.Discard, stdout) })
	address, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "listening grpc=")
	if err == nil && !found {
		err = errors.New("another line was expected")
	}
	if err != nil {
		_ = v.end(syscall.SIGKILL)
		return nil, "", fmt.Errorf("it says %q, not where it listens: %w\n%s", line, err, v.errors)
	}
	return v, address, nil
}

// end ends a server with a signal.
func (v *served) end(signal os.Signal) error {
	if err := v.cmd.Process.Signal(signal); err != nil {
		return err
	}
	overdue := time.AfterFunc(patience, func() { _ = v.cmd.Process.Kill() })
	defer overdue.Stop()
	v.quiet.Wait() // before Wait, which closes the pipe
	return v.cmd.Wait()
}

// stopStory ends the server as a service manager does. Its log can be matched by `stderr`.
func stopStory(ts *testscript.TestScript, neg bool, _ []string) {
	endStory(ts, neg, syscall.SIGTERM, 0)
}

// killStory ends the server without a chance to say anything.
func killStory(ts *testscript.TestScript, neg bool, _ []string) {
	endStory(ts, neg, syscall.SIGKILL, -1)
}

func endStory(ts *testscript.TestScript, neg bool, signal os.Signal, want int) {
	s := storyOf(ts)
	if neg || s.server == nil {
		ts.Fatalf("no server is running")
	}
	v := s.server
	s.server = nil
	got := exitCode(v.end(signal))
	_, err := ts.Stderr().Write(v.errors.Bytes())
	ts.Check(err)
	if got != want {
		ts.Fatalf("the server's exit code is %d, want %d: %s", got, want, v.errors)
	}
	if why := misery(v.errors.String()); why != "" {
		ts.Fatalf("the server: %s: %s", why, v.errors)
	}
}

// writeFile is `write FILE PART…`: each part is text with the escapes of Go, `N*` before it repeats it.
func writeFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: write FILE PART…")
	}
	var out bytes.Buffer
	for _, part := range args[1:] {
		times := 1
		if m := regexp.MustCompile(`^(\d+)\*`).FindStringSubmatch(part); m != nil {
			times, _ = strconv.Atoi(m[1])
			part = part[len(m[0]):]
		}
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(part, `"`, `\"`) + `"`)
		ts.Check(err)
		out.WriteString(strings.Repeat(text, times))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out.Bytes(), 0o600))
}

// writePeople is `people TENANT N FILE`: an account of N users in documents of a thousand.
func writePeople(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: people TENANT N FILE")
	}
	f, err := os.Create(ts.MkAbs(args[2]))
	ts.Check(err)
	w := bufio.NewWriter(f)
	printPeople(w, args[0], atoi(ts, args[1]))
	ts.Check(w.Flush())
	ts.Check(f.Close())
}

// printPeople writes the account of a company of which a thousandth is one document.
func printPeople(w io.Writer, tenant string, n int) {
	fmt.Fprintf(w, "tenant: %s\nmodel: bitrix24\ndepartments:\n  all:\ngroups:\n  g0:\n  g1:\n", tenant)
	for i := range n {
		if i%1000 == 0 {
			fmt.Fprint(w, "---\nusers:\n")
		}
		fmt.Fprintf(w, "  u%07d: {departments: [all], groups: [g%d], roles: [manager]}\n", i, i%2)
	}
}

// writeQuestions is `questions N FILE`: alternately one that is allowed and one that is refused, as CSV.
func writeQuestions(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: questions N FILE")
	}
	var out bytes.Buffer
	out.WriteString("subject,action,resource,employee,expect\n")
	for i := range atoi(ts, args[0]) {
		if i%2 == 0 {
			fmt.Fprintf(&out, "user:anna,listen,recording:r%d,bert,allow\n", i)
		} else {
			fmt.Fprintf(&out, "user:bert,listen,recording:r%d,anna,deny\n", i)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), out.Bytes(), 0o600))
}

// writeFat is `fat N FILE`: questions of about 40 KiB each, as lines of JSON.
func writeFat(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fat N FILE")
	}
	var context []string
	for i := range 10 {
		context = append(context, fmt.Sprintf("\"c%d\":%q", i, strings.Repeat("x", 4000)))
	}
	line := `{"subject":{"type":"user","id":"anna"},"action":{"name":"listen"},"resource":{"type":"recording","id":"r",` +
		`"properties":{"employee":"bert"}},"context":{` + strings.Join(context, ",") + "}}\n"
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Repeat(line, atoi(ts, args[0]))), 0o600))
}

// replaceInFile is `replace FILE OLD NEW`: it writes over every OLD in a file, with a NEW of the same length.
func replaceInFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: replace FILE OLD NEW, the two of the same length")
	}
	content := ts.ReadFile(args[0])
	if !strings.Contains(content, args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(content, args[1], args[2])), 0o600))
}

// newerFormat is `newerformat FILE`: it makes a database one that a later version of this program wrote.
func newerFormat(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: newerformat FILE")
	}
	db, err := bbolt.Open(ts.MkAbs(args[0]), 0o600, &bbolt.Options{NoFreelistSync: true})
	ts.Check(err)
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("format"), binary.BigEndian.AppendUint32(nil, 99))
	})
	ts.Check(errors.Join(err, db.Close()))
}

// countLines is `lines FILE N`.
func countLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines FILE N")
	}
	if got := strings.Count(ts.ReadFile(args[0]), "\n"); strconv.Itoa(got) != args[1] {
		ts.Fatalf("%s has %d lines, want %s", args[0], got, args[1])
	}
}

// sameRevision is `samerev FILE TENANT`: the first time it keeps the tenant's revision in the file, later it fails when the
// tenant has moved on.
func sameRevision(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] samerev FILE TENANT")
	}
	now := revisionOf(ts, args[1])
	before, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(now), 0o600))
	if err == nil && (string(before) == now) == neg {
		ts.Fatalf("%s was at revision %s and is at %s", args[1], before, now)
	}
}

func TestEveryStoryIsToldToItsEnd(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	early := regexp.MustCompile(`(?m)^(\[.*\] *)?(stop|skip)\b`)
	for _, path := range scripts {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		script, _, _ := strings.Cut(string(content), "\n-- ")
		if found := early.FindString(script); found != "" {
			t.Errorf("%s says %q, with which a script passes before its end", path, found)
		}
	}
}

func TestTheStoriesNoticeMisery(t *testing.T) {
	for text, want := range map[string]string{
		"WARNING: DATA RACE\n":        "DATA RACE",
		"listening\npanic: oh\n":      "panic: ",
		"klinke check: no panic: ok.": "",
	} {
		if got := misery(text); got != want {
			t.Errorf("misery(%q) is %q, want %q", text, got, want)
		}
	}
}
