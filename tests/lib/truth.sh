# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# truth.sh - the traffic generator under `saker record`, and what was recorded against its truth; to be sourced.
#
#	truth_begin			as e2e_begin, and the generator is there
#	record_scenes REC SCENE...	a case: all scenes, one after the other, in one recording.  A scene is
#					'[DIR=]NAME [OPTION...]' of traffic.sh; its truth goes to DIR (default NAME)
#	compare REC CHECK,... DIR...	cases: ranges (what each call moved), edges, connections; TRUTH_FLAGS for truth.py
#	show REC			writes REC.events and REC.edges
#
# RECORD holds further options for `saker record`, SCENE_BEFORE and SCENE_AFTER what runs around each scene.

# shellcheck source=tests/lib/e2e.sh
. "${BASH_SOURCE[0]%/*}/e2e.sh"

lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
truth=$lib/truth.py
RECORD=()
TRUTH_FLAGS=()
SCENE_BEFORE=
SCENE_AFTER=

truth_begin() {
	e2e_begin
	export TRAFFIC=$SAKER_BUILD/tests/traffic
	if [ ! -x "$TRAFFIC" ]; then
		skip "truth by construction" "the traffic generator was not built: liburing is missing"
		e2e_end
	fi
}

show() {
	"$SAKER" show "$1" --json >"$1.events" && "$SAKER" show "$1" --edges --json >"$1.edges"
}

# scene_command SCENE: the line that plays it
scene_command() {
	local words=$1 dir=${1%% *}
	dir=${dir%%=*}
	case ${words%% *} in *=*) words=${words#*=} ;; esac
	echo "\"$lib/traffic.sh\" ${words/ / $dir } $([ "$words" != "${words% *}" ] || echo "$dir")"
}

play() {
	local rec=$1 scene
	shift
	{
		echo 'set -e'
		for scene in "$@"; do
			echo "$SCENE_BEFORE"
			scene_command "$scene"
			echo "$SCENE_AFTER"
		done
	} >"$rec.play"
	"$SAKER" record "${RECORD[@]}" --as-root --json -o "$rec" -- bash "$rec.play" >"$rec.summary" && show "$rec"
}

record_scenes() {
	ok "recorded: ${*:2}" play "$@"
	ok "$1: lost + recorded = produced" "$truth" loss "$1.events" "$1.summary"
}

# compare REC CHECKS DIR...
compare() {
	e2e_include '' < <("$truth" tap "$@" "${TRUTH_FLAGS[@]}")
}
