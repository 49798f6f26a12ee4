package bolt

import (
	"errors"
	"runtime/debug"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/store"
)

// maxWork bounds the edits that share a transaction: about so many keys, or KiB, written. bbolt's cost a key rises beyond
// 100,000, and everybody waits for the whole.
const maxWork = 50_000

// edit is one caller's part of a transaction.
type edit struct {
	// work is about how many keys, and KiB, it writes.
	work int
	// apply makes the edit. It checks before it writes: a *policy.Error refuses the edit and says that nothing was
	// written; any other error is bbolt's and spoils the transaction. It may be run again, on another transaction.
	apply func(b *batch) error
	err   error      // apply's refusal
	done  chan error // of capacity 1
}

// batch is a transaction in the making.
type batch struct {
	tx   *bbolt.Tx
	last store.Position // the last position given
	// tenants is how many there are.
	tenants int
}

// bucket returns a bucket that every file has.
func (b *batch) bucket(name []byte) *bbolt.Bucket { return b.tx.Bucket(name) }

// queue holds the edits that wait for the committer.
type queue struct {
	mu      sync.Mutex
	change  sync.Cond // on mu: edits or refusal changed
	edits   []*edit
	refusal error // why no more edits are taken; nil while they are
}

// put queues an edit, or says why not.
func (q *queue) put(e *edit) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refusal != nil {
		return q.refusal
	}
	q.edits = append(q.edits, e)
	q.change.Signal()
	return nil
}

// take waits until there are edits, and takes them up to maxWork, but at least one. None are left for ever when it
// returns none.
func (q *queue) take() []*edit {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.edits) == 0 && q.refusal == nil {
		q.change.Wait()
	}
	n, work := 0, 0
	for n < len(q.edits) && (n == 0 || work+q.edits[n].work <= maxWork) {
		work += q.edits[n].work
		n++
	}
	taken := q.edits[:n:n]
	if q.edits = q.edits[n:]; len(q.edits) == 0 {
		q.edits = nil // so that append does not hold on to the ones that are done
	}
	return taken
}

// refuse refuses all further edits, for the first reason given.
func (q *queue) refuse(why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refusal == nil {
		q.refusal = why
		q.change.Signal()
	}
}

// do makes an edit and returns when the disk has it, or why it was refused.
func (s *Store) do(work int, apply func(b *batch) error) error {
	e := &edit{work: work, apply: apply, done: make(chan error, 1)}
	if err := s.queue.put(e); err != nil {
		return err
	}
	return <-e.done
}

// commitAll is the committer: it commits what waits until the queue refuses and is empty.
func (s *Store) commitAll() {
	debug.SetPanicOnFault(true)
	for {
		edits := s.queue.take()
		if len(edits) == 0 {
			return
		}
		s.commit(edits)
	}
}

// commit commits edits together and answers them.
func (s *Store) commit(edits []*edit) {
	for len(edits) > 0 {
		if s.broken != nil {
			answer(edits, s.broken)
			return
		}
		spoiler, err := s.try(edits)
		switch {
		case err == nil:
			answer(edits, nil)
			return
		case spoiler >= 0:
			// Nothing was committed. The others are not to suffer for the one.
			if _, ok := errors.AsType[*policy.Error](err); !ok {
				err = &policy.Error{Kind: policy.Internal, Message: "the database refused an edit", Cause: err}
			}
			s.log.Error("an edit failed and was undone", "error", err)
			edits[spoiler].done <- err
			edits = append(edits[:spoiler:spoiler], edits[spoiler+1:]...)
		default:
			s.broken = &policy.Error{Kind: policy.Unavailable, Cause: err,
				Message: "writing to the database failed, so no more is written: look after the disk, then restart the server"}
			s.queue.refuse(s.broken)
			s.log.Error("a commit failed; edits are refused until the database is opened again", "error", err)
		}
	}
}

// answer tells the callers what became of their edits: what went wrong with all, or each one's own refusal.
func answer(edits []*edit, err error) {
	for _, e := range edits {
		if err != nil {
			e.done <- err
		} else {
			e.done <- e.err
		}
	}
}

// try commits edits in one transaction. When one of them spoils it, it returns its index; else -1. Nothing was committed
// if there is a spoiler, and it is unknown what was, if there is an error without one.
func (s *Store) try(edits []*edit) (spoiler int, err error) {
	spoiler = -1
	tx, err := s.db.Begin(true)
	if err != nil {
		return -1, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = damaged("%v", p)
		}
		if err != nil {
			rollback(tx)
		}
	}()
	b := &batch{tx: tx, last: s.last, tenants: s.tenants}
	refused := 0
	for i, e := range edits {
		spoiler = i // for the case of a panic
		e.err = e.apply(b)
		if _, ok := errors.AsType[*policy.Error](e.err); ok {
			refused++
		} else if e.err != nil {
			return i, e.err
		}
	}
	spoiler = -1
	if refused == len(edits) {
		return -1, tx.Rollback()
	}
	if b.last != s.last {
		if err := b.bucket(metaBucket).Put(positionKey, encodePosition(positionKey, b.last)); err != nil {
			return -1, err
		}
	}
	id := uint64(tx.ID())
	// Readers that meet the transaction before the disk has it wait on this lock.
	s.committing.Lock()
	defer s.committing.Unlock()
	if err := tx.Commit(); err != nil {
		return -1, err
	}
	s.last, s.tenants = b.last, b.tenants
	s.durable.Store(id)
	return -1, nil
}

// rollback undoes a transaction, also one that panicked.
func rollback(tx *bbolt.Tx) {
	defer func() { _ = recover() }() // the panic that brought us here is reported; a second one tells nothing more
	_ = tx.Rollback()
}

// view reads in one transaction, of what the disk has.
func (s *Store) view(read func(tx *bbolt.Tx) error) (err error) {
	tx, err := s.begin()
	if err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damaged("%v", p)
		}
		rollback(tx)
	}()
	return read(tx)
}

// begin begins a read transaction that sees only what the disk has.
func (s *Store) begin() (*bbolt.Tx, error) {
	tx, err := s.beginAny()
	if err != nil || uint64(tx.ID()) <= s.durable.Load() {
		return tx, err
	}
	// It sees a commit between its write and its sync. Without a commit under way, the newest is the durable one.
	rollback(tx)
	s.committing.Lock()
	tx, err = s.beginAny()
	s.committing.Unlock()
	if err != nil || uint64(tx.ID()) <= s.durable.Load() {
		return tx, err
	}
	rollback(tx)
	return nil, policy.Errorf(policy.Unavailable, "", "writing to the database failed half-way: look after the disk, then restart the server")
}

func (s *Store) beginAny() (*bbolt.Tx, error) {
	tx, err := s.db.Begin(false)
	if err != nil {
		return nil, &policy.Error{Kind: policy.Unavailable, Message: "the store is closed", Cause: err}
	}
	return tx, nil
}
