#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 150
#
# Who is recorded: for each way to say so, those who are meant, and nobody else.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/cgroups.sh
. "$here/lib/cgroups.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"

PY=/usr/bin/python3
tag=saker-select-$$
net=ss$$
groups=()

e2e_clean() {
	local dir
	for dir in "${groups[@]}"; do
		cgroup_del "$dir"
	done
	netns_del $net
}

group_add() {
	mkdir -p "$1"
	groups=("$1" "${groups[@]}")
}

# worker NAME: waits until the file go-NAME is there, then runs `true NAME` in a child; sets WORKER
worker() {
	sh -c "while [ ! -e go-$1 ]; do sleep 0.02; done; /bin/true $1; :" &
	WORKER=$!
	e2e_kill_later $WORKER
}

# let_go NAME PID: lets the worker go and waits for its end
let_go() {
	: >"go-$1"
	wait "$2" 2>/dev/null
}

finish() {
	kill -INT $RECORDER
	wait $RECORDER
	$PY "$here/lib/ctf_json.py" rec >events
	rm -f go-*
}

# ran: which of the markers were run by recorded processes
ran() { jq -r 'select(.type == "exec" and .comm == "true") | .args | sub("^[^ ]* "; "")' events | sort | paste -sd' '; }

# only WHAT NAMES PID...: just these markers, and the processes are seen to end
only() {
	local what=$1 names=$2 pid
	shift 2
	equal "$what" "$(ran)" "$names"
	for pid; do
		equal "$what: the end of $pid" "$(jq -s "map(select(.type == \"exit\" and .tgid == $pid and .flags_number % 2 == 1)) | length" events)" 1
	done
}

check_pids() {
	local a b c
	worker a; a=$WORKER
	worker b; b=$WORKER
	worker c; c=$WORKER
	e2e_record -p "$a,$b"
	let_go a "$a"; let_go c "$c"; let_go b "$b"
	finish
	only '-p' 'a b' "$a" "$b"
	equal '-p: nothing of another process' "$(jq -s "map(select(.tgid == $c)) | length" events)" 0
}

# check_cgroup LABEL DIR OPTION VALUE: one process is there, one comes later, one lives below, one elsewhere
check_cgroup() {
	local label=$1 dir=$2 in later below out
	group_add "$dir"
	group_add "$dir/below"
	worker in; in=$WORKER; echo "$in" >"$dir/cgroup.procs"
	worker below; below=$WORKER; echo "$below" >"$dir/below/cgroup.procs"
	worker later; later=$WORKER
	worker out; out=$WORKER
	e2e_record "$3" "$4"
	echo "$later" >"$dir/cgroup.procs"
	let_go in "$in"; let_go below "$below"; let_go later "$later"; let_go out "$out"
	finish
	only "$label" 'below in later' "$in" "$below" "$later"
}

check_netns() {
	local out
	netns_add $net
	worker out; out=$WORKER
	e2e_record --netns $net
	nsenter --net=/run/netns/$net /bin/true inside
	let_go out "$out"
	finish
	only '--netns' inside
	fails '--netns: who only looks from outside is not there' grep -q '"true out"' events
}

# free_port: one that nobody uses now
free_port() { $PY -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

check_port() {
	local port out server client
	port=$(free_port)
	worker out; out=$WORKER
	e2e_record --port "$port"
	$PY -c "import socket; s = socket.create_server(('127.0.0.1', $port)); open('listens', 'w').write('x'); c, _ = s.accept(); print(len(c.recv(9)))" >/dev/null &
	server=$!
	wait_for 20 test -s listens
	$PY -c "import socket; socket.create_connection(('127.0.0.1', $port)).sendall(b'hello')" &
	client=$!
	wait $server $client
	let_go out "$out"
	finish
	equal '--port: what the client sent' "$(jq -s "map(select(.type == \"send\" and .tgid == $client)) | map(.bytes) | add" events)" 5
	equal '--port: what the server received' "$(jq -s "map(select(.type == \"recv\" and .tgid == $server)) | map(.bytes) | add" events)" 5
	fails '--port: nobody else' grep -q '"true out"' events
}

# refused WHAT WORDS OPTION...: no recording, and the reason
refused() {
	local what=$1 words=$2
	shift 2
	rm -rf refused
	equal "$what that names nothing is refused" "$("$SAKER" record -o refused --duration 0.1s "$@" 2>said >/dev/null; echo $?)" 1
	ok "$what: it is said" grep -qE "$words" said
}

e2e_begin
check_pids
if v2=$(cgroup_v2) && [ -n "$v2" ]; then
	check_cgroup '--cgroup of version 2' "$v2/$tag" --cgroup "/$tag"
fi
v1=$(awk '$3 == "cgroup" && $4 ~ /(^|,)pids(,|$)/ { print $2; exit }' /proc/mounts)
if [ -n "$v1" ]; then
	check_cgroup '--cgroup of version 1, by its directory' "$v1/$tag-one" --cgroup "$v1/$tag-one"
fi
place=${v1:-$v2}
check_cgroup '--unit' "$place/$tag.service" --unit "$tag"
check_cgroup '--container' "$place/docker-$tag-0123456789abcdef.scope" --container "$tag-0123456789"
check_netns
check_port
refused '-p' 'there is no process 4194303' -p 4194303
refused '--cgroup' "there is no cgroup '/$tag-none'" --cgroup "/$tag-none"
refused '--unit' "no process runs in the unit '$tag-none'" --unit "$tag-none"
refused '--container' "no process runs in the container '$tag-none'" --container "$tag-none"
refused '--netns' "there is no network namespace '$tag-none'" --netns "$tag-none"
e2e_end
