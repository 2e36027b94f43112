#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 300
#
# A million random packets through the balancer's programs and through a model of them in plain C (tests/lib/lb_model.c): the verdict
# and the bytes are equal.  PACKETS and SEED make other ones.  Then its transactions: what is refused changes nothing, what is applied
# under traffic is seen as a whole by each packet.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

programs=$(dirname "$SAKER")/../tests

e2e_begin
"$programs/lb_random" "${PACKETS:-1000000}" "${SEED:-$(date +%s)}" >tap
e2e_include '' <tap
ok 'it came to its end' grep -q '^1\.\.1$' tap
# each reason that a packet alone can bring about was one
unseen=$(awk '$2 == 0' tap | grep -vE 'decap: drop: (a fragment|the kernel)|lb: drop: (too big|its backend|the kernel)|silent|spare|too many|refused|all ports that were tried|no more|NAT: from a backend, and|many new|forwards nothing|next hop|L2:|once more|another CPU|be told')
equal 'every verdict and note was seen' "$unseen" ''
# the same as programs of traffic control, but for frames with VLAN tags, which the kernel takes off before (tests/lib/lb_random.c)
"$programs/lb_random" "$((${PACKETS:-1000000} / 4))" "${SEED:-$(date +%s)}" tc >tap
e2e_include 'tc: ' <tap
ok 'on traffic control it came to its end' grep -q '^1\.\.1$' tap
"$programs/lb_wish" >tap
e2e_include '' <tap
ok 'the transactions came to their end' grep -q '^1\.\.' tap
e2e_end
