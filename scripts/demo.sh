#!/usr/bin/env bash
# demo.sh: serves the demonstration company of a preset, asks it what its story asks and holds every answer to what the
# story expects. PRESET names the story, scripts/demo/PRESET.story. It serves until it is interrupted; with ONCE=1 it ends
# by itself, and then also runs the grpcurl lines that it prints.
#
# A story is a line for each step, by its first word:
#   tenant ID                            whom all questions are about
#   account FILE                         an account file to begin with
#   say TEXT                             a heading
#   ask ANSWER REASON LEVEL QUESTION     a question as `klinke check` takes it, and what it must give; - for no level
#   apply YAML                           an account file of one line: a change
#   grpc METHOD JSON                     a call with grpcurl
#   expect TEXT                          what stands in the answer to the grpc line before, blanks aside
set -euo pipefail
cd "$(dirname "$0")/.."
PRESET=${PRESET:-bitrix24} ONCE=${ONCE:-}
story=scripts/demo/$PRESET.story
unset "${!KLINKE_@}" # the settings of whoever runs this are for another server

fail() {
	echo "demo: $*" >&2
	exit 1
}

if [[ ! -e $story ]]; then
	there=(scripts/demo/*.story)
	there=("${there[@]##*/}")
	fail "there is no story of a preset $PRESET; PRESET is one of: ${there[*]%.story}"
fi

work=$(mktemp -d)
server=
end() {
	trap '' INT TERM
	if [[ -n $server ]] && kill "$server" 2>/dev/null; then
		wait "$server" || true
	fi
	rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM

# serve ADDRESS starts the server and hears where it listens; it fails when the server ends instead of saying so.
serve() {
	local said
	rm -f "$work/said"
	mkfifo "$work/said"
	bin/klinke serve --data "$work/data" --listen "$1" >"$work/said" 2>"$work/log" &
	server=$!
	if read -r -t 60 said <"$work/said" && [[ $said == "listening grpc="* ]]; then
		address=${said#listening grpc=}
		return 0
	fi
	kill "$server" 2>/dev/null || true
	wait "$server" || true
	server=
	return 1
}

# The usual port is nicer for people who stay; whoever does not stay needs no port of his own.
if [[ -n $ONCE ]] || ! serve 127.0.0.1:7200; then
	serve 127.0.0.1:0 || fail "the server did not start: $(<"$work/log")"
fi
export KLINKE_SERVER=$address
echo "klinke serves on $address, with its data in $work"

field() { # NAME: a row of klinke check's answer
	sed -n "s/^  $1  *//p" "$work/answer"
}

columns='%-18s %-50s %-6s %-17s %-10s %-20s %s\n'
asked=0 first=
ask() {
	local answer=$1 reason=$2 level=$3 got code=0
	shift 3
	bin/klinke check "$@" >"$work/answer" || code=$?
	if ((code > 1)); then
		fail "the question \`$*\` could not be decided"
	fi
	got="$(head -n 1 "$work/answer") $(field reason) $(field level)"
	local who=$1 what=("${@:2}")
	if [[ ${*: -2:1} == --as ]]; then # the program that acts belongs to who
		who+=" by ${*: -1}" what=("${@:2:$#-3}")
	fi
	# shellcheck disable=SC2059 # the columns are ours
	printf "$columns" "$who" "${what[*]}" "$(head -n 1 "$work/answer")" "$(field reason)" "$(field level)" "$(field revision)" "$(field time)"
	if [[ $level == - ]]; then
		level=
	fi
	if [[ $got != "$answer $reason $level" ]]; then
		bin/klinke explain "$@" >&2 || true
		fail "\`$*\` must give: $answer $reason $level; it gave: $got"
	fi
	asked=$((asked + 1)) first=${first:-$*}
}

lines=() expected=()
while read -r word rest <&3; do
	case $word in
	'' | '#'*) ;;
	tenant) export KLINKE_TENANT=$rest ;;
	account)
		echo
		bin/klinke apply -f "$rest"
		echo
		# shellcheck disable=SC2059
		printf "$columns" who what answer reason level revision time
		;;
	say) echo && echo "$rest" ;;
	ask)
		read -r -a words <<<"$rest"
		ask "${words[@]}"
		;;
	apply) bin/klinke apply --reason "the demo's story" -f - <<<"$rest" ;;
	grpc) lines+=("grpcurl -plaintext -d '${rest#* }' $address ${rest%% *}") ;;
	expect) expected+=("$rest") ;;
	*) fail "$story: what is \`$word\`?" ;;
	esac
done 3<"$story"
if ((asked == 0 || ${#lines[@]} != ${#expected[@]})); then
	fail "$story asks nothing, or has calls without an expectation"
fi
echo
echo "$asked answers, all as expected. The time is that of one call by a new process. The same without our client"
echo '(make grpcurl builds it into .tools/bin):'
printf '\n%s\n' "${lines[@]}"
echo

if [[ -z $ONCE ]]; then
	echo "Ask on, for instance:  bin/klinke explain --server $address --tenant $KLINKE_TENANT $first"
	echo "Serving until interrupted (Ctrl-C)."
	stopped=
	trap 'stopped=yes' INT TERM
	code=0
	wait "$server" || code=$?
	if [[ -z $stopped ]]; then
		fail "the server ended by itself, with code $code: $(<"$work/log")"
	fi
	exit 0
fi

PATH=$PWD/.tools/bin:$PATH
if ! command -v grpcurl >/dev/null; then
	echo "demo: there is no grpcurl, so these lines were not run (make grpcurl builds it)" >&2
	exit 0
fi
for i in "${!lines[@]}"; do
	got=$(bash -c "${lines[i]}") || fail "this line failed: ${lines[i]}"
	if [[ ${got//[[:space:]]/} != *"${expected[i]//[[:space:]]/}"* ]]; then
		fail "this line: ${lines[i]}"$'\n'"must give: ${expected[i]}"$'\n'"it gave: $got"
	fi
done
echo "These ${#lines[@]} lines were run, and the answers hold."
