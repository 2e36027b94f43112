#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run_build.sh DIR gcc|clang|asan|fuzz: configures and builds into DIR; prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1

dir=$1
kind=$2
targets=()
options=()
cc=gcc
case $kind in
gcc) ;;
clang) cc=clang ;;
asan)
	cc=clang
	options=("-Db_sanitize=address,undefined" -Db_lundef=false)
	;;
fuzz)
	cc=clang
	options=(-Dfuzz=true -Db_lundef=false)
	targets=(fuzzers)
	;;
*)
	echo "run_build.sh: unknown kind '$kind'" >&2
	exit 2
	;;
esac

# A folder that was configured before the tests' packages came (by quickstart.sh) does not know them
configure() {
	if [ -e "$dir/build.ninja" ]; then
		if [ "$kind" = fuzz ] || [ ! -e "$dir/tests/traffic" ]; then
			meson configure "$dir" --clearcache >/dev/null && meson setup --reconfigure "$dir" >/dev/null
		fi
	else
		CC=$cc meson setup "$dir" "${options[@]}"
	fi
}

echo 1..1
if { configure && ninja -C "$dir" "${targets[@]}"; } 2>&1 | sed 's/^/# /' && [ "${PIPESTATUS[0]}" = 0 ]; then
	echo "ok 1 - builds with $kind"
else
	echo "not ok 1 - builds with $kind"
	exit 1
fi
