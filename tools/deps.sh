#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The one list of Debian packages that Saker needs, and their installation.
#
#   tools/deps.sh build test demo       installs what is missing of these groups
#   . tools/deps.sh; deps_install build
#
# Works in a bare Debian 12 (no sudo, no init). Installing starts no service and enables none: a policy-rc.d
# forbids starts meanwhile, and what came new is disabled afterwards. What is already there stays as it was.

DEPS_BUILD="gcc libc6-dev linux-libc-dev clang llvm meson ninja-build pkg-config python3
	libbpf-dev bpftool libelf-dev zlib1g-dev libxxhash-dev libjansson-dev libcmocka-dev
	libmicrohttpd-dev libbabeltrace2-dev libcapstone-dev libnghttp2-dev libsqlite3-dev libcurl4-openssl-dev libssl-dev libyaml-dev
	libprotobuf-c-dev protobuf-c-compiler node-d3"
DEPS_TEST="libclang-rt-14-dev clang-format shellcheck babeltrace2 python3-bt2 jq e2fsprogs iproute2 procps nftables
	liburing-dev redis-server redis-tools chromium nodejs curl golang-go default-jdk-headless podman crun strace
	lttng-tools liblttng-ust-dev qemu-system-x86 busybox-static kmod xz-utils systemd wget
	postgresql postgresql-client mariadb-server mariadb-client python3-pymysql libdbd-mariadb-perl nginx nghttp2-client
	nghttp2-proxy python3-grpcio wrk memcached dnsmasq-base bind9-dnsutils openssl
	protobuf-compiler python3-prometheus-client ethtool"
DEPS_DEMO="etcd-server etcd-client iproute2 nftables procps"
DEPS_ZOOKEEPER="zookeeper default-jre-headless iproute2 nftables procps"
DEPS_SHOP="nginx redis-server redis-tools postgresql postgresql-client wrk golang-go python3 iproute2 nftables procps
	util-linux"
DEPS_LB="nginx wrk curl jq ethtool iproute2 procps util-linux"
DEPS_BENCH="redis-server redis-tools nginx wrk strace procps z3 ipvsadm nftables ethtool jq curl"
DEPS_PACKAGE="dpkg-dev binutils"
DEPS_LONG="debootstrap git util-linux qemu-system-x86 busybox-static kmod xz-utils"

DEPS_POLICY=/usr/sbin/policy-rc.d

# deps_list GROUP...: one package a line
deps_list() {
	local group
	for group in "$@"; do
		case $group in
		build) printf '%s\n' $DEPS_BUILD ;;
		test) printf '%s\n' $DEPS_TEST ;;
		demo) printf '%s\n' $DEPS_DEMO ;;
		zookeeper) printf '%s\n' $DEPS_ZOOKEEPER ;;
		lb) printf '%s\n' $DEPS_LB ;;
		shop) printf '%s\n' $DEPS_SHOP ;;
		bench) printf '%s\n' $DEPS_BENCH ;;
		package) printf '%s\n' $DEPS_PACKAGE ;;
		long) printf '%s\n' $DEPS_LONG ;;
		*) echo "deps: no group '$group': build, test, demo, zookeeper, shop, lb, bench, package or long" >&2; return 1 ;;
		esac
	done | sort -u
}

# Every package that is installed now, one a line
deps_installed() {
	dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort -u
}

# deps_missing GROUP...: the packages of the groups that are not installed
deps_missing() {
	comm -23 <(deps_list "$@") <(deps_installed)
}

deps_policy_on() {
	# A copy that is already there is the true one: an earlier run was killed.
	if [ -e "$DEPS_POLICY" ] && [ ! -e "$DEPS_POLICY.before-saker" ]; then
		mv "$DEPS_POLICY" "$DEPS_POLICY.before-saker"
	fi
	printf '#!/bin/sh\nexit 101\n' >"$DEPS_POLICY"
	chmod 755 "$DEPS_POLICY"
}

deps_policy_off() {
	rm -f "$DEPS_POLICY"
	if [ -e "$DEPS_POLICY.before-saker" ]; then
		mv "$DEPS_POLICY.before-saker" "$DEPS_POLICY"
	fi
}

# deps_disable PACKAGE...: their services do not start at the next boot either
deps_disable() {
	local path name
	for path in $(dpkg -L "$@" 2>/dev/null | sort -u); do
		name=${path##*/}
		case $path in
		*/systemd/system/*@.*) ;;
		*/systemd/system/*.service | */systemd/system/*.socket | */systemd/system/*.timer)
			if command -v systemctl >/dev/null; then
				systemctl --quiet disable "$name"
			elif command -v deb-systemd-helper >/dev/null; then
				deb-systemd-helper disable "$name"
			fi ;;
		/etc/init.d/*) update-rc.d "$name" disable ;;
		esac
	done >/dev/null 2>&1 || true
}

deps_apt() {
	DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# deps_install GROUP...: 0 when all is there
deps_install() {
	local missing before failed=0 updated=1
	missing=$(deps_missing "$@") || return 1
	missing=${missing//$'\n'/ }
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "deps: missing packages; as root: apt-get install --no-install-recommends $missing" >&2
		return 1
	fi
	echo "deps: installing $missing" >&2
	before=$(deps_installed)
	trap 'deps_policy_off; exit 130' INT TERM
	deps_policy_on
	deps_apt -o APT::Update::Error-Mode=any update >&2 || updated=0
	# shellcheck disable=SC2086
	deps_apt install -y --no-install-recommends $missing >&2 || failed=1
	deps_policy_off
	trap - INT TERM
	# shellcheck disable=SC2046
	deps_disable $(comm -13 <(echo "$before") <(deps_installed))
	[ $failed = 0 ] || deps_failed $updated "$missing"
}

deps_failed() {
	{
		echo "deps: cannot install: $2"
		if [ "$1" = 0 ]; then
			echo "deps: apt does not reach its servers (its words are above): is there a network, and is" \
				"/etc/apt/sources.list right?"
		fi
	} >&2
	return 1
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	set -u
	[ $# -gt 0 ] || set -- build
	deps_install "$@"
fi
