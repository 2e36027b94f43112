#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 200
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
e2e_end
