/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of a conversation, and the exchanges they are: by the specifications of each protocol, worked out by hand.  What real
 * servers say is in tests/e2e/proto.sh.
 */
#include "proto/conversation_testing.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
#define BINARY(magic, op, keys, status, body, opaque, rest) \
	magic op "\0" keys "\0\0\0" status "\0\0\0" body "\0\0\0" opaque "\0\0\0\0\0\0\0\0" rest
#define REDIS_GET(key) "*2\r\n$3\r\nGET\r\n$1\r\n" key "\r\n"
#define QUESTION "\3www\4Test\0\0\1\0\1"

static const struct case_ http_cases[] = {
	{ "one request",
	  { .joined = 0 },
	  { { .who = '>', .data = GET("/a/17?x=1") }, { .who = '<', .data = OK5 "hello" } },
	  "http GET /a/{n} 200 C 0-35@1-1 0-43@2-2\n" },
	{ "seen by the server",
	  { .not_client = 1 },
	  { { .who = '<', .data = GET("/") }, { .who = '>', .data = OK5 "hello" } },
	  "http GET / 200  0-27@1-1 0-43@2-2\n" },
	{ "body in pieces of its own, not kept",
	  { .joined = 0 },
	  { { .who = '>', .data = GET("/") },
	    { .who = '<', .data = OK5 },
	    { .who = '<', .data = "", .more = 5 },
	    { .who = '>', .data = GET("/b") },
	    { .who = '<', .data = OK5, .more = 5 } },
	  "http GET / 200 C 0-27@1-1 0-43@2-3\nhttp GET /b 200 C 27-55@4-4 43-86@5-5\n" },
	{ "the header is longer than what was kept",
	  { .joined = 0 },
	  { { .who = '>', .data = "GET /long HTTP/1.1\r\nCoo", .more = 100 },
	    { .who = '<', .data = OK5 "hello" },
	    { .who = '>', .data = GET("/") },
	    { .who = '<', .data = OK5 "hello" } },
	  "http GET /long 200 C 0-123@1-1 0-43@2-2\nhttp GET / 200 C 123-150@3-3 43-86@4-4\n" },
	{ "pipelined",
	  { .joined = 0 },
	  { { .who = '>', .data = GET("/a") GET("/b") }, { .who = '<', .data = OK5 "hello" OK5 "hello" } },
	  "http GET /a 200 C 0-28@1-1 0-43@2-2\nhttp GET /b 200 C 28-56@1-1 43-86@2-2\n" },
	{ "chunks, one not kept to its end, and a trailer",
	  { .joined = 0 },
	  { { .who = '>', .data = GET("/a") },
	    { .who = '<', .data = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" },
	    { .who = '<', .data = "5;x=y\r\nhello\r\n400\r\n", 1024 + 2 },
	    { .who = '<', .data = "0\r\nSum: 1\r\n\r\n" } },
	  "http GET /a 200 C 0-28@1-1 0-1105@2-4\n" },
	{ "a chunk's size was not kept: until the turn",
	  { .joined = 0 },
	  { { .who = '>', .data = GET("/a") },
	    { .who = '<', .data = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", .more = 53 },
	    { .who = '<', .data = "more of it", .more = 10 },
	    { .who = '>', .data = GET("/b") },
	    { .who = '<', .data = OK5 "hello" } },
	  "http GET /a 200 C 0-28@1-1 0-130@2-3\nhttp GET /b 200 C 28-56@4-4 130-173@5-5\n" },
	{ "a response was lost",
	  { .joined = 0 },
	  { { .who = '>', .data = GET("/a") },
	    { .who = 'o', .data = OK5 "hello" },
	    { .who = '>', .data = GET("/b") },
	    { .who = '<', .data = OK5 "hello" } },
	  "http GET /a 0 UMC 0-28@1-1\nhttp GET /b 200 MC 28-56@3-3 43-86@4-4\n" },
	{ "HEAD has a length and no body; 204 and 304 have none",
	  { .joined = 0 },
	  { { .who = '>', .data = "HEAD /a HTTP/1.1\r\n\r\n" },
	    { .who = '<', .data = OK5 },
	    { .who = '>', .data = GET("/b") },
	    { .who = '<', .data = "HTTP/1.1 204 No Content\r\n\r\n" },
	    { .who = '>', .data = GET("/c") },
	    { .who = '<', .data = "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n" } },
	  "http HEAD /a 200 C 0-20@1-1 0-38@2-2\nhttp GET /b 204 C 20-48@3-3 38-65@4-4\n"
	  "http GET /c 304 C 48-76@5-5 65-113@6-6\n" },
	{ "100 Continue is not the answer",
	  { .joined = 0 },
	  { { .who = '>', .data = "POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n" },
	    { .who = '<', .data = "HTTP/1.1 100 Continue\r\n\r\n" },
	    { .who = '>', .data = "body" },
	    { .who = '<', .data = OK5 "hello" } },
	  "http POST /a 200 C 0-65@1-3 25-68@4-4\n" },
	{ "HTTP/1.0: the body lasts until the end",
	  { .joined = 0 },
	  { { .who = '>', .data = "GET / HTTP/1.0\r\n\r\n" },
	    { .who = '<', .data = "HTTP/1.0 200 OK\r\n\r\nsome", .more = 96 },
	    { .who = '<', .data = "HTTP/1.1 200 OK\r\n\r\n" } },
	  "http GET / 200 C 0-18@1-1 0-138@2-3\n" },
	{ "errors",
	  { .joined = 0 },
	  { { .who = '>', .data = GET("/a") GET("/b") },
	    { .who = '<',
	      .data = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\nHTTP/1.1 503 Down\r\nContent-Length: "
		      "0\r\n\r\n" } },
	  "http GET /a 404 C 0-28@1-1 0-45@2-2\nhttp GET /b 503 FC '503 Down' 28-56@1-1 45-85@2-2\n" },
	{ "absolute form, and ids",
	  { .joined = 0 },
	  { { .who = '>', .data = "GET http://b:80/x?y HTTP/1.1\r\nX-REQUEST-ID: r1\r\n\r\n" },
	    { .who = '<', .data = OK5 "hello" } },
	  "http GET /x 200 C (b:80) [r1] 0-50@1-1 0-43@2-2\n" },
	{ "a websocket: turns from there on",
	  { .joined = 0 },
	  { { .who = '>', .data = "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" },
	    { .who = '<',
	      .data = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" },
	    { .who = '>', .data = "\x81\x85...." },
	    { .who = '<', .data = "\x81\x02ok" } },
	  "http GET /ws 101 C 0-61@1-1 0-77@2-2\nwebsocket   0 TC 61-67@3-3 77-81@4-4\n" },
	{ "CONNECT, and in the tunnel something else",
	  { .joined = 0 },
	  { { .who = '>', .data = "CONNECT b:6379 HTTP/1.1\r\nHost: b:6379\r\n\r\n" },
	    { .who = '<', .data = "HTTP/1.1 200 Connected\r\n\r\n" },
	    { .who = '>', .data = "*1\r\n$4\r\nPING\r\n" },
	    { .who = '<', .data = "+PONG\r\n" } },
	  "http CONNECT b:6379 200 C (b:6379) 0-41@1-1 0-26@2-2\nredis PING  0 C 41-55@3-3 26-33@4-4\n" },
	{ "joined when a request had been asked",
	  { .joined = 1000 },
	  { { .who = '<', .data = OK5 "hello" },
	    { .who = '>', .data = GET("/b") },
	    { .who = '<', .data = OK5 "hello" } },
	  "http   200 AMC 1000-1043@1-1\nhttp GET /b 200 C 1000-1028@2-2 1043-1086@3-3\n" },
	{ "joined in the middle of a body",
	  { .joined = 1000 },
	  { { .who = '<', .data = "no beginning of anything", .more = 100 },
	    { .who = '>', .data = GET("/b") },
	    { .who = '<', .data = OK5 "hello" } },
	  "tcp   0 TAC 1000-1124@1-1\nhttp GET /b 200 MC 1000-1028@2-2 1124-1167@3-3\n" },
	{ "no response until the end", { 0 }, { { .who = '>', .data = GET("/a") } }, "http GET /a 0 UC 0-28@1-1\n" },
	{ "a header in many pieces",
	  { .joined = 0 },
	  { { .who = '>', .data = "GE" },
	    { .who = '>', .data = "T /a HT" },
	    { .who = '>', .data = "TP/1.1\r\nHost:" },
	    { .who = '>', .data = " a\r\n\r" },
	    { .who = '>', .data = "\n" },
	    { .who = '<', .data = "HTT" },
	    { .who = '<', .data = "P/1.1 200 OK\r\n" },
	    { .who = '<', .data = "Content-Length: 0\r\n\r\n" } },
	  "http GET /a 200 C 0-28@1-5 0-38@6-8\n" },
};

static const struct case_ other_cases[] = {
	{ "a question to nobody",
	  { .joined = 0 },
	  { { .who = '>', .data = "\x01\x02what" }, { .who = '<', .data = "\x01\x03that" } },
	  "tcp   0 TC 0-6@1-1 0-6@2-2\n" },
	{ "turns of many pieces, and bytes lost",
	  { .joined = 0 },
	  { { .who = '>', .data = "\x01\x02what" },
	    { .who = '>', .data = "\x01\x02more", .more = 100 },
	    { .who = '<', .data = "\x01" },
	    { .who = 'o', .data = "\x01\x03that" },
	    { .who = '<', .data = "\x01" },
	    { .who = '>', .data = "\x02" } },
	  "tcp   0 TMC 0-112@1-2 0-8@3-5\ntcp   0 TUC 112-113@6-6\n" },
	{ "the first words were no HTTP",
	  { .joined = 0 },
	  { { .who = '>', .data = GET("/") },
	    { .who = '<', .data = "\x01\x03not HTTP" },
	    { .who = '>', .data = "what" },
	    { .who = '<', .data = "that" } },
	  "http GET / 0 UMC 0-27@1-1\ntcp   0 TC 27-31@3-3 10-14@4-4\n" },
	{ "redis: pipelined, an error, a value that was not kept",
	  { .joined = 0 },
	  { { .who = '>', .data = "*2\r\n$3\r\nget\r\n$7\r\nuser:17\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n" },
	    { .who = '<', .data = "$9\r\nab", .more = 9 },
	    { .who = '<', .data = "-ERR no number\r\n" } },
	  "redis GET user:{n} 0 C 0-26@1-1 0-15@2-2\nredis INCR a 0 FC 'ERR no number' 26-47@1-1 15-31@3-3\n" },
	{ "redis: a push of RESP3, nested aggregates, a redirection, words on a line",
	  { .not_client = -1 },
	  { { .who = '>', .data = "*2\r\n$7\r\nHGETALL\r\n$1\r\nh\r\n" },
	    { .who = '<', .data = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nh\r\n%1\r\n$1\r\na\r\n*2\r\n:1\r\n_\r\n" },
	    { .who = '>', .data = "exists h\r\n" },
	    { .who = '<', .data = "-MOVED 1 b:1\r\n" } },
	  "redis HGETALL h 0 C 0-24@1-1 32-54@2-2\nredis EXISTS h 0 C 'MOVED 1 b:1' 24-34@3-3 54-68@4-4\n" },
	{ "redis: how many answers were in a turn that nobody could follow is not known",
	  { .joined = 0 },
	  { { .who = '>', .data = REDIS_GET("x") },
	    { .who = '<', .data = "+X\r\n" },
	    { .who = '>', .data = REDIS_GET("y") },
	    { .who = 'o', .data = "+Y\r\n" },
	    { .who = '>', .data = REDIS_GET("z") },
	    { .who = '<', .data = "+Z" },
	    { .who = '<', .data = "\r\n" },
	    { .who = '>', .data = REDIS_GET("z") },
	    { .who = '<', .data = "+Z" },
	    { .who = '<', .data = "\r\n" },
	    { .who = '>', .data = REDIS_GET("a") REDIS_GET("b") },
	    { .who = '<', .data = "+A" },
	    { .who = '<', .data = "\r\n+B\r\n" },
	    { .who = '>', .data = REDIS_GET("c") },
	    { .who = '<', .data = "+C\r\n" } },
	  "redis GET x 0 C 0-20@1-1 0-4@2-2\n"
	  "redis GET y 0 UMC 20-40@3-3\n"
	  "redis GET z 0 MC 40-60@5-5 8-12@6-7\n"
	  "redis GET z 0 MC 60-80@8-8 12-16@9-10\n"
	  "redis GET a 0 MC 80-100@11-11 16-24@12-13\n"
	  "redis GET b 0 MC 100-120@11-11 8-24@6-13\n"
	  "redis GET c 0 MC 120-140@14-14 24-28@15-15\n" },
	{ "redis: passwords are no keys",
	  { .joined = 0 },
	  { { .who = '>', .data = "*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$6\r\nsecret\r\n" },
	    { .who = '<', .data = "+OK\r\n" } },
	  "redis AUTH  0 C 0-36@1-1 0-5@2-2\n" },
	{ "memcached: many lines, no reply",
	  { .joined = 0 },
	  { { .who = '>', .data = "get a:1 b\r\nset c 0 0 2 noreply\r\nhi\r\ndelete d\r\n" },
	    { .who = '<', .data = "VALUE a:1 0 4\r\nEND\n\r\nVALUE b 0 1\r\nx\r\nEND\r\nNOT_FOUND\r\n" } },
	  "memcached SET c 0 OC 11-36@1-1\nmemcached GET a:{n} 0 C 0-11@1-1 0-42@2-2\n"
	  "memcached DELETE d 0 C 36-46@1-1 42-53@2-2\n" },
	{ "memcached, binary: a quiet get that misses, and its noop",
	  { .joined = 0 },
	  { { .who = '>',
	      BYTES(BINARY("\x80", "\x09", "\1", "\0", "\1", "\1", "k")
			    BINARY("\x80", "\x0a", "\0", "\0", "\0", "\2", "")) },
	    { .who = '<', BYTES(BINARY("\x81", "\x0a", "\0", "\0", "\0", "\2", "")) } },
	  "memcached GETQ k 0 OC 0-25@1-1\nmemcached NOOP  0 C 25-49@1-1 0-24@2-2\n" },
	{ "dns: two at once, answered the other way round; one does not exist",
	  { .datagram = true },
	  { { .who = '>', BYTES("\0\7\1\0\0\1\0\0\0\0\0\0" QUESTION) },
	    { .who = '>', BYTES("\0\10\1\0\0\1\0\0\0\0\0\0" QUESTION) },
	    { .who = '<', BYTES("\0\10\x81\x83\0\1\0\0\0\0\0\0" QUESTION) },
	    { .who = '<', BYTES("\0\7\x81\x82\0\1\0\0\0\0\0\0" QUESTION) } },
	  "dns A www.test 3 C 'NXDOMAIN' 0-26@2-2 0-26@3-3\ndns A www.test 2 FC 'SERVFAIL' 0-26@1-1 0-26@4-4\n" },
	{ "dns: asked again with the same id",
	  { .datagram = true },
	  { { .who = '>', BYTES("\0\7\1\0\0\1\0\0\0\0\0\0" QUESTION) },
	    { .who = '>', BYTES("\0\7\1\0\0\1\0\0\0\0\0\0" QUESTION) },
	    { .who = '<', BYTES("\0\7\x81\x80\0\1\0\0\0\0\0\0" QUESTION) } },
	  "dns A www.test 0 UC 0-26@1-1\ndns A www.test 0 C 0-26@2-2 0-26@3-3\n" },
	{ "dns on a stream, the length in a piece of its own",
	  { .joined = 0 },
	  { { .who = '>', BYTES("\0\x1a") },
	    { .who = '>', BYTES("\0\7\1\0\0\1\0\0\0\0\0\0" QUESTION) },
	    { .who = '<', BYTES("\0\x1a\0\7\x81\x80\0\1\0\0\0\0\0\0" QUESTION) } },
	  "dns A www.test 0 C 0-28@1-2 0-28@3-3\n" },
	{ "datagrams of nobody's",
	  { .datagram = true },
	  { { .who = '>', .data = "what" }, { .who = '<', .data = "that" } },
	  "udp   0 TC 0-4@1-1 0-4@2-2\n" },
};

static void http(void **state)
{
	(void)state;
	run_all(http_cases, sizeof(http_cases) / sizeof(http_cases[0]));
}

static void others(void **state)
{
	(void)state;
	run_all(other_cases, sizeof(other_cases) / sizeof(other_cases[0]));
}

/* ---- bounds ---- */

static void spoiled(void **state)
{
	(void)state;
	run_spoiled(http_cases, sizeof(http_cases) / sizeof(http_cases[0]));
	run_spoiled(other_cases, sizeof(other_cases) / sizeof(other_cases[0]));
}

static void count(void *arg, const struct proto_exchange *x)
{
	uint64_t *n = arg;

	n[!!(x->flags & PROTO_UNANSWERED)]++;
}

/* Requests that nobody answers are given up, the oldest first; all of them are told. */
static void unanswered(void **state)
{
	static const char get[] = GET("/");
	uint64_t n[2] = { 0, 0 };
	struct proto_conn_opts opts = { .client = 1, .exchange = count, .arg = n };
	struct proto_piece p = {
		.data = (const uint8_t *)get, .have = sizeof(get) - 1, .bytes = sizeof(get) - 1, .sent = true
	};
	struct proto_conn *c = NULL;

	(void)state;
	assert_int_equal(proto_conn_new(&opts, &c), 0);
	for (int i = 0; i < PROTO_OPEN_MAX + 100; i++) {
		proto_conn_feed(c, &p);
		p.offset += p.bytes;
	}
	assert_int_equal(n[1], 100);
	proto_conn_end(c, 0);
	assert_int_equal(n[0], 0);
	assert_int_equal(n[1], PROTO_OPEN_MAX + 100);
	assert_string_equal(proto_conn_name(c), "http");
	assert_null(proto_conn_free(c));
	assert_null(proto_conn_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http),
		cmocka_unit_test(others),
		cmocka_unit_test(spoiled),
		cmocka_unit_test(unanswered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
