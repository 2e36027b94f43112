/* SPDX-License-Identifier: Apache-2.0 */
/* First bytes as programs of Debian send them, and such as only look like something. */
#include "probe/recognise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define RANDOM_HEADS 200000

struct row {
	const char *what;
	enum recognised want;
	const char *bytes;
	size_t len;
	uint32_t more; /* the message is so much longer */
};

#define ROW(what, want, s, more)                   \
	{                                          \
		what, want, s, sizeof(s) - 1, more \
	}

static const struct row rows[] = {
	ROW("curl", RECOGNISED_HTTP, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", 60),
	ROW("a proxy's client", RECOGNISED_HTTP, "GET http://a/ HTTP/1.1\r\n\r\n", 0),
	ROW("OPTIONS *", RECOGNISED_HTTP, "OPTIONS * HTTP/1.1\r\n\r\n", 0),
	ROW("PATCH", RECOGNISED_HTTP, "PATCH /a HTTP/1.1\r\n\r\n", 0),
	ROW("CONNECT", RECOGNISED_HTTP, "CONNECT example.org:443 HTTP/1.1\r\n\r\n", 0),
	ROW("an answer", RECOGNISED_HTTP, "HTTP/1.1 404 Not Found\r\nServer: nginx\r\n", 200),
	ROW("words that begin so", RECOGNISED_NOTHING, "GET well soon", 0),
	ROW("a body that follows", RECOGNISED_NOTHING, "hello\nworld\n", 0),
	ROW("HTTP/2's preface", RECOGNISED_HTTP2, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 40),
	ROW("nghttpd's SETTINGS", RECOGNISED_HTTP2, "\0\0\x06\4\0\0\0\0\0\0\3\0\0\0\x64", 0),
	ROW("an acknowledgement of them", RECOGNISED_HTTP2, "\0\0\0\4\1\0\0\0\0", 0),
	ROW("PING", RECOGNISED_HTTP2, "\0\0\x08\6\0\0\0\0\0abcdefgh", 0),
	ROW("HEADERS of the third stream", RECOGNISED_HTTP2, "\0\0\x05\1\5\0\0\0\5\x82\x86\x84\x41\x8a", 0),
	ROW("redis-cli: COMMAND DOCS", RECOGNISED_REDIS, "*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n", 0),
	ROW("an array alone in its segment", RECOGNISED_REDIS, "*3\r\n", 0),
	ROW("OK", RECOGNISED_REDIS, "+OK\r\n", 0),
	ROW("a value", RECOGNISED_REDIS, "$11\r\nhello world\r\n", 0),
	ROW("no value", RECOGNISED_REDIS, "$-1\r\n", 0),
	ROW("a number", RECOGNISED_REDIS, ":1\r\n", 0),
	ROW("an error", RECOGNISED_REDIS, "-ERR unknown command 'x'\r\n", 0),
	ROW("a map of RESP3", RECOGNISED_REDIS, "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n", 80),
	ROW("money", RECOGNISED_NOTHING, "$11.50 and more", 0),
	ROW("a list of stars", RECOGNISED_NOTHING, "*** hello ***", 0),
	ROW("psql's SSLRequest", RECOGNISED_POSTGRESQL, "\0\0\0\x08\4\xd2\x16\x2f", 0),
	ROW("psql's startup", RECOGNISED_POSTGRESQL, "\0\0\0\x54\0\3\0\0user\0postgres\0database\0", 50),
	ROW("a simple query", RECOGNISED_POSTGRESQL, "Q\0\0\0\x0dSELECT 1\0", 0),
	ROW("the same, cut", RECOGNISED_NOTHING, "Q\0\0\0\x0dSELE", 0),
	ROW("an extended one", RECOGNISED_POSTGRESQL, "P\0\0\0\x10\0SELECT $1\0\0\0B\0\0\0\x0d", 40),
	ROW("SASL is asked for", RECOGNISED_POSTGRESQL, "R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0", 0),
	ROW("columns", RECOGNISED_POSTGRESQL, "T\0\0\0\x21\0\1?column?\0\0\0\0\0\0\0\0\0\0\x17", 40),
	ROW("BEGIN is complete", RECOGNISED_POSTGRESQL,
	    "C\0\0\0\x0a"
	    "BEGIN\0Z\0\0\0\5T",
	    0),
	ROW("prepared and bound", RECOGNISED_POSTGRESQL,
	    "1\0\0\0\4"
	    "2\0\0\0\4",
	    60),
	ROW("an error of PostgreSQL", RECOGNISED_POSTGRESQL, "E\0\0\0\x0eSERROR\0C42\0\0", 0),
	ROW("MariaDB's greeting", RECOGNISED_MYSQL,
	    "\x5b\0\0\0\x0a"
	    "5.5.5-10.11.6-MariaDB\0\5\0\0",
	    66),
	ROW("MySQL's", RECOGNISED_MYSQL,
	    "\x4a\0\0\0\x0a"
	    "8.0.36\0\x08\0\0\0",
	    61),
	ROW("COM_QUERY", RECOGNISED_MYSQL, "\x09\0\0\0\3SELECT 1", 0),
	ROW("with attributes", RECOGNISED_MYSQL, "\x0b\0\0\0\3\0\1SELECT 1", 0),
	ROW("COM_STMT_PREPARE", RECOGNISED_MYSQL, "\x09\0\0\0\x16SELECT ?", 0),
	ROW("of another length", RECOGNISED_NOTHING, "\x19\0\0\0\3SELECT 1", 0),
	ROW("get", RECOGNISED_MEMCACHED, "get key\r\n", 0),
	ROW("set", RECOGNISED_MEMCACHED, "set key 0 0 5\r\nhello\r\n", 0),
	ROW("VALUE", RECOGNISED_MEMCACHED, "VALUE key 0 5\r\nhello\r\nEND\r\n", 0),
	ROW("mg", RECOGNISED_MEMCACHED, "mg key v\r\n", 0),
	ROW("a binary get", RECOGNISED_MEMCACHED_BINARY, "\x80\0\0\5\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0Hello", 0),
	ROW("ClientHello", RECOGNISED_TLS, "\x16\3\1\2\0\1\0\1\xfc\3\3abcdef", 500),
	ROW("ServerHello", RECOGNISED_TLS, "\x16\3\3\0\x7a\2\0\0\x76\3\3abcdef", 1000),
	ROW("encrypted data", RECOGNISED_NOTHING, "\x17\3\3\0\x7a\2\0\0\x76\3\3abcdef", 1000),
	ROW("ssh", RECOGNISED_NOTHING, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", 0),
	ROW("nothing", RECOGNISED_NOTHING, "", 0),
	ROW("a zero", RECOGNISED_NOTHING, "\0", 0),
};

static const struct row datagrams[] = {
	ROW("a question", RECOGNISED_DNS, "\x12\x34\1\0\0\1\0\0\0\0\0\1\7example\3org\0\0\1\0\1", 11),
	ROW("an answer", RECOGNISED_DNS, "\x12\x34\x81\x80\0\1\0\1\0\0\0\0\7example\3org\0\0\1\0\1", 16),
	ROW("no such name", RECOGNISED_DNS, "\x12\x34\x81\x83\0\1\0\0\0\1\0\0\7example\3org\0\0\1\0\1", 16),
	ROW("multicast DNS", RECOGNISED_DNS, "\0\0\x84\0\0\0\0\1\0\0\0\0\5_http\4_tcp\0", 30),
	ROW("QUIC", RECOGNISED_NOTHING, "\xc3\0\0\0\1\x08\x83\x94\xc8\xf0\x3e\x51\x57\x08\0\0\x44\x9e\x7b\x9a", 1100),
	ROW("NTP", RECOGNISED_NOTHING, "\x23\0\x06\xec\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28),
	ROW("too short", RECOGNISED_NOTHING, "\x12\x34\1\0\0\1\0\0\0\0\0\0", 0),
};

static struct recognise_head head_of(const struct row *r)
{
	struct recognise_head h = { 0 };

	memcpy(h.b, r->bytes, MIN(r->len, (size_t)RECOGNISE_BYTES));
	return h;
}

static void test_streams(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct recognise_head h = head_of(&rows[i]);
		int got = recognise(&h, (uint32_t)rows[i].len + rows[i].more);

		if (got != (int)rows[i].want)
			fail_msg("%s: %d instead of %d", rows[i].what, got, (int)rows[i].want);
	}
}

static void test_datagrams(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(datagrams); i++) {
		struct recognise_head h = head_of(&datagrams[i]);

		if (recognise_dns(&h, (uint32_t)datagrams[i].len + datagrams[i].more) !=
		    (datagrams[i].want == RECOGNISED_DNS))
			fail_msg("%s", datagrams[i].what);
	}
}

/* Marsaglia's xorshift64 */
static uint64_t random_next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	return *x ^= *x << 17;
}

/* Encrypted or compressed data are taken for something less than once in 10,000 messages. */
static void test_random(void **state)
{
	uint64_t x = 88172645463325252ULL;
	int i, j, streams = 0, dns = 0;

	(void)state;
	for (i = 0; i < RANDOM_HEADS; i++) {
		struct recognise_head h;

		for (j = 0; j < RECOGNISE_BYTES / 8; j++)
			h.words[j] = random_next(&x);
		streams += recognise(&h, 1000) != RECOGNISED_NOTHING;
		dns += recognise_dns(&h, 1000) != 0;
	}
	assert_in_range(streams, 0, RANDOM_HEADS / 10000);
	assert_in_range(dns, 0, RANDOM_HEADS / 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("recognise", tests, NULL, NULL);
}
