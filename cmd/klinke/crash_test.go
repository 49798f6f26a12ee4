// These tests prove that the whole program, killed in a storm of writes, loses nothing that it acknowledged to a client,
// leaves nothing half, verifies clean and goes on behind where it was.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// The storm: so many tenants, each with so many writers, and one tenant that comes and goes.
const (
	stormTenants = 3
	stormWriters = 4
	stormGuest   = "guest"
)

// TestKilledProgramKeepsItsWord kills KLINKE_CRASH_ROUNDS times, else a few.
func TestKilledProgramKeepsItsWord(t *testing.T) {
	rounds := 3
	if v := os.Getenv("KLINKE_CRASH_ROUNDS"); v != "" {
		var err error
		if rounds, err = strconv.Atoi(v); err != nil {
			t.Fatalf("KLINKE_CRASH_ROUNDS: %v", err)
		}
	}
	k := &killed{t: t, program: buildProgram(t), data: filepath.Join(t.TempDir(), "data")}
	k.start()
	k.found()
	for range rounds {
		k.storm()
		k.start()
		k.judge()
		if t.Failed() {
			t.FailNow()
		}
	}
	if err := k.end(syscall.SIGTERM); err != nil {
		t.Errorf("the program asked to end: %v\n%s", err, k.complaints)
	}
	k.verify()
	t.Logf("%d kills, %d writes acknowledged, %d under way at a kill, of which %d had happened", rounds, k.acknowledged, k.open, k.happened)
}

// buildProgram builds the program as people get it.
func buildProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "klinke")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return path
}

// killed is a program that is killed again and again, and what its clients know.
type killed struct {
	t             *testing.T
	program, data string

	process    *exec.Cmd
	complaints *strings.Builder
	conn       *grpc.ClientConn
	directory  klinkev1.DirectoryServiceClient

	writers                      []*stormWriter
	highest                      uint64 // position acknowledged to anybody
	acknowledged, open, happened int
}

// stormWriter writes one numbered write after the other.
type stormWriter struct {
	tenant, name string
	lineage      string
	acks         []*klinkev1.WriteResponse // by number
	open         bool                      // the write behind the last acknowledged one was begun
	happened     bool                      // and is there
	checked      int                       // acks before this one were repeated after a former kill
}

// write is what a writer writes under a number: two users who are there together, one whose label is the number, and now
// and then something long.
func (w *stormWriter) write(n int) *klinkev1.WriteRequest {
	in := &klinkev1.WriteRequest{
		Tenant:    w.tenant,
		RequestId: fmt.Sprintf("%s-%d", w.name, n),
		Changes: []*klinkev1.Change{
			stormUser(fmt.Sprintf("%s.%d.a", w.name, n), ""),
			stormUser("last."+w.name, strconv.Itoa(n)),
		},
	}
	if n%10 == 9 {
		for i := range n % 300 {
			in.Changes = append(in.Changes, stormUser(fmt.Sprintf("long.%s.%d", w.name, i), strings.Repeat("x", 900)+strconv.Itoa(n)))
		}
	}
	in.Changes = append(in.Changes, stormUser(fmt.Sprintf("%s.%d.b", w.name, n), ""))
	return in
}

func stormUser(id, label string) *klinkev1.Change {
	return &klinkev1.Change{Change: &klinkev1.Change_Put{Put: &klinkev1.Record{Record: &klinkev1.Record_Subject{
		Subject: &klinkev1.Subject{Type: klinkev1.SubjectType_SUBJECT_TYPE_USER, Id: id, Label: label},
	}}}}
}

// start starts the program and connects to where it says that it listens.
func (k *killed) start() {
	k.t.Helper()
	k.complaints = &strings.Builder{}
	k.process = exec.Command(k.program, "serve", "--data", k.data, "--listen", "127.0.0.1:0")
	k.process.Stderr = k.complaints
	out, err := k.process.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := k.process.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { _ = k.end(syscall.SIGKILL) })
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening grpc=")
	if err != nil || !ok {
		k.t.Fatalf("the program says %q, %v\n%s", line, err, k.complaints)
	}
	k.conn, err = grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		k.t.Fatal(err)
	}
	k.directory = klinkev1.NewDirectoryServiceClient(k.conn)
}

// end ends the program by a signal. The second time, it does nothing.
func (k *killed) end(by syscall.Signal) error {
	if k.process == nil {
		return nil
	}
	_ = k.process.Process.Signal(by)
	err := k.process.Wait()
	k.process = nil
	_ = k.conn.Close()
	return err
}

// found makes the tenants.
func (k *killed) found() {
	k.t.Helper()
	model := &klinkev1.Model{Name: "small", Combine: klinkev1.Combine_COMBINE_HIGHEST}
	if _, err := k.directory.PutModel(k.t.Context(), &klinkev1.PutModelRequest{Model: model}); err != nil {
		k.t.Fatal(err)
	}
	for i := range stormTenants {
		tenant := fmt.Sprintf("tenant%d", i)
		out, err := k.directory.CreateTenant(k.t.Context(), &klinkev1.CreateTenantRequest{Tenant: tenant, Model: "small"})
		if err != nil {
			k.t.Fatal(err)
		}
		lineage, _, _ := strings.Cut(out.GetTenant().GetRevision(), "-")
		for j := range stormWriters {
			k.writers = append(k.writers, &stormWriter{tenant: tenant, name: fmt.Sprintf("w%d", j), lineage: lineage})
		}
	}
}

// storm writes from all sides, and kills the program in the middle.
func (k *killed) storm() {
	k.t.Helper()
	acks := make(chan struct{}, 1024)
	var all sync.WaitGroup
	for _, w := range k.writers {
		all.Go(func() {
			for {
				w.open = true
				out, err := k.directory.Write(context.Background(), w.write(len(w.acks)))
				if err != nil {
					return // the end; whether this one happened is not known
				}
				w.acks, w.open = append(w.acks, out), false
				acks <- struct{}{}
			}
		})
	}
	all.Go(func() {
		for {
			if _, err := k.directory.CreateTenant(context.Background(), &klinkev1.CreateTenantRequest{Tenant: stormGuest, Model: "small"}); err != nil {
				return
			}
			if _, err := k.directory.DeleteTenant(context.Background(), &klinkev1.DeleteTenantRequest{Tenant: stormGuest}); err != nil {
				return
			}
		}
	})
	// After some acknowledgements, and then in the middle of whatever goes on: the moment is random, nothing is waited for.
	for range 1 + rand.IntN(200) {
		<-acks
	}
	moment := make(chan struct{})
	time.AfterFunc(time.Duration(rand.IntN(5000))*time.Microsecond, func() { close(moment) })
	go func() {
		for range acks {
		}
	}()
	<-moment
	err := k.end(syscall.SIGKILL)
	all.Wait()
	close(acks)
	if status, ok := errors.AsType[*exec.ExitError](err); !ok || status.ExitCode() != -1 {
		k.t.Fatalf("the program ended by itself: %v\n%s", err, k.complaints)
	}
	k.verify()
}

// verify fails unless the program's own check of the database, with nobody on it, is clean.
func (k *killed) verify() {
	k.t.Helper()
	if out, err := exec.CommandContext(k.t.Context(), k.program, "verify", "--data", k.data).CombinedOutput(); err != nil {
		k.t.Fatalf("verify: %v\n%s", err, out)
	}
}

// judge holds what the program serves after a kill to what its clients know.
func (k *killed) judge() {
	k.t.Helper()
	for i := range stormTenants {
		tenant := fmt.Sprintf("tenant%d", i)
		labels := k.users(tenant)
		for _, w := range k.writers {
			if w.tenant == tenant {
				k.whole(w, labels)
			}
		}
	}
	for _, w := range k.writers {
		for ; w.checked < len(w.acks); w.checked++ {
			k.acknowledged++
			k.again(w, w.checked)
		}
	}
	// What was acknowledged before the kill is before what comes now. A write that had happened is answered, not repeated.
	before := k.highest
	for _, w := range k.writers {
		n := len(w.acks)
		out, err := k.directory.Write(k.t.Context(), w.write(n))
		if err != nil {
			k.t.Fatalf("%s goes on in %s: %v", w.name, w.tenant, err)
		}
		if out.GetRepeatedRequest() != w.happened {
			k.t.Errorf("%s-%d in %s had happened: %t; the answer to its repetition says %t", w.name, n, w.tenant, w.happened, out.GetRepeatedRequest())
		}
		if at := out.GetEntry().GetPosition(); !out.GetRepeatedRequest() && at <= before {
			k.t.Errorf("%s goes on in %s at %d, but %d was acknowledged before the kill", w.name, w.tenant, at, before)
		}
		if lineage, _, _ := strings.Cut(out.GetRevision(), "-"); lineage != w.lineage {
			k.t.Errorf("%s had lineage %s and has %s", w.tenant, w.lineage, lineage)
		}
		w.acks = append(w.acks, out)
		k.highest = max(k.highest, out.GetEntry().GetPosition())
	}
	// The guest is there or not, and can be deleted if he is.
	if _, err := k.directory.Read(k.t.Context(), &klinkev1.ReadRequest{Tenant: stormGuest, Kind: klinkev1.RecordKind_RECORD_KIND_SUBJECT}); err == nil {
		if _, err := k.directory.DeleteTenant(k.t.Context(), &klinkev1.DeleteTenantRequest{Tenant: stormGuest}); err != nil {
			k.t.Errorf("deleting what a kill left: %v", err)
		}
	}
}

// whole fails unless a tenant has all of each acknowledged write of a writer, all or nothing of the one that was under
// way, and nothing else of him.
func (k *killed) whole(w *stormWriter, labels map[string]string) {
	k.t.Helper()
	for n := range w.acks {
		for _, half := range []string{"a", "b"} {
			if _, ok := labels[fmt.Sprintf("%s.%d.%s", w.name, n, half)]; !ok {
				k.t.Errorf("%s: write %d of %s was acknowledged at %s, and user %s of it is not there", w.tenant, n, w.name, w.acks[n].GetRevision(), half)
			}
		}
	}
	n := len(w.acks)
	w.happened = false
	_, a := labels[fmt.Sprintf("%s.%d.a", w.name, n)]
	_, b := labels[fmt.Sprintf("%s.%d.b", w.name, n)]
	if a != b {
		k.t.Errorf("%s: write %d of %s is there by half", w.tenant, n, w.name)
	}
	last := n - 1
	if a {
		last, w.happened = n, true
		if !w.open {
			k.t.Errorf("%s: write %d of %s is there, and was never sent", w.tenant, n, w.name)
		}
		k.happened++
	}
	if w.open {
		k.open++
		w.open = false
	}
	want := strconv.Itoa(last)
	if last < 0 {
		want = ""
	}
	if got := labels["last."+w.name]; got != want {
		k.t.Errorf("%s: the last write of %s is %q, want %q", w.tenant, w.name, got, want)
	}
	if _, more := labels[fmt.Sprintf("%s.%d.a", w.name, n+1)]; more {
		k.t.Errorf("%s: write %d of %s is there, and was never sent", w.tenant, n+1, w.name)
	}
}

// again repeats an acknowledged write by its id: it must be answered as it was.
func (k *killed) again(w *stormWriter, n int) {
	k.t.Helper()
	was := w.acks[n]
	out, err := k.directory.Write(k.t.Context(), w.write(n))
	if err != nil {
		k.t.Fatalf("repeating %s-%d in %s: %v", w.name, n, w.tenant, err)
	}
	if !out.GetRepeatedRequest() || out.GetRevision() != was.GetRevision() || out.GetEntry().GetPosition() != was.GetEntry().GetPosition() {
		k.t.Errorf("%s-%d in %s was acknowledged at %s and is now answered at %s, repeated %t",
			w.name, n, w.tenant, was.GetRevision(), out.GetRevision(), out.GetRepeatedRequest())
	}
	k.highest = max(k.highest, was.GetEntry().GetPosition())
}

// users reads all of a tenant's, with their labels.
func (k *killed) users(tenant string) map[string]string {
	k.t.Helper()
	labels := map[string]string{}
	in := &klinkev1.ReadRequest{Tenant: tenant, Kind: klinkev1.RecordKind_RECORD_KIND_SUBJECT}
	for {
		page, err := k.directory.Read(k.t.Context(), in)
		if err != nil {
			k.t.Fatalf("reading %s: %v", tenant, err)
		}
		for _, r := range page.GetRecords() {
			labels[r.GetSubject().GetId()] = r.GetSubject().GetLabel()
		}
		if in.PageToken = page.GetNextPageToken(); in.GetPageToken() == "" {
			return labels
		}
	}
}
