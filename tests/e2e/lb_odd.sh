#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 400
#
# The balancer where something is odd: names, wishes at the limits, full disks, processes that are killed, restarts of the host.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
for need in jq bpftool; do
	command -v $need >/dev/null || { echo "1..0 # SKIP no $need"; exit 0; }
done
NS=slo$$
VIP=10.99.0.1:80/tcp
lb() { SAKER_STATE=$WORK/state nsenter --net="$NETNS_DIR/$NS" -- "$SAKER" "$@"; }
# interface NAME: with a peer that is up
interface() {
	ip -n $NS link add name "$1" type veth peer name "peer$peers"
	ip -n $NS link set dev "peer$peers" up
	ip -n $NS link set dev "$1" up
	peers=$((peers + 1))
}
peers=0
e2e_clean() {
	! netns_exists $NS || lb detach --all 2>/dev/null
	netns_del $NS
	ip link del "slo$$" 2>/dev/null
	umount "$WORK/small" 2>/dev/null
}
e2e_begin
netns_add $NS

# ---- names ----
for name in eth0.100 'a@b' '#x'; do
	interface "$name"
	ok "a VIP on '$name'" lb lb vip add $VIP --on "$name"
	ok "and another one" lb lb vip add 10.99.0.1:81/tcp --on "$name"
	equal "the interface is found by itself" "$(lb lb show --json | jq -r '.wish.interfaces | keys[0]')" "$name"
	ok "detach" lb detach --all
	fails "no program is left" grep -q xdp <(ip -n $NS link show dev "$name")
done
if [ "$(stat -L -c %i /proc/self/ns/net)" = 4026531833 ]; then # NET_NS_INIT_INO of linux/nsfs.h
	ip link add "slo$$" type veth peer name "slp$$"
	printf 'interfaces:\n  slo%s:\n' $$ | SAKER_STATE=$WORK/host "$SAKER" apply - 2>/dev/null
	ok "in the host's first namespace the name is all, so another start finds the wish" [ -e "host/slo$$.yaml" ]
	SAKER_STATE=$WORK/host "$SAKER" detach "slo$$" 2>/dev/null
	ip link del "slo$$"
else
	skip "the name in the host's first namespace" "it is not known which it is"
fi

# ---- where the programs stand ----
interface h0
mode() { lb lb show --json --on h0 | jq -r .mode; }
for hook in xdp/native tc/tc generic/generic xdp/native; do
	ok "a VIP with --hook ${hook%/*}" lb lb vip add "10.99.0.$peers:80/tcp" --on h0 --hook "${hook%/*}"
	equal "stands there" "$(mode)" "${hook#*/}"
	peers=$((peers + 1))
done
ok "another one, without a word" lb lb vip add 10.99.0.99:80/tcp --on h0
equal "stays there" "$(mode)" native
lb lb vip del 10.99.0.99:80/tcp --on h0 --hook tc 2>said
equal "elsewhere it has no meaning" "$? $(cat said)" "2 saker lb: --hook is for vip add and import"
equal "import takes it, too" "$(echo '-A -t 10.0.0.1:80 -s mh' | lb lb import - --on h0 --hook tc --json 2>/dev/null | jq -r .interfaces.h0.hook)" tc
ok "detach" lb detach h0

# ---- settings of the host by which packets would be lost ----
conf() { nsenter --net="$NETNS_DIR/$NS" -- sysctl -qw "$@"; }
losses() { lb doctor --on h0 --json | jq -c '[.losses[].what]'; }
conf net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.h0.rp_filter=0 net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.h0.arp_ignore=1
equal "nothing is wished: nothing is told" "$(losses)" "[]"
lb lb vip add $VIP --on h0 2>/dev/null
equal "a VIP that is elsewhere" "$(losses)" "[]"
ip -n $NS address add 10.99.0.1/32 dev lo
equal "one that is an address of this host" "$(losses)" '["VIP"]'
ok "is said to make martians" grep -q '^  --  VIP .*10.99.0.1 is an address of this host, too (lo).*martian' <(lb doctor --on h0)
conf net.ipv4.conf.h0.accept_local=1
ok "which accept_local ends" grep -q 'what the balancer leaves to the host ends here' <(lb doctor --on h0)
printf 'interfaces:\n  h0:\n    decap: {ipip: true}\n' | lb apply - 2>/dev/null
equal "a tunnel's end, with arp_ignore" "$(losses)" "[]"
conf net.ipv4.conf.h0.arp_ignore=0
equal "and without" "$(losses)" '["arp_ignore"]'
conf net.ipv4.conf.h0.rp_filter=1
ok "a strict rp_filter and no way to clients" grep -q 'rp_filter.*no route to 8.8.8.8' <(lb doctor --on h0)
ip -n $NS address add 10.98.0.1/24 dev h0
ip -n $NS route add default via 10.98.0.2 dev h0
equal "and with one" "$(losses)" '["arp_ignore"]'
ip -n $NS address del 10.99.0.1/32 dev lo
lb detach h0 2>/dev/null

# ---- killed at some call: what is there afterwards is shown, and the next wish runs ----
interface q0
# wish TABLE BACKENDS
wish() {
	printf 'interfaces:\n  q0:\n    router: 02:00:00:00:00:09\n    table: %s\n    vips:\n      - {vip: "%s", backends: [%s]}\n' "$1" $VIP "$2"
}
program() { ip -n $NS -j -d link show dev q0 | jq -r '.[0].xdp.prog.id // "none"'; }
wish 64 "10.1.0.5, 10.1.0.6" >one.yaml
wish 128 10.1.0.5 >other.yaml
ok "a wish" lb apply one.yaml
cookie=$(nsenter --net="$NETNS_DIR/$NS" -- python3 -c 'import socket; s = socket.socket(); print(int.from_bytes(s.getsockopt(1, 71, 8), "little"))')
pins=/sys/fs/bpf/saker/q0@$cookie
# killed N COMMAND...: at its N-th call that changes a file
killed() {
	local calls=rename,unlink,rmdir,mkdir n=$1
	shift
	{
		SAKER_STATE=$WORK/state nsenter --net="$NETNS_DIR/$NS" -- strace -f -qq -o strace.out -e trace=$calls \
			-e inject=$calls:signal=SIGKILL:when="$n" "$SAKER" "$@"
	} >/dev/null 2>&1
}
# alive WHAT
alive() {
	ok "$1: show" lb lb show --on q0
	ok "$1: the next wish" lb apply one.yaml
	equal "$1: nothing else is left" "$(cd "$pins" && echo *)" "chain link"
}
if command -v strace >/dev/null; then
	killed 40 apply other.yaml
	alive "killed while new tables are made"
	killed 3 detach q0
	alive "killed while the chain is taken off"
	lb detach q0 2>/dev/null
	killed 120 apply one.yaml
	alive "killed in the first wish"
else
	skip "commands that are killed" "no strace"
fi
rm "$pins/chain/maps/chain_control"
ok "a chain of which a part is gone is none" lb lb show --on q0
alive "and is made anew"
id=$(program)
mv "$pins/chain" "$pins/next" # as one leaves it that was killed before the last rename
lb apply one.yaml 2>said
equal "a new chain that runs takes the old one's place" "$(cd "$pins" && echo *)" "chain link"
equal "and goes on" "$(program)" "$id"

# ---- what cannot be ----
refused() {
	local what=$1 words=$2
	lb apply - 2>said && echo applied >>said
	ok "$what" grep -q "$words" said
}
printf 'interfaces:\n  q0:\n    router: 02:00:00:00:00:09\n    vips: [{vip: "%s", mode: l2, backends: [{address: 10.1.0.5, mac: 02:00:00:00:00:05, interface: nope}]}]\n' $VIP |
	refused "a backend by an interface that is not there" "no interface 'nope'"
printf 'interfaces:\n  q0:\n    router: 02:00:00:00:00:09\n    mode: gue\n    vips: [{vip: "%s", backends: [10.1.0.5]}]\n' $VIP |
	refused "GUE without an address to send from" "say .gue: {source4: ADDRESS}"
ok "which can be said" lb apply - <<<"{interfaces: {q0: {router: '02:00:00:00:00:09', mode: gue, gue: {source4: 10.1.0.9}, vips: [{vip: '$VIP', backends: [10.1.0.5]}]}}}"
ok "back" lb apply one.yaml
ip -n $NS link set dev q0 down
ip -n $NS link set dev q0 name q9
lb lb vip add $VIP --on q9 2>said
ok "an interface with another name: it is said that the chain is saker's" grep -q "a chain of saker's" said
ok "detach by the name that it had" lb detach q0
fails "takes it off" grep -q xdp <(ip -n $NS link show dev q9)
ip -n $NS link set dev q9 name q0
ip -n $NS link set dev q0 up
ok "and a wish again" lb apply one.yaml

# ---- a disk that is full ----
mkdir small && mount -t tmpfs -o size=16k none small
small() { SAKER_STATE=$WORK/small nsenter --net="$NETNS_DIR/$NS" -- "$SAKER" "$@"; }
interface q1
sed s/q0/q1/ one.yaml >q1.yaml
sed s/q0/q1/ other.yaml >q1_other.yaml
ok "a wish in a small file system" small apply q1.yaml
dd if=/dev/zero of=small/rest bs=4k count=16 2>/dev/null
fails "which is full: refused" small apply q1_other.yaml
equal "what ran goes on" "$(small lb stats --json --on q1 | jq '.backends | length')" 2
equal "as is the wish" "$(small lb show --json --on q1 | jq '.wish.interfaces.q1.vips[0].backends | length')" 2
small detach q1 2>/dev/null
umount small

# ---- a change that nobody confirmed, and a host that was started again ----
again() { sed -i 's/ .*/ another-start-of-the-host/' "state/q0@$cookie.pending"; }
backends() { lb lb show --json --on q0 | jq -c '[.wish.interfaces.q0.vips[].backends | length]'; }
ok "a change that waits to be confirmed" lb apply other.yaml --confirm 600
equal "runs" "$(backends)" "[1]"
again
lb apply 2>said
equal "after a restart it is put back, not made to run again" "$(backends)" "[2]"
ok "which is said" grep -q 'not confirmed in time' said
lb apply other.yaml --confirm 600 2>/dev/null
again
ok "the next change" lb lb vip add 10.99.0.1:81/tcp --on q0
equal "is one of what ran before" "$(backends)" "[2,0]"
fails "nothing waits any more" lb confirm q0
e2e_end
