package policy

import (
	"slices"
)

// numberSet is a persistent set of telephone numbers and prefixes: a tree of digits, whose leaves are sorted blocks of
// codes of eight bytes. Looking up walks down the digits of the number once, past all prefixes of it, and searches one
// block. A copy of the struct is a copy of the set; an edit copies the nodes above its block, and so costs the same however
// large the set is.
type numberSet struct {
	n     int
	roots [2]*numberNode // of numbers without and with a plus sign
	// How many prefixes there are of each length, without and with a plus sign.
	lengths [2][MaxDigits + 1]uint32
}

// numberNode is all numbers that begin with the digits on the way to it.
type numberNode struct {
	owner *batch
	codes []uint64         // sorted: of a leaf all, else those that end here
	below *[10]*numberNode // by the next digit; nil for a leaf
	n     int32
}

// A leaf of more codes is burst; a node that is left with so few becomes a leaf again.
const (
	numberBurst  = 1024
	numberGather = 256
)

// The code of a number: its digits from the left, four bits each, counted from 1, so that 0 is the end; then two flags.
// Codes sort as a book sorts their numbers. Checkpoints hold them too.
const (
	codePrefix = uint64(1)
	codePlus   = uint64(2)
)

// numberCode packs a number; ok is false for what is no number of at most 15 digits.
func numberCode(s string, prefix bool) (code uint64, ok bool) {
	if prefix {
		code = codePrefix
	}
	if len(s) > 0 && s[0] == '+' {
		code |= codePlus
		s = s[1:]
	}
	if len(s) == 0 || len(s) > MaxDigits {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		code |= uint64(s[i]-'0'+1) << (60 - 4*i)
	}
	return code, true
}

// numberText is a code's number.
func numberText(code uint64) (s string, prefix bool) {
	text := make([]byte, 0, 1+MaxDigits)
	if code&codePlus != 0 {
		text = append(text, '+')
	}
	for i := range MaxDigits {
		d := codeDigit(code, i)
		if d == 0 {
			break
		}
		text = append(text, '0'+d-1)
	}
	return string(text), code&codePrefix != 0
}

// isNumberCode says whether a code is that of a number.
func isNumberCode(code uint64) bool {
	_, length := codePlace(code)
	for i := range length {
		if codeDigit(code, i) > 10 {
			return false
		}
	}
	return length > 0 && code&(1<<(64-4*length)-1)&^(codePlus|codePrefix) == 0
}

// codeDigit is the digit at a place before the fifteenth, counted from 1, or 0 behind the end.
func codeDigit(code uint64, at int) byte { return byte(code >> (60 - 4*at) & 0xf) }

// codePlace says in which of two halves a code is, and how many digits it has.
func codePlace(code uint64) (half, length int) {
	for length < MaxDigits && codeDigit(code, length) != 0 {
		length++
	}
	return int(code & codePlus >> 1), length
}

// codeOfPrefix is the prefix entry of the first digits of a code.
func codeOfPrefix(code uint64, digits int) uint64 {
	return code&^(1<<(64-4*digits)-1) | code&codePlus | codePrefix
}

// contains says whether a number is in the set, exactly or by a prefix. It does not allocate.
func (s *numberSet) contains(number string) bool {
	if s.n == 0 {
		return false
	}
	code, ok := numberCode(number, false)
	if !ok {
		return false
	}
	half, length := codePlace(code)
	depth, x := 0, s.roots[half]
	for ; x != nil && x.below != nil; depth++ {
		for _, c := range x.codes { // they end here: at most a number and a prefix
			if c&codePrefix != 0 || c == code {
				return true
			}
		}
		if depth == length {
			return false
		}
		x = x.below[codeDigit(code, depth)-1]
	}
	if x == nil {
		return false
	}
	if x.has(code) {
		return true
	}
	for n := max(depth, 1); n <= length; n++ {
		if s.lengths[half][n] > 0 && x.has(codeOfPrefix(code, n)) {
			return true
		}
	}
	return false
}

func (x *numberNode) has(code uint64) bool {
	_, ok := slices.BinarySearch(x.codes, code)
	return ok
}

// has says whether a code is in the set.
func (s *numberSet) has(code uint64) bool {
	half, length := codePlace(code)
	x := s.roots[half]
	for depth := 0; x != nil && x.below != nil && depth < length; depth++ {
		x = x.below[codeDigit(code, depth)-1]
	}
	return x != nil && x.has(code)
}

// put adds a code and says whether it was new.
func (s *numberSet) put(b *batch, code uint64) bool {
	if s.has(code) {
		return false
	}
	half, length := codePlace(code)
	s.roots[half] = s.roots[half].with(b, code, 0, length)
	s.n++
	if code&codePrefix != 0 {
		s.lengths[half][length]++
	}
	return true
}

// delete removes a code and says whether it was there.
func (s *numberSet) delete(b *batch, code uint64) bool {
	if !s.has(code) {
		return false
	}
	half, length := codePlace(code)
	s.roots[half] = s.roots[half].without(b, code, 0, length)
	s.n--
	if code&codePrefix != 0 {
		s.lengths[half][length]--
	}
	return true
}

// all visits the codes, those without a plus sign first, as a book sorts them.
func (s *numberSet) all(visit func(code uint64) bool) {
	if s.roots[0].all(visit) {
		s.roots[1].all(visit)
	}
}

func (x *numberNode) all(visit func(code uint64) bool) bool {
	if x == nil {
		return true
	}
	for _, c := range x.codes {
		if !visit(c) {
			return false
		}
	}
	if x.below == nil {
		return true
	}
	for _, y := range x.below {
		if !y.all(visit) {
			return false
		}
	}
	return true
}

// own returns the node for writing: itself, or a copy.
func (x *numberNode) own(b *batch) *numberNode {
	if x.owner == b {
		return x
	}
	c := &numberNode{owner: b, codes: slices.Clone(x.codes), n: x.n}
	if x.below != nil {
		below := *x.below
		c.below = &below
	}
	return c
}

// with is the node with a code that it lacks, at a depth.
func (x *numberNode) with(b *batch, code uint64, depth, length int) *numberNode {
	if x == nil {
		return &numberNode{owner: b, codes: []uint64{code}, n: 1}
	}
	x = x.own(b)
	x.n++
	if x.below != nil && depth < length {
		at := &x.below[codeDigit(code, depth)-1]
		*at = (*at).with(b, code, depth+1, length)
		return x
	}
	at, _ := slices.BinarySearch(x.codes, code)
	if len(x.codes) == cap(x.codes) { // an eighth of spare room, where append would double
		x.codes = append(make([]uint64, 0, len(x.codes)+len(x.codes)/8+1), x.codes...)
	}
	x.codes = slices.Insert(x.codes, at, code)
	x.burst(b, depth)
	return x
}

// burst divides a leaf that has become too large by the next digit.
func (x *numberNode) burst(b *batch, depth int) {
	if x.below != nil || len(x.codes) <= numberBurst {
		return
	}
	all, ends := x.codes, 0
	for ends < len(all) && codeDigit(all[ends], depth) == 0 { // those that end here sort before the others
		ends++
	}
	x.codes, x.below = slices.Clone(all[:ends]), new([10]*numberNode)
	for rest := all[ends:]; len(rest) > 0; {
		digit := codeDigit(rest[0], depth)
		n := 1
		for n < len(rest) && codeDigit(rest[n], depth) == digit {
			n++
		}
		y := &numberNode{owner: b, codes: slices.Clone(rest[:n]), n: int32(n)}
		y.burst(b, depth+1)
		x.below[digit-1], rest = y, rest[n:]
	}
}

// without is the node without a code that it has; nil when nothing is left.
func (x *numberNode) without(b *batch, code uint64, depth, length int) *numberNode {
	if x.n == 1 {
		return nil
	}
	x = x.own(b)
	x.n--
	if x.below != nil && depth < length {
		at := &x.below[codeDigit(code, depth)-1]
		*at = (*at).without(b, code, depth+1, length)
	} else {
		at, _ := slices.BinarySearch(x.codes, code)
		x.codes = slices.Delete(x.codes, at, at+1)
	}
	if x.below != nil && x.n <= numberGather {
		codes := make([]uint64, 0, x.n)
		x.all(func(c uint64) bool { codes = append(codes, c); return true })
		x.codes, x.below = codes, nil
	}
	return x
}
