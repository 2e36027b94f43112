#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# lb_kill.sh - how long new connections still go to a backend that has died, with a thousand connections open, and whether others lose one.
#
#	sudo bench/lb_kill.sh [ROUNDS]		5; about 15 s each for three ways to learn of it; prints rows of a table
#
# From the kill (CLOCK_MONOTONIC) to the begin of the last new connection, one every 4 ms, that was refused, reset, or had to send its
# SYN again. See tests/lib/lbkill.sh for what is done.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
export SAKER=${SAKER:-$here/build/src/saker}
# shellcheck source=tests/lib/netns.sh
. "$here/tests/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/tests/lib/lbworld.sh"
# shellcheck source=tests/lib/lbkill.sh
. "$here/tests/lib/lbkill.sh"
rounds=${1:-5}
PLACE=$(mktemp -d)
leave() {
	lbkill_down
	rm -rf "$PLACE"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
lbkill_up "lk$$" || exit 1
for ((round = 1; round <= rounds; round++)); do
	for how in report syn checks; do
		lbkill_run $how || echo "lb_kill.sh: $how: round $round did not go as it should" >&2
		echo "$how $(lbkill_last) $(jq -s '(.[0].of | .b1 + .b3) - (.[1].of | .b1 + .b3)' "$PLACE/before" "$PLACE/after")" \
			"$(jq '.of.b2' "$PLACE/before") $(jq .broken "$PLACE/after")" | tee -a "$PLACE/rounds" >&2
	done
done
# tell HOW WORDS GOAL
tell() {
	awk -v how="$1" '$1 == how { print $2 }' "$PLACE/rounds" | sort -n | awk -v what="$2" -v goal="$3" \
		-v lost="$(awk -v how="$1" '$1 == how { s += $3 } END { print s + 0 }' "$PLACE/rounds")" '{ v[NR] = $1 }
		END { printf "| balancer, a backend dies under 1000 connections, %s: the last new connection sent there | %d ms | %s | %d rounds, %d to %d; connections of others lost: %d |\n",
			what, v[int((NR + 1) / 2)], goal, NR, v[1], v[NR], lost }'
}
tell report 'its agent reports' '<= 100 ms'
tell syn 'silence, seen by SYNs' '<= 1500 ms'
tell checks 'silence, seen by checks every 500 ms' '<= 1500 ms'
