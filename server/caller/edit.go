package caller

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"go.yaml.in/yaml/v3"

	"github.com/klinke-authz/klinke/policy"
)

// Read reads a file of callers as the server does.
func Read(path string) (*List, error) {
	content, err := contentOf(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, content)
}

// contentOf reads a file that no stranger may write, or read.
func contentOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		kind := policy.Unavailable
		if errors.Is(err, fs.ErrNotExist) {
			kind = policy.NotFound
		}
		return nil, &policy.Error{Kind: kind, Field: path, Message: "the file cannot be read", Cause: err}
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err == nil {
		err = CheckMode(path, info)
	}
	if err != nil {
		return nil, err
	}
	var content bytes.Buffer
	if _, err := content.ReadFrom(f); err != nil {
		return nil, &policy.Error{Kind: policy.Unavailable, Field: path, Message: "the file cannot be read", Cause: err}
	}
	return content.Bytes(), nil
}

// CheckMode refuses a file that others than its owner can write, or others than its owner and group can read.
func CheckMode(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return policy.Errorf(policy.Invalid, path, "its mode is %04o, so strangers can reach it: chmod 600 %s (the group may read it at most, 640)",
			mode, path)
	}
	return nil
}

// Create adds a caller with a new token to a file, which is made when it is not there, and returns the token, which nobody can
// get again. Exists when the name is taken.
func Create(path string, c Caller) (token string, err error) {
	token, c.Token = newToken()
	c.digest = digestOf(token)
	err = edit(path, true, func(list *List, tree *yaml.Node) error {
		if byName(list)[c.Name] != nil {
			return policy.Errorf(policy.Exists, "name", "there is a caller called `%s` already; revoke it, or take another name", c.Name)
		}
		tree.Content = append(tree.Content, c.node())
		return nil
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// Revoke takes a caller out of a file, whatever it is known by. NotFound when there is none of that name.
func Revoke(path, name string) error {
	return edit(path, false, func(list *List, tree *yaml.Node) error {
		for i, c := range list.callers {
			if c.Name == name {
				tree.Content = append(tree.Content[:i], tree.Content[i+1:]...)
				return nil
			}
		}
		return policy.Errorf(policy.NotFound, "name", "there is no caller called `%s`", name)
	})
}

// edit changes a file as a whole. Another edit at the same time is Locked: the new file, made first, keeps it out.
func edit(path string, mayMake bool, change func(*List, *yaml.Node) error) (err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // else the rename would replace the link
	}
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return policy.Errorf(policy.Locked, next, "the file of callers is being edited; when nobody does, remove %s", next)
	case err != nil:
		return &policy.Error{Kind: policy.Unavailable, Field: next, Message: "the file cannot be made", Cause: err}
	}
	renamed := false
	defer func() {
		if !renamed {
			err = errors.Join(err, os.Remove(next))
		}
	}()
	content, err := changed(path, mayMake, change)
	if err == nil {
		err = keepOwner(f, path)
	}
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return sayWhere(path, err)
	}
	renamed = true
	return syncFolder(filepath.Dir(path))
}

// keepOwner gives the new file the owner, group and mode of the one that it replaces: the server must still be able to read
// it when another user edited it.
func keepOwner(f *os.File, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	old, isUnix := info.Sys().(*syscall.Stat_t)
	if isUnix && (int(old.Uid) != os.Geteuid() || int(old.Gid) != os.Getegid()) {
		if err := f.Chown(int(old.Uid), int(old.Gid)); err != nil {
			return err
		}
	}
	return f.Chmod(info.Mode().Perm())
}

// syncFolder makes a rename last: who was revoked stays revoked after a loss of power.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	return sayWhere(dir, err)
}

// sayWhere makes an error of the system one of ours.
func sayWhere(path string, err error) error {
	if _, ours := errors.AsType[*policy.Error](err); err == nil || ours {
		return err
	}
	return &policy.Error{Kind: policy.Unavailable, Field: path, Message: "the file cannot be written", Cause: err}
}
