// Package caller knows who may call the server: a list of callers, each known by a token or by a client certificate, with
// powers on named tenants.
//
// Invariants. Nobody holds a power that the list does not give: a caller without powers or tenants is refused when the list
// is read. Of a token only a digest is kept, and tokens are compared in a time that does not depend on how much of them is
// right. An unknown, a forged and a revoked token are refused in the same words. What is refused, logged or printed never
// holds a token, a part of one, or a digest.
//
// Concurrency. A Book may be used from any goroutine. Identify takes no lock. A call that is held ends at the moment at
// which its caller may no longer make it: Load and Trust end it before they return.
//
// Failure. A list is taken as a whole or not at all; a Book that is given a bad one keeps the one before. Edits of the file
// replace it by a rename, so a reader sees the old list or the new one. Errors are *policy.Error and name the line.
package caller

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"
)

// Power is something that a caller may do. The list is append-only: files name them.
type Power uint8

// The powers.
const (
	// Check asks questions: Check, BatchCheck, Explain.
	Check Power = iota
	// Watch follows what changes, and reads the directory.
	Watch
	// EditDirectory writes and reads a tenant's records.
	EditDirectory
	// EditModel puts models.
	EditModel
	// Tenants makes and deletes tenants.
	Tenants
	// Operate does what is the operator's alone: emergency numbers.
	Operate
)

// words are the powers as files and commands name them.
var words = []string{"check", "watch", "edit_directory", "edit_model", "tenants", "operate"}

// String is the power's word.
func (p Power) String() string {
	if int(p) >= len(words) {
		return "unknown"
	}
	return words[p]
}

// EveryPower lists the powers.
func EveryPower() []Power {
	all := make([]Power, len(words))
	for i := range words {
		all[i] = Power(i)
	}
	return all
}

// ParsePower reads a power's word.
func ParsePower(word string) (Power, bool) {
	i := slices.Index(words, word)
	return Power(max(i, 0)), i >= 0
}

// Powers is a set of powers.
type Powers uint64

// Of makes a set.
func Of(powers ...Power) Powers {
	var s Powers
	for _, p := range powers {
		s |= 1 << p
	}
	return s
}

// List lists the set in the order of the powers.
func (s Powers) List() []Power {
	return slices.DeleteFunc(EveryPower(), func(p Power) bool { return s&Of(p) == 0 })
}

// String joins the words of the set.
func (s Powers) String() string {
	var out []string
	for _, p := range s.List() {
		out = append(out, p.String())
	}
	return strings.Join(out, ", ")
}

// Caller is one who may call. It is not changed once it is in a list.
type Caller struct {
	// Name is for people and for the log: entries name the caller who made them.
	Name string
	// Token is the public part of its token; empty when Certificate is set.
	Token string
	// Certificate is the name in its client certificate: a URI or a DNS name; empty when Token is set.
	Certificate string
	Powers      Powers
	// Tenants are those on which it holds its powers, sorted; all of them when All is set.
	Tenants []string
	All     bool
	// Created is when its token was made. Expires is from when on it is refused; zero for never.
	Created, Expires time.Time

	digest [sha256.Size]byte
}

// everybody is who calls a server that asks nobody who he is. His writes name no caller.
var everybody = &Caller{Powers: Of(Check, Watch, EditDirectory, EditModel, Tenants, Operate), All: true}

// Everybody is who calls a server that asks nobody who he is: it has all powers on all tenants.
func Everybody() *Caller { return everybody }

// May says whether the caller holds one of these powers. With no power asked for, everyone may.
func (c *Caller) May(anyOf Powers) bool { return anyOf == 0 || c.Powers&anyOf != 0 }

// Sees says whether a tenant is the caller's, whether or not it exists.
func (c *Caller) Sees(tenant string) bool {
	if c.All {
		return true
	}
	_, found := slices.BinarySearch(c.Tenants, tenant)
	return found
}

// Expired says whether the caller's time is over.
func (c *Caller) Expired(now time.Time) bool { return !c.Expires.IsZero() && !now.Before(c.Expires) }

// same says whether two are one caller who may do the same.
func (c *Caller) same(d *Caller) bool {
	return c.Name == d.Name && c.Token == d.Token && c.Certificate == d.Certificate && c.Powers == d.Powers && c.All == d.All &&
		slices.Equal(c.Tenants, d.Tenants) && c.Expires.Equal(d.Expires) && c.digest == d.digest
}
