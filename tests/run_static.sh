#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The checks that need no build, as TAP: form, layers, sizes, licences, scripts, generated documents.
set -u
cd "$(dirname "$0")/.." || exit 1

count=0
failed=0

# check TOOL WHAT COMMAND...
check() {
	local tool=$1 what=$2 out
	shift 2
	count=$((count + 1))
	if ! command -v "$tool" >/dev/null; then
		echo "ok $count - $what # SKIP no $tool"
	elif out=$("$@" 2>&1); then
		[ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/# /'
		echo "ok $count - $what"
	else
		printf '%s\n' "$out" | sed 's/^/# /'
		echo "not ok $count - $what"
		failed=1
	fi
}

check clang-format "C files are as clang-format writes them" tools/format.sh
check python3 "includes keep the layers" tools/layers.py src
check python3 "functions and files keep their sizes" tools/sizes.py .
check python3 "files name their licence" tools/spdx.py .
check shellcheck "scripts pass shellcheck" tools/shell.sh
check python3 "docs/events.md is what events.def says" tools/update-docs.sh --check
echo "1..$count"
exit $failed
