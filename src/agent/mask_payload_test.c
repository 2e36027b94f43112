/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as the protocols' documents show them, or as clients were seen to send them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/mask_payload.h"
#include "base/cleanup.h"

#define PIECES 4

struct part {
	bool received;
	const char *in, *want; /* NULL: the end; want NULL: as it was */
	size_t len;	       /* 0: of the string */
	uint32_t more;	       /* bytes behind it that were not kept */
	uint32_t lost;	       /* bytes of the direction before it that nobody saw */
};

struct row {
	const char *what;
	struct part parts[PIECES];
};

#define BYTES(s) .in = (s), .len = sizeof(s) - 1

static const struct row rows[] = {
	/* HTTP/1.1 */
	{ "headers with secrets",
	  { { .in = "GET /a HTTP/1.1\r\nHost: a\r\nauthorization: Basic Zm9vOmJhcg==\r\nX-Api-Key: k 1\r\nAccept: "
		    "*/*\r\n\r\n",
	      .want = "GET /a HTTP/1.1\r\nHost: a\r\nauthorization: Basic ************\r\nX-Api-Key: ***\r\nAccept: "
		      "*/*\r\n\r\n" } } },
	{ "cookies both ways",
	  { { .in = "GET / HTTP/1.1\r\nCookie: a=b; c=d\r\n\r\n",
	      .want = "GET / HTTP/1.1\r\nCookie: ********\r\n\r\n" },
	    { .received = true,
	      .in = "HTTP/1.1 200 OK\r\nSet-Cookie: s=1; Path=/\r\nContent-Length: 0\r\n\r\n",
	      .want = "HTTP/1.1 200 OK\r\nSet-Cookie: ***********\r\nContent-Length: 0\r\n\r\n" } } },
	{ "proxy, upper case",
	  { { .in = "GET / HTTP/1.1\r\nPROXY-AUTHORIZATION: Bearer abc.def\r\nA: b\r\n\r\n",
	      .want = "GET / HTTP/1.1\r\nPROXY-AUTHORIZATION: Bearer *******\r\nA: b\r\n\r\n" } } },
	{ "query parameters",
	  { { .in = "GET /x?user=joe&password=hunter2&api_key=k1&signature=ab%2F&n=1 HTTP/1.1\r\n\r\n",
	      .want = "GET /x?user=joe&password=*******&api_key=**&signature=*****&n=1 HTTP/1.1\r\n\r\n" } } },
	{ "user and password of an address",
	  { { .in = "GET http://joe:hunter2@a/b HTTP/1.1\r\nReferer: http://h:80/c\r\n\r\n",
	      .want = "GET http://joe:*******@a/b HTTP/1.1\r\nReferer: http://h:80/c\r\n\r\n" } } },
	{ "JSON",
	  { { .in = "POST / HTTP/1.1\r\n\r\n{\"user\":\"a\", \"password\" : \"hun\\\"ter, 2\", "
		    "\"n\":1,\"token\":17,\"k\":2}",
	      .want = "POST / HTTP/1.1\r\n\r\n{\"user\":\"a\", \"password\" : \"***********\", "
		      "\"n\":1,\"token\":**,\"k\":2}" } } },
	{ "JSON in JSON",
	  { { .in = "POST / HTTP/1.1\r\n\r\n{\"body\":\"{\\\"secret\\\":\\\"a b\\\",\\\"n\\\":1}\"}",
	      .want = "POST / HTTP/1.1\r\n\r\n{\"body\":\"{\\\"secret\\\":\\\"***\\\",\\\"n\\\":1}\"}" } } },
	{ "a form",
	  { { .in = "POST / HTTP/1.1\r\n\r\nuser%5Bpassword%5D=x+y&a=b&client_secret=zz",
	      .want = "POST / HTTP/1.1\r\n\r\nuser%5Bpassword%5D=***&a=b&client_secret=**" } } },
	{ "no secrets",
	  { { .in = "GET /pass/token HTTP/1.1\r\ntraceparent: 00-0af7-b7ad-01\r\nX-Request-ID: 7\r\n\r\npassword is "
		    "short" } } },
	{ "a value in two pieces",
	  { { .in = "GET / HTTP/1.1\r\nCookie: abc", .want = "GET / HTTP/1.1\r\nCookie: ***" },
	    { .in = "def\r\nA: b\r\n\r\n", .want = "***\r\nA: b\r\n\r\n" } } },
	{ "a name in two pieces",
	  { { .in = "GET / HTTP/1.1\r\nCoo" },
	    { .in = "kie: abc\r\nA: b\r\n\r\n", .want = "kie: ***\r\nA: b\r\n\r\n" } } },
	{ "a name, and then the value",
	  { { .in = "POST / HTTP/1.1\r\n\r\n{\"password\":" }, { .in = " \"a b\"}", .want = " \"***\"}" } } },
	{ "an address in two pieces",
	  { { .in = "GET http://jo" }, { .in = "e:hunt", .want = "e:****" }, { .in = "er2@a/b", .want = "***@a/b" } } },
	{ "a value that was cut goes on",
	  { { .in = "GET / HTTP/1.1\r\nCookie: abc", .want = "GET / HTTP/1.1\r\nCookie: ***", .more = 100 },
	    { .in = "def\r\nA: b\r\n\r\n", .want = "***\r\nA: b\r\n\r\n" } } },
	{ "or another message begins",
	  { { .in = "GET / HTTP/1.1\r\nCookie: abc", .want = "GET / HTTP/1.1\r\nCookie: ***", .more = 100 },
	    { .in = "GET /b HTTP/1.1\r\n\r\n" } } },
	{ "a name whose value was not kept",
	  { { .in = "POST / HTTP/1.1\r\n\r\n{\"password\":", .more = 9 }, { .in = "a b\"}", .want = "***\"}" } } },
	{ "the first word behind what was not kept",
	  { { .in = "POST / HTTP/1.1\r\n\r\nx", .more = 100 }, { .in = "hunter2&a=b", .want = "*******&a=b" } } },
	{ "but a chunk's size", { { .in = "HTTP/1.1 200 OK\r\n\r\nx", .more = 100 }, { .in = "1f40\r\nabc" } } },
	{ "the same after a loss",
	  { { .in = "POST / HTTP/1.1\r\n\r\nx" }, { .in = "hunter2&a=b", .want = "*******&a=b", .lost = 3 } } },
	/* Redis */
	{ "AUTH",
	  { { .in = "*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n", .want = "*2\r\n$4\r\nAUTH\r\n$7\r\n*******\r\n" } } },
	{ "AUTH with a user",
	  { { .in = "*3\r\n$4\r\nauth\r\n$3\r\njoe\r\n$2\r\npw\r\n*1\r\n$4\r\nPING\r\n",
	      .want = "*3\r\n$4\r\nauth\r\n$3\r\njoe\r\n$2\r\n**\r\n*1\r\n$4\r\nPING\r\n" } } },
	{ "HELLO",
	  { { .in = "*7\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$3\r\njoe\r\n$2\r\npw\r\n$7\r\nSETNAME\r\n$"
		    "1\r\nn\r\n",
	      .want = "*7\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$3\r\njoe\r\n$2\r\n**\r\n$7\r\nSETNAME\r\n$"
		      "1\r\nn\r\n" } } },
	{ "CONFIG SET",
	  { { .in = "*6\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$11\r\nrequirepass\r\n$1\r\nx\r\n$4\r\nsave\r\n$1\r\ny\r\n",
	      .want = "*6\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$11\r\nrequirepass\r\n$1\r\n*\r\n$4\r\nsave\r\n$"
		      "1\r\ny\r\n" } } },
	{ "ACL SETUSER",
	  { { .in = "*5\r\n$3\r\nACL\r\n$7\r\nSETUSER\r\n$1\r\nj\r\n$4\r\n>pwd\r\n$2\r\non\r\n",
	      .want = "*5\r\n$3\r\nACL\r\n$7\r\nSETUSER\r\n$1\r\nj\r\n$4\r\n>***\r\n$2\r\non\r\n" } } },
	{ "a field that is called so",
	  { { .in = "*4\r\n$4\r\nHSET\r\n$1\r\nu\r\n$8\r\nPassword\r\n$2\r\npw\r\n",
	      .want = "*4\r\n$4\r\nHSET\r\n$1\r\nu\r\n$8\r\nPassword\r\n$2\r\n**\r\n" },
	    { .received = true,
	      .in = "*4\r\n$1\r\na\r\n$1\r\nb\r\n$8\r\npassword\r\n$2\r\npw\r\n",
	      .want = "*4\r\n$1\r\na\r\n$1\r\nb\r\n$8\r\npassword\r\n$2\r\n**\r\n" } } },
	{ "JSON in a value, and nothing behind it",
	  { { .in = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\n{\"token\":\"ab\r\n$1\r\nk\r\n",
	      .want = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\n{\"token\":\"**\r\n$1\r\nk\r\n" } } },
	{ "an argument in two pieces",
	  { { .in = "*2\r\n$4\r\nAU" },
	    { .in = "TH\r\n$7\r\nhun", .want = "TH\r\n$7\r\n***" },
	    { .in = "ter2\r\n", .want = "****\r\n" } } },
	{ "an argument of which the middle was not kept",
	  { { .in = "*2\r\n$4\r\nAUTH\r\n$9\r\nhun", .want = "*2\r\n$4\r\nAUTH\r\n$9\r\n***", .more = 4 },
	    { .in = "pw\r\n*1\r\n$4\r\nPING\r\n", .want = "**\r\n*1\r\n$4\r\nPING\r\n" } } },
	{ "a password whose command was lost",
	  { { .in = "*1\r\n$4\r\nPING\r\n" },
	    { .in = "$7\r\nhunter2\r\n*1\r\n$4\r\nPING\r\n",
	      .want = "$7\r\n*******\r\n*1\r\n$4\r\nPING\r\n",
	      .lost = 20 } } },
	{ "as a line",
	  { { .in = "PING\r\n" }, { .in = "AUTH hunter2\r\nPING\r\n", .want = "AUTH *******\r\nPING\r\n" } } },
	/* PostgreSQL */
	{ "a password message",
	  { { BYTES("\0\0\0\x10\0\3\0\0user\0j\0\0") },
	    { .received = true, BYTES("R\0\0\0\x0c\0\0\0\5\x12\x34\x56\x78") },
	    { BYTES("p\0\0\0\x0cmd5abcd\0"), .want = "p\0\0\0\x0c********" } } },
	{ "a password message in three pieces",
	  { { BYTES("\0\0\0\x10\0\3\0\0user\0j\0\0") },
	    { BYTES("p\0\0") },
	    { BYTES("\0\x0csec"), .want = "\0\x0c***" },
	    { BYTES("rets\0Q\0\0\0\6x\0"), .want = "*****Q\0\0\0\6x\0" } } },
	{ "SQL",
	  { { BYTES("Q\0\0\0\x29"
		    "ALTER USER j PASSWORD 'hun''ter'; --\0"),
	      .want = "Q\0\0\0\x29"
		      "ALTER USER j PASSWORD '********'; --\0" } } },
	{ "a place for a value is no value",
	  { { BYTES("P\0\0\0\x2c\0SELECT 1 FROM u WHERE password = $1 \0\0\0B\0\0\0\x0c\0\0\0\0\0\0\0\0") } } },
	{ "what is lost may be a password",
	  { { BYTES("Q\0\0\0\x0dSELECT 1\0") },
	    { BYTES("nter2\0"), .want = "******", .lost = 9 },
	    { BYTES("Q\0\0\0\x0dSELECT 2\0") } } },
	/* MySQL */
	{ "a handshake and a command",
	  { { .received = true,
	      BYTES("\x4a\0\0\0\x0a"
		    "8.0.36\0\x08\0\0\0abcdefgh\0\xff\xff\xff\2\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0mysql_"
		    "native_password\0") },
	    { BYTES("\x3f\0\0\1\x8d\xa6\x0f\0\0\0\0\1\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0joe\0\4pwpwdb\0m"
		    "ysql_native_passw\0"),
	      .want = "\x3f\0\0\1\x8d\xa6\x0f\0\0\0\0\1\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0joe\0\4****"
		      "db\0mysql_native_passw\0" },
	    { BYTES("\4\0\0\3pass"), .want = "\4\0\0\3****" },
	    { BYTES("\x09\0\0\0\3SELECT 1") } } },
	{ "IDENTIFIED BY",
	  { { BYTES("\x26\0\0\0\3CREATE USER j IDENTIFIED BY 'hunter2'"),
	      .want = "\x26\0\0\0\3CREATE USER j IDENTIFIED BY '*******'" } } },
	/* memcached */
	{ "SASL",
	  { { BYTES("\x80\x21\0\5\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0PLAINfoo\0foo\0bar"),
	      .want = "\x80\x21\0\5\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0PLAIN***********" } } },
	/* HTTP/2: the examples of RFC 7541, appendix C, as frames */
	{ "a literal of a new name (C.2.1, C.2.3)",
	  { { BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
		    "\0\0\x2b\1\4\0\0\0\1\x40\x0a"
		    "custom-key\x0d"
		    "custom-header\x10\x08password\x06secret"),
	      .want = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
		      "\0\0\x2b\1\4\0\0\0\1\x40\x0a"
		      "custom-key\x0d"
		      "custom-header\x10\x08password\x06******" } } },
	{ "an indexed name, coded (C.6.1: set-cookie has index 55)",
	  { { BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x09\1\4\0\0\0\1\x82\x77\x85\xae\xc3\x77\x1a\x4b\x84"),
	      .want = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x09\1\4\0\0\0\1\x82\x77\x85\xf9\xf9\xf9\xf9\xf9\x84" } } },
	{ "names of the dynamic table",
	  { { BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x17\1\4\0\0\0\1\x40\1a\1b\x40\x08x-secret\1c\x40\1d\1e\x86"),
	      .want = "PRI * "
		      "HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x17\1\4\0\0\0\1\x40\1a\1b\x40\x08x-secret\1*\x40\1d\1e\x86" },
	    { BYTES("\0\0\x0b\1\4\0\0\0\3\x7f\0\1s\x7e\1t\x7f\1\1u"),
	      .want = "\0\0\x0b\1\4\0\0\0\3\x7f\0\1*\x7e\1*\x7f\1\1u" } } },
};

static const char *wanted(const struct part *p)
{
	return p->want ? p->want : p->in;
}

static size_t length(const struct part *p)
{
	return p->len ? p->len : strlen(p->in);
}

static void show(const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		print_error(data[i] >= ' ' && data[i] < 127 ? "%c" : "\\x%02x", data[i]);
}

/* All parts, in order; bytes of one part may be given in pieces of `step`. */
static int run(const struct row *r, size_t step)
{
	int bad = 0;
	struct mask_words none = { 0 };
	struct mask_conn *c = NULL;
	uint64_t at[2] = { 0 };
	size_t i, from, n;

	assert_int_equal(mask_conn_new(&none, &c), 0);
	for (i = 0; i < PIECES && r->parts[i].in; i++) {
		const struct part *p = &r->parts[i];
		uint8_t data[512], out[512];
		size_t len = length(p);
		bool sent = !p->received;

		memcpy(data, p->in, len);
		at[sent] += p->lost;
		for (from = 0; from < len; from += n) {
			n = MIN(step, len - from);
			struct mask_piece piece = { .offset = at[sent],
						    .kept = (uint32_t)n,
						    .bytes = (uint32_t)n + (from + n == len ? p->more : 0),
						    .sent = sent,
						    .data = data + from };

			mask_payload(c, &piece);
			memcpy(out + from, data + from, n);
			at[sent] += piece.bytes;
		}
		if (memcmp(out, wanted(p), len) == 0)
			continue;
		bad++;
		print_error("%s, part %zu, in pieces of %zu:\n got ", r->what, i + 1, step);
		show(out, len);
		print_error("\nwant ");
		show((const uint8_t *)wanted(p), len);
		print_error("\n");
	}
	mask_conn_free(c);
	return bad;
}

static void test_rows(void **state)
{
	size_t i;
	int bad = 0;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++)
		bad += run(&rows[i], 512);
	assert_int_equal(bad, 0);
}

static void test_words(void **state)
{
	const char *const list[] = { "kennwort", "X-Key" };
	const struct mask_words words = { list, 2 };
	char data[] = "GET /?kennwort=abc&b=c HTTP/1.1\r\nx-key: v w\r\nA: b\r\n\r\n";
	struct mask_piece p = {
		.bytes = sizeof(data) - 1, .kept = sizeof(data) - 1, .sent = true, .data = (uint8_t *)data
	};
	struct mask_conn *c;

	(void)state;
	assert_int_equal(mask_conn_new(&words, &c), 0);
	mask_payload(c, &p);
	assert_string_equal(data, "GET /?kennwort=***&b=c HTTP/1.1\r\nx-key: ***\r\nA: b\r\n\r\n");
	mask_conn_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("mask_payload", tests, NULL, NULL);
}
