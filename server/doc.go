// Package server translates between the wire and the law: gRPC services, interceptors, and the one file that turns kinds of
// errors into status codes.
//
// Invariants. An emergency call is settled before anything that could fail: before validation, limits, waits for a revision
// and the lookup of the tenant. Every other answer comes from one published state of one tenant and names its revision.
// Nothing unknown is ignored: fields, also binary ones, and enum values that this build does not know are refused. Causes
// of errors go to the log, never to the wire.
//
// Concurrency. A Server may be used from any goroutine. Handlers share nothing but the living tenants and a bounded cache
// of normalised numbers, whose locks are held for a map access each.
//
// A stream's handler has a goroutine of its own, which Shutdown waits for; on a stream of questions only those that must
// wait have one each, and only so many may.
//
// Failure. A handler that panics fails its call with INTERNAL and leaves its stack in the log. Shutdown reports NOT_SERVING
// first, ends streams with UNAVAILABLE, lets calls end for as long as its context allows, then ends them.
package server
