// Package live keeps tenants alive: it loads them from the store on first use, publishes the newest snapshot of each
// behind one pointer, and lets one writer per tenant move it forward.
//
// Invariants. What is published is durable: a write is applied, appended, published, announced and acknowledged, in this
// order. The states that a tenant publishes have rising positions and one lineage. At most one living tenant exists per id.
// An answer that rests on changes which are not yet durable, a refusal included, waits until they are. When a boundary of time
// has passed, the entry that says so comes before that of any later write.
//
// Concurrency. All exported methods may be called from any goroutine. Reading takes a short read lock to find the tenant
// and one atomic load; it never waits for writers. A tenant's writer is a goroutine that lives while writes wait; it takes
// all that wait at once, and gives the store one append for them. Loads, writers, checkpoints and the keeper of boundaries
// belong to Tenants, whose Close waits for them. Locks are taken in the order tenant, Tenants; none is held while the store
// is called.
//
// Failure. A load that failed is tried again by the next caller. A tenant whose append failed is dropped, since what is on
// the disk is then unknown: its waiting writers get Unavailable and its next user loads it afresh. Its last state stays
// known until then, for emergency numbers alone. A boundary that cannot be entered is tried again, ever more seldom. Errors
// are *policy.Error, or the error of the caller's context.
package live
