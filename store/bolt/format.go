package bolt

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/store"
)

const (
	magic       = "klinke"
	format      = 1
	inlineBytes = 2 << 10 // the longest message that stands in its header
	sealBytes   = 4
)

// Names of buckets and keys; see the package's documentation.
var (
	metaBucket        = []byte("meta")
	tenantsBucket     = []byte("tenants")
	modelsBucket      = []byte("models")
	modelChunksBucket = []byte("modelchunks")
	dataBucket        = []byte("data")
	commitsBucket     = []byte("commits")
	dueBucket         = []byte("due")
	trashBucket       = []byte("trash")

	logBucket         = []byte("log")
	chunksBucket      = []byte("chunks")
	recordsBucket     = []byte("records")
	requestsBucket    = []byte("requests")
	checkpointsBucket = []byte("checkpoints")

	magicKey    = []byte("magic")
	formatKey   = []byte("format")
	positionKey = []byte("position")
	floorKey    = []byte("floor")
	identityKey = []byte("identity")

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// seal completes a value whose first four bytes are free.
func seal(key, value []byte) []byte {
	binary.BigEndian.PutUint32(value, checksum(key, value[sealBytes:]))
	return value
}

// unseal returns what a sealed value holds. It shares the value's memory.
func unseal(key, value []byte) ([]byte, error) {
	if len(value) < sealBytes || binary.BigEndian.Uint32(value) != checksum(key, value[sealBytes:]) {
		return nil, damaged("the value of key %x fails its checksum", key)
	}
	return value[sealBytes:], nil
}

func checksum(key, content []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, content)
}

// damaged is the error of stored state that fails its checks.
func damaged(why string, args ...any) *policy.Error {
	return policy.Errorf(policy.Damaged, "", "the database is damaged: %s; stop the server, run `klinke verify`, and restore a backup",
		fmt.Sprintf(why, args...))
}

func positionBytes(p store.Position) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, 12), uint64(p))
}

// chunkKey is the key of a message's or checkpoint's chunk.
func chunkKey(owner []byte, index int) []byte {
	return binary.BigEndian.AppendUint32(append(make([]byte, 0, len(owner)+4), owner...), uint32(index))
}

// row is a tenant's row.
type row struct {
	store.Tenant
	serial uint64         // of the current checkpoint, 0 for none
	at     store.Position // the position that it stands for
	chunks int            // how many it has
}

func (r *row) encode() []byte {
	b := make([]byte, sealBytes, 128)
	b = append(b, byte(len(r.Lineage)))
	b = append(b, r.Lineage...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Head))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Floor))
	b = appendTime(b, r.Created)
	b = appendTime(b, r.Due)
	b = binary.BigEndian.AppendUint64(b, r.serial)
	b = binary.BigEndian.AppendUint64(b, uint64(r.at))
	b = binary.BigEndian.AppendUint32(b, uint32(r.chunks))
	return seal([]byte(r.ID), b)
}

func decodeRow(id, value []byte) (row, error) {
	b, err := unseal(id, value)
	if err != nil {
		return row{}, err
	}
	d := decoder{b: b}
	r := row{Tenant: store.Tenant{ID: string(id)}}
	r.Lineage = string(d.bytes(int(d.uint8())))
	r.Head = store.Position(d.uint64())
	r.Floor = store.Position(d.uint64())
	r.Created = d.time()
	r.Due = d.time()
	r.serial = d.uint64()
	r.at = store.Position(d.uint64())
	r.chunks = int(d.uint32())
	return r, d.end("the row of a tenant")
}

// header is what stands under an entry's position.
type header struct {
	length    int // of the marshalled entry
	changes   int
	time      time.Time
	requestID string
	inline    []byte // the entry itself, when it is short
}

// encode returns the value without its seal, which needs the position.
func (h *header) encode() []byte {
	b := make([]byte, sealBytes, sealBytes+22+len(h.requestID)+len(h.inline))
	b = binary.BigEndian.AppendUint32(b, uint32(h.length))
	b = binary.BigEndian.AppendUint32(b, uint32(h.changes))
	b = appendTime(b, h.time)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.requestID)))
	b = append(b, h.requestID...)
	return append(b, h.inline...)
}

// decodeHeader decodes a value of the log. The inline entry shares the value's memory.
func decodeHeader(key, value []byte) (header, error) {
	b, err := unseal(key, value)
	if err != nil {
		return header{}, err
	}
	d := decoder{b: b}
	h := header{length: int(d.uint32()), changes: int(d.uint32()), time: d.time()}
	h.requestID = string(d.bytes(int(d.uint16())))
	if h.length <= inlineBytes {
		h.inline = d.bytes(h.length)
	}
	return h, d.end("the header of an entry")
}

// chunkCount is how many chunks a message of a length has beside its header.
func chunkCount(length int) int {
	if length <= inlineBytes {
		return 0
	}
	return (length + store.ChunkBytes - 1) / store.ChunkBytes
}

func appendTime(b []byte, t time.Time) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix()))
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// decoder reads numbers and remembers whether there were enough bytes.
type decoder struct {
	b     []byte
	short bool
}

func (d *decoder) bytes(n int) []byte {
	if n > len(d.b) {
		d.short, d.b = true, nil
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) number(n int) (v uint64) {
	for _, x := range d.bytes(n) {
		v = v<<8 | uint64(x)
	}
	return v
}

func (d *decoder) uint8() uint8   { return uint8(d.number(1)) }
func (d *decoder) uint16() uint16 { return uint16(d.number(2)) }
func (d *decoder) uint32() uint32 { return uint32(d.number(4)) }
func (d *decoder) uint64() uint64 { return d.number(8) }

func (d *decoder) time() time.Time {
	seconds := int64(d.uint64())
	return time.Unix(seconds, int64(d.uint32())).UTC()
}

// end returns Damaged when there were too few bytes or too many.
func (d *decoder) end(what string) error {
	if d.short || len(d.b) > 0 {
		return damaged("%s has a wrong length", what)
	}
	return nil
}
