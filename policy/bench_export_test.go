// This file lets benchmarks ask many questions with one request, as a server does: they promise to measure decisions, not
// how fast memory brings requests that wait in a row.
package policy

// Exchange puts another subject into a prepared request, another user into its first fact and other groups into its second.
func (r *Request) Exchange(subject, user string, groups []string) {
	r.subject.id = subject
	r.facts[0].text = user
	r.facts[1].list = groups
}
