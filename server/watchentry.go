package server

import (
	"iter"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// partBytes is about how long a part of an entry may be: with what stands beside it, it fits what clients take.
const partBytes = 2 << 20

// filtered is the entry as this watcher gets it: with the changes of its kinds only; nil when there is nothing for it.
func (w *watch) filtered(e *klinkev1.Entry) *klinkev1.Entry {
	if w.kinds == nil {
		return e
	}
	var changes []*klinkev1.Change
	for _, c := range e.GetChanges() {
		r := c.GetPut()
		if r == nil {
			r = c.GetDelete()
		}
		if kind, _ := policy.RecordKey(r); w.kinds[kind] {
			changes = append(changes, c)
		}
	}
	switch {
	case len(changes) == len(e.GetChanges()) && len(changes) > 0:
		return e
	case len(changes) == 0 && w.in.GetWithoutFootprints():
		return nil
	}
	out := header(e)
	out.Changes, out.Footprint, out.Effects = changes, e.GetFootprint(), e.GetEffects()
	return out
}

// header is an entry without what it did.
func header(e *klinkev1.Entry) *klinkev1.Entry {
	return &klinkev1.Entry{
		Position: e.GetPosition(), Time: e.GetTime(), Author: e.GetAuthor(), Caller: e.GetCaller(), Reason: e.GetReason(),
		RequestId: e.GetRequestId(), RequestDigest: e.GetRequestDigest(), Passed: e.GetPassed(), NextBoundary: e.GetNextBoundary(),
	}
}

// parts cuts an entry that is too long for one message, and says of each part whether more follow.
func parts(e *klinkev1.Entry) iter.Seq2[*klinkev1.Entry, bool] {
	return func(yield func(*klinkev1.Entry, bool) bool) {
		if proto.Size(e) <= partBytes {
			yield(e, false)
			return
		}
		part, size := header(e), 0
		for _, c := range e.GetChanges() {
			n := proto.Size(c)
			if size > 0 && size+n > partBytes/2 {
				if !yield(part, true) {
					return
				}
				part, size = header(e), 0
			}
			part.Changes, size = append(part.Changes, c), size+n
		}
		part.Footprint, part.Effects = e.GetFootprint(), e.GetEffects()
		yield(part, false)
	}
}
