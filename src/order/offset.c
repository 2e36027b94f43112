/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offset - how far apart two hosts' clocks are, from the messages between them.
 *
 * With d(x) = clock of b - clock of a when a's stands at x: a message from a (begun at s) received by b (at r) says
 * d(s) <= r - s, one from b (begun at s) received by a (at r) says d(r) >= s - r, because nothing is received before
 * it is sent.  How far such a bound holds before and after its moment depends on how fast the clocks can part.  Linux
 * corrects a clock by at most 500 ppm (MAXFREQ, include/linux/timex.h), so d changes by at most 1 ms a second: each
 * bound becomes a wedge around its moment, and the interval at x lies between the wedges.  That they drift steadily
 * is not assumed: a clock that NTP starts to correct in the middle would make a line through all bounds lie.
 *
 * Of the wedges only those count that no other lies within; between two neighbours of these nobody else's bound is
 * closer.  Where upper and lower wedges contradict each other, a clock was corrected faster than that, by a change of
 * its tick (adjtimex(2): 10 % at most).  There a new stretch begins; each has its own wedges.  Between two stretches
 * the wedges are as wide as clocks allow that do that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "order/internal.h"

#define PENDING 8192 /* bounds before those that do not count are dropped */
#define REACH \
	100000000 /* ns: before the stretches are known only what is so near can tell that a bound does not count */
#define RATE_PER 1000LL /* 1 ns in so many: 1000 ppm, two clocks of 500 */
#define TICK_PER 4LL	/* two clocks of 10 % (1.1 / 0.9 = 1.22), rounded up */

struct point {
	uint64_t at; /* time of a */
	int64_t bound;
};

struct points {
	struct point *p;
	size_t count, cap;
	uint64_t messages;
};

enum side { UPPER, LOWER, SIDES };

/* Points first..end - 1 of each side */
struct stretch {
	size_t first[SIDES], end[SIDES];
};

/* Two hosts, a < b.  Lower bounds are kept as upper ones of -d. */
struct order_bounds {
	uint32_t a, b;
	struct points side[SIDES];
	struct stretch *stretches;
	size_t nstretches;
};

static int point_compare(const void *pa, const void *pb)
{
	const struct point *a = pa, *b = pb;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return (a->bound > b->bound) - (a->bound < b->bound);
}

static uint64_t distance(uint64_t x, uint64_t y)
{
	return x < y ? y - x : x - y;
}

/* What the bound p says of the moment `at`; rounded so that it stays true. */
static int64_t wedge(const struct point *p, uint64_t at, int64_t per)
{
	uint64_t away = distance(p->at, at);

	return p->bound + (int64_t)(away / (uint64_t)per) + (away % (uint64_t)per != 0);
}

/*
 * Of the sorted points p[0..count - 1] those stay that lie in no wedge of another at most `reach` away: behind the last one
 * kept, or in the new one's those kept before.  Returns how many.
 */
static size_t drop(struct point *p, size_t count, uint64_t reach)
{
	size_t kept = 0, i;

	for (i = 0; i < count; i++) {
		if (kept && p[i].at - p[kept - 1].at <= reach && wedge(&p[kept - 1], p[i].at, RATE_PER) <= p[i].bound)
			continue;
		while (kept && p[i].at - p[kept - 1].at <= reach &&
		       wedge(&p[i], p[kept - 1].at, RATE_PER) <= p[kept - 1].bound)
			kept--;
		p[kept++] = p[i];
	}
	return kept;
}

static void reduce(struct points *s)
{
	if (s->count)
		qsort(s->p, s->count, sizeof(*s->p), point_compare);
	s->count = drop(s->p, s->count, REACH);
}

static void points_add(struct order *o, struct points *s, uint64_t at, int64_t bound)
{
	s->messages++;
	if (s->count == s->cap && s->cap >= PENDING)
		reduce(s);
	if (s->count + s->count / 4 >= s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		struct point *p = realloc(s->p, cap * sizeof(*p));

		if (!p) {
			o->memory.failed = ENOMEM;
			return;
		}
		s->p = p;
		s->cap = cap;
	}
	s->p[s->count++] = (struct point) { at, bound };
}

static struct order_bounds *bounds_find(const struct order *o, uint32_t a, uint32_t b)
{
	size_t i;

	for (i = 0; i < o->nbounds; i++) {
		if (o->bounds[i].a == a && o->bounds[i].b == b)
			return &o->bounds[i];
	}
	return NULL;
}

static struct order_bounds *bounds_get(struct order *o, uint32_t a, uint32_t b)
{
	struct order_bounds *h = bounds_find(o, a, b);

	if (h)
		return h;
	h = realloc(o->bounds, (o->nbounds + 1) * sizeof(*h));
	if (!h) {
		o->memory.failed = ENOMEM;
		return NULL;
	}
	o->bounds = h;
	h += o->nbounds++;
	*h = (struct order_bounds) { .a = a, .b = b };
	return h;
}

void order_offset_point(struct order *o, uint32_t from_host, uint32_t to_host, uint64_t sent_ns, uint64_t received_ns)
{
	struct order_bounds *h;

	if (from_host == to_host)
		return;
	h = from_host < to_host ? bounds_get(o, from_host, to_host) : bounds_get(o, to_host, from_host);
	if (!h)
		return;
	if (from_host < to_host)
		points_add(o, &h->side[UPPER], sent_ns, (int64_t)(received_ns - sent_ns));
	else
		points_add(o, &h->side[LOWER], received_ns, (int64_t)(received_ns - sent_ns));
}

/* The first of `count` that is not before `at`. */
static size_t not_before(const struct point *p, size_t count, uint64_t at)
{
	size_t low = 0;

	while (low < count) {
		size_t middle = low + (count - low) / 2;

		if (p[middle].at < at)
			low = middle + 1;
		else
			count = middle;
	}
	return low;
}

static int64_t bound_at(const struct order_bounds *h, const struct stretch *s, enum side side, uint64_t at, int64_t per)
{
	size_t count = s->end[side] - s->first[side], next;
	int64_t best = INT64_MAX, v;
	const struct point *p;

	if (!count) /* there may be no array at all */
		return best;
	p = h->side[side].p + s->first[side];
	next = not_before(p, count, at);
	if (next < count)
		best = wedge(&p[next], at, per);
	if (next) {
		v = wedge(&p[next - 1], at, per);
		best = v < best ? v : best;
	}
	return best;
}

static int64_t negated(int64_t v)
{
	return v == INT64_MIN ? INT64_MAX : v == INT64_MAX ? INT64_MIN : -v;
}

struct interval {
	int64_t low, high;
};

static struct interval of_stretch(const struct order_bounds *h, const struct stretch *s, uint64_t at, int64_t per)
{
	return (struct interval) { negated(bound_at(h, s, LOWER, at, per)), bound_at(h, s, UPPER, at, per) };
}

static uint64_t stretch_from(const struct order_bounds *h, const struct stretch *s)
{
	uint64_t at = UINT64_MAX;
	size_t k;

	for (k = 0; k < SIDES; k++)
		if (s->first[k] < s->end[k] && h->side[k].p[s->first[k]].at < at)
			at = h->side[k].p[s->first[k]].at;
	return at;
}

static uint64_t stretch_to(const struct order_bounds *h, const struct stretch *s)
{
	uint64_t at = 0;
	size_t k;

	for (k = 0; k < SIDES; k++)
		if (s->first[k] < s->end[k] && h->side[k].p[s->end[k] - 1].at > at)
			at = h->side[k].p[s->end[k] - 1].at;
	return at;
}

/* Both bounds unknown where even ticks cannot explain the messages: a machine that was halted with its clock. */
static struct interval interval_at(const struct order_bounds *h, uint64_t at)
{
	struct interval before, after;
	size_t i = 0;

	while (i + 1 < h->nstretches && stretch_from(h, &h->stretches[i + 1]) <= at)
		i++;
	if (i + 1 == h->nstretches || at <= stretch_to(h, &h->stretches[i]))
		return of_stretch(h, &h->stretches[i], at, RATE_PER);
	before = of_stretch(h, &h->stretches[i], at, TICK_PER);
	after = of_stretch(h, &h->stretches[i + 1], at, TICK_PER);
	before.low = after.low > before.low ? after.low : before.low;
	before.high = after.high < before.high ? after.high : before.high;
	return before.low <= before.high ? before : (struct interval) { INT64_MIN, INT64_MAX };
}

static bool known(struct interval v)
{
	return v.low != INT64_MIN && v.high != INT64_MAX;
}

/* The interval's width; UINT64_MAX where one of its bounds is not known. */
static uint64_t width(struct interval v)
{
	return known(v) ? (uint64_t)(v.high - v.low) : UINT64_MAX;
}

/* How fast the clocks part on average between the first and the last message. */
static void drift(const struct order_bounds *h, struct order_offset *ret)
{
	uint64_t from = stretch_from(h, &h->stretches[0]), to = stretch_to(h, &h->stretches[h->nstretches - 1]);
	struct interval begin, end;
	double seconds;

	ret->drift_low = -1e9 / RATE_PER;
	ret->drift_high = 1e9 / RATE_PER;
	if (from >= to)
		return;
	begin = interval_at(h, from);
	end = interval_at(h, to);
	if (!known(begin) || !known(end))
		return;
	seconds = (double)(to - from) / 1e9;
	ret->drift_low = (double)(end.low - begin.high) / seconds;
	ret->drift_high = (double)(end.high - begin.low) / seconds;
}

static int offset_of(const struct order_bounds *h, uint64_t at, struct order_offset *ret)
{
	struct interval v = interval_at(h, at);

	ret->low_ns = v.low;
	ret->high_ns = v.high;
	ret->messages_ab = h->side[UPPER].messages;
	ret->messages_ba = h->side[LOWER].messages;
	drift(h, ret);
	return known(v) ? 0 : -ENODATA;
}

static int64_t middle(struct interval v)
{
	return v.low == INT64_MIN ? v.high : v.high == INT64_MAX ? v.low : v.low + (v.high - v.low) / 2;
}

/* The other way round: clock of a minus clock of b, at a time of b, which is a moment of a up to the interval. */
static int offset_mirrored(const struct order_bounds *h, uint64_t b_ns, struct order_offset *ret)
{
	struct order_offset t = { .low_ns = INT64_MIN, .high_ns = INT64_MAX };
	int64_t guess = middle(interval_at(h, stretch_from(h, &h->stretches[0])));
	int64_t unsure = 0;
	int r = 0, i;

	for (i = 0; i < 3; i++) {
		uint64_t at = b_ns - (uint64_t)guess;

		r = offset_of(h, at, &t);
		guess = middle((struct interval) { t.low_ns, t.high_ns });
		unsure = r ? 0 : (int64_t)(distance(at, b_ns - (uint64_t)guess) + (uint64_t)(t.high_ns - t.low_ns));
	}
	unsure = unsure / RATE_PER + 1;
	*ret = (struct order_offset) { negated(t.high_ns), negated(t.low_ns), -t.drift_high,
				       -t.drift_low,	   t.messages_ba,     t.messages_ab };
	ret->low_ns -= ret->low_ns == INT64_MIN ? 0 : unsure;
	ret->high_ns += ret->high_ns == INT64_MAX ? 0 : unsure;
	return r;
}

static const struct order_bounds *bounds_between(const struct order *o, uint32_t a, uint32_t b)
{
	const struct order_bounds *h = a < b ? bounds_find(o, a, b) : bounds_find(o, b, a);

	return h && h->nstretches ? h : NULL;
}

int order_host_offset(const struct order *o, uint32_t a, uint32_t b, uint64_t a_ns, struct order_offset *ret)
{
	const struct order_bounds *h = bounds_between(o, a, b);

	*ret = (struct order_offset) { 0 };
	if (a == b)
		return 0;
	ret->low_ns = INT64_MIN;
	ret->high_ns = INT64_MAX;
	if (!h)
		return -ENODATA;
	return a < b ? offset_of(h, a_ns, ret) : offset_mirrored(h, a_ns, ret);
}

/* A moment of a at which the interval is narrowest: it is where one of the wedges has its tip. */
static uint64_t narrowest(const struct order_bounds *h)
{
	uint64_t best = UINT64_MAX, at = stretch_from(h, &h->stretches[0]), w;
	const struct stretch *s;
	size_t i, k;

	for (s = h->stretches; s < h->stretches + h->nstretches; s++) {
		for (k = 0; k < SIDES; k++) {
			for (i = s->first[k]; i < s->end[k]; i++) {
				w = width(of_stretch(h, s, h->side[k].p[i].at, RATE_PER));
				if (w < best) {
					best = w;
					at = h->side[k].p[i].at;
				}
			}
		}
	}
	return at;
}

int order_host_offset_best(const struct order *o, uint32_t a, uint32_t b, uint64_t *ret_a_ns, struct order_offset *ret)
{
	const struct order_bounds *h = bounds_between(o, a, b);
	uint64_t at = h ? narrowest(h) : 0;

	if (h && a > b)
		at += (uint64_t)middle(interval_at(h, at));
	if (h)
		*ret_a_ns = at;
	return order_host_offset(o, a, b, at, ret);
}

/* A guess of each host's clock minus the first's, for display: one step at a time over hosts that talked. */
static void spread_shifts(struct order *o)
{
	bool moved = true, *reached = calloc(NHOSTS(o) + 1, sizeof(*reached));
	size_t i;

	if (!reached)
		return;
	reached[0] = true;
	while (moved) {
		moved = false;
		for (i = 0; i < o->nbounds; i++) {
			struct order_bounds *h = &o->bounds[i];

			struct interval v = interval_at(h, narrowest(h));

			if (reached[h->a] == reached[h->b] || !known(v))
				continue;
			if (reached[h->a])
				HOSTS(o)[h->b].shift_ns = HOSTS(o)[h->a].shift_ns + (double)middle(v);
			else
				HOSTS(o)[h->a].shift_ns = HOSTS(o)[h->b].shift_ns - (double)middle(v);
			reached[h->a] = reached[h->b] = moved = true;
		}
	}
	free(reached);
}

/* The sorted points of both sides, from one contradiction to the next; `next` is where the stretch begins and then ends. */
static void stretch_end(const struct order_bounds *h, size_t next[SIDES])
{
	struct point tight[SIDES];
	bool any[SIDES] = { false };

	for (;;) {
		enum side k = UPPER;
		const struct point *p;

		if (next[UPPER] == h->side[UPPER].count ||
		    (next[LOWER] < h->side[LOWER].count &&
		     h->side[LOWER].p[next[LOWER]].at < h->side[UPPER].p[next[UPPER]].at))
			k = LOWER;
		if (next[k] == h->side[k].count)
			return;
		p = &h->side[k].p[next[k]];
		if (any[!k] && p->bound < -wedge(&tight[!k], p->at, RATE_PER))
			return;
		if (!any[k] || p->bound < wedge(&tight[k], p->at, RATE_PER))
			tight[k] = *p;
		any[k] = true;
		next[k]++;
	}
}

/* In each stretch those bounds stay that count; the others' room is given up. */
static void stretches_make(struct order *o, struct order_bounds *h)
{
	size_t next[SIDES] = { 0 }, kept[SIDES] = { 0 }, k;
	struct stretch *s;

	while (next[UPPER] < h->side[UPPER].count || next[LOWER] < h->side[LOWER].count) {
		size_t from[SIDES] = { next[UPPER], next[LOWER] };

		s = realloc(h->stretches, (h->nstretches + 1) * sizeof(*s));
		if (!s) {
			o->memory.failed = ENOMEM;
			return;
		}
		h->stretches = s;
		s += h->nstretches++;
		stretch_end(h, next);
		for (k = 0; k < SIDES; k++) {
			struct point *p = h->side[k].p;
			size_t count = next[k] - from[k];

			if (count) { /* a side without points has no array */
				count = drop(p + from[k], count, UINT64_MAX);
				memmove(p + kept[k], p + from[k], count * sizeof(*p));
			}
			s->first[k] = kept[k];
			s->end[k] = kept[k] += count;
		}
	}
	for (k = 0; k < SIDES; k++)
		h->side[k].count = kept[k];
}

void order_offset_solve(struct order *o)
{
	struct order_bounds *h;
	size_t i;

	for (i = 0; i < o->nbounds; i++) {
		h = &o->bounds[i];
		reduce(&h->side[UPPER]);
		reduce(&h->side[LOWER]);
		free(h->stretches);
		h->stretches = NULL;
		h->nstretches = 0;
		stretches_make(o, h);
	}
	if (NHOSTS(o) && !o->memory.failed)
		spread_shifts(o);
}

void order_offset_fini(struct order *o)
{
	size_t i;

	for (i = 0; i < o->nbounds; i++) {
		free(o->bounds[i].side[UPPER].p);
		free(o->bounds[i].side[LOWER].p);
		free(o->bounds[i].stretches);
	}
	free(o->bounds);
	o->bounds = NULL;
	o->nbounds = 0;
}
