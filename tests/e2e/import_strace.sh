#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# One run, recorded by Saker and traced by strace: what is imported of strace's output gives edges that all are edges of the
# recording. Half a file, a file of each thread, and none at all.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

edges() {
	"$SAKER" show "$1" --json >"$1.events" && "$SAKER" show "$1" --edges --json >"$1.edges"
}

compare() {
	edges "$1" && /usr/bin/python3 "$here/lib/strace_compare.py" rec.events rec.edges "$1.events" "$1.edges"
}

refused() {
	"$SAKER" import strace clock -o none 2>.ok.said
}

# of_kind KIND: how many exact edges of the import
of_kind() {
	jq -c "select(.kind == \"$1\" and (.ambiguous | not))" imp.edges | wc -l
}


e2e_begin
if ! strace -o probe true 2>/dev/null; then
	echo '1..0 # SKIP strace cannot trace here'
	exit 0
fi
ok 'recorded and traced' "$SAKER" record -o rec --with pipe --as-root -- strace -f -ttt -yy -o traced /usr/bin/python3 \
	"$here/lib/strace_scene.py"
ok 'imported' "$SAKER" import strace traced -o imp --host there --json
equal 'every line is understood' "$("$SAKER" import strace traced -o again --json 2>/dev/null | jq .malformed)" 0
ok 'the recording has edges' edges rec
ok 'all imported edges are edges of the recording' compare imp
sed 's/^/# /' .ok
ok 'messages, forks, waits, signals and connections are among them' \
	[ "$(of_kind message)" -gt 300 -a "$(of_kind create)" -ge 6 -a "$(of_kind join)" -ge 3 -a "$(of_kind signal)" -ge 2 \
		-a "$(of_kind connect)" -ge 4 ]
grep '"kind":"message"' rec.edges | head -n 400 >taken
grep -vFf taken rec.edges >rec.fewer
fails 'the comparison misses what is taken away' /usr/bin/python3 "$here/lib/strace_compare.py" rec.events rec.fewer \
	imp.events imp.edges
equal 'the host has the name that was given' "$("$SAKER" show imp 'type=host' --json | jq -r .hostname)" there
equal 'every other call is an event' "$("$SAKER" show imp 'type=syscall and name=openat' --json | wc -l)" \
	"$(grep -cE 'openat(\(.*\) *=| resumed)' traced)"
head -c $(($(stat -c %s traced) / 2)) traced >half
ok 'a file that was cut is imported up to there' "$SAKER" import strace half -o cut
ok 'and its edges are right' compare cut
tail -n +200 traced >late
ok 'a file without its beginning too' "$SAKER" import strace late -o late-imp
ok 'and its edges are right' compare late-imp
ok 'traced into a file for each thread' strace -ff -ttt -yy -o each /usr/bin/python3 "$here/lib/strace_scene.py" 3
ok 'which are imported together' "$SAKER" import strace each.* -o together
equal 'their order is not known: no edge between messages' \
	"$("$SAKER" show together --edges --json | grep -c '"kind":"message"')" 0
strace -f -tt -o clock true
fails 'a clock without a day is refused' refused
ok 'and it is said what is missing' grep -q 'strace -ttt' .ok.said
e2e_end
