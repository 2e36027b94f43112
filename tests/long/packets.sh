#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 2000
#
# The programs of the chain on Debian's 6.1 and 6.12, emulated: they load, and Katran's cases have the verdicts and bytes that they
# have here (tests/e2e/katran.sh).
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/guests.sh
. "$here/lib/guests.sh"
data=${SAKER_TEST_DATA:-/nowhere}/katran

if guests_inside "$@"; then
	"$SAKER_BUILD/tests/katran" "$2" >"$OUT/tap" 2>&1
	exit
fi
[ $# -gt 0 ] || set -- 6.1 6.12
if [ ! -f "$data/cases.json" ] || [ ! -f "$data/provision.json" ]; then
	echo "1..0 # SKIP the cases of Katran's tests are not there: set SAKER_TEST_DATA"
	exit 0
fi
guests_begin
for series; do
	guest_start "$series" "$series" ${PACKETS_SECONDS:-350} "$(realpath "$data")"
done
guests_wait
for series; do
	guest_has "$series" || continue
	equal "Linux $series: all cases were run" "$(grep -c '^\(not \)\?ok ' "$WORK/$series/tap")" \
		"$(jq '.cases | length' "$data/cases.json")"
	e2e_include "Linux $series: " <"$WORK/$series/tap"
done
e2e_end
