// These tests prove that a process killed at any moment loses nothing that it acknowledged and leaves nothing half.
package bolt_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
	"github.com/klinke-authz/klinke/store/bolt"
)

// ack is a line of a storm.
type ack struct {
	tenant, writer string
	n              int
	at             store.Position
}

func TestKillInAStorm(t *testing.T) {
	rounds := 10
	if v := os.Getenv("KLINKE_CRASH_ROUNDS"); v != "" {
		var err error
		if rounds, err = strconv.Atoi(v); err != nil {
			t.Fatalf("KLINKE_CRASH_ROUNDS: %v", err)
		}
	}
	path := newPath(t)
	var acks []ack
	for range rounds {
		lines, kill := start(t, "all", path)
		// After some acknowledgements, and then in the middle of whatever goes on.
		for left := 1 + rand.IntN(100); left > 0 && lines.Scan(); left-- {
			acks = append(acks, parseAck(t, lines.Text()))
		}
		kill(time.Duration(rand.IntN(3000)) * time.Microsecond)
		for lines.Scan() { // acknowledged before the end, and still in the pipe
			acks = append(acks, parseAck(t, lines.Text()))
		}
		judge(t, path, acks)
		if t.Failed() {
			t.Fatalf("after %d acknowledgements", len(acks))
		}
	}
	t.Logf("%d rounds, %d acknowledgements", rounds, len(acks))
}

func TestKillInALongEntry(t *testing.T) {
	path := newPath(t)
	var acks []ack
	for range 8 {
		lines, kill := start(t, "long", path)
		for begun := 1 + rand.IntN(2); begun > 0 && lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "begin ") {
				begun--
			} else {
				acks = append(acks, parseAck(t, lines.Text()))
			}
		}
		kill(time.Duration(rand.IntN(30_000)) * time.Microsecond)
		for lines.Scan() {
			if !strings.HasPrefix(lines.Text(), "begin ") {
				acks = append(acks, parseAck(t, lines.Text()))
			}
		}
		judge(t, path, acks)
	}
}

// start starts a storm. The caller reads its lines, kills it after a while, and reads the rest of its lines.
func start(t *testing.T, kind, path string) (lines *bufio.Scanner, kill func(after time.Duration)) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), stormEnv+"="+kind+":"+path)
	complaints := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = w, complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { r.Close() })
	return bufio.NewScanner(r), func(after time.Duration) {
		// The moment of the end is random; nothing is waited for.
		killed := make(chan error, 1)
		time.AfterFunc(after, func() { killed <- cmd.Process.Kill() })
		if err := <-killed; err != nil {
			t.Errorf("the storm ended before it was killed: %v", err)
		}
		err := cmd.Wait()
		if status, ok := errors.AsType[*exec.ExitError](err); !ok || status.ExitCode() != -1 {
			t.Fatalf("the storm ended by itself: %v\n%s", err, complaints)
		}
	}
}

func parseAck(t *testing.T, line string) (a ack) {
	t.Helper()
	if n, err := fmt.Sscanf(line, "ack %s %s %d %d", &a.tenant, &a.writer, &a.n, &a.at); n != 4 || err != nil {
		t.Fatalf("a storm said %q: %v", line, err)
	}
	return a
}

// judge verifies a database that a storm left, finds all that was acknowledged, finds nothing half, and goes on with it.
func judge(t *testing.T, path string, acks []ack) {
	t.Helper()
	report := verify(t, path)
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatalf("opening what a storm left: %v", err)
	}
	defer s.Close()
	heads := map[string]store.Position{}
	for _, a := range acks {
		heads[a.tenant] = max(heads[a.tenant], a.at)
		got, err := s.Request(a.tenant, requestOf(a.writer, a.n))
		want := entryOf(a.writer, a.n)
		want.Position = uint64(a.at)
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("acknowledged, and not there: %+v: %.200v, %v", a, got, err)
		}
	}
	rows, err := s.Tenants("", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Head < heads[row.ID] || row.Head > report.Position {
			t.Errorf("%s is at %d, was acknowledged at %d, and the store is at %d", row.ID, row.Head, heads[row.ID], report.Position)
		}
		for after := row.Floor; row.ID != "guest"; {
			page, err := s.Entries(row.ID, after, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				after = store.Position(e.GetPosition())
				wholeEntry(t, e)
			}
		}
		at, err := s.Append(row.ID, row.Head, &klinkev1.Entry{Time: entryOf("x", 59).Time})
		if err != nil || at <= report.Position {
			t.Errorf("going on behind %d: at %d, %v", report.Position, at, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// wholeEntry fails unless an entry is one that a storm, or judge, made.
func wholeEntry(t *testing.T, e *klinkev1.Entry) {
	t.Helper()
	if e.GetRequestId() == "" && len(e.GetChanges()) == 0 {
		return
	}
	var n int
	if _, err := fmt.Sscanf(strings.TrimPrefix(e.GetRequestId(), e.GetAuthor()+"-"), "%06d.", &n); err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("the log has an entry %q", e.GetRequestId())
		return
	}
	want := entryOf(e.GetAuthor(), n)
	want.Position = e.GetPosition()
	if !proto.Equal(e, want) {
		t.Errorf("entry %q is not what was written", e.GetRequestId())
	}
}
