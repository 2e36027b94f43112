/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hist.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEP_BITS 6

_Static_assert(HIST_STEPS == 1 << STEP_BITS,
	       "a bucket's number has the bits of its step below those of its power of two");

/* Values below 2 * 64 are their own bucket; above, the six bits behind the leading one count on. */
static uint32_t bucket_of(uint64_t v)
{
	unsigned int shift;

	if (v < 2 * HIST_STEPS)
		return (uint32_t)v;
	shift = 63 - (unsigned int)__builtin_clzll(v) - STEP_BITS;
	return (uint32_t)(shift * HIST_STEPS + (v >> shift));
}

static uint64_t first_of(uint32_t bucket)
{
	unsigned int shift;

	if (bucket < 2 * HIST_STEPS)
		return bucket;
	shift = bucket / HIST_STEPS - 1;
	return (uint64_t)(bucket - shift * HIST_STEPS) << shift;
}

static uint64_t last_of(uint32_t bucket)
{
	unsigned int shift = bucket < 2 * HIST_STEPS ? 0 : bucket / HIST_STEPS - 1;

	return first_of(bucket) + ((1ULL << shift) - 1);
}

void hist_fini(struct hist *h)
{
	if (!h)
		return;
	free(h->counts);
	*h = (struct hist)HIST_INIT;
}

static int make_room(struct hist *h, uint32_t nbuckets)
{
	uint64_t *grown;

	if (nbuckets <= h->nbuckets)
		return 0;
	nbuckets = (nbuckets + HIST_STEPS - 1) / HIST_STEPS * HIST_STEPS;
	grown = realloc(h->counts, nbuckets * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + h->nbuckets, 0, (nbuckets - h->nbuckets) * sizeof(*grown));
	h->counts = grown;
	h->nbuckets = nbuckets;
	return 0;
}

int hist_add(struct hist *h, uint64_t value, uint64_t times)
{
	uint32_t bucket = bucket_of(value);

	if (!times)
		return 0;
	if (make_room(h, bucket + 1) < 0)
		return -ENOMEM;
	h->min = !h->total || value < h->min ? value : h->min;
	h->max = !h->total || value > h->max ? value : h->max;
	h->counts[bucket] += times;
	h->total += times;
	return 0;
}

int hist_merge(struct hist *h, const struct hist *other)
{
	uint32_t i;

	if (!other->total)
		return 0;
	if (make_room(h, other->nbuckets) < 0)
		return -ENOMEM;
	h->min = !h->total || other->min < h->min ? other->min : h->min;
	h->max = !h->total || other->max > h->max ? other->max : h->max;
	for (i = 0; i < other->nbuckets; i++)
		h->counts[i] += other->counts[i];
	h->total += other->total;
	return 0;
}

uint64_t hist_quantile(const struct hist *h, double q)
{
	double want = ceil(q * (double)h->total);
	uint64_t rank = want < 1 ? 1 : want >= (double)h->total ? h->total : (uint64_t)want, seen = 0;
	uint32_t i;

	for (i = 0; i < h->nbuckets; i++) {
		seen += h->counts[i];
		if (h->counts[i] && seen >= rank)
			return last_of(i) < h->max ? last_of(i) : h->max;
	}
	return h->max;
}

int hist_each(const struct hist *h, uint32_t *at, uint64_t *ret_from, uint64_t *ret_to, uint64_t *ret_count)
{
	while (*at < h->nbuckets) {
		uint32_t i = (*at)++;

		if (!h->counts[i])
			continue;
		*ret_from = first_of(i);
		*ret_to = last_of(i);
		*ret_count = h->counts[i];
		return 1;
	}
	return 0;
}
