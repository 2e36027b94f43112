/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>

#define MAP_CAP_MIN 64

void map_fini(struct map *m)
{
	if (!m)
		return;
	free(m->slots);
	free(m->used);
	*m = (struct map)MAP_INIT;
}

/* The slot that holds key, or the free one where it would go. */
static size_t map_find(const struct map *m, uint64_t key)
{
	size_t i = map_hash(key) & (m->cap - 1);

	while (m->used[i] && m->slots[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

uint64_t *map_get(const struct map *m, uint64_t key)
{
	size_t i;

	if (!m->cap)
		return NULL;
	i = map_find(m, key);
	return m->used[i] ? &m->slots[i].value : NULL;
}

static int map_grow(struct map *m)
{
	struct map bigger = { .cap = m->cap ? m->cap * 2 : MAP_CAP_MIN, .count = m->count };
	size_t i, at;

	bigger.slots = malloc(bigger.cap * sizeof(*bigger.slots));
	bigger.used = calloc(bigger.cap, 1);
	if (!bigger.slots || !bigger.used) {
		free(bigger.slots);
		free(bigger.used);
		return -ENOMEM;
	}
	for (i = 0; i < m->cap; i++) {
		if (!m->used[i])
			continue;
		at = map_find(&bigger, m->slots[i].key);
		bigger.slots[at] = m->slots[i];
		bigger.used[at] = 1;
	}
	map_fini(m);
	*m = bigger;
	return 0;
}

int map_set(struct map *m, uint64_t key, uint64_t value)
{
	size_t i;

	if ((m->count + 1) * 4 > m->cap * 3) {
		int r = map_grow(m);

		if (r < 0)
			return r;
	}
	i = map_find(m, key);
	m->count += !m->used[i];
	m->used[i] = 1;
	m->slots[i] = (struct map_slot) { key, value };
	return 0;
}

bool map_del(struct map *m, uint64_t key)
{
	size_t hole, i, home;

	if (!m->cap)
		return false;
	hole = map_find(m, key);
	if (!m->used[hole])
		return false;
	for (i = (hole + 1) & (m->cap - 1); m->used[i]; i = (i + 1) & (m->cap - 1)) {
		home = map_hash(m->slots[i].key) & (m->cap - 1);
		/* an entry may fill the hole only if that lies between its home and its place */
		if (((i - home) & (m->cap - 1)) < ((i - hole) & (m->cap - 1)))
			continue;
		m->slots[hole] = m->slots[i];
		hole = i;
	}
	m->used[hole] = 0;
	m->count--;
	return true;
}

const struct map_slot *map_each(const struct map *m, size_t *at)
{
	while (*at < m->cap) {
		size_t i = (*at)++;

		if (m->used[i])
			return &m->slots[i];
	}
	return NULL;
}
