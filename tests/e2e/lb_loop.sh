#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 240
#
# The closed loop: the agent sees, acts, measures; in shadow first. What it did is undone by its time, by the backend's return, and by
# a person; it outlives the agent, and the next one takes it over.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
lbworld_begin nginx curl ethtool jq
VIP=$LBWORLD_VIP:80/tcp
# agent: in the background; AGENT is its process
agent() {
	SAKER_STATE=$PLACE/state nsenter --net="$NETNS_DIR/${LBWORLD}lb" -- "$SAKER" agent "$@" 2>>agent.said &
	AGENT=$!
	e2e_kill_later $AGENT
}
serve() { # NAME: its nginx, and until it answers
	lbworld_nginx "$1"
	e2e_kill_later $!
	wait_for 20 lbworld_run "$1" curl -s -m 5 -o /dev/null http://127.0.0.1/
}
silence() { kill -9 "$(cat "$1.pid")"; }
get() {
	local i
	for ((i = 0; i < $1; i++)); do
		lbworld_run client curl -s -m 10 http://$LBWORLD_VIP/ || echo none
	done
}
# known BACKEND: state and share, as `show` says it
known() { lb lb show --json | jq -r --arg b "$1" '.health.vips[0].backends[]? | select(.backend == $b) | .state + " " + (.share | tostring)'; }
is() { [ "$(known "$1")" = "$2" ]; }
# action FILTER: is there one?
action() { lb lb actions --json | jq "[.actions[] | select($1)] | length > 0" | grep -q true; }
weights() { lb lb show --json | jq -c '[.wish.interfaces.eth0.vips[0].backends[] | .weight // 1]'; }
wish() { # MODE: makes it the wish
	cat >wish.yaml <<W
interfaces:
  eth0:
    udp-idle: 2s
    health: {mode: $1, kind: tcp, interval: 200ms, timeout: 200ms, rise: 2, fall: 2, base-eject: 60s, slow-start: 2s, effect: 1s}
    vips:
      - vip: $VIP
        backends: [10.90.11.2, 10.90.12.2, 10.90.13.2, 10.90.14.2]
W
	lb apply wish.yaml
}

ok "a world of four backends" lbworld_up "sll$$" 4
for i in 1 2 3 4; do serve b$i; done
ok "a wish whose health is in shadow" wish shadow
agent -o rec
ok "an agent says that they are healthy" wait_for 20 is 10.90.12.2 "healthy 1000"
fails "a second agent is refused" lb agent

# ---- shadow ----
silence b2
ok "shadow: it says that one is down" wait_for 20 action '.mode == "shadow" and .what == "down" and .backend == "10.90.12.2" and .running'
equal "and does nothing" "$(known 10.90.12.2)" "down 1000"
ok "it measures all the same" wait_for 20 action '.effect.verdict == "shadow"'
equal "nothing is laid over the wish" "$(lb lb show --json | jq -c .overlay)" "[]"

# ---- live ----
ok "the same wish, live" wish live
ok "now it is out" wait_for 20 is 10.90.12.2 "down 0"
ok "by an action with evidence of the agent's own recording" wait_for 20 action '.mode == "live" and .what == "down" and .running and (.evidence | length > 0)'
equal "the wish stays a person's" "$(weights)" "[1,1,1,1]"
fresh() { lb lb stats --json | jq '.vips[0].new_connections'; }
before=$(fresh)
get 16 >got
equal "no new connection goes to it" "$(grep -c none got)" 0
equal "sixteen new connections are counted" $(($(fresh) - before)) 16
ok "the effect is measured, and the action kept" wait_for 20 action '.what == "down" and .mode == "live" and .effect.verdict == "kept"'
ok "by errors, and checks' time before and after" action '.mode == "live" and .effect.verdict == "kept" and .effect.decided[0] == "errors" and .effect.before.checks > 0 and .effect.after.check_ns > 0'
ok "no more new connections than there were" action ".mode == \"live\" and .effect.verdict == \"kept\" and .effect.after.new <= $(fresh)"
ok "which is shown" grep -q 'within 1 s before -> after: new connections [0-9]* -> [0-9]*, SYNs again' <(lb lb actions)
ok "show says it in words" grep -q 'taken out: 0 of 1000 of its weight since' <(lb lb show)
serve b2
ok "its server is back: so is it, whole in the end" wait_for 20 is 10.90.12.2 "healthy 1000"
ok "by a slow start" action '.what == "return" and .backend == "10.90.12.2" and .share_before == 0 and (.running | not)'
get 40 >got
ok "it answers again" grep -q b2 got

# ---- the ceiling ----
for i in 1 2 3 4; do silence b$i; done
held() { [ "$(lb lb show --json | jq '[.health.vips[0].backends[] | select(.state == "down")] | length')" = 4 ]; }
ok "all are killed, and it knows" wait_for 20 held
equal "half of the weight is out, no more" "$(lb lb show --json | jq '([.health.vips[0].backends[] | select(.share == 0)] | length), .health.vips[0].out' | tr '\n' ' ')" "2 50 "
ok "what goes beyond is only said, with the reason" action '.mode == "shadow" and (.why | test("not done: more than 50 %"))'
for i in 1 2 3 4; do serve b$i; done
well() { [ "$(lb lb show --json | jq '[.health.vips[0].backends[] | select(.state == "healthy" and .share == 1000)] | length')" = 4 ]; }
ok "all come back" wait_for 30 well

# ---- a person's word ----
silence b3
ok "one is out" wait_for 20 is 10.90.13.2 "down 0"
ok "a person sets it" lb lb backend set $VIP 10.90.13.2 --weight 1
ok "and it is in" wait_for 20 is 10.90.13.2 "suspect 1000"
ok "the action has yielded" wait_for 20 action '.backend == "10.90.13.2" and .effect.verdict == "yielded"'
failing() { [ "$(lb lb show --json | jq '.health.vips[0].backends[2].check_in_row > 10')" = true ]; }
ok "its checks go on failing" wait_for 20 failing
equal "and it is left alone" "$(known 10.90.13.2)" "suspect 1000"
serve b3
ok "until something good is heard of it" wait_for 20 is 10.90.13.2 "healthy 1000"

# ---- a host that falls silent, without checks ----
cat >silent.yaml <<W
interfaces:
  eth0:
    health: {mode: live, syn-again: 3, window: 5s, effect: 1s, slow-start: 2s, base-eject: 5s}
    vips:
      - vip: $VIP
        backends: [10.90.11.2, 10.90.12.2, 10.90.13.2, 10.90.14.2]
W
ok "no checks any more" lb apply silent.yaml
ip -n "${LBWORLD}net" link set b2 down
clients=()
for ((i = 0; i < 24; i++)); do
	netns_run "${LBWORLD}client" curl -s -m 100 -o /dev/null http://$LBWORLD_VIP/ &
	clients+=($!)
done
ok "SYNs that come again take it out" wait_for 30 is 10.90.12.2 "ejected 0"
lost=0
for i in "${clients[@]}"; do wait "$i" || lost=$((lost + 1)); done
equal "whose clients are answered by others then" $lost 0
ip -n "${LBWORLD}net" link set b2 up
ok "the wish with checks" wish live
ok "brings it back" wait_for 90 is 10.90.12.2 "healthy 1000"

# ---- without the agent ----
silence b4
ok "one is out" wait_for 20 is 10.90.14.2 "down 0"
number=$(lb lb actions --json | jq '[.actions[] | select(.backend == "10.90.14.2" and .running)][0].number')
kept() { action ".number == $number"; }
ok "which is written" wait_for 20 kept
kill -9 $AGENT
wait $AGENT 2>/dev/null
equal "it stays out without an agent" "$(lb lb show --json | jq -c '[.agent, (.overlay | length)]')" "[false,1]"
ok "show says so, and since when" grep -q 'no agent runs: what is said of health was known' <(lb lb show)
ok "another change leaves it out" lb lb backend set $VIP 10.90.11.2 --weight 2
equal "still" "$(lb lb show --json | jq '.overlay | length')" 1
agent
ok "the next agent goes on with the action" wait_for 20 action ".number == $number and .running"
ok "and the state" wait_for 20 is 10.90.14.2 "down 0"
kill -9 $AGENT
wait $AGENT 2>/dev/null
sed -i -E 's/until [0-9]+/until 1/' "$PLACE"/state/*.overlay
agent
ok "an action whose time was over is taken back at the start" wait_for 20 action ".number == $number and .effect.verdict == \"expired\""
later() { [ "$(lb lb actions --json | jq '[.actions[].number] | max')" -gt "$number" ]; }
ok "and made anew by what it finds, with another number" wait_for 20 later
serve b4
ok "well in the end" wait_for 20 is 10.90.14.2 "healthy 1000"

# ---- draining: when the last one is gone ----
cat >keeps.py <<'END'
import socket, sys, time
while True:
    s = socket.create_connection((sys.argv[1], 80), 10)
    turn = lambda: s.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n') or s.recv(4096)
    if turn().endswith(b'b4\n'):
        break
while turn():
    print('b4', flush=True)
    time.sleep(0.2)
END
netns_run "${LBWORLD}client" python3 keeps.py $LBWORLD_VIP >keeps &
keeps=$!
e2e_kill_later $keeps
ok "a connection to the fourth" wait_for 20 test -s keeps
ok "which is to get no more" lb lb backend set $VIP 10.90.14.2 --weight 0
ok "it drains" wait_for 20 is 10.90.14.2 "draining 1000"
drained() { [ "$(lb lb show --json | jq '.health.vips[0].backends[3].drained')" = "$1" ]; }
turns=$(wc -l <keeps)
turned() { [ "$(wc -l <keeps)" -gt $((turns + 15)) ]; }
ok "the connection goes on for longer than the limit" wait_for 30 turned
ok "so somebody is left" drained false
kill $keeps
ok "without it none is" wait_for 20 drained true
ok "which is said" grep -q '10.90.14.2 drains from .*none is left' agent.said
ok "and shown" grep -q 'draining.*none is left' <(lb lb show)

# ---- a table that gets full ----
sed 's/udp-idle: 2s/table: 64/' wish.yaml >small.yaml
ok "a small table" lb apply small.yaml
full() { get 4 >/dev/null; grep -q 'eth0: connections of CPU [0-9]*: .* of 64[;:].*full' agent.said; }
ok "the agent says that it will be full, or is" wait_for 40 full
ok "and so does show" wait_for 40 eval "get 2 >/dev/null; lb lb show | grep -q 'connections of CPU .* of 64'"
kill $AGENT
wait $AGENT
equal "the agent ends when it is asked to" $? 0

# ---- the recording ----
"$SAKER" show rec --json >events
count() { jq -s "[.[] | select($1)] | length" events; }
ok "it has the checks that changed" [ "$(count '.type == "check"')" -gt 8 ]
ok "the actions with their evidence" [ "$(count '.type == "action" and .mode == "live" and .seq1 > 0')" -gt 3 ]
ok "and what became of them" [ "$(count '.type == "effect" and .verdict == "kept"')" -gt 0 ]
ok "detach" lb detach eth0
equal "leaves no file of health" "$(find "$PLACE/state" -name '*.health' -o -name '*.overlay' | wc -l)" 0
cp agent.said "${LB_LOOP_SAID:-/dev/null}" 2>/dev/null
e2e_end
