package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klinke-authz/klinke/policy"
)

// maxNumberLine is how long a line of a number list may be, and shownOfLine how much of a bad one is shown.
const (
	maxNumberLine = 1024
	shownOfLine   = 60
)

// numberList is what a file of numbers holds, eight bytes each.
type numberList struct {
	file     string
	most     int // different numbers that the list may hold
	read     func(text string) (number string, prefix bool, err error)
	bad      func(line int, text string, why error) error // is told of each bad line, when it is read
	progress *progress

	lines, numBad int
	repeated      int            // lines whose number stands in another one
	numbers       []packedNumber // sorted once all are read
}

// packedNumber is a number of at most 15 digits. They sort as the server sorts the keys of listed numbers: by length, plus
// sign, digits, and whether all that begin so are meant.
type packedNumber uint64

func packNumber(number string, prefix bool) packedNumber {
	n := packedNumber(len(number)) << 52
	digits, plus := strings.CutPrefix(number, "+")
	if !plus {
		n |= 1 << 51
	}
	var value packedNumber
	for i := range len(digits) {
		value = value*10 + packedNumber(digits[i]-'0')
	}
	n |= value << 1
	if prefix {
		n |= 1
	}
	return n
}

func (n packedNumber) text() (number string, prefix bool) {
	value := uint64(n >> 1 & (1<<50 - 1))
	if length := int(n >> 52); n>>51&1 == 1 {
		number = fmt.Sprintf("%0*d", length, value)
	} else {
		number = fmt.Sprintf("+%0*d", length-1, value)
	}
	return number, n&1 == 1
}

// readAll reads the file to its end, whatever stands in it; an error is of the reading, or that there are too many numbers.
func (l *numberList) readAll(ctx context.Context, in io.Reader) error {
	r := bufio.NewReaderSize(in, 1<<16)
	for {
		text, tooLong, err := readNumberLine(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return &policy.Error{Kind: policy.Unavailable, Field: l.file, Message: fmt.Sprintf("cannot be read behind line %d", l.lines), Cause: err}
		}
		l.lines++
		l.progress.add(1)
		if err := l.line(text, tooLong); err != nil {
			return err
		}
	}
	if err := l.settle(); err != nil {
		return err
	}
	if l.lines == 0 || len(l.numbers)+l.numBad == 0 {
		return invalid(l.file, "there is no number in it")
	}
	return nil
}

// readNumberLine reads a line of any length, of which it keeps no more than may be legal. At the end it is io.EOF.
func readNumberLine(r *bufio.Reader) (text string, tooLong bool, err error) {
	var line []byte
	for read := false; ; read = true {
		part, err := r.ReadSlice('\n')
		if room := maxNumberLine + 2 - len(line); room > 0 { // with \r\n
			line = append(line, part[:min(len(part), room)]...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) && (read || len(part) > 0) {
			err = nil
		}
		text = strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
		return text, len(text) > maxNumberLine, err
	}
}

func (l *numberList) line(text string, tooLong bool) error {
	if l.lines == 1 {
		text = strings.TrimPrefix(text, "\ufeff")
	}
	entry := withoutComment(text)
	tooLong = tooLong && len(entry) == len(text)
	if entry = strings.TrimSpace(entry); entry == "" && !tooLong {
		return nil
	}
	number, prefix, err := "", false, error(nil)
	if tooLong {
		err = fmt.Errorf("the line is longer than %s bytes", thousands(maxNumberLine))
	} else {
		number, prefix, err = l.read(entry)
	}
	if err != nil {
		l.numBad++
		return l.bad(l.lines, shown(text), err)
	}
	l.numbers = append(l.numbers, packNumber(number, prefix))
	if len(l.numbers) >= 2*l.most {
		return l.settle()
	}
	return nil
}

// withoutComment cuts off what stands behind a # that begins the line or follows a blank. Elsewhere it is the key "dial now".
func withoutComment(s string) string {
	for i := range len(s) {
		if s[i] == '#' && (i == 0 || s[i-1] == ' ' || s[i-1] == '\t') {
			return s[:i]
		}
	}
	return s
}

// shown is so much of a line as a message shows.
func shown(text string) string {
	if len(text) <= shownOfLine {
		return text
	}
	return strings.ToValidUTF8(text[:shownOfLine], "\ufffd") + "…"
}

// settle sorts what was read and takes repetitions out.
func (l *numberList) settle() error {
	before := len(l.numbers)
	slices.Sort(l.numbers)
	l.numbers = slices.Compact(l.numbers)
	l.repeated += before - len(l.numbers)
	if len(l.numbers) > l.most {
		return policy.Errorf(policy.TooLarge, l.file, "more than %s different numbers in the first %s lines; a list holds no more",
			thousands(l.most), thousands(l.lines))
	}
	return nil
}
