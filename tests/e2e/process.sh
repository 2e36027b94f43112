#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# Processes do what processes do and write it down; the recording must say the same.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/cgroups.sh
. "$here/lib/cgroups.sh"

PY=/usr/bin/python3
name=saker-process-$$

e2e_clean() {
	cgroup_del "${ACTOR_OOM:-/nowhere}"
	cgroup_del "${ACTOR_CGROUP:-/nowhere}"
}

# All in one recording
cases=(exec user exit core thread crowd thread_exec netns stop signal group kernel)

e2e_begin # core files are written here
if v2=$(cgroup_v2) && [ -n "$v2" ]; then
	export ACTOR_CGROUP=$v2/$name ACTOR_CGROUP_NAME=/$name
	mkdir "$ACTOR_CGROUP"
	cases+=(cgroup)
else
	skip 'cgroup: exec in a cgroup of version 2' 'it is not mounted'
fi
if memory=$(cgroup_memory); then
	export ACTOR_OOM=$memory/$name-oom
	mkdir "$ACTOR_OOM"
	cgroup_limit "$ACTOR_OOM" $((48 << 20))
	cases+=(oom)
else
	skip 'memory: OOM kills' 'no memory controller'
fi

ok "recorded: ${cases[*]}" "$SAKER" record -o rec -- $PY "$here/lib/actor.py" truth "${cases[@]}"
$PY "$here/lib/ctf_json.py" rec >events 2>messages
ok 'babeltrace2 opens it without a word' test ! -s messages
e2e_include '' < <($PY "$here/lib/actor_check.py" truth events)

# Events are built where an interrupt may build another one
ticking() {
	"$SAKER" record -o ticking -- "$PY" "$here/lib/ticking.py" 2 >ticking.out
}
ok 'interrupts: recorded' ticking
read -r started got <ticking.out
equal 'interrupts: every program is there' "$("$SAKER" show ticking 'type=exec and exe=/bin/true' --json | wc -l)" "$started"
ok "interrupts: and every signal, $got" test "$("$SAKER" show ticking 'type=deliver and sig=ALRM' --json | wc -l)" -ge "$got"
equal 'interrupts: none is damaged' "$("$SAKER" show ticking 'type=loss or (type=mark and value=0)' --json | wc -l)" 0

# A damaged truth must be seen, or the comparison compares nothing
sed -i 's/"sig": 9/"sig": 15/' truth
fails 'the comparison sees a wrong truth' $PY "$here/lib/actor_check.py" truth events
e2e_end
