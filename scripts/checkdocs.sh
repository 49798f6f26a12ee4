#!/usr/bin/env bash
# checkdocs.sh [--update] [FILE…]: holds the documentation to the program. Each ```console block is run, command by command
# (`$ command`, its output below it), all of a file in one shell and an empty folder of their own; a ```yaml block with a
# file's name behind the word is written to that file first. What a command prints must be what the file says, up to what
# no two runs share: lineages, addresses, durations, moments, the program's version. `…` stands for anything. Links to
# files must lead somewhere. --update writes what the commands print into the files instead.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8
root=$PWD update=
if [[ ${1:-} == --update ]]; then
	update=yes
	shift
fi
PATH=$root/bin:$root/.tools/bin:$PATH
unset "${!KLINKE_@}"
for program in klinke grpcurl; do
	if ! command -v "$program" >/dev/null; then
		echo "checkdocs: there is no $program: run make checkdocs, which builds it" >&2
		exit 2
	fi
done
if (($# == 0)); then
	set -- README.md CHANGELOG.md CONTRIBUTING.md docs/*.md docs/*/*.md
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkfifo "$work/said"

# alike takes away what no two runs share.
alike() {
	sed -E -e 's/[a-z2-7]{16}-([0-9]+)/LINEAGE-\1/g' -e 's/20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)/MOMENT/g' \
		-e 's/^(  time +)[0-9.]+(µs|ms|s)$/\1/' -e 's/("(requestDigest|nextPageToken)": +)"[^"]*"/\1/' -e 's/":  */": /g' \
		-e 's/klinke [^ ]+ \(go[^)]*\)/klinke VERSION/' -e 's/("version": +)"[^"]*"/\1/' -e "s/127\.0\.0\.1:[0-9]+/ADDRESS/g" \
		-e 's/time=MOMENT/time=/; s/version=[^ ]+/version=/'
}

# holds says whether the output GOT is as EXPECTED.
holds() {
	local got pattern
	got=$(alike <<<"$1")
	pattern=$(alike <<<"$2" | sed -e 's/[^[:alnum:]]/\\&/g' -e 's/\\…/*/g')
	# shellcheck disable=SC2053 # it is a pattern
	[[ $got == $pattern ]]
}

code=0 address=
# execute runs a command in this shell, with the exit code of the one before in $?, and leaves its output in got.
execute() {
	local command=$1
	if [[ -n $address ]]; then
		command=${command//127.0.0.1:7200/$address}
	fi
	if [[ $command == klinke\ serve*\& ]]; then # the only one in the background
		exec 4<>"$work/said"
		eval "KLINKE_LISTEN=127.0.0.1:0 $command" >&4
		read -r -t 60 got <&4 || got="nothing was said in a minute"
		address=${got#listening grpc=} got=${got//$address/127.0.0.1:7200}
		export KLINKE_SERVER=$address
		return
	fi
	(exit "$code")
	eval "$command" >"$work/got" 2>&1 </dev/null
	code=$?
	got=$(<"$work/got")
	got=${got//${address:-none}/127.0.0.1:7200}
}

# unfinished says whether a command goes on in the next line.
unfinished() {
	local quotes=${1//[^\']/}
	[[ $1 == *\\ ]] || ((${#quotes} % 2))
}

# render prints a file as it should be.
render() (
	set +eu
	trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
	rm -rf "$work/here" && mkdir "$work/here" && cd "$work/here" && ln -s "$root/policy" . || exit 1
	inside= command= expected= got=
	settle() { # the command that was read, with its output
		if [[ -n $command ]]; then
			execute "${command//\\$'\n'/ }"
			if holds "$got" "${expected%$'\n'}"; then
				printf '%s' "$expected"
			elif [[ -n $got ]]; then
				printf '%s\n' "$got"
			fi
		fi
		command= expected=
	}
	while IFS= read -r line <&3; do
		case $inside in
		'')
			if [[ $line == '```console' ]]; then
				inside=console
			elif [[ $line =~ ^'```'[a-z]+\ ([a-z0-9.-]+)$ ]]; then
				inside=file file=${BASH_REMATCH[1]}
				: >"$file"
			fi
			printf '%s\n' "$line"
			;;
		file)
			if [[ $line == '```' ]]; then
				inside=
			else
				printf '%s\n' "$line" >>"$file"
			fi
			printf '%s\n' "$line"
			;;
		console)
			if [[ $line == '```' ]]; then
				settle
				inside=
				printf '%s\n' "$line"
			elif [[ $line == '$ '* ]]; then
				settle
				command=${line#'$ '}
				printf '%s\n' "$line"
			elif unfinished "$command"; then
				command+=$'\n'$line
				printf '%s\n' "$line"
			else
				expected+=$line$'\n'
			fi
			;;
		esac
	done 3<"$root/$1"
)

# anchors FILE: the names by which links reach its headings.
anchors() {
	sed -E '/^```/,/^```/d' "$1" | sed -nE 's/^#+ +//p' | sed -E 's/\[([^]]*)\]\([^)]*\)/\1/g' | tr '[:upper:]' '[:lower:]' |
		sed -E 's/[^[:alnum:]_ -]//g; s/ /-/g'
}

bad=0
for file; do
	dir=$(dirname "$file")
	while IFS= read -r link; do
		target=$dir/${link%%#*}
		[[ $link == \#* ]] && target=$file
		if [[ ! -e $target ]]; then
			echo "checkdocs: $file leads to $link, which is not there" >&2
			bad=1
		elif [[ $link == *.md#* || $link == \#* ]] && ! anchors "$target" | grep -qxF -e "${link#*#}"; then
			echo "checkdocs: $file leads to $link, and $target has no such heading" >&2
			bad=1
		fi
	done < <(grep -oE '\]\([^)]+\)' "$file" | sed -E 's/^\]\((.*)\)$/\1/' | grep -vE '^https?:' || true)
	if ! grep -q '^```console$' "$file"; then
		continue
	fi
	echo "checkdocs: $file"
	render "$file" >"$work/rendered"
	if [[ -n $update ]]; then
		cp "$work/rendered" "$file"
	elif ! diff -u --label "$file" --label 'what the program says' "$file" "$work/rendered"; then
		bad=1
	fi
done
if ((bad)); then
	echo "checkdocs: the documentation and the program differ; once the text is right, scripts/checkdocs.sh --update writes the outputs anew" >&2
fi
exit "$bad"
