#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 90
#
# Requests to disks: those of the recorded program, on the sectors where its file lies, and whom they wake.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3
BYTES=$((16 * 65536))

# recorded COMMAND...
recorded() {
	rm -rf rec
	"$SAKER" record -o rec --without all --with block -- "$@" 2>said || cat said
	"$SAKER" show rec --json >events
	"$SAKER" show rec --edges --json >edges
}

# A neighbour that does the same at the same time and is not recorded
neighbour() {
	while [ ! -e over ]; do
		dd if=/dev/zero of=other bs=64k count=4 oflag=direct 2>/dev/null
	done
}

e2e_begin
if ! filefrag -b512 -v "$here/../meson.build" >/dev/null 2>&1 || ! dd if=/dev/zero of=file bs=64k count=16 oflag=direct 2>said; then
	skip 'disk requests' 'no file system on a disk that knows O_DIRECT here'
	e2e_end
fi
neighbour &
e2e_kill_later $!
recorded dd if=/dev/zero of=file bs=64k count=16 oflag=direct conv=notrunc
$PY "$here/lib/block_check.py" write file $BYTES events edges >tap
e2e_include '' <tap
recorded dd if=file of=/dev/null bs=64k iflag=direct
$PY "$here/lib/block_check.py" read file $BYTES events edges >tap
e2e_include '' <tap
$PY "$here/lib/block_check.py" read file $((BYTES + 512)) events edges >wrong
ok 'the comparison sees a wrong size' grep -q '^not ok 1 ' wrong
: >over

recorded dd if=/dev/zero of=buffered bs=64k count=4
equal 'what is written back later is not asked for by who wrote it' \
	"$(jq -s 'map(select(.type == "block_start" and .op == "write" and .bytes >= 65536)) | length' events)" 0
recorded sh -c 'exec 9>synced; echo x >&9; sync synced'
ok 'who syncs asks' test "$(jq -s 'map(select(.type == "block_start" and .op == "write")) | length' events)" -ge 1
e2e_end
