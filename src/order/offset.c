/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offset - how far apart two hosts' clocks are, from the messages between them.
 *
 * With x the time of a and d(x) = clock of b - clock of a: a message from a (begun at s) received by b (at r)
 * says d(s) <= r - s, one from b (begun at s) received by a (at r) says d(r) >= s - r, because both clocks
 * only go forward.  Clocks drift steadily: d is sought as a line below all upper and above all lower points.
 * Only the convex hulls matter.  For a given slope the best lines touch a hull, so the interval at a moment is
 * the extreme of a concave (convex) function of the slope: found by golden section.  Where no line fits (a
 * clock was adjusted), only messages near the moment asked for count.
 */
#include "order/internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HULL_PENDING 8192 /* points before they are reduced to their hull */
#define SLOPE_MAX 1e-3	  /* 1000 ppm: more is no clock (the kernel slews by 500) */
#define STEPS 90
#define WINDOWS_MAX 40

struct point {
	uint64_t at; /* time of a */
	int64_t bound;
};

struct points {
	struct point *p;
	size_t count, cap;
	uint64_t messages;
};

/* Two hosts, a < b. */
struct order_hull {
	uint32_t a, b;
	struct points upper, lower;
};

static int point_compare(const void *pa, const void *pb)
{
	const struct point *a = pa, *b = pb;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return (a->bound > b->bound) - (a->bound < b->bound);
}

/* > 0: b lies below the line from a to c. */
static double above(const struct point *a, const struct point *b, const struct point *c)
{
	double ab = (double)(b->at - a->at), ac = (double)(c->at - a->at);

	return (double)(c->bound - a->bound) * ab - (double)(b->bound - a->bound) * ac;
}

/* Keeps the lower (sign 1) or upper (-1) convex hull; Andrew 1979. */
static void reduce(struct points *s, int sign)
{
	size_t kept = 0, i;

	if (s->count)
		qsort(s->p, s->count, sizeof(*s->p), point_compare);
	for (i = 0; i < s->count; i++) {
		if (sign < 0 || !i || s->p[i].at != s->p[i - 1].at) {
			while (kept && sign < 0 && s->p[kept - 1].at == s->p[i].at)
				kept--;
			while (kept >= 2 && sign * above(&s->p[kept - 2], &s->p[kept - 1], &s->p[i]) <= 0)
				kept--;
			s->p[kept++] = s->p[i];
		}
	}
	s->count = kept;
}

static void points_add(struct order *o, struct points *s, int sign, uint64_t at, int64_t bound)
{
	s->messages++;
	if (s->count == s->cap && s->cap >= HULL_PENDING)
		reduce(s, sign);
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

static struct order_hull *hull_find(const struct order *o, uint32_t a, uint32_t b)
{
	size_t i;

	for (i = 0; i < o->nhulls; i++) {
		if (o->hulls[i].a == a && o->hulls[i].b == b)
			return &o->hulls[i];
	}
	return NULL;
}

static struct order_hull *hull_get(struct order *o, uint32_t a, uint32_t b)
{
	struct order_hull *h = hull_find(o, a, b);

	if (h)
		return h;
	h = realloc(o->hulls, (o->nhulls + 1) * sizeof(*h));
	if (!h) {
		o->memory.failed = ENOMEM;
		return NULL;
	}
	o->hulls = h;
	h += o->nhulls++;
	*h = (struct order_hull) { .a = a, .b = b };
	return h;
}

void order_offset_point(struct order *o, uint32_t from_host, uint32_t to_host, uint64_t sent_ns, uint64_t received_ns)
{
	struct order_hull *h;

	if (from_host == to_host)
		return;
	h = from_host < to_host ? hull_get(o, from_host, to_host) : hull_get(o, to_host, from_host);
	if (!h)
		return;
	if (from_host < to_host)
		points_add(o, &h->upper, 1, sent_ns, (int64_t)(received_ns - sent_ns));
	else
		points_add(o, &h->lower, -1, received_ns, (int64_t)(sent_ns - received_ns));
}

/* Lines at the moment `at`, over the points from `from` to `to` only. */
struct lines {
	const struct order_hull *h;
	uint64_t at, from, to;
	int64_t base; /* taken off all bounds: doubles are exact enough for the rest */
};

static double extreme(const struct lines *l, const struct points *s, double slope, int sign)
{
	double best = INFINITY, v;
	size_t i;

	for (i = 0; i < s->count; i++) {
		if (s->p[i].at < l->from || s->p[i].at > l->to)
			continue;
		v = (double)(s->p[i].bound - l->base) - slope * ((double)s->p[i].at - (double)l->at);
		best = sign * v < best ? sign * v : best;
	}
	return sign * best;
}

static double highest(const struct lines *l, double slope)
{
	return extreme(l, &l->h->upper, slope, 1);
}

static double lowest(const struct lines *l, double slope)
{
	return extreme(l, &l->h->lower, slope, -1);
}

/* A line with that slope fits if >= 0; concave in the slope. */
static double slack(const struct lines *l, double slope)
{
	return highest(l, slope) - lowest(l, slope);
}

static double minus_lowest(const struct lines *l, double slope)
{
	return -lowest(l, slope);
}

/* Where the concave function f is largest between low and high. */
static double argmax(const struct lines *l, double (*f)(const struct lines *, double), double low, double high)
{
	const double golden = 0.6180339887498949;
	int i;

	for (i = 0; i < STEPS; i++) {
		double one = high - golden * (high - low), two = low + golden * (high - low);

		if (f(l, one) < f(l, two))
			low = one;
		else
			high = two;
	}
	return (low + high) / 2;
}

/* Where slack crosses zero between a slope that fits and one that may not. */
static double last_fit(const struct lines *l, double fits, double not )
{
	int i;

	if (slack(l, not ) >= 0)
		return not ;
	for (i = 0; i < STEPS; i++) {
		double middle = (fits + not ) / 2;

		if (slack(l, middle) >= 0)
			fits = middle;
		else
			not = middle;
	}
	return fits;
}

static bool solve(const struct lines *l, struct order_offset *ret)
{
	double best = argmax(l, slack, -SLOPE_MAX, SLOPE_MAX);
	double low, high;

	if (slack(l, best) < 0)
		return false;
	ret->drift_low = last_fit(l, best, -SLOPE_MAX);
	ret->drift_high = last_fit(l, best, SLOPE_MAX);
	high = highest(l, argmax(l, highest, ret->drift_low, ret->drift_high));
	low = lowest(l, argmax(l, minus_lowest, ret->drift_low, ret->drift_high));
	ret->low_ns = isfinite(low) ? l->base + (int64_t)floor(low) : INT64_MIN;
	ret->high_ns = isfinite(high) ? l->base + (int64_t)ceil(high) : INT64_MAX;
	ret->drift_low *= 1e9;
	ret->drift_high *= 1e9;
	return true;
}

static void span(const struct points *s, uint64_t *from, uint64_t *to)
{
	size_t i;

	for (i = 0; i < s->count; i++) {
		*from = s->p[i].at < *from ? s->p[i].at : *from;
		*to = s->p[i].at > *to ? s->p[i].at : *to;
	}
}

/* All points, or as many around `at` as one line can explain. */
static int solve_window(struct lines *l, struct order_offset *ret)
{
	uint64_t from = UINT64_MAX, to = 0, width;
	int i;

	span(&l->h->upper, &from, &to);
	span(&l->h->lower, &from, &to);
	l->from = 0;
	l->to = UINT64_MAX;
	width = to - from;
	for (i = 0; i < WINDOWS_MAX; i++) {
		if (solve(l, ret))
			return 0;
		width /= 2;
		l->from = l->at > width ? l->at - width : 0;
		l->to = l->at + width;
	}
	return -ERANGE;
}

static int offset_of(const struct order_hull *h, uint64_t at, struct order_offset *ret)
{
	struct lines l = { .h = h, .at = at };

	l.base = h->upper.count ? h->upper.p[0].bound : h->lower.p[0].bound;
	ret->messages_ab = h->upper.messages;
	ret->messages_ba = h->lower.messages;
	if (solve_window(&l, ret) < 0)
		return -ERANGE;
	return h->upper.count && h->lower.count ? 0 : -ENODATA;
}

static int64_t negated(int64_t v)
{
	return v == INT64_MIN ? INT64_MAX : v == INT64_MAX ? INT64_MIN : -v;
}

/* The other way round: clock of a minus clock of b, at a time of b. */
static int offset_mirrored(const struct order_hull *h, uint64_t b_ns, struct order_offset *ret)
{
	struct order_offset t = { .low_ns = INT64_MIN, .high_ns = INT64_MAX };
	int64_t guess = h->upper.count ? h->upper.p[0].bound : h->lower.p[0].bound;
	int r, i;

	for (i = 0; i < 3; i++) {
		r = offset_of(h, b_ns - (uint64_t)guess, &t);
		if (r == -ERANGE)
			return r;
		guess = t.low_ns == INT64_MIN	 ? t.high_ns
			: t.high_ns == INT64_MAX ? t.low_ns
						 : t.low_ns + (t.high_ns - t.low_ns) / 2;
	}
	*ret = (struct order_offset) { negated(t.high_ns), negated(t.low_ns), -t.drift_high,
				       -t.drift_low,	   t.messages_ba,     t.messages_ab };
	return r;
}

int order_host_offset(const struct order *o, uint32_t a, uint32_t b, uint64_t a_ns, struct order_offset *ret)
{
	const struct order_hull *h = a < b ? hull_find(o, a, b) : hull_find(o, b, a);

	*ret = (struct order_offset) { 0 };
	if (a == b)
		return 0;
	ret->low_ns = INT64_MIN;
	ret->high_ns = INT64_MAX;
	if (!h)
		return -ENODATA;
	return a < b ? offset_of(h, a_ns, ret) : offset_mirrored(h, a_ns, ret);
}

/* Between the tightest bounds, as if there were no drift. */
static double flat_offset(const struct order_hull *h)
{
	int64_t high = h->upper.p[0].bound, low = h->lower.p[0].bound;
	size_t i;

	for (i = 1; i < h->upper.count; i++)
		high = h->upper.p[i].bound < high ? h->upper.p[i].bound : high;
	for (i = 1; i < h->lower.count; i++)
		low = h->lower.p[i].bound > low ? h->lower.p[i].bound : low;
	return (double)low + ((double)high - (double)low) / 2;
}

/* A guess of each host's clock minus the first's, for display: one step at a time over hosts that talked. */
static void spread_shifts(struct order *o)
{
	bool moved = true, *known = calloc(NHOSTS(o) + 1, sizeof(*known));
	size_t i;

	if (!known)
		return;
	known[0] = true;
	while (moved) {
		moved = false;
		for (i = 0; i < o->nhulls; i++) {
			struct order_hull *h = &o->hulls[i];

			if (known[h->a] == known[h->b] || !h->upper.count || !h->lower.count)
				continue;
			if (known[h->a])
				HOSTS(o)[h->b].shift_ns = HOSTS(o)[h->a].shift_ns + flat_offset(h);
			else
				HOSTS(o)[h->a].shift_ns = HOSTS(o)[h->b].shift_ns - flat_offset(h);
			known[h->a] = known[h->b] = moved = true;
		}
	}
	free(known);
}

void order_offset_solve(struct order *o)
{
	size_t i;

	for (i = 0; i < o->nhulls; i++) {
		reduce(&o->hulls[i].upper, 1);
		reduce(&o->hulls[i].lower, -1);
	}
	if (NHOSTS(o))
		spread_shifts(o);
}

void order_offset_fini(struct order *o)
{
	size_t i;

	for (i = 0; i < o->nhulls; i++) {
		free(o->hulls[i].upper.p);
		free(o->hulls[i].lower.p);
	}
	free(o->hulls);
	o->hulls = NULL;
	o->nhulls = 0;
}
