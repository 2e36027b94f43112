/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match_dgram - datagrams: the same tuple, size and hash of the payload, sent before received.
 *
 * Equal datagrams cannot be told apart by what the kernel shows.  They are taken in time order: `open` are those
 * sent so far that may still be under way.  One receive that has one of them only is exact and takes it.
 * With several, all are its candidates; as many receives as there are open ones use them up.  That needs
 * all sends: where a send was lost on the sender's host, nothing is exact.  AF_UNIX messages that the
 * recorder numbered match by their number.
 */
#include "order/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct item {
	uint64_t key; /* ports, size, hash (or number and cookies) */
	uint64_t at;  /* receive: its time; send: the earliest it can have begun */
	uint32_t dgram;
	uint32_t recv;
};

/* A run of equal datagrams, split further by who can have sent to whom. */
struct bucket {
	struct order *o;
	const struct order_dgram *all;
	const struct order_flow *flows;
	struct item *items;
	size_t n;
	uint8_t *done; /* by item: its unmatched bytes are settled */
};

static const struct order_dgram *dgram(const struct bucket *b, size_t i)
{
	return &b->all[b->items[i].dgram];
}

static const struct order_flow *flow(const struct bucket *b, size_t i)
{
	return &b->flows[dgram(b, i)->flow];
}

static bool addr_unset(const uint8_t addr[16])
{
	static const uint8_t zero[16], mapped[16] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(addr, zero, sizeof(zero)) || !memcmp(addr, mapped, sizeof(mapped));
}

/* 224.0.0.0/4 (RFC 5771), limited broadcast, ff00::/8 (RFC 4291) */
static bool multicast(const struct order_flow *f)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (f->family == AF_UNIX)
		return false;
	return !memcmp(f->to, mapped, sizeof(mapped)) ? f->to[12] >= 224 : f->to[0] == 0xff;
}

static bool addr_fits(const uint8_t a[16], const uint8_t b[16])
{
	return addr_unset(a) || addr_unset(b) || !memcmp(a, b, 16);
}

/* Could what was sent on s be what was received on r?  Same ports: they are in the key. */
static bool flow_fits(const struct order_flow *s, const struct order_flow *r)
{
	if (s->family != r->family || (s->host != NONE && r->host != NONE && s->host != r->host))
		return false;
	if (s->family == AF_UNIX)
		return !memcmp(s->from, r->from, 16) && !memcmp(s->to, r->to, 16);
	if (s->host != NONE && r->host != NONE && s->netns != r->netns)
		return false;
	return addr_fits(s->from, r->from) && (addr_fits(s->to, r->to) || multicast(s));
}

static uint64_t item_key(const struct order_dgram *d, const struct order_flow *f)
{
	uint64_t key = map_hash(d->hash + map_hash((uint64_t)f->from_port << 16 | f->to_port)), part[4];

	if (f->family != AF_UNIX)
		return map_hash(key + d->bytes);
	memcpy(part, f->from, sizeof(f->from));
	memcpy(part + 2, f->to, sizeof(f->to));
	key = map_hash(key + part[0]);
	return map_hash(key + part[2] + f->counted) + f->host;
}

static int item_compare(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	if (a->recv != b->recv)
		return a->recv < b->recv ? -1 : 1; /* one that may have begun at that moment comes first */
	return (a->dgram > b->dgram) - (a->dgram < b->dgram);
}

static uint32_t host_of(const struct bucket *b, size_t i)
{
	return order_slot_host(b->o, dgram(b, i)->node);
}

static bool may_be(const struct bucket *b, size_t send, size_t recv)
{
	if (b->items[send].recv || !b->items[recv].recv || !flow_fits(flow(b, send), flow(b, recv)))
		return false;
	return host_of(b, send) != host_of(b, recv) || b->items[send].at <= b->items[recv].at;
}

static void edge(const struct bucket *b, size_t send, size_t recv, bool ambiguous, bool after_loss)
{
	const struct order_dgram *s = dgram(b, send);
	struct order_raw e = { 0, s->node, dgram(b, recv)->node, s->bytes, ORDER_MESSAGE, 0, { 0 } };

	e.flags = (uint8_t)((ambiguous ? EDGE_AMBIGUOUS : 0) | (after_loss ? EDGE_AFTER_LOSS : 0));
	order_edge_add(b->o, &e, order_begin(b->o, s->node, s->lead));
}

enum { DONE_NOT, DONE_EXACT, DONE_AMBIGUOUS };

/* What may be received next in a bucket. */
struct open {
	size_t *sends; /* items */
	size_t count;
	size_t taken; /* of these were received, unknown which */
};

/* All open sends were received: none of them can be received again. */
static void open_close(struct open *open)
{
	if (open->taken && open->taken >= open->count)
		open->count = open->taken = 0;
}

static void open_remove(struct open *open, size_t at)
{
	memmove(&open->sends[at], &open->sends[at + 1], (open->count - at - 1) * sizeof(open->sends[0]));
	open->count--;
}

/* Several candidates: the latest are kept if there are too many. */
static void ambiguous(struct bucket *b, struct open *open, size_t recv, bool lost)
{
	size_t k, edges = 0;

	for (k = open->count; k-- > 0 && edges < ORDER_CANDIDATES_MAX;) {
		if (!may_be(b, open->sends[k], recv))
			continue;
		edge(b, open->sends[k], recv, true, lost);
		b->done[open->sends[k]] = DONE_AMBIGUOUS;
		edges++;
	}
	b->done[recv] = DONE_AMBIGUOUS;
}

/* Was a send lost that could be what recv got?  Clocks of other hosts say nothing. */
static bool send_lost(const struct bucket *b, size_t send, size_t recv)
{
	uint32_t host = host_of(b, send);

	return order_lost(b->o, host, LOSS_DGRAM_SEND, 0, host == host_of(b, recv) ? b->items[recv].at : UINT64_MAX);
}

static void on_recv(struct bucket *b, struct open *open, size_t recv)
{
	size_t k, at = 0, fits = 0;
	bool lost;

	for (k = 0; k < open->count && fits < 2; k++) {
		if (may_be(b, open->sends[k], recv)) {
			at = fits++ ? at : k;
		}
	}
	if (!fits)
		return;
	lost = send_lost(b, open->sends[at], recv);
	if (fits > 1 || lost) {
		ambiguous(b, open, recv, lost);
		open->taken += !lost && !multicast(flow(b, open->sends[at]));
	} else {
		edge(b, open->sends[at], recv, false, false);
		b->done[recv] = b->done[open->sends[at]] = DONE_EXACT;
		if (!multicast(flow(b, open->sends[at])))
			open_remove(open, at);
	}
	open_close(open);
}

/* On one host by time; several hosts: all sends first, as no clock orders them. */
static void run_bucket(struct bucket *b)
{
	struct open open = { 0 };
	bool hosts = false;
	size_t i;

	open.sends = malloc(b->n * sizeof(*open.sends));
	b->done = calloc(b->n, 1);
	if (!open.sends || !b->done) {
		b->o->memory.failed = ENOMEM;
		goto out;
	}
	for (i = 1; i < b->n && !hosts; i++)
		hosts = host_of(b, i) != host_of(b, 0);
	for (i = 0; i < b->n && hosts; i++) {
		if (!b->items[i].recv)
			open.sends[open.count++] = i;
	}
	for (i = 0; i < b->n; i++) {
		if (b->items[i].recv)
			on_recv(b, &open, i);
		else if (!hosts)
			open.sends[open.count++] = i;
	}
out:
	free(open.sends);
}

/* A numbered AF_UNIX message: at most one send and one receive have the number. */
static bool run_counted(struct bucket *b)
{
	if (!flow(b, 0)->counted || b->n != 2 || b->items[0].recv == b->items[1].recv ||
	    !flow_fits(flow(b, 0), flow(b, 1)))
		return false;
	edge(b, b->items[0].recv ? 1 : 0, b->items[0].recv ? 0 : 1, false, false);
	return true;
}

static enum order_reason reason(const struct bucket *b, size_t i)
{
	if (b->o->lost_any[b->items[i].recv ? LOSS_DGRAM_SEND : LOSS_DGRAM_RECV])
		return ORDER_LOST;
	return flow(b, i)->family == AF_UNIX && addr_unset(flow(b, i)->to) ? ORDER_PEER_UNKNOWN
									   : ORDER_PEER_NOT_RECORDED;
}

static void report(const struct bucket *b)
{
	size_t i;

	for (i = 0; i < b->n; i++) {
		if (b->done && b->done[i] == DONE_EXACT)
			continue;
		order_unmatched_add(b->o, dgram(b, i)->node, dgram(b, i)->bytes,
				    b->done && b->done[i] == DONE_AMBIGUOUS ? ORDER_AMBIGUOUS : reason(b, i));
	}
}

static void fill_items(struct order *o, struct item *items, size_t n)
{
	struct order_dgram *all = BIG_AT(&o->dgrams, struct order_dgram);
	const struct order_flow *flows = BIG_AT(&o->flows, struct order_flow);
	size_t i;

	for (i = 0; i < n; i++) {
		struct order_dgram *d = &all[i];

		d->node = SLOT_OF(o)[d->node];
		items[i] = (struct item) { .dgram = (uint32_t)i, .recv = d->recv };
		items[i].key = item_key(d, &flows[d->flow]);
		items[i].at = d->recv ? TIME(o)[d->node] : order_begin(o, d->node, d->lead);
	}
}

void order_match_dgrams(struct order *o)
{
	size_t n = BIG_COUNT(&o->dgrams, struct order_dgram), i, j;
	struct big room = { 0 };
	struct item *items = n ? big_zeroed(&o->memory, &room, n * sizeof(*items)) : NULL;

	if (!items)
		return;
	o->stats.messages += n;
	fill_items(o, items, n);
	qsort(items, n, sizeof(*items), item_compare);
	for (i = 0; i < n && !o->memory.failed; i = j) {
		struct bucket b = { .o = o,
				    .all = BIG_AT(&o->dgrams, struct order_dgram),
				    .flows = BIG_AT(&o->flows, struct order_flow),
				    .items = &items[i] };

		for (j = i + 1; j < n && items[j].key == items[i].key; j++)
			;
		b.n = j - i;
		if (run_counted(&b))
			continue;
		run_bucket(&b);
		report(&b);
		free(b.done);
	}
	big_fini(&o->memory, &room);
	big_fini(&o->memory, &o->dgrams);
}
