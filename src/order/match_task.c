/* SPDX-License-Identifier: Apache-2.0 */
/* match_task - create -> start, end -> join, timer -> what it woke, connect -> accept. */
#include "order/internal.h"

#include <errno.h>

#include "event/event.h"

static void edge(struct order *o, uint32_t from, uint32_t to, enum order_kind kind)
{
	struct order_raw e = { 0, from, to, 0, (uint8_t)kind, 0, { 0 } };

	if (from != NONE && to != NONE && from != to)
		order_edge_add(o, &e, kind == ORDER_CONNECT ? TIME(o)[from] : 0);
}

/* Native: the thread that began then; unknown start: the first thread with the tid that has events after. */
static uint32_t child_first(const struct order *o, const struct order_task *fork)
{
	uint32_t i = order_thread_find(o, fork->host, fork->tid, fork->start_ns), best = NONE, at;

	if (i != NONE)
		return THREADS(o)[i].count ? THREADS(o)[i].base : NONE; /* all it did, goroutines did */
	if (fork->start_ns)
		return NONE;
	for (i = order_thread_last(o, fork->host, fork->tid); i != NONE; i = THREADS(o)[i].same_tid) {
		at = THREADS(o)[i].base;
		if (THREADS(o)[i].count && TIME(o)[at] >= fork->boot_ns)
			best = at;
	}
	return best;
}

/*
 * Imports do not know when a thread started: the k-th creation of a tid made its k-th start.
 * begun: by thread, slot of the last start that was taken, + 1.
 */
static uint32_t child_imported(const struct order *o, const struct order_task *fork, const struct map *starts,
			       struct map *begun)
{
	uint32_t thread = order_thread_find(o, fork->host, fork->tid, fork->start_ns);
	uint64_t nth = 0;
	const uint64_t *at;

	if (thread == NONE)
		return NONE;
	at = map_get(begun, thread);
	if (at)
		nth = *at;
	if (map_set(begun, thread, nth + 1) < 0)
		return NONE;
	at = map_get(starts, (uint64_t)thread << 32 | nth);
	if (at)
		return (uint32_t)*at;
	return nth ? NONE : THREADS(o)[thread].base;
}

/* starts: thread << 32 | n -> slot of its n-th start event. */
static int collect_starts(struct order *o, struct map *starts)
{
	const struct order_task *t = BIG_AT(&o->tasks, struct order_task);
	size_t count = BIG_COUNT(&o->tasks, struct order_task), i;
	struct map seen = MAP_INIT;
	int r = 0;

	for (i = 0; i < count && !r; i++) {
		uint32_t thread;
		const uint64_t *n;
		uint64_t nth;

		if (t[i].type != EVENT_START)
			continue;
		thread = order_thread_of(o, t[i].node);
		n = map_get(&seen, thread);
		nth = n ? *n : 0;
		if (map_set(&seen, thread, nth + 1) < 0 || map_set(starts, (uint64_t)thread << 32 | nth, t[i].node) < 0)
			r = -ENOMEM;
	}
	map_fini(&seen);
	return r;
}

static void match_fork(struct order *o, const struct order_task *t, const struct map *starts, struct map *begun)
{
	edge(o, t->node, t->flags ? child_imported(o, t, starts, begun) : child_first(o, t), ORDER_CREATE);
}

/* The last event of the thread that ended; one whose exit was lost had surely done what is recorded of it. */
static uint32_t child_last(const struct order *o, const struct order_task *join)
{
	uint32_t i = order_thread_find(o, join->host, join->tid, join->start_ns), best = NONE, last;
	const struct order_thread *t;

	if (i != NONE && join->start_ns) {
		t = &THREADS(o)[i];
		if (t->exit == NONE && !t->count)
			return NONE;
		last = t->exit != NONE ? t->exit : t->base + t->count - 1;
		return TIME(o)[last] <= join->boot_ns ? last : NONE;
	}
	for (i = order_thread_last(o, join->host, join->tid); i != NONE; i = THREADS(o)[i].same_tid) {
		t = &THREADS(o)[i];
		if (t->exit == NONE || TIME(o)[t->exit] > join->boot_ns)
			continue;
		if (best == NONE || TIME(o)[t->exit] > TIME(o)[best])
			best = t->exit;
	}
	return best;
}

/*
 * An imported thread may have ended more than once under one tid: the latest end before the join; or, since tracers in user
 * space stamp events after the fact, its only end whatever its time.
 */
static uint32_t child_last_imported(const struct order *o, const struct order_task *join, uint32_t last)
{
	const struct order_task *t = BIG_AT(&o->tasks, struct order_task);
	size_t count = BIG_COUNT(&o->tasks, struct order_task), i;
	uint32_t thread = order_thread_find(o, join->host, join->tid, 0), best = NONE, only = NONE, ends = 0;

	if (last != NONE || thread == NONE || !(THREADS(o)[thread].flags & THREAD_IMPORTED))
		return last;
	for (i = 0; i < count; i++) {
		if (t[i].type != EVENT_EXIT || t[i].tid != join->tid || t[i].host != join->host)
			continue;
		only = t[i].node;
		ends++;
		if (t[i].boot_ns <= join->boot_ns && (best == NONE || t[i].boot_ns >= TIME(o)[best]))
			best = t[i].node;
	}
	return best == NONE && ends == 1 ? only : best;
}

static void match_timer(struct order *o, const struct order_task *t)
{
	uint32_t i = order_thread_find(o, t->host, t->tid, t->start_ns);

	/* of a thread that runs goroutines the scheduler waits: goroutine.c */
	if (i != NONE && !(THREADS(o)[i].flags & (THREAD_LOOSE | THREAD_GO)))
		edge(o, t->node, order_after(o, i, t->boot_ns), ORDER_TIMER);
}

static void match_connects(struct order *o)
{
	uint32_t i, accept;

	for (i = 0; i < NSOCKS(o); i++) {
		const struct order_sock *s = &SOCKS(o)[i];

		if (s->connect == NONE || s->mate == NONE)
			continue;
		accept = SOCKS(o)[s->mate].accept;
		if (accept != NONE)
			edge(o, SLOT_OF(o)[s->connect], SLOT_OF(o)[accept], ORDER_CONNECT);
	}
}

void order_match_tasks(struct order *o)
{
	struct order_task *t = BIG_AT(&o->tasks, struct order_task);
	size_t count = BIG_COUNT(&o->tasks, struct order_task), i;
	struct map starts = MAP_INIT, begun = MAP_INIT;

	for (i = 0; i < count; i++)
		t[i].node = SLOT_OF(o)[t[i].node];
	if (collect_starts(o, &starts) < 0)
		o->memory.failed = ENOMEM;
	for (i = 0; i < count; i++) {
		if (t[i].type == EVENT_FORK)
			match_fork(o, &t[i], &starts, &begun);
		else if (t[i].type == EVENT_JOIN)
			edge(o, child_last_imported(o, &t[i], child_last(o, &t[i])), t[i].node, ORDER_JOIN);
		else if (t[i].type == EVENT_TIMER)
			match_timer(o, &t[i]);
	}
	match_connects(o);
	map_fini(&starts);
	map_fini(&begun);
}
