#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 240
#
# Requests through three servers that ask one another: threads, a pool, an event loop.  Which request caused which is
# found without the ids that they carry, and held against these.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3

# Three that are free now, for each scene others: the servers of the one before may not be gone yet
free_ports() {
	mapfile -t ports < <($PY -c 'import socket
s = [socket.socket() for _ in range(3)]
for x in s:
	x.bind(("127.0.0.1", 0))
print(*(x.getsockname()[1] for x in s), sep="\n")')
}

# scene KIND CONNECTIONS REQUESTS: writes a script that starts the servers, last first, and then asks
scene() {
	cat <<-END
		serve() {
			$PY $here/lib/tiers.py serve "\$@" >ready.\$2 &
			until grep -q ready ready.\$2; do kill -0 \$! || exit 1; done
		}
		serve threads ${ports[2]}
		serve $1 ${ports[1]} ${ports[2]}
		serve $1 ${ports[0]} ${ports[1]}
		$PY $here/lib/tiers.py load ${ports[0]} $2 $3
		kill \$(jobs -p)
		wait
	END
}

# least KIND CONNECTIONS REQUESTS PART: so much of the links must be found and right
least() {
	free_ports
	scene "$1" "$2" "$3" >scene.sh
	ok "$1, $2 at a time: it is recorded" "$SAKER" record --as-root --with sched -o "$1" -- bash scene.sh
	"$PY" "$here/lib/stitch_score.py" "$SAKER" "$1" --json >score
	ok "$1: links of clients" jq -e ".client.links > 50 and .client.precision >= $4 and .client.recall >= $4" score
	ok "$1: links of servers" jq -e '.server.links > 50 and .server.precision >= 0.99 and .server.recall >= 0.99' score
	ok "$1: times add up, nobody before its parent" jq -e '.bad_sums == 0 and .early == 0' score
}

e2e_begin
least threads 8 12 0.99
least pool 8 12 0.99
least loop 4 24 0.9
ok 'a query' eval "'$SAKER' requests threads 'status=200 and duration>1us' -n 3 >table && [ \$(wc -l <table) = 4 ]"
fails 'a query that is none' "$SAKER" requests threads 'nonsense=1'
ok 'the longest comes first' eval \
	"'$SAKER' requests --json --sort -duration threads | jq -s -e '[.[].duration_ns] | . == (sort | reverse)'"
ok 'with ids' eval "'$SAKER' requests --json --all threads 'kind=client' | jq -e -s 'any(.evidence == \"id\")'"

# An answer that nobody takes for a time that is planted
ok 'a slow reader: recorded' "$SAKER" record --with sched -o slow -- $PY "$here/lib/send_queue.py" act slow.truth
"$SAKER" requests slow --all --json >slow.spans 2>/dev/null
e2e_include 'a slow reader: ' < <($PY "$here/lib/send_queue.py" check slow.spans slow.truth)
ok 'a slow reader, polling: recorded' "$SAKER" record --with sched -o polled -- $PY "$here/lib/send_queue.py" act polled.truth polls
"$SAKER" requests polled --all --json >polled.spans
e2e_include 'a slow reader, polling: ' < <($PY "$here/lib/send_queue.py" check polled.spans polled.truth polls)

# In one command: what a server that runs is asked, recorded, told, the slowest explained, nothing left behind
free_ports
redis-server --port "${ports[0]}" --save '' --daemonize no >redis.log &
redis=$!
e2e_kill_later $redis
wait_for 20 sh -c "redis-cli -p ${ports[0]} ping >/dev/null 2>&1"
# shellcheck disable=SC2012
before=$(ls -d /tmp/saker-requests-* 2>/dev/null)
ok 'recorded and told in one command' eval \
	"'$SAKER' requests -n 9 -p $redis -- redis-benchmark -p ${ports[0]} -n 40 -c 2 -t set -q >told"
ok 'a line a request' eval "[ \$(grep -c ' SET key:' told) -ge 5 ]"
ok 'and the slowest is explained' grep -q 'the critical path, by time:' told
equal 'nothing stays behind' "$(ls -d /tmp/saker-requests-* 2>/dev/null)" "$before"
ok 'kept where -o says' "$SAKER" requests -o kept -p $redis -- redis-cli -p "${ports[0]}" get x
ok 'and can be asked again' eval "'$SAKER' requests kept 'operation=GET' --json | jq -s -e 'length >= 1'"
fails 'to read and to record at once' "$SAKER" requests kept threads -- true
e2e_end
