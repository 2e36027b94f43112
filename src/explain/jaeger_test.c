/* SPDX-License-Identifier: Apache-2.0 */
/* Traces as Jaeger's API documents them, and such as it would not write. */
#include "explain/jaeger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"

static struct spans read_ok(const char *text, struct jaeger_stats *stats)
{
	struct err err = ERR_INIT;
	struct spans s;

	if (jaeger_read(text, strlen(text), &s, stats, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

#define SPAN(id, begin, more)                                                  \
	"{\"spanID\":\"" id "\",\"operationName\":\"op\",\"startTime\":" begin \
	",\"duration\":10,\"processID\":\"p\"" more "}"
#define TRACE(spans)                                                                                                   \
	"{\"data\":[{\"traceID\":\"00f067aa0ba902b74bf92f3577b34da6\",\"processes\":{\"p\":{\"serviceName\":\"web\"}}" \
	","                                                                                                            \
	"\"spans\":[" spans "]}]}"
#define CHILD_OF(id) ",\"references\":[{\"refType\":\"CHILD_OF\",\"spanID\":\"" id "\"}]"
#define TAG(tag) ",\"tags\":[" tag "]"

static void test_tree(void **state)
{
	static const char text[] = TRACE(SPAN("b", "120", CHILD_OF("a")) "," SPAN("a", "100", ) "," SPAN(
		"c", "110",
		",\"references\":[{\"refType\":\"CHILD_OF\",\"spanID\":\"b\"},{\"refType\":\"CHILD_OF\",\"spanID\":"
		"\"a\"},"
		"{\"refType\":\"FOLLOWS_FROM\",\"spanID\":\"b\"}]"));
	struct jaeger_stats stats;
	struct spans s = read_ok(text, &stats);

	(void)state;
	assert_int_equal(s.count, 3);
	assert_int_equal(s.ntraces, 1);
	assert_int_equal(s.traces[0].root, 0);
	assert_int_equal(s.traces[0].count, 3);
	assert_int_equal(s.rows[0].trace[0], 0x00f067aa0ba902b7);
	assert_int_equal(s.rows[0].trace[1], 0x4bf92f3577b34da6);
	assert_int_equal(s.rows[0].id, 0xa);
	assert_int_equal(s.rows[0].begin_ns, 100000);
	assert_int_equal(s.rows[0].end_ns, 110000);
	assert_int_equal(s.rows[0].time_ns[TIME_UNKNOWN], 10000);
	assert_int_equal(s.rows[1].id, 0xc);
	assert_int_equal(s.rows[1].parent, 0);
	assert_int_equal(s.rows[2].id, 0xb);
	assert_int_equal(s.rows[2].parent, 0);
	assert_int_equal(s.rows[2].evidence, EVIDENCE_ID);
	assert_int_equal(s.rows[0].first_child, 1);
	assert_int_equal(s.rows[1].next, 2);
	assert_int_equal(s.rows[2].next, SPAN_NONE);
	assert_string_equal(spans_text(&s, s.rows[2].service), "web");
	assert_int_equal(stats.left_out + stats.orphans, 0);
	spans_fini(&s);
}

static void test_failed(void **state)
{
	static const struct {
		const char *more;
		bool failed;
		int status;
	} cases[] = {
		{ "", false, 0 },
		{ TAG("{\"key\":\"error\",\"type\":\"bool\",\"value\":true}"), true, 0 },
		{ TAG("{\"key\":\"error\",\"type\":\"bool\",\"value\":false}"), false, 0 },
		{ TAG("{\"key\":\"error\",\"type\":\"string\",\"value\":\"ClientSideError\"}"), true, 0 },
		{ TAG("{\"key\":\"http.status_code\",\"type\":\"int64\",\"value\":399}"), false, 399 },
		{ TAG("{\"key\":\"http.status_code\",\"type\":\"int64\",\"value\":400}"), true, 400 },
		{ TAG("{\"key\":\"http.status_code\",\"type\":\"string\",\"value\":\"503\"}"), true, 503 },
		{ TAG("{\"key\":\"grpc.status\",\"value\":\"OK\"}"), false, 0 },
		{ TAG("{\"key\":\"grpc.status\",\"value\":\"UNAVAILABLE\"}"), true, 0 },
		{ TAG("{\"key\":\"rpc.grpc.status_code\",\"value\":14}"), true, 14 },
		{ TAG("{\"key\":\"otel.status_code\",\"value\":\"ERROR\"}"), true, 0 },
		{ TAG("7,{},null,{\"key\":3}"), false, 0 },
		{ ",\"logs\":[{\"fields\":[{\"key\":\"event\",\"value\":\"error\"}]}]", true, 0 },
		{ ",\"logs\":[{\"fields\":[{\"key\":\"error.object\",\"value\":\"x\"}]}]", true, 0 },
		{ ",\"logs\":[{\"fields\":[{\"key\":\"event\",\"value\":\"retry\"}]}]", false, 0 },
	};
	char text[1024];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct spans s;

		(void)snprintf(
			text, sizeof(text),
			"{\"processes\":{\"p\":{\"serviceName\":\"web\"}},\"spans\":[{\"spanID\":\"a\",\"startTime\":1,"
			"\"duration\":2,\"processID\":\"p\"%s}]}",
			cases[i].more);
		s = read_ok(text, NULL);
		assert_int_equal(s.count, 1);
		assert_int_equal((s.rows[0].flags & SPAN_FAILED) != 0, cases[i].failed);
		assert_int_equal(s.rows[0].status, cases[i].status);
		spans_fini(&s);
	}
}

static void test_odd(void **state)
{
	static const char text[] = TRACE(SPAN("a", "-1", ) "," SPAN("b", "1e300", ) "," SPAN("", "1", ) "," SPAN(
		"c", "5",
		CHILD_OF("d")) "," SPAN("d", "6",
					CHILD_OF("c")) "," SPAN("e", "7",
								CHILD_OF("lost")) "," SPAN("f", "8",
											   CHILD_OF(
												   "f")) ",null,[],{}");
	struct jaeger_stats stats;
	struct spans s = read_ok(text, &stats);

	(void)state;
	assert_int_equal(stats.left_out, 6);
	assert_int_equal(stats.orphans, 2); /* e and f */
	assert_int_equal(s.count, 4);
	assert_int_equal(s.ntraces, 3);
	assert_int_equal(s.rows[0].parent, SPAN_NONE); /* the circle is opened, and says so */
	assert_true(s.rows[0].flags & SPAN_INCOMPLETE);
	assert_int_equal(s.rows[1].parent, 0);
	assert_true(s.rows[2].flags & s.rows[3].flags & SPAN_INCOMPLETE);
	spans_fini(&s);
}

static void test_refused(void **state)
{
	static const char *const texts[] = { "", "{", "[1,]", "{\"data\":7}", "\"data\"", "{\"spans\":{}}" };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(texts); i++) {
		struct err err = ERR_INIT;
		struct spans s;

		assert_int_equal(jaeger_read(texts[i], strlen(texts[i]), &s, NULL, &err), -EINVAL);
		assert_true(err.text[0]);
	}
}

static void test_ids(void **state)
{
	(void)state;
	assert_int_equal(jaeger_id("00f067aa0ba902b7"), 0x00f067aa0ba902b7);
	assert_int_equal(jaeger_id("B1"), 0xb1);
	assert_true(jaeger_id("0") && jaeger_id("") && jaeger_id("T"));
	assert_true(jaeger_id("T") != jaeger_id("X"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),	cmocka_unit_test(test_failed), cmocka_unit_test(test_odd),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
