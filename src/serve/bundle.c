/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

#define COARSEST 30 /* times that pixels may be joined two by two */

int bundles_init(struct bundles *all)
{
	*all = (struct bundles) { 0 };
	all->rows = malloc(BUNDLE_ROOM * sizeof(*all->rows));
	all->slots = calloc(BUNDLE_SLOTS, sizeof(*all->slots));
	if (all->rows && all->slots)
		return 0;
	bundles_fini(all);
	return -ENOMEM;
}

void bundles_fini(struct bundles *all)
{
	free(all->rows);
	free(all->slots);
	all->rows = NULL;
	all->slots = NULL;
}

static uint64_t hash_of(const struct bundle *u)
{
	uint64_t h = (uint64_t)u->row0 << 32 | u->row1;

	h = map_hash(h + (uint64_t)u->at0 * 0x9e3779b97f4a7c15ULL);
	h += (uint64_t)u->at1 * 0xc2b2ae3d27d4eb4fULL;
	return map_hash(h + (u->arrow.kind | u->arrow.ambiguous << 8 | u->arrow.after_loss << 9));
}

static bool alike(const struct bundle *a, const struct bundle *b)
{
	return a->row0 == b->row0 && a->row1 == b->row1 && a->at0 == b->at0 && a->at1 == b->at1 &&
	       a->arrow.kind == b->arrow.kind && a->arrow.ambiguous == b->arrow.ambiguous &&
	       a->arrow.after_loss == b->arrow.after_loss;
}

static void put(struct bundles *all, const struct bundle *u)
{
	uint32_t slot = (uint32_t)hash_of(u) & (BUNDLE_SLOTS - 1);

	for (; all->slots[slot]; slot = (slot + 1) & (BUNDLE_SLOTS - 1)) {
		struct bundle *other = &all->rows[all->slots[slot] - 1];

		if (alike(other, u)) {
			other->n += u->n;
			return;
		}
	}
	all->rows[all->count] = *u;
	all->slots[slot] = ++all->count;
}

/* Pixels twice as wide. */
static void coarsen(struct bundles *all)
{
	uint32_t i, n = all->count;

	memset(all->slots, 0, BUNDLE_SLOTS * sizeof(*all->slots));
	all->count = 0;
	for (i = 0; i < n; i++) {
		struct bundle u = all->rows[i]; /* put() writes at or before i */

		u.at0 >>= 1;
		u.at1 >>= 1;
		put(all, &u);
	}
}

static int by_number(const void *pa, const void *pb)
{
	const struct bundle *a = pa, *b = pb;

	if (a->n != b->n)
		return a->n > b->n ? -1 : 1;
	return (a->arrow.from > b->arrow.from) - (a->arrow.from < b->arrow.from);
}

static void keep_largest(struct bundles *all, uint32_t most)
{
	qsort(all->rows, all->count, sizeof(*all->rows), by_number);
	for (; all->count > most; all->count--)
		all->left_out += all->rows[all->count - 1].n;
}

void bundles_add(struct bundles *all, const struct model_arrow *a, uint32_t row0, uint32_t row1, int64_t at0,
		 int64_t at1, uint32_t n)
{
	struct bundle u = { .arrow = *a, .row0 = row0, .row1 = row1, .n = n };

	while (all->count == BUNDLE_ROOM && all->coarse < COARSEST) {
		all->coarse++;
		coarsen(all);
	}
	if (all->count == BUNDLE_ROOM) {
		all->left_out += n;
		return;
	}
	u.at0 = at0 >> all->coarse;
	u.at1 = at1 >> all->coarse;
	put(all, &u);
}

void bundles_finish(struct bundles *all)
{
	while (all->count > BUNDLES_MAX && all->coarse < COARSEST) {
		all->coarse++;
		coarsen(all);
	}
	if (all->count > BUNDLES_MAX)
		keep_largest(all, BUNDLES_MAX);
}
