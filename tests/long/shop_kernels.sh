#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 2000
#
# The shop of demo/shop.sh on Debian's 6.1 and 6.12, emulated: nginx, four applications, Redis and PostgreSQL in network
# namespaces. They are recorded while some queries sleep: requests of all must come out, and the reason of the slow ones
# must be the planted one. So many requests are made, however long they take on a slow machine.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/guests.sh
. "$here/lib/guests.sh"
shop=${here%/tests}/demo/shop.sh

# ask APP OPTION...: the client of the shop, in its namespace; 8 requests
ask() {
	nsenter --net=/run/netns/client "$SHOP_CLIENT" --log /tmp/shop/client.jsonl --threads 2 --requests 4 "${@:2}" \
		10.78.0.1:8080 "$1"
}

requests() {
	local app
	# shellcheck disable=SC1091
	. /tmp/shop/state
	for app in pool loop go; do
		ask $app || return
	done
	ask threads --fault query=400 --every 2
}

inside() {
	modprobe -a veth bridge nf_tables
	guests_step 'the shop opens'
	tar -xf "$OUT/database.tar"
	START_SECONDS=600 "$shop" up --dir /tmp/shop --database /tmp/database || { tail -n 5 /tmp/shop/*.log; exit 1; }
	guests_step record
	"$SAKER" record --as-root -o rec -p "$("$shop" pids --dir /tmp/shop)" --with sched -- "$0" requests 2>"$OUT/recorded" ||
		exit 1
	guests_step 'recorded'
	tar -cf "$OUT/recorded.tar" rec -C /tmp/shop client.jsonl
}

# --- outside ---

# asked SERVICE: so many requests of it came out
asked() {
	jq -r 'select(.kind == "server") | .service' requests.json | grep -c "^$1"
}

# Traces from nginx to PostgreSQL with a query that slept for what was planted, nearly
slept() {
	jq -s 'group_by(.trace) | map(select(any(.[]; .kind == "server" and (.service | startswith("nginx"))) and
		any(.[]; .kind == "server" and (.service | startswith("postgres")) and .time_ns.sleep >= 380e6))) | length' \
		requests.json
}

compare() {
	local name
	cd "$WORK/$1" || return
	sed 's/^/# /' recorded
	ok "Linux $1: the recording came out" tar -xf recorded.tar
	equal "Linux $1: nothing was lost" "$("$SAKER" show rec 'type=loss' --json | wc -l)" 0
	"$SAKER" requests rec --all --json >requests.json
	for name in nginx shop-threads shop-pool loop.py shop-go redis-server postgres; do
		ok "Linux $1: requests of $name" test "$(asked "$name")" -ge 8
	done
	ok "Linux $1: slow requests are whole, and what they waited for is the planted sleep of postgres" test "$(slept)" -ge 3
	"$SAKER" path rec | head -n 20 | sed 's/^/# /'
}

case ${1-} in
inside) guests_inside "$@"; inside; exit ;;
requests) requests; exit ;;
esac
guests_begin
for name in nginx redis-server psql wrk go; do
	if ! command -v $name >/dev/null; then
		skip 'the shop' "no $name here: tools/deps.sh shop"
		e2e_end
	fi
done
ok 'the programs are there' "$shop" build --dir "$WORK/shop"
for series in 6.1 6.12; do
	mkdir -p $series
	tar -C shop -cf $series/database.tar database
	guest_start $series $series 600
done
guests_wait
for series in 6.1 6.12; do
	! guest_has $series || compare $series
done
e2e_end
