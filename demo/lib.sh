# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# lib.sh - a cluster of three nodes and a client in network namespaces, and faults at its leader: what etcd.sh and
# zookeeper.sh share. They source it, say of their cluster what follows, and call lib_main "$@":
#
#	DEMO_NAME			that of the script
#	DEMO_NODES			the nodes, whose names end with 1, 2, 3
#	DEMO_PROCESS			what a node's process is called
#	DEMO_PROGRAMS DEMO_DEPS		what it needs, and the group of tools/deps.sh that has it
#	DEMO_PROTOCOL DEMO_PORT		what kvclient speaks, and where
#	demo_state			prints further lines of the file state, once
#	node_exec NODE			becomes the node: its pid is that of the subshell; DIR/NODE.data is for its data
#	leader NODE...			prints the leader on which all these nodes agree

demo_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../tests/lib/netns.sh
. "$demo_here/../tests/lib/netns.sh"
# shellcheck source=../tests/lib/cgroups.sh
. "$demo_here/../tests/lib/cgroups.sh"

START_SECONDS=${START_SECONDS:-30} # until a cluster has a leader
STOP_SECONDS=5	 # until a process ended by SIGTERM is killed
OOM_SECONDS=20	 # until the kernel's OOM killer has struck

dir='' prefix='' hold=3 before=3 after=2 rate=50 fault='' kvclient=''

say() { echo "$DEMO_NAME: $*" >&2; }
die() { say "$@"; exit 1; }

# --- small things -----------------------------------------------------------------------------------------------

boot_ns() { "$kvclient" --clock; }

# In the background, so that a signal to this script is not kept waiting
pause_for() {
	sleep "$1" &
	wait $! || kill $! 2>/dev/null || true
}

# wait_for SECONDS COMMAND...: until COMMAND is true
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -le $end ] || return 1
		sleep 0.05
	done
}

# What /proc/PID/stat says after the name: its first word is the state, the 20th the start time
proc_stat() {
	local line
	{ read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
	echo "${line##*) }"
}

proc_start() {
	# shellcheck disable=SC2046
	set -- $(proc_stat "$1")
	echo "${20:-0}"
}

# proc_alive PID START: this very process runs (a zombie does not)
proc_alive() {
	# shellcheck disable=SC2046
	set -- "$2" $(proc_stat "$1")
	[ $# -gt 20 ] && [ "$2" != Z ] && [ "$2" != X ] && [ "${21}" = "$1" ]
}

proc_gone() { ! proc_alive "$@"; }

# --- state ------------------------------------------------------------------------------------------------------

state_load() {
	[ -e "$dir/state" ] || die "no cluster in '$dir': no file state"
	# shellcheck disable=SC1091
	. "$dir/state"
	prefix=$DEMO_PREFIX
	kvclient=$DEMO_KVCLIENT
}

# state_process NAME PID: later lines win
state_process() {
	local name=${1^^}
	printf '%s_PID=%s %s_START=%s\n' "$name" "$2" "$name" "$(proc_start "$2")" >>"$dir/state"
	# shellcheck disable=SC1091
	. "$dir/state"
}

process_pid() { local v=${1^^}_PID; echo "${!v:-}"; }
process_start() { local v=${1^^}_START; echo "${!v:-}"; }
process_alive() { proc_alive "$(process_pid "$1")" "$(process_start "$1")"; }
process_gone() { ! process_alive "$1"; }

# --- memory cgroups: version 1 where its memory controller is mounted, else version 2 --------------------------

cgroup_path() { echo "$DEMO_CGROUPS/saker-demo-$prefix$1"; }

cgroup_make() {
	local path
	[ -n "$DEMO_CGROUPS" ] || return 0
	path=$(cgroup_path "$1")
	mkdir -p "$path"
	if [ -e "$path/memory.swap.max" ]; then
		echo 0 >"$path/memory.swap.max"
	elif [ -e "$path/memory.swappiness" ]; then
		echo 0 >"$path/memory.swappiness"
	fi
}

cgroup_drop() {
	local path
	[ -n "${DEMO_CGROUPS:-}" ] || return 0
	path=$(cgroup_path "$1")
	[ ! -d "$path" ] || wait_for 5 rmdir "$path" 2>/dev/null || say "cannot remove '$path'"
}

cgroup_usage() { cat "$1/memory.current" 2>/dev/null || cat "$1/memory.usage_in_bytes"; }

# memory_limit PATH BYTES|max: version 1 refuses what reclaim does not reach
memory_limit() {
	if [ -e "$1/memory.max" ]; then
		echo "$2" >"$1/memory.max"
	else
		echo "${2/max/-1}" >"$1/memory.limit_in_bytes"
	fi 2>/dev/null
}

cgroup_kills() {
	local file=$1/memory.events
	[ -e "$file" ] || file=$1/memory.oom_control
	awk '$1 == "oom_kill" { print $2 }' "$file"
}

# --- nodes ------------------------------------------------------------------------------------------------------

address() {
	case $1 in
	client) echo 10.77.0.10 ;;
	*) echo "10.77.0.${1: -1}" ;;
	esac
}

# others NODE: the addresses of all others
others() {
	local name
	for name in $DEMO_NODES client; do
		[ "$name" = "$1" ] || address "$name"
	done
}

endpoints() {
	local name
	for name in "$@"; do
		echo "$(address "$name"):$DEMO_PORT"
	done
}

join() { local IFS=,; echo "$*"; }

# In the node's own memory cgroup
node_become() {
	[ -z "$DEMO_CGROUPS" ] || echo "$BASHPID" >"$(cgroup_path "$1")/cgroup.procs"
	node_exec "$1"
}

node_start() {
	node_become "$1" >>"$dir/$1.log" 2>&1 </dev/null &
	state_process "$1" $!
	disown # its end is awaited by its pid, and bash is not to comment on it
}

# All agree on a leader, DEMO_LEADER; or a node has ended, and waiting is in vain
up_ready() {
	local name
	for name in $DEMO_NODES; do
		! process_gone "$name" || die "$name ended: see $dir/$name.log"
	done
	# shellcheck disable=SC2086
	DEMO_LEADER=$(leader $DEMO_NODES)
}

say_leader() {
	wait_for $START_SECONDS up_ready || die "no leader within $START_SECONDS s: see $dir/${DEMO_NODES%% *}.log"
	say "the leader is $DEMO_LEADER"
}

# --- commands ---------------------------------------------------------------------------------------------------

cmd_install() {
	"$demo_here/../tools/deps.sh" "$DEMO_DEPS"
}

kvclient_find() {
	if [ -z "$kvclient" ] && [ -x "$demo_here/../build/demo/kvclient" ]; then
		kvclient=$demo_here/../build/demo/kvclient
	elif [ -z "$kvclient" ]; then
		kvclient=$dir/kvclient
		${CC:-cc} -std=gnu17 -D_GNU_SOURCE -O2 -o "$kvclient" "$demo_here"/kv*.c
	fi
	[ -x "$kvclient" ] || die "no program '$kvclient'"
	kvclient=$(realpath "$kvclient")
}

up_check() {
	local name
	[ "$(id -u)" = 0 ] || die "this needs root"
	for name in $DEMO_PROGRAMS ip nft nsenter; do
		command -v "$name" >/dev/null || die "no program $name: run '$DEMO_NAME install' first"
	done
	[ ! -e "$dir/state" ] || die "'$dir' has a cluster already: end it with '$DEMO_NAME down --dir $dir'"
	for name in $DEMO_NODES client net; do
		! netns_exists "$prefix$name" || die "there is a namespace '$prefix$name' already: choose a --prefix"
	done
}

# From here on down can find and remove all.
up_state() {
	local cgroups name
	if ! cgroups=$(cgroup_memory); then
		say "no memory cgroups here: no fault oom"
		cgroups=''
	fi
	for name in $DEMO_NODES; do
		rm -rf "$dir/$name.data" "$dir/$name.log"
	done
	rm -f "$dir/client.log" "$dir/truth.jsonl"
	{
		printf '%s=%q\n' DEMO_PREFIX "$prefix" DEMO_CGROUPS "$cgroups" DEMO_KVCLIENT "$kvclient"
		demo_state
	} >"$dir/state"
	state_load
}

up_net() {
	local name
	for name in $DEMO_NODES client net; do
		netns_add "$prefix$name"
	done
	netns_bridge "${prefix}net"
	for name in $DEMO_NODES client; do
		netns_join "$prefix$name" "$(address "$name")/24" "${prefix}net" "$name"
	done
}

cmd_up() {
	local name
	mkdir -p "$dir"
	up_check
	kvclient_find
	up_state
	up_net
	for name in $DEMO_NODES; do
		cgroup_make "$name"
		node_start "$name"
	done
	say_leader
}

client_exec() {
	# shellcheck disable=SC2046,SC2086
	netns_run "${prefix}client" "$kvclient" --protocol "$DEMO_PROTOCOL" --rate "$rate" --log "$dir/client.log" \
		$(endpoints $DEMO_NODES)
}

cmd_client() {
	state_load
	! process_alive client || die "the client of '$dir' runs already"
	client_exec >/dev/null </dev/null &
	state_process client $!
	disown
}

# truth NODE PID KILLER BEGIN LIFT
truth() {
	printf '{"fault":"%s","node":"%s","pid":%s,"killer_pid":%s,"begin_boot_ns":%s,"lift_boot_ns":%s,"process":"%s"}\n' \
		"$fault" "$@" "$DEMO_PROCESS" >>"$dir/truth.jsonl"
}

# A process of its own sends the signal. Sets killer.
send_signal() {
	/bin/kill -s "$1" "$2" &
	killer=$!
	wait $killer
}

begin_pause() { send_signal STOP "$2"; }
lift_pause() { send_signal CONT "$2"; }

begin_kill() {
	send_signal KILL "$2"
	wait_for 5 process_gone "$1"
}

lift_kill() { node_start "$1"; }

begin_partition() {
	local set
	# shellcheck disable=SC2046
	set=$(join $(others "$1"))
	echo "DEMO_PARTITION=$1" >>"$dir/state"
	netns_run "$prefix$1" nft -f - <<-END &
		table inet saker_demo {
			chain in { type filter hook input priority 0; ip saddr { $set } drop; }
			chain out { type filter hook output priority 0; ip daddr { $set } drop; }
		}
	END
	killer=$!
	wait $killer
}

lift_partition() {
	(netns_run "$prefix$1" nft delete table inet saker_demo)
	echo "DEMO_PARTITION=" >>"$dir/state"
}

# One step towards the OOM killer: a limit below the usage, and something to allocate
oom_step() {
	local usage limit
	usage=$(cgroup_usage "$2")
	limit=$((usage / 2))
	until memory_limit "$2" $limit || [ $limit -ge "$usage" ]; do
		limit=$((limit + usage / 20))
	done
	process_gone "$1"
}

begin_oom() {
	local path kills
	[ -n "$DEMO_CGROUPS" ] || die "no memory cgroups here"
	path=$(cgroup_path "$1")
	kills=$(cgroup_kills "$path")
	killer=0
	wait_for $OOM_SECONDS oom_step "$1" "$path" || die "the OOM killer did not strike within $OOM_SECONDS s"
	[ "$(cgroup_kills "$path")" -gt "$kills" ] || die "$1 ended, yet not by the OOM killer"
}

lift_oom() {
	memory_limit "$(cgroup_path "$1")" max
	node_start "$1"
}

cmd_fault() {
	local node pid killer begin lift by
	state_load
	wait_for $START_SECONDS up_ready || die "the nodes do not agree on a leader"
	node=$DEMO_LEADER
	pid=$(process_pid "$node")
	say "$fault: the leader, $node, process $pid"
	begin=$(boot_ns)
	"begin_$fault" "$node" "$pid"
	by=$killer # lifting may set it anew
	pause_for "$hold"
	lift=$(boot_ns)
	"lift_$fault" "$node" "$pid"
	truth "$node" "$pid" "$by" "$begin" "$lift"
	say_leader
}

# stop NAME: SIGTERM, later SIGKILL
stop() {
	local pid
	! process_gone "$1" || return 0
	pid=$(process_pid "$1")
	case $(proc_stat "$pid") in
	T*) kill -s CONT "$pid" || true ;;
	esac
	kill -s TERM "$pid" || true
	if ! wait_for $STOP_SECONDS process_gone "$1"; then
		say "$1, process $pid, does not end by SIGTERM"
		kill -s KILL "$pid" || true
		wait_for $STOP_SECONDS process_gone "$1" || say "$1, process $pid, does not end"
	fi
}

# The leader last, so that it need not hand over to a node that is about to end: that takes seconds
stop_nodes() {
	local last name
	# shellcheck disable=SC2086
	last=$(leader $DEMO_NODES) || last=${DEMO_NODES##* }
	for name in ${DEMO_NODES/$last/} $last; do
		stop "$name"
	done
}

cmd_down() {
	local name
	[ -e "$dir/state" ] || return 0
	state_load
	stop client
	[ -z "${DEMO_PARTITION:-}" ] || lift_partition "$DEMO_PARTITION" 2>/dev/null || true
	stop_nodes
	for name in $DEMO_NODES client net; do
		netns_del "$prefix$name"
	done
	for name in $DEMO_NODES; do
		cgroup_drop "$name"
	done
	rm -f "$dir/state"
}

cmd_run() {
	trap 'trap "" INT TERM; cmd_down' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	cmd_up
	cmd_client
	pause_for "$before"
	if [ "$fault" = none ]; then
		pause_for "$hold"
	else
		cmd_fault
	fi
	pause_for "$after"
}

# --- command line -----------------------------------------------------------------------------------------------

usage() {
	sed -n '3,/^# DIR/s/^# \{0,1\}//p' "$0" | grep . | grep -v ^DIR >&2
	exit 2
}

options() {
	local value
	while [ $# -gt 0 ]; do
		[ $# -gt 1 ] || usage
		value=$2
		case $1 in
		--dir | --prefix | --hold | --before | --after | --rate | --fault | --kvclient) ;;
		*) usage ;;
		esac
		printf -v "${1#--}" '%s' "$value"
		shift 2
	done
}

lib_main() {
	local command=${1:-}
	exec >&2
	[ $# -gt 0 ] || usage
	shift
	if [ "$command" = fault ]; then
		fault=${1:-}
		[ $# -gt 0 ] || usage
		shift
	fi
	options "$@"
	case $command:$fault in
	install:) cmd_install; return ;;
	fault:pause | fault:kill | fault:partition | fault:oom) trap : INT TERM ;; # the fault is lifted at once
	up: | client: | down:) ;;
	run:none | run:pause | run:kill | run:partition | run:oom) ;;
	*) usage ;;
	esac
	[ -n "$dir" ] || usage
	dir=$(realpath -m "$dir")
	"cmd_$command"
}

