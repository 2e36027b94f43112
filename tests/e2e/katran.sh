#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 300
#
# The balancer's programs against the cases of Katran's own tests: packet in, verdict and packet out, through BPF_PROG_TEST_RUN;
# bytes are compared exactly, the chosen backend among them.  Behind each suite's cases come thousands of ours in the same world, whose
# expectations are a reference's (tests/lib/katran_more.py) that agrees with all given cases.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
katran=${KATRAN:-$(dirname "$SAKER")/../tests/katran}
data=$SAKER_TEST_DATA/katran

e2e_begin
if [ -f "$data/cases.json" ] && [ -f "$data/provision.json" ]; then
	python3 "$here/lib/katran_more.py" "$data" "$WORK/more" >tap
	e2e_include 'reference: ' <tap
	[ -f "$WORK/more/cases.json" ] || { mkdir -p "$WORK/more" && cp "$data"/*.json "$WORK/more"; }
	for hook in '' tc; do
		# shellcheck disable=SC2086
		"$katran" "$WORK/more" $hook >all
		# ours are one case for each suite
		grep -v ' - [a-z0-9_]*/+' all >tap
		equal "all cases were run${hook:+, on traffic control}" "$(grep -c '^\(not \)\?ok ' tap)" "$(jq '.cases | length' "$data/cases.json")"
		e2e_include "${hook:+tc: }" <tap
		equal "and all of ours" "$(grep -c '^\(not \)\?ok .* - [a-z0-9_]*/+' all)" "$(jq '[.cases[] | select(.id | contains("/+"))] | length' "$WORK/more/cases.json")"
		while read -r suite; do
			grep "^not ok .* - $suite/+" all
			ok "${hook:+tc: }$suite: ours" test "$(grep -c "^not ok .* - $suite/+" all)" = 0
		done < <(jq -r '.suites[].suite' "$data/provision.json")
	done
else
	skip 'katran' "the cases of Katran's tests are not there: set SAKER_TEST_DATA"
fi
e2e_end
