/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_DOMINANT_H
#define SAKER_EXPLAIN_DOMINANT_H
/*
 * dominant - many requests at once: what their time goes to around the median and among the slowest, and what
 * distinguishes the slow ones from the normal ones.
 *
 * Each request is its parts (parts.h): time on its critical path by service, operation and kind of time.  Around the median
 * are those between the 45th and the 55th percentile of duration, the slowest those from the 99th on.  Slow are, for the
 * comparison, the slowest 1 % if these are DOMINANT_ENOUGH requests, else 5 %, else 10 %; normal those between the 25th
 * and the 75th percentile.
 *
 * A part distinguishes them if the Mann-Whitney test (two-sided, normal approximation, corrected for ties; 0 where a
 * request has no such part) finds the values of slow and normal requests different at 0.01 divided by the number of parts
 * that were tested (Bonferroni).  Of a part that so few requests have that less than DOMINANT_DENSE of the slow ones would have it by
 * chance, the normal approximation is wrong; there Fisher's exact test of how many have it (two-sided: twice the smaller tail)
 * takes its place.  With fewer than DOMINANT_ENOUGH slow or normal requests nothing is said.
 * Requests without a beginning or an end in the recording are left out and counted.
 *
 * dominant_between() does the same with two groups that somebody else has chosen.
 *
 * Threads: any.  Memory: 32 bytes a part of a request, and that of one critical path.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/span.h"

struct buf;
struct err;
struct parts_kept;

#define DOMINANT_ENOUGH 10
#define DOMINANT_DENSE 5

struct dominant_share {
	uint32_t service, operation; /* spans_text() */
	uint8_t kind;		     /* enum span_time */
	uint32_t requests;	     /* that have such a part */
	uint64_t ns;		     /* of all of them */
	double share;		     /* of the time of all requests of the set */
	uint32_t trace;		     /* the request with the most of it */
	uint64_t most_ns;	     /* there */
};

struct dominant_effect {
	uint32_t service, operation;
	uint8_t kind;
	uint32_t slow, normal;	   /* requests that have such a part */
	double slow_ns, normal_ns; /* means, over all requests of each set */
	double share;		   /* of the difference between the mean durations of the sets */
	double delta;		   /* Cliff's: how much more often a slow one has more than a normal one; -1 .. 1 */
	double p;		   /* of the test, before the correction */
	bool by_presence;	   /* which was Fisher's */
	bool carried;		   /* it distinguishes them */
	uint32_t row;		   /* a span of the slowest request that has it */
};

struct dominant {
	uint32_t requests, left_out;
	uint64_t p50_ns, p90_ns, p99_ns, max_ns;	    /* durations, exact */
	uint32_t median, tail;				    /* requests in the sets */
	struct dominant_share *median_shares, *tail_shares; /* largest first */
	size_t nmedian, ntail;
	uint32_t slow, normal, tested; /* requests in the sets; parts that were tested */
	uint32_t slow_percent;
	uint64_t slow_from_ns;
	double slow_mean_ns, normal_mean_ns; /* durations */
	struct dominant_effect *effects;     /* largest difference of means first */
	size_t neffects;
	bool enough;
};

/* Over the traces (indexes of s->traces); NULL: all.  Its effects distinguish.  *ret: the caller has dominant_fini() it. */
int dominant_of(const struct spans *s, const uint32_t *traces, size_t n, struct dominant *ret, struct err *err);

/* Which requests are slow and which normal. */
struct dominant_sets {
	uint32_t *traces; /* by duration, without those that are left out */
	uint32_t count, left_out;
	uint32_t slow_from;		 /* to the last */
	uint32_t normal_from, normal_to; /* the second one not included */
	uint32_t slow_percent;
};
/* Of the traces; NULL: all.  The caller frees ret->traces.  -ENOMEM. */
int dominant_sets(const struct spans *s, const uint32_t *traces, size_t n, struct dominant_sets *ret);

/*
 * Two groups that have none in common: tail_* and `slow` are of the one, median_* and `normal` of the other; slow_percent and the
 * quantiles are 0.  Effects are all parts that differ, also those of which the test says nothing; with few requests (not
 * `enough`) only Fisher's test, which is exact, carries one.  kept: of parts that were worked out before, NULL: none.
 */
int dominant_between(const struct spans *s, const uint32_t *slow, size_t nslow, const uint32_t *normal, size_t nnormal,
		     struct parts_kept *kept, struct dominant *ret, struct err *err);
void dominant_fini(struct dominant *d);

void dominant_text(struct buf *b, const struct spans *s, const struct dominant *d);
void dominant_json(struct buf *b, const struct spans *s, const struct dominant *d);
void dominant_members_json(struct buf *b, const struct spans *s, const struct dominant *d); /* without the braces */

/*
 * In one sentence what makes the slow requests slow, for the story; false: the numbers do not carry one.  *ret_row: a span that
 * shows it: its events begin and end are the evidence.
 */
bool dominant_sentence(struct buf *b, const struct spans *s, const struct dominant *d, uint32_t *ret_row);

/* `because of db UPDATE: waiting for a lock (50 ms instead of 12 us); in the slowest of them db[7] let go` */
void dominant_because(struct buf *b, const struct spans *s, const struct dominant_effect *e);

/* Sorts values[n], of which the last ones are filled in and the others are to be 0.  Returns their mean; 0: n is 0. */
double dominant_values(uint64_t *values, size_t n, size_t last);
/*
 * Mann-Whitney: of a[na] and b[nb], which are sorted.  Returns p, two-sided; *ret_delta: Cliff's delta, positive where a has the
 * greater values.  Neither is empty.
 */
double dominant_whitney(const uint64_t *a, size_t na, const uint64_t *b, size_t nb, double *ret_delta);
/* Fisher's exact test: x of na and y of nb have something.  Returns p: twice the smaller tail, at most 1. */
double dominant_fisher(size_t x, size_t na, size_t y, size_t nb);

#endif
