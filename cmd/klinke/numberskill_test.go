// These tests prove that an import of numbers that was cut off, by the end of the command or of the server, is gone on with by the
// same command, and ends with the list that it would have made at once.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAnImportThatWasKilledIsGoneOnWith(t *testing.T) {
	n := startNumberServer(t)
	const numbers = 60_000
	file := writeNumbers(t, numbers, nil)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sorted := strings.Fields(string(whole)) // as they are written
	slices.SortFunc(sorted, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	last := sorted[len(sorted)-1]
	args := []string{"numbers", "import", "--tenant", "t", "--list", "crm_contacts", file}

	// The command is killed once a tenth is there, then the server once four tenths are.
	n.cutOff(args, sorted[numbers/10], last, func(client *exec.Cmd) {
		if err := client.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	})
	said := n.cutOff(args, sorted[numbers*4/10], last, func(*exec.Cmd) {
		_ = n.process.end(syscall.SIGKILL) // which says that it was killed
	})
	if !strings.Contains(said, "of 60,000 numbers are in the list: run the same command again to go on") {
		t.Errorf("the command says of the server's end: %s", said)
	}
	n.start(n.address)
	for {
		may, err := n.may(t.Context(), last)
		if status.Code(err) == codes.Unavailable && t.Context().Err() == nil {
			continue // not connected again yet
		}
		if may || err != nil {
			t.Fatalf("all was imported before the server was killed: %t, %v", may, err)
		}
		break
	}

	out, code := n.run(args...)
	match := regexp.MustCompile(`\ncrm_contacts: ([0-9,]+) put, ([0-9,]+) unchanged\n`).FindStringSubmatch(out)
	if code != 0 || match == nil {
		t.Fatalf("exit code %d: %s", code, out)
	}
	counted := func(s string) int {
		i, err := strconv.Atoi(strings.ReplaceAll(s, ",", ""))
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	if added, unchanged := counted(match[1]), counted(match[2]); unchanged < numbers*4/10 || added == 0 || added+unchanged != numbers {
		t.Errorf("%d put, %d unchanged of %d", added, unchanged, numbers)
	}
	if got, want := n.listed(), append(sorted, "+498999998*"); !sameSet(got, want) {
		t.Errorf("the list has %d numbers, want the %d of the file and one prefix", len(got), len(want))
	}
	if out, code := n.run(args...); code != 0 || !strings.Contains(out, "\ncrm_contacts: 0 put, 60,000 unchanged\n") {
		t.Errorf("once more: exit code %d: %s", code, out)
	}
}

// cutOff starts an import and cuts it off when a number is there, and the last one is not yet. It returns what the import says.
func (n *numberServer) cutOff(args []string, there, last string, cut func(client *exec.Cmd)) string {
	n.t.Helper()
	ctx, stop := context.WithTimeout(n.t.Context(), patience)
	defer stop()
	client := exec.CommandContext(ctx, n.program, append(args, "--server", n.address)...)
	var said bytes.Buffer
	client.Stderr = &said
	if err := client.Start(); err != nil {
		n.t.Fatal(err)
	}
	for {
		may, err := n.may(ctx, there)
		if err != nil {
			stop()
			ended := client.Wait()
			n.t.Fatalf("%s: %v; the import ends with %v: %s", there, err, ended, said.String())
		}
		if may {
			break
		}
	}
	may, err := n.may(ctx, last)
	cut(client)
	ended := client.Wait()
	if may || err != nil {
		n.t.Fatalf("all was imported before it could be cut off: %t, %v", may, err)
	}
	if _, failed := errors.AsType[*exec.ExitError](ended); !failed {
		n.t.Fatalf("the import was cut off, and ends with %v", ended)
	}
	return said.String()
}

// listed is the list as it is exported.
func (n *numberServer) listed() []string {
	n.t.Helper()
	out, code := n.run("export", "--tenant", "t")
	if code != 0 {
		n.t.Fatalf("exit code %d: %s", code, out)
	}
	return regexp.MustCompile(`\+[0-9]+\*?`).FindAllString(out, -1)
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
