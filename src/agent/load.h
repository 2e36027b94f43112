/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_LOAD_H
#define SAKER_AGENT_LOAD_H
/*
 * load - how busy the CPUs are: those of the host, or what a control group may use of them.
 *
 * Threads: one.  Memory: the struct.  Failure: a group that is not there, when it is opened; what cannot be read later counts as idle.
 */
#include <stdint.h>

struct err;

#define LOAD_PATH 1100

struct load {
	char usage[LOAD_PATH], quota[LOAD_PATH], period[LOAD_PATH]; /* files of the group; usage "": the host's */
	uint64_t busy, total;					    /* as they were at the last read */
};

/* cgroup: as /proc/PID/cgroup has it, or a folder below a mount; NULL: the host. */
int load_open(const char *cgroup, struct load *ret, struct err *err);
/* Since the last call, in 1/1000 of what it may use; 0 at the first. */
uint32_t load_read(struct load *l, uint64_t now_ns);

#endif
