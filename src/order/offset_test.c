/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks that are made up, messages between them with random delays, and whether what is derived from the messages is true
 * of the clocks, at every moment and both ways round.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "order/internal.h"

#define MS 1000000LL
#define SECOND 1000000000LL
#define SPAN (20 * SECOND)
#define DELAY_MIN 100000LL /* so narrow can the interval get: twice as much */
#define START 5000000000000ULL
#define NOT_SAME_START (-123456789012LL)

/* Clock of b minus clock of a, since the start, at a moment of a since the start */
static int64_t steady(int64_t t)
{
	return t / 25000;
}

static int64_t corrected_from_the_middle(int64_t t)
{
	return t < SPAN / 2 ? 0 : (t - SPAN / 2) / 10000;
}

/* Both clocks corrected as fast as NTP may, now this way, now that */
static int64_t to_and_fro(int64_t t)
{
	int64_t phase = t % (4 * SECOND);

	return (phase < 2 * SECOND ? phase : 4 * SECOND - phase) / 1001;
}

/* chrony's fastest: the tick is changed; 80 ms in a second */
static int64_t ticking_faster(int64_t t)
{
	int64_t since = t - SPAN / 2;

	return since < 0 ? 0 : since > SECOND ? SECOND * 8 / 100 : since * 8 / 100;
}

struct clocks {
	const char *name;
	int64_t (*apart)(int64_t t);
	int64_t pause, width; /* between messages, and what the interval must be at its narrowest */
	int64_t from, to;     /* where no truth is promised */
};

static const struct clocks all_clocks[] = {
	{ "steady", steady, 10 * MS, 230000, 0, 0 },
	{ "steady, a message every two seconds", steady, 2 * SECOND, 3 * MS, 0, 0 },
	{ "corrected from the middle", corrected_from_the_middle, 10 * MS, 230000, 0, 0 },
	{ "corrected from the middle, few messages", corrected_from_the_middle, 500 * MS, 2 * MS, 0, 0 },
	{ "to and fro", to_and_fro, 10 * MS, 230000, 0, 0 },
	{ "the tick changed", ticking_faster, 10 * MS, 230000, SPAN / 2 - 100 * MS, SPAN / 2 + SECOND + 300 * MS },
};

static uint64_t clock_b(const struct clocks *c, int64_t t)
{
	return START + (uint64_t)(t + NOT_SAME_START + c->apart(t));
}

static int64_t delay(void)
{
	int64_t d = DELAY_MIN + (int64_t)(random() % 50000);

	return random() % 4 ? d + (int64_t)(random() % (3 * MS)) : d;
}

/* Messages now from a, now from b, with delays that are seldom short */
static void talk(struct order *o, const struct clocks *c)
{
	int64_t t, d;

	for (t = 0; t < SPAN; t += c->pause / 2 + (int64_t)(random() % c->pause)) {
		d = delay();
		if (random() % 2)
			order_offset_point(o, 0, 1, START + (uint64_t)t, clock_b(c, t + d));
		else
			order_offset_point(o, 1, 0, clock_b(c, t), START + (uint64_t)(t + d));
	}
	order_offset_solve(o);
}

static bool within(const struct order_offset *v, int64_t truth)
{
	return v->low_ns <= truth && truth <= v->high_ns;
}

static int false_statements(const struct order *o, const struct clocks *c)
{
	struct order_offset v;
	int wrong = 0;
	int64_t t;

	for (t = -SECOND; t < SPAN + SECOND; t += 7 * MS) {
		int64_t apart = NOT_SAME_START + c->apart(t);

		if (t >= c->from && t < c->to)
			continue;
		assert_true(order_host_offset(o, 0, 1, START + (uint64_t)t, &v) <= 0);
		wrong += !within(&v, apart);
		assert_true(order_host_offset(o, 1, 0, clock_b(c, t), &v) <= 0);
		wrong += !within(&v, -apart);
	}
	return wrong;
}

static void test_intervals_are_true(void **state)
{
	struct order_offset v;
	uint64_t at = 0;
	size_t i;

	(void)state;
	srandom(7);
	for (i = 0; i < ARRAY_LEN(all_clocks); i++) {
		const struct clocks *c = &all_clocks[i];
		struct order o = { 0 };

		talk(&o, c);
		assert_int_equal(order_host_offset_best(&o, 0, 1, &at, &v), 0);
		print_message("%s: %d false, %lld ns wide\n", c->name, false_statements(&o, c),
			      (long long)(v.high_ns - v.low_ns));
		assert_int_equal(false_statements(&o, c), 0);
		assert_true(v.high_ns - v.low_ns < c->width);
		assert_true(within(&v, NOT_SAME_START + c->apart((int64_t)(at - START))));
		assert_int_equal(order_host_offset_best(&o, 1, 0, &at, &v), 0);
		assert_true(v.high_ns - v.low_ns < c->width + 1000);
		order_offset_fini(&o);
	}
}

/* Between bounds that contradict each other a change of the tick is allowed for, and nothing said if that is not enough. */
static void test_contradiction(void **state)
{
	struct order_offset v;
	struct order o = { 0 };

	(void)state;
	order_offset_point(&o, 0, 1, START, START + 100);		/* d <= 100 */
	order_offset_point(&o, 1, 0, START + 2020000, START + 2000000); /* d >= 20 us, 2 ms later */
	order_offset_solve(&o);
	assert_int_equal(order_host_offset(&o, 0, 1, START + 1000000, &v), 0);
	assert_int_equal(v.low_ns, 20000 - 250000);
	assert_int_equal(v.high_ns, 100 + 250000);
	order_offset_point(&o, 1, 0, START + 9000000, START + 1500000); /* d >= 7.5 ms, 1.5 ms later */
	order_offset_solve(&o);
	assert_int_equal(order_host_offset(&o, 0, 1, START + 1000000, &v), -ENODATA);
	assert_true(v.low_ns == INT64_MIN && v.high_ns == INT64_MAX);
	order_offset_fini(&o);
}

static void test_one_direction(void **state)
{
	struct order_offset v;
	struct order o = { 0 };
	uint64_t at = 0;

	(void)state;
	assert_int_equal(order_host_offset_best(&o, 0, 1, &at, &v), -ENODATA);
	order_offset_point(&o, 0, 1, START, START + 100);
	order_offset_solve(&o);
	assert_int_equal(order_host_offset_best(&o, 0, 1, &at, &v), -ENODATA);
	assert_true(at == START && v.low_ns == INT64_MIN && v.high_ns == 100);
	assert_int_equal(order_host_offset(&o, 1, 0, START, &v), -ENODATA);
	assert_true(v.high_ns == INT64_MAX && v.low_ns >= -102 && v.low_ns <= -100);
	order_offset_fini(&o);
}

/* Of a million bounds those that count are few */
static void test_many(void **state)
{
	struct order_offset v;
	struct order o = { 0 };
	uint64_t i;

	(void)state;
	for (i = 0; i < 1000000; i++) {
		order_offset_point(&o, 0, 1, START + i * 1000, START + i * 1000 + 1000 + i % 997);
		order_offset_point(&o, 1, 0, START + i * 1000, START + i * 1000 + 1000 + i % 991);
	}
	order_offset_solve(&o);
	assert_int_equal(order_host_offset(&o, 0, 1, START + 500000000, &v), 0);
	assert_true(v.low_ns >= -1500 && v.low_ns <= -1000 && v.high_ns >= 1000 && v.high_ns <= 1500);
	assert_int_equal(v.messages_ab, 1000000);
	order_offset_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intervals_are_true),
		cmocka_unit_test(test_contradiction),
		cmocka_unit_test(test_one_direction),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
