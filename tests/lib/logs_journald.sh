#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# logs_journald.sh: lines through a systemd-journald that runs, on each thread at its place, as TAP: a unit's standard output (a
# stream), the native protocol, syslog; and what journalctl exports, imported. Needs $SAKER and an empty working directory.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

logs() {
	"$SAKER" show rec --json "type=log${1:+ and $1}"
}

# exported TEXT COUNT: has the journal so many entries with it?
exported() {
	journalctl -b -o export --no-pager ${JOURNAL:+--directory="$JOURNAL"} >journal.export
	[ "$(grep -ca "$1" journal.export)" = "$2" ]
}

e2e_begin
gcc -O1 -D_GNU_SOURCE -pthread -o writer-c "$here/lib/logwriters/writer.c" || exit 1
cat >messages.py <<'END'
import array, os, socket, sys, syslog
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal = "/run/systemd/journal/socket"
s.sendmsg([b"MESSAGE=native ", b"entry\nPRIORITY=3\n"], [], 0, journal)
text = b"two\nlines"
s.sendto(b"PRIORITY=4\nMESSAGE\n" + len(text).to_bytes(8, "little") + text + b"\n", journal)
fd = os.memfd_create("entry", os.MFD_ALLOW_SEALING)
os.write(fd, b"MESSAGE=" + b"x" * 300000 + b"\n")
s.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))], 0, journal)
s.connect("/run/systemd/journal/dev-log")
s.send(b"<27>app[1]: by syslog password=hunter2")
s.close()
END

mark=saker-test-$$
"$SAKER" record --as-root -o rec -- bash -c "systemd-cat -t $mark ./writer-c - 4 60; /usr/bin/python3 messages.py; systemd-cat seq -f 'line %g of $mark' 400"
"$SAKER" show rec --json '(type=log or type=dgram_send) and process=writer-c' |
	/usr/bin/python3 "$here/lib/logs_check.py" 4 60 stdout c >tap
e2e_include 'journald: ' <tap
equal "native entries" "$(logs where=journal | jq -c '[.level, .text, .flags]' | head -n 2)" \
	$'["error","native entry",""]\n["warning","two\\nlines",""]'
equal "one that is handed over as a file is told, with its size" "$(logs where=journal | jq -r .text | tail -n 1)" \
	"(an entry of 300009 bytes, handed over as a sealed file: not read)"
equal "syslog, its level, its secret" "$(logs where=syslog | jq -c '[.level, .text]')" \
	'["error","app[1]: by syslog password=*******"]'
ok "the journal has them" wait_for 30 exported "MESSAGE=line .* of $mark" 400
ok "its export is imported" "$SAKER" import journal journal.export -o imported
ok "line for line as they were recorded" cmp <("$SAKER" show imported --json 'type=log and process=seq' | jq -r .text) \
	<(logs process=seq | jq -r .text)
equal "all of them" "$(logs process=seq | wc -l)" 400
e2e_end
