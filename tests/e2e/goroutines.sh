#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 240
#
# Go programs: each event is its goroutine's, program order is that of goroutines, hand-overs between them are seen; built
# in every way that keeps their ids elsewhere.  The truth is what the program says of itself (tests/lib/goro).
# And static programs, of C and Go: recorded and probed as others are.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3
export GO111MODULE=off GOCACHE=${TMPDIR:-/tmp}/saker-gocache GOFLAGS="" CGO_ENABLED=0

# keep FILE...: for whoever looks at a failure
keep() {
	local at=$here/../build/check/goroutines
	mkdir -p "$at" && rm -rf "${@/#/$at/}" && cp -r "$@" "$at" && echo "# kept in build/check/goroutines: $*"
}

# check LABEL REC PROGRAM SCENE...: records a scene of the program, and holds it against its truth
check() {
	local label=$1 rec=$2 program=$3
	shift 3
	ok "$label: it is recorded" eval "'$SAKER' record --as-root -o $rec -- bin/$program $* >$rec.truth"
	compare "$label" "$rec" "$1"
}

# compare LABEL REC SCENE
compare() {
	local label=$1 rec=$2
	"$PY" "$here/lib/goro_check.py" "$SAKER" "$rec" "$rec.truth" "$3" >compared 2>&1 || keep "$rec" "$rec.truth"
	grep -q '^1\.\.' compared || sed -i '1i not ok 1 - it is compared' compared
	e2e_include "$label: " <compared
}

# shellcheck disable=SC2317 # called by ok
builds() {
	mkdir bin && cp "$here/lib/goro/goro.go" . && cp goro.go cgo.go && sed -i '/^package main$/a import "C"' cgo.go &&
		go build -o bin/goro goro.go && go build -ldflags '-s -w' -o bin/stripped goro.go &&
		go build -buildmode=pie -o bin/pie goro.go && CGO_ENABLED=1 go build -o bin/cgo cgo.go && strip -o bin/cgo_stripped bin/cgo &&
		sed 's/go1\.[0-9]*\.[0-9]*/go1.99.9/g' bin/goro >bin/newer && chmod +x bin/newer
}

programs() { jq -r "select(.type == \"go_program\") | $2" "$1.events"; }

e2e_begin
if ! command -v go >/dev/null; then
	skip 'goroutines' 'no Go compiler: package golang-go'
	e2e_end
fi
ok 'the program is built in every way' builds

check 'goroutines on few threads' workers goro workers 6 12
check 'goroutines that move between threads' move goro move 8 12
check 'goroutines that hand over' hand goro hand 12
check 'goroutines that wait for a lock' lock goro lock 4
# The recorder meets it when it has begun: a shell started it
ok 'a program that is met late is recorded' "$SAKER" record --as-root -o late -- bash -c 'exec bin/goro move 8 12 >late.truth'
compare 'a program that is met late' late late
for way in stripped pie cgo cgo_stripped; do
	check "$way" "$way" "$way" hand 8
done

# A check that cannot fail shows nothing
"$SAKER" record --as-root --goroutines=off -o off -- bin/goro workers 6 12 >off.truth 2>/dev/null
fails 'goroutines that are not recorded are missed' "$PY" "$here/lib/goro_check.py" "$SAKER" off off.truth workers
"$SAKER" record --as-root --goroutines=ids -o ids -- bin/goro hand 12 >ids.truth 2>/dev/null
fails 'hand-overs that are not recorded are missed' "$PY" "$here/lib/goro_check.py" "$SAKER" ids ids.truth hand
ok 'and nothing else is' "$PY" "$here/lib/goro_check.py" "$SAKER" ids ids.truth workers

# What cannot be told is said, and its events are those of threads
"$SAKER" record --as-root -o newer.rec -- bin/newer hand 5 >newer.truth 2>/dev/null
"$SAKER" show --json newer.rec >newer.events
equal 'an unknown version of Go: why its goroutines are not told apart' "$(programs newer '"\(.tracked) \(.version) \(.why)"')" \
	'0 go1.99.9 its version of Go is not among those known (1.10 to 1.26)'
equal 'none is' "$(grep -c '"type":"goroutine"' newer.events)" 0
ok 'doctor says so of a file' grep -q 'go1.99.9.*not among those known' <("$SAKER" doctor --program bin/newer)
ok 'and what it can tell' grep -q 'go1.19.*told apart' <("$SAKER" doctor --program bin/goro)
ok 'and that there is nothing to tell' grep -q 'no Go program' <("$SAKER" doctor --program /bin/true)
fails 'of a file that is not there it says nothing' "$SAKER" doctor --program ./nowhere

cat >busy.go <<'END'
package main

func main() {
	a, b := make(chan int), make(chan int)
	go func() {
		for x := range a {
			b <- x
		}
	}()
	for i := 0; i < 60000; i++ {
		a <- i
		<-b
	}
}
END
go build -o bin/busy busy.go
ok 'a program that hands over all the time is recorded' "$SAKER" record --as-root --rings 64M -o busy.rec -- bin/busy
"$SAKER" show --json busy.rec "type=go_program or type=go_ready" >busy.events
equal 'and is left alone, which is told' "$(programs busy .why | grep -c '10000 times a second')" 1
ok 'soon' [ "$(grep -c '"type":"go_ready"' busy.events)" -lt 60000 ]

# show and its words
id=$(awk '$1 == "w" { print $2; exit }' workers.truth)
equal 'show: the events of one goroutine' "$("$SAKER" show workers "goroutine=$id and type=send" | wc -l)" 12
ok 'its id stands with its thread' grep -q "\[[0-9/]* g$id\]" <("$SAKER" show workers "goroutine=$id and type=send")

# Static programs
cat >static.c <<'END'
#include <sys/socket.h>
#include <unistd.h>
__attribute__((noinline)) long probed(long a, long b) { __asm__ volatile(""); return a + b; }
int main(void)
{
	char byte;
	int fd[2];
	return socketpair(AF_UNIX, SOCK_STREAM, 0, fd) || write(fd[0], "x", 1) != 1 || read(fd[1], &byte, 1) != 1 || probed(3, 4) != 7;
}
END
ok 'a static program of C is built' gcc -O2 -static -o static static.c
ok 'it is recorded' "$SAKER" record --as-root -o static.rec --probe "uprobe:$PWD/static:probed" --probe "uprobe:$PWD/bin/goro:main.hand" \
	-- bash -c './static && exec bin/goro hand 4 >/dev/null'
"$SAKER" show --json static.rec >static.events
equal 'its function, with arguments' "$(jq -r 'select(.type == "probed") | "\(.arg1) \(.arg2)"' static.events)" '3 4'
equal 'its message' "$("$SAKER" show static.rec --edges --json | jq -rs '[.[] | select(.kind == "message" and .bytes == 1)] | length')" 1
equal 'a function of a static program of Go' "$(grep -c '"type":"main_hand"' static.events)" 1
equal 'its messages' "$(jq -rs '[.[] | select(.type == "send" and .bytes == 3)] | length' static.events)" 4
e2e_end
