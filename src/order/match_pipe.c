/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match_pipe - write -> read on pipes, whose bytes the recorder counts when each call has ended.
 *
 * Both directions are counted alike, so a byte's number in one is its number in the other, less a shift: bytes that
 * were there before, or that somebody put in or took out who was not recorded.  Each call tells what both counts were
 * when it ended, and how many bytes the pipe really held:
 *
 *	shift = written - read - held, but for calls under way at that moment, which may have moved their bytes already
 *
 * So each call bounds the shift.  While the bounds have a common part they are one segment, within which a shift that
 * is one number is exact.  Where they have none, strangers' bytes came or went: what was read since the last
 * call that proved the old shift is doubted, and so is what is read of bytes that were written before the new one was proved.
 * A read that is doubted gets ambiguous edges from wherever its bytes may come.
 */
#include "order/internal.h"

#include <stdlib.h>

#define ENDLESS (INT64_MAX / 4)
#define SLACK_NS 50000 /* at most between a look at the pipe and the time of its event (PIPE_LOOK_NS of the probe) */

struct call {
	uint64_t begin, end;
	uint64_t offset;
	int64_t low, high; /* bounds of the shift, by this call alone */
	uint32_t slot, thread, lead, units, bytes, segment;
	bool wrote, looked, packets;
};

struct segment {
	int64_t low, high;
	uint64_t proved_ns; /* when the last call proved the shift */
	uint64_t from;	    /* bytes written from there on are not mixed with strangers' */
	bool known;	    /* from is */
};

/* Sums of calls of one direction by their begins, and by their ends. */
struct moment {
	uint64_t at, units;
};

struct pipe {
	struct order *o;
	uint32_t sock, n, nsegments;
	struct call *c;		 /* by end */
	struct moment *when[4];	 /* begins and ends of writes, begins and ends of reads */
	struct segment *segment; /* at most one a call, and the first */
	bool packets;
};

static int call_compare(const void *pa, const void *pb)
{
	const struct order_pipe_call *a = pa, *b = pb;

	if (a->sock != b->sock)
		return a->sock < b->sock ? -1 : 1;
	if (a->boot_ns != b->boot_ns)
		return a->boot_ns < b->boot_ns ? -1 : 1;
	return (a->node > b->node) - (a->node < b->node);
}

static int moment_compare(const void *pa, const void *pb)
{
	const struct moment *a = pa, *b = pb;

	return (a->at > b->at) - (a->at < b->at);
}

static void moments_fill(struct pipe *p, int which)
{
	struct moment *m = p->when[which];
	uint32_t i;

	for (i = 0; i < p->n; i++) {
		const struct call *c = &p->c[i];

		m[i].at = which & 1 ? c->end : c->begin;
		m[i].units = c->wrote == (which < 2) ? c->units : 0;
	}
	qsort(m, p->n, sizeof(*m), moment_compare);
	for (i = 1; i < p->n; i++)
		m[i].units += m[i - 1].units;
}

/* Units of all before that moment. */
static int64_t moments_before(const struct moment *m, uint32_t n, uint64_t at)
{
	uint32_t low = 0, high = n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (m[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? (int64_t)m[low - 1].units : 0;
}

/* Units of calls of c's own thread that ended since then, c among them: they were not under way. */
static int64_t own_since(const struct pipe *p, const struct call *c, bool writes, uint64_t then)
{
	const struct call *own;
	int64_t sum = 0;

	for (own = c; own >= p->c && own->end >= then; own--)
		if (own->thread == c->thread && own->wrote == writes && own->begin < c->end)
			sum += own->units;
	return sum;
}

/* What calls of one direction that were under way when c ended may have moved without being counted. */
static int64_t under_way(const struct pipe *p, const struct call *c, bool writes)
{
	uint64_t then = c->end > SLACK_NS ? c->end - SLACK_NS : 0;

	return moments_before(p->when[writes ? 0 : 2], p->n, c->end) -
	       moments_before(p->when[writes ? 1 : 3], p->n, then) - own_since(p, c, writes, then);
}

static void bounds_narrow(const struct pipe *p, struct call *c)
{
	if (!c->looked) {
		c->low = -ENDLESS;
		c->high = ENDLESS;
		return;
	}
	c->low -= under_way(p, c, false);
	c->high += under_way(p, c, true);
}

/* What was written when the call ended, by its own count. */
static uint64_t call_written(const struct call *c, const struct order_pipe_call *raw)
{
	return c->wrote ? c->offset + c->units : raw->other;
}

static void segment_begin(struct pipe *p, int64_t low, int64_t high)
{
	p->segment[p->nsegments++] = (struct segment) { .low = low, .high = high };
}

/* The call belongs to the segment while its bounds and the segment's have a common part. */
static void segment_take(struct pipe *p, struct call *c, uint64_t written)
{
	struct segment *s = &p->segment[p->nsegments - 1];
	int64_t low = c->low > s->low ? c->low : s->low, high = c->high < s->high ? c->high : s->high;

	if (low > high) {
		segment_begin(p, c->low, c->high);
		s = &p->segment[p->nsegments - 1];
		low = c->low;
		high = c->high;
	}
	s->low = low;
	s->high = high;
	c->segment = p->nsegments - 1;
	if (low == high && !s->known) {
		s->known = true;
		s->from = written;
	}
	if (c->low == c->high)
		s->proved_ns = c->end;
}

/* A pipe whose first byte was seen begins with no shift. */
static void segments_find(struct pipe *p, const struct order_pipe_call *raw)
{
	bool born = SOCKS(p->o)[p->sock].flags & SOCK_OPENED;
	uint32_t i;

	segment_begin(p, born ? 0 : -ENDLESS, born ? 0 : ENDLESS);
	p->segment[0].known = born;
	for (i = 0; i < p->n; i++) {
		bounds_narrow(p, &p->c[i]);
		segment_take(p, &p->c[i], call_written(&p->c[i], &raw[i]));
	}
}

static struct order_shift shift_of(const struct pipe *p, const struct call *c)
{
	const struct segment *s = &p->segment[c->segment], *before = c->segment ? s - 1 : s;
	struct order_shift shift = { .low = s->low, .high = s->high };

	if (s->low == s->high && (int64_t)c->offset + s->low >= (int64_t)s->from &&
	    (c->segment + 1 == p->nsegments || c->end <= s->proved_ns))
		return shift;
	shift.doubted = true;
	shift.low = before->low < s->low ? before->low : s->low;
	shift.high = before->high > s->high ? before->high : s->high;
	if (c->segment + 1 < p->nsegments && c->end > s->proved_ns) {
		shift.low = s[1].low < shift.low ? s[1].low : shift.low;
		shift.high = s[1].high > shift.high ? s[1].high : shift.high;
	}
	shift.nowhere = shift.low <= -ENDLESS || shift.high >= ENDLESS;
	return shift;
}

static void call_fill(struct order *o, struct call *c, const struct order_pipe_call *raw)
{
	uint32_t slot = order_place(o, raw->thread, raw->node);
	int64_t written = (int64_t)(raw->flags & PIPE_CALL_WROTE ? raw->offset + raw->units : raw->other);
	int64_t read = (int64_t)(raw->flags & PIPE_CALL_WROTE ? raw->other : raw->offset + raw->units);

	*c = (struct call) { .begin = order_begin(o, slot, raw->lead),
			     .end = raw->boot_ns,
			     .offset = raw->offset,
			     .slot = slot,
			     .thread = raw->thread,
			     .lead = raw->lead,
			     .units = raw->units,
			     .bytes = raw->bytes,
			     .wrote = raw->flags & PIPE_CALL_WROTE,
			     .packets = raw->flags & PIPE_CALL_PACKETS,
			     .looked = raw->left != NONE };
	c->low = c->high = written - read - raw->left;
}

static int offset_compare(const void *pa, const void *pb)
{
	const struct call *a = pa, *b = pb;

	if (a->wrote != b->wrote)
		return a->wrote ? -1 : 1;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return (a->slot > b->slot) - (a->slot < b->slot);
}

/* Hands both directions to match_counted.c, in the order of their bytes. */
static void pipe_join(struct pipe *p, struct order_message *m, struct order_shift *shift)
{
	struct order_side tx = { .m = m, .sock = p->sock, .pipe = true, .numbered = p->packets }, rx = tx;
	uint32_t i, n = 0;

	qsort(p->c, p->n, sizeof(*p->c), offset_compare);
	for (i = 0; i < p->n; i++) {
		const struct call *c = &p->c[i];

		if (!c->units)
			continue;
		m[n] = (struct order_message) { c->offset, c->bytes, c->thread, c->slot, c->lead };
		shift[n++] = shift_of(p, c);
		tx.count += c->wrote;
	}
	rx.m = m + tx.count;
	rx.shift = shift + tx.count;
	rx.count = n - tx.count;
	order_match_counted(p->o, &tx, &rx);
}

static void pipe_match(struct order *o, const struct order_pipe_call *raw, uint32_t n)
{
	size_t each = sizeof(struct call) + 4 * sizeof(struct moment) + sizeof(struct segment) +
		      sizeof(struct order_message) + sizeof(struct order_shift);
	struct big room = { 0 };
	char *at = big_zeroed(&o->memory, &room, each * (n + (size_t)1));
	struct pipe p = { .o = o, .sock = raw->sock, .n = n };
	struct order_shift *shift;
	uint32_t i;

	if (!at)
		return;
	p.c = (struct call *)at;
	p.when[0] = (struct moment *)(p.c + n + 1);
	for (i = 1; i < 4; i++)
		p.when[i] = p.when[i - 1] + n + 1;
	p.segment = (struct segment *)(p.when[3] + n + 1);
	shift = (struct order_shift *)(p.segment + n + 1);
	for (i = 0; i < n; i++) {
		call_fill(o, &p.c[i], &raw[i]);
		p.packets |= p.c[i].packets;
	}
	for (i = 0; i < 4; i++)
		moments_fill(&p, (int)i);
	segments_find(&p, raw);
	pipe_join(&p, (struct order_message *)(shift + n + 1), shift);
	big_fini(&o->memory, &room);
}

void order_match_pipes(struct order *o)
{
	struct order_pipe_call *all = BIG_AT(&o->pipe_calls, struct order_pipe_call);
	size_t n = BIG_COUNT(&o->pipe_calls, struct order_pipe_call), i, j;

	if (n)
		qsort(all, n, sizeof(*all), call_compare);
	for (i = 0; i < n && !o->memory.failed; i = j) {
		for (j = i + 1; j < n && all[j].sock == all[i].sock; j++)
			;
		pipe_match(o, &all[i], (uint32_t)(j - i));
	}
	big_fini(&o->memory, &o->pipe_calls);
}
