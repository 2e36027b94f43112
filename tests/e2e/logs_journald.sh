#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
#
# Lines through systemd's journal (tests/lib/logs_journald.sh), with a systemd-journald of this suite's own: in a mount namespace in
# which /run and /var/log are empty.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
if [ ! -x /lib/systemd/systemd-journald ]; then
	echo "ok 1 - lines through journald # SKIP there is no systemd-journald here"
	echo 1..1
	exit 0
fi
# shellcheck disable=SC2016
exec unshare --mount bash -c '
	mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/log && mount --bind /dev/null /dev/kmsg || exit 1
	mkdir -p /run/systemd/journal /run/log/journal
	/lib/systemd/systemd-journald 2>/dev/null &
	pid=$!
	trap "kill $pid" EXIT
	end=$((SECONDS + 20))
	until [ -S /run/systemd/journal/stdout ]; do
		[ $SECONDS -lt $end ] || { echo "not ok 1 - journald runs"; echo 1..1; exit 1; }
		sleep 0.02
	done
	JOURNAL=/run/log/journal "$0"
' "$here/lib/logs_journald.sh"
