#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 90
#
# Tracepoints and functions named on the command line: their fields are recorded, of recorded processes only.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3

build() {
	cat >lib.c <<-'END'
		__attribute__((noinline)) long in_library(long a, long b) { __asm__ volatile(""); return a + b; }
	END
	cat >main.c <<-'END'
		#include <unistd.h>
		#include <sys/wait.h>
		long in_library(long a, long b);
		__attribute__((noinline)) long in_program(long a, long b, long c) { __asm__ volatile(""); return a * b + c; }
		int main(void)
		{
			if (!fork())
				_exit(in_program(4, 5, 6) < 0);
			wait(NULL);
			return in_program(1, 2, 3) + in_library(77, 88) < 0;
		}
	END
	gcc -O2 -fPIC -shared -o libprobed.so lib.c && gcc -O2 -fPIE -pie -o probed main.c -L. -lprobed -Wl,-rpath,"$PWD" &&
		strip -s -o stripped probed
}

# words JQ: of the events, a line each
words() { jq -r "$1" events | paste -sd' '; }

refused() {
	local what=$1 words=$2
	shift 2
	rm -rf refused
	fails "$what is refused" "$SAKER" record -o refused --probe "$1" -- true
	rm -rf refused
	"$SAKER" record -o refused --probe "$1" -- true >/dev/null 2>said
	ok "$what: it is said" grep -qE "$words" said
}

e2e_begin
ok 'the probed programs are built' build
ok 'it is recorded' "$SAKER" record -o rec --probe "uprobe:$PWD/probed:in_program" --probe "uprobe:$PWD/libprobed.so:in_library" \
	--probe tracepoint:sched:sched_process_exec --probe tracepoint:sched:sched_process_exit -- ./probed
ok 'babeltrace2 reads it' eval "$PY '$here/lib/ctf_json.py' rec >events"
equal 'a function of a PIE, in the child and in the parent' \
	"$(words 'select(.type == "in_program") | "\(.arg1),\(.arg2),\(.arg3)"')" '4,5,6 1,2,3'
equal 'a function of a shared library' "$(words 'select(.type == "in_library") | "\(.arg1),\(.arg2)"')" '77,88'
equal 'a string of a tracepoint' "$(words 'select(.type == "sched_process_exec") | .filename')" ./probed
equal 'its numbers are those of the exits' "$(words 'select(.type == "sched_process_exit") | .pid')" \
	"$(words 'select(.type == "exit") | .tid')"
refused 'an unknown tracepoint' "no tracepoint 'sched:sched_process_exek'" tracepoint:sched:sched_process_exek
refused 'an unknown function' "no function 'in_prgram' in .*probed'$" "uprobe:$PWD/probed:in_prgram"
refused 'a function of a stripped file' "no function 'in_program' in .*stripped': it is stripped" "uprobe:$PWD/stripped:in_program"
refused 'a file that is not there' "cannot read '/nowhere/x'" uprobe:/nowhere/x:main
e2e_end
