#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# guest_cost.sh - what recording costs a loaded redis-server on a stock kernel of Debian, as a ratio inside one emulated machine.
#
#	sudo bench/guest_cost.sh [SERIES [ROUNDS]]	6.1 or 6.12 (default), 5 rounds; needs a build in build/
#
# Each round measures requests per second without a recorder, with process+socket+wake, and with logs, pipes and files as
# well, one after the other; what is printed is the median of the rounds' ratios.  Absolute figures under emulation
# mean nothing.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
SAKER=$here/build/src/saker

# rate: requests per second
rate() {
	redis-benchmark -p 7777 -c 20 -n 40000 -t set --csv | awk -F'"' '/^"SET"/ { print $4 }'
}

# recorded OPTION...: the rate while redis-server is recorded
recorded() {
	"$SAKER" record -p "$redis" -o rec "$@" 2>rec.err &
	until grep -q '^recording into' rec.err; do
		kill -0 $! || { cat rec.err >&2; exit 1; }
		sleep 0.1
	done
	rate
	kill -INT $!
	wait $!
	rm -rf rec
}

inside() {
	local round redis
	cd /tmp
	redis-server --port 7777 --save '' --daemonize no >redis.log &
	redis=$!
	until redis-cli -p 7777 ping >/dev/null 2>&1; do sleep 0.1; done
	rate >/dev/null
	for round in $(seq "$1"); do
		echo "$round $(rate) $(recorded --without log) $(recorded --with log,pipe,file)"
	done >/mnt/rounds
	kill $redis
}

# median COLUMN: of the loss against column 2, in percent
median() {
	awk -v c="$1" '{ print 100 * (1 - $c / $2) }' "$WORK/rounds" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

[ "${1-}" != inside ] || { inside "$2"; exit; }
series=${1:-6.12}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
kernel=$("$here/tests/lib/guest.sh" kernel "$series")
"$here/tests/lib/guest.sh" run "$kernel" "$WORK" 1800 "$here/bench/guest_cost.sh inside ${2:-5}" || { cat "$WORK/output" >&2; exit 1; }
sed 's/^/# round, requests per second without, with process+socket+wake, with all: /' "$WORK/rounds" >&2
printf 'Linux %s, emulated: process+socket+wake %.1f %% fewer requests, with logs, pipes and files %.1f %%\n' "$series" \
	"$(median 3)" "$(median 4)"
