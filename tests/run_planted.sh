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
	cp -r src tools tests bench meson.build meson_options.txt "$copy"
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

cd "$top" || exit 1
echo "1..$count"
exit $failed
