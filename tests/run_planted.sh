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
echo "1..$count"
exit $failed
