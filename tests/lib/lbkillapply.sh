# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# lbkillapply.sh - `saker apply` is killed (SIGKILL) at any moment while connections run; for tests/e2e/lb_change.sh and
# tests/long/lb_kill_apply.sh. After e2e.sh and lbworld.sh, in a world of two backends that are served by tests/lib/flows.c.
#
#	lbkillapply NUMBER	so many; test cases
#
# Two wishes take turns: both have the VIP of the connections, the second has five more; each fifth time with tables of another size, so that
# all is made anew and connections are carried over. The moment is by chance within one and a quarter of what that kind of change took at first. After each: the
# programs are on the interface, their tables are of the one wish or of the other as a whole, and show says so.

lbkillapply_files() {
	local table=$1 name=$2 i
	printf 'interfaces:\n  eth0:\n    table: %s\n    vips:\n      - {vip: "%s:80/tcp", backends: [10.90.11.2, 10.90.12.2]}\n' "$table" $LBWORLD_VIP >"$PLACE/one$name.yaml"
	cp "$PLACE/one$name.yaml" "$PLACE/six$name.yaml"
	for i in 1 2 3 4 5; do
		printf '      - {vip: "10.99.1.%s:80/tcp", backends: [10.90.11.2, 10.90.12.2, 10.99.2.%s]}\n' $i $i >>"$PLACE/six$name.yaml"
	done
}
# maps of connections of our sizes, in this kernel; they are like no other test's
lbkillapply_maps() { bpftool -j map show | jq --argjson a $((lbkillapply_a / 4)) --argjson b $((lbkillapply_b / 4)) '[.[] | select(.name == "lb_conns_cpu" and (.max_entries == $a or .max_entries == $b))] | length'; }
# took FILE: milliseconds of an apply
lbkillapply_took() {
	local began=${EPOCHREALTIME/./}
	lbworld_run lb "$SAKER" apply "$PLACE/$1" 2>/dev/null || return 1
	echo $(((${EPOCHREALTIME/./} - began) / 1000))
}
# whole: 0 if what runs is one of both wishes
lbkillapply_whole() {
	local shape
	lbworld_run lb "$SAKER" lb show --json >"$PLACE/show" || return 1
	lbworld_run lb "$SAKER" lb stats --json >"$PLACE/stats" || return 1
	shape=$(jq -c '[.vips | length] + [[.backends[].backend] | unique | length]' "$PLACE/stats")
	jq -e '.attached and .program > 0' "$PLACE/show" >/dev/null && { [ "$shape" = "[1,2]" ] || [ "$shape" = "[6,7]" ]; } && return 0
	echo "# after a kill: $shape, $(jq -c '[.attached, .mode, .program]' "$PLACE/show")"
	return 1
}

lbkillapply() {
	local number=$1 i name=a file fast slow took ms status broken=0 killed=0 pins maps cpus
	lbkillapply_a=$((4096 + 8 * ($$ % 4096))) lbkillapply_b=$((4096 + 8 * ($$ % 4096) + 4))
	lbkillapply_files $lbkillapply_a a
	lbkillapply_files $lbkillapply_b b
	ok "a wish" lbworld_run lb "$SAKER" apply "$PLACE/onea.yaml"
	netns_run "${LBWORLD}client" "$(dirname "$SAKER")/../tests/flows" hold $LBWORLD_VIP 80 20 --every 20 --wait 60000 >"$PLACE/held" &
	e2e_kill_later $!
	local holder=$!
	ok "twenty connections through it" wait_for 30 grep -q '"open":20' "$PLACE/held"
	fast=$(lbkillapply_took sixa.yaml)
	slow=$(lbkillapply_took oneb.yaml) && [ -n "$fast" ] || { e2e_case "both kinds of changes" 1; return; }
	name=b
	for ((i = 0; i < number; i++)); do
		took=$fast
		[ $((i % 5)) != 4 ] || { took=$slow; [ $name = a ] && name=b || name=a; }
		[ $((i % 2)) = 0 ] && file=six$name.yaml || file=one$name.yaml
		ms=$((RANDOM * (took * 5 / 4 + 1) / 32768))
		{
			SAKER_STATE=$PLACE/state timeout -s KILL "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))" \
				nsenter --net="$NETNS_DIR/${LBWORLD}lb" -- "$SAKER" apply "$PLACE/$file"
			status=$?
		} >/dev/null 2>&1
		[ $status != 137 ] || killed=$((killed + 1))
		lbkillapply_whole || broken=$((broken + 1))
	done
	echo "# $killed of $number were killed; a change took $fast ms, with new tables $slow ms"
	ok "some were killed" [ $killed -gt 0 ]
	equal "after each the interface has one wish as a whole" $broken 0
	ok "the next one runs" lbworld_run lb "$SAKER" apply "$PLACE/onea.yaml"
	pins=$(echo "/sys/fs/bpf/saker/eth0@$(lbworld_run lb python3 -c 'import socket; s = socket.socket(); print(int.from_bytes(s.getsockopt(1, 71, 8), "little"))')"/*)
	equal "no pins are left" "$(basename -a $pins | xargs)" "chain link"
	cpus=$(tr , '\n' </sys/devices/system/cpu/online | awk -F- '{ n += $NF - $1 + 1 } END { print n }')
	left() { maps=$(lbkillapply_maps) && [ "$maps" = "$cpus" ]; }
	ok "nor maps: one table of connections for each CPU" wait_for 20 left
	kill -INT $holder
	wait $holder
	equal "no connection broke, no message was wrong" "$(tail -n 1 "$PLACE/held" | jq -c '[.failed, .broken, .wrong]')" '[0,0,0]'
}
