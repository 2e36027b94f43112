#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 240
#
# Wakes and hand-offs of locks: each that the generator made, at its place, and no other; none from interrupts.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3
HANDOFF=$SAKER_BUILD/tests/handoff

scenes=(mutex pi_mutex condition semaphore eventfd epoll pipe poll unix broadcast requeue free
	signal tcp udp timer spin trylock)

# Each scene one after the other, in one recording
run_scenes() {
	local name
	for name in "${scenes[@]}"; do
		"$HANDOFF" "$name" "$1" 100 "truth-$name" || echo "$name: $?"
	done >>failed 2>&1
}
export -f run_scenes

# recorded thread|process
recorded() {
	rm -rf rec
	"$SAKER" record -o rec --without log -- bash -c "$(declare -p scenes HANDOFF); run_scenes $1" 2>said || cat said
	"$SAKER" show rec --json >events
	"$SAKER" show rec --edges --json >edges
}

check() { $PY "$here/lib/handoff_check.py" "$1" events edges "${@:2}"; }

# Who got it a mark later than he did must be seen, or the comparison compares nothing
damaged() {
	awk '/^take/ && ++n == 7 { $4++ } { print }' truth-condition >wrong
	mv wrong truth-condition
	check process condition | grep -qF 'not ok 4 - condition, process: no false hand-off'
}

e2e_begin
for mode in thread process; do
	recorded $mode
	check $mode "${scenes[@]}" >tap
	e2e_include '' <tap
done
equal 'every scene was played' "$(cat failed)" ''
ok 'the comparison sees a wrong truth' damaged
e2e_end
