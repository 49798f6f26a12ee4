// These tests prove that the store in memory keeps the contract, and that its disk has one user at a time.
package mem_test

import (
	"errors"
	"testing"

	"github.com/klinke-authz/klinke/policy"
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
