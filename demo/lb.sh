#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# lb.sh FAULT [PREFIX] - a client, a balancer and four nginx in network namespaces; load; and one backend fails.
#
# FAULT: kill (its server is killed: an agent on its host tells the balancer's agent, which takes it out, and measures what came of it),
# remove (a person takes one out), none. $SAKER is the program; in $LB_RECORDINGS, a folder that is made, the agents' recordings stay.
set -u
cd "$(dirname "$0")/.." || exit 1
SAKER=${SAKER:-$PWD/build/src/saker}
fault=${1:-kill}
prefix=${2:-}lb$$
WORK=$(mktemp -d)
rec=${LB_RECORDINGS:-$WORK/rec}
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

# agent NAME OPTION...: in the background, with a recording of its own; ready when it says so
agent() {
	local name=$1 ready=$2
	shift 2
	SAKER_STATE=$PLACE/state netns_run "$LBWORLD$name" "$SAKER" agent -o "$rec/$name" --key "$WORK/key" "$@" 2>"$WORK/$name.agent" &
	pids+=($!)
	until_true 60 grep -qs "$ready" "$WORK/$name.agent" || fail "the agent of $name does not begin: $(tail -n 1 "$WORK/$name.agent")"
}
# one action of the kind, with a verdict
action() { [ "$(lb lb actions --json | jq "[.actions[] | select($1)] | length")" -gt 0 ]; }
agents() {
	local i
	mkdir -p "$rec"
	(umask 077 && head -c 48 /dev/urandom | base64 >"$WORK/key")
	agent lb 'keeps ' --listen 10.90.2.2:7701
	for i in 1 2 3 4; do
		agent b$i 'watches port' --report-to 10.90.2.2:7701 --for 10.90.1$i.2 --port 80
	done
	until_true 20 heard || fail "an agent of a backend's host is not heard"
	say "an agent on each host, with a recording of its own; they speak over the network, with a key"
}
heard() { [ "$(lb lb show --json | jq '[.health.vips[0].backends[]? | select(.state == "healthy")] | length')" = 4 ]; }

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
lb apply - 2>/dev/null <<END || fail "the wish is refused"
interfaces:
  eth0:
    health: {mode: live, effect: 2s, slow-start: 5s}
    vips:
      - {vip: $VIP, backends: [10.90.11.2, 10.90.12.2, 10.90.13.2, 10.90.14.2]}
END
say "observed: VIP $VIP has four backends, $(lb lb show --json | jq -r .mode) XDP"

[ "$fault" != kill ] || agents
netns_run "${LBWORLD}client" wrk -t 1 -c 40 -d 15s --timeout 5s -H 'Connection: close' http://$LBWORLD_VIP/ >"$WORK/wrk" 2>&1 &
load=$!
until_true 20 more_than 2000 || fail "no load comes through"
say "observed: $(packets) packets balanced so far; load goes on"
case $fault in
kill)
	sleep 3 # what comes of it is measured against the two seconds before
	kill -9 "${pids[2]}"
	wait "${pids[2]}" 2>/dev/null
	unset 'pids[2]'
	say "done: the server of backend 10.90.13.2 is killed; nobody tells the balancer but the agents"
	until_true 20 action '.backend == "10.90.13.2" and .what == "down"' || fail "nobody took it out"
	say "observed: the agent took it out"
	until_true 20 action '.what == "down" and .effect.verdict == "kept"' || fail "the effect was not measured"
	say "observed: $(lb lb actions --json | jq -r '[.actions[] | select(.what == "down")][0] | .effect.verdict + ": " + .effect.why')"
	;;
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
[ "$fault" = kill ] || exit 0
echo
lb lb actions
echo
say "the story, as \`saker story\` tells it of the balancer's recording and of that of the backend's host:"
for pid in "${pids[@]:4}"; do # the agents, the balancer's first
	kill -INT "$pid" 2>/dev/null
	wait "$pid"
done
"$SAKER" story "$rec/lb" "$rec/b3"
[ -z "${LB_RECORDINGS:-}" ] || printf '\nThe recordings stay: build/src/saker serve %s %s\n' "$rec/lb" "$rec/b3"
