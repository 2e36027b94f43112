#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 400
#
# The balancer is changed under load: wishes, programs and tables. No connection may be lost: wrk counts on one side, the kernels of
# client and backends on both. Then the other ways to a backend, NAT and L2.
set -u
# On veth the packets of a flow come to the CPU where they were sent, now to one and now to another: tables of other CPUs are asked.
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
# shellcheck source=tests/lib/lbkillapply.sh
. "$here/lib/lbkillapply.sh"
lbworld_begin nginx curl wrk ethtool jq bpftool python3
VIP=$LBWORLD_VIP:80/tcp
# count NAME COUNTER...: the sum of counters of the kernel in a namespace
count() {
	local name=$1
	shift
	lbworld_run "$name" nstat -asz "$@" | awk 'NR > 1 { sum += $2 } END { print sum }'
}
resets() {
	local name sum=0
	for name in client b1 b2; do
		sum=$((sum + $(count $name TcpEstabResets TcpOutRsts)))
	done
	echo $sum
}
# load LABEL OPTION...: wrk in the background, its words in LABEL.wrk
load() {
	local label=$1
	shift
	netns_run "${LBWORLD}client" wrk -t 1 -c 40 -d 190s --timeout 20s "$@" http://$LBWORLD_VIP/ >"$label.wrk" 2>&1 &
	LOAD=$!
	e2e_kill_later $LOAD
}
packets() { lb lb stats --json | jq '.vips[0].packets // 0'; }
grown() { [ "$(packets)" -gt $((seen + 200)) ]; }
# flowing: more packets pass from now on
flowing() {
	seen=$(packets)
	wait_for 20 grown
}
# wish TABLE BACKENDS: into wish.yaml
wish() {
	printf 'interfaces:\n  eth0:\n    table: %s\n    vips:\n      - vip: %s\n        backends: [%s]\n' "$1" "$VIP" "$2" >wish.yaml
}
pinned() { echo "/sys/fs/bpf/saker/eth0@$(lbworld_run lb python3 -c 'import socket; s = socket.socket(); print(int.from_bytes(s.getsockopt(1, 71, 8), "little"))')/chain/maps/$1"; }
# other_build LAYOUT PROGRAMS: what is pinned says that another build made it (struct pin_about); a first number of 0 is another
other_build() {
	local now
	now=$(bpftool -j map lookup pinned "$(pinned about)" key 0 0 0 0 | jq -r '.value | map(.[2:]) | join(" ")')
	# shellcheck disable=SC2086
	set -- "$1" "$2" $now
	bpftool map update pinned "$(pinned about)" key 0 0 0 0 value hex "${1/same/$3}" "${@:4:7}" "${2/same/${11}}" "${@:12}"
}
one() { lbworld_run client curl -s -m 10 http://$LBWORLD_VIP/; }

ok "a world of two backends" lbworld_up "slc$$" 2
for i in 1 2; do
	lbworld_nginx b$i
	e2e_kill_later $!
	wait_for 10 lbworld_run b$i curl -s -m 5 -o /dev/null http://127.0.0.1/
done
wish 4096 "10.90.11.2, 10.90.12.2"
ok "two backends" lb apply wish.yaml
ok "answer" one

# ---- under load ----
before=$(resets)
load kept
wait_for 20 flowing
for i in 1 2 3; do
	wish 4096 "{address: 10.90.11.2, weight: $i}, 10.90.12.2"
	ok "weights change under load, $i" lb apply wish.yaml
	ok "and packets go on" flowing
done
wish 4096 "10.90.11.2, {address: 10.90.12.2, weight: 0}"
ok "a backend drains" lb apply wish.yaml
ok "its connections go on" flowing
id=$(lb lb show --json | jq .program)
other_build same 00
wish 4096 "10.90.11.2, 10.90.12.2"
lb apply wish.yaml 2>said
ok "programs of another build are replaced in place" grep -q 'upgraded in place' said
equal "by other ones" "$([ "$(lb lb show --json | jq .program)" != "$id" ] && echo yes)" yes
ok "under the same connections" flowing
other_build 00 00
wish 8192 "10.90.11.2, 10.90.12.2"
lb apply wish.yaml 2>said
ok "tables of another layout are made anew" grep -q 'made anew with the connections' said
equal "and connections carried over" "$(lb lb flows --json -n 10000 | jq '.flows | length >= 40')" true
ok "which go on" flowing
for mode in generic native; do
	sed "s/table/generic: $([ $mode = generic ] && echo true || echo false)\n    table/" wish.yaml >mode.yaml
	flows=$(lb lb flows --json -n 10000 | jq '.flows | length')
	lb apply mode.yaml 2>said
	equal "the mode of XDP changes to $mode" "$(lb lb show --json | jq -r .mode)" $mode
	ok "it is said how long packets went past it" grep -q 'packets went past it' said
	equal "connections are still known" "$(lb lb flows --json -n 10000 | jq ".flows | length >= $flows")" true
	ok "and go on" flowing
	lb apply mode.yaml 2>said
	fails "the same wish again changes nothing in that" grep -q 'went past' said
done
after=$(resets)
kill -INT $LOAD # this makes resets of its own
wait $LOAD
equal "wrk has done requests" "$(awk '/requests in/ { print ($1 > 1000) }' kept.wrk)" 1
fails "no connection had an error" grep -q 'Socket errors\|Non-2xx' kept.wrk
equal "nor a reset" $((after - before)) 0

# ---- the router is replaced: its address has another MAC ----
# a router that is new asks for the balancer's MAC before it can send to it, and so tells its own: here, since a new MAC empties the table
router_mac() { ip -n "${LBWORLD}net" link set dev lb address "$1"; }
running() { lb lb show --json | jq -r .next_hop.mac; }
goes_to() { [ "$(running)" = "$1" ]; }
equal "the next hop is told" "$(running)" "$(ip -n "${LBWORLD}net" -j link show dev lb | jq -r '.[0].address')"
router_mac 02:00:00:00:77:01
fails "without an agent packets go to the old MAC" one
equal "which is said" "$(lb lb show --json | jq -c '[.next_hop.address, .next_hop.holds]')" '["10.90.2.1",false]'
ok "in words, too" grep -q 'has the MAC 02:00:00:00:77:01 now' <(lb lb show)
ok "the next wish finds the new one" lb apply wish.yaml
equal "packets go there" "$(running)" 02:00:00:00:77:01
ok "and are answered" one
sed 's/table/router: sender\n    table/' wish.yaml >sender.yaml
ok "packets may go back to whom they came from" lb apply sender.yaml
equal "which is said" "$(lb lb show --json | jq -r .next_hop.by)" sender
router_mac 02:00:00:00:77:05
ok "then another router needs nobody's word" one
router_mac 02:00:00:00:77:01
ok "nor one more" one
ok "back" lb apply wish.yaml
SAKER_STATE=$PLACE/state nsenter --net="$NETNS_DIR/${LBWORLD}lb" -- "$SAKER" agent 2>agent.said &
AGENT=$!
e2e_kill_later $AGENT
ok "an agent" wait_for 20 grep -q keeps agent.said
before=$(resets)
load moved
ok "traffic" wait_for 20 flowing
for i in 2 3; do
	router_mac 02:00:00:00:77:0$i
	ok "another router under load, $i: the agent writes its MAC" wait_for 20 goes_to 02:00:00:00:77:0$i
	ok "and packets go on" flowing
done
ok "it says so" grep -q 'has the MAC 02:00:00:00:77:03 now, not 02:00:00:00:77:02' agent.said
after=$(resets)
kill -INT $LOAD
wait $LOAD
fails "no connection had an error" grep -q 'Socket errors\|Non-2xx' moved.wrk
equal "nor a reset" $((after - before)) 0
kill -INT $AGENT
wait $AGENT
ip -n "${LBWORLD}net" link set dev lb arp off
ok "a router that is silent just now, and a change" lb apply wish.yaml
lb apply wish.yaml 2>said
ok "packets go on to the MAC that it had, which is said" grep -q 'does not answer.*the MAC that it had' said
ok "indeed" one
sed 's/table/router: 10.90.2.9\n    table/' wish.yaml >nobody.yaml
lb apply nobody.yaml 2>said
ok "a router that never was is refused" grep -q 'the next hop 10.90.2.9 does not answer' said
equal "and nothing changed" "$(running)" 02:00:00:00:77:03

# ---- by routes the kernel knows the next hop, if it has asked ----
lbworld_run lb sysctl -qw net.ipv4.ip_forward=1
ip -n "${LBWORLD}lb" neigh del 10.90.2.1 dev eth0
lb apply wish.yaml 2>said
ok "by routes, a silent router: said" grep -q 'the next hop 10.90.2.1 does not answer' said
ip -n "${LBWORLD}net" link set dev lb arp on
lb apply wish.yaml 2>said
fails "one that answers: not" grep -q 'does not answer' said
equal "the kernel knows it before a packet comes" "$(ip -n "${LBWORLD}lb" -j neigh show 10.90.2.1 | jq -r '.[0].lladdr')" 02:00:00:00:77:03
ok "and keeps it" grep -q managed <(ip -n "${LBWORLD}lb" neigh show 10.90.2.1)
equal "show says that routes say" "$(lb lb show --json | jq -r .next_hop.by)" routes
# a CPU keeps what the kernel said: each of them is to have it, for both backends
twelve() {
	local i
	for i in 1 2 3 4 5 6; do
		taskset -c 0 nsenter --net="$NETNS_DIR/${LBWORLD}client" curl -s -m 10 http://$LBWORLD_VIP/
		nsenter --net="$NETNS_DIR/${LBWORLD}client" curl -s -m 10 http://$LBWORLD_VIP/
	done | grep -c '^b[12]$'
}
equal "it answers" "$(twelve)" 12
router_mac 02:00:00:00:77:04
equal "another router: what the kernel said of the one before does not last" "$(twelve)" 12

# ---- NAT: what backends answer comes back through the balancer, as the router is told ----
printf 'interfaces:\n  eth0:\n    vips:\n      - {vip: "%s", mode: nat, backends: [10.90.11.2, 10.90.12.2]}\n' $VIP >nat.yaml
for i in 1 2; do
	ip -n "${LBWORLD}net" rule add iif b$i lookup 100
done
ip -n "${LBWORLD}net" route add default via 10.90.2.2 table 100
ok "the VIP changes to NAT" lb apply nat.yaml
for i in 1 2 3 4 5 6; do
	one || echo none
done >got
equal "and answers" "$(grep -c '^b[12]$' got)" 6
lb lb stats --json >stats
equal "through the balancer in both directions" "$(jq '[.reasons[] | select(.reason | . == "LB_NAT_NEW" or . == "LB_REPLY") | .packets] | add > 20' stats)" true
ok "detach" lb detach eth0
fails "the kernel keeps no neighbour for it any more" grep -q managed <(ip -n "${LBWORLD}lb" neigh show)

# ---- killed at any moment (tests/long/lb_kill_apply.sh does so 200 times) ----
for i in 1 2; do
	ip -n "${LBWORLD}net" rule del iif b$i lookup 100
	kill "$(cat b$i.pid)"
	free() { [ -z "$(lbworld_run b$i ss -Hltn sport = :80)" ]; }
	wait_for 20 free
	lbworld_serve b$i
	e2e_kill_later $!
	wait_for 20 test -s b$i.served
done
lbkillapply 15
e2e_end
