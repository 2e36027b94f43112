#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: guests
# timeout: 240
#
# quickstart.sh: a whole run, its hints, and interruptions at several moments, after which nothing may be left.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
root=${here%/tests}

prefix=qs$$-

runs=0

# start FAULT [OPTIONS]: in a process group of its own, as a terminal has it; $leader leads it. Its temporary folder is $TMP.
start() {
	runs=$((runs + 1))
	TMP=$WORK/tmp$runs
	mkdir "$TMP"
	set -m
	# where this suite runs in the background, SIGINT is ignored, and a shell cannot change that
	# shellcheck disable=SC2086
	TMPDIR=$TMP env --default-signal=INT "$root/quickstart.sh" ${2---once} --fault "$1" --prefix "$prefix" \
		>"$WORK/out" 2>"$WORK/talk" </dev/null &
	leader=$!
	set +m
}

asked() { test -s "$TMP"/tmp.*/client.log; }
recording() { grep -q '^recording' "$WORK/talk"; }
namespace() { test -e "/run/netns/${prefix}node2"; }
lifted() { test -s "$TMP"/tmp.*/truth.jsonl; }


stopped() {
	local node
	for node in $(sed -n 's/^NODE[123]_PID=\([0-9]*\).*/\1/p' "$TMP"/tmp.*/state); do
		! grep -q '^State:.T' "/proc/$node/status" || return 0
	done
	return 1
}

ours() { pgrep -f -- "--prefix $prefix" || pgrep -f "$TMP"; }

# The processes, namespaces, cgroups and folders that a run made are gone
nothing_left() {
	! compgen -G "/run/netns/$prefix*" && ! compgen -G "/sys/fs/cgroup/*saker-demo-$prefix*" &&
		! compgen -G "/sys/fs/cgroup/*/saker-demo-$prefix*" && ! ours && [ -z "$(ls -A "$TMP")" ]
}

# interrupted WHAT SIGNAL CONDITION: to the whole group, as Ctrl-C does, or to the script alone
interrupted() {
	local status=0
	start pause
	ok "$1: reached" wait_for 30 "$3"
	case $2 in
	INT) kill -s INT -- -$leader ;;
	*) kill -s "$2" $leader ;;
	esac
	wait $leader || status=$?
	ok "$1: it says so by its status, $status" test $status -gt 128
	ok "$1: nothing is left" nothing_left
}

whole_run() {
	local status=0 rec command
	start kill
	wait $leader || status=$?
	equal 'a whole run: status' $status 0
	rec=$(sed -n 's/^the recording is in \([^;]*\);.*/\1/p' "$WORK/out")
	ok 'a whole run: the story names the kill' grep -Eq "sent SIGKILL to etcd\[[0-9]+\] on ${prefix}node[123], which died of it" "$WORK/out"
	ok 'a whole run: nothing is left but the recording' nothing_left
	ok 'a whole run: the recording is there' test -d "$root/$rec"
	equal 'a whole run: hints' "$(grep -c '^    build/' "$WORK/out")" 3
	while read -r command; do
		ok "a whole run: $command" bash -c "cd '$root' && $command | grep -q ."
	done < <(grep '^    build/' "$WORK/out")
}

# Without --once: the page is there, and goes with the script
shown() {
	local status=0 url
	start kill ''
	ok 'the page: its address is printed' wait_for 60 grep -q '^see it in the browser: ' "$WORK/out"
	url=$(sed -n 's/^see it in the browser: //p' "$WORK/out")
	ok 'the page: it is there' curl -sf -o page.html "$url"
	ok 'the page: it has the story' test "$(curl -sf "${url%%/\?*}/api/story?${url#*\?}" | grep -c 'sent SIGKILL to etcd')" = 1
	kill -s INT -- -$leader
	wait $leader || status=$?
	ok 'the page: Ctrl-C ends it all' nothing_left
	fails 'the page: also the server' curl -sf -o page.html "$url"
}

zookeeper_run() {
	local status=0
	if [ ! -e /usr/share/java/zookeeper.jar ]; then
		skip 'ZooKeeper' 'no ZooKeeper here: tools/deps.sh zookeeper'
		return
	fi
	start kill 'zookeeper --once'
	wait $leader || status=$?
	equal 'ZooKeeper: status' $status 0
	ok 'ZooKeeper: the story names the kill' grep -Eq \
		"sent SIGKILL to QuorumPeerMain\[[0-9]+\] on ${prefix}zk[123], which died of it" "$WORK/out"
	ok 'ZooKeeper: nothing is left but the recording' nothing_left
}

e2e_clean() {
	local rec state
	kill "$leader" 2>/dev/null && wait_for 20 nothing_left
	for state in "$WORK"/tmp*/tmp.*/state; do
		[ -e "$state" ] || continue
		if grep -q '^CLOCK_SHIFT=' "$state"; then
			"$root/demo/zookeeper.sh" down --dir "${state%/state}"
		else
			"$root/demo/etcd.sh" down --dir "${state%/state}"
		fi
	done
	for rec in "$root"/rec/*; do
		grep -qxF "$rec" <<<"$before" || rm -rf "$rec"
	done
}

before=$(ls -d "$root"/rec/* 2>/dev/null)
e2e_begin
whole_run
shown
zookeeper_run
interrupted 'Ctrl-C at the start of the recording' INT recording
interrupted 'Ctrl-C while the cluster starts' INT namespace
interrupted 'SIGTERM while the client asks' TERM asked
interrupted 'SIGTERM while the leader is stopped' TERM stopped
interrupted 'Ctrl-C after the fault' INT lifted
e2e_end
