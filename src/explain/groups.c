/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "explain/pick.h"

/* Numbers of a group whose traces are there. */
static void measure(const struct spans *s, struct group *g)
{
	uint32_t i;

	if (!g->count)
		return;
	g->min_ns = pick_duration(s, g->traces[0]);
	g->p50_ns = pick_duration(s, g->traces[(g->count - 1) / 2]);
	g->max_ns = pick_duration(s, g->traces[g->count - 1]);
	for (i = 0; i < g->count; i++)
		g->mean_ns += (double)pick_duration(s, g->traces[i]) / g->count;
}

/* Takes over the traces of both groups. */
static int compare(struct groups *g, struct parts_kept *kept, struct groups *ret, struct err *err)
{
	int r = dominant_between(g->s, g->one.traces, g->one.count, g->other.traces, g->other.count, kept, &g->d, err);

	measure(g->s, &g->one);
	measure(g->s, &g->other);
	if (r >= 0 && groups_attributes(g) < 0)
		r = err_set(err, ENOMEM, "out of memory for the attributes of %u requests",
			    g->one.count + g->other.count);
	if (r < 0)
		groups_fini(g);
	else
		*ret = *g;
	return r;
}

/* n > 0: dominant_sets() takes no traces for all of them. */
static int take(const struct spans *s, const uint32_t *traces, size_t n, struct group *ret)
{
	static const uint32_t none[1];
	struct dominant_sets sets;
	int r = dominant_sets(s, traces ? traces : none, n, &sets);

	if (r >= 0)
		*ret = (struct group) { .traces = sets.traces, .count = sets.count, .left_out = sets.left_out };
	return r;
}

int groups_between(const struct spans *s, const uint32_t *one, size_t none, const uint32_t *other, size_t nother,
		   struct parts_kept *kept, struct groups *ret, struct err *err)
{
	struct groups g = { .s = s };

	if (take(s, one, none, &g.one) < 0 || take(s, other, nother, &g.other) < 0) {
		groups_fini(&g);
		return err_set(err, ENOMEM, "out of memory for %zu requests", none + nother);
	}
	return compare(&g, kept, ret, err);
}

static bool copy(struct group *to, const uint32_t *traces, uint32_t count)
{
	to->traces = malloc((count + 1) * sizeof(*traces));
	if (!to->traces)
		return false;
	memcpy(to->traces, traces, count * sizeof(*traces));
	to->count = count;
	return true;
}

int groups_slow(const struct spans *s, const uint32_t *traces, size_t n, struct parts_kept *kept, struct groups *ret,
		struct err *err)
{
	struct groups g = { .s = s };
	struct dominant_sets sets;
	bool done;

	if (dominant_sets(s, traces, n, &sets) < 0)
		return err_set(err, ENOMEM, "out of memory for %zu requests", n);
	g.percent = sets.slow_percent;
	g.one.left_out = sets.left_out;
	done = copy(&g.one, sets.traces + sets.slow_from, sets.count - sets.slow_from) &&
	       copy(&g.other, sets.traces + sets.normal_from, sets.normal_to - sets.normal_from);
	free(sets.traces);
	if (done)
		return compare(&g, kept, ret, err);
	groups_fini(&g);
	return err_set(err, ENOMEM, "out of memory for %zu requests", n);
}

void groups_fini(struct groups *g)
{
	free(g->one.traces);
	free(g->other.traces);
	free(g->attributes);
	dominant_fini(&g->d);
	*g = (struct groups) { 0 };
}
