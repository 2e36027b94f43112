/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of a story's events by place, process and type. */
#include <stdlib.h>
#include <string.h>

#include "event/event.h"
#include "explain/facts.h"

static int count_cmp(const void *pa, const void *pb)
{
	const struct story_count *a = pa, *b = pb;
	int by_name;

	if (a->events != b->events)
		return a->events < b->events ? 1 : -1;
	by_name = strcmp(a->name, b->name); /* types come in the order of addresses, another in each run */
	return by_name ? by_name : (a->tgid > b->tgid) - (a->tgid < b->tgid);
}

static size_t count_types(const struct story *s, struct story_count *out, size_t cap)
{
	const struct map_slot *slot;
	size_t at = 0, n = 0;

	while (n < cap && (slot = map_each(&s->by_type, &at)))
		out[n++] = (struct story_count) { ((const struct event_type *)(uintptr_t)slot->key)->name, 0,
						  slot->value };
	return n;
}

/* Keeps the largest cap of all processes: the smallest of the kept gives way. */
static size_t count_processes(const struct story *s, struct story_count *out, size_t cap)
{
	size_t i, k, n = 0, low;

	for (i = 0; i < s->cast.count; i++) {
		const struct actor *a = &s->cast.actors[i];

		low = n;
		if (n == cap) {
			for (low = 0, k = 1; k < n; k++)
				low = out[k].events < out[low].events ? k : low;
			if (out[low].events >= a->events)
				continue;
		} else {
			n++;
		}
		out[low] = (struct story_count) { a->comm, a->tgid, a->events };
	}
	return n;
}

static size_t count_places(const struct story *s, struct story_count *out, size_t cap)
{
	size_t i, k, n = 0;

	for (i = 0; i < s->cast.count; i++) {
		const struct actor *a = &s->cast.actors[i];
		const char *place = cast_place(&s->cast, a);

		if (!*place && s->host_name)
			place = s->host_name(s->arg, a->host);
		for (k = 0; k < n && strcmp(out[k].name, place) != 0; k++)
			;
		if (k == cap)
			continue;
		if (k == n)
			out[n++] = (struct story_count) { .name = place };
		out[k].events += a->events;
	}
	return n;
}

size_t story_counts(const struct story *s, char by, struct story_count *out, size_t cap)
{
	size_t n;

	if (!cap)
		return 0;
	n = by == 't' ? count_types(s, out, cap) : by == 'p' ? count_processes(s, out, cap) : count_places(s, out, cap);
	qsort(out, n, sizeof(*out), count_cmp);
	return n;
}

void story_totals(const struct story *s, struct story_totals *ret)
{
	size_t i;

	*ret = s->totals;
	ret->first_ns = s->first_ns;
	ret->last_ns = s->last_ns;
	for (i = 0; i < s->ntold; i++)
		ret->causes += s->told[i].cause;
}
