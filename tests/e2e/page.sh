#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 300
#
# The page in headless Chromium, over real recordings: tests/ui/. Screenshots come to build/ui/shots.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/ui/recordings.sh
. "$here/ui/recordings.sh"

prefix=pg$$-

e2e_clean() {
	[ ! -e demo.demo/state ] || "$here/../demo/etcd.sh" down --dir demo.demo >/dev/null 2>&1
}

# made NAME COMMAND...: a case; a recording without which the rest makes no sense
made() {
	ok "recorded: $1" "${@:2}"
}

missing() {
	local tool
	for tool in node curl "${CHROMIUM:-/usr/bin/chromium}"; do
		command -v "$tool" >/dev/null || { echo "no $tool"; return; }
	done
	node "$here/ui/fetch.mjs" "$SAKER_BUILD/ui" >fetch.log 2>&1
	case $? in
	0) ;;
	77) tail -n 1 fetch.log ;;
	*) cat fetch.log >&2; return 1 ;;
	esac
}

e2e_begin
why=$(missing)
status=$?
ok 'what package-lock.json names is what the registry gives' [ $status = 0 ]
if [ -n "$why" ] || [ $status != 0 ]; then
	skip 'the page in a browser' "$why"
	e2e_end
fi
{ recording_demo demo "$prefix" >demo.log 2>&1; : >demo.made; } &
demo=$!
recording_loss loss >loss.log 2>&1 &
loss=$!
recording_hostile hostile >hostile.log 2>&1 &
hostile=$!
made requests recording_requests requests
made 'more requests' recording_requests slow 120
made scene "$SAKER_BUILD/tests/scene" scene 20000 --hostile
zookeeper=$SAKER_TEST_DATA/falcon/zookeeper/zktrace_full.log
[ ! -e "$zookeeper" ] || made clocks "$SAKER" import falcon -o clocks "$zookeeper"
made large "$SAKER_BUILD/tests/scene" large 1000000
"$SAKER" show large | wc -l >large.count
ok 'recorded: loss' wait $loss
ok 'recorded: hostile' wait $hostile
# the demo takes longest: the others are looked at meanwhile
e2e_include '' < <(node "$here/ui/run.mjs" "$WORK" "$prefix")
wait $demo
ok 'recorded: demo' [ -e demo/metadata ]
e2e_end
