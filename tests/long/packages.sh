#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The package and the tarball, made here, in bare roots of Debian 12 and 13: they install, record, tell, serve, and what is
# removed leaves nothing. The roots share this kernel; all mounts are in a mount namespace and go with it.
# timeout: 2400
set -u
cd "$(dirname "$0")/../.." || exit 1

if [ "${1-}" != inside ]; then
	exec unshare --mount --propagation private "$PWD/tests/long/packages.sh" inside
fi
# shellcheck source=tests/lib/e2e.sh
. tests/lib/e2e.sh
tree=$PWD
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

e2e_clean() {
	local mounted
	while read -r mounted; do
		umount --lazy "$mounted" 2>/dev/null
	done < <(awk -v place="$WORK/" 'index($2, place) == 1 { print $2 }' /proc/mounts | sort -r)
}

make_root() {
	local dir
	debootstrap --variant=minbase --include=curl,ca-certificates "$1" "$1" "$mirror" || return 1
	mount --rbind "$1" "$1" || return 1
	cp /etc/resolv.conf "$1/etc"
	for dir in proc sys dev; do
		mount --rbind /$dir "$1/$dir" || return 1
	done
	mount -t tmpfs tmpfs "$1/run" && mount -t tmpfs tmpfs "$1/tmp"
}

within() {
	chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb DEBIAN_FRONTEND=noninteractive \
		"$@" </dev/null
}

# What there is, but for what apt and dpkg write about their own work
files() {
	(cd "$root" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./tmp -o -path ./run \
		-o -path ./var/cache -o -path ./var/log -o -path ./var/lib/apt -o -path ./var/lib/dpkg \) -prune -o -print | sort)
}

# works PROGRAM: records a command, tells, shows, and serves the recording over HTTP
works() {
	# shellcheck disable=SC2016
	within bash -c 'set -e
		cd /tmp
		rm -rf rec
		"$0" doctor >doctor || [ $? = 1 ] # 1: an observation has no hook here
		"$0" record -o rec -- /bin/true
		"$0" story rec >story
		"$0" show rec "type=exec" | grep -q /bin/true
		"$0" serve rec --listen 127.0.0.1:0 >address &
		trap "kill $!" EXIT
		for i in $(seq 100); do [ -s address ] && break; sleep 0.1; done
		curl -fsS "$(cat address)" | grep -qi "<title>"
		curl -fsS "$(sed "s|/?|/api/info?|" address)" | grep -q "\"events\":"' "$1"
}

on() {
	local before root=$WORK/$1
	if ! make_root "$1" >"$1.log" 2>&1; then
		skip "Debian $1" "debootstrap failed: $(tail -n 1 "$1.log")"
		return
	fi
	cp "$tree"/dist/saker*.deb "$tree"/dist/saker*.tar.gz "$root/tmp"
	within apt-get -qq update >/dev/null 2>&1
	# the libraries stay when the package goes: they are installed before the count
	# shellcheck disable=SC2046
	within apt-get -qq install -y --no-install-recommends $(dpkg-deb -f "$tree"/dist/saker*.deb Depends |
		tr ',' '\n' | awk '{ print $1 }') >>"$1.log" 2>&1
	before=$(files)
	ok "$1: the package installs" within sh -c 'apt-get -qq install -y /tmp/saker*.deb'
	ok "$1: it works" works saker
	equal "$1: every command has its page" "$(within sh -c 'for c in $(saker --help | sed -n "s/^  \([a-z][a-z-]*\) .*/\1/p"); do
		[ -e /usr/share/man/man1/saker-$c.1.gz ] || dpkg -L saker | grep -q "man1/saker-$c.1" || echo $c; done')" ''
	equal "$1: nothing of it is enabled" "$(find "$root/etc/systemd" -name 'saker*' 2>/dev/null)" ''
	ok "$1: and it goes" within sh -c 'apt-get -qq purge -y saker'
	equal "$1: nothing is left" "$(diff <(echo "$before") <(files) | grep '^[<>]')" ''
	ok "$1: the tarball unpacks" within sh -c 'cd /tmp && tar xzf saker*.tar.gz && mv saker-*-linux-*/ unpacked'
	ok "$1: its program works" works /tmp/unpacked/saker
}

e2e_begin
if ! command -v debootstrap >/dev/null; then
	echo '1..0 # SKIP no debootstrap: tools/deps.sh long'
	exit 0
fi
ok 'the packages are made' "$tree/quickstart.sh" --package
for release in bookworm trixie; do
	on $release
done
e2e_end
