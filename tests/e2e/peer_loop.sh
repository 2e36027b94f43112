#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
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

is() { [ "$(lb lb show --json | jq -r --arg b "$1" '.health.vips[0].backends[]? | select(.backend == $b) | .state + " " + (.share | tostring)')" = "$2" ]; }

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
ok "a wish without checks, live" lb apply - <<-END
	interfaces:
	  eth0:
	    health: {mode: live, slow-start: 1s, effect: 1s}
	    vips:
	      - vip: $LBWORLD_VIP:80/tcp
	        backends: [$B1, 10.90.12.2]
END
agent lb l --listen $LB:7701
LB_AGENT=$AGENT
wait_for 20 grep -q 'keeps 1 interface' l.err
agent b1 b --report-to $LB:7701 --for $B1 --port 80
ok "the agent of one backend says that it listens: it is healthy" wait_for 40 is $B1 "healthy 1000"
kill -9 "$(cat b1.pid)"
ok "its server is killed: it is out" wait_for 20 is $B1 "down 0"
get 12 >got
equal "no new connection goes to it" "$(sort -u got)" b2
serve b1
ok "it listens again: it is in" wait_for 20 is $B1 "healthy 1000"
lbworld_run b1 "$SAKER" agent leave --port 80
ok "a person asks its host to leave: it is drained" wait_for 20 is $B1 "draining 0"
kill -INT $AGENT $LB_AGENT
wait $AGENT $LB_AGENT

causes 'type=action and what=down'
ok "the action rests on what the agent was told" grep -Eq '^(├|└)─ .*: l:[0-9]+ .*told .*sign=exit' causes.txt
ok "... and names it" grep -Eq '^(├|└)─ evidence.*: l:[0-9]+' causes.txt
ok "... by the report of the other host" grep -Eq 'report.*: b:[0-9]+ .*report .*sign=exit' causes.txt
ok "... because of an exit there" grep -Eq 'evidence.*: b:[0-9]+ .*nginx.*exit .*sig=SIGKILL' causes.txt
ok "... because of a signal" grep -Eq 'signal.*: b:[0-9]+ .*signal .*sig=SIGKILL' causes.txt
sed 's/^/# /' causes.txt | cut -c1-160
causes 'type=action and what=return'
ok "the return rests on who listens there" grep -Eq 'evidence.*: b:[0-9]+ .*listen ' causes.txt
e2e_end
