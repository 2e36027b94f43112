/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask, and what is refused: RFC 9110 for the numbers, docs/design/api.md for the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "serve/scratch.h"

#define RIGHT "Bearer " SCRATCH_TOKEN

static struct scratch world;

static int setup(void **state)
{
	struct event_log e = { .h = scratch_head(EVENT_LOG, 1000, 10, 10) };
	const char *line[] = { "<script>\x01\xff\xc3(\xed\xa0\x80\"\\</script>", NULL };

	(void)state;
	scratch_open(&world);
	scratch_clock(&world, 500);
	(void)scratch_put(&world, &e, line);
	(void)scratch_serve(&world);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_close(&world);
	return 0;
}

static void test_admission(void **state)
{
	static const struct {
		const char *what, *method, *path, *host, *origin, *authorization, *query;
		unsigned int status;
	} rows[] = {
		{ "all right", "GET", "/api/info", "127.0.0.1:7070", NULL, RIGHT, "", 200 },
		{ "HEAD", "HEAD", "/api/info", "127.0.0.1:7070", NULL, RIGHT, "", 200 },
		{ "token as parameter", "GET", "/api/info", "localhost", NULL, NULL, "token=" SCRATCH_TOKEN, 200 },
		{ "another port, through a tunnel", "GET", "/api/info", "localhost:9999", NULL, RIGHT, "", 200 },
		{ "IPv6", "GET", "/api/info", "[::1]:7070", NULL, RIGHT, "", 200 },
		{ "a scheme in other letters", "GET", "/api/info", "localhost", NULL, "bearer " SCRATCH_TOKEN, "",
		  200 },
		{ "own origin", "GET", "/api/info", "localhost:7070", "http://localhost:7070", RIGHT, "", 200 },
		{ "the page", "GET", "/", "localhost:7070", NULL, RIGHT, "", 200 },
		{ "its files are no secret", "GET", "/app.js", "localhost:7070", NULL, NULL, "", 200 },
		{ "D3", "GET", "/d3.js", "localhost:7070", NULL, NULL, "", 200 },
		{ "no token", "GET", "/api/info", "localhost:7070", NULL, NULL, "", 401 },
		{ "no token, the page", "GET", "/", "localhost:7070", NULL, NULL, "", 401 },
		{ "an empty one", "GET", "/api/info", "localhost:7070", NULL, "Bearer ", "", 401 },
		{ "an empty one as parameter", "GET", "/api/info", "localhost:7070", NULL, NULL, "token=", 401 },
		{ "the beginning of it", "GET", "/api/info", "localhost:7070", NULL, "Bearer token-of", "", 401 },
		{ "it and more", "GET", "/api/info", "localhost:7070", NULL, RIGHT "x", "", 401 },
		{ "twice", "GET", "/api/info", "localhost:7070", NULL, RIGHT SCRATCH_TOKEN, "", 401 },
		{ "another scheme", "GET", "/api/info", "localhost:7070", NULL, "Basic " SCRATCH_TOKEN, "", 401 },
		{ "a wrong header before a right parameter", "GET", "/api/info", "localhost:7070", NULL, "Bearer no",
		  "token=" SCRATCH_TOKEN, 401 },
		{ "POST", "POST", "/api/info", "localhost:7070", NULL, RIGHT, "", 405 },
		{ "DELETE of the page", "DELETE", "/", "localhost:7070", NULL, RIGHT, "", 405 },
		{ "OPTIONS", "OPTIONS", "/api/info", "localhost:7070", NULL, RIGHT, "", 405 },
		{ "a name pointed here", "GET", "/api/info", "evil.example:7070", NULL, RIGHT, "", 403 },
		{ "also for the files", "GET", "/app.js", "evil.example", NULL, RIGHT, "", 403 },
		{ "a name that begins alike", "GET", "/api/info", "localhost.evil.example", NULL, RIGHT, "", 403 },
		{ "an address where only the loopback is listened to", "GET", "/api/info", "192.168.1.1", NULL, RIGHT,
		  "", 403 },
		{ "no host", "GET", "/api/info", NULL, NULL, RIGHT, "", 403 },
		{ "an empty host", "GET", "/api/info", "", NULL, RIGHT, "", 403 },
		{ "half a v6 address", "GET", "/api/info", "[::1", NULL, RIGHT, "", 403 },
		{ "too many colons", "GET", "/api/info", "127.0.0.1:1:2", NULL, RIGHT, "", 403 },
		{ "another's page", "GET", "/api/info", "localhost:7070", "http://evil.example", RIGHT, "", 403 },
		{ "null", "GET", "/api/info", "localhost:7070", "null", RIGHT, "", 403 },
		{ "https", "GET", "/api/info", "localhost:7070", "https://localhost:7070", RIGHT, "", 403 },
		{ "another port's page", "GET", "/api/info", "localhost:7070", "http://localhost:8080", RIGHT, "",
		  403 },
		{ "a path of the host", "GET", "/etc/passwd", "localhost", NULL, RIGHT, "", 404 },
		{ "upwards", "GET", "/../../etc/passwd", "localhost", NULL, RIGHT, "", 404 },
		{ "an end that is none", "GET", "/api/infox", "localhost", NULL, RIGHT, "", 404 },
		{ "nothing", "GET", "", "localhost", NULL, RIGHT, "", 404 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct serve_request rq = { .method = rows[i].method,
					    .path = rows[i].path,
					    .host = rows[i].host,
					    .origin = rows[i].origin,
					    .authorization = rows[i].authorization };
		CLEANUP_FREE char *query = strdup(rows[i].query);
		struct serve_response rs = { 0 };

		scratch_params(&rq, query);
		serve_answer(&world.serve, &rq, &rs);
		if (rs.status != rows[i].status)
			fail_msg("%s: %u instead of %u", rows[i].what, rs.status, rows[i].status);
		if (rs.status >= 400 && strstr(rs.body.data, SCRATCH_TOKEN))
			fail_msg("%s: the refusal has the token", rows[i].what);
		response_fini(&rs);
	}
}

static void test_elsewhere(void **state)
{
	struct serve_request rq = { .method = "GET", .path = "/api/info", .authorization = RIGHT };
	static const struct {
		const char *host;
		unsigned int status;
	} rows[] = { { "192.168.1.1:7070", 200 },
		     { "[fe80::1]:7070", 200 },
		     { "localhost", 200 },
		     { "machine.example", 403 },
		     { "1.2.3.4.example", 403 } };
	size_t i;

	(void)state;
	world.serve.loopback = false;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct serve_response rs = { 0 };

		rq.host = rows[i].host;
		serve_answer(&world.serve, &rq, &rs);
		assert_int_equal(rs.status, rows[i].status);
		response_fini(&rs);
	}
	world.serve.loopback = true;
}

/* What is wrong with a question is told, as JSON. */
static void test_questions(void **state)
{
	static const struct {
		const char *path, *query;
		unsigned int status;
	} rows[] = {
		{ "/api/window", "", 200 },
		{ "/api/window", "from=0&to=1e9&px=100&axis=wall&lanes=0,1", 200 },
		{ "/api/window", "from=5&to=1", 200 },
		{ "/api/window", "px=1e300", 200 },
		{ "/api/window", "px=-5&lanes=", 200 },
		{ "/api/window", "from=x", 400 },
		{ "/api/window", "from=nan", 400 },
		{ "/api/window", "to=1e19", 400 },
		{ "/api/window", "to=inf", 400 },
		{ "/api/window", "axis=z", 400 },
		{ "/api/window", "lanes=0;1", 400 },
		{ "/api/window", "lanes=-1", 400 },
		{ "/api/window", "lanes=99999999999999999999", 400 },
		{ "/api/window", "lanes=1,,2", 400 },
		{ "/api/window", "q=type%3Dlog", 200 },
		{ "/api/window", "q=type%3D", 400 },
		{ "/api/event", "id=0:2", 200 },
		{ "/api/event", "id=0:99", 404 },
		{ "/api/event", "id=1:1", 404 },
		{ "/api/event", "id=0:2x", 404 },
		{ "/api/event", "id=99999999999:99999999999999999999999", 404 },
		{ "/api/event", "", 404 },
		{ "/api/cone", "id=0:2&dir=effects&limit=0", 200 },
		{ "/api/cone", "id=0:2&dir=sideways", 400 },
		{ "/api/cone", "id=0:2&limit=many", 400 },
		{ "/api/step", "id=0:2&axis=thread", 200 },
		{ "/api/step", "id=0:2&dir=up", 400 },
		{ "/api/search", "q=script", 200 },
		{ "/api/search", "q=", 400 },
		{ "/api/search", "q=(", 400 },
		{ "/api/search", "q=type%3Dlog&from=0:99", 400 },
		{ "/api/search", "q=type%3Dlog&from=0:2&limit=1e9", 200 },
		{ "/api/live", "", 200 },
		{ "/api/live", "generation=x", 400 },
		{ "/api/lanes", "", 200 },
		{ "/api/story", "", 200 },
		{ "/api/info", "a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p", 200 },
		{ "/api/info", "a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", 400 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct serve_response rs;
		json_error_t at;
		json_t *j;

		scratch_get(&world, rows[i].path, rows[i].query, &rs);
		if (rs.status != rows[i].status)
			fail_msg("%s?%s: %u instead of %u", rows[i].path, rows[i].query, rs.status, rows[i].status);
		j = json_loadb(rs.body.data, rs.body.len, 0, &at);
		if (!j)
			fail_msg("%s?%s: no JSON: %s in %s", rows[i].path, rows[i].query, at.text, rs.body.data);
		if (rs.status >= 400)
			assert_non_null(json_string_value(json_object_get(j, "error")));
		json_decref(j);
		response_fini(&rs);
	}
}

static void test_column(void **state)
{
	struct serve_response rs;
	json_t *j;

	(void)state;
	scratch_get(&world, "/api/search", "q=type%3Dlog%20and%20bytes%3E", &rs);
	j = json_loadb(rs.body.data, rs.body.len, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(j, "at")), 20); /* behind `type=log and bytes>` */
	json_decref(j);
	response_fini(&rs);
}

static void test_not_changed(void **state)
{
	struct serve_request rq = { .method = "GET", .path = "/app.js", .host = "localhost" };
	struct serve_response rs = { 0 };

	(void)state;
	serve_answer(&world.serve, &rq, &rs);
	assert_int_equal(rs.status, 200);
	assert_true(rs.size > 0);
	rq.if_none_match = rs.etag;
	serve_answer(&world.serve, &rq, &rs);
	assert_int_equal(rs.status, 304);
	assert_int_equal(rs.size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_admission), cmocka_unit_test(test_elsewhere),   cmocka_unit_test(test_questions),
		cmocka_unit_test(test_column),	  cmocka_unit_test(test_not_changed),
	};

	return cmocka_run_group_tests_name("serve/request", tests, setup, teardown);
}
