/* SPDX-License-Identifier: Apache-2.0 */
/* Maps of random calls against a list of calls that is searched from end to end for each edge. */
#include "explain/service_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "explain/spans_make.h"

#define CALLS_MAX 2000

static uint64_t seed = 11;

static uint64_t below(uint64_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

/* What was done, as a client and a server know it. */
struct call {
	char from[16], to[16];
	int protocol;
	bool failed, unanswered;
	uint64_t ns, away_ns, sent, received, resent; /* away_ns: UINT64_MAX: only one end is known */
};

struct scene {
	struct spans_make m;
	struct call calls[CALLS_MAX];
	size_t ncalls;
};

static uint32_t text_of(struct scene *x, const char *text)
{
	return spans_make_text(&x->m, text, strlen(text));
}

static void row(struct scene *x, const struct call *c, int kind, uint32_t parent, uint64_t begin, uint64_t ns,
		uint64_t sock)
{
	struct span *r = spans_make_row(&x->m);

	assert_non_null(r);
	r->parent = parent;
	r->kind = (uint8_t)kind;
	r->id = x->m.s.count;
	r->host = (uint32_t)kind; /* each end is a host of its own */
	r->sock = sock;
	r->service = text_of(x, kind == SPAN_CLIENT ? c->from : c->to);
	r->peer = text_of(x, kind == SPAN_CLIENT ? c->to : c->from);
	r->protocol = (uint8_t)c->protocol;
	r->begin_ns = begin;
	r->end_ns = begin + ns;
	r->request_bytes = c->sent;
	r->response_bytes = c->received;
	r->flags = (c->unanswered ? SPAN_UNANSWERED : 0);
}

static void add_call(struct scene *x)
{
	struct call *c = &x->calls[x->ncalls++];
	uint64_t begin = 1000 * x->ncalls, ns = 100 + below(1000000), away = below(100);
	unsigned int seen = (unsigned int)below(4); /* 0: by the client, 1: by the server, else by both */

	*c = (struct call) { .protocol = (int)below(3),
			     .failed = !below(5),
			     .unanswered = !below(20),
			     .ns = ns,
			     .away_ns = UINT64_MAX,
			     .sent = below(1000),
			     .received = below(5000) };
	(void)snprintf(c->from, sizeof(c->from), "s%u", (unsigned int)below(4));
	(void)snprintf(c->to, sizeof(c->to), seen ? "s%u" : "10.0.0.%u:80", (unsigned int)below(4));
	if (seen == 1)
		c->from[0] = 0;
	if (seen != 1)
		row(x, c, SPAN_CLIENT, SPAN_NONE, begin, ns, 2 * x->ncalls);
	if (seen)
		row(x, c, SPAN_SERVER, seen == 1 ? SPAN_NONE : (uint32_t)x->m.s.count - 1, begin + away / 2,
		    seen == 1 ? ns : ns - away, 2 * x->ncalls + 1);
	if (seen > 1 && !c->unanswered)
		c->away_ns = away;
	if (c->failed)
		x->m.s.rows[x->m.s.count - 1 - (seen > 1 && below(2))].flags |= SPAN_FAILED;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void check_edge(const struct scene *x, const struct service_map *m, const struct map_edge *e, size_t *seen)
{
	static const double qs[] = { 0.5, 0.9, 0.99, 0.999 };
	uint64_t failed = 0, unanswered = 0, sent = 0, received = 0, away = UINT64_MAX, resent = 0, n = 0, i;
	static uint64_t ns[CALLS_MAX];
	size_t answered = 0;

	for (i = 0; i < x->ncalls; i++) {
		const struct call *c = &x->calls[i];

		if (strcmp(*c->from ? c->from : "outside", service_map_name(m, e->from)) != 0 ||
		    strcmp(c->to, service_map_name(m, e->to)) != 0 || (uint32_t)c->protocol != e->protocol)
			continue;
		n++;
		failed += c->failed;
		unanswered += c->unanswered;
		sent += c->sent;
		received += c->received;
		resent += c->resent;
		away = c->away_ns < away ? c->away_ns : away;
		if (!c->unanswered)
			ns[answered++] = c->ns;
	}
	assert_int_equal(e->requests, n);
	assert_int_equal(e->failed, failed);
	assert_int_equal(e->unanswered, unanswered);
	assert_int_equal(e->request_bytes, sent);
	assert_int_equal(e->response_bytes, received);
	assert_int_equal(e->retransmits, resent);
	assert_int_equal(e->away_ns, away);
	assert_int_equal(e->ns.total, answered);
	qsort(ns, answered, sizeof(ns[0]), by_value);
	for (i = 0; answered && i < ARRAY_LEN(qs); i++) {
		uint64_t exact = ns[(size_t)ceil(qs[i] * (double)answered) - 1], got = hist_quantile(&e->ns, qs[i]);

		assert_true(got >= exact && got - exact <= exact / 64);
	}
	*seen += n;
}

static void test_random(void **state)
{
	unsigned int trial;

	(void)state;
	for (trial = 0; trial < 20; trial++) {
		CLEANUP_FREE struct scene *x = calloc(1, sizeof(*x));
		size_t n = 1 + below(CALLS_MAX - 1), seen = 0, i;
		struct service_map m;
		struct spans s;

		assert_non_null(x);
		while (x->ncalls < n)
			add_call(x);
		x->m.s.protocols[0] = "http";
		x->m.s.protocols[1] = "redis";
		x->m.s.nprotocols = 2; /* the third is not known */
		assert_int_equal(spans_make_link(&x->m, &s), 0);
		assert_int_equal(service_map_build(&s, &m, NULL), 0);
		for (i = 0; i < 300; i++) {
			struct call *c = &x->calls[below(n)];
			bool server = !*c->from || (c->away_ns != UINT64_MAX && below(2));
			uint64_t nth = (uint64_t)(c - x->calls) + 1;

			service_map_retransmit(&m, server ? SPAN_SERVER : SPAN_CLIENT, 2 * nth + server);
			c->resent++;
		}
		service_map_retransmit(&m, 9, 2);
		assert_true(m.retransmits_known);
		for (i = 0; i < m.nedges; i++) {
			check_edge(x, &m, &m.edges[i], &seen);
			assert_true(!i || m.edges[i].requests <= m.edges[i - 1].requests);
		}
		assert_int_equal(seen, n);
		service_map_fini(&m);
		spans_fini(&s);
	}
}

static void test_outputs(void **state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	CLEANUP_FREE struct scene *x = calloc(1, sizeof(*x));
	struct call c = { .from = "we\"b\\", .to = "db\n", .sent = 2048, .received = 10, .failed = true };
	struct service_map m;
	struct spans s;

	(void)state;
	row(x, &c, SPAN_CLIENT, SPAN_NONE, 0, 2000000, 1);
	row(x, &c, SPAN_SERVER, 0, 1000, 1000000, 2);
	x->m.s.rows[1].flags = SPAN_FAILED;
	row(x, &c, SPAN_CLIENT, SPAN_NONE, 1000000000, 1000000000, 1);
	row(x, &c, SPAN_SERVER, 2, 1000001000, 999000000, 2);
	x->m.s.protocols[0] = "sql";
	x->m.s.nprotocols = 1;
	assert_int_equal(spans_make_link(&x->m, &s), 0);
	assert_int_equal(service_map_build(&s, &m, NULL), 0);
	service_map_text(&b, &m);
	assert_non_null(strstr(b.data, "we\"b\\ > db\\n sql             2       1.0  50.00 %   2.02 ms    1.00 s"));
	assert_non_null(strstr(b.data, "4.0K      20B       -   1.00 ms\n"));
	assert_non_null(strstr(b.data, "2 services, 2 calls in 2.000 s"));
	buf_reset(&b);
	service_map_dot(&b, &m);
	assert_non_null(strstr(b.data, "n0 [label=\"we\\\"b\\\\\"];\n"));
	assert_non_null(strstr(b.data, "n1 [label=\"db\\\\n\"];\n"));
	assert_non_null(strstr(
		b.data, "n0 -> n1 [label=\"sql 1.0/s\\np50 2.02 ms, p99 1.00 s\\n50.00 % failed\", color=red];\n"));
	buf_reset(&b);
	service_map_json(&b, &m);
	assert_non_null(strstr(
		b.data,
		"{\"from\":\"we\\\"b\\\\\",\"to\":\"db\\n\",\"protocol\":\"sql\",\"requests\":2,\"per_second\":1.000,"
		"\"failed\":1,\"unanswered\":0,\"request_bytes\":4096,\"response_bytes\":20,"));
	assert_non_null(strstr(b.data, "\"retransmits\":null,\"away_ns\":1000000}"));
	service_map_fini(&m);
	spans_fini(&s);
}

/* A process that serves under a name calls under it: below a request or by itself; one that serves under two only below one. */
static void test_names(void **state)
{
	static const struct {
		uint32_t tgid, parent;
		const char *from;
	} cases[] = {
		{ 5, 0, "front:80" },	 { 5, SPAN_NONE, "front:80" }, { 6, 1, "two:1" },
		{ 6, SPAN_NONE, "exe" }, { 7, SPAN_NONE, "exe" },      { 7, 0, "exe" },
	};
	CLEANUP_FREE struct scene *x = calloc(1, sizeof(*x));
	static const char *const servers[] = { "front:80", "two:1", "two:2" };
	struct service_map m;
	struct spans s;
	size_t i, k;

	(void)state;
	for (i = 0; i < ARRAY_LEN(servers); i++) {
		struct call c = { .from = "" };

		(void)snprintf(c.to, sizeof(c.to), "%s", servers[i]);
		row(x, &c, SPAN_SERVER, SPAN_NONE, i, 1000, 0);
		x->m.s.rows[i].tgid = i ? 6 : 5;
	}
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct call c = { .from = "exe" };

		(void)snprintf(c.to, sizeof(c.to), "db%zu", i);
		row(x, &c, SPAN_CLIENT, cases[i].parent, 10 + i, 100, 0);
		x->m.s.rows[x->m.s.count - 1].tgid = cases[i].tgid;
		x->m.s.rows[x->m.s.count - 1].host = SPAN_SERVER;
	}
	assert_int_equal(spans_make_link(&x->m, &s), 0);
	assert_int_equal(service_map_build(&s, &m, NULL), 0);
	assert_int_equal(m.nedges, ARRAY_LEN(servers) + ARRAY_LEN(cases));
	for (i = 0; i < m.nedges; i++) {
		const char *to = service_map_name(&m, m.edges[i].to);

		k = !strncmp(to, "db", 2) ? (size_t)(to[2] - '0') : ARRAY_LEN(cases);
		assert_string_equal(service_map_name(&m, m.edges[i].from),
				    k < ARRAY_LEN(cases) ? cases[k].from : "outside");
	}
	service_map_fini(&m);
	spans_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random), cmocka_unit_test(test_names),
					    cmocka_unit_test(test_outputs) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
