#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 240
#
# TCP by every call there is, between threads, processes and namespaces, through NAT, several writers and readers on one
# socket, concurrency 1 to 64: each recorded edge is one of the generator's truth, and none is missing.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/truth.sh
. "$here/lib/truth.sh"

ways=(send sendto sendmsg sendmmsg write writev splice sendfile zerocopy peek waitall discard oob io_uring io_uring_async)
places=(tcp6 netns nat writers readers twothreads samename reuse)
counts=('one=tcp4 --connections 8 --messages 20 --concurrency 1' 'eight=tcp4 --connections 16 --messages 20 --concurrency 8'
	'many=tcp4 --connections 64 --messages 10 --concurrency 64' 'processes=tcp4 --messages 10 --processes')

truth_begin
record_scenes ways "${ways[@]}"
compare ways ranges,edges,connections "${ways[@]}"
record_scenes places "${places[@]}"
compare places ranges,edges,connections "${places[@]}"
record_scenes counts "${counts[@]}"
compare counts ranges,edges,connections "${counts[@]%%=*}"
record_scenes big big # more than 4 GiB on one connection
compare big ranges,edges,connections big

# A program without a dynamic linker, and without the libc that others share
CFLAGS='-O1 -static' "$here/lib/traffic.sh" build "$WORK/static-traffic"
ok 'static: it is one' sh -c '! readelf -l "$1" | grep -q INTERP' sh "$WORK/static-traffic"
TRAFFIC=$WORK/static-traffic record_scenes static 'static=tcp4 --connections 16 --messages 20 --concurrency 8' 'fixed=writev'
compare static ranges,edges,connections static fixed

# A comparison that cannot fail shows nothing
sed -i '/"kind":"message"/{x;s/^/x/;/^x\{50\}$/{x;d};x}' counts.edges
fails 'a missing edge is seen' "$truth" edges one counts.events counts.edges
show counts
sed -i '0,/"kind":"message"/s/\("kind":"message".*"offset":\)[0-9]*/\17777777/' counts.edges
fails 'an edge at a wrong place is seen' "$truth" edges one counts.events counts.edges
sed -i '0,/"type":"send"/s/\("type":"send".*"bytes":\)/\11/' counts.events
fails 'a wrong length is seen' "$truth" ranges one counts.events
show counts
sed -i '0,/"type":"recv"/{/"type":"recv"/d}' counts.events
fails 'a missing event is seen' "$truth" loss counts.events counts.summary
sed -i '0,/"type":"accept"/{/"type":"accept"/d}' counts.events
fails 'a missing accept is seen' "$truth" connections one counts.events
e2e_end
