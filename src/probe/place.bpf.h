/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_PLACE_H
#define SAKER_PROBE_PLACE_H
/*
 * place - where a task lives: its network namespace and control groups, and whether they are among the wanted.
 * A cgroup stands for all that lies below it.  Ids are per hierarchy, so they are compared together with its number.
 */
#include "kernel/bpf/emit.bpf.h"

/*
 * Does name, which ends with NUL, contain the wanted part?  The Shift-And algorithm (Baeza-Yates and Gonnet 1992): bit i of
 * `ends` says that the part's first i + 1 characters end here, bit i of cgroup_part[c] that its character i is c.  There is
 * no branch in the loop: with a plain one the verifier gave up on some names, depending on their letters.
 */
static __always_inline bool name_contains(const char *name)
{
	__u64 ends = 0, found = 0;
	__u32 at;

	for (at = 0; at < NAME_SEEN; at++) {
		ends = (ends << 1 | 1) & cfg.cgroup_part[(__u8)name[at]];
		found |= ends;
	}
	return found & cfg.cgroup_part_end;
}

static __always_inline bool name_equals(const char *name, const volatile char *want, __u32 cap)
{
	__u32 i;

	for (i = 0; i < cap; i++) {
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

	__builtin_memset(name, 0, sizeof(name));
	if (bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(kn, name)) <= 0)
		return 0;
	if (cfg.cgroup_name[0] && name_equals(name, cfg.cgroup_name, CGROUP_NAME_BYTES))
		return 1;
	if (cfg.cgroup_part_end && name_contains(name))
		return 1;
	return cfg.cgroup_again[0] && name_equals(name, cfg.cgroup_again, NAME_SEEN);
}

/* The containers that came later under a wanted name */
static __always_inline bool place_added(__u64 id, __u32 hierarchy)
{
	struct kernel_control *c = control_get();
	__u32 i;

	for (i = 0; c && i < PLACES_MAX; i++)
		if (c->places[i].id == id && c->places[i].hierarchy == hierarchy)
			return true;
	return false;
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

	if (!cfg.ncgroups && !cfg.cgroup_name[0] && !cfg.by_container)
		return 0;
	hierarchy = BPF_CORE_READ(cgroup, root, hierarchy_id);
	for (i = 0; i < CGROUP_DEPTH && cgroup; i++) {
		struct kernfs_node *kn = BPF_CORE_READ(cgroup, kn);

		if (place_listed(BPF_CORE_READ(kn, id), hierarchy) || place_named((__u64)kn))
			return 1;
		if (cfg.by_container && place_added(BPF_CORE_READ(kn, id), hierarchy))
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
	if (!cfg.ncgroups && !cfg.cgroup_name[0] && !cfg.by_container)
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
