package bolt

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/klinke-authz/klinke/store"
)

// maxProblems is how many problems a report lists.
const maxProblems = 1000

// Report is what Verify found.
type Report struct {
	Position store.Position // the last position given
	Tenants  int
	Models   int      // versions of models
	Entries  int      // in the logs
	Records  int      // in the record tables
	Problems []string // each with its place; empty for a clean database. At most 1,000: the last line says if there are more
}

// Clean says whether there is no problem.
func (r *Report) Clean() bool { return len(r.Problems) == 0 }

// Verify checks a database without writing, and with no server on it: that bbolt's pages are in order, that every value
// has its checksum, that positions rise and are unique, that record tables are what the logs leave behind (below a floor:
// that they agree with what is left of the log), that request ids name their entries, that checkpoints are whole and that
// nothing is lost in between. Progress, which may be nil, hears a line for each tenant. The error is for a file that
// cannot be looked into at all, as Open's; what is wrong inside is in the report. It takes memory in proportion to the
// number of entries and to the largest record table.
func Verify(path string, progress func(string)) (report Report, err error) {
	if progress == nil {
		progress = func(string) {}
	}
	v := verifier{progress: progress}
	db, err := openForReading(path)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = readTx(db, func(tx *bbolt.Tx) error {
		known, err := identify(tx)
		if err == nil && !known.empty {
			v.tx, v.report.Position = tx, known.last
			v.all()
		}
		return err
	})
	return v.report, err
}

type verifier struct {
	tx         *bbolt.Tx
	report     Report
	progress   func(string)
	unreadable bool            // a page could not be read
	positions  []placed        // of all entries
	lineages   map[string]bool // of all rows
	due        int             // rows that have a next boundary
}

// placed is a position, and the lineage whose log has it.
type placed struct {
	at      store.Position
	lineage string
}

func (v *verifier) problemf(place, format string, args ...any) {
	switch n := len(v.report.Problems); {
	case n < maxProblems-1:
		v.report.Problems = append(v.report.Problems, place+": "+fmt.Sprintf(format, args...))
	case n == maxProblems-1:
		v.report.Problems = append(v.report.Problems, "there are more problems than are listed here")
	}
}

// guard runs a part of the check and makes a problem of a page that cannot be read.
func (v *verifier) guard(place string, part func()) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			v.unreadable = true
			v.problemf(place, "a page cannot be read: %v", p)
		}
	}()
	part()
}

func (v *verifier) all() {
	v.lineages = make(map[string]bool)
	v.guard("models", v.models)
	v.guard("tenants", func() {
		c := v.tx.Bucket(tenantsBucket).Cursor()
		for k, value := c.First(); k != nil; k, value = c.Next() {
			v.report.Tenants++
			place := fmt.Sprintf("tenant %q", k)
			v.guard(place, func() { v.tenant(place, k, value) })
		}
	})
	slices.SortFunc(v.positions, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	for i, p := range v.positions {
		if i > 0 && p.at == v.positions[i-1].at {
			v.problemf("log", "position %d was given twice", p.at)
		}
	}
	v.guard("commits", v.commits)
	v.guard("due", v.moments)
	v.guard("data", v.strays)
	if v.unreadable {
		// bbolt's check follows page numbers without looking, and would crash.
		return
	}
	v.progress("pages")
	for err := range v.tx.Check() {
		v.problemf("pages", "%v", err)
	}
}

func (v *verifier) models() {
	expected := 0
	var name []byte
	var last uint32
	c := v.tx.Bucket(modelsBucket).Cursor()
	for k, value := c.First(); k != nil; k, value = c.Next() {
		v.report.Models++
		d := decoder{b: k}
		n := d.bytes(int(d.uint16()))
		version := d.uint32()
		place := fmt.Sprintf("model %q version %d", n, version)
		if err := d.end("the key of a model"); err != nil {
			v.problemf(place, "%v", err)
			continue
		}
		if string(n) != string(name) {
			name, last = n, 0
		}
		if version != last+1 {
			v.problemf(place, "the version before it is %d", last)
		}
		last = version
		m, length, err := decodeModel(v.tx, k, value)
		if err != nil {
			v.problemf(place, "%v", err)
		} else if m.GetName() != string(name) {
			v.problemf(place, "its content is of model %q", m.GetName())
		}
		expected += chunkCount(length)
	}
	if n := countKeys(v.tx.Bucket(modelChunksBucket)); n != expected {
		v.problemf("models", "there are %d chunks, and %d belong to a model", n, expected)
	}
}

// commits compares the commit order, above its floor, with the logs.
func (v *verifier) commits() {
	floor, err := decodePosition(floorKey, v.tx.Bucket(metaBucket).Get(floorKey))
	if err != nil || floor > v.report.Position {
		v.problemf("commits", "the floor %d is not below the last position %d: %v", floor, v.report.Position, err)
		return
	}
	var found []placed
	c := v.tx.Bucket(commitsBucket).Cursor()
	for k, value := c.Seek(positionBytes(floor + 1)); k != nil; k, value = c.Next() {
		row, err := decodeCommit(k, value)
		if err != nil {
			v.problemf("commits", "%v", err)
			continue
		}
		p := placed{store.Position(binary.BigEndian.Uint64(k)), row.lineage}
		switch {
		case p.at > v.report.Position:
			v.problemf("commits", "position %d is above the last one", p.at)
		case row.kind == commitDeletion && v.lineages[row.lineage]:
			v.problemf("commits", "position %d deletes tenant %q, whose life %s goes on", p.at, row.tenant, row.lineage)
		case row.kind != commitDeletion && v.lineages[row.lineage]:
			found = append(found, p)
		}
	}
	want := slices.DeleteFunc(slices.Clone(v.positions), func(p placed) bool { return p.at <= floor })
	if !slices.Equal(found, want) {
		v.problemf("commits", "the order of commits above %d names %d entries, and the logs have %d, or others", floor, len(found), len(want))
	}
}

// moments checks that the moments that come are those of the rows.
func (v *verifier) moments() {
	n := 0
	c := v.tx.Bucket(dueBucket).Cursor()
	for k, value := c.First(); k != nil; k, value = c.Next() {
		n++
		if _, err := dueTenant(v.tx, k, value); err != nil {
			v.problemf("due", "%v", err)
		}
	}
	if n != v.due {
		v.problemf("due", "there are %d moments, and %d tenants have one", n, v.due)
	}
}

// strays finds what belongs to no tenant and is not to be swept either.
func (v *verifier) strays() {
	trash := v.tx.Bucket(trashBucket)
	data := v.tx.Bucket(dataBucket)
	c := data.Cursor()
	for k, value := c.First(); k != nil; k, value = c.Next() {
		if value != nil {
			v.problemf("data", "key %q is not a bucket", k)
		} else if !v.lineages[string(k)] && trash.Get(tenantTrash(string(k))) == nil {
			v.problemf("data", "bucket %s belongs to no tenant and is not to be swept", k)
		}
	}
	c = trash.Cursor()
	for k, value := c.First(); k != nil; k, value = c.Next() {
		if _, err := unseal(k, value); err != nil {
			v.problemf("trash", "%v", err)
		}
		if k[0] == 't' && v.lineages[string(k[1:])] {
			v.problemf("trash", "tenant bucket %s is in use", k[1:])
		}
	}
}

func countKeys(b *bbolt.Bucket) int {
	n := 0
	if b != nil {
		c := b.Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			n++
		}
	}
	return n
}
