#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1800
#
# `saker apply` is killed 200 times at any moment, under load; tests/e2e/lb_change.sh does so a few times.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
# shellcheck source=tests/lib/lbkillapply.sh
. "$here/lib/lbkillapply.sh"
lbworld_begin ethtool jq bpftool python3

ok "a world of two backends" lbworld_up "slK$$" 2
for i in 1 2; do
	lbworld_serve b$i
	e2e_kill_later $!
	wait_for 10 test -s b$i.served
done
lbkillapply "${LB_KILL_APPLIES:-200}"
e2e_end
