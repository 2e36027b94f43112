#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 150
#
# The agent on a backend's host and that of a balancer, each in a namespace with a recording of its own: what one sees the other is told, and
# both recordings together say why. What a stranger says, or somebody says again, is refused.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"

command -v nginx >/dev/null || { echo "1..0 # SKIP no nginx"; exit 0; }
net=pw$$
WEB=
LB=10.91.0.1 BACKEND=10.91.0.2

# kill_web: the master and its workers, who would outlive it
kill_web() {
	[ -n "$WEB" ] || return 0
	# shellcheck disable=SC2046 # one word each
	kill -9 "$WEB" $(pgrep -P "$WEB")
	wait "$WEB" 2>/dev/null
	WEB=
}

e2e_clean() {
	kill_web
	netns_del ${net}b
	netns_del ${net}l
}

world() {
	netns_add ${net}l
	netns_add ${net}b
	ip -n ${net}l link add eth0 type veth peer name eth0 netns ${net}b
	ip -n ${net}l address add $LB/24 dev eth0
	ip -n ${net}b address add $BACKEND/24 dev eth0
	ip -n ${net}l link set eth0 up
	ip -n ${net}b link set eth0 up
	(umask 077 && head -c 48 /dev/urandom | base64 >key && head -c 48 /dev/urandom | base64 >other.key)
}

# web: nginx with a master and two workers; WEB: the master
web() {
	mkdir -p web
	cat >web/conf <<-END
		daemon off;
		pid $WORK/web/pid;
		worker_processes 2;
		error_log $WORK/web/error.log;
		events {}
		http {
			access_log off;
			client_body_temp_path $WORK/web/body;
			proxy_temp_path $WORK/web/proxy;
			fastcgi_temp_path $WORK/web/fastcgi;
			uwsgi_temp_path $WORK/web/uwsgi;
			scgi_temp_path $WORK/web/scgi;
			server { listen 8080; location / { return 200 "here\n"; } }
		}
	END
	netns_run ${net}b nginx -c "$WORK/web/conf" -e "$WORK/web/error.log" >/dev/null 2>&1 &
	WEB=$!
	wait_for 10 answers
}

answers() { (netns_run ${net}l curl -s -m 2 -o web.out http://$BACKEND:8080/) && grep -q here web.out; }

# balancer DIR OPTION...: its agent; AGENT_L, its words in DIR.err
balancer() {
	local dir=$1
	shift
	SAKER_STATE=$WORK/state netns_run ${net}l "$SAKER" agent -o "$dir" --listen $LB:7701 --key key "$@" 2>"$dir.err" &
	AGENT_L=$!
	e2e_kill_later $AGENT_L
	wait_for 20 grep -q 'keeps ' "$dir.err" || cat "$dir.err"
}

# backend DIR OPTION...: the agent on the backend's host; AGENT_B
backend() {
	local dir=$1
	shift
	netns_run ${net}b "$SAKER" agent -o "$dir" --report-to $LB:7701 --for $BACKEND --port 8080 --key key "$@" 2>"$dir.err" &
	AGENT_B=$!
	e2e_kill_later $AGENT_B
	wait_for 40 grep -q 'watches port' "$dir.err" || cat "$dir.err"
}

# stop PID SIGNAL
stop() {
	kill "-$2" "$1"
	wait "$1"
}

# told QUERY: the balancer's agent was, as its recording says
told() { "$SAKER" show l "type=told and $1" 2>/dev/null | grep -q .; }

# last HOST QUERY: the last such event of both recordings, as HOST:ID
last() { "$SAKER" show b l "$2" --json | tail -n 1 | jq -r '"\(.host):\(.id)"'; }

e2e_begin
world || exit 1
web
balancer l
backend b
ok "the balancer is told that the backend listens" wait_for 20 told sign=listening
kill_web
ok "a killed server: it is told at once who was killed by what" wait_for 20 told 'sign=exit and text~"(nginx) was killed by SIGKILL"'
web
ok "a new server: it listens again" wait_for 20 told 'sign=listening and host1'
stop $AGENT_B TERM
ok "an agent that is ended asks for no new connections" wait_for 20 told sign=leaving
stop $AGENT_L INT

told=$(last l 'type=told and sign=exit')
"$SAKER" show b l --causes "$told" >causes
ok "its causes: what the other host reported" grep -Eq '^└─ report.*: b:[0-9]+ .*report .*sign=exit' causes
ok "... because of the exit that its kernel saw" grep -Eq 'evidence.*: b:[0-9]+ .*nginx.*exit .*sig=SIGKILL' causes
ok "... and that because of the signal" grep -Eq 'signal.*: b:[0-9]+ .*bash.*signal .*sig=SIGKILL' causes
"$SAKER" show b l --edges --json >edges
equal "each report was told once, and nothing else" \
	"$(jq -s 'map(select(.kind == "report")) | length' edges)" "$("$SAKER" show b 'type=report' --json | wc -l)"
equal "no edge is a guess" "$(jq -s 'map(select((.kind == "report" or .kind == "evidence") and .ambiguous)) | length' edges)" 0
e2e_end
