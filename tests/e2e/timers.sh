#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 60
#
# Each wait that a timer ends is one event, in the order and of the kind that the program wrote down, and of its thread.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

record() {
	"$SAKER" record -o rec -- /usr/bin/python3 "$here/lib/timers.py" >truth
}

e2e_begin
ok 'recorded' record
"$SAKER" show rec 'type=timer' --json >timers
equal 'every wait, its kind, its order' "$(jq -r .kind timers)" "$(cat truth)"
equal 'all of one thread' "$(jq -r '"\(.target_tgid) \(.target_tid)"' timers | sort -u | wc -l)" 1
equal 'whose start is known' "$(jq -r .target_start_ns timers | sort -u)" \
	"$("$SAKER" show rec 'type=exec' --json | jq -r .start_ns | sort -u)"
equal 'they belong to no thread themselves' "$(jq -r '"\(.context) \(.tid)"' timers | sort -u)" 'hardirq 0'
e2e_end
