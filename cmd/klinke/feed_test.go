// This file promises that an interrupted bulk load is interrupted in its middle: the account comes through a pipe, half of
// it is seen on the server, then the client or the server dies.
package main

import (
	"bytes"
	"context"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// asked calls the story's server.
func asked(ts *testscript.TestScript, ask func(context.Context, klinkev1.DirectoryServiceClient) error) error {
	conn, err := grpc.NewClient(ts.Getenv("KLINKE_SERVER"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	ts.Check(err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return ask(ctx, klinkev1.NewDirectoryServiceClient(conn))
}

func revisionOf(ts *testscript.TestScript, tenant string) (revision string) {
	ts.Check(asked(ts, func(ctx context.Context, c klinkev1.DirectoryServiceClient) error {
		page, err := c.Read(ctx, &klinkev1.ReadRequest{Tenant: tenant, Kind: klinkev1.RecordKind_RECORD_KIND_SETTING, PageSize: 1})
		revision = page.GetRevision()
		return err
	}))
	return revision
}

// waitForUsers waits until a tenant has so many users.
func waitForUsers(ts *testscript.TestScript, tenant string, atLeast int) error {
	return asked(ts, func(ctx context.Context, c klinkev1.DirectoryServiceClient) error {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			n, token := 0, ""
			for {
				page, err := c.Read(ctx, &klinkev1.ReadRequest{Tenant: tenant, Kind: klinkev1.RecordKind_RECORD_KIND_SUBJECT, PageSize: 5000, PageToken: token})
				if err != nil && !isMissing(err) {
					return err
				}
				n += len(page.GetRecords())
				if token = page.GetNextPageToken(); token == "" {
					break
				}
			}
			if n >= atLeast {
				return nil
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
}

// feedStory is `feed CODE FILE TENANT USERS interrupt|kill|crash`: it applies the first half of a file through a pipe, waits
// until the server has so many users, then interrupts the client, kills it, or kills the server and feeds the other half.
// The client must end with the code.
func feedStory(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: feed CODE FILE TENANT USERS interrupt|kill|crash")
	}
	documents := strings.SplitAfter(ts.ReadFile(args[1]), "\n---\n")
	half := len(documents) / 2
	cmd := command(ts, "apply", "-f", "-")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	stdin, err := cmd.StdinPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	overdue := time.AfterFunc(patience, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
	defer overdue.Stop()
	_, err = stdin.Write([]byte(strings.Join(documents[:half], "")))
	if err == nil {
		err = waitForUsers(ts, args[2], atoi(ts, args[3]))
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		ts.Fatalf("the first half does not arrive: %v; the client says %s", err, stderr.String())
	}
	switch args[4] {
	case "interrupt":
		ts.Check(cmd.Process.Signal(syscall.SIGINT)) // its input stays open: it waits for the rest
	case "kill":
		ts.Check(cmd.Process.Kill())
	case "crash":
		killStory(ts, false, nil)
		_, _ = stdin.Write([]byte(strings.Join(documents[half:], ""))) // it may be gone already
		ts.Check(stdin.Close())
	default:
		ts.Fatalf("interrupt, kill or crash, not %s", args[4])
	}
	got := exitCode(cmd.Wait())
	_, err = ts.Stderr().Write(stderr.Bytes())
	ts.Check(err)
	if got != atoi(ts, args[0]) {
		ts.Fatalf("the client's exit code is %d, want %s: %s", got, args[0], stderr.String())
	}
	if why := misery(stderr.String()); why != "" {
		ts.Fatalf("%s: %s", why, stderr.String())
	}
}
