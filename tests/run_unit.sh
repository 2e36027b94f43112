#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run_unit.sh DIR [NAME]: the unit tests built in DIR, as one TAP stream.
set -u
cd "$(dirname "$0")/.." || exit 1

dir=$1
shift
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1
rm -f "$dir/meson-logs/testlog.json"
meson test -C "$dir" --no-rebuild --num-processes "$(nproc)" "$@" 2>&1 | sed 's/^/# /'
python3 tests/run_unit.py "$dir/meson-logs/testlog.json"
