package mem

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
)

// CreateTenant implements store.Catalogue.
func (s *Store) CreateTenant(id string, first *klinkev1.Entry) (store.Tenant, error) {
	if err := store.CheckTenantID(id); err != nil {
		return store.Tenant{}, err
	}
	if err := store.CheckEntry(first); err != nil {
		return store.Tenant{}, err
	}
	d, err := s.lock()
	if err != nil {
		return store.Tenant{}, err
	}
	defer d.mu.Unlock()
	if d.tenants[id] != nil {
		return store.Tenant{}, store.HasTenant(id)
	}
	if len(d.tenants) >= policy.MaxTenants {
		return store.Tenant{}, store.TooManyTenants()
	}
	t := &tenant{
		Tenant:   store.Tenant{ID: id, Lineage: store.NewLineage(), Created: first.GetTime().AsTime()},
		requests: make(map[string]store.Position),
		records:  make(map[string]*klinkev1.Record),
	}
	if d.tenants == nil {
		d.tenants = make(map[string]*tenant)
	}
	d.tenants[id] = t
	d.add(t, first)
	return t.Tenant, nil
}

// DeleteTenant implements store.Catalogue.
func (s *Store) DeleteTenant(id string, head store.Position) error {
	d, err := s.lock()
	if err != nil {
		return err
	}
	defer d.mu.Unlock()
	t, err := d.find(id)
	if err != nil {
		return err
	}
	if head != 0 && head != t.Head {
		return store.Moved(t.Head, head)
	}
	delete(d.tenants, id)
	d.last++
	d.commits = append(d.commits, commit{position: d.last, tenant: t.ID, lineage: t.Lineage, deletion: true})
	return nil
}

// Tenants implements store.Catalogue.
func (s *Store) Tenants(after string, limit int) ([]store.Tenant, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, err
	}
	d, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	var rows []store.Tenant
	for _, id := range slices.Sorted(maps.Keys(d.tenants)) {
		if id > after && len(rows) < limit {
			rows = append(rows, d.tenants[id].Tenant)
		}
	}
	return rows, nil
}

// PutModel implements store.Catalogue.
func (s *Store) PutModel(m *klinkev1.Model) (uint32, bool, error) {
	if err := store.CheckModel(m); err != nil {
		return 0, false, err
	}
	d, err := s.lock()
	if err != nil {
		return 0, false, err
	}
	defer d.mu.Unlock()
	versions := d.models[m.GetName()]
	n := len(versions)
	if n > 0 && proto.Equal(versions[n-1], m) {
		return uint32(n), false, nil
	}
	if d.models == nil {
		d.models = make(map[string][]*klinkev1.Model)
	}
	d.models[m.GetName()] = append(versions, proto.CloneOf(m))
	return uint32(n + 1), true, nil
}

// Model implements store.Catalogue.
func (s *Store) Model(name string, version uint32) (*klinkev1.Model, uint32, error) {
	d, err := s.lock()
	if err != nil {
		return nil, 0, err
	}
	defer d.mu.Unlock()
	versions := d.models[name]
	if version == 0 {
		version = uint32(len(versions))
	}
	if version == 0 || int(version) > len(versions) {
		return nil, 0, store.NoModel(name, version)
	}
	return proto.CloneOf(versions[version-1]), version, nil
}
