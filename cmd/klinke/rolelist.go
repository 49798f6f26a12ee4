package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klinke-authz/klinke/policy"
)

// maxLine bounds a line of an imported list or of a batch.
const maxLine = policy.MaxRequestBytes

// roleList is a list of who may do what, as roles. Names are in the order in which they first stand in the file; none
// stands twice in a list.
type roleList struct {
	file               string
	users, permissions []string
	roles              []listedRole
}

type listedRole struct {
	name               string
	users, permissions []string
}

// names is a list without repetitions.
type names struct {
	list []string
	at   map[string]bool
}

func (n *names) add(s string) bool {
	if n.at == nil {
		n.at = map[string]bool{}
	}
	if n.at[s] {
		return false
	}
	n.at[s] = true
	n.list = append(n.list, s)
	return true
}

// roleKeys begin the lines of the form of roles.
var roleKeys = [...]string{"role", "permissions", "users"}

// listReader reads either form line by line.
type listReader struct {
	file               string
	line               int
	users, permissions names
}

func readRoleList(file string, in io.Reader) (*roleList, error) {
	r := &listReader{file: file}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	var rows [][]string // of pairs
	var roles *roleReader
	for lines.Scan() {
		r.line++
		text := lines.Text()
		if r.line == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if roles == nil && rows == nil && strings.HasPrefix(text, "role:") {
			roles = &roleReader{listReader: r}
		}
		var err error
		if roles != nil {
			err = roles.read(text)
		} else {
			var pair []string
			pair, err = r.pair(text)
			rows = append(rows, pair)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := lines.Err(); err != nil {
		return nil, &policy.Error{Kind: policy.Invalid, Field: file, Message: fmt.Sprintf("cannot be read behind line %d", r.line), Cause: err}
	}
	out := &roleList{file: file, users: r.users.list, permissions: r.permissions.list}
	switch {
	case roles != nil:
		if err := roles.whole(); err != nil {
			return nil, err
		}
		out.roles = roles.roles
	case rows != nil:
		out.roles = r.rolesOf(rows)
	default:
		return nil, invalid(file, "the file is empty")
	}
	return out, nil
}

func (r *listReader) fail(format string, args ...any) error {
	return invalid(r.file, "line %d: %s", r.line, fmt.Sprintf(format, args...))
}

// pair reads a user and a permission.
func (r *listReader) pair(text string) ([]string, error) {
	for _, key := range roleKeys {
		if strings.HasPrefix(text, key+":") {
			return nil, r.fail("`%s:` belongs to a list of roles, which begins with `role:`; this file does not", key)
		}
	}
	words := strings.Fields(text)
	if len(words) != 2 {
		return nil, r.fail("a user and a permission are expected, found %s", plural(len(words), "word"))
	}
	if err := r.user(words[0]); err != nil {
		return nil, err
	}
	return words, r.permission(words[1])
}

// name refuses what cannot be an identifier, before anything is written.
func (r *listReader) name(what, s string) error {
	if err := policy.CheckID(s); err != nil {
		return r.fail("a %s cannot be called so: %v", what, err)
	}
	return nil
}

func (r *listReader) user(s string) error {
	r.users.add(s)
	return r.name("user", s)
}

func (r *listReader) permission(s string) error {
	if err := r.name("permission", s); err != nil {
		return err
	}
	if i := strings.IndexAny(s, ".:@*"); i >= 0 {
		return r.fail("the permission `%s` cannot be an action, since it contains `%c`", s, s[i])
	}
	r.permissions.add(s)
	return nil
}

// rolesOf makes a role for each set of permissions that a user has.
func (r *listReader) rolesOf(rows [][]string) []listedRole {
	of := map[string]*names{}
	for _, row := range rows {
		if of[row[0]] == nil {
			of[row[0]] = &names{}
		}
		of[row[0]].add(row[1])
	}
	var roles []listedRole
	place := map[string]int{}
	for _, user := range r.users.list {
		set := slices.Sorted(slices.Values(of[user].list))
		key := strings.Join(set, " ")
		at, known := place[key]
		if !known {
			at = len(roles)
			place[key] = at
			roles = append(roles, listedRole{name: fmt.Sprintf("set%d", at+1), permissions: set})
		}
		roles[at].users = append(roles[at].users, user)
	}
	return roles
}

// roleReader reads the form of roles.
type roleReader struct {
	*listReader
	roles []listedRole
	seen  names
	said  names // keys of the role at hand
	began int   // the line of its name
}

// whole refuses a role that does not say both what it may and who has it: a file that was cut off would take rights away.
func (r *roleReader) whole() error {
	for _, key := range roleKeys[1:] {
		if len(r.roles) > 0 && !r.said.at[key] {
			return invalid(r.file, "line %d: the role `%s` has no `%s:`; write `%s:` and nothing behind it when there are none",
				r.began, r.roles[len(r.roles)-1].name, key, key)
		}
	}
	return nil
}

func (r *roleReader) read(text string) error {
	key, rest, found := strings.Cut(text, ":")
	rest = strings.TrimSpace(rest)
	switch {
	case found && key == "role":
		if rest == "" {
			return r.fail("the role has no name")
		}
		if err := r.name("role", rest); err != nil {
			return err
		}
		if !r.seen.add(rest) {
			return r.fail("the role `%s` stands twice in the file", rest)
		}
		if err := r.whole(); err != nil {
			return err
		}
		r.roles, r.said, r.began = append(r.roles, listedRole{name: rest}), names{}, r.line
		return nil
	case !found || key != "permissions" && key != "users":
		return r.fail("`role:`, `permissions:` or `users:` is expected, found `%s`", text)
	case !r.said.add(key):
		return r.fail("`%s:` is said twice of one role", key)
	}
	role := &r.roles[len(r.roles)-1]
	var list names
	for item := range strings.SplitSeq(rest, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		list.add(item)
		take := r.permission
		if key == "users" {
			take = r.user
		}
		if err := take(item); err != nil {
			return err
		}
	}
	if key == "users" {
		role.users = list.list
	} else {
		role.permissions = list.list
	}
	return nil
}
