#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run_build.sh DIR gcc|asan: configures and builds into DIR; prints TAP. Each is for something else: gcc is what people get; asan is for
# the unit tests and for the fuzzers, of the same objects, and it is clang's, which has other warnings than gcc.
set -u
cd "$(dirname "$0")/.." || exit 1

dir=$1
kind=$2
targets=()
options=()
cc=gcc
case $kind in
gcc) ;;
asan)
	cc=clang
	options=(-Dfuzz=true -Db_sanitize=none -Db_lundef=false)
	targets=(all fuzzers)
	;;
*)
	echo "run_build.sh: unknown kind '$kind'" >&2
	exit 2
	;;
esac

# A folder that was configured before the tests' packages came (by quickstart.sh) does not know them
configure() {
	if [ -e "$dir/build.ninja" ]; then
		if [ "$kind" = asan ] || [ ! -e "$dir/tests/traffic" ]; then
			meson configure "$dir" "${options[@]}" --clearcache >/dev/null && meson setup --reconfigure "$dir" >/dev/null
		fi
	else
		CC=$cc meson setup "$dir" "${options[@]}"
	fi
}

echo 1..1
if { configure && ninja -C "$dir" "${targets[@]}"; } 2>&1 | sed 's/^/# /' && [ "${PIPESTATUS[0]}" = 0 ]; then
	echo "ok 1 - builds: $kind, by $cc"
else
	echo "not ok 1 - builds: $kind, by $cc"
	exit 1
fi
