/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto_bench - exchanges a second that src/proto tells of, on one core.
 *
 * usage: proto_bench [EXCHANGES [RUNS [PREFIX]]]	(1000000 5 256; where there are 16 in a piece, all bytes)
 * smoke: 1000 1
 *
 * Counted is CPU time.  Each protocol has a conversation on one connection that is fed again and again: small requests, one or (where it says so)
 * 16 in a piece, and their responses, of which PREFIX bytes of each piece are kept.  Printed is the median of the runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/proto.h"

#define RUNS_MAX 99

struct talk {
	const char *name;
	const char *request, *response;
	size_t request_len, response_len; /* 0: of the text */
	unsigned in_piece;		  /* so many in a piece */
	bool datagram;
};

static const char http_request[] = "GET /items/17?verbose=1 HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: wrk\r\n"
				   "X-Request-ID: 4711-0815\r\nAccept: */*\r\n\r\n";
static const char http_response[] = "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/plain\r\n"
				    "Content-Length: 20\r\nConnection: keep-alive\r\n\r\nabcdefghijklmnopqrst";
static const char dns_request[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\3web\4test\0\0\1\0\1";
static const char dns_response[] =
	"\x12\x34\x81\x80\0\1\0\1\0\0\0\0\3web\4test\0\0\1\0\1\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1";

static const struct talk talks[] = {
	{ "http", http_request, http_response, 0, 0, 1, false },
	{ "http, 16 a piece", http_request, http_response, 0, 0, 16, false },
	{ "redis", "*2\r\n$3\r\nGET\r\n$9\r\nuser:1234\r\n", "$5\r\nhello\r\n", 0, 0, 1, false },
	{ "redis, 16 a piece", "*2\r\n$3\r\nGET\r\n$9\r\nuser:1234\r\n", "$5\r\nhello\r\n", 0, 0, 16, false },
	{ "memcached", "get user:1234\r\n", "VALUE user:1234 0 5\r\nhello\r\nEND\r\n", 0, 0, 1, false },
	{ "dns", dns_request, dns_response, sizeof(dns_request) - 1, sizeof(dns_response) - 1, 1, true },
	{ "turns", "\1\2\3\4 what no parser knows", "\1\2\3\4 an answer", 0, 0, 1, false },
};

static uint64_t told;

static void count(void *arg, const struct proto_exchange *x)
{
	(void)arg;
	told += x->request.known && x->response.known;
}

/* A piece that says the text so often. */
static uint8_t *make_piece(const char *text, size_t len, unsigned n, size_t *ret_len)
{
	uint8_t *data = malloc(len * n);

	if (!data)
		exit(1);
	for (unsigned i = 0; i < n; i++)
		memcpy(data + len * i, text, len);
	*ret_len = len * n;
	return data;
}

static void feed(struct proto_conn *c, struct proto_piece *p, const uint8_t *data, size_t len, size_t prefix,
		 bool datagram)
{
	p->data = data;
	p->bytes = (uint32_t)len;
	p->have = (uint32_t)(len < prefix ? len : prefix);
	p->boot_ns = p->begin_ns = p->tag++;
	proto_conn_feed(c, p);
	p->offset += datagram ? 0 : len;
}

/* Exchanges a second */
static double run(const struct talk *t, uint64_t exchanges, size_t prefix)
{
	struct proto_conn_opts opts = { .datagram = t->datagram, .client = 1, .exchange = count };
	struct proto_piece asks = { .sent = true }, answers = { .sent = false };
	size_t ask_len, answer_len;
	uint8_t *ask =
		make_piece(t->request, t->request_len ? t->request_len : strlen(t->request), t->in_piece, &ask_len);
	uint8_t *answer = make_piece(t->response, t->response_len ? t->response_len : strlen(t->response), t->in_piece,
				     &answer_len);
	struct proto_conn *c = NULL;
	uint64_t begin;
	double seconds;

	if (proto_conn_new(&opts, &c))
		exit(1);
	told = 0;
	begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (uint64_t n = 0; n < exchanges; n += t->in_piece) {
		feed(c, &asks, ask, ask_len, prefix, t->datagram);
		feed(c, &answers, answer, answer_len, prefix, t->datagram);
	}
	proto_conn_end(c, 0);
	seconds = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin) / 1e9;
	proto_conn_free(c);
	free(ask);
	free(answer);
	return (double)told / seconds;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	const uint64_t exchanges = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	const size_t runs = argc > 2 ? strtoul(argv[2], NULL, 10) : 5;
	const size_t prefix = argc > 3 ? strtoul(argv[3], NULL, 10) : 256;
	double each[RUNS_MAX];

	if (!exchanges || !runs || runs > RUNS_MAX) {
		(void)fprintf(stderr, "usage: proto_bench [EXCHANGES [RUNS [PREFIX]]]\n");
		return 2;
	}
	printf("%-20s %14s\n", "protocol", "exchanges/s");
	for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
		const size_t keep = talks[i].in_piece > 1 && argc <= 3 ? SIZE_MAX : prefix;

		for (size_t r = 0; r < runs; r++)
			each[r] = run(&talks[i], exchanges, keep);
		if (told < exchanges) {
			(void)fprintf(stderr, "proto_bench: of %s only %llu exchanges were told\n", talks[i].name,
				      (unsigned long long)told);
			return 1;
		}
		qsort(each, runs, sizeof(each[0]), by_value);
		printf("%-20s %14.0f\n", talks[i].name, each[runs / 2]);
	}
	return 0;
}
