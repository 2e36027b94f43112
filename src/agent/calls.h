/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_CALLS_H
#define SAKER_AGENT_CALLS_H
/*
 * calls - whether finished calls are watched (probe/call.bpf.c): a hook that costs every process of the host something
 * on each call, so it is attached only while a selected process has a descriptor that somebody wants to see.
 *
 * A command is watched from its first call on.  Else the hooks of fork and exec look at the descriptors that are
 * inherited, and every CALLS_LOOK_NS all descriptors of selected processes are looked at.
 * Standard output and error that are files of ext4 do not want it: they have hooks of their own (probe/log_file.bpf.h).
 * Threads: one.  Failure: as kernel_calls().
 */
#include <stdbool.h>
#include <stdint.h>

struct err;
struct kernel;

struct calls {
	uint64_t looked_ns;
	bool on;
};

/* named: files were named as logs */
int calls_start(struct calls *c, struct kernel *k, bool command, bool named, struct err *err);
int calls_tick(struct calls *c, struct kernel *k, struct err *err);

#endif
