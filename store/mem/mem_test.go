// These tests prove that the store in memory keeps the contract, and that its disk has one user at a time.
package mem_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
	"github.com/klinke-authz/klinke/store"
	"github.com/klinke-authz/klinke/store/mem"
	"github.com/klinke-authz/klinke/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(testing.TB) storetest.Opener {
		disk := &mem.Disk{}
		return func() (store.Store, error) { return disk.Open() }
	})
}

func TestTenantsAreLimited(t *testing.T) {
	s := mem.New()
	first := func() *klinkev1.Entry { return &klinkev1.Entry{} }
	for i := range policy.MaxTenants {
		if _, err := s.CreateTenant(fmt.Sprint("t", i), first()); err != nil {
			t.Fatal(err)
		}
	}
	var e *policy.Error
	if _, err := s.CreateTenant("one more", first()); !errors.As(err, &e) || e.Kind != policy.TooLarge || e.Field != "tenant" {
		t.Errorf("one more: %v, want TooLarge about tenant", err)
	}
	if _, err := s.CreateTenant("t0", first()); !errors.As(err, &e) || e.Kind != policy.Exists {
		t.Errorf("one that is there: %v, want Exists", err)
	}
	if err := s.DeleteTenant("t0", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateTenant("one more", first()); err != nil {
		t.Errorf("after one went: %v", err)
	}
}

func TestOneUser(t *testing.T) {
	disk := &mem.Disk{}
	first, err := disk.Open()
	if err != nil {
		t.Fatal(err)
	}
	var refusal *policy.Error
	if _, err := disk.Open(); !errors.As(err, &refusal) || refusal.Kind != policy.Locked {
		t.Errorf("a second store on a disk: %v, want Locked", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := disk.Open()
	if err != nil {
		t.Errorf("opening after closing: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if _, err := second.Tenants("", 1); err != nil {
		t.Errorf("the first store's second Close closed the second store: %v", err)
	}
}
