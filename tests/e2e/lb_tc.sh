#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 300
#
# Live: the balancer and the ends of its tunnels on traffic control (`hook: tc`), where cards keep what they do for the kernel: packets are
# many segments at once and their checksums are not filled in yet. Every way to a backend carries bytes whose checksums are compared,
# handed on as they are, and cut where they leave the balancer. Then: a foreign filter, a foreign XDP program, from hook to hook, without TCX.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
lbworld_begin ethtool jq python3 tc bpftool
e2e_clean() { lbworld_down; rm -rf /sys/fs/bpf/slt$$; }
export LBWORLD_HOOK=tc
V4=$LBWORLD_VIP V6=$LBWORLD_VIP6
MB=24

# wish TEXT: of eth0, as YAML in one line
wish() {
	printf 'interfaces:\n  eth0: {hook: tc, %s}\n' "$1" >wish.yaml
	lb apply wish.yaml
}
bulk() { lbworld_run client timeout 60 python3 "$here/lib/lb_bulk.py" send "$1" 80 $MB; }
# passed REASON: packets so far
passed() { lb lb stats --json | jq "[.reasons[] | select(.reason == \"$1\") | .packets] | add // 0"; }
sent() { lb lb stats --json | jq '[.reasons[] | select(.kind == "send")] | [(map(.packets) | add), (map(.bytes) | add)] | .[]' | tr '\n' ' '; }
# moved WHAT ADDRESS: the bytes are the same at both ends
moved() {
	equal "$1: all bytes arrive, both ways" "$(bulk "$2" | jq -c '[.sent, .ok_there, .ok_back]')" "[$((MB << 20)),true,true]"
}
# way WHAT ADDRESS TEXT: ... and the balancer saw many segments at once; then again with a card that can do nothing
way() {
	local packets bytes packets0 bytes0
	ok "$1: the wish is applied" wish "$3"
	read -r packets0 bytes0 < <(sent)
	moved "$1" "$2"
	read -r packets bytes < <(sent)
	packets=$((packets - packets0)) bytes=$((bytes - bytes0))
	ok "$1: many segments at once (${bytes:-0} bytes in ${packets:-0} packets)" test "${bytes:-0}" -gt $((MB << 20)) -a \
		"${packets:-0}" -lt $((bytes / 1448 / 4))
	lbworld_run lb ethtool -K eth0 tx off tso off gso off sg off >/dev/null
	moved "$1, cut by the balancer's kernel" "$2"
	lbworld_run lb ethtool -K eth0 sg on tx on tso on gso on >/dev/null
}

ok 'a world of two backends on traffic control' lbworld_up "slt$$" 2
ok 'that have IPv6, too' lbworld_v6
for i in 1 2; do
	lbworld_run b$i sysctl -qw net.ipv4.conf.all.rp_filter=0
	netns_run "${LBWORLD}b$i" python3 "$here/lib/lb_bulk.py" serve 80 >b$i.served &
	e2e_kill_later $!
	wait_for 10 test -s b$i.served
done

# ---- every way ----
four='10.90.11.2, 10.90.12.2' six='"fd90:11::2", "fd90:12::2"'
# frames of 1514 bytes everywhere: a tunnel's headers must fit
way 'IPIP' $V4 "frame-max: 1494, vips: [{vip: '$V4:80/tcp', backends: [$four]}]"
way '4 in 6' $V4 "frame-max: 1474, vips: [{vip: '$V4:80/tcp', backends: [$six]}]"
way '6 in 6' $V6 "frame-max: 1474, vips: [{vip: '[$V6]:80/tcp', backends: [$six]}]"
way 'GUE' $V4 "frame-max: 1486, vips: [{vip: '$V4:80/tcp', backends: [$(lbworld_gue 10.90.11.2 10.90.12.2)]}]"
way 'GUE, 6 in 6' $V6 "frame-max: 1466, vips: [{vip: '[$V6]:80/tcp', backends: [$(lbworld_gue fd90:11::2 fd90:12::2)]}]"

# ---- an answer that quotes a packet whose checksum is not filled in yet, and will be, in the quote ----
for address in $V4 $V6; do
	lbworld_run client ip route flush cache
	lbworld_run client ip -6 route flush cache
	lbworld_run lb ethtool -K eth0 tx off >/dev/null
	told=$(passed LB_TOO_BIG_TOLD)
	ok "a small tunnel, $address" wish "frame-max: 1394, vips: [{vip: '$V4:80/tcp', backends: [$four]}, {vip: '[$V6]:80/tcp', backends: [$six]}]"
	moved "a small tunnel, $address" "$address"
	ok "its sender was told, $address" test "$(passed LB_TOO_BIG_TOLD)" -gt "$told"
	ok "and took it for true, $address" lbworld_path "$address" 1380
	lbworld_run lb ethtool -K eth0 tx on >/dev/null
done

# ---- what else stands there ----
mode() { lb lb show --json | jq -r .mode; }
other=/sys/fs/bpf/slt$$ objects=$(dirname "$SAKER")/net
# a chain of nobody's: it passes all packets, and counts them
mkdir -p $other
ok 'a filter of somebody else' bpftool prog loadall "$objects/net_chain_tc.bpf.o" $other/tc pinmaps $other/maps
lbworld_run lb tc qdisc add dev eth0 clsact
ok 'is put there' lbworld_run lb tc filter add dev eth0 ingress pref 7 bpf da pinned $other/tc/chain_entry
counted() { bpftool -j map lookup pinned $other/maps/chain_reasons key 1 0 0 0 | jq '[.formatted.values[].value.packets] | add'; }
before=$(counted) sent=$(passed LB_TABLE)
ok 'tunnels again' wish "frame-max: 1494, vips: [{vip: '$V4:80/tcp', backends: [$four]}]"
moved 'beside a filter' $V4
ok 'what is sent does not come to it' test $(($(counted) - before)) -lt $((($(passed LB_TABLE) - sent) / 2))
for i in 1 2 3; do
	lbworld_run client python3 "$here/lib/lb_frames.py" datagram 10.90.2.2 9 100
done
came() { [ "$(counted)" -ge $((before + 3)) ]; }
ok 'what passes does' wait_for 5 came
equal 'why: on traffic control, too' "$(lb lb why '10.90.1.2:1 > 10.99.0.1:80/tcp' --json | jq -r '[.action, .reason] | join(", ")')" 'sent out, LB_HASH'
equal 'and what is nobody'"'"'s' "$(lb lb why '10.90.1.2:1 > 10.99.0.1:81/tcp' --json | jq -r '[.action, .reason] | join(", ")')" 'to the host, PASSED'
ok 'doctor says where it stands' grep -q "on traffic control, 'chain_entry'" <(lb doctor --on eth0)

# ---- behind a foreign XDP program ----
ok 'an XDP program of somebody else' bpftool prog loadall "$objects/net_decap.bpf.o" $other/xdp
ok 'comes' lbworld_run lb bpftool net attach xdpgeneric pinned $other/xdp/decap_stage dev eth0
moved 'behind it' $V4
printf 'interfaces:\n  eth0: {vips: [{vip: "%s:80/tcp", backends: [%s]}]}\n' $V4 "$four" >xdp.yaml
fails 'XDP is refused' lb apply xdp.yaml
ok 'with the reason, and what goes' grep -q 'somebody else.*`hook: tc`' <(lb apply xdp.yaml 2>&1)
moved 'still' $V4
lbworld_run lb bpftool net detach xdpgeneric dev eth0

# ---- from hook to hook ----
ok 'to XDP' lb apply xdp.yaml
equal 'it is there' "$(mode | sed 's/native\|generic/xdp/')" xdp
equal 'and no more on traffic control' "$(lb doctor --on eth0 | grep -c 'on traffic control')" 0
ok 'and back, as a filter of clsact' env SAKER_NO_TCX=1 bash -c "$(declare -f lb lbworld_run wish); SAKER=$SAKER PLACE=$PLACE NETNS_DIR=$NETNS_DIR LBWORLD=$LBWORLD; wish \"frame-max: 1494, vips: [{vip: '$V4:80/tcp', backends: [$four]}]\""
equal 'it is there' "$(mode)" tc
moved 'by a filter' $V4
prefs() { lbworld_run lb tc -j filter show dev eth0 ingress | jq -c '[.[].pref] | unique'; }
equal 'beside the other one' "$(prefs)" '[7,23147]'
ok 'detach' lb detach eth0
equal 'leaves the other one alone' "$(prefs)" '[7]'
lbworld_run lb tc qdisc del dev eth0 clsact

# ---- NAT: checksums that are not filled in yet are changed, not made ----
lbworld_run lb sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for i in 1 2; do
	ip -n "${LBWORLD}net" rule add iif b$i lookup 100
	ip -n "${LBWORLD}net" -6 rule add iif b$i lookup 100
done
ip -n "${LBWORLD}net" route add default via 10.90.2.2 table 100
ip -n "${LBWORLD}net" -6 route add default via fd90:2::2 table 100
way 'NAT' $V4 "vips: [{vip: '$V4:80/tcp', mode: nat, backends: [$four]}]"
way 'NAT, IPv6' $V6 "vips: [{vip: '[$V6]:80/tcp', mode: nat, backends: [$six]}]"
e2e_end
