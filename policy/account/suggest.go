package account

import (
	"fmt"
	"strings"
)

// unknown says that a word is not among the known ones, with the nearest of them, or all when none is near.
func unknown(what, word string, known []string) string {
	s := fmt.Sprintf("unknown %s `%s`", what, clip(word))
	if near := nearest(word, known); near != "" {
		return s + fmt.Sprintf(" (did you mean `%s`?)", near)
	}
	switch {
	case len(known) == 0:
		return s + " (none is declared)"
	case len(known) > 24:
		return s
	}
	return s + " (known: " + strings.Join(known, ", ") + ")"
}

// clip keeps messages readable when a file is no such file at all.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

// nearest returns the known word with the fewest typing mistakes, "" when more than about a third of each is wrong.
func nearest(word string, known []string) string {
	best, least := "", len(word)
	for _, k := range known {
		if len(word) > 64 || len(k) > 64 {
			continue
		}
		if d := mistakes(word, k); d < least && d <= (max(len(word), len(k))+1)/3 {
			best, least = k, d
		}
	}
	return best
}

// mistakes counts the letters to insert, delete, replace or swap with their neighbour.
func mistakes(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
