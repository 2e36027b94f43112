#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# root: no
# timeout: 60
#
# `saker path` of traces that Jaeger would write: which one is told of, what of it, beside another one, and its manners.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3

path() {
	"$SAKER" path "$@"
}

# says WORDS COMMAND...: it fails, and what it says on standard error has these words
says() {
	local words=$1
	shift
	! "$@" >out 2>err && grep -qF -- "$words" err && return
	cat err
	return 1
}

# has WORDS COMMAND...: it succeeds, and prints them
has() {
	local words=$1
	shift
	"$@" >out 2>err && grep -qF -- "$words" out && return
	cat out err
	return 1
}

# JSON of a trace for each argument DURATION: a page that asks a service, which fails above 500 us; and one wide trace
scene() {
	$PY - "$@" <<-'END'
		import json, sys

		def span(trace, n, op, begin, duration, process="p1", parent=None, tags=()):
		    refs = [{"refType": "CHILD_OF", "traceID": trace, "spanID": parent}] if parent else []
		    return {"traceID": trace, "spanID": n, "operationName": op, "startTime": begin, "duration": duration,
		            "processID": process, "references": refs, "tags": list(tags)}

		data = []
		processes = {"p1": {"serviceName": "web", "tags": []}, "p2": {"serviceName": "stock", "tags": []}}
		for n, us in enumerate(map(int, sys.argv[1:]), 1):
		    t = f"{n:x}" * 32
		    failed = [{"key": "error", "type": "bool", "value": us > 500}]
		    data.append({"traceID": t, "processes": processes, "spans": [
		        span(t, "a", "GET /", 1000 * n, us),
		        span(t, "b", "look \x1b[31m up", 1000 * n + 10, us - 20, "p2", "a", failed)]})
		t = "f" * 32
		data.append({"traceID": t, "processes": processes, "spans": [span(t, "a", "many", 5, 10000)] +
		    [span(t, f"{k:x}", "one", 10 + 10 * (k - 16), 9, "p2", "a") for k in range(16, 516)] +
		    [span(t, f"{k:x}", "beside", 12, 3, "p2", "a") for k in range(600, 900)] + [{"spanID": "odd"}] +
		    [span(t, "eeee", "lost", 6, 3, "p2", "dddd")]})
		json.dump({"data": data}, open("traces.json", "w"))
	END
}

# what the JSON says of the path, against the sum that must come out
sums() {
	path traces.json "$1" --json 2>err | $PY -c '
import json, sys
t = json.load(sys.stdin)
on = [s for s in t["spans"] if s["on_path"]]
print(sum(b - a for s in on for a, b in s["segments"]) == t["duration_ns"], len(t["spans"]), len(on))'
}

e2e_begin
ok 'traces' scene 100 200 900 150 130
ok 'the slowest without an id' has 'trace ffffffffffffffffffffffffffffffff: web many, 10.0 ms, 801 spans' path traces.json
ok 'what could not be understood is said' grep -q '1 spans could not be understood' err
ok 'and whose parents are missing' grep -q 'the parents of 1 spans are not there' err
ok 'one by the beginning of its id' has 'trace 33333333333333333333333333333333: web GET /, 900 us, 2 spans, 1 failed' \
	path traces.json 333
equal 'stretches cover the request: small' "$(sums 3)" 'True 2 2'
equal 'stretches cover the request: large' "$(sums f)" 'True 801 501'
equal 'of a large trace only the path is shown' "$(path traces.json f 2>/dev/null | grep -c 'stock beside ')" 0
ok 'and how much is not' has '300 spans beside the path are not shown' path traces.json f
equal 'unless all is asked for' "$(path traces.json f -v 2>/dev/null | grep -c 'stock beside .* more$')" 300
ok 'normal is the median of the others' has 'other: trace 44444444444444444444444444444444' \
	path traces.json 3 --compare normal
ok 'and what differs' has '    880 us    130 us   +750 us  stock look' path traces.json 3 --compare normal
equal 'the same as JSON' "$(path traces.json 3 --compare 4 --json 2>/dev/null |
	$PY -c 'import json, sys; print(sorted(d["one_ns"] - d["other_ns"] for d in json.load(sys.stdin)["differences"]))')" \
	'[0, 750000]'
equal 'no control byte reaches the terminal' \
	"$(path traces.json 3 2>/dev/null | tr -d '\n' | LC_ALL=C grep -c '[[:cntrl:]]')" 0
equal 'no colours in a pipe' "$(path traces.json 3 2>/dev/null | grep -c $'\033')" 0
ok 'colours on a terminal' grep -q $'\033' <(script -qec "$SAKER path traces.json 3" /dev/null </dev/null)
equal 'none with NO_COLOR' \
	"$(NO_COLOR=1 script -qec "$SAKER path traces.json 3" /dev/null </dev/null | grep -c $'\033')" 0

ok 'no such trace' says "no trace begins with '7'" path traces.json 7
ok 'no id' says "'xyz' is no id of a trace" path traces.json xyz
ok 'two ids' says 'only one trace' path traces.json 1 2
ok 'nothing to read' says 'name a recording' path
ok 'no such recording' says "'nowhere'" path nowhere
echo '{"data":' >broken.json
ok 'no JSON' says "cannot read 'broken.json': line" path broken.json
echo '{"data":[]}' >empty.json
ok 'no trace in it' says 'there is no request' path empty.json
ok 'two files' says 'is read alone' path traces.json empty.json
ok 'a full disk' says 'No space left' bash -c '"$SAKER" path traces.json >/dev/full'
e2e_end
