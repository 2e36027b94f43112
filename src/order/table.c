/* SPDX-License-Identifier: Apache-2.0 */
#include "order/table.h"

#define TABLE_MIN 64

void table_fini(struct table *t)
{
	free(t->slots);
	*t = (struct table) { 0 };
}

static int table_grow(struct table *t)
{
	uint32_t cap = t->slots ? 2 * (t->mask + 1) : TABLE_MIN, i;
	struct table more = { .slots = malloc(cap * sizeof(*more.slots)), .mask = cap - 1, .count = t->count };

	if (!more.slots || !cap) {
		free(more.slots);
		return -ENOMEM;
	}
	for (i = 0; i < cap; i++)
		more.slots[i].index = TABLE_NONE;
	for (i = 0; t->slots && i <= t->mask; i++) {
		const struct table_slot *s = &t->slots[i];

		if (s->index != TABLE_NONE)
			*table_find(&more, s->host, s->narrow, s->wide) = *s;
	}
	free(t->slots);
	*t = more;
	return 0;
}

int table_set(struct table *t, uint32_t host, uint32_t narrow, uint64_t wide, uint32_t index)
{
	struct table_slot *s;

	if (!t->slots || 2 * (t->count + 1) > t->mask) {
		int r = table_grow(t);

		if (r < 0)
			return r;
	}
	s = table_find(t, host, narrow, wide);
	t->count += s->index == TABLE_NONE;
	*s = (struct table_slot) { .wide = wide, .host = host, .narrow = narrow, .index = index };
	return 0;
}
