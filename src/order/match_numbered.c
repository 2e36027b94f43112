/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match_numbered - AF_UNIX datagrams between two sockets that are connected to each other.
 *
 * Nobody else can send to them, none is lost and none overtakes (unix(7)), so the recorder numbers them at both ends.
 * A number is taken when the call has ended: which of several threads' calls came first is not known
 * (match_counted.c).
 */
#include "order/internal.h"

#include <stdlib.h>
#include <string.h>

struct numbered {
	uint32_t flow, recv, thread;
	struct order_message m;
};

static int numbered_compare(const void *pa, const void *pb)
{
	const struct numbered *a = pa, *b = pb;

	if (a->flow != b->flow)
		return a->flow < b->flow ? -1 : 1;
	if (a->recv != b->recv)
		return a->recv < b->recv ? -1 : 1;
	if (a->m.offset != b->m.offset)
		return a->m.offset < b->m.offset ? -1 : 1;
	return (a->m.node > b->m.node) - (a->m.node < b->m.node);
}

/* The socket of one end, NONE: never described. */
static uint32_t sock_of(const struct order *o, const struct order_flow *f, bool recv)
{
	uint64_t cookie;

	memcpy(&cookie, recv ? f->to : f->from, sizeof(cookie));
	return order_sock_find(o, f->host, cookie);
}

static void all_unmatched(struct order *o, const struct order_side *s)
{
	uint32_t i;

	for (i = 0; i < s->count; i++)
		order_unmatched_add(o, s->m[i].node, s->m[i].bytes, ORDER_PEER_UNKNOWN);
}

static void run_flow(struct order *o, const struct numbered *n, size_t count, struct order_message *room)
{
	const struct order_flow *f = &BIG_AT(&o->flows, struct order_flow)[n[0].flow];
	struct order_side tx = { .m = room, .sock = sock_of(o, f, false), .numbered = true }, rx = tx;
	size_t i;

	for (i = 0; i < count; i++)
		room[i] = n[i].m;
	while (tx.count < count && !n[tx.count].recv)
		tx.count++;
	rx.m = room + tx.count;
	rx.count = (uint32_t)count - tx.count;
	rx.sock = sock_of(o, f, true);
	if (tx.sock != NONE && rx.sock != NONE) {
		order_match_counted(o, &tx, &rx);
	} else {
		all_unmatched(o, &tx);
		all_unmatched(o, &rx);
	}
}

static void fill(const struct order *o, const struct order_dgram *d, struct numbered *ret)
{
	uint32_t thread = order_thread_of(o, d->node);

	*ret = (struct numbered) { .flow = d->flow, .recv = d->flags & DGRAM_RECV };
	ret->m = (struct order_message) { d->hash, d->bytes, thread | MESSAGE_COUNTED, d->node, d->lead };
}

void order_match_numbered(struct order *o)
{
	const struct order_dgram *all = BIG_AT(&o->dgrams, struct order_dgram);
	const struct order_flow *flows = BIG_AT(&o->flows, struct order_flow);
	size_t n = BIG_COUNT(&o->dgrams, struct order_dgram), count = 0, i, j;
	struct big room = { 0 }, copy = { 0 };
	struct order_message *messages;
	struct numbered *list;

	for (i = 0; i < n; i++)
		count += flows[all[i].flow].counted;
	if (!count)
		return;
	list = big_zeroed(&o->memory, &room, count * sizeof(*list));
	messages = list ? big_zeroed(&o->memory, &copy, count * sizeof(*messages)) : NULL;
	for (i = 0, j = 0; i < n && messages; i++) {
		if (flows[all[i].flow].counted)
			fill(o, &all[i], &list[j++]);
	}
	if (messages)
		qsort(list, count, sizeof(*list), numbered_compare);
	for (i = 0; i < count && messages; i = j) {
		for (j = i + 1; j < count && list[j].flow == list[i].flow; j++)
			;
		run_flow(o, &list[i], j - i, messages);
	}
	big_fini(&o->memory, &copy);
	big_fini(&o->memory, &room);
}
