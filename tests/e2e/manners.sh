#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 150
#
# How Saker behaves as a guest: whose the recording is, what is not written down, what it leaves behind, and that the
# recorded command does not notice.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3
INVOKER="env SUDO_UID=65534 SUDO_GID=65534"

events() { $PY "$here/lib/ctf_json.py" "$@"; }

# has EVENTS JQ: at least one event for which it is true
has() { jq -se "any(.[]; $2)" "$1" >/dev/null; }

# --- whose it is ---

check_whose() {
	$INVOKER "$SAKER" record -o mine -- sh -c 'id -u; id -g; id -G' >ids 2>/dev/null
	equal 'the command runs as the invoking user' "$(paste -sd' ' ids)" '65534 65534 65534'
	$INVOKER "$SAKER" record -o roots --as-root -- id -u >root_id 2>/dev/null
	equal 'with --as-root it does not' "$(cat root_id)" 0
	equal 'the folder is his alone' "$(stat -c '%a %u %g' mine)" '700 65534 65534'
	equal 'all files are his alone' "$(find mine -type f ! -perm 600 -o -type f ! -user 65534 -o -type f ! -group 65534)" ''
}

# --- what is not written down ---

SECRETS=(hunter2 's3 cret with space' 'cret with' tok3nvalue urlpassw0rd b3arer envpassw0rd curlpassw0rd jsonpassw0rd)

check_masked() {
	local word
	"$SAKER" record -o masked -- sh -c '
		/bin/true --password=hunter2 -v
		/bin/true --password "s3 cret with space" last
		/bin/true --api-key tok3nvalue
		/bin/true postgres://joe:urlpassw0rd@db/x
		/bin/true -H "Authorization: Bearer b3arer"
		env DB_PASSWORD="envpassw0rd" /bin/true
		/bin/true -u joe:curlpassw0rd
		/bin/true -d "{\"password\":\"jsonpassw0rd\"}"' 2>/dev/null
	for word in "${SECRETS[@]}"; do
		fails "'$word' is nowhere in the recording" grep -raq "$word" masked
	done
	events masked exec >events
	equal 'what is no secret is there' "$(jq -r 'select(.args | startswith("/bin/true --password")).args' events | paste -sd'|')" \
		'/bin/true --password=******* -v|/bin/true --password ****************** last'
}

check_snapshot_masked() {
	sh -c 'sleep 60; : --token=snapshots3cret' snap --password=sn4pshot &
	e2e_kill_later $!
	"$SAKER" record -o snap -p $! --duration 0.2s 2>/dev/null
	kill $!
	fails 'secrets of processes that already ran are nowhere either' grep -raqE 'sn4pshot|snapshots3cret' snap
	events snap process >events
	ok 'who already ran is described' has events ".tgid == $! and (.exe | test(\"/(da)?sh$\")) and (.args | startswith(\"sh -c\"))"
}

# --- nothing is left ---

# holdings PID: the BPF programs, maps and links that the process holds, by their ids
holdings() {
	cat /proc/"$1"/fdinfo/* 2>/dev/null | awk '$1 == "prog_id:" || $1 == "map_id:" || $1 == "link_id:" { print $1 $2 }' | sort -u
}

alive() {
	local what id gone=1
	while IFS=: read -r what id; do
		bpftool "${what%_id}" show id "$id" >/dev/null 2>&1 && { echo "$what $id is still there"; gone=0; }
	done
	return $gone
}

none_left() { ! alive <held; }

# What is pinned under our name, but what `saker lb` has pinned for a device, beside this suite: saker/DEVICE@NAMESPACE
pinned() {
	find /sys/fs/bpf -path '/sys/fs/bpf/saker/*@*' -prune -o -path /sys/fs/bpf/saker -o \( -name '*saker*' -o -path '/sys/fs/bpf/saker/*' \) -print
}

# left_after SIGNAL
left_after() {
	sleep 60 &
	e2e_kill_later $!
	e2e_record -p $!
	holdings $RECORDER >held
	equal "the recorder holds programs, maps and links (before $1)" \
		"$(awk -F: '{ print $1 }' held | sort -u | paste -sd' ')" 'link_id map_id prog_id'
	kill "-$1" $RECORDER
	wait $RECORDER
	ok "after $1 no program, map or link is left" wait_for 10 none_left
	equal "nothing is pinned (after $1)" "$(pinned)" ''
}

# --- it does not record itself ---

check_itself() {
	local recorder
	"$SAKER" record -o all --all --duration 1s 2>all.err &
	recorder=$!
	e2e_kill_later $recorder
	wait_for 30 grep -q '^recording into' all.err
	(exit 7)
	wait $recorder
	events all >events
	ok '--all sees this shell fork' has events ".type == \"fork\" and .tgid == $$"
	fails '--all has nothing of the recorder' has events ".tgid == $recorder"
}

# --- the command does not notice ---

check_streams() {
	printf 'one\ntwo\n' | "$SAKER" record -o piped -- cat >out 2>err
	equal 'stdin and stdout are the command'"'"'s' "$(paste -sd' ' out)" 'one two'
	equal 'only the summary is on stderr' "$(grep -vc "^'piped': " err)" 0
	"$SAKER" record -o quiet -- true >out 2>/dev/null
	equal 'the recorder itself writes nothing to stdout' "$(wc -c <out)" 0
	"$SAKER" record -o sig -- bash -c 'trap; grep SigIgn /proc/self/status; grep SigBlk /proc/self/status' >with 2>/dev/null
	bash -c 'trap; grep SigIgn /proc/self/status; grep SigBlk /proc/self/status' >without
	equal 'signals are ignored and blocked as without' "$(cat with)" "$(cat without)"
	(trap '' PIPE INT && "$SAKER" record -o sig2 -- bash -c 'grep SigIgn /proc/self/status') >with 2>/dev/null
	(trap '' PIPE INT && bash -c 'grep SigIgn /proc/self/status') >without
	equal 'also those that the caller ignored' "$(cat with)" "$(cat without)"
	"$SAKER" record -o fds -- ls /proc/self/fd >with 2>/dev/null
	ls /proc/self/fd >without
	equal 'it inherits no file' "$(wc -l <with)" "$(wc -l <without)"
}

# status_of COMMAND...: what `saker record` returns
status_of() {
	local status=0
	rm -rf status
	"$SAKER" record -o status -- "$@" >/dev/null 2>status.err || status=$?
	echo $status
}

check_status() {
	equal 'the exit status is returned' "$(status_of sh -c 'exit 3')" 3
	equal 'a signal as 128 + its number' "$(status_of sh -c 'kill -9 $$')" 137
	equal 'a command that is not there: 1' "$(status_of /nonexistent/program)" 1
	ok 'and it is named' grep -q "cannot run '/nonexistent/program': No such file" status.err
}

check_stopped() {
	local recorder status=0
	rm -rf stop
	"$SAKER" record -o stop -- sh -c 'trap "echo asked >asked; exit 5" TERM; : >started; while :; do sleep 0.05; done' 2>/dev/null &
	recorder=$!
	e2e_kill_later $recorder
	wait_for 30 test -e started
	kill -TERM $recorder
	wait $recorder || status=$?
	equal 'SIGTERM to the recorder ends the command, which may clean up' "$(cat asked) $status" 'asked 5'
	events stop exit >events
	ok 'and its end is recorded' has events '.code == 5 and .flags_number % 2 == 1'
}

check_killed() {
	local recorder child
	rm -rf started
	"$SAKER" record -o killed -- sh -c 'echo $$ >started; while [ ! -e go ]; do sleep 0.05; done; echo done >finished' 2>/dev/null &
	recorder=$!
	wait_for 30 test -s started
	child=$(cat started)
	e2e_kill_later "$child"
	kill -9 $recorder
	wait $recorder 2>/dev/null
	ok 'the command lives on when the recorder is killed' kill -0 "$child"
	: >go
	ok 'and comes to its own end' wait_for 10 test -e finished
}

# --- rights ---

# denied WORDS ARGUMENT...: as an unprivileged user
denied() {
	local words=$1
	shift
	setpriv --reuid=65534 --regid=65534 --clear-groups "$SAKER" "$@" >denied.out 2>&1 && return 1
	grep -qE "$words" denied.out || { cat denied.out; return 1; }
}

check_rights() {
	chmod 755 "$WORK"
	mkdir -m 777 open
	ok 'record names the rights that are missing' denied 'CAP_BPF.*CAP_PERFMON' record -o open/x -- true
	fails 'and makes no recording' test -e open/x
}

e2e_begin
check_whose
check_masked
check_snapshot_masked
for signal in INT TERM KILL; do
	left_after $signal
done
check_itself
check_streams
check_status
check_stopped
check_killed
check_rights
e2e_end
