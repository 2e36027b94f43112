/* SPDX-License-Identifier: Apache-2.0 */
/*
 * falcon_order - how long Saker needs to put a recording into order, and the order: for z3_bench.py.
 *
 * usage: falcon_order RECORDING RUNS
 *
 * The events are read into memory before the clock runs. A run is order_new(), order_add() of every event and
 * order_solve(): matching included. Prints one JSON object: ns of CPU time of each run in turn (the first has cold caches), the edges
 * between events of threads, program order included, and each event's Lamport clock.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "event/event.h"
#include "order/order.h"
#include "store/store.h"

struct trace {
	struct event *events;
	size_t n, cap;
};

static void die(const struct err *err)
{
	(void)fprintf(stderr, "falcon_order: %s\n", err->text);
	exit(1);
}

static void keep(struct trace *t, const struct event *ev)
{
	struct event_header *copy = malloc(ev->h->length);

	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 1024;
		t->events = realloc(t->events, t->cap * sizeof(*t->events));
	}
	if (!copy || !t->events)
		exit(1);
	memcpy(copy, ev->h, ev->h->length);
	t->events[t->n] = *ev;
	t->events[t->n++].h = copy;
}

static void load(const char *path, struct trace *t, struct store_reader **ret)
{
	struct event_source *source = NULL;
	const struct event *ev;
	struct err err = ERR_INIT;
	int r;

	if (store_open(&path, 1, ret, &err) < 0 || store_read(*ret, NULL, &source, &err) < 0)
		die(&err);
	while ((r = event_source_next(source, &ev, &err)) > 0)
		keep(t, ev);
	if (r < 0)
		die(&err);
	event_source_close(source);
}

static uint64_t run(const struct trace *t, struct order **ret)
{
	uint64_t begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct err err = ERR_INIT;
	size_t i;

	if (order_new(NULL, ret, &err) < 0)
		die(&err);
	for (i = 0; i < t->n; i++) {
		if (order_add(*ret, &t->events[i], &err) < 0)
			die(&err);
	}
	if (order_solve(*ret, &err) < 0)
		die(&err);
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin;
}

static bool print_edge(void *arg, const struct order_edge *e)
{
	const char **sep = arg;

	if (e->ambiguous)
		return true;
	(void)printf("%s[\"%u:%" PRIu64 "\",\"%u:%" PRIu64 "\"]", *sep, e->from.host, e->from.id, e->to.host, e->to.id);
	*sep = ",";
	return true;
}

static void print_order(const struct trace *t, const struct order *o)
{
	const char *sep = "";
	size_t i;

	(void)printf("],\"edges\":[");
	(void)order_edges(o, true, print_edge, &sep);
	(void)printf("],\"clocks\":{");
	sep = "";
	for (i = 0; i < t->n; i++) {
		const struct event *ev = &t->events[i];

		if (ev->h->context != CONTEXT_TASK)
			continue;
		(void)printf("%s\"%u:%" PRIu64 "\":%u", sep, ev->host, ev->id,
			     order_clock(o, (struct order_ref) { ev->host, ev->id }));
		sep = ",";
	}
	(void)puts("}}");
}

int main(int argc, char **argv)
{
	int runs = argc > 2 ? atoi(argv[2]) : 1, i;
	struct store_reader *reader = NULL;
	struct order *o = NULL;
	struct trace t = { 0 };

	if (argc < 2)
		return 2;
	load(argv[1], &t, &reader);
	(void)printf("{\"ns\":[");
	for (i = 0; i < runs; i++) {
		order_free(o);
		(void)printf("%s%" PRIu64, i ? "," : "", run(&t, &o));
	}
	print_order(&t, o);
	order_free(o);
	while (t.n--)
		free((void *)(uintptr_t)t.events[t.n].h);
	free(t.events);
	store_reader_free(reader);
	return 0;
}
