#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# shop.sh - nginx, four applications, Redis and PostgreSQL in network namespaces, and one planted fault at a time.
#
#	shop.sh install				Debian's packages; starts and enables no service
#	shop.sh build --dir DIR			makes what up would make first: the programs, and DIR/database
#	shop.sh up --dir DIR [--prefix P] [--truth yes] [--database D]
#						namespaces Pweb Pthreads Ppool Ploop Pgo Predis Pdb Pclient Pnet
#	shop.sh pids --dir DIR			the processes, for saker record -p
#	shop.sh load --dir DIR [--fault FAULT] [--app APP] [--ms N] [--hold S] [--connections N] [--pause MS]
#		[--every N]			wrk asks all applications, and what is planted is in every Nth request to APP (20);
#						FAULT: none, lock, flush, hog, loss, query, table
#	shop.sh down --dir DIR			ends and removes all that up and load made
#	shop.sh run --dir DIR [--prefix P] ...	up, load and down in one process tree
#
# DIR has state (to be sourced), NAME.log, truth.jsonl (a line a fault) and, with --truth yes, requests.jsonl (a line a
# request that an application answered, see shop/item.h). D is a new database that build made: it is copied. The programs of
# build/demo are taken, or else made in DIR.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

DEMO_NAME=shop.sh
APPS="threads pool loop go"
# shellcheck disable=SC2034 # for lib.sh
DEMO_NODES="redis db $APPS web"
DEMO_PROGRAMS="nginx redis-server redis-cli psql wrk go python3 ip nft nsenter setpriv"
DEMO_DEPS=shop
PORT=8080
DISK_RATE=2500000 # bytes/s that a slow disk takes

app=threads ms=50 connections=8 pause=25 hold=6 fault=none truth=no every=20 database=''

# --- places -------------------------------------------------------------------------------------------------------

address() {
	case $1 in
	web) echo 10.78.0.1 ;;
	threads) echo 10.78.0.11 ;;
	pool) echo 10.78.0.12 ;;
	loop) echo 10.78.0.13 ;;
	go) echo 10.78.0.14 ;;
	redis) echo 10.78.0.21 ;;
	db) echo 10.78.0.22 ;;
	client) echo 10.78.0.100 ;;
	esac
}

place() {
	case $1 in
	redis) echo "$(address redis):6379" ;;
	db) echo "$(address db):5432" ;;
	*) echo "$(address "$1"):$PORT" ;;
	esac
}

# next APP: whom it asks; "": nobody
next() {
	case $1 in
	threads | pool) place loop ;;
	loop) place go ;;
	esac
}

# --- programs -----------------------------------------------------------------------------------------------------

# program NAME FILE...: build/demo/NAME, or made of these files in DIR; prints its path
program() {
	local built=$here/../build/demo/$1 name=$1
	shift
	if [ ! -x "$built" ]; then
		built=$dir/bin/$name
		mkdir -p "$dir/bin"
		(cd "$here/shop" && ${CC:-cc} -std=gnu17 -D_GNU_SOURCE -O2 -o "$built" "$@" -lpthread) || die "cannot build $name"
	fi
	realpath "$built"
}

# shop-go is made here: once, and then kept beside the others
program_go() {
	local into=$here/../build/demo
	[ -w "$into" ] || into=$dir/bin
	mkdir -p "$into"
	if [ ! "$into/shop-go" -nt "$here/shop/shop.go" ]; then
		say "building shop-go"
		GO111MODULE=off GOFLAGS='' GOPROXY=off CGO_ENABLED=0 GOCACHE="$into/go-cache" \
			go build -o "$into/shop-go" "$here/shop/shop.go" || die "cannot build shop-go"
	fi
	realpath "$into/shop-go"
}

programs() {
	local wire="wire.c http.c"
	mkdir -p "$dir"
	# shellcheck disable=SC2086
	printf 'SHOP_%s=%q\n' THREADS "$(program shop-threads threads.c item.c stores.c $wire)" \
		POOL "$(program shop-pool pool.c item.c stores.c $wire)" CLIENT "$(program shop-client client.c $wire)" \
		HOG "$(program shop-hog hog.c)" GO "$(program_go)"
}

# Debian's own psql is a script in Perl that looks for this one
postgres_bin() {
	local bin
	for bin in /usr/lib/postgresql/*/bin; do :; done
	echo "$bin"
}

# --- a slow disk: a cgroup allows the applications few bytes a second ----------------------------------------------

# Where disks can be made slow
disk_cgroups() {
	cgroup_with blkio io
}

# The disk that has DIR, MAJOR:MINOR: limits are those of whole disks
disk_number() {
	local number
	number=$(findmnt -n -o MAJ:MIN -T "$dir/disk" | tr -d " ") && [ -e "/sys/dev/block/$number" ] || return 1
	if [ -e "/sys/dev/block/$number/partition" ]; then
		cat "/sys/dev/block/$number/../dev"
	else
		echo "$number"
	fi
}

disk_make() {
	local cgroups
	disk_number >/dev/null && cgroups=$(disk_cgroups) && mkdir "$cgroups/saker-demo-${prefix}disk" &&
		echo "DISK_CGROUP=$cgroups/saker-demo-${prefix}disk" >>"$dir/state"
}

# disk_limit RATE|max
disk_limit() {
	if [ -e "$DISK_CGROUP/io.max" ]; then
		echo "$(disk_number) wbps=$1" >"$DISK_CGROUP/io.max"
	else
		echo "$(disk_number) ${1/max/0}" >"$DISK_CGROUP/blkio.throttle.write_bps_device"
	fi
}

# --- nodes --------------------------------------------------------------------------------------------------------

# Takes over from lib.sh, which has cgroups for memory. A little above what else the machine does: the fault is to be the
# reason for waiting.
node_become() {
	renice -n -10 "$BASHPID" >/dev/null || true
	case " $APPS " in
	*" $1 "*) [ -z "${DISK_CGROUP:-}" ] || echo "$BASHPID" >"$DISK_CGROUP/cgroup.procs" ;;
	esac
	node_exec "$1"
}

node_exec() {
	case $1 in
	redis) redis_exec ;;
	db) db_exec ;;
	web) web_exec ;;
	*) app_exec "$1" ;;
	esac
}

redis_exec() {
	netns_run "${prefix}redis" redis-server --bind "$(address redis)" --port 6379 --protected-mode no --save '' \
		--appendonly no --dir "$dir" --daemonize no
}

# Its data are worth nothing: nothing need be flushed
db_exec() {
	cd /
	netns_run "${prefix}db" setpriv --reuid postgres --regid postgres --clear-groups "$(postgres_bin)/postgres" \
		-D "$dir/db.data" -h "$(address db)" -c unix_socket_directories= -c fsync=off -c shared_buffers=32MB \
		-c max_connections=200 -c autovacuum=off -c jit=off
}

db_new() {
	install -d -o postgres -g postgres -m 700 "$1"
	(cd / && exec setpriv --reuid postgres --regid postgres --clear-groups "$(postgres_bin)/initdb" -D "$1" -A trust \
		-U postgres -E UTF8 --locale=C.UTF-8 --no-sync) >"$dir/db.log" 2>&1 </dev/null
}

# In the background, so that down finds and ends it after a signal
db_init() {
	if [ -n "$database" ]; then
		cp -a "$database" "$dir/db.data"
	else
		db_new "$dir/db.data" &
		state_process initdb $!
		wait $! || die "initdb failed: see $dir/db.log"
	fi
	echo "host all all 10.78.0.0/24 trust" >>"$dir/db.data/pg_hba.conf"
}

web_config() {
	local name
	cat <<-END
		daemon off;
		worker_processes 1;
		pid $dir/web.pid;
		error_log stderr;
		events { worker_connections 1024; }
		http {
			log_format shop '\$request_method \$uri \$status \$request_time s from \$upstream_addr';
			access_log $dir/web.access.log shop;
			keepalive_requests 1000000;
	END
	for name in client_body proxy fastcgi uwsgi scgi; do
		echo "${name}_temp_path $dir/web.tmp/$name;"
	done
	for name in $APPS; do
		echo "upstream $name { server $(place "$name"); keepalive 64; keepalive_requests 1000000; }"
	done
	printf 'server { listen %s backlog=1024; proxy_http_version 1.1; proxy_set_header Connection "";\n' "$(place web)"
	for name in $APPS; do
		echo "location /$name/ { proxy_pass http://$name; }"
	done
	echo "}}"
}

web_exec() {
	mkdir -p "$dir/web.tmp"
	web_config >"$dir/web.conf"
	netns_run "${prefix}web" nginx -p "$dir" -c "$dir/web.conf" -e stderr
}

app_exec() {
	local command
	case $1 in
	threads) command=$SHOP_THREADS ;;
	pool) command=$SHOP_POOL ;;
	loop) command=$here/shop/loop.py ;;
	go) command=$SHOP_GO ;;
	esac
	export SHOP_NAME=$1 SHOP_DISK=$dir/disk
	[ "$truth" = no ] || export SHOP_TRUTH=$dir/requests.jsonl
	SHOP_LISTEN=$(place "$1") SHOP_REDIS=$(place redis) SHOP_DB=$(place db) SHOP_NEXT=$(next "$1")
	export SHOP_LISTEN SHOP_REDIS SHOP_DB SHOP_NEXT
	netns_run "$prefix$1" "$command"
}

# --- commands -----------------------------------------------------------------------------------------------------

in_client() { (netns_run "${prefix}client" "$@"); }

# ready NAME: it answers, or it has ended and waiting is in vain
ready() {
	! process_gone "$1" || die "$1 ended: see $dir/$1.log"
	case $1 in
	redis) in_client redis-cli -h "$(address redis)" ping ;;
	db) in_client "$(postgres_bin)/psql" -h "$(address db)" -U postgres -c 'select 1' ;;
	web) in_client bash -c "exec 3<>/dev/tcp/$(address web)/$PORT" ;;
	*) in_client bash -c "exec 3<>/dev/tcp/$(address "$1")/$PORT" ;;
	esac >/dev/null 2>&1
}

fill() {
	local n
	for n in {1..100}; do
		echo "set item:$n $((n * 7 % 90)).99"
	done | in_client redis-cli -h "$(address redis)" >/dev/null
	in_client "$(postgres_bin)/psql" -q -h "$(address db)" -U postgres -c 'create database shop' 2>&1
	in_client "$(postgres_bin)/psql" -q -h "$(address db)" -U postgres shop -c "
		create table item (id int primary key, name text, stock int);
		insert into item select n, 'thing ' || n, n % 17 from generate_series(1, 100) n;
		analyze item" 2>&1
}

# From here on down can find and remove all.
up_state() {
	rm -rf "$dir"/{*.log,*.jsonl,db.data}
	{
		printf '%s=%q\n' DEMO_PREFIX "$prefix" DEMO_CGROUPS '' DEMO_KVCLIENT ''
		programs
		echo "DEMO_KVCLIENT=\$SHOP_CLIENT"
	} >"$dir/state.new"
	mv "$dir/state.new" "$dir/state"
	state_load
}

cmd_up() {
	local name
	mkdir -p "$dir/disk"
	chmod a+x "$dir" # for the user postgres
	up_check
	up_state
	up_net
	disk_make || say "no disk can be made slow here: a flush takes what this one needs"
	state_load
	db_init
	for name in $DEMO_NODES; do
		node_start "$name"
	done
	for name in $DEMO_NODES; do
		wait_for $START_SECONDS ready "$name" || die "$name does not answer within $START_SECONDS s: see $dir/$name.log"
	done
	fill
	say "the shop is open at http://$(place web)/{${APPS// /,}}/item/N, in the namespace ${prefix}client"
}

cmd_build() {
	programs >/dev/null
	chmod a+x "$dir"
	db_new "$dir/database" || die "initdb failed: see $dir/db.log"
}

cmd_pids() {
	local name
	state_load
	for name in $DEMO_NODES; do
		process_pid "$name"
	done | paste -sd,
}

cmd_down() {
	local name
	[ -e "$dir/state" ] || return 0
	state_load
	for name in initdb hog psql wrk web $APPS redis db; do
		stop "$name"
	done
	for name in $DEMO_NODES client net; do
		netns_del "$prefix$name"
	done
	[ -z "${DISK_CGROUP:-}" ] || cgroup_del "$DISK_CGROUP" || say "cannot remove '$DISK_CGROUP'"
	rm -rf "$dir"/{disk,db.data,web.tmp}
	rm -f "$dir/state"
}

# --- faults -------------------------------------------------------------------------------------------------------

# Each begin_FAULT sets header (what every 20th request to the application carries), or does something beside it

planted_by_header() { header=$fault=$ms; }
begin_none() { :; }
begin_lock() { planted_by_header; }

begin_flush() {
	case $(stat -f -c %T "$dir/disk") in
	tmpfs | ramfs) die "'$dir' is in memory, where no flush is slow: choose a --dir on a disk" ;;
	esac
	[ -z "${DISK_CGROUP:-}" ] || disk_limit $DISK_RATE
	planted_by_header
}

begin_query() { planted_by_header; }

# pin CPUS NAME...: all threads of these
pin() {
	local cpus=$1 name child
	shift
	for name in "$@"; do
		taskset -acp "$cpus" "$(process_pid "$name")" >/dev/null || true
		for child in $(pgrep -P "$(process_pid "$name")"); do
			taskset -acp "$cpus" "$child" >/dev/null || true
		done
	done
}

# All CPUs that this may use, one a line
cpus() {
	local range
	for range in $(taskset -cp $$ | sed 's/.*: //; s/,/ /g'); do
		seq "${range%-*}" "${range#*-}"
	done
}

# The application has one CPU, the others the rest; something else takes that one again and again
begin_hog() {
	local cpu rest
	cpu=$(cpus | tail -n 1)
	rest=$(cpus | grep -vx "$cpu" | paste -sd,)
	# shellcheck disable=SC2086
	pin "${rest:-$cpu}" ${DEMO_NODES/$app/}
	pin "$cpu" "$app"
	app_nice 0
	[ -z "$rest" ] || taskset -cp "$rest" $$ >/dev/null # wrk
	nice -n -20 "$SHOP_HOG" "$cpu" "$ms" $((5 * ms)) 100000 >"$dir/hog.bursts" &
	state_process hog $!
	disown
}

# Of all its threads, whose children get the same
app_nice() {
	local pid
	pid=$(process_pid "$app")
	# shellcheck disable=SC2046
	renice -n "$1" -p $(ls "/proc/$pid/task") >/dev/null || true
}

lift_hog() {
	stop hog
	app_nice -10
	# shellcheck disable=SC2086
	pin "$(cat /sys/devices/system/cpu/online)" $DEMO_NODES
	taskset -cp "$(cat /sys/devices/system/cpu/online)" $$ >/dev/null
}

# Of what arrives at Redis a share is dropped; who sends it waits MS before it sends it again
begin_loss() {
	(netns_run "${prefix}redis" nft -f - <<-END)
		table inet saker_demo {
			chain in { type filter hook input priority 0; tcp dport 6379 numgen random mod 100 < 3 drop; }
		}
	END
	ip -n "$prefix$app" route replace 10.78.0.0/24 dev eth0 rto_min "${ms}ms"
}

lift_loss() {
	(netns_run "${prefix}redis" nft delete table inet saker_demo)
}

# Somebody else has the table to itself again and again
begin_table() {
	local words
	words="begin; lock table item in access exclusive mode; select pg_sleep($ms / 1000.0); commit; select pg_sleep($ms / 100.0)"
	yes "$words;" | (netns_run "${prefix}client" "$(postgres_bin)/psql" -q -h "$(address db)" -U postgres shop) >/dev/null 2>&1 &
	state_process psql $!
	disown
}

fault_lift() {
	case $fault in
	flush) [ -z "${DISK_CGROUP:-}" ] || disk_limit max ;;
	hog) lift_hog ;;
	loss) lift_loss ;;
	table) stop psql ;;
	esac
}

wrk_exec() {
	local seconds=$1
	shift
	netns_run "${prefix}client" nice -n -10 wrk -t 1 -c "$connections" -d "${seconds}s" -s "$here/shop/wrk.lua" --latency \
		"http://$(place web)" -- "${APPS// /,}" "$pause" "$@"
}

cmd_load() {
	local begin header=''
	state_load
	"begin_$fault"
	begin=$(boot_ns)
	# shellcheck disable=SC2086
	wrk_exec "$hold" ${header:+$app $header $every} >"$dir/wrk.log" 2>&1 </dev/null &
	state_process wrk $!
	wait $! || die "wrk failed: see $dir/wrk.log"
	fault_lift
	printf '{"fault":"%s","app":"%s","ms":%s,"begin_boot_ns":%s,"end_boot_ns":%s}\n' "$fault" "$app" "$ms" "$begin" \
		"$(boot_ns)" >>"$dir/truth.jsonl"
}

cmd_run() {
	trap 'trap "" INT TERM; cmd_down' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	cmd_up
	cmd_load
}

options() {
	local value
	while [ $# -gt 0 ]; do
		[ $# -gt 1 ] || usage
		value=$2
		case $1 in
		--dir | --prefix | --hold | --fault | --app | --ms | --connections | --pause | --truth | \
			--every | --database) ;;
		*) usage ;;
		esac
		printf -v "${1#--}" '%s' "$value"
		shift 2
	done
}

shop_main() {
	local command=${1:-}
	[ "$command" = pids ] || exec >&2
	[ $# -gt 0 ] || usage
	shift
	options "$@"
	case " $APPS " in
	*" $app "*) ;;
	*) usage ;;
	esac
	case $fault in
	none | lock | flush | hog | loss | query | table) ;;
	*) usage ;;
	esac
	case $command in
	install) cmd_install; return ;;
	build | up | pids | load | down | run) ;;
	*) usage ;;
	esac
	[ -n "$dir" ] || usage
	dir=$(realpath -m "$dir")
	"cmd_$command"
}

shop_main "$@"
