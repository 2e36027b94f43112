#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: guests
# timeout: 240
#
# demo/lb.sh: a backend's server is killed under load; agents take it out, and the story leads from the signal to what came of it.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
prefix=ld$$-

play() { TMPDIR=$TMP LB_RECORDINGS=$WORK/rec "${here%/tests}/demo/lb.sh" kill "$prefix" >told 2>said </dev/null; }
# One line has all of it, in this order
line() {
	grep -E 'sent SIGKILL to nginx.*it ended.*told the balancer.*10\.90\.13\.2 was taken out of VIP 10\.99\.0\.1:80/tcp.*verified by .*: ' told
}
# The recordings lead from the action back to the signal
causes() {
	local action
	action=$("$SAKER" show rec/lb rec/b3 type=action --json | jq -r '.id' | head -n 1)
	"$SAKER" show rec/lb rec/b3 --causes "lb:$action" --json | jq -r .from.type >types; "$SAKER" show rec/lb rec/b3 type=action --json | jq -r .type | head -n 1 >>types
	[ "$(sort -u types | grep -cxE "action|told|report|exit|signal")" = 5 ]
}
left() { compgen -G "/run/netns/$prefix*" || compgen -G "$TMP/*"; }

e2e_begin
for need in nginx wrk; do
	if ! command -v $need >/dev/null; then
		skip 'a server is killed behind the balancer' "no $need"
		e2e_end
	fi
done
TMP=$WORK/tmp
mkdir "$TMP"
ok 'it ends well' play
sed 's/^/# /' said told
ok 'the story is one line, from the signal to what came of it' line
ok 'the causes of the action lead over two hosts to the signal' causes
fails 'a namespace or a file is left' left
e2e_end
