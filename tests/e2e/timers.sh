#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 60
#
# Each wait that a timer ends is one event, in the order and of the kind that the program wrote down, and of its thread.
#
# Some hosts run no program on a hook while certain threads of the machine's own first process are current (seen with
# sched_switch and hrtimer_expire_entry on a micro VM, about one expiry in 400): what a timer interrupts there is not told. So
# of three runs one
# must have all of them, and in each those that are told must be the program's, in its order.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

record() {
	rm -rf rec
	"$SAKER" record -o rec -- /usr/bin/python3 "$here/lib/timers.py" >truth && "$SAKER" show rec 'type=timer' --json >timers
}

# Is what was told a part of what happened, in its order?
part_of_truth() {
	jq -r .kind timers | /usr/bin/python3 -c 'import sys
truth = iter(open("truth").read().split())
sys.exit(not all(any(k == t for t in truth) for k in sys.stdin.read().split()))'
}

whole() {
	local try
	for try in 1 2 3; do
		[ $try = 1 ] || record || return 1
		part_of_truth || return 1
		[ "$(jq -r .kind timers)" != "$(cat truth)" ] || return 0
		echo "run $try: $(jq -r .kind timers | wc -l) of $(wc -l <truth) told" >&2
	done
	return 1
}

e2e_begin
ok 'recorded' record
ok 'every wait, its kind, its order' whole
equal 'all of one thread' "$(jq -r '"\(.target_tgid) \(.target_tid)"' timers | sort -u | wc -l)" 1
equal 'whose start is known' "$(jq -r .target_start_ns timers | sort -u)" \
	"$("$SAKER" show rec 'type=exec' --json | jq -r .start_ns | sort -u)"
equal 'they belong to no thread themselves' "$(jq -r '"\(.context) \(.tid)"' timers | sort -u)" 'hardirq 0'
e2e_end
