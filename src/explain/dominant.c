/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/dominant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "explain/critical.h"
#include "explain/parts_kept.h"
#include "explain/pick.h"

#define SIGNIFICANT 0.01

/* --- the test --- */

/*
 * H. B. Mann, D. R. Whitney: On a test of whether one of two random variables is stochastically larger than the other, 1947;
 * variance with ties as in Lehmann, Nonparametrics, 1975, and half a step for continuity.
 */
double dominant_whitney(const uint64_t *a, size_t na, const uint64_t *b, size_t nb, double *ret_delta)
{
	double n1 = (double)na, n2 = (double)nb, n = n1 + n2, twice_u = 0, ties = 0, mean, variance, z;
	size_t i = 0, j = 0;

	while (i < na || j < nb) {
		uint64_t v = j == nb || (i < na && a[i] < b[j]) ? a[i] : b[j];
		double ta = 0, tb = 0;

		while (i < na && a[i] == v)
			i++, ta++;
		while (j < nb && b[j] == v)
			j++, tb++;
		/* each of these a is greater than all b before them, and as great as tb of them */
		twice_u += ta * (2 * ((double)j - tb) + tb);
		ties += (ta + tb) * ((ta + tb) * (ta + tb) - 1);
	}
	mean = n1 * n2 / 2;
	variance = n1 * n2 / 12 * (n + 1 - ties / (n * (n - 1)));
	*ret_delta = twice_u / (n1 * n2) - 1;
	if (!(variance > 0))
		return 1;
	z = fabs(twice_u / 2 - mean) - 0.5;
	return z > 0 ? erfc(z / sqrt(variance) / sqrt(2)) : 1;
}

static double log_choose(double n, double k)
{
	return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

double dominant_fisher(size_t x, size_t na, size_t y, size_t nb)
{
	size_t have = x + y, low = have > nb ? have - nb : 0, high = have < na ? have : na, i;
	double all = log_choose((double)(na + nb), (double)have), down = 0, up = 0, p;

	for (i = low; i <= high; i++) {
		p = exp(log_choose((double)na, (double)i) + log_choose((double)nb, (double)(have - i)) - all);
		down += i <= x ? p : 0;
		up += i >= x ? p : 0;
	}
	p = 2 * (down < up ? down : up);
	return p < 1 ? p : 1;
}

/* --- requests and their parts --- */

struct request {
	uint64_t ns;
	uint32_t trace;
};

struct entry {
	uint64_t ns;
	uint32_t key;	  /* of the part */
	uint32_t request; /* place by duration */
};

struct work {
	const struct spans *s;
	struct request *requests; /* by duration */
	uint32_t count;
	struct parts_kept *kept, *own; /* own: since none were given */
	struct part *keys;	       /* by key */
	struct entry *entries;	       /* by part, then request */
	size_t nentries;
};

static void work_fini(struct work *w)
{
	free(w->requests);
	free(w->entries);
	free(w->keys);
	parts_kept_free(w->own);
}

static const struct part *part_of(const struct work *w, size_t entry)
{
	return &w->keys[w->entries[entry].key];
}

static int by_duration(const void *a, const void *b)
{
	const struct request *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	return x->trace < y->trace ? -1 : x->trace > y->trace;
}

static int by_part(const void *a, const void *b, void *arg)
{
	const struct part *keys = arg;

	return parts_compare(&keys[*(const uint32_t *)a], &keys[*(const uint32_t *)b]);
}

static int take_requests(struct work *w, const uint32_t *traces, size_t n, struct dominant *d)
{
	size_t i;

	w->requests = calloc(n + 1, sizeof(*w->requests));
	if (!w->requests)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		uint32_t trace = traces ? traces[i] : (uint32_t)i;
		const struct span *root = &w->s->rows[w->s->traces[trace].root];

		if (root->flags & (SPAN_UNANSWERED | SPAN_UNASKED | SPAN_ONE_WAY))
			d->left_out++;
		else
			w->requests[w->count++] = (struct request) { pick_duration(w->s, trace), trace };
	}
	qsort(w->requests, w->count, sizeof(*w->requests), by_duration);
	return 0;
}

/* The parts of all requests, of which request i has those up to ends[i], by part: there are few of these, so they are counted. */
static int sort_entries(struct work *w, const struct parts_rows *all, const size_t *ends)
{
	CLEANUP_FREE uint32_t *order = NULL;
	CLEANUP_FREE size_t *place = NULL;
	size_t n = 0, i, at = 0;
	uint32_t request;

	if (parts_kept_keys(w->kept, &w->keys, &n) < 0)
		return -ENOMEM;
	order = malloc((n + 1) * sizeof(*order));
	place = calloc(n + 1, sizeof(*place));
	w->entries = malloc((all->count + 1) * sizeof(*w->entries));
	if (!order || !place || !w->entries)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, n, sizeof(*order), by_part, w->keys);
	for (i = 0; i < all->count; i++)
		place[all->rows[i].key]++;
	for (i = 0; i < n; i++) {
		size_t count = place[order[i]];

		place[order[i]] = at;
		at += count;
	}
	for (i = 0, request = 0; i < all->count; i++) {
		while (i >= ends[request])
			request++;
		w->entries[place[all->rows[i].key]++] = (struct entry) { all->rows[i].ns, all->rows[i].key, request };
	}
	w->nentries = all->count;
	return 0;
}

/* The request at a share of them, as hist_quantile() counts. */
static uint32_t rank_of(uint32_t count, double q)
{
	double rank = ceil(q * count);

	return rank < 1 ? 0 : (uint32_t)rank - 1;
}

/* --- shares --- */

static int by_ns(const void *a, const void *b)
{
	const struct dominant_share *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	return x->operation < y->operation ? -1 : x->operation > y->operation ? 1 : x->kind - y->kind;
}

static void add_share(struct dominant_share *to, const struct entry *e, const struct work *w)
{
	if (!to->requests || e->ns > to->most_ns) {
		to->most_ns = e->ns;
		to->trace = w->requests[e->request].trace;
	}
	to->ns += e->ns;
	to->requests++;
}

/* What the requests at [from, to) are made of. */
static int sum_shares(const struct work *w, uint32_t from, uint32_t to, struct dominant_share **ret, size_t *ret_n)
{
	struct dominant_share *shares = calloc(w->nentries + 1, sizeof(*shares));
	size_t i, n = 0;
	double all = 0;
	uint32_t k;

	if (!shares)
		return -ENOMEM;
	for (k = from; k < to; k++)
		all += (double)w->requests[k].ns;
	for (i = 0; i < w->nentries; i++) {
		const struct part *p = part_of(w, i);
		struct dominant_share *last = n ? &shares[n - 1] : NULL;

		if (w->entries[i].request < from || w->entries[i].request >= to)
			continue;
		if (!last || last->service != p->service || last->operation != p->operation || last->kind != p->kind) {
			last = &shares[n++];
			*last = (struct dominant_share) { .service = p->service,
							  .operation = p->operation,
							  .kind = p->kind };
		}
		add_share(last, &w->entries[i], w);
	}
	for (i = 0; i < n; i++)
		shares[i].share = all > 0 ? (double)shares[i].ns / all : 0;
	qsort(shares, n, sizeof(*shares), by_ns);
	*ret = shares;
	*ret_n = n;
	return 0;
}

/* --- effects --- */

struct sets {
	uint32_t slow_from, normal_from, normal_to; /* places by duration; slow ends with the last */
	uint64_t *slow, *normal;		    /* values of one part */
};

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

double dominant_values(uint64_t *values, size_t n, size_t last)
{
	double sum = 0;
	size_t i;

	memset(values, 0, (n - last) * sizeof(*values));
	qsort(values + (n - last), last, sizeof(*values), by_value);
	for (i = n - last; i < n; i++)
		sum += (double)values[i];
	return n ? sum / (double)n : 0;
}

/* The span of the request on whose path most of the part is. */
static uint32_t shown_by(const struct work *w, uint32_t request, const struct part *p)
{
	const struct span_trace *t = &w->s->traces[w->requests[request].trace];
	uint32_t found = t->root;
	uint64_t most = 0;
	struct critical c;
	size_t i;

	if (critical_find(w->s, t->root, &c, NULL) < 0)
		return found;
	for (i = 0; i < c.npath; i++) {
		const struct span *row = &w->s->rows[c.path[i].row];

		if (row->service == p->service && row->operation == p->operation && row->time_ns[p->kind] >= most) {
			most = row->time_ns[p->kind];
			found = c.path[i].row;
		}
	}
	critical_fini(&c);
	return found;
}

/* Entries [at, end) are one part. */
static void compare_sets(const struct work *w, const struct sets *x, size_t at, size_t end, const struct dominant *d,
			 struct dominant_effect *e)
{
	const struct part *p = part_of(w, at);
	uint32_t slowest = 0;

	*e = (struct dominant_effect) { .service = p->service, .operation = p->operation, .kind = p->kind };
	for (; at < end; at++) { /* from the end on: who has no such part has 0, and these come first */
		uint32_t request = w->entries[at].request;

		slowest = request;
		if (request >= x->slow_from)
			x->slow[d->slow - ++e->slow] = w->entries[at].ns;
		else if (request >= x->normal_from && request < x->normal_to)
			x->normal[d->normal - ++e->normal] = w->entries[at].ns;
	}
	e->slow_ns = dominant_values(x->slow, d->slow, e->slow);
	e->normal_ns = dominant_values(x->normal, d->normal, e->normal);
	e->row = slowest; /* the request, until it is known that it is told of */
	e->p = 1;
	if (!d->slow || !d->normal)
		return;
	e->p = dominant_whitney(x->slow, d->slow, x->normal, d->normal, &e->delta);
	e->by_presence = (double)(e->slow + e->normal) * d->slow / ((double)d->slow + d->normal) < DOMINANT_DENSE;
	if (e->by_presence)
		e->p = dominant_fisher(e->slow, d->slow, e->normal, d->normal);
}

static int by_difference(const void *a, const void *b)
{
	const struct dominant_effect *x = a, *y = b;
	double dx = fabs(x->slow_ns - x->normal_ns), dy = fabs(y->slow_ns - y->normal_ns);

	if (dx != dy)
		return dx > dy ? -1 : 1;
	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	return x->operation < y->operation ? -1 : x->operation > y->operation ? 1 : x->kind - y->kind;
}

/* all: also those that do not distinguish. */
static void find_effects(const struct work *w, const struct sets *x, bool all, struct dominant *d)
{
	double more = d->slow_mean_ns - d->normal_mean_ns;
	size_t at, end, i, kept = 0;

	for (at = 0; at < w->nentries; at = end) {
		for (end = at + 1; end < w->nentries && w->entries[at].key == w->entries[end].key;)
			end++;
		compare_sets(w, x, at, end, d, &d->effects[d->tested]);
		d->tested += d->effects[d->tested].slow || d->effects[d->tested].normal;
	}
	for (i = 0; i < d->tested; i++) {
		struct dominant_effect *e = &d->effects[kept];
		struct part p;

		*e = d->effects[i];
		e->carried = (d->enough || (all && e->by_presence)) && e->p < SIGNIFICANT / d->tested;
		if (!e->carried && (!all || !(fabs(e->slow_ns - e->normal_ns) > 0)))
			continue;
		p = (struct part) { .service = e->service, .operation = e->operation, .kind = e->kind };
		e->share = more > 0 || (all && more < 0) ? (e->slow_ns - e->normal_ns) / more : 0;
		e->row = shown_by(w, e->row, &p);
		kept++;
	}
	d->neffects = kept;
	qsort(d->effects, kept, sizeof(*d->effects), by_difference);
}

static double mean_duration(const struct work *w, uint32_t from, uint32_t to)
{
	double sum = 0;
	uint32_t i;

	for (i = from; i < to; i++)
		sum += (double)w->requests[i].ns;
	return to > from ? sum / (to - from) : 0;
}

/* Slow are the last ones, and how many is known. */
static int effects(const struct work *w, struct sets *x, bool all, struct dominant *d)
{
	d->slow = w->count - x->slow_from;
	d->normal = x->normal_to - x->normal_from;
	d->enough = d->slow >= DOMINANT_ENOUGH && d->normal >= DOMINANT_ENOUGH;
	if (!d->enough && !all)
		return 0;
	d->slow_from_ns = d->slow ? w->requests[x->slow_from].ns : 0;
	d->slow_mean_ns = mean_duration(w, x->slow_from, w->count);
	d->normal_mean_ns = mean_duration(w, x->normal_from, x->normal_to);
	x->slow = calloc(d->slow + 1, sizeof(*x->slow));
	x->normal = calloc(d->normal + 1, sizeof(*x->normal));
	d->effects = calloc(w->nentries + 1, sizeof(*d->effects));
	if (x->slow && x->normal && d->effects)
		find_effects(w, x, all, d);
	free(x->slow);
	free(x->normal);
	return x->slow && x->normal && d->effects ? 0 : -ENOMEM;
}

/* --- all of it --- */

/* The slow ones of so many, and the normal ones. */
static struct sets split(uint32_t count, uint32_t *ret_percent)
{
	static const uint32_t percents[] = { 1, 5, 10 };
	struct sets x = { .normal_from = count / 4, .normal_to = count - count / 4 };
	uint32_t slow = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(percents) && slow < DOMINANT_ENOUGH; i++) {
		*ret_percent = percents[i];
		slow = (uint32_t)((uint64_t)count * percents[i] / 100);
	}
	x.slow_from = count - slow;
	return x;
}

static int take_all_parts(struct work *w, struct err *err)
{
	CLEANUP_FREE size_t *ends = malloc((w->count + 1ULL) * sizeof(*ends));
	struct parts_rows all = { 0 };
	uint32_t i;
	int r = ends ? 0 : -ENOMEM;

	if (r >= 0 && !w->kept) {
		r = parts_kept_new(w->s, 0, &w->own, err);
		w->kept = w->own;
	}
	for (i = 0; r >= 0 && i < w->count; i++) {
		r = parts_kept_get(w->kept, w->requests[i].trace, &all, err);
		ends[i] = all.count;
	}
	if (r >= 0 && sort_entries(w, &all, ends) < 0)
		r = -ENOMEM;
	free(all.rows);
	return r == -ENOMEM ? err_set(err, ENOMEM, "out of memory for the parts of %u requests", w->count) : r;
}

static int build(struct work *w, struct dominant *d, struct err *err)
{
	uint32_t from, to;
	struct sets x;
	int r;

	d->requests = w->count;
	if (!w->count)
		return 0;
	r = take_all_parts(w, err);
	if (r < 0)
		return r;
	d->p50_ns = w->requests[rank_of(w->count, 0.5)].ns;
	d->p90_ns = w->requests[rank_of(w->count, 0.9)].ns;
	d->p99_ns = w->requests[rank_of(w->count, 0.99)].ns;
	d->max_ns = w->requests[w->count - 1].ns;
	from = rank_of(w->count, 0.45);
	to = rank_of(w->count, 0.55) + 1;
	d->median = to - from;
	r = sum_shares(w, from, to, &d->median_shares, &d->nmedian);
	from = rank_of(w->count, 0.99);
	d->tail = w->count - from;
	if (r >= 0)
		r = sum_shares(w, from, w->count, &d->tail_shares, &d->ntail);
	x = split(w->count, &d->slow_percent);
	if (r >= 0)
		r = effects(w, &x, false, d);
	return r < 0 ? err_set(err, ENOMEM, "out of memory for the parts of %u requests", w->count) : 0;
}

int dominant_of(const struct spans *s, const uint32_t *traces, size_t n, struct dominant *ret, struct err *err)
{
	struct work w = { .s = s };
	struct dominant d = { 0 };
	int r = take_requests(&w, traces, traces ? n : s->ntraces, &d);

	r = r < 0 ? err_set(err, ENOMEM, "out of memory for %zu requests", n) : build(&w, &d, err);
	work_fini(&w);
	if (r < 0)
		dominant_fini(&d);
	else
		*ret = d;
	return r;
}

int dominant_sets(const struct spans *s, const uint32_t *traces, size_t n, struct dominant_sets *ret)
{
	struct work w = { .s = s };
	struct dominant d = { 0 };
	uint32_t *list, i;
	struct sets x;
	int r = take_requests(&w, traces, traces ? n : s->ntraces, &d);

	list = r < 0 ? NULL : calloc(w.count + 1, sizeof(*list));
	for (i = 0; list && i < w.count; i++)
		list[i] = w.requests[i].trace;
	free(w.requests);
	if (!list)
		return -ENOMEM;
	*ret = (struct dominant_sets) { .traces = list, .count = w.count, .left_out = d.left_out };
	x = split(w.count, &ret->slow_percent);
	ret->slow_from = x.slow_from;
	ret->normal_from = x.normal_from;
	ret->normal_to = x.normal_to;
	return 0;
}

/* The normal ones first, then the slow ones, each by duration. */
static int take_groups(struct work *w, const uint32_t *slow, size_t nslow, const uint32_t *normal, size_t nnormal,
		       struct dominant *d)
{
	struct work more = { .s = w->s };
	struct request *both;
	int r = take_requests(w, normal, nnormal, d);

	d->normal = w->count;
	if (r >= 0)
		r = take_requests(&more, slow, nslow, d);
	both = r < 0 ? NULL : realloc(w->requests, ((size_t)w->count + more.count + 1) * sizeof(*both));
	if (both) {
		memcpy(both + w->count, more.requests, more.count * sizeof(*both));
		w->requests = both;
		w->count += more.count;
	}
	free(more.requests);
	return both ? 0 : -ENOMEM;
}

int dominant_between(const struct spans *s, const uint32_t *slow, size_t nslow, const uint32_t *normal, size_t nnormal,
		     struct parts_kept *kept, struct dominant *ret, struct err *err)
{
	struct work w = { .s = s, .kept = kept };
	struct dominant d = { 0 };
	struct sets x = { 0 };
	int r = take_groups(&w, slow, nslow, normal, nnormal, &d);

	x.slow_from = x.normal_to = d.median = d.normal;
	d.requests = w.count;
	d.tail = w.count - d.normal;
	if (r >= 0)
		r = take_all_parts(&w, err);
	if (r >= 0)
		r = sum_shares(&w, 0, x.normal_to, &d.median_shares, &d.nmedian);
	if (r >= 0)
		r = sum_shares(&w, x.slow_from, w.count, &d.tail_shares, &d.ntail);
	if (r >= 0)
		r = effects(&w, &x, true, &d);
	work_fini(&w);
	if (r < 0)
		dominant_fini(&d);
	else
		*ret = d;
	return r < 0 ? err_set(err, ENOMEM, "out of memory for the parts of %zu requests", nslow + nnormal) : 0;
}

void dominant_fini(struct dominant *d)
{
	free(d->median_shares);
	free(d->tail_shares);
	free(d->effects);
	*d = (struct dominant) { 0 };
}
