/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_REQUESTS_TIME_H
#define SAKER_EXPLAIN_REQUESTS_TIME_H
/* requests_time - where the time of a span went, and whose doing it was: inside of requests. */
#include "explain/requests_in.h"

struct edge {
	uint64_t ns;
	uint8_t what; /* enum span_time */
	int8_t change;
};

#define HOLDERS_MAX 16

/* Who had a CPU for which the span waited, and how long. */
struct holder {
	uint32_t name;
	uint64_t ns;
};

struct times {
	struct requests *r;
	uint32_t *first_segment;		/* by span, and one more; segments are sorted by span */
	uint32_t *first_child, *next_child;	/* those on the same host */
	uint32_t *first_trouble, *next_trouble; /* by connection */
	uint32_t *wakes;			/* acts, by the thread that was woken and time */
	size_t nwakes;
	/* of the span at hand, on its own host's clock */
	uint32_t span,
		worker; /* worker: whose segments they are: the span's, or of one that a program told of its request's */
	uint64_t begin, end;
	struct edge *edges;
	size_t nedges, cap_edges;
	uint64_t preempted, brief; /* known in sum only */
	uint64_t lock_ns;	   /* the longest wait for a lock */
	const struct ran_row *lock;
	uint32_t again; /* segments that were sent again */
	struct holder holders[HOLDERS_MAX];
	size_t nholders;
	/* by span: the longest wait of another one for a lock that was let go for this one */
	uint64_t *awaited_ns;
};

/* requests_blame.c: once the span's time is known. */
int requests_blame_init(struct times *t); /* -ENOMEM */
void requests_blame(struct times *t, uint32_t span);
void requests_blame_awaited(struct times *t); /* of all spans, after that */

#endif
