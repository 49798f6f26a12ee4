package policy

import (
	"slices"
)

// numberSet is a persistent set of telephone numbers and prefixes, eight bytes each: sorted blocks of codes. Looking up
// costs the logarithm of its size for the number, and as much again for each length of prefix in it.
type numberSet struct {
	owner  *batch
	firsts []uint64 // by block
	blocks []*numberBlock
	n      int
	// How many prefixes there are of each length, for numbers with and without a plus sign.
	lengths [2][MaxDigits + 1]uint32
}

type numberBlock struct {
	owner *batch
	codes []uint64
}

const numberBlockSize = 512

// numberCode packs a number: prefix entry, plus sign, count of digits, digits. ok is false for what is no number of at
// most 15 digits.
func numberCode(s string, prefix bool) (code uint64, ok bool) {
	if prefix {
		code = 1 << 63
	}
	if len(s) > 0 && s[0] == '+' {
		code |= 1 << 62
		s = s[1:]
	}
	if len(s) == 0 || len(s) > MaxDigits {
		return 0, false
	}
	var value uint64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		value = value*10 + uint64(s[i]-'0')
	}
	return code | uint64(len(s))<<56 | value, true
}

// numberText is a code's number.
func numberText(code uint64) (s string, prefix bool) {
	n := int(code >> 56 & 0xf)
	digits := make([]byte, n)
	for i, v := n-1, code&(1<<56-1); i >= 0; i, v = i-1, v/10 {
		digits[i] = byte('0' + v%10)
	}
	if code>>62&1 == 1 {
		return "+" + string(digits), code>>63 == 1
	}
	return string(digits), code>>63 == 1
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
	if s.has(code) {
		return true
	}
	plus, total := code>>62&1, int(code>>56&0xf)
	value := code & (1<<56 - 1)
	for n := total; n > 0; n, value = n-1, value/10 {
		if s.lengths[plus][n] > 0 && s.has(1<<63|plus<<62|uint64(n)<<56|value) {
			return true
		}
	}
	return false
}

func (s *numberSet) find(code uint64) (block, at int, ok bool) {
	block, exact := slices.BinarySearch(s.firsts, code)
	if exact {
		return block, 0, true
	}
	if block == 0 {
		return 0, 0, false
	}
	block--
	at, ok = slices.BinarySearch(s.blocks[block].codes, code)
	return block, at, ok
}

func (s *numberSet) has(code uint64) bool {
	_, _, ok := s.find(code)
	return ok
}

// put adds a code and says whether it was new.
func (s *numberSet) put(b *batch, code uint64) bool {
	block, at, ok := s.find(code)
	if ok {
		return false
	}
	s.n++
	s.note(code, 1)
	s.own(b)
	if len(s.blocks) == 0 {
		s.blocks, s.firsts = append(s.blocks, &numberBlock{owner: b}), append(s.firsts, code)
	}
	x := s.ownBlock(b, block)
	x.codes = slices.Insert(x.codes, at, code)
	s.firsts[block] = x.codes[0]
	if len(x.codes) > numberBlockSize {
		cut := len(x.codes) / 2
		if at == len(x.codes)-1 && block == len(s.blocks)-1 {
			cut = len(x.codes) - 1 // numbers that come in order fill their blocks
		}
		upper := &numberBlock{owner: b, codes: slices.Clone(x.codes[cut:])}
		x.codes = slices.Clone(x.codes[:cut])
		s.blocks = slices.Insert(s.blocks, block+1, upper)
		s.firsts = slices.Insert(s.firsts, block+1, upper.codes[0])
	}
	return true
}

// delete removes a code and says whether it was there.
func (s *numberSet) delete(b *batch, code uint64) bool {
	block, at, ok := s.find(code)
	if !ok {
		return false
	}
	s.n--
	s.note(code, ^uint32(0))
	s.own(b)
	x := s.ownBlock(b, block)
	x.codes = slices.Delete(x.codes, at, at+1)
	if len(x.codes) == 0 {
		s.blocks, s.firsts = slices.Delete(s.blocks, block, block+1), slices.Delete(s.firsts, block, block+1)
	} else {
		s.firsts[block] = x.codes[0]
	}
	return true
}

// all visits the codes in their order.
func (s *numberSet) all(visit func(code uint64) bool) {
	for _, x := range s.blocks {
		for _, c := range x.codes {
			if !visit(c) {
				return
			}
		}
	}
}

func (s *numberSet) note(code uint64, by uint32) {
	if code>>63 == 1 {
		s.lengths[code>>62&1][code>>56&0xf] += by
	}
}

func (s *numberSet) own(b *batch) {
	if s.owner != b {
		s.owner, s.firsts, s.blocks = b, slices.Clone(s.firsts), slices.Clone(s.blocks)
	}
}

func (s *numberSet) ownBlock(b *batch, i int) *numberBlock {
	x := s.blocks[i]
	if x.owner != b {
		x = &numberBlock{owner: b, codes: slices.Clone(x.codes)}
		s.blocks[i] = x
	}
	return x
}
