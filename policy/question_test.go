// This test proves that no part of a question is free: whatever is sent counts towards the limit of a fact.
package policy

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"
)

func TestNothingInAFactIsFree(t *testing.T) {
	many := func(n int, v any) []any {
		out := make([]any, n)
		for i := range out {
			out[i] = v
		}
		return out
	}
	for i, c := range []struct {
		value any
		fits  bool
	}{
		{strings.Repeat("x", MaxFactBytes), true},
		{strings.Repeat("x", MaxFactBytes+1), false},
		{true, true},
		{many(MaxFactBytes/5, nil), true},
		{many(MaxFactBytes/5+1, nil), false},
		{many(MaxFactBytes/5+1, 1), false},
		{many(MaxFactBytes/5+1, true), false},
		{many(MaxFactBytes, ""), true},
		{many(MaxFactBytes+1, ""), false},
		{many(MaxFactBytes+1, []any{}), false},
		{many(MaxFactBytes+1, map[string]any{}), false},
		{many(MaxFactBytes/3+1, map[string]any{"k": []any{}}), false},
		{map[string]any{strings.Repeat("k", MaxFactBytes): ""}, false},
	} {
		v, err := structpb.NewValue(c.value)
		if err != nil {
			t.Fatal(err)
		}
		if n := sizeOf(v, MaxFactBytes); n <= MaxFactBytes != c.fits {
			t.Errorf("row %d counts as %d bytes; want that it fits: %t", i, n, c.fits)
		}
	}
}
