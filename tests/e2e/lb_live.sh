#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 300
#
# The balancer on an interface: real connections through tunnels to nginx in namespaces, changes under them, and what a person sees.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
lbworld_begin nginx curl ethtool jq
VIP=$LBWORLD_VIP:80/tcp
answers() { lbworld_run b1 curl -s -m 5 "http://$1/" >/dev/null; }
# get N: who answered, a line each; what failed is "none"
get() {
	local i
	for ((i = 0; i < $1; i++)); do
		lbworld_run client curl -s -m 10 http://$LBWORLD_VIP/ || echo none
	done
}
pins() { find /sys/fs/bpf/saker -mindepth 1 -maxdepth 1 -name "eth0@$(lb_cookie)"; }
lb_cookie() { lbworld_run lb python3 -c 'import socket; s = socket.socket(); print(int.from_bytes(s.getsockopt(1, 71, 8), "little"))'; }

ok "a world of three backends" lbworld_up "slb$$" 3
for i in 1 2 3; do
	lbworld_nginx b$i
	e2e_kill_later $!
	wait_for 10 lbworld_run b$i curl -s -m 5 -o /dev/null http://127.0.0.1/
done

# ---- one by one ----
ok "a VIP puts the balancer on the interface" lb lb vip add $VIP --on eth0
equal "doctor says what the interface is" "$(lb doctor --on eth0 --json | jq -r '[.driver, .xdp, .foreign] | join(" ")')" "veth native false"
ok "natively" grep -q xdp <(ip -n "slb$$"lb link show eth0)
for i in 1 2 3; do
	ok "backend $i" lb lb backend add $VIP 10.90.1$i.2
done
get 24 >got
equal "all connections are answered" "$(grep -c none got)" 0
equal "by all backends" "$(sort -u got | tr '\n' ' ')" "b1 b2 b3 "
lb lb stats --json >stats
equal "as many new connections as were made" "$(jq '.reasons[] | select(.reason == "LB_MISS_SYN").packets >= 24' stats)" true
equal "backends add up to the VIP" "$(jq '(.backends | map(.packets) | add) == (.vips | map(.packets) | add)' stats)" true
equal "flows lists the connections" "$(lb lb flows --json | jq '.flows | length >= 24 and all(.vip == "10.99.0.1:80")')" true
lbworld_run b1 "$SAKER" lb stats --json >opened
lb lb stats --json >stats
equal "a server says where tunnels ended" "$(jq -r '[.tunnels[].end] | join(" ")' opened)" 10.90.11.2
equal "and what was in them: all that was sent" "$(jq '.tunnels[0].packets' opened)" "$(jq '.backends[] | select(.backend == "10.90.11.2").packets' stats)"
ok "so does Prometheus" grep -q '^saker_lb_tunnel_packets_total{interface="eth0",end="10.90.11.2"} [1-9]' <(lbworld_run b1 "$SAKER" lb stats --prometheus)
head -c 300000 /dev/zero >big
equal "what clients send in full packets arrives" "$(lbworld_run client curl -s -m 20 -o /dev/null -w '%{size_upload}' --data-binary @big http://$LBWORLD_VIP/)" 300000
fails "a backend twice" lb lb backend add $VIP 10.90.11.2
fails "an unknown VIP" lb lb backend add 10.99.0.1:81/tcp 10.90.11.2
ok "a backend goes" lb lb backend del $VIP 10.90.11.2
get 24 >got
equal "no new connection goes to it" "$(sort got | uniq -c | awk '{print $2}' | tr '\n' ' ')" "b2 b3 "
ok "show says so" grep -q 10.90.12.2 <(lb lb show)
equal "show --json has the wish" "$(lb lb show --json | jq -r '.wish.interfaces.eth0.vips[0].backends | map(.address) | join(" ")')" \
	"10.90.12.2 10.90.13.2"

# ---- who does not answer ----
again() { lb lb stats --json | jq '[.backends[].syns_again] | add'; }
again_more() { [ "$(again)" -gt "$before" ]; }
before=$(again)
for i in 2 3; do
	ip -n "${LBWORLD}b$i" address del $LBWORLD_VIP/32 dev lo
done
netns_run "${LBWORLD}client" curl -s -m 20 -o /dev/null http://$LBWORLD_VIP/ &
silent=$!
e2e_kill_later $silent
ok "a SYN that comes again is counted for its backend" wait_for 15 again_more
ok "stats names it" grep -q 'SYNs again' <(lb lb stats)
ok "so does Prometheus" grep -q '^saker_lb_backend_syns_again_total.* [1-9]' <(lb lb stats --prometheus)
kill $silent
for i in 2 3; do
	ip -n "${LBWORLD}b$i" address add $LBWORLD_VIP/32 dev lo
done

# ---- why ----
sorted() { lb lb stats --json | jq -S '[.vips, .backends, .connections, [.reasons[] | select(.reason != "PASSED")]]'; }
sorted >before
flow=$(lb lb flows --json | jq -r '[.flows[] | select(.backend != "gone")][0] | .source + " > " + .vip + "/tcp " + .backend')
lb lb why "${flow% *}" --json >why
equal "why names the backend of a connection that is known" "$(jq -r .backend why)" "${flow##* }"
equal "and says that it is by the table" "$(jq -r .reason why)" LB_TABLE
lb lb why '10.90.1.2:1 > 10.99.0.1:80/tcp' --json >why
equal "another one is a new connection" "$(jq -r '.reason + " " + .notes[0]' why)" "LB_HASH LB_MISS_SYN"
ok "why in words" grep -q 'backend  *10.90.1[23].2' <(lb lb why '10.90.1.2:1 > 10.99.0.1:80/tcp')
equal "what is nobody's goes to the host" "$(lb lb why '10.90.1.2:1 > 10.99.0.1:81/tcp' --json | jq -r .reason)" PASSED
python3 - <<'END'
import struct
def frame(flags, proto=6):
    ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 40, 0, flags, 64, proto, 0, bytes([10, 90, 1, 2]), bytes([10, 99, 0, 1]))
    return bytes(12) + b'\x08\x00' + ip + struct.pack('!HHIIBBHHH', 7, 80, 0, 0, 0x50, 2, 0, 0, 0)
frames = [frame(0), frame(0x2000), frame(0, 4)]
open('some.pcap', 'wb').write(struct.pack('>IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1) +
    b''.join(struct.pack('>IIII', 0, 0, len(f), len(f)) + f for f in frames))
END
equal "the packets of a file, each" "$(lb lb why some.pcap --json | jq -r .reason | tr '\n' ' ')" "LB_HASH LB_FRAGMENT PASSED "
head -c 130 some.pcap >cut.pcap
fails "a file that is cut off" lb lb why cut.pcap
equal "asking changed nothing" "$(sorted | diff - before)" ""

# ---- a whole wish ----
cat >wish.yaml <<END
interfaces:
  eth0:
    backends:
      web: {address: 10.90.11.2, weight: 10}
    vips:
      - vip: $VIP
        backends: [web, {address: 10.90.12.2, weight: 0}]
END
ok "check finds nothing in a right document" "$SAKER" check wish.yaml
ok "a document is applied" lb apply wish.yaml
equal "weight 0 gets no new connection" "$(get 12 | sort -u)" b1
cat >wrong.yaml <<END
interfaces:
  eth0:
    vips:
      - vip: $VIP
        backends: [nobody]
      - vip: $VIP
      - vip: 10.0.0.300:80/tcp
      - vip: 10.0.0.1/24:80/tcp
    colour: red
END
fails "a wrong document is refused" lb apply wrong.yaml
"$SAKER" check wrong.yaml 2>errors
equal "with all errors, in their lines" "$(sed -n 's/^wrong.yaml:\([0-9]*\): .*/\1/p' errors | tr '\n' ' ')" "5 6 7 8 9 "
equal "and what ran goes on" "$(get 1)" b1

# ---- verdicts of packets, as they are drawn ----
sed 's/^  eth0:/  eth0:\n    sample: 1/' wish.yaml >drawn.yaml
id=$(lb lb show --json | jq .program)
ok "packets are drawn" lb apply drawn.yaml
equal "without a new program" "$(lb lb show --json | jq .program)" "$id"
SAKER_STATE=$PLACE/state nsenter --net="$NETNS_DIR/${LBWORLD}lb" -- "$SAKER" lb watch --json >watched &
watcher=$!
e2e_kill_later $watcher
drawn() { get 1 >/dev/null; [ -s watched ]; }
ok "watch prints them" wait_for 30 drawn
fails "nobody else reads them" lb lb watch -n 1
kill -INT $watcher
wait $watcher
SAKER_STATE=$PLACE/state nsenter --net="$NETNS_DIR/${LBWORLD}lb" -- "$SAKER" lb watch --json -n 8 >watched &
watcher=$!
e2e_kill_later $watcher
wait_for 30 eval 'get 1 >/dev/null; ! kill -0 $watcher 2>/dev/null'
equal "as many as were asked for" "$(wc -l <watched)" 8
equal "a SYN goes to the backend, in a frame of its length" \
	"$(jq -r 'select(.why == "LB_HASH" and .dport == 80) | [.backend, .dst, .action, .one_in, (.head | length)] | join(" ")' watched | head -1)" \
	"10.90.11.2 $LBWORLD_VIP send 1 128"
lb record --packets eth0 -o rec --as-root -- nsenter --net="$NETNS_DIR/${LBWORLD}client" -- curl -s -m 10 -o /dev/null http://$LBWORLD_VIP/ >/dev/null 2>&1
equal "a recording has them beside the connection that made them" "$("$SAKER" show rec 'type=verdict and dport=80' --json | jq -rs \
	'(map(.why) | contains(["LB_HASH", "LB_TABLE"])) and all(.backend == "10.90.11.2")')" true
sed -i 's/sample: 1/sample-drops: 1/' drawn.yaml
ok "only what is dropped" lb apply drawn.yaml
lbworld_run lb "$SAKER" lb watch -n 1 >watched &
watcher=$!
e2e_kill_later $watcher
broken() { get 1 >/dev/null; lbworld_run client python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 6)
s.sendto(bytes(10), ("'$LBWORLD_VIP'", 0))'; ! kill -0 $watcher 2>/dev/null; }
ok "is printed" wait_for 30 broken
ok "in words" grep -q '  dropped .*LB_BROKEN' watched
ok "and nothing is drawn any more" lb apply wish.yaml

# ---- confirmed or undone ----
sed 's/weight: 0/weight: 1/; s/\[web, /[/' wish.yaml >other.yaml
ok "a change that must be confirmed" lb apply other.yaml --confirm 2
equal "runs" "$(get 1)" b2
back() { [ "$(get 1)" = b1 ]; }
ok "and is undone" wait_for 20 back
ok "the same" lb apply other.yaml --confirm 60
fails "no other change meanwhile" lb apply wish.yaml
ok "confirmed" lb confirm eth0
equal "it stays" "$(get 1)" b2
fails "nothing more to confirm" lb confirm

# ---- and off ----
ok "detach" lb detach eth0
fails "no program is left on the interface" grep -q xdp <(ip -n "slb$$"lb link show eth0)
equal "and no pin" "$(pins)" ""
fails "nor anything to detach" lb detach eth0
e2e_end
