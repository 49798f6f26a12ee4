package bolt

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/klinke-authz/klinke/store"
)

// Options say how a store is opened. The zero Options are good.
type Options struct {
	// Logger hears of failed commits and of what the sweeper freed. Nil for none.
	Logger *slog.Logger
}

// Store is a store on a bbolt file.
type Store struct {
	db       *bbolt.DB
	log      *slog.Logger
	identity string // of the commit order

	queue queue

	// The committer's own.
	last    store.Position // the last position given
	tenants int            // how many there are
	broken  error          // the failed commit, which ends all edits

	committing sync.Mutex    // held during a commit
	durable    atomic.Uint64 // the newest transaction that the disk has

	making sync.Mutex      // guards made
	made   map[string]bool // the trash keys of checkpoints in the making, which the sweeper leaves alone

	sweep   chan struct{} // of capacity 1: there is something to sweep
	stop    chan struct{} // closed by Close
	owned   sync.WaitGroup
	closing sync.Once
	closed  error
}

var _ store.Store = (*Store)(nil)

// start starts the committer and the sweeper of a database that is ready.
func start(db *bbolt.DB, known identification, log *slog.Logger) (*Store, error) {
	s := &Store{
		db: db, log: log, identity: known.identity, last: known.last,
		made:  make(map[string]bool),
		sweep: make(chan struct{}, 1),
		stop:  make(chan struct{}),
	}
	s.queue.change.L = &s.queue.mu
	tx, err := db.Begin(false)
	if err != nil {
		return nil, err
	}
	s.durable.Store(uint64(tx.ID()))
	s.tenants = countKeys(tx.Bucket(tenantsBucket))
	rollback(tx)
	s.owned.Go(s.commitAll)
	s.owned.Go(s.sweepAll)
	s.wakeSweeper() // for what a crash left
	return s, nil
}

// Close commits what waits, refuses what comes, and closes the file. Closing again returns the same.
func (s *Store) Close() error {
	s.closing.Do(func() {
		close(s.stop)
		s.queue.refuse(store.Closed())
		s.owned.Wait()
		s.closed = s.db.Close()
	})
	return s.closed
}
