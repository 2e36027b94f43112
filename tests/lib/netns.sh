# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# netns.sh - network namespaces joined by a bridge; to be sourced.
#
#	netns_exists NAME
#	netns_add NAME				with its loopback up
#	netns_bridge NAME			a bridge br0 in it
#	netns_join NAME ADDR/LEN NET PORT	eth0 with that address in NAME, the other end is PORT of br0 in NET
#	netns_run NAME COMMAND...		becomes COMMAND: to be used in a subshell or in the background
#	netns_del NAME				0 when it is not there
#
# nsenter, not `ip netns exec`: that mounts another /sys, which hides the pins of bpffs.

NETNS_DIR=/run/netns

netns_exists() {
	[ -e "$NETNS_DIR/$1" ]
}

netns_add() {
	ip netns add "$1"
	ip -n "$1" link set lo up
}

netns_bridge() {
	ip -n "$1" link add br0 type bridge
	ip -n "$1" link set br0 addrgenmode none up
}

netns_join() {
	ip -n "$3" link add "$4" type veth peer name eth0 netns "$1"
	ip -n "$3" link set "$4" addrgenmode none master br0 up
	ip -n "$1" link set eth0 addrgenmode none up
	ip -n "$1" address add "$2" dev eth0
}

netns_run() {
	local name=$1
	shift
	exec nsenter --net="$NETNS_DIR/$name" -- "$@"
}

netns_del() {
	! netns_exists "$1" || ip netns del "$1"
}
