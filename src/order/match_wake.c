/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match_wake - wake -> what the woken thread did next.
 *
 * The recorder tells only wakes of threads that waited, by threads (not by interrupts).  A thread that waits does
 * nothing, so whatever it does after the wake it does because of it, or because of a later one: the edge is exact.
 * It may have waited again meanwhile (another took the lock): then the next event has several such causes, all true.
 * A wait for a lock inside of the kernel tells nothing about the programs: no edge.
 *
 * A disk's work lies between the thread that asked, whose event stands at the moment that the end names, and the thread
 * that waited for it.
 */
#include "order/internal.h"

#include "event/event.h"

static bool lost_between(const struct order *o, uint32_t host, uint64_t from_ns, uint64_t to_ns)
{
	int i;

	for (i = 0; i < LOSS_CLASSES; i++)
		if (o->lost_any[i] && order_lost(o, host, (enum order_loss_class)i, from_ns, to_ns))
			return true;
	return false;
}

/* What the thread that t names did next. */
static void edge_next(struct order *o, const struct order_task *t, enum order_kind kind)
{
	struct order_raw e = { .from = t->node, .to = NONE, .kind = (uint8_t)kind };
	uint32_t thread = order_thread_find(o, t->host, t->tid, t->start_ns);

	/* a thread that runs goroutines waits for the scheduler: whose event comes next is not for this wake to say */
	if (thread != NONE && !(THREADS(o)[thread].flags & (THREAD_LOOSE | THREAD_GO)))
		e.to = order_after(o, thread, t->boot_ns + 1);
	if (e.to == NONE || e.to == e.from)
		return;
	if (lost_between(o, t->host, t->boot_ns, TIME(o)[e.to]))
		e.flags = EDGE_AFTER_LOSS;
	order_edge_add(o, &e, 0);
}

/* The event of that very moment in the thread that t names: a request's beginning; none if it was lost. */
static void edge_origin(struct order *o, const struct order_task *t)
{
	struct order_raw e = { .from = NONE, .to = t->node, .kind = ORDER_DISK };
	uint32_t thread = order_thread_find(o, t->host, t->tid, t->start_ns);

	if (thread != NONE && !(THREADS(o)[thread].flags & THREAD_LOOSE))
		e.from = order_after(o, thread, t->boot_ns);
	if (e.from != NONE && e.from != e.to && TIME(o)[e.from] == t->boot_ns)
		order_edge_add(o, &e, 0);
}

void order_match_wakes(struct order *o)
{
	const struct order_task *t = BIG_AT(&o->tasks, struct order_task);
	size_t count = BIG_COUNT(&o->tasks, struct order_task), i;

	for (i = 0; i < count; i++) {
		if (t[i].type == EVENT_WAKE && t[i].what != WAITKIND_KERNEL_LOCK)
			edge_next(o, &t[i], t[i].what == WAITKIND_FUTEX ? ORDER_LOCK : ORDER_WAKE);
		else if (t[i].type == EVENT_BLOCK_WAKE)
			edge_next(o, &t[i], ORDER_DISK);
		else if (t[i].type == EVENT_BLOCK_DONE)
			edge_origin(o, &t[i]);
	}
}
