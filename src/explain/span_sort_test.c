/* SPDX-License-Identifier: Apache-2.0 */
/* Orders of a list against picking the least again and again; which keys there are. */
#include "explain/span_sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "explain/spans_make.h"

#define SPANS 120

static uint64_t seed = 5;

static uint64_t below(uint64_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

/* Few different values: many are equal. */
static struct spans made(void)
{
	struct spans_make m = { 0 };
	struct spans s;
	unsigned int i, k;

	for (i = 0; i < SPANS; i++) {
		struct span *row = spans_make_row(&m);
		char name[8];

		assert_non_null(row);
		(void)snprintf(name, sizeof(name), "s%u", (unsigned int)below(5));
		row->service = spans_make_text(&m, name, strlen(name));
		row->status = (int32_t)below(5) - 2;
		row->begin_ns = 1000 + below(40);
		row->end_ns = row->begin_ns + below(6);
		for (k = 0; k < TIME_KINDS; k++)
			row->time_ns[k] = below(3) ? below(4) : UINT64_MAX - below(2);
	}
	assert_int_equal(spans_make_link(&m, &s), 0);
	return s;
}

/* Whether a comes after b; only one of the members is looked at. */
static bool after(const struct spans *s, const char *key, uint32_t a, uint32_t b)
{
	const struct span *x = &s->rows[a], *y = &s->rows[b];
	unsigned int k;

	if (!strcmp(key, "service"))
		return strcmp(spans_text(s, x->service), spans_text(s, y->service)) > 0;
	if (!strcmp(key, "status"))
		return x->status > y->status;
	if (!strcmp(key, "duration"))
		return x->end_ns - x->begin_ns > y->end_ns - y->begin_ns;
	for (k = 0; k < TIME_KINDS; k++)
		if (!strcmp(key, span_time_key((enum span_time)k)))
			return x->time_ns[k] > y->time_ns[k];
	return x->begin_ns > y->begin_ns;
}

static void check(const struct spans *s, const char *key)
{
	bool down = *key == '-';
	uint32_t rows[SPANS], left[SPANS], n = SPANS, i, k;

	for (i = 0; i < SPANS; i++)
		rows[i] = left[i] = i;
	for (i = SPANS; i > 1; i--) { /* in which order they are given does not matter */
		uint32_t other = (uint32_t)below(i), row = rows[i - 1];

		rows[i - 1] = rows[other];
		rows[other] = row;
	}
	span_sort(s, key, rows, SPANS);
	for (i = 0; i < SPANS; i++) { /* the first of the least, or of the greatest */
		uint32_t best = 0;

		for (k = 1; k < n; k++)
			if (down ? after(s, key + 1, left[k], left[best]) : after(s, key, left[best], left[k]))
				best = k;
		assert_int_equal(rows[i], left[best]);
		memmove(left + best, left + best + 1, (--n - best) * sizeof(*left));
	}
}

static void test_orders(void **state)
{
	static const char *const keys[] = { "time",   "-time",	 "duration", "-duration",
					    "status", "-status", "service",  "-service" };
	struct spans s = made();
	unsigned int i;
	char key[32];

	(void)state;
	for (i = 0; i < ARRAY_LEN(keys); i++)
		check(&s, keys[i]);
	for (i = 0; i < 2 * TIME_KINDS; i++) {
		(void)snprintf(key, sizeof(key), "%s%s", i % 2 ? "-" : "", span_time_key((enum span_time)(i / 2)));
		check(&s, key);
	}
	span_sort(&s, "time", NULL, 0);
	spans_fini(&s);
}

static void test_keys(void **state)
{
	static const struct {
		const char *key;
		bool is;
	} cases[] = {
		{ "time", true },    { "-time", true },	     { "duration", true }, { "status", true },
		{ "service", true }, { "lock", true },	     { "-disk", true },	   { "cpu_wait", true },
		{ "", false },	     { "-", false },	     { "--time", false },  { "Time", false },
		{ "time ", false },  { "operation", false }, { "tim", false },	   { "timex", false },
		{ "+time", false },  { "\xff", false },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(span_sort_key(cases[i].key), cases[i].is);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_orders), cmocka_unit_test(test_keys) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
