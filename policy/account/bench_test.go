// These tests prove that a large account is read and written in bounded memory, and measure how fast.
package account

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// company writes users as a company of 100,000 has them: a role, two groups and a department each, ids of 12 bytes.
func company(w io.Writer, users int) error {
	e := NewEncoder(w, "big", "bitrix24")
	put := func(f func(i int) *klinkev1.Record, n int) error {
		for i := range n {
			if err := e.Put(f(i)); err != nil {
				return err
			}
		}
		return nil
	}
	id := func(i int) string { return fmt.Sprintf("user%08d", i) }
	err := errors.Join(
		put(func(i int) *klinkev1.Record { return department(fmt.Sprintf("d%d", i), "") }, 100),
		put(func(i int) *klinkev1.Record {
			return &klinkev1.Record{Record: &klinkev1.Record_Group{Group: &klinkev1.Group{Id: fmt.Sprintf("g%d", i)}}}
		}, 100),
		put(func(i int) *klinkev1.Record { return user(id(i)) }, users),
		put(func(i int) *klinkev1.Record {
			return &klinkev1.Record{Record: &klinkev1.Record_DepartmentMember{DepartmentMember: &klinkev1.DepartmentMember{Department: fmt.Sprintf("d%d", i%100), Subject: "user:" + id(i)}}}
		}, users),
		put(func(i int) *klinkev1.Record { return member(fmt.Sprintf("g%d", i%2+i/2%50*2), "user:"+id(i/2)) }, 2*users),
		put(func(i int) *klinkev1.Record {
			return &klinkev1.Record{Record: &klinkev1.Record_Assignment{Assignment: &klinkev1.Assignment{Role: "manager", Holder: "user:" + id(i)}}}
		}, users),
	)
	return errors.Join(err, e.Close())
}

// stream encodes and decodes at once, with nothing between but a pipe, and returns how much came through.
func stream(users int, each func()) (changes, documents int, err error) {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := company(w, users)
		done <- errors.Join(err, w.CloseWithError(err))
	}()
	d := NewDecoder("big.yaml", r)
	for {
		a, err := d.Next()
		if errors.Is(err, io.EOF) {
			return changes, documents, <-done
		}
		if err != nil {
			return 0, 0, errors.Join(err, r.CloseWithError(err), <-done)
		}
		changes += len(a.Changes)
		documents++
		each()
	}
}

func TestLargeAccountInBoundedMemory(t *testing.T) {
	const users = 30_000 // held whole they take 49 MiB
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var most uint64
	changes, documents, err := stream(users, func() {
		runtime.GC()
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := 200 + 5*users; changes != want {
		t.Errorf("%d changes, want %d", changes, want)
	}
	grown := int64(most) - int64(before.HeapAlloc)
	t.Logf("%d documents, at most %d MiB live", documents, grown>>20)
	if grown > 24<<20 {
		t.Errorf("%d MiB are live, more than a few documents", grown>>20)
	}
}

func BenchmarkDecode(b *testing.B) {
	const users = 100_000
	var file bytes.Buffer
	if err := company(&file, users); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(file.Len()))
	for b.Loop() {
		d := NewDecoder("big.yaml", bytes.NewReader(file.Bytes()))
		for {
			_, err := d.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(users)*float64(b.N)/b.Elapsed().Seconds(), "users/s")
}

func BenchmarkEncode(b *testing.B) {
	const users = 100_000
	for b.Loop() {
		if err := company(io.Discard, users); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(users)*float64(b.N)/b.Elapsed().Seconds(), "users/s")
}
