#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 240
#
# The whole line, over two hosts that share no map and no recording: a signal, the exit, the report to the balancer, the action; and back again.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
lbworld_begin nginx curl ethtool jq
eval "$(declare -f e2e_clean | sed '1s/.*/lbworld_clean()/')"
e2e_clean() {
	ungroup 2>/dev/null
	lbworld_clean
}
LB=10.90.2.2 B1=10.90.11.2

# agent NAME DIR OPTION...: in the background; its words in DIR.err; AGENT
agent() {
	local name=$1 dir=$2
	shift 2
	: >"$dir.err"
	SAKER_STATE=$PLACE/state netns_run "$LBWORLD$name" "$SAKER" agent -o "$dir" --key key "$@" 2>"$dir.err" &
	AGENT=$!
	e2e_kill_later $AGENT
}

serve() {
	lbworld_nginx "$1"
	e2e_kill_later $!
	disown $! # its end is not worth a word
	wait_for 20 lbworld_run "$1" curl -s -m 5 -o /dev/null http://127.0.0.1/
}

# known BACKEND [VIP]: state and share, as `show` says it; is BACKEND STATE [VIP]
known() { lb lb show --json | jq -r --arg b "$1" --arg v "$LBWORLD_VIP:${2:-80/tcp}" '.health.vips[]? | select(.vip == $v) | .backends[] | select(.backend == $b) | .state + " " + (.share | tostring)'; }
is() { [ "$(known "$1" "${3:-80/tcp}")" = "$2" ]; }
action() { lb lb actions --json | jq "[.actions[] | select($1)] | length > 0" | grep -q true; }
# other NAME: another service of that host, of TCP and UDP; OTHER: its process
other() {
	netns_run "$LBWORLD$1" "$(dirname "$SAKER")/../tests/flows" serve 81 "$1" >"$1.other" &
	OTHER=$!
	e2e_kill_later $OTHER
	disown $OTHER
	wait_for 20 test -s "$1.other"
}

get() {
	local i
	for ((i = 0; i < $1; i++)); do
		lbworld_run client curl -s -m 10 http://$LBWORLD_VIP/ || echo none
	done
}

# causes QUERY: of the last such event of the balancer's recording, over both
causes() {
	local id
	id=$("$SAKER" show l "$1" --json | jq -s 'last | .id')
	"$SAKER" show b l --causes "l:$id" >causes.txt
}

ok "a world of two backends" lbworld_up "spl$$" 2
(umask 077 && head -c 48 /dev/urandom | base64 >key)
serve b1
serve b2
other b2
other b1
# wish HEALTH: of three VIPs, two services of both hosts
wish() {
	lb apply - <<-END
		interfaces:
		  eth0:
		    health: {mode: live, slow-start: 1s, effect: 1s, $1}
		    vips:
		      - {vip: "$LBWORLD_VIP:80/tcp", backends: [$B1, 10.90.12.2]}
		      - {vip: "$LBWORLD_VIP:81/tcp", backends: [$B1, 10.90.12.2]}
		      - {vip: "$LBWORLD_VIP:81/udp", backends: [$B1, 10.90.12.2]}
	END
}
ok "a wish without checks, live" wish 'base-eject: 2s, max-eject: 5s'
agent lb l --listen $LB:7701
LB_AGENT=$AGENT
wait_for 20 grep -q 'keeps 1 interface' l.err
agent b1 b --report-to $LB:7701 --for $B1 --port 80,81 --port 81/udp
ok "the agent of one backend says that it listens: it is healthy" wait_for 40 is $B1 "healthy 1000"
kill -9 "$(cat b1.pid)"
ok "its server is killed: it is out" wait_for 20 is $B1 "down 0"
get 12 >got
equal "no new connection goes to it" "$(sort -u got)" b2
equal "its other service, which goes on, is another one's sign" "$(known $B1 81/tcp), $(known $B1 81/udp)" "healthy 1000, healthy 1000"
serve b1
ok "it listens again: it is in" wait_for 20 is $B1 "healthy 1000"
kill -9 $OTHER
ok "the other service is killed: it is out" wait_for 20 is $B1 "down 0" 81/tcp
ok "its UDP port, too" wait_for 20 is $B1 "down 0" 81/udp
equal "and this one goes on" "$(known $B1)" "healthy 1000"
other b1
ok "it is there again" wait_for 20 is $B1 "healthy 1000" 81/tcp
ok "with UDP" wait_for 20 is $B1 "healthy 1000" 81/udp
kill -9 $OTHER
second() { [ "$(lb lb actions --json | jq '[.actions[] | select(.what == "down" and .sign == "exit" and (.vip | endswith("81/tcp")))] | length')" = 2 ]; }
ok "one that came while the agent ran is known: it is out when it is killed" wait_for 20 second
other b1
ok "and in when it is back" wait_for 20 is $B1 "healthy 1000" 81/tcp

# ---- a link that gets slow ----
if [ -c /dev/net/tun ]; then
	netns_run "${LBWORLD}client" "$(dirname "$SAKER")/../tests/flows" hold $LBWORLD_VIP 81 40 --every 100 >held &
	held=$!
	e2e_kill_later $held
	told() { "$SAKER" show l "type=told and sign=$1" --json 2>/dev/null | jq -s "[.[] | select($2)] | length > 0" | grep -q true; }
	ok "the host tells round trips of its connections" wait_for 40 told rtt '.port == 81 and .value > 0'
	netns_run "${LBWORLD}b1" "$here/lib/slow_link.py" eth0 60 10.90.1.0/24 >slow.said &
	slow=$!
	e2e_kill_later $slow
	wait_for 20 test -s slow.said
	rose() { told slow '.port == 81 and .value > 30000'; }
	ok "its link gets slow: it tells that they rise, from real connections" wait_for 60 rose
	ok "the balancer takes it out of that service" wait_for 60 action '.what == "eject" and .sign == "slow" and .mode == "live" and .backend == "10.90.11.2" and (.vip | endswith("81/tcp"))'
	equal "and not of the other" "$(known $B1)" "healthy 1000"
	measured() { action '.what == "eject" and .sign == "slow" and .effect.before.rtts > 0 and .effect.before.rtt_us > 10000'; }
	ok "round trips before it are told with its effect" wait_for 60 measured
	kill $slow
	ok "the delay goes: it is in again" wait_for 90 is $B1 "healthy 1000" 81/tcp
	kill $held
else
	skip "a link that gets slow" "no /dev/net/tun"
fi

# ---- weights by measured load ----
# group NAME: a control group that may have a tenth of a CPU; GROUP: its folder
group() {
	GROUP=/sys/fs/cgroup/$LBWORLD$1
	if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
		echo +cpu >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null
		mkdir "$GROUP" && echo '10000 100000' >"$GROUP/cpu.max"
	else
		mkdir "/sys/fs/cgroup/cpu/$LBWORLD$1" && echo 10000 >"/sys/fs/cgroup/cpu/$LBWORLD$1/cpu.cfs_quota_us" &&
			GROUP=/sys/fs/cgroup/cpuacct/$LBWORLD$1 && { [ -d "$GROUP" ] || mkdir "$GROUP"; }
	fi 2>/dev/null
}
# into NAME COMMAND...: becomes the command, in the group
into() {
	local dir
	for dir in /sys/fs/cgroup/{,cpu/,cpuacct/}"$LBWORLD$1"; do
		[ ! -f "$dir/cgroup.procs" ] || echo $BASHPID >"$dir/cgroup.procs"
	done
	exec "${@:2}"
}
ungroup() { rmdir /sys/fs/cgroup/{,cpu/,cpuacct/}"$LBWORLD"b[12] 2>/dev/null; }
kill -INT $AGENT
wait $AGENT
if group b1 && group b2; then
	agent b1 b1l --report-to $LB:7701 --for $B1 --port 80 --load-of /${LBWORLD}b1
	first=$AGENT
	agent b2 b2l --report-to $LB:7701 --for 10.90.12.2 --port 80 --load-of /${LBWORLD}b2
	second=$AGENT
	ok "weights follow load, in steps of a fifth" wish 'window: 1s, load: on, load-step: 20'
	(into b1 bash -c 'while :; do :; done') &
	busy=$!
	e2e_kill_later $busy
	shares() { lb lb actions --json | jq -c '[.actions[] | select(.sign == "load" and .backend == "10.90.11.2" and .mode == "live") | [.share_before, .share_after]]'; }
	ok "one host is busy: its share goes down, to half" wait_for 60 is $B1 "healthy 500"
	ok "and the other's up" action '.sign == "load" and .backend == "10.90.12.2" and .share_after > 1000'
	kill $busy
	ok "it is idle: its share comes up again" wait_for 60 is $B1 "healthy 1000"
	ok "... and the other's down" wait_for 60 is 10.90.12.2 "healthy 1000"
	shares | tee shares.txt | sed 's/^/# /'
	equal "in bounded steps, never below half" "$(jq -c 'map(select((.[0] - .[1] | fabs) > 200 or .[1] < 500)) | length' shares.txt)" 0
	kill -INT $first $second
	wait $first $second
else
	skip "weights by measured load" "no control group with a quota can be made"
fi
ungroup
agent b1 b2nd --report-to $LB:7701 --for $B1 --port 80,81,81/udp
wish 'base-eject: 2s, max-eject: 5s'
ok "the agent is there again" wait_for 20 is $B1 "healthy 1000"
wait_for 20 grep -q 'session ' b2nd.err

lbworld_run b1 "$SAKER" agent leave --port 80
ok "a person asks its host to leave: it is drained" wait_for 20 is $B1 "draining 0"
equal "of that service alone" "$(known $B1 81/udp)" "healthy 1000"
kill -INT $AGENT $LB_AGENT
wait $AGENT $LB_AGENT

causes 'type=action and what=down'
ok "the action rests on what the agent was told" grep -Eq '^(├|└)─ .*: l:[0-9]+ .*told .*, exit: ' causes.txt
ok "... and names it" grep -Eq '^(├|└)─ evidence.*: l:[0-9]+' causes.txt
ok "... by the report of the other host" grep -Eq 'report.*: b:[0-9]+ .*report .*, exit: ' causes.txt
ok "... because of an exit there" grep -Eq 'evidence.*: b:[0-9]+ .*nginx.*exit .*sig=SIGKILL' causes.txt
ok "... because of a signal" grep -Eq 'signal.*: b:[0-9]+ .*signal .*sig=SIGKILL' causes.txt
sed 's/^/# /' causes.txt | cut -c1-160
causes 'type=action and what=return and vip_port=80'
ok "the return rests on who listens there" grep -Eq 'evidence.*: b:[0-9]+ .*listen ' causes.txt
# ---- a balancer that is a backend, too ----
netns_run "${LBWORLD}lb" "$(dirname "$SAKER")/../tests/flows" serve 82 lb >lb.other &
OTHER=$!
e2e_kill_later $OTHER
disown $OTHER
wait_for 20 test -s lb.other
ok "a VIP with this host as a backend" lb apply - <<-END
	interfaces: {eth0: {router: 10.90.2.1, health: {mode: live, effect: 1s}, vips: [{vip: "$LBWORLD_VIP:82/tcp", backends: [$LB, 10.90.12.2]}]}}
END
agent lb l2 --listen $LB:7701 --report-to $LB:7701 --for $LB --port 82
ok "one agent has both parts: it tells itself" wait_for 40 is $LB "healthy 1000" 82/tcp
kill -9 $OTHER
ok "its server is killed: it is out" wait_for 20 is $LB "down 0" 82/tcp
kill -INT $AGENT
wait $AGENT
equal "and it ends when it is asked to" $? 0
"$SAKER" show l2 --causes "$("$SAKER" show l2 'type=action and what=down' --json | jq -s 'last | .id')" >causes.txt
sed 's/^/# /' causes.txt | cut -c1-160 | head -n 12
ok "one recording has all of it: what it was told" grep -Eq '^(├|└)─ .* told .*, exit: ' causes.txt
ok "... by itself" grep -Eq ' report .*, exit: ' causes.txt
ok "... because of a signal" grep -Eq ' signal .*sig=SIGKILL' causes.txt

causes 'type=action and what=down and vip_port=81 and vip_protocol=tcp'
ok "so does what is known of the second service" grep -Eq 'evidence.*: b:[0-9]+ .*flows.*exit .*sig=SIGKILL' causes.txt
e2e_end
