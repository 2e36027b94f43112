#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# What other tools are to open: ShiViz's vector clocks say what reachability over the edges says, Chrome's trace keeps the
# rules of its format; for Falcon's trace and for one that was just recorded. The commands import and export themselves.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3
data=$SAKER_TEST_DATA/falcon

# exported FORMAT RECORDING: into RECORDING.FORMAT
exported() {
	"$SAKER" export "$1" "$2" -o "$2.$1"
}

# check_formats LABEL RECORDING
check_formats() {
	"$SAKER" show --json "$2" >"$2.events.json"
	"$SAKER" show --edges --json "$2" >"$2.edges.json"
	ok "$1: exported for ShiViz" exported shiviz "$2"
	ok "$1: its clocks are reachability" $PY "$here/lib/shiviz_check.py" "$2.shiviz" "$2.events.json" "$2.edges.json"
	sed 's/^# //' .ok | sed 's/^/# /'
	ok "$1: exported for Perfetto" exported chrome "$2"
}

# messages EDGES: over streams, who to whom and how much
messages() {
	jq -c 'select(.kind == "message" and .from.type == "send" and .from.tid != .to.tid) | [.from.tid, .to.tid, .bytes]' "$1" |
		sort
}

falcon_trace() {
	local summary
	summary=$("$SAKER" import falcon --json "$data/zookeeper/zktrace_full.log" -o zk 2>imported)
	equal 'falcon: the summary' "$(jq -c '[.events, .folded, .malformed, (.hosts | length)]' <<<"$summary")" '[688,106,0,3]'
	check_formats falcon zk
	ok 'falcon: and what others expect' $PY "$here/lib/shiviz_check.py" zk.shiviz \
		"$data/zookeeper/expected-events.csv" "$data/zookeeper/expected-edges.csv"
	ok 'falcon: 688 events and 248 flows in the trace' $PY "$here/lib/chrome_check.py" zk.chrome 688 248
	printf '{"type":"LOG","timestamp":1,"thread":"7@h","message":"a"}\n\n{"type":}\n' >bad.log
	summary=$("$SAKER" import falcon --json bad.log -o bad 2>complaints)
	equal 'a malformed line is told with its file and line' "$(grep -c '^saker import: bad.log:3: no JSON: ' complaints)" 1
	equal 'and in the summary' "$(jq -c '[.events, .malformed, .complaints[0].line]' <<<"$summary")" '[1,1,3]'
	equal 'and kept in the recording' \
		"$("$SAKER" show --json bad 'type=mark' | jq -r 'select(.value == 3).text' | cut -d: -f1-2)" bad.log:3
	fails 'falcon: into a folder that is not empty' "$SAKER" import falcon "$data/zookeeper/zktrace_full.log" -o zk
	"$SAKER" import falcon "$data/taz/testEventTrace.txt" -o taz 2>>imported
	check_formats taz taz
	ok 'taz: 46 events and 10 flows in the trace' $PY "$here/lib/chrome_check.py" taz.chrome 46 10
	# A clock too low by one must be seen, or the comparison compares nothing
	sed '0,/:1}/s//:2}/' taz.shiviz >wrong.shiviz
	fails 'the comparison sees a wrong clock' $PY "$here/lib/shiviz_check.py" wrong.shiviz taz.events.json taz.edges.json
	sed '0,/"ph":"f"/s//"ph":"i"/' taz.chrome >wrong.chrome
	fails 'the rules see a flow without end' $PY "$here/lib/chrome_check.py" wrong.chrome
}

# Two processes that talk over TCP and UDP, a thread and a signal among them
talk=$(
	cat <<'END'
import os, socket, threading
a = socket.create_server(("127.0.0.1", 0))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("127.0.0.1", 0))
child = os.fork()
if not child:
    with socket.create_connection(a.getsockname()) as s:
        for n in range(20):
            s.sendall(b"x" * (100 + n))
            s.recv(1000)
    os._exit(0)
c, _ = a.accept()
while c.recv(4096):
    c.sendall(b"answer")
    t = threading.Thread(target=u.sendto, args=(b"datagram", u.getsockname()))
    t.start()
    u.recv(100)
    t.join()
os.waitpid(child, 0)
END
)

e2e_begin
if [ -e "$data/zookeeper/zktrace_full.log" ]; then
	falcon_trace
else
	skip 'falcon' 'the data that Falcon recorded is not there: set SAKER_TEST_DATA'
fi
if [ "$(id -u)" = 0 ]; then
	ok 'live: recorded' "$SAKER" record -o live -- $PY -c "$talk"
	check_formats live live
	ok 'live: the trace keeps the rules' $PY "$here/lib/chrome_check.py" live.chrome
	ok 'live: exported for Falcon' exported falcon live
	ok 'live: and imported' "$SAKER" import falcon live.falcon -o back
	equal 'live: no line of it is malformed' "$("$SAKER" show --json back | jq -s 'map(select(.type == "mark").value) | add')" 0
	"$SAKER" show --edges --json back >back.edges.json
	equal 'live: the same messages between processes' "$(messages back.edges.json)" "$(messages live.edges.json)"
	ok 'live: 20 of them and their answers at least' test "$(messages live.edges.json | wc -l)" -ge 40
else
	skip 'live' 'recording needs root'
fi
e2e_end
