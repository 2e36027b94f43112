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
#include <sys/socket.h>

struct side {
	struct order_message *all;
	uint32_t *list; /* places in all, by offset */
	uint32_t count, at;
	uint64_t covered; /* bytes of list[at] that found their other end */
	uint32_t sock;
};

static uint64_t end_of(const struct order_message *m)
{
	return m->offset + m->bytes;
}

static const struct order_message *side_at(const struct side *s)
{
	return &s->all[s->list[s->at]];
}

static struct side side_of(struct order *o, uint32_t sock, bool recv)
{
	const struct order_sock *s = &SOCKS(o)[sock];
	uint32_t *index = BIG_AT(&o->message_index, uint32_t);

	return (struct side) { .all = MESSAGES(o),
			       .sock = sock,
			       .list = index + (recv ? s->rx_first : s->tx_first),
			       .count = recv ? s->rx_count : s->tx_count };
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
static bool count_trusted(const struct order *o, const struct side *s, const struct order_message *m, bool recv)
{
	const struct order_sock *sock = &SOCKS(o)[s->sock];
	const struct order_message *first = &s->all[s->list[0]];

	if (m->sock & MESSAGE_AFTER_LOSS ||
	    order_lost(o, sock->host, recv ? LOSS_RECV : LOSS_SEND, sock->first_ns, TIME(o)[m->node]))
		return false;
	if (m->sock & MESSAGE_IMPORTED)
		return true;
	/* without the socket lock the count is right for one thread that was there from the beginning */
	return sock->flags & SOCK_OPENED && order_thread_of(o, m->node) == order_thread_of(o, first->node);
}

static void count_offsets(struct order *o, struct side *s, bool recv)
{
	uint64_t offset = 0;
	uint32_t i;

	for (i = 0; i < s->count; i++) {
		struct order_message *m = &s->all[s->list[i]];

		if (!(m->sock & MESSAGE_UNKNOWN) || !count_trusted(o, s, m, recv))
			break;
		m->offset = offset;
		offset += m->bytes;
	}
	while (s->count > i) {
		const struct order_message *m = &s->all[s->list[--s->count]];

		order_unmatched_add(o, m->node, m->bytes, ORDER_LOST);
	}
}

/* Ranges without offset among ranges with one cannot be placed. */
static void drop_unknown(struct order *o, struct side *s)
{
	uint32_t i, kept = 0;

	for (i = 0; i < s->count; i++) {
		const struct order_message *m = &s->all[s->list[i]];

		if (m->sock & MESSAGE_UNKNOWN)
			order_unmatched_add(o, m->node, m->bytes, ORDER_LOST);
		else
			s->list[kept++] = s->list[i];
	}
	s->count = kept;
}

static int offset_compare(const void *pa, const void *pb, void *arg)
{
	const struct order_message *all = arg, *a = &all[*(const uint32_t *)pa], *b = &all[*(const uint32_t *)pb];

	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return (a > b) - (a < b);
}

static void sort_side(struct order *o, struct side *s, bool recv)
{
	uint32_t i, unknown = 0;
	bool sorted = true;

	for (i = 0; i < s->count; i++)
		unknown += !!(s->all[s->list[i]].sock & MESSAGE_UNKNOWN);
	if (unknown == s->count)
		count_offsets(o, s, recv);
	else if (unknown)
		drop_unknown(o, s);
	for (i = 1; i < s->count && sorted; i++)
		sorted = s->all[s->list[i - 1]].offset <= s->all[s->list[i]].offset;
	if (!sorted)
		qsort_r(s->list, s->count, sizeof(*s->list), offset_compare, s->all);
}

/* Ranges that overlap contradict each other; AF_UNIX counts are of another kind. */
static bool is_exact(const struct side *s)
{
	uint32_t i;

	for (i = 0; i < s->count; i++) {
		if (s->all[s->list[i]].sock & MESSAGE_COUNTED)
			return false;
		if (i && end_of(&s->all[s->list[i - 1]]) > s->all[s->list[i]].offset)
			return false;
	}
	return true;
}

static void edge(struct order *o, const struct order_message *tx, const struct order_message *rx, uint64_t low,
		 uint64_t high)
{
	struct order_raw e = { low, tx->node, rx->node, (uint32_t)(high - low), ORDER_MESSAGE, 0, { 0 } };
	const struct order_sock *s = &SOCKS(o)[tx->sock & MESSAGE_SOCK];

	if ((tx->sock | rx->sock) & MESSAGE_AFTER_LOSS ||
	    order_lost(o, s->host, LOSS_SEND, order_begin(o, tx->node, tx->lead), TIME(o)[tx->node]))
		e.flags |= EDGE_AFTER_LOSS;
	order_edge_add(o, &e, order_begin(o, tx->node, tx->lead));
}

static void tx_done(struct order *o, struct side *tx, uint64_t last)
{
	const struct order_message *m = side_at(tx);

	if (tx->covered < m->bytes)
		order_unmatched_add(o, m->node, (uint32_t)(m->bytes - tx->covered),
				    order_send_reason(o, tx->sock, m->offset + m->bytes - 1, last, TIME(o)[m->node]));
	tx->at++;
	tx->covered = 0;
}

static void rx_done(struct order *o, struct side *rx, uint64_t first)
{
	const struct order_message *m = side_at(rx);

	if (rx->covered < m->bytes)
		order_unmatched_add(o, m->node, (uint32_t)(m->bytes - rx->covered),
				    order_recv_reason(o, rx->sock, m->offset, first));
	rx->at++;
	rx->covered = 0;
}

static void merge(struct order *o, struct side *tx, struct side *rx)
{
	uint64_t last = rx->count ? end_of(&rx->all[rx->list[rx->count - 1]]) : 0;
	uint64_t first = tx->count ? tx->all[tx->list[0]].offset : UINT64_MAX;

	while (tx->at < tx->count && rx->at < rx->count) {
		const struct order_message *t = side_at(tx), *r = side_at(rx);
		uint64_t low = t->offset > r->offset ? t->offset : r->offset;
		uint64_t high = end_of(t) < end_of(r) ? end_of(t) : end_of(r);

		if (low < high) {
			edge(o, t, r, low, high);
			tx->covered += high - low;
			rx->covered += high - low;
		}
		if (end_of(t) <= end_of(r))
			tx_done(o, tx, last);
		else
			rx_done(o, rx, first);
	}
	while (tx->at < tx->count)
		tx_done(o, tx, last);
	while (rx->at < rx->count)
		rx_done(o, rx, first);
}

/* from or to may be NONE: the end was not recorded. */
static void match_direction(struct order *o, uint32_t from, uint32_t to)
{
	struct side tx = { 0 }, rx = { 0 };

	if (from != NONE)
		tx = side_of(o, from, false);
	if (to != NONE)
		rx = side_of(o, to, true);
	if (!tx.count && !rx.count)
		return;
	if (from != NONE && to != NONE) {
		sort_side(o, &tx, false);
		sort_side(o, &rx, true);
		SOCKS(o)[from].tx_count = tx.count;
		SOCKS(o)[to].rx_count = rx.count;
		if (!is_exact(&tx) || !is_exact(&rx)) {
			order_match_counted(o, from, to);
			return;
		}
	}
	merge(o, &tx, &rx);
}

/* Lists the messages by socket and direction, in order of arrival. */
static bool index_messages(struct order *o)
{
	size_t count = BIG_COUNT(&o->messages, struct order_message), i;
	struct order_message *all = MESSAGES(o);
	struct order_sock *socks = SOCKS(o);
	uint32_t at = 0, *index, k;

	if (!big_zeroed(&o->memory, &o->message_index, count * sizeof(uint32_t)))
		return false;
	index = BIG_AT(&o->message_index, uint32_t);
	for (k = 0; k < NSOCKS(o); k++) {
		socks[k].tx_first = at;
		socks[k].rx_first = at += socks[k].tx_count;
		at += socks[k].rx_count;
		socks[k].tx_count = socks[k].rx_count = 0;
	}
	for (i = 0; i < count; i++) {
		struct order_sock *s = &socks[all[i].sock & MESSAGE_SOCK];

		all[i].node = SLOT_OF(o)[all[i].node];
		if (all[i].sock & MESSAGE_RECV)
			index[s->rx_first + s->rx_count++] = (uint32_t)i;
		else
			index[s->tx_first + s->tx_count++] = (uint32_t)i;
	}
	o->stats.messages += count;
	return true;
}

void order_match_streams(struct order *o)
{
	uint32_t i, mate;

	if (!index_messages(o))
		return;
	for (i = 0; i < NSOCKS(o) && !o->memory.failed; i++) {
		mate = SOCKS(o)[i].mate;
		match_direction(o, i, mate);
		if (mate == NONE)
			match_direction(o, NONE, i);
	}
	big_fini(&o->memory, &o->message_index);
	big_fini(&o->memory, &o->messages);
}
