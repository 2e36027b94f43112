#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 300
#
# What programs say of themselves by packaging/saker.h: C, C++, Python through a shared library, Go by cgo.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
root=$(cd "$here/.." && pwd)
. "$here/lib/e2e.sh"
e2e_begin

app=$here/lib/note
flags=(-O2 -Wall -Wextra -Werror "-I$root/packaging")

# told LABEL N: the recording has the notes
told() {
	"$SAKER" show --json rec 'type=note' >notes.json && /usr/bin/python3 "$app/check.py" "$1" "$2" <notes.json
}

ok "C builds" gcc -std=c99 -D_GNU_SOURCE "${flags[@]}" -o c "$app/app.c" -lpthread
ok "C++ builds" g++ -x c++ "${flags[@]}" -o cpp "$app/app.c" -x none -lpthread
ok "C builds without optimising" gcc -O0 "-I$root/packaging" -o c0 "$app/app.c" -lpthread
ok "a static program builds" gcc -static "${flags[@]}" -o static "$app/app.c" -lpthread
for kind in c cpp c0 static; do
	rm -rf rec
	ok "$kind: recorded" "$SAKER" record -o rec -- "./$kind" "label of $kind" 20
	ok "$kind: every note is there, in its order" told "label of $kind" 20
done
equal "nobody records: the program knows" "$(./c label 1)" "nobody records"
rm -rf rec
equal "recorded without notes: likewise" "$("$SAKER" record -o rec --without note -- ./c label 1 2>/dev/null)" "nobody records"

ok "a shared library builds" gcc -shared -fPIC "${flags[@]}" -o note.so "$app/shared.c"
rm -rf rec
ok "Python: recorded" "$SAKER" record -o rec -- /usr/bin/python3 "$app/app.py" "$PWD/note.so" "label of python" 20
ok "Python: every note is there from when its library was found" told "label of python" 20

if command -v go >/dev/null; then
	export GOCACHE=$WORK/gocache GO111MODULE=off CGO_CFLAGS="-O2 -I$root/packaging"
	ok "Go builds" go build -o go "$app/app.go"
	rm -rf rec
	ok "Go: recorded" "$SAKER" record -o rec -- ./go "label of go" 20
	ok "Go: every note is there, in its order" told "label of go" 20
else
	skip "Go" "no go"
fi

# As spans of their own within the requests of their threads
ok "a server builds" gcc "${flags[@]}" -o served "$app/served.c"
rm -rf rec
ok "a server: recorded" "$SAKER" record --with sched -o rec -- ./served 20 truth
# requests and ways, from the recording and then from what was stored
spans() {
	"$SAKER" requests --json --all rec >spans.json && for _ in 1 2; do
		rm -f ways.json
		for id in $(jq -r 'select(.kind == "server") | .trace' spans.json | head -5); do
			"$SAKER" path --json rec "$id" >>ways.json || return 1
		done
	done
}
ok "a server: its requests" spans
ok "what it said lies within the requests, as it wrote down itself" /usr/bin/python3 "$app/served_check.py" truth spans.json ways.json sched
"$SAKER" path rec >way
ok "the waterfall has them, with their words" eval "grep -q ' handle ' way && grep -q '· currency=[EU][US][RD] items=' way"
ok "exported to Jaeger" eval "'$SAKER' export jaeger rec >jaeger.json"
ok "Jaeger: internal, below the request, with words and numbers" jq -e '[.data[].spans[] | select(.operationName == "price")] | length == 20 and
	all(any(.tags[]; .key == "span.kind" and .value == "internal") and any(.tags[]; .key == "items" and .type == "int64") and
	any(.tags[]; .key == "currency" and .type == "string"))' jaeger.json
ok "exported as OTLP" eval "'$SAKER' export otlp --file otlp rec"
protoc --decode=saker.otlp.Request -I"$root/src/export" "$root/src/export/otlp.proto" <otlp >otlp.txt
equal "OTLP: internal, with words and numbers" "$(grep -c "kind: INTERNAL" otlp.txt) $(grep -c "key: .items" otlp.txt) $(grep -A3 "key: .items" otlp.txt | grep -c int_value)" "70 20 20"

# A program that runs already
mkfifo begin
sh -c 'read -r _ <begin; exec ./c late 3 wait' &
late=$!
e2e_kill_later $late
e2e_record -p $late
echo >begin
wait $late
kill -INT $RECORDER
wait $RECORDER
ok "a process that runs the program only later" told late 3
ok "another tool reads the same places" sh -c 'readelf -n c | grep -c "Provider: saker" | grep -qx "[1-9][0-9]*"'
ok "no secret lies in any recording" sh -c '! grep -rq hunter2 rec'
e2e_end
