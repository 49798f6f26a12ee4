// These tests prove that a number survives its packing, that packed numbers come in the order of the server's keys, and
// that a file of more numbers than a list holds is refused before it fills the memory.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

func TestPackedNumbersAreWhatTheyWere(t *testing.T) {
	key := func(number string, prefix bool) []byte {
		kind, parts := policy.RecordKey(&klinkev1.Record{Record: &klinkev1.Record_ListedNumber{
			ListedNumber: &klinkev1.ListedNumber{List: "l", Number: number, Prefix: prefix}}})
		return policy.AppendKey(nil, kind, parts)
	}
	number := rapid.StringMatching(`\+?[0-9]{1,15}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		aPrefix, bPrefix := rapid.Bool().Draw(t, "a prefix"), rapid.Bool().Draw(t, "b prefix")
		x, y := packNumber(a, aPrefix), packNumber(b, bPrefix)
		if got, prefix := x.text(); got != a || prefix != aPrefix {
			t.Fatalf("%s %t is %s %t", a, aPrefix, got, prefix)
		}
		if got, want := slices.Compare([]packedNumber{x}, []packedNumber{y}), bytes.Compare(key(a, aPrefix), key(b, bPrefix)); got != want {
			t.Fatalf("%s %t and %s %t compare as %d, their keys as %d", a, aPrefix, b, bPrefix, got, want)
		}
	})
}

// mostInTest is how many numbers the lists of these tests may hold.
const mostInTest = 1000

// endless gives lines of rising numbers, more than a list holds, and fails the test when it is read to its end.
type endless struct {
	t *testing.T
	n int
}

func (e *endless) Read(b []byte) (int, error) {
	if e.n > 2*mostInTest+100_000 {
		e.t.Error("the file is read on and on")
		return 0, io.EOF
	}
	line := fmt.Sprintf("+49%d\n", 10_000_000+e.n)
	e.n++
	return copy(b, line), nil
}

func TestTooManyNumbersAreRefused(t *testing.T) {
	l := &numberList{file: "f", most: mostInTest, progress: &progress{}, read: func(text string) (string, bool, error) { return text, false, nil }}
	err := l.readAll(context.Background(), &endless{t: t})
	if l.lines > 2*mostInTest {
		t.Errorf("%d lines were read", l.lines)
	}
	if e, ok := errors.AsType[*policy.Error](err); !ok || e.Kind != policy.TooLarge {
		t.Errorf("%v, want TooLarge", err)
	}
	if cap(l.numbers) > 3*mostInTest {
		t.Errorf("room for %d numbers was taken", cap(l.numbers))
	}
}

// TestRepetitionsNeedNoRoom reads a number again and again, more often than a list holds numbers.
func TestRepetitionsNeedNoRoom(t *testing.T) {
	l := &numberList{file: "f", most: mostInTest, progress: &progress{}, read: func(text string) (string, bool, error) { return text, false, nil }}
	lines := 5*mostInTest + 1
	if err := l.readAll(context.Background(), io.LimitReader(repeating("+4930\n"), int64(lines*len("+4930\n")))); err != nil {
		t.Fatal(err)
	}
	if l.lines != lines || len(l.numbers) != 1 || l.repeated != lines-1 {
		t.Errorf("%d lines, %d numbers, %d repeated", l.lines, len(l.numbers), l.repeated)
	}
}

// repeating gives a text again and again.
type repeating string

func (r repeating) Read(b []byte) (int, error) {
	whole := strings.Repeat(string(r), len(b)/len(r))
	return copy(b, whole), nil
}

func TestLinesOfAnyLength(t *testing.T) {
	for length, want := range map[int]string{
		maxNumberLine - 1: "read", maxNumberLine: "read", maxNumberLine + 1: "bad", maxNumberLine + 2: "bad", 1 << 16: "bad", 1<<17 + 3: "bad",
	} {
		for _, end := range []string{"", "\n", "\r\n"} {
			got := ""
			l := &numberList{
				file: "f", most: mostInTest, progress: &progress{},
				read: func(text string) (string, bool, error) {
					if len(text) == length {
						got = "read"
					}
					return "1", false, nil
				},
				bad: func(int, string, error) error { got = "bad"; return nil },
			}
			if err := l.readAll(context.Background(), strings.NewReader(strings.Repeat("1", length)+end)); err != nil {
				t.Fatal(err)
			}
			if got != want || l.lines != 1 {
				t.Errorf("%d bytes and %q: %q in %d lines, want %q in one", length, end, got, l.lines, want)
			}
		}
	}
}
