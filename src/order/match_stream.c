/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match_stream - send -> receive by the ranges of a stream's bytes.
 *
 * Native TCP ranges were taken under the socket lock, so they are exact and do not overlap within a direction:
 * one pass over both lists, sorted by offset, finds all common bytes.  Imports have sizes only: offsets are the
 * running sums, which hold until the first loss and not beyond.  AF_UNIX: match_counted.c.
 */
#include "order/internal.h"

#include <stdlib.h>

static uint64_t end_of(const struct order_message *m)
{
	return m->offset + m->bytes;
}

static enum order_reason no_mate(const struct order_sock *s)
{
	if (!(s->flags & SOCK_DESCRIBED))
		return ORDER_PEER_UNKNOWN;
	return s->flags & SOCK_AMBIGUOUS ? ORDER_AMBIGUOUS : ORDER_PEER_NOT_RECORDED;
}

/* Why bytes that left `from` at that offset were not seen to arrive; last: end of what the peer received. */
enum order_reason order_send_reason(const struct order *o, uint32_t from, uint64_t offset, uint64_t last, uint64_t ns)
{
	const struct order_sock *s = &SOCKS(o)[from], *peer;

	if (s->mate == NONE)
		return no_mate(s);
	peer = &SOCKS(o)[s->mate];
	if (peer->flags & SOCK_TX_BASE && offset < peer->rx_base)
		return ORDER_BEFORE_RECORDING;
	if (order_lost(o, peer->host, LOSS_RECV, peer->host == s->host ? ns : 0, UINT64_MAX))
		return ORDER_LOST;
	return offset >= last ? ORDER_AFTER_RECORDING : ORDER_PEER_NOT_RECORDED;
}

/* Why bytes that arrived at `to` were not seen to leave; first: begin of what the peer sent. */
enum order_reason order_recv_reason(const struct order *o, uint32_t to, uint64_t offset, uint64_t first)
{
	const struct order_sock *s = &SOCKS(o)[to], *peer;

	if (s->mate == NONE)
		return no_mate(s);
	peer = &SOCKS(o)[s->mate];
	if (peer->flags & SOCK_TX_BASE && offset < peer->tx_base)
		return ORDER_BEFORE_RECORDING;
	if (order_lost(o, peer->host, LOSS_SEND, 0, UINT64_MAX))
		return ORDER_LOST;
	return offset < first && !(peer->flags & SOCK_OPENED) ? ORDER_BEFORE_RECORDING : ORDER_PEER_NOT_RECORDED;
}

/* Offsets by counting.  After a loss they mean nothing: the rest is cut off and reported. */
static bool count_trusted(const struct order *o, const struct order_side *s, const struct order_message *m, bool recv)
{
	const struct order_sock *sock = &SOCKS(o)[s->sock];

	if (m->thread & MESSAGE_AFTER_LOSS ||
	    order_lost(o, sock->host, recv ? LOSS_RECV : LOSS_SEND, sock->first_ns, TIME(o)[m->node]))
		return false;
	if (m->thread & MESSAGE_IMPORTED)
		return true;
	/* without the socket lock the count is right for one thread that was there from the beginning */
	return sock->flags & SOCK_OPENED && m->thread == s->m[0].thread;
}

static void count_offsets(struct order *o, struct order_side *s, bool recv)
{
	uint64_t offset = 0;
	uint32_t i;

	for (i = 0; i < s->count; i++) {
		struct order_message *m = &s->m[i];

		if (!(m->thread & MESSAGE_UNKNOWN) || !count_trusted(o, s, m, recv))
			break;
		m->offset = offset;
		offset += m->bytes;
	}
	while (s->count > i) {
		const struct order_message *m = &s->m[--s->count];

		order_unmatched_add(o, m->node, m->bytes,
				    m->thread & MESSAGE_IMPORTED || o->lost_any[recv ? LOSS_RECV : LOSS_SEND]
					    ? ORDER_LOST
					    : ORDER_NO_OFFSET);
	}
}

/* Ranges without offset among ranges with one cannot be placed. */
static void drop_unknown(struct order *o, struct order_side *s)
{
	uint32_t i, kept = 0;

	for (i = 0; i < s->count; i++) {
		if (s->m[i].thread & MESSAGE_UNKNOWN)
			order_unmatched_add(o, s->m[i].node, s->m[i].bytes,
					    s->m[i].thread & MESSAGE_AFTER_LOSS ? ORDER_LOST : ORDER_NO_OFFSET);
		else
			s->m[kept++] = s->m[i];
	}
	s->count = kept;
}

static int offset_compare(const void *pa, const void *pb)
{
	const struct order_message *a = pa, *b = pb;

	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return (a->node > b->node) - (a->node < b->node);
}

/* What the messages of a side have in common. */
struct look {
	uint32_t unknown, counted;
	bool sorted, overlap;
};

static struct look look_at(const struct order_side *s)
{
	struct look l = { .sorted = true };
	uint64_t end = 0, last = 0;
	uint32_t i;

	for (i = 0; i < s->count; i++) {
		const struct order_message *m = &s->m[i];

		l.unknown += !!(m->thread & MESSAGE_UNKNOWN);
		l.counted += !!(m->thread & MESSAGE_COUNTED);
		l.sorted &= m->offset >= last;
		l.overlap |= m->offset < end;
		last = m->offset;
		end = end_of(m);
	}
	return l;
}

/* Sorts by offset; returns whether the ranges are exact: neither counted by the recorder nor contradictory. */
static bool sort_side(struct order *o, struct order_side *s, bool recv)
{
	struct look l = look_at(s);

	if (l.unknown && l.unknown == s->count)
		count_offsets(o, s, recv);
	else if (l.unknown)
		drop_unknown(o, s);
	if (l.unknown)
		l = look_at(s);
	if (!l.sorted) {
		qsort(s->m, s->count, sizeof(*s->m), offset_compare);
		l = look_at(s);
	}
	return !l.counted && !l.overlap;
}

/* One direction of a connection being walked on both sides at once. */
struct walk {
	struct order *o;
	struct order_side tx, rx;
	uint32_t t, r;		       /* where we are */
	uint64_t t_covered, r_covered; /* bytes there that found their other end */
	uint64_t first, last;	       /* where the sent begin, and the received end */
	bool lossy, hosts;	       /* whether edges have to look at losses, and at clocks */
};

static void edge(const struct walk *w, uint64_t low, uint64_t high)
{
	const struct order_message *t = &w->tx.m[w->t], *r = &w->rx.m[w->r];
	struct order_raw e = { low, t->node, r->node, (uint32_t)(high - low), ORDER_MESSAGE, 0, { 0 } };
	uint64_t begin = w->lossy || w->hosts ? order_begin(w->o, t->node, t->lead) : 0;

	if ((t->thread | r->thread) & MESSAGE_AFTER_LOSS ||
	    (w->lossy && order_lost(w->o, SOCKS(w->o)[w->tx.sock].host, LOSS_SEND, begin, TIME(w->o)[t->node])))
		e.flags |= EDGE_AFTER_LOSS;
	order_edge_add(w->o, &e, begin);
}

static void tx_done(struct walk *w)
{
	const struct order_message *m = &w->tx.m[w->t++];

	if (w->t_covered < m->bytes)
		order_unmatched_add(w->o, m->node, (uint32_t)(m->bytes - w->t_covered),
				    order_send_reason(w->o, w->tx.sock, end_of(m) - 1, w->last, TIME(w->o)[m->node]));
	w->t_covered = 0;
}

static void rx_done(struct walk *w)
{
	const struct order_message *m = &w->rx.m[w->r++];

	if (w->r_covered < m->bytes)
		order_unmatched_add(w->o, m->node, (uint32_t)(m->bytes - w->r_covered),
				    order_recv_reason(w->o, w->rx.sock, m->offset, w->first));
	w->r_covered = 0;
}

static void merge(struct walk *w)
{
	w->last = w->rx.count ? end_of(&w->rx.m[w->rx.count - 1]) : 0;
	w->first = w->tx.count ? w->tx.m[0].offset : UINT64_MAX;
	while (w->t < w->tx.count && w->r < w->rx.count) {
		const struct order_message *t = &w->tx.m[w->t], *r = &w->rx.m[w->r];
		uint64_t low = t->offset > r->offset ? t->offset : r->offset;
		uint64_t high = end_of(t) < end_of(r) ? end_of(t) : end_of(r);

		if (low < high) {
			edge(w, low, high);
			w->t_covered += high - low;
			w->r_covered += high - low;
		}
		if (end_of(t) <= end_of(r))
			tx_done(w);
		else
			rx_done(w);
	}
	while (w->t < w->tx.count)
		tx_done(w);
	while (w->r < w->rx.count)
		rx_done(w);
}

/* Copies a socket's messages side by side, with slots in place of places. */
static struct order_side gather(struct order *o, uint32_t sock, bool recv, struct big *room)
{
	const struct order_message *rows = BIG_AT(&o->messages, struct order_message);
	const struct order_list *l = recv ? &SOCKS(o)[sock].rx : &SOCKS(o)[sock].tx;
	struct order_side s = { .sock = sock };
	uint32_t row, i, used;

	room->len = 0;
	s.m = big_room(&o->memory, room, (l->count + 1) * sizeof(*s.m));
	for (row = l->count && s.m ? l->first : NONE; row != NONE;) {
		const struct order_chunk *c = (const struct order_chunk *)&rows[row];

		used = row == l->last ? c->cap - l->left : c->cap;
		for (i = 0; i < used; i++) {
			struct order_message *m = &s.m[s.count++];

			*m = rows[row + 1 + i];
			m->node = order_place(o, m->thread & MESSAGE_THREAD, m->node);
		}
		row = c->next;
	}
	return s;
}

/* from or to may be NONE: the end was not recorded. */
static void match_direction(struct order *o, uint32_t from, uint32_t to, struct big room[2])
{
	struct walk w = { .o = o, .lossy = o->lost_any[LOSS_SEND], .hosts = NHOSTS(o) > 1 };
	bool exact = true;

	if (from != NONE)
		w.tx = gather(o, from, false, &room[0]);
	if (to != NONE)
		w.rx = gather(o, to, true, &room[1]);
	if (from != NONE && to != NONE) {
		exact = sort_side(o, &w.tx, false);
		exact = sort_side(o, &w.rx, true) && exact;
	}
	if (exact)
		merge(&w);
	else
		order_match_counted(o, &w.tx, &w.rx);
}

void order_match_streams(struct order *o)
{
	struct big room[2] = { { 0 }, { 0 } };
	uint32_t i, mate;

	for (i = 0; i < NSOCKS(o) && !o->memory.failed; i++) {
		mate = SOCKS(o)[i].mate;
		match_direction(o, i, mate, room);
		if (mate == NONE)
			match_direction(o, NONE, i, room);
	}
	big_fini(&o->memory, &room[0]);
	big_fini(&o->memory, &room[1]);
	big_fini(&o->memory, &o->messages);
}
