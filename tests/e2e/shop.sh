#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: guests
# timeout: 240
#
# The shop of demo/shop.sh: each application answers as designed, each planted fault delays, and nothing is left of it.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
shop=${here%/tests}/demo/shop.sh
prefix=sh$$-
PY=/usr/bin/python3

e2e_clean() {
	"$shop" down --dir "$WORK/shop"
}

# ask APP OPTION...: the client of the shop, in its namespace
ask() {
	local app=$1
	shift
	nsenter --net="/run/netns/${prefix}client" "$SHOP_CLIENT" --log shop/client.jsonl "$@" 10.78.0.1:8080 "$app"
}

# checked APP OPTION...
checked() {
	rm -f shop/client.jsonl
	: >shop/requests.jsonl
	ask "$@" || echo "# the client ended with $?"
	"$PY" "$here/lib/shop_check.py" shop "$1" >check.tap 2>&1 || echo "not ok - compared" >>check.tap
}

# some EXPRESSION: a request to the application threads is like this
some() {
	jq -es "any(.[]; .app == \"threads\" and ($1))" shop/requests.jsonl >/dev/null
}

# loaded FAULT EXPRESSION: the fault is planted until a request is like this, five times at most
loaded() {
	: >shop/requests.jsonl
	for _ in 1 2 3 4 5; do
		"$shop" load --dir shop --fault "$1" --ms 40 --hold 2 || return 1
		! some "$2" || return 0
	done
	return 1
}

nothing_left() {
	! compgen -G "/run/netns/$prefix*" && ! pgrep -f "$WORK/shop" && ! pgrep -f -- "--prefix $prefix"
}

# named FAULT: what Saker says made requests slow is what was planted. What else the machine does makes requests slow, too:
# three attempts.
named() {
	named_once "$1" || named_once "$1" || named_once "$1"
}

named_once() {
	rm -rf "rec-$1"
	"$SAKER" record --as-root -o "rec-$1" -p "$("$shop" pids --dir shop)" --with sched -- \
		"$shop" load --dir shop --fault "$1" --ms 60 --hold 4 && "${shop%.sh}/verdict.py" "$SAKER" "rec-$1" shop/truth.jsonl
}

# A whole run that a signal ends
interrupted() {
	local status=0
	rm -f shop/hog.bursts
	"$shop" run --dir "$WORK/shop" --prefix "$prefix" --fault hog --hold 60 >run.log 2>&1 </dev/null &
	runner=$!
	ok 'interrupted: reached' wait_for 30 test -s shop/hog.bursts
	kill -s TERM $runner
	wait $runner || status=$?
	equal 'interrupted: it says so' $status 143
	ok 'interrupted: nothing is left' nothing_left
}

e2e_begin
for name in nginx redis-server psql wrk go; do
	if ! command -v $name >/dev/null; then
		skip 'the shop' "no $name here: tools/deps.sh shop"
		e2e_end
	fi
done
ok 'it opens' "$shop" up --dir "$WORK/shop" --prefix "$prefix" --truth yes
# shellcheck disable=SC1091
. shop/state
for app in threads pool loop go; do
	checked $app --threads 8 --requests 40
	e2e_include '' <check.tap
	for fault in lock flush query; do
		checked $app --threads 4 --requests 10 --fault $fault=5-25 --every 4
		e2e_include "$fault, " <check.tap
	done
	ok "$app: it logs a line a request" grep -q "^$app: item [0-9]*: 200 in .* id=$(jq -r .id shop/client.jsonl | tail -n 1)\$" \
		shop/$app.log
done
for app in threads pool go; do
	checked $app --threads 4 --requests 10 --fault lock=30 --every 8
	ok "$app: others wait for who holds the lock" jq -es 'any(.[]; .fault == "" and .lock_ns > 5e6)' shop/requests.jsonl
done
# The comparison can fail
mkdir wrong
cp shop/client.jsonl wrong
sed '1s/"app": *"go"/"app":"og"/' shop/requests.jsonl >wrong/requests.jsonl
fails 'an id that passes elsewhere is seen' sh -c "'$PY' '$here/lib/shop_check.py' wrong go | grep '^not ok' && exit 1"

ok 'hog: the application waits for a CPU' loaded hog '.cpu_wait_ns > 8e6'
ok 'hog: its bursts are as long as told' awk '$2 - $1 < 40e6 { exit 1 } END { exit NR == 0 }' shop/hog.bursts
ok 'loss: what was sent to Redis is sent again' loaded loss '.redis_resent > 0 and .redis_ns > 35e6'
ok 'table: the query waits for who has the table' loaded table '.query_ns > 15e6'
ok 'none: wrk is answered' loaded none '.status == 200'
equal 'a line of truth a fault' "$(jq -r .fault shop/truth.jsonl | uniq | paste -sd' ')" 'hog loss table none'
for fault in lock flush hog loss query table; do
	ok "$fault: it is named" named $fault
done
ok 'none: nothing need be named' named none
# Saying something else would be seen
sed '$s/"fault":"none"/"fault":"flush"/' shop/truth.jsonl >other.jsonl
fails 'what was not planted is not named' "${shop%.sh}/verdict.py" "$SAKER" rec-lock other.jsonl
"$shop" down --dir shop >/dev/null 2>&1
ok 'it closes, and nothing is left' nothing_left
interrupted
e2e_end
