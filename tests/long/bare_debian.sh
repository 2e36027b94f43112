#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Both commands of the README, and the packages, in a bare Debian 12: a debootstrap root with git, nothing else.
# It shares this kernel. All mounts are in a mount namespace of their own and go with it.
# timeout: 5400
set -u
cd "$(dirname "$0")/../.." || exit 1

if [ "${1-}" != inside ]; then
	exec unshare --mount --propagation private "$PWD/tests/long/bare_debian.sh" inside
fi

count=0
failed=0
place=$(mktemp -d /var/tmp/saker-bare.XXXXXX)
root=$place/system
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

cleanup() {
	local dir
	for dir in proc sys dev run tmp; do
		umount --recursive --lazy "$root/$dir" 2>/dev/null
	done
	umount --recursive --lazy "$root" 2>/dev/null
	rm -rf --one-file-system "$place"
}
trap cleanup EXIT
trap 'exit 143' INT TERM

# is WHAT COMMAND...: one test case
is() {
	local what=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $what"
	else
		echo "not ok $count - $what"
		failed=1
	fi
}

# within COMMAND...: runs it in the root, with an environment as bare as the root
within() {
	chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb CI=true \
		FUZZ_SECONDS="${FUZZ_SECONDS:-5}" "$@" </dev/null 2>&1
}

logged() {
	"$@" 2>&1 | sed 's/^/# /'
	return "${PIPESTATUS[0]}"
}

make_root() {
	local dir
	debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" "$mirror" || return 1
	# ip(8) wants / to be a mount point, as on any running system
	mount --rbind "$root" "$root" || return 1
	cp /etc/resolv.conf /etc/hosts "$root/etc"
	for dir in proc sys dev; do
		mount --rbind /$dir "$root/$dir" || return 1
	done
	mount -t tmpfs tmpfs "$root/run" && mount -t tmpfs tmpfs "$root/tmp"
}

# The committed state, as a person would clone it
clone() {
	git -c safe.directory='*' clone --quiet --no-hardlinks . "$root/root/saker"
}

# A policy of the machine's own, to be found again as it was
policy='#!/bin/sh
# of this machine
exit 0'

# Without a network: a sentence, and nothing changed
says_no_network() {
	echo "$policy" >"$root/usr/sbin/policy-rc.d"
	within unshare --net sh -c 'cd /root/saker && ! ./quickstart.sh --build-only' >"$root/offline.log"
	grep -q 'apt does not reach its servers' "$root/offline.log" && policy_kept
}

policy_kept() {
	[ "$(cat "$root/usr/sbin/policy-rc.d")" = "$policy" ] && [ ! -e "$root/usr/sbin/policy-rc.d.before-saker" ]
}

quickstart() {
	within sh -c 'cd /root/saker && ./quickstart.sh --once' >"$root/quickstart.log"
}

told() {
	within sh -c 'cd /root/saker && build/src/saker story rec/pause-1' | grep -q 'SIGSTOP'
}

# No service is enabled, the machine's policy is as it was
untouched() {
	local links
	links=$(find "$root/etc" \( -path '*.wants/*' -o -path '*/rc?.d/S*' \) | grep -E 'etcd|redis|nginx')
	[ -z "$links" ] || echo "# enabled: $links"
	[ -z "$links" ] && policy_kept
}

# No process of the root still runs, no namespace of it is left
gone() {
	local left
	left=$(find /proc -maxdepth 2 -name root -lname "$root*" 2>/dev/null)
	[ -z "$left" ] || echo "# still there: $left"
	[ -z "$left" ] && [ -z "$(ls "$root/run/netns" 2>/dev/null)" ]
}

check() {
	within sh -c 'cd /root/saker && ./check.sh' >"$root/check.log"
}

quick() {
	within sh -c 'useradd -m someone && git clone -q /root/saker /home/someone/saker -c safe.directory=\* &&
		chown -R someone: /home/someone/saker' &&
		within su someone -c 'cd ~/saker && timeout 60 ./check.sh --quick' >"$root/quick.log"
}

package() {
	within sh -c 'cd /root/saker && ./quickstart.sh --package && apt-get install -y -qq ./dist/*.deb &&
		cd /tmp && saker --version && tar xzf /root/saker/dist/*.tar.gz'
}

# The static binary runs where there is no library at all
runs_alone() {
	mkdir -p "$root/empty" && cp "$root"/tmp/saker-*/saker "$root/empty" && chroot "$root/empty" /saker --version
}

not_enabled() {
	[ -e "$root/lib/systemd/system/saker-flight.service" ] &&
		[ -e "$root/lib/systemd/system/saker-agent.service" ] &&
		[ -z "$(find "$root/etc/systemd" -name 'saker*' 2>/dev/null)" ]
}

if ! command -v debootstrap >/dev/null || ! logged make_root; then
	echo "1..0 # SKIP no bare Debian: debootstrap failed (no network?)"
	exit 0
fi
is "the repository is cloned into it" logged clone
is "without a network it says so" says_no_network
is "quickstart.sh --once installs, builds, records" quickstart
logged tail -n 40 "$root/quickstart.log"
is "the story names the planted SIGSTOP" told
is "no service is enabled, policy-rc.d is as it was" untouched
is "no process and no namespace is left" gone
is "check.sh passes" check
logged tail -n 60 "$root/check.log"
is "its last line is the count" grep -qE '^[0-9]+ passed, 0 failed, [0-9]+ skipped$' <(tail -n 1 "$root/check.log")
is "check.sh --quick passes without root, from nothing, within 60 s" quick
logged tail -n 20 "$root/quick.log"
is "the packages are made and install" logged package
is "nothing of Saker is enabled" not_enabled
is "the static binary runs in an empty root" logged runs_alone
echo "1..$count"
exit $failed
