#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 3000
#
# The kernels that Saker says it is tested on, besides the one that runs here: Debian's 6.1 and 6.12, emulated. In each
# `saker doctor` must find a hook for every observation, every rung must pass the verifier, the suite of processes must
# pass, and what the traffic generator sent and received must have been recorded as it was (compared out here).
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/guests.sh
. "$here/lib/guests.sh"
PY=/usr/bin/python3

scenarios="all netns nat"
handoffs="mutex pi_mutex condition semaphore eventfd epoll pipe poll unix broadcast requeue free signal tcp udp timer spin"

# each with a truth of its own; all: those that need no namespaces
play() {
	local scenario
	for scenario in $scenarios; do
		guests_step "traffic: $scenario"
		case $scenario in
		all) "$TRAFFIC" all --truth truth-all ;;
		*) "$here/lib/traffic.sh" "$scenario" "truth-$scenario" ;;
		esac || return
	done
}

# wakes: each scene of hand-offs, one after the other
wakes() {
	local name
	for name in $handoffs; do
		guests_step "hand-offs: $name"
		"$SAKER_BUILD/tests/handoff" "$name" thread 30 "truth-$name" || return
	done
}

# clocked FILE COMMAND...: its words go to $OUT/FILE and FILE.err, how long it took to times
clocked() {
	local out=$1 begin=$EPOCHREALTIME
	shift
	guests_step "$out"
	"$@" >"$OUT/$out" 2>"$OUT/$out.err"
	echo "$begin $EPOCHREALTIME $out" >>"$OUT/times"
}

inside() {
	modprobe ext4 # has hooks of its own for log files
	clocked doctor.json "$SAKER" doctor --json
	clocked rungs "$SAKER_BUILD/tests/rungs"
	clocked traffic.log "$SAKER" record -o rec-traffic -- "$0" play
	clocked wakes.log "$SAKER" record -o rec-wakes --without log -- "$0" wakes
	tar -cf "$OUT/recorded.tar" rec-* truth-*
	# timeout makes a process group with a parent in its session: in an orphaned one SIGTSTP stops nobody
	clocked process.tap timeout 1800 "$here/e2e/process.sh"
}

# doctor NAME OLDER: OLDER are the observations that the best hook does not serve there
doctor() {
	local name=$1 out=$WORK/$1
	equal "Linux $name: every observation has a hook" \
		"$(jq -r '.observations[] | select(.works | not) | .observation' "$out/doctor.json")" ''
	# shellcheck disable=SC2016
	ok "Linux $name is one of the tested kernels, and it ran" \
		jq -e --arg name "$name." '.tested and (.kernel | startswith($name))' "$out/doctor.json"
	equal "Linux $name: older hooks serve" "$(jq -r '.observations[] | select(.refused | length > 0) | .observation' \
		"$out/doctor.json" | tr '\n' ' ')" "$2"
	sed 's/^/# /' "$out/rungs"
	ok "Linux $name: every rung loads whose hooks are there" grep -q 'rungs load, 0 are refused' "$out/rungs"
}

# compare LABEL OUT
compare() {
	local scenario
	tail -n 1 "$2/traffic.log.err" | sed 's/^/# /'
	"$SAKER" show "$2/rec-traffic" --json >"$2/events"
	"$SAKER" show "$2/rec-traffic" --edges --json >"$2/edges"
	equal "$1: nothing was lost" "$(grep -c '"type":"loss"' "$2/events")" 0
	for scenario in $scenarios; do
		ok "$1: $scenario: ranges are those of the truth" $PY "$here/lib/truth.py" ranges "$2/truth-$scenario" "$2/events"
		ok "$1: $scenario: edges are those of the truth" $PY "$here/lib/truth.py" edges "$2/truth-$scenario" "$2/events" \
			"$2/edges"
	done
}

# wakes_compare LABEL OUT
wakes_compare() {
	sed 's/^/# /' "$2/wakes.log.err"
	"$SAKER" show "$2/rec-wakes" --json >"$2/events"
	"$SAKER" show "$2/rec-wakes" --edges --json >"$2/edges"
	# shellcheck disable=SC2086
	(cd "$2" && $PY "$here/lib/handoff_check.py" thread events edges $handoffs) >"$2/wakes.tap"
	ok "$1: the hand-offs were compared" grep -q '^1\.\.' "$2/wakes.tap"
	e2e_include "$1: " <"$2/wakes.tap"
}

# kernel NAME OLDER
kernel() {
	local out=$WORK/$1
	guest_has "$1" || return
	awk -v name="$1" '{ printf "# Linux %s: %s took %.1f s\n", name, $3, $2 - $1 }' "$out/times"
	doctor "$@"
	ok "Linux $1: the suite of processes ended" grep -q '^1\.\.' "$out/process.tap"
	e2e_include "Linux $1: " <"$out/process.tap"
	ok "Linux $1: recordings came out" tar -C "$out" -xf "$out/recorded.tar"
	[ -d "$out/rec-wakes" ] || return
	compare "Linux $1" "$out"
	wakes_compare "Linux $1" "$out"
}

case ${1-} in
inside) guests_inside "$@" && inside; exit ;;
play) play; exit ;;
wakes) wakes; exit ;;
esac
guests_begin
guest_start 6.1 6.1 1200
guest_start 6.12 6.12 1200
guests_wait
kernel 6.1 'send ranges send return receive return receive queue AF_UNIX datagrams sent disk requests disk wakes '
kernel 6.12 'send ranges '
e2e_end
