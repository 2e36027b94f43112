#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs all benches, about half an hour, and writes their rows into the table of bench/results.md, between the two marks.
# What stands besides the table is kept. Each bench prints its rows as lines that begin with |.
#
#   sudo bench/run.sh [--quick]		--quick: short runs, the table goes to stdout only
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tools/deps.sh
. tools/deps.sh

quick=
[ "${1-}" != --quick ] || quick=1
export SAKER=$PWD/build/src/saker SAKER_BUILD=$PWD/build
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
status=0

# run SHORT LONG COMMAND...: words of a quick and of a whole run
run() {
	local words=$2
	[ -z "$quick" ] || words=$1
	echo "== ${*:3} $words" >&2
	# shellcheck disable=SC2086
	"${@:3}" $words 2>&1 | tee /dev/stderr | grep '^|' >>"$rows"
	[ "${PIPESTATUS[0]}" = 0 ] || { echo "| ${3##*/} | failed | | |" >>"$rows"; status=1; }
}

machine() {
	local model memory
	model=$(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1)
	memory=$(awk '/^MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)
	echo "$(date -u +%F), $(uname -m), $(nproc) CPUs ($model), $memory GB, kernel $(uname -r), Saker $(git rev-parse --short HEAD);" \
		"mitigations: $(grep -hv '^Not affected' /sys/devices/system/cpu/vulnerabilities/{spectre_v2,spec_rstack_overflow} |
			tr '\n' ';'); load before: $(cut -d' ' -f1 /proc/loadavg)"
}

table() {
	echo
	echo "$head"
	echo
	echo "| what | measured | goal | how |"
	echo "| --- | --- | --- | --- |"
	cat "$rows"
	echo
}

[ "$(id -u)" = 0 ] || { echo "bench/run.sh: BPF needs root" >&2; exit 1; }
deps_install build test bench shop || exit 1
[ -e build/build.ninja ] || meson setup build >&2 || exit 1
ninja -C build bench/order_bench bench/ingest_bench bench/falcon_order bench/spans_bench bench/lb_bench src/saker tests/scene demo/shop-{threads,pool,client,hog} >&2 || exit 1
head=$(machine)
run "--rounds 1 --seconds 1" "" bench/load_bench.py
run "200000 20 1" "10000000 100 5" build/bench/order_bench
run "200000 100 1" "10000000 1000 1" build/bench/order_bench
run "200000 20 1 4" "10000000 100 1 128" build/bench/order_bench
run "0.2 1" "3 5" build/bench/ingest_bench
run "20000" "1000000" build/bench/spans_bench
run "--spans 2000 --rounds 2" "" bench/scale_bench.py
run "10 200" "500 2000" build/bench/lb_bench
run "--rounds 1 --lean" "" bench/z3_bench.py
run "--rounds 1 20000" "" bench/page_bench.py
run "--events 50000 --rounds 1" "" bench/serve_bench.py
run "--requests 60 --concurrency 4" "" bench/stitch_bench.py
run "--runs 1 --hold 1" "" bench/why_bench.py
if [ -n "$quick" ]; then
	table
else
	table >"$rows.table"
	sed -i -e "/^<!-- table -->/,/^<!-- end -->/{/^<!-- table -->/{p;r $rows.table
		};/^<!-- end -->/p;d}" bench/results.md
	rm -f "$rows.table"
fi
exit $status
