// These tests prove that a server answers rightly, and promptly, while a long list of numbers is imported into it, and that of
// a million lines all that are bad are named, and no others.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// numberServer is a server with a tenant whose otto may only call those that a list names.
type numberServer struct {
	t         *testing.T
	program   string
	data      string
	address   string
	process   *served
	decisions klinkev1.DecisionServiceClient
}

func startNumberServer(t *testing.T) *numberServer {
	t.Helper()
	n := &numberServer{t: t, program: buildProgram(t), data: filepath.Join(t.TempDir(), "data")}
	n.start("127.0.0.1:0")
	t.Cleanup(func() { _ = n.process.end(syscall.SIGKILL) })
	conn, err := grpc.NewClient(n.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	n.decisions = klinkev1.NewDecisionServiceClient(conn)
	account := filepath.Join(t.TempDir(), "account.yaml")
	text := "tenant: t\nmodel: bitrix24\nroles: {caller: {grants: [call.place@crm]}}\nusers: {otto: {roles: [caller]}}\nlists: {crm_contacts: [\"+498999998*\"]}\n"
	if err := os.WriteFile(account, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := n.run("apply", "-f", account); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	return n
}

// start starts the program as a server of the data.
func (n *numberServer) start(listen string) {
	n.t.Helper()
	var err error
	n.process, n.address, err = serving(exec.Command(n.program, "serve", "--data", n.data, "--listen", listen))
	if err != nil {
		n.t.Fatal(err)
	}
}

// run runs a command, and returns all that it says.
func (n *numberServer) run(args ...string) (said string, code int) {
	out, err := exec.CommandContext(n.t.Context(), n.program, append(args, "--server", n.address)...).CombinedOutput()
	return string(out), exitCode(err)
}

func (n *numberServer) may(ctx context.Context, destination string) (bool, error) {
	facts, err := structpb.NewStruct(map[string]any{"destination": destination})
	if err != nil {
		return false, err
	}
	out, err := n.decisions.Check(ctx, &klinkev1.CheckRequest{
		Tenant:   "t",
		Subject:  &klinkev1.QuestionSubject{Type: "user", Id: "otto"},
		Action:   &klinkev1.QuestionAction{Name: "place"},
		Resource: &klinkev1.QuestionResource{Type: "call", Id: "c", Properties: facts},
	})
	return out.GetDecision(), err
}

// listedNumber is the i-th number of the file: all areas and all numbers mixed, as in an address book that nobody sorted.
func listedNumber(i int) string {
	areas := [...]string{"+4930", "+4940", "+4989", "+49221", "+49351", "+491510", "+491600", "+491750"}
	return areas[i%len(areas)] + strconv.Itoa(2_000_000+i*7_919%7_000_000)
}

// writeNumbers writes a file of numbers, with these lines between them.
func writeNumbers(t *testing.T, n int, between map[int]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "numbers.txt")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for line, i := 1, 0; i < n; line++ {
		if other, ok := between[line]; ok {
			fmt.Fprintln(w, other)
			continue
		}
		fmt.Fprintln(w, listedNumber(i))
		i++
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// asking asks at a fixed rate, whether answers are slow or not, until its context ends.
type asking struct {
	n   *numberServer
	mu  sync.Mutex
	all []askedAt
}

// askedAt is when a question was due, and how long after that its answer came.
type askedAt struct {
	due  time.Time
	took time.Duration
}

// Questions are asked by so many callers, each of which asks one in each interval.
const (
	loadCallers  = 4
	loadInterval = 8 * time.Millisecond
)

// ask asks until the context ends. Half the questions are about a number that a prefix covers, half about one that nobody lists.
func (a *asking) ask(ctx context.Context) {
	var callers sync.WaitGroup
	begun := time.Now()
	for caller := range loadCallers {
		callers.Go(func() {
			timer := time.NewTimer(0)
			defer timer.Stop()
			for i := 0; ; i++ {
				due := begun.Add(time.Duration(i)*loadInterval + time.Duration(caller)*loadInterval/loadCallers)
				timer.Reset(time.Until(due))
				select {
				case <-ctx.Done():
					return
				case <-timer.C:
				}
				destination := fmt.Sprintf("+4989999980%03d", i%500)
				if i%2 == 1 {
					destination = fmt.Sprintf("+498899998%03d", i%500)
				}
				may, err := a.n.may(context.WithoutCancel(ctx), destination)
				if err != nil || may != (i%2 == 0) {
					a.n.t.Errorf("%s: %t, %v", destination, may, err)
					return
				}
				a.mu.Lock()
				a.all = append(a.all, askedAt{due, time.Since(due)})
				a.mu.Unlock()
			}
		})
	}
	callers.Wait()
}

// delays says how long the answers to questions took. Since neighbours disturb a shared machine for seconds, usual is the
// median over the seconds of each one's 99th percentile.
type delays struct {
	n                     int
	p50, p99, p999, usual time.Duration
}

// between is about the questions that were due in a time.
func (a *asking) between(from, to time.Time) delays {
	var all, usual []time.Duration
	seconds := map[int][]time.Duration{}
	for _, x := range a.all {
		if !x.due.Before(from) && x.due.Before(to) {
			all = append(all, x.took)
			second := int(x.due.Sub(from).Seconds())
			seconds[second] = append(seconds[second], x.took)
		}
	}
	if len(all) == 0 {
		return delays{}
	}
	at := func(d []time.Duration, thousandths int) time.Duration {
		slices.Sort(d)
		return d[len(d)*thousandths/1000]
	}
	for _, d := range seconds {
		usual = append(usual, at(d, 990))
	}
	return delays{len(all), at(all, 500), at(all, 990), at(all, 999), at(usual, 500)}
}

// TestAnswersWhileNumbersAreImported fills a list up to KLINKE_NUMBERS entries, else a few, and says how long answers took before and
// meanwhile. One entry, a prefix, is there before.
func TestAnswersWhileNumbersAreImported(t *testing.T) {
	numbers, idle := 50_000, time.Second
	if v := os.Getenv("KLINKE_NUMBERS"); v != "" {
		var err error
		if numbers, err = strconv.Atoi(v); err != nil {
			t.Fatalf("KLINKE_NUMBERS: %v", err)
		}
		idle = 20 * time.Second
	}
	n := startNumberServer(t)
	numbers--
	file := writeNumbers(t, numbers, nil)
	if _, err := n.may(t.Context(), listedNumber(0)); err != nil {
		t.Fatal(err)
	}
	before := n.memory()

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	a := &asking{n: n}
	var asked sync.WaitGroup
	asked.Go(func() { a.ask(ctx) })
	begun := time.Now()
	select {
	case <-time.After(idle):
	case <-ctx.Done():
	}
	// The file is read first, which costs the server nothing: the second run's time is the import's.
	checking := time.Now()
	out, code := n.run("numbers", "import", "--tenant", "t", "--list", "crm_contacts", file, "--validate-only", "--timeout", "1m")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	importing := time.Now()
	out, code = n.run("numbers", "import", "--tenant", "t", "--list", "crm_contacts", file, "--timeout", "1m")
	ended := time.Now()
	peak := n.memory()
	stop()
	asked.Wait()
	if want := fmt.Sprintf("crm_contacts: %s put, 0 unchanged\n", thousands(numbers)); code != 0 || !strings.Contains(out, want) {
		t.Fatalf("exit code %d: %s", code, out)
	}
	for i := 0; i < numbers; i += 1 + numbers/100 {
		if may, err := n.may(t.Context(), listedNumber(i)); !may || err != nil {
			t.Errorf("%s: %t, %v", listedNumber(i), may, err)
		}
	}
	calm := a.between(begun.Add(idle/10), checking)
	reading := importing.Sub(checking)
	for _, phase := range []struct {
		name     string
		from, to time.Time
	}{
		{"idle", begun.Add(idle / 10), checking},
		{"while the file is read", checking, importing},
		{"while it is written", importing.Add(reading), ended},
	} {
		d := a.between(phase.from, phase.to)
		short := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
		t.Logf("%s: %v, %d questions, p50 %v, p99 %v (%.2f of idle), in the usual second %v (%.2f of idle), p99.9 %v", phase.name,
			phase.to.Sub(phase.from).Round(time.Millisecond), d.n, short(d.p50), short(d.p99), d.p99.Seconds()/calm.p99.Seconds(),
			short(d.usual), d.usual.Seconds()/calm.usual.Seconds(), short(d.p999))
	}
	t.Logf("%d numbers in %v, %.0f a second; memory before: %s; after: %s", numbers, ended.Sub(importing).Round(time.Millisecond),
		float64(numbers)/ended.Sub(importing).Seconds(), before, peak)
}

// memory is what the system says of the server's memory.
func (n *numberServer) memory() string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.process.cmd.Process.Pid))
	if err != nil {
		return "unknown here"
	}
	var out []string
	for line := range strings.Lines(string(status)) {
		for _, name := range []string{"VmHWM:", "VmRSS:", "RssAnon:"} {
			if strings.HasPrefix(line, name) {
				out = append(out, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return strings.Join(out, ", ")
}

func TestThreeBadLinesInAMillion(t *testing.T) {
	n := startNumberServer(t)
	bad := map[int]string{17: "+49 30 none", 500_000: "12", 1_000_000: "+49 (0)30*"}
	file := writeNumbers(t, 1_000_000-len(bad)+1, bad) // the last one stands before the last number
	want := file + ": line 17: \"+49 30 none\": no telephone number\n" +
		file + ": line 500000: \"12\": no public number as it is dialled there; write it with its country code (+49…)\n" +
		file + ": line 1000000: \"+49 (0)30*\": no number begins so: leave out the 0 behind +49\n"
	said := func(out string) string { // without what is said of the progress
		var lines []string
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, "check: ") && !strings.HasPrefix(line, "import: ") {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "")
	}
	out, code := n.run("numbers", "import", "--tenant", "t", "--list", "crm_contacts", file)
	refusal := "klinke numbers import: " + file + ": 3 lines of 1,000,001 are no number, so nothing was imported: mend them, or import the rest with --bad-lines skip\n"
	if code != exitError || said(out) != want+refusal {
		t.Fatalf("exit code %d: %s", code, out)
	}
	if may, err := n.may(t.Context(), listedNumber(0)); may || err != nil {
		t.Fatalf("refused, and %s is listed: %t, %v", listedNumber(0), may, err)
	}
	out, code = n.run("numbers", "import", "--tenant", "t", "--list", "crm_contacts", file, "--bad-lines", "skip")
	if code != exitDeny || !strings.HasPrefix(said(out), want) || !strings.Contains(out, "\ncrm_contacts: 999,998 put, 0 unchanged\n") {
		t.Fatalf("exit code %d: %s", code, out)
	}
	for _, i := range []int{0, 500_000, 999_997} {
		if may, err := n.may(t.Context(), listedNumber(i)); !may || err != nil {
			t.Errorf("%s: %t, %v", listedNumber(i), may, err)
		}
	}
}
