#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 7000
#
# The suites of tests/e2e that ask the kernel most, on Debian's 6.1 and 6.12, emulated (tests/kernels/ has what is quicker).
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/guests.sh
. "$here/lib/guests.sh"

suites="timers select probes manners attach truth_dgram truth_life truth_tcp"

inside() {
	local suite
	for suite in $suites; do
		# timeout makes a process group with a parent in its session: in an orphaned one SIGTSTP stops nobody
		timeout 900 "$here/e2e/$suite.sh" >"$OUT/$suite.tap" 2>&1
		echo "# $suite ended with $?" >>"$OUT/$suite.tap"
	done
}

kernel() {
	local suite
	guest_has "$1" || return
	for suite in $suites; do
		ok "Linux $1: $suite ended" grep -q '^1\.\.' "$WORK/$1/$suite.tap"
		e2e_include "Linux $1: $suite: " <"$WORK/$1/$suite.tap"
	done
}

! guests_inside "$@" || { inside; exit; }
guests_begin
guest_start 6.1 6.1 3400
guest_start 6.12 6.12 3400
guests_wait
kernel 6.1
kernel 6.12
e2e_end
