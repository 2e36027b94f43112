/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match_counted - streams whose offsets were counted when each call had ended (AF_UNIX has no sequence numbers).
 *
 * Calls of one thread end in the order of their bytes, so its counts are exact.  Calls of several threads that
 * overlap in time may have put their bytes in another order than they ended: such a group occupies a known
 * range, each call somewhere in it: behind all that surely ended before it began, before all that surely
 * began after it had ended.  Receives whose bytes may come from it get ambiguous edges.
 *
 * A gap in the counts is a call that was not recorded.  It ended there, but may have begun at any time before:
 * all counts before it, and those of the group behind it, may be off by its bytes, and are ambiguous too.
 */
#include "order/internal.h"

#include <stdlib.h>

struct piece {
	uint64_t offset;
	uint64_t low, high;  /* where its bytes may lie */
	uint64_t begin, end; /* when the call may have run */
	uint64_t max_high;   /* of all pieces up to this one */
	uint64_t min_low;    /* of all from this one on */
	uint64_t covered;
	uint32_t slot, bytes, lead, thread; /* bytes: 1 where messages are counted */
	uint32_t size;			    /* in bytes always */
	bool exact, after_loss, ambiguous;
	bool grouped; /* all that is not exact is its place in a group */
	bool nowhere; /* its place is not known at all */
};

struct group {
	uint32_t first;	 /* pieces [first, next group's first) */
	uint32_t thread; /* NONE: several */
	uint64_t end;	 /* latest end of a call in it */
};

/* A call's time and size, for sums over all calls before or after a moment. */
struct sum {
	uint64_t at, bytes;
};

static int sum_compare(const void *pa, const void *pb)
{
	const struct sum *a = pa, *b = pb;

	return (a->at > b->at) - (a->at < b->at);
}

static void sum_up(struct sum *s, uint32_t n)
{
	uint32_t i;

	qsort(s, n, sizeof(*s), sum_compare);
	for (i = 1; i < n; i++)
		s[i].bytes += s[i - 1].bytes;
}

/* Bytes of all calls at or before (inclusive), or before that moment. */
static uint64_t sum_to(const struct sum *s, uint32_t n, uint64_t at, bool inclusive)
{
	uint32_t low = 0, high = n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (s[middle].at < at || (inclusive && s[middle].at == at))
			low = middle + 1;
		else
			high = middle;
	}
	return low ? s[low - 1].bytes : 0;
}

/* Narrows each piece of a group of several threads to where its bytes may lie. */
static void place_group(struct order *o, struct piece *p, uint32_t n)
{
	uint64_t first = p[0].offset, last = p[n - 1].offset + p[n - 1].bytes, total;
	struct big room = { 0 };
	struct sum *ends = big_zeroed(&o->memory, &room, 2 * (size_t)n * sizeof(*ends)), *begins = ends + n;
	uint32_t i;

	if (!ends)
		return;
	for (i = 0; i < n; i++) {
		ends[i] = (struct sum) { p[i].end, p[i].bytes };
		begins[i] = (struct sum) { p[i].begin, p[i].bytes };
	}
	sum_up(ends, n);
	sum_up(begins, n);
	total = begins[n - 1].bytes;
	for (i = 0; i < n; i++) {
		p[i].exact = false;
		p[i].grouped = true;
		p[i].low = first + sum_to(ends, n, p[i].begin, true);
		p[i].high = last - (total - sum_to(begins, n, p[i].end, false));
		if (total != last - first || p[i].low > p[i].offset || p[i].high < p[i].offset + p[i].bytes) {
			p[i].grouped = false; /* a contradiction */
			p[i].low = first;
			p[i].high = last;
		}
	}
	big_fini(&o->memory, &room);
}

/* Pieces [from, to) may be off because of an unrecorded call. */
static void taint(struct piece *p, uint32_t from, uint32_t to)
{
	for (; from < to; from++) {
		p[from].exact = p[from].grouped = false;
		p[from].after_loss = true;
	}
}

/* Joins pieces into groups that may have been under way at the same time; returns how many groups. */
static uint32_t make_groups(const struct piece *p, uint32_t n, struct group *g)
{
	uint32_t count = 0, i;

	for (i = 0; i < n; i++) {
		struct group one = { i, p[i].thread, p[i].end };

		while (count) {
			const struct group *top = &g[count - 1];
			bool overlap = p[i].begin < top->end || (i && p[i - 1].offset + p[i - 1].bytes > p[i].offset);

			if (!overlap || (top->thread == p[i].thread && one.thread == p[i].thread))
				break;
			one.first = top->first;
			one.thread = NONE;
			one.end = one.end > top->end ? one.end : top->end;
			count--;
		}
		g[count++] = one;
	}
	return count;
}

struct direction {
	struct piece *p;
	uint32_t n, sock;
	uint64_t base, total; /* what the socket says it began with, and reached; 0: unknown */
	enum order_loss_class what;
	bool begins, numbered, pipe;
	bool lost_place; /* some of it is nowhere */
	const struct order_shift *shift;
};

/* Is the piece after the last one missing? */
static bool tail_missing(const struct order *o, const struct direction *d, uint64_t seen)
{
	const struct piece *last = &d->p[d->n - 1];
	uint64_t end = last->offset + last->bytes;

	if (seen > end || d->total > end)
		return true;
	return d->total != end && order_lost(o, SOCKS(o)[d->sock].host, d->what, last->begin, UINT64_MAX);
}

static void taint_gaps(const struct order *o, struct direction *d, const struct group *g, uint32_t groups,
		       uint64_t seen)
{
	struct piece *p = d->p;
	uint32_t i, k = 0, stop;

	if (tail_missing(o, d, seen))
		taint(p, 0, d->n);
	for (i = 0; i < d->n; i++) {
		bool gap = i ? p[i].offset > p[i - 1].offset + p[i - 1].bytes : d->begins && p[i].offset > d->base;

		while (k + 1 < groups && g[k + 1].first <= i)
			k++;
		if (!gap)
			continue;
		stop = k + 1 < groups ? g[k + 1].first : d->n;
		taint(p, 0, stop);
	}
}

/* A message's size, as offsets count. */
static uint32_t units_of(const struct order_side *s, const struct order_message *m, bool sent)
{
	if (!s->numbered)
		return m->bytes;
	return s->pipe && sent ? (m->bytes + PIPE_PACKET - 1) / PIPE_PACKET : 1;
}

static void fill_pieces(const struct order *o, struct direction *d, const struct order_side *s, bool sent)
{
	uint32_t i;

	for (i = 0; i < d->n; i++) {
		const struct order_message *m = &s->m[i];
		uint32_t units = units_of(s, m, sent);

		d->p[i] = (struct piece) { .offset = m->offset,
					   .low = m->offset,
					   .high = m->offset + units,
					   .slot = m->node,
					   .bytes = units,
					   .size = m->bytes,
					   .lead = m->lead,
					   .exact = true,
					   .begin = order_begin(o, m->node, m->lead),
					   .end = TIME(o)[m->node],
					   .after_loss = m->thread & MESSAGE_AFTER_LOSS,
					   .thread = m->thread & MESSAGE_THREAD };
	}
}

static uint64_t shifted(uint64_t offset, int64_t by)
{
	return by < 0 && (uint64_t)-by > offset ? 0 : offset + (uint64_t)by;
}

/* To the numbers by which the other direction counts. */
static void shift_all(struct direction *d)
{
	uint32_t i;

	for (i = 0; d->shift && i < d->n; i++) {
		const struct order_shift *s = &d->shift[i];
		struct piece *p = &d->p[i];

		p->nowhere = s->nowhere;
		d->lost_place |= s->nowhere;
		if (s->doubted)
			p->exact = p->grouped = false;
		if (s->nowhere)
			continue;
		p->offset = shifted(p->offset, s->low);
		p->low = shifted(p->low, s->low);
		p->high = shifted(p->high, s->high);
	}
}

/* seen: how far the other side says that this direction got. */
static void place(struct order *o, struct direction *d, uint64_t seen)
{
	struct big room = { 0 };
	struct group *g = d->n ? big_zeroed(&o->memory, &room, d->n * sizeof(*g)) : NULL;
	uint32_t groups, i, next;

	if (!g)
		return;
	groups = make_groups(d->p, d->n, g);
	for (i = 0; i < groups; i++) {
		next = i + 1 < groups ? g[i + 1].first : d->n;
		if (next - g[i].first > 1)
			place_group(o, &d->p[g[i].first], next - g[i].first);
	}
	taint_gaps(o, d, g, groups, seen);
	big_fini(&o->memory, &room);
	shift_all(d);
	for (i = 0; i < d->n; i++)
		d->p[i].max_high = i && d->p[i - 1].max_high > d->p[i].high ? d->p[i - 1].max_high : d->p[i].high;
	for (i = d->n; i-- > 0;)
		d->p[i].min_low = i + 1 < d->n && d->p[i + 1].min_low < d->p[i].low ? d->p[i + 1].min_low : d->p[i].low;
}

/* The first sent piece that may reach beyond that offset. */
static uint32_t first_beyond(const struct direction *tx, uint64_t offset)
{
	uint32_t low = 0, high = tx->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (tx->p[middle].max_high <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* All of the one lies in the other, wherever in its group it is. */
static bool contained(const struct piece *one, const struct piece *other)
{
	return one->grouped && other->exact && one->low >= other->low && one->high <= other->high;
}

/* Whatever the order within groups was, the one's bytes are the other's. */
static bool certain(const struct piece *t, const struct piece *r)
{
	return (t->exact && r->exact) || contained(t, r) || contained(r, t);
}

static void join(struct order *o, struct piece *t, struct piece *r, const struct direction *tx)
{
	bool exact = certain(t, r), inside = exact && !(t->exact && r->exact);
	uint64_t low = t->low > r->low ? t->low : r->low, high = t->high < r->high ? t->high : r->high;
	struct order_raw e = { low, t->slot, r->slot, (uint32_t)(high - low), ORDER_MESSAGE, 0, { 0 } };

	if (t->after_loss || r->after_loss)
		e.flags |= EDGE_AFTER_LOSS;
	if (inside) {
		const struct piece *one = t->grouped ? t : r;

		low = one->offset;
		high = low + one->bytes;
		e.offset = low;
		e.bytes = one->bytes;
	}
	if (exact) {
		t->covered += high - low;
		r->covered += high - low;
	} else {
		e.flags |= EDGE_AMBIGUOUS;
		e.bytes = e.bytes < t->bytes ? e.bytes : t->bytes;
		t->ambiguous = r->ambiguous = true;
	}
	if (tx->numbered) {
		e.offset = 0;
		e.bytes = tx->pipe && r->size < t->size ? r->size : t->size;
	}
	order_edge_add(o, &e, t->begin);
}

static void join_all(struct order *o, struct direction *tx, struct direction *rx)
{
	uint32_t i, k, candidates;

	for (i = 0; i < rx->n; i++) {
		struct piece *r = &rx->p[i];

		candidates = 0;
		if (r->nowhere)
			continue;
		for (k = first_beyond(tx, r->low); k < tx->n && tx->p[k].min_low < r->high; k++) {
			struct piece *t = &tx->p[k];

			if (t->low >= r->high || t->high <= r->low)
				continue;
			if (!(t->exact && r->exact) && t->begin > r->end)
				continue; /* sent after that was received */
			if (!certain(t, r) && ++candidates > ORDER_CANDIDATES_MAX)
				continue;
			join(o, t, r, tx);
		}
	}
}

static void report(struct order *o, const struct direction *tx, const struct direction *rx)
{
	uint64_t last = rx->n ? rx->p[rx->n - 1].offset + rx->p[rx->n - 1].bytes : 0;
	uint64_t first = tx->n ? tx->p[0].offset : UINT64_MAX;
	const struct piece *p;
	uint32_t i;

	for (i = 0; i < tx->n; i++) {
		p = &tx->p[i];
		if (p->covered < p->bytes)
			order_unmatched_add(o, p->slot, tx->numbered ? p->size : (uint32_t)(p->bytes - p->covered),
					    p->ambiguous     ? ORDER_AMBIGUOUS
					    : rx->lost_place ? ORDER_NO_OFFSET
							     : order_send_reason(o, tx->sock, p->offset + p->bytes - 1,
										 last, p->end));
	}
	for (i = 0; i < rx->n; i++) {
		p = &rx->p[i];
		if (p->covered < p->bytes)
			order_unmatched_add(o, p->slot, tx->numbered ? p->size : (uint32_t)(p->bytes - p->covered),
					    p->ambiguous ? ORDER_AMBIGUOUS
					    : p->nowhere ? ORDER_NO_OFFSET
							 : order_recv_reason(o, rx->sock, p->offset, first));
	}
}

static struct direction direction_of(const struct order *o, const struct order_side *side, bool recv)
{
	const struct order_sock *s = &SOCKS(o)[side->sock];

	if (side->numbered && !side->pipe)
		return (struct direction) { .n = side->count,
					    .sock = side->sock,
					    .what = recv ? LOSS_DGRAM_RECV : LOSS_DGRAM_SEND,
					    .begins = true,
					    .numbered = true };
	return (struct direction) { .n = side->count,
				    .sock = side->sock,
				    .base = recv ? s->rx_base : s->tx_base,
				    .total = recv ? s->rx_total : s->tx_total,
				    .what = recv ? LOSS_RECV : LOSS_SEND,
				    .begins = s->flags & (SOCK_OPENED | SOCK_TX_BASE),
				    .numbered = side->numbered,
				    .pipe = side->pipe,
				    .shift = side->shift };
}

static uint64_t reached(const struct direction *d)
{
	uint64_t end = d->n ? d->p[d->n - 1].offset + d->p[d->n - 1].bytes : 0;

	return end > d->total ? end : d->total;
}

void order_match_counted(struct order *o, const struct order_side *sent, const struct order_side *received)
{
	struct direction tx = direction_of(o, sent, false), rx = direction_of(o, received, true);
	struct big room = { 0 };

	tx.p = big_sized(&o->memory, &room, ((size_t)tx.n + rx.n) * sizeof(*tx.p));
	if (!tx.p)
		return;
	rx.p = tx.p + tx.n;
	fill_pieces(o, &tx, sent, true);
	fill_pieces(o, &rx, received, false);
	place(o, &tx, received->shift ? 0 : reached(&rx)); /* what a pipe gave out may have been a stranger's */
	place(o, &rx, 0);
	join_all(o, &tx, &rx);
	report(o, &tx, &rx);
	big_fini(&o->memory, &room);
}
