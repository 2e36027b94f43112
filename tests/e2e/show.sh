#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# `saker show`: a hundred queries against the same questions in Python; orders, trees and windows against its edges by
# brute force; and its manners: columns, colours, several recordings, damage, closed pipes, wrong arguments.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"

PY=/usr/bin/python3
net=sks$$

e2e_clean() {
	netns_del ${net}a
	netns_del ${net}b
}

show() {
	"$SAKER" show "$@"
}

# says WORDS COMMAND...: it fails, and what it says on standard error has these words
says() {
	local words=$1
	shift
	! "$@" >out 2>err && grep -qF -- "$words" err && return
	cat err
	return 1
}

scene() {
	netns_add ${net}a && netns_add ${net}b &&
		ip -n ${net}a link add eth0 type veth peer name eth0 netns ${net}b &&
		ip -n ${net}a address add 10.9.1.1/24 dev eth0 && ip -n ${net}b address add 10.9.1.2/24 dev eth0 &&
		ip -n ${net}a link set eth0 up && ip -n ${net}b link set eth0 up
}

e2e_begin
ok 'two namespaces' scene
ok 'recorded' "$SAKER" record -o rec --probe tracepoint:sched:sched_process_fork -- \
	$PY "$here/lib/show_scene.py" ${net}a ${net}b 10.9.1.2
e2e_include 'query: ' < <($PY "$here/lib/query_model.py" "$SAKER" rec)
e2e_include '' < <($PY "$here/lib/show_check.py" "$SAKER" rec)

# a wrong edge must be seen, or the comparison compares nothing
cat >turned <<-'END'
	#!/bin/sh
	"$SAKER" "$@" >.lines || exit
	case " $* " in
	*" --edges "*) sed 's/"from"/"x"/; s/"to"/"from"/; s/"x"/"to"/' .lines ;;
	*) cat .lines ;;
	esac
END
chmod +x turned
fails 'the comparison sees edges that are turned around' $PY "$here/lib/show_check.py" ./turned rec

# several recordings of one host are told apart by their folders
ok 'a second one' "$SAKER" record -o other -- /usr/bin/env true $'\033[31m'
e2e_include 'two recordings: ' < <($PY "$here/lib/show_check.py" "$SAKER" rec other)
equal 'two recordings: host' "$(show rec other/ host=other --json | wc -l)" "$(show other --json | wc -l)"
ok 'two recordings: one clock' grep -q 'one clock' <(show rec other --offsets)
ok 'two recordings: an event of each has its name' grep -q '^other:2 ' <(show rec other --causes other:2)
ok 'two recordings: a number alone is not enough' says 'HOST:2' show rec other --causes 2

# hosts with clocks of their own
zookeeper=$SAKER_TEST_DATA/falcon/zookeeper/zktrace_full.log
if [ -e "$zookeeper" ]; then
	ok 'an import of three hosts' "$SAKER" import falcon -o zk "$zookeeper"
	equal 'import: no two hosts have one clock' "$(show zk --offsets | grep -c 'one clock')" 0
	equal 'import: two of them have bounds on both sides' "$(show zk --offsets | grep -c ' [mu]s to .* at +.* messages')" 2
	e2e_include 'import: ' < <($PY "$here/lib/show_check.py" "$SAKER" zk)
else
	skip 'hosts with clocks of their own' "no $zookeeper"
fi

# text
lines=$(show rec --json | wc -l)
equal 'a line for each event' "$(show rec | wc -l)" "$lines"
equal 'no control byte reaches the terminal' "$(show other | tr -d '\n' | LC_ALL=C grep -c '[[:cntrl:]]')" 0
ok 'they are escaped' grep -qF '\x1b[31m' <(show other)
ok 'columns' grep -qE "^ +[0-9]+ +\+[0-9]+\.[0-9]{6}  ${net}b +python3\[[0-9]+\] +recv +10\.9\.1\.2:7301 > 10\.9\.1\.1:[0-9]+ .*bytes=4" \
	<(show rec type=recv)
ok 'the time of day' grep -qE "^ +1 $(date +%Y)-[0-9-]+ [0-9:]+\.[0-9]{6}" <(show rec --wall --limit 1)
equal 'no colours in a pipe' "$(show rec | grep -c $'\033')" 0
ok 'colours on a terminal' grep -q $'\033' <(script -qec "$SAKER show rec --limit 5" /dev/null </dev/null)
equal 'none with NO_COLOR' "$(NO_COLOR=1 script -qec "$SAKER show rec --limit 5" /dev/null </dev/null | grep -c $'\033')" 0
ok 'an exit says its code' grep -q 'exit .*code=3' <(show rec type=exit)
ok 'names are those of the time' grep -qE 'python3\[[0-9]+\] +fork' <(show rec type=fork --order thread)

# manners
ok 'a closed pipe is no error where SIGPIPE is ignored' bash -c \
	'trap "" PIPE; { "$SAKER" show rec rec rec rec --json; echo $? >status; } 2>err | head -n 1 >/dev/null; [ "$(cat status err)" = 0 ]'
ok 'a full disk is one' says 'No space left' bash -c '"$SAKER" show rec >/dev/full'
ok 'an unknown recording' says "'nowhere'" show nowhere
ok 'an unknown recording behind another' says "no recording 'nowhere'" show rec nowhere
ok 'a query without a recording' says 'a recording comes before the query' show type=send
ok 'an unknown event' says 'no event 99999999' show rec --causes 99999999
ok 'an event that is none' says "'x' is no event" show rec --effects x
ok 'an unknown order' says 'time, causal or thread' show rec --order up
ok 'a wrong query has a mark below the place' says '             ^' show rec 'type=send ays'
ok 'also behind characters of several bytes' says '                ^' show rec 'text=äöü and byts>1'
equal 'a query in several words' "$(show rec type=exit and code=3 | wc -l)" 1

# damage: some bytes in the middle of the stream
cp -r rec bad
size=$(stat -c %s bad/stream-000001.ctf)
dd if=/dev/urandom of=bad/stream-000001.ctf bs=1 seek=$((size / 2)) count=64 conv=notrunc 2>/dev/null
ok 'a damaged block is named' grep -q 'bad.*skipped' <(show bad --json 2>&1 >out)
ok 'and the rest is shown' test "$(wc -l <out)" -lt "$lines"
e2e_end
