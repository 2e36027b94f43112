#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 3600
#
# The kernels that Saker says it is tested on, besides the one that runs here: Debian's 6.1 and 6.12, emulated. In each
# `saker doctor` must find a hook for every observation, every rung must pass the verifier, the suite of processes must
# pass, and what the traffic generator sent and received must have been recorded as it was (compared out here).
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
root=${here%/*}

# What runs in the guest; /mnt is the folder outside
if [ "${1-}" = inside ]; then
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin TRAFFIC=$SAKER_BUILD/tests/traffic
	cd /tmp || exit 1
	export SAKER=$SAKER_BUILD/src/saker
	"$SAKER" doctor --json >/mnt/doctor.json
	{ "$SAKER_BUILD/tests/rungs" && echo 'all load'; } >/mnt/rungs 2>&1
	# timeout makes a process group with a parent in its session: in an orphaned one SIGTSTP stops nobody
	timeout 300 "$root/tests/e2e/process.sh" >/mnt/process.tap 2>&1
	shift
	for scenario; do
		case $scenario in
		all) traffic=("$TRAFFIC" all --truth truth-all) ;; # one truth of all that need no namespaces
		*) traffic=("$root/tests/lib/traffic.sh" "$scenario" "truth-$scenario") ;;
		esac
		"$SAKER" record -o "rec-$scenario" -- "${traffic[@]}" >"/mnt/$scenario.log" 2>&1
	done
	tar -cf /mnt/recorded.tar rec-* truth-*
	exit
fi

# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
SAKER_BUILD=${SAKER_BUILD:-$root/build}
SAKER=$SAKER_BUILD/src/saker
PY=/usr/bin/python3
scenarios="all netns nat"
only=${1-} # 6.1 or 6.12; none: both

# kernel NAME PATTERN OLDER: OLDER are the observations that the best hook does not serve there
kernel() {
	local name=$1 out=$WORK/$1 scenario
	[ "$name" = "${only:-$name}" ] || return
	mkdir "$out"
	if ! "$here/lib/guest.sh" fetch "$2" "$WORK/kernel-$name" >"$out/fetch" 2>&1; then
		skip "Linux $name" "no such kernel package: $(tail -n 1 "$out/fetch")"
		return
	fi
	ok "Linux $name boots and comes to its end" "$here/lib/guest.sh" run "$WORK/kernel-$name" "$out" 1700 \
		"SAKER_BUILD=$SAKER_BUILD $root/tests/long/kernels.sh inside $scenarios"
	equal "Linux $name: every observation has a hook" \
		"$(jq -r '.observations[] | select(.works | not) | .observation' "$out/doctor.json")" ''
	# shellcheck disable=SC2016
	ok "Linux $name is one of the tested kernels, and it ran" \
		jq -e --arg name "$name." '.tested and (.kernel | startswith($name))' "$out/doctor.json"
	equal "Linux $name: older hooks serve" "$(jq -r '.observations[] | select(.refused | length > 0) | .observation' \
		"$out/doctor.json" | tr '\n' ' ')" "$3"
	sed 's/^/# /' "$out/rungs"
	equal "Linux $name: every rung loads whose hooks are there" "$(tail -n 1 "$out/rungs")" 'all load'
	ok "Linux $name: the suite of processes ended" grep -q '^1\.\.' "$out/process.tap"
	e2e_include "Linux $name: " <"$out/process.tap"
	ok "Linux $name: recordings came out" tar -C "$out" -xf "$out/recorded.tar"
	for scenario in $scenarios; do
		compare "Linux $name: $scenario" "$out" "$scenario"
	done
	rm -rf "$out" "$WORK/kernel-$name"
}

# compare LABEL OUT SCENARIO
compare() {
	local rec=$2/rec-$3 truth=$2/truth-$3
	sed 's/^/# /' "$2/$3.log" | tail -n 3
	"$SAKER" show "$rec" --json >"$2/events"
	"$SAKER" show "$rec" --edges --json >"$2/edges"
	equal "$1: nothing was lost" "$(grep -c '"type":"loss"' "$2/events")" 0
	ok "$1: ranges are those of the truth" $PY "$here/lib/truth.py" ranges "$truth" "$2/events"
	ok "$1: edges are those of the truth" $PY "$here/lib/truth.py" edges "$truth" "$2/events" "$2/edges"
}

e2e_begin
if ! command -v qemu-system-x86_64 >/dev/null; then
	echo "1..0 # SKIP no emulator: tools/deps.sh long"
	exit 0
fi
kernel 6.1 '^linux-image-6\.1\.0-[0-9]+-amd64$' 'send ranges send return receive return AF_UNIX datagrams sent '
kernel 6.12 '^linux-image-6\.12\.[0-9]+\+deb12-amd64$' 'send ranges '
e2e_end
