// Package world holds a model to what is expected of it: it makes the tenant of an account file in memory, asks the file's
// questions, and says how the answers differ from those that the file expects. `klinke test` and the tests of the presets
// are this package.
//
// Invariant: a question is answered as a server would answer it, by the same Prepare, Decide and Explain, at a moment that
// the file alone determines. So a world that passes today passes tomorrow. What a question does not state is not compared.
//
// Concurrency: a World never changes once it is read, and may be asked from any goroutine.
//
// Failure: what is wrong with a file, or with what it says of the tenant, is a *policy.Error that names file, line and
// column; nothing half-read is returned. An answer that is not as expected is no error but an Answer that did not pass.
package world

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/policy/account"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Moment is when a question is asked that does not say `at`. It is always the same, whatever the day.
func Moment() time.Time { return time.Date(2027, 1, 15, 8, 0, 0, 0, time.UTC) }

// World is an account with the answers that it expects.
type World struct {
	// Model is the compiled model that the account names.
	Model *policy.Model
	// Place is where the account begins.
	Place account.Place
	// Changes are what the file says, all documents of it, and Places where it says each.
	Changes []*klinkev1.Change
	Places  []account.Place
	// Questions are in the order of the file.
	Questions []Question
	// Snapshot is the tenant when all documents are applied.
	Snapshot *policy.Snapshot
}

// Question is one of the account's questions, with the tenant that it is asked about: as it is when the question's document
// is applied and the next one is not. So a later document can change something and ask again.
type Question struct {
	account.Question

	Snapshot *policy.Snapshot
}

// Read makes the tenant that an account file describes. models finds the model by the name and version that the file says
// (0: no version), compiled as that version, or as 1 when there is none.
func Read(file string, r io.Reader, models func(name string, version uint32) (*policy.Model, error)) (*World, error) {
	d := account.NewDecoder(file, r)
	w := &World{}
	at := policy.Stamp{Now: Moment(), Replay: true, Models: func(string, uint32) (*policy.Model, error) { return w.Model, nil }}
	for {
		doc, err := d.Next()
		if errors.Is(err, io.EOF) {
			return w, nil
		}
		if err == nil && w.Model == nil {
			err = w.begin(doc, models, at)
		}
		if err == nil {
			err = w.apply(doc.Changes, doc.Place, doc.Places, at)
		}
		if err != nil {
			return nil, err
		}
		w.Changes, w.Places = append(w.Changes, doc.Changes...), append(w.Places, doc.Places...)
		for _, q := range doc.Questions {
			w.Questions = append(w.Questions, Question{q, w.Snapshot})
		}
	}
}

// begin makes the empty tenant.
func (w *World) begin(doc *account.Account, models func(string, uint32) (*policy.Model, error), at policy.Stamp) error {
	w.Place = doc.Place
	if doc.Model == "" {
		return doc.Place.Errorf(policy.Invalid, "the account does not say which `model` it uses: without a server nobody else knows")
	}
	name, version, err := account.SplitModel(doc.Model)
	if err != nil {
		return err
	}
	if w.Model, err = models(name, version); err != nil {
		return err
	}
	w.Snapshot = policy.Empty()
	return w.apply(w.Model.Factory(), doc.Place, nil, at)
}

// apply puts changes that stand at places, or all of them at one.
func (w *World) apply(changes []*klinkev1.Change, place account.Place, places []account.Place, at policy.Stamp) error {
	out, err := policy.Apply(w.Snapshot, changes, at)
	if err == nil {
		w.Snapshot = out.Next
		return nil
	}
	e, ok := errors.AsType[*policy.Error](err)
	if !ok {
		return err
	}
	field := e.Field
	var i int
	if n, _ := fmt.Sscanf(field, "changes[%d]", &i); n == 1 && i < len(places) {
		place, field = places[i], strings.TrimPrefix(field, fmt.Sprintf("changes[%d].put.", i))
	}
	if field != "" {
		field += ": "
	}
	return place.Errorf(e.Kind, "%s%s", field, e.Message)
}
