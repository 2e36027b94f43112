/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_LB_FILL_H
#define SAKER_NET_LB_FILL_H
/*
 * fill - how full the balancer's tables of connections are, when they will be, and what goes then.
 *
 * Observed are entries, new connections in the last second, and when entries were used last; when a table will be full is inferred: as
 * if connections went on to come at this rate, and each of them were remembered.  No entry leaves before its place is needed, so a table that is full
 * is nothing bad in itself: bad is that what goes was used a short time ago.
 *
 * Threads: any.  Memory: 16 kB while it looks.  Failure: what cannot be read is left out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LB_FILL_TABLES 4
#define LB_FILL_UNKNOWN UINT64_MAX

struct chain;

struct lb_fill {
	const char *table; /* connections (of one CPU), spare, global, nat */
	int cpu;	   /* of connections: the CPU whose table is full first; else -1 */
	uint64_t entries, room;
	uint64_t fresh;	    /* new connections in the last second that may need an entry: at most so many did */
	uint64_t full_in_s; /* LB_FILL_UNKNOWN: none is new; 0: it is full */
	uint64_t unused_s;  /* what gives way then has not been used for about so long by then; or LB_FILL_UNKNOWN */
	uint32_t young;	    /* of 1000 new connections, so many take the place of one that was used within idle_s */
	uint32_t idle_s;
};

/* Fills rows; returns how many. */
size_t lb_fill_look(const struct chain *c, struct lb_fill rows[LB_FILL_TABLES]);

/* From entries, room, fresh, and the age of what would give way now: full_in_s and unused_s. */
void lb_fill_forecast(struct lb_fill *f, uint64_t age_s);
/* New connections within the second before now_ns, from what a CPU counted (struct lb_rate). */
struct lb_rate;
uint64_t lb_fill_fresh(const struct lb_rate *rate, uint64_t now_ns);
/* Is there something to say without being asked: full within an hour, or entries in use give way? */
bool lb_fill_urgent(const struct lb_fill *f);

#endif
