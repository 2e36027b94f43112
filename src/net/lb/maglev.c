/* SPDX-License-Identifier: Apache-2.0 */
#include "net/lb/maglev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/lb/endpoint.h"
#include "net/lb/shared.bpf.h"

/* A node's order over the places: from an offset on in steps of `skip`. */
struct turn {
	uint64_t hash, saved;
	uint32_t weight, at, skip, next; /* at: offset + next * skip */
	uint16_t real;
};

static int turn_compare(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Seeds and ranges as Katran has them: the places of a backend are the same there. */
static void turn_init(struct turn *t, const struct maglev_node *node, uint32_t places)
{
	t->hash = node->hash;
	t->saved = 0;
	t->weight = node->weight;
	t->real = node->real;
	t->next = 0;
	t->at = (uint32_t)(endpoint_mix(node->hash, 42, 0) % places);
	t->skip = (uint32_t)(endpoint_mix(node->hash, 2718281828U, 2307) % (places - 1)) + 1;
}

/*
 * The next free place.  The sum wraps at 32 bits, as in Katran; because of that an order may miss places at its end,
 * and then any free one serves.
 */
static uint32_t turn_take(struct turn *t, const uint16_t *ring, uint32_t places)
{
	uint32_t place;

	while (t->next < places) {
		/* the usual number is a constant, by which the compiler divides without a division */
		place = places == LB_RING ? t->at % LB_RING : t->at % places;
		t->at += t->skip;
		t->next++;
		if (!ring[place])
			return place;
	}
	for (place = 0; ring[place]; place++)
		;
	return place;
}

static void take_turns(uint16_t *ring, uint32_t places, struct turn *turns, size_t n, uint32_t most)
{
	uint32_t taken = 0;
	size_t i;

	while (taken < places) {
		for (i = 0; i < n && taken < places; i++) {
			turns[i].saved += turns[i].weight;
			if (turns[i].saved < most)
				continue;
			turns[i].saved -= most;
			ring[turn_take(&turns[i], ring, places)] = turns[i].real;
			taken++;
		}
	}
}

int maglev_fill(uint16_t *ring, uint32_t places, const struct maglev_node *nodes, size_t n)
{
	CLEANUP_FREE struct turn *turns = calloc(n ? n : 1, sizeof(*turns));
	uint32_t most = 0;
	size_t i, count = 0;

	if (!turns)
		return -ENOMEM;
	memset(ring, 0, places * sizeof(*ring));
	for (i = 0; i < n; i++) {
		if (!nodes[i].weight)
			continue;
		most = MAX(most, nodes[i].weight);
		turn_init(&turns[count++], &nodes[i], places);
	}
	if (!count)
		return -ENOENT;
	qsort(turns, count, sizeof(*turns), turn_compare);
	take_turns(ring, places, turns, count, most);
	return 0;
}
