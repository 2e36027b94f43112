#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 300
#
# The page shows a balancer: real connections to nginx in namespaces, looked at in headless Chromium (tests/ui/balancer.mjs), which is in the
# balancer's namespace, as is `saker serve`. Screenshots come to build/ui/shots.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/netns.sh
. "$here/lib/netns.sh"
# shellcheck source=tests/lib/lbworld.sh
. "$here/lib/lbworld.sh"
lbworld_begin nginx curl ethtool jq node "${CHROMIUM:-/usr/bin/chromium}"
node "$here/ui/fetch.mjs" "$SAKER_BUILD/ui" >fetch.log 2>&1 || { echo "1..0 # SKIP $(tail -n 1 fetch.log)"; exit 0; }
VIP=$LBWORLD_VIP:80/tcp

ok "a world of three backends" lbworld_up "spl$$" 3
for i in 1 2 3; do
	lbworld_nginx b$i
	e2e_kill_later $!
	wait_for 10 lbworld_run b$i curl -s -m 5 -o /dev/null http://127.0.0.1/
done
cat >wish.yaml <<END
interfaces:
  eth0:
    backends:
      web1: {address: 10.90.11.2, weight: 10}
    vips:
      - vip: $VIP
        health: {mode: live, kind: tcp, interval: 200ms, timeout: 200ms, rise: 2, fall: 2, effect: 1s, eject-max: 80}
        backends: [web1, {address: 10.90.12.2, weight: 5}, {address: 10.90.13.2, weight: 0}]
      - vip: 10.99.0.2:443/tcp
        flags: [no-source-port]
        backends: [{address: 10.90.12.2, down: true}]
END
ok "a wish is applied" lb apply wish.yaml
# connections until the browser has seen them
touch load
while [ -e load ]; do lbworld_run client curl -s -m 5 -o /dev/null http://$LBWORLD_VIP/; done &
e2e_kill_later $!
SAKER_STATE=$PLACE/state nsenter --net="$NETNS_DIR/${LBWORLD}lb" -- "$SAKER" agent -o rec 2>agent.said &
e2e_kill_later $!
ok "an agent keeps it" wait_for 20 grep -q keeps agent.said
e2e_include '' < <(lbworld_run lb node "$here/ui/balancer.mjs" "$WORK" $VIP)
rm -f load
e2e_end
