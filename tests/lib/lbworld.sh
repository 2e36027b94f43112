# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# lbworld.sh - a client, a balancer and backends, each in a namespace of its own, around a router; to be sourced after netns.sh.
#
#	lbworld_begin PROGRAM...	e2e_begin, or all is skipped because a program is not there; lb OPTION...: saker on the balancer
#	lbworld_up PREFIX BACKENDS	namespaces PREFIXnet, PREFIXclient, PREFIXlb, PREFIXb1, ...; VIP 10.99.0.1
#	lbworld_v6			IPv6 beside it: fd90:NUMBER::2, VIP fd99::1
#	lbworld_serve NAME		flows (tests/lib/flows.c) on port 80 that answers NAME, likewise
#	lbworld_run NAME COMMAND...	in PREFIXNAME, with its own place for wishes ($SAKER_STATE)
#	lbworld_nginx NAME		nginx on port 80 that answers NAME, in the background; its process id: $PLACE/NAME.pid
#	lbworld_path ADDRESS MTU	the client believes that packets to there are at most so long
#	lbworld_gue ADDRESS...		backends that are reached by GUE, as a wish has them
#	lbworld_down
#
# The backends have the VIP on their loopback and answer the client themselves. Saker opens their tunnels. On a veth, XDP_TX is only
# seen by an end that has a program, too: so the router's end towards the balancer has an empty chain.  With LBWORLD_HOOK=tc all stand on
# traffic control, no such end is needed, and cards keep what they do for the kernel: segments and checksums.

LBWORLD_VIP=10.99.0.1 LBWORLD_VIP6=fd99::1

lbworld_begin() {
	local need
	for need; do
		command -v "$need" >/dev/null || { echo "1..0 # SKIP no $need"; exit 0; }
	done
	e2e_clean() { lbworld_down; }
	lb() { lbworld_run lb "$SAKER" "$@"; }
	e2e_begin
}

# lbworld_join NAME NUMBER: 10.90.NUMBER.2, its gateway 10.90.NUMBER.1
lbworld_join() {
	local net=${LBWORLD}net
	netns_add "$LBWORLD$1"
	ip -n "$net" link add "$1" type veth peer name eth0 netns "$LBWORLD$1"
	ip -n "$net" link set "$1" addrgenmode none up
	ip -n "$net" address add "10.90.$2.1/24" dev "$1"
	ip -n "$LBWORLD$1" link set eth0 addrgenmode none up
	ip -n "$LBWORLD$1" address add "10.90.$2.2/24" dev eth0
	ip -n "$LBWORLD$1" route add default via "10.90.$2.1"
	[ "${LBWORLD_HOOK:-xdp}" = xdp ] || return 0
	# sums must be in the packets: XDP sees what a wire would carry
	lbworld_run net ethtool -K "$1" tx off >/dev/null
	lbworld_run "$1" ethtool -K eth0 tx off >/dev/null
}

lbworld_run() {
	local name=$1
	shift
	SAKER_STATE=$PLACE/state nsenter --net="$NETNS_DIR/$LBWORLD$name" -- "$@"
}

lbworld_up() {
	local i
	LBWORLD=$1 LBWORLD_BACKENDS=$2
	PLACE=${PLACE:-$WORK}
	netns_add "${LBWORLD}net"
	lbworld_run net sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	lbworld_join client 1
	lbworld_join lb 2
	for ((i = 1; i <= LBWORLD_BACKENDS; i++)); do
		lbworld_join "b$i" $((10 + i))
		ip -n "${LBWORLD}b$i" address add $LBWORLD_VIP/32 dev lo
	done
	ip -n "${LBWORLD}net" route add $LBWORLD_VIP/32 via 10.90.2.2
	if [ "${LBWORLD_HOOK:-xdp}" = xdp ]; then
		printf 'interfaces:\n  lb:\n' | lbworld_run net "$SAKER" apply - 2>/dev/null || return 1
	fi
	for ((i = 1; i <= LBWORLD_BACKENDS; i++)); do
		printf 'interfaces:\n  eth0:\n    hook: %s\n    decap: {ipip: true, gue: true}\n' "${LBWORLD_HOOK:-xdp}" | lbworld_run "b$i" "$SAKER" apply - 2>/dev/null || return 1
	done
}

# lbworld_join6 NAME NUMBER
lbworld_join6() {
	# neighbours are asked for from a link-local address
	ip -n "${LBWORLD}net" address add fe80::1/64 dev "$1" nodad
	ip -n "$LBWORLD$1" address add fe80::2/64 dev eth0 nodad
	ip -n "${LBWORLD}net" address add "fd90:$2::1/64" dev "$1" nodad
	ip -n "$LBWORLD$1" address add "fd90:$2::2/64" dev eth0 nodad
	ip -n "$LBWORLD$1" route add default via "fd90:$2::1"
}

lbworld_v6() {
	local i
	lbworld_run net sysctl -qw net.ipv6.conf.all.forwarding=1
	lbworld_join6 client 1
	lbworld_join6 lb 2
	for ((i = 1; i <= LBWORLD_BACKENDS; i++)); do
		lbworld_join6 "b$i" $((10 + i))
		ip -n "${LBWORLD}b$i" address add $LBWORLD_VIP6/128 dev lo nodad
	done
	ip -n "${LBWORLD}net" route add $LBWORLD_VIP6/128 via fd90:2::2
}

lbworld_serve() {
	netns_run "$LBWORLD$1" "$(dirname "$SAKER")/../tests/flows" serve 80 "$1" >"$PLACE/$1.served" &
	echo $! >"$PLACE/$1.pid"
}

lbworld_nginx() {
	mkdir -p "$PLACE/$1"
	cat >"$PLACE/$1/nginx.conf" <<-END
		daemon off;
		master_process off;
		pid $PLACE/$1.pid;
		error_log $PLACE/$1/error.log;
		events { worker_connections 4096; }
		http {
			access_log off;
			client_body_temp_path $PLACE/$1/body;
			proxy_temp_path $PLACE/$1/proxy;
			fastcgi_temp_path $PLACE/$1/fastcgi;
			uwsgi_temp_path $PLACE/$1/uwsgi;
			scgi_temp_path $PLACE/$1/scgi;
			keepalive_requests 1000000;
			server { listen 80 backlog=4096; location / { return 200 "$1\n"; } }
		}
	END
	netns_run "$LBWORLD$1" nginx -c "$PLACE/$1/nginx.conf" -e "$PLACE/$1/error.log" & # becomes nginx: $! is its process
}

lbworld_path() { grep -q "mtu $2" <(ip -n "${LBWORLD}client" route get "$1"); }

lbworld_gue() {
	local backends
	backends=$(printf ', {address: "%s", mode: gue}' "$@")
	echo "${backends#, }"
}

lbworld_down() {
	local i
	[ -n "${LBWORLD:-}" ] || return 0
	lbworld_run net "$SAKER" detach --all 2>/dev/null
	! netns_exists "${LBWORLD}lb" || lbworld_run lb "$SAKER" detach --all 2>/dev/null
	for ((i = 1; i <= LBWORLD_BACKENDS; i++)); do
		! netns_exists "${LBWORLD}b$i" || lbworld_run "b$i" "$SAKER" detach --all 2>/dev/null
		netns_del "${LBWORLD}b$i"
	done
	netns_del "${LBWORLD}client"
	netns_del "${LBWORLD}lb"
	netns_del "${LBWORLD}net"
}
