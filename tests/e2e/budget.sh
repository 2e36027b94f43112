#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: no
# timeout: 240
#
# A budget that the load breaks: whole kinds are left out, in order, and said to be; processes never are; what is taken
# up again when the load is over is right.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

KINDS="timers
first bytes of messages
log lines
datagrams
AF_UNIX messages
messages of every second connection
messages of 7 in 8 connections
messages of 31 in 32 connections
all messages"

shed() {
	"$SAKER" show rec "type=shed and on=$1" --json | jq -r .what
}

# sheds ON WHAT: has it been told?
sheds() {
	shed "$1" | grep -qx "$2"
}

round() {
	echo "$1" >&7
	wait_for 60 grep -qx "done $1" said
}

e2e_begin
redis-server --port 0 --unixsocket "$WORK/redis" --save '' >/dev/null &
e2e_kill_later $!
redis=$!
mkfifo rounds
/usr/bin/python3 "$here/lib/budget.py" act rounds ports >said &
e2e_kill_later $!
actor=$!
exec 7>rounds
mkfifo begin
bash -c 'read -r _ <begin; until [ -e .stop ]; do redis-benchmark -s "$0" -c 50 -n 100000 -t set -q >/dev/null; done' "$WORK/redis" &
load=$!
e2e_kill_later $load
"$SAKER" record -o rec -p "$redis,$actor,$load" --budget 2% 2>words &
recorder=$!
e2e_kill_later $recorder
wait_for 30 test -s rec/stream-000001.ctf
ok "the recorder starts below its budget" test -z "$(shed 1)"
round open
round 100

# the load: nothing but AF_UNIX messages
echo >begin
wait_for 60 sheds 1 "all messages"
equal "the kinds are left out in the stated order, each once" "$(shed 1)" "$KINDS"
round 1000
ok "a process of which messages are left out is stopped" kill -STOP "$redis"
ok "and goes on" kill -CONT "$redis"
touch .stop # the loop ends with the benchmark that runs
wait $load
wait_for 90 sheds 0 "all messages"
round 10
round 11
kill -INT $recorder
wait $recorder

"$SAKER" show rec --json >events
equal "the stop was recorded" "$(jq -c "select(.type == \"signal\" and .target_tgid == $redis) | .sig" events | head -n 1)" \
	'"SIGSTOP"'
ok "story says that kinds were left out" grep -q 'left out kinds of events' <("$SAKER" story rec)
equal "story counts them" "$("$SAKER" story rec --json | jq .shed)" "$(echo "$KINDS" | wc -l)"
ok "first bytes were told before" grep -qm 1 '"type":"payload"' events
e2e_include "connections: " < <(/usr/bin/python3 "$here/lib/budget.py" check events ports 100 1000 10 11)
e2e_end
