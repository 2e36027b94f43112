#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run_bench.sh DIR [NAME]: a short run of every bench, as TAP: that they run, no figures. A line `smoke: ARGUMENTS` in a
# bench's first comment says how it is short; status 77: it cannot run here.
set -u
cd "$(dirname "$0")/.." || exit 1

dir=$1
count=0
failed=0

smoke_words() {
	sed -n '1,40s/^\( \* \|# \|\)smoke: *//p' "$1" | head -n 1
}

# command_of FILE: how it is run; C programs are built first
command_of() {
	local name=${1##*/}
	name=${name%.c}
	case $1 in
	*.c) ninja -C "$dir" "bench/$name" >&2 && echo "$dir/bench/$name" ;;
	*) echo "$1" ;;
	esac
}

# smoke FILE
smoke() {
	local program words
	count=$((count + 1))
	words=$(smoke_words "$1")
	if [ -z "$words" ]; then
		echo "ok $count - $1 # SKIP it has no short run"
		return
	fi
	# shellcheck disable=SC2086
	{ program=$(command_of "$1") && "$program" $words; } 2>&1 | sed 's/^/# /'
	case ${PIPESTATUS[0]} in
	0) echo "ok $count - $1 $words" ;;
	77) echo "ok $count - $1 $words # SKIP something is missing, it says what" ;;
	*)
		echo "not ok $count - $1 $words"
		failed=1
		;;
	esac
}

for file in bench/*_bench.c bench/*_bench.py; do
	name=${file##*/}
	if [ -e "$file" ] && [ "${2:-${name%.*}}" = "${name%.*}" ]; then
		smoke "$file"
	fi
done
[ $count != 0 ] || echo "ok 1 - benches # SKIP there are none"
echo "1..$((count > 0 ? count : 1))"
exit $failed
