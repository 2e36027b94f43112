#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check_load.sh [--backends N] [--interval SECONDS] [--seconds S] [VIPS...]: what checks cost: CPU and memory of `saker agent` that asks N backends
# (4096), of which each of VIPS (1 64) has its share, by HTTP through their tunnels every SECONDS (5).  All backends are addresses of one
# namespace, with one nginx.  Prints rows of a Markdown table.
#
# smoke: --backends 64 --interval 1 --seconds 3 4
set -u
cd "$(dirname "$0")/.." || exit 1
here=$PWD/tests
export SAKER=${SAKER:-$PWD/build/src/saker} SAKER_BUILD=${SAKER_BUILD:-$PWD/build}
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
backends=4096 interval=5 seconds=30 many=()
while [ $# -gt 0 ]; do
	case $1 in
	--backends) backends=$2; shift ;;
	--interval) interval=$2; shift ;;
	--seconds) seconds=$2; shift ;;
	*) many+=("$1") ;;
	esac
	shift
done
[ ${#many[@]} -gt 0 ] || many=(1 64)
[ "$(id -u)" = 0 ] || { echo "bench/check_load.sh: BPF needs root" >&2; exit 1; }
command -v nginx >/dev/null || { echo "bench/check_load.sh: no nginx" >&2; exit 1; }

place=$(mktemp -d) one=sck$$ two=scs$$ agent='' nginx=''
run() { SAKER_STATE=$place/state nsenter --net="$NETNS_DIR/$1" -- "${@:2}"; }
end() {
	local pid
	for pid in $agent $nginx; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
	run $one "$SAKER" detach --all >/dev/null 2>&1
	run $two "$SAKER" detach --all >/dev/null 2>&1
	netns_del $one
	netns_del $two
	rm -rf "$place"
}
trap end EXIT
trap 'exit 1' INT TERM

# world: 10.94.16.0/20 and the VIPs 10.99.0.0/16 are at the other end of a veth
world() {
	netns_add $one && netns_add $two || return
	ip -n $one link add eth0 type veth peer name eth0 netns $two
	ip -n $one address add 10.94.0.1/24 dev eth0
	ip -n $two address add 10.94.0.2/24 dev eth0
	ip -n $one link set eth0 up
	ip -n $two link set eth0 up
	ip -n $one route add default via 10.94.0.2
	run $two sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
	ip -n $two route add local 10.94.16.0/20 dev lo
	ip -n $two route add local 10.99.0.0/16 dev lo
	printf 'interfaces:\n  eth0:\n    hook: tc\n    decap: {ipip: true}\n' | run $two "$SAKER" apply - 2>/dev/null || return
	cat >"$place/nginx.conf" <<-END
		daemon off; master_process off; pid $place/nginx.pid; error_log $place/error.log;
		events { worker_connections 8192; }
		http { access_log off; server { listen 80 backlog=8192; location / { return 200 "well\n"; } } }
	END
	nsenter --net="$NETNS_DIR/$two" -- nginx -c "$place/nginx.conf" -e "$place/error.log" &
	nginx=$!
}
# wish VIPS
wish() {
	local v b at=0
	printf 'interfaces:\n  eth0:\n    hook: tc\n    health: {kind: http, interval: %ss, timeout: 1s}\n    vips:\n' "$interval"
	for ((v = 0; v < $1; v++)); do
		printf '      - {vip: 10.99.%d.%d:80/tcp, backends: [' $((v / 250)) $((v % 250 + 1))
		for ((b = 0; b < backends / $1; b++, at++)); do
			printf '%s10.94.%d.%d' "${sep-}" $((16 + at / 256)) $((at % 256))
			sep=', '
		done
		sep=''
		printf ']}\n'
	done
}
cpu() { awk '{ print $14 + $15 }' "/proc/$agent/stat"; }
memory() { awk '/^VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$agent/status"; }
checks() { run $one "$SAKER" lb stats --on eth0 --json | jq '[.checks.vips[].backends[]] | [([.[].counts.passed // 0] | add), (map(select(.health == "good")) | length), ([.[].late] | add)] | join(" ")' -r; }
# measure VIPS
measure() {
	local ticks good late till=$((SECONDS + 20 * interval + 60)) said
	wish "$1" >"$place/wish.yaml"
	run $one "$SAKER" apply "$place/wish.yaml" 2>"$place/apply" || { cat "$place/apply" >&2; return 1; }
	SAKER_STATE=$place/state nsenter --net="$NETNS_DIR/$one" -- "$SAKER" agent 2>"$place/agent" &
	agent=$!
	good=0
	while [ "$good" != $((backends / $1 * $1)) ]; do
		[ $SECONDS -lt $till ] || { echo "bench/check_load.sh: only $good backends are good: $(tail -n 1 "$place/agent")" >&2; return 1; }
		sleep 0.5
		read -r _ good late < <(checks)
	done
	ticks=$(cpu) said=$late
	read -r _ good late < <(checks)
	sleep "$seconds"
	ticks=$(($(cpu) - ticks))
	# what the agent found stands in a file that it writes every 2 to 6 s: no count of a stretch is to be had from it, but of failures
	read -r _ good late < <(checks)
	[ "$good" = $((backends / $1 * $1)) ] || echo "bench/check_load.sh: at the end only $good backends are good" >&2
	awk -v vips="$1" -v n="$backends" -v interval="$interval" -v ticks=$ticks -v hz="$(getconf CLK_TCK)" -v s="$seconds" -v mb="$(memory)" \
		-v late=$((late - said)) 'BEGIN {
		printf "| checks of %d backends of %d VIP%s every %s s | %.1f %% of a CPU, %d MB | | %d s, %d late; %.0f us CPU each |\n",
			n, vips, vips == 1 ? "" : "s", interval, 100 * ticks / hz / s, mb, s, late, 1e6 * ticks / hz / (n / interval * s) }'
	kill $agent
	wait $agent 2>/dev/null
	agent=''
	run $one "$SAKER" detach eth0 >/dev/null 2>&1
}

world || { echo "bench/check_load.sh: no world" >&2; exit 1; }
for vips in "${many[@]}"; do
	measure "$vips" || exit 1
done
