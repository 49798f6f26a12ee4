package bolt

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/store"
)

// lockWait is how long Open waits for another process to let go of the file.
const lockWait = 200 * time.Millisecond

// Open opens the database in a file and makes it when there is none or it is empty; its directory must exist. A file that
// cannot be used is left as it is: policy.Format for a foreign or newer one, Damaged for one that fails its checks, Locked
// while another process holds it.
func Open(path string, opts Options) (*Store, error) {
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	info, err := os.Stat(path)
	fresh := errors.Is(err, os.ErrNotExist)
	if err != nil && !fresh {
		return nil, &policy.Error{Kind: policy.Unavailable, Message: "the database file cannot be opened", Cause: err}
	}
	if !fresh && info.Size() > 0 || !fresh && !info.Mode().IsRegular() {
		// Opening for writing writes, so look first.
		if err := look(path); err != nil {
			return nil, err
		}
	}
	db, known, err := openForWriting(path)
	if err != nil {
		return nil, err
	}
	// What a process that was killed in a commit wrote may be seen but not synced: before anybody reads it, sync it. A new
	// file must be found in its directory after a power failure.
	if err = db.Sync(); err == nil && fresh {
		err = syncDirectory(filepath.Dir(path))
	}
	var s *Store
	if err == nil {
		s, err = start(db, known, log)
	}
	if err != nil {
		_ = db.Close()
		return nil, &policy.Error{Kind: policy.Unavailable, Message: "the database file cannot be synced", Cause: err}
	}
	return s, nil
}

// look checks, without writing, that a file holds a database that this program can use.
func look(path string) (err error) {
	db, err := openForReading(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return readTx(db, func(tx *bbolt.Tx) error {
		_, err := identify(tx)
		if err == nil {
			// Opening for writing follows all page numbers, in a goroutine of bbolt's in which a wrong one would end the
			// process. Here it is an error.
			err = tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
				b.Stats()
				return nil
			})
		}
		return err
	})
}

// openForReading opens an existing file for reading, when it is a whole bbolt file.
func openForReading(path string) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, Timeout: lockWait})
	if err != nil {
		return nil, explain(path, err)
	}
	err = readTx(db, func(tx *bbolt.Tx) error {
		info, err := os.Stat(path)
		if err == nil && info.Size() < tx.Size() {
			err = policy.Errorf(policy.Damaged, "", "%s was cut off: it has %d of at least %d bytes; restore a backup", path, info.Size(), tx.Size())
		}
		return err
	})
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// openForWriting opens a file, makes it a database if it is empty, and says which one it is.
func openForWriting(path string) (db *bbolt.DB, known identification, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var file *os.File // bbolt does not close it, and so does not unlock it, when it panics
	defer func() {
		if p := recover(); p != nil {
			_ = file.Close()
			db, err = nil, damaged("%v", p)
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockWait,
		// A list of free pages in the file would be written by every commit: after a bulk load that is longer than all the
		// rest of a small one. So opening makes the list anew, from all pages in use.
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			file = f
			return f, err
		},
	})
	if err != nil {
		return nil, identification{}, explain(path, err)
	}
	read := func(tx *bbolt.Tx) (err error) {
		known, err = identify(tx)
		return err
	}
	err = readTx(db, read)
	if err == nil && known.empty {
		if err = db.Update(initialise); err != nil {
			err = &policy.Error{Kind: policy.Unavailable, Message: "a new database cannot be written", Cause: err}
		} else {
			err = readTx(db, read)
		}
	}
	if err != nil {
		_ = db.Close()
		return nil, identification{}, err
	}
	return db, known, nil
}

// initialise makes an empty bbolt file a database.
func initialise(tx *bbolt.Tx) error {
	for _, name := range append(buckets(), metaBucket) {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(metaBucket)
	return errors.Join(
		meta.Put(magicKey, []byte(magic)),
		meta.Put(formatKey, binary.BigEndian.AppendUint32(nil, format)),
		meta.Put(positionKey, encodePosition(positionKey, 0)),
		meta.Put(floorKey, encodePosition(floorKey, 0)),
		meta.Put(identityKey, seal(identityKey, append(make([]byte, sealBytes), store.NewLineage()...))),
	)
}

// buckets are the names of the buckets that every file has beside meta.
func buckets() [][]byte {
	return [][]byte{tenantsBucket, modelsBucket, modelChunksBucket, dataBucket, commitsBucket, dueBucket, trashBucket}
}

// identification is what a file says of itself.
type identification struct {
	empty    bool           // a crash came between bbolt's first transaction and ours
	last     store.Position // the last position given
	identity string         // of the commit order
}

// identify says whether a bbolt file is a database of this format, and which one.
func identify(tx *bbolt.Tx) (known identification, err error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		if k, _ := tx.Cursor().First(); k == nil {
			return identification{empty: true}, nil
		}
	}
	if meta == nil || string(meta.Get(magicKey)) != magic {
		return identification{}, policy.Errorf(policy.Format, "", "the file is a bbolt database of another program: choose another path")
	}
	v := meta.Get(formatKey)
	if len(v) != 4 {
		return identification{}, damaged("it does not say its format")
	}
	if f := binary.BigEndian.Uint32(v); f != format {
		return identification{}, policy.Errorf(policy.Format, "",
			"the database has format %d and this program knows %d: use the klinke that wrote it, or a newer one", f, format)
	}
	if known.last, err = decodePosition(positionKey, meta.Get(positionKey)); err != nil {
		return identification{}, err
	}
	if _, err = decodePosition(floorKey, meta.Get(floorKey)); err != nil {
		return identification{}, err
	}
	identity, err := unseal(identityKey, meta.Get(identityKey))
	if err != nil {
		return identification{}, err
	}
	known.identity = string(identity)
	for _, name := range buckets() {
		if tx.Bucket(name) == nil {
			return identification{}, damaged("it has no bucket %q", name)
		}
	}
	return known, nil
}

// readTx reads in a transaction of a file that may be damaged.
func readTx(db *bbolt.DB, read func(tx *bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	tx, err := db.Begin(false)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = damaged("%v", p)
		}
		rollback(tx)
	}()
	return read(tx)
}

// explain turns bbolt's refusal of a file into ours.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return policy.Errorf(policy.Locked, "", "%s is in use by another process: stop it, or choose another path", path)
	case errors.Is(err, os.ErrNotExist):
		return &policy.Error{Kind: policy.NotFound, Message: "there is no database file", Cause: err}
	case errors.Is(err, bolterrors.ErrVersionMismatch):
		return &policy.Error{Kind: policy.Format, Message: path + " is of another version of bbolt", Cause: err}
	case errors.Is(err, os.ErrPermission):
		return &policy.Error{Kind: policy.Unavailable, Message: "the database file cannot be opened", Cause: err}
	case isBolt(path):
		return &policy.Error{Kind: policy.Damaged, Message: path + " is damaged or was cut off: restore a backup", Cause: err}
	}
	return &policy.Error{Kind: policy.Format, Message: path + " is not a database: choose another path", Cause: err}
}

// isBolt says whether a file begins like one of bbolt: with a page whose content begins with its magic number.
func isBolt(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // it was only read
	var b [20]byte
	_, err = io.ReadFull(f, b[:])
	return err == nil && binary.LittleEndian.Uint32(b[16:]) == 0xED0CDAED
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func encodePosition(key []byte, p store.Position) []byte {
	return seal(key, binary.BigEndian.AppendUint64(make([]byte, sealBytes, sealBytes+8), uint64(p)))
}

func decodePosition(key, value []byte) (store.Position, error) {
	b, err := unseal(key, value)
	if err != nil {
		return 0, err
	}
	d := decoder{b: b}
	p := store.Position(d.uint64())
	return p, d.end("a position")
}
