/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_BASE_MAP_H
#define SAKER_BASE_MAP_H
/*
 * map - an open-addressing hash table from a 64-bit key to a 64-bit value.
 *
 * For wider keys hash them (map_hash()) and compare behind the value.  Linear probing,
 * at most 3/4 full, deletion by backward shift (no tombstones).
 *
 * Threads: none shared.  Memory: 16 bytes a slot, doubling; MAP_INIT needs no free.
 * Failure: map_set() returns -ENOMEM and the table is as before.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
	uint64_t key;
	uint64_t value;
};

struct map {
	struct map_slot *slots;
	uint8_t *used;
	size_t cap; /* power of two, or 0 */
	size_t count;
};

#define MAP_INIT  \
	{         \
		0 \
	}

void map_fini(struct map *m);				  /* NULL ok */
uint64_t *map_get(const struct map *m, uint64_t key);	  /* NULL: absent; valid until the next change */
int map_set(struct map *m, uint64_t key, uint64_t value); /* 0, or -ENOMEM */
bool map_del(struct map *m, uint64_t key);		  /* true: it was there */
/* Walks the used slots: start with *at = 0; NULL at the end.  No change in between. */
const struct map_slot *map_each(const struct map *m, size_t *at);

/* Mixes 64 bits (the finaliser of MurmurHash3). */
static inline uint64_t map_hash(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return x ^ x >> 33;
}

#endif
