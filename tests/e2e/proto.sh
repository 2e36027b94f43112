#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# root: no
# timeout: 400
#
# Requests and responses in what real servers and clients said: nginx, redis-server, memcached and dnsmasq, with http.client, curl,
# wrk, redis-cli, redis-benchmark, dig and clients of our own.  A proxy records the pieces; what the parsers tell of them is
# compared with the clients' own accounts: with all bytes kept, with 256 and 64 of each piece, cut at other places, with
# pieces lost, and from the middle on.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
feed=${PROTO_FEED:-$(dirname "$SAKER")/../tests/proto_feed}

# check NAME OPTION...
check() {
	local name=$1
	shift
	/usr/bin/python3 "$here/lib/proto_check.py" "$name" "$feed" "$name.log" "$name.truth" "$@" >tap
	e2e_include "$name${*:+, $*}: " <tap
}

told() {
	"$feed" "$1.log" | jq -r "$2" | sort | uniq -c | awk '{$1 = $1; print}'
}

e2e_begin
for scene in http redis memcached dns; do
	ok "servers and clients talk: $scene" /usr/bin/python3 "$here/lib/proto_$scene.py" "$WORK"
done

# One request at a time, and a pipeline of them
single="http curl redis-resp redis-resp3 redis-publish redis-cli memcached-text dns-udp dns-tcp"
many="pipelined redis-pipeline memcached-text-pipeline memcached-meta memcached-binary memcached-binary-pipeline"

# --- everything kept ---
for name in $single $many; do
	check "$name"
	check "$name" client=0 cut=30 seed=1
	check "$name" client=-1 cut=30 seed=2
done

# --- the beginnings of pieces kept ---
for name in $single; do
	check "$name" prefix=256 touched=1
	check "$name" prefix=256 client=-1 touched=1
done
for name in http curl memcached-text dns-udp dns-tcp; do
	check "$name" prefix=64 words=no least=90
done
for name in redis-resp redis-resp3; do # the keys of scripts are behind what is kept
	check "$name" prefix=64 words=no least=75
done
check redis-publish prefix=64 words=no least=10
check redis-cli prefix=64 words=no least=20
check pipelined prefix=256 least=0 # behind an unfollowed turn no pair is sure: told, and flagged
check pipelined prefix=64 least=0 words=no ends=no
check redis-pipeline prefix=256 least=30
check redis-pipeline prefix=64 least=3 words=no
check memcached-text-pipeline prefix=256 least=10
check memcached-text-pipeline prefix=64 least=0 words=no
check memcached-meta prefix=256 touched=5
check memcached-binary prefix=256 least=40
check memcached-binary-pipeline prefix=256 least=0
check memcached-binary-pipeline prefix=64 least=0 words=no

# --- pieces lost, and from the middle on ---
for name in $single $many; do
	for seed in 1 2 3; do
		check "$name" prefix=256 drop=3 cut=10 seed=$seed
		check "$name" drop=10 seed=$seed
	done
	check "$name" prefix=256 skip=7
	check "$name" prefix=256 skip=4 client=-1
done

# --- load ---
equal "redis-benchmark's requests" "$(told redis-benchmark '.operation + " " + .resource')" "$(
	printf '%s\n' '2 CONFIG GET' '3200 GET key:{n}' '3200 LPUSH mylist' '3200 MSET key:{n}' '3200 SET key:{n}'
)"
"$feed" wrk.log | jq -r 'select(.response) | .operation + " " + .resource + " " + (.status | tostring)' | sort | uniq -c >wrk
ok "wrk's requests all are what they are" test "$(wc -l <wrk) $(awk '{print $2, $3, $4}' wrk)" = "1 GET /items/{n} 200"
ok "as many as wrk counted, and those under way at its end" test "$(awk '{print $1}' wrk)" -ge "$(cat wrk.count)"

e2e_end
