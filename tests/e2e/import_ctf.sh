#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# A real trace of LTTng, imported: every line on its thread, as the traced program wrote it down and as babeltrace2 reads it.
# Saker's own recording is a CTF trace as well: as many events as it has. Torn and missing traces.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

trace() {
	lttng create "$1" --output="$WORK/$1" && lttng enable-event -u 'lttng_ust_tracef:*' &&
		lttng add-context -u -t vtid -t vpid -t procname && lttng start &&
		"$SAKER_BUILD/tests/lttng_app" >truth && lttng stop && lttng destroy
}

if ! command -v lttng-sessiond >/dev/null || [ ! -x "$SAKER_BUILD/tests/lttng_app" ]; then
	echo '1..0 # SKIP no LTTng: tools/deps.sh test'
	exit 0
fi
# the daemon's sockets and shared memory lie at fixed places: a mount namespace keeps them apart from the machine's
if [ "${1-}" != inside ]; then
	# shellcheck disable=SC2016
	exec unshare --mount --propagation private --pid --fork --kill-child bash -c 'mount -t proc proc /proc &&
		mount -t tmpfs run /run && mount -t tmpfs shm /dev/shm && exec "$0" inside' "$0"
fi

e2e_begin
mkdir home
export HOME=$WORK/home
lttng-sessiond --no-kernel >daemon.log 2>&1 &
e2e_kill_later $!
ok 'the daemon of LTTng runs' wait_for 20 lttng list
ok 'traced' trace one
ok 'imported' "$SAKER" import ctf one -o imp --json
"$SAKER" show imp 'type=lttng_ust_tracef_event' --json >events
equal 'every line, on the thread that wrote it' "$(jq -r '"\(.tid) \(.msg)"' events | sort)" "$(sort truth)"
equal 'and in its order' "$(jq -r '"\(.tid) \(.msg)"' events | sort -s -k1,1)" "$(sort -s -k1,1 truth)"
"$SAKER" show imp 'type=clock' --json >clock
equal 'the times are those that babeltrace2 reads' "$(babeltrace2 --clock-seconds one | sed 's/^\[\([0-9.]*\)\].*/\1/' | sort)" \
	"$(/usr/bin/python3 -c 'import json
clock = json.load(open("clock"))
for line in open("events"):
    ns = clock["real_ns"] + json.loads(line)["boot_ns"] - clock["boot_ns"]
    print(f"{ns // 10**9}.{ns % 10**9:09}")' | sort)"
equal 'the process has its name' "$("$SAKER" show imp 'type=process' --json | jq -r .comm | sort -u)" lttng_app
equal 'the host has its name' "$("$SAKER" show imp 'type=host' --json | jq -r .hostname)" "$(uname -n)"
ok 'recorded' "$SAKER" record -o rec -- true
ok 'a recording of our own is a CTF trace' "$SAKER" import ctf rec -o own
equal 'all its events' "$("$SAKER" show own 'type!=host and type!=clock and type!=mark and type!=process' --json | wc -l)" \
	"$(babeltrace2 rec 2>/dev/null | wc -l)"
cp -r one torn
stream=$(find torn -name 'channel0_*' -size +0 ! -name '*.idx' | head -n 1)
truncate -s -100 "$stream"
"$SAKER" import ctf torn -o torn-imp 2>said
equal 'of a torn trace it is said which stream' "$(grep -c "${stream##*/}" said)" 1
mkdir empty
fails 'a folder without a trace is refused' "$SAKER" import ctf empty -o none
fails 'a path that is not there too' "$SAKER" import ctf nowhere -o none
e2e_end
