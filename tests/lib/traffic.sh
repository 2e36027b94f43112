#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# traffic.sh - builds the traffic generator and runs it, with the namespaces that it needs.
#
#	traffic.sh build OUT			compile to OUT (CC, CFLAGS)
#	traffic.sh list
#	traffic.sh SCENARIO DIR [option...]	run, truth to DIR
#	traffic.sh check DIR
#	traffic.sh all DIR			every scenario, big and storm too, each into DIR/NAME, checked
#	traffic.sh selftest DIR			as all, then damages a truth and expects check to see it
#	traffic.sh topology LAYOUT COMMAND...	runs COMMAND between namespaces: LAYOUT is netns or nat
#
# TRAFFIC names a built program; without it one is built into a temporary folder.
# In a topology COMMAND finds TG_CLIENT, TG_SERVER (and TG_ROUTER), the namespaces, TG_LISTEN and
# TG_DIAL, where the server listens and what the client connects to. Everything is removed at the end.
set -eu

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tag=tg$$x
tmp=
child=

die() { echo "traffic.sh: $*" >&2; exit 1; }

clean_up() {
	[ -z "$child" ] || kill "$child" 2>/dev/null || true
	for ns in c s r; do
		ip netns del "$tag$ns" 2>/dev/null || true
	done
	[ -z "$tmp" ] || rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# In the background, so that a signal to this script is not kept waiting
guarded() {
	local rc=0
	"$@" <&0 &
	child=$!
	wait "$child" || rc=$?
	child=
	return $rc
}

build() {
	# shellcheck disable=SC2086
	${CC:-gcc} -std=gnu17 ${CFLAGS:--O2 -g -Wall -Wextra -Wshadow} "$here"/traffic*.c -o "$1" \
		-luring -ljansson -lpthread
}

program() {
	[ -z "${TRAFFIC:-}" ] || return 0
	tmp=$(mktemp -d)
	build "$tmp/traffic"
	TRAFFIC=$tmp/traffic
}

ns_add() {
	ip netns add "$1"
	ip -n "$1" link set lo up
}

# wire NS1 ADDR1 NS2 ADDR2: a veth pair; the device is named after the other end's namespace
wire() {
	ip link add "v$3" netns "$1" type veth peer name "v$1" netns "$3"
	ip -n "$1" addr add "$2" dev "v$3"
	ip -n "$3" addr add "$4" dev "v$1"
	ip -n "$1" link set "v$3" up
	ip -n "$3" link set "v$1" up
}

layout_netns() {
	ns_add "${tag}c"
	ns_add "${tag}s"
	wire "${tag}c" 10.77.0.1/24 "${tag}s" 10.77.0.2/24
	TG_LISTEN=10.77.0.2:8080 TG_DIAL=10.77.0.2:8080
}

# The client knows only 10.77.1.100:80 (DNAT), the server sees only the router (SNAT)
layout_nat() {
	ns_add "${tag}c"
	ns_add "${tag}r"
	ns_add "${tag}s"
	wire "${tag}c" 10.77.1.1/24 "${tag}r" 10.77.1.254/24
	wire "${tag}r" 10.77.2.254/24 "${tag}s" 10.77.2.2/24
	ip -n "${tag}c" route add default via 10.77.1.254
	ip -n "${tag}r" addr add 10.77.1.100/32 dev lo
	ip -n "${tag}c" route add 10.77.1.100/32 via 10.77.1.254
	ip netns exec "${tag}r" sysctl -qw net.ipv4.ip_forward=1
	ip netns exec "${tag}r" nft -f - <<-'NFT'
		table ip traffic {
			chain pre {
				type nat hook prerouting priority dstnat
				ip daddr 10.77.1.100 tcp dport 80 dnat to 10.77.2.2:8080
				ip daddr 10.77.1.100 udp dport 80 dnat to 10.77.2.2:8080
			}
			chain post {
				type nat hook postrouting priority srcnat
				ip daddr 10.77.2.2 masquerade
			}
		}
	NFT
	TG_LISTEN=10.77.2.2:8080 TG_DIAL=10.77.1.100:80 TG_ROUTER=${tag}r
	export TG_ROUTER
}

topology() {
	case $1 in
	netns|nat) "layout_$1" ;;
	*) die "no layout is called '$1'" ;;
	esac
	shift
	TG_CLIENT=${tag}c TG_SERVER=${tag}s
	export TG_CLIENT TG_SERVER TG_LISTEN TG_DIAL
	guarded "$@"
}

between() {
	exec "$TRAFFIC" "$@" --client-netns "$TG_CLIENT" --server-netns "$TG_SERVER" --listen "$TG_LISTEN" \
		--connect "$TG_DIAL"
}

scenario() {
	local name=$1 dir=$2 rc=0
	shift 2
	case $name in
	netns|udp_netns) topology netns between "$name" --truth "$dir" "$@" || rc=$? ;;
	nat|udp_nat) topology nat between "$name" --truth "$dir" "$@" || rc=$? ;;
	*) guarded "$TRAFFIC" "$name" --truth "$dir" "$@" || rc=$? ;;
	esac
	for ns in c s r; do
		ip netns del "$tag$ns" 2>/dev/null || true
	done
	return $rc
}

every() {
	local dir=$1 name failed=0
	mkdir -p "$dir"
	for name in $("$TRAFFIC" list | awk '$1 != "all" { print $1 }'); do
		printf '%-16s ' "$name"
		if scenario "$name" "$dir/$name" < /dev/null > "$dir/log"; then
			"$TRAFFIC" check "$dir/$name" || failed=$((failed + 1))
		else
			echo "failed"
			failed=$((failed + 1))
		fi
	done
	rm -f "$dir/log"
	[ "$failed" = 0 ] || die "$failed scenarios failed"
}

# damage WHAT FILE SED: check must refuse a copy of a truth that SED has changed
damage() {
	rm -rf "$dir/damaged"
	cp -r "$dir/$4" "$dir/damaged"
	sed -i "$3" "$dir/damaged/$2"
	cmp -s "$dir/$4/$2" "$dir/damaged/$2" && die "the damage '$1' changed nothing"
	if "$TRAFFIC" check "$dir/damaged" > /dev/null 2>&1; then
		die "check did not see: $1"
	fi
	echo "check sees: $1"
	rm -rf "$dir/damaged"
}

selftest() {
	dir=$1
	every "$dir"
	damage "an edge is missing" truth.jsonl 5d tcp4
	damage "an edge is there twice" truth.jsonl 5p tcp4
	damage "a call is missing" calls.jsonl 7d tcp4
	damage "an edge names another receive" truth.jsonl '9s/\("to":{[^}]*"call":\)\([0-9]*\)/\11\2/' tcp4
	damage "bytes moved" truth.jsonl '9s/"ranges":\[\[/&1/' tcp4
	damage "a receive is before its send" calls.jsonl 's/"dir":"recv"\(.*\)"begin_ns":[0-9]*,"end_ns":[0-9]*/"dir":"recv"\1"begin_ns":1,"end_ns":1/' tcp4
	damage "a datagram is received twice" truth.jsonl 5p udp4
	damage "a datagram has another number" truth.jsonl '5s/"dgram":/&9/' udp4
	damage "a fork without parent" forks.jsonl '9s/"parent":/&9/;20s/"parent":/&8/' storm
}

[ $# -ge 1 ] || { sed -n '3,/^set -eu/p' "${BASH_SOURCE[0]}" | sed '/^set/d; s/^# \{0,1\}//'; exit 2; }
case $1 in
build) [ $# = 2 ] || die "build OUT"; build "$2" ;;
list) program; "$TRAFFIC" list ;;
check) [ $# = 2 ] || die "check DIR"; program; "$TRAFFIC" check "$2" ;;
all) [ $# = 2 ] || die "all DIR"; program; every "$2" ;;
selftest) [ $# = 2 ] || die "selftest DIR"; program; selftest "$2" ;;
topology) [ $# -ge 3 ] || die "topology LAYOUT COMMAND..."; shift; topology "$@" ;;
*) [ $# -ge 2 ] || die "SCENARIO DIR [option...]"; program; scenario "$@" ;;
esac
