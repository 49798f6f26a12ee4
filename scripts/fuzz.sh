#!/usr/bin/env bash
# fuzz.sh TIME: runs every target of fuzz.targets for TIME. `go test -fuzz` exits 0 when nothing matches, so the list is
# held to the tree first, and each target to its test binary.
set -euo pipefail
cd "$(dirname "$0")/.."
time=$1

listed=$(grep -v -e '^#' -e '^$' scripts/fuzz.targets | sort || true)
found=$(git grep --untracked -oE '^func Fuzz[A-Za-z0-9_]*' -- '*_test.go' | sed -E 's|^(.*)/[^/]*:func (.*)$|\1:\2|' | sort || true)
if ! diff <(echo "$listed") <(echo "$found") >&2; then
	echo "fuzz: scripts/fuzz.targets (<) and the tree (>) differ" >&2
	exit 1
fi
if [[ -z $listed ]]; then
	echo "fuzz: no targets" >&2
	exit 1
fi

for target in $listed; do
	package=./${target%%:*}
	name=${target##*:}
	if ! go test -list "^$name\$" "$package" | grep -x "$name" >/dev/null; then
		echo "fuzz: $target is written but not built: look at its build constraints" >&2
		exit 1
	fi
	echo "fuzz: $target for $time"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$package"
done
