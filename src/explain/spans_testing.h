/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_SPANS_TESTING_H
#define SAKER_EXPLAIN_SPANS_TESTING_H
/*
 * spans_testing - made-up spans for tests and benches: requests to "web", which asks "app", which asks redis and a database,
 * with the sizes, times and numbers of events and threads that such a system has.  Out of memory ends the program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "explain/span.h"

#define MADE __attribute__((unused)) static

struct made {
	struct spans s;
	uint64_t random, now_ns, event;
};

MADE uint64_t made_random(struct made *m, uint64_t n)
{
	m->random = m->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (m->random >> 33) % n;
}

MADE void *made_room(void *rows, size_t count, size_t *cap, size_t size, size_t more)
{
	if (count + more <= *cap)
		return rows;
	*cap = 2 * (count + more);
	rows = realloc(rows, *cap * size);
	if (!rows)
		abort();
	return rows;
}

/* Each string once, by its first place. */
MADE uint32_t made_text(struct made *m, const char *text)
{
	size_t at, len = strlen(text) + 1;

	if (!m->s.text_len) {
		m->s.text = made_room(NULL, 0, &m->s.text_cap, 1, 1);
		m->s.text[m->s.text_len++] = 0;
	}
	for (at = 0; at < m->s.text_len; at += strlen(m->s.text + at) + 1)
		if (!strcmp(m->s.text + at, text))
			return (uint32_t)at;
	m->s.text = made_room(m->s.text, m->s.text_len, &m->s.text_cap, 1, len);
	memcpy(m->s.text + m->s.text_len, text, len);
	m->s.text_len += len;
	return (uint32_t)(m->s.text_len - len);
}

MADE uint8_t made_protocol(struct made *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->s.nprotocols && strcmp(m->s.protocols[i], name) != 0; i++)
		;
	if (i == m->s.nprotocols)
		m->s.protocols[m->s.nprotocols++] = name;
	return (uint8_t)i;
}

/* A call: who serves it, what is asked, by whom. */
struct made_call {
	const char *service, *operation, *resource, *protocol;
	uint32_t parent; /* index in the tree's calls */
	uint32_t tgid, threads;
};

static const struct made_call made_calls[] = {
	{ "web", "GET", "/cart/{id}", "http", SPAN_NONE, 400, 2 },
	{ "app", "GET", "/cart/{id}", "http", 0, 500, 16 },
	{ "redis", "GET", "cart:{id}", "redis", 1, 600, 1 },
	{ "postgres", "SELECT", "SELECT * FROM items WHERE cart = $1", "postgresql", 1, 700, 8 },
};
#define MADE_CALLS (sizeof(made_calls) / sizeof(made_calls[0]))

MADE struct span *made_span(struct made *m)
{
	m->s.rows = made_room(m->s.rows, m->s.count, &m->s.cap, sizeof(*m->s.rows), 1);
	m->s.rows[m->s.count] =
		(struct span) { .parent = SPAN_NONE, .first_child = SPAN_NONE, .next = SPAN_NONE, .confidence = 100 };
	return &m->s.rows[m->s.count++];
}

/* Times that add up to the span's duration. */
MADE void made_times(struct made *m, struct span *s)
{
	uint64_t all = s->end_ns - s->begin_ns;

	s->time_ns[TIME_CPU_WAIT] = made_random(m, all / 8 + 1);
	s->time_ns[s->kind == SPAN_CLIENT ? TIME_FLIGHT : TIME_RECEIVE_QUEUE] = made_random(m, all / 4 + 1);
	s->time_ns[s->kind == SPAN_CLIENT ? TIME_OTHER : TIME_CHILD] = made_random(m, all / 2 + 1);
	s->time_ns[TIME_RUNNING] = all - s->time_ns[TIME_CPU_WAIT] - s->time_ns[TIME_FLIGHT] -
				   s->time_ns[TIME_RECEIVE_QUEUE] - s->time_ns[TIME_CHILD] - s->time_ns[TIME_OTHER];
}

MADE void made_one(struct made *m, const struct made_call *c, uint8_t kind, uint32_t parent, const uint64_t trace[2],
		   uint64_t begin_ns, uint64_t end_ns)
{
	struct span *s = made_span(m);
	const struct made_call *by = kind == SPAN_CLIENT && c->parent != SPAN_NONE ? &made_calls[c->parent] : c;
	uint32_t thread = (uint32_t)made_random(m, by->threads);

	s->trace[0] = trace[0];
	s->trace[1] = trace[1];
	s->id = map_hash(trace[0] + m->s.count) | 1;
	s->parent = parent;
	s->kind = kind;
	s->evidence = (uint8_t)(parent == SPAN_NONE   ? EVIDENCE_ROOT
				: kind == SPAN_CLIENT ? EVIDENCE_THREAD
						      : EVIDENCE_OFFSETS);
	s->protocol = made_protocol(m, c->protocol);
	s->service = made_text(m, by->service);
	s->operation = made_text(m, c->operation);
	s->resource = made_text(m, c->resource);
	s->peer = made_text(m, kind == SPAN_CLIENT ? c->service : "");
	s->status = strcmp(c->protocol, "http") ? 0 : 200;
	if (s->status && !made_random(m, 50)) {
		s->status = 500;
		s->flags |= SPAN_FAILED;
		s->error = made_text(m, "500");
	}
	s->host = by->tgid == 700;
	s->tgid = by->tgid;
	s->tid = by->tgid + thread;
	s->start_ns = 1000000000ULL * by->tgid + thread;
	s->begin_ns = begin_ns;
	s->end_ns = end_ns;
	s->begin = (struct order_ref) { s->host, m->event += 1 + made_random(m, 30) };
	s->end = (struct order_ref) { s->host, s->begin.id + 4 + made_random(m, 100) };
	s->sock = 100000 + 50 * by->tgid + thread;
	s->request_bytes = 80 + made_random(m, 400);
	s->response_bytes = 100 + made_random(m, 8000);
	made_times(m, s);
}

/* A request with that many spans, 1 to 2 * MADE_CALLS - 1 of a tree, and then the next tree 20 us later. */
MADE void made_request(struct made *m, size_t spans)
{
	uint64_t trace[2] = { map_hash(m->s.ntraces + 1), map_hash(m->s.ntraces + 0x5555555555ULL) };
	uint64_t begin = m->now_ns += 1000 + made_random(m, 20000), all = 2000000 + made_random(m, 20000000),
		 from = begin;
	uint32_t base = (uint32_t)m->s.count, servers[MADE_CALLS];
	size_t i, made = 0;

	for (i = 0; i < MADE_CALLS && made < spans; i++) {
		const struct made_call *c = &made_calls[i];
		uint64_t end = from + all;
		uint32_t above = c->parent == SPAN_NONE ? SPAN_NONE : servers[c->parent];

		if (c->parent != SPAN_NONE) {
			made_one(m, c, SPAN_CLIENT, above, trace, from, end);
			above = (uint32_t)m->s.count - 1;
			made++;
		}
		if (made < spans) {
			servers[i] = (uint32_t)m->s.count;
			made_one(m, c, SPAN_SERVER, above, trace, from + (made ? 30000 : 0), end - (made ? 30000 : 0));
			made++;
		}
		from += all / 8;
		all = all / 3 + 100000;
	}
	m->s.traces = made_room(m->s.traces, m->s.ntraces, &m->s.cap_traces, sizeof(*m->s.traces), 1);
	m->s.traces[m->s.ntraces++] =
		(struct span_trace) { base, (uint32_t)(m->s.count - base), begin, m->s.rows[base].end_ns };
}

MADE int made_compare(const void *a, const void *b, void *arg)
{
	const struct span *rows = arg, *x = &rows[*(const uint32_t *)a], *y = &rows[*(const uint32_t *)b];

	if (x->begin_ns != y->begin_ns)
		return x->begin_ns < y->begin_ns ? -1 : 1;
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

/* Sorts by begin, and links children. */
MADE void made_join(struct made *m)
{
	size_t n = m->s.count, i;
	uint32_t *order = malloc((n + 1) * sizeof(*order)), *place = malloc((n + 1) * sizeof(*place));
	struct span *rows = malloc((n + 1) * sizeof(*rows));

	if (!order || !place || !rows)
		abort();
	for (i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, n, sizeof(*order), made_compare, m->s.rows);
	for (i = 0; i < n; i++) {
		place[order[i]] = (uint32_t)i;
		rows[i] = m->s.rows[order[i]];
	}
	for (i = n; i-- > 0;) {
		if (rows[i].parent == SPAN_NONE)
			continue;
		rows[i].parent = place[rows[i].parent];
		rows[i].next = rows[rows[i].parent].first_child;
		rows[rows[i].parent].first_child = (uint32_t)i;
	}
	for (i = 0; i < m->s.ntraces; i++)
		m->s.traces[i].root = place[m->s.traces[i].root];
	free(order);
	free(place);
	free(m->s.rows);
	m->s.rows = rows;
	m->s.cap = n + 1;
}

MADE void made_requests(struct made *m, size_t requests, size_t spans)
{
	size_t i;

	*m = (struct made) { .now_ns = 3600000000000ULL, .event = 1000 };
	for (i = 0; i < requests; i++)
		made_request(m, spans);
	made_join(m);
}

#endif
