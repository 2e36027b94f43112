/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_BASE_HIST_H
#define SAKER_BASE_HIST_H
/*
 * hist - how values are distributed, from 0 to 2^64 - 1, with a relative error of at most 1/64 (as HdrHistogram does it):
 * each power of two is divided into 64 buckets of the same width; values below 128 have one each.
 *
 * Threads: none shared.  Memory: 8 bytes for each bucket up to that of the greatest value, 30 KB at most.
 * Failure: -ENOMEM, and nothing was counted.  HIST_INIT needs no free.
 */
#include <stddef.h>
#include <stdint.h>

#define HIST_STEPS 64

struct hist {
	uint64_t *counts;
	uint32_t nbuckets;
	uint64_t total, min, max;
};

#define HIST_INIT \
	{         \
		0 \
	}

void hist_fini(struct hist *h); /* NULL ok */
int hist_add(struct hist *h, uint64_t value, uint64_t times);
int hist_merge(struct hist *h, const struct hist *other);
/*
 * The value at or below which a share of at least q of the values lie, 0 <= q <= 1: never less than the exact one, and
 * greater by at most 1/64 of it.  0 where nothing was counted.
 */
uint64_t hist_quantile(const struct hist *h, double q);

/* Buckets that count something: start with *at = 0; 0 at the end. */
int hist_each(const struct hist *h, uint32_t *at, uint64_t *ret_from, uint64_t *ret_to, uint64_t *ret_count);

#endif
