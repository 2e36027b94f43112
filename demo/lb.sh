#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# lb.sh FAULT [PREFIX] - a client, a balancer and four nginx in network namespaces; load; and one backend fails.
#
# FAULT: remove (a person takes one out), kill (its server is killed, and a person takes it out), none. $SAKER is the program.
set -u
cd "$(dirname "$0")/.." || exit 1
SAKER=${SAKER:-$PWD/build/src/saker}
fault=${1:-remove}
prefix=${2:-}lb$$
WORK=$(mktemp -d)
# shellcheck source=tests/lib/netns.sh
. tests/lib/netns.sh
# shellcheck source=tests/lib/lbworld.sh
. tests/lib/lbworld.sh
pids=()
began=$SECONDS

leave() {
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
	done
	wait
	lbworld_down
	rm -rf "$WORK"
}
say() { printf '%3d s  %s\n' $((SECONDS - began)) "$*"; }
lb() { lbworld_run lb "$SAKER" "$@"; }
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}
packets() { lb lb stats --json | jq '.vips[0].packets // 0'; }
more_than() { [ "$(packets)" -gt "$1" ]; }
fail() {
	echo "lb.sh: $*" >&2
	exit 1
}

trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
VIP=$LBWORLD_VIP:80/tcp
lbworld_up "$prefix" 4 || fail "cannot build the namespaces"
for i in 1 2 3 4; do
	lbworld_nginx b$i
	pids+=($!)
	until_true 20 lbworld_run b$i curl -s -m 5 -o /dev/null http://127.0.0.1/ || fail "nginx $i does not answer"
done
say "a client, a router, a balancer and four nginx, each in a network namespace of its own"
lb lb vip add $VIP --on eth0 2>/dev/null || fail "the VIP is refused"
for i in 1 2 3 4; do
	lb lb backend add $VIP 10.90.1$i.2 || fail "backend $i is refused"
done
say "observed: VIP $VIP has four backends, $(lb lb show --json | jq -r .mode) XDP"

netns_run "${LBWORLD}client" wrk -t 1 -c 40 -d 12s --timeout 5s -H 'Connection: close' http://$LBWORLD_VIP/ >"$WORK/wrk" 2>&1 &
load=$!
until_true 20 more_than 2000 || fail "no load comes through"
say "observed: $(packets) packets balanced so far; load goes on"
case $fault in
kill)
	kill "$(cat "$WORK/b3.pid")"
	say "done: the server of backend 10.90.13.2 is killed; nobody tells the balancer (no health checks yet)"
	;&
remove)
	lb lb backend del $VIP 10.90.13.2 || fail "the backend cannot be removed"
	say "done: backend 10.90.13.2 is taken out; observed after $(packets) packets"
	seen=$(packets)
	until_true 20 more_than $((seen + 2000))
	;;
esac
wait $load
say "the load is over"
echo
lb lb show
echo
lb lb stats | sed -n '/^connections/,$p'
echo
sed -n 's/^ *\([0-9]* requests in .*\)/wrk: \1/p; s/^ *\(Socket errors.*\)/wrk: \1/p' "$WORK/wrk"
grep -q 'Socket errors' "$WORK/wrk" || echo "wrk: no connection had an error"
echo
lb lb why '10.90.1.2:4242 > 10.99.0.1:80/tcp'
