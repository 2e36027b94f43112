/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_http - what the HTTP server does with a request: lines of METHOD, PATH, HOST, ORIGIN, AUTHORIZATION and a query string.
 *
 * Asked is a server of a recording with hostile names and requests, without sockets.  Every request is answered; nobody without the
 * token, with another's host, origin or method gets more than a refusal (worked out here once more, from the rules of
 * docs/design/api.md); what is said to be JSON is JSON.
 */
#include <jansson.h>

#include "serve/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES 6

static struct scratch world;

static void leave(void)
{
	scratch_close(&world);
}

static void put_message(uint32_t n)
{
	struct event_send s = {
		.h = scratch_head(EVENT_SEND, 3000 + 100 * n, 10, 10), .sock = 1, .offset = 10ULL * n, .bytes = 10
	};
	struct event_recv r = {
		.h = scratch_head(EVENT_RECV, 3050 + 100 * n, 20, 21), .sock = 2, .offset = 10ULL * n, .bytes = 10
	};
	struct event_log l = { .h = scratch_head(EVENT_LOG, 3070 + 100 * n, 20, 21), .level = n % 6 };
	const char *line[] = { "<script>alert(1)</script>\x01\x1b[2J\xff\xc3(\xed\xa0\x80\"\\\r\n", NULL };

	(void)scratch_put(&world, &s, NULL);
	(void)scratch_put(&world, &r, NULL);
	(void)scratch_put(&world, &l, line);
}

/* What one end says and the other hears, and its first bytes. */
static void put_words(uint64_t sock, uint32_t pid, uint64_t ns, bool sent, uint64_t offset, const char *text)
{
	uint32_t len = (uint32_t)strlen(text);
	struct event_send s = {
		.h = scratch_head(EVENT_SEND, ns, pid, pid), .sock = sock, .offset = offset, .bytes = len
	};
	struct event_recv r = {
		.h = scratch_head(EVENT_RECV, ns, pid, pid), .sock = sock, .offset = offset, .bytes = len
	};
	struct event_payload p = { .h = scratch_head(EVENT_PAYLOAD, ns, pid, pid),
				   .sock = sock,
				   .offset = offset,
				   .bytes = len,
				   .kept = len,
				   .flags = sent ? PAYLOADFLAGS_SENT : PAYLOADFLAGS_RECEIVED };
	const char *data[] = { text, NULL };

	if (sent)
		(void)scratch_put(&world, &s, NULL);
	else
		(void)scratch_put(&world, &r, NULL);
	(void)scratch_put(&world, &p, data);
}

/* A request from one process to the other; some fail. */
static void put_request(uint32_t n)
{
	static const char *const asked[] = {
		"GET /a/7 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /<script>alert(1)</script>\x1b[2J\xff HTTP/1.1\r\nHost: a\r\n\r\n",
		"PUT /\"><img HTTP/1.1\r\nHost: a\r\nX-Request-ID: \xc3(\r\n\r\n",
	};
	static const char *const answered[] = { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
						"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" };
	static uint64_t at, back;
	const char *ask = asked[n % ARRAY_LEN(asked)], *answer = answered[n % 5 == 4];
	uint64_t ns = 40000 + 1000ULL * n;

	put_words(3, 10, ns, true, at, ask);
	put_words(4, 20, ns + 100, false, at, ask);
	put_words(4, 20, ns + 300 + 7 * n, true, back, answer);
	put_words(3, 10, ns + 500 + 7 * n, false, back, answer);
	at += strlen(ask);
	back += strlen(answer);
}

static void put_socket(uint64_t sock, uint32_t pid)
{
	struct event_socket e = { .h = scratch_head(EVENT_SOCKET, 2000 + sock, pid, pid), .sock = sock };
	const char *path[] = { "", NULL };

	e.family = SOCKFAMILY_INET;
	e.socktype = SOCKTYPE_STREAM;
	e.protocol = PROTOCOL_TCP;
	e.isn = (uint32_t)sock;
	e.peer_isn = (uint32_t)(sock < 3 ? 3 - sock : 7 - sock);
	e.local_port = (uint16_t)(sock == 3 ? 40000 : 80);
	e.remote_port = (uint16_t)(sock == 3 ? 80 : 40000);
	e.flags = sock == 4 ? SOCKFLAGS_PASSIVE : 0;
	(void)scratch_put(&world, &e, path);
}

static void require(bool so)
{
	if (!so)
		abort();
}

/* Without any request the answers about them would be tried in vain. */
static void expect_requests(void)
{
	struct serve_request rq = { .method = "GET",
				    .path = "/api/requests",
				    .host = "localhost:1",
				    .authorization = "Bearer " SCRATCH_TOKEN };
	struct serve_response rs = { 0 };
	char query[] = "";

	scratch_params(&rq, query);
	serve_answer(&world.serve, &rq, &rs);
	require(rs.status == 200 && strstr(rs.body.data, "\"PUT\"") && strstr(rs.body.data, ":500,"));
	response_fini(&rs);
}

static void make_world(void)
{
	struct event_netns n = { .h = scratch_head(EVENT_NETNS, 600, 0, 0), .netns = 7, .inode = 8 };
	struct event_process p = { .h = scratch_head(EVENT_PROCESS, 700, 10, 10), .netns = 7 };
	struct event_loss l = { .h = scratch_head(EVENT_LOSS, 5000, 0, 0), .count = 3, .from_ns = 4000, .to_ns = 5000 };
	const char *name[] = { "</script>\"\xff", NULL },
		   *who[] = { "<script>", "/bin/\x07", "\"><img onerror=x>", NULL };
	uint32_t i;

	scratch_open(&world);
	scratch_clock(&world, 500);
	(void)scratch_put(&world, &n, name);
	(void)scratch_put(&world, &p, who);
	put_socket(1, 10);
	put_socket(2, 20);
	put_socket(3, 10);
	put_socket(4, 20);
	for (i = 0; i < 300; i++)
		put_message(i);
	for (i = 0; i < 40; i++)
		put_request(i);
	(void)scratch_put(&world, &l, NULL);
	(void)scratch_serve(&world);
	world.serve.failed = true; /* nobody waits for growth */
	(void)atexit(leave);
	expect_requests();
}

/* The input's lines; one that is not there, or empty where a header may be absent, is NULL. */
static void cut(char *text, const char *lines[LINES])
{
	size_t i;

	for (i = 0; i < LINES; i++) {
		char *end = text ? strchr(text, '\n') : NULL;

		lines[i] = text;
		if (end)
			*end++ = 0;
		text = end;
	}
	for (i = 2; i < 5; i++)
		lines[i] = lines[i] && *lines[i] ? lines[i] : NULL;
}

/* May the request be answered at all? */
static bool may_ask(const struct serve_request *rq)
{
	const char *given = request_param(rq, "token");
	char own[256];

	if (strcmp(rq->method, "GET") != 0 && strcmp(rq->method, "HEAD") != 0)
		return false;
	(void)snprintf(own, sizeof(own), "http://%s", rq->host ? rq->host : "");
	if (rq->origin && strcasecmp(rq->origin, own) != 0)
		return false;
	if (!rq->host ||
	    (!strcasestr(rq->host, "localhost") && !strstr(rq->host, "127.0.0.1") && !strstr(rq->host, "::1")))
		return false;
	if (rq->authorization && !strncasecmp(rq->authorization, "Bearer ", 7))
		given = rq->authorization + 7;
	return given && !strcmp(given, SCRATCH_TOKEN);
}

static void check(const struct serve_request *rq, const struct serve_response *rs)
{
	bool file = rs->data && strcmp(rq->path, "/") != 0;
	json_t *j;

	require(rs->status >= 200 && rs->status < 600 && rs->type);
	require(may_ask(rq) || file || rs->status >= 400);
	if (rs->data || (rs->status == 200 && !strcmp(rq->path, "/metrics"))) /* that is no JSON */
		return;
	require(!strcmp(rs->type, "application/json") && rs->body.data);
	j = json_loadb(rs->body.data, rs->body.len, 0, NULL);
	require(j != NULL);
	require(rs->status < 400 || json_string_value(json_object_get(j, "error")));
	json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *lines[LINES];
	struct serve_request rq = { 0 };
	struct serve_response rs = { 0 };
	char *text = strndup((const char *)data, size), *query;

	if (!world.path)
		make_world();
	require(text != NULL);
	cut(text, lines);
	query = strdup(lines[5] ? lines[5] : "");
	rq.method = lines[0] ? lines[0] : "";
	rq.path = lines[1] ? lines[1] : "";
	rq.host = lines[2];
	rq.origin = lines[3];
	rq.authorization = lines[4];
	rq.too_long = size > URL_MAX;
	scratch_params(&rq, query);
	serve_answer(&world.serve, &rq, &rs);
	check(&rq, &rs);
	response_fini(&rs);
	free(query);
	free(text);
	return 0;
}
