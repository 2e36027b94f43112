#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/format.sh          names the C files that clang-format would change, and fails if there are any
# tools/format.sh --fix    changes them
set -eu
cd "$(dirname "$0")/.."

sources() {
	local dir
	for dir in src tests bench demo; do
		[ ! -d $dir ] || find $dir -name '*.[ch]' ! -name '*.gen.*'
	done | sort
}

check() {
	local wrong
	wrong=$(sources | xargs -r -P "$(nproc)" -n 20 clang-format --dry-run --ferror-limit=1 2>&1 |
		sed -n 's/^\([^: ]*\.[ch]\):.*/\1: not as clang-format writes it (tools\/format.sh --fix)/p' | sort -u)
	[ -z "$wrong" ] || echo "$wrong"
	[ -z "$wrong" ]
}

if [ "${1-}" = --fix ]; then
	sources | xargs -r clang-format -i
else
	check
fi
