#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 600
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
    sample: 5
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
while [ -e load ]; do lbworld_run client curl -s -m 5 -o /dev/null http://$LBWORLD_VIP/; sleep 0.05; done &
e2e_kill_later $!
(umask 077 && head -c 48 /dev/urandom | base64 >key)
# the agent has a page of its own, as the user who called sudo
SUDO_UID=65534 SUDO_GID=65534 SAKER_STATE=$PLACE/state nsenter --net="$NETNS_DIR/${LBWORLD}lb" -- "$SAKER" agent -o rec --page=127.0.0.1:0 --listen 10.90.2.2:7701 --key key 2>agent.said &
agent=$!
e2e_kill_later $agent
ok "an agent keeps it" wait_for 20 grep -q keeps agent.said
ok "and shows a page" wait_for 20 grep -q '^live at http' agent.said
own=$(sed -n 's/^live at //p' agent.said)
paged() { lbworld_run lb curl -sf --max-time 20 -H "Authorization: Bearer ${own#*token=}" "${own%%/\?*}$1"; }
equal "of its recording and its balancer" "$(paged /api/info | jq -c '[(.recordings | length), .live, .balancer]')" '[1,true,true]'
equal "with all VIPs" "$(paged /api/balancer | jq -c '[.vips[].vip]')" "[\"$VIP\",\"10.99.0.2:443/tcp\"]"
page=$(pgrep -P $agent) door=$(pgrep -P "$page")
equal "who serves it is nobody of importance" "$(awk '/^Uid:/ {print $2 $3 $4 $5} /^CapEff:/ {print $2}' "/proc/$page/status")" $'65534655346553465534\n0000000000000000'
# what the diagram shows besides: the first backend's host, whose agent reports; packets of the sample
SAKER_STATE=$PLACE/state nsenter --net="$NETNS_DIR/${LBWORLD}b1" -- "$SAKER" agent -o b1rec --max-size 64M --key key --report-to 10.90.2.2:7701 --for 10.90.11.2 --port 80 2>b1.said &
e2e_kill_later $!
SAKER_STATE=$PLACE/state nsenter --net="$NETNS_DIR/${LBWORLD}lb" -- "$SAKER" record -o packets --packets eth0 -p $agent 2>packets.said &
e2e_kill_later $!
ok "the first backend's agent is heard" wait_for 60 grep -q 'session .* with' b1.said
ok "packets of the sample are recorded" wait_for 60 grep -q 'recording into' packets.said
e2e_include '' < <(lbworld_run lb node "$here/ui/balancer.mjs" "$WORK" $VIP)
rm -f load

# ---- Prometheus ----
lbworld_run lb "$SAKER" serve --balancer --listen 127.0.0.1:0 --token token-of-this-test >address &
e2e_kill_later $!
ok "it is served for Prometheus" wait_for 20 grep -q http address
metrics() { lbworld_run lb curl -sf --max-time 20 -H 'Authorization: Bearer token-of-this-test' "$@" "$(grep -o 'http://[^/]*' address)/metrics"; }
lb lb stats --json >before.json
metrics >plain.txt
metrics -H 'Accept: application/openmetrics-text' >open.txt
lb lb stats --json >stats.json
ok "which reads it in both formats, with what stats says" /usr/bin/python3 - <<'END'
import json
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as text
stats, before = json.load(open('stats.json')), json.load(open('before.json'))
def checks(doc):
    return {(v['vip'], b['backend'], outcome): n for v in doc['checks']['vips'] for b in v['backends'] for outcome, n in b['counts'].items()}
for families in text.text_string_to_metric_families(open('plain.txt').read()), openmetrics.text_string_to_metric_families(open('open.txt').read()):
    families = list(families)
    samples = [s for f in families for s in f.samples]
    def values(name):
        return {s.labels.get('backend', s.labels.get('vip')): s.value for s in samples if s.name == name}
    assert values('saker_lb_up') == {None: 1}
    assert values('saker_lb_agent_running') == {None: 1}
    assert set(values('saker_lb_vip_packets_total')) == {v['vip'] for v in stats['vips']}
    packets = [next(b['packets'] for b in doc['backends'] if b['backend'] == '10.90.12.2') for doc in (before, stats)]
    assert packets[0] <= values('saker_lb_backend_packets_total')['10.90.12.2'] <= packets[1], packets
    down = [s.labels for s in samples if s.name == 'saker_lb_backend_state' and s.labels['state'] == 'down']
    assert ['10.90.11.2'] == [s['backend'] for s in down if s['vip'] == '10.99.0.1:80/tcp'], down
    assert values('saker_lb_backend_share')['10.90.11.2'] == 0
    # the server of the first backend was killed: its checks are refused, the others' pass
    assert values('saker_lb_check_good') == {'10.90.11.2': 0, '10.90.12.2': 1, '10.90.13.2': 1}, values('saker_lb_check_good')
    assert {s.labels['backend']: s.labels['outcome'] for s in samples if s.name == 'saker_lb_check_last'} == {'10.90.11.2': 'refused', '10.90.12.2': 'passed', '10.90.13.2': 'passed'}
    assert set(values('saker_lb_check_age_seconds')) == {'10.90.11.2', '10.90.12.2', '10.90.13.2'}
    counted = {(s.labels['vip'], s.labels['backend'], s.labels['outcome']): s.value for s in samples if s.name == 'saker_lb_checks_total'}
    least, most = checks(before), checks(stats)
    assert set(counted) == set(most) and all(least.get(k, 0) <= n <= most[k] for k, n in counted.items()), (least, counted, most)
    assert any(f.name in ('saker_lb_checks', 'saker_lb_checks_total') and f.type == 'counter' for f in families), 'the type of checks'
    # the forecast of the tables' fill
    assert {s.labels['table']: s.value for s in samples if s.name == 'saker_lb_fill_room'} == {t['table']: t['room'] for t in stats['tables']}
    assert all(s.value >= 0 for s in samples if s.name == 'saker_lb_fill_full_seconds')
    assert [s.labels['table'] for s in samples if s.name == 'saker_lb_fill_entries'] == [t['table'] for t in stats['tables']]
END
kill -INT $agent
wait $agent
gone() { [ ! -e "/proc/$1" ]; }
ok "the agent's page ends with the agent" wait_for 20 gone "$page"
ok "and what looked at the balancer for it" wait_for 20 gone "$door"
e2e_end
