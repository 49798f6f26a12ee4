#!/usr/bin/env bash
# benchcmp.sh REF COUNT BENCH PKG BENCHSTAT: compares this tree's benchmarks with those of REF. Rounds alternate between
# the two, since a machine's mood changes faster than a long run ends.
set -euo pipefail
cd "$(dirname "$0")/.."
ref=$1 count=$2 bench=$3 pkg=$4 benchstat=$5

here=$PWD
work=$here/.tools/benchcmp
rm -rf "$work"
mkdir -p "$work/old"
git archive "$ref" | tar -x -C "$work/old"
if ((count < 6)); then
	echo "benchcmp: $count rounds show no confidence interval, 6 do (COUNT=6)" >&2
fi
for ((round = 1; round <= count; round++)); do
	echo "benchcmp: round $round of $count" >&2
	(cd "$work/old" && go test -run '^$' -bench "$bench" -benchmem "$pkg") >>"$work/old.txt"
	(cd "$here" && go test -run '^$' -bench "$bench" -benchmem "$pkg") >>"$work/new.txt"
done
"$benchstat" "$ref=$work/old.txt" "here=$work/new.txt"
