# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Running test suites and counting their test cases; check.sh sources this.
#
# A suite is a command that prints TAP: a line `ok` or `not ok` for each test case (`ok ... # SKIP reason`), and a
# plan `1..N`. What it prints goes to $SUITES/NAME.log, what was counted to $SUITES/NAME.sum: passed failed skipped, and milliseconds:
# those that it took, of CPU time, from the begin of all to its own, and that the machine's CPUs idled meanwhile. A suite that runs
# over its time, exits with an error without a failed case, or prints no plan or too few cases, counts as a failed case more.

# tap_count LOG STATUS: "passed failed skipped"
tap_count() {
	awk -v status="$2" '
		/^1\.\.[0-9]+/ { plans++; planned += substr($1, 4); if (/^1\.\.0/ && /# *[Ss][Kk][Ii][Pp]/) skipped++ }
		/^(not )?ok([ \t]|$)/ {
			cases++
			if (/# *[Ss][Kk][Ii][Pp]/) skipped++
			else if (/^ok/) passed++
			else failed++
		}
		END {
			if (planned > cases) failed += planned - cases
			else if (!plans || (status != 0 && !failed)) failed++
			print passed + 0, failed + 0, skipped + 0
		}' "$1"
}

now_ms() {
	local s=${EPOCHREALTIME/[.,]/}
	echo $((s / 1000))
}

# idle_ms: what all CPUs of this machine have idled so far, waiting for a disk or not
idle_ms() {
	local what idle waited
	read -r what _ _ _ idle waited _ </proc/stat
	[ "$what" = cpu ] || idle=0 waited=0
	echo $(((idle + waited) * 1000 / $(getconf CLK_TCK)))
}

# suite_words PASSED FAILED SKIPPED
suite_words() {
	local words="$1 passed"
	[ "$2" = 0 ] || words+=", $2 failed"
	[ "$3" = 0 ] || words+=", $3 skipped"
	echo "$words"
}

# suite_show NAME STATUS: its line, and why it failed or what it skipped
suite_show() {
	local passed failed skipped ms cpu_ms mark=ok log=$SUITES/$1.log
	read -r passed failed skipped ms cpu_ms _ <"$SUITES/$1.sum"
	[ "$failed" = 0 ] || mark=FAIL
	printf '%-5s %-28s %-40s %5d.%d s, CPU %d.%d s\n' $mark "$1" "$(suite_words "$passed" "$failed" "$skipped")" \
		$((ms / 1000)) $((ms % 1000 / 100)) $((cpu_ms / 1000)) $((cpu_ms % 1000 / 100))
	if [ "$failed" != 0 ]; then
		case $2 in
		124 | 137) echo "      it ran out of time" ;;
		0) ;;
		*) echo "      exit status $2" ;;
		esac
		grep -a '^not ok' "$log" | head -n 10 | sed 's/^/      /'
		echo "      the end of $log:"
		tail -n 25 "$log" | sed 's/^/      | /'
	fi
	grep -ai '^ok.*# *skip\|^1\.\.0.*# *skip' "$log" | sed 's/.*# *skip:* */      skipped: /I' | sort | uniq -c |
		sed -E 's/^ *1 //; s/^ *([0-9]+) +(skipped:)/      \2 \1 times:/' | head -n 6
}

# suite NAME SECONDS COMMAND...: runs it and says how it went; nothing more once all was ended
suite() {
	local name=$1 seconds=$2 start idle status=0 cpu TIMEFORMAT='%3U %3S'
	shift 2
	[ ! -e "$SUITES/ended" ] || return 0
	printf '%s\0' "$seconds" "$@" >"$SUITES/$name.command"
	start=$(now_ms)
	idle=$(idle_ms)
	timeout -k 10 "$seconds" "$@" >"$SUITES/$name.log" 2>&1 </dev/null &
	echo $! >"$SUITES/$name.pid"
	{ time wait $! || status=$?; } 2>"$SUITES/$name.cpu" # of what it waited for itself
	rm -f "$SUITES/$name.pid"
	cpu=$(awk '{ printf "%d", 1000 * ($1 + $2) }' "$SUITES/$name.cpu")
	echo "$(tap_count "$SUITES/$name.log" $status) $(($(now_ms) - start)) $cpu $((start - SUITES_START)) $(($(idle_ms) - idle))" \
		>"$SUITES/$name.sum.new"
	mv "$SUITES/$name.sum.new" "$SUITES/$name.sum" # whole, or not there
	suite_show "$name" $status >"$SUITES/$name.show"
	cat "$SUITES/$name.show"
}

# suite_passed NAME
suite_passed() {
	local failed
	read -r _ failed _ <"$SUITES/$1.sum" && [ "$failed" = 0 ]
}

# suite_beside NAME SECONDS COMMAND...: like suite, but beside up to SUITE_JOBS - 1 others; suites_wait ends it
suite_beside() {
	while [ "$(jobs -rp | wc -l)" -ge "$SUITE_JOBS" ]; do
		wait -n || true
	done
	suite "$@" &
}

suites_wait() {
	wait || true
}

# suites_again MOST PREFIX...: of suites whose names begin so, those that failed run once more, alone: a real machine and a real kernel
# are disturbed by what runs beside them. What fails again has failed. More than MOST are no disturbance, and stay as they are. What was
# disturbed is said in the end, and its first log is kept: NAME.first.
suites_again() {
	local most=$1 prefix sum name names=() command
	shift
	for prefix; do
		for sum in "$SUITES/$prefix"*.sum; do
			name=${sum##*/} name=${name%.sum}
			[ ! -e "$sum" ] || suite_passed "$name" || names+=("$name")
		done
	done
	[ ${#names[@]} -gt 0 ] && [ ${#names[@]} -le "$most" ] || return 0
	for name in "${names[@]}"; do
		echo "$name failed: once more, with nothing beside it"
		mv "$SUITES/$name.log" "$SUITES/$name.first"
		mapfile -d '' command <"$SUITES/$name.command"
		suite "$name" "${command[@]}"
		! suite_passed "$name" || SUITES_DISTURBED+=("$name ($(grep -a '^not ok' "$SUITES/$name.first" | head -n 1))")
	done
}

# suites_kill: what still runs is ended (timeout passes the signal on to its group)
suites_kill() {
	local file
	: >"$SUITES/ended"
	for file in "$SUITES"/*.pid; do
		[ ! -e "$file" ] || kill "$(cat "$file")" 2>/dev/null || true
	done
}

# suites_start DIR: an empty place for the logs
suites_start() {
	SUITES=$1
	SUITES_DISTURBED=()
	SUITE_JOBS=${SUITE_JOBS:-$(nproc)}
	SUITES_START=$(now_ms)
	SUITES_IDLE=$(idle_ms)
	rm -rf "$SUITES"
	mkdir -p "$SUITES"
	trap 'suites_kill; exit 130' INT TERM HUP
}

# suites_times DIR: a table of the run whose logs are there, in the order of their begin; seconds
suites_times() {
	local sum name
	printf '%8s %8s %8s %8s  %s\n' begin took CPU idle suite
	for sum in "$1"/*.sum; do
		[ ! -e "$sum" ] || { name=${sum##*/}; echo "$(cat "$sum") ${name%.sum}"; }
	done | sort -n -k6,6 | awk '{ printf "%8.1f %8.1f %8.1f %8.1f  %s\n", $6 / 1000, $4 / 1000, $5 / 1000, $7 / 1000, $8 }'
	[ ! -e "$1/all" ] || cat "$1/all"
}

# suites_took: how long all took, and how well it used the machine
suites_took() {
	cat "$SUITES"/*.sum | awk -v ms=$(($(now_ms) - SUITES_START)) -v idle=$(($(idle_ms) - SUITES_IDLE)) -v cpus="$(nproc)" '
		{ cpu += $5 }
		END { printf "%d s; of %d CPUs: %d s by the suites, %d s idle\n", ms / 1000, cpus, cpu / 1000, idle / 1000 }' |
		tee "$SUITES/all"
}

# suites_total: the last line over all suites; 0 when none failed
suites_total() {
	[ ${#SUITES_DISTURBED[@]} = 0 ] || printf 'passed only alone, the second time: %s\n' "${SUITES_DISTURBED[@]}"
	cat "$SUITES"/*.sum 2>/dev/null | awk '
		{ passed += $1; failed += $2; skipped += $3 }
		END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 || NR == 0 }'
}
