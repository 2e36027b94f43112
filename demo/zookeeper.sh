#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# zookeeper.sh - three ZooKeeper nodes and a client in network namespaces, and faults at their leader.
#
#	zookeeper.sh install			Debian's packages; starts and enables no service
#	zookeeper.sh up --dir DIR [--prefix P]	namespaces Pzk1 Pzk2 Pzk3 Pclient Pnet; waits for a leader
#	zookeeper.sh client --dir DIR [--rate N]	starts the client (50 requests/s)
#	zookeeper.sh fault FAULT --dir DIR [--hold S]	pause, kill, partition or oom; holds it S seconds, lifts it
#	zookeeper.sh down --dir DIR		ends and removes all that up and client made
#	zookeeper.sh run --dir DIR [--prefix P] --fault FAULT [--before S] [--hold S] [--after S] [--rate N]
#						all of it in one process tree; FAULT may be none
#
# DIR has state (to be sourced), zkN.log, client.log (a line a request, see kvclient.c) and truth.jsonl (a line a fault).
# The nodes' clocks disagree, by NODE_SHIFTS: the time stamps in their logs are worth nothing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

# shellcheck disable=SC2034 # all are for lib.sh
{
	DEMO_NAME=zookeeper.sh
	DEMO_NODES="zk1 zk2 zk3"
	DEMO_PROCESS=QuorumPeerMain
	DEMO_PROGRAMS=java
	DEMO_DEPS=zookeeper
	DEMO_PROTOCOL=zookeeper
	DEMO_PORT=2181
}
JARS=/usr/share/java
ZK_JARS=$JARS/slf4j-log4j12.jar:$JARS/log4j-1.2.jar:$JARS/zookeeper.jar
NODE_SHIFTS=(0 -420 0 +660) # seconds, of node 1 to 3
# A small machine for a small store, quick to start
ZK_JAVA="-Xmx64m -Xss512k -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:CICompilerCount=1 -XX:-UsePerfData"

zk_log_config() {
	cat <<-'END'
		log4j.rootLogger=INFO, OUT
		log4j.logger.org.apache.zookeeper.server.quorum.FastLeaderElection=DEBUG
		log4j.appender.OUT=org.apache.log4j.ConsoleAppender
		log4j.appender.OUT.layout=org.apache.log4j.PatternLayout
		log4j.appender.OUT.layout.ConversionPattern=%d{ISO8601} [myid:%X{myid}] - %-5p [%t:%C{1}@%L] - %m%n
	END
}

# zk_config NODE
zk_config() {
	local name
	cat <<-END
		tickTime=500
		initLimit=10
		syncLimit=4
		dataDir=$dir/$1.data
		clientPort=2181
		4lw.commands.whitelist=srvr
		admin.enableServer=false
	END
	for name in $DEMO_NODES; do
		echo "server.${name: -1}=$(address "$name"):2888:3888"
	done
}

# Built, or made here
zk_shift() {
	local built=$here/../build/demo/clockshift.so
	if [ ! -e "$built" ]; then
		built=$dir/clockshift.so
		${CC:-cc} -std=gnu17 -D_GNU_SOURCE -O2 -fPIC -shared -o "$built" "$here/clockshift.c"
	fi
	realpath "$built"
}

demo_state() {
	[ -e "$JARS/zookeeper.jar" ] || die "no $JARS/zookeeper.jar: run 'zookeeper.sh install' first"
	zk_log_config >"$dir/log4j.properties"
	printf 'CLOCK_SHIFT=%q\n' "$(zk_shift)"
}

node_exec() {
	local n=${1: -1}
	mkdir -p "$dir/$1.data"
	echo "$n" >"$dir/$1.data/myid"
	zk_config "$1" >"$dir/$1.cfg"
	export LD_PRELOAD=$CLOCK_SHIFT CLOCK_SHIFT_S=${NODE_SHIFTS[n]}
	# shellcheck disable=SC2086
	netns_run "$prefix$1" java $ZK_JAVA -Dzookeeper.jmx.log4j.disable=true \
		-Dlog4j.configuration="file:$dir/log4j.properties" -cp "$ZK_JARS" \
		org.apache.zookeeper.server.quorum.QuorumPeerMain "$dir/$1.cfg"
}

# zk_modes ADDRESS...: leader or follower, a line each, until one does not answer
zk_modes() {
	# shellcheck disable=SC2016 # for the inner shell
	netns_run "${prefix}client" timeout 1 bash -c '
		for address; do
			exec 3<>"/dev/tcp/$address/2181" && echo srvr >&3 && sed -n "s/^Mode: //p" <&3 || exit 1
		done' zk_modes "$@" 2>/dev/null
}

# leader NODE...: the leader on which all these nodes agree
leader() {
	local modes name mode found=''
	# shellcheck disable=SC2046
	modes=$(zk_modes $(for name in "$@"; do address "$name"; done)) || return 1
	for name in "$@"; do
		read -r mode || return 1
		case $mode:$found in
		leader:) found=$name ;;
		follower:*) ;;
		*) return 1 ;;
		esac
	done <<<"$modes"
	[ -n "$found" ] && echo "$found"
}

lib_main "$@"
