/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles of random values against those of the sorted values. */
#include "base/hist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define VALUES 20000

static uint64_t seed = 7;

static uint64_t bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Of any magnitude, around one, and few different ones. */
static uint64_t value(unsigned int kind)
{
	if (kind == 0)
		return bits() >> bits() % 64;
	return kind == 1 ? 1000000 + bits() % 300000 : bits() % 5 * 77;
}

static void check(const struct hist *h, const uint64_t *sorted, size_t n)
{
	static const double qs[] = { 0, 0.01, 0.5, 0.9, 0.99, 0.999, 1 };
	size_t i;

	for (i = 0; i < ARRAY_LEN(qs); i++) {
		double rank = ceil(qs[i] * (double)n);
		uint64_t exact = sorted[rank < 1 ? 0 : (size_t)rank - 1], got = hist_quantile(h, qs[i]);

		assert_true(got >= exact);
		assert_true(got - exact <= exact / HIST_STEPS);
	}
	assert_int_equal(h->min, sorted[0]);
	assert_int_equal(hist_quantile(h, 1), sorted[n - 1]);
	assert_int_equal(h->total, n);
}

static void test_quantiles(void **state)
{
	static uint64_t values[VALUES];
	unsigned int kind;
	size_t i;

	(void)state;
	for (kind = 0; kind < 3; kind++) {
		struct hist h = HIST_INIT, even = HIST_INIT, odd = HIST_INIT;

		for (i = 0; i < VALUES; i++) {
			values[i] = value(kind);
			assert_int_equal(hist_add(&h, values[i], 1), 0);
			assert_int_equal(hist_add(i % 2 ? &odd : &even, values[i], 1), 0);
		}
		qsort(values, VALUES, sizeof(values[0]), by_value);
		check(&h, values, VALUES);
		assert_int_equal(hist_merge(&even, &odd), 0);
		check(&even, values, VALUES);
		hist_fini(&h);
		hist_fini(&even);
		hist_fini(&odd);
	}
}

/* Buckets follow one another without a hole, and what is counted in one lies in it. */
static void test_buckets(void **state)
{
	struct hist h = HIST_INIT;
	uint64_t v, from, to, count, next = 0;
	uint32_t at = 0;
	size_t i;

	(void)state;
	for (v = 0; v < 100000; v++)
		assert_int_equal(hist_add(&h, v, 2), 0);
	while (hist_each(&h, &at, &from, &to, &count)) {
		assert_int_equal(from, next);
		assert_true(to - from <= from / HIST_STEPS);
		next = to + 1;
		if (next <= 100000)
			assert_int_equal(count, 2 * (to - from + 1));
	}
	assert_true(next >= 100000);
	hist_fini(&h);
	for (i = 0; i < 64; i++) {
		uint64_t ends[2] = { 1ULL << i, (1ULL << i) - 1 + (1ULL << i) };
		unsigned int k;

		for (k = 0; k < 2; k++) {
			at = 0;
			assert_int_equal(hist_add(&h, ends[k], 1), 0);
			assert_int_equal(hist_each(&h, &at, &from, &to, &count), 1);
			assert_true(from <= ends[k] && ends[k] <= to);
			assert_true(to - from <= from / HIST_STEPS);
			hist_fini(&h);
		}
	}
}

static void test_none(void **state)
{
	struct hist h = HIST_INIT, other = HIST_INIT;

	(void)state;
	assert_int_equal(hist_quantile(&h, 0.5), 0);
	assert_int_equal(hist_add(&h, 5, 0), 0);
	assert_int_equal(hist_merge(&h, &other), 0);
	assert_int_equal(h.total, 0);
	hist_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_quantiles), cmocka_unit_test(test_buckets),
					    cmocka_unit_test(test_none) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
