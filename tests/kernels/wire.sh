#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 2000
#
# Two machines on a virtual wire: Linux 6.1 and 6.12, each with clocks of its own, minutes apart.  Both are recorded while
# they talk; the two recordings are read in one call.  All messages must be those that both sides logged, and the offset
# that Saker derives from them must be the true one.  That is measured past the wire, in memory which both machines share.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/guests.sh
. "$here/lib/guests.sh"

PY=/usr/bin/python3

# inside ADDRESS a|b ARGUMENT...: those of wire.py
inside() {
	local clock
	modprobe virtio_net
	ip link set eth0 up
	ip address add "$1/24" dev eth0
	"$SAKER_BUILD/tests/side_clock" "$2" >"$OUT/side" 2>"$OUT/side.err" &
	clock=$!
	guests_step "$2: record"
	"$SAKER" record -o rec -- $PY "$here/lib/wire.py" "${@:3}" truth 2>"$OUT/recorded" || exit 1
	guests_step "$2: the clock beside"
	kill $clock
	wait $clock
	tar -cf "$OUT/recorded.tar" rec truth
}

# between NAME OTHER LETTER: the emulator's arguments; a frame is a datagram between two sockets
between() {
	echo "-netdev dgram,id=wire,local.type=unix,local.path=$WORK/$1.wire,remote.type=unix,remote.path=$WORK/$2.wire" \
		"-device virtio-net-pci,netdev=wire,mac=52:54:00:00:00:0$3,romfile=" \
		"-object memory-backend-file,id=side,share=on,size=1M,mem-path=$WORK/side -device ivshmem-plain,memdev=side"
}

start() {
	local later
	later=$(date -u -d '+7 minutes' +%FT%T)
	truncate -s 1M "$WORK/side"
	guest_start client 6.1 800 --qemu "$(between client server a)" -- 10.9.0.1 a client 10.9.0.2
	guest_start server 6.12 800 --qemu "$(between server client b) -rtc base=$later" -- 10.9.0.2 b server 10.9.0.2
}

compare() {
	local name
	for name in client server; do
		ok "the $name's recording came out" tar -C "$name" -xf "$name/recorded.tar"
		sed 's/^/# /' "$name/recorded"
	done
	"$SAKER" show client/rec server/rec --order causal --json >events
	"$SAKER" show client/rec server/rec --edges --json >edges
	"$SAKER" show client/rec server/rec --offsets --json >offsets
	ok 'the truths of both sides fit' $PY "$here/lib/wire.py" join client/truth server/truth truth
	e2e_include '' < <($PY "$here/lib/wire_check.py" truth events edges offsets client/side)
}

case ${1-} in
inside) guests_inside "$@"; shift; inside "$@"; exit ;;
esac
guests_begin
start
guests_wait
if guest_has client && guest_has server; then
	compare
fi
e2e_end
