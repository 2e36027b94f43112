/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match_dgram - datagrams: the same addresses, size and hash of the payload, sent before received.
 *
 * What an event does not know (a hash of 0, a port of 0, no address, no cookie) fits with anything.
 * `open` are the datagrams sent so far that may still be under way.  One receive that has one of them only is exact and
 * takes it, if the hash says so too, or both ends know all of the addresses and no older datagram can have waited in the
 * socket's queue.  With several, all are its candidates; as many receives as there are open ones use them up.  That
 * needs all sends: where a send was lost on the sender's host, nothing is exact.
 * A receive that finds nothing by its addresses may come through NAT: then size and hash give candidates.
 * AF_UNIX messages that the recorder numbered: match_numbered.c.
 */
#include "order/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LOOK_BACK 4096 /* open datagrams that are looked at for one receive */

struct item {
	uint64_t size;	/* and family: what must be equal in any case */
	uint64_t ports; /* 0: not all are known.  AF_UNIX: from the receiver's cookie */
	uint64_t hash;
	uint64_t at; /* receive: its time; send: the earliest it can have begun */
	uint32_t dgram;
	uint8_t recv, done;
};

enum { DONE_NOT, DONE_EXACT, DONE_AMBIGUOUS };

struct match {
	struct order *o;
	const struct order_dgram *all;
	const struct order_flow *flows;
	struct item **loose; /* sends in this run of one size whose receiver is not known, by time */
	size_t nloose;
};

static const struct order_dgram *dgram(const struct match *m, const struct item *it)
{
	return &m->all[it->dgram];
}

static const struct order_flow *flow(const struct match *m, const struct item *it)
{
	return &m->flows[dgram(m, it)->flow];
}

static uint32_t host_of(const struct match *m, const struct item *it)
{
	return order_slot_host(m->o, dgram(m, it)->node);
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

static bool port_fits(uint16_t a, uint16_t b)
{
	return !a || !b || a == b;
}

/* Could what was sent on s be what was received on r? */
static bool flow_fits(const struct order_flow *s, const struct order_flow *r)
{
	if (s->family != r->family || (s->host != NONE && r->host != NONE && s->host != r->host))
		return false;
	if (s->family == AF_UNIX)
		return addr_fits(s->from, r->from) && addr_fits(s->to, r->to);
	if (s->host != NONE && r->host != NONE && s->netns != r->netns)
		return false;
	return port_fits(s->from_port, r->from_port) && port_fits(s->to_port, r->to_port) &&
	       addr_fits(s->from, r->from) && (addr_fits(s->to, r->to) || multicast(s));
}

/* Sent before received, and the same payload as far as it was seen. */
static bool may_be(const struct match *m, const struct item *s, const struct item *r)
{
	if (s->hash && r->hash && s->hash != r->hash)
		return false;
	return host_of(m, s) != host_of(m, r) || s->at <= r->at;
}

static bool fits(const struct match *m, const struct item *s, const struct item *r)
{
	return may_be(m, s, r) && flow_fits(flow(m, s), flow(m, r));
}

/* NAT changes an address at least; loopback is never translated. */
static bool fits_nat(const struct match *m, const struct item *s, const struct item *r)
{
	const struct order_flow *fs = flow(m, s), *fr = flow(m, r);

	if (fs->family == AF_UNIX || fs->host != NONE || fr->host != NONE)
		return false;
	return may_be(m, s, r) && (memcmp(fs->from, fr->from, 16) || memcmp(fs->to, fr->to, 16));
}

/* Do both know the sender's address?  Else what fits may be another's, and the right one have come through NAT. */
static bool firm(const struct match *m, const struct item *s, const struct item *r)
{
	const struct order_flow *fs = flow(m, s), *fr = flow(m, r);

	if (s->hash && s->hash == r->hash)
		return true;
	/* a port of one namespace is one socket's; over loopback its address need not be known */
	if (fs->family != AF_UNIX && fs->host != NONE && fr->host != NONE && addr_unset(fs->from))
		return fs->from_port && fs->from_port == fr->from_port && !addr_unset(fr->from);
	return !addr_unset(fr->from) && !memcmp(fs->from, fr->from, 16);
}

/* If s is the only one that fits r: is that enough? */
static bool sure(const struct match *m, const struct item *s, const struct item *r)
{
	if (s->hash && s->hash == r->hash)
		return true;
	return dgram(m, r)->flags & DGRAM_WHOLE && !addr_unset(flow(m, s)->to) && firm(m, s, r);
}

static void edge(const struct match *m, struct item *send, struct item *recv, bool ambiguous, bool after_loss)
{
	const struct order_dgram *s = dgram(m, send);
	struct order_raw e = { 0, s->node, dgram(m, recv)->node, s->bytes, ORDER_MESSAGE, 0, { 0 } };

	e.flags = (uint8_t)((ambiguous ? EDGE_AMBIGUOUS : 0) | (after_loss ? EDGE_AFTER_LOSS : 0));
	order_edge_add(m->o, &e, order_begin(m->o, s->node, s->lead));
	send->done = recv->done = ambiguous ? DONE_AMBIGUOUS : DONE_EXACT;
}

/* What may be received next in a run of equal ports. */
struct open {
	struct item **sends;
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

/* Several candidates.  If there are too many: those about as far along as the receive is. */
static void ambiguous(struct match *m, struct open *open, struct item *recv, bool lost)
{
	size_t half = ORDER_CANDIDATES_MAX / 2, edges = 0, k;
	size_t from = open->taken > half ? open->taken - half : 0;

	for (k = from; k < open->count && edges < ORDER_CANDIDATES_MAX; k++) {
		if (fits(m, open->sends[k], recv)) {
			edge(m, open->sends[k], recv, true, lost);
			edges++;
		}
	}
	for (k = m->nloose; k-- > 0 && edges < ORDER_CANDIDATES_MAX;) {
		if (fits(m, m->loose[k], recv)) {
			edge(m, m->loose[k], recv, true, lost);
			edges++;
		}
	}
	recv->done = DONE_AMBIGUOUS;
}

/* Was a send lost that could be what recv got?  Clocks of other hosts say nothing. */
static bool send_lost(const struct match *m, const struct item *send, const struct item *recv)
{
	uint32_t host = host_of(m, send);

	return order_lost(m->o, host, LOSS_DGRAM_SEND, 0, host == host_of(m, recv) ? recv->at : UINT64_MAX);
}

/* How many fit, at most two; *ret_at: the first firm one. */
static size_t count_fits(const struct match *m, const struct open *open, const struct item *recv, size_t *ret_at)
{
	size_t k = open->count > LOOK_BACK ? open->count - LOOK_BACK : 0, n = 0;

	for (; k < open->count && (n < 2 || *ret_at == SIZE_MAX); k++) {
		if (!fits(m, open->sends[k], recv))
			continue;
		n++;
		if (*ret_at == SIZE_MAX && firm(m, open->sends[k], recv))
			*ret_at = k;
	}
	for (k = m->nloose; k-- > 0 && n < 2;)
		n += fits(m, m->loose[k], recv);
	return n;
}

static void on_recv(struct match *m, struct open *open, struct item *recv)
{
	size_t at = SIZE_MAX, n = count_fits(m, open, recv, &at);
	struct item *send;
	bool lost, many;

	if (at == SIZE_MAX)
		return; /* look_wider() */
	send = open->sends[at];
	many = multicast(flow(m, send));
	lost = send_lost(m, send, recv);
	if (n > 1 || lost || !sure(m, send, recv)) {
		ambiguous(m, open, recv, lost);
		open->taken += !lost && !many;
	} else {
		edge(m, send, recv, false, false);
		if (!many)
			open_remove(open, at);
	}
	open_close(open);
}

/* On one host by time; several hosts: all sends first, as no clock orders them. */
static void run_ports(struct match *m, struct item *items, size_t n, struct item **room)
{
	struct open open = { .sends = room };
	bool hosts = false;
	size_t i;

	for (i = 1; i < n && !hosts; i++)
		hosts = host_of(m, &items[i]) != host_of(m, &items[0]);
	for (i = 0; i < n && hosts; i++) {
		if (!items[i].recv)
			open.sends[open.count++] = &items[i];
	}
	for (i = 0; i < n; i++) {
		if (items[i].recv)
			on_recv(m, &open, &items[i]);
		else if (!hosts)
			open.sends[open.count++] = &items[i];
	}
}

static int hash_compare(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	if (a->recv != b->recv)
		return a->recv < b->recv ? -1 : 1; /* one that may have begun at that moment comes first */
	return (a->dgram > b->dgram) - (a->dgram < b->dgram);
}

static int item_compare(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;

	if (a->size != b->size)
		return a->size < b->size ? -1 : 1;
	if (a->ports != b->ports)
		return a->ports < b->ports ? -1 : 1;
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	if (a->recv != b->recv)
		return a->recv < b->recv ? -1 : 1;
	return (a->dgram > b->dgram) - (a->dgram < b->dgram);
}

/* Where every payload was seen, each hash is a run of its own. */
static void run_hashes(struct match *m, struct item *items, size_t n, struct item **room)
{
	size_t i, j;

	for (i = 0; i < n && items[i].hash; i++)
		;
	if (i < n || m->nloose) {
		run_ports(m, items, n, room);
		return;
	}
	qsort(items, n, sizeof(*items), hash_compare);
	for (i = 0; i < n; i = j) {
		for (j = i + 1; j < n && items[j].hash == items[i].hash; j++)
			;
		run_ports(m, &items[i], j - i, room);
	}
}

/* What is not known well enough: any send of that size whose addresses fit, or that may have come through NAT. */
static void look_wider(struct match *m, struct item *items, size_t n, struct item *recv)
{
	size_t k, edges = 0, looked = 0;

	for (k = n; k-- > 0 && edges < ORDER_CANDIDATES_MAX && looked < LOOK_BACK;) {
		if (items[k].recv || items[k].done == DONE_EXACT || !may_be(m, &items[k], recv))
			continue;
		looked++;
		if (fits(m, &items[k], recv) || fits_nat(m, &items[k], recv)) {
			edge(m, &items[k], recv, true, send_lost(m, &items[k], recv));
			edges++;
		}
	}
}

static int time_compare(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;

	return a->at != b->at ? (a->at < b->at ? -1 : 1) : (a->dgram > b->dgram) - (a->dgram < b->dgram);
}

/* One run of equal size. */
static void run_size(struct match *m, struct item *items, size_t n, struct item **room)
{
	size_t i, j;

	m->loose = room;
	for (m->nloose = 0; m->nloose < n && !items[m->nloose].ports; m->nloose++)
		;
	for (i = 0, j = 0; i < m->nloose; i++) {
		if (!items[i].recv)
			m->loose[j++] = &items[i];
	}
	i = m->nloose;
	m->nloose = j;
	for (; i < n; i = j) {
		for (j = i + 1; j < n && items[j].ports == items[i].ports; j++)
			;
		run_hashes(m, &items[i], j - i, room + m->nloose);
	}
	qsort(items, n, sizeof(*items), time_compare);
	for (i = 0; i < n; i++) {
		if (items[i].recv && items[i].done == DONE_NOT)
			look_wider(m, items, n, &items[i]);
	}
}

static enum order_reason reason(const struct match *m, const struct item *it)
{
	if (it->done == DONE_AMBIGUOUS)
		return ORDER_AMBIGUOUS;
	if (m->o->lost_any[it->recv ? LOSS_DGRAM_SEND : LOSS_DGRAM_RECV])
		return ORDER_LOST;
	return flow(m, it)->family == AF_UNIX && addr_unset(flow(m, it)->to) ? ORDER_PEER_UNKNOWN
									     : ORDER_PEER_NOT_RECORDED;
}

static void item_fill(const struct match *m, struct item *it, uint32_t i)
{
	const struct order_dgram *d = &m->all[i];
	const struct order_flow *f = &m->flows[d->flow];
	bool recv = d->flags & DGRAM_RECV, local = f->family == AF_UNIX;

	*it = (struct item) { .dgram = i, .recv = recv, .hash = local ? 0 : d->hash };
	it->size = (uint64_t)local << 32 | d->bytes;
	it->at = recv ? TIME(m->o)[d->node] : order_begin(m->o, d->node, d->lead);
	if (local) {
		memcpy(&it->ports, f->to, sizeof(it->ports));
		it->size |= (uint64_t)(f->host + 1) << 33;
	} else if (f->from_port && f->to_port) {
		it->ports = (uint64_t)f->from_port << 16 | f->to_port;
	}
}

void order_match_dgrams(struct order *o)
{
	size_t n = BIG_COUNT(&o->dgrams, struct order_dgram), kept = 0, i, j;
	struct match m = { .o = o,
			   .all = BIG_AT(&o->dgrams, struct order_dgram),
			   .flows = BIG_AT(&o->flows, struct order_flow) };
	struct big room = { 0 }, list = { 0 };
	struct item *items = n ? big_zeroed(&o->memory, &room, n * sizeof(*items)) : NULL;
	struct item **pointers = items ? big_zeroed(&o->memory, &list, n * sizeof(struct item *)) : NULL;

	if (!pointers)
		return;
	o->stats.messages += n;
	for (i = 0; i < n; i++) {
		struct order_dgram *d = &BIG_AT(&o->dgrams, struct order_dgram)[i];

		d->node = SLOT_OF(o)[d->node];
		if (!m.flows[d->flow].counted)
			item_fill(&m, &items[kept++], (uint32_t)i);
	}
	order_match_numbered(o);
	qsort(items, kept, sizeof(*items), item_compare);
	for (i = 0; i < kept && !o->memory.failed; i = j) {
		for (j = i + 1; j < kept && items[j].size == items[i].size; j++)
			;
		run_size(&m, &items[i], j - i, pointers);
	}
	for (i = 0; i < kept; i++) {
		if (items[i].done != DONE_EXACT)
			order_unmatched_add(o, dgram(&m, &items[i])->node, dgram(&m, &items[i])->bytes,
					    reason(&m, &items[i]));
	}
	big_fini(&o->memory, &list);
	big_fini(&o->memory, &room);
	big_fini(&o->memory, &o->dgrams);
}
