/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/span_sort.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "explain/span.h"

/* Time classes have keys of their own. */
static const char *const sort_keys[] = { "time", "duration", "status", "service" };

bool span_sort_key(const char *key)
{
	size_t i;

	key += *key == '-';
	for (i = 0; i < ARRAY_LEN(sort_keys); i++)
		if (!strcmp(key, sort_keys[i]))
			return true;
	for (i = 0; i < TIME_KINDS; i++)
		if (!strcmp(key, span_time_key((enum span_time)i)))
			return true;
	return false;
}

struct sorting {
	const struct spans *s;
	const char *key;
	bool down;
	unsigned int time;
};

static int compare(const struct sorting *o, const struct span *a, const struct span *b)
{
	uint64_t x = a->begin_ns, y = b->begin_ns;

	if (!strcmp(o->key, "service"))
		return strcmp(spans_text(o->s, a->service), spans_text(o->s, b->service));
	if (!strcmp(o->key, "status"))
		return (a->status > b->status) - (a->status < b->status);
	if (o->time < TIME_KINDS) {
		x = a->time_ns[o->time];
		y = b->time_ns[o->time];
	} else if (!strcmp(o->key, "duration")) {
		x = a->end_ns - a->begin_ns;
		y = b->end_ns - b->begin_ns;
	}
	return (x > y) - (x < y);
}

static int by_key(const void *pa, const void *pb, void *arg)
{
	const struct sorting *o = arg;
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
	int c = compare(o, &o->s->rows[a], &o->s->rows[b]);

	if (c)
		return o->down ? -c : c;
	return (a > b) - (a < b);
}

void span_sort(const struct spans *s, const char *key, uint32_t *rows, size_t n)
{
	struct sorting o = { .s = s, .key = key + (*key == '-'), .down = *key == '-' };

	for (o.time = 0; o.time < TIME_KINDS; o.time++)
		if (!strcmp(o.key, span_time_key((enum span_time)o.time)))
			break;
	if (n)
		qsort_r(rows, n, sizeof(*rows), by_key, &o);
}
