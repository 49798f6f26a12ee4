package account

import (
	"slices"
	"strings"
)

// everybody is the one holder without a name.
const everybody = "everybody"

func holderKinds() []string {
	return []string{"user", "app", "group", "role", "role+", "department", "department+"}
}

// isHolderKind says whether a holder can begin so.
func isHolderKind(kind string) bool { return slices.Contains(holderKinds(), kind) }

// holder reads whom something is given to. A bare name is a user.
func (r *reader) holder(n *node) string {
	s := r.text(n)
	if r.err != nil || s == everybody {
		return s
	}
	kind, id, found := strings.Cut(s, ":")
	if !found {
		kind, id, s = "user", s, "user:"+s
	}
	if !isHolderKind(kind) {
		r.failf(n, "%s", unknown("kind of holder", kind, holderKinds()))
	} else if fault := badName(id); fault != "" {
		r.failf(n, "%s", fault)
	}
	return s
}

// subject reads a user or an app. A bare name is a user.
func (r *reader) subject(n *node) string {
	s := r.holder(n)
	if r.err == nil && !strings.HasPrefix(s, "user:") && !strings.HasPrefix(s, "app:") {
		r.failf(n, "`%s` is neither a user nor an app", clip(s))
	}
	return s
}

// bare is the shortest way to write a holder that reads as the same.
func bare(holder string) string {
	id, is := strings.CutPrefix(holder, "user:")
	if is && id != "" && id != everybody && !strings.Contains(id, ":") {
		return id
	}
	return holder
}
