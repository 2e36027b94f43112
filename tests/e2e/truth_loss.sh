#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# Rings so small that much is lost, and a recorder that stands still meanwhile: no edge is wrong, and lost + recorded
# is what was produced, by the kernel's numbers and by the generator's count of its own calls.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/truth.sh
. "$here/lib/truth.sh"

# lost NAME PARTS: one of so many parts, at least
lost() {
	jq -e --argjson parts "$2" '.lost > 1000 and .lost * $parts >= .produced' "$1.summary"
}

truth_begin
RECORD=(--rings 64K)
TRUTH_FLAGS=(--lossy)

# The child stops its parent, which is the recorder, lets it go on, and waits until it has written
SCENE_BEFORE='size=$(du -sb stopped); kill -STOP $PPID'
SCENE_AFTER='kill -CONT $PPID; until [ "$(du -sb stopped)" != "$size" ]; do sleep 0.02; done'
scenes=('tcp4 --messages 40' writers readers reuse unix_pair udp4 unix_dgram unix_dgram_pair fork_accept)
record_scenes stopped "${scenes[@]}"
compare stopped ranges,edges "${scenes[@]%% *}"
ok 'stopped: half of it is lost' lost stopped 2

SCENE_BEFORE='' SCENE_AFTER=''
RECORD=(--rings 16K)
record_scenes small 'unix_stream --messages 200'
compare small ranges,edges unix_stream
ok 'small: the losses are as many as the generator says' "$truth" produced unix_stream small.events
ok 'small: a tenth of it is lost' lost small 10

jq -c 'if .type == "loss" and .lost_type == "recv" then .count -= 1 else . end' small.events >less.events
fails 'a loss that is not told is seen' "$truth" loss less.events small.summary
fails 'by the count of calls too' "$truth" produced unix_stream less.events
e2e_end
