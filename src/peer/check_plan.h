/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_CHECK_PLAN_H
#define SAKER_PEER_CHECK_PLAN_H
/*
 * check_plan - what is due when: a heap of (time, number).
 *
 * Threads: one.  Memory: 16 bytes an entry, made at once.  Failure: -ENOMEM.
 */
#include <stddef.h>
#include <stdint.h>

struct plan_row {
	uint64_t due_ns;
	uint32_t number;
};

struct plan {
	struct plan_row *rows; /* each before its children, which are at 2 i + 1 and 2 i + 2 */
	size_t count, room;
};

#define PLAN_NEVER UINT64_MAX

int plan_init(struct plan *p, size_t room); /* empty; -ENOMEM */
void plan_fini(struct plan *p);		    /* NULL ok */

/* Not more than there is room for. */
void plan_put(struct plan *p, uint32_t number, uint64_t due_ns);
uint64_t plan_next(const struct plan *p); /* PLAN_NEVER: nothing is planned */
/* Takes out what was due first; -1: nothing is due yet. */
int64_t plan_take(struct plan *p, uint64_t now_ns, uint64_t *ret_due_ns);

/* The first moment after now within the interval, by a hash: evenly spread for evenly spread hashes. */
uint64_t plan_first(uint64_t hash, uint64_t interval_ns, uint64_t now_ns);
/* The same moment in the first later interval that is after now. */
uint64_t plan_after(uint64_t due_ns, uint64_t interval_ns, uint64_t now_ns);

#endif
