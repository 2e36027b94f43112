/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of docs/protocols.md, and the formats of W3C Trace Context and B3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/internal.h"

static void paths(void **state)
{
	static const char *const cases[][2] = {
		{ "/", "/" },
		{ "/items/17", "/items/{n}" },
		{ "/items/17?x=18", "/items/{n}" },
		{ "/items/17#top", "/items/{n}" },
		{ "/v1/items/17/parts/3", "/v1/items/{n}/parts/{n}" },
		{ "/api/v12/x", "/api/v12/x" },
		{ "/users/550e8400-e29b-41d4-a716-446655440000/mail", "/users/{id}/mail" },
		{ "/blob/9f86d081884c7d65", "/blob/{id}" },
		{ "/blob/deadbeef", "/blob/deadbeef" },
		{ "/t/Zm9vYmFyMTIzNDU2Nzg5MA", "/t/{id}" },
		{ "/img/1234.png", "/img/{n}.png" },
		{ "/file-118", "/file-{n}" },
		{ "/s3/oauth2/base64", "/s3/oauth2/base{n}" },
		{ "/2024-01-31/report", "/{n}/report" },
		{ "/-5/x", "/{n}/x" },
		{ "/a//b/", "/a//b/" },
		{ "/caf\xc3\xa9/\xff\x01", "/caf\xc3\xa9/??" },
		{ "/a-long-name-of-many-letters-only/x", "/a-long-name-of-many-letters-only/x" },
		{ "", "" },
	};
	char text[PROTO_RESOURCE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		proto_path(text, sizeof(text), cases[i][0], strlen(cases[i][0]));
		assert_string_equal(text, cases[i][1]);
	}
}

static void keys(void **state)
{
	static const char *const cases[][2] = {
		{ "user:17", "user:{n}" },
		{ "user:17:name", "user:{n}:name" },
		{ "session.550e8400-e29b-41d4-a716-446655440000", "session.{id}" },
		{ "550e8400-e29b-41d4-a716-446655440000", "{id}" },
		{ "item7", "item{n}" },
		{ "v2:item", "v2:item" },
		{ "key:000000000012", "key:{n}" },
		{ "cart|9f86d081884c7d65|total", "cart|{id}|total" },
		{ "counter", "counter" },
		{ "a\nb", "a?b" },
	};
	char text[PROTO_RESOURCE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		proto_key(text, sizeof(text), cases[i][0], strlen(cases[i][0]));
		assert_string_equal(text, cases[i][1]);
	}
}

/* Whatever is cut ends, and ends between characters. */
static void cut(void **state)
{
	char small[5], key[8];

	(void)state;
	proto_text(small, sizeof(small), "ab\xe2\x82\xac", 5);
	assert_string_equal(small, "ab");
	proto_text(small, sizeof(small), "a\xe2\x82\xac", 4);
	assert_string_equal(small, "a\xe2\x82\xac");
	proto_upper(small, sizeof(small), "mget-all", 8);
	assert_string_equal(small, "MGET");
	proto_key(key, sizeof(key), "orders:4711:x", 13);
	assert_true(strlen(key) < sizeof(key));
}

static void check_ids(const char *name, const char *value, const char *trace, const char *parent, const char *request)
{
	struct proto_ids ids = { { 0 }, { 0 }, "" };
	char hex[33] = "";

	(void)proto_id_header(&ids, name, strlen(name), value, strlen(value));
	for (int i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", ids.trace[i]);
	assert_string_equal(hex, trace);
	for (int i = 0; i < 8; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", ids.parent[i]);
	assert_string_equal(hex, parent);
	assert_string_equal(ids.request_id, request);
}

#define T "4bf92f3577b34da6a3ce929d0e0e4736"
#define P "00f067aa0ba902b7"
#define NO_T "00000000000000000000000000000000"
#define NO_P "0000000000000000"

/* The values are the examples of the two specifications. */
static void ids(void **state)
{
	(void)state;
	check_ids("traceparent", "00-" T "-" P "-01", T, P, "");
	check_ids("TraceParent", "cc-" T "-" P "-01-what-the-future", T, P, "");
	check_ids("traceparent", "ff-" T "-" P "-01", NO_T, NO_P, "");
	check_ids("traceparent", "00-" T "-" P, NO_T, NO_P, "");
	check_ids("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90",
		  "80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1", "");
	check_ids("b3", "0", NO_T, NO_P, "");
	check_ids("X-B3-TraceId", "463ac35c9f6413ad", NO_P "463ac35c9f6413ad", NO_P, "");
	check_ids("X-B3-SpanId", "a2fb4a1d1a96d312", NO_T, "a2fb4a1d1a96d312", "");
	check_ids("x-request-id", "req-1\x01", NO_T, NO_P, "req-1?");
	check_ids("x-request-id-2", "req-1", NO_T, NO_P, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(keys),
		cmocka_unit_test(cut),
		cmocka_unit_test(ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
