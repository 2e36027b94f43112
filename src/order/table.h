/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_ORDER_TABLE_H
#define SAKER_ORDER_TABLE_H
/*
 * table - from (host, number, 64-bit number) to an index, for the two look-ups that every event needs.
 *
 * Open addressing, linear probing, at most half full, nothing is ever deleted; base/map.h would need a hash of
 * the key and a comparison behind it.  Memory: 24 bytes a slot.  Failure: table_set() returns -ENOMEM.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/map.h"

#define TABLE_NONE UINT32_MAX

struct table_slot {
	uint64_t wide;
	uint32_t host, narrow;
	uint32_t index; /* TABLE_NONE: free */
	uint32_t pad;
};

struct table {
	struct table_slot *slots;
	uint32_t mask; /* slots - 1 */
	uint32_t count;
};

static inline struct table_slot *table_find(const struct table *t, uint32_t host, uint32_t narrow, uint64_t wide)
{
	uint64_t i = map_hash(wide + ((uint64_t)host << 32 | narrow) * 0x9e3779b97f4a7c15ULL);

	for (;; i++) {
		struct table_slot *s = &t->slots[i & t->mask];

		if (s->index == TABLE_NONE || (s->wide == wide && s->narrow == narrow && s->host == host))
			return s;
	}
}

static inline uint32_t table_get(const struct table *t, uint32_t host, uint32_t narrow, uint64_t wide)
{
	return t->slots ? table_find(t, host, narrow, wide)->index : TABLE_NONE;
}

void table_fini(struct table *t);
int table_set(struct table *t, uint32_t host, uint32_t narrow, uint64_t wide, uint32_t index);

#endif
