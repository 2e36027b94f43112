#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# From a fresh Debian 12 to a recording of a distributed system and the story of what happened in it.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=tools/common.sh
. tools/common.sh
# shellcheck source=tools/deps.sh
. tools/deps.sh

usage() {
	cat <<'END'
usage: sudo ./quickstart.sh [etcd|zookeeper] [--once] [--fault pause|kill|partition|oom|none] [--prefix P]
       sudo ./quickstart.sh shop [lock|flush|hog|loss|query|table|none] [--once] [--prefix P]
       sudo ./quickstart.sh lb [kill|remove|none] [--prefix P]
       sudo ./quickstart.sh --build-only | --package

Installs what it needs by apt (no service is started or enabled), builds Saker into build/, starts a demo cluster
(three nodes of etcd or of ZooKeeper, each in its own network namespace), records it while a fault is planted and lifted, and tells
what happened.

  etcd, zookeeper   which cluster (etcd)
  shop [FAULT]  instead of a cluster a shop of nginx, four applications, Redis and PostgreSQL: where the time of its
                requests goes. FAULT: a lock held too long (the default), a slow flush to disk, a CPU hog, a lossy link, a
                slow query, a locked table, or none. Ends with 1 when what Saker names is not what was planted
  lb [FAULT]    a client, the load balancer and four nginx, under load. FAULT: a backend's server is killed, and agents take
                it out and say what came of it (kill, the default), a person takes one out (remove), or none
  --fault F     what is planted: pause (SIGSTOP of the leader, the default), kill, partition, oom, or none
  --once        one recording and its story, then end; without it, it shows the recording on a page in the browser until
                it is interrupted, and asks for the next fault where there is a terminal
  --prefix P    the namespaces are called Pnode1 (Pzk1), ..., Pclient, Pnet (no prefix)
  --build-only  installs and builds only; needs no root where the packages are there
  --package     makes a Debian package and a static tarball in dist/
  -h, --help    this

The recordings stay, in rec/, and the build in build/; the cluster with its namespaces and data is gone afterwards.
END
}

fail() {
	echo "quickstart.sh: $*" >&2
	exit 1
}

build() {
	if [ ! -e build/build.ninja ]; then
		quietly build/log/setup.txt "configuring" meson setup build || return 1
	fi
	quietly build/log/build.txt "building Saker into build/" ninja -C build src/saker demo/kvclient demo/clockshift.so \
		demo/shop-threads demo/shop-pool demo/shop-client demo/shop-hog
}

# The first name in rec/ that is free
new_recording() {
	local n=1
	while [ -e "rec/$1-$n" ]; do
		n=$((n + 1))
	done
	echo "rec/$1-$n"
}

# demo FAULT: one recording of the demo cluster, and its story
demo() {
	local fault=$1 rec status=0 name=$1
	place=$(mktemp -d)
	mkdir -p rec
	[ "$cluster" = etcd ] || name=$cluster-$fault
	rec=$(new_recording "$name")
	echo "recording the demo cluster, three nodes of $cluster, fault: $fault (about 10 s)" >&2
	# The cluster needs root for its namespaces. In the background, so that an interruption is not kept waiting.
	build/src/saker record --as-root -o "$rec" -- "demo/$cluster.sh" run --dir "$place" --prefix "$prefix" \
		--fault "$fault" >build/log/demo.txt 2>&1 </dev/null &
	recorder=$!
	wait $recorder || status=$?
	recorder=
	demo_clean
	give_back rec
	if [ $status != 0 ]; then
		tail -n 20 build/log/demo.txt >&2
		echo "the demo ended with status $status; all of its words are in build/log/demo.txt" >&2
		return 1
	fi
	echo
	build/src/saker story "$rec" || return 1
	echo
	echo "the recording is in $rec; look further with"
	echo "    build/src/saker story $rec"
	echo "    build/src/saker show $rec 'type=signal'"
	hint "$rec"
	[ $once = 1 ] || show_page "$rec"
}

# in_turn WHAT COMMAND...: in the background, so that an interruption is not kept waiting; its words go to a file
in_turn() {
	local what=$1 status=0
	shift
	"$@" >>build/log/demo.txt 2>&1 </dev/null &
	recorder=$!
	wait $recorder || status=$?
	recorder=
	[ $status = 0 ] || { tail -n 20 build/log/demo.txt >&2; echo "$what: failed; all of it is in build/log/demo.txt" >&2; }
	return $status
}

# shop FAULT: the shop runs before it is recorded, as the systems of others do
shop() {
	local fault=$1 rec pids truth=build/log/truth.jsonl
	place=$(mktemp -d -p "${TMPDIR:-/var/tmp}")
	mkdir -p rec
	rec=$(new_recording "shop-$fault")
	: >build/log/demo.txt
	echo "opening the shop: nginx, four applications, Redis, PostgreSQL" >&2
	in_turn "the shop" demo/shop.sh up --dir "$place" --prefix "$prefix" || return 1
	pids=$(demo/shop.sh pids --dir "$place") || return 1
	echo "recording it, fault: $fault (about 6 s)" >&2
	in_turn "the recording" build/src/saker record --as-root -o "$rec" -p "$pids" --with sched -- \
		demo/shop.sh load --dir "$place" --fault "$fault" || return 1
	cp "$place/truth.jsonl" $truth
	demo_clean
	give_back rec
	shop_shown "$rec" $truth || return 1
	echo
	echo "the recording is in $rec; look further with"
	echo "    build/src/saker requests $rec 'duration>20ms' --sort -duration"
	echo "    build/src/saker path $rec"
	[ $once = 1 ] || show_page "$rec"
}

# shop_shown RECORDING TRUTH
shop_shown() {
	echo
	build/src/saker requests "$1" --sort -duration --number 20 || return 1
	echo
	build/src/saker path "$1" || return 1
	! has map || { echo && build/src/saker map "$1"; } || return 1
	echo
	demo/shop/verdict.py build/src/saker "$1" "$2"
}

# balance FAULT: prints what happened, and leaves nothing
balance() {
	SAKER=$PWD/build/src/saker LB_RECORDINGS=$(new_recording lb) demo/lb.sh "$1" "$prefix" &
	recorder=$!
	wait $recorder
}

has() { build/src/saker "$1" --help >/dev/null 2>&1; }

# show_page RECORDING: on a page in the browser, until the next one or the end; its address has a token
show_page() {
	local end=$((SECONDS + 30))
	end_page
	echo
	rm -f build/log/page.txt
	build/src/saker serve "$1" >build/log/page.txt 2>build/log/page.err </dev/null &
	page=$!
	while [ ! -s build/log/page.txt ] && kill -0 $page 2>/dev/null && [ $SECONDS -lt $end ]; do
		sleep 0.1
	done
	if [ -s build/log/page.txt ]; then
		echo "see it in the browser: $(cat build/log/page.txt)"
	else
		cat build/log/page.err >&2
	fi
}

end_page() {
	[ -z "$page" ] || { kill "$page" && wait "$page"; } 2>/dev/null
	page=
}

# hint RECORDING: the causal past of what the story cites last
hint() {
	local id
	id=$(build/src/saker story "$1" | sed -n 's/^ .*[^0-9]\([0-9]\{1,\}\)]$/\1/p' | tail -n 1)
	[ -z "$id" ] || echo "    build/src/saker show $1 --causes $id"
}

# demo_processes: the recorder and the script that runs the cluster
demo_processes() {
	pgrep -f -- "$cluster.sh [a-z]* --dir $place "
}

# The recorder ends its command, the command removes the cluster. A second signal makes the recorder end at once: then
# the command is ended here, and what is left removed.
demo_clean() {
	local end=$((SECONDS + 30))
	[ -n "$place" ] || return 0
	# shellcheck disable=SC2046
	kill $(demo_processes) 2>/dev/null
	[ -z "$recorder" ] || wait "$recorder"
	recorder=
	while demo_processes >/dev/null && [ $SECONDS -lt $end ]; do
		sleep 0.1
	done
	[ ! -e "$place/state" ] || "demo/$cluster.sh" down --dir "$place" 2>/dev/null
	rm -rf "$place"
	place=
}

leave() {
	trap '' INT TERM HUP
	end_page
	demo_clean
	give_back build build-package build-static dist rec
}

# Asks for the next fault until there is none
ask() {
	local fault
	while printf '\nanother fault (%s)? Enter ends: ' "$faults" && read -r fault && [ -n "$fault" ]; do
		if known_fault "$fault"; then
			$story "$fault"
		fi
	done
}

known_fault() {
	case ", $faults, " in
	*", $1, "*) return 0 ;;
	esac
	echo "quickstart.sh: no fault '$1': one of $faults" >&2
	return 1
}

# cluster_is NAME: and what goes with it
cluster_is() {
	cluster=$1 deps=$1 story=demo faults='pause, kill, partition, oom, none'
	case $1 in
	etcd) deps=demo ;;
	lb) story=balance faults='kill, remove, none' once=1 ;;
	shop) story=shop faults='lock, flush, hog, loss, query, table, none' ;;
	esac
}

options() {
	place=
	recorder=
	page=
	prefix=
	fault=
	mode=demo
	once=0
	cluster_is etcd
	while [ $# -gt 0 ]; do
		case $1 in
		--fault) [ $# -gt 1 ] || fail "--fault wants a name"; fault=$2; shift ;;
		--fault=*) fault=${1#*=} ;;
		--prefix) [ $# -gt 1 ] || fail "--prefix wants a name"; prefix=$2; shift ;;
		--prefix=*) prefix=${1#*=} ;;
		etcd | zookeeper | shop | lb) cluster_is "$1" ;;
		remove | kill | lock | flush | hog | loss | query | table | none) fault=$1 ;;
		--once) once=1 ;;
		--build-only) mode=build ;;
		--package) mode=package ;;
		-h | --help) usage; exit 0 ;;
		*) usage >&2; exit 2 ;;
		esac
		shift
	done
	[ -n "$fault" ] || fault=${faults%%,*}
	known_fault "$fault" || exit 2
}

main() {
	local groups=build
	options "$@"
	case $mode in
	demo)
		groups="build $deps"
		is_root || fail "recording needs root: sudo ./quickstart.sh"
		;;
	package) groups="build package" ;;
	esac
	trap leave EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	# shellcheck disable=SC2086
	deps_install $groups || fail "packages are missing"
	if [ $mode = package ]; then
		packaging/build.sh
		return
	fi
	build || return 1
	[ $mode = demo ] || { echo "built: build/src/saker"; return 0; }
	$story "$fault" || return 1
	if [ $once = 1 ]; then
		return 0
	elif [ -t 0 ] && [ -t 1 ]; then
		ask
	elif [ -n "$page" ]; then
		echo "Ctrl-C ends it"
		wait "$page"
	fi
}

export LC_ALL=C.UTF-8
main "$@"
