# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Recordings of the demo cluster with a fault, and what is told of them; tests/e2e/story.sh and tests/long/story.sh
# source this. $SAKER is the program, $SAKER_BLIND the same without message edges. What went wrong is kept in $STORY_KEEP.

story_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
STORY_DEMO=${STORY_DEMO:-demo/etcd.sh}
SAKER_BLIND=${SAKER_BLIND:-$SAKER_BUILD/tests/saker_blind}

# random LOW HIGH: hundredths of a second, as seconds
random() {
	local n=$(($1 + RANDOM % ($2 - $1)))
	printf '%d.%02d' $((n / 100)) $((n % 100))
}

# story_record DIR PREFIX FAULT: DIR/rec, DIR/truth.jsonl; the fault comes at a random moment
story_record() {
	local dir=$1 prefix=$2 fault=$3
	mkdir -p "$dir"
	"$SAKER" record --as-root -o "$dir/rec" -- "$STORY_DEMO" run --dir "$dir/demo" --prefix "$prefix" --fault "$fault" \
		--before "$(random 50 250)" --hold "$(random 230 300)" --after "$(random 70 120)" \
		>"$dir/record.log" 2>&1 </dev/null &
	echo $! >"$dir/pid"
	wait $! || return 1
	rm -f "$dir/pid"
}

# story_clean PLACE: also after an interruption
story_clean() {
	local file demo
	for file in "$1"/*/pid; do
		[ ! -e "$file" ] || kill "$(cat "$file")" 2>/dev/null
	done
	wait
	for demo in "$1"/*/demo; do
		[ ! -e "$demo/state" ] || "$STORY_DEMO" down --dir "$demo"
	done
	rm -rf "$1"
}

# story_wrong SAKER DIR FAULT: what is wrong in the story, a line each
story_wrong() {
	local truth=$2/demo/truth.jsonl
	[ "$3" != none ] || truth=none
	"$1" story --json "$2/rec" >"$2/story.json" || { echo "saker story failed"; return; }
	python3 "$story_here/story_check.py" "$truth" "$2/story.json"
}

# story_run DIR PREFIX FAULT: records; DIR/wrong and DIR/blind say what is wrong in the story, and without message edges
story_run() {
	if ! story_record "$@"; then
		tail -n 5 "$1/record.log" | sed 's/^/recording failed: /' >"$1/wrong"
		return
	fi
	{
		story_wrong "$SAKER" "$1" "$3"
		"$SAKER" show --json "$1/rec" >"$1/events.json"
		python3 "$story_here/story_evidence.py" "$1/events.json" "$1/story.json" 2>&1
		rm -f "$1/events.json"
	} >"$1/wrong"
	"$SAKER" story "$1/rec" >"$1/story.txt" 2>&1
	story_wrong "$SAKER_BLIND" "$1" "$3" >"$1/blind"
	[ -z "${STORY_KEEP-}" ] || [ ! -s "$1/wrong" ] || cp -r "$1" "$STORY_KEEP"
}

# story_all PLACE JOBS FAULT:COUNT...: all of them, JOBS at a time, in PLACE/FAULT-N
story_all() {
	local place=$1 jobs=$2 pair fault n
	shift 2
	for pair in "$@"; do
		fault=${pair%:*}
		for n in $(seq "${pair#*:}"); do
			while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
				wait -n || true
			done
			story_run "$place/$fault-$n" "st$BASHPID$fault$n-" "$fault" &
		done
	done
	wait
}
