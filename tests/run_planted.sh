#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Plants one violation at a time into a copy of the sources and expects the check that it is for to name it. TAP.
set -u
cd "$(dirname "$0")/.." || exit 1

top=$PWD
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
count=0
failed=0

fresh() {
	rm -rf "${copy:?}"/*
	cp -r src tools tests bench demo ui meson.build meson_options.txt "$copy"
	cp .clang-format "$copy"
}

# expect WORDS COMMAND...: it fails in the copy and says WORDS
expect() {
	local words=$1 out status=0
	shift
	count=$((count + 1))
	out=$(cd "$copy" && "$@" 2>&1) || status=$?
	if [ $status != 0 ] && [[ $out == *"$words"* ]]; then
		echo "ok $count - $1 says: $words"
	else
		printf '%s\n' "$out" | sed 's/^/# /'
		echo "not ok $count - $1 says: $words"
		failed=1
	fi
}

fresh
echo '#include "store/store.h"' >>"$copy/src/base/buf.c"
expect '"store/store.h": base may use only itself' tools/layers.py src
expect '"store/store.h"' bash -c 'meson setup b >/dev/null && ninja -C b layers.stamp'
fresh
echo '#include "../order/order.h"' >>"$copy/src/event/event.c"
expect 'event.c' tools/layers.py src
fresh
sed -i "s/^  'base': \[\],/  'base': ['event'],/" "$copy/src/meson.build"
expect 'base names event' tools/layers.py src
fresh
{ echo 'void f(void)'; echo '{'; yes ';' | head -n 101; echo '}'; } >>"$copy/src/base/err.c"
expect 'f() has 101 lines' tools/sizes.py .
fresh
yes '' | head -n 250 >>"$copy/src/base/err.h"
expect 'src/base/err.h: ' tools/sizes.py .
fresh
echo '/* SPDX-License-Identifier: Apache-2.0 */' >"$copy/src/kernel/x.bpf.c"
expect 'x.bpf.c: names Apache-2.0' tools/spdx.py .
fresh
echo 'int  x;' >>"$copy/src/base/err.c"
expect 'src/base/err.c' tools/format.sh

# counts WHAT "PASSED FAILED SKIPPED" STATUS TAP: what the count of check.sh makes of a suite
counts() {
	local got
	count=$((count + 1))
	printf '%b' "$4" >"$copy/tap"
	got=$(tap_count "$copy/tap" "$3")
	if [ "$got" = "$2" ]; then
		echo "ok $count - the count: $1"
	else
		echo "not ok $count - the count: $1: $got instead of $2"
		failed=1
	fi
}

cd "$top" || exit 1
# shellcheck source=tests/run_suites.sh
. tests/run_suites.sh
counts "all well" "2 0 0" 0 '1..2\nok 1 - a\nok 2 - b\n'
counts "one failed" "1 1 0" 1 'ok 1 - a\nnot ok 2 - b\n1..2\n'
counts "one skipped" "1 0 1" 0 '1..2\nok 1 - a\nok 2 - b # SKIP no root\n'
counts "all skipped" "0 0 1" 0 '1..0 # SKIP no root\n'
counts "skipped, then out of time" "0 1 1" 124 '1..0 # SKIP no root\n'
counts "no plan" "1 1 0" 0 'ok 1 - a\n'
counts "nothing" "0 1 0" 0 ''
counts "died after its plan" "1 2 0" 139 '1..3\nok 1 - a\n'
counts "failed without a failed case" "1 1 0" 1 '1..1\nok 1 - a\n'
counts "two plans" "3 0 0" 0 '1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 - c\n'
counts "talk between" "1 0 0" 0 '# not ok 9\nokay\n1..1\nok 1 - a\n'

# again WHAT WANTED MOST SUITE=RUNS...: the last line when each suite fails so many times before it passes
# shellcheck disable=SC2016,SC2030,SC2031 # in a shell of its own
again() (
	what=$1 wanted=$2 most=$3 each=''
	shift 3
	suites_start "$copy/suites"
	for each; do
		echo "${each#*=}" >"$copy/left-${each%=*}"
		suite "${each%=*}" 9 bash -c 'n=$(cat "$1"); echo $((n - 1)) >"$1"; [ "$n" -gt 0 ] && echo "not ok 1 - a" || echo "ok 1 - a"; echo 1..1' - \
			"$copy/left-${each%=*}"
	done >/dev/null
	suites_again "$most" e2e- >/dev/null
	[ "$(suites_total | tr '\n' ';')" = "$wanted" ] && echo "ok - once more: $what" || echo "not ok - once more: $what: $(suites_total)"
)

said=$(
	again "none failed" '1 passed, 0 failed, 0 skipped;' 2 e2e-a=0
	again "one was disturbed" 'passed only alone, the second time: e2e-a (not ok 1 - a);2 passed, 0 failed, 0 skipped;' 2 e2e-a=1 e2e-b=0
	again "one fails again" '1 passed, 1 failed, 0 skipped;' 2 e2e-a=2 e2e-b=0
	again "others fail" '1 passed, 1 failed, 0 skipped;' 2 unit=1 e2e-b=0
	again "too many" '0 passed, 2 failed, 0 skipped;' 1 e2e-a=1 e2e-b=1
)
echo "$said"
count=$((count + $(wc -l <<<"$said")))
! grep -q '^not' <<<"$said" || failed=1
echo "1..$count"
exit $failed
