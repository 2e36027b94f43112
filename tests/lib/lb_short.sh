#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# lb_short.sh - the balancer live, in short, for kernels that are emulated (tests/long/packets.sh); prints TAP. A few hundred connections by a
# tunnel and by NAT, and a backend that drains and goes.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
lbworld_begin ethtool jq
flows=$(dirname "$SAKER")/../tests/flows
# wish OPTIONS BACKENDS
wish() {
	printf 'interfaces:\n  eth0: {vips: [{vip: "%s:80/tcp", %sbackends: [%s]}]}\n' $LBWORLD_VIP "$1" "$2" >wish.yaml
	lb apply wish.yaml
}
now() { tail -n 2 held | head -n 1 | jq -c "$1"; }
is() { [ "$(now "$1" 2>/dev/null)" = true ]; }
going() {
	local seen
	seen=$(now .least)
	wait_for 60 is ".least > $seen + 1"
}
# held NAME: 300 connections from now on
held() {
	netns_run "${LBWORLD}client" "$flows" hold "$LBWORLD_VIP" 80 300 --every 1000 --wait 120000 >held &
	held=$!
	e2e_kill_later $held
	ok "$1: 300 connections" wait_for 60 is '.open == 300 and .least > 1'
	equal "$1: by both backends" "$(now '.of | keys | join(" ")')" '"b1 b2"'
}

ok 'a world of two backends' lbworld_up "sls$$" 2
for i in 1 2; do
	lbworld_serve b$i
	e2e_kill_later $!
	wait_for 30 test -s b$i.served
done
ok 'natively' wish '' '10.90.11.2, 10.90.12.2'
equal 'by XDP of the driver' "$(lb lb show --json | jq -r .mode)" native
held IPIP
ok 'a backend drains' wish '' '10.90.11.2, {address: 10.90.12.2, weight: 0}'
ok 'all go on' going
two=$(now .of.b2)
ok 'it is removed' wish '' 10.90.11.2
equal 'new connections go to the other' "$(lbworld_run client "$flows" hold "$LBWORLD_VIP" 80 20 --every 1 --least 2 | tail -n 1 | jq -c '[.open, .of]')" '[20,{"b1":20}]'
ok 'only its own break' test "$(now .broken)" -le "$two"
kill $held
wait $held
ip -n "${LBWORLD}net" route add default via 10.90.2.2 table 100
for i in 1 2; do
	ip -n "${LBWORLD}net" rule add iif b$i lookup 100
done
lbworld_run lb sysctl -qw net.ipv4.ip_forward=1
ok 'NAT' wish 'mode: nat, ' '10.90.11.2, 10.90.12.2'
lbworld_run client "$flows" hold $LBWORLD_VIP 80 4 --every 1 --least 2 >first # neighbours are looked for
held NAT
ok 'NAT: all go on' going
equal 'NAT: none broke' "$(now '[.broken, .wrong, .failed]')" '[0,0,0]'
ok 'replies were translated' test "$(lb lb stats --json | jq '[.reasons[] | select(.reason == "LB_REPLY").packets] | add')" -gt 300
e2e_end
