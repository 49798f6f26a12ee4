// These tests prove that checkpoints hold number lists of any length in chunks that a store takes, that those written before
// numbers had a column are still read, and that a damaged column is refused.
package policy_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

const listModel = `
model: lists
types:
  call:
    attributes: {destination: number}
    actions: {place: {require: [{listed: destination, in: crm}]}}
`

// restored restores a company's checkpoint, whose chunks may be edited on the way.
func (c *company) restored(edit func(*klinkev1.CheckpointChunk)) (*policy.Snapshot, error) {
	c.tb.Helper()
	r := policy.NewRestorer(c.stamp().Models)
	for b, err := range c.s.Checkpoint() {
		if err != nil {
			c.tb.Fatal(err)
		}
		if len(b) > 256<<10 {
			c.tb.Fatalf("a chunk of %d bytes", len(b))
		}
		chunk := &klinkev1.CheckpointChunk{}
		if err := proto.Unmarshal(b, chunk); err != nil {
			c.tb.Fatal(err)
		}
		edit(chunk)
		if b, err = proto.Marshal(chunk); err != nil {
			c.tb.Fatal(err)
		}
		if err := r.Add(b); err != nil {
			return nil, err
		}
	}
	return r.Snapshot()
}

func lists(tb testing.TB, n int) *company {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"+4930%07d"`, i*7))
	}
	return newCompany(tb, listModel, `lists: {crm: ["+49*", "123", "12*", `+strings.Join(all, ", ")+`], extensions: ["201", "0202"]}`)
}

func TestLongListsAreRestored(t *testing.T) {
	c := lists(t, 60_000)
	columns := 0
	s, err := c.restored(func(chunk *klinkev1.CheckpointChunk) {
		if n := chunk.GetNumbers(); n != nil {
			columns++
			if !slices.IsSortedFunc(n.GetCodes(), func(a, b uint64) int { return cmp.Or(cmp.Compare(a&2, b&2), cmp.Compare(a, b)) }) {
				t.Error("codes are out of order")
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if columns != 4 {
		t.Errorf("%d chunks of numbers, want 3 and the extensions'", columns)
	}
	a, b := policy.Dump(c.s), policy.Dump(s)
	if !slices.Equal(a, b) {
		t.Error("restored otherwise")
	}
	if len(a) < 60_000 {
		t.Errorf("only %d things are compared", len(a))
	}
}

func TestNumbersOfFormat1AreRestored(t *testing.T) {
	c := lists(t, 10)
	s, err := c.restored(func(chunk *klinkev1.CheckpointChunk) {
		if chunk.GetHeader() != nil {
			chunk.Header.Format = 1
		}
		if chunk.GetNumbers().GetList() == "crm" {
			chunk.Numbers = nil
			for _, change := range c.changes(`lists: {crm: ["+49*", "123", "12*"]}`) {
				chunk.Records = append(chunk.Records, &klinkev1.CheckpointRecord{Record: change.GetPut()})
			}
			for i := range 10 {
				chunk.Records = append(chunk.Records, &klinkev1.CheckpointRecord{Record: &klinkev1.Record{Record: &klinkev1.Record_ListedNumber{
					ListedNumber: &klinkev1.ListedNumber{List: "crm", Number: fmt.Sprintf("+4930%07d", i*7)}}}})
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := policy.Dump(c.s), policy.Dump(s); !slices.Equal(a, b) {
		t.Errorf("restored otherwise:\n%q\n%q", a, b)
	}
}

func TestDamagedNumbersAreRefused(t *testing.T) {
	c := lists(t, 1)
	for want, edit := range map[string]func(*klinkev1.CheckpointChunk){
		"a number of the checkpoint is damaged: the checkpoint is damaged": func(chunk *klinkev1.CheckpointChunk) {
			if n := chunk.GetNumbers(); n != nil {
				n.Codes[0] |= 8
			}
		},
		`listed_number.list: no test of the model uses a number list "erm" (of the record with the key ["erm" "12" "1"])`: func(chunk *klinkev1.CheckpointChunk) {
			if n := chunk.GetNumbers(); n.GetList() == "crm" {
				n.List = "erm"
			}
		},
		`listed_number.number: an extension is its digits alone, one by one (of the record with the key ["extensions" "12" "1"])`: func(chunk *klinkev1.CheckpointChunk) {
			if n := chunk.GetNumbers(); n.GetList() == "crm" {
				n.List = policy.ExtensionList
			}
		},
		"the checkpoint has format 3; this version reads 1 to 2": func(chunk *klinkev1.CheckpointChunk) {
			if chunk.GetHeader() != nil {
				chunk.Header.Format = 3
			}
		},
	} {
		_, err := c.restored(edit)
		if e, ok := errors.AsType[*policy.Error](err); !ok || e.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
