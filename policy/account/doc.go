// Package account turns the two YAML files of the project into protos and back: the model file (docs/model.md), which
// becomes a Model, and the account file (docs/account.md), which becomes changes and, the other way, is written from
// records.
//
// Invariant: nothing in a file is ignored. A key, a word or a kind that is not known, a key said twice and a value of the
// wrong shape are errors that name file, line and column; and what Encoder writes, Decoder reads as the same records.
// The package judges form only; whether an account makes sense is for policy.Apply, whether a model does for its
// compilation. The few names that are resolved here (levels, types, relations, attributes) are those that only the file
// can point at.
//
// Concurrency: functions are safe to call from several goroutines. A Decoder and an Encoder belong to one goroutine each.
//
// Failure: the first error ends the reading; nothing half-read is returned. Files are not trusted: bytes, nesting and the
// nodes that aliases expand to are bounded, and the bounds are errors like any other. Every error is a *policy.Error whose
// Field is the file's name.
package account
