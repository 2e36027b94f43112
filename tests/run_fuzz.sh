#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run_fuzz.sh DIR NAME [SECONDS]: the fuzzer fuzz_NAME built in DIR, as TAP. First every input that is kept in
# tests/fuzz/corpus/NAME, then SECONDS of new ones; what they find new stays in DIR/corpus/NAME.  All seconds are those of CPU time, so
# as much is tried beside others as alone.
set -u
cd "$(dirname "$0")/.." || exit 1

dir=$1
name=$2
seconds=${3:-30}
program=$dir/tests/fuzz_$name
kept=tests/fuzz/corpus/$name
grown=$dir/corpus/$name
failed=0
mkdir -p "$grown"
inputs=("$grown")
[ ! -d "$kept" ] || inputs+=("$kept")

# cpu_seconds PID: of a process that runs
cpu_seconds() {
	local line
	{ read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
	# shellcheck disable=SC2086
	set -- ${line##*) }
	[ "$1" != Z ] && echo $(((${12} + ${13}) / $(getconf CLK_TCK)))
}

# fuzz WHAT SECONDS ARGUMENT...: asked to end after SECONDS (0: it ends by itself); an input that then needs 10 more is one that hangs
fuzz() {
	local what=$1 seconds=$2 pid cpu status=0 log=$dir/fuzz-$name.log
	shift 2
	"$program" -rss_limit_mb=2048 -timeout=200 -artifact_prefix="$dir/crash-$name-" -print_final_stats=1 "$@" >"$log" 2>&1 &
	pid=$!
	while cpu=$(cpu_seconds $pid); do
		if [ "$seconds" = 0 ]; then
			:
		elif [ "$cpu" -ge $((seconds + 10)) ]; then
			kill -ABRT $pid
		elif [ "$cpu" -ge "$seconds" ]; then
			kill -USR1 $pid
		fi
		sleep 0.2
	done 2>/dev/null
	wait $pid || status=$?
	sed 's/^/# /' "$log"
	if [ $status = 0 ]; then
		echo "ok - $name: $what"
	else
		echo "not ok - $name: $what"
		failed=1
	fi
}

echo 1..2
fuzz "kept inputs" 0 -runs=0 "${inputs[@]}"
fuzz "$seconds s of new inputs" "$seconds" "${inputs[@]}"
exit $failed
