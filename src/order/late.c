/* SPDX-License-Identifier: Apache-2.0 */
/*
 * late - messages that were received before the call that sent them had ended.
 *
 * An event is the end of its call.  Mostly nothing hangs on that: the sender went on a moment later than the receiver.
 * But a call that fills a pipe waits for a reader, and goes on because of what that reader did after its first bytes: then
 * the send, as a whole, is before and after the receive.  Such an edge is early: it is shown, and takes no part in
 * happens-before; what the sender did before the call does.
 */
#include "order/internal.h"

void order_late_add(struct order *o, const struct order_raw *e, uint64_t begin_ns)
{
	struct order_late *l = BIG_PUSH(&o->memory, &o->late, struct order_late);
	uint32_t slot = e->from;

	if (!l)
		return;
	do
		slot = order_before(o, slot);
	while (slot != NONE && TIME(o)[slot] > begin_ns);
	*l = (struct order_late) { .e = *e, .before = begin_ns ? slot : NONE };
}

static void latest_note(const struct order *o, uint64_t *latest, const struct order_raw *e)
{
	if (order_slot_host(o, e->from) == order_slot_host(o, e->to) && TIME(o)[e->from] > latest[e->to])
		latest[e->to] = TIME(o)[e->from];
}

/* Did anything reach the sender, after the receive and before the send's end? */
static bool reached(const struct order *o, const uint64_t *latest, const struct order_raw *e)
{
	uint64_t received = TIME(o)[e->to];
	uint32_t slot;

	for (slot = e->from; slot != NONE && TIME(o)[slot] > received; slot = order_before(o, slot))
		if (latest[slot] > received)
			return true;
	return false;
}

static void settle(struct order *o, const uint64_t *latest, const struct order_late *l)
{
	bool early = reached(o, latest, &l->e);
	struct order_raw *r, e = l->e;

	if (early)
		e.flags |= EDGE_EARLY;
	r = BIG_PUSH(&o->memory, early ? &o->raw_ambiguous : &o->raw, struct order_raw);
	if (r)
		*r = e;
	r = r && early && l->before != NONE ? BIG_PUSH(&o->memory, &o->raw, struct order_raw) : NULL;
	if (r)
		*r = (struct order_raw) { .from = l->before, .to = e.to, .kind = ORDER_MESSAGE, .flags = EDGE_HIDDEN };
}

void order_late_settle(struct order *o)
{
	size_t n = BIG_COUNT(&o->late, struct order_late), edges = BIG_COUNT(&o->raw, struct order_raw), i;
	const struct order_late *all = BIG_AT(&o->late, struct order_late);
	struct big room = { 0 };
	uint64_t *latest = n ? big_zeroed(&o->memory, &room, o->count * sizeof(*latest)) : NULL;

	if (!latest)
		return;
	for (i = 0; i < edges; i++)
		latest_note(o, latest, &BIG_AT(&o->raw, struct order_raw)[i]);
	for (i = 0; i < n; i++)
		latest_note(o, latest, &all[i].e);
	for (i = 0; i < n; i++)
		settle(o, latest, &all[i]);
	big_fini(&o->memory, &room);
	big_fini(&o->memory, &o->late);
}
