/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_STINTS_H
#define SAKER_EXPLAIN_STINTS_H
/*
 * stints - which goroutine a thread ran at which time, as `goroutine` events tell.
 *
 * Threads: one.  Memory: 32 bytes a change of goroutine, STINTS_MAX at most; what comes later is not known.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"

#define STINTS_MAX (1U << 21)

struct event;

struct stint {
	uint64_t from_ns, goid;
	uint32_t before;     /* of the same thread, NONE */
	uint32_t far, count; /* some way before it; how many came before */
	uint32_t pad;
};

struct stints {
	struct map latest; /* thread -> its latest */
	struct stint *rows;
	size_t count, cap;
};

void stints_fini(struct stints *s);
void stints_learn(struct stints *s, const struct event *ev); /* a `goroutine` event */
/* The goroutine whose event that is; 0: none, or unknown. */
uint64_t stints_of(const struct stints *s, const struct event *ev);

#endif
