package policy

import (
	"fmt"
	"unicode/utf8"
)

// checkText refuses what is not UTF-8 and control characters.
func checkText(s string) error {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f {
			return fmt.Errorf("a control character at byte %d", i)
		}
		if s[i] >= 0x80 {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n <= 1 {
				return fmt.Errorf("no UTF-8 at byte %d", i)
			}
			if r >= 0x80 && r < 0xa0 {
				return fmt.Errorf("a control character at byte %d", i)
			}
			i += n - 1
		}
	}
	return nil
}
