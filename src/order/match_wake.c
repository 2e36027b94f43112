/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match_wake - wake -> what the woken thread did next.
 *
 * The recorder tells only wakes of threads that waited, by threads (not by interrupts).  A thread that waits does
 * nothing, so whatever it does after the wake it does because of it, or because of a later one: the edge is exact.
 * It may have waited again meanwhile (another took the lock): then the next event has several such causes, all true.
 * A wait for a lock inside of the kernel tells nothing about the programs: no edge.
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

static void match_wake(struct order *o, const struct order_task *t)
{
	struct order_raw e = { .from = t->node, .to = NONE, .kind = ORDER_WAKE };
	uint32_t thread = order_thread_find(o, t->host, t->tid, t->start_ns);

	if (thread != NONE && !(THREADS(o)[thread].flags & THREAD_LOOSE))
		e.to = order_after(o, thread, t->boot_ns + 1);
	if (e.to == NONE || e.to == e.from)
		return;
	if (t->what == WAITKIND_FUTEX)
		e.kind = ORDER_LOCK;
	if (lost_between(o, t->host, t->boot_ns, TIME(o)[e.to]))
		e.flags = EDGE_AFTER_LOSS;
	order_edge_add(o, &e, 0);
}

void order_match_wakes(struct order *o)
{
	const struct order_task *t = BIG_AT(&o->tasks, struct order_task);
	size_t count = BIG_COUNT(&o->tasks, struct order_task), i;

	for (i = 0; i < count; i++)
		if (t[i].type == EVENT_WAKE && t[i].what != WAITKIND_KERNEL_LOCK)
			match_wake(o, &t[i]);
}
