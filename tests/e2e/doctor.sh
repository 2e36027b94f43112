#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# What doctor says about this host, against the kernel's own type information, and with rights taken away.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

# hooks that doctor says serve, one a line: the names of tracepoints
said_hooks() { jq -r '.observations[] | select(.works) | .hook' report | grep -oE 'tp_btf:[a-z0-9_]+' | sort -u; }

kernel_hooks() {
	bpftool btf dump file /sys/kernel/btf/vmlinux format raw | grep -oE "TYPEDEF 'btf_trace_[a-z0-9_]+'" |
		sed "s/.*btf_trace_/tp_btf:/; s/'//" | sort -u
}

# without CAP...: what doctor names as missing
without() { setpriv --bounding-set "$1" --inh-caps "$1" "$SAKER" doctor --json 2>/dev/null | jq -c .capabilities; }

e2e_begin
"$SAKER" doctor --json >report
ok 'it finds tracepoints' test "$(said_hooks | wc -l)" -ge 10
kernel_hooks >kernel
equal 'each tracepoint that serves is one of this kernel' "$(said_hooks | comm -23 - kernel)" ''
equal 'the kernel is named' "$(jq -r .kernel report)" "$(uname -r)"
equal 'every observation that does not work says why' \
	"$(jq '[.observations[] | select((.works | not) and (.refused | length) == 0)] | length' report)" 0
equal 'rights: all' "$(jq -c .capabilities report)" '{"bpf":true,"perfmon":true}'
equal 'rights: without CAP_PERFMON' "$(without -perfmon,-sys_admin)" '{"bpf":true,"perfmon":false}'
equal 'rights: without CAP_BPF' "$(without -bpf,-sys_admin)" '{"bpf":false,"perfmon":true}'
setpriv --reuid=65534 --regid=65534 --clear-groups "$SAKER" doctor >nobody 2>&1
ok 'an ordinary user is told which rights are missing' grep -q 'missing here: CAP_BPF CAP_PERFMON' nobody
e2e_end
