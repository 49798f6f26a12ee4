// The storm of writes promises the crash tests a store that is busy in every way at once: writers, tenants that come and go,
// compaction.
package bolt_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
	"github.com/klinke-authz/klinke/store/bolt"
)

// stormEnv names the database and the kind of storm of a helper process: this test binary, started again.
const stormEnv = "KLINKE_STORM"

func TestMain(m *testing.M) {
	if kind, path, ok := strings.Cut(os.Getenv(stormEnv), ":"); ok {
		storm(kind, path)
		return
	}
	goleak.VerifyTestMain(m)
}

// storm appends to a database until it is killed, or by kind "short" a while, and says on standard output what was
// acknowledged: "ack TENANT WRITER NUMBER POSITION". Entries are entryOf(writer, number), so anybody can tell what is
// acknowledged.
func storm(kind, path string) {
	s, err := bolt.Open(path, bolt.Options{})
	check(err)
	switch kind {
	case "long":
		// One entry after the other, of many chunks, announced before it is appended.
		head, next := resume(s, "long", "long")
		for n := next; ; n++ {
			fmt.Printf("begin %d\n", n)
			head, err = s.Append("long", head, entryOf("long", n))
			check(err)
			fmt.Printf("ack %s %s %d %d\n", "long", "long", n, head)
		}
	case "short":
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() { write(s, fmt.Sprintf("w%d", w), 25) })
		}
		writers.Wait()
		check(s.Close())
	case "full", "torn":
		fill(s, kind, path)
	case "all":
		for w := range 6 {
			go write(s, fmt.Sprintf("w%d", w), 1<<30)
		}
		go compactAll(s)
		comeAndGo(s)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// resume finds or makes a tenant, and returns its head and a writer's next number.
func resume(s *bolt.Store, tenant, writer string) (store.Position, int) {
	if _, err := s.CreateTenant(tenant, entryOf("first", 0)); err == nil {
		fmt.Fprintln(os.Stderr, "made", tenant)
	}
	rows, err := s.Tenants(tenant[:len(tenant)-1], 1000)
	check(err)
	row := rows[slices.IndexFunc(rows, func(r store.Tenant) bool { return r.ID == tenant })]
	next := 0
	for {
		e, err := s.Request(tenant, requestOf(writer, next))
		check(err)
		if e == nil {
			return row.Head, next
		}
		next++
	}
}

// write appends so many entries to a writer's own tenant.
func write(s *bolt.Store, writer string, times int) {
	tenant := "tenant-" + writer
	head, next := resume(s, tenant, writer)
	for n := next; n < next+times; n++ {
		at, err := s.Append(tenant, head, entryOf(writer, n))
		check(err)
		// One write to the pipe, so that lines stay whole.
		fmt.Fprintf(os.Stdout, "ack %s %s %d %d\n", tenant, writer, n, at)
		head = at
	}
}

// compactAll keeps checkpoints of several transactions and raises floors.
func compactAll(s *bolt.Store) {
	for {
		rows, err := s.Tenants("", 100)
		check(err)
		for _, row := range rows {
			if row.ID == "guest" {
				continue
			}
			check(s.Compact(row.ID, store.Compaction{At: row.Head, Floor: row.Head / 2, Chunks: func(yield func([]byte, error) bool) {
				for range rand.IntN(7) {
					if !yield(make([]byte, store.ChunkBytes), nil) {
						return
					}
				}
			}}))
		}
	}
}

// comeAndGo makes and deletes a tenant of more records than a step of the sweeper deletes.
func comeAndGo(s *bolt.Store) {
	_ = s.DeleteTenant("guest", 0) // a former storm's
	for {
		e := entryOf("guest", 0)
		for i := range 1200 {
			e.Changes = append(e.Changes, putUser(fmt.Sprintf("u%d", i), ""))
		}
		_, err := s.CreateTenant("guest", e)
		check(err)
		check(s.DeleteTenant("guest", 0))
	}
}

func requestOf(writer string, n int) string { return fmt.Sprintf("%s-%06d.", writer, n) }

// entryOf is what a writer's entry of a number is: some are long, and writer "long" makes entries of many chunks.
func entryOf(writer string, n int) *klinkev1.Entry {
	e := &klinkev1.Entry{
		Time:      timestamppb.New(time.Date(2026, 11, 2, 0, 0, n%60, 0, time.UTC)),
		RequestId: requestOf(writer, n),
		Author:    writer,
		Changes:   []*klinkev1.Change{putUser(requestOf(writer, n), ""), putUser("last", strconv.Itoa(n))},
	}
	size := 0
	if writer == "long" {
		size = 1<<20 + n*300_000%(8<<20)
	} else if n%10 == 9 {
		size = n * 7919 % (400 << 10)
	}
	if size > 0 {
		e.Changes = append(e.Changes, putUser("long", string(slices.Repeat([]byte{byte('a' + n%26)}, size))))
	}
	return e
}

func putUser(id, label string) *klinkev1.Change {
	return &klinkev1.Change{Change: &klinkev1.Change_Put{Put: &klinkev1.Record{Record: &klinkev1.Record_Subject{
		Subject: &klinkev1.Subject{Type: klinkev1.SubjectType_SUBJECT_TYPE_USER, Id: id, Label: label}}}}}
}
