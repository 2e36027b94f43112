/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of a conversation, and the exchanges they are.  The messages of HTTP are those of RFC 9112's examples and ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/proto.h"

#define MAX_PIECES 12

struct say {
	char who;	  /* '>': this end, '<': the other; 'x' 'o': likewise, but it is lost */
	const char *data; /* kept */
	uint32_t more;	  /* bytes behind it that were not */
};

struct case_ {
	const char *what;
	struct say says[MAX_PIECES];
	const char *told; /* lines "protocol operation resource status flags [request) [response)" */
};

struct log {
	char text[4096];
};

static void note(void *arg, const struct proto_exchange *x)
{
	static const char letters[] = "FTUAMOCE"; /* by bit of enum proto_flags */
	struct log *log = arg;
	size_t n = strlen(log->text);
	char flags[16] = "";

	for (int i = 0; i < 8; i++)
		if (x->flags >> i & 1)
			strncat(flags, &letters[i], 1);
	n += snprintf(log->text + n, sizeof(log->text) - n, "%s %s %s %d %s", x->protocol, x->operation, x->resource,
		      x->status, flags);
	if (x->request.known)
		n += snprintf(log->text + n, sizeof(log->text) - n, " %llu-%llu@%llu-%llu",
			      (unsigned long long)x->request.offset, (unsigned long long)x->request.end,
			      (unsigned long long)x->request.first_tag, (unsigned long long)x->request.last_tag);
	if (x->response.known)
		n += snprintf(log->text + n, sizeof(log->text) - n, " %llu-%llu@%llu-%llu",
			      (unsigned long long)x->response.offset, (unsigned long long)x->response.end,
			      (unsigned long long)x->response.first_tag, (unsigned long long)x->response.last_tag);
	snprintf(log->text + n, sizeof(log->text) - n, "\n");
}

static void run(const struct case_ *cs, char *text, size_t size)
{
	struct log log = { "" };
	struct proto_conn_opts opts = { .client = 1, .exchange = note, .arg = &log };
	struct proto_conn *c = NULL;
	uint64_t at[2] = { 0, 0 };

	assert_int_equal(proto_conn_new(&opts, &c), 0);
	for (uint32_t i = 0; i < MAX_PIECES && cs->says[i].who; i++) {
		const struct say *s = &cs->says[i];
		const bool sent = s->who == '>' || s->who == 'x';
		struct proto_piece p = { .offset = at[sent], .boot_ns = i, .begin_ns = i, .tag = i + 1, .sent = sent };

		p.data = (const uint8_t *)s->data;
		p.have = strlen(s->data);
		p.bytes = p.have + s->more;
		at[sent] += p.bytes;
		if (s->who == '>' || s->who == '<')
			proto_conn_feed(c, &p);
	}
	proto_conn_end(c, 0);
	proto_conn_free(c);
	snprintf(text, size, "%s", log.text);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

static const struct case_ cases[] = {
	{ "one request",
	  { { '>', GET("/a/17?x=1"), 0 }, { '<', OK5 "hello", 0 } },
	  "http GET /a/{n} 200 C 0-35@1-1 0-43@2-2\n" },
	{ "body in pieces of its own, not kept",
	  { { '>', GET("/"), 0 }, { '<', OK5, 0 }, { '<', "", 5 }, { '>', GET("/b"), 0 }, { '<', OK5, 5 } },
	  "http GET / 200 C 0-27@1-1 0-43@2-3\nhttp GET /b 200 C 27-55@4-4 43-86@5-5\n" },
	{ "a question to nobody",
	  { { '>', "\x01\x02what", 0 }, { '<', "\x01\x03that", 0 } },
	  "tcp   0 TC 0-6@1-1 0-6@2-2\n" },
	{ "the header is longer than what was kept",
	  { { '>', "GET /long HTTP/1.1\r\nCoo", 100 },
	    { '<', OK5 "hello", 0 },
	    { '>', GET("/"), 0 },
	    { '<', OK5 "hello", 0 } },
	  "http GET /long 200 C 0-123@1-1 0-43@2-2\nhttp GET / 200 C 123-150@3-3 43-86@4-4\n" },
	{ "pipelined",
	  { { '>', GET("/a") GET("/b"), 0 }, { '<', OK5 "hello" OK5 "hello", 0 } },
	  "http GET /a 200 C 0-28@1-1 0-43@2-2\nhttp GET /b 200 C 28-56@1-1 43-86@2-2\n" },
	{ "chunked",
	  { { '>', GET("/a"), 0 },
	    { '<', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0 },
	    { '<', "5\r\nhello\r\n400\r\n", 1024 + 2 },
	    { '<', "0\r\n\r\n", 0 } },
	  "http GET /a 200 C 0-28@1-1 0-1093@2-4\n" },
	{ "a response was lost",
	  { { '>', GET("/a"), 0 }, { 'o', OK5 "hello", 0 }, { '>', GET("/b"), 0 }, { '<', OK5 "hello", 0 } },
	  "http GET /a 0 UMC 0-28@1-1\nhttp GET /b 200 MC 28-56@3-3 43-86@4-4\n" },
};

static void exchanges(void **state)
{
	char text[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run(&cases[i], text, sizeof(text));
		if (strcmp(text, cases[i].told))
			fail_msg("%s: told\n%sinstead of\n%s", cases[i].what, text, cases[i].told);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exchanges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
