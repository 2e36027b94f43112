#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 60
#
# Kinds of observation: what is left out is not recorded, and none of its programs is in the kernel.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3
TALK='import socket; a, b = socket.socketpair(); a.send(b"hello"); b.recv(5); open("programs", "w").write("x")'

# programs: names of the BPF programs behind the recorder's file descriptors
programs() {
	local id
	sed -n 's/^prog_id:[[:space:]]*//p' /proc/"$1"/fdinfo/* 2>/dev/null | sort -un | while read -r id; do
		bpftool -j prog show id "$id" | jq -r .name
	done | sort | paste -sd' '
}

# kinds OPTION...: what the recording says it observes, and the number of send events
kinds() {
	rm -rf rec
	"$SAKER" record -o rec "$@" -- $PY -c "$TALK" 2>rec.err || cat rec.err >&2
	$PY "$here/lib/ctf_json.py" rec >events
	OBSERVED=$(jq -r 'select(.type == "mark" and (.text | startswith("observed: "))) | .text' events)
	SENDS=$(jq -s 'map(select(.type == "send")) | length' events)
	FORKS=$(jq -s 'map(select(.type == "exit")) | length' events)
}

# loaded OPTION...: sets LOADED, names of the programs that such a recorder has
loaded() {
	e2e_record "$@" -p $$
	LOADED=$(programs $RECORDER)
	kill -INT $RECORDER
	wait $RECORDER
}

refused() {
	equal "$1" "$("$SAKER" record -o refused "${@:3}" -- true 2>said >/dev/null; echo $?)" 2
	ok "$1: it is said" grep -qF "$2" said
	fails "$1: nothing was made" test -e refused
}

e2e_begin
kinds --without wake,log
equal 'two are left out' "$OBSERVED" 'observed: process,socket'
equal 'a socket is seen' "$SENDS" 1
kinds --without all
equal 'all are left out but processes' "$OBSERVED" 'observed: process'
equal 'without sockets no message' "$SENDS" 0
ok 'without sockets the end of the process' test "$FORKS" -ge 1
kinds --without all --with socket
equal 'the later option holds' "$OBSERVED" 'observed: process,socket'
equal 'the later option holds: messages' "$SENDS" 1
kinds --with socket --without socket,wake,log
equal 'the later option holds again' "$OBSERVED" 'observed: process'

loaded --without all
ok 'the programs of processes are in the kernel' grep -qw process_fork <<<"$LOADED"
fails 'no program of sockets is in the kernel' grep -qE 'socket_|dgram_|unix_|older_' <<<"$LOADED"
loaded --without all --with socket
ok 'with sockets their programs are there' grep -qw socket_state <<<"$LOADED"

refused 'a kind that does not exist' "'disk' is no kind of observation" --with disk
refused 'an empty kind' "'' is no kind of observation" --without ''
refused 'processes cannot be left out' 'process cannot be left out' --without process
e2e_end
