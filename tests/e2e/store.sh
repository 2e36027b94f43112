#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 300
#
# Recordings as files: babeltrace2 reads each of them like Saker does, whatever happened to the recorder and the disk.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3

# start_stream LOG [PAUSE_US]: sets STREAM
start_stream() {
	$PY "$here/lib/stream.py" "$@" &
	STREAM=$!
	e2e_kill_later $STREAM
	wait_for 10 test -s "$1"
}

stop_stream() {
	kill -9 "$STREAM"
	wait "$STREAM" 2>/dev/null
}

# start_record DIR ARGUMENT...: sets RECORDER once DIR has the stream's events
start_record() {
	local dir=$1
	"$SAKER" record -o "$@" 2>"$dir.err" &
	RECORDER=$!
	e2e_kill_later $RECORDER
	wait_for 20 test -s "$dir/stream-000001.ctf" || cat "$dir.err"
}

# stop_record SIGNAL: sets STATUS
stop_record() {
	STATUS=0
	kill "-$1" "$RECORDER" 2>/dev/null
	wait "$RECORDER" || STATUS=$?
}

boot_ns() {
	$PY -c 'import time; print(time.clock_gettime_ns(time.CLOCK_BOOTTIME))'
}

# clean DIR: babeltrace2 has nothing to say about it
clean() {
	local said
	said=$(babeltrace2 "$1" 2>&1 >/dev/null) && [ -z "$said" ] || { echo "${said:0:600}"; return 1; }
}

# same DIR: both readers see the same in every field of every event
same() {
	ok "$1: babeltrace2 opens it without a warning" clean "$1"
	ok "$1: babeltrace2 and show have the same fields in every event" "$here/lib/ctf_compare.py" "$SAKER" "$1"
}

count_type() {
	"$SAKER" show --json "$1" | grep -c "\"type\":\"$2\""
}

# offsets DIR: of the sends, one a line
offsets() {
	"$SAKER" show --json "$1" | sed -n 's/.*"type":"send".*"offset":\([0-9]*\),.*/\1/p'
}

plain_and_dynamic() {
	"$SAKER" record -o plain --probe tracepoint:sched:sched_process_fork --probe uprobe:/bin/bash:shell_execve -- \
		bash -c 'for i in 1 2 3 4 5; do /bin/ls / >/dev/null; done; timeout 0.1 sleep 5; exec 3<>/dev/tcp/127.0.0.1/1' \
		2>/dev/null
	ok "events of the tracepoint are there" test "$(count_type plain sched_process_fork)" -ge 5
	ok "events of the function are there" test "$(count_type plain shell_execve)" -ge 5
	same plain
	ok "a reader written from the format's description alone sees the same" by_the_words plain
	printf '#!/bin/sh\n"%s" "$@" | sed "s/\\"ppid\\":/&1/"\n' "$SAKER" >lies
	chmod +x lies
	ok "the comparison notices a wrong field" bash -c "! '$here/lib/ctf_compare.py' ./lies plain 2>/dev/null"
	equal "mode of the recording" "$(stat -c %a plain)" 700
	equal "modes of its files" "$(find plain -type f -printf '%m\n' | sort -u)" 600
}

owner() {
	SUDO_UID=12345 SUDO_GID=23456 "$SAKER" record -o owned --as-root -- true 2>/dev/null
	equal "it belongs to the user who called sudo" "$(find owned -printf '%U %G\n' | sort -u)" "12345 23456"
}

# The recorder stands still while the ring of 64 KiB runs over.
after_loss() {
	start_stream loss.log 0
	start_record loss -p "$STREAM" --rings 128K
	kill -STOP "$RECORDER"
	wait_for 10 grew loss.log $(($(wc -l <loss.log) + 10000))
	kill -CONT "$RECORDER"
	wait_for 10 grew loss.log $(($(wc -l <loss.log) + 10000))
	stop_record INT
	stop_stream
	ok "events were lost" test "$(count_type loss loss)" -ge 1
	same loss
}

# grew LOG LINES
grew() {
	[ "$(wc -l <"$1")" -ge "$2" ]
}

kilobytes() {
	du -sk "$1" 2>/dev/null | cut -f1
}

# The size on disk is looked at all the while.
retirement() {
	local most=0 now
	start_stream retired.log 0
	start_record retired -p "$STREAM" --max-size 1M
	while [ -e retired/stream-000003.ctf ] || [ ! -e retired/stream-000040.ctf ]; do
		now=$(kilobytes retired)
		[ "$now" -le "$most" ] || most=$now
		[ $SECONDS -lt 60 ] || break
	done
	stop_record INT
	stop_stream
	ok "the oldest chunks are gone" test ! -e retired/stream-000001.ctf
	ok "it never took more than 1 MiB on disk ($most KiB)" test "$most" -le 1024 -a "$most" -gt 600
	ok "the first event has a later number" test "$("$SAKER" show --json retired | sed -n '1s/.*"id":\([0-9]*\).*/\1/p')" -gt 1
	same retired
	names_stay
}

# What was said once at the beginning is said again at the head of each chunk.
names_stay() {
	local head
	head=$("$SAKER" show --json retired | head -n 60)
	ok "the process is named" grep -q '"type":"process".*"flags":"checkpoint".*stream.py' <<<"$head"
	ok "its socket and how far it was is named" grep -Eq '"type":"socket".*"tx_offset":[1-9].*"flags":"[a-z|]*checkpoint' <<<"$head"
	ok "the clock is named" grep -q '"type":"clock"' <<<"$head"
	ok "the host is named" grep -q '"type":"host"' <<<"$head"
	ok "the namespace is named" grep -q '"type":"netns"' <<<"$head"
	ok "the story names the process as well" bash -c "'$SAKER' story retired | grep -q 'by process:.*python3.*\[$STREAM\]'"
	ok "messages find their other end" test "$("$SAKER" show --edges --json retired | grep -c '"kind":"message"')" -gt 100
}

# All but the last second of what the truth says is there, without a gap.
killed() {
	local end sure last
	start_stream killed.log 300
	start_record killed -p "$STREAM"
	wait_for 60 grew killed.log $(($(wc -l <killed.log) + 6000))
	stop_record KILL
	end=$(boot_ns)
	stop_stream
	sure=$(awk -v end="$end" '$1 < end - 1000000000 { n = NR } END { print n - 1 }' killed.log)
	offsets killed >killed.offsets
	last=$(tail -n 1 killed.offsets)
	ok "all but the last second is there ($sure of $(wc -l <killed.log) sends, recorded to $last)" test "$last" -ge "$sure" -a "$sure" -gt 0
	equal "without a gap" "$(wc -l <killed.offsets)" "$((last - $(head -n 1 killed.offsets) + 1))"
	truncate -s -77 "$(ls killed/stream-*.ctf | tail -n 1)" # as if it had been in the middle of a block
	ok "show reads it as it is" test "$(offsets killed | wc -l)" -gt 100
	ok "repair" "$SAKER" repair killed
	same killed
	equal "repairing it again finds nothing to do" "$("$SAKER" repair --json killed | jq -c .done)" '[]'
}

full_disk() {
	mkdir disk
	mount -t tmpfs -o size=700k none disk || { skip "a full disk" "no tmpfs"; return; }
	start_stream full.log 0
	"$SAKER" record -o disk/rec -p "$STREAM" 2>full.err &
	RECORDER=$!
	e2e_kill_later $RECORDER
	wait_for 60 not_running "$RECORDER"
	stop_record 0
	stop_stream
	equal "a full disk ends the recording" "$STATUS" 1
	ok "and is the reason" grep -q "no space left for recording 'disk/rec': it ends here, what was written is whole" full.err
	ok "what was written is there" test "$(offsets disk/rec | wc -l)" -gt 1000
	same disk/rec
	umount disk
}

not_running() {
	! kill -0 "$1" 2>/dev/null || [ "$(ps -o stat= -p "$1")" = Z ]
}

two_recorders() {
	local said
	start_stream two.log
	start_record two -p "$STREAM"
	said=$("$SAKER" record -o two -- true 2>&1)
	equal "a second recorder is refused" "$?" 1
	ok "with the first one's number" grep -q "process id $RECORDER is at work" <<<"$said"
	said=$("$SAKER" repair two 2>&1)
	equal "so is a repair" "$?" 1
	wait_for 60 grew two.log $(($(wc -l <two.log) + 2000))
	while_written
	stop_record INT
	stop_stream
	said=$("$SAKER" record -o two -- true 2>&1)
	equal "and a directory that is not empty" "$?" 1
	same two
}

# A reader beside the writer, again and again: no complaint, and always more.
while_written() {
	local i n last=0 bad=0
	for i in 1 2 3 4 5 6; do
		n=$(offsets two 2>while.err | wc -l)
		if [ -s while.err ] || [ "$n" -lt "$last" ]; then
			bad=$i
			head -n 3 while.err
		fi
		last=$n
	done
	ok "it is read while it is written ($last sends)" test $bad = 0 -a "$last" -gt 0
}

# Of each event: id, own time, sequence, process, thread.
by_the_words() {
	"$here/lib/read_recording.py" "$1" | cut -d' ' -f1,2,4-6 >words
	"$SAKER" show --json "$1" | jq -r '"\(.id) \(.boot_ns) \(.seq) \(.tgid) \(.tid)"' | cmp - words
}

# A stretch of time and one process, by the indexes, and from all events by jq.
by_index() {
	local first pid
	"$SAKER" show --json killed >all
	first=$(head -n 1 all | jq .boot_ns)
	"$SAKER" show --json --from +1 --to +1.5 killed | jq .id >found
	jq --argjson first "$first" 'select(.boot_ns >= $first + 1e9 and .boot_ns < $first + 15e8).id' all >wanted
	ok "a stretch of time has the same events as a full scan ($(wc -l <found))" cmp found wanted
	pid=$(jq -r 'select(.context == "task").tgid' all | sort | uniq -c | sort -n | awk '{ print $2; exit }')
	"$SAKER" show --json killed "pid=$pid" | jq .id >found
	jq --argjson pid "$pid" 'select(.tgid == $pid).id' all >wanted
	ok "so has a process ($(wc -l <found))" cmp found wanted
	ok "and both are some" test -s found
}

index_rebuilt() {
	local before
	before=$("$SAKER" show --json plain | sha256sum)
	cp -r plain noindex
	rm noindex/.stream-*.index
	equal "without its index it reads the same" "$("$SAKER" show --json noindex | sha256sum)" "$before"
	cp -r plain stale
	for f in stale/.stream-*.index; do truncate -s 400 "$f"; done
	equal "with half of an index as well" "$("$SAKER" show --json stale | sha256sum)" "$before"
	"$SAKER" repair noindex >/dev/null
	ok "repair builds it anew" cmp plain/.stream-000001.index noindex/.stream-000001.index
}

flight() {
	local moment n
	start_stream flight.log 300
	start_record flight -p "$STREAM" --flight 600K
	wait_for 60 grew flight.log $(($(wc -l <flight.log) + 4000))
	moment=$(wc -l <flight.log)
	ok "freeze" "$SAKER" freeze -o frozen flight
	ok "up to the moment of the call" test "$(offsets frozen | tail -n 1)" -ge $((moment - 2))
	ok "the recorder goes on" kill -0 "$RECORDER"
	same frozen
	"$SAKER" repair frozen >/dev/null # only for its index: none is copied
	ok "a reader written from the format's description alone sees the same" by_the_words frozen
	stop_record KILL
	n=$(offsets flight 2>/dev/null | wc -l)
	start_record flight -p "$STREAM" --flight 600K
	equal "after a crash the stretch before it is set aside" "$(offsets flight.2* 2>/dev/null | wc -l)" "$n"
	"$SAKER" record -o flight -p "$STREAM" --flight 600K --duration 1s 2>flight.err2
	equal "a second flight recorder is refused" "$?" 1
	ok "and the first one's place is untouched" kill -0 "$RECORDER"
	stop_record HUP
	stop_stream
	equal "so it ends well, also when its terminal is closed" "$STATUS" 0
	same flight
}

# The recorder of the unit, with the rights that the unit leaves it.
as_the_unit() {
	local caps
	caps=$(sed -n 's/^CapabilityBoundingSet=//p' "$here/../packaging/saker-flight.service" | tr 'A-Z ' 'a-z\n' |
		sed 's/cap_/+/' | paste -sd,)
	env -u SUDO_UID timeout -s INT 20 setpriv --bounding-set="-all,$caps" --inh-caps=-all --no-new-privs \
		"$SAKER" record --all --flight 4M -o unit --duration 1s 2>unit.err
	equal "the whole host is recorded with the rights that the unit leaves" "$?" 0
	ok "which show the kernel's addresses" setpriv --bounding-set="-all,$caps" --inh-caps=-all \
		grep -qm1 '^[0-9a-f]*[1-9a-f]' /proc/kallsyms
	ok "and its processes are known" test "$(count_type unit process)" -gt 2
}

same_signals() {
	"$SAKER" record -o signals -- grep SigIgn /proc/self/status >signals.with 2>/dev/null
	grep SigIgn /proc/self/status >signals.without
	ok "the recorded command ignores the signals that it would ignore without" cmp signals.with signals.without
}

# The recorder is a child of what is recorded.
own_parent() {
	timeout -s INT 20 "$SAKER" record -p $$ -o parent --duration 0.2s 2>/dev/null
	equal "the parent of the recorder can be recorded" "$?" 0
}

unit_file() {
	command -v systemd-analyze >/dev/null || { skip "the unit file" "no systemd-analyze"; return; }
	sed "s,/usr/bin/saker,$SAKER," "$here/../packaging/saker-flight.service" >saker-flight.service
	equal "systemd has nothing against the unit" "$(systemd-analyze --man=no verify "$WORK/saker-flight.service" 2>&1)" ""
}

e2e_clean() {
	! mountpoint -q "$WORK/disk" || umount "$WORK/disk"
}

e2e_begin
plain_and_dynamic
owner
after_loss
retirement
killed
by_index
full_disk
two_recorders
index_rebuilt
flight
as_the_unit
own_parent
same_signals
unit_file
e2e_end
