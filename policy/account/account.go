package account

import (
	"crypto/sha256"
	"io"
	"strconv"
	"strings"

	"github.com/klinke-authz/klinke/policy"
	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// Account is one document of an account file.
type Account struct {
	// Tenant is the account's id. All documents of a stream carry what the first one says.
	Tenant string
	// Model is the model that the tenant uses: its name, or with a version `name@3`. Empty when the file names none;
	// then it can only be applied to a tenant that exists.
	Model string
	// Place is where the document begins.
	Place Place
	// Changes puts the document's records, in the order of Kinds.
	Changes []*klinkev1.Change
	// Places says for each of Changes where the file says it.
	Places []Place
	// Questions are the expected answers of a world file.
	Questions []Question
}

// SplitModel takes a model's name and version apart; the version is 0 for the newest.
func SplitModel(s string) (name string, version uint32, err error) {
	name, number, pinned := strings.Cut(s, "@")
	if pinned {
		v, e := strconv.ParseUint(number, 10, 32)
		if e != nil || v == 0 {
			return "", 0, policy.Errorf(policy.Invalid, "model", "`%s` is no version: write name@1, or the name alone for the newest", clip(number))
		}
		version = uint32(v)
	}
	if fault := badName(name); fault != "" {
		return "", 0, policy.Errorf(policy.Invalid, "model", "%s", fault)
	}
	return name, version, nil
}

// Decoder reads an account file document by document. A document has at most 4 MiB; larger accounts are several, divided
// by `---`, each with any part of the account. Memory: one document, and 16 bytes (with overhead about 40) for each user,
// app, group, department, role and site, by which an entry that a later document would replace unawares is refused.
type Decoder struct {
	file   string
	parser *parser
	head   *Account
	seen   map[[16]byte]struct{}
	err    error
}

// NewDecoder reads from r; `file` names it in messages.
func NewDecoder(file string, r io.Reader) *Decoder {
	return &Decoder{file: file, parser: newParser(file, r), seen: map[[16]byte]struct{}{}}
}

// Next returns the next document, io.EOF after the last. An error is final.
func (d *Decoder) Next() (*Account, error) {
	if d.err != nil {
		return nil, d.err
	}
	a, err := d.next()
	if err != nil {
		d.err = err
		return nil, err
	}
	return a, nil
}

func (d *Decoder) next() (*Account, error) {
	n, err := d.parser.next()
	for err == nil && n.shape == nothing {
		n, err = d.parser.next()
	}
	if isEnd(err) && d.head == nil {
		return nil, policy.Errorf(policy.Invalid, d.file, "the file is empty: an account begins with `tenant`")
	}
	if err != nil {
		return nil, err
	}
	x := &accountReader{collector: collector{seen: map[string]placed{}}, earlier: d.seen, account: &Account{}, first: d.head == nil}
	x.account.Place = n.place()
	x.read(n)
	x.account.Changes, x.account.Places = x.changes()
	if x.err != nil {
		return nil, x.err
	}
	if d.head == nil {
		d.head = &Account{Tenant: x.account.Tenant, Model: x.account.Model}
	}
	x.account.Tenant, x.account.Model = d.head.Tenant, d.head.Model
	return x.account, nil
}

// digest is what Decoder remembers of an entry.
func digest(section, id string) [16]byte {
	sum := sha256.Sum256([]byte(section + "\x00" + id))
	return [16]byte(sum[:16])
}
