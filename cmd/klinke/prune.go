package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"iter"
	"slices"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// keys is a set of records' keys, 16 bytes each.
type keys struct {
	list   [][16]byte
	sorted bool
}

func keyOf(r *klinkev1.Record) [16]byte {
	kind, parts := policy.RecordKey(r)
	sum := sha256.Sum256(policy.AppendKey(nil, kind, parts))
	return [16]byte(sum[:16])
}

func (k *keys) addChanges(changes []*klinkev1.Change) {
	for _, c := range changes {
		k.list = append(k.list, keyOf(c.GetPut()))
	}
	k.sorted = false
}

func (k *keys) has(r *klinkev1.Record) bool {
	order := func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) }
	if !k.sorted {
		slices.SortFunc(k.list, order)
		k.sorted = true
	}
	_, found := slices.BinarySearchFunc(k.list, keyOf(r), order)
	return found
}

// ofModel are the kinds of record that speak the model's words, and that no other record needs. Those that go are deleted
// before the tenant moves to a model that may not know their words: a write that moves begins with the move.
func ofModel() []klinkev1.RecordKind {
	return []klinkev1.RecordKind{
		klinkev1.RecordKind_RECORD_KIND_LISTED_NUMBER,
		klinkev1.RecordKind_RECORD_KIND_LIMIT,
		klinkev1.RecordKind_RECORD_KIND_CEILING,
		klinkev1.RecordKind_RECORD_KIND_OBJECT_GRANT,
		klinkev1.RecordKind_RECORD_KIND_ASSIGNMENT,
		klinkev1.RecordKind_RECORD_KIND_CELL,
		klinkev1.RecordKind_RECORD_KIND_SETTING,
	}
}

// pruneRest deletes what neither the file nor the model's factory roles and assignments name, so that the tenant becomes
// what it would be if it were made from the file. While nothing was written yet, the deletions join the file's own changes
// in one write, with the edges that could close a circle with new ones first; only what another version of the model may
// not know goes in a write before it.
func (a *applier) pruneRest(ctx context.Context, t *target, named keys, w *writer) error {
	if !t.exists {
		return nil // it holds what its model gave it, and the file
	}
	compiled, err := policy.Compile(t.model, t.version)
	if err != nil {
		return err
	}
	named.addChanges(compiled.Factory())
	puts := w.take()
	edges := []klinkev1.RecordKind{klinkev1.RecordKind_RECORD_KIND_ROLE_INCLUDE, klinkev1.RecordKind_RECORD_KIND_GROUP_MEMBER}
	var rest []klinkev1.RecordKind
	for _, kind := range slices.Backward(account.Kinds()) {
		if !slices.Contains(edges, kind) {
			rest = append(rest, kind)
		}
	}
	if w.writes > 0 {
		if err := w.add(ctx, puts...); err != nil {
			return err
		}
		puts = nil
	}
	var move []*klinkev1.Change
	if len(puts) > 0 && puts[0] == t.move { // before all else, since it says what cells may say
		move, puts = puts[:1], puts[1:]
	}
	if move != nil {
		if err := a.deleteSurplus(ctx, t, &named, w, ofModel()); err != nil {
			return err
		}
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	if err := w.add(ctx, move...); err != nil {
		return err
	}
	if err := a.deleteSurplus(ctx, t, &named, w, edges); err != nil {
		return err
	}
	if err := w.add(ctx, puts...); err != nil {
		return err
	}
	return a.deleteSurplus(ctx, t, &named, w, rest)
}

// take returns what waits to be written, which it no longer does.
func (w *writer) take() []*klinkev1.Change {
	out := w.pending
	w.pending, w.bytes = nil, 0
	return out
}

func (a *applier) deleteSurplus(ctx context.Context, t *target, named *keys, w *writer, kinds []klinkev1.RecordKind) error {
	for _, kind := range kinds {
		surplus := func(yield func(*klinkev1.Record, error) bool) {
			for r, err := range a.r.records(ctx, t.id, kind, nil) {
				if (err != nil || !named.has(r)) && !yield(r, err) {
					return
				}
			}
		}
		if kind == klinkev1.RecordKind_RECORD_KIND_DEPARTMENT || kind == klinkev1.RecordKind_RECORD_KIND_ROLE {
			var err error
			if surplus, err = childrenFirst(surplus); err != nil {
				return err
			}
		}
		for r, err := range surplus {
			if err == nil {
				err = w.add(ctx, &klinkev1.Change{Change: &klinkev1.Change_Delete{Delete: policy.KeyOnly(r)}})
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// childrenFirst sorts departments or roles so that none is deleted while it is above another.
func childrenFirst(records iter.Seq2[*klinkev1.Record, error]) (iter.Seq2[*klinkev1.Record, error], error) {
	parents := map[string]string{}
	var all []*klinkev1.Record
	id := func(r *klinkev1.Record) string { return r.GetDepartment().GetId() + r.GetRole().GetId() } // one of the two
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		parents[id(r)] = r.GetDepartment().GetParent() + r.GetRole().GetUnder()
		all = append(all, r)
	}
	depth := func(r *klinkev1.Record) int {
		n := 0
		for at := id(r); at != "" && n <= policy.MaxDepth; at = parents[at] {
			n++
		}
		return n
	}
	slices.SortStableFunc(all, func(a, b *klinkev1.Record) int { return depth(b) - depth(a) })
	return func(yield func(*klinkev1.Record, error) bool) {
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}, nil
}
