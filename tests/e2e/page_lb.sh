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
        health: {mode: live, kind: tcp, interval: 400ms, timeout: 400ms, rise: 2, fall: 3, slow-start: 2s, effect: 1s, eject-max: 80}
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

# ---- Prometheus ----
lbworld_run lb "$SAKER" serve --balancer --listen 127.0.0.1:0 --token token-of-this-test >address &
e2e_kill_later $!
ok "it is served for Prometheus" wait_for 20 grep -q http address
metrics() { lbworld_run lb curl -sf --max-time 20 -H 'Authorization: Bearer token-of-this-test' "$@" "$(grep -o 'http://[^/]*' address)/metrics"; }
metrics >plain.txt
metrics -H 'Accept: application/openmetrics-text' >open.txt
lb lb stats --json >stats.json
ok "which reads it in both formats, with what stats says" /usr/bin/python3 - <<'END'
import json
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as text
stats = json.load(open('stats.json'))
for families in text.text_string_to_metric_families(open('plain.txt').read()), openmetrics.text_string_to_metric_families(open('open.txt').read()):
    samples = [s for f in families for s in f.samples]
    def values(name):
        return {s.labels.get('backend', s.labels.get('vip')): s.value for s in samples if s.name == name}
    assert values('saker_lb_up') == {None: 1}
    assert values('saker_lb_agent_running') == {None: 1}
    assert set(values('saker_lb_vip_packets_total')) == {v['vip'] for v in stats['vips']}
    assert values('saker_lb_backend_packets_total')['10.90.11.2'] == next(b['packets'] for b in stats['backends'] if b['backend'] == '10.90.11.2')
    down = [s.labels for s in samples if s.name == 'saker_lb_backend_state' and s.labels['state'] == 'down']
    assert ['10.90.11.2'] == [s['backend'] for s in down if s['vip'] == '10.99.0.1:80/tcp'], down
    assert values('saker_lb_backend_share')['10.90.11.2'] == 0
END
e2e_end
