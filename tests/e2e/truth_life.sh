#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# How connections begin, end and change hands: outcome and time of connects, half-closes, resets, forks that share a
# socket, sockets that go to another process; and connections that are met in the middle.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/truth.sh
. "$here/lib/truth.sh"

middle_ready() {
	"$SAKER" show "$1" --json 2>/dev/null | grep -q '"type":"socket".*snapshot'
}

# Half of the messages are gone when the recorder comes.
middle() {
	local traffic recorder pids
	mkfifo go
	"$TRAFFIC" midstream --truth midstream <go >ready &
	traffic=$!
	e2e_kill_later $traffic
	exec 9>go
	wait_for 60 grep -q ready ready
	pids=$(sed -n 's/^ready //p' ready | tr ' ' ,)
	"$SAKER" record --json -o middle -p "$pids" >middle.summary 2>/dev/null &
	recorder=$!
	e2e_kill_later $recorder
	wait_for 60 middle_ready middle
	echo >&9
	exec 9>&-
	wait $traffic || return 1
	kill -INT $recorder
	wait $recorder && show middle
}

truth_begin
scenes=(shutdown reset refused nonblock fin_unread fork_accept pass)
record_scenes life "${scenes[@]}"
compare life ranges,edges,connections "${scenes[@]}"

# Refused, timed out, lost on the way, reset
ok 'trouble: recorded' "$SAKER" record --as-root -o trouble -- "$lib/traffic.sh" topology netns "$lib/trouble.py" play troubled
ok 'trouble: shown' show trouble
e2e_include 'trouble: ' < <("$lib/trouble.py" check troubled trouble.events)
sed -i '0,/"type":"reset"/{/"type":"reset"/d}' trouble.events
fails 'a missing reset is seen' "$lib/trouble.py" check troubled trouble.events

# Bytes that go with the SYN
ok 'fastopen: recorded' "$SAKER" record --as-root -o fastopen -- bash -c 'unshare --net sh -c "ip link set lo up; $0" >sent' \
	"$lib/fastopen.py"
ok 'fastopen: shown' show fastopen
equal 'fastopen: every byte has its edge' \
	"$(jq -s 'map(select(.kind == "message" and .from.type == "send").bytes) | add' fastopen.edges) 3" "$(cat sent)"

ok 'midstream: recorded' middle
ok 'midstream: lost + recorded = produced' "$truth" loss middle.events middle.summary
ok 'midstream: what each call moved' "$truth" ranges midstream middle.events --lossy
ok 'midstream: no wrong edge' "$truth" edges midstream middle.events middle.edges --lossy
# AF_UNIX has no offsets, TCP has: the second half of it must be there
ok 'midstream: TCP from then on' "$truth" edges midstream middle.events middle.edges --since-tcp
e2e_end
