#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 300
#
# Checks of backends, as real traffic through their tunnels: each kind, each verdict with its sentence, and that a check reaches
# the backend that it is for and no other.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
lbworld_begin ethtool jq python3 openssl
VIP=$LBWORLD_VIP

# certificates: one that is good for a month, for a.example, and one that has expired
certificates() {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out good.crt -subj /CN=a.example \
		-addext subjectAltName=DNS:a.example -days 30 || return
	: >database
	printf '%s\n' '[ca]' 'default_ca=c' '[c]' 'database=database' 'rand_serial=yes' 'new_certs_dir=.' 'default_md=sha256' 'policy=p' \
		'[p]' 'commonName=supplied' >ca.cnf
	openssl req -new -key key.pem -out expired.csr -subj /CN=a.example &&
		openssl ca -batch -config ca.cnf -selfsign -keyfile key.pem -in expired.csr -out expired.crt -notext \
			-startdate 20200101000000Z -enddate 20210101000000Z &&
		cat key.pem good.crt >good.pem && cat key.pem expired.crt >expired.pem
}
# serve NAME [ADDRESS]: the servers of tests/lib/check_server.py in that namespace
serve() {
	mkdir -p "$1" && cp good.pem expired.pem "$1"
	netns_run "$LBWORLD$1" python3 "$here/lib/check_server.py" "$WORK/$1" $VIP "${@:2}" &
	e2e_kill_later $!
	server=$!
}
# vips PORT...: a wish with one VIP for each line of "PORT/PROTOCOL HEALTH", all with backends 1 and 2
vips() {
	printf 'interfaces:\n  eth0:\n    vips:\n'
	while read -r port health; do
		printf '      - {vip: %s:%s, health: {%s}, backends: [10.90.11.2, {address: 10.90.12.2, mode: gue}]}\n' $VIP "$port" "$health"
	done
}
# outcomes [VIP [BACKEND]]: of each check, by backend
outcomes() { lb lb check "$@" --json 2>/dev/null | jq -r '.checks | sort_by(.backend) | map(.backend + " " + .outcome) | join(", ")'; }
# is PORT/PROTOCOL OUTCOME SENTENCE: what the check of backend 1 sees
is() {
	lb lb check "$VIP:$1" 10.90.11.2 --json >one.json 2>/dev/null
	equal "$1: $2" "$(jq -r '.checks[0].outcome' one.json)" "$2"
	grep -Eq "$3" <(jq -r '.checks[0].text' one.json) || jq . one.json >&2
	ok "$1: in words" grep -Eq "$3" <(jq -r '.checks[0].text' one.json)
}
# rows NAME PORT: how many connections to this port the backend has written down
rows() { grep -c "^$2 " "$1/served"; }

certificates >certificates.log 2>&1
ok "a world of three backends" lbworld_up "slc$$" 3
serve b1
first=$server
serve b2
second=$server
ok "servers" wait_for 20 test -e b1/ready -a -e b2/ready
vips >wish.yaml <<W
80/tcp kind: tcp
81/tcp kind: http, timeout: 5s, interval: 10s
82/tcp kind: http, timeout: 100ms
83/tcp kind: http, timeout: 5s, interval: 10s
84/tcp kind: http, timeout: 5s, interval: 10s
85/tcp kind: http, timeout: 100ms
86/tcp kind: http, timeout: 5s, interval: 10s
87/tcp kind: http, text: all well, timeout: 5s, interval: 10s
88/tcp kind: tcp, timeout: 5s, interval: 10s
89/tcp kind: http, port: 80, path: /up, host: a.example, text: ill, timeout: 5s, interval: 10s
90/tcp kind: http, port: 81, status: 500-599, timeout: 5s, interval: 10s
91/tcp kind: http, port: 82, timeout: 5s, interval: 10s
443/tcp kind: tls, timeout: 5s, interval: 10s
444/tcp kind: https, timeout: 5s, interval: 10s
445/tcp kind: tls, timeout: 100ms
446/tcp kind: tls, port: 443, verify: on, host: a.example, timeout: 5s, interval: 10s
447/tcp kind: tls, port: 444, verify: on, host: a.example, timeout: 5s, interval: 10s
448/tcp kind: tls, port: 446, timeout: 5s, interval: 10s
449/tcp kind: https, port: 443, host: a.example, verify: on, timeout: 5s, interval: 10s
53/udp kind: udp, send: ping, answer: ng ba, timeout: 5s, interval: 10s
54/udp kind: udp, send: ping, timeout: 100ms
55/udp kind: udp, send: ping, timeout: 5s, interval: 10s
56/udp kind: udp, send: '0x00ff10', answer: '0x00ff10206261636b', port: 53, timeout: 5s, interval: 10s
57/udp kind: udp, send: ping, answer: pong, port: 53, timeout: 5s, interval: 10s
*/udp kind: tcp, port: 80, timeout: 5s, interval: 10s
W
ok "a wish with checks is applied" lb apply wish.yaml

# ---- each verdict and its sentence ----
is 80/tcp passed '^connect: accepted after [0-9]+\.[0-9] ms$'
is 81/tcp status '^HTTP 503, wanted 200$'
is 82/tcp silent '^accepted, but no answer within 100 ms$'
is 83/tcp closed '^accepted, but closed without an answer after [0-9.]+ ms$'
is 84/tcp broken '^the answer is no HTTP$'
is 85/tcp silent '^accepted, but only 26 bytes of an answer within 100 ms$'
is 86/tcp broken '^the head of the answer has more than 16384 bytes$'
is 87/tcp passed '^HTTP 200 after [0-9.]+ ms$'
is 88/tcp refused '^connect: refused after [0-9]+\.[0-9] ms$'
is 89/tcp other_text '^HTTP 200, but not the wanted text in its 5 bytes$'
is 90/tcp passed '^HTTP 503 after [0-9.]+ ms$'
is 443/tcp passed '^TLSv1\.3 handshake after [0-9.]+ ms; its certificate expires in (29|30) days$'
is 444/tcp passed '^HTTP 200 after [0-9.]+ ms; its certificate expired [0-9]+ days ago$'
is 445/tcp silent '^accepted, but no TLS handshake within 100 ms$'
is 446/tcp certificate '^TLS: self-signed certificate; its certificate expires in (29|30) days$'
is 447/tcp certificate '; its certificate expired [0-9]+ days ago$'
is 448/tcp no_tls '^TLS handshake: .+'
export SSL_CERT_FILE=$WORK/good.crt
is 449/tcp passed '^HTTP 200 after .*expires in (29|30) days$'
unset SSL_CERT_FILE
is 53/udp passed '^udp: an answer of 9 bytes after [0-9.]+ ms$'
is 54/udp silent '^udp: no answer within 100 ms$'
is 55/udp refused '^udp: refused after [0-9.]+ ms$'
is 56/udp passed '^udp: an answer of 8 bytes'
is 57/udp other_text '^udp: an answer of 9 bytes without what is wanted$'
is '*/udp' passed '^connect: accepted'

# ---- through the tunnel, to the one backend ----
taken() { lbworld_run "$1" "$SAKER" lb stats --on eth0 --json | jq '[.reasons[] | select(.reason == "DECAP_TO_HOST").packets] | add'; }
before1=$(rows b1 81) taken2=$(taken b2)
ok "a check of backend 2" lb lb check $VIP:90/tcp 10.90.12.2
equal "reached it, from the balancer" "$(grep '^81 ' b2/served)" "81 10.90.2.2"
ok "through its tunnel" test "$(taken b2)" -gt "$taken2"
equal "and backend 1 saw nothing of it" "$(rows b1 81)" "$before1"
kill "$second"
gone() { [ "$(outcomes $VIP:80/tcp 10.90.12.2)" = "10.90.12.2 refused" ]; }
ok "where its process is gone it is refused" wait_for 10 gone
equal "and the other backend passes" "$(outcomes $VIP:80/tcp)" "10.90.11.2 passed, 10.90.12.2 refused"
fails "the command says so" lb lb check $VIP:80/tcp
ip -n "${LBWORLD}b2" link set eth0 down
is2() { lb lb check $VIP:80/tcp 10.90.12.2 --json 2>/dev/null | jq -r '.checks[0] | .outcome + ": " + .text'; }
equal "a host that is silent" "$(is2)" "no_connection: connect: no answer within 500 ms"
ip -n "${LBWORLD}b2" link set eth0 up
ip -n "${LBWORLD}b2" route add default via 10.90.12.1

# ---- what cannot be sent says nothing of the backend ----
ip -n "${LBWORLD}lb" route add $VIP/32 via 10.90.2.77
is 80/tcp not_sent "^nothing left by 'eth0'"
ip -n "${LBWORLD}lb" route del $VIP/32
lbworld_run lb setpriv --bounding-set=-net_admin,-net_raw --inh-caps=-net_admin,-net_raw "$SAKER" lb check $VIP:80/tcp 10.90.11.2 --json >one.json 2>/dev/null
ok "without the right to mark packets" grep -q 'not_sent.*no right to mark' one.json

# ---- the program on the way out ----
cookie() { lbworld_run "$1" python3 -c 'import socket; s = socket.socket(); print(int.from_bytes(s.getsockopt(1, 71, 8), "little"))'; }
filters() { lbworld_run lb tc filter show dev eth0 egress | grep -c "$1"; }
egress() { lb lb show --json | jq -r .egress; }
equal "show tells of it" "$(egress)" "link"
ok "doctor, too" grep -q 'saker.s program for checks' <(lb doctor --on eth0)
before1=$(rows b1 82)
SAKER_STATE=$WORK/state netns_run "${LBWORLD}lb" "$SAKER" lb check $VIP:91/tcp 10.90.11.2 >/dev/null 2>&1 &
checking=$!
on_its_way() { [ "$(rows b1 82)" -gt "$before1" ]; }
ok "a check on its way" wait_for 10 on_its_way
kill -9 $checking
wait $checking 2>/dev/null
equal "killed, leaves all as it was" "$(egress)" "link"
is 80/tcp passed '^connect: accepted'
ok "a wish without checks" lb apply - <<<"$(printf 'interfaces:\n  eth0:\n    vips:\n      - {vip: %s:80/tcp, backends: [10.90.11.2]}\n' $VIP)"
equal "takes it off" "$(egress)" "none"
lbworld_run lb tc qdisc add dev eth0 clsact
lbworld_run lb tc filter add dev eth0 egress prio 7 bpf da pinned "$(find /sys/fs/bpf/saker -path "*$(cookie lb)/chain/programs/source_ingress")"
export SAKER_NO_TCX=1
ok "where the kernel has no TCX" lb apply wish.yaml
equal "it is a filter" "$(egress)" "filter"
is 80/tcp passed '^connect: accepted'
ok "put there once more" lb apply wish.yaml
equal "it is there once" "$(filters health_egress)" 1
ok "a filter of others is there, too" test "$(filters source_ingress)" -gt 0
ok "detach" lb detach eth0
equal "ours goes" "$(filters health_egress)" 0
ok "that of others stays" test "$(filters source_ingress)" -gt 0
lbworld_run lb tc qdisc del dev eth0 clsact
ok "without anybody else" lb apply wish.yaml
ok "detach takes clsact off, which we made" lb detach eth0
equal "it is gone" "$(lbworld_run lb tc qdisc show dev eth0 | grep -c clsact)" 0
unset SAKER_NO_TCX

# ---- other ways to a backend ----
ip -n "${LBWORLD}lb" link add l2 type veth peer name l2 netns "${LBWORLD}b1"
ip -n "${LBWORLD}lb" address add 10.91.0.1/24 dev l2
ip -n "${LBWORLD}b1" address add 10.91.0.2/24 dev l2
ip -n "${LBWORLD}lb" link set l2 up
ip -n "${LBWORLD}b1" link set l2 up
mac=$(ip -n "${LBWORLD}b1" -json link show l2 | jq -r '.[0].address')
lbworld_run b1 sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.l2.rp_filter=0
cat >ways.yaml <<W
interfaces:
  eth0:
    health: {kind: http}
    vips:
      - {vip: $VIP:80/tcp, backends: [10.90.11.2]}
      - {vip: $VIP:8080/tcp, mode: nat, nat-port: 80, backends: [10.90.11.2]}
      - {vip: $VIP:81/tcp, mode: l2, health: {port: 80}, backends: [{address: 10.91.0.2, mac: $mac, interface: l2}]}
W
ok "NAT and L2" lb apply ways.yaml
equal "are checked: by the backend's address, by its link address" "$(outcomes)" "10.90.11.2 passed, 10.90.11.2 passed, 10.91.0.2 passed"
lbworld_run lb sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
sed -i 's/, mac: [^,]*, interface: l2//' ways.yaml
ok "where the kernel's routes say how packets leave" lb apply ways.yaml
all() { [ "$(outcomes)" = "10.90.11.2 passed, 10.90.11.2 passed, 10.91.0.2 passed" ]; }
# the first one makes the kernel ask for the neighbour
ok "they are checked, too, an L2 backend by its neighbour's address" wait_for 10 all

# ---- IPv6, networks, any port, GUE: each check reaches just its backend ----
ok "IPv6 beside it" lbworld_v6
for i in 1 2; do
	ip -n "${LBWORLD}b$i" route add local 10.98.0.0/24 dev lo
	ip -n "${LBWORLD}b$i" route add local fd98::/64 dev lo
	# a backend's address has one mode for all VIPs: these are for GUE
	ip -n "${LBWORLD}net" route add 10.93.1$i.2 via 10.90.1$i.2
	ip -n "${LBWORLD}net" route add fd93:1$i::2 via fd90:1$i::2
done
ip -n "${LBWORLD}lb" address add fd92::1/64 dev l2 nodad
ip -n "${LBWORLD}b1" address add fd92::2/64 dev l2 nodad
V6=$LBWORLD_VIP6
kill "$first"
rm b1/ready b2/ready
serve b1 $V6
first=$server
serve b2 $V6
second=$server
ok "their servers, there, too" wait_for 20 test -e b1/ready -a -e b2/ready
cat >odd.yaml <<W
interfaces:
  eth0:
    health: {kind: http, timeout: 5s, interval: 20s}
    vips:
      - {vip: "[$V6]:80/tcp", backends: ["fd90:11::2", "fd90:12::2"]}
      - {vip: "$VIP:80/tcp", backends: ["fd90:11::2", "fd90:12::2"]}
      - {vip: "[$V6]:81/tcp", health: {port: 80}, backends: [10.90.11.2, 10.90.12.2]}
      - {vip: "[$V6]:82/tcp", health: {port: 80}, backends: [{address: "fd93:11::2", mode: gue}, {address: "fd93:12::2", mode: gue}]}
      - {vip: "$VIP:82/tcp", health: {port: 80}, backends: [{address: "fd93:11::2", mode: gue}, {address: "fd93:12::2", mode: gue}]}
      - {vip: "$VIP:83/tcp", health: {port: 80}, backends: [{address: 10.93.11.2, mode: gue}, {address: 10.93.12.2, mode: gue}]}
      - {vip: "10.98.0.0/24:80/tcp", backends: [10.90.11.2, 10.90.12.2]}
      - {vip: "[fd98::/64]:*/tcp", health: {port: 80}, backends: ["fd90:11::2", "fd90:12::2"]}
      - {vip: "$VIP:*/tcp", health: {port: 80}, backends: [10.90.11.2, {address: "fd93:12::2", mode: gue}]}
      - {vip: "[$V6]:53/udp", health: {kind: udp, send: ping, answer: ng ba}, backends: ["fd90:11::2", "fd90:12::2"]}
      - {vip: "[$V6]:8080/tcp", mode: nat, nat-port: 80, backends: ["fd90:11::2", "fd90:12::2"]}
      - {vip: "[$V6]:84/tcp", mode: l2, health: {port: 80}, backends: [{address: "fd92::2", mac: $mac, interface: l2}]}
      - {vip: "10.98.0.0/24:84/tcp", mode: l2, health: {port: 80}, backends: [{address: 10.91.0.2, mac: $mac, interface: l2}]}
W
ok "a wish of odd families" lb apply odd.yaml
# a next hop or a neighbour may have to be looked for first
odd_ones() {
	lb lb check --json >odd.json 2>/dev/null
	jq -e '[.checks[] | select(.outcome != "passed")] == [] and (.checks | length) == 24' odd.json >/dev/null
}
ok "all pass" wait_for 20 odd_ones
jq -r '.checks[] | select(.outcome != "passed") | [.vip, .backend, .outcome, .text] | join(" ")' odd.json | sed 's/^/# /'
# look: what the backends heard, and what came out of their tunnels, so far
look() { seen=$(wc -l <b1/served)/$(taken b1)\ $(wc -l <b2/served)/$(taken b2); }
# reaches VIP BACKEND NAME SOURCE [tunnel]: the check comes from the balancer, to this one only, through a tunnel or not
reaches() {
	local before=$seen heard1 took1 heard2 took2
	ok "$1 at $2: passes" lb lb check "$1" "$2"
	look
	IFS=' /' read -r heard1 took1 heard2 took2 < <(awk -F'[ /]' 'NR == 1 { split($0, b, /[ \/]/) } NR == 2 { print $1 - b[1], $2 - b[2], $3 - b[3], $4 - b[4] }' <<<"$before"$'\n'"$seen")
	[ "$3" = b1 ] || read -r heard1 took1 heard2 took2 <<<"$heard2 $took2 $heard1 $took1"
	equal "$1 at $2: $3 heard it, from the balancer, the other nothing" "$heard1 $heard2 $(tail -n 1 "$3/served" | cut -d' ' -f2)" "1 0 $4"
	equal "$1 at $2: through ${5:-no tunnel}" "$((took1 > 0)) $took2" "$([ -n "${5:-}" ] && echo 1 || echo 0) 0"
}
look
while read -r vip b1 b2 from tunnel; do
	reaches "$vip" "$b2" b2 "$from" $tunnel
	[ "$b1" = - ] || reaches "$vip" "$b1" b1 "$from" $tunnel
done <<W
[$V6]:80/tcp fd90:11::2 fd90:12::2 fd90:2::2 tunnel
$VIP:80/tcp - fd90:12::2 10.90.2.2 tunnel
[$V6]:81/tcp - 10.90.12.2 fd90:2::2 tunnel
[$V6]:82/tcp - fd93:12::2 fd90:2::2 tunnel
$VIP:82/tcp - fd93:12::2 10.90.2.2 tunnel
$VIP:83/tcp 10.93.11.2 10.93.12.2 10.90.2.2 tunnel
10.98.0.0/24:80/tcp - 10.90.12.2 10.90.2.2 tunnel
[fd98::/64]:*/tcp - fd90:12::2 fd90:2::2 tunnel
$VIP:*/tcp 10.90.11.2 fd93:12::2 10.90.2.2 tunnel
[$V6]:8080/tcp - fd90:12::2 fd90:2::2
W
reaches "[$V6]:84/tcp" fd92::2 b1 fd90:2::2
reaches "10.98.0.0/24:84/tcp" 10.91.0.2 b1 10.90.2.2
kill "$second"
dead() {
	lb lb check --json >odd.json 2>/dev/null
	[ "$(jq -r '[.checks[] | select(.backend | test("12"))] | map(.outcome) | unique | join(" ")' odd.json)" = refused ] &&
		[ "$(jq -r '[.checks[] | select(.backend | test("12") | not)] | map(.outcome) | unique | join(" ")' odd.json)" = passed ]
}
ok "the process of one backend gone: its checks of every family are refused, all others pass" wait_for 20 dead
fails "a VIP of any port without a port to check" lb apply - <<<"$(printf 'interfaces:\n  eth0:\n    health: {kind: tcp}\n    vips:\n      - {vip: "%s:*/tcp", backends: [10.90.11.2]}\n' $VIP)"
ok "the wish of before" lb apply ways.yaml

# ---- by the agent, again and again ----
# agent: in the background; agent is its process
agent() {
	SAKER_STATE=$WORK/state netns_run "${LBWORLD}lb" "$SAKER" agent 2>>agent.said &
	agent=$!
	e2e_kill_later $agent
}
counted() { lb lb stats --json | jq -e "[.checks.vips[].backends[] | select($1)] | length $2" >/dev/null; }
sed -i 's/kind: http}/kind: http, interval: 100ms, timeout: 100ms}/' ways.yaml
ok "the same, ten times a second" lb apply ways.yaml
agent
ok "the agent checks all of them" wait_for 20 counted '.counts.passed > 5 and .health == "good"' '== 3'
ok "stats has them in words" grep -Eq '10.91.0.2 +http +good +[0-9]+ passed' <(lb lb stats)
ok "and for Prometheus" grep -Eq '^saker_lb_checks_total.interface="eth0",vip="10.99.0.1:80/tcp",backend="10.90.11.2",outcome="passed". [0-9]+$' \
	<(lb lb stats --prometheus)
ip -n "${LBWORLD}lb" route add $VIP/32 via 10.90.2.77
ok "what cannot be sent is counted" wait_for 20 counted '.counts.not_sent > 3 and .health == "good"' '>= 1'
equal "and told, once" "$(grep -c 'could not be sent: ' agent.said)" 1
ip -n "${LBWORLD}lb" route del $VIP/32
kill -9 $agent
wait $agent 2>/dev/null
as_before() { [ "$(egress) $(outcomes $VIP:80/tcp)" = "link 10.90.11.2 passed" ]; }
ok "killed, it leaves all as it was" wait_for 10 as_before
agent
ok "and another begins anew" wait_for 20 counted '.counts.passed > 0 and .counts.not_sent == null' '== 3'
e2e_end
