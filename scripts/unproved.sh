#!/usr/bin/env bash
# unproved.sh COMMAND…: runs tests, and says behind them what they could not prove here. go test hides what a skipped test
# says, so such a test writes it to the file that KLINKE_UNPROVED names as well.
set -euo pipefail
KLINKE_UNPROVED=$(mktemp)
export KLINKE_UNPROVED
trap 'rm -f "$KLINKE_UNPROVED"' EXIT
code=0
"$@" || code=$?
if [[ -s $KLINKE_UNPROVED ]]; then
	printf '\nNOT PROVED BY THIS RUN:\n' >&2
	sort -u "$KLINKE_UNPROVED" >&2
fi
exit "$code"
