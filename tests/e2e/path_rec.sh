#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# `saker path` and `saker map` of a recording: a client, a front and a back, of which it is known who asked whom how often,
# what failed, which requests were slow and why.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3
REQUESTS=100
SLOW_MS=200

path() {
	"$SAKER" path rec "$@"
}

# truth KEY
truth() {
	jq -r ".$1" truth.json
}

# edge TO QUERY: of the edge to the service that listens there
edge() {
	jq -c ".edges[] | select(.to | endswith(\":$1\")) | $2" map.json
}

e2e_begin
ok 'recorded' bash -c '"$SAKER" record --with sched -o rec -- "$0" "$@" 2>said; status=$?; grep "{" said >truth.json; exit $status' \
	$PY "$here/lib/two_tiers.py" $REQUESTS $SLOW_MS
front=$(truth front) back=$(truth back)
equal 'as many failed as are to' "$(truth failed)" $((REQUESTS / 20))

ok 'a map' bash -c '"$SAKER" map rec --json >map.json'
equal 'calls of the front' "$(edge "$front" '[.requests, .failed]')" "[$REQUESTS,$((REQUESTS / 20))]"
equal 'calls of the back' "$(edge "$back" '[.requests, .failed]')" "[$REQUESTS,$((REQUESTS / 20))]"
equal 'the front calls the back' "$(edge "$back" '.from | endswith(":'"$front"'")')" true
equal 'the slow tenth shows in p99, not in p50' \
	"$(edge "$back" "[.p99_ns >= ${SLOW_MS}e6, .p50_ns < ${SLOW_MS}e6]")" '[true,true]'
equal 'both ends were seen' "$(edge "$back" '.away_ns != null and .retransmits != null')" true
ok 'a graph' bash -c '"$SAKER" map rec --dot | grep -qE "n[0-9]+ -> n[0-9]+ .*http"'
ok 'an edge a line' bash -c "\"\$SAKER\" map rec | grep -qE ':$front > .*:$back +http +$REQUESTS '"

ok 'the slowest' bash -c '"$SAKER" path rec --json >path.json'
equal 'four spans, one below the other' "$(jq -c '[.spans[].depth]' path.json)" '[0,1,2,3]'
equal 'all of them are on the path' "$(jq -c '[.spans[].on_path] | all' path.json)" true
equal 'stretches cover the request' \
	"$(jq '([.spans[] | .segments[]? | .[1] - .[0]] | add) == .duration_ns' path.json)" true
equal 'the back slept' "$(jq ".spans[3].time_ns.sleep >= ${SLOW_MS}e6" path.json)" true
ok 'and its line stands there' jq -e '.spans[3].logs[0].text | endswith("takes its time")' path.json
ok 'the text has it, too' grep -qE '· +\+[0-9.]+ [mu]s  number [0-9]*0 takes its time  \[[0-9]+\]' <(path)
ok 'with the reason' grep -qE 'sleeping [0-9.]+ ms \([0-9]+ %\)' <(path)
ok 'and the evidence' grep -q 'child by evidence of: offsets' <(path -v)

# The story names who and why, too, and cites the first and the last event of one that shows it
story() {
	"$SAKER" story --json rec >story.json && "$SAKER" show --json rec >events.json &&
		$PY "$here/lib/story_evidence.py" events.json story.json >unfounded && [ ! -s unfounded ]
}
ok 'a story, borne out by its events' story
equal 'it names the back and its sleep, once' \
	"$(jq -r '.lines[] | select(.inferred and (.events | length) == 2).text' story.json |
		grep -cE "^the slowest 10 % of $REQUESTS requests take 2[0-9][0-9] ms longer than normal ones, .*because of .*:$back GET: sleeping \(2[0-9][0-9] ms instead of 0 ns\)")" 1
"$SAKER" requests rec >/dev/null 2>&1
ok 'so it does of what was stored' eval "[ -e rec/.requests.sqlite ] && '$SAKER' story --json rec | cmp - story.json"
page() {
	"$SAKER" serve --listen 127.0.0.1:0 --token token-of-this-test rec >address 2>/dev/null &
	e2e_kill_later $!
	wait_for 20 test -s address && address=$(cat address) && address=${address/\/\?//api/story?} &&
		curl -sf "$address" >before.json && curl -sf "$address&requests=1" >told.json
}
ok 'the page is told' page
equal 'at first without that line' "$(jq -c '.lines[].text' before.json)" "$(jq -c '.lines[] | select(.trace | not).text' story.json)"
equal 'then as saker story tells it' "$(jq -S . told.json)" "$(jq -S . story.json)"
equal 'the line names a request that slept' "$("$SAKER" path rec "$(jq -r '.lines[].trace // empty' story.json)" --json |
	jq ".spans[3].time_ns.sleep >= ${SLOW_MS}e6")" true
trace=$(jq -r .trace path.json)
equal 'by its id' "$(path "${trace:0:12}" --json | jq -r .trace)" "$trace"
ok 'beside a normal one' grep -qE "\+[0-9.]+ ms  .*:$back GET: sleeping" <(path --compare normal)

# the same trace, written for Jaeger and read again: microseconds are all that is lost
ok 'written for Jaeger' "$SAKER" export jaeger rec -o jaeger.json
shape='[.spans[] | [.depth, .kind, .on_path, (.duration_ns / 1e6 | round)]]'
equal 'and read again it has the same path' "$("$SAKER" path jaeger.json "$trace" --json | jq -c "$shape")" \
	"$(jq -c "$shape" path.json)"
equal 'and the same map' "$("$SAKER" map jaeger.json --json | jq -c '[.edges[] | [.requests, .failed]]')" \
	"$(jq -c '[.edges[] | [.requests, .failed]]' map.json)"

path --overall --json >overall.json
equal 'overall: all requests' "$(jq .requests overall.json)" $REQUESTS
equal 'overall: the back dominates the slowest' \
	"$(jq -c '.slowest.parts[0] | [(.service | endswith(":'"$back"'")), .time]' overall.json)" '[true,"sleep"]'
equal 'overall: what distinguishes the slow ones' \
	"$(jq -c '.effects[0] | [(.service | endswith(":'"$back"'")), .time, .normal]' overall.json)" '[true,"sleep",0]'
ok 'overall: as text' grep -q 'what distinguishes the slowest' <(path --overall)
e2e_end
