#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run_bench.sh DIR [NAME]: a short run of every bench, as TAP: that they run, no figures, so some run beside others. A line
# `smoke: ARGUMENTS` in a bench's first comment says how it is short; status 77: it cannot run here.
set -u
cd "$(dirname "$0")/.." || exit 1

dir=$1
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT

smoke_words() {
	sed -n '1,40s/^\( \* \|# \|\)smoke: *//p' "$1" | head -n 1
}

# command_of FILE
command_of() {
	local name=${1##*/}
	case $1 in
	*.c) echo "$dir/bench/${name%.c}" ;;
	*) echo "$1" ;;
	esac
}

# smoke FILE
smoke() {
	local words
	words=$(smoke_words "$1")
	if [ -z "$words" ]; then
		echo "ok - $1 # SKIP it has no short run"
		return
	fi
	# shellcheck disable=SC2086
	"$(command_of "$1")" $words 2>&1 | sed 's/^/# /'
	case ${PIPESTATUS[0]} in
	0) echo "ok - $1 $words" ;;
	77) echo "ok - $1 $words # SKIP something is missing, it says what" ;;
	*) echo "not ok - $1 $words" ;;
	esac
}

files=() targets=()
for file in bench/*_bench.py bench/*_bench.c; do
	name=${file##*/}
	if [ -e "$file" ] && [ "${2:-${name%.*}}" = "${name%.*}" ]; then
		files+=("$file")
		case $file in
		*.c) targets+=("bench/${name%.c}") ;;
		esac
	fi
done
[ ${#targets[@]} = 0 ] || ninja -C "$dir" "${targets[@]}" 2>&1 | sed 's/^/# /'
for file in "${files[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
		wait -n
	done
	smoke "$file" >"$said/${file##*/}" &
done
wait
cat "$said"/* 2>/dev/null
[ ${#files[@]} != 0 ] || echo "ok - benches # SKIP there are none"
echo "1..$((${#files[@]} > 0 ? ${#files[@]} : 1))"
! grep -q '^not ok' "$said"/* 2>/dev/null
