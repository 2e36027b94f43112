/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/parts.h"

#include <errno.h>
#include <stdlib.h>

int parts_compare(const struct part *a, const struct part *b)
{
	if (a->service != b->service)
		return a->service < b->service ? -1 : 1;
	if (a->operation != b->operation)
		return a->operation < b->operation ? -1 : 1;
	return a->kind < b->kind ? -1 : a->kind > b->kind;
}

static int by_key(const void *a, const void *b)
{
	return parts_compare(a, b);
}

/* Deals ns out; what rounding leaves goes to the largest. */
static size_t deal(const struct span *row, uint64_t ns, struct part *out)
{
	uint64_t own = 0, dealt = 0;
	unsigned int k, largest = TIME_UNKNOWN;
	size_t n = 0, largest_at = 0;

	for (k = 0; k < TIME_KINDS; k++) {
		if (k == TIME_CHILD)
			continue;
		own = own + row->time_ns[k] < own ? UINT64_MAX : own + row->time_ns[k];
		if (row->time_ns[k] > row->time_ns[largest])
			largest = k;
	}
	for (k = 0; k < TIME_KINDS; k++) {
		uint64_t share;

		if (k == TIME_CHILD || (own ? !row->time_ns[k] : k != TIME_UNKNOWN))
			continue;
		share = own ? (uint64_t)((double)row->time_ns[k] / (double)own * (double)ns) : ns;
		share = share < ns - dealt ? share : ns - dealt;
		if (k == largest)
			largest_at = n;
		else if (!share)
			continue;
		out[n++] = (struct part) { row->service, row->operation, (uint8_t)k, 1, share };
		dealt += share;
	}
	out[largest_at].ns += ns - dealt;
	return n;
}

size_t parts_of_span(const struct spans *s, const struct critical *c, size_t at, struct part *out)
{
	const struct critical_span *span = &c->path[at];
	uint64_t ns = 0;
	uint32_t k;

	for (k = 0; k < span->segments; k++)
		ns += c->segments[span->segment + k].to_ns - c->segments[span->segment + k].from_ns;
	return ns ? deal(&s->rows[span->row], ns, out) : 0;
}

int parts_of(const struct spans *s, const struct critical *c, struct part **ret, size_t *ret_count)
{
	struct part *parts = calloc(c->npath * TIME_KINDS + 1, sizeof(*parts));
	size_t i, n = 0, kept = 0;

	if (!parts)
		return -ENOMEM;
	for (i = 0; i < c->npath; i++)
		n += parts_of_span(s, c, i, parts + n);
	qsort(parts, n, sizeof(*parts), by_key);
	for (i = 0; i < n; i++) {
		if (kept && !parts_compare(&parts[kept - 1], &parts[i])) {
			parts[kept - 1].ns += parts[i].ns;
			parts[kept - 1].spans += parts[i].spans;
		} else {
			parts[kept++] = parts[i];
		}
	}
	*ret = parts;
	*ret_count = kept;
	return 0;
}
