#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# root: no
#
# Log files of redis-server and of a Java program that run here, and what journald writes, as recordings.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

logs() {
	"$SAKER" show "$1" --json type=log
}

e2e_begin
redis-server --port 0 --unixsocket "$WORK/r.sock" --save '' --logfile "$WORK/redis.log" &
pid=$!
e2e_kill_later $pid
ok "redis-server writes its log" wait_for 20 grep -q "eady to accept" redis.log
kill $pid
wait $pid
cat >L.java <<'END'
import java.util.logging.*;
public class L {
    public static void main(String[] a) {
        Logger l = Logger.getLogger("L");
        l.info("begins");
        l.log(Level.SEVERE, "it broke", new RuntimeException("inner", new java.io.IOException("gone")));
    }
}
END
java L.java 2>java.log

# each line of redis is an event, with the time that date(1) reads in it
ok "two hosts" "$SAKER" import log --host db redis.log --host app java.log -o rec
logs rec/db >db.json
equal "as many events as lines with a time" "$(wc -l <db.json)" "$(grep -cE '[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}|signal-handler' redis.log)"
stamp=$(sed -n 's/^[0-9]*:[A-Z] \(.*\)\.\([0-9]*\) . .*eady to accept.*/\1 \2/p' redis.log)
equal "the time that it states" "$(jq -r 'select(.text | test("eady to accept")).stamp_ns' db.json)" \
	"$(date -d "${stamp% *}" +%s)${stamp##* }000000"
equal "redis' levels" "$(jq -r 'select(.text | test("eady to accept")).level' db.json)" info
equal "Java's levels stand on the second line" "$(logs rec/app | jq -r .level)" $'info\nerror'
equal "and the trace below it" "$(logs rec/app | tail -n 1 | jq -r .text | grep -c 'Caused by: java.io.IOException: gone')" 1
ok "the recording says whose clock it is" grep -q "each host's own clock" <("$SAKER" show rec type=mark)

# what a person says about times
printf 'at 07.03.99 12h00 ERROR one\n  more\nat 07.03.99 12h01 two\n' >odd.log
ok "a pattern" "$SAKER" import log --pattern 'at %d.%m.%y %Hh%M' --zone +01:00 odd.log -o odd
equal "is what is looked for" "$(logs odd | jq -c '[.stamp_ns, .level, .lines]')" \
	$'[920804400000000000,"error",2]\n[920804460000000000,"none",1]'
printf 'Dec 31 23:59:59 h a[1]: old\nJan  1 00:00:01 h a[1]: new\n' >year.log
touch -d '2021-01-02 UTC' year.log
ok "years that are not there" "$SAKER" import log --zone UTC year.log -o year
equal "are the closest ones" "$(logs year | jq -r .stamp_ns)" $'1609459199000000000\n1609459201000000000'
ok "or the given one" "$SAKER" import log --zone UTC --year 1999 year.log -o year2
equal "for all lines" "$(logs year2 | jq -r .stamp_ns | sort)" $'915148801000000000\n946684799000000000'
fails "a pattern without a time" "$SAKER" import log --pattern '%H' odd.log -o no
fails "a zone that is none" "$SAKER" import log --zone mars odd.log -o no
printf 'no time here\n' >none.log
fails "a file without times" "$SAKER" import log none.log -o no

# an entry of each form, and lengths that lie
/usr/bin/python3 - >journal.bin <<'END'
import struct, sys
out = sys.stdout.buffer
def entry(us, mono, **fields):
    out.write(b"__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=b\n_HOSTNAME=h1\n" % (us, mono))
    for name, value in fields.items():
        if "\n" in value:
            out.write(name.encode() + b"\n" + struct.pack("<Q", len(value)) + value.encode() + b"\n")
        else:
            out.write(f"{name}={value}\n".encode())
    out.write(b"\n")
entry(1700000000000000, 5000000, _PID="77", _COMM="app", PRIORITY="3", _SYSTEMD_UNIT="app.service", MESSAGE="two\nlines", _TRANSPORT="stdout")
entry(1600000000000000, 6000000, _PID="77", _COMM="app", PRIORITY="6", MESSAGE="the clock was set back", _TRANSPORT="journal")
out.write(b"_PID=1\nMESSAGE\n" + struct.pack("<Q", 2**62) + b"x")
END
ok "a journal" "$SAKER" import journal journal.bin -o jr
"$SAKER" import journal journal.bin -o jr2 --json >jr.json 2>/dev/null
equal "its entries" "$(logs jr | jq -c '[.tgid, .level, .where, .name, .text]')" \
	$'[77,"error","stdout","app.service","two\\nlines"]\n[77,"info","journal","","the clock was set back"]'
equal "whose name is known" "$("$SAKER" show jr --json 'type=process' | jq -c '[.tgid, .comm]')" '[77,"app"]'
equal "in the order of the boot's clock" "$(logs jr | jq -r .boot_ns | sort -n | jq -s '.[1] - .[0]')" 1000000000
equal "a length that lies is refused with its place" "$(jq -r '.complaints[0].why' jr.json)" \
	"the field claims 4611686018427387904 bytes, which the file does not have"
fails "no journal at all" "$SAKER" import journal redis.log -o no
e2e_end
