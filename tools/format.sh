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
	local wrong=0
	for file in $(sources); do
		if ! clang-format "$file" | cmp -s - "$file"; then
			echo "$file: not as clang-format writes it (tools/format.sh --fix)"
			wrong=1
		fi
	done
	return $wrong
}

if [ "${1-}" = --fix ]; then
	sources | xargs -r clang-format -i
else
	check
fi
