/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_HEAP_H
#define SAKER_STORE_HEAP_H
/*
 * heap - a binary min-heap for k-way merges: (time, tie, source).  The array is the caller's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_item {
	uint64_t time;
	uint64_t tie;
	uint32_t source; /* the last tie-break, and what the caller finds its source by */
};

static inline bool heap_less(const struct heap_item *a, const struct heap_item *b)
{
	if (a->time != b->time)
		return a->time < b->time;
	if (a->tie != b->tie)
		return a->tie < b->tie;
	return a->source < b->source;
}

/* items[0] has changed (grown). */
static inline void heap_down(struct heap_item *items, size_t n)
{
	struct heap_item item = items[0];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= n)
			break;
		if (child + 1 < n && heap_less(&items[child + 1], &items[child]))
			child++;
		if (!heap_less(&items[child], &item))
			break;
		items[at] = items[child];
		at = child;
	}
	items[at] = item;
}

static inline void heap_push(struct heap_item *items, size_t *n, struct heap_item item)
{
	size_t at = (*n)++;

	while (at && heap_less(&item, &items[(at - 1) / 2])) {
		items[at] = items[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	items[at] = item;
}

static inline void heap_pop(struct heap_item *items, size_t *n)
{
	items[0] = items[--*n];
	if (*n)
		heap_down(items, *n);
}

#endif
