/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_PLACE_H
#define SAKER_PROBE_PLACE_H
/*
 * place - where a task lives: its network namespace and control groups, and whether they are among the wanted.
 * A cgroup stands for all that lies below it.  Ids are per hierarchy, so they are compared together with its number.
 */
#include "kernel/bpf/emit.bpf.h"

/* Does name contain want?  Both end with NUL, want has at most CGROUP_NAME_BYTES - 1 characters. */
static __always_inline bool name_contains(const char *name, const volatile char *want)
{
	__u32 at, i;

	for (at = 0; at < NAME_SEEN; at++) {
		for (i = 0; i < CGROUP_NAME_BYTES; i++) {
			if (!want[i & (CGROUP_NAME_BYTES - 1)])
				return true;
			if (at + i >= NAME_SEEN ||
			    name[(at + i) & (NAME_SEEN - 1)] != want[i & (CGROUP_NAME_BYTES - 1)])
				break;
		}
		if (!name[at & (NAME_SEEN - 1)])
			break;
	}
	return false;
}

static __always_inline bool name_equals(const char *name, const volatile char *want)
{
	__u32 i;

	for (i = 0; i < CGROUP_NAME_BYTES; i++) {
		if (name[i] != want[i])
			return false;
		if (!name[i])
			return true;
	}
	return false;
}

/*
 * Is the cgroup called as --unit or --container wants it?  Addresses are numbers here: Linux 6.1 lets a
 * global function not calculate with a pointer that it gets.
 */
__noinline int place_named(__u64 kernfs_node)
{
	struct kernfs_node *kn = (void *)kernfs_node;
	char name[NAME_SEEN];

	if (bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(kn, name)) <= 0)
		return 0;
	if (cfg.cgroup_names[0][0] && name_equals(name, cfg.cgroup_names[0]))
		return 1;
	return cfg.cgroup_names[1][0] && name_contains(name, cfg.cgroup_names[1]);
}

static __always_inline bool place_listed(__u64 id, __u32 hierarchy)
{
	__u32 i;

	for (i = 0; i < CGROUPS_MAX && i < cfg.ncgroups; i++)
		if (cfg.cgroups[i].id == id && cfg.cgroups[i].hierarchy == hierarchy)
			return true;
	return false;
}

/* The cgroup or one above it is wanted. */
__noinline int place_wanted(__u64 address)
{
	struct cgroup *cgroup = (void *)address;
	__u32 hierarchy, i;

	if (!cfg.ncgroups && !cfg.cgroup_names[0][0] && !cfg.cgroup_names[1][0])
		return 0;
	hierarchy = BPF_CORE_READ(cgroup, root, hierarchy_id);
	for (i = 0; i < CGROUP_DEPTH && cgroup; i++) {
		struct kernfs_node *kn = BPF_CORE_READ(cgroup, kn);

		if (place_listed(BPF_CORE_READ(kn, id), hierarchy) || place_named((__u64)kn))
			return 1;
		cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
	}
	return 0;
}

/* The task's cgroup for controller n of version 1, or its place in version 2. */
static __always_inline struct cgroup *task_controller(struct task_struct *task, __u32 n)
{
	char *subsys = (char *)BPF_CORE_READ(task, cgroups) + bpf_core_field_offset(struct css_set, subsys);
	struct cgroup_subsys_state *css = NULL;

	if (bpf_probe_read_kernel(&css, sizeof(css), subsys + n * sizeof(css)) < 0 || !css)
		return NULL;
	return BPF_CORE_READ(css, cgroup);
}

static __always_inline bool task_wanted(struct task_struct *task)
{
	__u32 n, count;

	if (!cfg.by_place)
		return false;
	if (cfg.netns && task_netns(task) == cfg.netns)
		return true;
	if (!cfg.ncgroups && !cfg.cgroup_names[0][0] && !cfg.cgroup_names[1][0])
		return false;
	if (place_wanted((__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp)))
		return true;
	count = bpf_core_enum_value(enum cgroup_subsys_id, CGROUP_SUBSYS_COUNT);
	for (n = 0; n < 16 && n < count; n++) {
		struct cgroup *cgroup = task_controller(task, n);

		if (cgroup && BPF_CORE_READ(cgroup, level) > 0 && place_wanted((__u64)cgroup))
			return true;
	}
	return false;
}

/*
 * The id by which events name the task's cgroup: of version 2; where that is not in use, of the memory controller of
 * version 1, with CGROUP_V1.
 */
static __always_inline __u64 task_cgroup(struct task_struct *task)
{
	struct cgroup *dfl = BPF_CORE_READ(task, cgroups, dfl_cgrp), *v1;

	if (BPF_CORE_READ(dfl, level) > 0 || !bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return BPF_CORE_READ(dfl, kn, id);
	v1 = task_controller(task, bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id));
	if (!v1 || BPF_CORE_READ(v1, level) <= 0 || !BPF_CORE_READ(v1, root, hierarchy_id))
		return BPF_CORE_READ(dfl, kn, id);
	return BPF_CORE_READ(v1, kn, id) | CGROUP_V1;
}

#endif
