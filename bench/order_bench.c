/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order_bench - how fast order/ is, what it needs, and how long happens_before takes.
 *
 * usage: order_bench [EVENTS [THREADS [RUNS [MEGABYTES]]]]	(10000000 100 5, no limit of memory)
 * smoke: 200000 20 1
 *
 * The events are made before the clock runs: processes that talk over TCP connections, 45 % sends, 45 % receives
 * (partial ones and m:n among them), 10 % others; a receive comes up to some hundred events after its send.
 * The last lines are rows of a Markdown table.
 * "floor" is the same loop with a sum over each event's header in place of order_add(): what reading them costs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "event/event.h"
#include "order/order.h"

#define PAIRS 200000

struct conn {
	uint32_t from, to;
	uint64_t written, read;
};

struct world {
	char *events;
	size_t len;
	uint32_t n, threads, nconns;
	struct conn *conns;
	uint32_t *waiting; /* conns with unread bytes, a ring */
	uint32_t head, count;
	uint64_t random;
};

static uint32_t pick(struct world *w, uint32_t n)
{
	w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((w->random >> 33) % n);
}

static void *put(struct world *w, uint16_t type, uint32_t thread)
{
	struct event_header *h = (struct event_header *)(w->events + w->len);

	h->type = type;
	h->length = event_static_type(type)->size;
	h->boot_ns = 1000 * (uint64_t)(w->n + 1);
	h->tgid = h->tid = 1000 + thread;
	h->start_ns = 1 + thread;
	w->len += h->length;
	w->n++;
	return h;
}

static void put_socket(struct world *w, uint32_t conn, bool to)
{
	struct event_socket *e = put(w, EVENT_SOCKET, 0);

	e->h.context = CONTEXT_RECORDER;
	e->sock = 2 * (uint64_t)conn + 1 + to;
	e->family = 2;
	e->socktype = SOCKTYPE_STREAM;
	e->isn = 7 + 2 * conn + to;
	e->peer_isn = 7 + 2 * conn + !to;
}

static void put_send(struct world *w)
{
	uint32_t c = pick(w, w->nconns), bytes = 40 + pick(w, 2000);
	struct conn *k = &w->conns[c];
	struct event_send *e = put(w, EVENT_SEND, k->from);

	e->sock = 2 * (uint64_t)c + 1;
	e->offset = k->written;
	e->bytes = bytes;
	e->begin_ns = e->h.boot_ns - 500;
	if (k->written == k->read) {
		w->waiting[(w->head + w->count) % w->nconns] = c;
		w->count++;
	}
	k->written += bytes;
}

static void put_recv(struct world *w)
{
	uint32_t c = w->waiting[w->head];
	struct conn *k = &w->conns[c];
	struct event_recv *e = put(w, EVENT_RECV, k->to);
	uint64_t ready = k->written - k->read;

	e->sock = 2 * (uint64_t)c + 2;
	e->offset = k->read;
	e->bytes = (uint32_t)(pick(w, 8) || ready < 2 ? ready : ready / 2);
	k->read += e->bytes;
	w->head = (w->head + 1) % w->nconns;
	if (k->read == k->written)
		w->count--;
	else
		w->waiting[(w->head + w->count - 1) % w->nconns] = c;
}

static bool make(struct world *w, uint32_t events, uint32_t threads)
{
	uint32_t i;

	w->threads = threads;
	w->nconns = 4 * threads;
	w->random = 1;
	w->events = calloc(events + 8 * threads, sizeof(struct event_socket) / 2);
	w->conns = calloc(w->nconns, sizeof(*w->conns));
	w->waiting = calloc(w->nconns, sizeof(*w->waiting));
	if (!w->events || !w->conns || !w->waiting)
		return false;
	for (i = 0; i < w->nconns; i++) {
		w->conns[i].from = pick(w, threads);
		w->conns[i].to = pick(w, threads);
		put_socket(w, i, false);
		put_socket(w, i, true);
	}
	while (w->n < events) {
		uint32_t what = pick(w, 20);

		if (what < 2)
			put(w, EVENT_LOG, pick(w, threads));
		else if (w->count && (what < 11 || w->count > 3 * w->nconns / 4))
			put_recv(w);
		else
			put_send(w);
	}
	return true;
}

static struct event event_at(const struct world *w, size_t *at, uint64_t id)
{
	const struct event_header *h = (const struct event_header *)(w->events + *at);

	*at += h->length;
	return (struct event) { .id = id, .boot_ns = h->boot_ns, .type = event_static_type(h->type), .h = h };
}

static double floor_seconds(const struct world *w)
{
	uint64_t begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	volatile uint64_t sum = 0;
	size_t at = 0;
	uint32_t i;

	for (i = 0; i < w->n; i++) {
		struct event ev = event_at(w, &at, i + 1);

		sum += ev.boot_ns + ev.h->tid;
	}
	return (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / 1e9;
}

static int double_compare(const void *pa, const void *pb)
{
	const double *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

static void ask(const struct world *w, const struct order *o)
{
	double *us = calloc(PAIRS, sizeof(*us));
	uint64_t yes = 0, begin;
	struct world dice = { .random = 99 };
	uint32_t i;

	if (!us)
		return;
	for (i = 0; i < PAIRS; i++) {
		/* half of all pairs close together: these are the hard ones */
		uint32_t a = 1 + pick(&dice, w->n), b = 1 + pick(&dice, w->n);

		if (i % 2) {
			b = a + pick(&dice, 20 * w->threads);
			b = b > w->n ? w->n : b;
		}
		begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		yes += order_happens_before(o, (struct order_ref) { 0, a }, (struct order_ref) { 0, b }) == 1;
		us[i] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / 1e3;
	}
	qsort(us, PAIRS, sizeof(*us), double_compare);
	printf("| happens_before, %u events, %u threads | p99 %.2f us, longest %.0f us | <= 1000 us | %u random pairs, "
	       "half of "
	       "them close together, %.0f %% yes; p50 %.2f us, p99.9 %.0f us |\n",
	       w->n, w->threads, us[PAIRS / 100 * 99], us[PAIRS - 1], PAIRS, 100.0 * (double)yes / PAIRS, us[PAIRS / 2],
	       us[PAIRS / 1000 * 999]);
	free(us);
}

/* Resident memory at its highest since the last reset, in bytes. */
static uint64_t peak(bool reset)
{
	CLEANUP_FCLOSE FILE *f = fopen(reset ? "/proc/self/clear_refs" : "/proc/self/status", reset ? "w" : "r");
	unsigned long long kb = 0;
	char line[128];

	if (f && reset)
		(void)fputs("5", f);
	while (f && !reset && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmHWM: %llu", &kb) == 1)
			break;
	}
	return kb * 1024;
}

struct outcome {
	double rate, kept, most; /* M events/s; bytes an event afterwards, and meanwhile */
};

static struct outcome one_run(const struct world *w, uint64_t memory, bool last)
{
	struct order_opts opts = { .memory_bytes = memory };
	struct outcome got;
	uint64_t begin, added, solved, before;
	struct order_stats stats;
	struct err err = ERR_INIT;
	struct order *o;
	size_t at = 0;
	uint32_t i;

	if (order_new(&opts, &o, &err) < 0)
		exit(1);
	(void)peak(true);
	before = peak(false);
	begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (i = 0; i < w->n; i++) {
		struct event ev = event_at(w, &at, i + 1);

		if (order_add(o, &ev, &err) < 0)
			break;
	}
	added = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	if (err.code || order_solve(o, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	solved = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	order_get_stats(o, &stats);
	got = (struct outcome) { w->n * 1e3 / (double)(solved - begin), (double)stats.bytes_of_memory / w->n,
				 (double)(peak(false) - before) / w->n };
	printf("add %.0f ns, solve %.0f ns an event: %.2f M events/s; %.1f bytes an event kept, %.1f at most\n",
	       (double)(added - begin) / w->n, (double)(solved - added) / w->n, got.rate, got.kept, got.most);
	if (last) {
		printf("%llu edges, %llu of %llu messages matched, highest clock %u\n",
		       (unsigned long long)stats.edges[ORDER_MESSAGE], (unsigned long long)stats.matched,
		       (unsigned long long)stats.messages, stats.max_clock);
		ask(w, o);
	}
	order_free(o);
	return got;
}

static void print_rows(const struct world *w, double median, int runs, const struct outcome *got, uint64_t memory)
{
	if (memory) {
		printf("| order with %llu MB of memory, the rest in files: %u events | %.2f M events/s | works | %.0f "
		       "MB resident at "
		       "most |\n",
		       (unsigned long long)memory >> 20, w->n, median, got->most * w->n / 1048576);
		return;
	}
	printf("| order, %u events of %u processes | %.2f M events/s | >= 10 M/s | median of %d; CPU time of its one "
	       "thread |\n"
	       "| its memory with the index | %.1f bytes an event | <= 64 | %.1f at most while solving |\n",
	       w->n, w->threads, median, runs, got->kept, got->most);
}

int main(int argc, char **argv)
{
	uint32_t events = argc > 1 ? (uint32_t)atoi(argv[1]) : 10000000,
		 threads = argc > 2 ? (uint32_t)atoi(argv[2]) : 100;
	int runs = argc > 3 ? atoi(argv[3]) : 5, i;
	uint64_t memory = argc > 4 ? (uint64_t)atoi(argv[4]) << 20 : 0;
	struct outcome got = { 0 };
	struct world w = { 0 };
	double rate[64];

	if (events < 1000 || threads < 2 || runs < 1 || runs > 64) {
		(void)fprintf(stderr, "usage: order_bench [EVENTS [THREADS [RUNS [MEGABYTES]]]]\n");
		return 2;
	}
	if (!make(&w, events, threads))
		return 1;
	printf("%u events, %u threads, %.0f bytes an event\n", w.n, threads, (double)w.len / w.n);
	printf("floor %.1f ns an event\n", floor_seconds(&w) * 1e9 / w.n);
	for (i = 0; i < runs; i++) {
		got = one_run(&w, memory, i + 1 == runs);
		rate[i] = got.rate;
	}
	qsort(rate, (size_t)runs, sizeof(rate[0]), double_compare);
	print_rows(&w, rate[runs / 2], runs, &got, memory);
	free(w.events);
	free(w.conns);
	free(w.waiting);
	return 0;
}
