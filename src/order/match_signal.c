/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match_signal - signal -> delivery.
 *
 * As signal(7) and kernel/signal.c have it: a thread takes from its own queue first, then from its process's; a
 * standard signal is queued at most once in each, so a second one (already_pending) is delivered with
 * the first; real-time signals queue up, first in first out.  A fatal signal and SIGKILL show as the exit of every
 * thread.  A stop and a resumption concern all threads of a process.  Where the private and the shared queue
 * both hold one, the sender's pid decides, or nobody.
 */
#include "order/internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"

#define RT_MIN 32
#define QUEUE_MAX 64 /* pending signals of one number and queue that are kept apart */

/* What is pending for one (host, tgid, signal): tasks' places, oldest first. */
struct queue {
	uint32_t pending[QUEUE_MAX];
	uint32_t count;
	uint32_t last; /* the one that was delivered last, NONE */
	uint32_t tgid, host, next;
	uint8_t sig;
	bool unsure; /* more than QUEUE_MAX, or a delivery was lost */
};

struct matcher {
	struct order *o;
	const struct order_task *t;
	struct big queues;
	struct map map;
};

static struct queue *queue_get(struct matcher *m, uint32_t host, uint32_t tgid, uint8_t sig)
{
	uint64_t key = map_hash((uint64_t)host << 32 | tgid) + sig;
	const uint64_t *first = map_get(&m->map, key);
	struct queue *q = BIG_AT(&m->queues, struct queue);
	uint32_t i, next = first ? (uint32_t)*first : NONE;

	for (i = next; i != NONE; i = q[i].next) {
		if (q[i].tgid == tgid && q[i].sig == sig && q[i].host == host)
			return &q[i];
	}
	i = (uint32_t)BIG_COUNT(&m->queues, struct queue);
	q = BIG_PUSH(&m->o->memory, &m->queues, struct queue);
	if (!q)
		return NULL;
	memset(q, 0, sizeof(*q));
	q->tgid = tgid;
	q->sig = sig;
	q->host = host;
	q->next = next;
	q->last = NONE;
	if (map_set(&m->map, key, i) < 0)
		m->o->memory.failed = ENOMEM;
	return q;
}

static void edge(struct matcher *m, uint32_t from, uint32_t to, bool ambiguous)
{
	struct order_raw e = { 0, m->t[from].node, m->t[to].node, 0, ORDER_SIGNAL, 0, { 0 } };

	e.flags = ambiguous ? EDGE_AMBIGUOUS : 0;
	if (order_lost(m->o, m->t[to].host, LOSS_SIGNAL, m->t[from].boot_ns, m->t[to].boot_ns))
		e.flags |= EDGE_AFTER_LOSS;
	order_edge_add(m->o, &e, 0);
}

static bool is_group(const struct order_task *t)
{
	return t->flags & SIGNALFLAGS_GROUP;
}

/* Whether a and b wait in the same queue. */
static bool same_queue(const struct order_task *a, const struct order_task *b)
{
	return is_group(a) == is_group(b) && (is_group(a) || a->tid == b->tid);
}

static void drop(struct queue *q, uint32_t at)
{
	memmove(&q->pending[at], &q->pending[at + 1], (q->count - at - 1) * sizeof(q->pending[0]));
	q->count--;
}

static void on_signal(struct matcher *m, uint32_t i)
{
	const struct order_task *t = &m->t[i];
	struct queue *q = queue_get(m, t->host, t->tgid, t->sig);
	uint32_t k;

	if (!q || t->result == SIGRESULT_IGNORED || t->result == SIGRESULT_OVERFLOW_FAIL)
		return;
	/* queued anew, so what was pending there is gone: taken by sigwait or signalfd, or its delivery was lost */
	for (k = q->count; t->sig < RT_MIN && t->result != SIGRESULT_ALREADY_PENDING && k-- > 0;) {
		if (same_queue(&m->t[q->pending[k]], t))
			drop(q, k);
	}
	if (q->count == QUEUE_MAX) {
		q->unsure = true;
		drop(q, 0);
	}
	q->pending[q->count++] = i;
}

/* Could pending signal s be what thread t got? */
static bool eligible(const struct order_task *s, const struct order_task *t)
{
	return s->result != SIGRESULT_ALREADY_PENDING && (is_group(s) || s->tid == t->tid);
}

struct choice {
	uint32_t private, shared; /* places in pending: the oldest of each queue, NONE */
	uint32_t by_sender;	  /* the oldest whose sender fits, NONE */
	uint32_t senders;	  /* how many queues have such a one first */
};

static struct choice choose(const struct matcher *m, const struct queue *q, const struct order_task *t)
{
	struct choice c = { NONE, NONE, NONE, 0 };
	uint32_t k;

	for (k = 0; k < q->count; k++) {
		const struct order_task *s = &m->t[q->pending[k]];
		uint32_t *slot = is_group(s) ? &c.shared : &c.private;

		if (!eligible(s, t) || *slot != NONE)
			continue;
		*slot = k;
		if (t->sender && s->sender == t->sender) {
			c.by_sender = c.by_sender == NONE ? k : c.by_sender;
			c.senders++;
		}
	}
	return c;
}

/* The one that was taken, with those coalesced into it; each gets its edge. */
static void take(struct matcher *m, struct queue *q, uint32_t at, uint32_t to)
{
	const struct order_task *s = &m->t[q->pending[at]];
	uint32_t k;

	q->last = q->pending[at];
	edge(m, q->pending[at], to, false);
	drop(q, at);
	for (k = 0; k < q->count; k++) {
		const struct order_task *other = &m->t[q->pending[k]];

		if (other->result == SIGRESULT_ALREADY_PENDING && same_queue(s, other)) {
			edge(m, q->pending[k], to, false);
			drop(q, k--);
		}
	}
}

/* A loss may have hidden the true signal, or an earlier delivery. */
static bool unsure(const struct matcher *m, const struct queue *q, const struct order_task *t)
{
	return q->unsure || order_lost(m->o, t->host, LOSS_SIGNAL, 0, t->boot_ns);
}

static bool deliver(struct matcher *m, struct queue *q, uint32_t to)
{
	const struct order_task *t = &m->t[to];
	struct choice c = choose(m, q, t);
	bool both = c.private != NONE && c.shared != NONE;
	uint32_t k;

	if (c.private == NONE && c.shared == NONE)
		return false;
	if (unsure(m, q, t) || (t->sender && !c.senders) || (both && c.senders != 1)) {
		for (k = 0; k < q->count; k++) {
			if (eligible(&m->t[q->pending[k]], t))
				edge(m, q->pending[k], to, true);
		}
		return true;
	}
	take(m, q, c.senders == 1 ? c.by_sender : c.private != NONE ? c.private : c.shared, to);
	return true;
}

/* stop, cont and exit come in every thread of the process: all but the first from what was taken before. */
static void on_delivery(struct matcher *m, uint32_t i)
{
	const struct order_task *t = &m->t[i];
	struct queue *q = queue_get(m, t->host, t->tgid, t->sig);

	if (!q || deliver(m, q, i) || t->type == EVENT_DELIVER || q->last == NONE)
		return;
	edge(m, q->last, i, unsure(m, q, t));
}

/* The process is gone: its number may come again. */
static void on_gone(struct matcher *m, const struct order_task *t)
{
	struct queue *q = BIG_AT(&m->queues, struct queue);
	uint32_t i;
	unsigned int sig;

	for (sig = 1; sig <= 64; sig++) {
		const uint64_t *first = map_get(&m->map, map_hash((uint64_t)t->host << 32 | t->tgid) + sig);

		for (i = first ? (uint32_t)*first : NONE; i != NONE; i = q[i].next) {
			if (q[i].tgid == t->tgid && q[i].host == t->host) {
				q[i].count = 0;
				q[i].last = NONE;
				q[i].unsure = false;
			}
		}
	}
}

static int time_compare(const void *pa, const void *pb, void *arg)
{
	const struct order_task *all = arg, *a = &all[*(const uint32_t *)pa], *b = &all[*(const uint32_t *)pb];

	if (a->host != b->host)
		return a->host < b->host ? -1 : 1;
	if (a->boot_ns != b->boot_ns)
		return a->boot_ns < b->boot_ns ? -1 : 1;
	return (a > b) - (a < b);
}

static bool concerns(const struct order_task *t)
{
	return t->type == EVENT_SIGNAL || t->type == EVENT_DELIVER || t->type == EVENT_STOP || t->type == EVENT_CONT ||
	       t->type == EVENT_EXIT;
}

static void run(struct matcher *m, const uint32_t *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const struct order_task *t = &m->t[list[i]];

		if (t->type == EVENT_SIGNAL)
			on_signal(m, list[i]);
		else if (t->sig)
			on_delivery(m, list[i]);
		if (t->type == EVENT_EXIT && t->flags & EXITFLAGS_LAST_THREAD)
			on_gone(m, t);
	}
}

void order_match_signals(struct order *o)
{
	struct matcher m = { .o = o, .t = BIG_AT(&o->tasks, struct order_task), .map = MAP_INIT };
	size_t count = BIG_COUNT(&o->tasks, struct order_task), i;
	struct big list = { 0 };

	for (i = 0; i < count; i++) {
		uint32_t *at = concerns(&m.t[i]) ? BIG_PUSH(&o->memory, &list, uint32_t) : NULL;

		if (at)
			*at = (uint32_t)i;
	}
	if (list.len) {
		qsort_r(list.data, BIG_COUNT(&list, uint32_t), sizeof(uint32_t), time_compare, (void *)(uintptr_t)m.t);
		run(&m, BIG_AT(&list, uint32_t), BIG_COUNT(&list, uint32_t));
	}
	big_fini(&o->memory, &list);
	big_fini(&o->memory, &m.queues);
	map_fini(&m.map);
}
