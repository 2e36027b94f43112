/* SPDX-License-Identifier: Apache-2.0 */
/* However many services and operations there are, the rows are bounded, and all requests are counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "explain/spans_testing.h"
#include "serve/scratch.h"

/* Spans of so many services with so many operations each. */
static void make(struct made *m, unsigned int services, unsigned int operations)
{
	char name[32];
	unsigned int i, k;

	*m = (struct made) { 0 };
	for (i = 0; i < services; i++) {
		for (k = 0; k < operations; k++) {
			struct span *s = made_span(m);

			(void)snprintf(name, sizeof(name), "s%u\"\\\n", i);
			s->service = made_text(m, name);
			(void)snprintf(name, sizeof(name), "op%u", k);
			s->operation = made_text(m, name);
			s->end_ns = 3000000;
			s->flags = k % 10 ? 0 : SPAN_FAILED;
		}
	}
}

/* The sum of a counter, and in how many rows. */
static uint64_t sum_of(const char *text, const char *name, unsigned int *ret_rows)
{
	char *copy = strdup(text ? text : ""), *rest = copy,
	     *line; /* sanitizers look at strings to their ends: lines are short */
	uint64_t sum = 0;
	size_t n = strlen(name);

	*ret_rows = 0;
	while ((line = strsep(&rest, "\n"))) {
		if (strncmp(line, name, n) != 0 || line[n] != '{')
			continue;
		sum += strtoull(strstr(line, "} ") + 2, NULL, 10);
		++*ret_rows;
	}
	free(copy);
	return sum;
}

static void test_bounded(void **state)
{
	static const struct {
		unsigned int services, operations, rows;
	} cases[] = { { 0, 0, 0 }, { 3, 5, 15 }, { 1, 3000, 1001 }, { 1000, 1, 201 }, { 400, 100, 1201 } };
	unsigned int i, rows, errors;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct scratch world;
		struct serve_response rs = { 0 };
		struct serve_request rq = { 0 };
		struct err err = ERR_INIT;
		struct model *m;
		struct made made;

		scratch_open(&world);
		scratch_clock(&world, 500);
		m = scratch_serve(&world);
		make(&made, cases[i].services, cases[i].operations);
		assert_int_equal(metrics_rates(m, &made.s, &err), 0);
		answer_metrics(&world.serve, m, &rq, &rs);
		assert_int_equal(sum_of(rs.body.data, "saker_requests_total", &rows), made.s.count);
		assert_true(rows <= cases[i].rows && (rows == cases[i].rows || cases[i].services > 200));
		assert_int_equal(sum_of(rs.body.data, "saker_request_errors_total", &errors),
				 cases[i].services * ((cases[i].operations + 9) / 10));
		assert_int_equal(sum_of(rs.body.data, "saker_request_duration_seconds_count", &errors), made.s.count);
		if (cases[i].services)
			assert_non_null(strstr(rs.body.data, "service=\"s0\\\"\\\\\\n\""));
		response_fini(&rs);
		spans_fini(&made.s);
		scratch_close(&world);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_bounded) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
