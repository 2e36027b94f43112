#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 300
#
# saker apply --shadow: another wish's choices are told beside what runs, come true when it is applied, and change nothing before.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
lbworld_begin ethtool jq bpftool
VIP=$LBWORLD_VIP:80/tcp
# wish FILE BACKENDS [KEY]: a document with one VIP
wish() {
	printf 'interfaces:\n  eth0:\n%b    vips:\n      - vip: %s\n        backends: [%s]\n' "${3:-}" "$VIP" "$2" >"$1"
}
opened() { lbworld_run client nstat -asz TcpActiveOpens | awk 'NR > 1 { print $2 }'; }
more_opened() { [ "$(opened)" -ge $((since + $1)) ]; }
# begin OPTION...: a shadow in the background, until it compares
begin() {
	rm -f shadow.err
	SAKER_STATE=$PLACE/state netns_run "${LBWORLD}lb" "$SAKER" apply --shadow "$@" >shadow.out 2>shadow.err &
	SHADOW=$!
	e2e_kill_later $SHADOW
	wait_for 20 grep -qs "is compared" shadow.err || cat shadow.err
}
end() {
	kill -INT $SHADOW
	wait $SHADOW
}
# shadow FILE NUMBER: compares all packets, of so many new connections at least
shadow() {
	begin "$1" --one-in 1 --json
	since=$(opened)
	wait_for 40 more_opened "$2"
	end
}
told() { jq "$1" shadow.out; }
watched() {
	local cookie
	cookie=$(lbworld_run lb python3 -c 'import socket; s = socket.socket(); print(int.from_bytes(s.getsockopt(1, 71, 8), "little"))')
	bpftool -j map lookup pinned "/sys/fs/bpf/saker/eth0@$cookie/chain/maps/chain_control" key 0 0 0 0 | jq -c '.value[8:16] | map(ltrimstr("0x") | tonumber)'
}
held() { tail -n 2 held | head -n 1 | jq "$1" 2>/dev/null; }
held_is() { [ "$(held "$1")" = true ]; }

ok "a world of three backends" lbworld_up "shd$$" 3
for i in 1 2 3; do
	lbworld_serve b$i
	e2e_kill_later $!
	disown %+
	wait_for 10 test -s b$i.served
done
wish now.yaml "10.90.11.2, 10.90.12.2, 10.90.13.2" '    sample: 7\n'
wish less.yaml "10.90.11.2, 10.90.12.2"
wish none.yaml "{address: 10.90.11.2, weight: 0}, {address: 10.90.12.2, weight: 0}, {address: 10.90.13.2, weight: 0}"
printf 'interfaces:\n  eth0:\n' >pass.yaml
wish wrong.yaml "10.90.11.2, nowhere"
lb apply --shadow now.yaml 2>said
ok "without a chain it says what it needs" grep -q 'a shadow needs one' said
ok "three backends" lb apply now.yaml
FLOWS=$(dirname "$SAKER")/../tests/flows
netns_run "${LBWORLD}client" "$FLOWS" hold $LBWORLD_VIP 80 60 --every 200 >held &
HELD=$!
netns_run "${LBWORLD}client" "$FLOWS" new $LBWORLD_VIP 80 --every 5 >new &
NEW=$!
e2e_kill_later $HELD
e2e_kill_later $NEW
ok "held connections" wait_for 20 held_is '.open == 60 and .least > 1'
program=$(lb lb show --json | jq .program)
KEPT=$(grep -l 10.90.13.2 "$PLACE"/state/*.yaml)
cp "$KEPT" kept.yaml

# ---- what is told ----
shadow now.yaml 100
equal "the wish that runs would do what it does" "$(told '.drawn > 500 and .drawn == .counts.same.drawn')" true
shadow less.yaml 400
share=$(told '.vips[] | select(.vip == "'$VIP'").counts | .other_backend.first / (.other_backend.first + .same.first) * 100 | round')
ok "without one of three backends about a third of the new connections goes elsewhere: $share %" test "$share" -ge 22 -a "$share" -le 46
equal "connections that it has would break, and that is told apart" "$(told '.counts.other_backend_known.drawn > 0')" true
equal "each is one of the backend that goes" \
	"$(told '[.examples[] | select(.kind == "other_backend_known").now.backend] | unique' | jq -c .)" '["10.90.13.2"]'
equal "nothing else would change" "$(told '.counts | .would_send.drawn + .would_drop.drawn + .would_pass.drawn + .cannot_tell_cut.drawn + .cannot_tell_state.drawn')" 0
cp shadow.out less.json
shadow none.yaml 50
equal "a wish without weights drops new connections" \
	"$(told '[.examples[] | select(.kind == "would_drop").would.reason] | unique' | jq -c .)" '["LB_NO_BACKEND"]'
equal "and keeps those it knows, which is told" "$(told '.counts | .would_drop.first > 20 and .kept.drawn > 0 and .other_backend_known.drawn == 0')" true
shadow pass.yaml 20
equal "a wish without VIPs leaves all to the host" "$(told '.counts.would_pass.drawn > 40 and .counts.same.drawn == 0')" true

# ---- who else reads, and what is wrong ----
begin less.yaml
lb lb watch 2>said
ok "while it looks nobody else reads, and who does is named" grep -q 'are read by `saker apply --shadow`, process' said
fails "nor a second one" lb apply --shadow less.yaml --for 1
equal "it draws at its own rate" "$(watched)" "[64,0,0,0,0,0,0,0]"
end
ok "as text: what was seen" grep -q 'of each CPU.s 1 in 100; nothing was changed' shadow.out
equal "after it the wish's rate is back" "$(watched)" "[7,0,0,0,0,0,0,0]"
lb apply --shadow wrong.yaml 2>said
ok "a wrong document is refused with its line" grep -q '^wrong.yaml:[0-9]*: ' said
fails "--for is for --shadow" lb apply --for 1 less.yaml

# ---- nothing was changed ----
equal "the programs are the same" "$(lb lb show --json | jq .program)" "$program"
ok "the wish, too" cmp kept.yaml "$KEPT"
messages=$(held .messages)
ok "held connections go on" wait_for 20 held_is ".open == 60 and .messages > $messages + 100"
kill $NEW
wait $NEW 2>/dev/null
equal "no new one failed" "$(grep -vc ' ok ' new)" 0

# ---- it comes true ----
# comes_true FILE FORETOLD: each flow that was to move goes where it was told, when the wish is applied
comes_true() {
	jq -r '.examples[] | select(.kind == "other_backend") | [.flow, .would.backend] | @tsv' "$2" >foretold
	ok "some flows were foretold" test -s foretold
	ok "the other wish is applied" lb apply "$1"
	while IFS=$'\t' read -r flow backend; do
		equal "and sends $flow there" "$(lb lb why "$flow" --json | jq -r .backend)" "$backend"
	done <foretold
}
comes_true less.yaml less.json
kill $HELD
lbworld_down

# ---- on traffic control, where packets are many segments at once ----
LBWORLD_HOOK=tc
ok "a world on traffic control" lbworld_up "sht$$" 3
for i in 1 2 3; do
	lbworld_serve b$i
	e2e_kill_later $!
	disown %+
	wait_for 10 grep -q . b$i.served
done
wish now.yaml "10.90.11.2, 10.90.12.2, 10.90.13.2" '    hook: tc\n'
wish less.yaml "10.90.11.2, 10.90.12.2" '    hook: tc\n'
wish small.yaml "10.90.11.2, 10.90.12.2, 10.90.13.2" '    frame-max: 1000\n'
ok "three backends" lb apply now.yaml
netns_run "${LBWORLD}client" "$FLOWS" hold $LBWORLD_VIP 80 10 --every 50 --size 60000 >held &
e2e_kill_later $!
netns_run "${LBWORLD}client" "$FLOWS" new $LBWORLD_VIP 80 --every 5 >new &
e2e_kill_later $!
ok "held connections" wait_for 20 held_is '.open == 10 and .least > 1'
program=$(lb lb show --json | jq .program)
shadow now.yaml 100
equal "the wish that runs would do what it does" "$(told '.drawn > 500 and .drawn == .counts.same.drawn')" true
equal "of packets that are longer than any frame" \
	"$(lb lb stats --json | jq '[.reasons[] | select(.reason == "LB_TABLE")][0] | .bytes / .packets > 2000')" true
shadow less.yaml 200
share=$(told '.vips[] | select(.vip == "'$VIP'").counts | .other_backend.first / (.other_backend.first + .same.first) * 100 | round')
ok "without one of three backends about a third of the new connections goes elsewhere: $share %" test "$share" -ge 18 -a "$share" -le 50
equal "nothing else would change, and all can be told" \
	"$(told '.counts | .would_send.drawn + .would_drop.drawn + .would_pass.drawn + .cannot_tell_cut.drawn + .cannot_tell_state.drawn')" 0
cp shadow.out less.json
shadow small.yaml 20
equal "a wish that says no hook is compared there, too: smaller frames would be asked for" \
	"$(told '[.examples[] | select(.kind == "other_reason").would.reason] | unique' | jq -c .)" '["LB_TOO_BIG_TOLD"]'
equal "the programs are the same" "$(lb lb show --json | jq .program)" "$program"
comes_true less.yaml less.json
e2e_end
