// These benchmarks say what a durable write costs: alone, and from 64 writers of one tenant, through bbolt.
package live

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store/bolt"
)

func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 64} {
		for _, ids := range []bool{false, true} {
			b.Run(fmt.Sprintf("writers=%d/request_ids=%t", writers, ids), func(b *testing.B) {
				s, err := bolt.Open(filepath.Join(b.TempDir(), "klinke.db"), bolt.Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				ts := world(b, s)
				defer ts.Close()
				for i := range 100 {
					mustWrite(b, ts, "acme", puts("user%d", i))
				}
				took := make([]time.Duration, b.N)
				var n atomic.Int64
				var all sync.WaitGroup
				b.ResetTimer()
				for range writers {
					all.Go(func() {
						for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
							w := Write{Changes: []*klinkev1.Change{user(fmt.Sprintf("user%d", i%100))}}
							w.Changes[0].GetPut().GetSubject().Label = fmt.Sprintf("call me %d", i)
							if ids {
								w.RequestID = fmt.Sprintf("request %d", i)
							}
							begun := time.Now()
							if _, err := ts.Write(context.Background(), "acme", w); err != nil {
								b.Error(err)
								return
							}
							took[i-1] = time.Since(begun)
						}
					})
				}
				all.Wait()
				slices.Sort(took)
				b.ReportMetric(float64(took[b.N/2].Microseconds()), "median-µs")
				b.ReportMetric(float64(took[b.N*99/100].Microseconds()), "p99-µs")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
			})
		}
	}
}
