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
PY=/usr/bin/python3
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

in_b() { (netns_run ${net}b "$@"); }
in_l() { (netns_run ${net}l "$@"); }

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

# backend NAME OPTION...: the agent on the backend's host, which speaks through the proxy; AGENT_B, its words in NAME.err
backend() {
	local dir=$1
	shift
	netns_run ${net}b "$SAKER" agent --report-to 127.0.0.1:7702 --for $BACKEND --port 8080 --key key "$@" 2>"$dir.err" &
	AGENT_B=$!
	e2e_kill_later $AGENT_B
	wait_for 40 grep -q 'watches port' "$dir.err" || cat "$dir.err"
}

proxy() {
	netns_run ${net}b $PY "$here/lib/peer_proxy.py" forward 7702 $LB:7701 "$WORK/said" >proxy.out 2>&1 &
	e2e_kill_later $!
	wait_for 20 grep -q ready proxy.out
}

again() { (netns_run ${net}b $PY "$here/lib/peer_proxy.py" again $LB:7701 "$WORK/$1"); }

# session DIR: the number of the last one that it had
session() { sed -n 's/.*: session \([0-9a-f]*\) with .*/\1/p' "$1.err" | tail -n 1; }

# stop PID SIGNAL
stop() {
	kill "-$2" "$1"
	wait "$1"
}

# told QUERY: the balancer's agent was, as its recording says
told() { "$SAKER" show l "type=told and $1" 2>/dev/null | grep -q .; }

# told_times N QUERY
told_times() { [ "$("$SAKER" show l "type=told and $2" 2>/dev/null | wc -l)" = "$1" ]; }

# count_told: how often, but for what comes with time
count_told() { "$SAKER" show l 'type=told and not sign=load' 2>/dev/null | wc -l; }

# first QUERY: the first such event of both recordings, as HOST:ID
first() { "$SAKER" show b l "$1" --json | head -n 1 | jq -r '"\(.host):\(.id)"'; }

e2e_begin
world || exit 1
chmod 644 key
in_l "$SAKER" agent --listen $LB:7701 --key key 2>open.err
equal "a key that everybody can read is refused" "$(cat open.err)" \
	"saker agent: the key file 'key' is open to everybody (mode 0644): chmod o= 'key'"
chmod 600 key
web
balancer l
proxy
backend b -o b
ok "the balancer is told that the backend listens" wait_for 20 told sign=listening
kill_web
ok "a killed server: it is told who was killed by what" wait_for 20 told 'sign=exit and text~"(nginx) was killed by SIGKILL"'
web
ok "a new server: it listens again" wait_for 20 told 'sign=listening and host1'
in_b "$SAKER" agent leave --port 8080
ok "asked by a person the host leaves" wait_for 20 told sign=leaving
in_b "$SAKER" agent stay --port 8080
ok "... and stays" wait_for 20 told_times 3 sign=listening
in_b "$SAKER" agent leave --port 8081 2>leave.err
equal "nobody is there to be asked" "$(cat leave.err)" "saker agent: no agent watches port 8081 in this network namespace"
stop $AGENT_B TERM
ok "an agent that is ended asks for no new connections" wait_for 20 told_times 2 sign=leaving
cp said captured
begun=$(session b)

# who has not got the key
before=$(count_told)
ok "all that was said, said again: refused" again captured
ok "... and that is said" wait_for 20 grep -q "refused an agent at $BACKEND: a wrong MAC" l.err
backend b2 --key other.key
ok "another key: refused, on both sides" wait_for 20 grep -q 'no session with the balancer at 127.0.0.1 port 7702' b2.err
stop $AGENT_B TERM
equal "nothing of that was believed" "$(count_told)" "$before"

# an agent that is there again, and then is not
backend b3
ok "after a restart it is heard" wait_for 20 grep -q ': session ' b3.err
ok "... in another session" [ "$(session b3)" != "$begun" ]
kill_web
mkfifo open
exec 9<>open
netns_run ${net}b $PY "$here/lib/bad_server.py" serve 8080 <open >bad.out 2>&1 &
e2e_kill_later $!
wait_for 20 grep -q ready bad.out
netns_run ${net}l $PY "$here/lib/bad_server.py" ask $BACKEND 8080 <open >ask.out 2>&1 &
e2e_kill_later $!
ok "connections that the host resets are told" wait_for 20 told 'sign=resets and host1'
ok "... and such as it turns away" wait_for 20 told 'sign=overflow and value'
kill -9 $AGENT_B
wait $AGENT_B 2>/dev/null
ok "a host whose agent is not heard any more is silent" wait_for 20 told sign=silent
stop $AGENT_L INT

told=$(first 'type=told and sign=exit')
"$SAKER" show b l --causes "$told" >causes
ok "its causes: what the other host reported" grep -Eq '^└─ report.*: b:[0-9]+ .*report .*, exit: ' causes
ok "... because of the exit that its kernel saw" grep -Eq 'evidence.*: b:[0-9]+ .*nginx.*exit .*sig=SIGKILL' causes
ok "... and that because of the signal" grep -Eq 'signal.*: b:[0-9]+ .*bash.*signal .*sig=SIGKILL' causes
"$SAKER" show b l --edges --json >edges
equal "each report was told once, and nothing else" \
	"$(jq -s 'map(select(.kind == "report")) | length' edges)" "$("$SAKER" show b 'type=report' --json | wc -l)"
equal "no edge is a guess" "$(jq -s 'map(select((.kind == "report" or .kind == "evidence") and .ambiguous)) | length' edges)" 0
e2e_end
