#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 2000
#
# Where systemd is the first program, on Debian's 6.1 and 6.12, emulated: a unit that restarts is recorded and nobody else,
# the flight recorder's unit of packaging/ runs as it is shipped, can be frozen and leaves nothing attached; so does the agent's.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/guests.sh
. "$here/lib/guests.sh"

# --- in the guest ---

# unit NAME LINE...: of its section [Service]
unit() {
	printf '%s\n' '[Unit]' 'DefaultDependencies=no' '[Service]' "${@:2}" >"units/$1.service"
}

units_make() {
	mkdir -p units
	unit talker "ExecStart=/bin/sh -c 'while :; do /bin/true talks; echo >>/run/talker; sleep 0.1; done'"
	unit decoy "ExecStart=/bin/sh -c 'while :; do /bin/true decoy; sleep 0.1; done'"
	cp "$here/../packaging/saker-flight.service" "$here/../packaging/saker-agent.service" units
	mkdir units/saker-flight.service.d
	printf '[Service]\nTimeoutStopSec=300\n' >units/saker-flight.service.d/emulated.conf # as slow as it may be here
}

main_pid() {
	systemctl show -P MainPID "$1"
}

# has_said N: talker has come so far
has_said() {
	[ "$(cat /run/talker 2>/dev/null | wc -l)" -ge "$1" ]
}

# what is loaded in the kernel, of which systemd has some: so many
attached() {
	bpftool prog list -j | jq '[.[] | select(.name | test("^sd_") | not) | select(.type | test("cgroup") | not)] | length'
}

record_unit() {
	systemctl start decoy talker
	wait_for 100 has_said 1
	main_pid talker >"$OUT/pids"
	main_pid decoy >"$OUT/decoy"
	"$SAKER" record --unit talker -o rec 2>rec.err &
	wait_for 300 grep -q '^recording into' rec.err || cat rec.err
	systemctl restart talker
	main_pid talker >>"$OUT/pids"
	wait_for 100 has_said $(($(wc -l </run/talker) + 10))
	kill -INT $!
	wait $!
	systemctl stop talker decoy
	"$SAKER" show rec --json >"$OUT/unit"
	"$SAKER" show rec 'type=exec and unit=talker.service' --json >"$OUT/named"
}

flight_runs() {
	journalctl -o cat -u saker-flight | grep -q '^recording'
}

flight() {
	install -m 755 "$SAKER" /usr/bin/saker
	attached >"$OUT/before"
	systemctl start saker-flight
	wait_for 300 flight_runs
	systemctl show -P ActiveState saker-flight >"$OUT/active"
	attached >"$OUT/during"
	/bin/true marker of the flight
	saker freeze -o frozen >"$OUT/freeze" 2>&1
	echo $? >>"$OUT/freeze"
	systemctl stop saker-flight
	systemctl show -P Result saker-flight >"$OUT/result"
	attached >"$OUT/after"
	saker show frozen 'type=exec and args~"marker of the flight"' --json >"$OUT/frozen"
	saker show frozen 'unit=saker-flight.service' --json >"$OUT/itself"
	journalctl -u saker-flight -o short-monotonic >"$OUT/flight.journal"
}

agent_runs() {
	journalctl -o cat -u saker-agent | grep -q 'keeps .* interface'
}

agent() {
	systemctl start saker-agent
	wait_for 100 agent_runs
	systemctl show -P ActiveState saker-agent >"$OUT/agent"
	systemctl stop saker-agent
	systemctl show -P Result saker-agent >>"$OUT/agent"
	journalctl -u saker-agent -o short-monotonic >"$OUT/agent.journal"
}

inside() {
	guests_step 'a unit that restarts'
	record_unit
	guests_step saker-flight.service
	flight
	guests_step saker-agent.service
	agent
	guests_step 'the journal'
	journalctl -o export >"$OUT/journal"
}

# --- outside ---

# commands FILE: how many executions of /bin/true by whom
commands() {
	jq -r 'select(.type == "exec" and (.exe | endswith("/true"))) | .args' "$1" | sort | uniq | paste -sd,
}

check_unit() {
	local out=$WORK/$1 first='' second=''
	{ read -r first; read -r second; } <"$out/pids"
	ok "Linux $1: the unit was restarted" test "$first" != "$second"
	equal "Linux $1: only what it does is recorded" "$(commands "$out/unit")" '/bin/true talks'
	equal "Linux $1: its first process ends" "$(jq -r 'select(.type == "exit" and .tgid == '"$first"') | .sig' "$out/unit")" SIGTERM
	equal "Linux $1: its second one is known by its name" \
		"$(jq -r 'select(.type == "exec" and .tgid == '"$second"') | .args' "$out/named" | cut -c 1-10 | head -n 1)" '/bin/sh -c'
	ok "Linux $1: children have the unit's name" test "$(grep -c '/bin/true talks' "$out/named")" -ge 10
	equal "Linux $1: nothing was lost" "$(grep -c '"type":"loss"' "$out/unit")" 0
}

check_flight() {
	local out=$WORK/$1
	equal "Linux $1: saker-flight.service is active" "$(cat "$out/active")" active
	ok "Linux $1: it has programs in the kernel" test "$(cat "$out/during")" -gt "$(cat "$out/before")"
	equal "Linux $1: saker freeze works beside it" "$(tail -n 1 "$out/freeze")" 0
	equal "Linux $1: what happened before is in it" "$(jq -r .args "$out/frozen")" '/bin/true marker of the flight'
	equal "Linux $1: but not itself" "$(jq -r 'select(.type == "send" or .type == "exec") | .type' "$out/itself" | head -n 1)" ''
	equal "Linux $1: it stops" "$(cat "$out/result")" success
	equal "Linux $1: and leaves nothing in the kernel" "$(cat "$out/after")" "$(cat "$out/before")"
	sed 's/^/# /' "$out/flight.journal" | tail -n 5
}

check_agent() {
	local out=$WORK/$1
	equal "Linux $1: saker-agent.service is active, and stops" "$(paste -sd, "$out/agent")" active,success
	sed 's/^/# /' "$out/agent.journal" | tail -n 3
}

kernel() {
	guest_has "$1" || return
	check_unit "$1"
	check_flight "$1"
	check_agent "$1"
}

if guests_inside "$@"; then
	inside
	exit
fi
[ $# -gt 0 ] || set -- 6.1 6.12
guests_begin
(cd "$WORK" && units_make)
for series; do
	guest_start "$series" "$series" 800 --systemd "$WORK/units" --
done
guests_wait
for series; do
	kernel "$series"
done
e2e_end
