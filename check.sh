#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds Saker and runs its tests. The last line is `N passed, N failed, N skipped` over all suites.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=tools/common.sh
. tools/common.sh
# shellcheck source=tools/deps.sh
. tools/deps.sh
# shellcheck source=tests/run_suites.sh
. tests/run_suites.sh

usage() {
	cat <<'END'
usage: sudo ./check.sh             installs what it needs by apt, builds, runs every test
       ./check.sh --quick          no root, no installation, at most 60 s: build, unit tests, static checks
       sudo ./check.sh --long      everything, both commands of the README in a bare Debian, and
                                   more suites on Linux 6.1 and 6.12, emulated
       ./check.sh SUITE [NAME]     only static, unit, fuzz, e2e, kernels, bench or long; of these only NAME
       ./check.sh --times          of the last run: when each suite began, how long it took, its CPU time, and how long
                                   the machine's CPUs idled meanwhile

The logs of all suites are in build/check/. Where ../shared/data or $SAKER_TEST_DATA is missing, or root, or a
tool, the tests that want it count as skipped and say so.
END
}

# header FILE KEY DEFAULT: the value of a line `# KEY: value` at the top of a script
header() {
	local value
	value=$(sed -n "1,20s/^# $2: *//p" "$1" | head -n 1)
	echo "${value:-$3}"
}

skip_suite() {
	suite "$1" 5 printf '1..0 # SKIP %s\n' "$2"
}

need_build() {
	suite build-gcc 600 tests/run_build.sh build gcc
	suite_passed build-gcc
}

run_static() {
	suite_beside static 300 tests/run_static.sh
}

run_unit() {
	suite unit-gcc 300 tests/run_unit.sh build "$@"
}

# What unit tests and fuzzers need, and what clang warns of; built once
need_sanitized() {
	[ -e "$SUITES/build-asan.sum" ] || suite build-asan 1500 tests/run_build.sh build-asan asan
	suite_passed build-asan
}

run_sanitized() {
	need_sanitized && suite unit-asan 600 tests/run_unit.sh build-asan "$@"
}

run_fuzz() {
	local file name
	need_sanitized || return 0
	for file in tests/fuzz/fuzz_*.c; do
		name=${file##*/fuzz_}
		name=${name%.c}
		if [ -e "$file" ] && [ "${1:-$name}" = "$name" ]; then
			suite_beside "fuzz-$name" $((FUZZ_SECONDS + 900)) tests/run_fuzz.sh build-asan "$name" "$FUZZ_SECONDS"
		fi
	done
	suites_wait
}

# scripts DIR yes|guests|no [NAME]: those that run beside others, beside emulated machines only, or alone; those that may take longest
# first, so that none is alone at the end
scripts() {
	local file name
	for file in "$1"/*.sh; do
		name=${file##*/}
		if [ -e "$file" ] && [ "${3:-${name%.sh}}" = "${name%.sh}" ] && [ "$(header "$file" parallel no)" = "$2" ]; then
			echo "$(header "$file" timeout 300) $file"
		fi
	done | sort -s -k1,1nr | cut -d' ' -f2-
}

# run_script HOW DIR FILE: one suite that is a script, if its rights are there
run_script() {
	local name=${2##*/}-${3##*/}
	if is_root || [ "$(header "$3" root yes)" = no ]; then
		"$1" "${name%.sh}" "$(header "$3" timeout 300)" "$3"
	else
		skip_suite "${name%.sh}" "needs root"
	fi
}

# run_each DIR yes|guests|no [NAME]: one after another
run_each() {
	local file
	for file in $(scripts "$@"); do
		run_script suite "$1" "$file"
	done
}

# run_beside DIR yes|guests|no [NAME]: up to SUITE_JOBS at once
run_beside() {
	local file
	for file in $(scripts "$@"); do
		run_script suite_beside "$1" "$file"
	done
	suites_wait
}

# run_many DIR [NAME]: those that may run beside one another. Many of them wait most of the time, so there is one more than CPUs
run_many() {
	local SUITE_JOBS=$((SUITE_JOBS + 1))
	run_beside "$1" yes "${@:2}"
}

# run_scripts DIR [NAME]
run_scripts() {
	run_many "$@"
	run_each "$1" no "${@:2}"
	run_each "$1" guests "${@:2}"
}

run_bench() {
	suite bench 600 tests/run_bench.sh build "$@"
}

quick() {
	run_static
	if need_build; then
		run_unit
	fi
	suites_wait
}

# idly: this shell and what it runs yield the CPUs to all others from now on
idly() {
	renice -n 15 -p "$BASHPID" >/dev/null
}

# Two CPUs: what mostly waits, and what only computes and has no deadlines, meet. The suites of e2e wait for each other's ends half of
# their time, so clang builds and fuzzes meanwhile; emulated machines run beside those few suites that are not disturbed by them
# (tests/lib/guest.sh), two suites of them at once, so that no machine is alone with two CPUs in the end.
everything() {
	local fuzzing
	run_static
	suite_beside planted 300 tests/run_planted.sh
	need_build || { suites_wait; return; }
	suites_wait
	(idly; need_sanitized && run_fuzz) &
	fuzzing=$!
	(
		run_unit
		run_each tests/e2e no
		suite_beside bench 600 tests/run_bench.sh build # no figures
		run_many tests/e2e
	) &
	wait $! # in the foreground a signal would wait for its end
	while [ ! -e "$SUITES/build-asan.sum" ] && kill -0 $fuzzing 2>/dev/null; do
		sleep 0.5
	done
	run_sanitized
	wait $fuzzing # it would leave nothing to the emulated machines, where deadlines go on
	(SAKER_GUEST_IDLE=1 run_beside tests/kernels no) &
	run_each tests/e2e guests
	suites_wait
}

# one SUITE [NAME]
one() {
	local what=$1
	shift
	case $what in
	static) run_static; suite_beside planted 300 tests/run_planted.sh; suites_wait ;;
	unit) need_build && run_unit "$@"; run_sanitized "$@" ;;
	fuzz) run_fuzz "$@" ;;
	e2e) need_build && run_scripts tests/e2e "$@" ;;
	kernels) need_build && run_scripts tests/kernels "$@" ;;
	bench) need_build && run_bench "$@" ;;
	long) need_build && run_scripts tests/long "$@" ;;
	esac
}

install() {
	if ! is_root; then
		echo "check.sh: not root: nothing is installed, and suites that need root are skipped" >&2
		return 0
	fi
	suite install 1800 bash -c '. tools/deps.sh; deps_install "$@" && echo "ok - packages are there" && echo 1..1' \
		deps build test demo zookeeper bench "$@"
	suite_passed install
}

main() {
	local mode=${1-}
	case $mode in
	-h | --help) usage; exit 0 ;;
	--times) suites_times build/check; exit 0 ;;
	'' | --quick | --long | static | unit | fuzz | e2e | kernels | bench | long) ;;
	*) usage >&2; exit 2 ;;
	esac
	[ "$mode" != '' ] && [ "$mode" != --long ] || [ $# -le 1 ] || { usage >&2; exit 2; }
	suites_start "$PWD/build/check"
	trap 'give_back build build-asan' EXIT
	case $mode in
	--quick) quick ;;
	'' | --long)
		if install ${mode:+long}; then
			everything
			[ "$mode" = '' ] || run_scripts tests/long
			suites_again 3 e2e- kernels- bench
		fi ;;
	*) one "$@" ;;
	esac
	suites_took
	suites_total
}

export LC_ALL=C.UTF-8 SAKER=$PWD/build/src/saker SAKER_BUILD=$PWD/build
export SAKER_TEST_DATA=${SAKER_TEST_DATA:-$PWD/../shared/data}
export TRAFFIC=$PWD/build/tests/traffic
export PYTHONDONTWRITEBYTECODE=1
FUZZ_SECONDS=${FUZZ_SECONDS:-4}
main "$@"
