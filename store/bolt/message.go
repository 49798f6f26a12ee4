package bolt

import (
	"errors"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	"github.com/klinke-authz/klinke/store"
)

// deterministic marshals equal messages alike, so that Verify can compare bytes.
var deterministic = proto.MarshalOptions{Deterministic: true}

// cut cuts a message into chunks, each behind room for its seal. A short one has none: it stands in its header.
func cut(message []byte) [][]byte {
	var chunks [][]byte
	for rest := message; chunkCount(len(message)) > len(chunks); {
		n := min(len(rest), store.ChunkBytes)
		chunks = append(chunks, append(make([]byte, sealBytes, sealBytes+n), rest[:n]...))
		rest = rest[n:]
	}
	return chunks
}

// putChunks seals and puts what cut made, under the keys of a message.
func putChunks(b *bbolt.Bucket, owner []byte, chunks [][]byte) error {
	for i, c := range chunks {
		key := chunkKey(owner, i)
		if err := b.Put(key, seal(key, c)); err != nil {
			return err
		}
	}
	return nil
}

// join returns a message of a length: the inline one, or its chunks put together.
func join(b *bbolt.Bucket, owner []byte, length int, inline []byte) ([]byte, error) {
	if chunkCount(length) == 0 {
		return inline, nil
	}
	if b == nil {
		return nil, damaged("there are no chunks")
	}
	message := make([]byte, 0, min(length, 64<<20)) // a damaged length must not cost more than it can
	for i := range chunkCount(length) {
		key := chunkKey(owner, i)
		v := b.Get(key)
		if v == nil {
			return nil, damaged("chunk %d of %x is missing", i, owner)
		}
		part, err := unseal(key, v)
		if err != nil {
			return nil, err
		}
		message = append(message, part...)
	}
	if len(message) != length {
		return nil, damaged("the chunks of %x have %d bytes, not %d", owner, len(message), length)
	}
	return message, nil
}

func isKind(err error, kind policy.Kind) bool {
	var e *policy.Error
	return errors.As(err, &e) && e.Kind == kind
}
