/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/levels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "serve/grow.h"
#include "serve/model.h"

#define JOIN_SLOTS (1U << 14)
#define FINEST_BINS (1U << 15)
#define WORTH 8 /* a level is kept if it has that much fewer cells than there are events */

static int64_t x_of(const struct model *m, bool logical, uint32_t event)
{
	return logical ? m->ev.clock[event] : m->ev.t[event];
}

static void level_fini(struct zoom *l)
{
	free(l->first);
	free(l->cells);
	free(l->first_arrow);
	free(l->arrows);
	*l = (struct zoom) { 0 };
}

void levels_fini(struct levels *l)
{
	unsigned int i;

	for (i = 0; i < l->count; i++)
		level_fini(&l->all[i]);
	l->count = 0;
}

const struct zoom *levels_get(const struct levels *l, unsigned int shift)
{
	if (!l->count || shift < l->all[0].shift || shift - l->all[0].shift >= l->count)
		return NULL;
	return &l->all[shift - l->all[0].shift];
}

/* Gives back what growing took too much. */
static void shrink(void **array, size_t bytes)
{
	void *less = realloc(*array, bytes ? bytes : 1);

	*array = less ? less : *array;
}

/* --- cells of one stretch, gathered by lane --- */

struct gather {
	uint32_t *at;	/* by lane: index of its cell + 1 */
	uint32_t begin; /* first cell of this stretch */
	struct zoom *l;
	uint32_t ncells, cap;
	bool failed;
};

static void gather_add(struct gather *g, const struct level_cell *c)
{
	struct zoom *l = g->l;
	uint32_t at = g->at[c->lane];

	if (at <= g->begin || at > g->ncells || l->cells[at - 1].lane != c->lane) {
		if (g->ncells == g->cap) {
			struct level_cell *grown =
				realloc(l->cells, (g->cap = g->cap ? 2 * g->cap : 4096) * sizeof(*grown));

			g->failed = g->failed || !grown;
			if (!grown)
				return;
			l->cells = grown;
		}
		l->cells[g->ncells++] = *c;
		g->at[c->lane] = g->ncells;
		return;
	}
	l->cells[at - 1].n += c->n;
	l->cells[at - 1].log += c->log;
	l->cells[at - 1].trouble += c->trouble;
}

static void finest_cells(struct gather *g, const struct model *m, bool logical)
{
	const struct model_events *e = &m->ev;
	struct zoom *l = g->l;
	uint32_t bin = 0, i;

	for (i = 0; i < e->count && !g->failed; i++) {
		uint32_t event = logical ? m->by_clock[i] : i;
		uint32_t now = (uint32_t)((x_of(m, logical, event) >> l->shift) - l->begin);
		struct level_cell c = { e->lane[event], 1, e->type[event] == EVENT_LOG,
					e->mark[event] == MARK_TROUBLE };

		for (; bin < now; bin++) {
			l->first[bin + 1] = g->ncells;
			g->begin = g->ncells;
		}
		gather_add(g, &c);
	}
	for (; bin < l->count; bin++)
		l->first[bin + 1] = g->ncells;
}

static void coarser_cells(struct gather *g, const struct zoom *finer)
{
	struct zoom *l = g->l;
	uint32_t bin, i;

	for (bin = 0; bin < finer->count && !g->failed; bin++) {
		uint32_t now = (uint32_t)(((finer->begin + bin) >> 1) - l->begin);

		if (bin && now != (uint32_t)(((finer->begin + bin - 1) >> 1) - l->begin))
			g->begin = g->ncells;
		for (i = finer->first[bin]; i < finer->first[bin + 1]; i++)
			gather_add(g, &finer->cells[i]);
		l->first[now + 1] = g->ncells;
	}
}

static int level_make(struct zoom *l, const struct model *m, bool logical, const struct zoom *finer, uint32_t *room)
{
	struct gather g = { .at = room, .l = l };

	l->first = calloc((size_t)l->count + 1, sizeof(*l->first));
	if (!l->first)
		return -ENOMEM;
	memset(room, 0, m->nlanes * sizeof(*room));
	if (finer)
		coarser_cells(&g, finer);
	else
		finest_cells(&g, m, logical);
	if (!g.failed)
		shrink((void **)&l->cells, g.ncells * sizeof(*l->cells));
	return g.failed ? -ENOMEM : 0;
}

/* --- arrows --- */

static uint32_t host_lane(const struct model *m, uint32_t event)
{
	uint32_t lane = m->ev.lane[event];

	while (m->lanes[lane].parent != NO_LANE)
		lane = m->lanes[lane].parent;
	return lane;
}

static bool same_way(const struct level_arrow *a, const struct level_arrow *b)
{
	return a->host0 == b->host0 && a->host1 == b->host1 && a->span == b->span && a->kind == b->kind &&
	       a->ambiguous == b->ambiguous && a->after_loss == b->after_loss;
}

static uint64_t way_hash(const struct level_arrow *a)
{
	uint64_t h = map_hash((uint64_t)a->host0 << 32 | a->host1);

	return map_hash(h ^ ((uint64_t)(uint32_t)a->span << 10 | a->kind << 2 | a->ambiguous << 1 | a->after_loss));
}

/*
 * The arrows of one level as they are made, stretch by stretch.  A slot names an arrow; one of an earlier stretch counts as
 * none, so that the table need not be cleared for each.
 */
struct joining {
	struct zoom *l;
	uint32_t count, cap, begin; /* begin: of the stretch that is being filled */
	uint32_t *slots;	    /* JOIN_SLOTS; place + 1 */
};

/* The slot of one that goes the same way, or where it would be; NULL: the table is full for this stretch. */
static uint32_t *joining_slot(const struct joining *j, const struct level_arrow *a)
{
	uint32_t slot = (uint32_t)way_hash(a) & (JOIN_SLOTS - 1);

	if (j->count - j->begin >= JOIN_SLOTS / 2)
		return NULL;
	for (; j->slots[slot] > j->begin && j->slots[slot] <= j->count; slot = (slot + 1) & (JOIN_SLOTS - 1))
		if (same_way(&j->l->arrows[j->slots[slot] - 1], a))
			break;
	return &j->slots[slot];
}

static bool joining_add(struct joining *j, const struct level_arrow *a)
{
	struct zoom *l = j->l;
	uint32_t *slot = joining_slot(j, a);

	if (slot && *slot > j->begin && *slot <= j->count) {
		l->arrows[*slot - 1].n += a->n;
		return true;
	}
	if (!GROW(l->arrows, j->count, j->cap))
		return false;
	l->arrows[j->count++] = *a;
	l->longest = MAX(l->longest, a->span < 0 ? -a->span : a->span);
	if (slot)
		*slot = j->count;
	return true;
}

static void joining_end(struct joining *j, uint32_t bin)
{
	j->begin = j->count;
	j->l->first_arrow[bin + 1] = j->count;
}

/* by: places of m->arrows by where they begin; NULL: as they are. */
static int arrows_of_model(struct zoom *l, const struct model *m, bool logical, const uint32_t *by, uint32_t *slots)
{
	struct joining j = { .l = l, .slots = slots };
	uint32_t i, bin = 0;

	for (i = 0; i < m->narrows; i++) {
		const struct model_arrow *a = &m->arrows[by ? by[i] : i];
		int64_t at = x_of(m, logical, a->from) >> l->shift, end = x_of(m, logical, a->to) >> l->shift;
		struct level_arrow one = {
			a->from, a->to,	  host_lane(m, a->from), host_lane(m, a->to), (int32_t)(end - at),
			1,	 a->kind, a->ambiguous,		 a->after_loss
		};
		uint32_t now = (uint32_t)(at - l->begin);

		for (; bin < now; bin++)
			joining_end(&j, bin);
		if (!joining_add(&j, &one))
			return -ENOMEM;
	}
	for (; bin < l->count; bin++)
		joining_end(&j, bin);
	return 0;
}

static int arrows_of_finer(struct zoom *l, const struct zoom *finer, uint32_t *slots)
{
	struct joining j = { .l = l, .slots = slots };
	uint32_t i, bin;

	for (bin = 0; bin < finer->count; bin++) {
		uint32_t now = (uint32_t)(((finer->begin + bin) >> 1) - l->begin);

		for (i = finer->first_arrow[bin]; i < finer->first_arrow[bin + 1]; i++) {
			struct level_arrow one = finer->arrows[i];

			one.span = (int32_t)(((finer->begin + bin + one.span) >> 1) - (l->begin + now));
			if (!joining_add(&j, &one))
				return -ENOMEM;
		}
		if (bin + 1 == finer->count || (uint32_t)(((finer->begin + bin + 1) >> 1) - l->begin) != now)
			joining_end(&j, now);
	}
	return 0;
}

static int arrows_make(struct zoom *l, const struct model *m, bool logical, const struct zoom *finer,
		       const uint32_t *by)
{
	CLEANUP_FREE uint32_t *slots = calloc(JOIN_SLOTS, sizeof(*slots));
	int r;

	l->first_arrow = calloc((size_t)l->count + 1, sizeof(*l->first_arrow));
	if (!l->first_arrow || !slots)
		return -ENOMEM;
	r = finer ? arrows_of_finer(l, finer, slots) : arrows_of_model(l, m, logical, by, slots);
	if (r >= 0)
		shrink((void **)&l->arrows, l->first_arrow[l->count] * sizeof(*l->arrows));
	return r;
}

/* From the finest level on; then those that are not worth it go. */
static int all_arrows(struct levels *l, const struct model *m, bool logical)
{
	unsigned int i;
	int r = 0;

	for (i = 0; r >= 0 && i < l->count; i++)
		r = arrows_make(&l->all[i], m, logical, i ? &l->all[i - 1] : NULL,
				logical ? m->arrows_logical.by : NULL);
	for (i = 0; r >= 0 && i + 1 < l->count && l->all[i].first_arrow[l->all[i].count] > m->narrows / WORTH; i++) {
		free(l->all[i].first_arrow);
		free(l->all[i].arrows);
		l->all[i].first_arrow = NULL;
		l->all[i].arrows = NULL;
	}
	return r;
}

/* --- all levels --- */

static void set_range(struct zoom *l, int64_t low, int64_t high)
{
	l->begin = low >> l->shift;
	l->count = (uint32_t)((high >> l->shift) - l->begin + 1);
}

static void range_of(const struct model *m, bool logical, int64_t *low, int64_t *high)
{
	*low = logical ? 0 : m->ev.t[0];
	*high = logical ? m->max_clock : m->ev.t[m->ev.count - 1];
}

/* From the finest one that is worth it on; those before are only steps to it. */
static int all_cells(struct levels *l, const struct model *m, bool logical, uint32_t *room)
{
	struct zoom now = { 0 }, finer = { 0 };
	int64_t low, high;
	int r;

	range_of(m, logical, &low, &high);
	while (((high - low) >> now.shift) >= FINEST_BINS)
		now.shift++;
	for (;; now = (struct zoom) { .shift = finer.shift + 1 }) {
		set_range(&now, low, high);
		r = level_make(&now, m, logical, finer.first ? &finer : NULL, room);
		if (!l->count)
			level_fini(&finer);
		if (r < 0)
			level_fini(&now);
		if (r < 0)
			return r;
		if (l->count || now.first[now.count] <= m->ev.count / WORTH)
			l->all[l->count++] = now;
		if (now.count <= 2 || l->count == LEVELS_MAX)
			break;
		finer = now;
	}
	if (!l->count)
		level_fini(&now);
	return 0;
}

int levels_make(struct levels *l, const struct model *m, bool logical)
{
	CLEANUP_FREE uint32_t *room = malloc(((size_t)m->nlanes + 1) * sizeof(*room));
	int r;

	if (!room)
		return -ENOMEM;
	if (!m->ev.count)
		return 0;
	r = all_cells(l, m, logical, room);
	return r < 0 ? r : all_arrows(l, m, logical);
}
