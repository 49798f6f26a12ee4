// Package policy is the law: a model, a tenant's snapshot, and the decision. It knows no network, disk, lock or clock.
//
// Invariants. State changes only through Apply, which takes a snapshot and changes and returns the next snapshot. Decide
// agrees with Explain on every question: Explain walks the directory by the text of the rule, Decide uses what Apply merged
// ahead. Dense numbers, by which snapshots name types, permissions, roles and the rest, never leave them.
//
// Inside a snapshot every subject has a class, the interned list of its edges into the directory. A class has a role set,
// merged ahead into a table from permissions to levels. So a decision is: subject, class, role set, cell; then the few tests
// that are left. What only sometimes exists (an assignment with hours or a condition) is merged when it is asked.
//
// Concurrency. Models and snapshots are immutable and may be used from any goroutine. Apply does not touch the snapshot it is
// given; one caller at a time extends a tenant's line. A Request and a Restorer belong to one goroutine at a time.
//
// Failure. Apply, Compile and Prepare return an *Error that names the field; nothing has changed then. Decide never fails: an
// unknown subject, a missing fact or a condition that cannot be evaluated is a reason to refuse.
package policy
