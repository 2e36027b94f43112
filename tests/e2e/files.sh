#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# Calls on files: as strace sees them in the same run, with paths over mounts and below another root; masked; nothing
# without --with file.  And when the hook of calls is attached, and that nothing stays of it.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3
CALLS='trace=/.*(open|read|write|sync|trunc|falloc|rename|link|mkdir|rmdir|lseek|sendfile|copy_file|chdir|creat).*'

# has REC QUERY JQ: an event of the query for which it is true
has() { "$SAKER" show "$1" --json "$2" | jq -se "any(.[]; $3)" >/dev/null; }

check_strace() {
	ok "the calls are recorded while strace looks on" "$SAKER" record --as-root --with file -o traced -- \
		strace -f -y -xx -s 400 -o traced.strace -e "$CALLS" $PY "$here/lib/files.py" "$WORK/files"
	"$SAKER" show traced --json >traced.events
	e2e_include '' < <("$here/lib/files_check.py" traced.events traced.strace "$WORK/files")
}

check_places() {
	mkdir -p m "root/below"
	ok "in a mount of its own, and below another root" "$SAKER" record --as-root --with file -o places -- unshare -m sh -c '
		mount -t tmpfs none m && mkdir m/sub && echo x >m/sub/file && mount --bind m/sub root/below &&
		exec "$0" -c "import os; os.chroot(\"root\"); os.chdir(\"/below\"); open(\"file\").read()"' $PY
	ok "the path crosses the mount" has places 'type=file_write' ".path == \"$WORK/m/sub/file\""
	ok "and begins at the root of the process" has places 'type=file_read' '.path == "/below/file" and .bytes == 2'
}

check_masked() {
	ok "names with secrets are recorded" "$SAKER" record --as-root --with file -o masked -- \
		sh -c 'touch "$0/x?token=s3cretvalue"; mv "$0/x?token=s3cretvalue" "$0/password=hunter2x"; cat "$0/password=0ther" || true' "$WORK"
	fails "but not written down" grep -raqE 's3cretvalue|hunter2x|0ther' masked --include='*.chunk' --include='*'
	ok "what is no secret is" has masked 'type=file_name' ".how == \"rename\" and .path == \"$WORK/x?token=***********\""
	"$SAKER" record --as-root -o without -- cat /etc/hostname >/dev/null
	fails "without --with file there are none" sh -c '"$0" show without --json | grep -q "\"type\":\"file_"' "$SAKER"
}

# A process without any pipe that makes one when it is told to, and closes it.
lonely() {
	exec $PY -c '
import os, signal
os.closerange(3, 4096)
ends = []
signal.signal(signal.SIGUSR1, lambda *a: ends.extend(os.pipe()))
signal.signal(signal.SIGUSR2, lambda *a: [os.close(ends.pop()) for e in list(ends)])
signal.signal(signal.SIGHUP, lambda *a: ends.extend(os.pipe()) or (os.fork() or os._exit(0)) and os.wait())
open("lonely", "w")
while True:
    signal.pause()' </dev/null >/dev/null 2>&1
}

check_attached() {
	lonely &
	local who=$! rec ids id
	e2e_kill_later $who
	wait_for 10 test -e lonely
	"$SAKER" record --without log --with pipe -o lone -p $who 2>lone.err &
	rec=$!
	e2e_kill_later $rec
	ok "a process without a pipe is recorded" wait_for 10 grep -q recording lone.err
	fails "no call is watched" is_attached $rec call_exit
	kill -HUP $who
	ok "until it has a pipe, and forks" wait_for 10 is_attached $rec call_exit
	kill -USR2 $who
	ok "and no longer once it has closed that" wait_for 15 is_not_attached $rec call_exit
	kill -USR1 $who
	ok "a pipe that nobody inherits is found, too" wait_for 15 is_attached $rec call_exit
	ids=$(for id in /proc/$rec/fdinfo/*; do sed -n 's/^prog_id:\s*//p' "$id"; done | sort -u)
	ok "the recorder has programs" test -n "$ids"
	kill -9 $rec
	ok "after kill -9 none of them is there any more" wait_for 10 sh -c 'for id; do ! bpftool prog show id $id 2>/dev/null || exit 1; done' sh $ids
}

e2e_begin
check_strace
check_places
check_masked
check_attached
e2e_end
