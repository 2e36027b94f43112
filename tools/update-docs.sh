#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/update-docs.sh            writes docs/events.md anew from src/event/events.def
# tools/update-docs.sh --check    fails when the two differ
set -eu
cd "$(dirname "$0")/.."

made() {
	python3 tools/eventgen.py docs src/event/events.def
}

if [ "${1-}" = --check ]; then
	made | diff -u docs/events.md - || { echo "docs/events.md is stale: run tools/update-docs.sh"; exit 1; }
else
	mkdir -p docs
	made >docs/events.md.new
	mv docs/events.md.new docs/events.md
fi
