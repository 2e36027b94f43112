#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 180
#
# The story of the demo cluster: each fault at random moments, and no fault. What must be told is what demo/etcd.sh
# wrote down (truth.jsonl). Without message edges the story of each fault must fail that comparison.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/story.sh
. tests/lib/story.sh

RUNS=${STORY_RUNS:-2}
FAULTS=${STORY_FAULTS:-pause kill partition oom none}
JOBS=${STORY_JOBS:-3}

place=$(mktemp -d)
trap 'story_clean "$place"' EXIT
trap 'exit 143' TERM INT HUP

count=0

# report DIR WHAT FILE: right when FILE is empty
report() {
	count=$((count + 1))
	if [ -e "$3" ] && [ ! -s "$3" ]; then
		echo "ok $count - $2"
		return
	fi
	echo "not ok $count - $2"
	sed 's/^/# /' "$3" "$1/story.txt" 2>/dev/null | head -n 30
}

# report_blind DIR WHAT FILE: right when FILE is not empty
report_blind() {
	count=$((count + 1))
	if [ -s "$3" ]; then
		echo "ok $count - $2: $(head -n 1 "$3")"
	else
		echo "not ok $count - $2: nothing is missed"
	fi
}

results() {
	local fault n
	for fault in $FAULTS; do
		for n in $(seq "$RUNS"); do
			report "$place/$fault-$n" "fault $fault, run $n" "$place/$fault-$n/wrong"
			[ $fault = none ] ||
				report_blind "$place/$fault-$n" "fault $fault, run $n, without message edges" "$place/$fault-$n/blind"
		done
	done
}

pairs=()
for fault in $FAULTS; do
	pairs+=("$fault:$RUNS")
done
story_all "$place" "$JOBS" "${pairs[@]}"
results
echo "1..$count"
