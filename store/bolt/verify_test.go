// These tests prove that Verify finds what can go wrong in the file, that a reader never serves it, and that the format is
// what it was.
package bolt

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// sample fills a store with some of everything, with a lineage and an identity that are known.
func sample(t *testing.T, s *Store) {
	t.Helper()
	const lineage = "lineageaaaaaaaa2"
	at := time.Date(2026, 11, 2, 3, 4, 5, 678, time.UTC)
	first, long := userEntry("a", "b"), userEntry("c")
	first.Time, first.RequestId, first.Author = timestamppb.New(at), "r1", "anna"
	long.Time, long.RequestId, long.Reason = timestamppb.New(at.Add(time.Second)), "r2", strings.Repeat("x", inlineBytes)
	long.NextBoundary = timestamppb.New(at.Add(time.Hour))
	var writes []*write
	for _, e := range []*klinkev1.Entry{first, long} {
		w, err := prepare(e)
		if err != nil {
			t.Fatal(err)
		}
		writes = append(writes, w)
	}
	err := s.do(1, func(b *batch) error {
		if _, err := b.bucket(dataBucket).CreateBucket([]byte(lineage)); err != nil {
			return err
		}
		identity := seal(identityKey, append(make([]byte, sealBytes), "identityaaaaaaa2"...))
		return errors.Join(
			b.bucket(metaBucket).Put(identityKey, identity),
			b.append(&row{Tenant: store.Tenant{ID: "acme", Lineage: lineage, Created: at}}, writes...),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*klinkev1.Model{{Name: "m"}, {Name: "m", Flags: []string{strings.Repeat("f", inlineBytes)}}} {
		if _, _, err := s.PutModel(m); err != nil {
			t.Fatal(err)
		}
	}
	chunks := func(yield func([]byte, error) bool) { _ = yield([]byte("one"), nil) && yield([]byte("two"), nil) }
	if err := s.Compact("acme", store.Compaction{At: 2, Chunks: chunks}); err != nil {
		t.Fatal(err)
	}
}

var update = flag.Bool("update", false, "write the golden file anew")

func TestFormatIsFrozen(t *testing.T) {
	s, _ := openNew(t)
	sample(t, s)
	var got strings.Builder
	err := s.view(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error { return dump(&got, string(name), b) })
	})
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/format-1.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("format 1 has changed. A change needs a new format, and a way from the old one.\n got %s\nwant %s", got.String(), want)
	}
}

// dump writes a bucket's keys and values as hexadecimal text, long runs cut short.
func dump(out *strings.Builder, place string, b *bbolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if v == nil {
			return dump(out, place+"/"+string(k), b.Bucket(k))
		}
		text := hex.EncodeToString(v)
		if len(text) > 400 {
			text = fmt.Sprintf("%s… %d bytes, checksum %08x", text[:200], len(v), checksum(k, v))
		}
		fmt.Fprintf(out, "%s %x %s\n", place, k, text)
		return nil
	})
}

func TestDamageIsFound(t *testing.T) {
	tenant := func(b *batch) *bbolt.Bucket { return b.bucket(dataBucket).Bucket([]byte("lineageaaaaaaaa2")) }
	in := func(b *batch, name []byte) *bbolt.Bucket { return tenant(b).Bucket(name) }
	group := func(id string) []byte {
		return policy.AppendKey(nil, klinkev1.RecordKind_RECORD_KIND_GROUP, []string{id})
	}
	resealed := func(bucket *bbolt.Bucket, key []byte, content string) error {
		return bucket.Put(key, seal(key, append(make([]byte, sealBytes), content...)))
	}
	flip := func(bucket *bbolt.Bucket, key []byte) error {
		v := append([]byte(nil), bucket.Get(key)...)
		v[len(v)-1] ^= 1
		return bucket.Put(key, v)
	}
	changeRow := func(b *batch, change func(r *row)) error {
		r, err := findRow(b.tx, "acme")
		change(&r)
		return errors.Join(err, b.bucket(tenantsBucket).Put([]byte("acme"), r.encode()))
	}
	acme := func(b *batch) *row {
		r, err := findRow(b.tx, "acme")
		if err != nil {
			t.Error(err)
		}
		return &r
	}
	checkpointKey := chunkKey(serialBytes(1), 0)
	for name, c := range map[string]struct {
		do   func(b *batch) error
		says string
	}{
		"a flipped bit in a record":     {func(b *batch) error { return flip(in(b, recordsBucket), group("a")) }, "checksum"},
		"a flipped bit in an entry":     {func(b *batch) error { return flip(in(b, logBucket), positionBytes(1)) }, "checksum"},
		"a flipped bit in a chunk":      {func(b *batch) error { return flip(in(b, chunksBucket), chunkKey(positionBytes(2), 0)) }, "checksum"},
		"a flipped bit in a request":    {func(b *batch) error { return flip(in(b, requestsBucket), []byte("r1")) }, "checksum"},
		"a flipped bit in a checkpoint": {func(b *batch) error { return flip(in(b, checkpointsBucket), checkpointKey) }, "checksum"},
		"a flipped bit in a row":        {func(b *batch) error { return flip(b.bucket(tenantsBucket), []byte("acme")) }, "checksum"},
		"a flipped bit in a model":      {func(b *batch) error { return flip(b.bucket(modelsBucket), modelKey("m", 1)) }, "checksum"},
		"a missing record":              {func(b *batch) error { return in(b, recordsBucket).Delete(group("a")) }, "is missing"},
		"a record not of the log": {func(b *batch) error {
			v, _ := deterministic.Marshal(userEntry("z").Changes[0].GetPut())
			return resealed(in(b, recordsBucket), group("z"), string(v))
		}, "is not of the log"},
		"another record than the log's": {func(b *batch) error {
			r := userEntry("a").Changes[0].GetPut()
			r.GetGroup().Labels = map[string]string{"de": "x"}
			v, _ := deterministic.Marshal(r)
			return resealed(in(b, recordsBucket), group("a"), string(v))
		}, "is not what the log put there"},
		"a record under another's key": {func(b *batch) error {
			v, _ := deterministic.Marshal(userEntry("b").Changes[0].GetPut())
			return resealed(in(b, recordsBucket), group("a"), string(v))
		}, "has another key"},
		"a missing chunk":              {func(b *batch) error { return in(b, chunksBucket).Delete(chunkKey(positionBytes(2), 0)) }, "is missing"},
		"a chunk of nobody":            {func(b *batch) error { return resealed(in(b, chunksBucket), chunkKey(positionBytes(7), 0), "x") }, "belong to an entry"},
		"a missing newest entry":       {func(b *batch) error { return in(b, logBucket).Delete(positionBytes(2)) }, "the head is 2"},
		"a missing older entry":        {func(b *batch) error { return in(b, logBucket).Delete(positionBytes(1)) }, "not in the log"},
		"a missing request":            {func(b *batch) error { return in(b, requestsBucket).Delete([]byte("r1")) }, "the index names 0"},
		"a request of another id":      {func(b *batch) error { return in(b, requestsBucket).Put([]byte("r3"), encodePosition([]byte("r3"), 1)) }, "was made by"},
		"a head beyond the store":      {func(b *batch) error { return b.bucket(metaBucket).Put(positionKey, encodePosition(positionKey, 1)) }, "do not rise"},
		"a missing checkpoint chunk":   {func(b *batch) error { return in(b, checkpointsBucket).Delete(checkpointKey) }, "is missing"},
		"a checkpoint of nobody":       {func(b *batch) error { return resealed(in(b, checkpointsBucket), chunkKey(serialBytes(9), 0), "x") }, "belongs to no checkpoint"},
		"a floor above the checkpoint": {func(b *batch) error { return changeRow(b, func(r *row) { r.at, r.Floor = 1, 2 }) }, "do not rise"},
		"another head":                 {func(b *batch) error { return changeRow(b, func(r *row) { r.Head = 1; r.at = 1 }) }, "the log ends at 2"},
		"a missing tenant bucket":      {func(b *batch) error { return b.bucket(dataBucket).DeleteBucket([]byte("lineageaaaaaaaa2")) }, "there is no bucket"},
		"a missing row":                {func(b *batch) error { return b.bucket(tenantsBucket).Delete([]byte("acme")) }, "belongs to no tenant"},
		"a swept tenant that is there": {func(b *batch) error { return putTrash(b, tenantTrash("lineageaaaaaaaa2")) }, "is in use"},
		"a missing model version":      {func(b *batch) error { return b.bucket(modelsBucket).Delete(modelKey("m", 1)) }, "version before it is 0"},
		"a model chunk of nobody":      {func(b *batch) error { return resealed(b.bucket(modelChunksBucket), chunkKey(modelKey("n", 1), 0), "x") }, "belong to a model"},
		"a flipped bit in a commit":    {func(b *batch) error { return flip(b.bucket(commitsBucket), positionBytes(1)) }, "checksum"},
		"a missing commit":             {func(b *batch) error { return b.bucket(commitsBucket).Delete(positionBytes(1)) }, "names 1 entries"},
		"a commit that nobody made":    {func(b *batch) error { return b.order(3, commitEntry, acme(b)) }, "above the last one"},
		"a deletion of the living":     {func(b *batch) error { return b.order(2, commitDeletion, acme(b)) }, "whose life"},
		"a commit of another tenant": {func(b *batch) error {
			return b.order(2, commitEntry, &row{Tenant: store.Tenant{ID: "x", Lineage: "y"}})
		}, "names 1 entries"},
		"an order that begins beyond": {func(b *batch) error { return b.raise(3) }, "is not below"},
		"a missing moment":            {func(b *batch) error { return b.bucket(dueBucket).Delete(dueKey(acme(b))) }, "there are 0 moments"},
		"a moment of nobody": {func(b *batch) error {
			return b.remind(&row{}, &row{Tenant: store.Tenant{ID: "x", Due: time.Unix(1, 0)}})
		}, "is not that of its tenant"},
		"another moment than the entry's": {func(b *batch) error { return changeRow(b, func(r *row) { r.Due = r.Due.Add(1) }) }, "names the next boundary"},
		"a position given twice": {func(b *batch) error {
			const other = "lineagebbbbbbbb2"
			if _, err := b.bucket(dataBucket).CreateBucket([]byte(other)); err != nil {
				return err
			}
			w, _ := prepare(userEntry("a"))
			b.last = 0
			err := b.append(&row{Tenant: store.Tenant{ID: "other", Lineage: other}}, w)
			b.last = 2
			return err
		}, "was given twice"},
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir() + "/klinke.db"
			s, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			sample(t, s)
			// Without the sweeper, who would otherwise empty what a case throws away.
			close(s.stop)
			if err := s.do(1, c.do); err != nil {
				t.Fatal(err)
			}
			s.queue.refuse(store.Closed())
			s.owned.Wait()
			if err := s.db.Close(); err != nil {
				t.Fatal(err)
			}
			report, err := Verify(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(report.Problems, "\n"), c.says) {
				t.Errorf("verify says %q, want %q", report.Problems, c.says)
			}
			if !strings.HasPrefix(name, "a flipped bit in") {
				return
			}
			// A reader never serves it.
			s, err = Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			_, e1 := s.Entries("acme", 0, 10)
			_, e2 := s.Records("acme", store.Query{Kind: klinkev1.RecordKind_RECORD_KIND_GROUP, Limit: 10})
			_, e3 := s.Request("acme", "r1")
			_, _, e4 := s.Load("acme", func([]byte) error { return nil })
			_, _, e5 := s.Model("m", 1)
			_, e6 := s.Commits(0, 10)
			if err := errors.Join(e1, e2, e3, e4, e5, e6); !isKind(err, policy.Damaged) {
				t.Errorf("nobody notices: %v", err)
			}
		})
	}
}

func TestReportCountsAndTellsProgress(t *testing.T) {
	s, path := openNew(t)
	sample(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var told []string
	report, err := Verify(path, func(line string) { told = append(told, line) })
	if err != nil || !report.Clean() {
		t.Fatalf("%v, %q", err, report.Problems)
	}
	report.Problems = nil
	if got, want := fmt.Sprint(report), fmt.Sprint(Report{Position: 2, Tenants: 1, Models: 2, Entries: 2, Records: 3}); got != want {
		t.Errorf("the report is %s, want %s", got, want)
	}
	if got, want := strings.Join(told, "; "), `tenant "acme": 2 entries, 3 records; pages`; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}
