#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# /metrics of `saker serve`, read by Prometheus' Python client, against `saker requests`; who may ask.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3
TOKEN=token-of-this-test

# served RECORDING: $base
served() {
	"$SAKER" serve --listen 127.0.0.1:0 --token $TOKEN "$1" >"$1.address" 2>"$1.talk" &
	e2e_kill_later $!
	wait_for 20 grep -q http "$1.address" || return 1
	base=$(grep -o 'http://[^/]*' "$1.address" | head -n 1)
}

# get CURL-WORD...
get() {
	curl -sf --max-time 60 -H "Authorization: Bearer $TOKEN" "$@" "$base/metrics"
}

status() {
	curl -s --max-time 20 -o body -w '%{http_code}' "$@"
}

e2e_begin
ok 'recorded' "$SAKER" record -o rec -- $PY "$here/lib/front_back.py"
"$SAKER" requests rec --all --json >requests.json 2>/dev/null
served rec
get >plain.txt
get -H 'Accept: application/openmetrics-text; version=1.0.0; charset=utf-8, text/plain; version=0.0.4; q=0.5' >open.txt
e2e_include '' < <($PY "$here/lib/metrics_check.py" requests.json plain.txt open.txt "$("$SAKER" show rec --json | wc -l)")
equal 'its type' "$(get -o /dev/null -w '%{content_type}')" 'text/plain; version=0.0.4; charset=utf-8'
equal 'as OpenMetrics' "$(get -o /dev/null -w '%{content_type}' -H 'Accept: application/openmetrics-text')" \
	'application/openmetrics-text; version=1.0.0; charset=utf-8'
equal 'without the token' "$(status "$base/metrics")" 401
equal 'with it as parameter' "$(status "$base/metrics?token=$TOKEN")" 200
equal 'by another name' "$(status -H 'Host: evil.example' -H "Authorization: Bearer $TOKEN" "$base/metrics")" 403

"$SAKER_BUILD/tests/scene" scene 20000 --hostile >/dev/null 2>&1
served scene
ok 'a recording of hostile names' get -o hostile.txt
ok 'is one that Prometheus reads' $PY -c "
from prometheus_client.parser import text_string_to_metric_families as read
assert [f.name for f in read(open('hostile.txt').read())]"
e2e_end
