# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# lbkill.sh - a backend under a thousand open connections dies; for bench/lb_kill.sh and tests/e2e/lb_killed.sh. After netns.sh and lbworld.sh.
#
#	lbkill_up PREFIX	a world of three backends that are served by tests/lib/flows.c
#	lbkill_run HOW		in $PLACE: begins an agent and the connections, kills b2, waits until new connections avoid it, ends them. HOW:
#		report		the server of b2 is killed; the agent on its host tells the balancer's
#		syn		its link is cut; SYNs come again
#		checks		its link is cut; the balancer's agent checks every 500 ms
#
# Afterwards $PLACE/before and $PLACE/after are lines of `flows hold` just before and at the end, $PLACE/killed_ns is when,
# $PLACE/new has all new connections.
LBKILL_VIP=$LBWORLD_VIP:80/tcp

lbkill_pids=()
lbkill_until() {
	local end=$((SECONDS + 4 * $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || { echo "waited in vain for: $*" >&2; return 1; }
		sleep 0.02
	done
}

lbkill_serve() {
	lbworld_serve "$1"
	disown %+ # its end is no news
	lbkill_pids+=("$(cat "$PLACE/$1.pid")")
	lbkill_until 10 test -s "$PLACE/$1.served"
}

lbkill_up() {
	local i
	lbworld_up "$1" 3 || return 1
	(umask 077 && head -c 48 /dev/urandom | base64 >"$PLACE/key")
	for i in 1 2 3; do
		lbkill_serve b$i
	done
}

# lbkill_agent NAME OPTION...: until it says that it began
lbkill_agent() {
	local name=$1
	shift
	SAKER_STATE=$PLACE/state netns_run "$LBWORLD$name" "$SAKER" agent -o "$PLACE/rec-$name" --key "$PLACE/key" "$@" 2>"$PLACE/agent-$name" &
	lbkill_pids+=($!) lbkill_agents+=($!)
	lbkill_until 40 grep -qs 'keeps \|watches port' "$PLACE/agent-$name"
}

lbkill_wish() {
	local health='mode: live, effect: 1s, slow-start: 1s, base-eject: 2s, max-eject: 5s'
	[ "$1" != checks ] || health="$health, kind: tcp, interval: 500ms, timeout: 250ms, rise: 2, fall: 2, syn-again: 100000"
	printf 'interfaces:\n  eth0:\n    health: {%s}\n    vips: [{vip: "%s", backends: [10.90.11.2, 10.90.12.2, 10.90.13.2]}]\n' \
		"$health" $LBKILL_VIP | SAKER_STATE=$PLACE/state nsenter --net="$NETNS_DIR/${LBWORLD}lb" -- "$SAKER" apply - 2>"$PLACE/said"
}

lbkill_held() { tail -n 2 "$PLACE/held" | head -n 1; }
lbkill_is() { [ "$(lbkill_held | jq "$1" 2>/dev/null)" = true ]; }
lbkill_share() {
	lbworld_run lb "$SAKER" lb show --json | jq '.health.vips[0].backends[]? | select(.backend == "10.90.12.2").share'
}
lbkill_shared() { [ "$(lbkill_share)" = "$1" ]; }
# so many new connections since the kill, one after another, went well and at once
lbkill_avoided() {
	[ "$(tail -n 200 "$PLACE/new" | awk -v t="$(cat "$PLACE/killed_ns")" '$1 > t && $2 == "ok" && $3 < 900 { n++; next } { n = 0 } END { print n + 0 }')" -ge 150 ]
}

lbkill_ended() { ! kill -0 "$1" 2>/dev/null; }

lbkill_run() {
	local how=$1 flows i held new status=0
	flows=$(dirname "$SAKER")/../tests/flows
	lbkill_agents=()
	rm -rf "$PLACE"/rec-* "$PLACE/held" "$PLACE/new"
	lbkill_wish "$how" || return 1
	lbkill_agent lb --listen 10.90.2.2:7701
	for i in 1 2 3; do
		[ "$how" != report ] || lbkill_agent b$i --report-to 10.90.2.2:7701 --for 10.90.1$i.2 --port 80
	done
	netns_run "${LBWORLD}client" "$flows" hold $LBWORLD_VIP 80 1000 --every 200 >"$PLACE/held" &
	held=$!
	netns_run "${LBWORLD}client" "$flows" new $LBWORLD_VIP 80 --every 4 --wait 30000 >"$PLACE/new" &
	new=$!
	lbkill_pids+=("$held" "$new")
	lbkill_until 30 lbkill_is '.open == 1000 and .least > 2 and .of.b2 > 100' || status=1
	lbkill_until 10 lbkill_shared 1000 || status=1
	lbkill_held >"$PLACE/before"
	if [ "$how" = report ]; then
		python3 -c 'import os, sys, time; os.kill(int(sys.argv[1]), 9); print(time.monotonic_ns())' "$(cat "$PLACE/b2.pid")" >"$PLACE/killed_ns"
	else
		python3 -c 'import subprocess, sys, time; subprocess.run(sys.argv[1:]); print(time.monotonic_ns())' \
			ip -n "${LBWORLD}net" link set b2 down >"$PLACE/killed_ns"
	fi
	lbkill_until 30 lbkill_shared 0 || status=1
	lbkill_until 30 lbkill_avoided || status=1
	i=$(lbkill_held | jq .messages)
	lbkill_until 30 lbkill_is ".messages > $i + 2000" || status=1
	lbkill_held >"$PLACE/after"
	kill $new $held "${lbkill_agents[@]}"
	wait $new $held "${lbkill_agents[@]}" 2>/dev/null
	# as it was
	if [ "$how" != report ]; then
		ip -n "${LBWORLD}net" link set b2 up
		ip -n "${LBWORLD}net" route replace 10.90.12.0/24 dev b2 src 10.90.12.1
	fi
	# sockets whose client went while its packets were lost would challenge a SYN from the same port (RFC 5961, section 4): a second's wait
	for i in 1 2 3; do
		kill -9 "$(cat "$PLACE/b$i.pid")" 2>/dev/null
		lbkill_until 10 lbkill_ended "$(cat "$PLACE/b$i.pid")"
		lbkill_serve b$i
	done
	SAKER_STATE=$PLACE/state nsenter --net="$NETNS_DIR/${LBWORLD}lb" -- "$SAKER" detach eth0 2>/dev/null
	return $status
}

# lbkill_last MS: ms from the kill to the begin of the last new connection that it cost; 0: none
lbkill_last() {
	awk -v t="$(cat "$PLACE/killed_ns")" '$1 > t && ($2 != "ok" || $3 >= 900) && $1 > last { last = $1 } END { printf "%.0f\n", last ? (last - t) / 1e6 : 0 }' "$PLACE/new"
}

lbkill_down() {
	local pid
	for pid in "${lbkill_pids[@]}"; do
		kill -9 "$pid" 2>/dev/null
	done
	lbworld_down
}
