#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# etcd.sh - three etcd nodes and a client in network namespaces, and faults at their leader.
#
#	etcd.sh install				Debian's packages; starts and enables no service
#	etcd.sh up --dir DIR [--prefix P]	namespaces Pnode1 Pnode2 Pnode3 Pclient Pnet; waits for a leader
#	etcd.sh client --dir DIR [--rate N]	starts the client (50 requests/s)
#	etcd.sh fault FAULT --dir DIR [--hold S]	pause, kill, partition or oom; holds it S seconds, lifts it
#	etcd.sh down --dir DIR			ends and removes all that up and client made
#	etcd.sh run --dir DIR [--prefix P] --fault FAULT [--before S] [--hold S] [--after S] [--rate N]
#						all of it in one process tree; FAULT may be none
#
# DIR has state (to be sourced), nodeN.log, client.log (a line a request, see kvclient.c) and truth.jsonl (a line a
# fault). --kvclient PATH names a built client; else build/demo/kvclient is taken, or one is compiled into DIR.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

# shellcheck disable=SC2034 # all are for lib.sh
{
	DEMO_NAME=etcd.sh
	DEMO_NODES="node1 node2 node3"
	DEMO_PROCESS=etcd
	DEMO_PROGRAMS="etcd etcdctl"
	DEMO_DEPS=demo
	DEMO_PROTOCOL=etcd
	DEMO_PORT=2379
}

demo_state() {
	if etcd --help 2>&1 | grep -q -- --unsafe-no-fsync; then
		echo "DEMO_ETCD=--unsafe-no-fsync"
	else
		echo "DEMO_ETCD="
	fi
}

cluster() {
	local name
	for name in $DEMO_NODES; do
		echo "$name=http://$(address "$name"):2380"
	done
}

# Becomes etcd: its pid is that of the subshell
node_exec() {
	local ip
	ip=$(address "$1")
	# shellcheck disable=SC2046,SC2086
	netns_run "$prefix$1" etcd --name "$1" --data-dir "$dir/$1.data" --logger zap $DEMO_ETCD \
		--listen-peer-urls "http://$ip:2380" --initial-advertise-peer-urls "http://$ip:2380" \
		--listen-client-urls "http://$ip:2379" --advertise-client-urls "http://$ip:2379" \
		--initial-cluster "$(join $(cluster))" --initial-cluster-token saker-demo
}

# leader NODE...: the leader on which all these nodes agree
leader() {
	local id
	# shellcheck disable=SC2046
	id=$(ETCDCTL_API=3 netns_run "${prefix}client" etcdctl --dial-timeout 1s --command-timeout 1s -w fields \
		--endpoints "$(join $(endpoints "$@"))" endpoint status 2>/dev/null | leader_parse $#) || return 1
	echo "node${id##*.}"
}

# Status blocks of `etcdctl -w fields` to the address of the leader, if each of $1 blocks names it
leader_parse() {
	awk -v want="$1" '
		$1 == "\"MemberID\"" { member = $3 }
		$1 == "\"Leader\"" { leader = $3 }
		$1 == "\"Endpoint\"" {
			gsub(/"|:[0-9]+$|:[0-9]+"$/, "", $3)
			n++
			votes[leader]++
			if (member == leader)
				address = $3
		}
		END {
			if (n != want || votes[leader] != n || leader == 0 || address == "")
				exit 1
			print address
		}'
}

lib_main "$@"
