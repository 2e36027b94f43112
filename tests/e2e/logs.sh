#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 240
#
# Log lines as they are written: by threads of C, Java, Python and Go programs, through a pipe, into files; each on its thread
# and at its place among what the thread does. Files by pattern, also renamed ones; what is left out when it is not wanted.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

# record OPTION... -- COMMAND...
record() {
	rm -rf rec
	"$SAKER" record --as-root -o rec "$@"
}

logs() {
	"$SAKER" show rec --json "type=log${1:+ and $1}"
}

# A script that runs all writers at once with that place to write to.
writers() {
	cat >"$1.sh" <<-END
		./writer-c $2 4 100 & ./writer-go $2 4 100 &
		/usr/bin/python3 $here/lib/logwriters/writer.py $2 4 100 &
		java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp . Writer $2 4 100 &
		wait
	END
}

check() {
	"$SAKER" show rec --json 'type=log|dgram_send' |
		/usr/bin/python3 "$here/lib/logs_check.py" 4 100 "$1" c java python go >tap
	e2e_include '' <tap
}

e2e_begin
gcc -O1 -D_GNU_SOURCE -pthread -o writer-c "$here/lib/logwriters/writer.c" || exit 1
javac -d . "$here/lib/logwriters/Writer.java" || exit 1
(cd "$WORK" && GOCACHE=${GOCACHE:-$WORK/gocache} GOFLAGS=-mod=mod go build -o writer-go "$here/lib/logwriters/writer.go") || exit 1

# --- a pipe ---
writers pipe -
record -- bash -c 'bash pipe.sh 2>&1 | wc -l'
check stdout
equal "nothing was lost" "$("$SAKER" show rec --json type=loss | wc -l)" 0

# --- a file, by its name ---
mkdir "logs [1]"
writers file "logs\ [1]/a.app-1.log"
record --log 'logs \[1\]/*.app-?.log' -- bash file.sh
check file
equal "the file's name" "$(logs | jq -r .name | sort -u)" "$WORK/logs [1]/a.app-1.log"

# --- a full buffer of stdio ---
record -- bash -c './writer-c buffered 400 | tee out >/dev/null; exit 0'
ok "lines of full buffers are whole" cmp <(logs 'where=stdout and process=writer-c' | jq -r .text) out

# --- which files: renamed, made anew, others ---
cat >rotate.sh <<-'END'
	exec 7>>app.log
	echo "before 1" >&7
	mv app.log app.log.1
	echo "renamed 2" >&7
	exec 7>>app.log 8>>other.txt
	echo "anew 3" >&7
	echo "no log" >&8
	ln app.log hard.txt; echo "linked 4" >>hard.txt
	mkdir deep; echo "not there" >deep/app.log
	echo "std 5"; echo "err 6" >&2
	printf 'login password=hunter2 %s\n' x >&2
	printf 'ends without'
END
record --log './app.log' -- bash rotate.sh >/dev/null 2>err; rm -rf app.log* hard.txt deep other.txt
equal "a renamed file stays a log, the new one is one" "$(logs where=file | jq -r .text)" \
	$'before 1\nrenamed 2\nanew 3\nlinked 4'
equal "and has its first name" "$(logs where=file | jq -r .name | sort | uniq -c | tr -s ' ')" " 4 $WORK/app.log"
equal "what goes to /dev/null is none" "$(logs text~std | wc -l)" 0
# a shell's `echo >&2` puts the file into descriptor 1 for the time
equal "secrets are masked" "$(logs 'text~err|login' | jq -r .text)" $'err 6\nlogin password=******* x'
record -- bash rotate.sh >out 2>err
equal "without --log no file is one" "$(logs where=file | wc -l)" 0
equal "a line without its end" "$(logs 'flags=partial' | jq -r .text)" "ends without"
equal "into a file by its descriptor" "$(logs 'where=stdout and text~std|ends' | jq -r .text)" $'std 5\nends without'

# --- what cannot be shown ---
record -- bash -c 'head -c 3000 /dev/zero >&2; head -c 200000 /dev/zero | tr "\0" x; echo; echo last' >out 2>err
equal "binary data are said, not shown" "$(logs 'flags=binary' | jq -r .text | sort -u)" "(binary data)"
equal "a very long line comes in parts" "$(logs 'process=tr' | jq -r .text | tr -d '\n' | wc -c)" 200000
equal "and the next is whole" "$(logs 'where=stdout' | jq -r .text | tail -n 1)" last

# --- not wanted ---
record --without log -- bash -c 'echo hidden' >/dev/null
equal "--without log" "$(logs | wc -l)" 0
fails "a pattern that names no file" "$SAKER" record -o rec2 --log /tmp/ -- true
fails "too many patterns" "$SAKER" record -o rec2 $(seq -f '--log=/x%g' 17) -- true
e2e_end
