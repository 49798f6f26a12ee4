// Package storetest is the store's contract as a suite: every implementation passes Run.
//
// Invariant. It asks only through the contract, and judges by the contract's words or by store/mem, never by an
// implementation's ways.
//
// Concurrency. Run is called like a test. Its parts use a place each, so they share nothing.
//
// Failure. What breaks the contract fails the test, with what was asked and answered.
package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// Opener opens the store at one place. It is called again after the store that it gave was closed, and finds what was kept.
type Opener func() (store.Store, error)

// Run holds an implementation to the contract. Each call of place gives a new, empty place.
func Run(t *testing.T, place func(t testing.TB) Opener) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, p *Place)
	}{
		{"tenants are made, listed and deleted", tenants},
		{"a tenant's lineage is new and positions are never reused", lineages},
		{"ids are 1 to 256 bytes, compared as bytes", ids},
		{"models have versions", models},
		{"append is behind the head, all or none", appends},
		{"entries come in pages", entries},
		{"a page is bounded in bytes", longPages},
		{"long entries are whole", longEntries},
		{"10,000 changes are one entry", manyChanges},
		{"request ids find their entries", requests},
		{"records are what the changes leave behind", records},
		{"records come in pages", recordPages},
		{"a checkpoint is loaded as it was kept", checkpoints},
		{"a compaction is whole or not at all", compactions},
		{"the floor drops entries and remembers requests", floors},
		{"a tenant made again has nothing of the former", madeAgain},
		{"all commits have one order", commits},
		{"a page of commits is bounded in bytes", longCommits},
		{"the order begins where the highest floor is", orderFloor},
		{"the moments that come are in their order", moments},
		{"nothing is shared with the caller", aliasing},
		{"a bad question is Invalid, a missing tenant NotFound", refusals},
		{"a closed store is Unavailable", closed},
		{"everything is there after reopening", reopened},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, newPlace(t, place(t))) })
	}
	t.Run("random edits leave what the model says", func(t *testing.T) { sequential(t, place) })
	t.Run("concurrent edits leave a history", func(t *testing.T) { concurrent(t, newPlace(t, place(t))) })
}

// Place is a place with its open store. Its methods fail the test.
type Place struct {
	store.Store
	t    testing.TB
	open Opener
}

func newPlace(t testing.TB, open Opener) *Place {
	p := &Place{t: t, open: open}
	p.reopen()
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return p
}

// reopen closes the store, if there is one, and opens it again.
func (p *Place) reopen() {
	p.t.Helper()
	if p.Store != nil {
		if err := p.Close(); err != nil {
			p.t.Fatalf("closing: %v", err)
		}
	}
	s, err := p.open()
	if err != nil {
		p.t.Fatalf("opening: %v", err)
	}
	p.Store = s
}

// create makes a tenant and returns its row.
func (p *Place) create(id string, changes ...*klinkev1.Change) store.Tenant {
	p.t.Helper()
	row, err := p.CreateTenant(id, entry(changes...))
	if err != nil {
		p.t.Fatalf("creating %q: %v", id, err)
	}
	return row
}

// add appends one entry and returns its position.
func (p *Place) add(id string, head store.Position, e *klinkev1.Entry) store.Position {
	p.t.Helper()
	at, err := p.Append(id, head, e)
	if err != nil {
		p.t.Fatalf("appending to %q behind %d: %v", id, head, err)
	}
	if store.Position(e.GetPosition()) != at || at <= head {
		p.t.Fatalf("appended behind %d at %d, and the entry says %d", head, at, e.GetPosition())
	}
	return at
}

// row returns a tenant's row, found by paging.
func (p *Place) row(id string) (store.Tenant, bool) {
	p.t.Helper()
	for _, row := range p.all() {
		if row.ID == id {
			return row, true
		}
	}
	return store.Tenant{}, false
}

// all lists all tenants, by pages of two.
func (p *Place) all() (rows []store.Tenant) {
	p.t.Helper()
	for after := ""; ; after = rows[len(rows)-1].ID {
		page, err := p.Tenants(after, 2)
		if err != nil {
			p.t.Fatalf("tenants after %q: %v", after, err)
		}
		if rows = append(rows, page...); len(page) == 0 {
			return rows
		}
	}
}

// history returns all entries after a position, by pages of a size.
func (p *Place) history(id string, after store.Position, size int) (all []*klinkev1.Entry) {
	p.t.Helper()
	for {
		page, err := p.Entries(id, after, size)
		if err != nil {
			p.t.Fatalf("entries of %q after %d: %v", id, after, err)
		}
		if len(page) == 0 {
			return all
		}
		if len(page) > size {
			p.t.Fatalf("asked for %d entries, got %d", size, len(page))
		}
		all = append(all, page...)
		after = store.Position(page[len(page)-1].GetPosition())
	}
}

// list returns all records of a kind, by pages of a size, and fails unless they come in key order.
func (p *Place) list(id string, kind klinkev1.RecordKind, size int) (all []*klinkev1.Record) {
	p.t.Helper()
	for q := (store.Query{Kind: kind, Limit: size}); ; {
		page, err := p.Records(id, q)
		if err != nil {
			p.t.Fatalf("records of %q: %v", id, err)
		}
		if len(page.Records) > size || len(page.Records) == 0 && page.Next != nil {
			p.t.Fatalf("asked for %d records, got %d, next %x", size, len(page.Records), page.Next)
		}
		all = append(all, page.Records...)
		if page.Next == nil {
			return all
		}
		if last := keyOf(all[len(all)-1]); last != string(page.Next) || last <= string(q.After) {
			p.t.Fatalf("behind %x, the page ends with %x and says that the next begins behind %x", q.After, last, page.Next)
		}
		q.After = page.Next
	}
}

// keyOf returns a record's key.
func keyOf(r *klinkev1.Record) string {
	kind, parts := policy.RecordKey(r)
	return string(policy.AppendKey(nil, kind, parts))
}

// epoch is when the suite's entries are made, unless a test says otherwise.
var epoch = time.Date(2026, 11, 2, 3, 4, 5, 678, time.UTC)

func entry(changes ...*klinkev1.Change) *klinkev1.Entry {
	return &klinkev1.Entry{Time: timestamppb.New(epoch), Author: "anna", Reason: "test", Changes: changes}
}

// request is an entry with a request id, made so long after the epoch.
func request(id string, later time.Duration, changes ...*klinkev1.Change) *klinkev1.Entry {
	e := entry(changes...)
	e.RequestId, e.RequestDigest = id, []byte("digest of "+id)
	e.Time = timestamppb.New(epoch.Add(later))
	return e
}

func user(id, label string) *klinkev1.Record {
	return &klinkev1.Record{Record: &klinkev1.Record_Subject{Subject: &klinkev1.Subject{
		Type: klinkev1.SubjectType_SUBJECT_TYPE_USER, Id: id, Label: label}}}
}

func member(group, holder string) *klinkev1.Record {
	return &klinkev1.Record{Record: &klinkev1.Record_GroupMember{GroupMember: &klinkev1.GroupMember{Group: group, Member: holder}}}
}

func put(r *klinkev1.Record) *klinkev1.Change {
	return &klinkev1.Change{Change: &klinkev1.Change_Put{Put: r}}
}

func del(r *klinkev1.Record) *klinkev1.Change {
	return &klinkev1.Change{Change: &klinkev1.Change_Delete{Delete: policy.KeyOnly(r)}}
}

const (
	subjects = klinkev1.RecordKind_RECORD_KIND_SUBJECT
	members  = klinkev1.RecordKind_RECORD_KIND_GROUP_MEMBER
)

// kindOf returns the kind of an error, or one that no error has.
func kindOf(err error) policy.Kind {
	if e, ok := errors.AsType[*policy.Error](err); ok {
		return e.Kind
	}
	return 255
}

// wantKind fails unless an error is a *policy.Error of a kind.
func wantKind(t testing.TB, what string, err error, kind policy.Kind) {
	t.Helper()
	var e *policy.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Errorf("%s: got %v, want an error of kind %d", what, err, kind)
	}
}

// sameMessages fails unless two lists of messages are equal.
func sameMessages[M proto.Message](t testing.TB, what string, got, want []M) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !proto.Equal(got[i], want[i]) {
			t.Fatalf("%s, at %d:\n got %s\nwant %s", what, i, short(got[i]), short(want[i]))
		}
	}
}

// short prints the beginning of something that may be long.
func short(v any) string { return fmt.Sprintf("%.500s", fmt.Sprint(v)) }

func name(prefix string, i int) string { return fmt.Sprintf("%s%05d", prefix, i) }
