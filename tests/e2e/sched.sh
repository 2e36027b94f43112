#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 240
#
# Where the time of threads went: what is recorded is what the program knows of itself and what the kernel counted for it,
# and the events of a thread are a chain without a gap, also of one that is met in the middle.
#
# Some hosts run no program on a hook while certain threads of the machine's own first process are current (see timers.sh):
# then a wake, or that a thread came back, is not seen.  And where a hypervisor takes the CPU between the kernel's look at its
# clock and ours, the two count differently.  So of five runs one must be whole, and none may tell what is not true.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

program=$SAKER_BUILD/tests/stretches
check=$here/lib/sched_check.py

# wrong WHAT FILTER: the check sees what jq makes of the events
wrong() {
	jq -c "$2" begun.events >wrong.events
	/usr/bin/python3 "$check" wrong.events begun.truth >wrong.tap
	ok "the comparison sees $1" grep -q '^not ok' wrong.tap
}

# Nanoseconds that the hypervisor took from this machine's CPUs since it began
stolen() {
	awk '$1 == "cpu" { printf "%.0f\n", $9 * 10000000 }' /proc/stat
}

begun() {
	rm -rf begun
	STOLEN_BEFORE=$(stolen)
	"$SAKER" record --as-root --with sched --without log -o begun -- "$program" begun.truth && "$SAKER" show begun --json >begun.events
}

# Until one run is whole, or one is wrong
whole() {
	local try status=3
	for try in 1 2 3 4 5; do
		[ $try = 1 ] || begun || return 1
		# it is told in hundredths of a second
		/usr/bin/python3 "$check" begun.events begun.truth --stolen $(($(stolen) - STOLEN_BEFORE + 10000000)) >begun.tap
		status=$?
		[ $status = 3 ] || break
		echo "run $try: not all of it was told" >&2
		grep -B1 '^not ok' begun.tap | cut -c1-300 >&2
	done
	[ $status != 3 ]
}

e2e_begin
ok 'recorded from the beginning' begun
ok 'all of it was told, in one run of five at most' whole
e2e_include 'begun: ' <begun.tap
wrong 'a wait that is missing' 'select(.what != "futex")'
wrong 'a gap of a microsecond' 'if .type == "ran" and .what == "sleep" then .since_ns += 1000 else . end'
wrong 'a wake that is told too early' 'if .what == "futex" then .wake_ns -= 1000000 else . end'
wrong 'another wait' 'if .what == "pipe" then .what = "socket" else . end'
wrong 'preemptions that are left out' 'if .preemptions then .preempted_ns = 0 else . end'

queue=$here/lib/sched_queue.py
"$SAKER" record --as-root --with sched --without log -o queue -- /usr/bin/python3 "$queue" act queue.truth
"$SAKER" show queue --json >queue.events
e2e_include 'receive queue: ' < <(/usr/bin/python3 "$queue" check queue.events queue.truth)

# somebody else, who is not recorded, takes the CPU again and again
cpu=$(taskset -cp $$ | sed 's/.*[:, -]//')
nice -n -20 "$SAKER_BUILD/demo/shop-hog" "$cpu" 30 10 100000 >bursts &
e2e_kill_later $!
hog=$!
held() {
	rm -rf held
	# shellcheck disable=SC2016 # for that shell
	"$SAKER" record --as-root --with sched --without log -o held -- taskset -c "$cpu" \
		sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done' && "$SAKER" show held --json type=held >held.events &&
		/usr/bin/python3 "$here/lib/held_check.py" held.events bursts >held.tap
}
for _ in 1 2 3; do
	status=0
	held || status=$?
	[ $status = 3 ] || break # it had the CPU, but not for long at a time while that process waited
done
kill $hog
e2e_include 'who had the CPU: ' <held.tap

# a wait that has no end is told when the recording ends, also one that had begun before
sleep 60 &
e2e_kill_later $!
"$SAKER" record -p $! --with sched -o stuck --duration 1s 2>said
equal 'a wait that does not end' "$("$SAKER" show stuck --json type=ran | jq -c '[.what, .call, .wake_ns, .off_ns == .since_ns, .flags]')" \
	'["sleep",230,0,true,"unfinished|gap"]'

mkfifo fifo
STOLEN_BEFORE=$(stolen)
"$program" late.truth fifo >said &
e2e_kill_later $!
program=$!
wait_for 20 grep -q waits said
e2e_record -p $program --with sched --without log
echo x >fifo
wait $program
kill -INT $RECORDER
wait $RECORDER
"$SAKER" show rec --json >late.events
e2e_include 'late: ' < <(/usr/bin/python3 "$check" late.events late.truth --late --lax \
	--stolen $(($(stolen) - STOLEN_BEFORE + 10000000)))
e2e_end
