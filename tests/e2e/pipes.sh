#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# Bytes through pipes: every call of the generator is recorded, each exact edge is one of its truth, none that can be known
# is missing, and where it cannot be known the truth is among the candidates.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

pipes=$SAKER_BUILD/tests/pipes
check=$here/lib/pipes_check.py

show() {
	"$SAKER" show "$1" --json >"$1.events" && "$SAKER" show "$1" --edges --json >"$1.edges"
}

# scene NAME [OPTION OF THE CHECK...]
scene() {
	ok "$1: recorded" "$SAKER" record --as-root --with pipe -o "$1" -- "$pipes" "$1" "$WORK/$1.truth" "${ARGUMENT[@]}"
	show "$1"
	e2e_include "$1: " < <("$check" "$1" "$1.truth" "${@:2}")
}

e2e_begin
ARGUMENT=()
scene one
scene turns
scene packets
scene passed
scene splice --serial
scene fifo
# calls that overlap in time: only what is certain is exact
scene crowd --exact 0.1
fails "and what is not is ambiguous" sh -c "! grep -q '\"ambiguous\":true' crowd.edges"
ok "a FIFO has its name, a line feed in it" sh -c '"$0" show fifo --json "type=pipe" | grep -q "\"name\":\"a.nfifo\""' "$SAKER"

# half of it is lost: what is left is right
ok "recorded with rings that are too small" "$SAKER" record --as-root --with pipe --rings 128K -o lossy -- \
	"$pipes" one "$WORK/lossy.truth"
show lossy
fails "and lost events" sh -c "! grep -q '\"type\":\"loss\"' lossy.events"
e2e_include "lossy: " < <("$check" lossy lossy.truth --lossy --exact 0)

# somebody who is not recorded uses the same FIFO
mkfifo -m 600 fifo.shared
bash -c 'trap "printf 0000 >&9" USR1; trap "dd bs=4 count=1 <&9 >/dev/null 2>&1" USR2; exec 9<>fifo.shared
	touch ready; while :; do sleep 0.05; done' &
stranger=$!
e2e_kill_later $stranger
ok "a stranger has the FIFO open" wait_for 10 test -e ready
ARGUMENT=("$WORK/fifo.shared")
STRANGER=$stranger scene shared --exact 0.05
kill $stranger

# pipes that were there before
"$pipes" older "$WORK/older.truth" "$WORK/go" &
generator=$!
e2e_kill_later $generator
"$SAKER" record --with pipe -o older -p $generator 2>older.err &
recorder=$!
e2e_kill_later $recorder
ok "attached to processes whose pipe is there already" wait_for 10 grep -q recording older.err
touch go
ok "which end" wait $generator
kill -INT $recorder
ok "and the recording, too" wait $recorder
show older
e2e_include "older: " < <("$check" older "$WORK/older.truth" --partly --exact 0.8)
e2e_end
