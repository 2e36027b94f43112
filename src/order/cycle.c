/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cycle - a shortest cycle near an event that lies on one.
 *
 * All events that the given one reaches and that reach it (its strongly connected component) are candidates;
 * from each, up to a bound, breadth-first search finds its shortest way back.  The bounds keep hostile
 * input from taking quadratic time; within them the cycle is a shortest one of the component.
 */
#include "order/internal.h"

#include <errno.h>

#define STARTS_MAX 4096
#define VISITS_MAX (64UL << 20)

struct search {
	struct order *o;
	struct map reached; /* slot -> slot from which, backwards, + 1 */
	struct big queue;
	struct map *within; /* NULL: everywhere */
	size_t visits;
};

static void visit(struct search *s, uint32_t slot, uint32_t next)
{
	uint32_t *at;

	if (map_get(&s->reached, slot) || (s->within && !map_get(s->within, slot)))
		return;
	at = BIG_PUSH(&s->o->memory, &s->queue, uint32_t);
	if (at && map_set(&s->reached, slot, (uint64_t)next + 1) == 0)
		*at = slot;
	s->visits++;
}

/* Breadth first against the edges; true once start is met again. */
static bool search_back(struct search *s, uint32_t start)
{
	const struct order *o = s->o;
	size_t head = 0;
	uint32_t slot = start, i, before;

	for (;;) {
		before = order_before(o, slot);
		if (before != NONE)
			visit(s, before, slot);
		for (i = IN_FIRST(o)[slot]; i < IN_FIRST(o)[slot + 1]; i++)
			visit(s, FROM(o)[i], slot);
		if (map_get(&s->reached, start) && s->within)
			return true;
		if (head == BIG_COUNT(&s->queue, uint32_t) || o->memory.failed)
			return map_get(&s->reached, start) != NULL;
		slot = BIG_AT(&s->queue, uint32_t)[head++];
	}
}

static void search_fini(struct search *s)
{
	map_fini(&s->reached);
	big_fini(&s->o->memory, &s->queue);
}

/* The way from start along the edges back to start. */
static void trace(struct search *s, uint32_t start, struct big *ret)
{
	uint32_t slot = start, *at;

	ret->len = 0;
	do {
		at = BIG_PUSH(&s->o->memory, ret, uint32_t);
		if (!at)
			return;
		*at = slot;
		slot = (uint32_t)(*map_get(&s->reached, slot) - 1);
	} while (slot != start);
}

/* What slot can be reached from: a superset of its component, and enough of a fence for the search. */
static void shortest(struct order *o, uint32_t slot, struct big *ret)
{
	struct search fence = { .o = o };
	size_t i, starts, visits = 0;

	(void)search_back(&fence, slot);
	starts = BIG_COUNT(&fence.queue, uint32_t);
	for (i = 0; i < starts && i < STARTS_MAX && visits < VISITS_MAX; i++) {
		uint32_t start = BIG_AT(&fence.queue, uint32_t)[i];
		struct search s = { .o = o, .within = &fence.reached };
		struct big way = { 0 };

		if (search_back(&s, start)) {
			trace(&s, start, &way);
			if (!ret->len || way.len < ret->len) {
				struct big old = *ret;

				*ret = way;
				way = old;
			}
		}
		visits += s.visits;
		big_fini(&o->memory, &way);
		search_fini(&s);
	}
	search_fini(&fence);
}

void order_cycle_find(struct order *o, uint32_t slot, struct big *ret_slots, uint32_t *ret_edge)
{
	uint32_t *slots, i, k, n, from, to;

	shortest(o, slot, ret_slots);
	n = (uint32_t)BIG_COUNT(ret_slots, uint32_t);
	slots = BIG_AT(ret_slots, uint32_t);
	/* the last edge that is not program order: a thread cannot be wrong about itself */
	for (k = n; k-- > 0;) {
		from = slots[k];
		to = slots[(k + 1) % n];
		for (i = IN_FIRST(o)[to]; i < IN_FIRST(o)[to + 1]; i++) {
			if (FROM(o)[i] == from && order_before(o, to) != from) {
				*ret_edge = i;
				return;
			}
		}
	}
	if (!o->memory.failed)
		o->memory.failed = ELOOP;
}
