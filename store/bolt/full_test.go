//go:build unix

// These tests prove that a disk that takes no more, at the moment of growing or in the middle of a commit, ends writing with
// a clear error, and that all that was acknowledged is there, then and after the disk has room again.
package bolt_test

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/store/bolt"
)

func TestFullDisk(t *testing.T) {
	for _, kind := range []string{"full", "torn"} {
		t.Run(kind, func(t *testing.T) {
			path := newPath(t)
			var acks []ack
			for range 3 { // each time the disk has a little more room
				lines, kill := start(t, kind, path)
				before := len(acks)
				ended := ""
				for ended == "" && lines.Scan() {
					if line := lines.Text(); strings.HasPrefix(line, "ack ") {
						acks = append(acks, parseAck(t, line))
					} else {
						ended = line
					}
				}
				kill(time.Millisecond) // it waits for this, with the database open
				if want := fmt.Sprintf("end kind %d, all is readable", policy.Unavailable); ended != want {
					t.Errorf("the writer says %q, want %q", ended, want)
				}
				if len(acks) == before {
					t.Error("nothing was acknowledged before the disk was full: this test proves nothing")
				}
				judge(t, path, acks)
			}
			t.Logf("%d acknowledgements", len(acks))
		})
	}
}

// fill appends until the disk takes no more, says how that looks, and waits to be killed. The limit on the size of files
// stands in for the disk. Kind "full" meets it when the file must grow. Kind "torn" meets it inside the file that has
// grown, so that some pages of a commit are written and others are not.
func fill(s *bolt.Store, kind, path string) {
	signal.Ignore(syscall.SIGXFSZ) // then writing beyond is an error
	head, next := resume(s, "tenant-full", "full")
	written := next
	append1 := func() error {
		at, err := s.Append("tenant-full", head, entryOf("full", written))
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stdout, "ack tenant-full full %d %d\n", written, at)
		head, written = at, written+1
		return nil
	}
	for range 20 { // so that the file has grown
		check(append1())
	}
	info, err := os.Stat(path)
	check(err)
	limit := uint64(info.Size())
	if kind == "torn" {
		limit -= limit / 8
	}
	check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: syscall.RLIM_INFINITY & (1<<63 - 1)}))
	for err == nil {
		err = append1()
	}
	var e *policy.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "look after the disk") {
		fmt.Printf("end with %v\n", err)
		return
	}
	_, again := s.Append("tenant-full", head, entryOf("full", written))
	if !errors.As(again, &e) {
		fmt.Printf("the next append: %v\n", again)
	}
	readable := "all is readable"
	for n := range written {
		got, err := s.Request("tenant-full", requestOf("full", n))
		if err != nil || got == nil || !proto.Equal(got.GetChanges()[0], entryOf("full", n).GetChanges()[0]) {
			readable = fmt.Sprintf("%d is not readable: %v", n, err)
		}
	}
	if page, err := s.Entries("tenant-full", head, 1); err != nil || len(page) != 0 {
		readable = fmt.Sprintf("there is something behind %d: %v, %v", head, page, err)
	}
	fmt.Printf("end kind %d, %s\n", e.Kind, readable)
	select {}
}
