/* SPDX-License-Identifier: Apache-2.0 */
/* A small trace by hand: which one is picked, what is said of it, and how two differ. */
#include "explain/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "explain/parts.h"
#include "explain/pick.h"
#include "explain/spans_make.h"

#define MS 1000000ULL

static uint32_t text_of(struct spans_make *m, const char *text)
{
	return spans_make_text(m, text, strlen(text));
}

static struct span *add(struct spans_make *m, uint32_t parent, const char *service, const char *operation,
			uint64_t begin_ms, uint64_t end_ms)
{
	struct span *row = spans_make_row(m);

	assert_non_null(row);
	row->parent = parent;
	row->kind = SPAN_INTERNAL;
	row->evidence = parent == SPAN_NONE ? EVIDENCE_ROOT : EVIDENCE_HANDOFF;
	row->confidence = 90;
	row->id = m->s.count;
	row->service = text_of(m, service);
	row->operation = text_of(m, operation);
	row->begin_ns = begin_ms * MS;
	row->end_ns = end_ms * MS;
	return row;
}

/* A request that waits for a lock in the database while a log line is sent off, and a faster one that did not. */
static struct spans two_requests(void)
{
	struct spans_make m = { 0 };
	struct spans s;
	struct span *row;

	row = add(&m, SPAN_NONE, "web", "GET /buy", 100, 200);
	row->trace[0] = 0xabc0000000000000;
	row->time_ns[TIME_RUNNING] = 20 * MS;
	row->time_ns[TIME_CHILD] = 80 * MS;
	row = add(&m, 0, "db", "UPDATE", 110, 190);
	row->trace[0] = 0xabc0000000000000;
	row->time_ns[TIME_LOCK] = 60 * MS;
	row->time_ns[TIME_RUNNING] = 20 * MS;
	row->blame = text_of(&m, "db[7], thread 9, let go");
	row = add(&m, 0, "log\033[31m", "put", 120, 150);
	row->trace[0] = 0xabc0000000000000;
	row->flags = SPAN_FAILED;
	row->status = 503;
	row->error = text_of(&m, "full");
	row->time_ns[TIME_UNKNOWN] = 30 * MS;
	row = add(&m, SPAN_NONE, "web", "GET /buy", 300, 340);
	row->trace[0] = 0xabd0000000000000;
	row->time_ns[TIME_RUNNING] = 20 * MS;
	row->time_ns[TIME_CHILD] = 20 * MS;
	row = add(&m, 3, "db", "UPDATE", 310, 330);
	row->trace[0] = 0xabd0000000000000;
	row->time_ns[TIME_RUNNING] = 20 * MS;
	row = add(&m, SPAN_NONE, "web", "GET /", 400, 430);
	row->trace[1] = 0xf00dULL << 48;
	assert_int_equal(spans_make_link(&m, &s), 0);
	return s;
}

static void test_pick(void **state)
{
	static const struct {
		const char *id;
		int r;
		uint32_t trace;
	} cases[] = {
		{ "abc", 0, 0 },
		{ "ABD0", 0, 1 },
		{ "abc00000-0000", 0, 0 },
		{ "ab", -EEXIST, 0 },
		{ "f00d", 0, 2 },
		{ "0", 0, 2 },
		{ "1", -ENOENT, 0 },
		{ "", -EINVAL, 0 },
		{ "-", -EINVAL, 0 },
		{ "xyz", -EINVAL, 0 },
		{ "0000000000000000f00d0000000000000", -EINVAL, 0 },
	};
	struct spans s = two_requests(), none = { 0 };
	struct err err = ERR_INIT;
	uint32_t trace = 77;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(pick_trace(&s, cases[i].id, &trace, &err), cases[i].r);
		assert_true(cases[i].r < 0 ? err.text[0] != 0 : trace == cases[i].trace);
	}
	assert_int_equal(pick_slowest(&s, &trace, &err), 0);
	assert_int_equal(trace, 0);
	assert_int_equal(pick_normal(&s, 0, &trace, &err), 0);
	assert_int_equal(trace, 1);
	assert_int_equal(pick_normal(&s, 2, &trace, &err), -ENOENT);
	assert_int_equal(pick_slowest(&none, &trace, &err), -ENOENT);
	spans_fini(&s);
}

/* The normal one is in the middle of those that ask the same, this one aside. */
static void test_normal(void **state)
{
	static const uint64_t ms[] = { 90, 10, 50, 20, 40, 30 };
	struct spans_make m = { 0 };
	struct spans s;
	uint32_t trace, i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(ms); i++)
		(void)add(&m, SPAN_NONE, "web", "GET", 100ULL * i, 100ULL * i + ms[i]);
	(void)add(&m, SPAN_NONE, "web", "PUT", 900, 935);
	assert_int_equal(spans_make_link(&m, &s), 0);
	assert_int_equal(pick_normal(&s, 0, &trace, NULL), 0);
	assert_int_equal(pick_duration(&s, trace), 30 * MS);
	spans_fini(&s);
}

static const struct part *part_of(const struct spans *s, const struct part *parts, size_t n, const char *service,
				  enum span_time kind)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(spans_text(s, parts[i].service), service) && parts[i].kind == kind)
			return &parts[i];
	return NULL;
}

static void test_parts(void **state)
{
	struct spans s = two_requests();
	struct critical c;
	struct part *parts;
	size_t n;

	(void)state;
	assert_int_equal(critical_find(&s, s.traces[0].root, &c, NULL), 0);
	assert_int_equal(parts_of(&s, &c, &parts, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(part_of(&s, parts, n, "web", TIME_RUNNING)->ns, 20 * MS);
	assert_int_equal(part_of(&s, parts, n, "db", TIME_LOCK)->ns, 60 * MS);
	assert_int_equal(part_of(&s, parts, n, "db", TIME_RUNNING)->ns, 20 * MS);
	free(parts);
	critical_fini(&c);
	spans_fini(&s);
}

/* Whatever the kinds of time are, nothing is lost and nothing made up. */
static void test_parts_add_up(void **state)
{
	uint64_t seed = 5;
	unsigned int trial, k;

	(void)state;
	for (trial = 0; trial < 500; trial++) {
		struct spans_make m = { 0 };
		struct span *row = add(&m, SPAN_NONE, "a", "b", 0, 1);
		struct critical c;
		struct spans s;
		struct part *parts;
		uint64_t sum = 0;
		size_t n, i;

		for (k = 0; k < TIME_KINDS; k++) {
			seed = seed * 6364136223846793005ULL + 1;
			row->time_ns[k] = seed >> 62 ? (seed >> 20) >> (seed >> 58) : 0;
		}
		row->end_ns = 1 + (seed >> 40);
		assert_int_equal(spans_make_link(&m, &s), 0);
		assert_int_equal(critical_find(&s, 0, &c, NULL), 0);
		assert_int_equal(parts_of(&s, &c, &parts, &n), 0);
		for (i = 0; i < n; i++) {
			assert_true(parts[i].kind != TIME_CHILD);
			sum += parts[i].ns;
		}
		assert_int_equal(sum, s.rows[0].end_ns);
		free(parts);
		critical_fini(&c);
		spans_fini(&s);
	}
}

static void test_duration(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = { { 0, "0 ns" },
		      { 999, "999 ns" },
		      { 1000, "1.00 us" },
		      { 12345, "12.3 us" },
		      { 999400, "999 us" },
		      { 999600, "1.00 ms" },
		      { 123456789, "123 ms" },
		      { 9994999999, "9.99 s" },
		      { 9996000000, "10.0 s" },
		      { 3600000000000, "3600 s" } };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf b = BUF_INIT;

		path_duration(&b, cases[i].ns);
		assert_string_equal(b.data, cases[i].text);
	}
}

static void has(const struct buf *b, const char *words)
{
	if (!strstr(b->data, words))
		fail_msg("'%s' is not in\n%s", words, b->data);
}

static void test_text(void **state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct spans s = two_requests();
	struct critical c;
	struct path_view v = { .s = &s, .c = &c, .width = 80, .first_ns = 90 * MS };

	(void)state;
	assert_int_equal(critical_find(&s, 0, &c, NULL), 0);
	path_text(&b, &v);
	assert_false(b.failed);
	has(&b, "trace abc00000000000000000000000000000: web GET /buy, 100 ms, 3 spans, 1 failed, 10.0 ms after the "
		"recording");
	has(&b, "* web GET /buy           +0 ns    100 ms  ████────────────────────────────████\n");
	has(&b, "*   db UPDATE         +10.0 ms   80.0 ms      ████████████████████████████\n");
	has(&b, "failed 503: full  had 40.0 ms more\n");
	has(&b, "    log\\x1b[31m put");
	has(&b, "\n  +10.0 ms   80.0 ms   80 %  db UPDATE\n");
	has(&b, "waiting for a lock 60.0 ms (75 %), running 20.0 ms (25 %): db[7], thread 9, let go\n");
	has(&b, "of its own time: running 20.0 ms (100 %)");
	assert_null(strchr(b.data, '\033'));
	buf_reset(&b);
	v.verbose = true;
	path_text(&b, &v);
	has(&b, "child by evidence of: handoff, 90 %");
	critical_fini(&c);
	spans_fini(&s);
}

static void test_compare(void **state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct spans s = two_requests();
	struct critical c[2];
	struct path_view v[2] = { { .s = &s, .c = &c[0] }, { .s = &s, .c = &c[1], .root = s.traces[1].root } };

	(void)state;
	assert_int_equal(critical_find(&s, v[0].root, &c[0], NULL), 0);
	assert_int_equal(critical_find(&s, v[1].root, &c[1], NULL), 0);
	path_compare_text(&b, &v[0], &v[1]);
	has(&b, "   60.0 ms      0 ns  +60.0 ms  db UPDATE: waiting for a lock (1 spans, 0 in the other)\n");
	assert_null(strstr(b.data, ": running"));
	buf_reset(&b);
	path_compare_json(&b, &v[1], &v[0]);
	has(&b, "{\"service\":\"db\",\"operation\":\"UPDATE\",\"time\":\"lock\",\"one_ns\":0,\"other_ns\":60000000,"
		"\"one_spans\":0,"
		"\"other_spans\":1}");
	critical_fini(&c[0]);
	critical_fini(&c[1]);
	spans_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pick),	     cmocka_unit_test(test_normal),   cmocka_unit_test(test_parts),
		cmocka_unit_test(test_parts_add_up), cmocka_unit_test(test_duration), cmocka_unit_test(test_text),
		cmocka_unit_test(test_compare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
