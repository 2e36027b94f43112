# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The recordings that the browser tests open; tests/e2e/page.sh sources this. Each function makes the folder that it is given.

ui_tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The demo cluster whose leader is stopped for two seconds
recording_demo() {
	"$SAKER" record --as-root -o "$1" -- "$ui_tests/../demo/etcd.sh" run --dir "$1.demo" --prefix "$2" --fault pause \
		--before 1 --hold 2 --after 1
}

# Traffic with rings so small that events are lost
recording_loss() {
	"$SAKER" record --as-root --rings 64K -o "$1" -- "$ui_tests/lib/traffic.sh" unix_stream "$1.truth" --messages 200
}

# A client, a front and a back whose program is called as if it were markup: 60 requests, or so many
recording_requests() {
	local name='<img src=x onerror=owned()>'
	mkdir -p "$1.bin"
	cp /usr/bin/python3 "$1.bin/$name"
	"$SAKER" record --as-root --with sched -o "$1" -- "$1.bin/$name" "$ui_tests/lib/two_tiers.py" "${2:-60}" 50
}

# A program whose name, arguments and output want to be markup
recording_hostile() {
	local name='<img src=x onerror=owned()>'
	mkdir -p "$1.bin"
	cp /bin/sh "$1.bin/$name"
	# shellcheck disable=SC2016
	"$SAKER" record --as-root -o "$1" -- "$1.bin/$name" -c '
		echo "</script><script>owned()</script>"
		echo "\"><svg onload=owned()> error: javascript:owned()"
		printf "\033[31mred \342\200\256 backwards\n"
		/bin/true "<script>owned()</script>"; exit 0'
}
