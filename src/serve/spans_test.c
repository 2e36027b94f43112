/* SPDX-License-Identifier: Apache-2.0 */
/* The list, the heat map and groups of requests that were made up, against loops over what was put in. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/scratch_spans.h"

#define REQUESTS 2300 /* more than are ever listed */
#define OCTAVE 4
#define EVIL "<b>\x01\xff\"\\\xed\xa0\x80"

/* What was put in. */
static struct asked {
	int64_t t;
	uint64_t ns;
	int32_t status;
	bool failed, db; /* db: it asks it */
} put_in[REQUESTS];
static struct scratch_spans world;

static int setup(void **state)
{
	unsigned int i;

	(void)state;
	scratch_spans_open(&world, REQUESTS);
	for (i = 0; i < REQUESTS; i++) {
		struct asked *a = &put_in[i];
		uint32_t root = (uint32_t)world.make.s.count;
		struct span *row;

		*a = (struct asked) { (int64_t)(SCRATCH_STEP * i), 1000ULL * (1 + i * 7919 % 10007), i % 9 ? 200 : 500,
				      i % 9 == 0, i % 4 == 1 };
		row = scratch_span(&world, SPAN_NONE, EVIL, i, a->ns);
		row->status = a->status;
		row->flags = a->failed ? SPAN_FAILED : 0;
		row->operation = scratch_span_text(&world, "GET");
		row->resource = scratch_span_text(&world, "/" EVIL);
		if (a->db)
			scratch_span(&world, root, "db", i, a->ns / 2);
	}
	(void)scratch_spans_done(&world);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_spans_close(&world);
	return 0;
}

/* --- which --- */

static bool any(const struct asked *a)
{
	return a->t >= 0;
}

static bool late(const struct asked *a)
{
	return a->t >= 1000000000;
}

static bool early(const struct asked *a)
{
	return a->t < 1000000000;
}

static bool region(const struct asked *a)
{
	return a->t >= 5000000 && a->t < 700000000 && a->ns >= 2000000 && a->ns < 9000000;
}

static bool asks_db(const struct asked *a)
{
	return a->db;
}

static bool slow_failed(const struct asked *a)
{
	return a->failed && a->ns > 5000000;
}

static bool none(const struct asked *a)
{
	return a->t < 0;
}

/* Of the answer: how many, and that each of those listed is one that is wanted, with the right members. */
static void check_list(const json_t *json, bool (*wanted)(const struct asked *a), size_t limit)
{
	const json_t *list = json_object_get(json, "requests"), *row;
	size_t i, n = 0;

	for (i = 0; i < REQUESTS; i++)
		n += wanted(&put_in[i]);
	assert_int_equal(scratch_number(json, "total"), REQUESTS);
	assert_int_equal(scratch_number(json, "matched"), n);
	assert_int_equal(json_array_size(list), n < limit ? n : limit);
	assert_int_equal(scratch_number(json, "left_out"), n - json_array_size(list));
	json_array_foreach(list, i, row)
	{
		int64_t t = scratch_number(row, "t"), at = t / (int64_t)SCRATCH_STEP;
		char ref[32];

		assert_true(at >= 0 && at < REQUESTS && put_in[at].t == t && wanted(&put_in[at]));
		assert_int_equal(scratch_number(row, "duration"), put_in[at].ns);
		assert_int_equal(scratch_number(row, "status"), put_in[at].status);
		assert_int_equal(json_is_true(json_object_get(row, "failed")), put_in[at].failed);
		(void)snprintf(ref, sizeof(ref), "0:%u", (unsigned int)at + 1);
		assert_string_equal(json_string_value(json_array_get(json_object_get(row, "refs"), 0)), ref);
	}
}

static void test_list(void **state)
{
	static const struct {
		const char *query;
		bool (*wanted)(const struct asked *a);
		size_t limit;
	} cases[] = {
		{ "", any, 200 },
		{ "limit=0", any, 1 },
		{ "limit=-7e300", any, 1 },
		{ "limit=1", any, 1 },
		{ "limit=2000", any, 2000 },
		{ "limit=1e300", any, 2000 },
		{ "limit=2000&from=1e9", late, 2000 },
		{ "limit=2000&to=1e9", early, 2000 },
		{ "limit=2000&from=5e6&to=7e8&min=2e6&max=9e6", region, 2000 },
		{ "limit=2000&from=-1e308&to=1e308&min=-1&max=1e308", any, 2000 },
		{ "limit=2000&from=9&to=8", none, 2000 },
		{ "limit=2000&service=db", asks_db, 2000 },
		{ "limit=2000&service=", any, 2000 },
		{ "limit=2000&service=nobody", none, 2000 },
		{ "limit=2000&q=failed+and+duration>5ms", slow_failed, 2000 },
		{ "limit=2000&q=status=500+and+duration>5ms&sort=-duration", slow_failed, 2000 },
		{ "q=", any, 200 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned int status;
		json_t *json = scratch_json(&world, "/api/requests", cases[i].query, &status);

		assert_int_equal(status, 200);
		assert_non_null(json);
		check_list(json, cases[i].wanted, cases[i].limit);
		json_decref(json);
	}
}

/* The order of a list, and that no name is markup or breaks the JSON. */
static void test_order(void **state)
{
	static const struct {
		const char *query, *member;
		int sign;
	} cases[] = {
		{ "limit=2000", "t", 1 },
		{ "limit=2000&sort=-time", "t", -1 },
		{ "limit=2000&sort=duration", "duration", 1 },
		{ "limit=2000&sort=-duration", "duration", -1 },
		{ "limit=2000&sort=-running", "duration", -1 },
		{ "limit=2000&sort=status", "status", 1 },
	};
	size_t i, k;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned int status;
		json_t *json = scratch_json(&world, "/api/requests", cases[i].query, &status);
		const json_t *list = json_object_get(json, "requests");

		for (k = 1; k < json_array_size(list); k++) {
			const json_t *a = json_array_get(list, k - 1), *b = json_array_get(list, k);
			int64_t more = scratch_number(b, cases[i].member) - scratch_number(a, cases[i].member);

			assert_true(more * cases[i].sign >= 0);
			if (!more)
				assert_true(scratch_number(a, "t") < scratch_number(b, "t"));
		}
		assert_int_equal(k, 2000);
		json_decref(json);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *path, *query, *says;
	} cases[] = {
		{ "/api/requests", "sort=", NULL },
		{ "/api/requests", "sort=bogus", "'sort' is" },
		{ "/api/requests", "sort=--time", "'sort' is" },
		{ "/api/requests", "sort=-", "'sort' is" },
		{ "/api/requests", "limit=many", "'limit' a number" },
		{ "/api/requests", "limit=nan", "'limit' a number" },
		{ "/api/requests", "from=inf", "numbers of nanoseconds" },
		{ "/api/requests", "to=1x", "numbers of nanoseconds" },
		{ "/api/requests", "min=", "numbers of nanoseconds" },
		{ "/api/requests", "max=1e999", "numbers of nanoseconds" },
		{ "/api/requests", "q=(", "" },
		{ "/api/requests", "q=bogus%3D1", "bogus" },
		{ "/api/requests", "q=%01%ff", "" },
		{ "/api/heat", "columns=x", "'columns'" },
		{ "/api/heat", "q=duration>>1", "" },
		{ "/api/heat", "columns=inf", "'columns'" },
		{ "/api/groups", "one=1,2,3", "FROM,TO,MIN,MAX" },
		{ "/api/groups", "one=1,2,3,4,5", "FROM,TO,MIN,MAX" },
		{ "/api/groups", "one=,,,", "FROM,TO,MIN,MAX" },
		{ "/api/groups", "one=1,2,3,nan", "FROM,TO,MIN,MAX" },
		{ "/api/groups", "one=1,2,3,4x", "FROM,TO,MIN,MAX" },
		{ "/api/groups", "other=1,2,3,4", "'one', which is missing" },
		{ "/api/groups", "one=1,2,3,4&other=5", "FROM,TO,MIN,MAX" },
		{ "/api/groups", "one=1,2,3,4&q=(", "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned int status;
		json_t *json = scratch_json(&world, cases[i].path, cases[i].query, &status);
		const char *said = json_string_value(json_object_get(json, "error"));

		assert_int_equal(status, cases[i].says ? 400 : 200);
		assert_true(!cases[i].says || (said && strstr(said, cases[i].says)));
		json_decref(json);
	}
}

/* --- how many took how long when --- */

/* The row: the last whose least duration, a power of two, is not more. */
static unsigned int row_of(uint64_t ns)
{
	unsigned int r = 0;

	while (exp2((r + 1) / (double)OCTAVE) <= (double)ns)
		r++;
	return r;
}

static void check_heat(const char *query, bool (*wanted)(const struct asked *a), unsigned int columns)
{
	unsigned int status, c, k, failed, count;
	json_t *json = scratch_json(&world, "/api/heat", query, &status), *cells = json_object_get(json, "cells"),
	       *cell;
	int64_t from = scratch_number(json, "from"), width = scratch_number(json, "width");
	size_t i, sum = 0;

	assert_int_equal(status, 200);
	assert_int_equal(scratch_number(json, "columns"), columns);
	assert_int_equal(scratch_number(json, "octave"), OCTAVE);
	assert_true(width > 0);
	json_array_foreach(cells, i, cell)
	{
		c = (unsigned int)json_integer_value(json_array_get(cell, 0));
		assert_true(c < columns);
		for (k = count = failed = 0; k < REQUESTS; k++) {
			const struct asked *a = &put_in[k];

			if (!wanted(a) || a->t < from + c * width || a->t >= from + (c + 1) * width ||
			    row_of(a->ns) != json_integer_value(json_array_get(cell, 1)))
				continue;
			count++;
			failed += a->failed;
		}
		assert_true(count > 0);
		assert_int_equal(json_integer_value(json_array_get(cell, 2)), count);
		assert_int_equal(json_integer_value(json_array_get(cell, 3)), failed);
		sum += count;
	}
	assert_int_equal(scratch_number(json, "matched"), sum);
	assert_int_equal(scratch_number(json, "total"), REQUESTS);
	json_decref(json);
}

static void test_heat(void **state)
{
	(void)state;
	check_heat("", any, 120);
	check_heat("columns=0", any, 1);
	check_heat("columns=-1e300", any, 1);
	check_heat("columns=7", any, 7);
	check_heat("columns=1e300", any, 500);
	check_heat("service=db&columns=50", asks_db, 50);
	check_heat("q=failed+and+duration>5ms", slow_failed, 120);
	check_heat("from=9&to=8", none, 120);
}

/* --- groups --- */

static double mean_of(bool (*wanted)(const struct asked *a), bool (*but)(const struct asked *a), unsigned int *ret_n)
{
	double sum = 0;
	size_t i;

	for (i = *ret_n = 0; i < REQUESTS; i++) {
		if (!wanted(&put_in[i]) || but(&put_in[i]))
			continue;
		sum += (double)put_in[i].ns;
		++*ret_n;
	}
	return sum / *ret_n;
}

static void check_group(const json_t *json, const char *name, bool (*wanted)(const struct asked *a),
			bool (*but)(const struct asked *a))
{
	unsigned int n;
	double mean = mean_of(wanted, but, &n), ns = 0;
	const json_t *group = json_object_get(json, name), *service;
	size_t i;

	assert_int_equal(scratch_number(group, "requests"), n);
	assert_true(fabs((double)scratch_number(group, "mean_ns") - mean) <= 1);
	json_array_foreach(json_object_get(group, "services"), i, service) ns += (double)scratch_number(service, "ns");
	assert_true(fabs(ns - mean) <= 3); /* where the time went is all of it */
}

static void test_groups(void **state)
{
	static const struct {
		const char *query;
		bool (*one)(const struct asked *a), (*other)(const struct asked *a), (*but)(const struct asked *a);
	} cases[] = {
		{ "one=5e6,7e8,2e6,9e6", region, any, region },
		{ "one=5e6,7e8,2e6,9e6&other=1e9,1e10,0,1e10", region, late, none },
		{ "one=5e6,7e8,2e6,9e6&other=0,1e9,0,1e10", region, early, region }, /* some are in both */
		{ "one=1e9,1e10,0,1e10&other=", late, any, late },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned int status;
		json_t *json = scratch_json(&world, "/api/groups", cases[i].query, &status);

		assert_int_equal(status, 200);
		assert_non_null(json);
		check_group(json, "one", cases[i].one, none);
		check_group(json, "other", cases[i].other, cases[i].but);
		json_decref(json);
	}
}

/* Without regions: the slowest 1 %, by the durations that were put in. */
static void test_slowest(void **state)
{
	unsigned int status;
	json_t *json = scratch_json(&world, "/api/groups", "", &status), *one = json_object_get(json, "one");
	size_t i, slower = 0;

	(void)state;
	assert_int_equal(status, 200);
	assert_int_equal(scratch_number(json, "percent"), 1);
	assert_int_equal(scratch_number(one, "requests"), REQUESTS / 100);
	for (i = 0; i < REQUESTS; i++)
		slower += put_in[i].ns >= (uint64_t)scratch_number(one, "min_ns");
	assert_int_equal(slower, REQUESTS / 100);
	json_decref(json);
}

/* --- nothing --- */

static void test_empty(void **state)
{
	struct scratch_spans empty;
	unsigned int status;
	json_t *json;

	(void)state;
	scratch_spans_open(&empty, 0);
	json = scratch_json(&empty, "/api/requests", "sort=-lock&q=failed", &status);
	assert_true(status == 200 && !json_array_size(json_object_get(json, "requests")));
	assert_true(!scratch_number(json, "total") && !scratch_number(json, "spans"));
	json_decref(json);
	json = scratch_json(&empty, "/api/heat", "", &status);
	assert_true(status == 200 && !json_array_size(json_object_get(json, "cells")) &&
		    scratch_number(json, "width") == 1);
	json_decref(json);
	json = scratch_json(&empty, "/api/groups", "one=0,1,0,1", &status);
	assert_true(status == 200 && json_is_null(json_object_get(json_object_get(json, "one"), "typical")));
	json_decref(json);
	json = scratch_json(&empty, "/api/groups", "", &status);
	assert_int_equal(status, 200);
	assert_non_null(strstr(json_string_value(json_object_get(json, "sentence")), "too few requests"));
	json_decref(json);
	scratch_spans_close(&empty);
}

/* A span that ends before it begins, one without an event, one of 36 years: each has its place, none breaks anything. */
static void test_odd(void **state)
{
	struct scratch_spans odd;
	unsigned int status;
	struct span *row;
	json_t *json, *list;

	(void)state;
	scratch_spans_open(&odd, 3);
	row = scratch_span(&odd, SPAN_NONE, "a", 0, 0);
	row->end_ns = row->begin_ns - 1;
	row = scratch_span(&odd, SPAN_NONE, "b", 1, 5);
	row->begin = row->end = (struct order_ref) { 7, 1ULL << 60 };
	row = scratch_span(&odd, SPAN_NONE, "c", 2, 0);
	row->end_ns = 1ULL << 60;
	(void)scratch_spans_done(&odd);
	json = scratch_json(&odd, "/api/requests", "", &status);
	list = json_object_get(json, "requests");
	assert_true(status == 200 && json_array_size(list) == 3);
	assert_int_equal(scratch_number(json_array_get(list, 0), "duration"), 0);
	assert_true(json_is_null(json_object_get(json_array_get(list, 1), "lane")));
	assert_int_equal(scratch_number(json_array_get(list, 1), "t"), SCRATCH_STEP);
	json_decref(json);
	json = scratch_json(&odd, "/api/heat", "", &status);
	assert_int_equal(json_array_size(json_object_get(json, "cells")), 3);
	json_decref(json);
	json = scratch_json(&odd, "/api/groups", "one=0,1,0,1", &status);
	assert_int_equal(status, 200);
	json_decref(json);
	scratch_spans_close(&odd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),  cmocka_unit_test(test_order),  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_heat),  cmocka_unit_test(test_groups), cmocka_unit_test(test_slowest),
		cmocka_unit_test(test_empty), cmocka_unit_test(test_odd),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
