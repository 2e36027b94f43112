# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# e2e.sh - what the suites in tests/e2e share; to be sourced.
#
#	e2e_begin			$WORK: an empty folder; it goes at the end, as do the processes of e2e_kill_later
#	ok WHAT COMMAND...		a test case: the command succeeds
#	fails WHAT COMMAND...		a test case: the command does not
#	equal WHAT GOT WANT		a test case
#	e2e_include LABEL <TAP		takes over the cases of a program that prints TAP itself
#	skip WHAT REASON
#	wait_for SECONDS COMMAND...	until it succeeds
#	e2e_kill_later PID
#	e2e_record OPTION...		saker record into rec until it is ended; RECORDER: its process id
#	is_attached PID PROGRAM		a recorder has that program on its hook; is_not_attached
#	e2e_end				the plan
#
# A suite that needs more cleaning defines e2e_clean.

e2e_count=0
e2e_failed=0
e2e_pids=()

e2e_leave() {
	local pid
	for pid in "${e2e_pids[@]}"; do
		kill -9 "$pid" 2>/dev/null || true
	done
	! declare -F e2e_clean >/dev/null || e2e_clean
	cd /
	rm -rf "$WORK"
}

e2e_begin() {
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/saker-e2e-XXXXXX")
	trap e2e_leave EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	chmod 755 "$WORK"
	cd "$WORK" || exit 1
}

e2e_kill_later() {
	e2e_pids+=("$1")
}

# e2e_case WHAT STATUS
e2e_case() {
	e2e_count=$((e2e_count + 1))
	if [ "$2" = 0 ]; then
		echo "ok $e2e_count - $1"
	else
		echo "not ok $e2e_count - $1"
		e2e_failed=1
	fi
}

ok() {
	local what=$1 status=0
	shift
	"$@" >"$WORK/.ok" 2>&1 || status=$?
	[ $status = 0 ] || { echo "# $* returned $status"; head -n 20 "$WORK/.ok" | sed 's/^/# /'; }
	e2e_case "$what" $status
}

fails() {
	local what=$1 status=0
	shift
	"$@" >"$WORK/.ok" 2>&1 || status=$?
	[ $status != 0 ] || { echo "# $* returned 0"; head -n 20 "$WORK/.ok" | sed 's/^/# /'; }
	e2e_case "$what" $((status == 0))
}

e2e_include() {
	local line
	while IFS= read -r line; do
		case $line in
		'ok '*) e2e_case "$1${line#* - }" 0 ;;
		'not ok '*) e2e_case "$1${line#* - }" 1 ;;
		1..*) ;;
		*) echo "$line" ;;
		esac
	done
}

equal() {
	local status=0
	[ "$2" = "$3" ] || { status=1; echo "# got '$2', want '$3'"; }
	e2e_case "$1" $status
}

skip() {
	e2e_count=$((e2e_count + 1))
	echo "ok $e2e_count - $1 # SKIP $2"
}

wait_for() {
	local end=$((SECONDS + ${E2E_PATIENCE:-4} * $1)) # other suites run on the same two CPUs
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || { echo "# waited in vain for: $*" >&2; return 1; }
		sleep 0.02
	done
}

e2e_record() {
	rm -rf rec rec.err
	"$SAKER" record -o rec "$@" 2>rec.err &
	RECORDER=$!
	e2e_kill_later $RECORDER
	wait_for 40 grep -q '^recording into' rec.err || cat rec.err
}

e2e_end() {
	echo "1..$e2e_count"
	exit $e2e_failed
}

# attached PID: names of the programs that the recorder has attached
attached() {
	local fd id
	for fd in /proc/"$1"/fdinfo/*; do
		id=$(sed -n 's/^prog_id:\s*//p' "$fd" 2>/dev/null)
		grep -q '^link_type' "$fd" 2>/dev/null && bpftool -j prog show id "$id" | jq -r .name
	done
}

is_attached() { attached "$1" | grep -qx "$2"; }
is_not_attached() { ! is_attached "$@"; }
