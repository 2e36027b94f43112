#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# lb_large.sh - what goes through the balancer between real hosts (network namespaces), beside other ways to do the same.
#
#	sudo bench/lb_large.sh [--rounds N] [--seconds S] [http|live]...	5 rounds of 3 s each; prints rows of a table
#	sudo bench/lb_large.sh --guest 6.1|6.12 [--rounds N] ...		the same in an emulated machine with that kernel, with IPVS
#
# http: wrk (CPU 0) and two nginx (CPU 1): connections that are kept, and one for each request.  live: frames of 64 bytes, UDP, of 1024
# flows, made by bench/live_frames.c; all on one CPU.  Variants take turns in each round, in another order; told are medians over
# the rounds, of ratios too.
#
#	direct	the router spreads connections over both backends itself (no balancer)
#	ipip, gue, nat	Saker	dnat	nftables' dnat with numgen	ipvs-nat, ipvs-tun	IPVS
#	bounce	(live) an empty XDP program that sends back: what the frames cost without a balancer
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
export SAKER=${SAKER:-$here/build/src/saker}
BUILD=$(cd "$(dirname "$SAKER")/.." && pwd)
# shellcheck source=tests/lib/netns.sh
. "$here/tests/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/tests/lib/lbworld.sh"
rounds=5 seconds=3 guest='' inside='' parts=()

fail() { echo "lb_large.sh: $*" >&2; exit 1; }
lb() { lbworld_run lb "$@"; }
quiet() { "$@" >/dev/null 2>&1; }

# ---- variants ----
# wish MODE PORTS...: of both protocols
wish() {
	local options="mode: $1, " each=''
	[ "$1" != nat ] || options='' each='mode: nat, '
	printf 'interfaces:\n  eth0: {%svips: [{vip: "%s:80/tcp", %sbackends: [10.90.11.2, 10.90.12.2]}, {vip: "%s:80/udp", %sbackends: [10.90.11.2, 10.90.12.2]}]}\n' \
		"$options" $LBWORLD_VIP "$each" $LBWORLD_VIP "$each" | lb "$SAKER" apply - 2>"$WORK/said" || fail "$(cat "$WORK/said")"
}
# through_balancer / by_itself: what is for the VIP goes to the balancer, or to the backends
through_balancer() { ip -n "${LBWORLD}net" route replace $LBWORLD_VIP/32 via 10.90.2.2; }
by_itself() {
	ip -n "${LBWORLD}net" route replace $LBWORLD_VIP/32 nexthop via 10.90.11.2 dev b1 nexthop via 10.90.12.2 dev b2
}
# backends' answers come back through the balancer: on | off
replies() {
	local i
	for i in 1 2; do
		quiet ip -n "${LBWORLD}net" rule del iif b$i lookup 100
		[ "$1" = off ] || ip -n "${LBWORLD}net" rule add iif b$i lookup 100
	done
}
dnat() {
	lb nft -f - <<-END
		table ip large {
			chain in {
				type nat hook prerouting priority -100;
				ip daddr $LBWORLD_VIP udp dport 80 dnat to numgen inc mod 2 map { 0 : 10.90.11.2, 1 : 10.90.12.2 }
				ip daddr $LBWORLD_VIP tcp dport 80 dnat to numgen inc mod 2 map { 0 : 10.90.11.2, 1 : 10.90.12.2 }
			}
		}
	END
}
ipvs() {
	local kind
	ip -n "${LBWORLD}lb" address add $LBWORLD_VIP/32 dev lo
	for kind in t u; do
		lb ipvsadm -A -$kind $LBWORLD_VIP:80 -s rr
		lb ipvsadm -a -$kind $LBWORLD_VIP:80 -r 10.90.11.2 "$1"
		lb ipvsadm -a -$kind $LBWORLD_VIP:80 -r 10.90.12.2 "$1"
	done
}
# begin VARIANT; end VARIANT
begin() {
	through_balancer
	case $1 in
	direct) by_itself ;;
	ipip | gue) wish "$1" ;;
	nat) replies on && wish nat ;;
	dnat) replies on && dnat ;;
	ipvs-nat) replies on && ipvs -m ;;
	ipvs-tun) ipvs -i ;;
	bounce) ;;
	esac
}
end() {
	case $1 in
	ipip | gue | nat) quiet lb "$SAKER" detach eth0 ;;
	dnat) lb nft delete table ip large ;;
	ipvs-*) lb ipvsadm -C && ip -n "${LBWORLD}lb" address del $LBWORLD_VIP/32 dev lo ;;
	esac
	replies off
}
# The router's end of the balancer's link must see what XDP sends back, and is out of the way where nothing is sent by XDP.
router_chain() {
	quiet lbworld_run net "$SAKER" detach lb
	case $1 in
	ipip | gue | nat) printf 'interfaces:\n  lb:\n' | quiet lbworld_run net "$SAKER" apply - ;;
	esac
}

# ---- http ----
# wrk_once OPTION...: requests per second, 99th percentile in ms, errors
wrk_once() {
	lbworld_run client taskset -c 0 wrk -t 1 -c 50 -d "${seconds}s" --latency "$@" http://$LBWORLD_VIP/ >"$WORK/wrk"
	awk '/99%/ { ms = $2; ms = ms ~ /us$/ ? ms / 1000 : ms ~ /ms$/ ? ms + 0 : ms * 1000 }
		/Requests\/sec/ { rate = $2 } /Socket errors|Non-2xx/ { errors = 1 } END { print rate + 0, ms + 0, errors + 0 }' "$WORK/wrk"
}
http_round() {
	local v
	for v in $(order "$1" "${http[@]}"); do
		router_chain "$v"
		begin "$v"
		quiet lbworld_run client curl -s -m 10 http://$LBWORLD_VIP/ # neighbours are known then
		quiet lbworld_run client curl -s -m 10 http://$LBWORLD_VIP/
		echo "kept $1 $v $(wrk_once)" >>"$WORK/http"
		echo "each $1 $v $(wrk_once -H 'Connection: close')" >>"$WORK/http"
		end "$v"
	done
}

# ---- live frames ----
# frames chain|bounce|stack [bare]: Mpps
frames() {
	lbworld_run net taskset -c 0 "$BUILD/bench/live_frames" lb "$NETNS_DIR/${LBWORLD}lb" eth0 $LBWORLD_VIP 1024 "$seconds" "$@" |
		cut -d' ' -f 3
}
live_one() {
	local one two
	case $1 in
	bounce) frames bounce ;;
	ipip | gue | nat | routed) frames chain ;;
	*) # dropped by a program, or since it is for another host: what is better for it
		lb ethtool -K eth0 gro on # a veth receives as cards do then
		one=$(frames stack)
		ip -n "${LBWORLD}lb" neighbour replace 10.90.2.1 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
		two=$(frames stack bare)
		ip -n "${LBWORLD}lb" neighbour del 10.90.2.1 dev eth0
		lb ethtool -K eth0 gro off
		printf '%s\n' "$one" "$two" | sort -n | tail -n 1
		;;
	esac
}
live_round() {
	local v
	quiet lbworld_run net "$SAKER" detach lb
	for v in $(order "$1" "${live[@]}"); do
		begin "$v"
		echo "$1 $v $(live_one "$v")" >>"$WORK/live"
		end "$v"
	done
}

# ---- figures ----
# order ROUND VARIANT...: from another one on in each round
order() {
	local n=$1
	shift
	n=$((n % $#))
	echo "${@:n+1}" "${@:1:n}"
}
# median AWK-PROGRAM FILE: of what it prints; "MEDIAN LOWEST HIGHEST"
median() { awk "$1" "$2" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], v[1], v[NR] }'; }
# ratio FILE KEY COLUMN VARIANT OTHER: the median over the rounds of one over the other
ratio() {
	awk -v key="$2" -v c="$3" -v a="$4" -v b="$5" 'key == "" || $1 == key { r = key == "" ? $1 : $2; v = key == "" ? $2 : $3
		x[r, v] = $c; seen[r] = 1 } END { for (r in seen) if (x[r, b] > 0) print x[r, a] / x[r, b] }' "$1" |
		sort -n | awk '{ v[NR] = $1 } END { printf "%.2f (%.2f to %.2f)", v[int((NR + 1) / 2)], v[1], v[NR] }'
}
tell_http() {
	local kind v words rate p99 errors
	for kind in kept each; do
		words='connections kept'
		[ $kind = kept ] || words='a connection for each request'
		for v in "${http[@]}"; do
			read -r rate _ _ < <(median "\$1 == \"$kind\" && \$3 == \"$v\" { print \$4 }" "$WORK/http")
			read -r p99 _ _ < <(median "\$1 == \"$kind\" && \$3 == \"$v\" { print \$5 }" "$WORK/http")
			errors=$(awk -v k=$kind -v v="$v" '$1 == k && $3 == v { e += $6 } END { print e + 0 }' "$WORK/http")
			echo "| $label$words, $v | $(ratio "$WORK/http" $kind 4 "$v" "${http[0]}") of ${http[0]} | | $rounds rounds; $rate requests/s, p99 $p99 ms" \
				"($(ratio "$WORK/http" $kind 5 "$v" "${http[0]}") x); rounds with errors: $errors |"
		done
	done
}
tell_live() {
	local v goal floor rate low high other
	read -r floor _ _ < <(median "\$2 == \"bounce\" { print \$3 }" "$WORK/live")
	for v in "${live[@]}"; do
		read -r rate low high < <(median "\$2 == \"$v\" { print \$3 }" "$WORK/live")
		goal=''
		case $v in
		ipip | gue | nat) goal='>= 4 x dnat' ;;
		esac
		echo "| ${label}frames of 64 bytes, $v | $rate Mpps | $goal | $low to $high; $(ratio "$WORK/live" '' 3 "$v" dnat) x dnat;" \
			"$(awk -v v="$rate" -v b="$floor" 'BEGIN { if (v > 0) printf "%.0f ns a frame, %.0f more than bounce", 1e3 / v, 1e3 / v - 1e3 / b }') |"
	done
	for v in nat ipip; do
		case " ${live[*]} " in
		*" ipvs-nat "*)
			other=ipvs-nat
			[ $v = nat ] || other=ipvs-tun
			echo "| ${label}frames of 64 bytes, $v against $other | $(ratio "$WORK/live" '' 3 $v $other) x | | |"
			;;
		esac
	done
}

# ---- the world ----
pids=()
leave() {
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
	done
	lbworld_down
	rm -rf "$WORK"
}
up() {
	local i
	lbworld_up "large$$" 2 || fail 'cannot build the namespaces'
	lb sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
	lbworld_run net sysctl -qw net.ipv4.fib_multipath_hash_policy=1
	ip -n "${LBWORLD}net" route add default via 10.90.2.2 table 100
	for i in 1 2; do
		lbworld_nginx b$i
		pids+=($!)
		taskset -pc 1 $! >/dev/null
		until quiet lbworld_run b$i curl -s -m 5 http://127.0.0.1/; do kill -0 "${pids[-1]}" || fail 'no nginx'; done
	done
}
run() {
	local i
	WORK=$(mktemp -d)
	PLACE=$WORK
	trap leave EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	up
	for ((i = 1; i <= rounds; i++)); do
		echo "# round $i" >&2
		case " ${parts[*]} " in *' http '*) http_round $i ;; esac
		case " ${parts[*]} " in *' live '*) live_round $i ;; esac
	done
	[ ! -e "$WORK/http" ] || tell_http
	[ ! -e "$WORK/live" ] || tell_live
}

while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=$2 && shift ;;
	--seconds) seconds=$2 && shift ;;
	--guest) guest=$2 && shift ;;
	--inside) inside=$2 && shift ;;
	http | live) parts+=("$1") ;;
	*) fail "what is '$1'? See the head of this file" ;;
	esac
	shift
done
[ ${#parts[@]} -gt 0 ] || parts=(http live)
http=(direct ipip gue nat dnat) live=(bounce ipip gue nat dnat) label='balancer in the large: '
if [ -n "$inside" ]; then
	http=(direct ipip nat ipvs-tun ipvs-nat) live=(bounce ipip nat dnat ipvs-tun ipvs-nat) label="balancer, Linux $inside emulated: "
	cd /tmp && run >/mnt/rows
	exit
fi
for program in wrk nginx nft curl jq ethtool; do
	command -v $program >/dev/null || fail "no $program: tools/deps.sh test bench"
done
[ -x "$BUILD/bench/live_frames" ] || ninja -C "$BUILD" bench/live_frames >&2 || exit 1
if [ -n "$guest" ]; then
	command -v ipvsadm >/dev/null || fail 'no ipvsadm: tools/deps.sh bench'
	out=$(mktemp -d)
	trap 'rm -rf "$out"' EXIT
	kernel=$("$here/tests/lib/guest.sh" kernel "$guest") || exit 1
	SAKER_GUEST_NICE=${SAKER_GUEST_NICE:-0} "$here/tests/lib/guest.sh" run "$kernel" "$out" 1800 \
		"SAKER=$SAKER $here/bench/lb_large.sh --inside $guest --rounds $rounds --seconds $seconds ${parts[*]}" || cat "$out/output" >&2
	cat "$out/rows"
	exit
fi
run
