#!/usr/bin/env bash
# breaking.sh BUF: compares the protocol with that of the last tag; a published word is never taken back or changed.
# The old tree gets today's validate.proto beside it, since that is no part of the repository.
set -euo pipefail
cd "$(dirname "$0")/.."
buf=$1

if ! tag=$(git describe --tags --abbrev=0 2>/dev/null); then
	echo "buf breaking: SKIPPED, no tag to compare with (the protocol has not been published yet)" >&2
	exit 0
fi
if [[ -z $(git ls-tree -r --name-only "$tag" -- proto/klinke) ]]; then
	echo "buf breaking: SKIPPED, $tag has no protocol files" >&2
	exit 0
fi
old=.tools/breaking
rm -rf "$old"
mkdir -p "$old/.tools"
git archive "$tag" -- buf.yaml proto | tar -x -C "$old"
cp -r .tools/proto "$old/.tools/proto"
echo "buf breaking: against $tag"
"$buf" breaking --against "$old"
