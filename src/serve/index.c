/* SPDX-License-Identifier: Apache-2.0 */
/* index - from what was loaded and ordered to what is asked for: times, order, clocks, arrows, lanes, levels. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "explain/who.h"
#include "serve/grow.h"
#include "serve/telling.h"
#include "store/store.h"

/* --- times --- */

static double middle(const struct model_host *h)
{
	return (double)h->low_ns + ((double)h->high_ns - (double)h->low_ns) / 2;
}

/* How far the host's wall clock is from that of host 0 at a moment of host 0; false: not known from both sides. */
static bool clock_error(struct model *m, uint32_t host, uint64_t at, int64_t *low, int64_t *high)
{
	int64_t epochs = (int64_t)(m->hosts[host].epoch_ns - m->hosts[0].epoch_ns);
	struct order_offset o;
	int r = order_host_offset(m->order, 0, host, at, &o);

	if (r < 0 && r != -ENODATA)
		return false;
	*low = o.low_ns == INT64_MIN ? INT64_MIN : o.low_ns + epochs;
	*high = o.high_ns == INT64_MAX ? INT64_MAX : o.high_ns + epochs;
	return r >= 0;
}

/* Hosts without a wall clock have no place in time but by their messages: `epochs` is then off by decades. */
static void set_shift(struct model *m, uint32_t host)
{
	struct model_host *h = &m->hosts[host];
	uint64_t first = m->hosts[0].first_ns, last = m->hosts[0].last_ns;

	if (!host || store_same_boot(m->reader, 0, host))
		return;
	h->low_ns = INT64_MIN;
	h->high_ns = INT64_MAX;
	if (!m->hosts[0].count || !h->count)
		return;
	if (clock_error(m, host, last, &h->low_ns, &h->high_ns))
		h->shift_last = middle(h);
	if (clock_error(m, host, first, &h->low_ns, &h->high_ns))
		h->shift_first = middle(h);
}

int64_t model_time(const struct model *m, uint32_t host, uint64_t boot_ns)
{
	const struct model_host *h = &m->hosts[host];
	double span = (double)(h->last_ns - h->first_ns), part = 0;

	if (span > 0)
		part = (double)(int64_t)(boot_ns - h->first_ns) / span;
	return (int64_t)(boot_ns + h->epoch_ns - m->t0_unix_ns) -
	       (int64_t)(h->shift_first + (h->shift_last - h->shift_first) * part);
}

static void set_times(struct model *m)
{
	int64_t last = 0;
	uint32_t i;

	for (i = 0; i < m->nhosts; i++)
		set_shift(m, i);
	for (i = 0; i < m->ev.count; i++) {
		m->ev.t[i] = model_time(m, model_host_of(m, i), (uint64_t)m->ev.t[i]);
		last = MAX(last, m->ev.t[i]);
	}
	for (i = 0; i < m->nlosses; i++) {
		m->losses[i].from = model_time(m, m->losses[i].host, (uint64_t)m->losses[i].from);
		m->losses[i].to = model_time(m, m->losses[i].host, (uint64_t)m->losses[i].to);
	}
	for (i = 0; i < m->nstops; i++) {
		uint32_t host = m->lanes[m->stops[i].lane].host;

		m->stops[i].from = model_time(m, host, (uint64_t)m->stops[i].from);
		if (m->stops[i].to != INT64_MAX)
			m->stops[i].to = model_time(m, host, (uint64_t)m->stops[i].to);
	}
	m->span_ns = last;
}

/* --- in order of time --- */

struct moved {
	int64_t t;
	uint32_t from;
};

static int moved_compare(const void *pa, const void *pb)
{
	const struct moved *a = pa, *b = pb;

	if (a->t != b->t)
		return a->t < b->t ? -1 : 1;
	return (a->from > b->from) - (a->from < b->from);
}

#define PERMUTE(array, by, room, n)                                           \
	do {                                                                  \
		uint32_t i_;                                                  \
		for (i_ = 0; i_ < (n); i_++)                                  \
			((typeof(array))(room))[i_] = (array)[(by)[i_].from]; \
		memcpy(array, room, (n) * sizeof(*(array)));                  \
	} while (0)

static bool in_order(const struct model_events *e)
{
	uint32_t i;

	for (i = 1; i < e->count; i++)
		if (e->t[i] < e->t[i - 1])
			return false;
	return true;
}

static int sort_events(struct model *m)
{
	struct model_events *e = &m->ev;
	CLEANUP_FREE struct moved *by = NULL;
	CLEANUP_FREE void *room = NULL;
	uint32_t *places, i, k;

	if (in_order(e))
		return 0;
	by = malloc(e->count * sizeof(*by));
	room = malloc(e->count * sizeof(int64_t));
	if (!by || !room)
		return -ENOMEM;
	for (i = 0; i < e->count; i++)
		by[i] = (struct moved) { e->t[i], i };
	qsort(by, e->count, sizeof(*by), moved_compare);
	PERMUTE(e->t, by, room, e->count);
	PERMUTE(e->id, by, room, e->count);
	PERMUTE(e->lane, by, room, e->count);
	PERMUTE(e->type, by, room, e->count);
	PERMUTE(e->mark, by, room, e->count);
	places = room;
	for (i = 0; i < e->count; i++)
		places[by[i].from] = i;
	for (i = 0; i < m->nhosts; i++)
		for (k = 0; k < m->hosts[i].count; k++)
			m->hosts[i].pos[k] = places[m->hosts[i].pos[k]];
	return 0;
}

/* Ids without gaps need no list. */
static void trim_ids(struct model *m)
{
	uint32_t i;

	for (i = 0; i < m->nhosts; i++) {
		struct model_host *h = &m->hosts[i];

		if (!h->count || h->ids[h->count - 1] != h->count - 1)
			continue;
		free(h->ids);
		h->ids = NULL;
	}
}

uint32_t model_find(const struct model *m, struct order_ref ref)
{
	const struct model_host *h;
	uint32_t low = 0, high, id;

	if (ref.host >= m->nhosts)
		return NO_EVENT;
	h = &m->hosts[ref.host];
	if (!h->count || ref.id < h->id_base || ref.id - h->id_base > UINT32_MAX)
		return NO_EVENT;
	id = (uint32_t)(ref.id - h->id_base);
	if (!h->ids)
		return id < h->count ? h->pos[id] : NO_EVENT;
	high = h->count;
	while (low < high) {
		uint32_t at = low + (high - low) / 2;

		if (h->ids[at] < id)
			low = at + 1;
		else
			high = at;
	}
	return low < h->count && h->ids[low] == id ? h->pos[low] : NO_EVENT;
}

uint32_t model_at(const struct model *m, int64_t t)
{
	uint32_t low = 0, high = m->ev.count;

	while (low < high) {
		uint32_t at = low + (high - low) / 2;

		if (m->ev.t[at] < t)
			low = at + 1;
		else
			high = at;
	}
	return low;
}

/* --- clocks --- */

static bool take_clock(void *arg, struct order_ref ref, uint32_t clock)
{
	struct model *m = arg;
	uint32_t at = model_find(m, ref);

	if (at != NO_EVENT)
		m->ev.clock[at] = clock;
	return true;
}

/* Counting sort by clock; within a clock by time. */
static int set_clocks(struct model *m)
{
	struct order_stats st;
	uint32_t i, sum = 0, count;

	order_get_stats(m->order, &st);
	m->max_clock = st.max_clock;
	m->ev.clock = calloc((size_t)m->ev.count + 1, sizeof(*m->ev.clock));
	m->by_clock = malloc(((size_t)m->ev.count + 1) * sizeof(*m->by_clock));
	m->clock_first = calloc((size_t)m->max_clock + 3, sizeof(*m->clock_first));
	if (!m->ev.clock || !m->by_clock || !m->clock_first)
		return -ENOMEM;
	order_causal(m->order, take_clock, m);
	for (i = 0; i < m->ev.count; i++)
		m->clock_first[m->ev.clock[i]]++;
	for (i = 0; i <= m->max_clock + 1; i++) {
		count = m->clock_first[i];
		m->clock_first[i] = sum;
		sum += count;
	}
	for (i = 0; i < m->ev.count; i++)
		m->by_clock[m->clock_first[m->ev.clock[i]]++] = i;
	memmove(m->clock_first + 1, m->clock_first, ((size_t)m->max_clock + 1) * sizeof(*m->clock_first));
	m->clock_first[0] = 0;
	return 0;
}

/* --- arrows --- */

static bool take_arrow(void *arg, const struct order_edge *e)
{
	struct model *m = arg;
	struct model_arrow a = { model_find(m, e->from), model_find(m, e->to), e->kind, e->ambiguous, e->after_loss };

	if (a.from == NO_EVENT || a.to == NO_EVENT)
		return true;
	if (!GROW(m->arrows, m->narrows, m->cap_arrows)) {
		m->arrows_failed = true;
		return false;
	}
	m->arrows[m->narrows++] = a;
	return true;
}

/* By the event that they come from: a counting sort. */
static int sort_arrows(struct model *m)
{
	CLEANUP_FREE uint32_t *first = calloc((size_t)m->ev.count + 1, sizeof(*first));
	struct model_arrow *sorted = malloc(((size_t)m->narrows + 1) * sizeof(*sorted));
	uint32_t i, sum = 0, n;

	if (!first || !sorted) {
		free(sorted);
		return -ENOMEM;
	}
	for (i = 0; i < m->narrows; i++)
		first[m->arrows[i].from]++;
	for (i = 0; i < m->ev.count; i++) {
		n = first[i];
		first[i] = sum;
		sum += n;
	}
	for (i = 0; i < m->narrows; i++)
		sorted[first[m->arrows[i].from]++] = m->arrows[i];
	free(m->arrows);
	m->arrows = sorted;
	return 0;
}

static int64_t x_of(const struct model *m, bool logical, uint32_t event)
{
	return logical ? m->ev.clock[event] : m->ev.t[event];
}

static int set_axis(struct model *m, struct arrow_axis *x, bool logical)
{
	size_t blocks = m->narrows / ARROW_BLOCK + 1;
	int64_t reach = INT64_MIN, low = INT64_MAX;
	uint32_t i;

	x->reach = malloc(blocks * sizeof(*x->reach));
	x->low = malloc(blocks * sizeof(*x->low));
	if (!x->reach || !x->low)
		return -ENOMEM;
	for (i = 0; i < m->narrows; i++) {
		const struct model_arrow *a = &m->arrows[x->by ? x->by[i] : i];

		reach = MAX(reach, x_of(m, logical, a->to));
		reach = MAX(reach, x_of(m, logical, a->from));
		x->reach[i / ARROW_BLOCK] = reach;
	}
	for (i = m->narrows; i-- > 0;) {
		const struct model_arrow *a = &m->arrows[x->by ? x->by[i] : i];

		low = MIN(low, x_of(m, logical, a->from));
		low = MIN(low, x_of(m, logical, a->to));
		x->low[i / ARROW_BLOCK] = low;
	}
	return 0;
}

/* Places of the arrows by the clocks where they begin. */
static uint32_t *arrows_by_clock(const struct model *m)
{
	CLEANUP_FREE uint32_t *first = calloc((size_t)m->max_clock + 2, sizeof(*first));
	uint32_t *by = malloc(((size_t)m->narrows + 1) * sizeof(*by)), i, sum = 0, n;

	if (!first || !by) {
		free(by);
		return NULL;
	}
	for (i = 0; i < m->narrows; i++)
		first[m->ev.clock[m->arrows[i].from]]++;
	for (i = 0; i <= m->max_clock; i++) {
		n = first[i];
		first[i] = sum;
		sum += n;
	}
	for (i = 0; i < m->narrows; i++)
		by[first[m->ev.clock[m->arrows[i].from]]++] = i;
	return by;
}

static int set_arrows(struct model *m)
{
	int r;

	if (order_edges(m->order, false, take_arrow, m) < 0 || m->arrows_failed || sort_arrows(m) < 0)
		return -ENOMEM;
	m->arrows_logical.by = arrows_by_clock(m);
	if (!m->arrows_logical.by)
		return -ENOMEM;
	r = set_axis(m, &m->arrows_wall, false);
	return r < 0 ? r : set_axis(m, &m->arrows_logical, true);
}

/* --- all --- */

static int set_lanes(struct model *m)
{
	uint32_t i, sum = 0, n;

	m->lane_first = calloc((size_t)m->nlanes + 2, sizeof(*m->lane_first));
	m->by_lane = malloc(((size_t)m->ev.count + 1) * sizeof(*m->by_lane));
	if (!m->lane_first || !m->by_lane)
		return -ENOMEM;
	for (i = 0; i < m->ev.count; i++)
		m->lane_first[m->ev.lane[i] + 1]++;
	for (i = 0; i <= m->nlanes; i++) {
		n = m->lane_first[i + 1];
		m->lane_first[i + 1] = sum;
		sum += n;
	}
	for (i = 0; i < m->ev.count; i++)
		m->by_lane[m->lane_first[m->ev.lane[i] + 1]++] = i;
	return 0;
}

uint32_t model_lane_at(const struct model *m, uint32_t lane, int64_t t)
{
	uint32_t low = m->lane_first[lane], high = m->lane_first[lane + 1];

	while (low < high) {
		uint32_t at = low + (high - low) / 2;

		if (m->ev.t[m->by_lane[at]] < t)
			low = at + 1;
		else
			high = at;
	}
	return low;
}

int model_index(struct model *m)
{
	int r;

	trim_ids(m);
	set_times(m);
	r = sort_events(m);
	if (r >= 0)
		r = set_clocks(m);
	if (r >= 0)
		r = set_arrows(m);
	if (r >= 0)
		r = set_lanes(m);
	if (r >= 0)
		r = lanes_done(m);
	if (r >= 0)
		r = levels_make(&m->wall, m, false);
	if (r >= 0)
		r = levels_make(&m->logical, m, true);
	return r;
}

static void free_axis(struct arrow_axis *x)
{
	free(x->by);
	free(x->reach);
	free(x->low);
}

struct model *model_free(struct model *m)
{
	uint32_t i;

	if (!m)
		return NULL;
	metrics_free(m);
	for (i = 0; m->hosts && i < m->nhosts; i++) {
		free(m->hosts[i].ids);
		free(m->hosts[i].pos);
	}
	free(m->hosts);
	free(m->ev.t);
	free(m->ev.id);
	free(m->ev.lane);
	free(m->ev.clock);
	free(m->ev.type);
	free(m->ev.mark);
	free(m->lanes);
	free(m->drawing);
	free(m->arrows);
	free_axis(&m->arrows_wall);
	free_axis(&m->arrows_logical);
	free(m->by_lane);
	free(m->lane_first);
	levels_fini(&m->wall);
	levels_fini(&m->logical);
	free(m->by_clock);
	free(m->clock_first);
	free(m->losses);
	free(m->stops);
	map_fini(&m->process_of);
	map_fini(&m->thread_of);
	map_fini(&m->place_of);
	telling_free(m->telling);
	buf_fini(&m->story);
	who_free(m->who);
	order_free(m->order);
	store_reader_free(m->reader);
	(void)pthread_mutex_destroy(&m->lock);
	(void)pthread_mutex_destroy(&m->deriving);
	free(m);
	return NULL;
}
