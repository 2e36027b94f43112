#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 300
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
		/usr/bin/python3 "$here/lib/logs_check.py" 4 100 "$1" ${2:-c java python go} >tap
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

# --- standard output that is a file ---
record -- bash -c '{ ./writer-c - 4 100 & ./writer-go - 4 100 & wait; } >out.log 2>&1'
check stdout "c go"
equal "nothing was lost of a file's lines" "$("$SAKER" show rec --json type=loss | wc -l)" 0
cat >alone.py <<-'END'
	import os, resource, signal, time
	signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
	while not os.path.exists("go"):
	    time.sleep(0.05)
	os.write(1, b"first\n")
	os.writev(2, [b"of ", b"three ", b"parts\n"])
	os.write(1, b"x" * 9000 + b"\n")
	for i in range(2):
	    os.write(1, b"twice\n")
	def cut(text):
	    resource.setrlimit(resource.RLIMIT_FSIZE, (os.fstat(1).st_size + 10, resource.RLIM_INFINITY))
	    assert os.write(1, text) == 10
	    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
	again = b"y" * 99 + b"\n"
	cut(again)
	os.write(1, again)
	os.write(1, b"last\n")
	cut(b"z" * 100)
END
/usr/bin/python3 alone.py >alone.log 2>&1 </dev/null &
alone=$!
e2e_kill_later $alone
rm -rf rec
e2e_record -p $alone
if [ "$(stat -f -c %T .)" = ext2/ext3 ] && is_attached "$RECORDER" log_filled_delayed; then
	ok "the exits of calls are not watched for it" is_not_attached "$RECORDER" call_exit
	cut=2 whole=99
else
	skip "the exits of calls are not watched for it" "this is not ext4, or its hooks cannot be had"
	cut=0 whole=109
fi
touch go
wait "$alone"
kill -INT "$RECORDER"; wait "$RECORDER"
equal "lines of one part, of three, over several pages" "$(logs 'text~first|parts|twice' | jq -r .text)" \
	$'first\nof three parts\ntwice\ntwice'
equal "all of a long one" "$(logs 'text~xxx' | jq -r .text | tr -d '\n' | wc -c)" 9000
equal "those that the file had no room for are told as lost" \
	"$("$SAKER" show rec --json 'type=loss and lost_type=log_piece' | jq -s 'map(.count) | add // 0')" $cut
equal "the same bytes written again are told whole" "$(logs 'text~yyy' | jq -r .text | tr -d '\n' | wc -c)" $whole
equal "and the last" "$(logs 'text~last' | jq -r .text)" last

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
