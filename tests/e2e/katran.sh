#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 300
#
# The balancer's programs against the cases of Katran's own tests: packet in, verdict and packet out, through BPF_PROG_TEST_RUN;
# bytes are compared exactly, the chosen backend among them.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
katran=${KATRAN:-$(dirname "$SAKER")/../tests/katran}
data=$SAKER_TEST_DATA/katran

e2e_begin
if [ -f "$data/cases.json" ] && [ -f "$data/provision.json" ]; then
	for hook in '' tc; do
		# shellcheck disable=SC2086
		"$katran" "$data" $hook >tap
		equal "all cases were run${hook:+, on traffic control}" "$(grep -c '^\(not \)\?ok ' tap)" "$(jq '.cases | length' "$data/cases.json")"
		e2e_include "${hook:+tc: }" <tap
	done
else
	skip 'katran' "the cases of Katran's tests are not there: set SAKER_TEST_DATA"
fi
e2e_end
