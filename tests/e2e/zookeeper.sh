#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 180
#
# Three nodes of ZooKeeper with clocks that disagree by minutes, and their leader killed: every line of their logs is on
# its thread, the lines of the election stand in causal order, and the story names the leader.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
demo=${here%/tests}/demo/zookeeper.sh

e2e_clean() {
	kill "$recorder" 2>/dev/null && wait "$recorder"
	[ ! -e "$WORK/demo/state" ] || "$demo" down --dir "$WORK/demo"
}

# The fault comes when the cluster answers; it is lifted when another leads
record() {
	"$SAKER" record --as-root -o rec -- "$demo" run --dir "$WORK/demo" --prefix "zk$$-" --fault kill --before 1 \
		--hold 2.5 --after 1 >record.log 2>&1 </dev/null &
	recorder=$!
	wait $recorder || { tail -n 20 record.log demo/zk1.log; return 1; }
	recorder=
}

recorder=
e2e_begin
if [ ! -e /usr/share/java/zookeeper.jar ] || ! command -v java >/dev/null; then
	skip 'a leader of ZooKeeper is killed' 'no ZooKeeper here: tools/deps.sh zookeeper'
	e2e_end
fi
ok 'recorded' record
ok 'read' "$SAKER" show --json rec
"$SAKER" show --json rec >events
"$SAKER" show --json --order causal rec type=log >causal
"$SAKER" show --json --edges rec >edges
"$SAKER" story --json rec >story.json
/usr/bin/python3 "$here/lib/zookeeper_check.py" demo events causal edges story.json >check.tap 2>&1
e2e_include 'kill: ' <check.tap
equal 'kill: the whole of the story is right' "$(/usr/bin/python3 "$here/lib/story_check.py" demo/truth.jsonl story.json)" ''
equal 'kill: its events say so' "$(/usr/bin/python3 "$here/lib/story_evidence.py" events story.json 2>&1)" ''
ok 'its processes go by what they run' test "$("$SAKER" show --json rec 'process=QuorumPeerMain and host~zk1' | wc -l)" -gt 100

# The comparison can fail: a line on another thread, an order by the lines' own stamps
jq -c 'if .type == "log" and (.text | test("WorkerReceiver")) then .tid += 1 else . end' events >events.wrong
fails 'a line on a wrong thread is seen' sh -c \
	"/usr/bin/python3 '$here/lib/zookeeper_check.py' demo events.wrong causal edges story.json | grep '^not ok' | grep -q threads && exit 1"
jq -cs 'sort_by(.stamp_ns | tonumber) | .[]' causal >causal.wrong
fails 'an order by time stamps is seen' sh -c \
	"/usr/bin/python3 '$here/lib/zookeeper_check.py' demo events causal.wrong edges story.json | grep '^not ok' | grep -q causal && exit 1"
e2e_end
