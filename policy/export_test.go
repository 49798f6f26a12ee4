// This file lets tests from outside see all that a snapshot holds: two that prove to be equal hold the same.
package policy

import "pgregory.net/rapid"

// Dump lists what a snapshot holds, in words.
func Dump(s *Snapshot) []string { return dump(s) }

// Audit recounts a snapshot.
func Audit(t rapid.TB, s *Snapshot) {
	t.Helper()
	audit(t, s)
}
