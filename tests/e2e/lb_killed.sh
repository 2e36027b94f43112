#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 500
#
# A backend dies under a thousand open connections, told by the agent on its host, or silent and seen by SYNs or checks: the others'
# connections go on, and new ones avoid it. How long that takes is bench/lb_kill.sh's question.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
# shellcheck source=tests/lib/lbkill.sh
. "$here/lib/lbkill.sh"
lbworld_begin ethtool jq python3
e2e_clean() { lbkill_down; }
PLACE=$WORK

ok 'a world of three backends' lbkill_up "slk$$"
for how in report syn checks; do
	ok "$how: a backend dies, and new connections avoid it" lbkill_run $how
	equal "$how: the others' connections stay" "$(jq -s '(.[0].of | .b1 + .b3) == (.[1].of | .b1 + .b3)' before after)" true
	equal "$how: only its own break" "$(jq -s '.[1].broken <= .[0].of.b2' before after)" true
	equal "$how: no message was wrong" "$(jq .wrong after)" 0
done
e2e_end
