/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool is cut into segments of 64 KiB that are filled in order of arrival; a segment counts the events that
 * still wait in it and becomes free when the last has left.  Free segments are a stack, so in the steady state the
 * same few, which are in the cache, are used again.
 */
#include "store/sort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "event/event.h"
#include "store/heap.h"

#define SEGMENT_BYTES (64 * 1024)
#define LANES 1024 /* CPUs beyond that share lanes */
#define LANE_RECORDER LANES
#define INSERT_STEPS 64
#define LANE_REFS_MIN 256
#define LANE_REFS_IDLE 4096 /* an empty lane may keep that many */

struct ref {
	uint64_t boot_ns;
	uint32_t at; /* in the pool, in units of 8 bytes */
	uint32_t unused;
};

struct lane {
	struct ref *refs;
	size_t head, n, cap; /* refs[head..n) wait */
	bool dirty;	     /* not sorted */
};

struct sorter {
	uint8_t *pool;
	uint32_t *live; /* by segment: events that wait in it */
	uint32_t *free; /* stack of segments */
	size_t segments, nfree;
	size_t fill, fill_used; /* segment that is being filled; == segments: none */
	size_t bytes;
	struct lane lanes[LANES + 1];
	uint32_t active[LANES + 1]; /* lanes with events */
	size_t nactive;
	struct heap_item heap[LANES + 1];
};

int sorter_new(size_t pool_bytes, struct sorter **ret)
{
	struct sorter *s = calloc(1, sizeof(*s));
	size_t i;

	if (!s)
		return -ENOMEM;
	s->segments = MAX(pool_bytes / SEGMENT_BYTES, 2);
	s->pool = malloc(s->segments * SEGMENT_BYTES);
	s->live = calloc(s->segments, sizeof(*s->live));
	s->free = calloc(s->segments, sizeof(*s->free));
	if (!s->pool || !s->live || !s->free) {
		sorter_free(s);
		return -ENOMEM;
	}
	for (i = 0; i < s->segments; i++)
		s->free[i] = (uint32_t)(s->segments - 1 - i);
	s->nfree = s->fill = s->segments;
	*ret = s;
	return 0;
}

struct sorter *sorter_free(struct sorter *s)
{
	size_t i;

	if (!s)
		return NULL;
	for (i = 0; i <= LANES; i++)
		free(s->lanes[i].refs);
	free(s->pool);
	free(s->live);
	free(s->free);
	free(s);
	return NULL;
}

size_t sorter_bytes(const struct sorter *s)
{
	return s->bytes;
}

static const struct event_header *ref_event(const struct sorter *s, const struct ref *r)
{
	return (const void *)(s->pool + (size_t)r->at * 8);
}

static bool ref_less(const struct sorter *s, const struct ref *a, const struct ref *b)
{
	if (a->boot_ns != b->boot_ns)
		return a->boot_ns < b->boot_ns;
	return ref_event(s, a)->seq < ref_event(s, b)->seq;
}

static void segment_leave(struct sorter *s, size_t segment)
{
	if (!--s->live[segment] && segment != s->fill)
		s->free[s->nfree++] = (uint32_t)segment;
}

/* Room for len bytes in the segment that is being filled, or in a free one. */
static uint8_t *pool_room(struct sorter *s, size_t len)
{
	uint8_t *p;

	if (s->fill < s->segments && !s->live[s->fill])
		s->fill_used = 0;
	if (s->fill == s->segments || s->fill_used + len > SEGMENT_BYTES) {
		if (!s->nfree)
			return NULL;
		s->fill = s->free[--s->nfree];
		s->fill_used = 0;
	}
	p = s->pool + s->fill * SEGMENT_BYTES + s->fill_used;
	s->fill_used += len;
	s->live[s->fill]++;
	return p;
}

static int lane_grow(struct lane *l)
{
	size_t cap = MAX(l->cap * 2, LANE_REFS_MIN);
	struct ref *grown = realloc(l->refs, cap * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	l->refs = grown;
	l->cap = cap;
	return 0;
}

static void lane_insert(struct sorter *s, struct lane *l, struct ref ref)
{
	size_t i = l->n++, stop = i - MIN(i - l->head, INSERT_STEPS);

	while (i > stop && ref_less(s, &ref, &l->refs[i - 1])) {
		l->refs[i] = l->refs[i - 1];
		i--;
	}
	l->refs[i] = ref;
	if (i == stop && i > l->head && ref_less(s, &ref, &l->refs[i - 1]))
		l->dirty = true;
}

int sorter_add(struct sorter *s, const struct event_header *h)
{
	uint32_t number = h->context == CONTEXT_RECORDER ? LANE_RECORDER : h->cpu % LANES;
	struct lane *l = &s->lanes[number];
	uint8_t *p;

	if (l->n == l->cap && lane_grow(l) < 0)
		return -ENOMEM;
	p = pool_room(s, h->length);
	if (!p)
		return 0;
	memcpy(p, h, h->length);
	if (l->head == l->n)
		s->active[s->nactive++] = number;
	lane_insert(s, l, (struct ref) { .boot_ns = h->boot_ns, .at = (uint32_t)((size_t)(p - s->pool) / 8) });
	s->bytes += h->length;
	return 1;
}

/* Merge sort, because it keeps the order of arrival between equals; bottom up, runs of width. */
static int lane_sort(struct sorter *s, struct lane *l)
{
	size_t n = l->n - l->head, width, i;
	CLEANUP_FREE struct ref *other = malloc(n * sizeof(*other));
	struct ref *from = l->refs + l->head, *to = other;

	if (!other)
		return -ENOMEM;
	for (width = 1; width < n; width *= 2) {
		for (i = 0; i < n; i += 2 * width) {
			size_t a = i, b = MIN(i + width, n), out = i, a_end = b, b_end = MIN(i + 2 * width, n);

			while (a < a_end || b < b_end)
				to[out++] = b == b_end || (a < a_end && !ref_less(s, &from[b], &from[a])) ? from[a++]
													  : from[b++];
		}
		to = from;
		from = from == other ? l->refs + l->head : other;
	}
	if (from == other)
		memcpy(l->refs + l->head, other, n * sizeof(*other));
	l->dirty = false;
	return 0;
}

static struct heap_item lane_item(const struct sorter *s, uint32_t number)
{
	const struct lane *l = &s->lanes[number];
	const struct ref *r = &l->refs[l->head];

	return (struct heap_item) { .time = r->boot_ns, .tie = ref_event(s, r)->seq, .source = number };
}

static int heap_fill(struct sorter *s, size_t *ret_n, uint64_t before_ns)
{
	size_t i;

	*ret_n = 0;
	for (i = 0; i < s->nactive; i++) {
		struct lane *l = &s->lanes[s->active[i]];

		if (l->dirty && lane_sort(s, l) < 0)
			return -ENOMEM;
		if (l->refs[l->head].boot_ns < before_ns)
			heap_push(s->heap, ret_n, lane_item(s, s->active[i]));
	}
	return 0;
}

/* Moves what still waits to the front of its array, forgets lanes that are empty. */
static void lanes_tidy(struct sorter *s)
{
	size_t i, kept = 0;

	for (i = 0; i < s->nactive; i++) {
		struct lane *l = &s->lanes[s->active[i]];

		if (l->head && l->n > l->head)
			memmove(l->refs, l->refs + l->head, (l->n - l->head) * sizeof(*l->refs));
		l->n -= l->head;
		l->head = 0;
		if (l->n)
			s->active[kept++] = s->active[i];
		else if (l->cap > LANE_REFS_IDLE && s->nactive > 8) {
			free(l->refs);
			l->refs = NULL;
			l->cap = 0;
		}
	}
	s->nactive = kept;
}

int sorter_drain(struct sorter *s, uint64_t before_ns, size_t keep_bytes, sorter_out_fn *out, void *arg,
		 struct err *err)
{
	size_t n;
	int r = heap_fill(s, &n, before_ns);

	while (!r && n && s->bytes > keep_bytes) {
		uint32_t number = s->heap[0].source;
		struct lane *l = &s->lanes[number];
		const struct ref *ref = &l->refs[l->head];
		const struct event_header *h = ref_event(s, ref);

		r = out(arg, h, err);
		if (r < 0)
			break;
		r = 0;
		s->bytes -= h->length;
		segment_leave(s, (size_t)ref->at * 8 / SEGMENT_BYTES);
		if (++l->head < l->n && l->refs[l->head].boot_ns < before_ns) {
			s->heap[0] = lane_item(s, number);
			heap_down(s->heap, n);
		} else {
			heap_pop(s->heap, &n);
		}
	}
	lanes_tidy(s);
	return r;
}
