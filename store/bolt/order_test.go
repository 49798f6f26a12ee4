// This test proves that no write is acknowledged before the disk has it, which a kill cannot prove, since the kernel keeps
// what a killed process wrote: it watches the system calls.
package bolt_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// call is a system call in a trace, by the lines at which it began and ended.
type call struct {
	name       string
	fd         int
	data       string
	offset     int64
	began, end int
}

func TestNoAcknowledgementPrecedesItsSync(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		unproved(t, "STRACE IS MISSING: the order of writes, syncs and acknowledgements was NOT tested; install strace and run this again")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := newPath(t)
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(strace, "-f", "-o", trace, "-s", "1000000", "-e", "trace=pwrite64,fdatasync,fsync,write,openat", program)
	cmd.Env = append(os.Environ(), stormEnv+"=short:"+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "ptrace") {
			unproved(t, fmt.Sprintf("STRACE MAY NOT TRACE HERE: the order of writes, syncs and acknowledgements was NOT tested: %.200q", out))
		}
		t.Fatalf("%v: %.2000s", err, out)
	}
	content, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	calls, file := parseTrace(t, string(content), path)
	acks := 0
	for _, c := range calls {
		line := strings.TrimSuffix(c.data, `\n`)
		if c.name != "write" || c.fd != 1 || !strings.HasPrefix(line, "ack ") {
			continue
		}
		acks++
		a := parseAck(t, line)
		if why := coveredBy(calls, file, c.began, requestOf(a.writer, a.n)); why != "" {
			t.Errorf("line %d: %s %s", c.began, line, why)
		}
	}
	if acks != 100 {
		t.Errorf("%d acknowledgements were seen in the trace, not 100", acks)
	}
}

// coveredBy returns what is missing between a request's data and a line of the trace: the data is written, then synced,
// then a meta page is written, then synced, each when the former is over.
func coveredBy(calls []call, file, line int, request string) string {
	steps := []struct {
		missing string
		is      func(c call) bool
	}{
		{"its data is not written", func(c call) bool {
			return c.name == "pwrite64" && c.offset > 4096 && strings.Contains(c.data, request)
		}},
		{"its data is not synced", func(c call) bool { return c.name == "fdatasync" || c.name == "fsync" }},
		{"no meta page is written behind its data", func(c call) bool { return c.name == "pwrite64" && c.offset <= 4096 }},
		{"the meta page behind its data is not synced", func(c call) bool { return c.name == "fdatasync" || c.name == "fsync" }},
	}
	over := -1
	for _, c := range calls {
		if c.fd == file && c.began > over && c.end < line && len(steps) > 0 && steps[0].is(c) {
			over, steps = c.end, steps[1:]
		}
	}
	if len(steps) > 0 {
		return steps[0].missing
	}
	return ""
}

var (
	begun   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	resumed = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>.* = (-?\d+)`)
	result  = regexp.MustCompile(` = (-?\d+)( .*)?$`)
)

// unproved ends a test that cannot run here. Since go test hides what a skipped test says, it says so to standard error as
// well, and to the file that KLINKE_UNPROVED names, which scripts/unproved.sh prints at the end of make test.
func unproved(t *testing.T, what string) {
	t.Helper()
	line := t.Name() + ": " + what + "\n"
	_, _ = io.WriteString(os.Stderr, line) // the skip says it as well
	if path := os.Getenv("KLINKE_UNPROVED"); path != "" {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(line); err != nil {
			t.Fatal(err)
		}
	}
	t.Skip("not proved here: " + what)
}

// parseTrace returns the calls of a trace, in the order of their beginnings, and the last descriptor of a file.
func parseTrace(t *testing.T, trace, path string) (calls []call, file int) {
	t.Helper()
	open := map[string]int{} // the index of a thread's call that has not ended
	for n, line := range strings.Split(trace, "\n") {
		if m := resumed.FindStringSubmatch(line); m != nil {
			if i, ok := open[m[1]]; ok {
				finish(t, &calls[i], n, m[3], path, &file)
				delete(open, m[1])
			}
			continue
		}
		m := begun.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		c := call{name: m[2], data: m[3], began: n, end: 1 << 30}
		if c.name != "openat" {
			fmt.Sscanf(m[3], "%d", &c.fd)
			if from, to := strings.Index(m[3], `"`), strings.LastIndex(m[3], `"`); from >= 0 {
				c.data = m[3][from+1 : to]
				if after := strings.Split(m[3][to+1:], ", "); c.name == "pwrite64" {
					c.offset, _ = strconv.ParseInt(strings.TrimRight(strings.Fields(after[2])[0], ")"), 10, 64)
				}
			}
		}
		calls = append(calls, c)
		if r := result.FindStringSubmatch(line); r != nil && !strings.HasSuffix(line, "<unfinished ...>") {
			finish(t, &calls[len(calls)-1], n, r[1], path, &file)
		} else {
			open[m[1]] = len(calls) - 1
		}
	}
	if file == 0 {
		t.Fatal("the trace does not open the database")
	}
	return calls, file
}

func finish(t *testing.T, c *call, line int, result, path string, file *int) {
	t.Helper()
	c.end = line
	value, err := strconv.Atoi(result)
	if err != nil || value < 0 && c.name != "openat" {
		t.Errorf("line %d: %s failed: %s", line, c.name, result)
	}
	if c.name == "openat" && strings.Contains(c.data, `"`+path+`"`) {
		*file = value
	}
}
