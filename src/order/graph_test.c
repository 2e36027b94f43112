/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random executions against brute force: all pairs of happens_before, all clocks, all edges.
 *
 * Connection c leads from host c to host c + 1, modulo their number.  An execution is made step by step, so its own list of edges is the truth; order/ sees the events only, in a
 * shuffled interleaving of the threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "event/event.h"
#include "order/internal.h"

#define EVENTS_MAX 192
#define THREADS_MAX 24
#define CONNS_MAX 6
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GRAPHS 500 /* each takes ten times as long */
#endif
#endif
#ifndef GRAPHS
#define GRAPHS 2000
#endif

struct vertex {
	uint64_t bytes[sizeof(struct event_connected) / 8 + 4]; /* the event */
	uint32_t host, thread;
	uint64_t id;
	uint64_t past[EVENTS_MAX / 64]; /* truth: what happens before it */
	uint32_t clock, place;
	bool loose;
};

struct range {
	uint32_t vertex;
	uint64_t from, to;
};

struct run {
	struct vertex v[EVENTS_MAX];
	uint32_t n;
	uint32_t last[THREADS_MAX], count[THREADS_MAX], timer[THREADS_MAX]; /* + 1, 0: none */
	bool ended[THREADS_MAX];
	uint32_t nthreads, hosts, nconns;
	struct range sent[CONNS_MAX][EVENTS_MAX];
	uint32_t nsent[CONNS_MAX];
	uint64_t written[CONNS_MAX], read[CONNS_MAX];
	uint32_t edges;
	uint64_t ids[4];
	struct order *order;
	uint64_t random;
};

static uint32_t pick(struct run *r, uint32_t n)
{
	r->random = r->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((r->random >> 33) % n);
}

static bool past_has(const struct vertex *v, uint32_t i)
{
	return v->past[i / 64] >> (i % 64) & 1;
}

static void truth_edge(struct run *r, uint32_t from, uint32_t to)
{
	struct vertex *a = &r->v[from], *b = &r->v[to];
	size_t i;

	for (i = 0; i < ARRAY_LEN(b->past); i++)
		b->past[i] |= a->past[i];
	b->past[from / 64] |= 1ULL << (from % 64);
	if (b->clock < a->clock + 1)
		b->clock = a->clock + 1;
	r->edges++;
}

/* A new event of the thread, with its program order and whatever timer waits for it. */
static struct event_header *vertex_new(struct run *r, uint32_t thread, uint16_t type, bool loose)
{
	struct vertex *v = &r->v[r->n];
	struct event_header *h = (struct event_header *)v->bytes;

	memset(v, 0, sizeof(*v));
	v->host = thread % r->hosts;
	v->thread = thread;
	v->clock = 1;
	v->loose = loose;
	h->type = type;
	h->boot_ns = 10 * (uint64_t)r->n + 100;
	h->context = loose ? CONTEXT_SOFTIRQ : CONTEXT_TASK;
	h->tgid = h->tid = thread + 1;
	h->start_ns = thread + 1;
	if (!loose) {
		if (r->last[thread])
			truth_edge(r, r->last[thread] - 1, r->n);
		if (r->timer[thread])
			truth_edge(r, r->timer[thread] - 1, r->n);
		r->timer[thread] = 0;
		r->last[thread] = r->n + 1;
	}
	r->n++;
	return h;
}

static void step_send(struct run *r, uint32_t thread)
{
	uint32_t c = pick(r, r->nconns), bytes = 1 + pick(r, 30);
	struct event_send *e;

	if (thread % r->hosts != c % r->hosts)
		return;
	e = (struct event_send *)vertex_new(r, thread, EVENT_SEND, pick(r, 12) == 0);
	e->sock = 2 * c + 1;
	e->offset = r->written[c];
	e->bytes = bytes;
	r->sent[c][r->nsent[c]++] = (struct range) { r->n - 1, e->offset, e->offset + bytes };
	r->written[c] += bytes;
}

static void step_recv(struct run *r, uint32_t thread)
{
	uint32_t c = pick(r, r->nconns), i;
	uint64_t ready = r->written[c] - r->read[c];
	struct event_recv *e;

	if (!ready || thread % r->hosts != (c + 1) % r->hosts)
		return;
	e = (struct event_recv *)vertex_new(r, thread, EVENT_RECV, pick(r, 12) == 0);
	e->sock = 2 * c + 2;
	e->offset = r->read[c];
	e->bytes = 1 + pick(r, (uint32_t)ready);
	r->read[c] += e->bytes;
	for (i = 0; i < r->nsent[c]; i++) {
		if (r->sent[c][i].from < r->read[c] && r->sent[c][i].to > e->offset)
			truth_edge(r, r->sent[c][i].vertex, r->n - 1);
	}
}

static void step_fork(struct run *r, uint32_t thread)
{
	uint32_t child = r->nthreads;
	struct event_fork *e;

	/* the child lives on the same host */
	while (child % r->hosts != thread % r->hosts)
		child++;
	if (child + 1 >= THREADS_MAX)
		return;
	e = (struct event_fork *)vertex_new(r, thread, EVENT_FORK, false);
	e->child_tgid = e->child_tid = child + 1;
	e->child_start_ns = child + 1;
	for (; r->nthreads < child; r->nthreads++)
		r->ended[r->nthreads] = true;
	r->nthreads = child + 1;
	(void)vertex_new(r, child, EVENT_LOG, false);
	truth_edge(r, r->n - 2, r->n - 1);
}

static void step_join(struct run *r, uint32_t thread)
{
	uint32_t child = pick(r, r->nthreads);
	struct event_join *e;

	if (child == thread || r->ended[child] || !r->last[child] || child % r->hosts != thread % r->hosts)
		return;
	(void)vertex_new(r, child, EVENT_EXIT, false);
	r->ended[child] = true;
	e = (struct event_join *)vertex_new(r, thread, EVENT_JOIN, false);
	e->child_tgid = e->child_tid = child + 1;
	e->child_start_ns = child + 1;
	truth_edge(r, r->last[child] - 1, r->n - 1);
}

static void step_timer(struct run *r, uint32_t thread)
{
	struct event_timer *e;

	if (r->timer[thread])
		return;
	e = (struct event_timer *)vertex_new(r, thread, EVENT_TIMER, true);
	e->target_tgid = e->target_tid = thread + 1;
	e->target_start_ns = thread + 1;
	r->timer[thread] = r->n;
}

static void step(struct run *r)
{
	uint32_t thread = pick(r, r->nthreads), what = pick(r, 20);

	if (r->ended[thread])
		return;
	if (what < 8)
		step_send(r, thread);
	else if (what < 15)
		step_recv(r, thread);
	else if (what < 17)
		(void)vertex_new(r, thread, EVENT_LOG, false);
	else if (what == 17)
		step_fork(r, thread);
	else if (what == 18)
		step_join(r, thread);
	else
		step_timer(r, thread);
}

static void add(struct run *r, struct event_header *h, uint32_t host, uint64_t id)
{
	struct event ev = { .id = id, .host = host, .boot_ns = h->boot_ns, .type = event_static_type(h->type), .h = h };
	struct err err = ERR_INIT;

	h->length = ev.type->size;
	if (order_add(r->order, &ev, &err) < 0)
		fail_msg("%s", err.text);
}

static void add_conns(struct run *r)
{
	uint32_t i;

	for (i = 0; i < 2 * r->nconns; i++) {
		struct event_socket e = { .sock = i + 1, .family = 2, .socktype = SOCKTYPE_STREAM };
		uint32_t host = (i / 2 + i % 2) % r->hosts;

		e.h.type = EVENT_SOCKET;
		e.h.context = CONTEXT_RECORDER;
		e.isn = 1000 + i;
		e.peer_isn = 1000 + (i ^ 1);
		add(r, &e.h, host, ++r->ids[host]);
	}
}

/* The events of each thread in their order, the threads in any. */
static void add_shuffled(struct run *r, bool shuffle)
{
	bool given[EVENTS_MAX] = { 0 };
	uint32_t left = r->n, i, k;

	while (left) {
		i = shuffle ? pick(r, r->n) : r->n - left;
		for (k = 0; k < i; k++) {
			if (!given[k] && r->v[k].thread == r->v[i].thread)
				break;
		}
		if (given[k])
			continue;
		r->v[k].id = ++r->ids[r->v[k].host];
		add(r, (struct event_header *)r->v[k].bytes, r->v[k].host, r->v[k].id);
		given[k] = true;
		left--;
	}
}

static struct order_ref ref_of(const struct run *r, uint32_t i)
{
	return (struct order_ref) { r->v[i].host, r->v[i].id };
}

static void check_pairs(const struct run *r)
{
	uint32_t a, b;

	for (b = 0; b < r->n; b++) {
		assert_int_equal(order_clock(r->order, ref_of(r, b)), r->v[b].clock);
		for (a = 0; a < r->n; a++) {
			int found = order_happens_before(r->order, ref_of(r, a), ref_of(r, b));

			if (found != past_has(&r->v[b], a))
				fail_msg("%u before %u: %d", a, b, found);
		}
	}
}

struct counted {
	struct run *r;
	uint32_t edges, at;
};

static uint32_t vertex_by_ref(const struct run *r, struct order_ref a)
{
	uint32_t i;

	for (i = 0; i < r->n; i++) {
		if (r->v[i].host == a.host && r->v[i].id == a.id)
			return i;
	}
	return EVENTS_MAX;
}

static bool on_edge(void *arg, const struct order_edge *e)
{
	struct counted *c = arg;
	uint32_t from = vertex_by_ref(c->r, e->from), to = vertex_by_ref(c->r, e->to);

	assert_false(e->ambiguous);
	assert_true(from < c->r->n && to < c->r->n && past_has(&c->r->v[to], from));
	c->edges++;
	return true;
}

static bool on_place(void *arg, struct order_ref a, uint32_t clock)
{
	struct counted *c = arg;
	uint32_t i = vertex_by_ref(c->r, a);

	(void)clock;
	if (i < c->r->n)
		c->r->v[i].place = c->at;
	c->at++;
	return true;
}

/* All events were told, each after its causes. */
static void check_places(const struct run *r, const struct counted *c)
{
	struct order_stats stats;
	uint32_t a, b;

	order_get_stats(r->order, &stats);
	assert_int_equal(c->at, stats.events);
	for (b = 0; b < r->n; b++) {
		for (a = 0; a < r->n; a++) {
			if (past_has(&r->v[b], a))
				assert_true(r->v[a].place < r->v[b].place);
		}
	}
}

static void check_walk(struct run *r)
{
	struct counted c = { .r = r };

	assert_int_equal(order_edges(r->order, true, on_edge, &c), 0);
	assert_int_equal(c.edges, r->edges);
	assert_int_equal(order_walk(r->order, on_place, &c), 0);
	check_places(r, &c);
	c.at = 0;
	order_causal(r->order, on_place, &c);
	check_places(r, &c);
}

static void one_run(struct run *r, uint64_t seed, const struct order_opts *opts)
{
	struct err err = ERR_INIT;
	uint32_t want, i;

	memset(r, 0, sizeof(*r));
	r->random = seed;
	r->hosts = 1 + pick(r, 3);
	r->nthreads = 1 + pick(r, 8);
	r->nconns = 1 + pick(r, CONNS_MAX);
	want = 20 + pick(r, EVENTS_MAX - 30);
	for (i = 0; i < 20 * want && r->n + 4 < want; i++)
		step(r);
	assert_int_equal(order_new(opts, &r->order, &err), 0);
	r->order->tune_spacing = pick(r, 4);
	r->order->tune_columns = pick(r, 5);
	add_conns(r);
	add_shuffled(r, pick(r, 3) != 0);
	if (order_solve(r->order, &err) < 0)
		fail_msg("%s", err.text);
	check_pairs(r);
	check_walk(r);
	order_free(r->order);
}

static void random_graphs(void **state)
{
	CLEANUP_FREE struct run *r = malloc(sizeof(*r));
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= GRAPHS; seed++)
		one_run(r, seed, NULL);
}

static void larger_than_memory(void **state)
{
	const struct order_opts opts = { .memory_bytes = 1 };
	CLEANUP_FREE struct run *r = malloc(sizeof(*r));
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 20; seed++)
		one_run(r, seed, &opts);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_graphs), cmocka_unit_test(larger_than_memory) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
