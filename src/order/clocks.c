/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clocks - Lamport clocks: the longest path from any root, in O(V+E).
 *
 * Events are taken in order of arrival, which is nearly causal; whatever an event waits for is done first, depth
 * first, on a stack of our own.  An event that is waited for while it waits itself closes a cycle: its edge is
 * set aside (cycle.c says which) and all begins again.
 */
#include "order/internal.h"

#include <errno.h>

#define WAITING UINT32_MAX /* as clock: on the way to this event */
#define CYCLES_MAX 64	   /* then order_solve() gives up: no recording is like that */

struct climb {
	struct order *o;
	struct big stack;  /* slots */
	struct big causal; /* slots as they were done; only where that is not the order of arrival */
	uint32_t done;
	uint32_t cycle; /* an event on a cycle, NONE */
	bool keep;
};

/* Pushes what slot still waits for; returns whether nothing. */
static bool ready(struct climb *c, uint32_t slot, uint32_t *ret_clock)
{
	const struct order *o = c->o;
	const uint32_t *clock = CLOCK(o), *from = FROM(o);
	uint32_t before = order_before(o, slot), highest = 0, i, last = IN_FIRST(o)[slot + 1];
	bool all = true;

	for (i = IN_FIRST(o)[slot]; i <= last; i++) {
		uint32_t cause = i < last ? from[i] : before;
		uint32_t *at;

		if (cause == NONE)
			continue;
		if (clock[cause] == WAITING) {
			c->cycle = cause;
		} else if (clock[cause]) {
			highest = clock[cause] > highest ? clock[cause] : highest;
		} else {
			all = false;
			at = BIG_PUSH(&c->o->memory, &c->stack, uint32_t);
			if (at)
				*at = cause;
		}
	}
	*ret_clock = highest + 1;
	return all;
}

static void done(struct climb *c, uint32_t slot, uint32_t clock)
{
	struct order *o = c->o;

	CLOCK(o)[slot] = clock;
	if (clock > o->stats.max_clock)
		o->stats.max_clock = clock;
	if (c->keep) {
		uint32_t *at = BIG_PUSH(&o->memory, &c->causal, uint32_t);

		if (at)
			*at = slot;
	}
	c->done++;
}

static void climb_to(struct climb *c, uint32_t slot)
{
	uint32_t clock, *top = BIG_PUSH(&c->o->memory, &c->stack, uint32_t);

	if (top)
		*top = slot;
	while (c->stack.len && c->cycle == NONE && !c->o->memory.failed) {
		slot = BIG_AT(&c->stack, uint32_t)[c->stack.len / sizeof(uint32_t) - 1];
		clock = CLOCK(c->o)[slot];
		if (clock && clock != WAITING) {
			c->stack.len -= sizeof(uint32_t);
			continue;
		}
		CLOCK(c->o)[slot] = WAITING;
		if (!ready(c, slot, &clock) || c->cycle != NONE)
			continue;
		c->stack.len -= sizeof(uint32_t);
		done(c, slot, clock);
	}
}

/* The first event that arrived before something it waits for: until there arrival is a causal order. */
static uint32_t climb_straight(struct climb *c)
{
	const uint32_t *slot_of = SLOT_OF(c->o);
	uint32_t n, i, clock, highest, before;
	struct order *o = c->o;

	for (n = 0; n < o->count; n++) {
		uint32_t slot = slot_of[n], last = IN_FIRST(o)[slot + 1];

		before = order_before(o, slot);
		highest = before == NONE ? 0 : CLOCK(o)[before];
		if (before != NONE && !highest)
			return n;
		for (i = IN_FIRST(o)[slot]; i < last; i++) {
			clock = CLOCK(o)[FROM(o)[i]];
			if (!clock)
				return n;
			highest = clock > highest ? clock : highest;
		}
		done(c, slot, highest + 1);
	}
	return n;
}

static int climb_rest(struct climb *c, uint32_t n)
{
	struct order *o = c->o;
	uint32_t *slot_of = SLOT_OF(o), i;

	if (n == o->count)
		return 0;
	c->keep = true;
	for (i = n; i < o->count && c->cycle == NONE && !o->memory.failed; i++) {
		if (!CLOCK(o)[slot_of[i]])
			climb_to(c, slot_of[i]);
	}
	for (i = n; i < o->count && c->cycle == NONE && !o->memory.failed; i++)
		slot_of[i] = BIG_AT(&c->causal, uint32_t)[i - n];
	return -o->memory.failed;
}

static int climb(struct order *o, uint32_t *ret_cycle)
{
	struct climb c = { .o = o, .cycle = NONE };
	int r;

	if (!big_zeroed(&o->memory, &o->clock, (size_t)o->count * sizeof(uint32_t)))
		return -o->memory.failed;
	o->stats.max_clock = 0;
	r = climb_rest(&c, climb_straight(&c));
	*ret_cycle = c.cycle;
	big_fini(&o->memory, &c.stack);
	big_fini(&o->memory, &c.causal);
	return r;
}

static int keep_cycle(struct order *o, const struct big *slots)
{
	size_t i;

	for (i = 0; i < BIG_COUNT(slots, uint32_t); i++) {
		struct order_ref *at = BIG_PUSH(&o->memory, &o->cycle, struct order_ref);

		if (!at)
			return -o->memory.failed;
		*at = order_slot_ref(o, BIG_AT(slots, uint32_t)[i]);
	}
	return 0;
}

int order_clocks(struct order *o)
{
	uint32_t cycle = NONE, edge = 0, tries;
	int r;

	for (tries = 0; tries <= CYCLES_MAX; tries++) {
		struct big slots = { 0 };

		r = climb(o, &cycle);
		if (r < 0 || cycle == NONE)
			return r;
		order_cycle_find(o, cycle, &slots, &edge);
		if (!o->cycle.len)
			r = keep_cycle(o, &slots);
		big_fini(&o->memory, &slots);
		if (r < 0)
			return r;
		order_edge_drop(o, edge);
		if (o->memory.failed)
			return -o->memory.failed;
	}
	return -ELOOP;
}
