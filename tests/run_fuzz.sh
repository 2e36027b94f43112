#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run_fuzz.sh DIR NAME [SECONDS]: the fuzzer fuzz_NAME built in DIR, as TAP. First every input that is kept in
# tests/fuzz/corpus/NAME, then SECONDS of new ones; what they find new stays in DIR/corpus/NAME.
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

# fuzz WHAT ARGUMENT...
fuzz() {
	local what=$1
	shift
	if "$program" -rss_limit_mb=2048 -timeout=10 -artifact_prefix="$dir/crash-$name-" -print_final_stats=1 "$@" \
		2>&1 | sed 's/^/# /' && [ "${PIPESTATUS[0]}" = 0 ]; then
		echo "ok - $name: $what"
	else
		echo "not ok - $name: $what"
		failed=1
	fi
}

echo 1..2
fuzz "kept inputs" -runs=0 "${inputs[@]}"
fuzz "$seconds s of new inputs" -max_total_time="$seconds" "${inputs[@]}"
exit $failed
