/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_LOGS_H
#define SAKER_AGENT_LOGS_H
/*
 * logs - from the kernel's pieces of what threads write to logs to `log` events.
 *
 * The pieces of a thread may come through the rings of several CPUs, so they wait until all of their time are there, are put
 * into order, and become lines (lines/).  A line may wait longer for what goes on with it: logs_oldest() says from which
 * moment on events may still come, and the store is not to settle beyond that.
 *
 * Threads: one.  Memory: LOGS_QUEUE_MAX bytes of pieces, what lines/ says, 64 messages of 64 KiB.
 * Failure: what the store says ends the recording; a piece that finds no memory counts as lost.
 */
#include <stddef.h>
#include <stdint.h>

#include "kernel/kernel.h"

struct err;
struct logs;

#define LOGS_QUEUE_MAX (32U << 20)

/* emit gets the events.  globs: files that are logs; fills what the kernel compares into cfg. */
int logs_new(const char *const *globs, size_t nglobs, struct kernel_cfg *cfg, kernel_event_fn *emit, void *arg,
	     struct logs **ret, struct err *err);
struct logs *logs_free(struct logs *l);		  /* NULL ok; returns NULL */
void logs_bind(struct logs *l, struct kernel *k); /* once it is loaded */

/* A piece, or the exit of a thread; copied. */
int logs_take(struct logs *l, const struct event_header *h);
/* All events before `settled` have been given; makes lines of what is older.  UINT64_MAX: of everything, and all ends. */
int logs_tick(struct logs *l, uint64_t settled, uint64_t now);
/* Until when the store may settle, at most `settled`; the lines' moments do not go behind it any more. */
uint64_t logs_settle(struct logs *l, uint64_t settled);

#endif
