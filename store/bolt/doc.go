// Package bolt keeps tenants and models in one bbolt file.
//
// # Layout of the file, format 1
//
// Numbers are big-endian, so that keys sort by them. Every value but the two first ones is sealed: it begins with the
// CRC-32C of its key and of what follows, four bytes, so that a torn or edited value is found when it is read. Messages
// are protobuf, marshalled deterministically.
//
//	bucket       key                          value
//	meta         "magic"                      "klinke"
//	             "format"                     uint32: 1
//	             "position"                   uint64: the last position given to a commit of any tenant
//	             "floor"                      uint64: where the commit order begins
//	             "identity"                   the commit order's life
//	tenants      tenant id                    row: lineage (uint8 length, bytes), head, floor, created (int64 seconds, uint32
//	                                          nanoseconds), next boundary (likewise), checkpoint serial, checkpoint position,
//	                                          uint32 checkpoint chunks
//	commits      position                     uint8 1 for an entry, 2 for a tenant's deletion, 3 for its
//	                                          first entry; lineage (uint8 length, bytes),
//	                                          tenant id
//	due          next boundary, tenant id     empty
//	models       name length (uint16), name,  uint32 length, then the Model if the length is at most 2 KiB
//	             version (uint32)
//	modelchunks  key in models, uint32 index  the Model, cut into at most 256 KiB
//	data         lineage                      bucket of a tenant:
//	  log          position                   uint32 length, uint32 changes, time (int64 seconds, uint32 nanoseconds), request
//	                                          id (uint16 length, bytes), then the Entry if its length is at most 2 KiB
//	  chunks       position, uint32 index     the Entry, cut into at most 256 KiB
//	  records      policy.AppendKey           the Record
//	  requests     request id                 uint64: the position of the newest entry that has it
//	  checkpoints  serial, uint32 index       a chunk of the checkpoint that the row names, or of one in the making
//	trash        "t", lineage                 empty: a deleted tenant, whose bucket in data is being emptied
//	             "c", lineage, serial         empty: a checkpoint that was replaced, abandoned or is in the making
//
// An Entry is stored without its position, which is its key. Positions, serials, heads and floors are uint64. Long entries
// stand in a bucket of their own, since a short entry's commit rewrites the page on which it lands.
//
// # Invariants
//
// A tenant's row is the only thing that makes it exist: what no row names is invisible, and is swept if trash names it. An
// entry, its records, its request id, its place in the commit order, the row and the store's position change in one
// transaction. A checkpoint is
// written in as many transactions as it takes, and the one that writes the row makes it current. Dropped entries are gone
// from sight with the row's floor, and from the file in steps behind it; a crash leaves some, and the next compaction
// drops them. The floor of the commit order is the highest that any tenant has or had. The newest entry is never dropped. An
// entry below the floor whose request id must be remembered stays whole.
//
// # Concurrency
//
// One goroutine, the committer, owns every write transaction. Edits wait in a queue; it takes all that wait, up to a bound
// of work, and commits them together without ever waiting for more. An edit checks before it writes, so a refused one
// leaves nothing behind and does not spoil the others. A second goroutine, the sweeper, empties what trash names by small
// edits of that queue. Close stops both and waits for them. Readers see only transactions that the disk has: bbolt shows
// one between its write and its sync, and a reader who meets it there waits for the sync. A read transaction ends before
// its call returns or calls back.
//
// # Failure
//
// A failed commit stops all edits (policy.Unavailable) until the file is opened again, since what is on the disk is then
// unknown; reads go on, of what was known before. Opening and Verify look before they touch: a file that is foreign,
// newer, damaged or held by another process is left as it is. What fails its checks is policy.Damaged, and nothing is
// served from it. A page that cannot be read, by a wrong number or a failing disk, is an error too, not a crash.
package bolt
