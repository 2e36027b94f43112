#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 240
#
# `saker export otlp` and `jaeger`: what was recorded, read by OpenTelemetry's own JavaScript library and compared with what
# `saker requests` prints; the variables of the environment, retries and refusals with a real receiver; Jaeger's JSON there and back.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/cgroups.sh
. "$here/lib/cgroups.sh"

PY=/usr/bin/python3
CRISP=${SAKER_TEST_DATA:-/nowhere}/crisp

# receiver NAME ANSWER...: one is started; $url
receiver() {
	local name=$1
	shift
	mkdir "$name"
	$PY "$here/lib/otlp_receiver.py" "$name" "$@" &
	e2e_kill_later $!
	wait_for 20 test -e "$name/url" || return 1
	url=$(cat "$name/url")
}

# export_to NAME VARIABLE=VALUE...: many.json, with these variables only; what it says is in NAME/err
export_to() {
	local name=$1
	shift
	env -u OTEL_EXPORTER_OTLP_ENDPOINT "$@" "$SAKER" export otlp "${SENDS:-many.json}" >"$name/out" 2>"$name/err"
}

# bodies NAME: all that a receiver got
bodies() {
	local n
	for n in $(seq "$(count "$1")"); do
		cat "$1/$n.body"
	done
}

count() {
	find "$1" -name '*.body' | wc -l
}

path_of() {
	jq -r .path "$1/1.json"
}

header_of() {
	jq -r --arg name "$2" '.headers[$name] // "none"' "$1/1.json"
}

# says NAME WORDS
says() {
	grep -qF -- "$2" "$1/err" || { cat "$1/err"; return 1; }
}

decode() {
	node "$here/otlp/decode.cjs" "$SAKER_BUILD/otlp"
}

# A trace of Jaeger for each of N requests, of two spans
many() {
	$PY - "$1" >many.json <<-'END'
		import json, sys
		data = [{"traceID": f"{n:032x}", "processes": {"p1": {"serviceName": "web", "tags": []}},
		         "spans": [{"traceID": f"{n:032x}", "spanID": f"{n:016x}", "operationName": "GET /", "startTime": 1700000000000000 + n,
		                    "duration": 100, "processID": "p1", "references": [], "tags": []},
		                   {"traceID": f"{n:032x}", "spanID": f"{n + 1000000:016x}", "operationName": "get",
		                    "startTime": 1700000000000010 + n, "duration": 50, "processID": "p1", "tags": [],
		                    "references": [{"refType": "CHILD_OF", "traceID": f"{n:032x}", "spanID": f"{n:016x}"}]}]}
		        for n in range(1, int(sys.argv[1]) + 1)]
		json.dump({"data": data}, sys.stdout)
	END
}

# --- what is sent, and where to ---

endpoints() {
	receiver plain
	ok 'to --endpoint' "$SAKER" export otlp many.json --endpoint "$url"
	equal 'three batches of at most 512' "$(count plain)" 3
	equal 'the path of traces is added' "$(path_of plain)" /v1/traces
	equal 'as protobuf' "$(header_of plain content-type) $(header_of plain content-encoding)" 'application/x-protobuf none'
	ok 'to a file' "$SAKER" export otlp many.json --file many.otlp
	ok 'which has the same bytes' cmp many.otlp <(bodies plain)
	receiver base
	ok 'the endpoint of the environment' export_to base "OTEL_EXPORTER_OTLP_ENDPOINT=$url/base/"
	equal 'is a base, too' "$(path_of base)" /base/v1/traces
	receiver traces
	ok 'the endpoint for traces' export_to traces OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1 \
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=$url/custom"
	equal 'goes before it, and is taken as it is' "$(path_of traces)" /custom
	receiver root
	ok 'without a path' export_to root "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=$url"
	equal 'it is the root' "$(path_of root)" /
}

headers() {
	receiver headers
	ok 'headers' export_to headers "OTEL_EXPORTER_OTLP_ENDPOINT=$url" 'OTEL_EXPORTER_OTLP_HEADERS=api-key=a%20b%2Cc , x-two = 2'
	equal 'are decoded' "$(header_of headers api-key)|$(header_of headers x-two)" 'a b,c|2'
	receiver own
	ok 'those for traces' export_to own "OTEL_EXPORTER_OTLP_ENDPOINT=$url" OTEL_EXPORTER_OTLP_HEADERS=api-key=all \
		OTEL_EXPORTER_OTLP_TRACES_HEADERS=x-mine=1
	equal 'replace them' "$(header_of own api-key)|$(header_of own x-mine)" 'none|1'
	receiver zipped
	ok 'gzip' export_to zipped "OTEL_EXPORTER_OTLP_ENDPOINT=$url" OTEL_EXPORTER_OTLP_COMPRESSION=gzip
	equal 'is said' "$(header_of zipped content-encoding)" gzip
	ok 'and holds the same' cmp many.otlp <(for n in 1 2 3; do gzip -dc "zipped/$n.body"; done)
}

tls() {
	command -v openssl >/dev/null || { skip 'https' 'no openssl'; return; }
	openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=127.0.0.1 \
		-addext subjectAltName=IP:127.0.0.1 2>/dev/null
	export CERT=cert.pem KEY=key.pem
	receiver tls
	unset CERT KEY
	ok 'https with the certificate' export_to tls "OTEL_EXPORTER_OTLP_ENDPOINT=$url" OTEL_EXPORTER_OTLP_CERTIFICATE=cert.pem
	equal 'arrives' "$(count tls)" 3
	fails 'without it nothing is sent' export_to tls "OTEL_EXPORTER_OTLP_ENDPOINT=$url"
	equal 'indeed' "$(count tls)" 3
}

# --- what a receiver may answer ---

retries() {
	SENDS=few.json
	receiver busy 503:1 429:1
	ok 'a busy receiver' export_to busy "OTEL_EXPORTER_OTLP_ENDPOINT=$url"
	equal 'is asked again' "$(count busy)" 3
	ok 'and that is said' says busy 'answered with status 503; the batch is sent again in 1.0 s'
	ok 'it was the same each time' cmp busy/1.body busy/3.body
	receiver slow hang
	ok 'a receiver that does not answer' export_to slow "OTEL_EXPORTER_OTLP_ENDPOINT=$url" OTEL_EXPORTER_OTLP_TIMEOUT=300
	equal 'is asked again, too' "$(count slow)" 2
	receiver no '400=no spans today'
	fails 'a refusal' export_to no "OTEL_EXPORTER_OTLP_ENDPOINT=$url"
	equal 'is final' "$(count no)" 1
	ok 'and its reason is told' says no 'status 400: no spans today'
	receiver some 'partial:3=too old'
	ok 'a part' export_to some "OTEL_EXPORTER_OTLP_ENDPOINT=$url"
	ok 'is told of' says some 'the receiver rejected 3 spans: too old'
	ok 'and counted' says some '10 spans of 5 requests, 3 of them rejected'
	mkdir nobody
	fails 'nobody there' export_to nobody OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1
	ok 'is said at once' says nobody "cannot send to 'http://127.0.0.1:1/v1/traces'"
	fails 'no address' export_to nobody OTEL_EXPORTER_OTLP_ENDPOINT=ftp://x
	ok 'names the variable' says nobody "OTEL_EXPORTER_OTLP_ENDPOINT 'ftp://x'"
	fails 'another protocol' export_to nobody OTEL_EXPORTER_OTLP_PROTOCOL=grpc
	ok 'is refused' says nobody 'http/protobuf'
	unset SENDS
}

# --- what was recorded ---

GROUP=
e2e_clean() {
	[ -z "$GROUP" ] || cgroup_del "$GROUP"
}

# A control group that is called as docker calls those of its containers: $CONTAINER, its id; INSIDE, by what to run there
container_make() {
	local top
	CONTAINER='' INSIDE=()
	top=$(cgroup_v2)
	[ -n "$top" ] || { skip 'the id of a container' 'no cgroup of version 2'; return; }
	CONTAINER=$(printf '%064x' $$)
	GROUP=$top/docker-$CONTAINER.scope
	mkdir "$GROUP"
	# shellcheck disable=SC2016
	INSIDE=(sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$GROUP")
}

fields() {
	container_make
	ok 'recorded' "$SAKER" record -o rec -- "${INSIDE[@]}" $PY "$here/lib/front_back.py" truth
	"$SAKER" requests rec --all --json >requests.json 2>/dev/null
	ok 'exported' "$SAKER" export otlp rec --file rec.otlp
	ok 'its messages are those of its own description' protoc --decode=saker.otlp.Request \
		--proto_path="$here/../src/export" otlp.proto <rec.otlp
	node "$here/ui/fetch.mjs" "$SAKER_BUILD/otlp" "$here/otlp" >fetch.log 2>&1
	case $? in
	0)
		ok "decoded by OpenTelemetry's library" decode <rec.otlp
		decode <rec.otlp >decoded.json
		e2e_include '' < <($PY "$here/lib/otlp_check.py" requests.json decoded.json truth "$CONTAINER") ;;
	77) skip "decoded by OpenTelemetry's library" "$(tail -n 1 fetch.log)" ;;
	*) ok 'what package-lock.json names is what the registry gives' cat fetch.log '&&' false ;;
	esac
	ok 'one trace' "$SAKER" export otlp rec 'resource="/bad/{n}"' --file bad.otlp
	equal 'comes whole, alone' "$(decode <bad.otlp | jq -r .attributes.'"url.template"')" $'/bad/{n}\n/bad/{n}'
}

# --- Jaeger ---

# same_path FILE: both have the same critical path
same_path() {
	local what='{trace, duration_ns, spans: [.spans[] | {id, parent, service, operation, on_path, exclusive_ns, segments}]}'
	"$SAKER" export jaeger "$1" -o again.json 2>/dev/null || return 1
	"$SAKER" path "$1" --json 2>/dev/null | jq "$what" >a.json
	"$SAKER" path again.json --json 2>/dev/null | jq "$what" >b.json
	[ -s a.json ] && diff a.json b.json
}

# Begin and end are cut to microseconds, so a duration may be one longer or shorter
same_durations() {
	paste <(jq -r '.data[].spans[] | .spanID + " " + (.duration | tostring)' rec.json | sort) \
		<(jq -r '.id + " " + (.duration_ns | tostring)' requests.json | sort) |
		awk '{ off = $4 / 1000 - $2; if ($1 != $3 || off > 1 || off < -1) { print; bad = 1 } } END { exit bad || !NR }'
}

jaeger() {
	local file
	if [ ! -d "$CRISP" ]; then
		skip 'traces of Jaeger' 'no data of others'
	else
		for file in "$CRISP"/test_cases/[0-9]*.json; do
			ok "Jaeger's ${file##*/}: there and back, the path is the same" same_path "$file"
		done
	fi
	ok 'a recording for Jaeger' "$SAKER" export jaeger rec -o rec.json
	equal 'has its spans' "$(jq '[.data[].spans[]] | length' rec.json)" "$(wc -l <requests.json)"
	ok 'its times, in microseconds' same_durations
	equal 'its parents' \
		"$(jq -r '.data[].spans[] | select(.references != []) | .spanID + " " + .references[0].spanID' rec.json | sort)" \
		"$(jq -r 'select(.parent) | .id + " " + .parent' requests.json | sort)"
	equal 'its services and hosts' \
		"$(jq -r '.data[].processes[] | .serviceName + " " + (.tags[] | select(.key == "host.name") | .value)' rec.json | sort -u)" \
		"$(jq -r '.service + " " + .host' requests.json | sort -u)"
}

e2e_begin
many 550
mv many.json big.json
many 5
mv many.json few.json
mv big.json many.json
endpoints
headers
tls
retries
fields
jaeger
fails 'chrome is not sent' "$SAKER" export chrome rec --endpoint http://127.0.0.1:1
fails 'no such format' "$SAKER" export zipkin rec
e2e_end
