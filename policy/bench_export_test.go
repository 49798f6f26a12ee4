// This file lets benchmarks ask many questions with one request, as a server does: they promise to measure decisions, not
// how fast memory brings requests that wait in a row. And it counts classes, which the cost of an edit is stated by.
package policy

import "slices"

// Exchange puts another subject into a prepared request, another user into its first fact and other groups into its second.
func (r *Request) Exchange(subject, user string, groups []string) {
	r.subject.id = subject
	r.facts[0].text = user
	r.facts[1].list = groups
}

// ClassesOn is how many combinations of edges users have that lead to a role or a department; all of them for no id.
func (s *Snapshot) ClassesOn(id string) (n int) {
	for i := range s.classes.n {
		if s.classes.refs(i) > 0 && (id == "" || slices.ContainsFunc(s.classes.edges(i), func(e edge) bool {
			x := s.entityOf(e)
			return x != nil && x.id == id
		})) {
			n++
		}
	}
	return n
}
