/* SPDX-License-Identifier: Apache-2.0 */
/* One request, two, and the map, of requests that were made up: what was put in comes out, and no answer is without a bound. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/scratch_spans.h"

#define EVENTS 2600
#define WIDE 2500     /* spans of the wide one */
#define LINES 2500    /* lines of the one that writes */
#define SERVICES 700  /* that somebody asks */
#define MANY_CALLS 60 /* services that all ask one another */

/* --- one and two --- */

/*
 * Four requests to web ask the database for 10, 20, 30 and 90 ms; one to shop asks nobody.  The last but one of web waits there for a lock.
 */
static void some(struct scratch_spans *x)
{
	static const uint64_t db_ms[] = { 10, 20, 90, 30 };
	unsigned int i;

	scratch_spans_open(x, EVENTS);
	for (i = 0; i < 4; i++) {
		uint32_t root = (uint32_t)x->make.s.count;
		uint64_t db = db_ms[i] * 1000000;
		struct span *row = scratch_span(x, SPAN_NONE, "web", i * 200, db + 2000000);

		row->trace[0] = 0xabc0 + i;
		row->time_ns[TIME_RUNNING] = 2000000;
		row->time_ns[TIME_CHILD] = db;
		row = scratch_span(x, root, "db", i * 200 + 1, db);
		row->trace[0] = 0xabc0 + i;
		row->time_ns[TIME_RUNNING] = i == 2 ? 0 : db;
		row->time_ns[TIME_LOCK] = i == 2 ? db : 0;
	}
	scratch_span(x, SPAN_NONE, "shop", 1000, 1000)->trace[0] = 0xabd0;
	(void)scratch_spans_done(x);
}

static void test_trace(void **state)
{
	static const struct {
		const char *query, *trace, *error;
		unsigned int status;
		int64_t ns;
	} cases[] = {
		{ "", "abc2", NULL, 200, 92000000 },
		{ "id=", "abc2", NULL, 200, 92000000 },
		{ "id=000000000000abc1", "abc1", NULL, 200, 22000000 },
		{ "id=000000000000ABC1", "abc1", NULL, 200, 22000000 },
		{ "id=000000000000abd", "abd0", NULL, 200, 1000 },
		{ "id=000000000000abc", NULL, "several traces begin with", 404, 0 },
		{ "id=000000000000dead", NULL, "no trace begins with", 404, 0 },
		{ "id=<script>", NULL, "is no id of a trace", 400, 0 },
		{ "id=%01%ff", NULL, "is no id of a trace", 400, 0 },
		{ "id=000000000000000000000000000000000000", NULL, "is no id of a trace", 400, 0 },
	};
	struct scratch_spans x;
	size_t i;

	(void)state;
	some(&x);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned int status;
		json_t *json = scratch_json(&x, "/api/trace", cases[i].query, &status);
		const char *error = json_string_value(json_object_get(json, "error")),
			   *trace = json_string_value(json_object_get(json, "trace"));

		assert_int_equal(status, cases[i].status);
		assert_true(!cases[i].error || (error && strstr(error, cases[i].error)));
		if (cases[i].trace) {
			assert_non_null(trace);
			assert_memory_equal(trace + 12, cases[i].trace, 4);
			assert_int_equal(scratch_number(json, "duration_ns"), cases[i].ns);
		}
		json_decref(json);
	}
	scratch_spans_close(&x);
}

/* Where the spans stand in the diagram, what is on the path, and why. */
static void test_spans(void **state)
{
	unsigned int status;
	struct scratch_spans x;
	json_t *json, *web, *db;

	(void)state;
	some(&x);
	json = scratch_json(&x, "/api/trace", "", &status);
	web = json_array_get(json_object_get(json, "spans"), 0);
	db = json_array_get(json_object_get(json, "spans"), 1);
	assert_int_equal(scratch_number(web, "t"), 400 * SCRATCH_STEP);
	assert_string_equal(json_string_value(json_array_get(json_object_get(web, "refs"), 0)), "0:401");
	assert_string_equal(json_string_value(json_object_get(db, "service")), "db");
	assert_true(json_is_true(json_object_get(web, "on_path")) && json_is_true(json_object_get(db, "on_path")));
	assert_non_null(strstr(json_string_value(json_object_get(db, "reason")), "lock 90"));
	assert_string_equal(json_string_value(json_object_get(json_object_get(json, "classes"), "lock")),
			    "waiting for a lock");
	json_decref(json);
	scratch_spans_close(&x);
}

static void test_compare(void **state)
{
	static const struct {
		const char *query, *other, *error;
		unsigned int status;
		int64_t one_ns, other_ns, lock_ns, running_ns; /* of the database: in the one less in the other */
	} cases[] = {
		/* of 12, 22 and 32 ms the median */
		{ "", "abc1", NULL, 200, 92000000, 22000000, 90000000, -20000000 },
		{ "with=normal", "abc1", NULL, 200, 92000000, 22000000, 90000000, -20000000 },
		{ "id=000000000000abc0&with=000000000000abc3", "abc3", NULL, 200, 12000000, 32000000, 0, -20000000 },
		{ "id=000000000000abc0&with=000000000000abc0", "abc0", NULL, 200, 12000000, 12000000, 0, 0 },
		{ "id=000000000000abd", NULL, "no other request like it", 404, 0, 0, 0, 0 },
		{ "with=dead", NULL, "no trace begins with", 404, 0, 0, 0, 0 },
		{ "with=(", NULL, "is no id of a trace", 400, 0, 0, 0, 0 },
	};
	struct scratch_spans x;
	size_t i, k;

	(void)state;
	some(&x);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned int status;
		json_t *json = scratch_json(&x, "/api/compare", cases[i].query, &status), *d;
		const char *error = json_string_value(json_object_get(json, "error"));
		int64_t lock = 0, running = 0;

		assert_int_equal(status, cases[i].status);
		assert_true(!cases[i].error || (error && strstr(error, cases[i].error)));
		if (cases[i].other)
			assert_memory_equal(json_string_value(json_object_get(json, "other")) + 12, cases[i].other, 4);
		assert_int_equal(scratch_number(json, "one_ns"), cases[i].one_ns);
		assert_int_equal(scratch_number(json, "other_ns"), cases[i].other_ns);
		json_array_foreach(json_object_get(json, "differences"), k, d)
		{
			int64_t more = scratch_number(d, "one_ns") - scratch_number(d, "other_ns");

			if (strcmp(json_string_value(json_object_get(d, "service")), "db") != 0)
				continue;
			*(strcmp(json_string_value(json_object_get(d, "time")), "lock") ? &running : &lock) += more;
		}
		assert_int_equal(lock, cases[i].lock_ns);
		assert_int_equal(running, cases[i].running_ns);
		json_decref(json);
	}
	scratch_spans_close(&x);
}

/* --- bounds --- */

/* Very many spans below one, of which only the last is waited for; very many lines. */
static void test_bounds(void **state)
{
	unsigned int status, i;
	struct scratch_spans x;
	struct requests *r;
	json_t *json, *spans;
	uint32_t root;

	(void)state;
	scratch_spans_open(&x, EVENTS);
	scratch_span(&x, SPAN_NONE, "wide", 0, WIDE * SCRATCH_STEP + 10);
	for (i = 0; i < WIDE; i++)
		scratch_span(&x, 0, "leaf", 0, 100 + (i == 77 ? WIDE * SCRATCH_STEP - 200 : 0));
	root = (uint32_t)x.make.s.count;
	scratch_span(&x, SPAN_NONE, "writer", 1, 1000)->trace[0] = 0xee;
	(void)scratch_spans_done(&x);
	r = x.m->requests;
	r->log_refs = calloc(LINES + 1, sizeof(*r->log_refs));
	r->log_first = calloc(r->spans.count + 1, sizeof(*r->log_first));
	assert_true(r->log_refs && r->log_first);
	for (i = 0; i < LINES; i++)
		r->log_refs[i] = (struct order_ref) { 0, i + 1 };
	assert_int_equal(root, r->spans.count - 1);
	r->log_first[root + 1] = LINES;
	json = scratch_json(&x, "/api/trace", "", &status);
	spans = json_object_get(json, "spans");
	assert_int_equal(status, 200);
	assert_true(json_array_size(spans) >= 2 && json_array_size(spans) <= 2000);
	assert_int_equal(json_array_size(spans) + scratch_number(json, "spans_left_out"), WIDE + 1);
	json_decref(json);
	json = scratch_json(&x, "/api/trace", "id=00000000000000ee", &status);
	assert_int_equal(status, 200);
	spans = json_object_get(json_array_get(json_object_get(json, "spans"), 0), "logs");
	assert_int_equal(json_array_size(spans), 2000);
	assert_string_equal(json_string_value(json_object_get(json_array_get(spans, 1999), "text")), "line 1999 <i>");
	assert_int_equal(scratch_number(json, "lines_left_out"), LINES - 2000);
	json_decref(json);
	scratch_spans_close(&x);
}

/* --- the map --- */

static json_t *map_of(struct scratch_spans *x)
{
	unsigned int status;
	json_t *json;

	(void)scratch_spans_done(x);
	json = scratch_json(x, "/api/map", "", &status);
	assert_int_equal(status, 200);
	assert_non_null(json);
	return json;
}

static const json_t *edge_of(const json_t *map, const char *from, const char *to)
{
	const json_t *edge;
	size_t i;

	json_array_foreach(json_object_get(map, "edges"), i,
			   edge) if (!strcmp(json_string_value(json_object_get(edge, "from")), from) &&
				     !strcmp(json_string_value(json_object_get(edge, "to")), to)) return edge;
	return NULL;
}

/* A caller of many services: those beyond a number are left out, and said to be. */
static void test_map_services(void **state)
{
	struct scratch_spans x;
	unsigned int i;
	char name[32];
	json_t *json;

	(void)state;
	scratch_spans_open(&x, EVENTS);
	for (i = 0; i < SERVICES; i++) {
		uint32_t root = (uint32_t)x.make.s.count;

		(void)snprintf(name, sizeof(name), "s%u", i);
		scratch_span(&x, SPAN_NONE, "caller", i, 5000)->kind = SPAN_CLIENT;
		x.make.s.rows[root].peer = scratch_span_text(&x, name);
		scratch_span(&x, root, name, i, 4000)->flags = i == 3 ? SPAN_FAILED : 0;
	}
	json = map_of(&x);
	assert_int_equal(json_array_size(json_object_get(json, "services")), 500);
	assert_int_equal(scratch_number(json_object_get(json, "left_out"), "services"), SERVICES + 1 - 500);
	assert_int_equal(json_array_size(json_object_get(json, "edges")) +
				 scratch_number(json_object_get(json, "left_out"), "calls"),
			 SERVICES);
	assert_int_equal(scratch_number(edge_of(json, "caller", "s3"), "requests"), 1);
	json_decref(json);
	scratch_spans_close(&x);
}

/* All ask all: more calls than are told. */
static void test_map_calls(void **state)
{
	struct scratch_spans x;
	unsigned int i, k, n = 0;
	char name[32];
	json_t *json;

	(void)state;
	scratch_spans_open(&x, EVENTS);
	for (i = 0; i < MANY_CALLS; i++) {
		for (k = 0; k < MANY_CALLS; k++) {
			uint32_t root = (uint32_t)x.make.s.count;

			if (i == k)
				continue;
			(void)snprintf(name, sizeof(name), "s%u", i);
			scratch_span(&x, SPAN_NONE, name, n++ % EVENTS, 5000)->kind = SPAN_CLIENT;
			(void)snprintf(name, sizeof(name), "s%u", k);
			scratch_span(&x, root, name, n % EVENTS, 4000);
		}
	}
	json = map_of(&x);
	assert_int_equal(json_array_size(json_object_get(json, "services")), MANY_CALLS);
	assert_int_equal(json_array_size(json_object_get(json, "edges")), 2000);
	assert_int_equal(scratch_number(json_object_get(json, "left_out"), "calls"), n - 2000);
	json_decref(json);
	scratch_spans_close(&x);
}

static void test_empty(void **state)
{
	struct scratch_spans x;
	unsigned int status;
	json_t *json;

	(void)state;
	scratch_spans_open(&x, 0);
	json = scratch_json(&x, "/api/trace", "", &status);
	assert_int_equal(status, 404);
	assert_string_equal(json_string_value(json_object_get(json, "error")), "there is no request in it");
	json_decref(json);
	json = scratch_json(&x, "/api/compare", "id=12&with=normal", &status);
	assert_int_equal(status, 404);
	json_decref(json);
	json = scratch_json(&x, "/api/map", "", &status);
	assert_true(status == 200 && !json_array_size(json_object_get(json, "services")));
	json_decref(json);
	scratch_spans_close(&x);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trace),  cmocka_unit_test(test_spans),	    cmocka_unit_test(test_compare),
		cmocka_unit_test(test_bounds), cmocka_unit_test(test_map_services), cmocka_unit_test(test_map_calls),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
