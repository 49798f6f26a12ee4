package bolt

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// PutModel implements store.Catalogue.
func (s *Store) PutModel(m *klinkev1.Model) (uint32, bool, error) {
	if err := store.CheckModel(m); err != nil {
		return 0, false, err
	}
	content, err := deterministic.Marshal(m)
	if err != nil {
		return 0, false, &policy.Error{Kind: policy.Invalid, Field: "model", Message: "the model cannot be kept", Cause: err}
	}
	if newest, v, err := s.Model(m.GetName(), 0); err == nil && proto.Equal(newest, m) {
		return v, false, nil
	}
	var version uint32
	var fresh bool
	err = s.do(1+len(content)>>10, func(b *batch) error {
		newest, v, err := readModel(b.tx, m.GetName(), 0)
		if err != nil && !isKind(err, policy.NotFound) {
			return err
		}
		if version, fresh = v+1, err != nil || !proto.Equal(newest, m); !fresh {
			version = v
			return nil
		}
		key := modelKey(m.GetName(), version)
		head := binary.BigEndian.AppendUint32(make([]byte, sealBytes), uint32(len(content)))
		if len(content) <= inlineBytes {
			return b.bucket(modelsBucket).Put(key, seal(key, append(head, content...)))
		}
		if err := b.bucket(modelsBucket).Put(key, seal(key, head)); err != nil {
			return err
		}
		return putChunks(b.bucket(modelChunksBucket), key, cut(content))
	})
	if err != nil {
		return 0, false, err
	}
	return version, fresh, nil
}

// Model implements store.Catalogue.
func (s *Store) Model(name string, version uint32) (m *klinkev1.Model, found uint32, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		m, found, err = readModel(tx, name, version)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return m, found, nil
}

// readModel returns a version of a model, the newest for version 0.
func readModel(tx *bbolt.Tx, name string, version uint32) (*klinkev1.Model, uint32, error) {
	if len(name) > policy.MaxIDBytes {
		return nil, 0, store.NoModel(name, version)
	}
	// The newest version's key is the last one before that of the name's highest possible version and something more.
	key := append(modelKey(name, version), 0)
	if version == 0 {
		key = append(modelKey(name, ^uint32(0)), 0)
	}
	c := tx.Bucket(modelsBucket).Cursor()
	step := c.Prev
	if k, _ := c.Seek(key); k == nil {
		step = c.Last
	}
	k, v := step()
	prefix := modelKey(name, 0)
	prefix = prefix[:len(prefix)-4]
	if !bytes.HasPrefix(k, prefix) || len(k) != len(prefix)+4 {
		return nil, 0, store.NoModel(name, version)
	}
	found := binary.BigEndian.Uint32(k[len(prefix):])
	if version != 0 && found != version {
		return nil, 0, store.NoModel(name, version)
	}
	m, _, err := decodeModel(tx, k, v)
	return m, found, err
}

// decodeModel decodes a model and returns its length.
func decodeModel(tx *bbolt.Tx, key, value []byte) (*klinkev1.Model, int, error) {
	b, err := unseal(key, value)
	if err != nil {
		return nil, 0, err
	}
	d := decoder{b: b}
	length := int(d.uint32())
	var inline []byte
	if length <= inlineBytes {
		inline = d.bytes(length)
	}
	if err := d.end("the header of a model"); err != nil {
		return nil, length, err
	}
	content, err := join(tx.Bucket(modelChunksBucket), key, length, inline)
	if err != nil {
		return nil, length, err
	}
	m := &klinkev1.Model{}
	if err := proto.Unmarshal(content, m); err != nil {
		return nil, length, damaged("the model of key %x: %v", key, err)
	}
	return m, length, nil
}

// modelKey orders versions by name, then number.
func modelKey(name string, version uint32) []byte {
	k := binary.BigEndian.AppendUint16(make([]byte, 0, len(name)+7), uint16(len(name)))
	return binary.BigEndian.AppendUint32(append(k, name...), version)
}
