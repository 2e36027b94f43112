# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# cgroups.sh - control groups of version 1 and 2; to be sourced.
#
#	cgroup_v2			where version 2 is mounted
#	cgroup_with V1 V2		where the controller called so in version 1 or 2 can be used
#	cgroup_memory			where a memory limit can be set
#	cgroup_limit DIR BYTES
#	cgroup_del DIR			once it is empty; 0 when it is not there

cgroup_v2() {
	awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts
}

cgroup_with() {
	local v1 v2
	v1=$(awk -v name="$1" '$3 == "cgroup" && $4 ~ "(^|,)" name "(,|$)" { print $2; exit }' /proc/mounts)
	v2=$(cgroup_v2)
	if [ -n "$v1" ]; then
		echo "$v1"
	elif [ -n "$v2" ] && grep -qw "$2" "$v2/cgroup.controllers"; then
		grep -qw "$2" "$v2/cgroup.subtree_control" || echo "+$2" >"$v2/cgroup.subtree_control" || return 1
		echo "$v2"
	else
		return 1
	fi
}

cgroup_memory() {
	cgroup_with memory memory
}

cgroup_limit() {
	if [ -e "$1/memory.max" ]; then
		echo 0 >"$1/memory.swap.max" 2>/dev/null || true
		echo "$2" >"$1/memory.max"
	else
		echo 0 >"$1/memory.swappiness"
		echo "$2" >"$1/memory.limit_in_bytes"
	fi
}

cgroup_del() {
	local end=$((SECONDS + 5))
	[ -d "$1" ] || return 0
	until rmdir "$1" 2>/dev/null; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}
