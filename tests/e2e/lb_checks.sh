#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# Checks of backends, as real traffic through their tunnels: each kind, each verdict with its sentence, and that a check reaches
# the backend that it is for and no other.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
lbworld_begin nginx curl ethtool jq python3 openssl
VIP=$LBWORLD_VIP:80/tcp

ok "a world of three backends" lbworld_up "slc$$" 3
for i in 1 2 3; do
	lbworld_nginx b$i
	e2e_kill_later $!
	wait_for 10 lbworld_run b$i curl -s -m 5 -o /dev/null http://127.0.0.1/
done
# check [VIP [BACKEND]]: "backend outcome" of each, by backend
outcomes() { lb lb check "$@" --json | jq -r '.checks | sort_by(.backend) | map(.backend + " " + .outcome) | join(", ")'; }
text() { lb lb check "$@" --json | jq -r '.checks[0].text'; }

# ---- TCP, through the tunnel ----
cat >wish.yaml <<W
interfaces:
  eth0:
    health: {kind: tcp}
    vips:
      - vip: $VIP
        backends: [10.90.11.2, {address: 10.90.12.2, mode: gue}, 10.90.13.2]
W
ok "a wish with checks is applied" lb apply wish.yaml
ok "all pass" lb lb check
equal "by IPIP and by GUE" "$(outcomes)" "10.90.11.2 passed, 10.90.12.2 passed, 10.90.13.2 passed"
ok "with what was seen" grep -Eq '^connect: accepted after [0-9]+\.[0-9] ms$' <(text $VIP 10.90.12.2)
kill "$(cat b2.pid)"
gone() { ! lbworld_run b2 curl -s -o /dev/null http://127.0.0.1/; }
wait_for 10 gone
equal "where nobody listens it is refused, and only there" "$(outcomes)" "10.90.11.2 passed, 10.90.12.2 refused, 10.90.13.2 passed"
fails "and the command says so" lb lb check
ok "in words" grep -Eq '^connect: refused after [0-9]+\.[0-9] ms$' <(text $VIP 10.90.12.2)
ok "detach" lb detach eth0
e2e_end
