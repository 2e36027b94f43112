#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs shellcheck over every shell script of the project (by name, or by its first line).
set -eu
cd "$(dirname "$0")/.."

scripts() {
	find . \( -name .git -o -name 'build*' -o -name dist -o -name corpus \) -prune -o -type f -name '*.sh' -print0
	find . \( -name .git -o -name 'build*' -o -name dist -o -name corpus \) -prune -o -type f ! -name '*.*' -print0 |
		xargs -0 -r grep -lZE '^#!.*\b(ba)?sh$' || true
	find .ci -type f -print0
}

scripts | sort -zu | xargs -0 -r shellcheck -x -S warning
