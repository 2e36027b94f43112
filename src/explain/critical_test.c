/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The critical path against the cases and golden answers of CRISP (https://github.com/uber-research/CRISP), all that are
 * in $SAKER_TEST_DATA/crisp: what they state is looked up in what was found, and nothing else may be there.
 */
#include "explain/critical.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "explain/jaeger.h"

#define NS_PER_US 1000
#define ON_PATH "errorCriticalPathSyntheticRoot->"
#define BESIDE "fullErrorsNonCPSyntheticRoot->"

static const char *data_dir(void)
{
	const char *dir = getenv("SAKER_TEST_DATA");

	return dir ? dir : SAKER_ROOT "/../shared/data";
}

static json_t *load(const char *path)
{
	json_error_t e;
	json_t *j = json_load_file(path, 0, &e);

	if (!j)
		fail_msg("%s: line %d: %s", path, e.line, e.text);
	return j;
}

static struct spans read_spans(const json_t *j)
{
	char *text = json_dumps(j, 0);
	struct err err = ERR_INIT;
	struct jaeger_stats stats;
	struct spans s;

	assert_non_null(text);
	if (jaeger_read(text, strlen(text), &s, &stats, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(stats.left_out, 0);
	free(text);
	return s;
}

static uint32_t root_of(const struct spans *s)
{
	size_t i;

	for (i = 0; i < s->ntraces; i++)
		if (!strcmp(spans_text(s, s->rows[s->traces[i].root].service), "S1") &&
		    !strcmp(spans_text(s, s->rows[s->traces[i].root].operation), "O1"))
			return s->traces[i].root;
	fail_msg("there is no root [S1] O1");
	return 0;
}

/* --- sums: JSON objects {key: us or [counts]} --- */

static void add(json_t *o, const char *key, uint64_t ns)
{
	json_int_t had = json_integer_value(json_object_get(o, key));

	assert_int_equal(ns % NS_PER_US, 0);
	if (ns)
		json_object_set_new(o, key, json_integer(had + (json_int_t)(ns / NS_PER_US)));
}

static void add_counts(json_t *o, const char *key, uint32_t self, uint32_t propagated, uint32_t stopped)
{
	if (self | propagated | stopped)
		json_object_set_new(o, key, json_pack("[iii]", self, propagated, stopped));
}

enum by { BY_OPERATION, BY_CALLS };
typedef uint64_t value_fn(const struct critical_call *call);

static void key_of(struct buf *b, const struct spans *s, const struct critical *c, uint32_t call, enum by by)
{
	buf_reset(b);
	if (by == BY_CALLS)
		critical_call_text(b, s, c, call);
	else
		buf_printf(b, "[%s] %s", spans_text(s, c->calls[call].service),
			   spans_text(s, c->calls[call].operation));
}

static json_t *sums(const struct spans *s, const struct critical *c, enum by by, value_fn *value)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	json_t *o = json_object();
	uint32_t i;

	for (i = 0; i < c->ncalls; i++) {
		key_of(&b, s, c, i, by);
		add(o, b.data, value(&c->calls[i]));
	}
	return o;
}

static uint64_t exclusive(const struct critical_call *call)
{
	return call->exclusive_ns;
}

static uint64_t without(const struct critical_call *call)
{
	return call->without_ns;
}

static uint64_t failed(const struct critical_call *call)
{
	return call->failed_ns;
}

static uint64_t failed_all(const struct critical_call *call)
{
	return call->failed_all_ns;
}

/* The maps with the two artificial roots, or without them. */
static json_t *error_times(const struct spans *s, const struct critical *c, bool roots)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	json_t *o = json_object();
	uint32_t i;

	for (i = 0; i < c->ncalls; i++) {
		buf_reset(&b);
		buf_str(&b, roots ? ON_PATH : "");
		critical_call_text(&b, s, c, i);
		add(o, b.data, c->calls[i].failed_ns);
		buf_reset(&b);
		buf_str(&b, roots ? BESIDE : "");
		critical_call_text(&b, s, c, i);
		add(o, b.data, c->calls[i].beside_failed_ns);
	}
	return o;
}

static json_t *error_counts(const struct spans *s, const struct critical *c, bool roots)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	json_t *o = json_object();
	uint32_t i;

	for (i = 0; i < c->ncalls; i++) {
		const struct critical_call *k = &c->calls[i];

		buf_reset(&b);
		buf_str(&b, roots ? ON_PATH : "");
		critical_call_text(&b, s, c, i);
		add_counts(o, b.data, k->self, k->propagated, k->stopped);
		buf_reset(&b);
		buf_str(&b, roots ? BESIDE : "");
		critical_call_text(&b, s, c, i);
		add_counts(o, b.data, k->beside_self, k->beside_propagated, k->beside_stopped);
	}
	return o;
}

/* Takes both.  A time of 0 is as good as none; case 11 writes some of its keys with "[[". */
static void same(const char *path, const char *what, const json_t *expected, json_t *found)
{
	json_t *wanted = json_object();
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)expected, key, v)
	{
		char *clean = strdup(key), *twice = strstr(clean, "[[");

		if (twice)
			memmove(twice, twice + 1, strlen(twice));
		if (!json_is_integer(v) || json_integer_value(v))
			json_object_set(wanted, clean, v);
		free(clean);
	}
	if (!json_equal(wanted, found))
		fail_msg("%s: %s: expected %s, found %s", path, what, json_dumps(wanted, JSON_SORT_KEYS),
			 json_dumps(found, JSON_SORT_KEYS));
	json_decref(wanted);
	json_decref(found);
}

static void check_number(const char *path, const json_t *testing, const char *key, uint64_t ns)
{
	const json_t *v = json_object_get(testing, key);

	if (v && (uint64_t)json_integer_value(v) * NS_PER_US != ns)
		fail_msg("%s: %s: expected %" JSON_INTEGER_FORMAT " us, found %" PRIu64 " ns", path, key,
			 json_integer_value(v), ns);
}

static void check_testing(const char *path, const json_t *j, const struct spans *s, const struct critical *c)
{
	const json_t *testing = json_object_get(j, "testing"), *v;

	if (json_is_array(testing)) {
		same(path, "exclusive", json_array_get(testing, 0), sums(s, c, BY_OPERATION, exclusive));
		return;
	}
	check_number(path, testing, "totalWork", c->work_ns);
	check_number(path, testing, "timeSavedOnWork", c->saved_work_ns);
	check_number(path, testing, "timeSavedOnCP", c->saved_path_ns);
	if ((v = json_object_get(testing, "opTimeExclusive")))
		same(path, "opTimeExclusive", v, sums(s, c, BY_OPERATION, exclusive));
	if ((v = json_object_get(testing, "noErrCP")))
		same(path, "noErrCP", v, sums(s, c, BY_OPERATION, without));
	if ((v = json_object_get(testing, "errOpTimeInclusive")))
		same(path, "errOpTimeInclusive", v, sums(s, c, BY_OPERATION, failed_all));
	if ((v = json_object_get(testing, "errOpTimeExclusive")))
		same(path, "errOpTimeExclusive", v, sums(s, c, BY_OPERATION, failed));
	if ((v = json_object_get(testing, "errCPCallpathTimeExclusive")))
		same(path, "errCPCallpathTimeExclusive", v, error_times(s, c, true));
	if ((v = json_object_get(testing, "errCallpathTimeExclusive")))
		same(path, "errCallpathTimeExclusive", v, error_times(s, c, false));
	if ((v = json_object_get(testing, "errCPErrCounts")))
		same(path, "errCPErrCounts", v, error_counts(s, c, true));
	if ((v = json_object_get(testing, "errCounts")))
		same(path, "errCounts", v, error_counts(s, c, false));
}

/* --- golden segments --- */

static uint64_t ns_of(const json_t *v)
{
	assert_true(json_is_integer(v));
	return (uint64_t)json_integer_value(v) * NS_PER_US;
}

static void check_span(const json_t *want, const struct spans *s, const struct critical *c, size_t i)
{
	const struct critical_span *got = &c->path[i];
	const char *parent = json_string_value(json_object_get(want, "parentSpanID"));
	const json_t *segments = json_object_get(want, "segments");
	const struct span *row = &s->rows[got->row];
	size_t k;

	assert_int_equal(row->id, jaeger_id(json_string_value(json_object_get(want, "spanID"))));
	assert_string_equal(spans_text(s, row->service), json_string_value(json_object_get(want, "service")));
	assert_string_equal(spans_text(s, row->operation), json_string_value(json_object_get(want, "operation")));
	if (parent)
		assert_int_equal(s->rows[got->parent].id, jaeger_id(parent));
	else
		assert_int_equal(got->parent, SPAN_NONE);
	assert_int_equal(got->begin_ns, ns_of(json_object_get(want, "startTime")));
	assert_int_equal(got->end_ns, ns_of(json_object_get(want, "endTime")));
	assert_int_equal(got->exclusive_ns, ns_of(json_object_get(want, "exclusive")));
	assert_int_equal(got->segments, json_array_size(segments));
	for (k = 0; k < got->segments; k++) {
		const struct critical_segment *g = &c->segments[got->segment + k];
		const json_t *pair = json_array_get(segments, k);

		assert_int_equal(g->row, got->row);
		assert_int_equal(g->from_ns, ns_of(json_array_get(pair, 0)));
		assert_int_equal(g->to_ns, ns_of(json_array_get(pair, 1)));
	}
}

static void check_segments(const char *path, const struct spans *s, const struct critical *c)
{
	json_t *j = load(path);
	const json_t *spans = json_object_get(j, "spans");
	size_t i;

	assert_int_equal(c->npath, json_array_size(spans));
	for (i = 0; i < c->npath; i++)
		check_span(json_array_get(spans, i), s, c, i);
	json_decref(j);
}

/* Durations by call path, as seconds; a span without length is one microsecond there. */
static void check_conformance(const char *path, const struct spans *s, const struct critical *c)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	json_t *found = sums(s, c, BY_CALLS, exclusive), *j = load(path);
	const json_t *list = json_object_get(j, "report_window_1");
	size_t i, k;

	for (i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i), *calls = json_object_get(entry, "call_path");
		const char *duration = json_string_value(json_object_get(json_object_get(entry, "base"), "duration"));
		double us = strtod(duration, NULL) * 1e6;

		buf_reset(&b);
		for (k = 0; k < json_array_size(calls); k++)
			buf_printf(&b, "%s[%s] %s", k ? "->" : "",
				   json_string_value(json_object_get(json_array_get(calls, k), "service")),
				   json_string_value(json_object_get(json_array_get(calls, k), "operation_name")));
		if (us > 1.5 || json_object_get(found, b.data))
			assert_int_equal(json_integer_value(json_object_get(found, b.data)), (json_int_t)(us + 0.5));
		json_object_del(found, b.data);
	}
	assert_int_equal(json_object_size(found), 0);
	json_decref(found);
	json_decref(j);
}

static bool golden(char *path, size_t size, const char *case_path, const char *name)
{
	const char *base = strrchr(case_path, '/') + 1, *dir = strstr(case_path, "err_pattern");
	char number[128];
	FILE *f;

	if (dir)
		(void)snprintf(number, sizeof(number), "%.*s_%s", (int)(base - 1 - dir), dir, base);
	else
		(void)snprintf(number, sizeof(number), "%s", base);
	number[strlen(number) - strlen(".json")] = 0;
	(void)snprintf(path, size, "%s/crisp/golden/%s/%s", data_dir(), number, name);
	f = fopen(path, "r");
	if (f)
		(void)fclose(f);
	return f;
}

static unsigned int check_case(const char *path)
{
	struct err err = ERR_INIT;
	json_t *j = load(path);
	struct spans s = read_spans(j);
	unsigned int answers = json_object_get(j, "testing") ? 1 : 0;
	struct critical c;
	char answer[4096];

	print_message("# %s\n", path);
	if (critical_find(&s, root_of(&s), &c, &err) < 0)
		fail_msg("%s: %s", path, err.text);
	check_testing(path, j, &s, &c);
	if (golden(answer, sizeof(answer), path, "cp-segments.json")) {
		check_segments(answer, &s, &c);
		answers++;
	}
	if (golden(answer, sizeof(answer), path, "conformance.json")) {
		check_conformance(answer, &s, &c);
		answers++;
	}
	critical_fini(&c);
	spans_fini(&s);
	json_decref(j);
	return answers;
}

static void test_crisp(void **state)
{
	CLEANUP_FREE char *cases = NULL, *patterns = NULL;
	unsigned int answers = 0;
	glob_t g = { 0 };
	size_t i;

	(void)state;
	assert_true(asprintf(&cases, "%s/crisp/test_cases/*.json", data_dir()) > 0);
	assert_true(asprintf(&patterns, "%s/crisp/test_cases/err_pattern*/*.json", data_dir()) > 0);
	(void)glob(cases, 0, NULL, &g);
	(void)glob(patterns, GLOB_APPEND, NULL, &g);
	if (!g.gl_pathc) {
		print_message("the cases of CRISP are missing: set SAKER_TEST_DATA\n");
		skip();
	}
	for (i = 0; i < g.gl_pathc; i++)
		answers += check_case(g.gl_pathv[i]);
	globfree(&g);
	assert_true(answers >= 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_crisp) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
