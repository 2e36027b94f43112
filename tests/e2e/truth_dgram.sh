#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# UDP and AF_UNIX: each true pair has an edge, exact or among the candidates, and no exact edge is another.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/truth.sh
. "$here/lib/truth.sh"

scenes=(udp4 udp6 udp_netns udp_nat unix_dgram unix_dgram_pair unix_stream unix_pair udp_drop)

truth_begin
record_scenes rec "${scenes[@]}"
compare rec ranges,edges "${scenes[@]}"

# Where the kernel does show an order, there is no doubt
TRUTH_FLAGS=(--exact)
compare rec edges unix_stream udp_drop

sed -i '/"type":"dgram_send"/s/"ambiguous":false/"ambiguous":true/' rec.edges
fails 'a doubt where none is needed is seen' "$truth" edges udp_drop rec.events rec.edges --exact
tac rec.edges | sed '0,/dgram_send/{/dgram_send/d}' | tac >less.edges
fails 'a missing candidate is seen' "$truth" edges udp_drop rec.events less.edges
e2e_end
