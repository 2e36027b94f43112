# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# guests.sh - several kernels at once, each in an emulated machine (guest.sh); to be sourced by suites of tests/kernels.
#
#	guests_inside "$@"		in a guest, where the suite runs as `SUITE inside ARGUMENT...`: sets up what e2e.sh
#					and the programs need; false outside
#	guests_begin			as e2e_begin; all is skipped where no machine can be emulated
#	guest_start NAME SERIES SECONDS [OPTION... --] ARGUMENT...
#					boots NAME with a kernel of SERIES; in it this suite runs as `inside ARGUMENT...`,
#					with $OUT (outside $WORK/NAME) for its results; OPTIONs and SECONDS are those of guest.sh
#	guests_step WORD...		in a guest: what it is about now, should it not come to its end
#	guests_wait			a case for each guest: it came to its end; if not, what it was doing
#	guest_has NAME			it ran; if not, what it would have shown is skipped, with the reason

# shellcheck source=tests/lib/e2e.sh
. "${BASH_SOURCE[0]%/*}/e2e.sh"

guests_lib=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
guests_suite=$(cd "$(dirname "$0")" && pwd)/${0##*/}
SAKER_BUILD=${SAKER_BUILD:-${guests_lib%/tests/lib}/build}
SAKER=$SAKER_BUILD/src/saker
declare -A guests_pid guests_missing

guests_inside() {
	[ "${1-}" = inside ] || return 1
	export E2E_PATIENCE=20 # its clock goes on when it has no CPU
	export SAKER_BUILD SAKER TRAFFIC=$SAKER_BUILD/tests/traffic OUT=/mnt PYTHONDONTWRITEBYTECODE=1
	cd /tmp || exit 1
}

guests_step() {
	local up
	read -r up _ </proc/uptime # without a process: it may be within what is recorded
	echo "$up $*" >>"$OUT/steps"
}

# The emulators end before their folders go
e2e_clean() {
	local pid
	for pid in "${guests_pid[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	for pid in "${guests_pid[@]}"; do
		wait "$pid" 2>/dev/null || true
	done
}

guests_begin() {
	local program
	for program in qemu-system-x86_64 busybox depmod xz; do
		if ! command -v "$program" >/dev/null; then
			echo "1..0 # SKIP no emulated machine without $program: tools/deps.sh test"
			exit 0
		fi
	done
	e2e_begin
}

guest_start() {
	local name=$1 series=$2 seconds=$3 kernel options=()
	shift 3
	while [[ ${1-} == --* ]]; do
		[ "$1" != -- ] || { shift; break; }
		options+=("$1" "$2")
		shift 2
	done
	mkdir -p "$WORK/$name"
	if ! kernel=$("$guests_lib/guest.sh" kernel "$series" 2>"$WORK/$name/fetch"); then
		guests_missing[$name]=$(tail -n 1 "$WORK/$name/fetch")
		return
	fi
	"$guests_lib/guest.sh" run --name "$name" "${options[@]}" "$kernel" "$WORK/$name" "$seconds" \
		"SAKER_BUILD=$SAKER_BUILD $guests_suite inside $*" >"$WORK/$name/said" 2>&1 &
	guests_pid[$name]=$!
}

# guest_doing NAME: the last words first, for only the end of a long log is shown elsewhere
guest_doing() {
	local dir=$WORK/$1 file
	# of a kernel that gave up, from its first word on
	grep -am 1 -A 60 'BUG: \|Oops\|general protection\|Kernel panic' "$dir/console"
	for file in "$dir"/*.err "$dir/processes" "$dir/console" "$dir/output" "$dir/steps" "$dir/said"; do
		[ ! -s "$file" ] || { echo "$1: the end of ${file##*/}:"; tail -n 12 "$file" | cut -c 1-160; }
	done
}

# guest_gave_up NAME [CONSOLE]: where its kernel did, for the name of the case; nothing if it did not
guest_gave_up() {
	local where console=$WORK/$1/${2:-console}
	[ -e "$console" ] || return 0
	where=$(tr -d '\r' <"$console" | grep -ao 'BUG: .*\|Oops: .*\|RIP: 0010:.*\|Kernel panic.*' | head -n 3 | paste -sd ' ')
	[ -z "$where" ] || echo ", its kernel did not: $where"
}

guests_wait() {
	local name status
	for name in "${!guests_pid[@]}"; do
		status=0
		wait "${guests_pid[$name]}" || status=$?
		[ $status = 0 ] || guest_doing "$name" | sed 's/^/# /'
		[ ! -e "$WORK/$name/console.first" ] || echo "# $name was booted twice$(guest_gave_up "$name" console.first)"
		e2e_case "$name: the guest came to its end$(guest_gave_up "$name")" $status
	done
}

guest_has() {
	[ -n "${guests_missing[$1]-}" ] || return 0
	skip "$1" "${guests_missing[$1]}"
	return 1
}
