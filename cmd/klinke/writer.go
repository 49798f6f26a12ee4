package main

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// What one write of apply carries at most: well below what the server takes.
const (
	chunkChanges = 5000
	chunkBytes   = 3 << 20
)

// sink is where changes go: a server, or a rehearsal.
type sink interface {
	write(ctx context.Context, changes []*klinkev1.Change) (written, error)
}

// written is what a write did.
type written struct {
	changes  []*klinkev1.Change // those that changed something, with the deletions that they brought about
	revision string             // empty in a rehearsal
}

// remoteSink writes to a tenant of a server. Each write has a request id of its own, so that gRPC may repeat it. The ids
// are of this run and not made of the content: a file that is applied again must be put again, whatever was changed in
// between, and what is there already makes no entry anyway.
type remoteSink struct {
	a      *applier
	tenant string
}

func (s *remoteSink) write(ctx context.Context, changes []*klinkev1.Change) (written, error) {
	s.a.writes++
	out, err := s.a.r.Write(ctx, &klinkev1.WriteRequest{
		Tenant:    s.tenant,
		Changes:   changes,
		RequestId: fmt.Sprintf("apply-%s-%d", s.a.run, s.a.writes),
		Reason:    s.a.reason,
		Author:    s.a.author,
	})
	if out.GetShortened() { // by what it brought about: then all that was sent counts
		return written{changes, out.GetRevision()}, err
	}
	return written{out.GetEntry().GetChanges(), out.GetRevision()}, err
}

// writer gathers changes into writes.
type writer struct {
	to       sink
	note     func(format string, args ...any)
	progress *progress
	tally    tally
	chunk    int // changes in one write; 0 for chunkChanges
	load     int // the percentage of the time in which the server may be at a write; 0 for all of it

	pending  []*klinkev1.Change
	bytes    int
	rest     time.Duration // before the next write
	writes   int
	revision string
}

// add takes changes, and writes when there are enough.
func (w *writer) add(ctx context.Context, changes ...*klinkev1.Change) error {
	for _, c := range changes {
		size := proto.Size(c) + 8
		if len(w.pending) == cmp.Or(w.chunk, chunkChanges) || len(w.pending) > 0 && w.bytes+size > chunkBytes {
			if err := w.flush(ctx); err != nil {
				return err
			}
		}
		w.pending = append(w.pending, c)
		w.bytes += size
	}
	return nil
}

// flush writes what was gathered.
func (w *writer) flush(ctx context.Context) error {
	if len(w.pending) == 0 {
		return nil
	}
	if err := pause(ctx, w.rest); err != nil {
		return err
	}
	begun := time.Now()
	out, err := w.to.write(ctx, w.pending)
	if w.load > 0 {
		w.rest = time.Since(begun) * time.Duration(100-w.load) / time.Duration(w.load)
	}
	if err != nil {
		w.point(err)
		return err
	}
	w.tally.count(w.pending, out.changes)
	w.progress.add(len(w.pending))
	w.writes++
	if out.revision != "" {
		w.revision = out.revision
	}
	w.pending, w.bytes = nil, 0
	return nil
}

// pause waits, unless the context ends first.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// point shows the change that an error names by its place in the write, which only this program knows.
func (w *writer) point(err error) {
	m := regexp.MustCompile(`changes\[(\d+)\]`).FindStringSubmatch(err.Error())
	if m == nil {
		return
	}
	if i, e := strconv.Atoi(m[1]); e == nil && i < len(w.pending) {
		if b, e := stableJSON(w.pending[i]); e == nil {
			w.note("changes[%d] is %s", i, b)
		}
	}
}

// sitesInOrder puts the default site behind the others: the former one must cease to be it first.
func sitesInOrder(changes []*klinkev1.Change) []*klinkev1.Change {
	isSite := func(c *klinkev1.Change) bool { return c.GetPut().GetSite() != nil }
	begin := slices.IndexFunc(changes, isSite)
	if begin < 0 {
		return changes
	}
	end := begin
	for end < len(changes) && isSite(changes[end]) {
		end++
	}
	slices.SortStableFunc(changes[begin:end], func(a, b *klinkev1.Change) int {
		rank := func(c *klinkev1.Change) int {
			if c.GetPut().GetSite().GetDefault() {
				return 1
			}
			return 0
		}
		return rank(a) - rank(b)
	})
	return changes
}
