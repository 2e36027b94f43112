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

# ---- rights and file systems that are missing: it is said which, and nothing is half-done ----
interface r0
sed s/q0/r0/ >r0.yaml <<-END
	interfaces:
	  q0:
	    router: 02:00:00:00:00:09
	    vips: [{vip: "$VIP", backends: [10.1.0.5]}]
END
sed s/10.1.0.5/10.1.0.6/ r0.yaml >r1.yaml
# state_of: program, pins, wish
state_of() {
	ip -n $NS -j -d link show dev r0 | jq -r '.[0].xdp.prog.id // "none"'
	ls -d /sys/fs/bpf/saker/r0@* 2>/dev/null
	cat state/r0@*.yaml 2>/dev/null
}
# told WHAT WORDS COMMAND...: it fails with these words, and nothing changes
told() {
	local what=$1 words=$2 before
	shift 2
	before=$(state_of)
	"$@" >said 2>&1 && echo 'it was done' >said
	ok "$what" grep -q "$words" said
	equal "$what: nothing changes" "$(state_of)" "$before"
}
without() {
	local caps=$1
	shift
	SAKER_STATE=$WORK/state nsenter --net="$NETNS_DIR/$NS" -- setpriv --bounding-set "$caps" --inh-caps "$caps" "$SAKER" "$@"
}
# mounted COMMANDS: with file systems of its own
mounted() { unshare -m sh -c "$1"' && SAKER_STATE='"$WORK"'/state exec nsenter --net='"$NETNS_DIR/$NS"' -- '"$SAKER"' "$@"' "$@"; }
# hidden COMMAND...: where no BPF file system is mounted, and the host's is not to be asked
hidden() { SAKER_BPFFS=/sys/fs/bpf/saker mounted 'umount /sys/fs/bpf' "$@"; }
rights() {
	told "$1: no CAP_SYS_ADMIN" 'CAP_SYS_ADMIN is missing' without -sys_admin,-bpf apply r1.yaml
	told "$1: no CAP_NET_ADMIN" 'CAP_NET_ADMIN is missing' without -net_admin apply r1.yaml
	told "$1: no BPF file system, and one of its own would end with it" 'would end with it\|has its pins elsewhere' hidden apply r1.yaml
	told "$1: a read-only BPF file system" "Read-only file system" mounted 'mount -o remount,ro,bind /sys/fs/bpf' apply table.yaml
	told "$1: a read-only folder for wishes" "Read-only file system" mounted "mkdir -p $WORK/state && mount --bind $WORK/state $WORK/state && mount -o remount,ro,bind $WORK/state" apply r1.yaml
}
sed 's/router/table: 64\n    router/' r1.yaml >table.yaml
rights "at first"
ok "then a wish" lb apply r0.yaml
rights "where one runs"
equal "under 'ip netns exec' it is found" "$(mounted 'umount /sys/fs/bpf' lb show --json | jq -c '[.interface, .program > 0]')" '["r0",true]'
ok "and changed" mounted 'umount /sys/fs/bpf' apply r0.yaml
ok "which stays" lb lb show --on r0
for command in 'lb show' 'lb stats' 'lb vip add 10.99.0.1:81/tcp' 'detach --all' 'detach r0' apply 'confirm r0' agent; do
	# shellcheck disable=SC2086
	told "$command" 'CAP_SYS_ADMIN is missing' without -sys_admin,-bpf $command
done
without -sys_admin,-bpf doctor --on r0 >said
ok "doctor says no more than it sees" grep -q 'XDP  .*a program is there; whose' said
mounted "mount --bind $WORK/state $WORK/state && mount -o remount,ro,bind $WORK/state" detach r0 2>said
ok "a read-only folder for wishes does not keep a chain on" grep -q 'detached, but its kept wish .* cannot be removed' said
equal "which is off" "$(state_of | head -n 1)" none
ok "the rest can be removed later" lb detach r0

# ---- a kernel that refuses ----
if command -v strace >/dev/null; then
	refusing() { SAKER_STATE=$WORK/state nsenter --net="$NETNS_DIR/$NS" -- strace -f -qq -o strace.out -e trace=bpf -e inject=bpf:error="$1" "$SAKER" apply "$2"; }
	told "a kernel without BPF" 'has no BPF' refusing ENOSYS r0.yaml
	told "one that makes no such map" "cannot load the packet programs 'chain': Invalid argument" refusing EINVAL:when=20+ r0.yaml
	told "or has no more memory for tables" 'cannot .*: Cannot allocate memory' refusing ENOMEM:when=150+ r0.yaml
	ok "a wish that runs" lb apply r0.yaml
	told "and the next one is refused by the kernel" 'cannot .*: Cannot allocate memory' refusing ENOMEM:when=80+ r1.yaml
	ok "the one after it is not" lb apply r1.yaml
	lb detach r0 2>/dev/null
else
	skip "a kernel that refuses" "no strace"
fi

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
	# the last three names that are given: the old chain's other one, the new chain's, and the wish's
	SAKER_STATE=$WORK/state nsenter --net="$NETNS_DIR/$NS" -- strace -f -qq -o strace.out -e trace=rename "$SAKER" apply other.yaml 2>/dev/null
	renames=$(grep -c '^[0-9]* *rename(' strace.out)
	lb apply one.yaml 2>/dev/null
	for i in 2 1; do
		{
			SAKER_STATE=$WORK/state nsenter --net="$NETNS_DIR/$NS" -- strace -f -qq -o strace.out -e trace=rename \
				-e inject=rename:signal=SIGKILL:when=$((renames - i)) "$SAKER" apply other.yaml
		} >/dev/null 2>&1
		ok "killed between programs and names, $i: new pins are there" [ -e "$pins/next" ]
		equal "killed between programs and names, $i: what runs is seen, the new wish" "$(lb lb stats --on q0 --json | jq '[.backends[].backend]' -c)" '["10.1.0.5"]'
		alive "killed between programs and names, $i"
	done
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
