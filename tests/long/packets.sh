#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 2000
#
# The programs of the chain on Debian's 6.1 and 6.12, emulated: they load, and Katran's cases have the verdicts and bytes that they
# have here (tests/e2e/katran.sh); and real connections go through them (tests/lib/lb_short.sh).
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/guests.sh
. "$here/lib/guests.sh"
data=${SAKER_TEST_DATA:-/nowhere}/katran

if guests_inside "$@"; then
	guests_step live
	"$here/lib/lb_short.sh" >"$OUT/live.tap" 2>"$OUT/live.err"
	guests_step cases
	[ "$2" = none ] || "$SAKER_BUILD/tests/katran" "$2" >"$OUT/tap" 2>&1
	exit
fi
[ $# -gt 0 ] || set -- 6.1 6.12
guests_begin
cases=none
if [ -f "$data/cases.json" ] && [ -f "$data/provision.json" ]; then
	cases=$(realpath "$data")
else
	skip "Katran's cases" 'they are not there: set SAKER_TEST_DATA'
fi
for series; do
	guest_start "$series" "$series" ${PACKETS_SECONDS:-700} "$cases"
done
guests_wait
for series; do
	guest_has "$series" || continue
	ok "Linux $series: the live run came to its end" grep -q '^1\.\.' "$WORK/$series/live.tap"
	e2e_include "Linux $series: " <"$WORK/$series/live.tap"
	[ $cases != none ] || continue
	equal "Linux $series: all cases were run" "$(grep -c '^\(not \)\?ok ' "$WORK/$series/tap")" \
		"$(jq '.cases | length' "$data/cases.json")"
	e2e_include "Linux $series: " <"$WORK/$series/tap"
done
e2e_end
