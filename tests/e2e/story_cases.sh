#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 180
#
# Mishaps of ordinary programs, each named by the story: who, by whom, and what followed. `story_cases.sh play CASE` is
# what is recorded.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/cgroups.sh
. "$here/lib/cgroups.sh"

ACTOR=$here/lib/story_actor.py
PORT=7000

# --- what is recorded: $CASE_NS-a and $CASE_NS-b are its namespaces, the folder is empty ---------------------------

actor() {
	netns_run "$CASE_NS-$1" /usr/bin/python3 "$ACTOR" "${@:2}"
}

# note NAME PID: for the comparison
note() {
	echo "$2" >"$1.pid"
}

play_redis() {
	(netns_run "$CASE_NS-a" redis-server --port $PORT --save '' --daemonize no) >/dev/null &
	note victim $!
	wait_for 10 test -n "$(netns_run "$CASE_NS-a" redis-cli -p $PORT ping)"
	(netns_run "$CASE_NS-a" redis-benchmark -p $PORT -c 1 -n 10000000 -t set -q) >/dev/null 2>&1 &
	client=$!
	wait_for 10 busy "$(cat victim.pid)"
	kill -9 "$(cat victim.pid)"
	note killer $$
	wait $client
	true
}

# It has answered for a while: the CPU time of a thread is not nothing
busy() {
	[ "$(awk '{ print $14 + $15 }' "/proc/$1/stat")" -ge 10 ]
}

play_oom() {
	(
		echo "$BASHPID" >"$CASE_CGROUP/cgroup.procs"
		actor a eat go
	) &
	note victim $!
	touch go
	wait $!
	true
}

play_refused() {
	actor a connect 127.0.0.1 $((PORT + 1)) &
	note victim $!
	wait $!
	true
}

play_stopped() {
	actor a server 10.78.0.1 $PORT &
	note victim $!
	actor b ask 10.78.0.1 $PORT 500 1 asked &
	note client $!
	wait_for 10 test -e asked
	kill -STOP "$(cat victim.pid)"
	note killer $$
	wait "$(cat client.pid)"
	kill -CONT "$(cat victim.pid)"
	kill "$(cat victim.pid)"
	true
}

# nft_play RULE: for the time in which the client asks
nft_play() {
	actor a server 10.78.0.1 $PORT &
	note victim $!
	actor b ask 10.78.0.1 $PORT 500 "$2" asked &
	note client $!
	wait_for 10 test -e asked
	(netns_run "$CASE_NS-a" nft "add table inet t; add chain inet t in { type filter hook input priority 0; }
		add rule inet t in tcp dport $PORT $1") &
	note killer $!
	wait $!
	wait "$(cat client.pid)"
	kill "$(cat victim.pid)"
	(netns_run "$CASE_NS-a" nft flush ruleset)
}

play_drop() { nft_play drop 2; }
play_reject() { nft_play 'reject with tcp reset' 2; }

play_slow() {
	actor a slow 10.78.0.1 $PORT &
	note victim $!
	actor b ask 10.78.0.1 $PORT 100 5 asked &
	note client $!
	wait $!
	kill "$(cat victim.pid)" 2>/dev/null
	true
}

play_crash() {
	actor a crash go &
	note victim $!
	touch go
	wait $!
	true
}

play_worker() {
	actor a workers
}

# --- the comparison -------------------------------------------------------------------------------------------------

# story CASE: recorded and told
story() {
	mkdir "$WORK/$1"
	cd "$WORK/$1" || exit 1
	CASE_NS=$name ok "$1: recorded" "$SAKER" record --as-root -o rec -- "$here/e2e/story_cases.sh" play "$1"
	"$SAKER" story --json rec >story.json
	"$SAKER" story rec >story.txt
	"$SAKER" show --json rec >events.json
	equal "$1: its events say so" "$(/usr/bin/python3 "$here/lib/story_evidence.py" events.json story.json 2>&1)" ""
	victim=$(cat victim.pid 2>/dev/null)
	killer=$(cat killer.pid 2>/dev/null)
	client=$(cat client.pid 2>/dev/null)
}

# told WHAT CAUSE PATTERN: a line like that; CAUSE: true, false or any
told() {
	local texts
	texts=$(jq -r --arg cause "$2" '.lines[] | select($cause == "any" or (.cause | tostring) == $cause) | .text' story.json)
	if grep -Eq "$3" <<<"$texts"; then
		e2e_case "$1" 0
	else
		sed 's/^/# /' story.txt | head -n 14
		e2e_case "$1" 1
	fi
}

causes() {
	equal "$1: causes" "$(jq '[.lines[] | select(.cause)] | length' story.json)" "$2"
}

all_cases() {
	story redis
	told 'redis: who killed it' true "^bash\[$killer\] sent SIGKILL to redis-server\[$victim\] on $name-a, which died of it"
	causes redis 1

	if memory=$(cgroup_memory); then
		export CASE_CGROUP=$memory/$name
		mkdir "$CASE_CGROUP"
		cgroup_limit "$CASE_CGROUP" 67108864
		story oom
		told 'oom: whom the kernel killed' true "^memory ran out: the kernel killed python3\[$victim\] on $name-a"
		causes oom 1
	else
		skip oom 'no memory cgroups'
	fi

	story refused
	told 'refused: who, where and why' false \
		"^1 connect of python3\[$victim\] on $name-a to 127.0.0.1:7001 failed with ECONNREFUSED"
	causes refused 0

	story stopped
	told 'stopped: who stopped the server' true "^bash\[$killer\] sent SIGSTOP to python3\[$victim\] on $name-a"
	told 'stopped: who waited, and a timer ended it' false \
		"^python3\[$client\] on $name-b had waited 1\.0[0-9]* s for an answer of python3\[$victim\] on $name-a, a timer fired"
	causes stopped 1

	story drop
	told 'drop: between whom nothing passed, and who ran there' true \
		"^nothing passed between python3\[$client\] on $name-b and python3\[$victim\] on $name-a, as [^,]*nft\[$killer\] on $name-a ran there"
	told 'drop: who waited' false "^python3\[$client\] on $name-b had waited 2\.0"
	causes drop 1

	story reject
	told 'reject: reset' false "^[12] resets? ended (a connection|connections) "
	told 'reject: refused, though it listens' false \
		"connects? of python3\[$client\] on $name-b to python3\[$victim\] on $name-a failed with ECONNREFUSED"

	story slow
	told 'slow: who waited for whom' false "^$name-a answered; python3\[$client\] on $name-b had waited 1\.0[0-9]* s for it"
	causes slow 0

	story crash
	told 'crash: of what it died' true "^python3\[$victim\] on $name-a died of SIGSEGV"
	causes crash 1

	story worker
	told 'worker: who ended' any "^python3\[[0-9]*\] on $name-a ended by itself with status 3"
}

e2e_clean() {
	netns_del "$name-a"
	netns_del "$name-b"
	cgroup_del "${CASE_CGROUP:-/nowhere}"
}

if [ "${1-}" = play ]; then
	"play_$2"
	exit
fi

name=sc$$
e2e_begin
netns_add "$name-a"
netns_add "$name-b"
ip -n "$name-a" link add eth0 type veth peer name eth0 netns "$name-b"
ip -n "$name-a" address add 10.78.0.1/24 dev eth0
ip -n "$name-b" address add 10.78.0.2/24 dev eth0
ip -n "$name-a" link set eth0 up
ip -n "$name-b" link set eth0 up
all_cases
e2e_end
