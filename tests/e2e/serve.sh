#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 180
# root: no
#
# saker serve: who may ask, that its answers are what show and story print, hostile names, damage, loss, several recordings,
# recordings that grow, with and without a recorder, and how it ends.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3
SCENE=$SAKER_BUILD/tests/scene
TOKEN=token-of-this-test
data=$SAKER_TEST_DATA/falcon

# serve WORD...: in the background; $server, $base
serve() {
	rm -f address
	"$SAKER" serve --listen 127.0.0.1:0 --token $TOKEN "$@" >address 2>talk.txt &
	server=$!
	e2e_kill_later $server
	wait_for 20 test -s address || return 1
	base=$(sed 's,/?.*,,' address)
}

served() {
	kill -INT $server
	wait $server
}

# get PATH CURL-WORD...: as somebody who may
get() {
	local path=$1
	shift
	curl -sg --max-time 60 --path-as-is -H "Authorization: Bearer $TOKEN" "$@" "$base$path"
}

# status PATH CURL-WORD...: as somebody who has no token, but what the words say
status() {
	local path=$1
	shift
	curl -sg --max-time 20 --path-as-is -o body -w '%{http_code}' "$@" "$base$path"
}

with="Authorization: Bearer $TOKEN"

admission() {
	local long
	long=$(head -c 9000 /dev/zero | tr '\0' 1)
	equal 'no token' "$(status /api/info)" 401
	equal 'no token, the page' "$(status /)" 401
	equal 'a wrong token' "$(status /api/info?token=token-of-this-tesu)" 401
	ok 'the token does not stand in a refusal' test -z "$(grep -F "$TOKEN" body)"
	equal 'the token as parameter' "$(status "/api/info?token=$TOKEN")" 200
	equal 'the token as header' "$(status /api/info -H "$with")" 200
	equal 'a forged Host' "$(status /api/info -H "$with" -H 'Host: evil.example')" 403
	equal 'a forged Host with the right port' "$(status /api/info -H "$with" -H "Host: evil.example:${base##*:}")" 403
	equal 'a forged Origin' "$(status /api/info -H "$with" -H 'Origin: http://evil.example')" 403
	equal 'its own Origin' "$(status /api/info -H "$with" -H "Origin: $base")" 200
	equal 'POST' "$(status /api/info -H "$with" -d x=1)" 405
	equal 'PUT with a large body' "$(status /api/info -H "$with" -T "$SAKER")" 405
	equal 'a path upwards' "$(status /../../../etc/passwd -H "$with")" 404
	equal 'with escapes' "$(status /%2e%2e/%2e%2e/etc/passwd -H "$with")" 404
	equal 'a NUL in it' "$(status /api/info%00.js -H "$with")" 400
	equal 'a long address' "$(status "/api/window?lanes=$long" -H "$with")" 414
	ok 'a longer one than it reads' test "$(status "/api/window?lanes=$long$long$long$long$long$long$long$long" -H "$with")" -ge 400
	ok 'a long header' test "$(status /api/info -H "$with" -H "X: $long$long$long$long$long$long$long$long")" -ge 400
	equal 'no HTTP at all' "$(printf '\0\1\2\3 x y\r\n\r\n' | curl -s --max-time 5 "telnet://${base#http://}" | grep -c '"error"')" 0
	equal 'it still answers' "$(status /api/info -H "$with")" 200
	get /api/info -I >head.txt
	ok 'HEAD: a length and no body' grep -qi '^content-length: [1-9]' head.txt
	ok 'no other site may frame or run anything' grep -qi "^content-security-policy: default-src 'none'; script-src 'self'; .*frame-ancestors 'none'" head.txt
	fails 'nothing inline' grep -qi 'unsafe' head.txt
	ok 'nobody keeps it' grep -qi '^cache-control: no-store' head.txt
	ok 'types are not guessed' grep -qi '^x-content-type-options: nosniff' head.txt
}

# What the page is made of has no script and no style in its markup: its policy would refuse it
page() {
	local file
	get "/?token=$TOKEN" >index.html
	ok 'the page is there' grep -qi '<!doctype html>' index.html
	equal 'no script in its markup' "$(grep -icE '<script(>| [^>]*[^/]>[^<])|<style|[ "]on[a-z]+=|javascript:' index.html)" 0
	for file in $(grep -oE '(src|href)="/?[a-z0-9.-]+"' index.html | cut -d'"' -f2); do
		equal "its $file" "$(status "/${file#/}")" 200
	done
}

listening() {
	local port=${base##*:} first second
	fails 'a port in use' refused serve scene --listen "$port"
	ok 'it says so' grep -q "port $port of 127.0.0.1 is in use" refusal
	"$SAKER" serve scene >first 2>&1 &
	first=$!
	"$SAKER" serve scene >second 2>&1 &
	second=$!
	e2e_kill_later $first
	e2e_kill_later $second
	ok 'without one it takes the next that is free' wait_for 20 test -s first -a -s second
	ok 'each another' test "$(sed 's,/?.*,,' first)" != "$(sed 's,/?.*,,' second)"
	ok 'and another token' test "$(sed 's,.*=,,' first)" != "$(sed 's,.*=,,' second)"
	ok 'of 128 bits' grep -qE 'token=[0-9a-f]{32}$' first
	kill $first $second
	wait $first $second
	fails 'no recording' refused serve nothing-here --listen 0
	ok 'it says which' grep -q "cannot open recording 'nothing-here'" refusal
	fails 'no address' "$SAKER" serve scene --listen here:there
	fails 'a token that is easily guessed' "$SAKER" serve scene --listen 0 --token abc
}

refused() { "$SAKER" "$@" 2>refusal; }

somebody_asks() { ss -Htn state established "sport = :${base##*:}" | grep -q .; }

ending() {
	local asking
	get '/api/live?generation=1' >live &
	asking=$!
	wait_for 10 somebody_asks
	kill -INT $server
	ok 'Ctrl-C ends it though somebody waits' wait_for 10 not_running $server
	wait $server
	equal 'with status 0' $? 0
	wait $asking
}

not_running() {
	! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status"
}

# compare LABEL RECORDING...: all answers with what the commands print
compare() {
	local label=$1
	shift
	serve "$@" || return
	e2e_include "$label: " < <($PY "$here/lib/serve_check.py" "$SAKER" "$(cat address)" "$@")
	served
}

hostile() {
	"$SCENE" hostile 20000 --hostile >/dev/null
	serve hostile
	get /api/lanes >lanes.json
	equal 'hostile: a process is called as it called itself' "$(jq -r '[.[] | select(.kind == "process")][0].name' lanes.json)" '<script>x()'
	equal 'hostile: its host, too' "$(jq -r '[.[] | select(.kind == "host" and .name != "scene")][0].name' lanes.json)" '</script>"1'
	# jq takes bytes that are no UTF-8; Python does not
	for path in /api/info /api/story "/api/window?px=2000" "/api/search?q=type%3Dlog&limit=500" "/api/window?from=0&to=20000000" \
		"/api/event?id=0:$(get '/api/search?q=type%3Dlog' | jq -r '.events[0].id' | cut -d: -f2)" /api/lanes; do
		get "$path" >answer
		ok "hostile: $path is JSON" $PY -c 'import json; json.loads(open("answer", "rb").read().decode("utf-8", "strict"))'
		fails "hostile: $path has no control bytes" grep -qP '[\x00-\x1f\x7f]' answer
	done
	get '/api/search?q=text~%22%3Cscript%3Ealert%22' >answer
	ok 'hostile: markup is found as text' test "$(jq .total answer)" -gt 100
	served
}

several() {
	"$SCENE" one 3000 2 2 2 >/dev/null
	"$SCENE" two 3000 2 2 2 >/dev/null
	serve one two
	equal 'two recordings: both are there' "$(get /api/info | jq -c '[.recordings[].name]')" '["one","two"]'
	equal 'two recordings: the lanes of each' "$(get /api/lanes | jq -c '[.[] | select(.kind == "host").host] | unique')" '[0,1]'
	equal 'two recordings: all events' "$(get /api/info | jq .events)" \
		"$("$SAKER" show --json one two | wc -l)"
	served
}

losses() {
	local want
	want=$("$SAKER" show --json scene type=loss | jq -s length)
	serve scene
	get '/api/window?px=1000' >window.json
	ok 'losses: there are' test "$want" -gt 0
	equal 'losses: each on each host' "$(jq '.losses | length' window.json)" $((want * $(jq '.lanes | length' window.json)))
	equal 'losses: as many events as the generator left out' "$(jq '[.losses[] | select(.lane == 0).count] | add' window.json)" \
		"$(jq .lost scene.truth)"
	equal 'stops: the one' "$(jq '.stopped | length' window.json)" 1
	equal 'stops: as long as it was' "$(jq '.stopped[0] | .to - .from' window.json)" \
		"$("$SAKER" show --json scene 'type=stop|cont' | jq -s '.[1].boot_ns - .[0].boot_ns')"
	equal 'a process of the scene for each that was made' "$(get /api/lanes | jq '[.[] | select(.kind == "process")] | length')" \
		"$(jq .processes scene.truth)"
	served
}

damaged() {
	cp -a scene damaged
	rm -f damaged/.*.index
	dd if=/dev/urandom of=damaged/stream-000001.ctf bs=1 seek=400000 count=3000 conv=notrunc 2>/dev/null
	serve damaged
	equal 'damage: the rest is served' "$(get /api/info | jq .events)" "$("$SAKER" show --json damaged 2>/dev/null | wc -l)"
	ok 'damage: it is told' grep -q damaged talk.txt
	served
}

generation() { get /api/live | jq .generation; }
events_are() { [ "$(get /api/live | jq .events)" -ge "$1" ]; }
no_longer_live() { [ "$(get /api/live | jq .live)" = false ]; }

growing() {
	local scene before
	mkfifo go
	exec 8<>go
	"$SCENE" grown 30000 --steps <go >grown.out &
	scene=$!
	e2e_kill_later $scene
	wait_for 20 grep -q step grown.out
	serve --live grown
	equal 'live: it is' "$(get /api/info | jq .live)" true
	ok 'live: the first third' events_are 10000
	before=$(get /api/lanes | jq -c 'map([.id, .name, .pid])')
	get '/api/live?generation=1' >grown.json &
	echo >&8
	wait $!
	ok 'live: who waits is told of growth' test "$(jq .events grown.json)" -gt "$(jq '10000' <<<0)"
	equal 'live: another generation' "$(jq '.generation > 1' grown.json)" true
	equal 'live: lanes keep their numbers' "$(get /api/lanes | jq -c --argjson old "$before" '$old - map([.id, .name, .pid])')" '[]'
	kill -9 $scene
	wait $scene 2>/dev/null
	ok 'live: a writer that was killed has ended it' wait_for 20 no_longer_live
	equal 'live: what it wrote is there' "$(get /api/info | jq .events)" "$("$SAKER" show --json grown | wc -l)"
	exec 8>&-
	served
}

# --- with a recorder ---

live_at() { sed -n 's/^live at //p' "$1"; }
gone() { ! kill -0 "$1" 2>/dev/null; }
asks() { for _ in 1 2 3 4 5; do status "/api/lanes?token=$TOKEN_LIVE" >/dev/null; done; }

recorded() {
	local recorder page uid
	cp -a scene given
	chown -R 65534:65534 given
	export SUDO_UID=65534 SUDO_GID=65534
	serve given
	unset SUDO_UID SUDO_GID
	equal 'as root for another: root is given up' "$(awk '/^Uid:/ { print $2 $3 $4 $5 }' "/proc/$server/status")" 65534655346553465534
	equal 'and it is served' "$(get /api/info | jq '.events > 0')" true
	served
	mkdir invoker
	chown 65534:65534 invoker
	SUDO_UID=65534 SUDO_GID=65534 "$SAKER" record --all --live=127.0.0.1:0 -o invoker/live --duration 4s >out 2>live.talk &
	recorder=$!
	e2e_kill_later $recorder
	wait_for 20 grep -q '^live at' live.talk
	base=$(live_at live.talk | sed 's,/?.*,,')
	TOKEN_LIVE=$(live_at live.talk | sed 's,.*=,,')
	page=$(pgrep -P $recorder -x saker)
	uid=$(awk '/^Uid:/ { print $2 $3 $4 $5 }' "/proc/$page/status")
	equal 'record --live: the page runs as the invoking user' "$uid" 65534655346553465534
	ok 'record --live: and without capabilities' grep -qE '^CapEff:.0{16}$' "/proc/$page/status"
	curl -s "$base/api/live?generation=1&token=$TOKEN_LIVE" >grown.json
	ok 'record --live: the page follows' test "$(jq .generation grown.json)" -gt 1
	asks
	wait $recorder
	ok 'record --live: the page ends with its recorder' wait_for 10 gone "$page"
	equal 'record --live: nothing of the page is recorded' "$("$SAKER" show --json invoker/live "pid=$page" | wc -l)" 0
	ok 'record --live: of others there is' test "$("$SAKER" show --json invoker/live 'process=curl' | wc -l)" -gt 10
	"$SAKER" record --live=127.0.0.1:0 -o killed -- sleep 30 2>killed.talk &
	recorder=$!
	wait_for 20 grep -q '^live at' killed.talk
	page=$(pgrep -P $recorder -x saker)
	command=$(pgrep -P $recorder -x sleep)
	kill -9 $recorder
	ok 'record --live: kill -9 of the recorder ends the page' wait_for 10 gone "$page"
	[ -z "$command" ] || kill "$command"
}

# Requests: what the commands print of the same recording
requests() {
	local slowest
	"$SAKER" record --as-root --with sched -o asked -- $PY "$here/lib/two_tiers.py" 60 50 >/dev/null 2>&1
	"$SAKER" requests --json asked | jq -s . >list.json
	ok 'requests: there are some' test "$(jq length list.json)" -ge 60
	serve asked
	equal 'requests: those that saker requests lists' \
		"$(get /api/requests | jq -c '[.requests[] | [.trace, .service, .operation, .resource, .status, .duration, .refs[0], .refs[1]]]')" \
		"$(jq -c '[.[] | [.trace, .service, .operation, .resource, .status, .duration_ns, "0:\(.event)", "0:\(.end_event)"]]' list.json)"
	equal 'requests: t is that of the first event' "$(get /api/requests?limit=1 | jq '.requests[0].t')" \
		"$(get "/api/event?id=$(get /api/requests?limit=1 | jq -r '.requests[0].refs[0]')" | jq .t)"
	equal 'requests: and its lane' "$(get /api/requests?limit=1 | jq '.requests[0].lane')" \
		"$(get "/api/event?id=$(get /api/requests?limit=1 | jq -r '.requests[0].refs[0]')" | jq .lane)"
	equal 'requests: a query' "$(get '/api/requests?q=duration>10ms%20and%20status=200' | jq -c '[.requests[].trace] | sort')" \
		"$("$SAKER" requests --json asked 'duration>10ms and status=200' | jq -s -c '[.[].trace] | sort')"
	equal 'requests: the longest first' "$(get '/api/requests?sort=-duration&limit=5' | jq -c '[.requests[].trace]')" \
		"$("$SAKER" requests --json asked --sort -duration -n 5 | jq -s -c '[.[].trace]')"
	equal 'requests: what is left out is said' "$(get '/api/requests?limit=7' | jq -c '[(.requests | length), .matched, .left_out]')" '[7,60,53]'
	equal 'requests: failed ones' "$(get /api/requests?q=failed | jq '[.requests[].failed] | [length, all] | tostring')" '"[3,true]"'
	equal 'requests: of a service that others ask' \
		"$(get "/api/requests?service=$(get /api/map | jq -r '.services[2].name')" | jq .matched)" 60
	equal 'requests: of one that is not there' "$(get /api/requests?service=nobody | jq -c '[.requests, .matched]')" '[[],0]'
	equal 'requests: no query' "$(status '/api/requests?q=bogus=1' -H "$with")" 400
	equal 'requests: no order' "$(status '/api/requests?sort=x' -H "$with")" 400
	get /api/heat?columns=20 >heat.json
	equal 'heat: every request is in a cell' "$(jq '[.cells[][2]] | add' heat.json)" 60
	equal 'heat: those that failed' "$(jq '[.cells[][3]] | add' heat.json)" 3
	equal 'heat: a cell has the durations of its row' "$(jq -c '[.cells[] | [.[1], .[2]]] | group_by(.[0]) | map([.[0][0], ([.[][1]] | add)])' heat.json)" \
		"$(jq -c '[.[].duration_ns | log2 * 4 | floor] | group_by(.) | map([.[0], length])' list.json)"
	equal 'heat: a region lists what its cell counts' "$(jq -r '.cells[0] as [$c, $r] | .width as $w |
		"/api/requests?from=\(.from + $c * $w)&to=\(.from + ($c + 1) * $w)&min=\(pow(2; $r / 4))&max=\(pow(2; ($r + 1) / 4))"' heat.json |
		{ read -r path; get "$path"; } | jq .matched)" "$(jq '.cells[0][2]' heat.json)"
	slowest=$("$SAKER" path asked --json | jq -S .)
	equal 'trace: what saker path prints' \
		"$(get /api/trace | jq -S 'del(.spans_left_out, .lines_left_out, .classes) | del(.spans[] | .t, .lane, .refs, .reason)')" "$slowest"
	equal 'trace: by its id' "$(get "/api/trace?id=$(jq -r '.[7].trace' list.json)" | jq .duration_ns)" "$(jq '.[7].duration_ns' list.json)"
	equal 'trace: none' "$(status /api/trace?id=zz -H "$with")" 400
	equal 'compare: what saker path prints' "$(get /api/compare | jq -S .)" "$("$SAKER" path asked --json --compare normal | jq -S .)"
	equal 'map: what saker map prints' "$(get /api/map | jq -S 'del(.left_out)')" "$("$SAKER" map asked --json | jq -S .)"
	served
}

# A recording without requests
none_asked() {
	equal 'no requests: an empty list' "$(get /api/requests | jq -c '[.requests, .total, .spans]')" '[[],0,0]'
	equal 'no requests: no cells' "$(get /api/heat | jq -c .cells)" '[]'
	equal 'no requests: an empty map' "$(get /api/map | jq -c '[.services, .edges]')" '[[],[]]'
	equal 'no requests: no trace' "$(status /api/trace -H "$with")" 404
}

e2e_begin
"$SCENE" scene 20000 >scene.truth
serve scene || exit 1
admission
page
none_asked
listening
ending
losses
compare 'scene' scene
hostile
several
damaged
growing
if [ -e "$data/zookeeper/zktrace_full.log" ]; then
	"$SAKER" import falcon "$data/zookeeper/zktrace_full.log" -o zk >/dev/null 2>&1
	compare 'falcon' zk
else
	skip 'falcon' 'the data that Falcon recorded is not there: set SAKER_TEST_DATA'
fi
if [ "$(id -u)" = 0 ]; then
	recorded
	requests
else
	skip 'record --live' 'recording needs root'
fi
e2e_end
