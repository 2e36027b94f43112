/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_CGROUPS_H
#define SAKER_AGENT_CGROUPS_H
/*
 * cgroups - finds the directories of a control group in every hierarchy that is mounted, version 1 and 2.
 *
 * Threads: any.  Memory: fixed.  Failure: a hierarchy that cannot be read is as if it were not mounted.
 */
#include <stddef.h>
#include <stdint.h>

struct cgroup_place {
	char path[1024];    /* of the directory */
	uint64_t id;	    /* the kernel's */
	uint32_t hierarchy; /* as in /proc/PID/cgroup: 0 is version 2 */
};

/*
 * path: as /proc/PID/cgroup has it, or that of a directory below a mount.  Fills at most max places; returns how many
 * there are.
 */
size_t cgroups_find(const char *path, struct cgroup_place *places, size_t max);

/* Calls fn for each process in the cgroup and in those below it, until fn returns < 0; returns that, or 0. */
int cgroups_walk(const struct cgroup_place *place, int (*fn)(void *arg, uint32_t pid), void *arg);

#endif
