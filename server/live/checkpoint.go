package live

import (
	"github.com/klinke-authz/klinke/store"
)

// When a checkpoint is due: the tail of the log behind it exceeds these, and a tenth of the tenant's size. At close, smaller
// tails are worth one, since the next start is sure to come.
const (
	tailEntries      = 2_000
	tailChanges      = 20_000
	closeTailEntries = 100
	closeTailChanges = 1_000
)

// checkpointIfDue begins a checkpoint of the present state beside the writer, when the tail has grown long.
func (t *tenant) checkpointIfDue() {
	s := t.state.Load()
	t.mu.Lock()
	defer t.mu.Unlock()
	tail, tenth := s.sum.less(t.attempted), s.Snapshot.Size()/10
	if t.checkpointing || (tail.entries <= max(tailEntries, tenth) && tail.changes <= max(tailChanges, tenth)) {
		return
	}
	t.checkpoints.Add(1)
	begun := t.ts.start(func() {
		defer t.checkpoints.Done()
		t.checkpoint(s)
	})
	if !begun {
		t.checkpoints.Done()
		return
	}
	t.checkpointing, t.attempted = true, s.sum
}

// checkpoint keeps a state. A failure costs only time at the next load: it is logged, and tried again when the tail has
// grown as long again.
func (t *tenant) checkpoint(s *State) {
	err := t.ts.store.Compact(t.id, store.Compaction{At: s.Position, Chunks: s.Snapshot.Checkpoint()})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.checkpointing = false
	if err != nil {
		t.ts.log.Warn("a checkpoint could not be kept", "tenant", t.id, "revision", s.Revision, "error", err)
		return
	}
	t.kept = s.sum
}

// checkpointAtClose runs when nothing else does.
func (t *tenant) checkpointAtClose() {
	s := t.state.Load()
	if s == nil {
		return
	}
	tail := s.sum.less(t.kept)
	if tail.entries > closeTailEntries || tail.changes > closeTailChanges {
		t.checkpoint(s)
	}
}
