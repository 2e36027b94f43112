#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 500
#
# Live: every way to a backend, IPv4 and IPv6; interfaces whose driver has no XDP, or that somebody else has; paths that take only small
# packets; fragments, echoes, floods, full tables; and frames that are broken in every way.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# A network card brings all packets of a flow to one CPU, which has its connection table; on veth they come where they were sent.
if [ -z "${LB_WAYS_PINNED:-}" ]; then
	export LB_WAYS_PINNED=1
	exec taskset -c $(($(nproc) - 1)) "$0" "$@" # not that of lb_thousand.sh
fi
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
lbworld_begin ethtool jq python3 bpftool clang
flows=$(dirname "$SAKER")/../tests/flows
V4=$LBWORLD_VIP V6=$LBWORLD_VIP6

# wish TEXT: of eth0, as YAML in one line
wish() {
	printf 'interfaces:\n  eth0: {%s}\n' "$1" >wish.yaml
	lb apply wish.yaml
}
# passed REASON: packets so far
passed() { lb lb stats --json | jq "[.reasons[] | select(.reason == \"$1\").packets] | add // 0"; }
# tell ADDRESS NUMBER OPTION...: so many connections from the client at once, ten messages each; what came of them
tell() { lbworld_run client "$flows" hold "$1" 80 "${@:2}" --every 1 --least 10 | tail -n 1; }
# all_answered WHAT ADDRESS OPTION...: 24 connections, by b1 and b2, none fails (before them, neighbours may have to be looked for)
all_answered() {
	local what=$1 address=$2
	shift 2
	tell "$address" 4 "$@" >/dev/null
	tell "$address" 24 "$@" >told
	equal "$what: all connections are answered" "$(jq -c '[.open, .failed, .broken, .wrong, .moved, .lost]' told)" '[24,0,0,0,0,0]'
	equal "$what: by both backends" "$(jq -r '.names | keys | join(" ")' told)" 'b1 b2'
}
# way WHAT VIP ADDRESS TEXT REASON
way() {
	ok "$1: the wish is applied" wish "vips: [{vip: \"$2:80/tcp\", $4}, {vip: \"$2:80/udp\", $4}]"
	all_answered "$1" "$3"
	all_answered "$1, UDP" "$3" --udp
	ok "$1: so the balancer says" test "$(passed "$5")" -gt 24
}

ok 'a world of two backends' lbworld_up "slw$$" 2
ok 'that have IPv6, too' lbworld_v6
for i in 1 2; do
	lbworld_serve b$i
	e2e_kill_later $!
	wait_for 10 test -s b$i.served
done

# ---- tunnels ----
four='10.90.11.2, 10.90.12.2' six='"fd90:11::2", "fd90:12::2"'
way 'IPIP' $V4 $V4 "backends: [$four]" LB_TABLE
way '4 in 6' $V4 $V4 "backends: [$six]" LB_TABLE
way '6 in 6' "[$V6]" $V6 "backends: [$six]" LB_TABLE
way 'GUE' $V4 $V4 "backends: [$(lbworld_gue 10.90.11.2 10.90.12.2)]" LB_TABLE
way 'GUE, 4 in 6' $V4 $V4 "backends: [$(lbworld_gue fd90:11::2 fd90:12::2)]" LB_TABLE
way 'GUE, 6 in 6' "[$V6]" $V6 "backends: [$(lbworld_gue fd90:11::2 fd90:12::2)]" LB_TABLE

# ---- paths that take only small packets ----
# Of a tunnel in frames of 1514 bytes 1494 are left, or 1474 for IPv6; long messages are more than a packet each.
long() {
	local what=$1 address=$2 told
	told=$(tell "$address" 8 --size 60000)
	equal "$what: long messages go both ways" "$(jq -c '[.open, .failed, .broken, .wrong, .least >= 10]' <<<"$told")" '[8,0,0,0,true]'
}
ok 'frames of 1494 bytes' wish "frame-max: 1494, vips: [{vip: '$V4:80/tcp', backends: [$four]}]"
long 'a tunnel in the way' $V4
ok 'the client was told so' lbworld_path $V4 1480
ok 'and the balancer says that it did' test "$(passed LB_TOO_BIG_TOLD)" -gt 0
ok 'IPv6: 1474' wish "frame-max: 1474, vips: [{vip: '[$V6]:80/tcp', backends: [$six]}]"
long 'a tunnel in the way, IPv6' $V6
ok 'the client was told so, IPv6' lbworld_path $V6 1460
# What a router on the way to the client says comes to the VIP, and goes to the backend that sent the packet.
ip -n "${LBWORLD}net" route replace 10.90.1.0/24 dev client src 10.90.1.1 mtu lock 1300
ip -n "${LBWORLD}net" -6 route replace fd90:1::/64 dev client metric 256 mtu lock 1300
ok 'both families' wish "frame-max: 1474, vips: [{vip: '$V4:80/tcp', backends: [$four]}, {vip: '[$V6]:80/tcp', backends: [$six]}]"
for address in $V4 $V6; do
	before=$(passed LB_ICMP_ERROR)
	long "a small link before the client, $address" "$address"
	ok "its error was sent after its flow, $address" test "$(passed LB_ICMP_ERROR)" -gt "$before"
done
for i in 1 2; do
	for address in 10.90.1.2 fd90:1::2; do
		ip -n "${LBWORLD}b$i" route get $address
	done
done >routes
equal 'to the backends, which send smaller packets now' "$(grep -c 'mtu 1300' routes)" 4
ip -n "${LBWORLD}net" route replace 10.90.1.0/24 dev client src 10.90.1.1
ip -n "${LBWORLD}net" -6 route replace fd90:1::/64 dev client metric 256

# ---- what is no connection ----
frames() { lbworld_run "$1" python3 "$here/lib/lb_frames.py" "${@:2}"; }
mac=$(ip -j -n "${LBWORLD}lb" link show eth0 | jq -r '.[0].address')
equal 'the VIP answers an echo' "$(frames client echo $V4)" answered
equal 'and the IPv6 one' "$(frames client echo $V6)" answered
frames client datagram $V4 80 4000
fragments() { [ "$(passed LB_FRAGMENT)" = 3 ]; }
ok 'fragments are dropped, each' wait_for 5 fragments
equal 'frames with VLAN tags come back with them' "$(frames net tags lb "$mac" $V4 | tr '\n' ' ')" 'one kept two kept '

# ---- too many ----
ok 'a small rate of new connections' wish "flood-rate: 200, vips: [{vip: '$V4:80/tcp', backends: [$four]}]"
netns_run "${LBWORLD}client" "$flows" hold $V4 80 50 --every 5 >held &
held=$!
e2e_kill_later $held
held_is() { jq -e "$1" <(tail -n 2 held | head -n 1) >/dev/null 2>&1; }
ok 'fifty connections' wait_for 20 held_is '.open == 50 and .least > 10'
lbworld_run client "$flows" new $V4 80 --every 1 --seconds 2 >many &
flood=$!
e2e_kill_later $flood
flooded() { [ "$(passed LB_FLOOD)" -gt 200 ]; }
ok 'a flood of new ones is seen' wait_for 10 flooded
ok 'meanwhile places in the ring move' wish "flood-rate: 200, vips: [{vip: '$V4:80/tcp', backends: [10.90.11.2, {address: 10.90.12.2, weight: 3}]}]"
wait $flood
ok 'new connections were answered, too' test "$(grep -c ' ok ' many)" -gt 200
before=$(jq .least <(tail -n 2 held | head -n 1))
ok 'the fifty go on' wait_for 20 held_is ".least > $before + 10"
equal 'none of the fifty broke' "$(tail -n 2 held | head -n 1 | jq -c '[.open, .broken, .wrong]')" '[50,0,0]'
equal 'of the flood not all are remembered' "$(lb lb stats --json | jq '.connections < 1500')" true
ok 'a small table' wish "table: 256, vips: [{vip: '$V4:80/tcp', backends: [$four]}]"
told=$(tell $V4 2000)
equal 'more connections than it has room for: the ring answers' "$(jq -c '[.open, .failed, .broken]' <<<"$told")" '[2000,0,0]'
lb lb stats --json >stats
ok 'it is full' test "$(jq .fullest stats)" -ge 256
equal 'so it is told, and that those give way that are in use' \
	"$(jq -c '.tables[] | select(.table == "connections") | [.room, .full_in_s, .young_permille > 500]' stats)" '[256,0,true]'
ok 'in words' grep -q 'CPU [0-9]*: .* of 256: full.* the place of one that was used in the last 30 s' <(lb lb stats)
ok 'and for Prometheus' grep -q '^saker_lb_fill_young_permille{interface="eth0",table="connections"} [1-9]' <(lb lb stats --prometheus)
equal 'what was found in the tables, and what not' \
	"$(jq -c '[.lookups[] | select(.table == "connections") | .hits > 1000, .misses > 0]' stats)" '[true,true]'
kill $held
wait $held

# ---- frames that are broken ----
ok 'a wish with everything' wish "vips: [{vip: '$V4:80/tcp', backends: [$four]}, {vip: '[$V6]:*/udp', backends: [$six]}], decap: {ipip: true, gue: true}"
received() { lbworld_run lb ethtool -S eth0 | awk '/xdp_packets/ { sum += $2 } END { print sum }'; }
verdicts() { lb lb stats --json | jq '[.reasons[] | select(.kind != "note").packets] | add'; }
received=$(received) verdicts=$(verdicts)
cases=$SAKER_TEST_DATA/katran/cases.json
[ -f "$cases" ] || cases=
# shellcheck disable=SC2086
thrown=$(frames net throw lb "$mac" $V4 $V6 20000 "${SEED:-$RANDOM}" "$here/fuzz/corpus/packet" $cases)
ok 'thousands of them' test "$thrown" -gt 15000
received=$(($(received) - received)) verdicts=$(($(verdicts) - verdicts))
ok 'all came' test $received -ge $((thrown * 9 / 10))
equal 'each has one verdict' $verdicts $received
ok 'and it goes on' test "$(tell $V4 8 | jq .open)" = 8

# ---- NAT: answers come back through the balancer, as the router is told ----
lbworld_run lb sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for i in 1 2; do
	ip -n "${LBWORLD}net" rule add iif b$i lookup 100
	ip -n "${LBWORLD}net" -6 rule add iif b$i lookup 100
done
ip -n "${LBWORLD}net" route add default via 10.90.2.2 table 100
ip -n "${LBWORLD}net" -6 route add default via fd90:2::2 table 100
way 'NAT' $V4 $V4 "mode: nat, backends: [$four]" LB_REPLY
way 'NAT, IPv6' "[$V6]" $V6 "mode: nat, backends: [$six]" LB_REPLY
# One client's port by two ports of a VIP to one backend: two connections that would be one there.
netns_run "${LBWORLD}b1" python3 "$here/lib/lb_ports.py" serve 8080 >ports &
e2e_kill_later $!
ok 'a server that tells its clients'"'"' ports' wait_for 10 grep -q listening ports
ports() { lbworld_run client timeout 60 python3 "$here/lib/lb_ports.py" "$@"; }
to_one() { printf "{vip: '$V4:%s', mode: nat, nat-port: %s, backends: [10.90.11.2]}" "$1" "$2"; }
ok 'two VIPs, one port of one backend' wish "vips: [$(to_one 81/tcp 8080), $(to_one 82/tcp 8080), $(to_one 81/udp 9), $(to_one 82/udp 9)]"
renamed=$(passed LB_NAT_RENAMED)
ports both $V4 81 82 0 >told
equal 'one client'"'"'s port by both: the first has it, the second another one' \
	"$(jq -c '[.same, .there[0] == .own, .there[1] != .own, .there[1] > 1023]' told)" '[true,true,true,true]'
equal 'which is counted' $(($(passed LB_NAT_RENAMED) - renamed)) 1
# b1 takes what its route says until it is told otherwise, of the connection that it knows by the other port, too
lbworld_run b1 ip route flush cache
ip -n "${LBWORLD}net" route replace 10.90.1.0/24 dev client src 10.90.1.1 mtu lock 1200
lbworld_run net sysctl -qw net.ipv4.conf.lb.accept_local=1 # here the router that says it is also on the way to the backend
before=$(passed LB_ICMP_ERROR)
ports both $V4 82 81 60000 >told
equal 'long answers by both, through a small link' "$(jq -c '[.same, .there[0] == .own, .there[1] != .own]' told)" '[true,true,true]'
ok 'whose errors came by the VIP' test "$(passed LB_ICMP_ERROR)" -gt "$before"
ok 'and to the backend' grep -q 'mtu 1200' <(ip -n "${LBWORLD}b1" route get 10.90.1.2)
ip -n "${LBWORLD}net" route replace 10.90.1.0/24 dev client src 10.90.1.1
equal 'UDP, where nobody listens: the client is told of both' "$(ports refused $V4 81 82 | jq -c .told)" '[true,true]'

# ---- NAT: a table that is full ----
ok 'a small table for NAT' wish "nat-table: 1024, vips: [{vip: '$V4:80/tcp', mode: nat, backends: [$four]}]"
netns_run "${LBWORLD}client" "$flows" hold $V4 80 100 --every 20 >held &
held=$!
e2e_kill_later $held
ok 'a hundred connections' wait_for 20 held_is '.open == 100 and .least > 10'
fresh=$(passed LB_NAT_NEW)
netns_run "${LBWORLD}client" "$flows" new $V4 80 --every 1 >many &
flood=$!
e2e_kill_later $flood
more_than_room() { [ $(($(passed LB_NAT_NEW) - fresh)) -gt 1500 ]; }
ok 'meanwhile more new ones than it has room for' wait_for 60 more_than_room
kill $flood
wait $flood
equal 'each is answered' "$(grep -vc ' ok ' many)" 0
before=$(jq .least <(tail -n 2 held | head -n 1))
ok 'the hundred go on' wait_for 20 held_is ".least > $before + 10"
equal 'none of the hundred broke' "$(tail -n 2 held | head -n 1 | jq -c '[.open, .broken, .wrong]')" '[100,0,0]'
equal 'it is full, as is told' "$(lb lb stats --json | jq -c '.tables[] | select(.table == "nat") | [.room, .full_in_s]')" '[1024,0]'
ok 'a larger one' wish "nat-table: 4096, vips: [{vip: '$V4:80/tcp', mode: nat, backends: [$four]}]"
before=$(jq .least <(tail -n 2 held | head -n 1))
ok 'has them, too' wait_for 20 held_is ".least > $before + 10"
equal 'all of them' "$(tail -n 2 held | head -n 1 | jq -c '[.open, .broken, .wrong]')" '[100,0,0]'
kill $held
wait $held
for i in 1 2; do
	ip -n "${LBWORLD}net" rule del iif b$i lookup 100
	ip -n "${LBWORLD}net" -6 rule del iif b$i lookup 100
done

# ---- L2: links of their own to the backends, which have the VIP and answer by themselves ----
for i in 1 2; do
	ip -n "${LBWORLD}lb" link add d$i type veth peer name d0 netns "${LBWORLD}b$i"
	ip -n "${LBWORLD}lb" address add 10.91.$i.1/24 dev d$i
	ip -n "${LBWORLD}lb" address add fd91:$i::1/64 dev d$i nodad
	ip -n "${LBWORLD}lb" link set d$i up
	ip -n "${LBWORLD}b$i" address add 10.91.$i.2/24 dev d0
	ip -n "${LBWORLD}b$i" address add fd91:$i::2/64 dev d0 nodad
	ip -n "${LBWORLD}b$i" link set d0 up
	printf 'interfaces:\n  d0:\n' | lbworld_run b$i "$SAKER" apply - 2>/dev/null # so that it sees what is sent there by XDP
	frames lb echo 10.91.$i.2 >>there
	frames lb echo fd91:$i::2 >>there
done
equal 'the balancer knows their link addresses' "$(sort there | uniq -c | awk '{ print $1, $2 }')" '4 answered'
way 'L2' $V4 $V4 'mode: l2, backends: [10.91.1.2, 10.91.2.2]' LB_TABLE
way 'L2, IPv6' "[$V6]" $V6 'mode: l2, backends: ["fd91:1::2", "fd91:2::2"]' LB_TABLE
link_of() { ip -j -n "${LBWORLD}b$1" link show d0 | jq -r '.[0].address'; }
for i in 1 2; do
	ip -n "${LBWORLD}lb" neighbour flush dev d$i
done
way 'L2, addresses given' $V4 $V4 "mode: l2, backends: [{address: 10.91.1.2, mac: '$(link_of 1)', interface: d1},
    {address: 10.91.2.2, mac: '$(link_of 2)', interface: d2}]" LB_TABLE

# ---- sources of tunnels, on a server: what is in GUE to port 9887 ----
cat >inner.py <<'END'
import socket, struct, sys
def end(a): return socket.inet_pton(socket.AF_INET6, a)
def summed(data): # RFC 1071
    n = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
if sys.argv[1] == 'send':
    tcp = struct.pack('!HHIIBBHHH', 7, 8, 0, 0, 0x50, 0x10, 0, 0, 0)
    src, dst = end('fd77::1'), end(sys.argv[2])
    code = summed(src + dst + struct.pack('!II', len(tcp), 6) + tcp)
    tcp = tcp[:16] + struct.pack('!H', code) + tcp[18:]
    s.sendto(struct.pack('!IHBB', 6 << 28, len(tcp), 6, 64) + src + dst + tcp, (sys.argv[2], 9887))
else:
    s.bind(('::', 9887))
    print('bound', flush=True)
    while True:
        print(socket.inet_ntop(socket.AF_INET6, s.recv(2000)[8:24]), flush=True)
END
netns_run "${LBWORLD}b1" python3 inner.py take >inner &
inner=$!
e2e_kill_later $inner
ok 'a server that takes them' wait_for 10 grep -q bound inner
beside() { # TEXT: of decap, on the server
	printf 'interfaces:\n  eth0:\n    decap: {%s}\n' "$1" | lbworld_run b1 "$SAKER" apply - 2>/dev/null
	lbworld_run b1 "$SAKER" lb show --on eth0 --json | jq -r .ingress
}
came() {
	local had
	had=$(wc -l <inner)
	lbworld_run client python3 inner.py send fd90:11::2
	wait_for 10 eval "[ \$(wc -l <inner) -gt $had ]"
	tail -n 1 inner
}
equal 'their source is as it was sent' "$(came)" fd77::1
equal 'the wish asks for the tunnel'"'"'s' "$(beside 'ipip: true, gue: true, source: true')" link
equal 'which it is now' "$(came)" fd90:1::2
equal 'and no more' "$(beside 'ipip: true, gue: true')" none
equal 'so it is as it was sent' "$(came)" fd77::1
equal 'where there are no links it is a filter' "$(SAKER_NO_TCX=1 beside 'gue: true, ipip: true, source: true')" filter
equal 'which does the same' "$(came)" fd90:1::2
beside 'ipip: true, gue: true' >/dev/null
equal 'and takes all away with it' "$(lbworld_run b1 tc qdisc show dev eth0 clsact)" ''
kill $inner

# ---- interfaces that are otherwise ----
lb detach eth0 2>/dev/null
ip -n "${LBWORLD}lb" link add br0 type bridge
ip -n "${LBWORLD}lb" link set br0 addrgenmode none address "$mac"
ip -n "${LBWORLD}lb" link set eth0 master br0
ip -n "${LBWORLD}lb" address flush dev eth0
ip -n "${LBWORLD}lb" address add 10.90.2.2/24 dev br0
ip -n "${LBWORLD}lb" link set br0 up
ip -n "${LBWORLD}lb" route add default via 10.90.2.1
printf 'interfaces:\n  br0: {vips: [{vip: "%s:80/tcp", backends: [%s]}]}\n' $V4 "$four" >wish.yaml
lb apply wish.yaml 2>said
ok 'a driver without XDP: generic, with the reason' grep -q "'br0' runs it in generic mode, which is slower: the driver has no XDP" said
equal 'show says so' "$(lb lb show --json | jq -r .mode)" generic
equal 'and doctor' "$(lb doctor --on br0 --json | jq -r '[.driver, .xdp] | join(" ")')" 'bridge generic'
all_answered 'generic' $V4
lb detach br0 2>/dev/null
lbworld_run lb ip tuntap add dev tun0 mode tun
lbworld_run lb "$SAKER" doctor --on tun0 >said
equal 'doctor names an interface that has no Ethernet headers' "$(grep -c 'no Ethernet headers' said)" 1
printf 'interfaces:\n  tun0:\n' >wish.yaml
fails 'which is refused' lb apply wish.yaml
echo '__attribute__((section("xdp"))) int foreigner(void *ctx) { return 2; }' | clang -O2 -target bpf -x c -c -o foreign.o - 2>/dev/null
mkdir -p /sys/fs/bpf/"$LBWORLD"
bpftool prog load foreign.o /sys/fs/bpf/"$LBWORLD"/foreign 2>/dev/null
lbworld_run lb bpftool net attach xdp pinned /sys/fs/bpf/"$LBWORLD"/foreign dev d1
rm -r /sys/fs/bpf/"$LBWORLD"
on_d1() { ip -j -n "${LBWORLD}lb" link show d1 | jq '.[0].xdp.prog.id // 0'; }
theirs=$(on_d1)
ok "somebody else's program is there" test "$theirs" -gt 0
printf 'interfaces:\n  d1: {vips: [{vip: "%s:80/tcp", backends: [%s]}]}\n' $V4 "$four" >wish.yaml
lb apply wish.yaml 2>said
ok 'it is named' grep -q "an XDP program of somebody else, 'foreigner' (id $theirs)" said
equal 'and left' "$(on_d1)" "$theirs"
equal 'doctor says so' "$(lb doctor --on d1 --json | jq -c '[.foreign, .program]')" "[true,$theirs]"
fails 'there is nothing to detach' lb detach d1
equal 'nor is it detached' "$(on_d1)" "$theirs"
e2e_end
