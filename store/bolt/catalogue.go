package bolt

import (
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// CreateTenant implements store.Catalogue.
func (s *Store) CreateTenant(id string, first *klinkev1.Entry) (store.Tenant, error) {
	if err := store.CheckTenantID(id); err != nil {
		return store.Tenant{}, err
	}
	w, err := prepare(first)
	if err != nil {
		return store.Tenant{}, err
	}
	var r row
	lineage := store.NewLineage()
	err = s.do(w.work, func(b *batch) error {
		tenants := b.bucket(tenantsBucket)
		if tenants.Get([]byte(id)) != nil {
			return store.HasTenant(id)
		}
		if b.tenants >= policy.MaxTenants {
			return store.TooManyTenants()
		}
		// Fails when the lineage exists, so it is new in truth.
		if _, err := b.bucket(dataBucket).CreateBucket([]byte(lineage)); err != nil {
			return err
		}
		r = row{Tenant: store.Tenant{ID: id, Lineage: lineage, Created: w.time}}
		b.tenants++
		return b.append(&r, w)
	})
	if err != nil {
		return store.Tenant{}, err
	}
	first.Position = uint64(r.Head)
	return r.Tenant, nil
}

// DeleteTenant implements store.Catalogue. The sweeper gives the space back.
func (s *Store) DeleteTenant(id string, head store.Position) error {
	err := s.do(4, func(b *batch) error {
		r, err := findRow(b.tx, id)
		if err != nil {
			return err
		}
		if head != 0 && head != r.Head {
			return store.Moved(r.Head, head)
		}
		if err := b.bucket(tenantsBucket).Delete([]byte(id)); err != nil {
			return err
		}
		b.tenants--
		gone := r
		gone.Due = time.Time{}
		b.last++
		if err := errors.Join(b.remind(&r, &gone), b.order(b.last, commitDeletion, &r)); err != nil {
			return err
		}
		return putTrash(b, tenantTrash(r.Lineage))
	})
	if err == nil {
		s.wakeSweeper()
	}
	return err
}

// Tenants implements store.Catalogue.
func (s *Store) Tenants(after string, limit int) ([]store.Tenant, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, err
	}
	var rows []store.Tenant
	err := s.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(tenantsBucket).Cursor()
		for k, v := c.Seek([]byte(after)); k != nil && len(rows) < limit; k, v = c.Next() {
			if string(k) == after {
				continue
			}
			r, err := decodeRow(k, v)
			if err != nil {
				return err
			}
			rows = append(rows, r.Tenant)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// findRow returns a tenant's row. NotFound when there is none.
func findRow(tx *bbolt.Tx, id string) (row, error) {
	// bbolt takes no empty key, and no tenant has it.
	if id == "" || len(id) > policy.MaxIDBytes {
		return row{}, store.NoTenant(id)
	}
	v := tx.Bucket(tenantsBucket).Get([]byte(id))
	if v == nil {
		return row{}, store.NoTenant(id)
	}
	return decodeRow([]byte(id), v)
}

// findData returns a tenant's row and bucket.
func findData(tx *bbolt.Tx, id string) (row, *bbolt.Bucket, error) {
	r, err := findRow(tx, id)
	if err != nil {
		return row{}, nil, err
	}
	data := tx.Bucket(dataBucket).Bucket([]byte(r.Lineage))
	if data == nil {
		return row{}, nil, damaged("tenant %q has no bucket %s", id, r.Lineage)
	}
	return r, data, nil
}

// within returns a bucket of a tenant, made when there is none. New pages are left full by that part: more where keys
// only grow, less where they come anywhere.
func within(data *bbolt.Bucket, name []byte, fill float64) (*bbolt.Bucket, error) {
	b, err := data.CreateBucketIfNotExists(name)
	if err != nil {
		return nil, err
	}
	b.FillPercent = fill
	return b, nil
}
