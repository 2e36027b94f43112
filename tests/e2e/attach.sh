#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: no
# timeout: 200
#
# A storm of forks while Saker attaches: nobody is missed. First by -p in the middle of a storm, several times, then the
# traffic generator's storm as the recorded command.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3
ROUNDS=3
PIDS=$(cat /proc/sys/kernel/pid_max)

boot_ns() { $PY -c 'import time; print(time.clock_gettime_ns(time.CLOCK_BOOTTIME))'; }

last_pid() { awk '{ print $5 }' /proc/loadavg; }

# storming PID: so many were born since that one
storming() { [ $((($(last_pid) - $1 + PIDS) % PIDS)) -gt 3000 ]; }

# storm_round: leaves lives, events, ready, root
storm_round() {
	local storm recorder root
	rm -rf lives rec rec.err go events said
	mkfifo go
	nice -n 10 "$SAKER_BUILD/tests/storm" lives <go >said &
	storm=$!
	e2e_kill_later $storm
	exec 8>go
	wait_for 20 test -s said
	read -r _ root <said
	echo "$root" >root
	wait_for 20 storming "$root"
	"$SAKER" record -o rec -p "$root" 2>rec.err &
	recorder=$!
	e2e_kill_later $recorder
	wait_for 60 grep -q "^recording into" rec.err || cat rec.err
	boot_ns >ready
	wait_for 20 grown rec/stream-000001.ctf 200000
	echo >&8
	exec 8>&-
	wait $storm
	kill -INT $recorder
	wait $recorder
	$PY "$here/lib/ctf_json.py" rec >events
	$PY "$here/lib/storm_check.py" lives events "$root" "$(cat ready)"
}

grown() { [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -gt "$2" ]; }

command_storm() {
	rm -rf rec truth
	yes '' 2>/dev/null | "$SAKER" record -o rec --as-root -- "$TRAFFIC" storm --truth truth >said 2>rec.err || return 1
	$PY "$here/lib/ctf_json.py" rec >events
	$PY "$here/lib/truth.py" forks truth events
}

e2e_begin
for round in $(seq $ROUNDS); do
	ok "attaching to a storm misses nobody ($round)" storm_round
done

# The same events without one in ten of the ends: the comparison must see it
grep -v '"type": "exit".*"seq": [0-9]*7,' events >fewer
fails 'the comparison sees who is missing' $PY "$here/lib/storm_check.py" lives fewer "$(cat root)" "$(cat ready)"
ok 'a storm from its first instruction misses nobody' command_storm
e2e_end
