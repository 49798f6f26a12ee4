package server

import (
	"hash/maphash"
	"strings"
	"sync"

	"github.com/klinke-authz/klinke/policy/dial"
)

// The size of the cache of normalised numbers: at most shards × 2 × generation numbers, each of at most cachedBytes; about
// 10 MB.
const (
	numberShards     = 16
	numberGeneration = 2048
	cachedBytes      = 64
)

// numbers keeps what reading a number cost 20 µs to learn. A number is read by a plan, which changes whenever the tenant's
// sites or model do, so nothing ever becomes stale; what old plans knew is pushed out by what is asked now.
type numbers struct {
	seed   maphash.Seed
	shards [numberShards]numberShard
}

// numberShard has two generations. What is asked lives in the young one; when that is full, it becomes the old one, and
// what was old is forgotten.
type numberShard struct {
	mu         sync.Mutex
	young, old map[dialled]dial.Number
}

type dialled struct {
	plan      *dial.Plan
	site, raw string
}

func newNumbers() *numbers { return &numbers{seed: maphash.MakeSeed()} }

// normalise is plan.Normalise, remembered.
func (n *numbers) normalise(plan *dial.Plan, site, raw string) dial.Number {
	if len(raw) > cachedBytes || len(site) > cachedBytes {
		return plan.Normalise(site, raw)
	}
	key := dialled{plan, site, raw}
	s := &n.shards[maphash.String(n.seed, raw)%numberShards]
	s.mu.Lock()
	number, ok := s.young[key]
	if !ok {
		if number, ok = s.old[key]; ok {
			s.put(key, number)
		}
	}
	s.mu.Unlock()
	if ok {
		return number
	}
	key.site, key.raw = strings.Clone(site), strings.Clone(raw) // they may be parts of a long message
	number = plan.Normalise(key.site, key.raw)
	s.mu.Lock()
	s.put(key, number)
	s.mu.Unlock()
	return number
}

// put needs the lock.
func (s *numberShard) put(key dialled, number dial.Number) {
	if s.young == nil || len(s.young) >= numberGeneration {
		s.old, s.young = s.young, make(map[dialled]dial.Number)
	}
	s.young[key] = number
}
