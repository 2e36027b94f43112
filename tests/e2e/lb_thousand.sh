#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 500
#
# A thousand TCP connections and a hundred UDP flows through the balancer, whose messages are numbered, while everything about it
# changes: weights, backends, rings, programs, tables, agents. None breaks, and no packet is lost: what the client sent is what backends received.
set -u
# A network card brings all packets of a flow to one CPU, which has its connection table; on veth they come where they were sent.
if [ -z "${LB_THOUSAND_PINNED:-}" ]; then
	export LB_THOUSAND_PINNED=1
	exec taskset -c 0 "$0" "$@"
fi
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
lbworld_begin ethtool jq bpftool
flows=$(dirname "$SAKER")/../tests/flows
VIP=$LBWORLD_VIP
# wish OPTIONS BACKEND...: both VIPs
wish() {
	local options=$1 backends
	shift
	backends=$(IFS=,; echo "$*")
	printf 'interfaces:\n  eth0: {%svips: [{vip: "%s:80/tcp", backends: [%s]}, {vip: "%s:80/udp", backends: [%s]}]}\n' \
		"$options" $VIP "$backends" $VIP "$backends" >wish.yaml
	lb apply wish.yaml
}
one=10.90.11.2 two=10.90.12.2 three=10.90.13.2
heavy() { echo "{address: $1, weight: $2}"; }
# now FILE FILTER: of its last whole line
now() { tail -n 2 "$1" | head -n 1 | jq -c "$2"; }
is() { [ "$(now "$1" "$2" 2>/dev/null)" = true ]; }
# going: each connection and flow has had two answers more
going() {
	local tcp udp
	tcp=$(now tcp .least) udp=$(now udp .least)
	wait_for 20 is tcp ".least > $tcp + 1" && wait_for 20 is udp ".least > $udp + 1"
}
# kept WHAT COMMAND...: a change, after which all of them go on
kept() {
	ok "$1" "${@:2}"
	ok "$1: all go on" going
	equal "$1: none broke, nothing was lost" "$(now tcp '[.open, .broken, .wrong, .moved]')$(now udp '[.open, .lost, .wrong, .moved]')" \
		'[1000,0,0,0][100,0,0,0]'
}
pinned() { echo "/sys/fs/bpf/saker/eth0@$(lbworld_run lb python3 -c 'import socket; s = socket.socket(); print(int.from_bytes(s.getsockopt(1, 71, 8), "little"))')/chain/maps/about"; }
# another_build WHICH...: what is pinned says that another build made the tables (shape) or the programs, and the wish is applied again
another_build() {
	local now
	now=$(bpftool -j map lookup pinned "$(pinned)" key 0 0 0 0 | jq -r '.value | map(.[2:]) | join(" ")')
	# shellcheck disable=SC2086
	set -- "$1" $now
	[ "$1" = programs ] || set -- "$1" 00 "${@:3}"
	set -- "$1" "${@:2:8}" 00 "${@:11}"
	# shellcheck disable=SC2086
	bpftool map update pinned "$(pinned)" key 0 0 0 0 value hex "${@:2}" && lb apply wish.yaml 2>said
}

ok 'a world of three backends' lbworld_up "slt$$" 3
for i in 1 2 3; do
	lbworld_serve b$i
	e2e_kill_later $!
	wait_for 10 test -s b$i.served
done
ok 'two of them' wish 'table: 4096, ' $one $two
netns_run "${LBWORLD}client" "$flows" hold $VIP 80 1000 --every 200 >tcp &
tcp=$!
e2e_kill_later $tcp
netns_run "${LBWORLD}client" "$flows" hold $VIP 80 100 --every 20 --wait 5000 --udp >udp &
udp=$!
e2e_kill_later $udp
ok 'a thousand connections' wait_for 30 is tcp '.open == 1000 and .least > 2'
ok 'a hundred flows' wait_for 30 is udp '.open == 100 and .least > 2'
kept 'the same again' wish 'table: 4096, ' $one $two
kept 'weights change' wish 'table: 4096, ' "$(heavy $one 5)" $two
kept 'a backend more' wish 'table: 4096, ' "$(heavy $one 5)" $two $three
kept 'another ring' wish 'table: 4096, ring: 4099, ' $one $two $three
kept 'the old one' wish 'table: 4096, ' $one $two $three
kept 'programs of another build' another_build programs
ok 'in place' grep -q 'upgraded in place' said
kept 'tables of another build' another_build shape
ok 'made anew' grep -q 'made anew with the connections' said
kept 'larger tables' wish 'table: 8192, ' $one $two $three
kept 'a backend drains' wish 'table: 8192, ' $one "$(heavy $two 0)" $three
others=$(now tcp '.of | (.b1 // 0) + (.b3 // 0)') of_two=$(now tcp .of.b2)

# no process has to run: what there is of saker on the balancer is a command now and then; here one is killed as soon as it runs
wish 'table: 8192, ' "$(heavy $one 2)" "$(heavy $two 0)" $three
for i in 1 2 3; do
	SAKER_STATE=$WORK/state netns_run "${LBWORLD}lb" "$SAKER" apply wish.yaml 2>/dev/null &
	killed=$!
	wait_for 5 grep -qs '^SigCgt' /proc/$killed/status
	kill -9 $killed
	wait $killed 2>/dev/null
done
kept 'after a command that was killed' wish 'table: 8192, ' $one "$(heavy $two 0)" $three

# agents that end as they like and come again: what packets do needs none
# agent NAME OPTION...: until it says that it began
agents=()
agent() {
	: >"agent-$1"
	SAKER_STATE=$WORK/state netns_run "$LBWORLD$1" "$SAKER" agent --key key "${@:2}" 2>"agent-$1" &
	agents+=($!)
	e2e_kill_later $!
	wait_for 60 grep -q 'keeps \|watches port' "agent-$1"
}
# their two begin; `heard`: the one tells the other
agents_begin() {
	agents=()
	agent lb --listen 10.90.2.2:7701 && agent b1 --report-to 10.90.2.2:7701 --for $one --port 80,80/udp && wait_for 30 heard
}
heard() { grep -q session agent-b1 && lb lb show --json | jq -e "[.health.vips[].backends[] | select(.backend == \"$one\" and .state == \"healthy\" and .share == 1000)] | length == 2" >/dev/null; }
# agents_again SIGNAL: all are ended by it and begin anew
agents_again() {
	kill "-$1" "${agents[@]}"
	wait "${agents[@]}" 2>/dev/null
	agents_begin
}
agents_upgraded() {
	kill -INT "${agents[@]}"
	wait "${agents[@]}" 2>/dev/null
	another_build programs && grep -q 'upgraded in place' said && agents_begin
}
(umask 077 && head -c 48 /dev/urandom | base64 >key)
kept 'health is live' wish 'table: 8192, health: {mode: live, kind: tcp, interval: 500ms, timeout: 400ms, slow-start: 1s, effect: 1s, base-eject: 2s, max-eject: 4s}, ' $one "$(heavy $two 0)" $three
kept 'agents begin' agents_begin
kept 'agents that are killed by SIGKILL and come again' agents_again KILL
kept 'agents of another build, with its programs' agents_upgraded
kept 'agents that are asked to end, who ask for no new connections' agents_again TERM
kill -INT "${agents[@]}"
wait "${agents[@]}" 2>/dev/null

# a backend that is taken out: whom it served may break, the others do not
ok 'a backend is taken out' wish 'table: 8192, ' $one $three
tcp_now=$(now tcp .messages)
wait_for 20 is tcp ".messages > $tcp_now + 3000"
equal 'connections of others stay' "$(now tcp '.of | (.b1 // 0) + (.b3 // 0)')" "$others"
ok 'and only its own are broken' test "$(now tcp .broken)" -le "$of_two"

kill $udp
wait $udp
sent=$(tail -n 1 udp | jq .sent) lost=$(tail -n 1 udp | jq .lost)
kill $tcp
wait $tcp
for i in 1 2 3; do
	kill "$(cat b$i.pid)"
	wait "$(cat b$i.pid)"
done
# TCP's messages are counted there, too; both of them in what the client had answers of
got=$(tail -qn 1 b?.served | jq -s '[.[].sent] | add')
equal 'each datagram came to a backend' "$got" "$sent"
equal 'and was answered' "$lost" 0
equal 'no backend saw a number out of its turn' "$(tail -qn 1 b?.served | jq -s '[.[].wrong] | add')" 0
e2e_end
