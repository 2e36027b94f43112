/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window - what is to be drawn of a stretch of time, or of logical time: the rows that are visible, and all that lies on
 * lanes folded into them.
 *
 * A row with few events gets each of them, one with many gets bins that count them.  Answers are bounded by MARKS_MAX and
 * bundle.h, whatever the recording's size.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "serve/bundle.h"
#include "serve/levels.h"
#include "serve/internal.h"
#include "store/store.h"

#define ROWS_MAX 2048
#define MARKS_MAX 20000
#define PX_MAX 8192
#define PX_DEFAULT 1200
#define TIME_MAX 4e18
#define LABELS_MAX 2000	    /* events with labels; each is fetched from its recording */
#define LABEL_BLOCKS_MAX 12 /* blocks that are read for them */

struct bin {
	uint32_t n, log, trouble;
};

struct row {
	uint32_t lane;
	uint32_t count; /* events within */
	uint32_t first; /* of them in window.events; only where each is shown */
	uint32_t taken;
	bool each;
};

struct window {
	struct model *m;
	int64_t from, to;
	unsigned int shift; /* a bin is 1 << shift wide, and begins at a multiple of that */
	uint32_t nrows, nbins, px;
	uint32_t seen, unseen; /* rows from seen to before unseen have marks, of others only the count is told */
	bool logical;
	struct row *rows;
	uint32_t *row_of;	/* by lane; NO_LANE: not visible */
	struct bin *bins;	/* by row, then bin */
	uint32_t *events;	/* that are shown each, by row, then time */
	const uint64_t *filter; /* bits of the events that are asked for; NULL: all */
	uint64_t total;
	uint32_t labels;
	uint64_t blocks;
};

static uint32_t event_at(const struct window *w, uint32_t i)
{
	return w->logical ? w->m->by_clock[i] : i;
}

static int64_t x_of(const struct window *w, uint32_t event)
{
	return w->logical ? w->m->ev.clock[event] : w->m->ev.t[event];
}

static bool asked(const struct window *w, uint32_t event)
{
	return !w->filter || bit_at(w->filter, event);
}

/* --- what is asked --- */

/* First event on the axis that is not before x. */
static uint32_t place_of(const struct window *w, int64_t x)
{
	const struct model *m = w->m;

	if (!w->logical)
		return model_at(m, x);
	if (x <= 0)
		return 0;
	return x > m->max_clock ? m->ev.count : m->clock_first[x];
}

static bool row_add(struct window *w, uint64_t lane)
{
	if (lane >= w->m->nlanes || w->nrows == ROWS_MAX)
		return false;
	if (w->row_of[lane] == NO_LANE) {
		w->rows[w->nrows] = (struct row) { .lane = (uint32_t)lane };
		w->row_of[lane] = w->nrows++;
	}
	return true;
}

/* `3,17,4`; absent: the hosts */
static bool parse_rows(struct window *w, const char *text)
{
	uint32_t i;
	char *end;

	for (i = 0; !text && i < w->m->nlanes; i++)
		if (w->m->lanes[i].kind == LANE_HOST && w->m->lanes[i].events && !row_add(w, i))
			return true; /* so many hosts are not drawn */
	while (text && *text) {
		unsigned long lane = strtoul(text, &end, 10);

		if (end == text || *text == '-' || (*end && *end != ',') || !row_add(w, lane))
			return false;
		text = *end ? end + 1 : end;
	}
	return true;
}

/* Each lane's row: its own, or that of the nearest lane above it that has one. */
static void inherit_rows(struct window *w)
{
	uint32_t i, at;
	int kind;

	for (kind = LANE_PROCESS; kind <= LANE_THREAD; kind++)
		for (i = 0; i < w->m->nlanes; i++) {
			at = w->m->lanes[i].parent;
			if (w->m->lanes[i].kind == kind && w->row_of[i] == NO_LANE && at != NO_LANE)
				w->row_of[i] = w->row_of[at];
		}
}

/* `part=20-45`: the first of the rows that are on the screen, and the one after the last; absent: all */
static bool parse_part(struct window *w, const char *text)
{
	unsigned long first, end;
	char *at = NULL;

	w->unseen = w->nrows;
	if (!text)
		return true;
	first = strtoul(text, &at, 10);
	if (*text < '0' || *text > '9' || *at != '-' || at[1] < '0' || at[1] > '9')
		return false;
	end = strtoul(at + 1, &at, 10);
	if (*at || first > end)
		return false;
	w->seen = (uint32_t)MIN(first, (unsigned long)w->nrows);
	w->unseen = (uint32_t)MIN(end, (unsigned long)w->nrows);
	return true;
}

static bool on_screen(const struct window *w, uint32_t row)
{
	return row >= w->seen && row < w->unseen;
}

/* How many marks a row may have. */
static uint32_t marks_most(const struct window *w)
{
	return MARKS_MAX / (w->unseen > w->seen ? w->unseen - w->seen : 1);
}

static bool parse_range(struct window *w, const struct serve_request *rq)
{
	double from = w->logical ? 1 : MIN(0, (double)(w->m->ev.count ? w->m->ev.t[0] : 0));
	double to = w->logical ? w->m->max_clock + 1.0 : (double)w->m->span_ns + 1, px = PX_DEFAULT;

	if (!request_number(rq, "from", &from) || !request_number(rq, "to", &to) || !request_number(rq, "px", &px))
		return false;
	if (from > TIME_MAX || from < -TIME_MAX || to > TIME_MAX || to < -TIME_MAX)
		return false;
	w->px = px < 1 ? 1 : px > PX_MAX ? PX_MAX : (uint32_t)px;
	w->from = (int64_t)from;
	w->to = (int64_t)to;
	w->to = MAX(w->to, w->from + 1);
	return true;
}

static bool parse(struct window *w, const struct serve_request *rq, struct serve_response *rs)
{
	const char *axis = request_param(rq, "axis");

	w->logical = axis && !strcmp(axis, "logical");
	if (axis && !w->logical && strcmp(axis, "wall") != 0)
		response_error(rs, 400, "there is no axis of that name: wall or logical");
	else if (!parse_range(w, rq))
		response_error(rs, 400, "'from', 'to' and 'px' are numbers");
	else if (!parse_rows(w, request_param(rq, "lanes")))
		response_error(rs, 400, "'lanes' is a list of at most %d numbers of lanes", ROWS_MAX);
	else if (!parse_part(w, request_param(rq, "part")))
		response_error(rs, 400, "'part' is two numbers of rows: FIRST-END");
	else
		return true;
	return false;
}

/* The narrowest bins of which there are not too many. */
static void set_bins(struct window *w)
{
	uint32_t most = MIN(w->px, marks_most(w));

	most = MAX(most, 2U);
	while (((w->to - 1) >> w->shift) - (w->from >> w->shift) >= most)
		w->shift++;
	w->nbins = (uint32_t)(((w->to - 1) >> w->shift) - (w->from >> w->shift) + 1);
}

/* --- counting --- */

static void count_cell(struct window *w, int64_t bin, const struct level_cell *c)
{
	uint32_t row = w->row_of[c->lane];
	struct bin *b;

	if (row == NO_LANE)
		return;
	w->rows[row].count += c->n;
	if (!on_screen(w, row))
		return;
	b = &w->bins[(size_t)(row - w->seen) * w->nbins + (size_t)(bin - (w->from >> w->shift))];
	b->n += c->n;
	b->log += c->log;
	b->trouble += c->trouble;
}

static void count_each(struct window *w, int64_t from, int64_t to)
{
	const struct model_events *e = &w->m->ev;
	uint32_t i = place_of(w, from), end = from < to ? place_of(w, to) : i;

	for (; i < end; i++) {
		uint32_t event = event_at(w, i);
		struct level_cell c = { e->lane[event], 1, e->type[event] == EVENT_LOG,
					e->mark[event] == MARK_TROUBLE };

		if (asked(w, event))
			count_cell(w, x_of(w, event) >> w->shift, &c);
	}
}

/* Where a bin begins; logical and wall times before the first event are negative, and those must not be shifted left. */
static int64_t bin_begin(const struct window *w, int64_t bin)
{
	return bin * ((int64_t)1 << w->shift);
}

/* Whole bins from the level that has them, the rest event by event. */
static void count_events(struct window *w)
{
	const struct zoom *l = w->filter ? NULL : levels_get(w->logical ? &w->m->logical : &w->m->wall, w->shift);
	int64_t begin = (w->from + (1LL << w->shift) - 1) >> w->shift, end = w->to >> w->shift, bin;
	uint32_t i;

	if (!l || begin >= end) {
		count_each(w, w->from, w->to);
		return;
	}
	count_each(w, w->from, bin_begin(w, begin));
	for (bin = MAX(begin, l->begin); bin < end && bin < l->begin + l->count; bin++)
		for (i = l->first[bin - l->begin]; i < l->first[bin - l->begin + 1]; i++)
			count_cell(w, bin, &l->cells[i]);
	count_each(w, bin_begin(w, end), w->to);
}

/* --- rows with few events show each --- */

static uint32_t pick_rows(struct window *w)
{
	uint32_t row, sum = 0, most = MIN(2 * w->px, marks_most(w));

	for (row = 0; row < w->nrows; row++) {
		struct row *r = &w->rows[row];

		w->total += r->count;
		r->each = r->count && r->count <= most && on_screen(w, row);
		r->first = sum;
		sum += r->each ? r->count : 0;
	}
	return sum;
}

static bool within(const struct window *w, uint32_t event)
{
	return x_of(w, event) >= w->from && x_of(w, event) < w->to;
}

/* Where a lane's events that may lie within begin and end in by_lane: by clocks they are not sorted. */
static void lane_range(const struct window *w, uint32_t lane, uint32_t *begin, uint32_t *end)
{
	const struct model *m = w->m;

	*begin = w->logical ? m->lane_first[lane] : model_lane_at(m, lane, w->from);
	*end = w->logical ? m->lane_first[lane + 1] : model_lane_at(m, lane, w->to);
}

/* One lane's events into its row. */
static void take_lane(struct window *w, uint32_t lane)
{
	const struct model *m = w->m;
	struct row *r = &w->rows[w->row_of[lane]];
	uint32_t i, end;

	lane_range(w, lane, &i, &end);
	for (; i < end && r->taken < r->count; i++)
		if (within(w, m->by_lane[i]) && asked(w, m->by_lane[i]))
			w->events[r->first + r->taken++] = m->by_lane[i];
}

static bool lane_each(const struct window *w, uint32_t lane)
{
	return w->row_of[lane] != NO_LANE && w->rows[w->row_of[lane]].each;
}

/* How many would be looked at lane by lane. */
static uint64_t lanes_cost(const struct window *w)
{
	uint64_t cost = 0;
	uint32_t i, begin, end;

	for (i = 0; i < w->m->nlanes; i++) {
		if (!lane_each(w, i))
			continue;
		lane_range(w, i, &begin, &end);
		cost += 8 + end - begin;
	}
	return cost;
}

static void take_all(struct window *w)
{
	uint32_t i = place_of(w, w->from), end = place_of(w, w->to);

	for (; i < end; i++) {
		uint32_t event = event_at(w, i), row = w->row_of[w->m->ev.lane[event]];
		struct row *r;

		if (row == NO_LANE || !w->rows[row].each || !asked(w, event))
			continue;
		r = &w->rows[row];
		w->events[r->first + r->taken++] = event;
	}
}

static int event_compare(const void *pa, const void *pb, void *arg)
{
	const struct window *w = arg;
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	if (x_of(w, a) != x_of(w, b))
		return x_of(w, a) < x_of(w, b) ? -1 : 1;
	return (a > b) - (a < b);
}

/* By time, lane by lane where that is less than going through all. */
static int take_events(struct window *w)
{
	uint32_t sum = pick_rows(w), i;

	w->labels = sum <= LABELS_MAX ? sum : 0;
	w->events = malloc(((size_t)sum + 1) * sizeof(*w->events));
	if (!w->events)
		return -ENOMEM;
	if (!sum)
		return 0;
	if (place_of(w, w->to) - place_of(w, w->from) <= lanes_cost(w)) {
		take_all(w);
		return 0;
	}
	for (i = 0; i < w->m->nlanes; i++)
		if (lane_each(w, i))
			take_lane(w, i);
	for (i = 0; i < w->nrows; i++)
		if (w->rows[i].each)
			qsort_r(w->events + w->rows[i].first, w->rows[i].count, sizeof(*w->events), event_compare, w);
	return 0;
}

/* --- writing --- */

static uint64_t blocks_read(const struct model *m)
{
	struct store_stats st;

	store_reader_stats(m->reader, &st);
	return st.read_blocks;
}

/* As long as that needs few blocks of the recording. */
static void label_json(struct window *w, struct buf *b, uint32_t event)
{
	union event_room room;
	struct event ev;

	if (!w->labels || model_fetch(w->m, event, &room, &ev, NULL) < 0)
		return;
	buf_str(b, ",\"label\":");
	put_label(b, w->m, &ev);
	if (--w->labels % 16 == 0 && blocks_read(w->m) - w->blocks > LABEL_BLOCKS_MAX)
		w->labels = 0;
}

static void event_json_short(struct window *w, struct buf *b, uint32_t event)
{
	const struct model_events *e = &w->m->ev;

	buf_str(b, "{\"id\":");
	put_ref(b, w->m, event);
	put_number(b, ",\"t\":", e->t[event]);
	put_number(b, ",\"clock\":", e->clock[event]);
	buf_str(b, ",\"type\":");
	put_type(b, w->m, event);
	buf_str(b, ",\"mark\":\"");
	buf_str(b, mark_name(e->mark[event]));
	buf_char(b, '"');
	label_json(w, b, event);
	buf_char(b, '}');
}

static void row_events_json(struct window *w, struct buf *b, const struct row *r)
{
	uint32_t i;

	buf_str(b, ",\"events\":[");
	for (i = 0; i < r->count; i++) {
		if (i)
			buf_char(b, ',');
		event_json_short(w, b, w->events[r->first + i]);
	}
	buf_char(b, ']');
}

static void row_bins_json(const struct window *w, struct buf *b, uint32_t row)
{
	const struct bin *bins = &w->bins[(size_t)(row - w->seen) * w->nbins];
	const char *sep = "";
	uint32_t i;

	buf_str(b, ",\"bins\":[");
	for (i = 0; i < w->nbins; i++) {
		if (!bins[i].n)
			continue;
		buf_str(b, sep);
		put_number(b, "{\"x\":", bin_begin(w, (w->from >> w->shift) + i));
		put_number(b, ",\"n\":", bins[i].n);
		if (bins[i].log)
			put_number(b, ",\"log\":", bins[i].log);
		if (bins[i].trouble)
			put_number(b, ",\"trouble\":", bins[i].trouble);
		buf_char(b, '}');
		sep = ",";
	}
	buf_char(b, ']');
}

static void rows_json(struct window *w, struct buf *b)
{
	uint32_t row;

	buf_printf(b, "{\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"bin\":%" PRId64 ",\"lanes\":[", w->from, w->to,
		   (int64_t)1 << w->shift);
	w->blocks = blocks_read(w->m);
	for (row = 0; row < w->nrows; row++) {
		const struct row *r = &w->rows[row];

		buf_printf(b, "%s{\"id\":%u,\"count\":%u", row ? "," : "", r->lane, r->count);
		if (r->each || !r->count)
			row_events_json(w, b, r);
		else if (on_screen(w, row))
			row_bins_json(w, b, row);
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

/* --- arrows --- */

static void arrow_take(struct window *w, struct bundles *all, const struct model_arrow *a)
{
	const struct model_events *e = &w->m->ev;
	int64_t x0 = x_of(w, a->from), x1 = x_of(w, a->to);
	uint32_t row0 = w->row_of[e->lane[a->from]], row1 = w->row_of[e->lane[a->to]];

	if (MAX(x0, x1) < w->from || MIN(x0, x1) >= w->to || (row0 == NO_LANE && row1 == NO_LANE))
		return;
	if (!asked(w, a->from) && !asked(w, a->to))
		return;
	if (row0 == row1)
		all->inside++;
	else if (row0 == NO_LANE || row1 == NO_LANE)
		all->elsewhere++;
	else
		bundles_add(all, a, row0, row1, x0 >> w->shift, x1 >> w->shift, 1);
}

/* Those that begin or end within: blocks of which all have ended before or begin later are passed over. */
static void arrows_take(struct window *w, struct bundles *all)
{
	const struct model *m = w->m;
	const struct arrow_axis *x = w->logical ? &m->arrows_logical : &m->arrows_wall;
	uint32_t i = 0;

	while (i < m->narrows) {
		if (i % ARROW_BLOCK == 0) {
			if (x->low[i / ARROW_BLOCK] >= w->to)
				break;
			if (x->reach[i / ARROW_BLOCK] < w->from) {
				i += ARROW_BLOCK;
				continue;
			}
		}
		arrow_take(w, all, &m->arrows[x->by ? x->by[i] : i]);
		i++;
	}
}

static bool only_hosts(const struct window *w)
{
	uint32_t i;

	for (i = 0; i < w->nrows; i++)
		if (w->m->lanes[w->rows[i].lane].kind != LANE_HOST)
			return false;
	return true;
}

/* Between hosts the level knows how many there are. */
static void level_take(struct window *w, struct bundles *all, const struct zoom *l)
{
	int64_t bin = MAX((w->from >> w->shift) - l->longest, l->begin);
	int64_t end = MIN(((w->to - 1) >> w->shift) + l->longest + 1, l->begin + l->count);

	for (; bin < end; bin++) {
		uint32_t i = l->first_arrow[bin - l->begin], last = l->first_arrow[bin - l->begin + 1];

		for (; i < last; i++) {
			const struct level_arrow *a = &l->arrows[i];
			uint32_t row0 = w->row_of[a->host0], row1 = w->row_of[a->host1];
			int64_t end1 = bin + a->span;
			struct model_arrow first = { a->from, a->to, a->kind, a->ambiguous, a->after_loss };

			if (MAX(bin, end1) < w->from >> w->shift || MIN(bin, end1) > (w->to - 1) >> w->shift)
				continue;
			if (row0 == row1)
				all->inside += row0 == NO_LANE ? 0 : a->n;
			else if (row0 == NO_LANE || row1 == NO_LANE)
				all->elsewhere += a->n;
			else
				bundles_add(all, &first, row0, row1, bin, end1, a->n);
		}
	}
}

static void bundle_json(const struct window *w, struct buf *b, const struct bundle *u, const char *sep)
{
	const struct model_events *e = &w->m->ev;

	buf_str(b, sep);
	buf_str(b, "{\"from\":");
	put_ref(b, w->m, u->arrow.from);
	buf_str(b, ",\"to\":");
	put_ref(b, w->m, u->arrow.to);
	buf_str(b, ",\"kind\":\"");
	buf_str(b, order_kind_name(u->arrow.kind));
	buf_str(b, u->arrow.ambiguous ? "\",\"ambiguous\":true" : "\"");
	if (u->arrow.after_loss)
		buf_str(b, ",\"after_loss\":true");
	put_number(b, ",\"t0\":", e->t[u->arrow.from]);
	put_number(b, ",\"t1\":", e->t[u->arrow.to]);
	put_number(b, ",\"clock0\":", e->clock[u->arrow.from]);
	put_number(b, ",\"clock1\":", e->clock[u->arrow.to]);
	put_number(b, ",\"lane0\":", w->rows[u->row0].lane);
	put_number(b, ",\"lane1\":", w->rows[u->row1].lane);
	put_number(b, ",\"n\":", u->n);
	buf_char(b, '}');
}

static int arrows_json(struct window *w, struct buf *b, uint64_t *ret_left_out)
{
	struct bundles all;
	uint32_t i;
	const struct zoom *l = levels_get(w->logical ? &w->m->logical : &w->m->wall, w->shift);
	int r = bundles_init(&all);

	if (r < 0)
		return r;
	if (l && l->first_arrow && !w->filter && only_hosts(w))
		level_take(w, &all, l);
	else
		arrows_take(w, &all);
	bundles_finish(&all);
	buf_str(b, ",\"arrows\":[");
	for (i = 0; i < all.count; i++)
		bundle_json(w, b, &all.rows[i], i ? "," : "");
	buf_printf(b, "],\"inside\":%" PRIu64 ",\"elsewhere\":%" PRIu64, all.inside, all.elsewhere);
	*ret_left_out = all.left_out;
	bundles_fini(&all);
	return 0;
}

/* --- losses and stops: of time, so with logical time there are none --- */

static void losses_json(const struct window *w, struct buf *b)
{
	const struct model *m = w->m;
	const char *sep = "";
	uint32_t i, row;
	size_t limit = b->len + 256 * 1024;

	buf_str(b, ",\"losses\":[");
	for (i = 0; i < m->nlosses && !w->logical && b->len < limit; i++) {
		const struct model_loss *l = &m->losses[i];

		if (l->to < w->from || l->from >= w->to)
			continue;
		for (row = 0; row < w->nrows; row++) {
			if (m->lanes[w->rows[row].lane].host != l->host)
				continue;
			buf_printf(b, "%s{\"lane\":%u,\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"count\":%" PRIu64 "}",
				   sep, w->rows[row].lane, l->from, l->to, l->count);
			sep = ",";
		}
	}
	buf_char(b, ']');
}

static void stops_json(const struct window *w, struct buf *b)
{
	const struct model *m = w->m;
	const char *sep = "";
	size_t limit = b->len + 256 * 1024;
	uint32_t i;

	buf_str(b, ",\"stopped\":[");
	for (i = 0; i < m->nstops && !w->logical && b->len < limit; i++) {
		const struct model_stop *s = &m->stops[i];
		uint32_t row = w->row_of[s->lane];

		if (row == NO_LANE || s->to < w->from || s->from >= w->to)
			continue;
		buf_printf(b, "%s{\"lane\":%u,\"of\":%u,\"from\":%" PRId64 ",\"to\":%" PRId64 "}", sep,
			   w->rows[row].lane, s->lane, s->from, s->to == INT64_MAX ? m->span_ns : s->to);
		sep = ",";
	}
	buf_char(b, ']');
}

/* --- all --- */

static int window_json(struct window *w, struct buf *b)
{
	uint64_t arrows_left = 0;
	int r;

	set_bins(w);
	w->bins = calloc((size_t)(w->unseen - w->seen) * w->nbins + 1, sizeof(*w->bins));
	if (!w->bins)
		return -ENOMEM;
	count_events(w);
	r = take_events(w);
	if (r < 0)
		return r;
	rows_json(w, b);
	r = arrows_json(w, b, &arrows_left);
	if (r < 0)
		return r;
	losses_json(w, b);
	stops_json(w, b);
	buf_printf(b,
		   ",\"total\":%" PRIu64 ",\"left_out\":{\"events\":%" PRIu64 ",\"arrows\":%" PRIu64
		   "},\"generation\":%u}",
		   w->total, (uint64_t)0, arrows_left, w->m->generation);
	return 0;
}

static int window_init(struct window *w)
{
	uint32_t i;

	w->rows = calloc(ROWS_MAX, sizeof(*w->rows));
	w->row_of = malloc((w->m->nlanes + 1) * sizeof(*w->row_of));
	if (!w->rows || !w->row_of)
		return -ENOMEM;
	for (i = 0; i < w->m->nlanes; i++)
		w->row_of[i] = NO_LANE;
	return 0;
}

static void window_fini(struct window *w)
{
	free(w->rows);
	free(w->row_of);
	free(w->bins);
	free(w->events);
}

void answer_window(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	struct window w = { .m = m };
	const char *query = request_param(rq, "q");
	struct bits *bits = NULL;

	if (window_init(&w) < 0) {
		response_error(rs, 500, "out of memory");
	} else if (parse(&w, rq, rs)) {
		bits = query && *query ? bits_find(s, m, query, rs) : NULL;
		w.filter = bits ? bits_words(bits) : NULL;
		inherit_rows(&w);
		(void)pthread_mutex_lock(&m->lock);
		if (rs->status == 200 && window_json(&w, &rs->body) < 0)
			response_error(rs, 500, "out of memory");
		(void)pthread_mutex_unlock(&m->lock);
		bits_drop(s, bits);
	}
	window_fini(&w);
}
