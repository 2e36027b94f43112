/* SPDX-License-Identifier: Apache-2.0 */
/* health_outlier - one backend against the others of its VIP. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "peer/health_internal.h"

#define LOAD_IDLE 50 /* of 1000 on average: shares by load go back to what was wished */
#define SLOW_SIGNS 3 /* rises of the round-trip time within the window */

static int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool takes(const struct backend *b)
{
	return b->wish.weight && !b->wish.down && b->applied;
}

/* By its weight and share: who gets more connections has more of everything. */
static double rate(const struct backend *b, enum roll_kind kind, uint64_t now_ns, uint64_t window_ns)
{
	return (double)roll_sum(&b->rolls[kind], now_ns, window_ns) /
	       ((double)b->wish.weight * b->applied / HEALTH_WHOLE);
}

/*
 * The lower median of the others that take connections, so that two of four that are dead do not hide behind each other; -1: there are
 * none to compare with.
 */
static double others_median(const struct health *h, const struct backend *b, enum roll_kind kind, uint64_t now_ns)
{
	CLEANUP_FREE double *rates = calloc(h->n, sizeof(*rates));
	size_t i, n = 0;

	for (i = 0; rates && i < h->n; i++) {
		if (&h->rows[i] != b && takes(&h->rows[i]))
			rates[n++] = rate(&h->rows[i], kind, now_ns, h->rules.window_ns);
	}
	if (!n)
		return -1;
	qsort(rates, n, sizeof(*rates), double_compare);
	return rates[(n - 1) / 2];
}

enum signkind outlier_kind(const struct health *h, const struct backend *b, uint64_t now_ns, char why[HEALTH_WHY])
{
	const struct {
		enum roll_kind roll;
		enum signkind sign;
		uint32_t least;
		const char *words;
	} kinds[] = {
		{ ROLL_AGAIN, SIGNKIND_SYN_AGAIN, h->rules.again, "SYNs came again" },
		{ ROLL_RESETS, SIGNKIND_RESETS, h->rules.resets, "RSTs were sent by its host" },
		{ ROLL_OVERFLOW, SIGNKIND_OVERFLOW, h->rules.overflow, "connections were dropped by its full queue" },
		{ ROLL_RTT, SIGNKIND_SLOW, SLOW_SIGNS, "times its round-trip time was told to rise" },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds) && takes(b); i++) {
		uint64_t sum = roll_sum(&b->rolls[kinds[i].roll], now_ns, h->rules.window_ns);
		double mine, others;

		if (sum < kinds[i].least)
			continue;
		mine = rate(b, kinds[i].roll, now_ns, h->rules.window_ns);
		others = others_median(h, b, kinds[i].roll, now_ns);
		if (others < 0 || mine <= HEALTH_OUTLIER * others)
			continue;
		(void)snprintf(why, HEALTH_WHY,
			       "%" PRIu64 " %s within %" PRIu64
			       " s; by weight that is more than %d times the median of the VIP's others",
			       sum, kinds[i].words, h->rules.window_ns / 1000000000U, HEALTH_OUTLIER);
		return kinds[i].sign;
	}
	return SIGNKIND_NONE;
}

uint32_t load_share(const struct health *h, const struct backend *b)
{
	uint32_t step = h->rules.load_step * (HEALTH_WHOLE / 100), least = h->rules.load_min * (HEALTH_WHOLE / 100),
		 most = h->rules.load_max * (HEALTH_WHOLE / 100);
	uint64_t sum = 0, known = 0, want;
	size_t i;

	for (i = 0; i < h->n; i++) {
		if (takes(&h->rows[i]) && h->rows[i].load_known) {
			sum += h->rows[i].load;
			known++;
		}
	}
	if (known < 2 || !b->load_known)
		return b->share;
	/* more than the mean: less; the load that it has is that of the share that it has */
	want = (uint64_t)b->share * (sum / known) / MAX(b->load, (uint64_t)1);
	/* near enough is left alone, so that nothing goes to and fro */
	if (sum / known < LOAD_IDLE)
		want = HEALTH_WHOLE; /* none is busy: as a person wished */
	else if (want + step / 2 >= b->share && want <= (uint64_t)b->share + step / 2)
		return b->share;
	if (want > b->share)
		want = MIN(want, (uint64_t)b->share + step);
	else
		want = MAX(want, (uint64_t)(b->share > step ? b->share - step : 0));
	want = MIN(want, (uint64_t)most);
	return (uint32_t)MAX((uint64_t)least, want);
}
