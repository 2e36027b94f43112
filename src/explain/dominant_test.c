/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test against counting pairs and against random relabelling; shares against sums over the same requests; what is planted
 * is found, and what is noise is not.
 */
#include "explain/dominant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "explain/spans_make.h"

#define US 1000ULL

static uint64_t seed = 3;

static uint64_t below(uint64_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

/* --- the test --- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* How often a value of a is the greater one, ties half. */
static double pairs(const uint64_t *a, size_t na, const uint64_t *b, size_t nb)
{
	double u = 0;
	size_t i, j;

	for (i = 0; i < na; i++)
		for (j = 0; j < nb; j++)
			u += a[i] > b[j] ? 1 : a[i] == b[j] ? 0.5 : 0;
	return u;
}

/* The share of random relabellings that are at least as far from the middle. */
static double relabelled(uint64_t *all, size_t na, size_t nb, double u)
{
	double middle = (double)na * (double)nb / 2;
	unsigned int i, as_far = 0;
	size_t k;

	for (i = 0; i < 4000; i++) {
		for (k = na + nb - 1; k > 0; k--) {
			size_t other = below(k + 1);
			uint64_t v = all[k];

			all[k] = all[other];
			all[other] = v;
		}
		as_far += fabs(pairs(all, na, all + na, nb) - middle) >= fabs(u - middle) - 1e-9;
	}
	return as_far / 4000.0;
}

static void test_whitney(void **state)
{
	unsigned int trial, small = 0;

	(void)state;
	for (trial = 0; trial < 60; trial++) {
		uint64_t all[60];
		size_t na = 10 + below(20), nb = 10 + below(20), i;
		uint64_t range = trial % 3 ? 1000 : 4, more = below(range);
		double delta, p, u, exact;

		for (i = 0; i < na + nb; i++)
			all[i] = trial % 2 && below(2) ? 0 : below(range) + (i < na ? more / 2 : 0);
		qsort(all, na, sizeof(all[0]), by_value);
		qsort(all + na, nb, sizeof(all[0]), by_value);
		u = pairs(all, na, all + na, nb);
		p = dominant_whitney(all, na, all + na, nb, &delta);
		assert_true(fabs(delta - (2 * u / ((double)na * (double)nb) - 1)) < 1e-9);
		exact = relabelled(all, na, nb, u);
		assert_true(fabs(p - exact) <
			    (exact < 0.1 ? 0.02 : 0.07)); /* few different values have few possible sums */
		small += p < 0.01;
	}
	assert_true(small > 5);
}

/* Sums of products of fractions, which need no logarithms. */
static double choose(unsigned int n, unsigned int k)
{
	double v = 1;
	unsigned int i;

	for (i = 1; i <= k; i++)
		v *= (double)(n - k + i) / i;
	return k <= n ? v : 0;
}

static void test_fisher(void **state)
{
	unsigned int na, nb, x, y, i;

	(void)state;
	for (na = 1; na < 9; na++)
		for (nb = 1; nb < 30; nb += 7)
			for (x = 0; x <= na; x++)
				for (y = 0; y <= nb; y++) {
					double down = 0, up = 0, p, all = choose(na + nb, x + y);

					for (i = 0; i <= na && i <= x + y; i++) {
						p = choose(na, i) * choose(nb, x + y - i) / all;
						down += i <= x ? p : 0;
						up += i >= x ? p : 0;
					}
					p = fmin(1, 2 * fmin(down, up));
					assert_true(fabs(dominant_fisher(x, na, y, nb) - p) < 1e-9);
				}
	/* one of ten and none of 1500: 10 / 1510, doubled */
	assert_true(fabs(dominant_fisher(1, 10, 0, 1500) - 20.0 / 1510) < 1e-9);
}

static void test_whitney_same(void **state)
{
	const uint64_t same[4] = { 7, 7, 7, 7 };
	double delta;

	(void)state;
	assert_true(dominant_whitney(same, 4, same, 3, &delta) >= 1);
	assert_true(fabs(delta) < 1e-9);
	assert_true(dominant_whitney(same, 1, same, 1, &delta) >= 1);
}

/* --- requests --- */

static void add(struct spans_make *m, uint32_t parent, const char *service, const char *operation, uint64_t begin,
		uint64_t ns, enum span_time kind)
{
	struct span *row = spans_make_row(m);

	assert_non_null(row);
	row->parent = parent;
	row->kind = SPAN_INTERNAL;
	row->id = m->s.count;
	row->service = spans_make_text(m, service, strlen(service));
	row->operation = spans_make_text(m, operation, strlen(operation));
	row->begin_ns = begin;
	row->end_ns = begin + ns;
	row->time_ns[kind] = ns;
}

/*
 * Each runs for about 200 us and asks the database, which runs for about 300 us; `locked` per mille of them wait there
 * 50 ms for a lock; one in `rare` has a part of a nanosecond in each of `noise` services.
 */
static struct spans requests(unsigned int n, unsigned int locked, unsigned int noise, unsigned int rare)
{
	struct spans_make m = { 0 };
	struct spans s;
	unsigned int i, k;

	for (i = 0; i < n; i++) {
		uint64_t begin = 1000000000ULL * i, run = 100 * US + below(200 * US), db = 200 * US + below(200 * US);
		uint64_t lock = below(1000) < locked ? 45000 * US + below(10000 * US) : 0;
		uint32_t root = (uint32_t)m.s.count;

		add(&m, SPAN_NONE, "web", "GET", begin, run + db + lock, TIME_CHILD);
		m.s.rows[root].time_ns[TIME_CHILD] = db + lock;
		m.s.rows[root].time_ns[TIME_RUNNING] = run;
		add(&m, root, "db", "UPDATE", begin + run / 2, db + lock, TIME_RUNNING);
		m.s.rows[root + 1].time_ns[TIME_RUNNING] = db;
		m.s.rows[root + 1].time_ns[TIME_LOCK] = lock;
		m.s.rows[root + 1].blame = spans_make_text(&m, "db[7] let go", 99);
		for (k = 0; k < noise; k++) {
			char name[8] = { 'n', (char)('a' + k), 0 };

			if (!below(rare))
				add(&m, root, name, "x", begin + 2 + 4 * k, 1, TIME_DISK);
		}
	}
	assert_int_equal(spans_make_link(&m, &s), 0);
	return s;
}

static void test_planted(void **state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct spans s = requests(3000, 12, 0, 1);
	struct dominant d;
	uint32_t row;

	(void)state;
	assert_int_equal(dominant_of(&s, NULL, 0, &d, NULL), 0);
	assert_int_equal(d.requests, 3000);
	assert_true(d.enough && d.slow == 30 && d.slow_percent == 1);
	assert_true(d.neffects >= 1);
	assert_string_equal(spans_text(&s, d.effects[0].service), "db");
	assert_int_equal(d.effects[0].kind, TIME_LOCK);
	assert_int_equal(d.effects[0].slow, 30);
	assert_int_equal(d.effects[0].normal, 0);
	assert_true(d.effects[0].slow_ns > 48e6 && d.effects[0].slow_ns < 56e6);
	assert_true(d.effects[0].share > 0.98 && d.effects[0].share < 1.02);
	assert_true(d.effects[0].delta > 0.99);
	assert_int_equal(d.median_shares[0].kind, TIME_RUNNING);
	assert_string_equal(spans_text(&s, d.median_shares[0].service), "db");
	assert_int_equal(d.tail_shares[0].kind, TIME_LOCK);
	assert_true(d.tail_shares[0].share > 0.97);
	d.effects[0].kind = TIME_UNKNOWN;
	assert_false(dominant_sentence(&b, &s, &d, &row));
	d.effects[0].kind = TIME_LOCK;
	assert_true(dominant_sentence(&b, &s, &d, &row));
	assert_int_equal(s.rows[row].time_ns[TIME_LOCK] > 45000 * US, 1);
	assert_non_null(strstr(b.data, "the slowest 1 % of 3,000 requests take 5"));
	assert_non_null(strstr(b.data, "because of db UPDATE: waiting for a lock (5"));
	assert_non_null(strstr(b.data, "; in the slowest of them db[7] let go"));
	buf_reset(&b);
	dominant_text(&b, &s, &d);
	assert_non_null(strstr(b.data, "db UPDATE: waiting for a lock (in 30 of 30 slow, 0 of 1500 normal)"));
	dominant_fini(&d);
	spans_fini(&s);
}

/* Durations are running times here, so those rightly distinguish; the parts of a nanosecond must not. */
static void test_noise(void **state)
{
	unsigned int trial, found = 0, tested = 0;
	size_t i;

	(void)state;
	for (trial = 0; trial < 25; trial++) {
		struct spans s = requests(1000, 0, 8, trial % 2 ? 2 : 150);
		struct dominant d;

		assert_int_equal(dominant_of(&s, NULL, 0, &d, NULL), 0);
		assert_true(d.tested > 2 && d.tested <= 10);
		tested += d.tested - 2;
		for (i = 0; i < d.neffects; i++)
			found += d.effects[i].kind == TIME_DISK;
		dominant_fini(&d);
		spans_fini(&s);
	}
	assert_true(found <= 1 && tested > 150);
}

/* The sums of all parts of a set are its requests' durations. */
static void test_shares(void **state)
{
	struct spans s = requests(777, 30, 3, 2);
	struct dominant d;
	double sum = 0;
	uint64_t ns = 0;
	size_t i;

	(void)state;
	assert_int_equal(dominant_of(&s, NULL, 0, &d, NULL), 0);
	for (i = 0; i < d.nmedian; i++) {
		sum += d.median_shares[i].share;
		assert_true(!i || d.median_shares[i].ns <= d.median_shares[i - 1].ns);
		ns += d.median_shares[i].ns;
	}
	assert_true(fabs(sum - 1) < 1e-6);
	assert_int_equal(d.median, 428 - 350 + 1); /* of 777: the 350th to the 428th */
	assert_true((double)ns / d.median > 0.98 * (double)d.p50_ns && (double)ns / d.median < 1.02 * (double)d.p50_ns);
	for (i = 0, sum = 0; i < d.ntail; i++)
		sum += d.tail_shares[i].share;
	assert_true(fabs(sum - 1) < 1e-6);
	assert_int_equal(d.tail, 777 - 770 + 1);
	dominant_fini(&d);
	spans_fini(&s);
}

static void test_few(void **state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	const uint32_t some[] = { 1, 4, 5 };
	struct spans s = requests(99, 100, 0, 1), none = { 0 };
	struct dominant d;
	uint32_t row;

	(void)state;
	s.rows[s.traces[5].root].flags |= SPAN_UNANSWERED;
	assert_int_equal(dominant_of(&s, NULL, 0, &d, NULL), 0);
	assert_int_equal(d.requests, 98);
	assert_int_equal(d.left_out, 1);
	assert_false(d.enough);
	assert_int_equal(d.neffects, 0);
	assert_false(dominant_sentence(&b, &s, &d, &row));
	dominant_text(&b, &s, &d);
	assert_non_null(strstr(b.data, "too few requests"));
	dominant_fini(&d);
	assert_int_equal(dominant_of(&s, some, 3, &d, NULL), 0);
	assert_int_equal(d.requests, 2);
	dominant_fini(&d);
	assert_int_equal(dominant_of(&none, NULL, 0, &d, NULL), 0);
	assert_int_equal(d.requests, 0);
	dominant_fini(&d);
	spans_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whitney), cmocka_unit_test(test_fisher), cmocka_unit_test(test_whitney_same),
		cmocka_unit_test(test_planted), cmocka_unit_test(test_noise),  cmocka_unit_test(test_shares),
		cmocka_unit_test(test_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
