// These benchmarks measure what the store promises beside a record table of a million: durable appends alone and
// together, the bulk load, and reading it back. Run them with
//
//	go test -run '^$' -bench . -benchtime 3s ./store/bolt
package bolt_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
	"github.com/klinke-authz/klinke/store/bolt"
)

const (
	benchRecords = 1_000_000
	benchWriters = 64
)

func BenchmarkStore(b *testing.B) {
	path := filepath.Join(b.TempDir(), "klinke.db")
	s := openBench(b, path)
	b.Cleanup(func() { s.Close() })
	b.Run("LoadInOrder", func(b *testing.B) { benchLoad(b, s, "ordered", sequence(benchRecords)) })
	b.Run("LoadInNoOrder", func(b *testing.B) { benchLoad(b, s, "big", rand.New(rand.NewPCG(1, 2)).Perm(benchRecords)) })
	b.Run("AppendAlone", func(b *testing.B) { benchAlone(b, s) })
	b.Run("AppendOneTenant64Writers", func(b *testing.B) { benchGathered(b, s) })
	b.Run("Append64Tenants", func(b *testing.B) { benchTenants(b, s) })
	b.Run("AppendWhileManyPagesAreFree", func(b *testing.B) {
		benchFree(b, s)
		benchAlone(b, s)
	})
	b.Run("Records", func(b *testing.B) { benchRecordPages(b, s) })
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			if err := openBench(b, path).Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Verify", func(b *testing.B) {
		for b.Loop() {
			report, err := bolt.Verify(path, nil)
			if err != nil || !report.Clean() {
				b.Fatal(err, report.Problems)
			}
		}
	})
}

func openBench(b *testing.B, path string) *bolt.Store {
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func sequence(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

// benchLoad fills a tenant once a round, by entries of 10,000 changes, and leaves the last.
func benchLoad(b *testing.B, s *bolt.Store, tenant string, order []int) {
	for b.Loop() {
		_ = s.DeleteTenant(tenant, 0) // there is none in the first round
		row, err := s.CreateTenant(tenant, benchEntry("first"))
		if err != nil {
			b.Fatal(err)
		}
		head := row.Head
		for chunk := range slices.Chunk(order, policy.MaxWriteChanges) {
			e := &klinkev1.Entry{Time: timestamppb.Now()}
			for _, i := range chunk {
				e.Changes = append(e.Changes, benchEntry(fmt.Sprintf("u%07d", i)).Changes...)
			}
			if head, err = s.Append(tenant, head, e); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(benchRecords)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// benchEntry is a small edit as an administrator makes it.
func benchEntry(id string) *klinkev1.Entry {
	return &klinkev1.Entry{
		Time: timestamppb.Now(), Author: "user:anna", Caller: "admin-ui",
		Changes: []*klinkev1.Change{{Change: &klinkev1.Change_Put{Put: &klinkev1.Record{
			Record: &klinkev1.Record_Assignment{Assignment: &klinkev1.Assignment{Role: "agent", Holder: "user:" + id}}}}}},
		Footprint: &klinkev1.Footprint{Subjects: []string{"user:" + id}},
	}
}

func headOf(b *testing.B, s *bolt.Store, tenant string) store.Position {
	row, _, err := s.Load(tenant, func([]byte) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	return row.Head
}

// benchAlone appends one after the other and reports the median.
func benchAlone(b *testing.B, s *bolt.Store) {
	head := headOf(b, s, "big")
	var times []time.Duration
	for b.Loop() {
		e := benchEntry(fmt.Sprintf("u%07d", rand.IntN(benchRecords)))
		start := time.Now()
		var err error
		if head, err = s.Append("big", head, e); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(start))
	}
	reportTimes(b, times)
}

func reportTimes(b *testing.B, times []time.Duration) {
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "median-µs")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(len(times))/b.Elapsed().Seconds(), "appends/s")
}

// benchGathered has 64 writers of one tenant, each waiting for its entry, before one that gathers what waits, as the
// living tenant does.
func benchGathered(b *testing.B, s *bolt.Store) {
	type waiting struct {
		e    *klinkev1.Entry
		done chan error
	}
	queue := make(chan waiting, benchWriters)
	var gatherer sync.WaitGroup
	gatherer.Go(func() {
		head := headOf(b, s, "big")
		for w := range queue {
			all := []waiting{w}
			for len(queue) > 0 {
				all = append(all, <-queue)
			}
			var es []*klinkev1.Entry
			for _, w := range all {
				es = append(es, w.e)
			}
			at, err := s.Append("big", head, es...)
			head = at
			for _, w := range all {
				w.done <- err
			}
		}
	})
	parallelAppends(b, func(_ int, e *klinkev1.Entry) error {
		w := waiting{e, make(chan error, 1)}
		queue <- w
		return <-w.done
	})
	close(queue)
	gatherer.Wait()
}

// parallelAppends shares b.N appends among the writers and reports their times.
func parallelAppends(b *testing.B, do func(writer int, e *klinkev1.Entry) error) {
	times := make([][]time.Duration, benchWriters)
	var writers sync.WaitGroup
	b.ResetTimer()
	for w := range benchWriters {
		writers.Go(func() {
			for range (b.N + benchWriters - 1) / benchWriters {
				e := benchEntry(fmt.Sprintf("u%07d", rand.IntN(benchRecords)))
				start := time.Now()
				if err := do(w, e); err != nil {
					b.Error(err)
					return
				}
				times[w] = append(times[w], time.Since(start))
			}
		})
	}
	writers.Wait()
	b.StopTimer()
	reportTimes(b, slices.Concat(times...))
}

// benchTenants has 64 tenants of one writer each.
func benchTenants(b *testing.B, s *bolt.Store) {
	heads := make([]store.Position, benchWriters)
	for w := range heads {
		tenant := fmt.Sprintf("t%02d", w)
		row, err := s.CreateTenant(tenant, benchEntry("first"))
		if err != nil { // made by an earlier round
			row.Head = headOf(b, s, tenant)
		}
		heads[w] = row.Head
	}
	parallelAppends(b, func(w int, e *klinkev1.Entry) (err error) {
		heads[w], err = s.Append(fmt.Sprintf("t%02d", w), heads[w], e)
		return err
	})
}

// benchFree makes a second tenant of a quarter of a million records and deletes it, so that its pages are free.
func benchFree(b *testing.B, s *bolt.Store) {
	row, err := s.CreateTenant("gone", benchEntry("first"))
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; n < benchRecords/4; {
		e := &klinkev1.Entry{Time: timestamppb.Now()}
		for range policy.MaxWriteChanges {
			e.Changes = append(e.Changes, benchEntry(fmt.Sprintf("u%07d", n)).Changes...)
			n++
		}
		if row.Head, err = s.Append("gone", row.Head, e); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.DeleteTenant("gone", 0); err != nil {
		b.Fatal(err)
	}
}

// benchRecordPages reads the table back, a page at a time.
func benchRecordPages(b *testing.B, s *bolt.Store) {
	n := 0
	for b.Loop() {
		for q := (store.Query{Kind: klinkev1.RecordKind_RECORD_KIND_ASSIGNMENT, Limit: 10_000}); ; {
			page, err := s.Records("big", q)
			if err != nil {
				b.Fatal(err)
			}
			n += len(page.Records)
			if q.After = page.Next; q.After == nil {
				break
			}
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}
