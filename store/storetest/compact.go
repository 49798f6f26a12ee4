package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// chunksOf hands chunks in memory that it uses again, as a caller may.
func chunksOf(chunks ...string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var memory []byte
		for _, c := range chunks {
			memory = append(memory[:0], c...)
			if !yield(memory, nil) {
				return
			}
		}
	}
}

func compact(t testing.TB, p *Place, id string, at, floor store.Position, chunks ...string) {
	t.Helper()
	if err := p.Compact(id, store.Compaction{At: at, Floor: floor, Chunks: chunksOf(chunks...)}); err != nil {
		t.Fatalf("compacting %q at %d to %d: %v", id, at, floor, err)
	}
}

// load returns a tenant's checkpoint. It spoils the chunks' memory after looking, which it may.
func load(t testing.TB, p *Place, id string) (store.Position, []string) {
	t.Helper()
	var chunks []string
	row, at, err := p.Load(id, func(c []byte) error {
		chunks = append(chunks, string(c))
		clear(c)
		return nil
	})
	if err != nil {
		t.Fatalf("loading %q: %v", id, err)
	}
	if want, _ := p.row(id); row != want {
		t.Errorf("loaded %+v, listed %+v", row, want)
	}
	return at, chunks
}

func wantCheckpoint(t testing.TB, p *Place, id string, at store.Position, chunks ...string) {
	t.Helper()
	if got, found := load(t, p, id); got != at || fmt.Sprint(found) != fmt.Sprint(chunks) || len(found) != len(chunks) {
		t.Errorf("the checkpoint of %q is at %d with %d chunks, want %d with %d", id, got, len(found), at, len(chunks))
	}
}

func checkpoints(t *testing.T, p *Place) {
	head := p.create("t").Head
	wantCheckpoint(t, p, "t", 0)
	compact(t, p, "t", head, 0, "one", "", "three")
	wantCheckpoint(t, p, "t", head, "one", "", "three")
	next := p.add("t", head, entry())
	compact(t, p, "t", next, 0)
	wantCheckpoint(t, p, "t", next)
	compact(t, p, "t", next, 0, "again, at the same position")
	wantCheckpoint(t, p, "t", next, "again, at the same position")
	var long []string
	for i := range 40 {
		long = append(long, strings.Repeat(string(rune('A'+i)), store.ChunkBytes-i))
	}
	next = p.add("t", next, entry())
	compact(t, p, "t", next, 0, long...)
	wantCheckpoint(t, p, "t", next, long...)
	p.reopen()
	wantCheckpoint(t, p, "t", next, long...)
	compact(t, p, "t", next, 0, "short")
	wantCheckpoint(t, p, "t", next, "short")
	// The caller's error ends the call.
	mine := errors.New("enough")
	if _, _, err := p.Load("t", func([]byte) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("the caller's error came back as %v", err)
	}
	if got := p.history("t", 0, 10); len(got) != 3 {
		t.Errorf("without a floor the log keeps its 3 entries; it has %d", len(got))
	}
}

func compactions(t *testing.T, p *Place) {
	first := p.create("t").Head
	gap := p.create("other").Head
	second := p.add("t", first, entry())
	third := p.add("t", second, entry())
	compact(t, p, "t", second, first, "good")
	mine := errors.New("no more")
	broken := func(n int, size int) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for range n {
				if !yield(bytes.Repeat([]byte("x"), size), nil) {
					return
				}
			}
			yield(nil, mine)
		}
	}
	for _, n := range []int{0, 1, 30} {
		err := p.Compact("t", store.Compaction{At: third, Floor: second, Chunks: broken(n, store.ChunkBytes)})
		if !errors.Is(err, mine) {
			t.Errorf("after %d chunks: %v", n, err)
		}
		wantCheckpoint(t, p, "t", second, "good")
	}
	for what, c := range map[string]store.Compaction{
		"a chunk that is too long":               {At: third, Chunks: broken(2, store.ChunkBytes+1)},
		"no position":                            {At: 0, Chunks: chunksOf()},
		"no content":                             {At: third},
		"a position of another tenant":           {At: gap, Chunks: chunksOf()},
		"a position below the checkpoint":        {At: first, Chunks: chunksOf()},
		"a position that is not there yet":       {At: third + 1, Chunks: chunksOf()},
		"a floor above the checkpoint to be":     {At: second, Floor: third, Chunks: chunksOf()},
		"a floor that is the checkpoint's":       {At: third, Floor: third, Chunks: chunksOf()},
		"the same, though the floor is an entry": {At: second, Floor: second + 1, Chunks: chunksOf()},
	} {
		wantKind(t, what, p.Compact("t", c), policy.Invalid)
	}
	wantKind(t, "a missing tenant", p.Compact("nobody", store.Compaction{At: 1, Chunks: chunksOf()}), policy.NotFound)
	if row, _ := p.row("t"); row.Floor != first || row.Head != third {
		t.Errorf("after refused compactions the row is %+v", row)
	}
	wantCheckpoint(t, p, "t", second, "good")
	// The store waits for chunks without a lock: edits go on, and a checkpoint that is overtaken gives way.
	err := p.Compact("t", store.Compaction{At: second, Chunks: func(yield func([]byte, error) bool) {
		third = p.add("t", third, entry())
		compact(t, p, "t", third, 0, "newer")
		yield([]byte("older"), nil)
	}})
	wantKind(t, "an overtaken checkpoint", err, policy.Conflict)
	wantCheckpoint(t, p, "t", third, "newer")
	err = p.Compact("t", store.Compaction{At: third, Chunks: func(yield func([]byte, error) bool) {
		if err := p.DeleteTenant("t", 0); err != nil {
			t.Error(err)
		}
		p.create("t")
		yield([]byte("of the former"), nil)
	}})
	wantKind(t, "the checkpoint of a former tenant", err, policy.NotFound)
	wantCheckpoint(t, p, "t", 0)
}

func floors(t *testing.T, p *Place) {
	head := p.create("t").Head
	var all []*klinkev1.Entry
	// Ten entries, three hours apart; the even ones have request ids, and some are long.
	for i := range 10 {
		e := request("", time.Duration(i)*3*time.Hour, put(user(name("u", i), strings.Repeat("l", i%4*store.ChunkBytes))))
		if i%2 == 0 {
			e.RequestId = name("r", i)
		}
		head = p.add("t", head, e)
		all = append(all, e)
	}
	at := func(i int) store.Position { return store.Position(all[i].GetPosition()) }
	check := func(floor int, forgotten ...int) {
		t.Helper()
		row, _ := p.row("t")
		if row.Floor != at(floor) || row.Head != head {
			t.Errorf("the row is %+v, the floor should be %d", row, at(floor))
		}
		_, err := p.Entries("t", at(floor)-1, 10)
		wantKind(t, "entries below the floor", err, policy.Gone)
		sameMessages(t, "entries above the floor", p.history("t", at(floor), 3), all[floor+1:])
		for i, made := range all {
			if made.GetRequestId() != name("r", i) {
				continue
			}
			e, err := p.Request("t", name("r", i))
			gone := false
			for _, f := range forgotten {
				gone = gone || f == i
			}
			if err != nil || (e == nil) != gone || e != nil && e.GetPosition() != all[i].GetPosition() {
				t.Errorf("floor %d: request %d is %v, %v; forgotten: %t", floor, i, e, err, gone)
			}
		}
		if got := p.list("t", subjects, 100); len(got) != len(all) {
			t.Errorf("there are %d records, want %d: the floor leaves them", len(got), len(all))
		}
	}
	compact(t, p, "t", at(5), at(4), "five")
	check(4, 0) // 27 hours before the newest; the next, 21 hours before, is remembered
	compact(t, p, "t", at(6), at(2), "a lower floor does nothing")
	check(4, 0)
	p.reopen()
	check(4, 0)
	// Exactly 24 hours before the newest is remembered, a nanosecond more is not.
	e := request("", 30*time.Hour, put(user(name("u", 10), "")))
	head = p.add("t", head, e)
	all = append(all, e)
	compact(t, p, "t", head, 0, "no floor, but old requests are below the old one")
	check(4, 0)
	e = request("late", 30*time.Hour+1, put(user(name("u", 11), "")))
	all = append(all, e)
	head = p.add("t", head, e)
	compact(t, p, "t", head, head-1, "everything but the newest")
	check(10, 0, 2)
	if e, err := p.Request("t", "late"); e == nil || err != nil {
		t.Errorf("the newest entry's request: %v, %v", e, err)
	}
	compact(t, p, "t", head, head-1, "the same position, and the floor that is there")
	wantCheckpoint(t, p, "t", head, "the same position, and the floor that is there")
	// Behind the floor life goes on.
	all = append(all, entry(put(user(name("u", 12), ""))))
	head = p.add("t", head, all[12])
	check(10, 0, 2)
}
