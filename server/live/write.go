package live

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// maxReason is how many bytes of reason the log keeps of a write.
const maxReason = 4096

// Write is one write to a tenant.
type Write struct {
	// Changes are applied in order, all or none. They must not be changed afterwards.
	Changes []*klinkev1.Change
	// RequestID makes the write repeatable: the same id with the same changes, reason and author is answered with the first
	// answer. Empty for none. A write that changed nothing leaves nothing behind, so its id is not remembered.
	RequestID string
	// Expected is the revision at which the tenant must still be; empty for any.
	Expected string
	// Reason (at most 4,096 bytes), Author and Caller (identifiers, of at most 256) go into the log.
	Reason, Author, Caller string
	// ValidateOnly asks what the write would do.
	ValidateOnly bool
}

// Written is what a write did.
type Written struct {
	// Revision is the tenant's after the write; the present one when nothing changed.
	Revision string
	// Entry is what the write left in the log, to be read only; nil when nothing changed. Its position is 0 when the write
	// was only validated.
	Entry *klinkev1.Entry
	// Repeated says that the request id had been answered before.
	Repeated bool
}

// pending is a write, or an erasure, on its way through the writer.
type pending struct {
	ctx    context.Context
	write  Write
	digest []byte
	erase  *erasure // instead of a write

	// The writer's notes: the answer, and how many entries of its group the answer rests on.
	out    Written
	err    error
	behind int

	done chan struct{} // closed when out and err are final
}

func (p *pending) fail(err error) {
	p.out, p.err = Written{}, err
	close(p.done)
}

// Write makes a write and returns when it is durable and visible. Errors: NotFound for the tenant; Invalid, Refused and
// TooLarge as Apply says; Conflict when the expected revision has passed or the request id was used for other content;
// Gone for a revision of another lineage; Unavailable when the store failed. When the context ends first, the write may
// still happen: repeat it with its request id to learn.
func (ts *Tenants) Write(ctx context.Context, id string, w Write) (Written, error) {
	if err := checkTexts(map[string]string{
		"request_id": w.RequestID, "reason": w.Reason, "author": w.Author, "caller": w.Caller,
	}); err != nil {
		return Written{}, err
	}
	p := &pending{ctx: ctx, write: w, done: make(chan struct{})}
	if w.RequestID != "" {
		var err error
		if p.digest, err = digest(w); err != nil {
			return Written{}, err
		}
	}
	if err := ts.queue(ctx, id, p); err != nil {
		return Written{}, err
	}
	return p.out, p.err
}

// checkTexts refuses what an entry cannot hold, so that no write spoils the append of its group.
func checkTexts(byField map[string]string) error {
	for field, text := range byField {
		most := policy.MaxIDBytes
		if field == "reason" {
			most = maxReason
		}
		if len(text) > most {
			return policy.Errorf(policy.Invalid, field, "%d bytes; at most %d are legal", len(text), most)
		}
		if !utf8.ValidString(text) {
			return policy.Errorf(policy.Invalid, field, "the text is not UTF-8")
		}
		if field == "reason" || text == "" {
			continue
		}
		if err := policy.CheckID(text); err != nil {
			return policy.Errorf(policy.Invalid, field, "%v", err)
		}
	}
	return nil
}

// queue brings a pending to the tenant's writer and waits for its end, or the context's.
func (ts *Tenants) queue(ctx context.Context, id string, p *pending) error {
	for {
		t, err := ts.get(ctx, id)
		if err != nil {
			return err
		}
		if t.enqueue(p) {
			break
		}
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// digest tells a repeated request from a reused id.
func digest(w Write) ([]byte, error) {
	content := &klinkev1.WriteRequest{Changes: w.Changes, Reason: w.Reason, Author: w.Author}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(content)
	if err != nil {
		return nil, policy.Errorf(policy.Invalid, "changes", "a text is not valid UTF-8")
	}
	sum := sha256.Sum256(b)
	return sum[:], nil
}

// group is what one append will carry: writes applied one after another on the newest snapshot.
type group struct {
	base     *State
	snapshot *policy.Snapshot
	time     time.Time
	entries  []*klinkev1.Entry
	changes  int
	ids      map[string]*klinkev1.Entry // by request id
}

// commit applies a group, appends it, publishes what came out, and answers.
func (t *tenant) commit(waiting []*pending) {
	base := t.state.Load()
	g := &group{base: base, snapshot: base.Snapshot, time: base.Time}
	for _, p := range waiting {
		p.err = t.join(g, p)
		p.behind = len(g.entries)
	}
	if len(g.entries) > 0 {
		last, err := t.ts.store.Append(t.id, base.Position, g.entries...)
		if err != nil {
			t.giveUp(waiting, err)
			return
		}
		t.publish(base.next(g.snapshot, last, g.time, tally{len(g.entries), g.changes}), g.entries)
		t.checkpointIfDue()
	}
	for _, p := range waiting {
		p.answer(g)
	}
}

// join applies one write on top of those before it. An error is the write's alone.
func (t *tenant) join(g *group, p *pending) error {
	if err := p.ctx.Err(); err != nil {
		return err // nobody waits for it any more
	}
	if known, err := t.request(g, p.write.RequestID); err != nil {
		return err
	} else if known != nil {
		if !bytes.Equal(known.GetRequestDigest(), p.digest) {
			return policy.Errorf(policy.Conflict, "request_id", "this id was used for a write with other content; choose a new one")
		}
		p.out = Written{Entry: known, Repeated: true}
		return nil
	}
	if p.write.Expected != "" {
		at, err := g.base.position(p.write.Expected, "expected_revision")
		if err != nil {
			return err
		}
		if len(g.entries) > 0 || at != g.base.Position {
			return policy.Errorf(policy.Conflict, "expected_revision", "the tenant is no longer at this revision; read again, and decide again")
		}
	}
	now := notBefore(time.Now(), g.time)
	out, err := t.ts.apply(g.snapshot, p.write.Changes, now)
	if err != nil || len(out.Changes) == 0 {
		return err
	}
	entry := &klinkev1.Entry{
		Time:          timestamppb.New(now),
		Author:        p.write.Author,
		Caller:        p.write.Caller,
		Reason:        p.write.Reason,
		RequestId:     p.write.RequestID,
		RequestDigest: p.digest,
		Changes:       out.Changes,
		Footprint:     out.Footprint,
		Effects:       out.Effects,
	}
	p.out.Entry = entry
	if p.write.ValidateOnly {
		return nil
	}
	g.snapshot, g.time = out.Next, now
	g.entries = append(g.entries, entry)
	g.changes += len(out.Changes)
	if p.write.RequestID != "" {
		if g.ids == nil {
			g.ids = make(map[string]*klinkev1.Entry)
		}
		g.ids[p.write.RequestID] = entry
	}
	return nil
}

// request returns the entry that a request id made, in this group or before; nil for none.
func (t *tenant) request(g *group, id string) (*klinkev1.Entry, error) {
	if id == "" {
		return nil, nil
	}
	if e := g.ids[id]; e != nil {
		return e, nil
	}
	return t.ts.store.Request(t.id, id)
}

// answer completes a pending of a group that is durable.
func (p *pending) answer(g *group) {
	if p.err != nil {
		p.fail(p.err)
		return
	}
	switch {
	case p.out.Repeated:
		p.out.Revision = FormatRevision(g.base.Lineage, position(p.out.Entry))
	case p.behind > 0:
		p.out.Revision = FormatRevision(g.base.Lineage, position(g.entries[p.behind-1]))
	default:
		p.out.Revision = g.base.Revision
	}
	close(p.done)
}

// giveUp drops the tenant after a failed append: what the disk has is unknown. Everybody who waits is told so.
func (t *tenant) giveUp(waiting []*pending, cause error) {
	t.ts.log.Error("an append failed; the tenant is dropped until its next use", "tenant", t.id, "error", cause)
	answer := &policy.Error{
		Kind:    policy.Unavailable,
		Message: "the store did not take the write; repeat it, with a request_id, to learn whether it happened",
		Cause:   cause,
	}
	t.ts.drop(t)
	t.retire(answer)
	for _, p := range waiting {
		p.fail(answer)
	}
}

// apply is policy.Apply. Should it break its promise and panic, the one write fails, not the server.
func (ts *Tenants) apply(s *policy.Snapshot, changes []*klinkev1.Change, now time.Time) (out *policy.Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, &policy.Error{
				Kind:    policy.Internal,
				Message: "applying the changes failed unexpectedly; nothing was changed",
				Cause:   fmt.Errorf("panic: %v\n%s", p, debug.Stack()),
			}
		}
	}()
	return policy.Apply(s, changes, ts.stamp(now))
}
